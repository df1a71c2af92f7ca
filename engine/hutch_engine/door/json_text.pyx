"""Python values as JSON text, and back, for the client's json(): in half the time of Python's own module, and with its results.

Exact types only, and only what both sides read the same: whatever is unusual (subclasses, names that are no text, integers beyond 64 bits, NaN,
lone surrogates, deep nesting, text that is no JSON) is left to Python's module, with its results and its errors.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_SetItem
from cpython.list cimport PyList_Append, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double_short, format_integer, parse_double
from hutch_engine.base.slice cimport slice_of
from hutch_engine.door.output cimport Output, output_bytes, output_clear, output_init, output_put, output_reserve

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    char* PyOS_double_to_string(double value, char form, int precision, int flags, int* kind) except NULL
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0
    enum: Py_DTSF_ADD_DOT_0
    void PyMem_Free(void* block)

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define HUTCH_COPY_WALKED 1
    #else
    #define HUTCH_COPY_WALKED 0
    #endif
    """
    const bint COPY_WALKED "HUTCH_COPY_WALKED"      # without a GIL, another thread may change what is walked here: then it is copied first

cdef enum:
    DEPTH_MAX = 200                  # levels of lists and dicts: each takes some 200 bytes of the C stack
    KEYS = 64                        # names that came already are remembered: lists have objects that are alike
    KEY_BYTES_MAX = 32
    DIGITS_MAX = 18                  # surely fit 64 bits

cdef double WHOLE_MAX = 9007199254740992.0      # below it, whole doubles are spelled with all their digits


class Unusual(ValueError):
    """The text is no JSON, or one that is left to Python's module."""


# ---- writing

cdef inline int _put_byte(Output* out, char byte) except -1:
    output_reserve(out, 1)
    out.data[out.length] = byte
    out.length += 1
    return 0


cdef bint _put_text(Output* out, object text) except -1:
    """With quotes and escapes. False: it has no UTF-8."""
    cdef Py_ssize_t length = 0
    cdef const char* data
    cdef const char* end
    cdef const char* run
    cdef uint8_t byte
    try:
        data = PyUnicode_AsUTF8AndSize(text, &length)
    except UnicodeEncodeError:
        return False
    output_reserve(out, <size_t>length + 2)
    _put_byte(out, c'"')
    end = data + length
    run = data
    while data < end:
        byte = <uint8_t>data[0]
        if likely(byte >= 0x20 and byte != c'"' and byte != c'\\'):
            data += 1
            continue
        output_put(out, run, data - run)
        if byte == c'"' or byte == c'\\':
            _put_byte(out, c'\\')
            _put_byte(out, <char>byte)
        else:
            output_put(out, b"\\u00", 4)
            _put_byte(out, b"0123456789abcdef"[byte >> 4])
            _put_byte(out, b"0123456789abcdef"[byte & 15])
        data += 1
        run = data
    output_put(out, run, data - run)
    _put_byte(out, c'"')
    return True


cdef bint _put_number(Output* out, object value) except -1:
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        return False
    output_reserve(out, 24)
    out.length += format_integer(number, out.data + out.length)
    return True


cdef bint _put_double(Output* out, double value) except -1:
    """Text that reads back as the value, and as a double."""
    cdef char* text
    cdef size_t length = 0
    if not isfinite(value):
        return False
    output_reserve(out, DOUBLE_TEXT_MAX)
    if -WHOLE_MAX < value < WHOLE_MAX and value != 0:
        if <double><int64_t>value != value:
            out.length += format_double_short(value, out.data + out.length)
        else:
            out.length += format_integer(<int64_t>value, out.data + out.length)
            output_put(out, b".0", 2)
        return True
    text = PyOS_double_to_string(value, c'r', 0, Py_DTSF_ADD_DOT_0, NULL)
    while text[length]:
        length += 1
    try:
        output_put(out, text, length)
    finally:
        PyMem_Free(text)
    return True


cdef bint _put_dict(Output* out, dict value, int depth) except -1:
    cdef Py_ssize_t at = 0
    cdef PyObject* name
    cdef PyObject* item
    cdef bint first = True
    if COPY_WALKED:
        value = value.copy()
    _put_byte(out, c'{')
    # Nothing in here runs a program's code, so with a GIL the dict stays as it is meanwhile.
    while PyDict_Next(value, &at, &name, &item):
        if type(<object>name) is not str:
            return False
        if not first:
            _put_byte(out, c',')
        first = False
        if not _put_text(out, <object>name):
            return False
        _put_byte(out, c':')
        if not _put_value(out, <object>item, depth):
            return False
    _put_byte(out, c'}')
    return True


