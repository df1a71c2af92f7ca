"""See crc64.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice

cdef uint64_t steps[256]


cdef void _fill() noexcept nogil:
    """At first use. Threads that race write the same figures; the last entry, which is asked for, comes last."""
    cdef uint64_t polynomial = 0x95AC9329AC4BC9B5ULL         # 0xAD93D23594C935A9, its bits in reverse
    cdef uint64_t value
    cdef int i, bit
    for i in range(256):
        value = i
        for bit in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        steps[i] = value


cdef uint64_t crc64(uint64_t crc, Slice bytes) noexcept nogil:
    cdef size_t i
    if unlikely(steps[255] == 0):
        _fill()
    for i in range(bytes.length):
        crc = steps[<uint8_t>(crc ^ <uint8_t>bytes.data[i])] ^ (crc >> 8)
    return crc
