"""See rdb_old.pxd. All numbers are little-endian but for the lengths inside a ziplist's element.

    ziplist   total bytes (4), offset of the last element (4), elements (2; 65535: count them), elements, FF
    element   length of the one before: 1 byte, or FE and 4
              00LLLLLL, 01LLLLLL and 1 byte, 80 and 4 bytes: a string
              C0, D0, E0, F0, FE and 2, 4, 8, 3, 1 bytes: an integer; F1 ... FD: 0 ... 12
    zipmap    number of fields (1; from 254 on: count them), fields, FF
    field     length (1 byte, or FE and 4), bytes; the value's length, how many bytes behind it are free (1), bytes, those
"""
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint64_t, uint8_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.compiler cimport load_i64, load_u16, load_u32
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.formats.rdb cimport RdbReader, pack_add, pack_add_integer, pack_begin, pack_end

cdef enum:
    ZIPLIST_HEADER_BYTES = 10
    ZIPLIST_COUNT_UNKNOWN = 65535
    ZIPMAP_COUNT_UNKNOWN = 254
    LONG_LENGTH = 254
    END = 255
    PACK_MAX_BYTES = 1 << 30


cdef inline bint _closed(RdbReader* reader, Buffer* pack, uint64_t count) noexcept nogil:
    pack_end(pack, count)
    if pack.failed:
        reader.refused = True
    return not pack.failed


cdef const uint8_t* _past_length_before(const uint8_t* at, const uint8_t* end, uint64_t length) noexcept nogil:
    """Behind the length of the element before, which must be this; NULL otherwise."""
    if at[0] < LONG_LENGTH:
        return at + 1 if at[0] == length else NULL
    if at[0] != LONG_LENGTH or end - at < 5 or load_u32(at + 1) != length:
        return NULL
    return at + 5


cdef const uint8_t* _add_string(const uint8_t* at, const uint8_t* end, Buffer* pack) noexcept nogil:
    cdef uint64_t length = at[0] & 63
    cdef int head = 1
    if at[0] >= 0x80:
        head = 5
        if at[0] != 0x80 or end - at < 5:
            return NULL
        length = <uint64_t>at[1] << 24 | <uint64_t>at[2] << 16 | <uint64_t>at[3] << 8 | at[4]
    elif at[0] >= 0x40:
        head = 2
        if end - at < 2:
            return NULL
        length = length << 8 | at[1]
    at += head
    if length > <uint64_t>(end - at):
        return NULL
    pack_add(pack, slice_of(<const char*>at, length))
    return at + length


cdef const uint8_t* _add_integer(const uint8_t* at, const uint8_t* end, Buffer* pack) noexcept nogil:
    cdef uint8_t kind = at[0]
    cdef int width
    cdef int64_t value
    at += 1
    if 0xF1 <= kind <= 0xFD:
        pack_add_integer(pack, kind - 0xF1)
        return at
    width = 2 if kind == 0xC0 else 4 if kind == 0xD0 else 8 if kind == 0xE0 else 3 if kind == 0xF0 else 1 if kind == 0xFE else 0
    if width == 0 or end - at < width:
        return NULL
    if width == 1:
        value = <int8_t>at[0]
    elif width == 2:
        value = <int16_t>load_u16(at)
    elif width == 3:
        value = <int64_t>at[0] | <int64_t>at[1] << 8 | <int64_t>at[2] << 16
        if value >= 1 << 23:
            value -= 1 << 24
    elif width == 4:
        value = <int32_t>load_u32(at)
    else:
        value = load_i64(at)
    pack_add_integer(pack, value)
    return at + width


cdef bint pack_of_ziplist(RdbReader* reader, Slice bytes, Buffer* pack) noexcept nogil:
    cdef const uint8_t* start = <const uint8_t*>bytes.data
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef const uint8_t* element = NULL
    cdef const uint8_t* next
    cdef uint64_t before = 0
    cdef uint64_t count = 0
    if bytes.length < ZIPLIST_HEADER_BYTES + 1 or bytes.length > PACK_MAX_BYTES:
        return False
    if load_u32(start) != bytes.length or start[bytes.length - 1] != END:
        return False
    at = start + ZIPLIST_HEADER_BYTES
    end = start + bytes.length - 1
    pack_begin(pack)
    while at != end:
        element = at
        next = _past_length_before(at, end, before)
        if next == NULL or next == end:
            return False
        next = _add_string(next, end, pack) if next[0] < 0xC0 else _add_integer(next, end, pack)
        if next == NULL:
            return False
        before = <uint64_t>(next - element)
        at = next
        count += 1
    if load_u32(start + 4) != (<uint64_t>(element - start) if element != NULL else ZIPLIST_HEADER_BYTES):
        return False
    if load_u16(start + 8) != ZIPLIST_COUNT_UNKNOWN and load_u16(start + 8) != count:
        return False
    return _closed(reader, pack, count)


cdef const uint8_t* _zipmap_length(const uint8_t* at, const uint8_t* end, size_t* length_out) noexcept nogil:
    """Behind it; NULL when it is broken."""
    if at == end:
        return NULL
    if at[0] < LONG_LENGTH:
        length_out[0] = at[0]
        return at + 1
    if at[0] != LONG_LENGTH or end - at < 5:
        return NULL
    length_out[0] = load_u32(at + 1)
    return at + 5


cdef bint pack_of_zipmap(RdbReader* reader, Slice bytes, Buffer* pack, size_t* longest_out) noexcept nogil:
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef size_t length
    cdef size_t free
    cdef uint64_t count = 0
    cdef int part
    longest_out[0] = 0
    if bytes.length < 2 or bytes.length > PACK_MAX_BYTES:
        return False
    at = <const uint8_t*>bytes.data + 1
    end = <const uint8_t*>bytes.data + bytes.length - 1
    if end[0] != END:
        return False
    pack_begin(pack)
    while at != end:
        for part in range(2):
            at = _zipmap_length(at, end, &length)
            free = 0
            if at != NULL and part == 1:
                if at == end:
                    return False
                free = at[0]
                at += 1
            if at == NULL or length > <size_t>(end - at) or free > <size_t>(end - at) - length:
                return False
            pack_add(pack, slice_of(<const char*>at, length))
            at += length + free
            if length > longest_out[0]:
                longest_out[0] = length
        count += 1
    if (<const uint8_t*>bytes.data)[0] < ZIPMAP_COUNT_UNKNOWN and (<const uint8_t*>bytes.data)[0] != count:
        return False
    return _closed(reader, pack, 2 * count)
