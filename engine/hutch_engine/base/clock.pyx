"""See clock.pxd."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.compiler cimport ticks, TICKS_ARE_TSC

cdef extern from * nogil:
    """
    #include <time.h>
    #include <stdint.h>
    #ifndef CLOCK_REALTIME_COARSE
    #define CLOCK_REALTIME_COARSE CLOCK_REALTIME
    #endif
    static int64_t hutch_time_us(clockid_t which) {
        struct timespec t;
        clock_gettime(which, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    }
    static inline int64_t hutch_coarse_s(void) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME_COARSE, &t);
        return t.tv_sec;
    }
    """
    int64_t hutch_coarse_s() noexcept
    ctypedef int clockid_t
    const clockid_t CLOCK_REALTIME
    const clockid_t CLOCK_REALTIME_COARSE
    const clockid_t CLOCK_MONOTONIC
    int64_t hutch_time_us(clockid_t which) noexcept


cdef void clock_init(Clock* clock) noexcept nogil:
    clock.held = False
    clock.held_us = 0
    clock.offset_us = 0


cdef int64_t clock_now_us(const Clock* clock) noexcept nogil:
    if clock.held:
        return clock.held_us
    return hutch_time_us(CLOCK_REALTIME) + clock.offset_us


cdef int64_t clock_now_ms(const Clock* clock) noexcept nogil:
    return clock_now_us(clock) // 1000


cdef int64_t clock_coarse_ms(const Clock* clock) noexcept nogil:
    if clock.held:
        return clock.held_us // 1000
    return (hutch_time_us(CLOCK_REALTIME_COARSE) + clock.offset_us) // 1000


cdef int64_t clock_coarse_s(const Clock* clock) noexcept nogil:
    if clock.held or clock.offset_us:
        return clock_coarse_ms(clock) // 1000
    return hutch_coarse_s()


cdef int64_t monotonic_us() noexcept nogil:
    return hutch_time_us(CLOCK_MONOTONIC)


cdef double _ticks_per_us = 0.0


cdef double ticks_per_microsecond() noexcept nogil:
    # Two threads may measure at once; they find the same figure, and a double is stored whole.
    global _ticks_per_us
    cdef int64_t started
    cdef int64_t now
    cdef uint64_t first
    if _ticks_per_us == 0.0:
        if not TICKS_ARE_TSC:
            _ticks_per_us = 1000.0
        else:
            started = monotonic_us()
            first = ticks()
            now = started
            while now - started < 2000:
                now = monotonic_us()
            _ticks_per_us = <double>(ticks() - first) / <double>(now - started)
    return _ticks_per_us
