"""See sha256.pxd."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from hutch_engine.base.sha_pad cimport SHA_PAD_BLOCK, sha_pad_tail
from hutch_engine.base.slice cimport Slice

# The first 32 bits of the fractions of the cube roots of the first 64 primes, and for the state of the square roots of the first 8.
cdef uint32_t[64] _constants
_constants[:] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]
cdef uint32_t[8] _beginning
_beginning[:] = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]


cdef inline uint32_t _turn(uint32_t x, int bits) noexcept nogil:
    return (x >> bits) | (x << (32 - bits))


cdef void _block(uint32_t* state, const uint8_t* data) noexcept nogil:
    cdef uint32_t w[64]
    cdef uint32_t v[8]
    cdef uint32_t x, y, first, second
    cdef int i
    for i in range(16):
        w[i] = (<uint32_t>data[4 * i] << 24) | (<uint32_t>data[4 * i + 1] << 16) | \
            (<uint32_t>data[4 * i + 2] << 8) | <uint32_t>data[4 * i + 3]
    for i in range(16, 64):
        x = w[i - 15]
        y = w[i - 2]
        w[i] = (w[i - 16] + (_turn(x, 7) ^ _turn(x, 18) ^ (x >> 3)) + w[i - 7] + (_turn(y, 17) ^ _turn(y, 19) ^ (y >> 10)))
    memcpy(v, state, sizeof(v))
    for i in range(64):
        first = (v[7] + (_turn(v[4], 6) ^ _turn(v[4], 11) ^ _turn(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6]))
                 + _constants[i] + w[i])
        second = (_turn(v[0], 2) ^ _turn(v[0], 13) ^ _turn(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
        v[7] = v[6]
        v[6] = v[5]
        v[5] = v[4]
        v[4] = v[3] + first
        v[3] = v[2]
        v[2] = v[1]
        v[1] = v[0]
        v[0] = first + second
    for i in range(8):
        state[i] += v[i]


cdef void sha256_bytes(Slice text, unsigned char* digest_out) noexcept nogil:
    cdef uint32_t state[8]
    cdef uint8_t tail[2 * SHA_PAD_BLOCK]
    cdef size_t tail_bytes = sha_pad_tail(text, tail)
    cdef size_t i
    memcpy(state, _beginning, sizeof(state))
    for i in range(text.length // SHA_PAD_BLOCK):
        _block(state, <const uint8_t*>text.data + i * SHA_PAD_BLOCK)
    for i in range(tail_bytes // SHA_PAD_BLOCK):
        _block(state, tail + i * SHA_PAD_BLOCK)
    for i in range(SHA256_BYTES):
        digest_out[i] = <unsigned char>(state[i // 4] >> (24 - 8 * (i % 4)))
