/* Rows of 6-bit registers, as a dense HyperLogLog has them (the first is the low bits of the first byte), from and to bytes.
   Four registers are three bytes: a word of 24 bits is spread over the four bytes of another and back. For levels of vectors see
   hutch_bits.h. */
#ifndef HUTCH_REGISTERS_H
#define HUTCH_REGISTERS_H

#include "hutch_bits.h"

static uint32_t hutch_registers_spread(uint32_t word) {
    return (word & 0x3f) | (word & 0xfc0) << 2 | (word & 0x3f000) << 4 | (word & 0xfc0000) << 6;
}

static uint32_t hutch_registers_pack(uint32_t bytes) {
    return (bytes & 0x3f) | (bytes >> 2 & 0xfc0) | (bytes >> 4 & 0x3f000) | (bytes >> 6 & 0xfc0000);
}

/* Each of `count` bytes (a multiple of 4) becomes the register of its number, where that is greater. */
static void hutch_registers_raise_plain(uint8_t *bytes, const uint8_t *packed, size_t count) {
    for (size_t i = 0; i < count; i += 4, packed += 3) {
        uint32_t word = hutch_registers_spread((uint32_t)packed[0] | (uint32_t)packed[1] << 8 | (uint32_t)packed[2] << 16);
        for (size_t k = 0; k < 4; k++, word >>= 8)
            if ((word & 0xff) > bytes[i + k])
                bytes[i + k] = (uint8_t)word;
    }
}

/* The low 6 bits of `count` bytes (a multiple of 4) as registers. */
static void hutch_registers_write_plain(uint8_t *packed, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i += 4, packed += 3) {
        uint32_t word = hutch_registers_pack((uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16
                                             | (uint32_t)bytes[i + 3] << 24);
        packed[0] = (uint8_t)word;
        packed[1] = (uint8_t)(word >> 8);
        packed[2] = (uint8_t)(word >> 16);
    }
}

#if HUTCH_BITS_X86

/* 24 bytes in, 32 out; each half takes 12 of 16 bytes that are read, so the last stretch is left to the plain loop. */
HUTCH_AVX2 static void hutch_registers_raise_avx2(uint8_t *bytes, const uint8_t *packed, size_t count) {
    const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
                                            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    size_t i = 0;
    for (; i + 64 <= count; i += 32, packed += 24) {
        __m256i words = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)packed)),
                                                _mm_loadu_si128((const __m128i *)(packed + 12)), 1);
        __m256i parts;
        words = _mm256_shuffle_epi8(words, spread);
        parts = _mm256_and_si256(words, _mm256_set1_epi32(0x3f));
        parts = _mm256_or_si256(parts, _mm256_slli_epi32(_mm256_and_si256(words, _mm256_set1_epi32(0xfc0)), 2));
        parts = _mm256_or_si256(parts, _mm256_slli_epi32(_mm256_and_si256(words, _mm256_set1_epi32(0x3f000)), 4));
        parts = _mm256_or_si256(parts, _mm256_slli_epi32(_mm256_and_si256(words, _mm256_set1_epi32(0xfc0000)), 6));
        parts = _mm256_max_epu8(parts, _mm256_loadu_si256((const __m256i *)(bytes + i)));
        _mm256_storeu_si256((__m256i *)(bytes + i), parts);
    }
    hutch_registers_raise_plain(bytes + i, packed, count - i);
}

/* Pairs of bytes become 12 bits, pairs of these 24, by products that shift the upper one; then the fourth bytes go. */
HUTCH_AVX2 static void hutch_registers_write_avx2(uint8_t *packed, const uint8_t *bytes, size_t count) {
    const __m256i gather = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
                                            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    size_t i = 0;
    for (; i + 64 <= count; i += 32, packed += 24) {
        __m256i words = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(bytes + i)), _mm256_set1_epi8(0x3f));
        words = _mm256_maddubs_epi16(words, _mm256_set1_epi16(0x4001));
        words = _mm256_madd_epi16(words, _mm256_set1_epi32(0x10000001));
        words = _mm256_shuffle_epi8(words, gather);
        _mm_storeu_si128((__m128i *)packed, _mm256_castsi256_si128(words));
        _mm_storeu_si128((__m128i *)(packed + 12), _mm256_extracti128_si256(words, 1));
    }
    hutch_registers_write_plain(packed, bytes + i, count - i);
}

/* 48 bytes in, 64 out: six bytes go to each word of eight, of which a byte is taken from every sixth bit on. */
HUTCH_AVX512 static void hutch_registers_raise_avx512(uint8_t *bytes, const uint8_t *packed, size_t count) {
    const __m512i shifts = _mm512_set1_epi64(0x2a241e18120c0600);
    const __m512i low = _mm512_set1_epi8(0x3f);
    uint8_t places[64];
    __m512i spread;
    size_t i = 0;
    for (int n = 0; n < 64; n++)
        places[n] = (uint8_t)(n / 8 * 6 + (n % 8 < 6 ? n % 8 : 0));
    spread = _mm512_loadu_si512(places);
    for (; i + 128 <= count; i += 64, packed += 48) {
        __m512i words = _mm512_permutexvar_epi8(spread, _mm512_loadu_si512(packed));
        words = _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, words), low);
        _mm512_storeu_si512(bytes + i, _mm512_max_epu8(words, _mm512_loadu_si512(bytes + i)));
    }
    hutch_registers_raise_plain(bytes + i, packed, count - i);
}

#endif

static void hutch_registers_raise(int level, uint8_t *bytes, const uint8_t *packed, size_t count) {
#if HUTCH_BITS_X86
    if (level == HUTCH_BITS_AVX512) {
        hutch_registers_raise_avx512(bytes, packed, count);
        return;
    }
    if (level == HUTCH_BITS_AVX2) {
        hutch_registers_raise_avx2(bytes, packed, count);
        return;
    }
#endif
    hutch_registers_raise_plain(bytes, packed, count);
}

static void hutch_registers_write(int level, uint8_t *packed, const uint8_t *bytes, size_t count) {
#if HUTCH_BITS_X86
    if (level != HUTCH_BITS_PLAIN) {
        hutch_registers_write_avx2(packed, bytes, count);
        return;
    }
#endif
    hutch_registers_write_plain(packed, bytes, count);
}

/* Runs of one byte each, 16 at a time: how many registers the next 16 are, or 0 where a run of two bytes is among them. A zero
   run has up to 64 registers, one of values up to 4. (SSE2, which every x86-64 has.) */
static uint32_t hutch_runs_of_16(const uint8_t *at) {
#if HUTCH_BITS_X86
    __m128i runs = _mm_loadu_si128((const __m128i *)at);
    __m128i values = _mm_cmplt_epi8(runs, _mm_setzero_si128());
    __m128i lengths, sums;
    if (_mm_movemask_epi8(_mm_andnot_si128(values, _mm_slli_epi16(runs, 1))))
        return 0;
    lengths = _mm_and_si128(runs, _mm_sub_epi8(_mm_set1_epi8(0x3f), _mm_and_si128(values, _mm_set1_epi8(0x3c))));
    sums = _mm_sad_epu8(lengths, _mm_setzero_si128());
    return (uint32_t)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4)) + 16;
#else
    (void)at;
    return 0;
#endif
}

#endif
