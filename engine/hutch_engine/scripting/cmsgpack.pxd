"""The library `cmsgpack` of scripts: MessagePack (pack, unpack, unpack_one, unpack_limit)."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef void lua_open_cmsgpack(lua_State* L) noexcept nogil
"""Leave the library as the global `cmsgpack`. May raise (memory)."""
