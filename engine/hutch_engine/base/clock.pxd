"""Time. A Clock can be held and moved by tests; nothing in the engine asks the system directly."""
from libc.stdint cimport int64_t, uint64_t

cdef struct Clock:
    bint held
    int64_t held_us         # Unix time in microseconds while held
    int64_t offset_us       # added to the system's time while not held

cdef void clock_init(Clock* clock) noexcept nogil
"""Make a clock that shows the system's time."""
cdef int64_t clock_now_us(const Clock* clock) noexcept nogil
"""Unix time in microseconds."""
cdef int64_t clock_now_ms(const Clock* clock) noexcept nogil
"""Unix time in milliseconds."""
cdef int64_t clock_coarse_ms(const Clock* clock) noexcept nogil
"""Unix time in milliseconds, up to some 4 ms old: cheap, for access times."""
cdef int64_t clock_coarse_s(const Clock* clock) noexcept nogil
"""The same in seconds: what an access time needs, without a division."""
cdef int64_t monotonic_us() noexcept nogil
"""Microseconds since some moment of the past: a clock that nobody sets, for measuring how long something takes. Tests do not
hold it."""
cdef double ticks_per_microsecond() noexcept nogil
"""How many compiler.ticks() a microsecond has; measured once, at first use."""
