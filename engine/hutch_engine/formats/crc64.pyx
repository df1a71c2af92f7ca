"""See crc64.pxd.

Eight bytes a step: table n says what a byte with n zero bytes behind it makes (Kounavis and Berry, 2005). Where the processor
multiplies polynomials (PCLMULQDQ), long runs are folded instead: 128 bits of the remainder are moved over the 512 bits behind them
by two products, four at a time (Gopal and others, 2009); what is left at the end, 16 bytes, goes through the tables.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.compiler cimport load_u64
from hutch_engine.base.slice cimport Slice

cdef extern from * nogil:
    """
    #include <stddef.h>
    #include <stdint.h>
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    #define HUTCH_CRC_FOLDS (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
    /* The remainder, bit-reflected as all of it is, times x to some power, added to the 16 bytes at `next`. */
    __attribute__((target("pclmul,sse4.1")))
    static inline __m128i hutch_crc_fold(__m128i sum, __m128i factors, __m128i next) {
        return _mm_xor_si128(next, _mm_xor_si128(_mm_clmulepi64_si128(sum, factors, 0x00),
                                                 _mm_clmulepi64_si128(sum, factors, 0x11)));
    }
    /* `length` is a multiple of 64, and at least 128. What comes out in `last` stands for all of it, as 16 bytes. */
    __attribute__((target("pclmul,sse4.1")))
    static void hutch_crc_folded(uint64_t crc, const uint8_t *at, size_t length, const uint64_t *by_512, const uint64_t *by_128,
                                 uint8_t *last) {
        __m128i far = _mm_set_epi64x((long long)by_512[1], (long long)by_512[0]);
        __m128i near = _mm_set_epi64x((long long)by_128[1], (long long)by_128[0]);
        __m128i a = _mm_loadu_si128((const __m128i *)at), b = _mm_loadu_si128((const __m128i *)(at + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(at + 32)), d = _mm_loadu_si128((const __m128i *)(at + 48));
        a = _mm_xor_si128(a, _mm_set_epi64x(0, (long long)crc));
        for (at += 64, length -= 64; length; at += 64, length -= 64) {
            a = hutch_crc_fold(a, far, _mm_loadu_si128((const __m128i *)at));
            b = hutch_crc_fold(b, far, _mm_loadu_si128((const __m128i *)(at + 16)));
            c = hutch_crc_fold(c, far, _mm_loadu_si128((const __m128i *)(at + 32)));
            d = hutch_crc_fold(d, far, _mm_loadu_si128((const __m128i *)(at + 48)));
        }
        a = hutch_crc_fold(a, near, b);
        a = hutch_crc_fold(a, near, c);
        a = hutch_crc_fold(a, near, d);
        _mm_storeu_si128((__m128i *)last, a);
    }
    #else
    #define HUTCH_CRC_FOLDS 0
    static void hutch_crc_folded(uint64_t crc, const uint8_t *at, size_t length, const uint64_t *by_512, const uint64_t *by_128,
                                 uint8_t *last) { (void)crc; (void)at; (void)length; (void)by_512; (void)by_128; (void)last; }
    #endif
    """
    bint HUTCH_CRC_FOLDS
    void hutch_crc_folded(uint64_t crc, const uint8_t* at, size_t length, const uint64_t* by_512, const uint64_t* by_128,
                          uint8_t* last)

cdef enum:
    AT_ONCE = 8                  # bytes
    FOLDED_FROM = 256            # bytes: below, the tables are as fast
    FOLDED_STEP = 64

cdef uint64_t polynomial = 0x95AC9329AC4BC9B5ULL             # 0xAD93D23594C935A9, its bits in reverse
cdef uint64_t steps[AT_ONCE][256]
cdef uint64_t by_512[2]          # factors: x to the distance over which each half of 128 bits is moved
cdef uint64_t by_128[2]
cdef bint folds = False


cdef uint64_t _power(int bits) noexcept nogil:
    """x to this power, modulo the polynomial, reflected."""
    cdef uint64_t value = <uint64_t>1 << 63
    cdef int i
    for i in range(bits):
        value = (value >> 1) ^ (polynomial if value & 1 else 0)
    return value


cdef void _fill() noexcept nogil:
    global folds
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
    # Of reflected halves the lower one stands first. A product of two 64-bit factors lacks one bit, hence the ones.
    by_512[0] = _power(512 + 64 - 1)
    by_512[1] = _power(512 - 1)
    by_128[0] = _power(128 + 64 - 1)
    by_128[1] = _power(128 - 1)
    folds = HUTCH_CRC_FOLDS


_fill()                          # when the module is loaded: nobody computes yet


cdef uint64_t _by_tables(uint64_t crc, const uint8_t* at, size_t left) noexcept nogil:
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


cdef uint64_t crc64(uint64_t crc, Slice bytes) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>bytes.data
    cdef uint8_t[16] last
    cdef size_t folded
    if not folds or bytes.length < FOLDED_FROM:
        return _by_tables(crc, at, bytes.length)
    folded = bytes.length & ~<size_t>(FOLDED_STEP - 1)
    hutch_crc_folded(crc, at, folded, by_512, by_128, last)
    return _by_tables(_by_tables(0, last, sizeof(last)), at + folded, bytes.length - folded)
