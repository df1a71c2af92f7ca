"""maxmemory-clients: what sockets' clients take together, and which go when it is too much.

Embedded sessions are the host program's own and are neither counted nor ended.
"""
from libc.stdint cimport uint64_t
from hutch_engine.state.engine cimport Engine, Session

cdef void client_weigh(Session* session, uint64_t bytes) noexcept nogil
"""Note that this socket's client takes so many bytes by now, in the session and in Engine.net.socket_bytes. Requires the lock.
O(1)."""
cdef void clients_evict(Engine* engine) noexcept nogil
"""End clients, those of the biggest size class first, until the rest is below maxmemory-clients. CLIENT NO-EVICT protects one
from it. Their sessions are marked and woken, and the listener closes them. Requires the lock. O(clients) for each size
class."""
cdef void clients_reweigh(Engine* engine) noexcept nogil
"""Weigh all clients, or none any more, after maxmemory-clients or the maxmemory it is a part of has changed; then evict.
Requires the lock. O(clients)."""
