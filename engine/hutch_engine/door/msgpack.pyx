"""Python values as MessagePack, and back: what hutch.cache keeps.

What goes in comes out: exact types only. None, bool, int (64 bits), float, str, bytes, list and dict are MessagePack's own; whatever else
there is goes through two functions that the caller gives: `extend(value, depth)` makes (code, payload) of it or raises,
`restore(code, payload, depth)` is its inverse. The bytes may come from a stranger: every length is compared with what is left before it is used, nesting is bounded, and what
is no MessagePack is a ValueError.

Source: the MessagePack specification, https://github.com/msgpack/msgpack/blob/master/spec.md
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.door.output cimport Output, output_bytes, output_clear, output_init, output_put, output_room

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object value) except? 0xFFFFFFFFFFFFFFFF

cdef enum:
    DEPTH_MAX = 200                  # levels of lists and dicts: each takes some 200 bytes of the C stack

cdef struct Input:
    const uint8_t* at                # borrowed from the bytes object that is read
    const uint8_t* end


# ---- writing

cdef int _write_number(Output* out, uint8_t head, uint64_t number, int bytes) except -1:
    """A head and a big-endian number of so many bytes."""
    cdef uint8_t* place = <uint8_t*>output_room(out, 1 + bytes)
    cdef int i
    place[0] = head
    for i in range(bytes):
        place[1 + i] = <uint8_t>(number >> (8 * (bytes - 1 - i)))
    return 0


cdef int _write_sized(Output* out, size_t count, int fix, size_t fix_max, int head8, int head16, int head32) except -1:
    """The head of something with a size; -1 for a form that it does not have. ValueError for more than 32 bits."""
    if fix >= 0 and count <= fix_max:
        return _write_number(out, <uint8_t>(fix | count), 0, 0)
    if head8 >= 0 and count <= 0xFF:
        return _write_number(out, <uint8_t>head8, count, 1)
    if count <= 0xFFFF:
        return _write_number(out, <uint8_t>head16, count, 2)
    if count <= 0xFFFFFFFF:
        return _write_number(out, <uint8_t>head32, count, 4)
    raise ValueError("too large for MessagePack: sizes have 32 bits")


cdef int _write_integer(Output* out, object value, object extend, int depth) except -1:
    """An int in the shortest form; one of more than 64 bits goes through `extend`."""
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow > 0 and value <= 0xFFFFFFFFFFFFFFFF:
        return _write_number(out, 0xCF, PyLong_AsUnsignedLongLong(value), 8)
    if overflow:
        return _write_extended(out, value, extend, depth)
    if number >= 0:
        if number < 0x80:
            return _write_number(out, <uint8_t>number, 0, 0)
        if number <= 0xFF:
            return _write_number(out, 0xCC, <uint64_t>number, 1)
        if number <= 0xFFFF:
            return _write_number(out, 0xCD, <uint64_t>number, 2)
        if number <= 0xFFFFFFFF:
            return _write_number(out, 0xCE, <uint64_t>number, 4)
        return _write_number(out, 0xCF, <uint64_t>number, 8)
    if number >= -32:
        return _write_number(out, <uint8_t>(number & 0xFF), 0, 0)
    if number >= -0x80:
        return _write_number(out, 0xD0, <uint64_t>number, 1)
    if number >= -0x8000:
        return _write_number(out, 0xD1, <uint64_t>number, 2)
    if number >= -0x80000000:
        return _write_number(out, 0xD2, <uint64_t>number, 4)
    return _write_number(out, 0xD3, <uint64_t>number, 8)


cdef int _write_extended(Output* out, object value, object extend, int depth) except -1:
    """What `extend` makes of a value of another type. Raises what it raises; TypeError when there is none."""
    if extend is None:
        raise TypeError(f"{type(value).__name__} has no form in MessagePack")
    code, payload = extend(value, depth)
    if type(payload) is not bytes or not -128 <= code <= 127:
        raise TypeError("extend() must return a code of -128 to 127, and bytes")
    cdef size_t count = PyBytes_GET_SIZE(payload)
    if count == 1 or count == 2 or count == 4 or count == 8 or count == 16:
        _write_number(out, <uint8_t>(0xD4 + (0 if count == 1 else 1 if count == 2 else 2 if count == 4 else 3 if count == 8 else 4)), 0, 0)
    else:
        _write_sized(out, count, -1, 0, 0xC7, 0xC8, 0xC9)
    _write_number(out, <uint8_t>(<int>code & 0xFF), 0, 0)
    return output_put(out, PyBytes_AS_STRING(payload), count)


cdef int _write(Output* out, object value, object extend, int depth) except -1:
    """One value, with all that is in it."""
    cdef Py_ssize_t size = 0
    cdef const char* text
    cdef double number
    cdef uint64_t bits
    cdef PyObject* name
    cdef PyObject* member
    cdef Py_ssize_t at = 0
    if value is None:
        return _write_number(out, 0xC0, 0, 0)
    if value is True:
        return _write_number(out, 0xC3, 0, 0)
    if value is False:
        return _write_number(out, 0xC2, 0, 0)
    kind = type(value)
    if kind is str:
        try:
            text = PyUnicode_AsUTF8AndSize(value, &size)
        except UnicodeEncodeError:       # lone surrogates, as file names have them
            return _write_extended(out, value, extend, depth)
        _write_sized(out, size, 0xA0, 31, 0xD9, 0xDA, 0xDB)
        return output_put(out, text, size)
    if kind is int:
        return _write_integer(out, value, extend, depth)
    if kind is float:
        number = value
        memcpy(&bits, &number, 8)
        return _write_number(out, 0xCB, bits, 8)
    if kind is bytes:
        size = PyBytes_GET_SIZE(value)
        _write_sized(out, size, -1, 0, 0xC4, 0xC5, 0xC6)
        return output_put(out, PyBytes_AS_STRING(value), size)
    if kind is not dict and kind is not list:
        return _write_extended(out, value, extend, depth)
    if depth >= DEPTH_MAX:
        raise ValueError(f"nested deeper than {DEPTH_MAX} levels (or in itself)")
    if kind is dict:
        # A copy: `extend` is Python, which may change the dict.
        value = dict(value)
        _write_sized(out, len(value), 0x80, 15, -1, 0xDE, 0xDF)
        while PyDict_Next(value, &at, &name, &member):
            _write(out, <object>name, extend, depth + 1)
            _write(out, <object>member, extend, depth + 1)
        return 0
    value = list(value)
    _write_sized(out, PyList_GET_SIZE(value), 0x90, 15, -1, 0xDC, 0xDD)
    for at in range(PyList_GET_SIZE(value)):
        _write(out, <object>PyList_GET_ITEM(value, at), extend, depth + 1)
    return 0


def packed(value, extend=None, bytes prefix=b"", int depth=0):
    """The value as MessagePack, behind the bytes of `prefix`; a value within another one begins at its `depth`.

    TypeError for a type that `extend(value, depth)` does not know either, ValueError for what is nested too deeply or too large. O(its size)
    """
    cdef Output out
    output_init(&out)
    try:
        output_put(&out, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
        _write(&out, value, extend, depth)
        return output_bytes(&out)
    finally:
        output_clear(&out)


# ---- reading

cdef uint64_t _read_number(Input* source, int bytes) except? 0xFFFFFFFFFFFFFFFF:
    """A big-endian number of so many bytes. ValueError when the input ends before."""
    cdef uint64_t number = 0
    cdef int i
    if source.end - source.at < bytes:
        raise ValueError("MessagePack that ends too early")
    for i in range(bytes):
        number = number << 8 | source.at[i]
    source.at += bytes
    return number


cdef const char* _read_bytes(Input* source, uint64_t count) except NULL:
    """The next bytes. ValueError when there are fewer."""
    cdef const char* place = <const char*>source.at
    if count > <uint64_t>(source.end - source.at):
        raise ValueError("MessagePack that ends too early")
    source.at += count
    return place


cdef object _read_text(Input* source, uint64_t count):
    """A str. ValueError (a UnicodeDecodeError) for what is no UTF-8."""
    return PyUnicode_DecodeUTF8(_read_bytes(source, count), <Py_ssize_t>count, NULL)


cdef object _read_blob(Input* source, uint64_t count):
    """Bytes."""
    return PyBytes_FromStringAndSize(_read_bytes(source, count), <Py_ssize_t>count)


cdef object _read_extended(Input* source, uint64_t count, object restore, int depth):
    """What `restore` makes of an extension."""
    cdef int code = <int>_read_number(source, 1)
    payload = _read_blob(source, count)
    if restore is None:
        raise ValueError("MessagePack with an extension that nobody knows")
    return restore(code - 256 if code > 127 else code, payload, depth + 1)


cdef list _read_list(Input* source, uint64_t count, object restore, int depth):
    """So many values. An element takes a byte at least, so no list is longer than its input."""
    cdef list values = []
    if count > <uint64_t>(source.end - source.at):
        raise ValueError("MessagePack that ends too early")
    while count:
        values.append(_read(source, restore, depth + 1))
        count -= 1
    return values


cdef dict _read_dict(Input* source, uint64_t count, object restore, int depth):
    """So many pairs. ValueError for a key that no dict can have."""
    cdef dict members = {}
    if count > <uint64_t>(source.end - source.at) // 2:
        raise ValueError("MessagePack that ends too early")
    while count:
        name = _read(source, restore, depth + 1)
        value = _read(source, restore, depth + 1)
        try:
            members[name] = value
        except TypeError:
            raise ValueError("MessagePack with a key that is not hashable") from None
        count -= 1
    return members


cdef object _read(Input* source, object restore, int depth):
    """One value, with all that is in it."""
    cdef uint8_t head = <uint8_t>_read_number(source, 1)
    cdef uint64_t number
    cdef uint32_t half
    cdef double real
    cdef float single
    if depth > DEPTH_MAX:
        raise ValueError(f"MessagePack nested deeper than {DEPTH_MAX} levels")
    if head < 0x80:
        return head
    if head < 0x90:
        return _read_dict(source, head & 0x0F, restore, depth)
    if head < 0xA0:
        return _read_list(source, head & 0x0F, restore, depth)
    if head < 0xC0:
        return _read_text(source, head & 0x1F)
    if head >= 0xE0:
        return <int>head - 256
    if head == 0xC0:
        return None
    if head == 0xC2:
        return False
    if head == 0xC3:
        return True
    if head == 0xC4 or head == 0xC5 or head == 0xC6:
        return _read_blob(source, _read_number(source, 1 << (head - 0xC4)))
    if head == 0xC7 or head == 0xC8 or head == 0xC9:
        number = _read_number(source, 1 << (head - 0xC7))
        return _read_extended(source, number, restore, depth)
    if head == 0xCA:
        half = <uint32_t>_read_number(source, 4)
        memcpy(&single, &half, 4)
        return <double>single
    if head == 0xCB:
        number = _read_number(source, 8)
        memcpy(&real, &number, 8)
        return real
    if 0xCC <= head <= 0xCF:
        return _read_number(source, 1 << (head - 0xCC))
    if head == 0xD0:
        return <signed char>_read_number(source, 1)
    if head == 0xD1:
        return <short>_read_number(source, 2)
    if head == 0xD2:
        return <int>_read_number(source, 4)
    if head == 0xD3:
        return <int64_t>_read_number(source, 8)
    if 0xD4 <= head <= 0xD8:
        return _read_extended(source, 1 << (head - 0xD4), restore, depth)
    if head == 0xD9 or head == 0xDA or head == 0xDB:
        return _read_text(source, _read_number(source, 1 << (head - 0xD9)))
    if head == 0xDC or head == 0xDD:
        return _read_list(source, _read_number(source, 2 << (head - 0xDC)), restore, depth)
    if head == 0xDE or head == 0xDF:
        return _read_dict(source, _read_number(source, 2 << (head - 0xDE)), restore, depth)
    raise ValueError("no MessagePack: the byte 0xc1 begins nothing")


cdef object msgpack_read(bytes data, object restore, Py_ssize_t begin, int depth):
    """See msgpack.pxd."""
    cdef Input source
    if begin < 0 or begin > PyBytes_GET_SIZE(data):
        raise ValueError("MessagePack that begins behind its end")
    source.at = <const uint8_t*>PyBytes_AS_STRING(data) + begin
    source.end = <const uint8_t*>PyBytes_AS_STRING(data) + PyBytes_GET_SIZE(data)
    value = _read(&source, restore, depth)
    if source.at != source.end:
        raise ValueError("MessagePack with something behind the value")
    return value


def unpacked(bytes data not None, restore=None, Py_ssize_t begin=0, int depth=0):
    """The one value that these bytes are, from `begin` on; `restore(code, payload, depth)` makes values of extensions.

    ValueError for bytes that are no MessagePack, that end too early, or go on after the value. O(its size)
    """
    return msgpack_read(data, restore, begin, depth)
