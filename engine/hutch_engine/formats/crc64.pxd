"""CRC-64 of Jones's polynomial, as Redis puts it behind RDB files and DUMP's payloads."""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice

cdef uint64_t crc64(uint64_t crc, Slice bytes) noexcept nogil
"""Go on from `crc` (0 at first). O(length), some 1.5 GB/s. b"123456789" gives e9c6d914c4b8d9ca."""
