"""Between RESP and Lua, both ways, by Redis's tables: docs of EVAL, "Data type conversion"."""
from libc.stddef cimport size_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.reply cimport Reply
from hutch_engine.scripting.lua_api cimport lua_State

cdef const char* conversion_push_reply(lua_State* L, const char* at, const char* end) noexcept nogil
"""Push the reply that begins at `at` as a Lua value; returns where it ends. The bytes are our own replies, whole and
well-formed. May raise."""
cdef void conversion_push_error(lua_State* L, Slice text, bint counted) noexcept nogil
"""Push {err = ...}: `text` as Redis puts errors together, with or without a code (which then is ERR) behind a '-'.
`counted`: with ignore_error_stats_update. May raise."""
cdef void conversion_push_error_text(lua_State* L, const char* text, bint counted) noexcept nogil
"""As conversion_push_error, for a text that ends with NUL. May raise."""
cdef void conversion_write_reply(lua_State* L, Reply* reply, int script_resp, bint* counted_out) noexcept nogil
"""Write the value on the top of the stack as RESP and pop it. `script_resp`: what the script said with
setresp, which decides about booleans. *counted_out is set when the reply is an error whose statistics were
kept already. Raises nothing: no metamethods are run."""
cdef void conversion_write_error(Reply* reply, Slice text) noexcept nogil
"""An error reply; line breaks at its end are dropped, others become spaces. (Redis lets those of error() through, and
with them a script's writer may put replies of his own on the wire.)"""
