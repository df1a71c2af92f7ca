"""See executor.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_coarse_s, clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport likely, ticks, unlikely
from hutch_engine.base.memory cimport heap_is_short, heap_mend
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.commands.call cimport (
    CALL_IN_MULTI, CALL_NO_TOUCH, Call, CommandHandler, error_arity, error_memory)
from hutch_engine.commands.command cimport (
    ACL_SCRIPTING, CMD_ALLOW_BUSY, CMD_DENYOOM, CMD_MAY_REPLICATE, CMD_NO_AUTH, CMD_NO_MULTI, CMD_PROTECTED,
    CMD_READONLY, CMD_SKIP_MONITOR, CMD_WRITE, Command)
from hutch_engine.commands.reply cimport (
    Reply, reply_error, reply_error_parts, reply_error_slice, reply_mark, reply_rewind, reply_simple)
from hutch_engine.keyspace.keyspace cimport (
    CHORE_EFFECTS_LOST, EFFECT_READY, EFFECT_READY_ALL, EFFECT_TOUCHED, EFFECT_TOUCHED_ALL, Effect, Keyspace, keyspace_effects_clear,
    keyspace_expire_due, keyspace_now)
from hutch_engine.commands.command_table cimport command_find_subcommand
from hutch_engine.state.config cimport ENABLE_LOCAL, ENABLE_YES, Config
from hutch_engine.state.engine cimport (
    BUSY_EVAL, BUSY_NOT, PAUSE_ALL, PAUSE_NONE, PAUSE_WRITE, SESSION_AUTHENTICATED, SESSION_CLOSE_NOW, SESSION_ERROR_COUNTED,
    SESSION_DIRTY_EXEC, SESSION_EMBEDDED, SESSION_MONITOR, SESSION_MULTI, SESSION_NO_TOUCH, SESSION_OF_SCRIPTS,
    SESSION_POSTPONED,
    SESSION_REPLICA, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_REPLY_SKIP_NEXT, SESSION_SUBSCRIBED,
    SESSION_TRACKING, SESSION_UNIX_SOCKET, TRACKING_CACHING, CommandStats, Engine, Session,
    engine_end_pause, engine_guarded, engine_poke_housekeeping,
    engine_touch_watched, engine_touch_watched_all, engine_used_memory, session_discard, session_queue)
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.eviction cimport evict_until_it_fits
from hutch_engine.executor.latency cimport latency_note
from hutch_engine.sessions.monitor cimport monitor_feed
from hutch_engine.sessions.pubsub cimport pubsub_sweep
from hutch_engine.sessions.tracking cimport announce_effects, tracking_broadcast, tracking_invalidate_all, tracking_remember

cdef enum:
    NAME_SHOWN = 128             # bytes of a client's words that an error repeats
    PAST_DEADLINES = 64          # removed at once after a command that gave them; the rest by housekeeping


# ---- which command

cdef const Command* resolve_command(Engine* engine, Slice* argv, size_t argc) noexcept nogil:
    cdef const Command* command = engine.find_command(argv[0])
    if command != NULL and command.subcommand_count and argc > 1:
        return command_find_subcommand(command, argv[1])
    return command


cdef inline Slice _shown(Slice word) noexcept nogil:
    """What printf's %.128s would print of it."""
    cdef size_t length = word.length if word.length < NAME_SHOWN else NAME_SHOWN
    cdef const void* end = memchr(word.data, 0, length) if length else NULL
    return slice_of(word.data, <size_t>(<const char*>end - word.data) if end != NULL else length)


