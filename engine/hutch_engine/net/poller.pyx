"""See poller.pxd."""
from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset
from hutch_engine.base.waker cimport waker_close, waker_drain, waker_open, waker_wake

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <poll.h>
    #include <stdint.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/epoll.h>
    static int hutch_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
    static int hutch_epoll_control(int epoll_fd, int operation, int fd, uint32_t interest, void *owner) {
        struct epoll_event e;
        e.events = (interest & 1 ? EPOLLIN : 0) | (interest & 2 ? EPOLLOUT : 0);
        e.data.ptr = owner;
        return epoll_ctl(epoll_fd, operation == 0 ? EPOLL_CTL_ADD : operation == 1 ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, &e);
    }
    #else
    struct epoll_event { uint32_t events; union { void *ptr; } data; };
    #define EPOLLIN 1
    #define EPOLLOUT 2
    static int hutch_epoll_create(void) { return -1; }
    static int hutch_epoll_control(int a, int b, int c, uint32_t d, void *e) { return -1; }
    static int epoll_wait(int a, struct epoll_event *b, int c, int d) { return -1; }
    #endif
    """
    ctypedef union epoll_data "union { void *ptr; }":
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data data
    struct pollfd:
        int fd
        short events
        short revents
    ctypedef unsigned long nfds_t
    const uint32_t EPOLLIN
    const uint32_t EPOLLOUT
    const short POLLIN
    const short POLLOUT
    int hutch_epoll_create() noexcept
    int hutch_epoll_control(int epoll_fd, int operation, int fd, uint32_t interest, void* owner) noexcept
    int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms) noexcept
    int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept
    int close(int fd) noexcept

cdef enum:
    CONTROL_ADD = 0
    CONTROL_CHANGE = 1
    CONTROL_REMOVE = 2


cdef bint poller_init(Poller* poller, bint portable) noexcept nogil:
    memset(poller, 0, sizeof(Poller))
    poller.epoll_fd = -1
    poller.wake_read_fd = -1
    poller.wake_write_fd = -1
    if not portable:
        poller.epoll_fd = hutch_epoll_create()
    # The fallback uses a pipe too, so that what runs where there is no eventfd is what the tests run.
    if not waker_open(&poller.wake_read_fd, &poller.wake_write_fd, poller.epoll_fd < 0):
        poller_clear(poller)
        return False
    if not poller_add(poller, poller.wake_read_fd, POLL_READ, poller):
        poller_clear(poller)
        return False
    return True


cdef void poller_clear(Poller* poller) noexcept nogil:
    if poller.epoll_fd >= 0:
        close(poller.epoll_fd)
    waker_close(poller.wake_read_fd, poller.wake_write_fd)
    free(poller.entries)
    free(poller.owners)
    free(poller.place_of_fd)
    memset(poller, 0, sizeof(Poller))
    poller.epoll_fd = -1
    poller.wake_read_fd = -1
    poller.wake_write_fd = -1


# ---- poll(): an array, and the place of each descriptor in it

cdef inline short _poll_events(uint32_t interest) noexcept nogil:
    return <short>((POLLIN if interest & POLL_READ else 0) | (POLLOUT if interest & POLL_WRITE else 0))


cdef bint _entries_reserve(Poller* poller, int fd) noexcept nogil:
    cdef uint32_t capacity
    cdef void* block
    if poller.entry_count == poller.entry_capacity:
        capacity = poller.entry_capacity * 2 if poller.entry_capacity else 64
        block = realloc(poller.entries, capacity * sizeof(pollfd))
        if block == NULL:
            return False
        poller.entries = block
        block = realloc(poller.owners, capacity * sizeof(void*))
        if block == NULL:
            return False
        poller.owners = <void**>block
        poller.entry_capacity = capacity
    if <uint32_t>fd >= poller.fd_capacity:
        capacity = poller.fd_capacity * 2 if poller.fd_capacity else 64
        while <uint32_t>fd >= capacity:
            capacity *= 2
        block = realloc(poller.place_of_fd, capacity * sizeof(int32_t))
        if block == NULL:
            return False
        poller.place_of_fd = <int32_t*>block
        while poller.fd_capacity < capacity:
            poller.place_of_fd[poller.fd_capacity] = -1
            poller.fd_capacity += 1
    return True


cdef inline int32_t _place(const Poller* poller, int fd) noexcept nogil:
    return poller.place_of_fd[fd] if fd >= 0 and <uint32_t>fd < poller.fd_capacity else -1


cdef bint poller_add(Poller* poller, int fd, uint32_t interest, void* owner) noexcept nogil:
    cdef pollfd* entry
    if poller.epoll_fd >= 0:
        return hutch_epoll_control(poller.epoll_fd, CONTROL_ADD, fd, interest, owner) == 0
    if fd < 0 or not _entries_reserve(poller, fd):
        return False
    entry = <pollfd*>poller.entries + poller.entry_count
    entry.fd = fd
    entry.events = _poll_events(interest)
    entry.revents = 0
    poller.owners[poller.entry_count] = owner
    poller.place_of_fd[fd] = <int32_t>poller.entry_count
    poller.entry_count += 1
    return True


cdef bint poller_change(Poller* poller, int fd, uint32_t interest, void* owner) noexcept nogil:
    cdef int32_t place
    if poller.epoll_fd >= 0:
        return hutch_epoll_control(poller.epoll_fd, CONTROL_CHANGE, fd, interest, owner) == 0
    place = _place(poller, fd)
    if place < 0:
        return False
    (<pollfd*>poller.entries + place).events = _poll_events(interest)
    poller.owners[place] = owner
    return True


cdef void poller_remove(Poller* poller, int fd) noexcept nogil:
    cdef int32_t place
    cdef uint32_t last
    cdef pollfd* entries = <pollfd*>poller.entries
    if poller.epoll_fd >= 0:
        hutch_epoll_control(poller.epoll_fd, CONTROL_REMOVE, fd, 0, NULL)
        return
    place = _place(poller, fd)
    if place < 0:
        return
    poller.place_of_fd[fd] = -1
    last = poller.entry_count - 1
    poller.entry_count = last
    if <uint32_t>place != last:
        entries[place] = entries[last]
        poller.owners[place] = poller.owners[last]
        poller.place_of_fd[entries[place].fd] = place


# ---- waiting

cdef void _drain_wake(Poller* poller) noexcept nogil:
    waker_drain(poller.wake_read_fd)
    poller.woken = True


cdef inline void _tell(Poller* poller, int* told, void* owner, uint32_t ready) noexcept nogil:
    if owner == poller:
        _drain_wake(poller)
        return
    poller.events[told[0]].owner = owner
    poller.events[told[0]].ready = ready
    told[0] += 1


cdef int _wait_epoll(Poller* poller, int timeout_ms) noexcept nogil:
    cdef epoll_event[POLLER_EVENTS_MAX] events
    cdef int count = epoll_wait(poller.epoll_fd, events, POLLER_EVENTS_MAX, timeout_ms)
    cdef int i
    cdef int told = 0
    cdef uint32_t ready
    for i in range(count):
        ready = 0
        if events[i].events & EPOLLIN:
            ready |= POLL_READ
        if events[i].events & EPOLLOUT:
            ready |= POLL_WRITE
        if events[i].events & ~(EPOLLIN | EPOLLOUT):
            ready |= POLL_FAILED
        _tell(poller, &told, events[i].data.ptr, ready)
    return told


cdef int _wait_poll(Poller* poller, int timeout_ms) noexcept nogil:
    cdef pollfd* entries = <pollfd*>poller.entries
    cdef uint32_t looked
    cdef uint32_t place = poller.next_entry
    cdef int told = 0
    cdef int waiting = poll(entries, poller.entry_count, timeout_ms)
    cdef uint32_t ready
    for looked in range(poller.entry_count):
        if waiting <= 0 or told == POLLER_EVENTS_MAX:
            break
        if place >= poller.entry_count:
            place = 0
        if entries[place].revents:
            waiting -= 1
            ready = 0
            if entries[place].revents & POLLIN:
                ready |= POLL_READ
            if entries[place].revents & POLLOUT:
                ready |= POLL_WRITE
            if entries[place].revents & ~(POLLIN | POLLOUT):
                ready |= POLL_FAILED
            _tell(poller, &told, poller.owners[place], ready)
        place += 1
    # Begin behind the last one told, lest busy sockets in front keep those behind waiting.
    poller.next_entry = place
    return told


cdef int poller_wait(Poller* poller, int timeout_ms) noexcept nogil:
    poller.woken = False
    if poller.epoll_fd >= 0:
        return _wait_epoll(poller, timeout_ms)
    return _wait_poll(poller, timeout_ms)


cdef void poller_wake(Poller* poller) noexcept nogil:
    waker_wake(poller.wake_write_fd)
