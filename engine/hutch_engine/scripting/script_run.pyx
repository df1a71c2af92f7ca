"""See script_run.pxd."""
from libc.math cimport isnan, signbit
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from hutch_engine.base.atomics cimport atomic_load32
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_shrink, buffer_slice)
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_give_way, lock_is_wanted, lock_release, signal_raise
from hutch_engine.base.memory cimport heap_is_short, heap_mend
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport CALL_IN_SCRIPT, CALL_NO_TOUCH
from hutch_engine.commands.command cimport CMD_WRITE, Command
from hutch_engine.commands.command_names cimport command_meant
from hutch_engine.commands.reply cimport reply_error, reply_mark, reply_ok, reply_rewind
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_now
from hutch_engine.scripting.conversion cimport (
    conversion_push_error_text, conversion_push_reply, conversion_write_error, conversion_write_reply)
from hutch_engine.scripting.lua_api cimport (
    LUA_GCCOLLECT, LUA_GCSTEP, LUA_MASKCOUNT, LUA_MASKLINE, LUA_REGISTRYINDEX, LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING,
    LUA_TTABLE, lua_Debug, lua_State, lua_createtable, lua_error, lua_gc, lua_getfield, lua_gettop, lua_isstring,
    lua_newuserdata, lua_pcall, lua_pop, lua_pushboolean, lua_pushlightuserdata, lua_pushlstring, lua_pushvalue,
    lua_rawgeti, lua_rawset, lua_rawseti, lua_replace, lua_sethook, lua_settop, lua_toboolean, lua_tolstring, lua_tonumber,
    lua_touserdata, lua_type)
from hutch_engine.scripting.state cimport (
    SCRIPT_ALLOW_OOM, SCRIPT_COMPATIBLE, SCRIPT_NO_WRITES, VM_BYTES_MAX, Interpreter, ScriptRun, Scripting, interpreter_of,
    scripting_of)
from hutch_engine.state.engine cimport (
    BUSY_EVAL, BUSY_FUNCTION, BUSY_NOT, DENIED_AT_SCRIPT, DENIED_NOT, SESSION_AUTHENTICATED, SESSION_EMBEDDED, SESSION_ERROR_COUNTED,
    SESSION_IN_SCRIPT, SESSION_NO_TOUCH, SESSION_OF_SCRIPTS, SESSION_RESTRICTED, Engine, Session, engine_wake_housekeeping, engine_set_busy)
from hutch_engine.sessions.session cimport session_select
from hutch_engine.sessions.transaction cimport session_discard
from hutch_engine.executor.eviction cimport evict_until_it_fits
from hutch_engine.executor.error_stats cimport error_stats_count
from hutch_engine.executor.admission cimport (
    ADMITTED, LIMIT_LIFTED, LIMIT_NO_MEMORY, LIMIT_READ_ONLY, REFUSED_ARITY, REFUSED_DISK, REFUSED_IN_SCRIPT, REFUSED_READ_ONLY,
    REFUSED_REPLICAS, REFUSED_RIGHTS, REFUSED_UNKNOWN, WAY_SCRIPT, Verdict, admission_disk_text, admission_judge,
    admission_replicas_text)
from hutch_engine.executor.aftermath cimport aftermath
from hutch_engine.executor.rights cimport rights_judge, rights_refused
from hutch_engine.executor.effects cimport effects_announce_new
from hutch_engine.executor.run cimport run_command

cdef extern from "<pthread.h>" nogil:
    unsigned long pthread_self() noexcept

cdef enum:
    WORDS_SMALL = 24                 # of a command, without a block of their own
    DIGITS_SMALL = 256               # bytes of their numbers
    EFFECTS_KEPT = 512               # a script that writes much has its effects seen to in between
    # Between two looks at the clock: as a rule some microseconds. Lua hashes long strings by a part of their bytes, so each
    # instruction that makes one of many alike may take milliseconds.
    HOOK_INSTRUCTIONS = 1000
    LET_IN_US = 1000                 # between two turns of the others
    SIGNALS_STEP_US = 20000          # between two looks at Python's signals
    RUNS_BETWEEN_STEPS = 50          # of the collector ...
    COLLECTOR_STEP = 50              # ... and their size
    KEPT_REPLY_BYTES = 65536
    MESSAGE_SHOWN = 100
    CODED_TEXT_MAX = 512             # longer than the longest of admission's
    RIGHTS_TEXT_BYTES = 512          # of an error that names a user


