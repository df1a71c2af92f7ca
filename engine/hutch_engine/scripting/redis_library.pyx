"""See redis_library.pxd. Only those functions are here that run no command; these are script_run's."""
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_bytes, sha1_hex
from hutch_engine.base.slice cimport Slice, slice_of_text
from hutch_engine.scripting.conversion cimport conversion_push_error, conversion_push_error_text
from hutch_engine.scripting.lua_api cimport (
    LUA_TSTRING, lua_CFunction, lua_State, lua_checkstack, lua_createtable, lua_error, lua_gettop, lua_isnumber,
    lua_isstring, lua_pushboolean, lua_pushcfunction, lua_pushlstring, lua_pushnumber, lua_pushstring, lua_setfield,
    lua_setglobal, lua_tolstring, lua_tonumber, lua_type, lua_concat, lua_pushvalue, lua_rawset)
from hutch_engine.scripting.script_run cimport script_command, script_may_user_run
from hutch_engine.scripting.state cimport DIGEST_LENGTH, Interpreter, interpreter_of
from hutch_engine.state.engine cimport Engine
from hutch_engine.state.log cimport log_write

cdef enum:
    LOG_DEBUG = 0
    LOG_VERBOSE = 1
    LOG_NOTICE = 2
    LOG_WARNING = 3
    REPL_NONE = 0
    REPL_AOF = 1
    REPL_REPLICA = 2
    REPL_ALL = 3
    REDIS_VERSION_NUM = 0x00080203


cdef inline int _raise(lua_State* L, const char* text) noexcept nogil:
    conversion_push_error_text(L, text, False)
    return lua_error(L)


cdef int _call(lua_State* L) noexcept nogil:
    return script_command(L, True)


cdef int _pcall(lua_State* L) noexcept nogil:
    return script_command(L, False)


cdef inline bint _is_one_string(lua_State* L) noexcept nogil:
    return lua_gettop(L) == 1 and lua_type(L, 1) == LUA_TSTRING


cdef int _error_reply(lua_State* L) noexcept nogil:
    cdef Slice text
    if not _is_one_string(L):
        conversion_push_error_text(L, b"wrong number or type of arguments", False)
        return 1
    text = slice_of_text(lua_tolstring(L, 1, NULL))              # a zero byte ends it, as in Redis
    if text.length == 0 or text.data[0] != c'-':
        lua_pushlstring(L, b"-", 1)
        lua_pushvalue(L, 1)
        lua_concat(L, 2)
        text = slice_of_text(lua_tolstring(L, -1, NULL))
    conversion_push_error(L, text, False)
    return 1


cdef int _status_reply(lua_State* L) noexcept nogil:
    if not _is_one_string(L):
        conversion_push_error_text(L, b"wrong number or type of arguments", False)
        return 1
    lua_createtable(L, 0, 1)
    lua_pushstring(L, b"ok")
    lua_pushvalue(L, 1)
    lua_rawset(L, -3)
    return 1


cdef int _sha1hex(lua_State* L) noexcept nogil:
    cdef unsigned char[SHA1_BYTES] digest
    cdef char[DIGEST_LENGTH] text
    cdef Slice bytes
    if lua_gettop(L) != 1:
        return _raise(L, b"wrong number of arguments")
    bytes.length = 0
    bytes.data = lua_tolstring(L, 1, &bytes.length)
    sha1_bytes(bytes, digest)
    sha1_hex(digest, text)
    lua_pushlstring(L, text, DIGEST_LENGTH)
    return 1


cdef int _log(lua_State* L) noexcept nogil:
    """redis.log(level, text, ...): the texts with spaces between them."""
    cdef int count = lua_gettop(L)
    cdef int level, i
    cdef Slice text
    cdef Engine* engine = interpreter_of(L).engine
    if count < 2:
        return _raise(L, b"redis.log() requires two arguments or more.")
    if not lua_isnumber(L, 1):
        return _raise(L, b"First argument must be a number (log level).")
    level = <int>lua_tonumber(L, 1)
    if level < LOG_DEBUG or level > LOG_WARNING:
        return _raise(L, b"Invalid log level.")
    if level < engine.config.loglevel:
        return 0
    if not lua_checkstack(L, 2 * count):
        return _raise(L, b"too many arguments for redis.log()")
    for i in range(2, count + 1):
        if i > 2:
            lua_pushlstring(L, b" ", 1)
        # What is neither text nor a number is nothing, as in Redis.
        if lua_isstring(L, i):
            lua_pushvalue(L, i)
        else:
            lua_pushlstring(L, b"", 0)
    lua_concat(L, 2 * count - 3)
    text.data = lua_tolstring(L, -1, &text.length)
    log_write(engine, level, text)
    return 0


