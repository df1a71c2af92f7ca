"""The library `struct` of scripts: C structures as strings (pack, unpack, size)."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef void lua_open_struct(lua_State* L) noexcept nogil
"""Leave the library as the global `struct`. May raise (memory)."""
