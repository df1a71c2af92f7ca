/* Loops over bytes as bits, each written for the vectors that a machine may have: 64 bytes wide (AVX-512 with VPOPCNTDQ and
   VBMI, which came together), 32 bytes wide (AVX2), and words of 8 bytes for all others. Which of them run is asked of the processor once, and may be
   told, so that tests go through each.

   Vectors are the compiler's own where an operator says all; intrinsics where none does. */
#ifndef HUTCH_BITS_H
#define HUTCH_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HUTCH_BITS_PLAIN = 0, HUTCH_BITS_AVX2 = 1, HUTCH_BITS_AVX512 = 2 };

#if defined(__x86_64__) && defined(__GNUC__)
#define HUTCH_BITS_X86 1
#include <immintrin.h>
#define HUTCH_AVX2 __attribute__((target("avx2,popcnt")))
#define HUTCH_AVX512 __attribute__((target("avx2,popcnt,avx512f,avx512bw,avx512vbmi,avx512vpopcntdq")))
#else
#define HUTCH_BITS_X86 0
#endif

/* What the machine has. */
static int hutch_bits_best(void) {
#if HUTCH_BITS_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vpopcntdq"))
        return HUTCH_BITS_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
        return HUTCH_BITS_AVX2;
#endif
    return HUTCH_BITS_PLAIN;
}

/* ---- words of any machine */

typedef uint64_t __attribute__((may_alias, aligned(1))) hutch_word;

static uint64_t hutch_word_count(uint64_t word) {
    /* Sums of neighbours: pairs of bits, of pairs, of nibbles; then all bytes by one multiplication. */
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (word * 0x0101010101010101u) >> 56;
}

/* The one word of a tail of fewer than 8 bytes, zeros behind it. */
static uint64_t hutch_tail(const uint8_t *at, size_t length) {
    uint64_t word = 0;
    memcpy(&word, at, length);
    return word;
}

static uint64_t hutch_count_plain(const uint8_t *at, size_t length) {
    uint64_t total = 0;
    for (; length >= 8; at += 8, length -= 8)
        total += hutch_word_count(*(const hutch_word *)at);
    return length ? total + hutch_word_count(hutch_tail(at, length)) : total;
}

/* Where the first byte lies that is not `skip`; `length` where all are. */
static size_t hutch_unlike_plain(const uint8_t *at, size_t length, uint8_t skip) {
    const uint64_t word = 0x0101010101010101u * skip;
    size_t i = 0;
    for (; i + 32 <= length; i += 32) {
        const hutch_word *words = (const hutch_word *)(at + i);
        if (((words[0] ^ word) | (words[1] ^ word) | (words[2] ^ word) | (words[3] ^ word)) != 0)
            break;
    }
    while (i < length && at[i] == skip)
        i++;
    return i;
}

/* ---- combining */

enum {                  /* what a bit of the result is made of: `first` is the first source's, `any` one of the others' */
    HUTCH_AND, HUTCH_OR, HUTCH_XOR, HUTCH_NOT,
    HUTCH_DIFF,         /* first and not any */
    HUTCH_DIFF1,        /* not first and any */
    HUTCH_ANDOR,        /* first and any */
    HUTCH_ONE           /* set in exactly one source */
};

/* One stretch of every source at [i]: LANES vectors of type V. All is read before anything is written, so `out` may be one
   of the sources. Unrolled, or the lanes would lie in memory: that takes three times as long. */
