"""`cjson.encode` of scripts."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef int cjson_encode(lua_State* L) noexcept nogil
"""For Lua: one value in, one string out. Upvalues: CjsonSettings, and the buffer of `encoded`.
Cost: O(bytes written), and a second walk of the tables that are not plain arrays."""
