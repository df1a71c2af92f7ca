"""WATCH: which sessions watch which keys. Requires the engine's lock."""
from libc.stdint cimport int32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine, Session

cdef bint session_watch(Session* session, int32_t database_index, Slice key) noexcept nogil
"""Let the session watch a key, whose bytes are copied; one that it watches already is left so. False when memory was refused.
O(keys that it watches)."""
cdef void session_unwatch(Session* session) noexcept nogil
"""Forget all keys that the session watches. O(their number)."""
cdef bint session_watches_expired(Session* session) noexcept nogil
"""Has a watched key reached its deadline since it was watched, without anybody having noticed? O(watched keys)."""
cdef void watch_touch(Engine* engine, int32_t database_index, Slice key) noexcept nogil
"""Mark all who watch this key, which has changed: they cannot EXEC, and watch nothing any more. O(those who watch it, and
their other keys)."""
cdef void watch_touch_all(Engine* engine, int32_t database_index) noexcept nogil
"""Mark all who watch a key of this database that was emptied or swapped; -1: of any database. O(watched keys)."""
