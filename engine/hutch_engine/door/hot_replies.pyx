"""See hot_replies.pxd."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_SetItem
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.set cimport PySet_Add
from libc.stdint cimport int64_t
from libc.string cimport memchr
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.door.codec cimport Codec, Cursor, decode_reply

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, object overflow_error) except? -1.0
    object PyUnicode_FromStringAndSize(const char* data, Py_ssize_t length)


cdef inline int64_t _count_of(Cursor* cursor) noexcept nogil:
    """The number of the line at the cursor, which moves behind it: digits the engine wrote."""
    cdef const char* at = cursor.at + 1
    cdef bint negative = at[0] == b'-'
    cdef int64_t value = 0
    if negative:
        at += 1
    while at < cursor.end and at[0] != b'\r':
        value = value * 10 + (at[0] - 48)
        at += 1
    cursor.at = at + 2
    return -value if negative else value


cdef inline object _element(Cursor* cursor, Codec codec, bint decode):
    """A bulk string; anything else by the general decoder."""
    cdef int64_t length
    cdef const char* start
    if likely(cursor.at < cursor.end and cursor.at[0] == b'$'):
        length = _count_of(cursor)
        if length < 0:
            return None
        start = cursor.at
        if unlikely(cursor.end - start < length + 2):
            raise ValueError("truncated or malformed reply")
        cursor.at = start + length + 2
        if decode:
            if codec.utf8 and codec.strict:
                return PyUnicode_FromStringAndSize(start, <Py_ssize_t>length)
            return codec.text(start, <size_t>length)
        return PyBytes_FromStringAndSize(start, <Py_ssize_t>length)
    return decode_reply(cursor, codec, decode, 0)


cdef object _list(Cursor* cursor, Codec codec, bint decode):
    cdef int64_t count = _count_of(cursor)
    cdef int64_t i
    cdef list found
    if count < 0:
        return None
    if unlikely(count > cursor.end - cursor.at):
        raise ValueError("truncated or malformed reply")
    found = PyList_New(<Py_ssize_t>count)
    for i in range(count):
        element = _element(cursor, codec, decode)
        Py_INCREF(element)
        PyList_SET_ITEM(found, <Py_ssize_t>i, element)
    return found


cdef object _set(Cursor* cursor, Codec codec, bint decode):
    cdef int64_t count = _count_of(cursor)
    cdef set found = set()
    while count > 0:
        PySet_Add(found, _element(cursor, codec, decode))
        count -= 1
    return found


cdef object _dict(Cursor* cursor, Codec codec, bint decode):
    cdef bint flat = cursor.at[0] == b'*'
    cdef int64_t pairs = _count_of(cursor)
    cdef dict found = {}
    if flat:
        pairs //= 2
    while pairs > 0:
        name = _element(cursor, codec, decode)
        PyDict_SetItem(found, name, _element(cursor, codec, decode))
        pairs -= 1
    return found


cdef object _double(Cursor* cursor, Codec codec):
    """A double, or the bulk string of one; nan and inf as Python reads them."""
    cdef const char* at
    cdef char* end
    cdef int64_t digits = 0
    cdef bint negative
    cdef int64_t length
    cdef const char* following
    if cursor.at[0] == b'$':
        length = _count_of(cursor)
        if length < 0:
            return None
        at = cursor.at
        following = at + length + 2
    elif cursor.at[0] == b',':
        at = cursor.at + 1
        following = <const char*>memchr(at, b'\n', cursor.end - at) + 1
    else:
        return decode_reply(cursor, codec, False, 0)
    cursor.at = following
    end = <char*>at
    negative = end[0] == b'-'
    if negative:
        end += 1
    while b'0' <= end[0] <= b'9' and end - at < 16:
        digits = digits * 10 + (end[0] - 48)
        end += 1
    if end[0] == b'\r' and end - at < 16 and (digits or not negative):
        return <double>(-digits if negative else digits)     # exact: below 2 to the 53rd
    return PyOS_string_to_double(at, &end, None)


cdef object hot_shaped(Cursor* cursor, Shape shape, Codec codec):
    cdef char kind
    if unlikely(cursor.at >= cursor.end):
        raise ValueError("truncated or malformed reply")
    kind = cursor.at[0]
    if unlikely(kind == b'-'):
        return decode_reply(cursor, codec, codec.decode, 0)
    if shape == TRUTH and likely(kind == b':'):
        return _count_of(cursor) != 0
    if shape == DONE:
        if likely(kind == b'+'):
            cursor.at = <const char*>memchr(cursor.at, b'\n', cursor.end - cursor.at) + 1
            return True
        return decode_reply(cursor, codec, codec.decode, 0)
    if shape == NUMBER:
        return _double(cursor, codec)
    if shape == UNIQUE:
        return _set(cursor, codec, codec.decode)
    if shape == PAIRS:
        return _dict(cursor, codec, codec.decode)
    if kind == b':':
        return _count_of(cursor)
    if kind == b'*':
        return _list(cursor, codec, codec.decode)
    return _element(cursor, codec, codec.decode)
