"""See sandbox.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.math cimport floor
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.scripting.lua_api cimport (
    LUA_GLOBALSINDEX, LUA_MULTRET, LUA_REGISTRYINDEX, LUA_TBOOLEAN, LUA_TFUNCTION, LUA_TNIL, LUA_TNONE,
    LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_CFunction, lua_Debug, lua_Reader, lua_State, lua_call,
    lua_checkstack, lua_concat, lua_cpcall,
    lua_createtable, lua_error, lua_getfield, lua_getinfo, lua_getmetatable, lua_getstack, lua_gettop, lua_insert,
    lua_isstring, lua_load, lua_newtable, lua_next, lua_objlen, lua_pcall, lua_pop, lua_pushboolean, lua_pushcclosure,
    lua_pushcfunction, lua_pushnil, lua_pushnumber, lua_pushstring, lua_pushvalue, lua_rawget, lua_rawgeti, lua_rawset,
    lua_rawseti, lua_remove, lua_replace, lua_setfield, lua_setmetatable, lua_settop, lua_toboolean, lua_tocfunction,
    lua_tolstring, lua_topointer, lua_touserdata, lua_type, lua_typename, lua_upvalueindex, luaL_argerror, luaL_callmeta,
    luaL_checkany, luaL_checkinteger, luaL_checklstring, luaL_checkstack, luaL_checktype, luaL_error,
    luaL_optinteger, luaL_optstring, luaL_ref, luaL_unref, luaopen_base, luaopen_math, luaopen_os, luaopen_string, luaopen_table,
    lua_pushfstring)
from hutch_engine.scripting.state cimport PROXIES_MAX, Interpreter, interpreter_of

cdef enum:
    ESCAPE = 27                          # the first byte of bytecode
    RANDOM_MAX = 0x7fffffff
    PATTERN_ITEMS_MAX = 1000             # 160 bytes of the C stack each

cdef const char* READ_ONLY = b"Attempt to modify a readonly table"

# What stays of the globals.
cdef const char* allowed[36]
allowed[:] = [
    b"_G", b"_VERSION", b"__redis__err__handler", b"assert", b"bit", b"cjson", b"cmsgpack", b"collectgarbage",
    b"coroutine", b"error", b"gcinfo", b"getmetatable", b"ipairs", b"load", b"loadstring", b"math", b"next", b"os",
    b"pairs", b"pcall", b"rawequal", b"rawget", b"rawset", b"redis", b"select", b"setmetatable", b"string", b"struct",
    b"table", b"tonumber", b"tostring", b"type", b"unpack", b"xpcall", b"KEYS", b"ARGV",
]

# Functions of Lua's own libraries that ours call on: the same addresses in every interpreter.
cdef lua_CFunction _original_next
cdef lua_CFunction _original_getmetatable
cdef lua_CFunction _original_setmetatable
cdef lua_CFunction _original_rawset
cdef lua_CFunction _original_rawget
cdef lua_CFunction _original_insert
cdef lua_CFunction _original_foreach
cdef lua_CFunction _original_maxn
cdef lua_CFunction _original_find
cdef lua_CFunction _original_match
cdef lua_CFunction _original_gmatch
cdef lua_CFunction _original_gsub


# ---- proxies

cdef inline bint _marked(Interpreter* interpreter, const void* metatable) noexcept nogil:
    cdef uint32_t i
    for i in range(interpreter.proxy_count):
        if interpreter.proxy_marks[i] == metatable:
            return True
    return False


cdef bint sandbox_is_proxy(lua_State* L, int index) noexcept nogil:
    cdef bint found
    if lua_type(L, index) != LUA_TTABLE or not lua_getmetatable(L, index):
        return False
    found = _marked(interpreter_of(L), lua_topointer(L, -1))
    lua_pop(L, 1)
    return found


cdef bint _replace_by_real(lua_State* L, int index) noexcept nogil:
    """When argument `index` is a proxy, put the real table in its place."""
    if lua_type(L, index) != LUA_TTABLE or not lua_getmetatable(L, index):
        return False
    if not _marked(interpreter_of(L), lua_topointer(L, -1)):
        lua_pop(L, 1)
        return False
    lua_pushstring(L, b"__index")
    lua_rawget(L, -2)
    lua_replace(L, index)
    lua_pop(L, 1)
    return True


cdef int _refuse(lua_State* L) noexcept nogil:
    """__newindex of proxies: the position is that of the assignment."""
    return luaL_error(L, b"%s", READ_ONLY)


cdef int _refuse_here(lua_State* L) noexcept nogil:
    """In a library function: no position."""
    lua_pushstring(L, READ_ONLY)
    return lua_error(L)


cdef void sandbox_push_proxy(lua_State* L, Interpreter* interpreter, int index) noexcept nogil:
    if interpreter.proxy_count == PROXIES_MAX:
        luaL_error(L, b"too many read-only tables")
    lua_pushvalue(L, index)
    lua_newtable(L)                      # the proxy
    lua_createtable(L, 0, 3)             # its metatable
    lua_pushvalue(L, -3)
    lua_setfield(L, -2, b"__index")
    lua_pushcfunction(L, _refuse)
    lua_setfield(L, -2, b"__newindex")
    interpreter.proxy_marks[interpreter.proxy_count] = lua_topointer(L, -1)
    interpreter.proxy_count += 1
    lua_setmetatable(L, -2)
    lua_remove(L, -2)


cdef void sandbox_refuse_unknown(lua_State* L) noexcept nogil:
    lua_createtable(L, 0, 1)
    lua_pushcfunction(L, _missing_global)
    lua_setfield(L, -2, b"__index")
    lua_setmetatable(L, -2)


cdef int _missing_global(lua_State* L) noexcept nogil:
    if not lua_isstring(L, 2):
        return luaL_error(L, b"Second argument to luaProtectedTableError must be a string or number")
    return luaL_error(L, b"Script attempted to access nonexistent global variable '%s'", lua_tolstring(L, 2, NULL))


# ---- functions that know proxies

cdef int _next(lua_State* L) noexcept nogil:
    _replace_by_real(L, 1)
    return _original_next(L)


cdef int _pairs(lua_State* L) noexcept nogil:
    luaL_checktype(L, 1, LUA_TTABLE)
    if sandbox_is_proxy(L, 1):
        lua_pushcfunction(L, _next)
    else:
        lua_pushvalue(L, lua_upvalueindex(1))
    lua_pushvalue(L, 1)
    lua_pushnil(L)
    return 3


cdef int _getmetatable(lua_State* L) noexcept nogil:
    luaL_checkany(L, 1)
    if sandbox_is_proxy(L, 1) or lua_type(L, 1) == LUA_TSTRING:
        if lua_type(L, 1) == LUA_TSTRING:
            lua_getfield(L, LUA_REGISTRYINDEX, b"hutch.string_metatable")
            return 1
        lua_getmetatable(L, 1)
        lua_getfield(L, -1, b"shown")    # a proxy, or nil
        return 1
    return _original_getmetatable(L)


cdef int _setmetatable(lua_State* L) noexcept nogil:
    return _refuse_here(L) if sandbox_is_proxy(L, 1) else _original_setmetatable(L)


cdef int _rawset(lua_State* L) noexcept nogil:
    return _refuse_here(L) if sandbox_is_proxy(L, 1) else _original_rawset(L)


cdef int _insert(lua_State* L) noexcept nogil:
    return _refuse_here(L) if sandbox_is_proxy(L, 1) else _original_insert(L)


cdef int _rawget(lua_State* L) noexcept nogil:
    _replace_by_real(L, 1)
    return _original_rawget(L)


cdef int _foreach(lua_State* L) noexcept nogil:
    _replace_by_real(L, 1)
    return _original_foreach(L)


cdef int _maxn(lua_State* L) noexcept nogil:
    _replace_by_real(L, 1)
    return _original_maxn(L)


# ---- functions that trust their arguments too much in Lua 5.1.5

cdef int _unpack(lua_State* L) noexcept nogil:
    """The original counts in an int, which overflows, and then writes past the stack (CVE-2025-46817)."""
    cdef int first, last
    cdef int64_t count
    luaL_checktype(L, 1, LUA_TTABLE)
    first = <int>luaL_optinteger(L, 2, 1)
    last = <int>luaL_checkinteger(L, 3) if lua_type(L, 3) > LUA_TNIL else <int>lua_objlen(L, 1)
    count = <int64_t>last - first + 1
    if count <= 0:
        return 0
    if count > 0x7fffffff or not lua_checkstack(L, <int>count):
        return luaL_error(L, b"too many results to unpack")
    lua_rawgeti(L, 1, first)
    while first < last:
        first += 1
        lua_rawgeti(L, 1, first)
    return <int>count


cdef void _bound_pattern(lua_State* L) noexcept nogil:
    """Matching goes one call of C deeper for each repetition and capture of the pattern, whose number nothing bounds."""
    cdef size_t length = 0, i
    cdef int items = 0
    cdef const char* pattern
    if lua_type(L, 2) != LUA_TSTRING:
        return
    pattern = lua_tolstring(L, 2, &length)
    if likely(length <= PATTERN_ITEMS_MAX):
        return
    for i in range(length):
        if pattern[i] == c'*' or pattern[i] == c'+' or pattern[i] == c'-' or pattern[i] == c'?' or pattern[i] == c'(' or pattern[i] == c')':
            items += 1
            if items > PATTERN_ITEMS_MAX:
                luaL_error(L, b"pattern too complex")


cdef int _find(lua_State* L) noexcept nogil:
    if not lua_toboolean(L, 4):
        _bound_pattern(L)
    return _original_find(L)


cdef int _match(lua_State* L) noexcept nogil:
    _bound_pattern(L)
    return _original_match(L)


cdef int _gmatch(lua_State* L) noexcept nogil:
    _bound_pattern(L)
    return _original_gmatch(L)


cdef int _gsub(lua_State* L) noexcept nogil:
    _bound_pattern(L)
    return _original_gsub(L)


# ---- compiling

cdef struct Text:
    const char* data
    size_t length
    bint spaced                          # a space goes in front, so that bytecode is read as (bad) text

cdef const char* _text_reader(lua_State* L, void* context, size_t* length_out) noexcept nogil:
    cdef Text* text = <Text*>context
    cdef const char* data
    if text.spaced:
        text.spaced = False
        length_out[0] = 1
        return b" "
    data = text.data
    length_out[0] = text.length
    text.length = 0
    return data if length_out[0] else NULL


cdef int sandbox_compile(lua_State* L, Slice text, const char* name) noexcept nogil:
    cdef Text source
    source.data = text.data
    source.length = text.length
    source.spaced = text.length > 0 and text.data[0] == ESCAPE
    return _load_named(L, _text_reader, &source, name)


cdef int _load_named(lua_State* L, lua_Reader reader, void* context, const char* name) noexcept nogil:
    """lua_load. Lua 5.1.5 lets the collector take the chunk's name, unless somebody holds it (CVE-2025-49844)."""
    cdef int status
    luaL_checkstack(L, 2, b"too many nested functions")
    lua_pushstring(L, name)
    status = lua_load(L, reader, context, name)
    lua_remove(L, -2)
    return status


