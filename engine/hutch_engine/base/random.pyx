"""See random.pxd."""
from libc.stdint cimport uint64_t

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <stdio.h>
    #include <time.h>
    #include <unistd.h>
    #if defined(__linux__)
    #include <sys/random.h>
    #endif
    static void hutch_system_random(uint64_t *out, int words) {
    #if defined(__linux__)
        if (getrandom(out, 8 * (size_t)words, 0) == 8 * words) return;
    #endif
        FILE *f = fopen("/dev/urandom", "rb");
        if (f && fread(out, 8, (size_t)words, f) == (size_t)words) { fclose(f); return; }
        if (f) fclose(f);
        /* No source of entropy at all: time and addresses are better than a constant. */
        struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
        for (int i = 0; i < words; i++)
            out[i] = ((uint64_t)t.tv_nsec << 32) ^ (uint64_t)t.tv_sec ^ (uint64_t)(uintptr_t)out ^ (uint64_t)getpid() * 0x9E3779B97F4A7C15u * (i + 1);
    }
    static inline uint64_t hutch_multiply_high(uint64_t a, uint64_t b, uint64_t *low) {
        unsigned __int128 product = (unsigned __int128)a * b;
        *low = (uint64_t)product;
        return (uint64_t)(product >> 64);
    }
    """
    void hutch_system_random(uint64_t* out, int words) noexcept
    uint64_t hutch_multiply_high(uint64_t a, uint64_t b, uint64_t* low) noexcept


cdef inline uint64_t _rotate(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef void random_init(Random* random, uint64_t seed) noexcept nogil:
    cdef uint64_t z
    cdef int i
    if seed == 0:
        hutch_system_random(random.state, 4)
        random.state[0] |= 1          # the all-zero state would stay zero
        return
    for i in range(4):                # splitmix64, as the generator's authors advise
        seed += <uint64_t>0x9E3779B97F4A7C15
        z = seed
        z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
        random.state[i] = z ^ (z >> 31)


cdef uint64_t random_next(Random* random) noexcept nogil:
    cdef uint64_t* s = random.state
    cdef uint64_t result = _rotate(s[1] * 5, 7) * 9
    cdef uint64_t t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = _rotate(s[3], 45)
    return result


cdef uint64_t random_below(Random* random, uint64_t limit) noexcept nogil:
    cdef uint64_t low, threshold
    cdef uint64_t high = hutch_multiply_high(random_next(random), limit, &low)
    if low < limit:
        threshold = (0 - limit) % limit
        while low < threshold:
            high = hutch_multiply_high(random_next(random), limit, &low)
    return high


cdef double random_unit(Random* random) noexcept nogil:
    return <double>(random_next(random) >> 11) * (1.0 / 9007199254740992.0)


cdef void random_hex(Random* random, char* out, size_t length) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef size_t i
    for i in range(length):
        out[i] = digits[random_next(random) >> 60]
