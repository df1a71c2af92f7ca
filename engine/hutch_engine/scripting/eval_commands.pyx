"""See eval_commands.pxd.

A script is known by its SHA-1, and found by its text without computing one: a small direct-mapped table from the
text's hash, checked against the text itself, is asked first. What EVAL compiled is evicted when more than 500 others
have run since; what SCRIPT LOAD brought stays.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport Buffer, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.hash cimport hash_bytes
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_bytes, sha1_hex
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_equals, slice_of
from hutch_engine.commands.call cimport Call, call_help, call_word, error_not_integer
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_error, reply_error_slice, reply_integer, reply_ok)
from hutch_engine.scripting.interpreter cimport interpreter_close, interpreter_ready
from hutch_engine.scripting.lua_api cimport (
    LUA_REGISTRYINDEX, lua_State, lua_cpcall, lua_error, lua_gettop, lua_isstring, lua_settop, lua_tolstring,
    lua_touserdata, luaL_ref)
from hutch_engine.scripting.sandbox cimport sandbox_compile, sandbox_forget
from hutch_engine.scripting.script_run cimport script_collect, script_kill, script_may_run, script_run
from hutch_engine.scripting.shebang cimport Shebang, shebang_read
from hutch_engine.scripting.state cimport (
    DIGEST_LENGTH, SCRIPT_COMPATIBLE, TEXT_SLOTS, Interpreter, Script, ScriptRun, Scripting, script_text,
    scripting_of)
from hutch_engine.state.engine cimport Engine, engine_of, session_of
from hutch_engine.structures.table cimport (
    TableSlot, table_clear, table_count, table_each, table_find, table_hash, table_insert, table_remove)

cdef enum:
    EVICTABLE_MAX = 500


# ---- the cache

cdef inline Slice _digest(const Script* script) noexcept nogil:
    return slice_of(script.digest, DIGEST_LENGTH)


cdef Script* _find_digest(Scripting* scripting, Slice digest) noexcept nogil:
    """By its SHA-1 in any case."""
    cdef char[DIGEST_LENGTH] lower
    cdef Slice name
    cdef TableSlot slot
    cdef size_t i
    if digest.length != DIGEST_LENGTH:
        return NULL
    for i in range(DIGEST_LENGTH):
        lower[i] = ascii_lower(digest.data[i])
    name = slice_of(lower, DIGEST_LENGTH)
    slot = table_find(&scripting.scripts, name, table_hash(&scripting.scripts, name))
    return <Script*>slot[0] if slot != NULL else NULL


cdef inline void _unlink(Scripting* scripting, Script* script) noexcept nogil:
    if script.newer != NULL:
        script.newer.older = script.older
    else:
        scripting.newest = script.older
    if script.older != NULL:
        script.older.newer = script.newer
    else:
        scripting.oldest = script.newer


cdef inline void _link_newest(Scripting* scripting, Script* script) noexcept nogil:
    script.newer = NULL
    script.older = scripting.newest
    if scripting.newest != NULL:
        scripting.newest.newer = script
    else:
        scripting.oldest = script
    scripting.newest = script


cdef inline void _used(Scripting* scripting, Script* script) noexcept nogil:
    if not script.loaded and scripting.newest != script:
        _unlink(scripting, script)
        _link_newest(scripting, script)


cdef inline void _figures(Scripting* scripting) noexcept nogil:
    scripting.engine.scripts.figures.scripts = table_count(&scripting.scripts)
    scripting.engine.scripts.figures.scripts_bytes = scripting.scripts_bytes


cdef void _forget(Scripting* scripting, Script* script) noexcept nogil:
    """Out of the cache, and what it was compiled to becomes garbage."""
    cdef uint64_t hash = table_hash(&scripting.scripts, _digest(script))
    if not script.loaded:
        _unlink(scripting, script)
        scripting.evictable -= 1
    if scripting.by_text[script.text_hash % TEXT_SLOTS] == script:
        scripting.by_text[script.text_hash % TEXT_SLOTS] = NULL
    table_remove(&scripting.scripts, table_find(&scripting.scripts, _digest(script), hash), hash)
    if scripting.eval.L != NULL:
        sandbox_forget(scripting.eval.L, script.reference)
    scripting.scripts_bytes -= script.block_bytes
    heap_free(&scripting.engine.heap, script, script.block_bytes)


cdef struct Compiling:                   # what _compile needs and gives
    Slice text                           # behind the shebang line
    int reference
    bint compiled


cdef int _compile(lua_State* L) noexcept nogil:
    """Leaves a reference to the function, or the error's text at the top."""
    cdef Compiling* compiling = <Compiling*>lua_touserdata(L, 1)
    if sandbox_compile(L, compiling.text, b"@user_script") != 0:
        return lua_error(L)
    compiling.reference = luaL_ref(L, LUA_REGISTRYINDEX)
    compiling.compiled = True
    return 0