cdef int _compiled(lua_State* L, int status) noexcept nogil:
    if status == 0:
        return 1
    lua_pushnil(L)
    lua_insert(L, -2)
    return 2


cdef int _loadstring(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* text = luaL_checklstring(L, 1, &length)
    return _compiled(L, sandbox_compile(L, slice_of(text, length), luaL_optstring(L, 2, text)))


cdef struct Pieces:
    bint begun
    bint ended                           # Lua 5.1.5 asks again after the end, where no script of ours may run
    const char* kept                     # a first piece that goes behind a space; it is on the stack
    size_t kept_length

cdef const char* _pieces_reader(lua_State* L, void* context, size_t* length_out) noexcept nogil:
    """The function at index 1 gives the text piece by piece; index 3 holds the present one."""
    cdef Pieces* pieces = <Pieces*>context
    cdef const char* text
    if pieces.kept != NULL:
        text = pieces.kept
        pieces.kept = NULL
        length_out[0] = pieces.kept_length
        return text
    length_out[0] = 0
    if pieces.ended:
        return NULL
    luaL_checkstack(L, 2, b"too many nested functions")
    lua_pushvalue(L, 1)
    lua_call(L, 0, 1)
    if lua_type(L, -1) == LUA_TNIL:
        pieces.ended = True
        return NULL
    if not lua_isstring(L, -1):
        luaL_error(L, b"reader function must return a string")
    lua_replace(L, 3)
    text = lua_tolstring(L, 3, length_out)
    pieces.ended = length_out[0] == 0
    if not pieces.begun and length_out[0]:
        pieces.begun = True
        if text[0] == ESCAPE:
            pieces.kept = text
            pieces.kept_length = length_out[0]
            length_out[0] = 1
            return b" "
    return text


cdef int _load(lua_State* L) noexcept nogil:
    cdef const char* name = luaL_optstring(L, 2, b"=(load)")
    cdef Pieces pieces
    luaL_checktype(L, 1, LUA_TFUNCTION)
    lua_settop(L, 3)
    pieces.begun = False
    pieces.ended = False
    pieces.kept = NULL
    pieces.kept_length = 0
    return _compiled(L, _load_named(L, _pieces_reader, &pieces, name))


# ---- errors

cdef int _pcall(lua_State* L) noexcept nogil:
    """An error that is one of our tables is given as its text, as scripts from before Redis 7 expect."""
    if lua_gettop(L) == 0:               # Redis's words for what it finds in the function's place
        lua_pushboolean(L, 0)
        lua_pushstring(L, b"attempt to call a boolean value")
        return 2
    lua_pushboolean(L, 1)
    lua_insert(L, 1)
    if lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0):
        lua_remove(L, 1)
        if lua_type(L, -1) == LUA_TTABLE:
            lua_getfield(L, -1, b"err")
            if lua_isstring(L, -1):
                lua_replace(L, -2)
            else:
                lua_pop(L, 1)
        lua_pushboolean(L, 0)
        lua_insert(L, 1)
    return lua_gettop(L)


