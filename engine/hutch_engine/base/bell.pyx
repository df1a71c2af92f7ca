"""See bell.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from hutch_engine.base.atomics cimport atomic_add32
from hutch_engine.base.lock cimport lock_acquire, lock_clear, lock_init, lock_release
from hutch_engine.base.waker cimport waker_close, waker_drain, waker_open, waker_wake


cdef Bell* bell_new(bint portable) noexcept nogil:
    cdef Bell* bell = <Bell*>calloc(1, sizeof(Bell))
    if bell == NULL:
        return NULL
    if not waker_open(&bell.read_fd, &bell.write_fd, portable):
        free(bell)
        return NULL
    lock_init(&bell.lock)
    bell.holders = 1
    bell.round = 1                       # a session that never rang has seen round 0
    return bell


cdef Bell* bell_hold(Bell* bell, uint64_t* number_out) noexcept nogil:
    atomic_add32(&bell.holders, 1)
    lock_acquire(&bell.lock)
    bell.numbers += 1
    number_out[0] = bell.numbers
    lock_release(&bell.lock)
    return bell


cdef void bell_drop(Bell* bell) noexcept nogil:
    if atomic_add32(&bell.holders, <uint32_t>-1) == 1:
        waker_close(bell.read_fd, bell.write_fd)
        lock_clear(&bell.lock)
        free(bell.ringing)
        free(bell)


cdef void _note(Bell* bell, uint64_t number) noexcept nogil:
    cdef size_t capacity
    cdef uint64_t* ringing
    if bell.count == bell.capacity:
        capacity = bell.capacity * 2 if bell.capacity else 16
        ringing = <uint64_t*>realloc(bell.ringing, capacity * sizeof(uint64_t))
        if ringing == NULL:
            bell.overflowed = True
            return
        bell.ringing = ringing
        bell.capacity = capacity
    bell.ringing[bell.count] = number
    bell.count += 1


cdef void bell_ring(Bell* bell, uint64_t number, uint64_t* round_seen) noexcept nogil:
    lock_acquire(&bell.lock)
    if round_seen[0] != bell.round:
        round_seen[0] = bell.round
        _note(bell, number)
    if not bell.rung:
        bell.rung = True
        waker_wake(bell.write_fd)
    lock_release(&bell.lock)


cdef void bell_take(Bell* bell, uint64_t** ringing_out, size_t* count_out, bint* overflowed_out) noexcept nogil:
    lock_acquire(&bell.lock)
    if bell.rung:
        waker_drain(bell.read_fd)
    ringing_out[0] = bell.ringing
    count_out[0] = bell.count
    overflowed_out[0] = bell.overflowed
    bell.ringing = NULL
    bell.count = 0
    bell.capacity = 0
    bell.overflowed = False
    bell.rung = False
    bell.round += 1
    lock_release(&bell.lock)
