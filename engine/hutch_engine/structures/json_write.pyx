"""See json_write.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_reserve
from hutch_engine.base.compiler cimport ctz64, likely, load_u64, store_u64, unlikely
from hutch_engine.base.numbers cimport format_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_number cimport (
    JSON_NUMBER_MAX, json_format_decimal, json_format_double, json_format_unsigned)
from hutch_engine.structures.json_scan cimport json_special_bytes
from hutch_engine.structures.json_value cimport (
    JSON_ARRAY, JSON_CONSTANT, JSON_DECIMAL, JSON_EMPTY_ARRAY, JSON_FALSE, JSON_INTEGER, JSON_NULL, JSON_NUMBER, JSON_STRING,
    JSON_TEXT, JSON_TRUE, JsonMember, JsonWord, NUMBER_DOUBLE, NUMBER_SIGNED, json_block, json_count, json_element,
    json_key_text, json_members, json_tag, json_text, json_top)



cdef uint64_t[8] _fillers            # letters for the bytes of a word that a TEXT of so many bytes leaves 0
cdef int _filled
for _filled in range(8):
    _fillers[_filled] = 0x4141414141414141 << (8 * _filled) & 0xFFFFFFFFFFFFFFFF

cdef struct Writer:
    char* at                     # where the next byte goes
    char* end                    # of the room there is
    Buffer* out


# ---- room

cdef bint _more(Writer* writer, size_t bytes) noexcept nogil:
    """Make room for so many bytes. False: memory was refused, as writer.out.failed says."""
    cdef Buffer* out = writer.out
    cdef bint grown
    out.length = writer.at - out.data
    grown = buffer_reserve(out, bytes)
    writer.at = out.data + out.length
    writer.end = out.data + out.capacity
    return grown


cdef inline bint _room(Writer* writer, size_t bytes) noexcept nogil:
    return likely(<size_t>(writer.end - writer.at) >= bytes) or _more(writer, bytes)


cdef inline void _begin(Writer* writer, Buffer* out) noexcept nogil:
    writer.out = out
    writer.at = out.data + out.length
    writer.end = out.data + out.capacity


cdef inline void _end(Writer* writer) noexcept nogil:
    writer.out.length = writer.at - writer.out.data


cdef inline void _put(Writer* writer, char c) noexcept nogil:
    if _room(writer, 1):
        writer.at[0] = c
        writer.at += 1


# ---- strings

cdef void _put_escape(Writer* writer, uint8_t c) noexcept nogil:
    cdef char* at = writer.at
    if not _room(writer, 6):
        return
    at = writer.at
    at[0] = c'\\'
    writer.at += 2
    if c == c'"' or c == c'\\':
        at[1] = <char>c
    elif c == 8:
        at[1] = c'b'
    elif c == 9:
        at[1] = c't'
    elif c == 10:
        at[1] = c'n'
    elif c == 12:
        at[1] = c'f'
    elif c == 13:
        at[1] = c'r'
    else:
        memcpy(at + 1, b"u00", 3)
        at[4] = <char>(c'0' + (c >> 4))
        at[5] = <char>((c'0' if c & 15 < 10 else c'a' - 10) + (c & 15))
        writer.at += 4


cdef void _put_text(Writer* writer, const char* text, size_t length) noexcept nogil:
    """Eight bytes are copied and looked at together; what was copied too much is written over."""
    cdef const char* end = text + length
    cdef uint64_t word, found
    cdef size_t plain
    if not _room(writer, length + 16):
        return
    writer.at[0] = c'"'
    writer.at += 1
    while True:
        plain = 0
        while end - text >= 8:
            word = load_u64(text)
            store_u64(writer.at, word)
            found = json_special_bytes(word)
            if unlikely(found != 0):
                plain = ctz64(found) >> 3
                break
            text += 8
            writer.at += 8
        else:
            while text + plain < end and text[plain] != c'"' and text[plain] != c'\\' and <uint8_t>text[plain] >= 0x20:
                writer.at[plain] = text[plain]
                plain += 1
        text += plain
        writer.at += plain
        if text == end:
            break
        _put_escape(writer, <uint8_t>text[0])
        text += 1
        if not _room(writer, <size_t>(end - text) + 16):
            return
    writer.at[0] = c'"'
    writer.at += 1


cdef inline void _put_short(Writer* writer, JsonWord word) noexcept nogil:
    """A TEXT, whose bytes are in the word."""
    cdef size_t length = word >> 3 & 7
    cdef uint64_t bytes = word >> 8
    cdef Slice text
    if not _room(writer, 16):
        return
    if unlikely(json_special_bytes(bytes | _fillers[length]) != 0):
        text = json_text(&word)
        _put_text(writer, text.data, text.length)
        return
    writer.at[0] = c'"'
    store_u64(writer.at + 1, bytes)
    writer.at[length + 1] = c'"'
    writer.at += length + 2


cdef inline void _put_key(Writer* writer, JsonWord key) noexcept nogil:
    cdef Slice text
    if json_tag(key) == JSON_TEXT:
        _put_short(writer, key)
    else:
        text = json_key_text(&key)
        _put_text(writer, text.data, text.length)
    _put(writer, c':')


cdef void json_write_string(Buffer* out, Slice text) noexcept nogil:
    cdef Writer writer
    _begin(&writer, out)
    _put_text(&writer, text.data, text.length)
    _end(&writer)


# ---- values

cdef void _put_scalar(Writer* writer, JsonWord word) noexcept nogil:
    cdef int tag = json_tag(word)
    cdef void* block
    cdef Slice text
    if tag == JSON_TEXT:
        _put_short(writer, word)
        return
    if tag == JSON_STRING:
        text = json_text(&word)
        _put_text(writer, text.data, text.length)
        return
    if not _room(writer, JSON_NUMBER_MAX):
        return
    if tag == JSON_INTEGER:
        writer.at += format_integer(<int64_t>word >> 3, writer.at)
    elif tag == JSON_DECIMAL:
        writer.at += json_format_decimal(<int64_t>word >> 8, <int>(word >> 3 & 31), writer.at)
    elif tag == JSON_NUMBER:
        block = json_block(word)
        if json_top(word) == NUMBER_DOUBLE:
            writer.at += json_format_double((<double*>block)[0], writer.at)
        elif json_top(word) == NUMBER_SIGNED:
            writer.at += format_integer((<int64_t*>block)[0], writer.at)
        else:
            writer.at += json_format_unsigned((<uint64_t*>block)[0], writer.at)
    elif word == JSON_NULL:
        memcpy(writer.at, b"null", 4)
        writer.at += 4
    elif word == JSON_TRUE:
        memcpy(writer.at, b"true", 4)
        writer.at += 4
    elif word == JSON_FALSE:
        memcpy(writer.at, b"false", 5)
        writer.at += 5
    else:
        memcpy(writer.at, b"[]" if word == JSON_EMPTY_ARRAY else b"{}", 2)
        writer.at += 2


cdef void _put_value(Writer* writer, JsonWord word) noexcept nogil:
    cdef int tag = json_tag(word)
    cdef uint32_t count, i
    cdef JsonMember* members
    if tag < JSON_ARRAY:
        _put_scalar(writer, word)
        return
    count = json_count(word)
    if tag == JSON_ARRAY:
        _put(writer, c'[')
        for i in range(count):
            if i:
                _put(writer, c',')
            _put_value(writer, json_element(word, i))
        _put(writer, c']')
        return
    members = json_members(word)
    _put(writer, c'{')
    for i in range(count):
        if i:
            _put(writer, c',')
        _put_key(writer, members[i].key)
        _put_value(writer, members[i].value)
    _put(writer, c'}')


cdef void json_write(Buffer* out, JsonWord word) noexcept nogil:
    cdef Writer writer
    _begin(&writer, out)
    _put_value(&writer, word)
    _end(&writer)


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
        json_write(out, word)
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
