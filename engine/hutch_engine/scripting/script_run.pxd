"""Running a script: its keys and arguments in, its commands through the executor, its answer out.

The engine's lock is held throughout. A count hook looks at the time; past busy-reply-threshold the engine is marked
busy, and from then on the hook lets others have the lock for moments: they are answered BUSY, but may kill the
script, or end the program. For the script, time stands still from its beginning to its end.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.scripting.lua_api cimport lua_Debug, lua_State
from hutch_engine.scripting.state cimport Interpreter, ScriptRun, Scripting
from hutch_engine.state.engine cimport Engine, Session

cdef bint script_may_run(Session* caller, uint64_t flags, bint read_only) noexcept nogil
"""Do a shebang line's flags allow the script to run right now? If not, the error is written, and the answer is False."""
cdef void script_run(ScriptRun* run, int reference, Slice* keys, size_t key_count, Slice* arguments,
                     size_t argument_count) noexcept nogil
"""Run the function that `reference` keeps and write its reply, or its error. `run` holds interpreter, caller,
flags, is_function, read_only, name, argv and argc."""
cdef void script_collect(Interpreter* interpreter) noexcept nogil
"""Let the collector work, after each run and after each try to compile: a step now and then, and all of it when Lua holds much
or the system refuses memory. Lua never collects by itself when it has come to its bound, so that what one script left would
fail the next."""
cdef int script_runner(lua_State* L) noexcept nogil
"""The C function at the bottom of an interpreter's stack; script_run calls it."""
cdef int script_command(lua_State* L, bint raises) noexcept nogil
"""Do what redis.call and redis.pcall do: the arguments on the stack become a command, its reply a Lua value. May raise."""
cdef int script_may_user_run(lua_State* L) noexcept nogil
"""Do what redis.acl_check_cmd does. May raise."""
cdef void script_hook(lua_State* L, lua_Debug* record) noexcept nogil
"""Called by Lua now and then while a script runs: looks at the time and at whether the script is to be stopped, and lets
others have the lock once it overruns its time. Raises to stop a script."""
cdef bint script_is_of_this_thread(Engine* engine) noexcept nogil
"""Does a script run, and on the caller's own thread (in a signal's handler)?"""
cdef void script_kill(Session* session, bint of_function) noexcept nogil
"""Stop a script (SCRIPT KILL) or a function (FUNCTION KILL), and write the reply."""
