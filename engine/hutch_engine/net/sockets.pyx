"""See sockets.pxd."""
from libc.errno cimport EADDRNOTAVAIL, EAGAIN, EINTR, EMFILE, ENFILE, errno
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strcmp, strerror, strlen

cdef extern from * nogil:
    """
    #include <arpa/inet.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <netdb.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/socket.h>
    #include <sys/stat.h>
    #include <sys/un.h>
    #include <unistd.h>
    #ifndef SO_REUSEPORT
    #define SO_REUSEPORT SO_REUSEADDR
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    /* What the systems spell differently. */
    static int hutch_set_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);
    #ifdef SO_NOSIGPIPE
        int one = 1;
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
    #endif
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    static int hutch_accept(int listening_fd) {
    #ifdef __linux__
        return accept4(listening_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    #else
        int fd = accept(listening_fd, NULL, NULL);
        if (fd >= 0) hutch_set_nonblocking(fd);
        return fd;
    #endif
    }
    /* The C library's recv and send are cancellation points, which costs two atomic operations a call in
     * a process with threads; perf showed 2 % of a request at pipeline 1 there. Nobody cancels us. */
    #if defined(__linux__)
    #include <sys/syscall.h>
    #endif
    static ssize_t hutch_receive(int fd, void *data, size_t length) {
    #if defined(__linux__) && defined(SYS_recvfrom)
        return syscall(SYS_recvfrom, fd, data, length, 0, NULL, NULL);
    #else
        return recv(fd, data, length, 0);
    #endif
    }
    static ssize_t hutch_send(int fd, const void *data, size_t length) {
    #if defined(__linux__) && defined(SYS_sendto)
        return syscall(SYS_sendto, fd, data, length, MSG_NOSIGNAL, NULL, 0);
    #else
        return send(fd, data, length, MSG_NOSIGNAL);
    #endif
    }
    static void hutch_keep_alive(int fd, int seconds) {
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    #ifdef TCP_KEEPIDLE
        int between = seconds / 3 > 0 ? seconds / 3 : 1, probes = 3;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    #elif defined(TCP_KEEPALIVE)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPALIVE, &seconds, sizeof seconds);
    #endif
    }
    static int hutch_family_is_missing(int error) {
        return error == ENOPROTOOPT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT
            || error == EPFNOSUPPORT || error == EAFNOSUPPORT;
    }
    static int hutch_is_socket_file(const char *path) {     /* 1 yes, 0 something else, -1 nothing there */
        struct stat s;
        if (lstat(path, &s) != 0) return -1;
        return S_ISSOCK(s.st_mode);
    }
    """
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        unsigned char[16] s6_addr
    struct sockaddr_in:
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        uint16_t sin6_port
        in6_addr sin6_addr
    struct sockaddr_un:
        unsigned short sun_family
        char[108] sun_path
    struct addrinfo:
        int ai_flags
        int ai_family
        int ai_socktype
        int ai_protocol
        socklen_t ai_addrlen
        sockaddr* ai_addr
        addrinfo* ai_next
    const int AF_UNSPEC
    const int AF_INET
    const int AF_INET6
    const int AF_UNIX
    const int SOCK_STREAM
    const int SOL_SOCKET
    const int SO_REUSEADDR
    const int SO_REUSEPORT
    const int IPPROTO_TCP
    const int IPPROTO_IPV6
    const int IPV6_V6ONLY
    const int TCP_NODELAY
    const int AI_PASSIVE
    int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) noexcept
    void freeaddrinfo(addrinfo* found) noexcept
    const char* gai_strerror(int error) noexcept
    int socket(int domain, int type, int protocol) noexcept
    int bind(int fd, const sockaddr* address, socklen_t length) noexcept
    int listen(int fd, int backlog) noexcept
    int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept
    int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept
    int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept
    const char* inet_ntop(int family, const void* address, char* text, socklen_t size) noexcept
    uint16_t ntohs(uint16_t value) noexcept
    uint32_t ntohl(uint32_t value) noexcept
    ssize_t hutch_receive(int fd, void* data, size_t length) noexcept
    ssize_t hutch_send(int fd, const void* data, size_t length) noexcept
    int close(int fd) noexcept
    int unlink(const char* path) noexcept
    int chmod(const char* path, unsigned int mode) noexcept
    int hutch_set_nonblocking(int fd) noexcept
    int hutch_accept(int listening_fd) noexcept
    void hutch_keep_alive(int fd, int seconds) noexcept
    bint hutch_family_is_missing(int error) noexcept
    int hutch_is_socket_file(const char* path) noexcept


