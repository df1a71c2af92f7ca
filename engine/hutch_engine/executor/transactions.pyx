"""See transactions.pxd. The queue and the watches themselves are the session's (engine.pyx)."""
from libc.stdint cimport uint32_t
from hutch_engine.commands.call cimport Call, error_memory
from hutch_engine.commands.reply cimport reply_array, reply_error, reply_mark, reply_null_array, reply_ok, reply_rewind
from hutch_engine.keyspace.keyspace cimport keyspace_now
from hutch_engine.state.engine cimport (
    SESSION_DIRTY_CAS, SESSION_DIRTY_EXEC, SESSION_IN_EXEC, SESSION_MULTI, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
    QueuedCommand, Session, session_of)
from hutch_engine.sessions.transaction cimport session_discard
from hutch_engine.sessions.watch cimport session_unwatch, session_watch, session_watches_expired


cdef void transaction_begin(Session* session) noexcept nogil:
    keyspace_now(&session.engine.keyspace)
    session.flags |= SESSION_IN_EXEC


cdef void transaction_end(Session* session, uint32_t call_flags) noexcept nogil:
    session.call.flags = call_flags
    session.flags &= ~<uint32_t>SESSION_IN_EXEC


cdef void cmd_multi(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if session.flags & SESSION_MULTI:
        reply_error(call.reply, b"ERR MULTI calls can not be nested")
        return
    session.flags |= SESSION_MULTI
    reply_ok(call.reply)


cdef void cmd_discard(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if not session.flags & SESSION_MULTI:
        reply_error(call.reply, b"ERR DISCARD without MULTI")
        return
    session_discard(session)
    reply_ok(call.reply)


cdef inline bint _is_muted(const Session* session) noexcept nogil:
    return session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP) != 0


cdef void cmd_exec(Call* call) noexcept nogil:
    """CLIENT REPLY may be in the queue: what is muted is decided here, reply by reply, and not by the executor."""
    cdef bint muted = _is_muted(session_of(call))
    cdef size_t mark = reply_mark(call.reply)
    if not _exec(call, muted) and muted:
        reply_rewind(call.reply, mark)


cdef bint _exec(Call* call, bint muted) noexcept nogil:
    """Did the queue run?"""
    cdef Session* session = session_of(call)
    cdef QueuedCommand* queued
    cdef uint32_t call_flags = call.flags
    cdef size_t mark
    if not session.flags & SESSION_MULTI:
        reply_error(call.reply, b"ERR EXEC without MULTI")
        return False
    if session.flags & SESSION_DIRTY_EXEC:
        session_discard(session)
        reply_error(call.reply, b"EXECABORT Transaction discarded because of previous errors.")
        return False
    keyspace_now(call.keyspace)              # the moment for all that follows
    if session_watches_expired(session):
        session.flags |= SESSION_DIRTY_CAS
    if session.flags & SESSION_DIRTY_CAS:
        session_discard(session)
        reply_null_array(call.reply)
        return False
    # Unwatched first: the transaction's own changes shall not mark this session.
    session_unwatch(session)
    session.flags &= ~<uint32_t>SESSION_MULTI
    transaction_begin(session)
    if not muted:
        reply_array(call.reply, session.queue_length)
    queued = session.queue
    while queued != NULL:
        mark = reply_mark(call.reply)
        if transaction_admits(session, queued.command, queued.argv, queued.argc):
            transaction_run(session, queued.command, queued.argv, queued.argc, call_flags)
        if _is_muted(session):
            reply_rewind(call.reply, mark)
        transaction_tell(session)
        queued = queued.next
    transaction_end(session, call_flags)
    session_discard(session)
    return True


cdef void cmd_watch(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef size_t i
    if session.flags & SESSION_MULTI:
        reply_error(call.reply, b"ERR WATCH inside MULTI is not allowed")
        return
    # A session that is dirty already cannot EXEC whatever else it watches.
    if not session.flags & SESSION_DIRTY_CAS:
        for i in range(1, call.argc):
            if not session_watch(session, session.database_index, call.argv[i]):
                error_memory(call)
                return
    reply_ok(call.reply)


cdef void cmd_unwatch(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    session_unwatch(session)
    session.flags &= ~<uint32_t>SESSION_DIRTY_CAS
    reply_ok(call.reply)