cdef void _unknown_command(Session* session, Slice* argv, size_t argc, Buffer* text) noexcept nogil:
    cdef const Command* container = session.engine.find_command(argv[0])
    cdef size_t i, room
    cdef Slice word
    cdef size_t args_start
    if container != NULL:
        buffer_append_text(text, b"ERR unknown subcommand '")
        buffer_append_slice(text, _shown(argv[1]))
        buffer_append_text(text, b"'. Try ")
        _append_upper(text, container)
        buffer_append_text(text, b" HELP.")
        return
    buffer_append_text(text, b"ERR unknown command '")
    buffer_append_slice(text, _shown(argv[0]))
    buffer_append_text(text, b"', with args beginning with: ")
    args_start = text.length
    i = 1
    while i < argc and text.length - args_start < NAME_SHOWN:
        room = NAME_SHOWN - (text.length - args_start)
        word = _shown(argv[i])
        if word.length > room:
            word.length = room
        buffer_append_text(text, b"'")
        buffer_append_slice(text, word)
        buffer_append_text(text, b"' ")
        i += 1


# ---- refusing

cdef void _reject(Session* session, const Command* command, Slice error) noexcept nogil:
    """A command that does not run. Inside MULTI the transaction cannot be executed any more; EXEC itself
    ends it. `error` begins with its code."""
    cdef Buffer text
    session.flags |= SESSION_DIRTY_EXEC if session.flags & SESSION_MULTI else 0
    if command != NULL:
        session.engine.stats[command.id].rejected += 1
    if command != NULL and command.name_length == 4 and memcmp(command.name, b"exec", 4) == 0:
        if error.length > 4 and memcmp(error.data, b"ERR ", 4) == 0:
            error = slice_of(error.data + 4, error.length - 4)
        buffer_init(&text, NULL)
        buffer_append_text(&text, b"EXECABORT Transaction discarded because of: ")
        buffer_append_slice(&text, error)
        session_discard(session)
        reply_error_slice(&session.reply, buffer_slice(&text))
        buffer_clear(&text)
        return
    reply_error_slice(&session.reply, error)


cdef inline void _reject_text(Session* session, const Command* command, const char* error) noexcept nogil:
    _reject(session, command, slice_of_text(error))


cdef void _reject_unknown(Session* session, Slice* argv, size_t argc) noexcept nogil:
    cdef Buffer text
    if not session.flags & SESSION_EMBEDDED and (slice_is(argv[0], b"post") or slice_is(argv[0], b"host:")):
        # A web page that talks to this port: Redis hangs up without an answer, to what came before as well.
        session.flags |= SESSION_CLOSE_NOW
        return
    buffer_init(&text, NULL)
    _unknown_command(session, argv, argc, &text)
    _reject(session, NULL, buffer_slice(&text))
    buffer_clear(&text)


cdef void _reject_arity(Session* session, const Command* command) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR wrong number of arguments for '")
    buffer_append(&text, command.name, command.name_length)
    buffer_append_text(&text, b"' command")
    _reject(session, command, buffer_slice(&text))
    buffer_clear(&text)


cdef inline bint _names(const Command* command, const char* name, uint32_t length) noexcept nogil:
    return command.name_length == length and memcmp(command.name, name, length) == 0


cdef bint _runs_inside_multi(const Command* command) noexcept nogil:
    """The commands that act at once between MULTI and EXEC."""
    return (_names(command, b"exec", 4) or _names(command, b"discard", 7) or _names(command, b"multi", 5)
            or _names(command, b"watch", 5) or _names(command, b"quit", 4) or _names(command, b"reset", 5))


cdef uint64_t _flags_with_queue(Session* session, const Command* command) noexcept nogil:
    """EXEC is judged by what it would run."""
    return command.flags | session.queue_flags if _names(command, b"exec", 4) else command.flags


cdef bint _is_out_of_place(Session* session, const Command* command) noexcept nogil:
    """What a RESP2 subscriber, and a monitor, cannot ask for; then the error is written."""
    cdef Buffer text
    if session.flags & SESSION_MONITOR and command.flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE):
        _reject_text(session, command, b"ERR Replica can't interact with the keyspace")
        return True
    if not session.flags & SESSION_SUBSCRIBED or session.reply.resp >= 3 or _serves_subscribers(command):
        return False
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR Can't execute '")
    buffer_append(&text, command.name, command.name_length)
    buffer_append_text(&text, b"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
                              b"context")
    _reject(session, command, buffer_slice(&text))
    buffer_clear(&text)
    return True