cdef int _setresp(lua_State* L) noexcept nogil:
    cdef int version
    if lua_gettop(L) != 1:
        return _raise(L, b"redis.setresp() requires one argument.")
    version = <int>lua_tonumber(L, 1)
    if version != 2 and version != 3:
        return _raise(L, b"RESP version must be 2 or 3.")
    interpreter_of(L).scripting.session.reply.resp = version
    return 0


cdef int _set_repl(lua_State* L) noexcept nogil:
    cdef int flags
    if lua_gettop(L) != 1:
        return _raise(L, b"redis.set_repl() requires one argument.")
    flags = <int>lua_tonumber(L, 1)
    if flags & ~REPL_ALL:
        return _raise(L, b"Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
    return 0


cdef int _replicate_commands(lua_State* L) noexcept nogil:
    # Effects are what is propagated, always.
    lua_pushboolean(L, 1)
    return 1


cdef int _breakpoint(lua_State* L) noexcept nogil:
    lua_pushboolean(L, 0)                # no debugger is attached
    return 1


cdef int _debug(lua_State* L) noexcept nogil:
    return 0


cdef inline void _function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    lua_pushcfunction(L, function)
    lua_setfield(L, -2, name)


cdef inline void _constant(lua_State* L, const char* name, int value) noexcept nogil:
    lua_pushnumber(L, value)
    lua_setfield(L, -2, name)


cdef void redis_library_open_loading(lua_State* L) noexcept nogil:
    lua_createtable(L, 0, 8)
    _function(L, b"log", _log)
    _constant(L, b"LOG_DEBUG", LOG_DEBUG)
    _constant(L, b"LOG_VERBOSE", LOG_VERBOSE)
    _constant(L, b"LOG_NOTICE", LOG_NOTICE)
    _constant(L, b"LOG_WARNING", LOG_WARNING)
    lua_pushstring(L, b"8.2.3")
    lua_setfield(L, -2, b"REDIS_VERSION")
    _constant(L, b"REDIS_VERSION_NUM", REDIS_VERSION_NUM)


cdef void redis_library_open(Interpreter* interpreter) noexcept nogil:
    cdef lua_State* L = interpreter.L
    lua_createtable(L, 0, 32)
    _function(L, b"call", _call)
    _function(L, b"pcall", _pcall)
    _function(L, b"error_reply", _error_reply)
    _function(L, b"status_reply", _status_reply)
    _function(L, b"sha1hex", _sha1hex)
    _function(L, b"log", _log)
    _function(L, b"setresp", _setresp)
    _function(L, b"set_repl", _set_repl)
    _function(L, b"acl_check_cmd", script_may_user_run)
    if not interpreter.for_functions:
        _function(L, b"replicate_commands", _replicate_commands)
        _function(L, b"breakpoint", _breakpoint)
        _function(L, b"debug", _debug)
    _constant(L, b"LOG_DEBUG", LOG_DEBUG)
    _constant(L, b"LOG_VERBOSE", LOG_VERBOSE)
    _constant(L, b"LOG_NOTICE", LOG_NOTICE)
    _constant(L, b"LOG_WARNING", LOG_WARNING)
    _constant(L, b"REPL_NONE", REPL_NONE)
    _constant(L, b"REPL_AOF", REPL_AOF)
    _constant(L, b"REPL_REPLICA", REPL_REPLICA)
    _constant(L, b"REPL_SLAVE", REPL_REPLICA)
    _constant(L, b"REPL_ALL", REPL_ALL)
    lua_pushstring(L, b"8.2.3")
    lua_setfield(L, -2, b"REDIS_VERSION")
    _constant(L, b"REDIS_VERSION_NUM", REDIS_VERSION_NUM)
    lua_setglobal(L, b"redis")