cdef void _push_text(lua_State* L, int index) noexcept nogil:
    """tostring(value)."""
    cdef int type = lua_type(L, index)
    if luaL_callmeta(L, index, b"__tostring"):
        return
    if type == LUA_TSTRING or type == LUA_TNUMBER:
        lua_pushvalue(L, index)
    elif type == LUA_TBOOLEAN:
        lua_pushstring(L, b"true" if lua_toboolean(L, index) else b"false")
    elif type == LUA_TNIL or type == LUA_TNONE:
        lua_pushstring(L, b"nil")
    else:
        lua_pushfstring(L, b"%s: %p", lua_typename(L, type), lua_topointer(L, index))


cdef int _forget(lua_State* L) noexcept nogil:
    luaL_unref(L, LUA_REGISTRYINDEX, (<int*>lua_touserdata(L, 1))[0])
    return 0


cdef void sandbox_forget(lua_State* L, int reference) noexcept nogil:
    cdef int top = lua_gettop(L)
    if lua_cpcall(L, _forget, &reference) != 0:
        # No memory: the number is lost, and what it stood for is not. (Its place is there, so this allocates nothing.)
        lua_settop(L, top)
        lua_pushnil(L)
        lua_rawseti(L, LUA_REGISTRYINDEX, reference)


cdef int sandbox_error_handler(lua_State* L) noexcept nogil:
    cdef lua_Debug where
    cdef bint known = lua_getstack(L, 1, &where) and lua_getinfo(L, b"nSl", &where)
    lua_settop(L, 1)
    if known and where.what[0] == c'C':
        known = lua_getstack(L, 2, &where) and lua_getinfo(L, b"nSl", &where)
    if sandbox_is_proxy(L, 1):
        # error(redis): a handler written in Lua, as Redis's is, could not mark that table.
        lua_createtable(L, 0, 3)
        lua_pushstring(L, b"ERR err_handler_def:10: Attempt to modify a readonly table")
        lua_setfield(L, 2, b"err")
        lua_pushstring(L, b"@err_handler_def")
        lua_setfield(L, 2, b"source")
        lua_pushnumber(L, 10)
        lua_setfield(L, 2, b"line")
        return 1
    if lua_type(L, 1) != LUA_TTABLE:
        lua_createtable(L, 0, 3)
        lua_pushstring(L, b"ERR ")
        _push_text(L, 1)
        lua_concat(L, 2)
        lua_setfield(L, 2, b"err")
        lua_replace(L, 1)
    if known:
        lua_pushstring(L, where.source)
        lua_setfield(L, 1, b"source")
        lua_pushnumber(L, where.currentline)
        lua_setfield(L, 1, b"line")
    return 1


