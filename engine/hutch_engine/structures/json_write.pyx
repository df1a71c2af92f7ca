"""See json_write.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_reserve
from hutch_engine.base.compiler cimport ctz64, likely, load_u64, store_u64, unlikely
from hutch_engine.base.numbers cimport format_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_number cimport (
    JSON_NUMBER_MAX, json_format_decimal, json_format_double, json_format_unsigned)
from hutch_engine.structures.json_value cimport (
    JSON_ARRAY, JSON_CONSTANT, JSON_DECIMAL, JSON_EMPTY_ARRAY, JSON_FALSE, JSON_INTEGER, JSON_NULL, JSON_NUMBER, JSON_STRING, JSON_TEXT,
    JSON_TRUE, JsonMember, JsonWord, NUMBER_DOUBLE, NUMBER_SIGNED, json_block, json_count, json_element, json_key_text, json_members,
    json_tag, json_text, json_top)

cdef uint64_t ONES = 0x0101010101010101
cdef uint64_t TOPS = 0x8080808080808080


cdef inline void _put_escape(Buffer* out, uint8_t c) noexcept nogil:
    cdef char[6] escape
    cdef size_t length = 2
    escape[0] = c'\\'
    if c == c'"' or c == c'\\':
        escape[1] = <char>c
    elif c == 8:
        escape[1] = c'b'
    elif c == 9:
        escape[1] = c't'
    elif c == 10:
        escape[1] = c'n'
    elif c == 12:
        escape[1] = c'f'
    elif c == 13:
        escape[1] = c'r'
    else:
        memcpy(escape + 1, b"u00", 3)
        escape[4] = <char>(c'0' + (c >> 4))
        escape[5] = <char>((c'0' if c & 15 < 10 else c'a' - 10) + (c & 15))
        length = 6
    buffer_append(out, escape, length)


cdef inline size_t _plain_length(const char* at, size_t length) noexcept nogil:
    """How many bytes stand in front of the first one that needs an escape."""
    cdef size_t i = 0
    cdef uint64_t word, found
    while i + 8 <= length:
        word = load_u64(at + i)
        found = ((word ^ ONES * 0x22) - ONES) & ~(word ^ ONES * 0x22)
        found |= ((word ^ ONES * 0x5C) - ONES) & ~(word ^ ONES * 0x5C)
        found |= (word - ONES * 0x20) & ~word
        found &= TOPS
        if found:
            return i + (ctz64(found) >> 3)
        i += 8
    while i < length and at[i] != c'"' and at[i] != c'\\' and <uint8_t>at[i] >= 0x20:
        i += 1
    return i


cdef void json_write_string(Buffer* out, Slice text) noexcept nogil:
    cdef size_t plain = _plain_length(text.data, text.length)
    cdef char* at
    if likely(plain == text.length):
        if unlikely(not buffer_reserve(out, text.length + 2)):
            return
        at = out.data + out.length
        at[0] = c'"'
        memcpy(at + 1, text.data, text.length)
        at[text.length + 1] = c'"'
        out.length += text.length + 2
        return
    buffer_append(out, b'"', 1)
    while True:
        buffer_append(out, text.data, plain)
        if plain == text.length:
            break
        _put_escape(out, <uint8_t>text.data[plain])
        text.data += plain + 1
        text.length -= plain + 1
        plain = _plain_length(text.data, text.length)
    buffer_append(out, b'"', 1)


cdef inline void _put_word(Buffer* out, const char* text, size_t length) noexcept nogil:
    """Of at most 8 bytes; `text` has so many."""
    memcpy(out.data + out.length, text, 8)
    out.length += length


cdef void _write_scalar(Buffer* out, JsonWord word) noexcept nogil:
    cdef int tag = json_tag(word)
    cdef void* block
    cdef char* at
    if tag == JSON_TEXT or tag == JSON_STRING:
        json_write_string(out, json_text(&word))
        return
    if unlikely(not buffer_reserve(out, JSON_NUMBER_MAX)):
        return
    at = out.data + out.length
    if tag == JSON_INTEGER:
        out.length += format_integer(<int64_t>word >> 3, at)
    elif tag == JSON_DECIMAL:
        out.length += json_format_decimal(<int64_t>word >> 8, <int>(word >> 3 & 31), at)
    elif tag == JSON_NUMBER:
        block = json_block(word)
        if json_top(word) == NUMBER_DOUBLE:
            out.length += json_format_double((<double*>block)[0], at)
        elif json_top(word) == NUMBER_SIGNED:
            out.length += format_integer((<int64_t*>block)[0], at)
        else:
            out.length += json_format_unsigned((<uint64_t*>block)[0], at)
    elif word == JSON_NULL:
        _put_word(out, b"null    ", 4)
    elif word == JSON_TRUE:
        _put_word(out, b"true    ", 4)
    elif word == JSON_FALSE:
        _put_word(out, b"false   ", 5)
    else:
        _put_word(out, b"[]      " if word == JSON_EMPTY_ARRAY else b"{}      ", 2)


cdef void json_write(Buffer* out, JsonWord word) noexcept nogil:
    cdef int tag = json_tag(word)
    cdef uint32_t count, i
    cdef JsonMember* members
    if tag < JSON_ARRAY:
        _write_scalar(out, word)
        return
    count = json_count(word)
    if tag == JSON_ARRAY:
        buffer_append(out, b"[", 1)
        for i in range(count):
            if i:
                buffer_append(out, b",", 1)
            json_write(out, json_element(word, i))
        buffer_append(out, b"]", 1)
        return
    members = json_members(word)
    buffer_append(out, b"{", 1)
    for i in range(count):
        if i:
            buffer_append(out, b",", 1)
        json_write_string(out, json_key_text(&members[i].key))
        buffer_append(out, b":", 1)
        json_write(out, members[i].value)
    buffer_append(out, b"}", 1)


cdef void json_write_break(Buffer* out, const JsonLayout* layout, uint32_t level) noexcept nogil:
    buffer_append_slice(out, layout.newline)
    while level and layout.indent.length and not out.failed:
        buffer_append_slice(out, layout.indent)
        level -= 1


cdef void json_write_laid_out(Buffer* out, JsonWord word, const JsonLayout* layout, uint32_t level) noexcept nogil:
    cdef int tag = json_tag(word)
    cdef uint32_t i
    cdef JsonMember* members
    if tag < JSON_ARRAY:
        _write_scalar(out, word)
        return
    members = json_members(word)
    buffer_append(out, b"[" if tag == JSON_ARRAY else b"{", 1)
    for i in range(json_count(word)):
        if out.failed:
            return
        if i:
            buffer_append(out, b",", 1)
        json_write_break(out, layout, level + 1)
        if tag == JSON_ARRAY:
            json_write_laid_out(out, json_element(word, i), layout, level + 1)
            continue
        json_write_string(out, json_key_text(&members[i].key))
        buffer_append(out, b":", 1)
        buffer_append_slice(out, layout.space)
        json_write_laid_out(out, members[i].value, layout, level + 1)
    json_write_break(out, layout, level)
    buffer_append(out, b"]" if tag == JSON_ARRAY else b"}", 1)
