"""See admission.pxd. The order of the questions is Redis's."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport heap_is_short, heap_mend
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.commands.command cimport (
    ACL_SCRIPTING, CMD_ALLOW_BUSY, CMD_DENYOOM, CMD_FOR_SUBSCRIBERS, CMD_LOADING, CMD_MAY_REPLICATE, CMD_NEEDS_DISK, CMD_NO_AUTH,
    CMD_NO_MULTI, CMD_NOSCRIPT, CMD_PROTECTED, CMD_READONLY, CMD_RUNS_IN_MULTI, CMD_RUNS_QUEUE, CMD_WRITE, Command, command_takes)
from hutch_engine.commands.command_names cimport command_named
from hutch_engine.commands.reply cimport reply_error_slice
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.eviction cimport evict_until_it_fits
from hutch_engine.executor.rights cimport rights_allow, rights_refused
from hutch_engine.sessions.transaction cimport session_discard
from hutch_engine.state.config cimport ENABLE_LOCAL, ENABLE_YES, Config
from hutch_engine.state.engine cimport (
    BUSY_EVAL, BUSY_NOT, DENIED_AT_MULTI, DENIED_AT_TOPLEVEL, PAUSE_ALL, PAUSE_NONE, SESSION_CLOSE_NOW, SESSION_DIRTY_EXEC,
    SESSION_EMBEDDED, SESSION_MONITOR, SESSION_RESTRICTED,
    GATE_DISK_LOG, GATE_DISK_SNAPSHOT, GATE_REPLICAS, SESSION_MULTI, SESSION_REPLICA, SESSION_SUBSCRIBED, SESSION_UNIX_SOCKET, Engine, Session,
    engine_end_pause,
    session_is_authenticated)

cdef enum:
    NAME_SHOWN = 128             # bytes of a client's words that an error repeats

cdef const char* NO_MEMORY = b"OOM command not allowed when used memory > 'maxmemory'."       # also where an error's own text found no room


# ---- judging

cdef inline uint64_t _flags(Session* session, const Command* command, Slice* argv, size_t argc, Way way) noexcept nogil:
    """EXEC is judged by what it would run, and a script by what its first line says of writing and memory."""
    if unlikely(command.flags & CMD_RUNS_QUEUE):
        return command.flags | session.queue_flags
    if unlikely(command.acl_categories & ACL_SCRIPTING) and command.parent == NULL and argv != NULL \
            and session.engine.scripts.flags_of_script != NULL:
        return session.engine.scripts.flags_of_script(session, command, argv, argc)
    return command.flags


cdef uint64_t admission_flags(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    return _flags(session, command, argv, argc, WAY_CLIENT)


cdef bint _is_local(const Session* session) noexcept nogil:
    cdef Slice address = buffer_slice(&session.address)
    if session.flags & SESSION_UNIX_SOCKET:
        return True
    return (address.length > 4 and memcmp(address.data, b"127.", 4) == 0) or \
        (address.length > 4 and memcmp(address.data, b"::1:", 4) == 0) or \
        (address.length > 6 and memcmp(address.data, b"[::1]:", 6) == 0)


cdef bint admission_enables(const Session* session, int64_t setting) noexcept nogil:
    return setting == ENABLE_YES or (setting == ENABLE_LOCAL and _is_local(session))


cdef bint _protected_is_allowed(Session* session, const Command* command) noexcept nogil:
    """DEBUG, and MODULE's subcommands. A caller in the process may debug: the engine is its own."""
    cdef const Config* config = &session.engine.config
    cdef int64_t setting = config.enable_debug_command
    if command.parent != NULL:
        setting = config.enable_module_command
    elif session.flags & SESSION_EMBEDDED:
        return True
    return admission_enables(session, setting)


