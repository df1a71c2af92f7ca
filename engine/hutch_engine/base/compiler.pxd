"""What only the compiler can say: branch hints, prefetch, bit scans, unaligned loads."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, int64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #define hutch_likely(x) __builtin_expect(!!(x), 1)
    #define hutch_unlikely(x) __builtin_expect(!!(x), 0)
    /* The empty statement has an effect for all the compiler knows. Without one, GCC takes a function that only prefetches for one
       that does nothing, and leaves its calls out. */
    #define hutch_prefetch(p) do { __builtin_prefetch((p), 0, 3); __asm__ volatile(""); } while (0)
    static inline int hutch_clz64(uint64_t x) { return __builtin_clzll(x); }   /* x != 0 */
    static inline int hutch_ctz64(uint64_t x) { return __builtin_ctzll(x); }   /* x != 0 */
    static inline int hutch_popcount64(uint64_t x) { return __builtin_popcountll(x); }
    static inline uint64_t hutch_load_u64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint32_t hutch_load_u32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    static inline uint16_t hutch_load_u16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
    static inline int64_t hutch_load_i64(const void *p) { int64_t v; memcpy(&v, p, 8); return v; }
    static inline void *hutch_load_ptr(const void *p) { void *v; memcpy(&v, p, sizeof v); return v; }
    static inline void hutch_store_u64(void *p, uint64_t v) { memcpy(p, &v, 8); }
    static inline void hutch_store_i64(void *p, int64_t v) { memcpy(p, &v, 8); }
    static inline void hutch_store_ptr(void *p, const void *v) { memcpy(p, &v, sizeof v); }
    static inline int hutch_add_overflows(int64_t a, int64_t b, int64_t *out) { return __builtin_add_overflow(a, b, out); }
    static inline int hutch_mul_overflows(int64_t a, int64_t b, int64_t *out) { return __builtin_mul_overflow(a, b, out); }
    #if defined(__x86_64__)
    /* Without <x86intrin.h>: its sixty thousand lines are half of what the compiler would read for most modules. */
    static inline uint64_t hutch_ticks(void) { return __builtin_ia32_rdtsc(); }
    #define HUTCH_TICKS_TSC 1
    #else
    #include <time.h>
    static inline uint64_t hutch_ticks(void) {
        struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }
    #define HUTCH_TICKS_TSC 0
    #endif
    """
    bint likely "hutch_likely"(bint x) noexcept nogil
    bint unlikely "hutch_unlikely"(bint x) noexcept nogil
    void prefetch "hutch_prefetch"(const void* p) noexcept nogil
    int clz64 "hutch_clz64"(uint64_t x) noexcept nogil        # x != 0
    int ctz64 "hutch_ctz64"(uint64_t x) noexcept nogil        # x != 0
    int popcount64 "hutch_popcount64"(uint64_t x) noexcept nogil
    uint64_t load_u64 "hutch_load_u64"(const void* p) noexcept nogil
    uint32_t load_u32 "hutch_load_u32"(const void* p) noexcept nogil
    uint16_t load_u16 "hutch_load_u16"(const void* p) noexcept nogil
    int64_t load_i64 "hutch_load_i64"(const void* p) noexcept nogil
    void* load_ptr "hutch_load_ptr"(const void* p) noexcept nogil
    void store_u64 "hutch_store_u64"(void* p, uint64_t v) noexcept nogil
    void store_i64 "hutch_store_i64"(void* p, int64_t v) noexcept nogil
    void store_ptr "hutch_store_ptr"(void* p, const void* v) noexcept nogil
    bint add_overflows "hutch_add_overflows"(int64_t a, int64_t b, int64_t* out) noexcept nogil
    bint mul_overflows "hutch_mul_overflows"(int64_t a, int64_t b, int64_t* out) noexcept nogil
    uint64_t ticks "hutch_ticks"() noexcept nogil     # a cheap counter; TICKS_ARE_TSC says of what
    const bint TICKS_ARE_TSC "HUTCH_TICKS_TSC"
