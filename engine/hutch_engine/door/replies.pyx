"""See replies.pxd."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_SetItem
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.set cimport PySet_Add
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.string cimport memchr
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.door.codec cimport Codec

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, object overflow_error) except? -1.0
    object PyLong_FromLongLong(long long value)
    object PyUnicode_FromStringAndSize(const char* data, Py_ssize_t length)


cdef object no_reply(Codec codec):
    if codec.silence_error is not None:
        raise codec.silence_error("no reply will come: CLIENT REPLY is OFF, or was SKIP")
    return None


cdef int _cut_off(Codec codec) except -1:
    """A reply of the engine's ends too early only when CLIENT REPLY was among the commands of an EXEC."""
    no_reply(codec)
    return _truncated()


cdef int _truncated() except -1:
    raise ValueError("truncated or malformed reply")


cdef int _line(Cursor* cursor, Slice* line_out) except -1:
    """The rest of the line behind the type byte; the cursor moves behind its CRLF."""
    cdef const char* start = cursor.at + 1
    cdef const char* stop = <const char*>memchr(start, b'\r', cursor.end - start) if start < cursor.end else NULL
    if stop == NULL or stop + 1 >= cursor.end:
        _truncated()
    cursor.at = stop + 2
    line_out[0] = slice_of(start, stop - start)
    return 0


cdef inline int64_t _number(Cursor* cursor) noexcept:
    """The number of the line at the cursor, which moves behind it; where the line has no end, to the end of all."""
    cdef const char* at = cursor.at + 1
    cdef bint negative = at < cursor.end and at[0] == b'-'
    cdef int64_t value = 0
    if negative:
        at += 1
    while at < cursor.end and at[0] != b'\r':
        value = value * 10 + (at[0] - 48)
        at += 1
    cursor.at = at + 2 if likely(at + 1 < cursor.end) else cursor.end
    return -value if negative else value


cdef const char* _body(Cursor* cursor, int64_t length) except NULL:
    """`length` bytes, and the cursor moves behind the CRLF that follows them."""
    cdef const char* start = cursor.at
    if unlikely(length < 0 or cursor.end - start < length + 2):
        _truncated()
    cursor.at = start + length + 2
    return start


cdef inline object _text(const char* data, int64_t length, Codec codec, bint decode):
    if decode:
        if likely(codec.utf8 and codec.strict):
            return PyUnicode_FromStringAndSize(data, <Py_ssize_t>length)
        return codec.text(data, <size_t>length)
    return PyBytes_FromStringAndSize(data, <Py_ssize_t>length)


cdef inline object _bulk(Cursor* cursor, Codec codec, bint decode):
    """A bulk string, or None."""
    cdef int64_t length = _number(cursor)
    cdef const char* start = cursor.at
    if length < 0:
        return None
    if unlikely(cursor.end - start < length + 2):
        _truncated()
    cursor.at = start + length + 2
    return _text(start, length, codec, decode)


cdef inline object _element(Cursor* cursor, Codec codec, bint decode, int depth):
    """Any reply; most often it is a bulk string."""
    if likely(cursor.at < cursor.end and cursor.at[0] == b'$'):
        return _bulk(cursor, codec, decode)
    return decode_reply(cursor, codec, decode, depth)


cdef object _error(const char* data, int64_t length, Codec codec):
    return codec.error_factory(PyUnicode_DecodeUTF8(data, <Py_ssize_t>length, b"replace"))


cdef object _list(Cursor* cursor, Codec codec, bint decode, int depth):
    """An array, a set or a push message, or None."""
    cdef int64_t count = _number(cursor)
    cdef int64_t i
    cdef object element
    cdef list found
    if count < 0:
        return None
    if unlikely(count > cursor.end - cursor.at):
        _cut_off(codec)                     # an element has three bytes at least
    found = PyList_New(<Py_ssize_t>count)
    for i in range(count):
        element = _element(cursor, codec, decode, depth + 1)
        Py_INCREF(element)
        PyList_SET_ITEM(found, <Py_ssize_t>i, element)
    return found


cdef object _dict(Cursor* cursor, Codec codec, bint decode, int depth):
    """A map, or a flat array of pairs."""
    cdef bint flat = cursor.at[0] == b'*'
    cdef int64_t pairs = _number(cursor)
    cdef dict found = {}
    if flat:
        pairs //= 2
    while pairs > 0:
        name = _element(cursor, codec, decode, depth + 1)
        PyDict_SetItem(found, name, _element(cursor, codec, decode, depth + 1))
        pairs -= 1
    return found


