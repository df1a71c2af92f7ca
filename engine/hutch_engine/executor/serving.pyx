"""See serving.pxd."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport CALL_DENY_BLOCKING, CALL_NO_TOUCH, Call
from hutch_engine.commands.reply cimport reply_error, reply_null_array
from hutch_engine.executor.admission cimport (
    ADMIT_LATER, ADMITTED, WAY_SERVED, Verdict, admission_judge, admission_refuse)
from hutch_engine.executor.effects cimport effects_act, effects_are_there
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.run cimport run_command, run_mute_reply, run_refuse_to_wait, run_take_inbox, run_uncount
from hutch_engine.executor.latency cimport latency_note
from hutch_engine.executor.slow_log cimport slow_log_note
from hutch_engine.keyspace.entry cimport TYPE_NONE, Entry, entry_type
from hutch_engine.keyspace.keyspace cimport FIND_NO_STATS, FIND_NO_TOUCH, keyspace_find, keyspace_hash
from hutch_engine.sessions.waiting cimport (
    Blocked, BlockedKey, Waiter, waiting_begin, waiting_drop_if_unwanted, waiting_end, waiting_free, waiting_key_name,
    waiting_mark_ready)
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.state.engine cimport SESSION_CLOSE_NOW, SESSION_NO_TOUCH, Engine, Session
from hutch_engine.structures.wheel cimport WheelNode, wheel_take
from hutch_engine.sessions.key_name cimport key_name_database, key_name_key


cdef void _give_up(Session* session, const char* error) noexcept nogil:
    """Answer without what was waited for: an error, or the null array of a time-out."""
    cdef Engine* engine = session.engine
    cdef size_t mark = session.reply.buffer.length
    cdef Blocked* blocked = waiting_end(session)
    cdef bint serving
    if error != NULL:
        reply_error(&session.reply, error)
        engine.statistics.commands[blocked.command.id].failed += 1
        error_stats_count(engine, slice_of(session.reply.buffer.data + mark + 1, session.reply.buffer.length - mark - 1))
    elif blocked.type == TYPE_NONE:
        # What it answers to who may not wait. (MONITOR has shown it before.)
        serving = engine.execution.serving
        engine.execution.serving = True
        session.call.flags = CALL_DENY_BLOCKING
        run_command(session, blocked.command, blocked.argv, blocked.argc, False, 0)
        run_uncount(session, blocked.command)
        engine.execution.serving = serving
    else:
        reply_null_array(&session.reply)
    engine.statistics.commands[blocked.command.id].calls += 1
    engine.statistics.commands[blocked.command.id].ticks += blocked.ticks
    if error != NULL or blocked.type != TYPE_NONE:
        latency_note(engine, &engine.statistics.commands[blocked.command.id], blocked.ticks)
    engine.statistics.commands_processed += 1
    session.commands += 1
    run_mute_reply(session, mark)
    if unlikely(blocked.ticks >= engine.execution.slow_ticks):
        slow_log_note(session, blocked.command, blocked.argv, blocked.argc, blocked.ticks)
    waiting_free(engine, blocked)
    session_wake(session)


cdef bint serve_unblock(Session* session, bint as_error) noexcept nogil:
    cdef const char* error = NULL
    if session.blocked == NULL or session.flags & SESSION_CLOSE_NOW:
        return False
    if as_error:
        error = b"UNBLOCKED client unblocked via CLIENT UNBLOCK"
    _give_up(session, error)
    return True


cdef bint serve_time_outs(Engine* engine, int64_t budget) noexcept nogil:
    cdef WheelNode* node
    cdef int64_t now_ms
    if engine.waiting.time_outs == NULL or engine.waiting.time_outs.count == 0:
        return False
    now_ms = clock_now_ms(&engine.clock)
    while budget > 0:
        node = wheel_take(engine.waiting.time_outs, now_ms, &budget)
        if node == NULL:
            break
        node.link = NULL
        _give_up((<Blocked*>node).session, NULL)
    return budget <= 0


cdef bint _run_again(Session* session) noexcept nogil:
    """There may be something for it: the whole command once more. If it waits again, it is behind the others. False: it may not
    run yet, and nothing has happened."""
    cdef Engine* engine = session.engine
    cdef Call* call = &session.call
    cdef size_t mark = session.reply.buffer.length
    cdef Blocked* blocked = <Blocked*>session.blocked
    cdef Session* running = engine.execution.current
    cdef Verdict verdict
    engine.keyspace.now_ms = 0           # a command of its own, after what made the key ready: it may be due by now
    verdict = admission_judge(session, blocked.command, blocked.argv, blocked.argc, WAY_SERVED, 0)
    if verdict == ADMIT_LATER:
        return False
    waiting_end(session)
    engine.execution.current = session
    call.flags = CALL_NO_TOUCH if session.flags & SESSION_NO_TOUCH else 0
    if verdict == ADMITTED:
        run_command(session, blocked.command, blocked.argv, blocked.argc, False, 0)
    else:
        admission_refuse(session, blocked.command, blocked.argv, blocked.argc, verdict)
    if call.block_keys:
        call.block_deadline_ms = blocked.deadline_ms      # the time-out runs on from its first beginning
        engine.execution.wait_ticks += blocked.ticks
        if waiting_begin(session):
            call.block_keys = 0
            run_uncount(session, blocked.command)
            waiting_free(engine, blocked)
            engine.execution.current = running
            return True
        call.block_keys = 0
        run_refuse_to_wait(session, blocked.command)
    elif verdict == ADMITTED:
        engine.statistics.commands[blocked.command.id].ticks += blocked.ticks
    # Its own effects: keys it emptied, and others it made ready, which come after those that are ready already.
    effects_act(engine)
    run_mute_reply(session, mark)
    engine.execution.current = running
    run_take_inbox(session)
    waiting_free(engine, blocked)
    session_wake(session)
    return True


cdef bint _serve_key(Engine* engine, BlockedKey* key) noexcept nogil:
    """Run the commands of those who wait for this key, as long as it has what they wait for; and when it is gone, of
    those who wait for that too. False: one of them may not run yet."""
    cdef Slice name = waiting_key_name(key)
    cdef Slice bytes = key_name_key(name)
    cdef uint64_t hash = keyspace_hash(&engine.keyspace, bytes)
    cdef int32_t database_index = key_name_database(name)
    cdef Waiter* waiter = key.first
    cdef Waiter* last = key.last             # who waits again has been looked at
    cdef Waiter* following
    cdef Entry* entry
    cdef bint at_end
    while waiter != NULL:
        following = waiter.next
        at_end = waiter == last
        entry = keyspace_find(&engine.keyspace, &engine.keyspace.databases[database_index], bytes, hash,
                              FIND_NO_STATS | FIND_NO_TOUCH)
        if entry == NULL and key.until_gone == 0:
            return True
        if (((entry != NULL and entry_type(entry) == waiter.owner.type) or waiter.owner.until_gone)
                and not waiter.owner.session.flags & SESSION_CLOSE_NOW):
            # The key may be gone with its last waiter.
            if not _run_again(waiter.owner.session):
                return False
        if at_end:
            return True
        waiter = following
    return True


cdef void serve_ready(Engine* engine) noexcept nogil:
    cdef BlockedKey* key
    engine.execution.serving = True
    while engine.waiting.ready_first != NULL:
        key = <BlockedKey*>engine.waiting.ready_first
        engine.waiting.ready_first = key.next_ready
        if key.next_ready == NULL:
            engine.waiting.ready_last = NULL
        key.is_ready = False
        key.next_ready = NULL
        if key.first == NULL:
            waiting_drop_if_unwanted(engine, key)
        elif not _serve_key(engine, key):
            waiting_mark_ready(engine, key)
            break
    engine.execution.serving = False
    if effects_are_there(&engine.keyspace):          # a key that had expired, say
        effects_act(engine)