cdef bint _put_value(Output* out, object value, int depth) except -1:
    """False: it is unusual."""
    cdef Py_ssize_t i
    if type(value) is str:
        return _put_text(out, value)
    if type(value) is int:
        return _put_number(out, value)
    if type(value) is float:
        return _put_double(out, <double>value)
    if value is None:
        output_put(out, b"null", 4)
        return True
    if value is True:
        output_put(out, b"true", 4)
        return True
    if value is False:
        output_put(out, b"false", 5)
        return True
    if depth == DEPTH_MAX:
        return False
    if type(value) is dict:
        return _put_dict(out, <dict>value, depth + 1)
    if type(value) is not list and type(value) is not tuple:
        return False
    if COPY_WALKED:
        value = tuple(value)
    _put_byte(out, c'[')
    for i in range(PyList_GET_SIZE(value) if type(value) is list else PyTuple_GET_SIZE(value)):
        if i:
            _put_byte(out, c',')
        if not _put_value(out, <object>(PyList_GET_ITEM(value, i) if type(value) is list else PyTuple_GET_ITEM(value, i)), depth + 1):
            return False
    _put_byte(out, c']')
    return True


def json_encoded(value):
    """The compact text of a value, as bytes of UTF-8; None for one that is left to Python's module. O(bytes)"""
    cdef Output out
    output_init(&out)
    try:
        return output_bytes(&out) if _put_value(&out, value, 0) else None
    finally:
        output_clear(&out)


# ---- reading

cdef struct Key:
    const char* text                 # where it stood first, in the text that is read
    Py_ssize_t length
    PyObject* name                   # owned

cdef struct Input:
    const char* at                   # borrowed from the object that is read; a NUL stands behind its end
    const char* end
    int depth
    Key[KEYS] keys


cdef inline void _skip_spaces(Input* text) noexcept:
    while text.at[0] == c' ' or text.at[0] == c'\n' or text.at[0] == c'\r' or text.at[0] == c'\t':
        text.at += 1


cdef int _hex(const char* digits) except -2:
    """Four digits of an escape."""
    cdef int value = 0
    cdef int i
    cdef char digit
    for i in range(4):
        digit = digits[i]
        if c'0' <= digit <= c'9':
            value = value << 4 | (digit - c'0')
        elif c'a' <= digit | 32 <= c'f':
            value = value << 4 | ((digit | 32) - c'a' + 10)
        else:
            raise Unusual()
    return value


cdef object _escaped(const char* data, const char* end):
    """The text of a string with escapes; `end` is the quote behind it. No escape is shorter than the UTF-8 that it stands for."""
    cdef char* made = <char*>malloc(end - data)
    cdef char* to = made
    cdef uint32_t code, low
    cdef char byte
    if made == NULL:
        raise MemoryError()
    try:
        while data < end:
            byte = data[0]
            data += 1
            if byte != c'\\':
                to[0] = byte
                to += 1
                continue
            byte = data[0]               # there is one: a backslash before the quote would have hidden it
            data += 1
            if byte == c'n':
                byte = c'\n'
            elif byte == c't':
                byte = c'\t'
            elif byte == c'r':
                byte = c'\r'
            elif byte == c'b':
                byte = c'\b'
            elif byte == c'f':
                byte = c'\f'
            elif byte == c'u':
                if end - data < 4:
                    raise Unusual()
                code = _hex(data)
                data += 4
                if code >> 10 == 0x36:
                    if end - data < 6 or data[0] != c'\\' or data[1] != c'u':
                        raise Unusual()
                    low = _hex(data + 2)
                    if low >> 10 != 0x37:
                        raise Unusual()
                    data += 6
                    code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF))
                    to[0] = <char>(0xF0 | code >> 18)
                    to[1] = <char>(0x80 | (code >> 12 & 63))
                    to[2] = <char>(0x80 | (code >> 6 & 63))
                    to[3] = <char>(0x80 | (code & 63))
                    to += 4
                elif code >> 10 == 0x37:
                    raise Unusual()
                elif code >= 0x800:
                    to[0] = <char>(0xE0 | code >> 12)
                    to[1] = <char>(0x80 | (code >> 6 & 63))
                    to[2] = <char>(0x80 | (code & 63))
                    to += 3
                elif code >= 0x80:
                    to[0] = <char>(0xC0 | code >> 6)
                    to[1] = <char>(0x80 | (code & 63))
                    to += 2
                else:
                    to[0] = <char>code
                    to += 1
                continue
            elif byte != c'"' and byte != c'\\' and byte != c'/':
                raise Unusual()
            to[0] = byte
            to += 1
        return PyUnicode_DecodeUTF8(made, to - made, NULL)
    finally:
        free(made)


cdef object _text(Input* text, bint is_name):
    """From behind the opening quote to behind the closing one."""
    cdef const char* begin = text.at
    cdef const char* at = begin
    cdef bint escapes = False
    cdef Py_ssize_t length
    cdef Key* key
    while True:
        if unlikely(<uint8_t>at[0] < 0x20):
            raise Unusual()              # a control character, or the end
        if at[0] == c'"':
            break
        if unlikely(at[0] == c'\\'):
            escapes = True
            at += 1
            if at == text.end:
                raise Unusual()
        at += 1
    text.at = at + 1
    if unlikely(escapes):
        return _escaped(begin, at)
    length = at - begin
    if not is_name or length > KEY_BYTES_MAX or length == 0:
        return PyUnicode_DecodeUTF8(begin, length, NULL)
    key = &text.keys[(length * 31 + begin[0] * 7 + begin[length >> 1] * 5 + begin[length - 1] * 13) & (KEYS - 1)]
    if key.name != NULL and key.length == length and memcmp(key.text, begin, length) == 0:
        return <object>key.name
    name = PyUnicode_DecodeUTF8(begin, length, NULL)
    if key.name != NULL:
        Py_DECREF(<object>key.name)
    Py_INCREF(name)
    key.name = <PyObject*>name
    key.text = begin
    key.length = length
    return name


