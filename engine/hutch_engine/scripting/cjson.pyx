"""See cjson.pxd. The functions here read and change the settings; their checks, and the order of their checks, are
those of lua-cjson 2.1.0."""
from libc.limits cimport INT_MAX
from libc.stdio cimport snprintf
from libc.string cimport memset
from hutch_engine.scripting.cjson_decode cimport cjson_decode
from hutch_engine.scripting.cjson_encode cimport cjson_encode
from hutch_engine.scripting.cjson_settings cimport (
    CJSON_NUMBERS_AS_THEY_ARE, CJSON_NUMBERS_REFUSED, CjsonSettings)
from hutch_engine.scripting.lua_api cimport (
    luaL_argcheck, luaL_checkinteger, luaL_checkoption, lua_CFunction, lua_State, lua_gettop, lua_isboolean, lua_isnil,
    lua_newtable, lua_newuserdata, lua_pop, lua_pushboolean, lua_pushcclosure, lua_pushinteger,
    lua_pushlightuserdata, lua_pushnil, lua_pushstring, lua_pushvalue, lua_setfield, lua_setglobal, lua_toboolean,
    lua_touserdata, lua_upvalueindex)

cdef const char* SWITCH[3]
SWITCH[0] = b"off"
SWITCH[1] = b"on"
SWITCH[2] = NULL
cdef const char* SWITCH_OR_NULL[4]
SWITCH_OR_NULL[0] = b"off"
SWITCH_OR_NULL[1] = b"on"
SWITCH_OR_NULL[2] = b"null"
SWITCH_OR_NULL[3] = NULL


cdef CjsonSettings* _settings(lua_State* L, int arguments) noexcept nogil:
    """The settings of the function that runs; its arguments are filled up to `arguments` with nil."""
    luaL_argcheck(L, lua_gettop(L) <= arguments, arguments + 1, b"found too many arguments")
    while lua_gettop(L) < arguments:
        lua_pushnil(L)
    return <CjsonSettings*>lua_touserdata(L, lua_upvalueindex(1))


cdef int _integer(lua_State* L, int argument, int* setting, int least, int most) noexcept nogil:
    cdef char[64] message
    cdef int value
    if not lua_isnil(L, argument):
        value = <int>luaL_checkinteger(L, argument)
        snprintf(message, sizeof(message), b"expected integer between %d and %d", least, most)
        luaL_argcheck(L, least <= value <= most, 1, message)     # 1, whichever argument it is: as it ever was
        setting[0] = value
    lua_pushinteger(L, setting[0])
    return 1


cdef int _choice(lua_State* L, int argument, int* setting, const char** names) noexcept nogil:
    """A boolean or a name; the answer is a boolean where that says it."""
    if not lua_isnil(L, argument):
        if lua_isboolean(L, argument):
            setting[0] = lua_toboolean(L, argument)
        else:
            setting[0] = luaL_checkoption(L, argument, NULL, names)
    if setting[0] <= 1:
        lua_pushboolean(L, setting[0])
    else:
        lua_pushstring(L, names[setting[0]])
    return 1


cdef int _encode_sparse_array(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 3)
    _choice(L, 1, &settings.encode_sparse_convert, SWITCH)
    _integer(L, 2, &settings.encode_sparse_ratio, 0, INT_MAX)
    _integer(L, 3, &settings.encode_sparse_safe, 0, INT_MAX)
    return 3


cdef int _encode_max_depth(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _integer(L, 1, &settings.encode_max_depth, 1, INT_MAX)


cdef int _decode_max_depth(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _integer(L, 1, &settings.decode_max_depth, 1, INT_MAX)


cdef int _encode_number_precision(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _integer(L, 1, &settings.encode_number_precision, 1, 14)


cdef int _encode_keep_buffer(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _choice(L, 1, &settings.encode_keep_buffer, SWITCH)


cdef int _encode_invalid_numbers(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _choice(L, 1, &settings.encode_invalid_numbers, SWITCH_OR_NULL)


cdef int _decode_invalid_numbers(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = _settings(L, 1)
    return _choice(L, 1, &settings.decode_invalid_numbers, SWITCH)


cdef void _put(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """Stack: table, settings. Each function has the settings and a place of its own for a buffer."""
    lua_pushvalue(L, -1)
    lua_pushnil(L)
    lua_pushcclosure(L, function, 2)
    lua_setfield(L, -3, name)


cdef int _new(lua_State* L) noexcept nogil:
    """A table of the library with settings of its own. The order of the fields is the one that pairs() shows."""
    cdef CjsonSettings* settings
    lua_newtable(L)
    settings = <CjsonSettings*>lua_newuserdata(L, sizeof(CjsonSettings))
    memset(settings, 0, sizeof(CjsonSettings))
    settings.encode_sparse_ratio = 2
    settings.encode_sparse_safe = 10
    settings.encode_max_depth = 1000
    settings.encode_invalid_numbers = CJSON_NUMBERS_REFUSED
    settings.encode_number_precision = 14
    settings.encode_keep_buffer = 1
    settings.decode_invalid_numbers = CJSON_NUMBERS_AS_THEY_ARE
    settings.decode_max_depth = 1000
    _put(L, b"encode", cjson_encode)
    _put(L, b"decode", cjson_decode)
    _put(L, b"encode_sparse_array", _encode_sparse_array)
    _put(L, b"encode_max_depth", _encode_max_depth)
    _put(L, b"decode_max_depth", _decode_max_depth)
    _put(L, b"encode_number_precision", _encode_number_precision)
    _put(L, b"encode_keep_buffer", _encode_keep_buffer)
    _put(L, b"encode_invalid_numbers", _encode_invalid_numbers)
    _put(L, b"decode_invalid_numbers", _decode_invalid_numbers)
    _put(L, b"new", _new)
    lua_pop(L, 1)
    lua_pushlightuserdata(L, NULL)
    lua_setfield(L, -2, b"null")
    lua_pushstring(L, b"cjson")
    lua_setfield(L, -2, b"_NAME")
    lua_pushstring(L, b"2.1.0")
    lua_setfield(L, -2, b"_VERSION")
    return 1


cdef void lua_open_cjson(lua_State* L) noexcept nogil:
    _new(L)
    lua_setglobal(L, b"cjson")