# ---- may it run?

cdef bint _is_short_of_memory(Engine* engine) noexcept nogil:
    """maxmemory is reached and eviction did not help, or the system itself has no more to give."""
    if likely(engine.config.maxmemory == 0 and not heap_is_short(&engine.heap)):
        return False
    if heap_is_short(&engine.heap) and not heap_mend(&engine.heap):
        return True
    return not evict_until_it_fits(engine)


cdef bint script_may_run(Session* caller, uint64_t flags, bint read_only) noexcept nogil:
    if flags & SCRIPT_COMPATIBLE:
        return True
    # The executor would refuse such a command before it runs; only here it is known what the script says of itself.
    if not flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES) and _is_short_of_memory(caller.engine):
        reply_error(&caller.reply, b"OOM command not allowed when used memory > 'maxmemory'.")
        return False
    if read_only and not flags & SCRIPT_NO_WRITES:
        reply_error(&caller.reply, b"ERR Can not execute a script with write flag using *_ro command.")
        return False
    return True


# ---- from its beginning to its end

cdef struct Prepared:                # what script_runner needs; on the C stack of script_run
    ScriptRun* run                   # NULL: collect garbage instead ...
    bint collect_all                 # ... all of it
    int reference
    Slice* keys
    size_t key_count
    Slice* arguments
    size_t argument_count
    bint counted                     # the error that is answered is in the statistics already


cdef inline void _push_list(lua_State* L, Slice* words, size_t count) noexcept nogil:
    cdef size_t i
    lua_createtable(L, <int>count, 0)
    for i in range(count):
        lua_pushlstring(L, words[i].data, words[i].length)
        lua_rawseti(L, -2, <int>(i + 1))


cdef int script_runner(lua_State* L) noexcept nogil:
    """Everything that may raise, down to the writing of the reply."""
    cdef Prepared* prepared = <Prepared*>lua_touserdata(L, 1)
    cdef ScriptRun* run = prepared.run
    cdef Interpreter* interpreter
    cdef int status
    if run == NULL:
        if prepared.collect_all:
            lua_gc(L, LUA_GCCOLLECT, 0)
        else:
            lua_gc(L, LUA_GCSTEP, COLLECTOR_STEP)
        return 0
    interpreter = run.interpreter
    lua_rawgeti(L, LUA_REGISTRYINDEX, interpreter.error_handler)
    if run.is_function:
        lua_rawgeti(L, LUA_REGISTRYINDEX, prepared.reference)
        _push_list(L, prepared.keys, prepared.key_count)
        _push_list(L, prepared.arguments, prepared.argument_count)
        status = lua_pcall(L, 2, 1, 2)
    else:
        lua_rawgeti(L, LUA_REGISTRYINDEX, interpreter.globals)
        lua_pushlstring(L, b"KEYS", 4)
        _push_list(L, prepared.keys, prepared.key_count)
        lua_rawset(L, 3)
        lua_pushlstring(L, b"ARGV", 4)
        _push_list(L, prepared.arguments, prepared.argument_count)
        lua_rawset(L, 3)
        lua_settop(L, 2)
        lua_rawgeti(L, LUA_REGISTRYINDEX, prepared.reference)
        status = lua_pcall(L, 0, 1, 2)
    if likely(status == 0):
        lua_replace(L, 2)            # as many slots below it as in Redis: how deep a reply may be hangs on that
        conversion_write_reply(L, &run.caller.reply, interpreter.scripting.session.reply.resp, &prepared.counted)
    else:
        _write_failure(L, run, &prepared.counted)
    return 0


