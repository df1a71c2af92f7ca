"""See run.pxd."""
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_slice
from hutch_engine.base.compiler cimport ticks, unlikely
from hutch_engine.base.growth cimport GROWTH_OVER_LIMIT
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call, CommandHandler, error_memory
from hutch_engine.commands.command cimport (
    ACL_SCRIPTING, CMD_MAY_REPLICATE, CMD_READONLY, CMD_RUNS_QUEUE, CMD_SKIP_MONITOR, CMD_WRITE, Command)
from hutch_engine.commands.reply cimport Reply, reply_rewind
from hutch_engine.executor.effects cimport effects_announce_new
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.latency cimport latency_note
from hutch_engine.executor.slow_log cimport slow_log_note
from hutch_engine.keyspace.journal cimport Journal, journal_command, journal_end_unit
from hutch_engine.keyspace.keyspace cimport keyspace_now
from hutch_engine.sessions.monitor cimport monitor_feed
from hutch_engine.sessions.tracking cimport tracking_remember
from hutch_engine.state.engine cimport (
    BUSY_NOT, OBSERVED_BY_JOURNAL, OBSERVED_BY_MONITORS, OBSERVED_BY_TRACKING, SESSION_AT_ONCE, SESSION_CLOSE_NOW, SESSION_EMBEDDED,
    SESSION_ERROR_COUNTED, SESSION_IN_EXEC, SESSION_OF_SCRIPTS, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_REPLY_SKIP_NEXT,
    SESSION_TRACKING, CommandStats, Engine, Session, engine_guarded)

