"""Lengths in front of bytes: LEB128, seven bits a byte, the low ones first, the high bit of a byte saying that another follows.

All of it is our own writing, in memory: there are no bounds to check. (What comes from outside, RDB files and payloads, has
other lengths: formats/rdb.)
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.slice cimport Slice, slice_of

cdef inline const char* leb128_read_u64(const char* at, uint64_t* value_out) noexcept nogil:
    """Read a number at `at`; returns where it ends."""
    cdef uint64_t value = <uint8_t>at[0]
    cdef int shift = 7
    if likely(value < 0x80):
        value_out[0] = value
        return at + 1
    value &= 0x7F
    while True:
        at += 1
        value |= <uint64_t>(<uint8_t>at[0] & 0x7F) << shift
        if not <uint8_t>at[0] & 0x80:
            value_out[0] = value
            return at + 1
        shift += 7

cdef inline const char* leb128_read(const char* at, size_t* value_out) noexcept nogil:
    """Read a number that was a size; returns where it ends."""
    cdef uint64_t value
    at = leb128_read_u64(at, &value)
    value_out[0] = <size_t>value
    return at

cdef inline Slice leb128_slice(const void* at) noexcept nogil:
    """The bytes that stand behind their length; borrowed."""
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>at, &length)
    return slice_of(data, length)

cdef inline char* leb128_write(char* at, uint64_t value) noexcept nogil:
    """Write a number into leb128_bytes bytes of room at `at`; returns where it ends."""
    while value >= 0x80:
        at[0] = <char>(<uint8_t>(value & 0x7F) | 0x80)
        at += 1
        value >>= 7
    at[0] = <char>value
    return at + 1

cdef inline char* leb128_write_slice(char* at, Slice bytes) noexcept nogil:
    """Write a length and the bytes, for which there must be room; returns where they end."""
    at = leb128_write(at, bytes.length)
    if bytes.length:
        memcpy(at, bytes.data, bytes.length)
    return at + bytes.length

cdef inline size_t leb128_bytes(uint64_t value) noexcept nogil:
    """How many bytes leb128_write takes for this number: 1 to 10."""
    cdef size_t count = 1
    while value >= 0x80:
        value >>= 7
        count += 1
    return count
