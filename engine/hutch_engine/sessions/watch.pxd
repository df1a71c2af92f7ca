"""WATCH: which sessions watch which keys. Requires the engine's lock."""
from libc.stdint cimport int32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine, Session

cdef bint session_watch(Session* session, int32_t database_index, Slice key) noexcept nogil
"""False when memory was refused. Watching twice is watching once."""
cdef void session_unwatch(Session* session) noexcept nogil
"""Forget all keys that the session watches. O(their number)."""
cdef bint session_watches_expired(Session* session) noexcept nogil
"""Has a watched key reached its deadline without anybody having noticed?"""
cdef void watch_touch(Engine* engine, int32_t database_index, Slice key) noexcept nogil
"""The key changed: whoever watches it cannot EXEC."""
cdef void watch_touch_all(Engine* engine, int32_t database_index) noexcept nogil
"""The database was emptied or swapped."""
