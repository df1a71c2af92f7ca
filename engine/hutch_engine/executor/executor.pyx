"""See executor.pxd."""
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_coarse_s, monotonic_us
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport CALL_NO_TOUCH
from hutch_engine.commands.command cimport CMD_KEEPS_CACHING, CMD_RUNS_QUEUE, Command, command_takes
from hutch_engine.commands.command_names cimport command_named
from hutch_engine.commands.command_table cimport command_narrow
from hutch_engine.commands.reply cimport reply_simple
from hutch_engine.executor.admission cimport (
    ADMIT_LATER, ADMIT_TO_QUEUE, ADMITTED, REFUSED_MEMORY, WAY_CLIENT, Verdict, admission_flags, admission_is_plain_with,
    admission_judge, admission_refuse)
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due, aftermath_of
from hutch_engine.executor.effects cimport effects_announce_new
from hutch_engine.executor.run cimport run_command, run_refuse_to_wait, run_take_inbox, run_uncount
from hutch_engine.sessions.transaction cimport session_queue
from hutch_engine.sessions.waiting cimport waiting_begin, waiting_decline
from hutch_engine.state.engine cimport (
    SESSION_AT_ONCE, SESSION_EMBEDDED, SESSION_MULTI, SESSION_NO_TOUCH, SESSION_POSTPONED, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_TRACKING,
    TRACKING_CACHING, Engine, Session, engine_guarded)


cdef Executed execute(Session* session, Slice* argv, size_t argc) noexcept nogil:
    return execute_known(session, command_named(&session.engine.config.names, argv[0]), argv, argc, False, 0)


cdef Executed execute_known(Session* session, const Command* command, Slice* argv, size_t argc,
                            bint hashed, uint64_t key_hash) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef size_t mark = session.reply.buffer.length
    cdef Verdict verdict
    engine_guarded(engine)
    invariant(not session.ended, b"a session that has ended runs a command")
    engine.keyspace.now_ms = 0
    if session.flags & SESSION_EMBEDDED:       # for sockets, the listener looks once a batch
        engine.keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
        session.used_us = monotonic_us()
    command = command_narrow(command, argv, argc)
    session.last_command = command                      # NULL for one that is unknown, too
    if unlikely(command == NULL or not command_takes(command, argc) or not admission_is_plain_with(session, command, argv, argc)):
        verdict = admission_judge(session, command, argv, argc, WAY_CLIENT, 0)
        if unlikely(session.flags & SESSION_TRACKING) and engine.keyspace.effect_count:
            # Keys were evicted to make room, before the command: so is what is told of them. Nobody has changed them (NOLOOP).
            engine.execution.current = NULL
            effects_announce_new(engine)
            run_take_inbox(session)
            mark = session.reply.buffer.length
        if verdict == ADMIT_LATER:
            session.flags |= SESSION_POSTPONED
            return EXECUTE_POSTPONED
        if verdict == ADMIT_TO_QUEUE:
            return _queue(session, command, argv, argc, mark)
        if verdict != ADMITTED:
            admission_refuse(session, command, argv, argc, verdict)
            aftermath_of(session, mark)
            return EXECUTED
    session.call.flags = CALL_NO_TOUCH if session.flags & SESSION_NO_TOUCH else 0
    engine.execution.current = session
    run_command(session, command, argv, argc, hashed, key_hash)
    if unlikely(session.call.block_keys != 0):
        return _wait(session, command, mark)
    if unlikely(session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) and command.flags & CMD_RUNS_QUEUE:
        mark = session.reply.buffer.length      # EXEC has muted what is to be muted
    if unlikely(session.flags & SESSION_TRACKING) and session.tracking & TRACKING_CACHING:
        _end_caching(session, command)
    aftermath_of(session, mark)
    return EXECUTED


cdef Executed _queue(Session* session, const Command* command, Slice* argv, size_t argc, size_t mark) noexcept nogil:
    if session_queue(session, command, argv, argc):
        session.queue_flags |= admission_flags(session, command, argv, argc)
        reply_simple(&session.reply, b"QUEUED")
    else:
        admission_refuse(session, command, argv, argc, REFUSED_MEMORY)
    aftermath_of(session, mark)
    return EXECUTED


cdef void _end_caching(Session* session, const Command* command) noexcept nogil:
    """CLIENT CACHING is for the next command, or transaction."""
    if not session.flags & SESSION_MULTI and not (command.parent != NULL and command.parent.flags & CMD_KEEPS_CACHING):
        session.tracking &= ~<uint32_t>TRACKING_CACHING


cdef Executed _wait(Session* session, const Command* command, size_t mark) noexcept nogil:
    """The command asked to wait. Until it is answered it counts as not executed."""
    cdef Engine* engine = session.engine
    cdef bint at_once = session.flags & SESSION_AT_ONCE != 0
    cdef bint waits
    if at_once:
        waiting_decline(session)
    waits = at_once or waiting_begin(session)
    session.call.block_keys = 0
    if not waits:
        run_refuse_to_wait(session, command)
        aftermath_of(session, mark)
        return EXECUTED
    run_uncount(session, command)
    engine.execution.current = NULL
    run_take_inbox(session)
    if aftermath_is_due(engine):
        aftermath(engine)
    return EXECUTE_WOULD_BLOCK if at_once else EXECUTE_BLOCKED
