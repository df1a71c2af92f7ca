"""TLS as a transport, by Python's own OpenSSL (net/openssl), in the listener's thread and without the GIL.

A context is what new connections are made from: certificate, key, authorities, protocols, ciphers, as the configuration has them. It
is made anew when one of these is set; connections keep the one that they began with.

Records are read ahead: one look at the socket takes what is there, header and body of several records alike, and idle connections give
their buffers back. A write makes one record of up to 16 KiB at a time.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.net.transport cimport Wire
from hutch_engine.state.config cimport Config
from hutch_engine.state.engine cimport Engine

ctypedef void* (*ProviderContextNew)(Config* config, char* error_out, size_t error_size) noexcept nogil
ctypedef void (*ProviderContextFree)(void* context) noexcept nogil
ctypedef bint (*ProviderOpen)(void* context, Wire* wire, int64_t clients) noexcept nogil
ctypedef bint (*ProviderCommonName)(const Wire* wire, Buffer* name_out) noexcept nogil
ctypedef void (*ProviderProblem)(const Wire* wire, char* text_out, size_t size) noexcept nogil

cdef struct TlsProvider:                # another way to TLS, where OpenSSL cannot be reached: each does what the function below does
    ProviderContextNew context_new      # NULL with the reason; an empty one when memory was refused
    ProviderContextFree context_free
    ProviderOpen open                   # `clients`: TLS_CLIENTS_. Under the engine's lock
    ProviderCommonName common_name
    ProviderProblem problem

cdef void tls_provide(const TlsProvider* provider, bint always) noexcept nogil
"""Use this provider, which is constant, where OpenSSL cannot be reached; `always`, for tests: wherever a context is made from now on.
From any thread."""

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
