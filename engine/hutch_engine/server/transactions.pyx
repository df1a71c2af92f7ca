"""See transactions.pxd. The queue and the watches themselves are the session's (engine.pyx)."""
from libc.stdint cimport uint32_t
from hutch_engine.commands.call cimport CALL_IN_MULTI, Call, error_memory
from hutch_engine.commands.reply cimport reply_array, reply_error, reply_null_array, reply_ok
from hutch_engine.server.engine cimport (
    SESSION_DIRTY_CAS, SESSION_DIRTY_EXEC, SESSION_IN_EXEC, SESSION_MULTI, QueuedCommand, Session, session_discard,
    session_of, session_unwatch, session_watch, session_watches_expired)
from hutch_engine.server.executor cimport run_command


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


cdef void cmd_exec(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef QueuedCommand* queued
    cdef uint32_t call_flags = call.flags
    if not session.flags & SESSION_MULTI:
        reply_error(call.reply, b"ERR EXEC without MULTI")
        return
    if session.flags & SESSION_DIRTY_EXEC:
        session_discard(session)
        reply_error(call.reply, b"EXECABORT Transaction discarded because of previous errors.")
        return
    if session_watches_expired(session):
        session.flags |= SESSION_DIRTY_CAS
    if session.flags & SESSION_DIRTY_CAS:
        session_discard(session)
        reply_null_array(call.reply)
        return
    # Unwatched first: the transaction's own changes shall not mark this session.
    session_unwatch(session)
    session.flags &= ~<uint32_t>SESSION_MULTI
    session.flags |= SESSION_IN_EXEC
    reply_array(call.reply, session.queue_length)
    queued = session.queue
    while queued != NULL:
        call.flags = call_flags | CALL_IN_MULTI
        run_command(session, queued.command, queued.argv, queued.argc, False, 0)
        queued = queued.next
    call.flags = call_flags
    session.flags &= ~<uint32_t>SESSION_IN_EXEC
    session_discard(session)


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
