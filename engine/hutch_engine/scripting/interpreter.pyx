"""See interpreter.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset
from hutch_engine.base.buffer cimport buffer_clear, buffer_init
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.memory cimport (
    Heap, heap_free, heap_is_short, heap_try_alloc, heap_try_resize, heap_try_zeroed)
from hutch_engine.commands.reply cimport reply_error
from hutch_engine.scripting.bit cimport lua_open_bit
from hutch_engine.scripting.cjson cimport lua_open_cjson
from hutch_engine.scripting.cmsgpack cimport lua_open_cmsgpack
from hutch_engine.scripting.function_api cimport function_api_open
from hutch_engine.scripting.lua_api cimport (
    LUA_MASKCOUNT, LUA_REGISTRYINDEX, lua_State, lua_api_is_loaded, lua_api_load, lua_close, lua_cpcall, lua_newstate,
    lua_pushcfunction, lua_sethook, lua_settop, luaL_ref, luaL_unref, lua_touserdata)
from hutch_engine.scripting.redis_library cimport redis_library_open
from hutch_engine.scripting.sandbox cimport sandbox_close, sandbox_error_handler, sandbox_open_libraries
from hutch_engine.scripting.script_run cimport script_hook, script_runner
from hutch_engine.scripting.struct cimport lua_open_struct
from hutch_engine.scripting.state cimport (
    NAMED_KEY_OFFSET, SCRIPT_KEY_OFFSET, VM_BYTES_MAX, Interpreter, Script, Scripting)
from hutch_engine.server.engine cimport SESSION_AUTHENTICATED, SESSION_EMBEDDED, SESSION_OF_SCRIPTS, Engine, Session
from hutch_engine.structures.table cimport table_clear, table_each, table_init

cdef enum:
    HOOK_INSTRUCTIONS = 100000


# ---- memory

cdef void* _allocate(void* context, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """Lua's allocator: blocks of the engine's heap, counted, and refused past a bound or when memory is short. Lua
    collects what it can and tries once more, then the script ends with "not enough memory"."""
    cdef Interpreter* interpreter = <Interpreter*>context
    cdef Heap* heap = &interpreter.engine.heap
    cdef uint64_t before = heap.used_bytes
    cdef void* found = NULL
    if new_size == 0:
        if block != NULL:
            heap_free(heap, block, old_size)
    elif likely(new_size <= old_size or (interpreter.bytes + new_size - old_size <= VM_BYTES_MAX and not heap_is_short(heap))):
        if block == NULL:
            found = heap_try_alloc(heap, new_size)
        else:
            found = heap_try_resize(heap, block, old_size, new_size)
            if found == NULL and new_size <= old_size:
                found = block            # Lua counts on shrinking: the block is just bigger than it knows
    interpreter.bytes += heap.used_bytes - before
    if interpreter.for_functions:
        interpreter.engine.script_figures.functions_vm_bytes = interpreter.bytes
    else:
        interpreter.engine.script_figures.eval_vm_bytes = interpreter.bytes
    return found


# ---- the interpreter

cdef int _open(lua_State* L) noexcept nogil:
    cdef Interpreter* interpreter = <Interpreter*>lua_touserdata(L, 1)
    sandbox_open_libraries(interpreter)
    lua_open_cjson(L)
    lua_open_cmsgpack(L)
    lua_open_struct(L)
    lua_open_bit(L)
    redis_library_open(interpreter)
    sandbox_close(interpreter)
    if interpreter.for_functions:
        function_api_open(interpreter)
    lua_pushcfunction(L, sandbox_error_handler)
    interpreter.error_handler = luaL_ref(L, LUA_REGISTRYINDEX)
    # The list of free references, so that giving one back later allocates nothing: nobody protects that.
    lua_pushcfunction(L, script_runner)
    luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX))
    return 0


cdef bint _start(Scripting* scripting, Interpreter* interpreter, bint for_functions) noexcept nogil:
    memset(interpreter, 0, sizeof(Interpreter))
    interpreter.engine = scripting.engine
    interpreter.scripting = scripting
    interpreter.for_functions = for_functions
    interpreter.L = lua_newstate(_allocate, interpreter)
    if interpreter.L == NULL:
        return False
    if lua_cpcall(interpreter.L, _open, interpreter) != 0 or lua_cpcall(interpreter.L, _push_runner, NULL) != 0:
        interpreter_close(interpreter)
        return False
    lua_settop(interpreter.L, 0)
    lua_pushcfunction(interpreter.L, script_runner)
    lua_sethook(interpreter.L, script_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    return True


cdef int _push_runner(lua_State* L) noexcept nogil:
    # Have the memory for one more closure at hand: what follows is not protected.
    lua_pushcfunction(L, script_runner)
    return 0


cdef void interpreter_close(Interpreter* interpreter) noexcept nogil:
    if interpreter.L != NULL:
        lua_close(interpreter.L)
        interpreter.L = NULL


# ---- all of it

cdef Session* _session_of_scripts(Engine* engine) noexcept nogil:
    """A session that no list knows: scripts run their commands as it."""
    cdef Session* session = <Session*>heap_try_zeroed(&engine.heap, 1, sizeof(Session))
    if session == NULL:
        return NULL
    session.engine = engine
    session.flags = SESSION_EMBEDDED | SESSION_AUTHENTICATED | SESSION_OF_SCRIPTS
    session.fd = -1
    session.queue_end = &session.queue
    session.reply.resp = 2
    session.call.keyspace = &engine.keyspace
    session.call.reply = &session.reply
    session.call.session = session
    session.call.database = &engine.keyspace.databases[0]
    buffer_init(&session.reply.buffer, &engine.client_bytes)
    buffer_init(&session.name, NULL)
    buffer_init(&session.library_name, NULL)
    buffer_init(&session.library_version, NULL)
    buffer_init(&session.address, NULL)
    buffer_init(&session.local_address, NULL)
    return session


cdef bint _free_script(void* context, void* entry) noexcept nogil:
    heap_free(&(<Engine*>context).heap, entry, (<Script*>entry).block_bytes)
    return True


cdef void _free(Engine* engine) noexcept nogil:
    """Engine.free_scripting."""
    cdef Scripting* scripting = <Scripting*>engine.scripting
    table_each(&scripting.scripts, _free_script, engine)
    table_clear(&scripting.scripts)
    if scripting.free_libraries != NULL:
        scripting.free_libraries(scripting)
    interpreter_close(&scripting.eval)
    interpreter_close(&scripting.functions)
    buffer_clear(&scripting.session.reply.buffer)
    heap_free(&engine.heap, scripting.session, sizeof(Session))
    engine.scripting = NULL
    heap_free(&engine.heap, scripting, sizeof(Scripting))


cdef Scripting* _make(Engine* engine) noexcept nogil:
    cdef Scripting* scripting = <Scripting*>heap_try_zeroed(&engine.heap, 1, sizeof(Scripting))
    if scripting == NULL:
        return NULL
    scripting.engine = engine
    scripting.session = _session_of_scripts(engine)
    if scripting.session == NULL:
        heap_free(&engine.heap, scripting, sizeof(Scripting))
        return NULL
    scripting.random_state = 0x1234ABCD330EULL
    table_init(&scripting.scripts, &engine.heap, &engine.keyspace.hash_key, SCRIPT_KEY_OFFSET)
    table_init(&scripting.libraries, &engine.heap, &engine.keyspace.hash_key, NAMED_KEY_OFFSET)
    table_init(&scripting.function_table, &engine.heap, &engine.keyspace.hash_key, NAMED_KEY_OFFSET)
    engine.scripting = scripting
    engine.free_scripting = _free
    return scripting


cdef Scripting* scripting_ready(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Scripting* scripting = <Scripting*>engine.scripting
    cdef char[400] reason
    cdef char[600] text
    if likely(scripting != NULL):
        return scripting
    if not lua_api_is_loaded():
        if engine.lua_path == NULL:
            reply_error(&session.reply, b"ERR scripts need Lua 5.1, which the package lupa brings along: "
                                        b"pip install lupa")
            return NULL
        if not lua_api_load(engine.lua_path, reason, sizeof(reason)):
            snprintf(text, sizeof(text), b"ERR the Lua 5.1 of the package lupa cannot be used (%s): pip install lupa",
                     reason)
            reply_error(&session.reply, text)
            return NULL
    scripting = _make(engine)
    if scripting == NULL:
        reply_error(&session.reply, b"OOM no memory for scripts")
    return scripting


cdef Interpreter* interpreter_ready(Session* session, bint for_functions) noexcept nogil:
    cdef Scripting* scripting = scripting_ready(session)
    cdef Interpreter* interpreter
    if scripting == NULL:
        return NULL
    interpreter = &scripting.functions if for_functions else &scripting.eval
    if likely(interpreter.L != NULL):
        return interpreter
    if not _start(scripting, interpreter, for_functions):
        reply_error(&session.reply, b"OOM no memory for an interpreter")
        return NULL
    return interpreter
