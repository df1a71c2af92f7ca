"""Readiness of many sockets: epoll where it exists, poll() everywhere else (or when asked for, by tests).

Level-triggered: what is not consumed is told again. One thread uses a Poller, except poller_wake.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef enum:
    POLL_READ = 1
    POLL_WRITE = 2
    POLL_FAILED = 4                 # error or hang-up: told whether asked for or not
    POLLER_EVENTS_MAX = 256         # told by one poller_wait; the rest is told by the next

cdef struct PollerEvent:
    void* owner                     # borrowed: what poller_add was given
    uint32_t ready                  # POLL_ bits

cdef struct Poller:
    int epoll_fd                    # -1: poll() is used
    int wake_read_fd
    int wake_write_fd               # an eventfd (then the same as wake_read_fd) or a pipe's end
    bint woken                      # poller_wake was called before the last poller_wait returned
    PollerEvent[POLLER_EVENTS_MAX] events
    # For poll(): its array with room for one more field a socket, and where each descriptor is in it.
    void* entries                   # owned: struct pollfd
    void** owners                   # owned
    uint32_t entry_count
    uint32_t entry_capacity
    uint32_t next_entry             # where the last incomplete report stopped: nobody is starved
    int32_t* place_of_fd            # owned; -1 = not watched
    uint32_t fd_capacity

cdef bint poller_init(Poller* poller, bint portable) noexcept nogil
"""Make a poller with its waking descriptors, which it owns: epoll, or poll() where there is none or where `portable` asks for
it. False when the system refused descriptors."""
cdef void poller_clear(Poller* poller) noexcept nogil
"""Close the poller's own descriptors and free its memory. The sockets it watched are their owners' to close."""
cdef bint poller_add(Poller* poller, int fd, uint32_t interest, void* owner) noexcept nogil
"""Watch a descriptor that is not watched yet; `owner` is borrowed and comes back with its events. False when memory was
refused, or the system declined."""
cdef bint poller_change(Poller* poller, int fd, uint32_t interest, void* owner) noexcept nogil
"""Watch a descriptor for something else from now on, with this owner. False when it is not watched. O(1)."""
cdef void poller_remove(Poller* poller, int fd) noexcept nogil
"""Watch a descriptor no longer. To be called before it is closed."""
cdef int poller_wait(Poller* poller, int timeout_ms) noexcept nogil
"""Wait until something is ready, for timeout_ms at most, and fill poller.events; returns how many. An interrupted or timed-out
wait answers 0."""
cdef void poller_wake(Poller* poller) noexcept nogil
"""Let the present or next poller_wait return at once, with `woken` set. From any thread."""
