"""See crc64.pxd. Eight bytes a step: table n says what a byte with n zero bytes behind it makes (Kounavis and Berry, 2005)."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.compiler cimport load_u64
from hutch_engine.base.slice cimport Slice

cdef enum:
    AT_ONCE = 8                  # bytes

cdef uint64_t steps[AT_ONCE][256]


cdef void _fill() noexcept nogil:
    cdef uint64_t polynomial = 0x95AC9329AC4BC9B5ULL         # 0xAD93D23594C935A9, its bits in reverse
    cdef uint64_t value
    cdef int i, bit, zeros
    for i in range(256):
        value = i
        for bit in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        steps[0][i] = value
    for zeros in range(1, AT_ONCE):
        for i in range(256):
            value = steps[zeros - 1][i]
            steps[zeros][i] = steps[0][value & 255] ^ (value >> 8)


_fill()                          # when the module is loaded: nobody computes yet


cdef uint64_t crc64(uint64_t crc, Slice bytes) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>bytes.data
    cdef size_t left = bytes.length
    while left >= AT_ONCE:
        crc ^= load_u64(at)
        crc = (steps[7][crc & 255] ^ steps[6][crc >> 8 & 255] ^ steps[5][crc >> 16 & 255] ^ steps[4][crc >> 24 & 255]
               ^ steps[3][crc >> 32 & 255] ^ steps[2][crc >> 40 & 255] ^ steps[1][crc >> 48 & 255] ^ steps[0][crc >> 56])
        at += AT_ONCE
        left -= AT_ONCE
    while left:
        crc = steps[0][(crc ^ at[0]) & 255] ^ (crc >> 8)
        at += 1
        left -= 1
    return crc
