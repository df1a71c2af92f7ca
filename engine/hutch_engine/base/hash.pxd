"""SipHash-1-3 (Aumasson and Bernstein 2012; the variant that Rust and CPython use for tables): keyed, so
that a client who does not know the key cannot choose collisions."""
from libc.stdint cimport uint64_t

cdef struct HashKey:
    uint64_t k0
    uint64_t k1

cdef uint64_t hash_bytes(const HashKey* key, const char* data, size_t length) noexcept nogil
"""Cost: about 7 ns for up to 8 bytes, 10 ns for 16 (x86-64, 2.6 GHz)."""
