"""maxmemory-clients: what sockets' clients take together, and which go when it is too much.

Embedded sessions are the host program's own and are neither counted nor ended.
"""
from libc.stdint cimport uint64_t
from hutch_engine.state.engine cimport Engine, Session

cdef void client_weigh(Session* session, uint64_t bytes) noexcept nogil
"""What this socket's client takes by now goes into Engine.net.socket_bytes. Requires the lock."""
cdef void clients_evict(Engine* engine) noexcept nogil
"""End clients, those of the biggest size class first, until the rest is below maxmemory-clients. CLIENT NO-EVICT keeps
one from it. Their sessions are marked and noticed, the listener closes them. Requires the lock."""
cdef void clients_reweigh(Engine* engine) noexcept nogil
"""maxmemory-clients, or the maxmemory it is a part of, has changed: weigh all of them, or none any more; then evict."""
