"""xoshiro256** (Blackman and Vigna, 2018), seeded by the system or by a test."""
from libc.stdint cimport uint64_t

cdef struct Random:
    uint64_t[4] state

cdef void random_init(Random* random, uint64_t seed) noexcept nogil
"""Set the generator's beginning: seed 0 asks the system for 32 random bytes, any other seed gives a repeatable sequence."""
cdef uint64_t random_next(Random* random) noexcept nogil
"""The next 64 random bits. Not for secrets."""
cdef uint64_t random_below(Random* random, uint64_t limit) noexcept nogil
"""A random whole number in [0, limit), limit > 0, each as likely, without bias (Lemire 2019)."""
cdef double random_unit(Random* random) noexcept nogil
"""A random number in [0, 1), uniformly distributed."""
cdef void random_hex(Random* random, char* out, size_t length) noexcept nogil
"""Write `length` random hexadecimal digits to `out`, no terminator (run ids, replication ids)."""
