"""See client_eviction.pxd.

The listener weighs the clients of each batch, and the rest about once a second, so nothing here is on the way of a server
without maxmemory-clients. Redis keeps its clients in lists by size class; we look for the biggest class when it is needed,
since the limit is rarely met.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport (Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear,
                                       buffer_init, buffer_slice)
from hutch_engine.state.config cimport LOG_NOTICE
from hutch_engine.state.engine cimport (
    LISTENER_WEIGHS, SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_MASTER, SESSION_NO_EVICT, SESSION_OF_SCRIPTS,
    SESSION_REPLICA, Engine, Session)
from hutch_engine.sessions.session cimport session_memory
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.state.log cimport log_write

cdef enum:
    CLASS_LOWEST = 15            # powers of two: all below 32 KiB are alike ...
    CLASS_HIGHEST = 33           # ... and all from 8 GiB on


cdef uint64_t _limit(const Engine* engine) noexcept nogil:
    """0: none."""
    cdef int64_t setting = engine.config.maxmemory_clients
    if setting >= 0:
        return <uint64_t>setting
    return <uint64_t>(<double>engine.config.maxmemory * <double>-setting / 100)


cdef bint _may_go(const Session* session) noexcept nogil:
    return not session.flags & (SESSION_EMBEDDED | SESSION_OF_SCRIPTS | SESSION_NO_EVICT | SESSION_REPLICA
                                | SESSION_MASTER | SESSION_CLOSE_NOW)


cdef int _class_of(uint64_t bytes) noexcept nogil:
    cdef int bits = 0
    while bytes:
        bytes >>= 1
        bits += 1
    return CLASS_LOWEST if bits < CLASS_LOWEST else (CLASS_HIGHEST if bits > CLASS_HIGHEST else bits)


cdef void client_weigh(Session* session, uint64_t bytes) noexcept nogil:
    if session.flags & SESSION_CLOSE_NOW:
        bytes = 0
    session.engine.net.socket_bytes += bytes - session.weighed_bytes
    session.weighed_bytes = bytes


cdef void _evict(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"Evicting client: id=")
    buffer_append_integer(&text, <int64_t>session.id)
    buffer_append_text(&text, b" addr=")
    buffer_append_slice(&text, buffer_slice(&session.address))
    buffer_append_text(&text, b" name=")
    buffer_append_slice(&text, buffer_slice(&session.name))
    buffer_append_text(&text, b" tot-mem=")
    buffer_append_integer(&text, <int64_t>session.weighed_bytes)
    log_write(engine, LOG_NOTICE, buffer_slice(&text))
    buffer_clear(&text)
    session.flags |= SESSION_CLOSE_NOW
    client_weigh(session, 0)
    engine.statistics.evicted_clients += 1
    session_wake(session)


cdef void clients_evict(Engine* engine) noexcept nogil:
    cdef uint64_t limit = _limit(engine)
    cdef Session* session
    cdef int highest
    while limit and engine.net.socket_bytes >= limit:
        highest = 0
        session = engine.sessions.first
        while session != NULL:
            if _may_go(session) and _class_of(session.weighed_bytes) > highest:
                highest = _class_of(session.weighed_bytes)
            session = session.next
        if highest == 0:
            return               # nobody is left who may go
        session = engine.sessions.first
        while session != NULL and engine.net.socket_bytes >= limit:
            if _may_go(session) and _class_of(session.weighed_bytes) == highest:
                _evict(session)
            session = session.next


cdef void clients_reweigh(Engine* engine) noexcept nogil:
    cdef bint wanted = _limit(engine) != 0
    cdef Session* session = engine.sessions.first
    if wanted:
        engine.net.chores |= LISTENER_WEIGHS
    else:
        engine.net.chores &= ~<uint32_t>LISTENER_WEIGHS
    while session != NULL:
        if not session.flags & (SESSION_EMBEDDED | SESSION_OF_SCRIPTS):
            client_weigh(session, session_memory(session) if wanted else 0)
        session = session.next
    clients_evict(engine)
