"""See function_api.pxd."""
from libc.stdint cimport uint32_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is
from hutch_engine.scripting.conversion cimport conversion_push_error_text
from hutch_engine.scripting.lua_api cimport (
    LUA_MASKCOUNT, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL, LUA_TSTRING, LUA_TTABLE, lua_State, lua_cpcall, lua_error,
    lua_gettop, lua_isstring, lua_next, lua_newtable, lua_pcall, lua_pop, lua_pushcfunction, lua_pushlstring, lua_pushnil,
    lua_pushvalue, lua_rawget, lua_rawgeti, lua_replace, lua_setfield, lua_sethook, lua_settop, lua_tolstring,
    lua_touserdata, lua_type, luaL_ref)
from hutch_engine.scripting.redis_library cimport redis_library_open_loading
from hutch_engine.scripting.sandbox cimport sandbox_compile, sandbox_forget, sandbox_push_proxy, sandbox_refuse_unknown
from hutch_engine.scripting.script_run cimport script_collect, script_hook
from hutch_engine.scripting.shebang cimport shebang_flag, shebang_is_name
from hutch_engine.scripting.state cimport Function, Interpreter, Library, interpreter_of

cdef enum:
    LOAD_TIME_US = 500000
    HOOK_INSTRUCTIONS = 1000


cdef void function_api_forget(Interpreter* interpreter, Function* function) noexcept nogil:
    if interpreter.L != NULL:
        sandbox_forget(interpreter.L, function.reference)
    buffer_clear(&function.name)
    buffer_clear(&function.description)
    heap_free(&interpreter.engine.heap, function, sizeof(Function))


# ---- redis.register_function

cdef inline int _raise(lua_State* L, const char* text) noexcept nogil:
    conversion_push_error_text(L, text, False)
    return lua_error(L)


cdef inline Slice _text(lua_State* L, int index) noexcept nogil:
    cdef Slice text
    text.length = 0
    text.data = lua_tolstring(L, index, &text.length)
    return text


cdef struct Registration:                # indices on the stack; 0: not given
    int name
    int callback
    int description
    uint32_t flags


cdef int _read_flags(lua_State* L, int index, uint32_t* flags) noexcept nogil:
    """1 when all of them are known; else 0."""
    cdef int i = 1
    cdef bint known
    if lua_type(L, index) != LUA_TTABLE:
        return _raise(L, b"flags argument to redis.register_function must be a table representing function flags")
    while True:
        lua_rawgeti(L, index, i)
        if lua_type(L, -1) == LUA_TNIL:
            lua_pop(L, 1)
            return 1
        known = lua_isstring(L, -1) and shebang_flag(_text(L, -1), flags)
        lua_pop(L, 1)
        if not known:
            return _raise(L, b"unknown flag given")
        i += 1


cdef void _read_named(lua_State* L, Registration* registration) noexcept nogil:
    """The table at 1: values are left on the stack, from index 2 on."""
    cdef Slice key
    cdef int value
    lua_settop(L, 1)
    lua_pushnil(L)                       # 2: name
    lua_pushnil(L)                       # 3: callback
    lua_pushnil(L)                       # 4: description
    lua_pushnil(L)
    while lua_next(L, 1):
        value = lua_gettop(L)
        if not lua_isstring(L, value - 1):
            _raise(L, b"named argument key given to redis.register_function is not a string")
        lua_pushvalue(L, value - 1)      # a number as key stays a number
        key = _text(L, -1)
        if slice_is(key, b"function_name"):
            if not lua_isstring(L, value):
                _raise(L, b"function_name argument given to redis.register_function must be a string")
            _keep(L, value, 2)
            registration.name = 2
        elif slice_is(key, b"description"):
            if not lua_isstring(L, value):
                _raise(L, b"description argument given to redis.register_function must be a string")
            _keep(L, value, 4)
            registration.description = 4
        elif slice_is(key, b"callback"):
            if lua_type(L, value) != LUA_TFUNCTION:
                _raise(L, b"callback argument given to redis.register_function must be a function")
            _keep(L, value, 3)
            registration.callback = 3
        elif slice_is(key, b"flags"):
            _read_flags(L, value, &registration.flags)
        else:
            _raise(L, b"unknown argument given to redis.register_function")
        lua_settop(L, value - 1)
    if registration.name == 0:
        _raise(L, b"redis.register_function must get a function name argument")
    if registration.callback == 0:
        _raise(L, b"redis.register_function must get a callback argument")


cdef inline void _keep(lua_State* L, int value, int slot) noexcept nogil:
    lua_pushvalue(L, value)
    lua_replace(L, slot)


