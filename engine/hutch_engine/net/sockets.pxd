"""Sockets, the system's side: listen, accept, options, addresses as text. No engine in here.

Every descriptor made here is non-blocking and closed on exec."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t
from hutch_engine.base.slice cimport Slice

cdef enum:
    ADDRESS_TEXT_MAX = 128           # "[ipv6%scope]:port", "path:0" of a Unix socket, and the end

cdef enum AcceptOutcome:
    ACCEPTED = 0
    ACCEPT_NONE = 1                  # nobody waits
    ACCEPT_AGAIN = 2                 # that one went away, the next may be there
    ACCEPT_NO_DESCRIPTOR = 3         # the process or the system has no descriptor left

cdef enum SocketOutcome:
    SOCKET_WAIT = -1                 # nothing to read, no room to write
    SOCKET_FAILED = -2

cdef int socket_listen_tcp(const char* host, int32_t port, int backlog, bint optional, bint shared, char* problem_out,
                           size_t problem_size) noexcept nogil
"""Make a listening socket on one address, a name or number, "*" for all of IPv4, "::*" for all of IPv6; the caller owns the
descriptor. -1 with a message, or -1 with an empty message when the system lacks this kind of address, or (with `optional`)
this address. `shared`: beside another socket on the same port that was made to share it."""
cdef void socket_share_port(int fd, bint shared) noexcept nogil
"""Say whether one more listening socket may be bound to this one's port, by the same user."""
cdef int socket_listen_unix(Slice path, int64_t permissions, int backlog, char* problem_out, size_t problem_size) noexcept nogil
"""Make a listening Unix socket; the caller owns the descriptor. -1 with a message on failure. permissions 0: as the umask
says. A socket file that is there already is replaced, anything else is not."""
cdef int32_t socket_port(int fd) noexcept nogil
"""The port that a TCP socket is bound to."""
cdef AcceptOutcome socket_accept(int listening_fd, int* fd_out) noexcept nogil
"""Accept one client of a listening socket; with ACCEPTED, *fd_out is its descriptor, which the caller owns. Never waits."""
cdef void socket_tune(int fd, int64_t keepalive_seconds) noexcept nogil
"""Set TCP_NODELAY, and with keepalive_seconds > 0 keep-alive probes at that interval."""
cdef size_t socket_address(int fd, bint peer, char* text_out) noexcept nogil
"""Write the address of either end as "ip:port" into ADDRESS_TEXT_MAX bytes; returns its length."""
cdef bint socket_peer_is_loopback(int fd) noexcept nogil
"""Does the client sit on this machine: 127.0.0.0/8, ::1 or a Unix socket? True also when it is gone already."""
cdef ssize_t socket_read(int fd, char* data, size_t length) noexcept nogil
"""Read up to `length` bytes without waiting: how many came; 0 at the end of the stream; SOCKET_WAIT or SOCKET_FAILED."""
cdef ssize_t socket_write(int fd, const char* data, size_t length) noexcept nogil
"""Write up to `length` bytes without waiting: how many went; SOCKET_WAIT or SOCKET_FAILED. Raises no SIGPIPE."""
cdef void socket_close(int fd) noexcept nogil
"""Close the descriptor."""