cdef inline bint _text_field(lua_State* L, const char* name, Slice* text_out) noexcept nogil:
    """The field of the table at the top, left on the stack, as text."""
    lua_getfield(L, -1, name)
    if not lua_isstring(L, -1):
        lua_pop(L, 1)
        return False
    text_out[0] = slice_of_text(lua_tolstring(L, -1, NULL))      # a zero byte ends it, as in Redis
    return True


cdef void _write_failure(lua_State* L, ScriptRun* run, bint* counted_out) noexcept nogil:
    """The error on the top of the stack, with where it happened."""
    cdef int top = lua_gettop(L)
    cdef Slice message, source, line
    cdef Buffer text
    if lua_type(L, -1) != LUA_TTABLE:
        message = slice_of_text(b"execution failure")
        if lua_isstring(L, -1):
            message.data = lua_tolstring(L, -1, &message.length)
        if message.length > MESSAGE_SHOWN:
            message.length = MESSAGE_SHOWN
        buffer_init(&text, NULL)
        buffer_append_text(&text, b"ERR Error running script ")
        buffer_append_slice(&text, run.name)
        buffer_append_text(&text, b", ")
        buffer_append_slice(&text, message)
        conversion_write_error(&run.caller.reply, buffer_slice(&text))
        buffer_clear(&text)
        return
    # All that may raise first: the buffer is not Lua's.
    lua_getfield(L, top, b"ignore_error_stats_update")
    if lua_type(L, -1) == LUA_TBOOLEAN and lua_toboolean(L, -1):
        counted_out[0] = True
    lua_settop(L, top)
    if not _text_field(L, b"err", &message):
        message = slice_of_text(b"ERR unknown error")
        lua_pushvalue(L, top)
    lua_pushvalue(L, top)
    line.length = 0
    source.length = 0
    if _text_field(L, b"line", &line):
        lua_pushvalue(L, top)
        if not _text_field(L, b"source", &source):
            line.length = 0
    buffer_init(&text, NULL)
    buffer_append_slice(&text, message)
    if line.length:
        buffer_append_text(&text, b" script: ")
        buffer_append_slice(&text, run.name)
        buffer_append_text(&text, b", on ")
        buffer_append_slice(&text, source)
        buffer_append_text(&text, b":")
        buffer_append_slice(&text, line)
        buffer_append_text(&text, b".")
    conversion_write_error(&run.caller.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void script_run(ScriptRun* run, int reference, Slice* keys, size_t key_count, Slice* arguments,
                     size_t argument_count) noexcept nogil:
    cdef Interpreter* interpreter = run.interpreter
    cdef Scripting* scripting = interpreter.scripting
    cdef Session* caller = run.caller
    cdef Session* session = scripting.session
    cdef Engine* engine = caller.engine
    cdef lua_State* L = interpreter.L
    cdef size_t mark = reply_mark(&caller.reply)
    cdef bint serving = engine.execution.serving
    cdef uint64_t batch_ticks = engine.execution.batch_ticks
    cdef Prepared prepared
    prepared.run = run
    prepared.reference = reference
    prepared.keys = keys
    prepared.key_count = key_count
    prepared.arguments = arguments
    prepared.argument_count = argument_count
    prepared.counted = False
    run.wrote = False
    run.killed = False
    run.timed_out = False
    run.started_us = monotonic_us()
    run.started_ms = keyspace_now(&engine.keyspace)      # from here on, time stands still
    run.looked_us = run.started_us
    run.short_of_memory = _is_short_of_memory(engine)
    run.allow_oom = run.flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES) != 0 and not run.flags & SCRIPT_COMPATIBLE
    if run.flags & SCRIPT_NO_WRITES and not run.flags & SCRIPT_COMPATIBLE:
        run.read_only = True
    session_select(session, caller.database_index)
    session.reply.resp = 2
    session.flags = (session.flags & ~<uint32_t>SESSION_NO_TOUCH) | (caller.flags & SESSION_NO_TOUCH)
    if unlikely(engine.scripts.may_all):
        # What the last one did to the session it ran in: MULTI, WATCH, CLIENT REPLY, QUIT ...
        session_discard(session)
        session.inbox.length = 0
        session.flags &= SESSION_EMBEDDED | SESSION_AUTHENTICATED | SESSION_OF_SCRIPTS | SESSION_NO_TOUCH
    caller.flags |= SESSION_IN_SCRIPT
    engine.execution.batch_ticks = 0           # what Lua takes between two commands is no command's time
    engine.execution.serving = True            # whoever waits for a key is served when the script is over
    scripting.run = run
    run.thread = <uint64_t>pthread_self()
    lua_pushvalue(L, 1)              # script_runner: interpreters keep it at the bottom of their stack
    lua_pushlightuserdata(L, &prepared)
    if unlikely(lua_pcall(L, 1, 0, 0) != 0):
        # Lua ran out of memory outside of the script itself.
        reply_rewind(&caller.reply, mark)
        reply_error(&caller.reply, b"ERR not enough memory for the script or its reply")
    lua_settop(L, 1)
    scripting.run = NULL
    engine.execution.serving = serving
    engine.execution.batch_ticks = batch_ticks
    caller.flags &= ~<uint32_t>SESSION_IN_SCRIPT
    if prepared.counted:
        caller.flags |= SESSION_ERROR_COUNTED
    if unlikely(engine.waiting.ready_first != NULL) and engine.keyspace.earliest_added_ms > run.started_ms:
        engine.keyspace.earliest_added_ms = run.started_ms      # have the executor look at the effects
    _tidy(interpreter, run)


