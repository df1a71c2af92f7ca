"""The library `cjson` of scripts: its settings, and how it is opened. The work is done in cjson_encode and
cjson_decode."""
from hutch_engine.scripting.lua_api cimport lua_State

cdef void lua_open_cjson(lua_State* L) noexcept nogil
"""Leave the library as the global `cjson`. May raise (memory)."""
