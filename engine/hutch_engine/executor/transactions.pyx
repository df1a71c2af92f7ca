"""See transactions.pxd. The queue and the watches themselves are the session's (engine.pyx)."""
from libc.stdint cimport uint8_t, uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call, error_memory
from hutch_engine.commands.command cimport Command
from hutch_engine.executor.admission cimport ADMITTED, REFUSED_RIGHTS, WAY_QUEUE, Verdict, admission_judge
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.rights cimport rights_refused
from hutch_engine.commands.reply cimport reply_array, reply_error, reply_error_slice, reply_mark, reply_null_array, reply_ok, reply_rewind
from hutch_engine.keyspace.keyspace cimport keyspace_now
from hutch_engine.state.engine cimport (
    DENIED_AT_MULTI, DENIED_COMMAND, DENIED_KEY,
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


cdef const char* _why(uint8_t denied) noexcept nogil:
    if denied == DENIED_COMMAND:
        return b"no permission to execute the command or subcommand"
    if denied == DENIED_KEY:
        return b"no permission to touch the specified keys"
    return b"no permission to access one of the channels used as arguments"


cdef bint transaction_judges(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    cdef Verdict verdict = admission_judge(session, command, argv, argc, WAY_QUEUE, 0)
    cdef size_t mark = session.reply.buffer.length
    cdef Buffer text
    cdef uint8_t denied
    if verdict == ADMITTED:
        return True
    if verdict != REFUSED_RIGHTS:
        error_memory(&session.call)
        return False
    buffer_init(&text, NULL)
    rights_refused(session, command, argv, argc, DENIED_AT_MULTI, &denied, &text)
    buffer_clear(&text)
    buffer_append_text(&text, b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
                              b"command is no longer allowed for the following reason: ")
    buffer_append_text(&text, _why(denied))
    if text.failed:
        error_memory(&session.call)
    else:
        reply_error_slice(&session.reply, buffer_slice(&text))
    buffer_clear(&text)
    if session.reply.buffer.length > mark:
        error_stats_count(session.engine, slice_of(session.reply.buffer.data + mark + 1, session.reply.buffer.length - mark - 1))
    return False


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
