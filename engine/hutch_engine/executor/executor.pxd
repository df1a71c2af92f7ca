"""The one way in: every command of every caller runs through `execute`."""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Engine, Session

cdef enum Executed:
    EXECUTED = 0                 # a reply was written (or suppressed by CLIENT REPLY)
    EXECUTE_POSTPONED = 1        # CLIENT PAUSE: nothing happened, try the same words again later
    EXECUTE_BLOCKED = 2          # the session waits; a reply will be written when it is served

cdef Executed execute(Session* session, Slice* argv, size_t argc) noexcept nogil
"""Look up, check, run, act on effects, count. Requires the engine's lock. The reply is appended to
session.reply; session.flags may ask for closing afterwards."""
cdef Executed execute_known(Session* session, const Command* command, Slice* argv, size_t argc,
                            bint hashed, uint64_t key_hash) noexcept nogil
"""The same for callers who already looked up the command (NULL = unknown; containers: resolved to the
subcommand or not, both are fine) and hashed the first key (the listener, ahead of time)."""
cdef void run_command(Session* session, const Command* command, Slice* argv, size_t argc, bint hashed,
                      uint64_t key_hash) noexcept nogil
"""Run the handler of a command that was checked already, with statistics; for EXEC and scripts. Effects
are acted on by the caller (act_on_effects)."""
cdef void act_on_effects(Engine* engine) noexcept nogil
"""WATCH, keyspace events, blocked clients. After each top-level command, and by housekeeping."""
cdef void take_inbox(Session* session) noexcept nogil
"""A socket's command has its reply: what it sent to its own client follows."""
cdef void uncount_command(Session* session, const Command* command) noexcept nogil
"""It waits: it has not been executed yet, after all."""
cdef void mute_reply(Session* session, size_t mark) noexcept nogil
"""After a command: CLIENT REPLY OFF and SKIP drop what it has answered since `mark`."""
cdef const Command* resolve_command(Engine* engine, Slice* argv, size_t argc) noexcept nogil
"""The command or subcommand these words name, or NULL."""