#define HUTCH_EACH(LANES) _Pragma("GCC unroll 4") for (int n = 0; n < LANES; n++)
#define HUTCH_COMBINE_AT(V, LANES)                                                                                          \
    do {                                                                                                                    \
        V a[LANES], b[LANES];                                                                                               \
        const V *from = (const V *)(sources[0] + i);                                                                        \
        V *to = (V *)(out + i);                                                                                             \
        HUTCH_EACH(LANES) { a[n] = from[n]; b[n] = from[n] ^ from[n]; }                                                     \
        for (size_t k = 1; k < count; k++) {                                                                                \
            from = (const V *)(sources[k] + i);                                                                             \
            switch (operation) {                                                                                            \
            case HUTCH_AND: HUTCH_EACH(LANES) a[n] &= from[n]; break;                                                       \
            case HUTCH_OR: HUTCH_EACH(LANES) a[n] |= from[n]; break;                                                        \
            case HUTCH_XOR: HUTCH_EACH(LANES) a[n] ^= from[n]; break;                                                       \
            case HUTCH_ONE: HUTCH_EACH(LANES) { b[n] |= a[n] & from[n]; a[n] ^= from[n]; } break;                           \
            default: HUTCH_EACH(LANES) b[n] |= from[n];                                                                     \
            }                                                                                                               \
        }                                                                                                                   \
        switch (operation) {                                                                                                \
        case HUTCH_NOT: HUTCH_EACH(LANES) to[n] = ~a[n]; break;                                                             \
        case HUTCH_DIFF: case HUTCH_ONE: HUTCH_EACH(LANES) to[n] = a[n] & ~b[n]; break;                                     \
        case HUTCH_DIFF1: HUTCH_EACH(LANES) to[n] = ~a[n] & b[n]; break;                                                    \
        case HUTCH_ANDOR: HUTCH_EACH(LANES) to[n] = a[n] & b[n]; break;                                                     \
        default: HUTCH_EACH(LANES) to[n] = a[n];                                                                            \
        }                                                                                                                   \
    } while (0)

typedef uint8_t __attribute__((may_alias)) hutch_byte;

static void hutch_combine_plain(int operation, uint8_t *out, const uint8_t *const *sources, size_t count, size_t start,
                                size_t end) {
    size_t i = start;
    for (; i + 32 <= end; i += 32)
        HUTCH_COMBINE_AT(hutch_word, 4);
    for (; i < end; i++)
        HUTCH_COMBINE_AT(hutch_byte, 1);
}

/* ---- 32 and 64 bytes at once */

#if HUTCH_BITS_X86

typedef uint64_t __attribute__((vector_size(32), may_alias, aligned(1))) hutch_vector;

HUTCH_AVX2 static void hutch_combine_avx2(int operation, uint8_t *out, const uint8_t *const *sources, size_t count,
                                          size_t start, size_t end) {
    size_t i = start;
    for (; i + 128 <= end; i += 128)
        HUTCH_COMBINE_AT(hutch_vector, 4);
    for (; i + 8 <= end; i += 8)
        HUTCH_COMBINE_AT(hutch_word, 1);
    for (; i < end; i++)
        HUTCH_COMBINE_AT(hutch_byte, 1);
}

HUTCH_AVX2 static uint64_t hutch_count_words(const uint8_t *at, size_t length) {
    uint64_t one = 0, two = 0, three = 0, four = 0;
    for (; length >= 32; at += 32, length -= 32) {
        const hutch_word *words = (const hutch_word *)at;
        one += (uint64_t)__builtin_popcountll(words[0]);
        two += (uint64_t)__builtin_popcountll(words[1]);
        three += (uint64_t)__builtin_popcountll(words[2]);
        four += (uint64_t)__builtin_popcountll(words[3]);
    }
    for (; length >= 8; at += 8, length -= 8)
        one += (uint64_t)__builtin_popcountll(*(const hutch_word *)at);
    if (length)
        one += (uint64_t)__builtin_popcountll(hutch_tail(at, length));
    return one + two + three + four;
}

/* How many bits a nibble has stands in a vector that is looked up for 32 nibbles at once (W. Mula's). Sums of bytes are
   kept for 31 rounds at most, so that none overflows: each adds up to 8. */