# ---- math.random: 48 bits of a linear congruence, as drand48's; the same numbers in the same order as Redis

cdef inline uint64_t _drawn(lua_State* L) noexcept nogil:
    cdef uint64_t* state = &interpreter_of(L).scripting.random_state
    state[0] = (state[0] * 0x5DEECE66DULL + 0xBULL) & 0xFFFFFFFFFFFFULL
    return state[0] >> 17


cdef int _random(lua_State* L) noexcept nogil:
    cdef double share = <double>(_drawn(L) % RANDOM_MAX) / <double>RANDOM_MAX
    cdef int low, high
    cdef int count = lua_gettop(L)
    if count == 0:
        lua_pushnumber(L, share)
    elif count == 1:
        high = <int>luaL_checkinteger(L, 1)
        if high < 1:
            return luaL_argerror(L, 1, b"interval is empty")
        lua_pushnumber(L, floor(share * high) + 1)
    elif count == 2:
        low = <int>luaL_checkinteger(L, 1)
        high = <int>luaL_checkinteger(L, 2)
        if low > high:
            return luaL_argerror(L, 2, b"interval is empty")
        lua_pushnumber(L, floor(share * (<double>high - low + 1)) + low)
    else:
        return luaL_error(L, b"wrong number of arguments")
    return 1


