"""C11-style atomic counters and flags, by the compiler's builtins."""
from libc.stdint cimport uint32_t, uint64_t, int64_t

cdef extern from *:
    """
    #include <stdint.h>
    static inline uint64_t hutch_add64(uint64_t *p, uint64_t n) { return __atomic_fetch_add(p, n, __ATOMIC_RELAXED); }
    static inline uint64_t hutch_load64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void hutch_store64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint32_t hutch_load32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void hutch_store32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint32_t hutch_exchange32(uint32_t *p, uint32_t v) { return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL); }
    static inline uint32_t hutch_add32(uint32_t *p, uint32_t n) { return __atomic_fetch_add(p, n, __ATOMIC_ACQ_REL); }
    """
    uint64_t atomic_add64 "hutch_add64"(uint64_t* p, uint64_t n) noexcept nogil
    uint64_t atomic_load64 "hutch_load64"(const uint64_t* p) noexcept nogil
    void atomic_store64 "hutch_store64"(uint64_t* p, uint64_t v) noexcept nogil
    uint32_t atomic_load32 "hutch_load32"(const uint32_t* p) noexcept nogil
    void atomic_store32 "hutch_store32"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t atomic_exchange32 "hutch_exchange32"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t atomic_add32 "hutch_add32"(uint32_t* p, uint32_t n) noexcept nogil