cdef bint _compiled(Call* call, Interpreter* interpreter, Slice text, int* reference_out) noexcept nogil:
    """False after the error was written."""
    cdef lua_State* L = interpreter.L
    cdef int top = lua_gettop(L)
    cdef Compiling compiling
    cdef Buffer error
    cdef Slice message
    compiling.text = text
    compiling.compiled = False
    if lua_cpcall(L, _compile, &compiling) == 0 and compiling.compiled:
        reference_out[0] = compiling.reference
        lua_settop(L, top)
        return True
    buffer_init(&error, NULL)
    buffer_append_text(&error, b"ERR Error compiling script (new function): ")
    message.length = 0
    message.data = lua_tolstring(L, -1, &message.length) if lua_isstring(L, -1) else NULL
    _append(&error, message)
    lua_settop(L, top)
    reply_error_slice(call.reply, buffer_slice(&error))
    buffer_clear(&error)
    script_collect(interpreter)
    return False


cdef inline void _append(Buffer* buffer, Slice text) noexcept nogil:
    """As C's printf does: up to a zero byte."""
    if text.data != NULL:
        buffer_append_text(buffer, text.data)


cdef Script* _make(Call* call, Interpreter* interpreter, Slice text, uint64_t text_hash, const char* digest, bint loaded) noexcept nogil:
    """Compile and keep; NULL after an error."""
    cdef Scripting* scripting = interpreter.scripting
    cdef Engine* engine = interpreter.engine
    cdef Shebang shebang
    cdef Buffer storage, error
    cdef Script* script
    cdef int reference
    cdef bint read
    cdef size_t bytes = sizeof(Script) + text.length
    buffer_init(&storage, NULL)
    buffer_init(&error, NULL)
    read = shebang_read(text, &shebang, &storage, &error)
    if not read:
        reply_error_slice(call.reply, buffer_slice(&error))
    buffer_clear(&storage)
    buffer_clear(&error)
    # The line's end stays, so that lines keep their numbers.
    if not read or not _compiled(call, interpreter, slice_of(text.data + shebang.length, text.length - shebang.length), &reference):
        return NULL
    while not loaded and scripting.evictable >= EVICTABLE_MAX:
        engine.scripts.figures.scripts_evicted += 1
        _forget(scripting, scripting.oldest)
    script = <Script*>heap_try_alloc(&engine.heap, bytes)
    if script == NULL:
        sandbox_forget(interpreter.L, reference)
        reply_error(call.reply, b"OOM no memory to keep the script")
        return NULL
    memset(script, 0, sizeof(Script))
    script.flags = shebang.flags
    script.reference = reference
    script.digest_length = DIGEST_LENGTH
    memcpy(script.digest, digest, DIGEST_LENGTH)
    script.loaded = loaded
    script.text_hash = text_hash
    script.text_length = text.length
    script.block_bytes = bytes
    if text.length:
        memcpy(<char*>script + sizeof(Script), text.data, text.length)
    table_insert(&scripting.scripts, script, table_hash(&scripting.scripts, _digest(script)))
    scripting.by_text[text_hash % TEXT_SLOTS] = script
    scripting.scripts_bytes += bytes
    if not loaded:
        scripting.evictable += 1
        _link_newest(scripting, script)
    _figures(scripting)
    return script


