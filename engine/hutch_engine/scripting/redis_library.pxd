"""The library `redis` of scripts."""
from hutch_engine.scripting.lua_api cimport lua_State
from hutch_engine.scripting.state cimport Interpreter

cdef void redis_library_open(Interpreter* interpreter) noexcept nogil
"""Make the library and put it into the global `redis`. May raise."""
cdef void redis_library_open_loading(lua_State* L) noexcept nogil
"""Push what there is of it while a library of functions is loaded, register_function left out. May raise."""
