/* Rows of 6-bit registers, as a dense HyperLogLog has them (the first is the low bits of the first byte), from and to bytes.
   Four registers are three bytes: a word of 24 bits is spread over the four bytes of another and back. 32 bytes at a time
   where `wide` says that the machine has AVX2 (see hutch_bits.h), else word by word. */
#ifndef HUTCH_REGISTERS_H
#define HUTCH_REGISTERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HUTCH_REGISTERS_X86 1
#include <immintrin.h>
#else
#define HUTCH_REGISTERS_X86 0
#endif

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

#if HUTCH_REGISTERS_X86

/* 24 bytes in, 32 out; each half takes 12 of 16 bytes that are read, so the last stretch is left to the plain loop. */
__attribute__((target("avx2")))
static void hutch_registers_raise_avx2(uint8_t *bytes, const uint8_t *packed, size_t count) {
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

__attribute__((target("avx2")))
static void hutch_registers_write_avx2(uint8_t *packed, const uint8_t *bytes, size_t count) {
    const __m256i gather = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
                                            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    size_t i = 0;
    for (; i + 64 <= count; i += 32, packed += 24) {
        __m256i words = _mm256_loadu_si256((const __m256i *)(bytes + i));
        __m256i parts = _mm256_and_si256(words, _mm256_set1_epi32(0x3f));
        parts = _mm256_or_si256(parts, _mm256_and_si256(_mm256_srli_epi32(words, 2), _mm256_set1_epi32(0xfc0)));
        parts = _mm256_or_si256(parts, _mm256_and_si256(_mm256_srli_epi32(words, 4), _mm256_set1_epi32(0x3f000)));
        parts = _mm256_or_si256(parts, _mm256_and_si256(_mm256_srli_epi32(words, 6), _mm256_set1_epi32(0xfc0000)));
        parts = _mm256_shuffle_epi8(parts, gather);
        _mm_storeu_si128((__m128i *)packed, _mm256_castsi256_si128(parts));
        _mm_storeu_si128((__m128i *)(packed + 12), _mm256_extracti128_si256(parts, 1));
    }
    hutch_registers_write_plain(packed, bytes + i, count - i);
}

#endif

static void hutch_registers_raise(int wide, uint8_t *bytes, const uint8_t *packed, size_t count) {
#if HUTCH_REGISTERS_X86
    if (wide) {
        hutch_registers_raise_avx2(bytes, packed, count);
        return;
    }
#endif
    hutch_registers_raise_plain(bytes, packed, count);
}

static void hutch_registers_write(int wide, uint8_t *packed, const uint8_t *bytes, size_t count) {
#if HUTCH_REGISTERS_X86
    if (wide) {
        hutch_registers_write_avx2(packed, bytes, count);
        return;
    }
#endif
    hutch_registers_write_plain(packed, bytes, count);
}

#endif