cdef bint admission_finds_memory(Session* session, const Command* command, Slice* argv, size_t argc, Way way) noexcept nogil:
    cdef Engine* engine = session.engine
    if unlikely(heap_is_short(&engine.heap)) and not heap_mend(&engine.heap):
        # The system itself has no more to give. What is in the middle of something may still do what needs none.
        if way == WAY_CLIENT or way == WAY_SERVED:
            return not _flags(session, command, argv, argc, way) & CMD_DENYOOM
        return command.flags & (CMD_DENYOOM | CMD_WRITE) != CMD_DENYOOM | CMD_WRITE
    # EXEC and scripts are judged as a whole, before their first command.
    if way == WAY_QUEUE or way == WAY_SCRIPT or likely(engine.config.maxmemory == 0) or evict_until_it_fits(engine):
        return True
    return not _flags(session, command, argv, argc, way) & CMD_DENYOOM


cdef bint _is_paused(Session* session, const Command* command, Slice* argv, size_t argc, Way way) noexcept nogil:
    cdef Engine* engine = session.engine
    if clock_now_ms(&engine.clock) >= engine.pause.end_ms:
        engine_end_pause(engine)
        return False
    if session.flags & SESSION_REPLICA:
        return False
    return engine.pause.kind == PAUSE_ALL or (_flags(session, command, argv, argc, way) & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0


cdef Verdict _judge_for_script(Session* session, const Command* command, const Slice* argv, size_t argc, uint32_t limits) noexcept nogil:
    # The commands of scripts stay out in any case: they would run, or free, the interpreter that runs this one.
    if unlikely(command.flags & CMD_NOSCRIPT) and (not limits & LIMIT_LIFTED or command.acl_categories & ACL_SCRIPTING):
        return REFUSED_IN_SCRIPT
    if unlikely(session.flags & SESSION_RESTRICTED) and not rights_allow(session, command, argv, argc):
        return REFUSED_RIGHTS
    if unlikely(limits & LIMIT_READ_ONLY) and command.flags & (CMD_WRITE | CMD_MAY_REPLICATE):
        return REFUSED_READ_ONLY
    return ADMITTED


cdef Verdict _judge_client(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef Engine* engine = session.engine
    if unlikely(command.flags & CMD_PROTECTED) and not _protected_is_allowed(session, command):
        return REFUSED_PROTECTED
    if unlikely(not session_is_authenticated(session)) and not command.flags & CMD_NO_AUTH:
        return REFUSED_PASSWORD
    if unlikely(session.flags & SESSION_MULTI) and command.flags & CMD_NO_MULTI:
        return REFUSED_IN_MULTI
    if unlikely(session.flags & SESSION_RESTRICTED) and not rights_allow(session, command, argv, argc):
        return REFUSED_RIGHTS
    if unlikely(engine.scripts.busy != BUSY_NOT) and not command.flags & CMD_ALLOW_BUSY:
        return REFUSED_BUSY
    return ADMITTED


cdef Verdict _judge_place(const Session* session, const Command* command) noexcept nogil:
    """What a RESP2 subscriber, and a monitor, cannot ask for."""
    if session.flags & SESSION_MONITOR and command.flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE):
        return REFUSED_TO_MONITOR
    if session.flags & SESSION_SUBSCRIBED and session.reply.resp < 3 and not command.flags & CMD_FOR_SUBSCRIBERS:
        return REFUSED_TO_SUBSCRIBER
    return ADMITTED


cdef Verdict admission_judge(Session* session, const Command* command, Slice* argv, size_t argc, Way way,
                             uint32_t limits) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Verdict verdict = ADMITTED
    if unlikely(engine.execution.trial != NULL):
        engine.execution.trial.admissions += 1
    if way == WAY_CLIENT or way == WAY_SCRIPT:
        if unlikely(command == NULL):
            return REFUSED_UNKNOWN
        if unlikely(not command_takes(command, argc)):
            return REFUSED_ARITY
        verdict = (_judge_client(session, command, argv, argc) if way == WAY_CLIENT
                   else _judge_for_script(session, command, argv, argc, limits))
        if unlikely(verdict != ADMITTED):
            return verdict
        if unlikely(engine.persistence.loading) and not command.flags & CMD_LOADING:
            return REFUSED_LOADING
    elif unlikely(session.flags & SESSION_RESTRICTED) and not rights_allow(session, command, argv, argc):
        return REFUSED_RIGHTS        # what was queued, or has waited: the user's rights are other ones by now
    if unlikely(engine.config.maxmemory != 0 or heap_is_short(&engine.heap)) and (engine.scripts.busy == BUSY_NOT or way != WAY_CLIENT) \
            and not admission_finds_memory(session, command, argv, argc, way):
        return REFUSED_MEMORY
    if unlikely(engine.execution.gate & (GATE_DISK_LOG | GATE_DISK_SNAPSHOT)) and way != WAY_QUEUE and (
            _flags(session, command, argv, argc, way) & CMD_WRITE or (way == WAY_CLIENT and command.flags & CMD_NEEDS_DISK)):
        return REFUSED_DISK
    if unlikely(engine.execution.gate & GATE_REPLICAS) and way != WAY_QUEUE \
            and _flags(session, command, argv, argc, way) & CMD_WRITE:
        return REFUSED_REPLICAS
    # (limits are a script's, of which Redis asks about memory last.)
    if unlikely(limits & LIMIT_NO_MEMORY) and command.flags & CMD_DENYOOM:
        return REFUSED_MEMORY
    if way == WAY_CLIENT and unlikely(session.flags & (SESSION_SUBSCRIBED | SESSION_MONITOR)):
        verdict = _judge_place(session, command)
        if verdict != ADMITTED:
            return verdict
    if unlikely(engine.pause.kind != PAUSE_NONE) and (way == WAY_CLIENT or way == WAY_SERVED) \
            and _is_paused(session, command, argv, argc, way):
        return ADMIT_LATER
    if way == WAY_CLIENT and unlikely(session.flags & SESSION_MULTI) and not command.flags & CMD_RUNS_IN_MULTI:
        return ADMIT_TO_QUEUE
    return ADMITTED


# ---- refusing

cdef inline Slice _shown(Slice word) noexcept nogil:
    """What printf's %.128s would print of it."""
    cdef size_t length = word.length if word.length < NAME_SHOWN else NAME_SHOWN
    cdef const void* end = memchr(word.data, 0, length) if length else NULL
    return slice_of(word.data, <size_t>(<const char*>end - word.data) if end != NULL else length)


cdef void _unknown_command(const Engine* engine, Slice* argv, size_t argc, Buffer* text) noexcept nogil:
    cdef const Command* container = command_named(&engine.config.names, argv[0])
    cdef size_t i, room
    cdef Slice word
    cdef size_t args_start
    if container != NULL:
        buffer_append_text(text, b"ERR unknown subcommand '")
        buffer_append_slice(text, _shown(argv[1]))
        buffer_append_text(text, b"'. Try ")
        _append_upper(text, argv[0])
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


cdef void _append_upper(Buffer* text, Slice name) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(name.length):
        c = name.data[i]
        if 97 <= c <= 122:
            c -= 32
        buffer_append(text, &c, 1)


cdef void _refuse(Session* session, const Command* command, Slice error) noexcept nogil:
    """`error` begins with its code. EXEC that does not run says so, and ends its transaction."""
    cdef Buffer text
    session.flags |= SESSION_DIRTY_EXEC if session.flags & SESSION_MULTI else 0
    if command != NULL:
        session.engine.statistics.commands[command.id].rejected += 1
    if command != NULL and command.flags & CMD_RUNS_QUEUE:
        if error.length > 4 and memcmp(error.data, b"ERR ", 4) == 0:
            error = slice_of(error.data + 4, error.length - 4)
        buffer_init(&text, NULL)
        buffer_append_text(&text, b"EXECABORT Transaction discarded because of: ")
        buffer_append_slice(&text, error)
        session_discard(session)
        reply_error_slice(&session.reply, slice_of_text(NO_MEMORY) if text.failed else buffer_slice(&text))
        buffer_clear(&text)
        return
    reply_error_slice(&session.reply, error)


cdef void _write_protected(const Command* command, Buffer* text) noexcept nogil:
    cdef const Command* named = command.parent if command.parent != NULL else command
    buffer_append_text(text, b"ERR ")
    _append_upper(text, slice_of(named.name, named.name_length))
    buffer_append_text(text, b" command not allowed. If the enable-")
    buffer_append(text, named.name, named.name_length)
    buffer_append_text(text, b"-command option is set to \"local\", you can run it from a local connection, otherwise you "
                             b"need to set this option in the configuration file, and then restart the server.")


cdef void _write_named(const Command* command, const char* before, const char* after, Buffer* text) noexcept nogil:
    buffer_append_text(text, before)
    buffer_append(text, command.name, command.name_length)
    buffer_append_text(text, after)


cdef const char* admission_disk_text(const Engine* engine) noexcept nogil:
    if engine.execution.gate & GATE_DISK_SNAPSHOT:
        return (b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands "
                b"that may modify the data set are disabled, because this instance is configured to report errors during "
                b"writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for "
                b"details about the RDB error.")
    return engine.journaling.log_error


cdef const char* admission_replicas_text() noexcept nogil:
    return b"NOREPLICAS Not enough good replicas to write."


cdef const char* _text_of(const Engine* engine, Verdict verdict) noexcept nogil:
    if verdict == REFUSED_PASSWORD:
        return b"NOAUTH Authentication required."
    if verdict == REFUSED_IN_MULTI:
        return b"ERR Command not allowed inside a transaction"
    if verdict == REFUSED_BUSY and engine.scripts.busy == BUSY_EVAL:
        return b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    if verdict == REFUSED_BUSY:
        return b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
    if verdict == REFUSED_LOADING:
        return b"LOADING Redis is loading the dataset in memory"
    if verdict == REFUSED_TO_MONITOR:
        return b"ERR Replica can't interact with the keyspace"
    if verdict == REFUSED_DISK:
        return admission_disk_text(engine)
    if verdict == REFUSED_REPLICAS:
        return admission_replicas_text()
    return NO_MEMORY


cdef void admission_refuse(Session* session, const Command* command, Slice* argv, size_t argc, Verdict verdict) noexcept nogil:
    cdef Buffer text
    cdef uint8_t denied
    cdef size_t mark = session.reply.buffer.length
    if verdict == REFUSED_UNKNOWN and not session.flags & SESSION_EMBEDDED and (slice_is(argv[0], b"post") or slice_is(argv[0], b"host:")):
        # A web page that talks to this port: Redis hangs up without an answer, to what came before as well.
        session.flags |= SESSION_CLOSE_NOW
        return
    buffer_init(&text, NULL)
    if verdict == REFUSED_UNKNOWN:
        _unknown_command(session.engine, argv, argc, &text)
    elif verdict == REFUSED_ARITY:
        _write_named(command, b"ERR wrong number of arguments for '", b"' command", &text)
    elif verdict == REFUSED_RIGHTS:
        buffer_append_text(&text, b"NOPERM ")
        rights_refused(session, command, argv, argc, DENIED_AT_MULTI if session.flags & SESSION_MULTI else DENIED_AT_TOPLEVEL,
                       &denied, &text)
    elif verdict == REFUSED_PROTECTED:
        _write_protected(command, &text)
    elif verdict == REFUSED_TO_SUBSCRIBER:
        _write_named(command, b"ERR Can't execute '", b"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                                                    b"in this context", &text)
    else:
        buffer_append_text(&text, _text_of(session.engine, verdict))
    _refuse(session, command, slice_of_text(NO_MEMORY) if text.failed else buffer_slice(&text))
    buffer_clear(&text)
    if session.reply.buffer.length > mark:
        error_stats_count(session.engine, slice_of(session.reply.buffer.data + mark + 1, session.reply.buffer.length - mark - 1))