HUTCH_AVX2 static uint64_t hutch_count_avx2(const uint8_t *at, size_t length) {
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    __m256i total = _mm256_setzero_si256();
    uint64_t parts[4];
    while (length >= 32) {
        __m256i bytes = _mm256_setzero_si256();
        size_t rounds = length / 32 < 31 ? length / 32 : 31;
        for (size_t i = 0; i < rounds; i++, at += 32) {
            __m256i from = _mm256_loadu_si256((const __m256i *)at);
            bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(counts, _mm256_and_si256(from, low)));
            bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(from, 4), low)));
        }
        length -= rounds * 32;
        total = _mm256_add_epi64(total, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
    }
    _mm256_storeu_si256((__m256i *)parts, total);
    return parts[0] + parts[1] + parts[2] + parts[3] + hutch_count_words(at, length);
}

HUTCH_AVX512 static uint64_t hutch_count_avx512(const uint8_t *at, size_t length) {
    __m512i one = _mm512_setzero_si512(), two = one, three = one, four = one;
    for (; length >= 256; at += 256, length -= 256) {
        one = _mm512_add_epi64(one, _mm512_popcnt_epi64(_mm512_loadu_si512(at)));
        two = _mm512_add_epi64(two, _mm512_popcnt_epi64(_mm512_loadu_si512(at + 64)));
        three = _mm512_add_epi64(three, _mm512_popcnt_epi64(_mm512_loadu_si512(at + 128)));
        four = _mm512_add_epi64(four, _mm512_popcnt_epi64(_mm512_loadu_si512(at + 192)));
    }
    one = _mm512_add_epi64(_mm512_add_epi64(one, two), _mm512_add_epi64(three, four));
    return (uint64_t)_mm512_reduce_add_epi64(one) + hutch_count_words(at, length);
}

HUTCH_AVX2 static size_t hutch_unlike_avx2(const uint8_t *at, size_t length, uint8_t skip) {
    const __m256i skipped = _mm256_set1_epi8((char)skip);
    size_t i = 0;
    for (; i + 128 <= length; i += 128) {
        const __m256i *from = (const __m256i *)(at + i);
        __m256i one = _mm256_xor_si256(_mm256_loadu_si256(from), skipped);
        __m256i two = _mm256_xor_si256(_mm256_loadu_si256(from + 1), skipped);
        __m256i three = _mm256_xor_si256(_mm256_loadu_si256(from + 2), skipped);
        __m256i four = _mm256_xor_si256(_mm256_loadu_si256(from + 3), skipped);
        one = _mm256_or_si256(_mm256_or_si256(one, two), _mm256_or_si256(three, four));
        if (!_mm256_testz_si256(one, one))
            break;
    }
    return i + hutch_unlike_plain(at + i, length - i, skip);
}

#endif

/* ---- by the level that was chosen */

static uint64_t hutch_bits_count(int level, const uint8_t *at, size_t length) {
#if HUTCH_BITS_X86
    if (level != HUTCH_BITS_PLAIN) {
        if (length < 256)
            return hutch_count_words(at, length);
        return level == HUTCH_BITS_AVX512 ? hutch_count_avx512(at, length) : hutch_count_avx2(at, length);
    }
#endif
    return hutch_count_plain(at, length);
}

static size_t hutch_bits_unlike(int level, const uint8_t *at, size_t length, uint8_t skip) {
#if HUTCH_BITS_X86
    if (level != HUTCH_BITS_PLAIN)
        return hutch_unlike_avx2(at, length, skip);
#endif
    return hutch_unlike_plain(at, length, skip);
}

static void hutch_bits_combine(int level, int operation, uint8_t *out, const uint8_t *const *sources, size_t count,
                               size_t start, size_t end) {
#if HUTCH_BITS_X86
    if (level != HUTCH_BITS_PLAIN) {
        hutch_combine_avx2(operation, out, sources, count, start, end);
        return;
    }
#endif
    hutch_combine_plain(operation, out, sources, count, start, end);
}

#endif
