"""Sessions that wait for a key: BLPOP and its kin, of all types.

A command that finds nothing says so with call_block. Its session then stands in a queue for each of the keys, in the
order of coming; a copy of its words is kept. When a key appears (keyspace_ready: a new key, whoever made it, or a
value put over another), the commands of those that wait for its type are run again from their beginning, the first
to come first, as long as there is something to take. That is all of the rules: a BLMOVE that makes its target ready
comes to its own readers the same way, and a key that has the wrong type by now answers as it does to any command.

A transaction's or script's pushes are served when it is over. Time-outs lie in a wheel of the engine's and are found
by housekeeping. Everything here requires the engine's lock.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine, Session

cdef void blocking_install(Engine* engine) noexcept nogil
"""Called once by the engine's maker: from now on commands may wait. (Without it they answer as after a time-out.)"""
cdef void blocking_forget(Session* session) noexcept nogil
"""It waits no more, and gets no reply: interrupted, disconnected. A session that does not wait is left alone."""
cdef bint blocking_unblock(Session* session, bint as_error) noexcept nogil
"""CLIENT UNBLOCK: answer as after the time-out, or with an error. False if the session does not wait."""
cdef bint blocking_time_out(Engine* engine, int64_t budget) noexcept nogil
"""Answer up to `budget` of those whose time is over; True when more are due."""
cdef int64_t blocking_next_ms(const Engine* engine) noexcept nogil
"""When blocking_time_out has something to do; INT64_MAX if never."""
cdef int64_t blocking_keys_until_gone(Engine* engine) noexcept nogil
"""How many keys somebody waits for who also wants to hear that one is gone (XREADGROUP). O(keys waited for)."""
