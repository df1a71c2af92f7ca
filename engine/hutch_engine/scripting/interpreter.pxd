"""Making and freeing what scripts run in: at an engine's first script."""
from hutch_engine.scripting.state cimport Interpreter, Scripting
from hutch_engine.state.engine cimport Engine, Session

cdef Scripting* scripting_ready(Session* session) noexcept nogil
"""The engine's Scripting, made if need be; NULL after an error reply: no Lua is installed, or no memory."""
cdef Interpreter* interpreter_ready(Session* session, bint for_functions) noexcept nogil
"""... with the interpreter for EVAL, or the one for functions."""
cdef void scripting_free(Engine* engine) noexcept nogil
"""The engine's end: all of it goes, if there was a script at all. O(scripts, functions)"""
cdef void interpreter_close(Interpreter* interpreter) noexcept nogil
"""SCRIPT FLUSH, FUNCTION FLUSH: what was compiled is gone. The next interpreter_ready makes another."""