cdef bint _serves_subscribers(const Command* command) noexcept nogil:
    return (_names(command, b"ping", 4) or _names(command, b"quit", 4) or _names(command, b"reset", 5)
            or _names(command, b"subscribe", 9) or _names(command, b"unsubscribe", 11)
            or _names(command, b"psubscribe", 10) or _names(command, b"punsubscribe", 12)
            or _names(command, b"ssubscribe", 10) or _names(command, b"sunsubscribe", 12))


cdef uint64_t _flags_with_script(Session* session, const Command* command, Slice* argv, size_t argc, uint64_t flags) noexcept nogil:
    """A script that says it does not write is not held by CLIENT PAUSE WRITE, and one that says it may need memory is
    refused without."""
    if command.acl_categories & ACL_SCRIPTING and command.parent == NULL and session.engine.flags_of_script != NULL:
        return session.engine.flags_of_script(session, command, argv, argc)
    return flags


cdef const char* _busy_text(const Engine* engine) noexcept nogil:
    if engine.busy == BUSY_EVAL:
        return b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    return b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."


cdef bint _protected_is_allowed(Session* session, const Command* command) noexcept nogil:
    """DEBUG, and MODULE's subcommands. A caller in the process may debug: the engine is its own."""
    cdef const Config* config = &session.engine.config
    cdef int64_t setting = config.enable_debug_command
    if command.parent != NULL:
        setting = config.enable_module_command
    elif session.flags & SESSION_EMBEDDED:
        return True
    return setting == ENABLE_YES or (setting == ENABLE_LOCAL and _is_local(session))


cdef void _append_upper(Buffer* text, const Command* command) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(command.name_length):
        c = command.name[i]
        if 97 <= c <= 122:
            c -= 32
        buffer_append(text, &c, 1)


cdef void _reject_protected(Session* session, const Command* command) noexcept nogil:
    cdef const Command* named = command.parent if command.parent != NULL else command
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR ")
    _append_upper(&text, named)
    buffer_append_text(&text, b" command not allowed. If the enable-")
    buffer_append(&text, named.name, named.name_length)
    buffer_append_text(&text, b"-command option is set to \"local\", you can run it from a local connection, otherwise you "
                              b"need to set this option in the configuration file, and then restart the server.")
    _reject(session, command, buffer_slice(&text))
    buffer_clear(&text)


cdef bint _is_local(Session* session) noexcept nogil:
    cdef Slice address = buffer_slice(&session.address)
    if session.flags & SESSION_UNIX_SOCKET:
        return True
    return (address.length > 4 and memcmp(address.data, b"127.", 4) == 0) or \
        (address.length > 4 and memcmp(address.data, b"::1:", 4) == 0) or \
        (address.length > 6 and memcmp(address.data, b"[::1]:", 6) == 0)


cdef bint _memory_forbids(Session* session, const Command* command, Slice* argv, size_t argc, uint64_t flags) noexcept nogil:
    """maxmemory is reached and eviction did not help, or the system itself has no more to give."""
    cdef Engine* engine = session.engine
    if likely(not heap_is_short(&engine.heap)) or heap_mend(&engine.heap):
        if likely(engine.config.maxmemory == 0) or evict_until_it_fits(engine):
            return False
    return (_flags_with_script(session, command, argv, argc, flags) & CMD_DENYOOM) != 0