# ---- listening

cdef int _listen_on(const addrinfo* where, int backlog, bint shared, const char** step_out) noexcept nogil:
    """One socket for one resolved address; -1 with errno set and the step that failed."""
    cdef int on = 1
    cdef int error
    cdef int fd
    step_out[0] = b"socket"
    fd = socket(where.ai_family, where.ai_socktype, where.ai_protocol)
    if fd < 0:
        return -1
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))
    if shared:
        socket_share_port(fd, True)
    if where.ai_family == AF_INET6:
        # "::*" must leave IPv4 to its own socket.
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))
    step_out[0] = b"bind"
    if bind(fd, where.ai_addr, where.ai_addrlen) == 0:
        step_out[0] = b"listen"
        if listen(fd, backlog) == 0 and hutch_set_nonblocking(fd) == 0:
            return fd
    error = errno
    close(fd)
    (&errno)[0] = error
    return -1


cdef void socket_share_port(int fd, bint shared) noexcept nogil:
    cdef int on = shared
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))


cdef int socket_listen_tcp(const char* host, int32_t port, int backlog, bint optional, bint shared, char* problem_out,
                           size_t problem_size) noexcept nogil:
    cdef addrinfo hints
    cdef addrinfo* found = NULL
    cdef addrinfo* where
    cdef char[8] service
    cdef const char* node = host
    cdef const char* step = b""
    cdef int fd = -1
    cdef int failure
    cdef int error = 0
    problem_out[0] = 0
    memset(&hints, 0, sizeof(hints))
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = SOCK_STREAM
    hints.ai_flags = AI_PASSIVE
    if strcmp(host, b"*") == 0:
        node = NULL
        hints.ai_family = AF_INET
    elif strcmp(host, b"::*") == 0:
        node = NULL
        hints.ai_family = AF_INET6
    snprintf(service, sizeof(service), b"%d", <int>port)
    failure = getaddrinfo(node, service, &hints, &found)
    if failure:
        if not optional:
            snprintf(problem_out, problem_size, b"Could not create server TCP listening socket %s:%d: %s",
                     host, <int>port, gai_strerror(failure))
        return -1
    where = found
    while where != NULL and fd < 0:
        fd = _listen_on(where, backlog, shared, &step)
        if fd < 0:
            error = errno
        where = where.ai_next
    freeaddrinfo(found)
    if fd < 0 and not hutch_family_is_missing(error) and not (optional and error == EADDRNOTAVAIL):
        snprintf(problem_out, problem_size, b"Could not create server TCP listening socket %s:%d: %s: %s",
                 host, <int>port, step, strerror(error))
    return fd


cdef int socket_listen_unix(Slice path, int64_t permissions, int backlog, char* problem_out, size_t problem_size) noexcept nogil:
    cdef sockaddr_un address
    cdef const char* step = b"socket"
    cdef int fd
    cdef int error
    memset(&address, 0, sizeof(address))
    if path.length >= sizeof(address.sun_path):
        snprintf(problem_out, problem_size, b"Failed opening Unix socket: the path has %d bytes, the system takes %d",
                 <int>path.length, <int>sizeof(address.sun_path) - 1)
        return -1
    address.sun_family = AF_UNIX
    memcpy(address.sun_path, path.data, path.length)
    if hutch_is_socket_file(address.sun_path) == 0:
        snprintf(problem_out, problem_size, b"Failed opening Unix socket: %s exists and is not a socket", address.sun_path)
        return -1
    unlink(address.sun_path)
    fd = socket(AF_UNIX, SOCK_STREAM, 0)
    if fd >= 0:
        step = b"bind"
        if bind(fd, <sockaddr*>&address, sizeof(address)) == 0:
            step = b"chmod"
            # Before listen: nobody gets in while the permissions are still the umask's.
            if permissions == 0 or chmod(address.sun_path, <unsigned int>permissions) == 0:
                step = b"listen"
                if listen(fd, backlog) == 0 and hutch_set_nonblocking(fd) == 0:
                    return fd
            error = errno
            unlink(address.sun_path)
            (&errno)[0] = error
    error = errno
    if fd >= 0:
        close(fd)
    snprintf(problem_out, problem_size, b"Failed opening Unix socket %s: %s: %s", address.sun_path, step, strerror(error))
    return -1