cdef inline bint _is_digit(char byte) noexcept:
    return c'0' <= byte <= c'9'


cdef object _number(Input* text):
    cdef const char* begin = text.at
    cdef const char* at = begin + (begin[0] == c'-')
    cdef const char* digits = at
    cdef char* stop = NULL
    cdef int64_t value = 0
    cdef double real = 0
    if not _is_digit(at[0]) or (at[0] == c'0' and _is_digit(at[1])):
        raise Unusual()
    while _is_digit(at[0]):
        if at - digits < DIGITS_MAX:
            value = value * 10 + (at[0] - c'0')
        at += 1
    if at[0] != c'.' and at[0] | 32 != c'e':
        text.at = at
        if unlikely(at - digits > DIGITS_MAX):
            return int(begin[:at - begin])
        return -value if begin[0] == c'-' else value
    if at[0] == c'.':
        at += 1
        if not _is_digit(at[0]):
            raise Unusual()
        while _is_digit(at[0]):
            at += 1
    if at[0] | 32 == c'e':
        at += 1
        if at[0] == c'+' or at[0] == c'-':
            at += 1
        if not _is_digit(at[0]):
            raise Unusual()
        while _is_digit(at[0]):
            at += 1
    # What is beyond a double, or so small that it is 0, only Python reads: as infinite, and as 0.
    if unlikely(not parse_double(slice_of(begin, at - begin), &real)):
        real = PyOS_string_to_double(begin, &stop, NULL)
        if stop != at:
            raise Unusual()
    text.at = at
    return real


cdef dict _members(Input* text):
    """From behind the opening brace."""
    cdef dict found = {}
    _skip_spaces(text)
    if text.at[0] == c'}':
        text.at += 1
        return found
    while True:
        if text.at[0] != c'"':
            raise Unusual()
        text.at += 1
        name = _text(text, True)
        _skip_spaces(text)
        if text.at[0] != c':':
            raise Unusual()
        text.at += 1
        PyDict_SetItem(found, name, _value(text))
        _skip_spaces(text)
        if text.at[0] != c',':
            break
        text.at += 1
        _skip_spaces(text)
    if text.at[0] != c'}':
        raise Unusual()
    text.at += 1
    return found


cdef list _elements(Input* text):
    """From behind the opening bracket."""
    cdef list found = []
    _skip_spaces(text)
    if text.at[0] == c']':
        text.at += 1
        return found
    while True:
        PyList_Append(found, _value(text))
        _skip_spaces(text)
        if text.at[0] != c',':
            break
        text.at += 1
    if text.at[0] != c']':
        raise Unusual()
    text.at += 1
    return found


cdef object _value(Input* text):
    cdef char first
    _skip_spaces(text)
    first = text.at[0]
    if first == c'"':
        text.at += 1
        return _text(text, False)
    if first == c'-' or _is_digit(first):
        return _number(text)
    if first == c'{' or first == c'[':
        if text.depth == DEPTH_MAX:
            raise Unusual()
        text.depth += 1
        text.at += 1
        found = _members(text) if first == c'{' else _elements(text)
        text.depth -= 1
        return found
    # A word that is cut short ends at the NUL behind the text, which compares unequal.
    if first == c't' and text.at[1] == c'r' and text.at[2] == c'u' and text.at[3] == c'e':
        text.at += 4
        return True
    if first == c'f' and text.at[1] == c'a' and text.at[2] == c'l' and text.at[3] == c's' and text.at[4] == c'e':
        text.at += 5
        return False
    if first == c'n' and text.at[1] == c'u' and text.at[2] == c'l' and text.at[3] == c'l':
        text.at += 4
        return None
    raise Unusual()


def json_decoded(text):
    """The value of a JSON text (str, or bytes of UTF-8). Unusual for one that is left to Python's module. O(bytes)"""
    cdef Input reading
    cdef Py_ssize_t length = 0
    cdef int i
    if type(text) is bytes:
        reading.at = PyBytes_AS_STRING(text)
        length = PyBytes_GET_SIZE(text)
    elif type(text) is str:
        try:
            reading.at = PyUnicode_AsUTF8AndSize(text, &length)
        except UnicodeEncodeError:
            raise Unusual() from None
    else:
        raise Unusual()
    reading.end = reading.at + length
    reading.depth = 0
    memset(reading.keys, 0, sizeof(reading.keys))
    try:
        value = _value(&reading)
        _skip_spaces(&reading)
        if reading.at != reading.end:
            raise Unusual()
        return value
    except UnicodeDecodeError:
        raise Unusual() from None
    finally:
        for i in range(KEYS):
            if reading.keys[i].name != NULL:
                Py_DECREF(<object>reading.keys[i].name)
