"""See transport.pxd."""
from libc.stddef cimport size_t
from libc.string cimport memset
from hutch_engine.net.sockets cimport socket_read, socket_write

cdef Transport _plain


cdef GreetOutcome _greet(Wire* wire) noexcept nogil:
    return GREETED


cdef ssize_t _read(Wire* wire, char* data, size_t length) noexcept nogil:
    return socket_read(wire.fd, data, length)


cdef ssize_t _write(Wire* wire, const char* data, size_t length) noexcept nogil:
    return socket_write(wire.fd, data, length)


cdef void _end(Wire* wire) noexcept nogil:
    pass


cdef const Transport* transport_plain() noexcept nogil:
    return &_plain


cdef void transport_open(Wire* wire, int fd) noexcept nogil:
    memset(wire, 0, sizeof(Wire))
    wire.transport = &_plain
    wire.fd = fd


_plain.greet = _greet
_plain.read = _read
_plain.write = _write
_plain.shut = _end
_plain.free = _end