cdef inline bint _is_of(const Script* script, uint64_t text_hash, Slice text) noexcept nogil:
    return (script != NULL and script.text_hash == text_hash
            and slice_equals(slice_of(script_text(script), script.text_length), text))


cdef Script* _script_of(Call* call, Interpreter* interpreter, Slice text, bint loaded) noexcept nogil:
    """The script with this text, compiled if it is new; NULL after an error."""
    cdef Scripting* scripting = interpreter.scripting
    cdef uint64_t text_hash = hash_bytes(&interpreter.engine.keyspace.hash_key, text.data, text.length)
    cdef Script* script = scripting.by_text[text_hash % TEXT_SLOTS]
    cdef unsigned char[SHA1_BYTES] bytes
    cdef char[DIGEST_LENGTH] digest
    if not _is_of(script, text_hash, text):
        sha1_bytes(text, bytes)
        sha1_hex(bytes, digest)
        script = _find_digest(scripting, slice_of(digest, DIGEST_LENGTH))
        if script == NULL:
            return _make(call, interpreter, text, text_hash, digest, loaded)
        scripting.by_text[text_hash % TEXT_SLOTS] = script
    if loaded and not script.loaded:
        _unlink(scripting, script)
        scripting.evictable -= 1
        script.loaded = True
    return script


# ---- EVAL

cdef bint _key_count(Call* call, size_t* count_out) noexcept nogil:
    cdef int64_t count
    if not parse_integer(call.argv[2], &count):
        error_not_integer(call)
        return False
    if count > <int64_t>(call.argc - 3):
        reply_error(call.reply, b"ERR Number of keys can't be greater than number of args")
        return False
    if count < 0:
        reply_error(call.reply, b"ERR Number of keys can't be negative")
        return False
    count_out[0] = <size_t>count
    return True


cdef void _run(Call* call, Interpreter* interpreter, Script* script, size_t keys, bint read_only) noexcept nogil:
    cdef ScriptRun run
    if not script_may_run(session_of(call), script.flags, read_only):
        return
    _used(interpreter.scripting, script)
    run.interpreter = interpreter
    run.caller = session_of(call)
    run.flags = script.flags
    run.is_function = False
    run.read_only = read_only
    run.name = _digest(script)
    run.argv = call.argv
    run.argc = call.argc
    script_run(&run, script.reference, call.argv + 3, keys, call.argv + 3 + keys, call.argc - 3 - keys)


cdef void _eval(Call* call, bint read_only) noexcept nogil:
    cdef Interpreter* interpreter
    cdef Script* script
    cdef size_t keys
    if not _key_count(call, &keys):
        return
    interpreter = interpreter_ready(session_of(call), False)
    if interpreter == NULL:
        return
    script = _script_of(call, interpreter, call.argv[1], False)
    if script != NULL:
        _run(call, interpreter, script, keys, read_only)


cdef void _evalsha(Call* call, bint read_only) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef Interpreter* interpreter
    cdef Script* script
    cdef size_t keys
    if call.argv[1].length != DIGEST_LENGTH:
        reply_error(call.reply, b"NOSCRIPT No matching script. Please use EVAL.")
        return
    if not _key_count(call, &keys):
        return
    script = _find_digest(scripting, call.argv[1]) if scripting != NULL else NULL
    if script == NULL:
        reply_error(call.reply, b"NOSCRIPT No matching script. Please use EVAL.")
        return
    interpreter = interpreter_ready(session_of(call), False)
    if interpreter != NULL:
        _run(call, interpreter, script, keys, read_only)


cdef void cmd_eval(Call* call) noexcept nogil:
    _eval(call, False)


cdef void cmd_evalsha(Call* call) noexcept nogil:
    _evalsha(call, False)


cdef void cmd_eval_ro(Call* call) noexcept nogil:
    _eval(call, True)


cdef void cmd_evalsha_ro(Call* call) noexcept nogil:
    _evalsha(call, True)


