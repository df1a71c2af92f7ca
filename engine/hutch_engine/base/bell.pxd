"""A bell wakes an event loop: a descriptor that the loop watches, and the numbers of the sessions that rang.

An event loop has one bell, for sessions of any engine. A native thread rings it without knowing of Python: it notes the
session's number and writes to the descriptor, once until the loop has taken the numbers. They are hints: a session whose
number is told may wait still, and one that was told once before may be told again.

A bell has a lock of its own, taken behind an engine's, and held for the length of a short system call.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.lock cimport Lock

cdef struct Bell:
    Lock lock
    int read_fd                         # owned; what the loop watches. Constant
    int write_fd                        # owned; the same one where there is eventfd. Constant
    uint32_t holders                    # atomic: the loop's own object, and each session that has the bell
    uint64_t numbers                    # how many were given out
    uint64_t round                      # how often the numbers were taken, and one
    bint rung                           # written since then
    bint overflowed                      # no memory for a number: all sessions are to look
    uint64_t* ringing                   # owned, malloc'ed
    size_t count
    size_t capacity

cdef Bell* bell_new(bint portable) noexcept nogil
"""Make a bell, which the caller holds (bell_drop). NULL when the system refused a descriptor or memory. `portable`: a pipe,
also where there is eventfd."""
cdef Bell* bell_hold(Bell* bell, uint64_t* number_out) noexcept nogil
"""Hold the bell for a session, which gets a number; bell_drop must follow. Returns the bell. From any thread."""
cdef void bell_drop(Bell* bell) noexcept nogil
"""Hold the bell no longer; whoever was the last to hold it frees it by that. From any thread."""
cdef void bell_ring(Bell* bell, uint64_t number, uint64_t* round_seen) noexcept nogil
"""Note that this session rang, and wake the loop. `round_seen` is the session's own: it tells that its number is noted
already. From any thread. O(1)."""
cdef void bell_take(Bell* bell, uint64_t** ringing_out, size_t* count_out, bint* overflowed_out) noexcept nogil
"""Take the numbers that were noted, and let the bell be silent. The caller owns the array and frees it with free().
*overflowed_out: memory was refused for a number, so that all sessions are to be looked at."""
