"""The one way in: a command of a client (a socket, a Python call) is admitted, run, and what follows is done.

EXEC (executor/transactions), scripts (scripting/script_run), waiting commands (executor/serving) and compiled methods
(door/hot) bring commands of their own kind, through the same three places: executor/admission, executor/run,
executor/aftermath.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Engine, Session

cdef enum Executed:
    EXECUTED = 0                 # a reply was written (or suppressed by CLIENT REPLY)
    EXECUTE_POSTPONED = 1        # CLIENT PAUSE: nothing happened, try the same words again later
    EXECUTE_BLOCKED = 2          # the session waits; a reply will be written when it is served
    EXECUTE_WOULD_BLOCK = 3      # SESSION_AT_ONCE: it would have to wait, and nothing happened

cdef Executed execute(Session* session, Slice* argv, size_t argc) noexcept nogil
"""Look a command up, admit it, run it and do what follows. The words are borrowed until it returns. The reply is appended to
session.reply; session.flags may ask for closing afterwards. Requires the engine's lock."""
cdef Executed execute_known(Session* session, const Command* command, Slice* argv, size_t argc,
                            bint hashed, uint64_t key_hash) noexcept nogil
"""The same for callers who already looked up the command (NULL = unknown; containers: resolved to the
subcommand or not, both are fine) and hashed the first key (the listener, ahead of time)."""
