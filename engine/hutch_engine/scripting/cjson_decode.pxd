"""`cjson.decode` of scripts."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef int cjson_decode(lua_State* L) noexcept nogil
"""For Lua: one string in, one value out. Upvalues: CjsonSettings, and the buffer of `unescaped`.
Cost: O(length)."""
