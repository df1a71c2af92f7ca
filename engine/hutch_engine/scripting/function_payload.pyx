"""See function_payload.pxd. A record is the byte 245 and a string of the RDB format:

    00LLLLLL, 01LLLLLL LLLLLLLL, 10000000 and 4 bytes, 10000001 and 8 bytes (big-endian)     a length, and the bytes
    110000TT        an integer of 1, 2 or 4 bytes (little-endian), spelled out
    11000011        the packed length, the true length, bytes packed by LZF
"""
from libc.stddef cimport size_t
from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_reserve, buffer_slice
from hutch_engine.base.crc64 cimport crc64
from hutch_engine.base.lzf cimport lzf_expand
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    RECORD_LIBRARY = 245
    RDB_VERSION = 12
    FOOTER_BYTES = 10
    CODE_BYTES_MAX = 1 << 29


cdef bint function_payload_verify(Slice payload) noexcept nogil:
    cdef const uint8_t* footer
    cdef uint64_t sum = 0
    cdef int i
    if payload.length < FOOTER_BYTES:
        return False
    footer = <const uint8_t*>payload.data + payload.length - FOOTER_BYTES
    if (footer[1] << 8 | footer[0]) > RDB_VERSION:
        return False
    for i in range(8):
        sum |= <uint64_t>footer[2 + i] << (8 * i)
    return crc64(0, slice_of(payload.data, payload.length - 8)) == sum


cdef int _length(const uint8_t** at, const uint8_t* end, uint64_t* length_out) noexcept nogil:
    """0 for a length, 1 for a special form whose number is *length_out, -1 for broken bytes."""
    cdef const uint8_t* p = at[0]
    cdef int kind, bytes, i
    if p == end:
        return -1
    kind = p[0] >> 6
    length_out[0] = p[0] & 63
    if kind == 3:
        at[0] = p + 1
        return 1
    bytes = 0
    if kind == 1:
        bytes = 1
    elif kind == 2:
        if p[0] != 0x80 and p[0] != 0x81:
            return -1
        bytes = 4 if p[0] == 0x80 else 8
        length_out[0] = 0
    p += 1
    if end - p < bytes:
        return -1
    for i in range(bytes):
        length_out[0] = length_out[0] << 8 | p[i]
    at[0] = p + bytes
    return 0


cdef Payload function_payload_next(Slice payload, size_t* offset, Buffer* storage, Slice* code_out) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>payload.data + offset[0]
    cdef const uint8_t* end = <const uint8_t*>payload.data + payload.length - FOOTER_BYTES
    cdef uint64_t length, packed
    cdef int form
    if at >= end:
        return PAYLOAD_END
    if at[0] != RECORD_LIBRARY:
        return PAYLOAD_NOT_A_FUNCTION
    at += 1
    form = _length(&at, end, &length)
    storage.length = 0
    if form < 0:
        return PAYLOAD_CORRUPT
    if form == 0:
        if length > <uint64_t>(end - at):
            return PAYLOAD_CORRUPT
        code_out[0] = slice_of(<const char*>at, length)
        at += length
    elif length == 3:
        if _length(&at, end, &packed) != 0 or _length(&at, end, &length) != 0:
            return PAYLOAD_CORRUPT
        if packed > <uint64_t>(end - at) or length > CODE_BYTES_MAX or not buffer_reserve(storage, length):
            return PAYLOAD_CORRUPT
        if not lzf_expand(slice_of(<const char*>at, packed), storage.data, length):
            return PAYLOAD_CORRUPT
        at += packed
        code_out[0] = slice_of(storage.data, length)
    elif length < 3:
        if end - at < 1 << length:
            return PAYLOAD_CORRUPT
        if length == 0:
            buffer_append_integer(storage, <int8_t>at[0])
        elif length == 1:
            buffer_append_integer(storage, <int16_t>(at[0] | at[1] << 8))
        else:
            buffer_append_integer(storage, <int32_t>(at[0] | at[1] << 8 | at[2] << 16 | <uint64_t>at[3] << 24))
        at += 1 << length
        code_out[0] = buffer_slice(storage)
    else:
        return PAYLOAD_CORRUPT
    offset[0] = <size_t>(<const char*>at - payload.data)
    return PAYLOAD_LIBRARY


cdef void function_payload_add(Buffer* payload, Slice code) noexcept nogil:
    cdef char[10] head
    cdef size_t bytes
    cdef int i
    head[0] = <char>RECORD_LIBRARY
    if code.length < 64:
        head[1] = <char>code.length
        bytes = 2
    elif code.length < 16384:
        head[1] = <char>(0x40 | code.length >> 8)
        head[2] = <char>(code.length & 255)
        bytes = 3
    else:
        head[1] = <char>0x80
        for i in range(4):
            head[2 + i] = <char>(code.length >> (8 * (3 - i)) & 255)
        bytes = 6
    buffer_append(payload, head, bytes)
    buffer_append_slice(payload, code)


cdef void function_payload_close(Buffer* payload) noexcept nogil:
    cdef char[FOOTER_BYTES] footer
    cdef uint64_t sum
    cdef int i
    footer[0] = RDB_VERSION
    footer[1] = 0
    buffer_append(payload, footer, 2)
    sum = crc64(0, buffer_slice(payload))
    for i in range(8):
        footer[i] = <char>(sum >> (8 * i) & 255)
    buffer_append(payload, footer, 8)
