"""See bell.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from hutch_engine.base.atomics cimport atomic_add32
from hutch_engine.base.lock cimport lock_acquire, lock_clear, lock_init, lock_release

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/eventfd.h>
    #endif
    /* 1 on success. Both ends never block and do not outlive an exec. */
    static int hutch_bell_descriptors(int *read_fd, int *write_fd, int portable) {
    #ifdef __linux__
        if (!portable) {
            *read_fd = *write_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
            return *read_fd >= 0;
        }
    #endif
        (void)portable;
        int ends[2];
        if (pipe(ends) != 0) return 0;
        for (int i = 0; i < 2; i++) {
            fcntl(ends[i], F_SETFL, O_NONBLOCK);
            fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        }
        *read_fd = ends[0];
        *write_fd = ends[1];
        return 1;
    }
    static void hutch_bell_strike(int fd) {
        uint64_t one = 1;                /* eventfd wants eight bytes, a pipe takes them too */
        ssize_t ignored;
        do ignored = write(fd, &one, sizeof one); while (ignored < 0 && errno == EINTR);
    }
    static void hutch_bell_silence(int fd) {
        char bytes[64];
        while (read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) {}
    }
    static void hutch_bell_close(int read_fd, int write_fd) {
        close(read_fd);
        if (write_fd != read_fd) close(write_fd);
    }
    """
    bint hutch_bell_descriptors(int* read_fd, int* write_fd, bint portable) noexcept
    void hutch_bell_strike(int fd) noexcept
    void hutch_bell_silence(int fd) noexcept
    void hutch_bell_close(int read_fd, int write_fd) noexcept


cdef Bell* bell_new(bint portable) noexcept nogil:
    cdef Bell* bell = <Bell*>calloc(1, sizeof(Bell))
    if bell == NULL:
        return NULL
    if not hutch_bell_descriptors(&bell.read_fd, &bell.write_fd, portable):
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
        hutch_bell_close(bell.read_fd, bell.write_fd)
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
            bell.overheard = True
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
        hutch_bell_strike(bell.write_fd)
    lock_release(&bell.lock)


cdef void bell_take(Bell* bell, uint64_t** ringing_out, size_t* count_out, bint* overheard_out) noexcept nogil:
    lock_acquire(&bell.lock)
    if bell.rung:
        hutch_bell_silence(bell.read_fd)
    ringing_out[0] = bell.ringing
    count_out[0] = bell.count
    overheard_out[0] = bell.overheard
    bell.ringing = NULL
    bell.count = 0
    bell.capacity = 0
    bell.overheard = False
    bell.rung = False
    bell.round += 1
    lock_release(&bell.lock)
