"""See keyspace_events.pxd."""
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.slice cimport Slice, slice_of_text
from hutch_engine.keyspace.keyspace cimport EVENT_KEYEVENT, EVENT_KEYSPACE, Effect
from hutch_engine.sessions.pubsub cimport pubsub_has_listeners, pubsub_publish
from hutch_engine.state.engine cimport TOPIC_CHANNEL, Engine


cdef void keyspace_events_publish(Engine* engine, const Effect* effect, Slice key) noexcept nogil:
    cdef Buffer channel
    cdef Slice event = slice_of_text(effect.event)
    if not pubsub_has_listeners(engine):
        return
    buffer_init(&channel, NULL)
    if engine.keyspace.event_classes & EVENT_KEYSPACE:
        buffer_append_text(&channel, b"__keyspace@")
        buffer_append_integer(&channel, effect.database)
        buffer_append_text(&channel, b"__:")
        buffer_append_slice(&channel, key)
        if not channel.failed:
            pubsub_publish(engine, TOPIC_CHANNEL, buffer_slice(&channel), event)
    if engine.keyspace.event_classes & EVENT_KEYEVENT:
        channel.length = 0
        buffer_append_text(&channel, b"__keyevent@")
        buffer_append_integer(&channel, effect.database)
        buffer_append_text(&channel, b"__:")
        buffer_append_slice(&channel, event)
        if not channel.failed:
            pubsub_publish(engine, TOPIC_CHANNEL, buffer_slice(&channel), key)
    buffer_clear(&channel)