cdef int32_t socket_port(int fd) noexcept nogil:
    cdef sockaddr_storage address
    cdef socklen_t length = sizeof(address)
    if getsockname(fd, <sockaddr*>&address, &length) != 0:
        return 0
    if address.ss_family == AF_INET6:
        return ntohs((<sockaddr_in6*>&address).sin6_port)
    if address.ss_family == AF_INET:
        return ntohs((<sockaddr_in*>&address).sin_port)
    return 0


# ---- connections

cdef AcceptOutcome socket_accept(int listening_fd, int* fd_out) noexcept nogil:
    cdef int fd = hutch_accept(listening_fd)
    fd_out[0] = fd
    if fd >= 0:
        return ACCEPTED
    if errno == EAGAIN:
        return ACCEPT_NONE
    if errno == EMFILE or errno == ENFILE:
        return ACCEPT_NO_DESCRIPTOR
    return ACCEPT_AGAIN


cdef void socket_tune(int fd, int64_t keepalive_seconds) noexcept nogil:
    cdef int on = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
    if keepalive_seconds > 0:
        hutch_keep_alive(fd, <int>keepalive_seconds)


cdef size_t socket_address(int fd, bint peer, char* text_out) noexcept nogil:
    cdef sockaddr_storage address
    cdef socklen_t length = sizeof(address)
    cdef char[64] ip
    cdef int failed
    text_out[0] = 0
    ip[0] = 0
    memset(&address, 0, sizeof(address))
    if peer:
        failed = getpeername(fd, <sockaddr*>&address, &length)
    else:
        failed = getsockname(fd, <sockaddr*>&address, &length)
    if failed:
        # Gone before it was accepted.
        snprintf(text_out, ADDRESS_TEXT_MAX, b"?:0")
    elif address.ss_family == AF_INET:
        inet_ntop(AF_INET, &(<sockaddr_in*>&address).sin_addr, ip, sizeof(ip))
        snprintf(text_out, ADDRESS_TEXT_MAX, b"%s:%d", ip, <int>ntohs((<sockaddr_in*>&address).sin_port))
    elif address.ss_family == AF_INET6:
        inet_ntop(AF_INET6, &(<sockaddr_in6*>&address).sin6_addr, ip, sizeof(ip))
        snprintf(text_out, ADDRESS_TEXT_MAX, b"[%s]:%d", ip, <int>ntohs((<sockaddr_in6*>&address).sin6_port))
    else:
        snprintf(text_out, ADDRESS_TEXT_MAX, b"%.107s:0", (<sockaddr_un*>&address).sun_path)
    return strlen(text_out)


cdef bint socket_peer_is_loopback(int fd) noexcept nogil:
    cdef sockaddr_storage address
    cdef socklen_t length = sizeof(address)
    cdef unsigned char* ip
    cdef int i
    if getpeername(fd, <sockaddr*>&address, &length) != 0:
        # It reset the connection already: nobody is there to be kept out.
        return True
    if address.ss_family == AF_INET:
        return ntohl((<sockaddr_in*>&address).sin_addr.s_addr) >> 24 == 127
    if address.ss_family == AF_INET6:
        ip = (<sockaddr_in6*>&address).sin6_addr.s6_addr
        for i in range(15):
            if ip[i]:
                return False
        return ip[15] == 1
    return address.ss_family == AF_UNIX


cdef ssize_t socket_read(int fd, char* data, size_t length) noexcept nogil:
    cdef ssize_t got
    while True:
        got = hutch_receive(fd, data, length)
        if got >= 0:
            return got
        if errno == EAGAIN:
            return SOCKET_WAIT
        if errno != EINTR:
            return SOCKET_FAILED


cdef ssize_t socket_write(int fd, const char* data, size_t length) noexcept nogil:
    cdef ssize_t put
    while True:
        put = hutch_send(fd, data, length)
        if put >= 0:
            return put
        if errno == EAGAIN:
            return SOCKET_WAIT
        if errno != EINTR:
            return SOCKET_FAILED


cdef void socket_close(int fd) noexcept nogil:
    close(fd)
