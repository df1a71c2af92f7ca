"""Who listens to what, and the sending of messages.

A Topic is a name that sessions subscribe to: a channel, a pattern, a shard channel; and, for CLIENT TRACKING, a key
that was read or a prefix of keys. It exists while somebody subscribes to it. A Subscription is one session at one
topic; it stands in a list of each. Messages are written once and copied to where each session takes them
(session_inbox). Everything here requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine, Session

cdef struct Subscription:
    Subscription* next_of_topic
    Subscription* previous_of_topic
    Subscription* next_of_session
    Subscription* previous_of_session
    uint8_t[7] unused
    uint8_t name_length                  # 16: its name in Engine.pubsub.subscriptions is the two pointers that follow
    Session* session
    Topic* topic

cdef struct Topic:                       # one block; the name lies behind: LEB128 length, bytes
    Subscription* first
    Subscription* last
    Topic* next_of_kind                  # patterns and prefixes: in the order of their coming
    Topic* previous_of_kind
    uint32_t kind                        # TOPIC_
    uint32_t count                       # subscriptions

cdef enum Subscribed:
    SUBSCRIBED_NEWLY = 0
    SUBSCRIBED_ALREADY = 1
    SUBSCRIBED_NOT = 2                   # memory was refused

cdef void pubsub_check() noexcept nogil
"""Builds with checks: tables find the names of topics and subscriptions where they are."""
cdef Topic* topic_find(Engine* engine, uint32_t kind, Slice name) noexcept nogil
"""The topic of this name, borrowed, or NULL when nobody subscribes to it. O(1)."""
cdef Slice topic_name(const Topic* topic) noexcept nogil
"""The topic's name; borrowed from it."""
cdef Subscribed topic_subscribe(Session* session, uint32_t kind, Slice name) noexcept nogil
"""O(1)."""
cdef bint topic_unsubscribe(Session* session, uint32_t kind, Slice name) noexcept nogil
"""False when it was not subscribed. O(1)."""
cdef void topic_leave(Subscription* subscription) noexcept nogil
"""End it; a topic without subscriptions goes."""
cdef void topic_drop(Engine* engine, Topic* topic) noexcept nogil
"""End all of its subscriptions, and the topic."""
cdef void topics_leave_all(Session* session, uint32_t kind) noexcept nogil
"""All of this session's subscriptions of a kind. O(its subscriptions)."""

cdef int64_t pubsub_publish(Engine* engine, uint32_t kind, Slice channel, Slice message) noexcept nogil
"""Send to a channel's (and fitting patterns') or a shard channel's subscribers; returns to how many.
O(subscribers + patterns)."""
cdef bint pubsub_has_listeners(const Engine* engine) noexcept nogil
"""Does anybody listen to any channel or pattern?"""
cdef void pubsub_deliver(Session* session, Slice message, bint as_it_is) noexcept nogil
"""Send a message that is RESP2 already, '*' in front; RESP3 sessions get it with '>', unless `as_it_is`. One who does not take his
messages is cut off at his limit (client-output-buffer-limit)."""
cdef void pubsub_cut_off(Session* session) noexcept nogil
"""Nothing is sent to it any more, and it is closed: it is at its limit, or memory was refused for a message that it must not miss."""
cdef void pubsub_write_message(Engine* engine, Slice channel, Slice message) noexcept nogil
"""Into engine.pubsub.message, as pubsub_deliver wants it."""
cdef inline int64_t session_channels(const Session* session) noexcept nogil:
    """What SUBSCRIBE and PSUBSCRIBE answer: channels and patterns together."""
    return <int64_t>session.topic_counts[0] + session.topic_counts[1]
