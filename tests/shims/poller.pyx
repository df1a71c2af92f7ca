"""The poller for Python tests: descriptors are their own owners."""
from libc.stdint cimport uintptr_t
from hutch_engine.net.poller cimport (
    Poller, poller_add, poller_change, poller_clear, poller_init, poller_remove, poller_wait, poller_wake)


cdef class PollerShim:
    cdef Poller poller

    def __cinit__(self, bint portable):
        if not poller_init(&self.poller, portable):
            raise OSError

    def __dealloc__(self):
        poller_clear(&self.poller)

    @property
    def uses_epoll(self):
        return self.poller.epoll_fd >= 0

    def add(self, int fd, unsigned int interest):
        return poller_add(&self.poller, fd, interest, <void*><uintptr_t>fd)

    def change(self, int fd, unsigned int interest):
        return poller_change(&self.poller, fd, interest, <void*><uintptr_t>fd)

    def remove(self, int fd):
        poller_remove(&self.poller, fd)

    def wake(self):
        poller_wake(&self.poller)

    def wait(self, int timeout_ms):
        """({fd: ready}, woken)"""
        cdef int count
        with nogil:
            count = poller_wait(&self.poller, timeout_ms)
        ready = [(<uintptr_t>self.poller.events[i].owner, self.poller.events[i].ready) for i in range(count)]
        assert len(dict(ready)) == len(ready)
        return dict(ready), bool(self.poller.woken)
