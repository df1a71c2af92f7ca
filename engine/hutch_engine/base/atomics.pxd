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
    static inline void hutch_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    /* A stack that any thread may push on and that is only ever taken as a whole: no ABA. */
    static inline void hutch_push(void **top, void **next_of_item, void *item) {
        void *seen = __atomic_load_n(top, __ATOMIC_RELAXED);
        do { *next_of_item = seen; }
        while (!__atomic_compare_exchange_n(top, &seen, item, 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    }
    static inline void *hutch_take_all(void **top) { return __atomic_exchange_n(top, NULL, __ATOMIC_ACQUIRE); }
    static inline void *hutch_top(void **top) { return __atomic_load_n(top, __ATOMIC_RELAXED); }
    """
    void atomic_fence "hutch_fence"() noexcept nogil      # what came before is seen before what follows
    void stack_push "hutch_push"(void** top, void** next_of_item, void* item) noexcept nogil
    void* stack_take_all "hutch_take_all"(void** top) noexcept nogil
    void* stack_top "hutch_top"(void** top) noexcept nogil
    uint64_t atomic_add64 "hutch_add64"(uint64_t* p, uint64_t n) noexcept nogil
    uint64_t atomic_load64 "hutch_load64"(const uint64_t* p) noexcept nogil
    void atomic_store64 "hutch_store64"(uint64_t* p, uint64_t v) noexcept nogil
    uint32_t atomic_load32 "hutch_load32"(const uint32_t* p) noexcept nogil
    void atomic_store32 "hutch_store32"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t atomic_exchange32 "hutch_exchange32"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t atomic_add32 "hutch_add32"(uint32_t* p, uint32_t n) noexcept nogil
