"""Answering those who wait (sessions/waiting): when a key is ready, when their time is over, when somebody says so.

When a key appears (keyspace_ready: a new key, whoever made it, or a value put over another), the commands of those that wait
for its type are run again from their beginning, the first to come first, as long as there is something to take. That is all of
the rules: a BLMOVE that makes its target ready comes to its own readers the same way, and a key that has the wrong type by now
answers as it does to any command. A transaction's or script's pushes are served when it is over. Requires the engine's lock.
"""
from libc.stdint cimport int64_t
from hutch_engine.state.engine cimport Engine, Session

cdef void serve_ready(Engine* engine) noexcept nogil
"""Serve all keys that are ready, and those that serving them makes ready, in that order. While CLIENT PAUSE holds a command
that would be run, its key and those behind it stay in the chain. O(commands that are run)."""
cdef bint serve_unblock(Session* session, bint as_error) noexcept nogil
"""Answer a waiting session as after its time-out, or with an error (CLIENT UNBLOCK). False if the session does not wait."""
cdef bint serve_time_outs(Engine* engine, int64_t budget) noexcept nogil
"""Answer up to `budget` of the sessions whose time is over; True when more are due."""