cdef object decode_reply(Cursor* cursor, Codec codec, bint decode, int depth):
    cdef char kind
    cdef Slice line
    cdef int64_t count
    if unlikely(depth > NESTING_MAX):
        raise RecursionError("a reply is nested too deeply")
    if unlikely(cursor.at >= cursor.end):
        _cut_off(codec)
    kind = cursor.at[0]
    if kind == b'$':
        return _bulk(cursor, codec, decode)
    if kind == b':':
        return PyLong_FromLongLong(_number(cursor))
    if kind == b'*' or kind == b'~' or kind == b'>':
        # Sets too: they may hold what Python cannot hash, and redis-py gives lists for all of them.
        return _list(cursor, codec, decode, depth)
    if kind == b'%':
        return _dict(cursor, codec, decode, depth)
    if kind == b'=':
        count = _number(cursor)
        if count < 4:
            _truncated()
        return _text(_body(cursor, count) + 4, count - 4, codec, decode)
    if kind == b'!':
        count = _number(cursor)
        return _error(_body(cursor, count), count, codec)
    if kind == b'|':
        # An attribute tells about the reply behind it; nobody asks for it, as in redis-py.
        for count in range(2 * _number(cursor)):
            decode_reply(cursor, codec, decode, depth + 1)
        return decode_reply(cursor, codec, decode, depth + 1)
    _line(cursor, &line)
    if kind == b'+':
        return _text(line.data, <int64_t>line.length, codec, decode)
    if kind == b'-':
        return _error(line.data, <int64_t>line.length, codec)
    if kind == b'_':
        return None
    if kind == b'#':
        return line.length == 1 and line.data[0] == b't'
    if kind == b',':
        return float(line.data[:line.length])
    if kind == b'(':
        return int(line.data[:line.length])
    _truncated()


# ---- what redis-py's callbacks make of a reply

cdef object _set(Cursor* cursor, Codec codec, bint decode):
    cdef int64_t count = _number(cursor)
    cdef set found = set()
    while count > 0:
        PySet_Add(found, _element(cursor, codec, decode, 1))
        count -= 1
    return found


cdef object _double(Cursor* cursor, Codec codec):
    """A double, or the bulk string of one; nan and inf as Python reads them."""
    cdef char* end
    cdef int64_t digits = 0
    cdef bint negative
    cdef int64_t length
    cdef Slice text
    if cursor.at[0] == b'$':
        length = _number(cursor)
        if length < 0:
            return None
        text = slice_of(_body(cursor, length), <size_t>length)
    elif cursor.at[0] == b',':
        _line(cursor, &text)
    else:
        return decode_reply(cursor, codec, False, 0)
    end = <char*>text.data
    negative = end[0] == b'-'
    if negative:
        end += 1
    while b'0' <= end[0] <= b'9' and end - text.data < 16:
        digits = digits * 10 + (end[0] - 48)
        end += 1
    if end[0] == b'\r' and end - text.data < 16 and (digits or not negative):
        return <double>(-digits if negative else digits)     # exact: below 2 to the 53rd
    return PyOS_string_to_double(text.data, &end, None)


cdef object _doubles(Cursor* cursor, Codec codec):
    cdef int64_t count = _number(cursor)
    cdef list found = []
    while count > 0:
        if unlikely(cursor.at >= cursor.end):
            _truncated()
        found.append(_double(cursor, codec))
        count -= 1
    return found


cdef object shape_reply(Cursor* cursor, Shape shape, Codec codec):
    cdef char kind
    cdef Slice line
    if unlikely(cursor.at >= cursor.end):
        _truncated()
    kind = cursor.at[0]
    if unlikely(kind == b'-'):
        return decode_reply(cursor, codec, codec.decode, 0)
    if shape == SHAPE_VALUE:
        if kind == b':':
            return PyLong_FromLongLong(_number(cursor))
        return _element(cursor, codec, codec.decode, 0)
    elif shape == SHAPE_TRUTH:
        if likely(kind == b':'):
            return _number(cursor) != 0
    elif shape == SHAPE_DONE:
        if likely(kind == b'+'):
            _line(cursor, &line)
            return True
    elif shape == SHAPE_NUMBER:
        return _double(cursor, codec)
    elif shape == SHAPE_NUMBERS:
        if likely(kind == b'*'):
            return _doubles(cursor, codec)
    elif shape == SHAPE_UNIQUE:
        if likely(kind == b'*' or kind == b'~'):
            return _set(cursor, codec, codec.decode)
    elif shape == SHAPE_PAIRS:
        if likely(kind == b'*' or kind == b'%'):
            return _dict(cursor, codec, codec.decode, 0)
    return decode_reply(cursor, codec, codec.decode, 0)