cdef void script_collect(Interpreter* interpreter) noexcept nogil:
    cdef lua_State* L = interpreter.L
    cdef Prepared prepared
    interpreter.runs_since_step += 1
    prepared.collect_all = interpreter.bytes > VM_BYTES_MAX // 2 or heap_is_short(&interpreter.engine.heap)
    if likely(interpreter.runs_since_step < RUNS_BETWEEN_STEPS and not prepared.collect_all):
        return
    interpreter.runs_since_step = 0
    # The collector allocates now and then, and so may raise.
    prepared.run = NULL
    lua_pushvalue(L, 1)
    lua_pushlightuserdata(L, &prepared)
    if lua_pcall(L, 1, 0, 0) != 0:
        lua_pop(L, 1)


cdef inline void _tidy(Interpreter* interpreter, ScriptRun* run) noexcept nogil:
    cdef Engine* engine = interpreter.engine
    cdef Session* session = interpreter.scripting.session
    script_collect(interpreter)
    if unlikely(session.reply.buffer.capacity > KEPT_REPLY_BYTES):
        session.reply.buffer.length = 0
        buffer_shrink(&session.reply.buffer, KEPT_REPLY_BYTES)
    if unlikely(run.timed_out or run.killed):
        lua_sethook(interpreter.L, script_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
        engine_set_busy(engine, BUSY_NOT)
        engine_wake_housekeeping(engine)
        if run.caller.served != NULL:
            signal_raise(run.caller.served)     # threads that wait for their turn in this session


# ---- its commands

cdef int _fail(lua_State* L, const char* error, bint counted, bint raises) noexcept nogil:
    conversion_push_error_text(L, error, counted)
    return lua_error(L) if raises else 1


cdef inline size_t _spell(double number, char* out) noexcept nogil:
    """A number as a word, as Redis 8.2 spells it: digits when it is whole and not too big, else the shortest text that
    reads back as it."""
    if number > -4611686018427387904.0 and number < 4611686018427387904.0 and <double><int64_t>number == number:
        return format_integer(<int64_t>number, out)
    if isnan(number):
        return _copied(out, b"-nan", 4) if signbit(number) else _copied(out, b"nan", 3)
    return format_double(number, out)


cdef inline size_t _copied(char* out, const char* text, size_t length) noexcept nogil:
    memcpy(out, text, length)
    return length


cdef bint _words(lua_State* L, int count, Slice* argv, char* digits, size_t* digits_used, bint small) noexcept nogil:
    """The arguments as words: strings are borrowed from the stack, numbers spelled into `digits`."""
    cdef int i, type
    for i in range(count):
        type = lua_type(L, i + 1)
        if likely(type == LUA_TSTRING):
            argv[i].data = lua_tolstring(L, i + 1, &argv[i].length)
        elif type == LUA_TNUMBER:
            argv[i].data = digits + digits_used[0]
            argv[i].length = _spell(lua_tonumber(L, i + 1), digits + digits_used[0])
            digits_used[0] += argv[i].length
        else:
            return False
    return True


cdef int _refuse(lua_State* L, Engine* engine, const Command* command, Verdict verdict, bint raises) noexcept nogil:
    """It did not come to run: counted as Redis counts it, an error that the caller of the script need not be told of
    a second time."""
    cdef char[CODED_TEXT_MAX] coded
    cdef const char* error = coded
    cdef Slice text
    if verdict == REFUSED_DISK or verdict == REFUSED_REPLICAS:
        # With codes of their own, as clients get them.
        snprintf(coded, sizeof(coded), b"-%s", admission_disk_text(engine) if verdict == REFUSED_DISK else admission_replicas_text())
    else:
        error = _refusal(verdict)
    text = slice_of_text(error)
    if command != NULL:
        engine.statistics.commands[command.id].rejected += 1
    if text.data[0] == c'-':
        error_stats_count(engine, slice_of(text.data + 1, text.length - 1))
    else:
        error_stats_count(engine, slice_of_text(b"ERR"))
    return _fail(L, error, True, raises)


cdef int _refuse_rights(lua_State* L, Session* session, const Command* command, const Slice* argv, size_t argc,
                        bint raises) noexcept nogil:
    """The error's text goes through an array of fixed size: what Lua raises would not come back to free a buffer."""
    cdef char[RIGHTS_TEXT_BYTES] error
    cdef Buffer text
    cdef size_t length, i
    cdef uint8_t denied
    session.engine.statistics.commands[command.id].rejected += 1
    buffer_init(&text, NULL)
    rights_refused(session, command, argv, argc, DENIED_AT_SCRIPT, &denied, &text)
    length = <size_t>snprintf(error, sizeof(error), b"ACL failure in script: %.*s", <int>text.length, text.data)
    buffer_clear(&text)
    for i in range(length if length < RIGHTS_TEXT_BYTES else RIGHTS_TEXT_BYTES - 1):
        if error[i] == c'\r' or error[i] == c'\n':
            error[i] = c' '
    error_stats_count(session.engine, slice_of_text(b"ERR"))
    return _fail(L, error, True, raises)


cdef const char* _refusal(Verdict verdict) noexcept nogil:
    """What a script is told."""
    if verdict == REFUSED_UNKNOWN:
        return b"Unknown Redis command called from script"
    if verdict == REFUSED_ARITY:
        return b"Wrong number of args calling Redis command from script"
    if verdict == REFUSED_IN_SCRIPT:
        return b"This Redis command is not allowed from script"
    if verdict == REFUSED_READ_ONLY:
        return b"Write commands are not allowed from read-only scripts."
    return b"-OOM command not allowed when used memory > 'maxmemory'."


cdef inline uint32_t _limits(const Engine* engine, const ScriptRun* run) noexcept nogil:
    return ((LIMIT_READ_ONLY if run.read_only else 0)
            | (LIMIT_NO_MEMORY if run.short_of_memory and not run.allow_oom and not run.wrote else 0)
            | (LIMIT_LIFTED if engine.scripts.may_all else 0))


cdef int script_command(lua_State* L, bint raises) noexcept nogil:
    cdef Interpreter* interpreter = interpreter_of(L)
    cdef Scripting* scripting = interpreter.scripting
    cdef ScriptRun* run = scripting.run
    cdef Engine* engine = interpreter.engine
    cdef Session* session = scripting.session
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Slice small[WORDS_SMALL]
    cdef char digits[WORDS_SMALL * DOUBLE_TEXT_MAX]
    cdef Slice* argv = small
    cdef char* spelled = digits
    cdef size_t used = 0
    cdef int count = lua_gettop(L)
    cdef const Command* command
    cdef Verdict verdict
    if unlikely(count == 0):
        return _fail(L, b"Please specify at least one argument for this redis lib call", False, raises)
    if unlikely(count > WORDS_SMALL):
        argv = <Slice*>lua_newuserdata(L, <size_t>count * (sizeof(Slice) + DOUBLE_TEXT_MAX))
        spelled = <char*>(argv + count)
    if unlikely(not _words(L, count, argv, spelled, &used, count <= WORDS_SMALL)):
        return _fail(L, b"Lua redis lib command arguments must be strings or integers", False, raises)
    command = command_meant(&engine.config.names, argv, <size_t>count)
    # The rights are the caller's, as they are now: somebody may have changed them while the script let others in.
    session.user = run.caller.user
    session.call.keys_limited = False
    session.flags = session.flags & ~<uint32_t>SESSION_RESTRICTED | run.caller.flags & SESSION_RESTRICTED
    verdict = admission_judge(session, command, argv, <size_t>count, WAY_SCRIPT, _limits(engine, run))
    if unlikely(verdict == REFUSED_RIGHTS):
        return _refuse_rights(L, session, command, argv, <size_t>count, raises)
    if unlikely(verdict != ADMITTED):
        return _refuse(L, engine, command, verdict, raises)
    if command.flags & CMD_WRITE:
        run.wrote = True
    session.reply.buffer.length = 0
    session.call.flags = CALL_IN_SCRIPT | (CALL_NO_TOUCH if session.flags & SESSION_NO_TOUCH else 0)
    run_command(session, command, argv, <size_t>count, False, 0)
    session.call.block_keys = 0
    effects_announce_new(engine)         # in the order of the commands
    if unlikely(keyspace.effect_count > EFFECTS_KEPT):
        aftermath(engine)
    if unlikely(session.reply.buffer.failed):
        session.reply.buffer.failed = False
        return _fail(L, b"-OOM no memory for the reply of a command", True, raises)
    if unlikely(session.reply.buffer.length == 0):
        lua_pushboolean(L, 0)            # CLIENT REPLY OFF, where it may be called (_may_all)
        return 1
    conversion_push_reply(L, session.reply.buffer.data, session.reply.buffer.data + session.reply.buffer.length)
    if unlikely(session.reply.buffer.data[0] == c'-') and raises:
        return lua_error(L)
    return 1


cdef int script_may_user_run(lua_State* L) noexcept nogil:
    cdef Engine* engine = interpreter_of(L).engine
    cdef ScriptRun* run = interpreter_of(L).scripting.run        # NULL while a library is being loaded
    cdef const Command* command
    cdef size_t at
    cdef Slice small[WORDS_SMALL]
    cdef char digits[WORDS_SMALL * DOUBLE_TEXT_MAX]
    cdef Slice* argv = small
    cdef char* spelled = digits
    cdef size_t used = 0
    cdef int count = lua_gettop(L)
    if count == 0:
        return _fail(L, b"Please specify at least one argument for this redis lib call", False, True)
    if count > WORDS_SMALL:
        argv = <Slice*>lua_newuserdata(L, <size_t>count * (sizeof(Slice) + DOUBLE_TEXT_MAX))
        spelled = <char*>(argv + count)
    if not _words(L, count, argv, spelled, &used, count <= WORDS_SMALL):
        return _fail(L, b"Lua redis lib command arguments must be strings or integers", False, True)
    command = command_meant(&engine.config.names, argv, <size_t>count)
    if command == NULL:
        return _fail(L, b"Invalid command passed to redis.acl_check_cmd()", False, True)
    lua_pushboolean(L, run == NULL or not run.caller.flags & SESSION_RESTRICTED
                    or rights_judge(run.caller.user, command, argv, <size_t>count, &at) == DENIED_NOT)
    return 1


# ---- long ones

cdef int _killed(lua_State* L) noexcept nogil:
    # From now on before every line, so that no pcall of the script gets the better of it.
    lua_sethook(L, script_hook, LUA_MASKLINE, 0)
    # Functions, too: Redis has one text for both.
    return _fail(L, b"Script killed by user with SCRIPT KILL...", False, True)


cdef void _let_others_in(ScriptRun* run) noexcept nogil:
    """Give the lock away for a moment. What belongs to the running script's time and batch is as before afterwards."""
    cdef Engine* engine = run.caller.engine
    cdef int64_t now_ms = engine.keyspace.now_ms
    cdef int64_t keyspace_us = engine.keyspace.now_us
    cdef uint32_t access_clock = engine.keyspace.access_clock
    cdef uint64_t batch_ticks = engine.execution.batch_ticks
    cdef Session* current = engine.execution.current
    cdef int64_t now_us
    cdef bint stop
    engine.execution.batch_ticks = 0
    if lock_is_wanted(&engine.lock):
        lock_give_way(&engine.lock)
    if not run.caller.flags & SESSION_EMBEDDED:
        if engine.scripts.serve_others != NULL:
            # We are the listener's thread: nobody else reads its sockets.
            lock_release(&engine.lock)
            stop = engine.scripts.serve_others(engine)
            lock_acquire(&engine.lock)
            run.killed = run.killed or stop
    elif engine.scripts.look_at_signals != NULL:
        now_us = monotonic_us()
        if now_us - run.looked_us > SIGNALS_STEP_US:
            run.looked_us = now_us
            # Python's lock is never waited for with the engine's in our hands.
            lock_release(&engine.lock)
            stop = engine.scripts.look_at_signals()
            lock_acquire(&engine.lock)
            run.killed = run.killed or (stop and not run.wrote)
    engine.keyspace.now_ms = now_ms
    engine.keyspace.now_us = keyspace_us
    engine.keyspace.access_clock = access_clock
    engine.execution.batch_ticks = batch_ticks
    engine.execution.current = current             # the script's caller: it cannot end before its script


cdef inline bint _must_stop(Engine* engine, ScriptRun* run) noexcept nogil:
    """What it runs in is about to end, whether it has written or not."""
    return atomic_load32(&engine.scripts.stop) != 0 or (not run.caller.flags & SESSION_EMBEDDED and atomic_load32(&engine.scripts.stop_of_sockets) != 0)


cdef void script_hook(lua_State* L, lua_Debug* record) noexcept nogil:
    cdef Scripting* scripting = interpreter_of(L).scripting
    cdef ScriptRun* run = scripting.run
    cdef Engine* engine = scripting.engine
    cdef int64_t threshold_ms = engine.config.busy_reply_threshold_ms
    cdef int64_t now_us
    if run == NULL:
        if scripting.loading != NULL and monotonic_us() > scripting.loading_until_us:
            lua_sethook(L, script_hook, LUA_MASKLINE, 0)
            _fail(L, b"FUNCTION LOAD timeout", False, True)
        return
    if run.killed or _must_stop(engine, run):
        run.killed = True
        _killed(L)
        return
    now_us = monotonic_us()
    if not run.timed_out:
        if threshold_ms <= 0 or now_us - run.started_us < threshold_ms * 1000:
            return
        run.timed_out = True
        engine_set_busy(engine, BUSY_FUNCTION if run.is_function else BUSY_EVAL)
    elif now_us - run.let_in_us < LET_IN_US:
        return
    _let_others_in(run)
    run.let_in_us = monotonic_us()
    if run.killed or _must_stop(engine, run):
        run.killed = True
        _killed(L)


cdef bint script_is_of_this_thread(Engine* engine) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine)
    return scripting != NULL and scripting.run != NULL and scripting.run.thread == <uint64_t>pthread_self()


cdef void script_kill(Session* session, bint of_function) noexcept nogil:
    cdef Scripting* scripting = scripting_of(session.engine)
    cdef ScriptRun* run = scripting.run if scripting != NULL else NULL
    if run == NULL:
        reply_error(&session.reply, b"NOTBUSY No scripts in execution right now.")
    elif run.wrote:
        reply_error(&session.reply, b"UNKILLABLE Sorry the script already executed write commands against the dataset. "
                    b"You can either wait the script termination or kill the server in a hard way using the SHUTDOWN "
                    b"NOSAVE command.")
    elif of_function and not run.is_function:
        reply_error(&session.reply, b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
                                    b"NOSAVE.")
    elif not of_function and run.is_function:
        reply_error(&session.reply, b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
                                    b"NOSAVE.")
    else:
        run.killed = True
        reply_ok(&session.reply)
