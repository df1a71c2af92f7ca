"""The library `bit` of scripts: operations on 32 bits, as LuaBitOp has them."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef void lua_open_bit(lua_State* L) noexcept nogil
"""Leave the library as the global `bit`. May raise (memory)."""
