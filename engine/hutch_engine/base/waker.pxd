"""Waking a thread, or an event loop, that polls descriptors: an eventfd, or a pipe where there is none. No locks; any thread
may wake.

`waker_open` gives two descriptors that never block and do not outlive an exec, one and the same where it is an eventfd; False:
the system refused. `portable`: a pipe, also where there is eventfd. After `waker_wake` the reading end is readable until
`waker_drain`. `waker_close` takes -1 for what is not open.
"""

cdef extern from "hutch_waker.h" nogil:
    bint waker_open "hutch_waker_open"(int* read_fd, int* write_fd, bint portable) noexcept
    void waker_wake "hutch_waker_wake"(int write_fd) noexcept
    void waker_drain "hutch_waker_drain"(int read_fd) noexcept
    void waker_close "hutch_waker_close"(int read_fd, int write_fd) noexcept
