"""Bytes in the making, for a C function that scripts call: a buffer that grows and that no error can leak.

The bytes are a userdata in upvalue 2 of the running function (LUA_SCRATCH_UPVALUE), so that Lua counts them,
bounds them and frees them; the struct lives in memory that upvalue 1 keeps alive, and stays between calls. A
function that uses one is a closure of two upvalues and never runs Lua code while the buffer is in use (the
sandbox has no newproxy, so that no finalizer of a script's can run either).
"""
from libc.string cimport memcpy
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.scripting.lua_api cimport lua_State

cdef enum:
    LUA_SCRATCH_UPVALUE = 2
    LUA_SCRATCH_KEPT_BYTES = 65536      # a larger buffer is given back after the call

cdef struct LuaScratch:
    char* data              # borrowed from the userdata in the upvalue; NULL at first
    size_t length
    size_t capacity

cdef void lua_scratch_grow(lua_State* L, LuaScratch* scratch, size_t extra) noexcept nogil
"""Room for `extra` more bytes. May raise. Pushes one slot meanwhile."""
cdef void lua_scratch_drop(lua_State* L, LuaScratch* scratch) noexcept nogil
"""Forget the bytes, and leave the memory to the collector."""


cdef inline char* lua_scratch_room(lua_State* L, LuaScratch* scratch, size_t extra) noexcept nogil:
    """Where `extra` bytes may be written; the caller then adds to `length` what it wrote. May raise."""
    if unlikely(scratch.capacity - scratch.length < extra):
        lua_scratch_grow(L, scratch, extra)
    return scratch.data + scratch.length


cdef inline void lua_scratch_put(lua_State* L, LuaScratch* scratch, const char* data, size_t length) noexcept nogil:
    """Append a copy of `length` bytes. May raise. O(length), amortized."""
    memcpy(lua_scratch_room(L, scratch, length), data, length)
    scratch.length += length


cdef inline void lua_scratch_put_char(lua_State* L, LuaScratch* scratch, char c) noexcept nogil:
    """Append one byte. May raise."""
    lua_scratch_room(L, scratch, 1)[0] = c
    scratch.length += 1


cdef inline void lua_scratch_settle(lua_State* L, LuaScratch* scratch, bint keep) noexcept nogil:
    """After a call: keep the buffer for the next one, unless it has become large."""
    if unlikely(not keep or scratch.capacity > LUA_SCRATCH_KEPT_BYTES):
        lua_scratch_drop(L, scratch)
