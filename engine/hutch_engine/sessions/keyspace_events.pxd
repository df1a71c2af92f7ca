"""Keyspace notifications: the messages that a change sends to its channels (notify-keyspace-events). Requires the engine's
lock."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.keyspace cimport Effect
from hutch_engine.state.engine cimport Engine

cdef void keyspace_events_publish(Engine* engine, const Effect* effect, Slice key) noexcept nogil
"""Publish an EFFECT_EVENT to __keyspace@N__:key and __keyevent@N__:event, as far as these are wanted. When memory is refused,
the message is lost. O(those who receive it, and patterns)."""