cdef bint _is_paused(Session* session, uint64_t flags) noexcept nogil:
    cdef Engine* engine = session.engine
    if clock_now_ms(&engine.clock) >= engine.pause_end_ms:
        engine_end_pause(engine)
        return False
    if session.flags & SESSION_REPLICA:
        return False
    return engine.pause_kind == PAUSE_ALL or (flags & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0


# ---- running

cdef void _count_error(Engine* engine, const Reply* reply, size_t mark) noexcept nogil:
    """By the reply's first word."""
    error_stats_count(engine, slice_of(reply.buffer.data + mark + 1, reply.buffer.length - mark - 1))


cdef void _remember(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    """What a script reads, its caller has read."""
    if session.flags & SESSION_OF_SCRIPTS:
        session = session.engine.current
    if session != NULL and session.flags & SESSION_TRACKING:
        tracking_remember(session, command, argv, argc)


cdef void _reply_lost(Session* session, size_t mark) noexcept nogil:
    """Memory was refused for the reply. The replies before it stand; with it an error goes out, if there is room for that."""
    cdef Buffer* buffer = &session.reply.buffer
    if buffer.length > mark:
        buffer.length = mark
    buffer.failed = 0
    buffer_append_text(buffer, b"-OOM no memory for the reply of a command\r\n")


cdef void run_command(Session* session, const Command* command, Slice* argv, size_t argc, bint hashed,
                      uint64_t key_hash) noexcept nogil:
    cdef Call* call = &session.call
    cdef CommandStats* stats = &session.engine.stats[command.id]
    cdef size_t mark = session.reply.buffer.length
    cdef Engine* engine = session.engine
    # In a batch the end of one command is the start of the next: one look at the counter for each.
    cdef uint64_t started = engine.batch_ticks if engine.batch_ticks else ticks()
    cdef uint64_t ended
    engine_guarded(engine)
    call.argv = argv
    call.argc = argc
    call.command = command
    call.key_hashed = hashed
    call.key_hash = key_hash
    # Scripts show themselves before the commands that they call; all others when they have run.
    if unlikely(engine.monitor_count != 0) and command.flags & CMD_SKIP_MONITOR and command.acl_categories & ACL_SCRIPTING:
        monitor_feed(session, command, argv, argc)
    (<CommandHandler>command.handler)(call)
    if unlikely(engine.monitor_count != 0) and not command.flags & CMD_SKIP_MONITOR \
            and (not engine.serving or session.flags & SESSION_OF_SCRIPTS):     # not those that waited, a second time
        monitor_feed(session, command, argv, argc)
    # Of a script it is the commands that read, not the script.
    if unlikely(engine.tracking_count != 0) and command.flags & CMD_READONLY and not command.acl_categories & ACL_SCRIPTING:
        _remember(session, command, argv, argc)
    ended = ticks()
    if engine.batch_ticks:
        engine.batch_ticks = ended
    stats.calls += 1
    stats.ticks += ended - started
    if unlikely(session.reply.buffer.failed):
        _reply_lost(session, mark)
    latency_note(engine, stats, ended - started)
    engine.commands_processed += 1
    session.commands += 1
    if unlikely(session.reply.buffer.length > mark and session.reply.buffer.data[mark] == 45):
        stats.failed += 1
        if session.flags & SESSION_ERROR_COUNTED:
            session.flags &= ~<uint32_t>SESSION_ERROR_COUNTED
        else:
            _count_error(session.engine, &session.reply, mark)


cdef void _act_on_lost_effects(Engine* engine) noexcept nogil:
    """Memory was refused for an effect, so nobody knows whom it was for: whoever may have waited for it is told. O(watched
    keys, keys waited for, tracked keys)."""
    cdef int32_t i
    engine.keyspace.chores &= ~<uint32_t>CHORE_EFFECTS_LOST
    engine_touch_watched_all(engine, -1)
    for i in range(engine.keyspace.database_count):
        engine.note_all_ready(engine, i)
    if engine.tracking_count != 0:
        tracking_invalidate_all(engine)
        if engine.sweep_wanted:
            pubsub_sweep(engine)


cdef void act_on_effects(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t i
    cdef Effect* effect
    cdef Slice key
    engine_guarded(engine)
    # A deadline given in the past (SET ... PXAT 1): the key is gone when its command has answered.
    # Not while a script lets others in: for it, time stands still.
    if keyspace.earliest_added_ms != INT64_MAX and not engine.cron_paused and engine.busy == BUSY_NOT \
            and keyspace.earliest_added_ms < keyspace_now(keyspace):
        keyspace_expire_due(keyspace, PAST_DEADLINES)
    if engine.announced < keyspace.effect_count:
        announce_effects(engine)
    engine.announced = 0
    for i in range(keyspace.effect_count):
        effect = &keyspace.effects[i]
        key = slice_of(keyspace.effect_keys.data + effect.key_start, effect.key_length)
        if effect.kind == EFFECT_TOUCHED:
            engine_touch_watched(engine, effect.database, key)
        elif effect.kind == EFFECT_TOUCHED_ALL:
            engine_touch_watched_all(engine, effect.database)
        elif effect.kind == EFFECT_READY:
            engine.note_ready(engine, effect.database, key)
        elif effect.kind == EFFECT_READY_ALL:
            engine.note_all_ready(engine, effect.database)
    if keyspace.effect_count:
        keyspace_effects_clear(keyspace)
    if unlikely(keyspace.chores & CHORE_EFFECTS_LOST):
        _act_on_lost_effects(engine)
    if keyspace.chores:
        engine.chores |= keyspace.chores
        keyspace.chores = 0
        engine_poke_housekeeping(engine)
    elif keyspace.earliest_added_ms < engine.housekeeping_wakes_ms:
        engine_poke_housekeeping(engine)
    keyspace.earliest_added_ms = INT64_MAX
    # Whoever is served runs commands, whose effects come here again: these are only noted then.
    if unlikely(engine.ready_first != NULL) and not engine.serving:
        engine.serve_ready(engine)
    if unlikely(engine.changed.length != 0) and not engine.gathering and not engine.serving:
        tracking_broadcast(engine)


cdef inline void _after_command(Session* session, size_t mark) noexcept nogil:
    cdef Keyspace* keyspace = &session.engine.keyspace
    if unlikely(keyspace.effect_count != 0 or keyspace.chores != 0 or keyspace.earliest_added_ms != INT64_MAX):
        act_on_effects(session.engine)
    mute_reply(session, mark)
    session.engine.current = NULL
    if unlikely(session.inbox.length != 0):
        take_inbox(session)


cdef void take_inbox(Session* session) noexcept nogil:
    if session.flags & SESSION_EMBEDDED or session.inbox.length == 0:
        return
    buffer_append_slice(&session.reply.buffer, buffer_slice(&session.inbox))
    buffer_clear(&session.inbox)


cdef void mute_reply(Session* session, size_t mark) noexcept nogil:
    if unlikely(session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)):
        if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
            reply_rewind(&session.reply, mark)
        session.flags &= ~<uint32_t>SESSION_REPLY_SKIP
        if session.flags & SESSION_REPLY_SKIP_NEXT:
            session.flags &= ~<uint32_t>SESSION_REPLY_SKIP_NEXT
            session.flags |= SESSION_REPLY_SKIP


cdef Executed execute(Session* session, Slice* argv, size_t argc) noexcept nogil:
    return execute_known(session, session.engine.find_command(argv[0]), argv, argc, False, 0)


cdef Executed execute_known(Session* session, const Command* command, Slice* argv, size_t argc,
                            bint hashed, uint64_t key_hash) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t mark = session.reply.buffer.length
    cdef uint64_t flags
    engine_guarded(engine)
    invariant(not session.ended, b"a session that has ended runs a command")
    keyspace.now_ms = 0
    if session.flags & SESSION_EMBEDDED:       # for sockets, the listener looks once a batch
        keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
        session.used_us = monotonic_us()
    if command != NULL and command.subcommand_count and argc > 1:
        command = command_find_subcommand(command, argv[1])
    session.last_command = command                      # NULL for one that is unknown, too
    if unlikely(command == NULL):
        _reject_unknown(session, argv, argc)
        return _refused(session, mark)
    if unlikely(command.arity > 0 and <size_t>command.arity != argc) or \
            unlikely(command.arity < 0 and argc < <size_t>(-command.arity)) or unlikely(command.handler == NULL):
        _reject_arity(session, command)
        return _refused(session, mark)
    if unlikely(command.flags & CMD_PROTECTED) and not _protected_is_allowed(session, command):
        _reject_protected(session, command)
        return _refused(session, mark)
    if unlikely(not session.flags & SESSION_AUTHENTICATED) and engine.config.requirepass.length \
            and not command.flags & CMD_NO_AUTH:
        _reject_text(session, command, b"NOAUTH Authentication required.")
        return _refused(session, mark)
    flags = command.flags
    if unlikely(session.flags & SESSION_MULTI):
        if flags & CMD_NO_MULTI:
            _reject_text(session, command, b"ERR Command not allowed inside a transaction")
            return _refused(session, mark)
        flags = _flags_with_queue(session, command)
    if unlikely(engine.busy != BUSY_NOT) and not command.flags & CMD_ALLOW_BUSY:
        _reject_text(session, command, _busy_text(engine))
        return _refused(session, mark)
    if unlikely(engine.config.maxmemory != 0 or heap_is_short(&engine.heap)) and engine.busy == BUSY_NOT \
            and _memory_forbids(session, command, argv, argc, flags):
        _reject_text(session, command, b"OOM command not allowed when used memory > 'maxmemory'.")
        return _refused(session, mark)
    if unlikely(session.flags & (SESSION_SUBSCRIBED | SESSION_MONITOR)) and _is_out_of_place(session, command):
        return _refused(session, mark)
    if unlikely(engine.pause_kind != PAUSE_NONE) and _is_paused(session, _flags_with_script(session, command, argv, argc, flags)):
        session.flags |= SESSION_POSTPONED
        return EXECUTE_POSTPONED
    if unlikely(session.flags & SESSION_MULTI) and not _runs_inside_multi(command):
        if session_queue(session, command, argv, argc):
            session.queue_flags |= _flags_with_script(session, command, argv, argc, command.flags)
            reply_simple(&session.reply, b"QUEUED")
        else:
            _reject_text(session, command, b"OOM command not allowed when used memory > 'maxmemory'.")
        _after_command(session, mark)
        return EXECUTED
    session.call.flags = CALL_NO_TOUCH if session.flags & SESSION_NO_TOUCH else 0
    engine.current = session
    run_command(session, command, argv, argc, hashed, key_hash)
    if unlikely(session.call.block_keys != 0):
        return _wait(session, command, mark)
    if unlikely(session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) and _names(command, b"exec", 4):
        mark = session.reply.buffer.length      # EXEC has muted what is to be muted
    if unlikely(session.flags & SESSION_TRACKING) and session.tracking & TRACKING_CACHING:
        _end_caching(session, command)
    _after_command(session, mark)
    return EXECUTED


cdef void _end_caching(Session* session, const Command* command) noexcept nogil:
    """CLIENT CACHING is for the next command, or transaction."""
    if not session.flags & SESSION_MULTI and not (command.parent != NULL and _names(command.parent, b"client", 6)):
        session.tracking &= ~<uint32_t>TRACKING_CACHING


cdef void uncount_command(Session* session, const Command* command) noexcept nogil:
    session.engine.stats[command.id].calls -= 1
    session.engine.commands_processed -= 1
    session.commands -= 1


cdef Executed _wait(Session* session, const Command* command, size_t mark) noexcept nogil:
    """The command asked to wait. Until it is answered it counts as not executed."""
    cdef Engine* engine = session.engine
    cdef bint waits = engine.block != NULL and engine.block(session)
    session.call.block_keys = 0
    if not waits:
        error_memory(&session.call)
        return _refused(session, mark)
    uncount_command(session, command)
    engine.current = NULL
    take_inbox(session)
    if engine.keyspace.effect_count != 0 or engine.keyspace.chores != 0 or engine.keyspace.earliest_added_ms != INT64_MAX:
        act_on_effects(engine)
    return EXECUTE_BLOCKED


cdef Executed _refused(Session* session, size_t mark) noexcept nogil:
    if session.reply.buffer.length > mark:
        _count_error(session.engine, &session.reply, mark)
    _after_command(session, mark)
    return EXECUTED
