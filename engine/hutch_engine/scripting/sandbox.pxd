"""What a script can reach: the globals Redis 8.2 allows, none of them writable, and no bytecode.

Lua 5.1 has no read-only tables. A script sees *proxies* instead: empty tables whose metatable looks up in the
real one and refuses assignment. The few library functions that would tell the difference (next, pairs, rawset,
table.insert ...) know proxies. The real tables are never handed out.
"""
from hutch_engine.base.slice cimport Slice
from hutch_engine.scripting.lua_api cimport lua_State
from hutch_engine.scripting.state cimport Interpreter

cdef void sandbox_open_libraries(Interpreter* interpreter) noexcept nogil
"""The standard libraries, and what replaces parts of them, as globals. May raise, as the next two."""
cdef void sandbox_close(Interpreter* interpreter) noexcept nogil
"""All globals are there: drop what is not allowed and put proxies in front. From now on LUA_GLOBALSINDEX is what
scripts see, and `interpreter.globals` refers to the real table."""
cdef void sandbox_push_proxy(lua_State* L, Interpreter* interpreter, int index) noexcept nogil
"""Push a new proxy of the table at `index`. May raise: there are PROXIES_MAX at most."""
cdef void sandbox_refuse_unknown(lua_State* L) noexcept nogil
"""From now on a field that the table on the top lacks is an error, as of the globals. May raise."""
cdef bint sandbox_is_proxy(lua_State* L, int index) noexcept nogil
"""Is the value at `index` a proxy? May raise when the stack is full."""
cdef int sandbox_compile(lua_State* L, Slice text, const char* name) noexcept nogil
"""Push the function that `text` compiles to, or an error's text; answers as luaL_loadbuffer. Never reads bytecode."""
cdef void sandbox_forget(lua_State* L, int reference) noexcept nogil
"""luaL_unref for where nobody protects: it may allocate (the registry's list of free references), and an error outside of a
protected call ends the process. Never raises."""
cdef int sandbox_error_handler(lua_State* L) noexcept nogil
"""For lua_pcall: makes a table of any error, with `source` and `line`."""
