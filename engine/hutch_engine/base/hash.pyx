"""See hash.pxd."""
from libc.stdint cimport uint64_t
from hutch_engine.base.compiler cimport load_u16, load_u32, load_u64


cdef inline uint64_t _rotate(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef uint64_t hash_bytes(const HashKey* key, const char* data, size_t length) noexcept nogil:
    cdef uint64_t v0 = key.k0 ^ <uint64_t>0x736f6d6570736575
    cdef uint64_t v1 = key.k1 ^ <uint64_t>0x646f72616e646f6d
    cdef uint64_t v2 = key.k0 ^ <uint64_t>0x6c7967656e657261
    cdef uint64_t v3 = key.k1 ^ <uint64_t>0x7465646279746573
    cdef const unsigned char* p = <const unsigned char*>data
    cdef const unsigned char* end = p + (length & ~<size_t>7)
    cdef uint64_t m
    cdef uint64_t last = <uint64_t>length << 56
    cdef int i
    while p != end:
        m = load_u64(p)
        v3 ^= m
        v0 += v1; v1 = _rotate(v1, 13); v1 ^= v0; v0 = _rotate(v0, 32)
        v2 += v3; v3 = _rotate(v3, 16); v3 ^= v2
        v0 += v3; v3 = _rotate(v3, 21); v3 ^= v0
        v2 += v1; v1 = _rotate(v1, 17); v1 ^= v2; v2 = _rotate(v2, 32)
        v0 ^= m
        p += 8
    length &= 7
    if length & 4:
        last |= load_u32(p)
        if length & 2:
            last |= <uint64_t>load_u16(p + 4) << 32
            if length & 1:
                last |= <uint64_t>p[6] << 48
        elif length & 1:
            last |= <uint64_t>p[4] << 32
    elif length & 2:
        last |= load_u16(p)
        if length & 1:
            last |= <uint64_t>p[2] << 16
    elif length & 1:
        last |= p[0]
    v3 ^= last
    v0 += v1; v1 = _rotate(v1, 13); v1 ^= v0; v0 = _rotate(v0, 32)
    v2 += v3; v3 = _rotate(v3, 16); v3 ^= v2
    v0 += v3; v3 = _rotate(v3, 21); v3 ^= v0
    v2 += v1; v1 = _rotate(v1, 17); v1 ^= v2; v2 = _rotate(v2, 32)
    v0 ^= last
    v2 ^= 0xff
    for i in range(3):
        v0 += v1; v1 = _rotate(v1, 13); v1 ^= v0; v0 = _rotate(v0, 32)
        v2 += v3; v3 = _rotate(v3, 16); v3 ^= v2
        v0 += v3; v3 = _rotate(v3, 21); v3 ^= v0
        v2 += v1; v1 = _rotate(v1, 17); v1 ^= v2; v2 = _rotate(v2, 32)
    return v0 ^ v1 ^ v2 ^ v3