cdef int _randomseed(lua_State* L) noexcept nogil:
    cdef int32_t seed = <int32_t>luaL_checkinteger(L, 1)
    interpreter_of(L).scripting.random_state = (<uint64_t><unsigned int>seed << 16) | 0x330E
    return 0


# ---- putting it together

cdef void _open(lua_State* L, lua_CFunction open, const char* name) noexcept nogil:
    lua_pushcfunction(L, open)
    lua_pushstring(L, name)
    lua_call(L, 1, 0)


cdef lua_CFunction _swap(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """Put `function` into the table on the top; returns the one that was there."""
    cdef lua_CFunction before
    lua_getfield(L, -1, name)
    before = lua_tocfunction(L, -1)
    lua_pop(L, 1)
    lua_pushcfunction(L, function)
    lua_setfield(L, -2, name)
    return before


cdef void _keep_only_clock(lua_State* L) noexcept nogil:
    lua_newtable(L)
    lua_getfield(L, LUA_GLOBALSINDEX, b"os")
    lua_getfield(L, -1, b"clock")
    lua_setfield(L, -3, b"clock")
    lua_pop(L, 1)
    lua_setfield(L, LUA_GLOBALSINDEX, b"os")


cdef void sandbox_open_libraries(Interpreter* interpreter) noexcept nogil:
    global _original_next, _original_getmetatable, _original_setmetatable, _original_rawset, _original_rawget
    global _original_insert, _original_foreach, _original_maxn
    global _original_find, _original_match, _original_gmatch, _original_gsub
    cdef lua_State* L = interpreter.L
    _open(L, luaopen_base, b"")
    _open(L, luaopen_table, b"table")
    _open(L, luaopen_string, b"string")
    _open(L, luaopen_math, b"math")
    _open(L, luaopen_os, b"os")
    _keep_only_clock(L)
    lua_pushvalue(L, LUA_GLOBALSINDEX)
    lua_getfield(L, -1, b"next")
    lua_pushcclosure(L, _pairs, 1)
    lua_setfield(L, -2, b"pairs")
    _original_next = _swap(L, b"next", _next)
    _original_getmetatable = _swap(L, b"getmetatable", _getmetatable)
    _original_setmetatable = _swap(L, b"setmetatable", _setmetatable)
    _original_rawset = _swap(L, b"rawset", _rawset)
    _original_rawget = _swap(L, b"rawget", _rawget)
    _swap(L, b"load", _load)
    _swap(L, b"loadstring", _loadstring)
    _swap(L, b"pcall", _pcall)
    _swap(L, b"unpack", _unpack)
    if not interpreter.for_functions:
        lua_pushcfunction(L, sandbox_error_handler)
        lua_setfield(L, -2, b"__redis__err__handler")
    lua_getfield(L, -1, b"table")
    _original_insert = _swap(L, b"insert", _insert)
    _original_foreach = _swap(L, b"foreach", _foreach)
    _original_maxn = _swap(L, b"maxn", _maxn)
    lua_pop(L, 1)
    lua_getfield(L, -1, b"string")
    _original_find = _swap(L, b"find", _find)
    _original_match = _swap(L, b"match", _match)
    _original_gsub = _swap(L, b"gsub", _gsub)
    _original_gmatch = _swap(L, b"gmatch", _gmatch)
    _swap(L, b"gfind", _gmatch)          # its old name
    lua_pop(L, 1)
    lua_getfield(L, -1, b"math")
    _swap(L, b"random", _random)
    _swap(L, b"randomseed", _randomseed)
    lua_pop(L, 2)


cdef void _drop_what_is_not_allowed(lua_State* L) noexcept nogil:
    """The globals that are allowed, in a new table on the top."""
    cdef int i
    lua_newtable(L)
    for i in range(36):
        lua_pushstring(L, allowed[i])
        lua_pushvalue(L, -1)
        lua_rawget(L, LUA_GLOBALSINDEX)
        lua_rawset(L, -3)


cdef void sandbox_close(Interpreter* interpreter) noexcept nogil:
    cdef lua_State* L = interpreter.L
    cdef int real, proxies
    _drop_what_is_not_allowed(L)
    real = lua_gettop(L)
    # Libraries first: each table among the globals is replaced by a proxy.
    lua_newtable(L)
    proxies = lua_gettop(L)
    lua_pushnil(L)
    while lua_next(L, real):
        if lua_type(L, -1) == LUA_TTABLE and not lua_topointer(L, -1) == lua_topointer(L, LUA_GLOBALSINDEX):
            lua_pushvalue(L, -2)
            sandbox_push_proxy(L, interpreter, -2)
            lua_rawset(L, proxies)
        lua_pop(L, 1)
    lua_pushnil(L)
    while lua_next(L, proxies):
        lua_pushvalue(L, -2)
        lua_insert(L, -2)
        lua_rawset(L, real)
    # What getmetatable('') shows: a copy, so that the real one is neither seen nor slowed down.
    lua_newtable(L)
    lua_getfield(L, proxies, b"string")
    lua_setfield(L, -2, b"__index")
    sandbox_push_proxy(L, interpreter, -1)
    lua_setfield(L, LUA_REGISTRYINDEX, b"hutch.string_metatable")
    lua_pop(L, 1)
    # The globals themselves.
    lua_newtable(L)
    lua_pushcfunction(L, _missing_global)
    lua_setfield(L, -2, b"__index")
    lua_pushvalue(L, -1)
    lua_setmetatable(L, real)
    sandbox_push_proxy(L, interpreter, -1)           # of that metatable: what getmetatable(_G) shows
    sandbox_push_proxy(L, interpreter, real)
    lua_pushvalue(L, -1)
    lua_setfield(L, real, b"_G")
    lua_getmetatable(L, -1)
    lua_pushvalue(L, -3)
    lua_setfield(L, -2, b"shown")
    interpreter.globals_metatable = luaL_ref(L, LUA_REGISTRYINDEX)
    lua_replace(L, LUA_GLOBALSINDEX)
    lua_pushvalue(L, real)
    interpreter.globals = luaL_ref(L, LUA_REGISTRYINDEX)
    lua_settop(L, real - 1)
