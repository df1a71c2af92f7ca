"""See interpreter.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport buffer_clear, buffer_init
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport (
    Heap, heap_alloc, heap_free, heap_is_short, heap_mend, heap_try_alloc, heap_try_resize, heap_try_zeroed)
from hutch_engine.commands.reply cimport reply_error
from hutch_engine.scripting.bit cimport lua_open_bit
from hutch_engine.scripting.cjson cimport lua_open_cjson
from hutch_engine.scripting.cmsgpack cimport lua_open_cmsgpack
from hutch_engine.scripting.function_api cimport function_api_open
from hutch_engine.scripting.lua_api cimport (
    LUA_MASKCOUNT, LUA_REGISTRYINDEX, lua_State, lua_api_is_loaded, lua_api_load, lua_close, lua_cpcall, lua_newstate,
    lua_pushcfunction, lua_rawgeti, lua_sethook, lua_settop, luaL_ref, lua_touserdata)
from hutch_engine.scripting.redis_library cimport redis_library_open
from hutch_engine.scripting.sandbox cimport sandbox_close, sandbox_error_handler, sandbox_open_libraries
from hutch_engine.scripting.script_run cimport script_hook, script_runner
from hutch_engine.scripting.struct cimport lua_open_struct
from hutch_engine.scripting.state cimport (
    NAMED_KEY_OFFSET, SCRIPT_KEY_OFFSET, VM_BYTES_MAX, Interpreter, Script, Scripting)
from hutch_engine.state.engine cimport SESSION_AUTHENTICATED, SESSION_EMBEDDED, SESSION_OF_SCRIPTS, Engine, Session
from hutch_engine.structures.table cimport table_clear, table_each, table_init

cdef enum:
    HOOK_INSTRUCTIONS = 1000
    HEADER_BYTES = 8
    HEADED_BYTES = 720               # the smallest stack there is, and ...
    FIRST_STACK_BYTES = 720          # ... every new one: 45 slots of 16 bytes
    FIRST_CALLS_BYTES = 320          # 8 records of calls, of 40 bytes
    STACK_SPARE_MAX = 1024 * 16
    STACK_EXTRA_BYTES = 16 * 16      # what Lua pushes without looking, which it reckons with inside the stack


# ---- memory
#
# A block of HEADED_BYTES and more has a word in front: its true size, and whether it is a stack of Lua values. Stacks get
# room behind their end, because Lua 5.1.5 writes there (CVE-2014-5461): calling a function with fixed parameters and
# `...` it makes sure of the function's slots only, then moves these by the arguments that are missing. A frame may so
# end past the stack by as many slots as were asked for, and the next call grows the stack too little by as many; never by
# more slots than the stack has, nor by more than a few functions' parameters (there are up to 200), since a stack of
# 500 slots grows by more than any function takes. What lies there moves along with the stack.

cdef inline size_t _raw_bytes(size_t size, bint is_stack) noexcept nogil:
    """What a headed block of `size` takes, a multiple of 8."""
    cdef size_t spare = 0
    if is_stack:
        spare = (size if size < STACK_SPARE_MAX else STACK_SPARE_MAX) + STACK_EXTRA_BYTES
    return (HEADER_BYTES + size + spare + 7) & ~<size_t>7


cdef inline void* _with_header(char* raw, size_t raw_bytes, bint is_stack) noexcept nogil:
    if raw == NULL:
        return NULL
    (<uint64_t*>raw)[0] = raw_bytes | <uint64_t>is_stack
    return raw + HEADER_BYTES


cdef inline uint64_t* _header(void* block) noexcept nogil:
    return <uint64_t*>(<char*>block - HEADER_BYTES)


cdef inline void _release(Heap* heap, void* block, size_t size) noexcept nogil:
    if size < HEADED_BYTES:
        heap_free(heap, block, size)
    else:
        heap_free(heap, _header(block), _header(block)[0] & ~<uint64_t>1)


cdef void* _new_block(Interpreter* interpreter, size_t size) noexcept nogil:
    cdef Heap* heap = &interpreter.engine.heap
    # A new stack is the block after that of its calls; another pair of such blocks is only given too much.
    cdef bint is_stack = size == FIRST_STACK_BYTES and interpreter.last_new_bytes == FIRST_CALLS_BYTES
    interpreter.last_new_bytes = size
    if size < HEADED_BYTES:
        return heap_try_alloc(heap, size)
    interpreter.has_stack = interpreter.has_stack or is_stack
    return _with_header(<char*>heap_try_alloc(heap, _raw_bytes(size, is_stack)), _raw_bytes(size, is_stack), is_stack)


cdef void* _resized(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """NULL when there is no memory; hardly ever when the block shrinks, on which Lua counts."""
    cdef bint is_stack
    cdef uint64_t raw_bytes
    cdef void* found
    if old_size >= HEADED_BYTES and new_size >= HEADED_BYTES:
        is_stack = _header(block)[0] & 1
        raw_bytes = _header(block)[0] & ~<uint64_t>1
        found = heap_try_resize(heap, _header(block), raw_bytes, _raw_bytes(new_size, is_stack))
        if found != NULL:
            return _with_header(<char*>found, _raw_bytes(new_size, is_stack), is_stack)
        return block if new_size <= old_size else NULL       # its header knows how big it is
    if old_size < HEADED_BYTES and new_size < HEADED_BYTES:
        return heap_try_resize(heap, block, old_size, new_size)
    if new_size < HEADED_BYTES:
        found = heap_alloc(heap, new_size)       # it shrinks, and gives more back
    else:
        found = _with_header(<char*>heap_try_alloc(heap, _raw_bytes(new_size, False)), _raw_bytes(new_size, False), False)
    if found != NULL:
        memcpy(found, block, old_size if old_size < new_size else new_size)
        _release(heap, block, old_size)
    return found


cdef void* _allocate(void* context, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """Lua's allocator: blocks of the engine's heap, counted, and refused past a bound or when memory is short. Lua
    collects what it can and tries once more, then the script ends with "not enough memory"."""
    cdef Interpreter* interpreter = <Interpreter*>context
    cdef Heap* heap = &interpreter.engine.heap
    cdef uint64_t before = heap.used_bytes
    cdef void* found = NULL
    if new_size == 0:
        if block != NULL:
            _release(heap, block, old_size)
    elif likely(new_size <= old_size or (interpreter.bytes + new_size - old_size <= VM_BYTES_MAX and not heap_is_short(heap))):
        if block == NULL:
            found = _new_block(interpreter, new_size)
        else:
            found = _resized(heap, block, old_size, new_size)
    interpreter.bytes += heap.used_bytes - before
    if interpreter.for_functions:
        interpreter.engine.scripts.figures.functions_vm_bytes = interpreter.bytes
    else:
        interpreter.engine.scripts.figures.eval_vm_bytes = interpreter.bytes
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
    lua_pushcfunction(L, script_runner)
    interpreter.runner = luaL_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef bint _start(Scripting* scripting, Interpreter* interpreter, bint for_functions) noexcept nogil:
    memset(interpreter, 0, sizeof(Interpreter))
    interpreter.engine = scripting.engine
    interpreter.scripting = scripting
    interpreter.for_functions = for_functions
    interpreter.L = lua_newstate(_allocate, interpreter)
    if interpreter.L == NULL:
        return False
    if not interpreter.has_stack:        # a Lua whose stacks we do not know: none of it may run
        interpreter_close(interpreter)
        return False
    if lua_cpcall(interpreter.L, _open, interpreter) != 0:
        interpreter_close(interpreter)
        return False
    # From the registry: to make a closure here may raise, and outside of a protected call that ends the process.
    lua_settop(interpreter.L, 0)
    lua_rawgeti(interpreter.L, LUA_REGISTRYINDEX, interpreter.runner)
    lua_sethook(interpreter.L, script_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    return True


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
    buffer_init(&session.certificate_name, NULL)
    return session


cdef bint _free_script(void* context, void* entry) noexcept nogil:
    heap_free(&(<Engine*>context).heap, entry, (<Script*>entry).block_bytes)
    return True


cdef void scripting_free(Engine* engine) noexcept nogil:
    cdef Scripting* scripting = <Scripting*>engine.scripts.interpreters
    if scripting == NULL:
        return
    table_each(&scripting.scripts, _free_script, engine)
    table_clear(&scripting.scripts)
    if scripting.free_libraries != NULL:
        scripting.free_libraries(scripting)
    interpreter_close(&scripting.eval)
    interpreter_close(&scripting.functions)
    buffer_clear(&scripting.session.reply.buffer)
    heap_free(&engine.heap, scripting.session, sizeof(Session))
    engine.scripts.interpreters = NULL
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
    engine.scripts.interpreters = scripting
    return scripting


cdef Scripting* scripting_ready(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Scripting* scripting = <Scripting*>engine.scripts.interpreters
    cdef char[400] reason
    cdef char[600] text
    if likely(scripting != NULL):
        return scripting
    if not lua_api_is_loaded():
        if engine.scripts.lua_path == NULL:
            reply_error(&session.reply, b"ERR scripts need Lua 5.1, which the package lupa brings along: "
                                        b"pip install lupa")
            return NULL
        if not lua_api_load(engine.scripts.lua_path, reason, sizeof(reason)):
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
    if unlikely(heap_is_short(&session.engine.heap)):
        heap_mend(&session.engine.heap)      # Lua gets nothing from a short heap
    if likely(interpreter.L != NULL):
        return interpreter
    if not _start(scripting, interpreter, for_functions):
        reply_error(&session.reply, b"OOM no memory for an interpreter")
        return NULL
    return interpreter
