"""See sha1.pxd."""
from libc.stdint cimport uint32_t, uint8_t
from hutch_engine.base.sha_pad cimport SHA_PAD_BLOCK, sha_pad_tail
from hutch_engine.base.slice cimport Slice


cdef inline uint32_t _turn(uint32_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (32 - bits))


cdef void _block(uint32_t* state, const uint8_t* data) noexcept nogil:
    cdef uint32_t w[80]
    cdef uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4]
    cdef uint32_t f, k, t
    cdef int i
    for i in range(16):
        w[i] = (<uint32_t>data[4 * i] << 24) | (<uint32_t>data[4 * i + 1] << 16) | \
            (<uint32_t>data[4 * i + 2] << 8) | <uint32_t>data[4 * i + 3]
    for i in range(16, 80):
        w[i] = _turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    for i in range(80):
        if i < 20:
            f = (b & c) | (~b & d)
            k = 0x5A827999
        elif i < 40:
            f = b ^ c ^ d
            k = 0x6ED9EBA1
        elif i < 60:
            f = (b & c) | (b & d) | (c & d)
            k = <uint32_t>0x8F1BBCDC
        else:
            f = b ^ c ^ d
            k = <uint32_t>0xCA62C1D6
        t = _turn(a, 5) + f + e + k + w[i]
        e = d
        d = c
        c = _turn(b, 30)
        b = a
        a = t
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef void sha1_bytes(Slice text, unsigned char* digest_out) noexcept nogil:
    cdef uint32_t state[5]
    cdef uint8_t tail[2 * SHA_PAD_BLOCK]
    cdef size_t tail_bytes = sha_pad_tail(text, tail)
    cdef size_t i
    state[0] = 0x67452301
    state[1] = <uint32_t>0xEFCDAB89
    state[2] = <uint32_t>0x98BADCFE
    state[3] = 0x10325476
    state[4] = <uint32_t>0xC3D2E1F0
    for i in range(text.length // SHA_PAD_BLOCK):
        _block(state, <const uint8_t*>text.data + i * SHA_PAD_BLOCK)
    for i in range(tail_bytes // SHA_PAD_BLOCK):
        _block(state, tail + i * SHA_PAD_BLOCK)
    for i in range(20):
        digest_out[i] = <unsigned char>(state[i // 4] >> (24 - 8 * (i % 4)))


cdef void sha1_hex(const unsigned char* digest, char* out) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef size_t i
    for i in range(20):
        out[2 * i] = digits[digest[i] >> 4]
        out[2 * i + 1] = digits[digest[i] & 15]