cdef uint32_t eval_script_flags(Engine* engine, Slice* argv, bint by_digest) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine)
    cdef Script* script
    cdef Shebang shebang
    cdef Buffer storage, error
    if by_digest:
        script = _find_digest(scripting, argv[1]) if scripting != NULL else NULL
        return script.flags if script != NULL else SCRIPT_COMPATIBLE
    buffer_init(&storage, NULL)
    buffer_init(&error, NULL)
    if not shebang_read(argv[1], &shebang, &storage, &error):
        shebang.flags = SCRIPT_COMPATIBLE
    buffer_clear(&storage)
    buffer_clear(&error)
    return shebang.flags


# ---- SCRIPT

cdef void cmd_script_load(Call* call) noexcept nogil:
    cdef Interpreter* interpreter = interpreter_ready(session_of(call), False)
    cdef Script* script
    if interpreter == NULL:
        return
    script = _script_of(call, interpreter, call.argv[2], True)
    if script != NULL:
        reply_bulk(call.reply, _digest(script))


cdef void cmd_script_exists(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef size_t i
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        reply_integer(call.reply, scripting != NULL and _find_digest(scripting, call.argv[i]) != NULL)


cdef void cmd_script_show(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef Script* script = _find_digest(scripting, call.argv[2]) if scripting != NULL else NULL
    if script == NULL:
        reply_error(call.reply, b"NOSCRIPT No matching script. Please use EVAL.")
    else:
        reply_bulk(call.reply, slice_of(script_text(script), script.text_length))


cdef bint _free_script(void* context, void* entry) noexcept nogil:
    cdef Scripting* scripting = <Scripting*>context
    heap_free(&scripting.engine.heap, entry, (<Script*>entry).block_bytes)
    return True


cdef void cmd_script_flush(Call* call) noexcept nogil:
    """ASYNC and SYNC are one: an interpreter with 500 scripts is gone in a millisecond."""
    cdef Scripting* scripting = scripting_of(engine_of(call))
    if call.argc > 3 or (call.argc == 3 and not call_word(call, 2, b"ASYNC") and not call_word(call, 2, b"SYNC")):
        reply_error(call.reply, b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
        return
    if scripting != NULL:
        table_each(&scripting.scripts, _free_script, scripting)
        table_clear(&scripting.scripts)
        memset(scripting.by_text, 0, sizeof(scripting.by_text))
        scripting.newest = NULL
        scripting.oldest = NULL
        scripting.evictable = 0
        scripting.scripts_bytes = 0
        interpreter_close(&scripting.eval)
        _figures(scripting)
    reply_ok(call.reply)


cdef void cmd_script_kill(Call* call) noexcept nogil:
    script_kill(session_of(call), False)


cdef void cmd_script_debug(Call* call) noexcept nogil:
    if call_word(call, 2, b"NO"):
        reply_ok(call.reply)
    elif call_word(call, 2, b"YES") or call_word(call, 2, b"SYNC"):
        reply_error(call.reply, b"ERR Hutch has no debugger for scripts")
    else:
        reply_error(call.reply, b"ERR Use SCRIPT DEBUG YES/SYNC/NO")


cdef const char* script_help[14]
script_help[:] = [
    b"DEBUG (YES|SYNC|NO)",
    b"    Set the debug mode for subsequent scripts executed.",
    b"EXISTS <sha1> [<sha1> ...]",
    b"    Return information about the existence of the scripts in the script cache.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Flush the Lua scripts cache. Very dangerous on replicas.",
    b"    When called without the optional mode argument, the behavior is determined by the",
    b"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    b"    * ASYNC: Asynchronously flush the scripts cache.",
    b"    * SYNC: Synchronously flush the scripts cache.",
    b"KILL",
    b"    Kill the currently executing Lua script.",
    b"LOAD <script>",
    b"    Load a script into the scripts cache without executing it.",
]


cdef void cmd_script_help(Call* call) noexcept nogil:
    call_help(call, script_help, 14)
