"""TLS as a transport, by Python's own OpenSSL (net/openssl), in the listener's thread and without the GIL.

A context is what new connections are made from: certificate, key, authorities, protocols, ciphers, as the configuration has them. It
is made anew when one of these is set; connections keep the one that they began with.

Records are read ahead: one look at the socket takes what is there, header and body of several records alike, and idle connections give
their buffers back. A write makes one record of up to 16 KiB at a time.
"""
from libc.stddef cimport size_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.net.transport cimport Wire
from hutch_engine.state.engine cimport Engine

cdef void* tls_context_new(Engine* engine, Buffer* error_out) noexcept nogil
"""Make a context of the present configuration; the caller owns it. NULL with the reason in error_out when OpenSSL cannot be reached, a file
cannot be read, or a value is none. Reads files. Requires the lock."""
cdef void tls_context_free(void* context) noexcept nogil
"""Give back a context, or NULL. Connections that were made from it go on."""
cdef void tls_context_use(Engine* engine, void* context) noexcept nogil
"""Make the next connections from this context, which the engine owns from now on, in place of the one before; NULL: from none.
Requires the lock."""
cdef bint tls_open(Engine* engine, Wire* wire, int fd) noexcept nogil
"""Make a server's wire over a socket: its handshake is to come. The wire must stay where it is. False when there is no context, or memory
was refused. Requires the lock."""
cdef bint tls_common_name(const Wire* wire, Buffer* name_out) noexcept nogil
"""Append the common name of the client's certificate, which was checked in the handshake; False when it showed none, or has no
name that is text without a NUL."""
cdef void tls_problem(const Wire* wire, char* text_out, size_t size) noexcept nogil
"""Write why the wire failed, as OpenSSL puts it."""
