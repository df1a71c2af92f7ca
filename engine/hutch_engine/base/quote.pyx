"""See quote.pxd."""
from libc.stdint cimport uint8_t
from libc.stdio cimport snprintf
from hutch_engine.base.buffer cimport Buffer, buffer_append
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.slice cimport Slice


cdef inline char _letter(uint8_t byte) noexcept nogil:
    """Of its escape; 0: it has none."""
    if byte == c'\n':
        return c'n'
    if byte == c'\r':
        return c'r'
    if byte == c'\t':
        return c't'
    if byte == 7:
        return c'a'
    if byte == c'\b':
        return c'b'
    return <char>byte if byte == c'"' or byte == c'\\' else 0


cdef void quote_append(Buffer* out, Slice word) noexcept nogil:
    cdef char[8] text
    cdef size_t i
    cdef size_t plain = 0                # where the bytes begin that stand for themselves and are not there yet
    cdef uint8_t byte
    buffer_append(out, b"\"", 1)
    for i in range(word.length):
        byte = <uint8_t>word.data[i]
        if likely(32 <= byte < 127 and byte != c'"' and byte != c'\\'):
            continue
        buffer_append(out, word.data + plain, i - plain)
        plain = i + 1
        text[0] = c'\\'
        text[1] = _letter(byte)
        if text[1]:
            buffer_append(out, text, 2)
        else:
            snprintf(text, sizeof(text), b"\\x%02x", <int>byte)
            buffer_append(out, text, 4)
    buffer_append(out, word.data + plain, word.length - plain)
    buffer_append(out, b"\"", 1)
