"""See lua_scratch.pxd."""
from libc.string cimport memcpy
from hutch_engine.scripting.lua_api cimport (
    luaL_error, lua_State, lua_newuserdata, lua_pushnil, lua_replace, lua_upvalueindex)

cdef enum:
    CAPACITY_FIRST = 1024

cdef size_t SUM_SAFE = <size_t>-1 >> 2      # no sum or double of sizes up to here overflows


cdef void lua_scratch_grow(lua_State* L, LuaScratch* scratch, size_t extra) noexcept nogil:
    cdef size_t capacity = scratch.capacity * 2
    cdef char* data
    if extra > SUM_SAFE or scratch.capacity > SUM_SAFE:
        luaL_error(L, b"not enough memory")
    if capacity < CAPACITY_FIRST:
        capacity = CAPACITY_FIRST
    if capacity < scratch.length + extra:
        capacity = scratch.length + extra
    data = <char*>lua_newuserdata(L, capacity)
    if scratch.length:
        memcpy(data, scratch.data, scratch.length)
    lua_replace(L, lua_upvalueindex(LUA_SCRATCH_UPVALUE))
    scratch.data = data
    scratch.capacity = capacity


cdef void lua_scratch_drop(lua_State* L, LuaScratch* scratch) noexcept nogil:
    lua_pushnil(L)
    lua_replace(L, lua_upvalueindex(LUA_SCRATCH_UPVALUE))
    scratch.data = NULL
    scratch.length = 0
    scratch.capacity = 0