cdef int _register_function(lua_State* L) noexcept nogil:
    cdef Interpreter* interpreter = interpreter_of(L)
    cdef Library* library = interpreter.scripting.loading
    cdef Registration registration
    cdef Function* function
    cdef Function** end
    cdef int reference
    cdef int count = lua_gettop(L)
    memset(&registration, 0, sizeof(Registration))
    if library == NULL:
        return _raise(L, b"redis.register_function can only be called on FUNCTION LOAD command")
    if count < 1 or count > 2:
        return _raise(L, b"wrong number of arguments to redis.register_function")
    if count == 1:
        if lua_type(L, 1) != LUA_TTABLE:
            return _raise(L, b"calling redis.register_function with a single argument is only applicable to Lua table "
                             b"(representing named arguments).")
        _read_named(L, &registration)
    else:
        if not lua_isstring(L, 1):
            return _raise(L, b"first argument to redis.register_function must be a string")
        if lua_type(L, 2) != LUA_TFUNCTION:
            return _raise(L, b"second argument to redis.register_function must be a function")
        registration.name = 1
        registration.callback = 2
    if not shebang_is_name(_text(L, registration.name)):
        return _raise(L, b"Library names can only contain letters, numbers, or underscores(_) and must be at least one "
                         b"character long")
    end = &library.functions
    while end[0] != NULL:
        if slice_equals(buffer_slice(&end[0].name), _text(L, registration.name)):
            return _raise(L, b"Function already exists in the library")
        end = &end[0].next
    lua_pushvalue(L, registration.callback)
    reference = luaL_ref(L, LUA_REGISTRYINDEX)
    # From here on nothing raises before all is in the library's hands.
    function = <Function*>heap_try_alloc(&interpreter.engine.heap, sizeof(Function))
    if function == NULL:
        sandbox_forget(L, reference)
        return _raise(L, b"no memory for the function")
    memset(function, 0, sizeof(Function))
    function.library = library
    function.reference = reference
    function.flags = registration.flags
    buffer_init(&function.name, &interpreter.engine.client_bytes)
    buffer_init(&function.description, &interpreter.engine.client_bytes)
    buffer_append_slice(&function.name, _text(L, registration.name))
    if registration.description:
        function.has_description = True
        buffer_append_slice(&function.description, _text(L, registration.description))
    if function.name.failed or function.description.failed:
        function_api_forget(interpreter, function)
        return _raise(L, b"no memory for the function")
    end[0] = function
    library.function_count += 1
    return 0


# ---- loading

cdef void function_api_open(Interpreter* interpreter) noexcept nogil:
    cdef lua_State* L = interpreter.L
    lua_newtable(L)
    redis_library_open_loading(L)
    lua_pushcfunction(L, _register_function)
    lua_setfield(L, -2, b"register_function")
    sandbox_refuse_unknown(L)
    sandbox_push_proxy(L, interpreter, lua_gettop(L))
    lua_setfield(L, -3, b"redis")
    lua_pop(L, 1)
    sandbox_refuse_unknown(L)
    interpreter.load_globals = luaL_ref(L, LUA_REGISTRYINDEX)


cdef struct Loading:
    Slice text
    bint compiled


cdef void _see(lua_State* L, Interpreter* interpreter, int globals) noexcept nogil:
    """What the proxy of the globals looks up in. Allocates nothing, hence raises nothing: the field is there already, and
    its name is one that Lua never collects."""
    lua_rawgeti(L, LUA_REGISTRYINDEX, interpreter.globals_metatable)
    lua_rawgeti(L, LUA_REGISTRYINDEX, globals)
    lua_setfield(L, -2, b"__index")
    lua_pop(L, 1)


cdef int _load(lua_State* L) noexcept nogil:
    cdef Loading* loading = <Loading*>lua_touserdata(L, 1)
    cdef Interpreter* interpreter = interpreter_of(L)
    lua_rawgeti(L, LUA_REGISTRYINDEX, interpreter.error_handler)
    if sandbox_compile(L, loading.text, b"@user_function") != 0:
        return lua_error(L)
    loading.compiled = True
    _see(L, interpreter, interpreter.load_globals)
    if lua_pcall(L, 0, 0, 2) != 0:
        # Here, where it may raise: the text that the error handler put into a table.
        if lua_type(L, -1) == LUA_TTABLE:
            lua_pushlstring(L, b"err", 3)
            lua_rawget(L, -2)
        return lua_error(L)
    return 0


cdef bint function_api_load(Interpreter* interpreter, Library* library, Slice text, Buffer* error) noexcept nogil:
    cdef lua_State* L = interpreter.L
    cdef Loading loading
    cdef int top = lua_gettop(L)
    cdef bint loaded
    loading.text = text
    loading.compiled = False
    interpreter.scripting.loading = library
    interpreter.scripting.loading_until_us = monotonic_us() + LOAD_TIME_US
    loaded = lua_cpcall(L, _load, &loading) == 0
    interpreter.scripting.loading = NULL
    lua_sethook(L, script_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    if not loaded:
        _describe(L, loading.compiled, error)
    lua_settop(L, top)
    _see(L, interpreter, interpreter.globals)
    script_collect(interpreter)
    return loaded


cdef void _describe(lua_State* L, bint compiled, Buffer* error) noexcept nogil:
    """The error on the top."""
    cdef Slice text
    buffer_append_text(error, b"ERR Error registering functions: " if compiled else b"ERR Error compiling function: ")
    if lua_type(L, -1) == LUA_TSTRING:
        text = _text(L, -1)
        buffer_append_slice(error, text)
    else:
        buffer_append_text(error, b"ERR unknown error")
