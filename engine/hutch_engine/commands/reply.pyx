"""See reply.pxd. Headers are written straight into the reserved room: no text is put together elsewhere.

When the system refuses memory the buffer says so (`Buffer.failed`) and drops what follows; whoever sends
or decodes the reply looks at that once, so nothing here has a failure path.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcpy, strlen
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_insert, buffer_reserve
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, INTEGER_TEXT_MAX, format_double, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text

cdef enum:
    HEADER_MAX = 32              # a type byte, INTEGER_TEXT_MAX digits, CR LF; rounded up
    CR = 13
    LF = 10
    SPACE = 32


cdef inline char* _header(char* at, char kind, int64_t number) noexcept nogil:
    """kind, digits, CR LF at `at` (HEADER_MAX bytes of room); returns the byte behind.

    Lengths and counters are nearly always of one or two digits: these are spelled here."""
    at[0] = kind
    if likely(<uint64_t>number < 10):
        at[1] = <char>(48 + number)
        at += 2
    elif <uint64_t>number < 100:
        at[1] = <char>(48 + number // 10)
        at[2] = <char>(48 + number % 10)
        at += 3
    else:
        at += 1 + format_integer(number, at + 1)
    at[0] = CR
    at[1] = LF
    return at + 2


cdef inline void _write_header(Reply* reply, char kind, int64_t number) noexcept nogil:
    cdef Buffer* buffer = &reply.buffer
    if buffer_reserve(buffer, HEADER_MAX):
        buffer.length = _header(buffer.data + buffer.length, kind, number) - buffer.data


cdef inline void _insert_header(Reply* reply, size_t mark, char kind, int64_t number) noexcept nogil:
    cdef char[HEADER_MAX] text
    cdef char* end = _header(text, kind, number)
    if mark <= reply.buffer.length:          # a buffer that failed may hold less than was marked
        buffer_insert(&reply.buffer, mark, text, end - text)


cdef void reply_integer(Reply* reply, int64_t value) noexcept nogil:
    _write_header(reply, b':', value)


cdef void reply_bulk(Reply* reply, Slice bytes) noexcept nogil:
    """One reservation for header, bytes and end; the bytes are copied once."""
    cdef Buffer* buffer = &reply.buffer
    cdef char* at
    if not buffer_reserve(buffer, bytes.length + HEADER_MAX):
        return
    at = _header(buffer.data + buffer.length, b'$', <int64_t>bytes.length)
    if bytes.length:
        memcpy(at, bytes.data, bytes.length)
        at += bytes.length
    at[0] = CR
    at[1] = LF
    buffer.length = at + 2 - buffer.data


cdef void reply_bulk_text(Reply* reply, const char* text) noexcept nogil:
    reply_bulk(reply, slice_of_text(text))


cdef void reply_bulk_integer(Reply* reply, int64_t value) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    reply_bulk(reply, slice_of(digits, format_integer(value, digits)))


cdef void reply_simple(Reply* reply, const char* text) noexcept nogil:
    cdef Buffer* buffer = &reply.buffer
    cdef size_t length = strlen(text)
    if not buffer_reserve(buffer, length + 3):
        return
    buffer.data[buffer.length] = b'+'
    memcpy(buffer.data + buffer.length + 1, text, length)
    buffer.data[buffer.length + 1 + length] = CR
    buffer.data[buffer.length + 2 + length] = LF
    buffer.length += length + 3


cdef void _append_line(Buffer* buffer, Slice text) noexcept nogil:
    """Text inside a one-line reply: a CR or LF in it would end the line, so it becomes a space."""
    cdef size_t i = 0
    cdef char* at
    cdef char c
    if not buffer_reserve(buffer, text.length):
        return
    at = buffer.data + buffer.length
    while i < text.length:
        c = text.data[i]
        at[i] = SPACE if c == CR or c == LF else c
        i += 1
    buffer.length += text.length


cdef void reply_error(Reply* reply, const char* text) noexcept nogil:
    reply_error_slice(reply, slice_of_text(text))


cdef void reply_error_slice(Reply* reply, Slice text) noexcept nogil:
    # Redis drops line ends from the end of an error text and blanks the others.
    while text.length and (text.data[text.length - 1] == CR or text.data[text.length - 1] == LF):
        text.length -= 1
    buffer_append(&reply.buffer, b"-", 1)
    _append_line(&reply.buffer, text)
    buffer_append(&reply.buffer, b"\r\n", 2)


cdef void reply_error_parts(Reply* reply, const char* before, Slice middle, const char* after) noexcept nogil:
    cdef const void* end = memchr(middle.data, 0, middle.length) if middle.length else NULL
    # Redis quotes with printf's %s, which ends at a NUL, and takes line ends off the end of the whole text.
    if end != NULL:
        middle.length = <size_t>(<const char*>end - middle.data)
    while after[0] == 0 and middle.length and middle.data[middle.length - 1] in (CR, LF):
        middle.length -= 1
    buffer_append(&reply.buffer, b"-", 1)
    _append_line(&reply.buffer, slice_of_text(before))
    _append_line(&reply.buffer, middle)
    _append_line(&reply.buffer, slice_of_text(after))
    buffer_append(&reply.buffer, b"\r\n", 2)


cdef void reply_null(Reply* reply) noexcept nogil:
    if reply.resp >= 3:
        buffer_append(&reply.buffer, b"_\r\n", 3)
    else:
        buffer_append(&reply.buffer, b"$-1\r\n", 5)


cdef void reply_null_array(Reply* reply) noexcept nogil:
    if reply.resp >= 3:
        buffer_append(&reply.buffer, b"_\r\n", 3)
    else:
        buffer_append(&reply.buffer, b"*-1\r\n", 5)


cdef void reply_double(Reply* reply, double value) noexcept nogil:
    cdef char[DOUBLE_TEXT_MAX] text
    cdef size_t length = format_double(value, text)
    if reply.resp >= 3:
        buffer_append(&reply.buffer, b",", 1)
        buffer_append(&reply.buffer, text, length)
        buffer_append(&reply.buffer, b"\r\n", 2)
    else:
        reply_bulk(reply, slice_of(text, length))


cdef void reply_bool(Reply* reply, bint value) noexcept nogil:
    if reply.resp >= 3:
        buffer_append(&reply.buffer, b"#t\r\n" if value else b"#f\r\n", 4)
    else:
        buffer_append(&reply.buffer, b":1\r\n" if value else b":0\r\n", 4)


cdef void reply_array(Reply* reply, int64_t count) noexcept nogil:
    _write_header(reply, b'*', count)


cdef void reply_map(Reply* reply, int64_t pairs) noexcept nogil:
    if reply.resp >= 3:
        _write_header(reply, b'%', pairs)
    else:
        _write_header(reply, b'*', pairs * 2)


cdef void reply_set(Reply* reply, int64_t count) noexcept nogil:
    _write_header(reply, b'~' if reply.resp >= 3 else b'*', count)


cdef void reply_push(Reply* reply, int64_t count) noexcept nogil:
    _write_header(reply, b'>' if reply.resp >= 3 else b'*', count)


cdef void reply_verbatim(Reply* reply, Slice text, const char* format) noexcept nogil:
    if reply.resp < 3:
        reply_bulk(reply, text)
        return
    _write_header(reply, b'=', <int64_t>text.length + 4)
    buffer_append(&reply.buffer, format, 3)
    buffer_append(&reply.buffer, b":", 1)
    buffer_append(&reply.buffer, text.data, text.length)
    buffer_append(&reply.buffer, b"\r\n", 2)


cdef void reply_big_number(Reply* reply, Slice digits) noexcept nogil:
    if reply.resp < 3:
        reply_bulk(reply, digits)
        return
    buffer_append(&reply.buffer, b"(", 1)
    buffer_append(&reply.buffer, digits.data, digits.length)
    buffer_append(&reply.buffer, b"\r\n", 2)


cdef void reply_raw(Reply* reply, Slice resp) noexcept nogil:
    buffer_append(&reply.buffer, resp.data, resp.length)


cdef size_t reply_mark(Reply* reply) noexcept nogil:
    return reply.buffer.length


cdef void reply_array_at(Reply* reply, size_t mark, int64_t count) noexcept nogil:
    _insert_header(reply, mark, b'*', count)


cdef void reply_map_at(Reply* reply, size_t mark, int64_t pairs) noexcept nogil:
    if reply.resp >= 3:
        _insert_header(reply, mark, b'%', pairs)
    else:
        _insert_header(reply, mark, b'*', pairs * 2)


cdef void reply_set_at(Reply* reply, size_t mark, int64_t count) noexcept nogil:
    _insert_header(reply, mark, b'~' if reply.resp >= 3 else b'*', count)


cdef void reply_rewind(Reply* reply, size_t mark) noexcept nogil:
    if mark < reply.buffer.length:
        reply.buffer.length = mark