cdef void _journal_by_its_own_name(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """Whatever clients call it (rename-command): the file is read by servers that know nothing of that."""
    cdef const Command* named = command.parent if command.parent != NULL else command
    cdef Slice said = argv[0]
    if unlikely(session.engine.config.names.changes):
        (<Slice*>argv)[0] = slice_of(named.name, named.name_length)
    journal_command(session.engine.keyspace.journal, session.database_index, argv, argc)
    (<Slice*>argv)[0] = said


cdef void _log(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """What changed something stands in the journal, as it came or as the command has said itself (call_log). EXEC and scripts
    are what their commands did."""
    cdef Engine* engine = session.engine
    cdef Journal* journal = engine.keyspace.journal
    if unlikely(journal.replaced):
        journal.replaced = False
    elif engine.keyspace.dirty != journal.dirty_seen and command.flags & (CMD_WRITE | CMD_MAY_REPLICATE) \
            and not command.flags & CMD_RUNS_QUEUE:
        _journal_by_its_own_name(session, command, argv, argc)
    journal.dirty_seen = engine.keyspace.dirty
    # Who is let in by a script that takes long does not end what that has begun.
    if not session.flags & (SESSION_IN_EXEC | SESSION_OF_SCRIPTS) and journal.bytes.length != journal.unit_start \
            and engine.scripts.busy == BUSY_NOT:
        journal.now_s = keyspace_now(&engine.keyspace) // 1000 if engine.config.aof_timestamp_enabled else 0
        journal_end_unit(journal, True)


cdef void run_observed(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    cdef Engine* engine = session.engine
    # Not those that waited, a second time.
    cdef bint first_time = not engine.execution.serving or session.flags & SESSION_OF_SCRIPTS != 0
    if engine.execution.trial != NULL and first_time:
        engine.execution.trial.observed += 1
    if engine.execution.observers & OBSERVED_BY_JOURNAL:
        _log(session, command, argv, argc)
    if engine.execution.observers & OBSERVED_BY_MONITORS and first_time and not command.flags & CMD_SKIP_MONITOR:
        monitor_feed(session, command, argv, argc)
    # Of a script it is the commands that read, not the script; and what a script reads, its caller has read.
    if engine.execution.observers & OBSERVED_BY_TRACKING and command.flags & CMD_READONLY and not command.acl_categories & ACL_SCRIPTING:
        if session.flags & SESSION_OF_SCRIPTS:
            session = engine.execution.current
        if session != NULL and session.flags & SESSION_TRACKING:
            effects_announce_new(engine)             # a key that was due and went as it was read: that was before
            tracking_remember(session, command, argv, argc)


cdef void run_observed_words(Session* session, const Command* command, const Slice* words, size_t count) noexcept nogil:
    cdef Slice[OBSERVED_WORDS + 1] argv
    cdef size_t i
    invariant(count <= OBSERVED_WORDS, b"more words than are observed")
    argv[0] = slice_of(command.name, command.name_length)
    for i in range(count):
        argv[i + 1] = words[i]
    run_observed(session, command, argv, count + 1)


cdef void _reply_lost(Session* session, size_t mark) noexcept nogil:
    """Memory was refused for the reply. The replies before it stand; with it an error goes out, if there is room for that. A client
    whose output limit it was is closed, and hears nothing of what it sent with this command, or behind it."""
    cdef Buffer* buffer = &session.reply.buffer
    cdef bint over_limit = buffer.failed == GROWTH_OVER_LIMIT
    if buffer.length > mark:
        buffer.length = mark
    if over_limit and not session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
        session.flags |= SESSION_CLOSE_NOW
        return
    buffer.failed = 0
    if over_limit:                       # nobody was to hear it
        return
    buffer_append_text(buffer, b"-OOM no memory for the reply of a command\r\n")


cdef void _count_failure(Session* session, CommandStats* stats, size_t mark) noexcept nogil:
    """It answered an error, which is counted by its first word."""
    cdef Reply* reply = &session.reply
    stats.failed += 1
    if session.flags & SESSION_ERROR_COUNTED:
        session.flags &= ~<uint32_t>SESSION_ERROR_COUNTED
    else:
        error_stats_count(session.engine, slice_of(reply.buffer.data + mark + 1, reply.buffer.length - mark - 1))


cdef void run_command(Session* session, const Command* command, Slice* argv, size_t argc, bint hashed,
                      uint64_t key_hash) noexcept nogil:
    cdef Call* call = &session.call
    cdef Engine* engine = session.engine
    cdef CommandStats* stats = &engine.statistics.commands[command.id]
    cdef size_t mark = session.reply.buffer.length
    # In a batch the end of one command is the start of the next: one look at the counter for each.
    cdef uint64_t started = engine.execution.batch_ticks if engine.execution.batch_ticks else ticks()
    cdef uint64_t ended
    cdef uint64_t hits = engine.keyspace.hits
    cdef uint64_t misses = engine.keyspace.misses
    engine_guarded(engine)
    call.argv = argv
    call.argc = argc
    call.command = command
    call.key_hashed = hashed
    call.key_hash = key_hash
    # Scripts show themselves before the commands that they call; all others when they have run.
    if unlikely(engine.execution.observers & OBSERVED_BY_MONITORS != 0) and command.flags & CMD_SKIP_MONITOR \
            and command.acl_categories & ACL_SCRIPTING:
        monitor_feed(session, command, argv, argc)
    (<CommandHandler>command.handler)(call)
    if unlikely(call.block_keys != 0 and session.flags & SESSION_AT_ONCE):
        engine.keyspace.hits = hits          # as if it had not been asked for
        engine.keyspace.misses = misses
    elif unlikely(engine.execution.observers != 0):
        run_observed(session, command, argv, argc)
    ended = ticks()
    if engine.execution.batch_ticks:
        engine.execution.batch_ticks = ended
    stats.calls += 1
    if unlikely(session.reply.buffer.failed):
        _reply_lost(session, mark)
    if unlikely(call.block_keys != 0):
        engine.execution.wait_ticks = ended - started        # counts when it is answered
    else:
        stats.ticks += ended - started
        latency_note(engine, stats, ended - started)
    if unlikely(ended - started >= engine.execution.slow_ticks) and call.block_keys == 0:
        slow_log_note(session, command, argv, argc, ended - started)
    engine.statistics.commands_processed += 1
    session.commands += 1
    if unlikely(session.reply.buffer.length > mark and session.reply.buffer.data[mark] == 45):
        _count_failure(session, stats, mark)


cdef void run_refuse_to_wait(Session* session, const Command* command) noexcept nogil:
    cdef size_t mark = session.reply.buffer.length
    error_memory(&session.call)
    session.engine.statistics.commands[command.id].ticks += session.engine.execution.wait_ticks
    if session.reply.buffer.length > mark:
        _count_failure(session, &session.engine.statistics.commands[command.id], mark)


cdef void run_uncount(Session* session, const Command* command) noexcept nogil:
    session.engine.statistics.commands[command.id].calls -= 1
    session.engine.statistics.commands_processed -= 1
    session.commands -= 1


cdef void run_take_inbox(Session* session) noexcept nogil:
    if session.flags & SESSION_EMBEDDED or session.inbox.length == 0:
        return
    buffer_append_slice(&session.reply.buffer, buffer_slice(&session.inbox))
    buffer_clear(&session.inbox)


cdef void run_mute_reply(Session* session, size_t mark) noexcept nogil:
    if unlikely(session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)):
        if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
            reply_rewind(&session.reply, mark)
        session.flags &= ~<uint32_t>SESSION_REPLY_SKIP
        if session.flags & SESSION_REPLY_SKIP_NEXT:
            session.flags &= ~<uint32_t>SESSION_REPLY_SKIP_NEXT
            session.flags |= SESSION_REPLY_SKIP
