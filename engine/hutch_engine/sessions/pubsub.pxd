"""Who listens to what, and the sending of messages.

A Topic is a name that sessions subscribe to: a channel, a pattern, a shard channel; and, for CLIENT TRACKING, a key
that was read or a prefix of keys. It exists while somebody subscribes to it. A Subscription is one session at one
topic; it stands in a list of each. Messages are written once and copied to where each session takes them
(session_inbox). Everything here requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from hutch_engine.base.buffer cimport Buffer
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
"""Verify that tables find the names of topics and subscriptions where these structs have them; panics in checks builds."""
cdef Topic* topic_find(Engine* engine, uint32_t kind, Slice name) noexcept nogil
"""The topic of this name, borrowed, or NULL when nobody subscribes to it. O(1)."""
cdef Slice topic_name(const Topic* topic) noexcept nogil
"""The topic's name; borrowed from it."""
cdef Subscribed topic_subscribe(Session* session, uint32_t kind, Slice name) noexcept nogil
"""Subscribe the session to the topic of this name and kind, which is made if need be. SUBSCRIBED_NOT: memory was refused, and
nothing has changed. The name is copied. O(1)."""
cdef bint topic_unsubscribe(Session* session, uint32_t kind, Slice name) noexcept nogil
"""End the session's subscription to the topic of this name and kind; False when there is none. O(1)."""
cdef void topic_leave(Subscription* subscription) noexcept nogil
"""End a subscription and free it; a topic without subscriptions is freed, too. O(1)."""
cdef void topic_drop(Engine* engine, Topic* topic) noexcept nogil
"""End all subscriptions of a topic, and free them and it. O(subscriptions)."""
cdef void topics_leave_all(Session* session, uint32_t kind) noexcept nogil
"""End all of this session's subscriptions of a kind. O(its subscriptions of all kinds)."""

cdef int64_t pubsub_publish(Engine* engine, uint32_t kind, Slice channel, Slice message) noexcept nogil
"""Send a message to the subscribers of a channel and of the patterns that fit it (TOPIC_CHANNEL), or of a shard channel
(TOPIC_SHARD); returns to how many. When memory is refused the message reaches nobody. O(subscribers + patterns)."""
cdef bint pubsub_has_listeners(const Engine* engine) noexcept nogil
"""Does anybody listen to any channel or pattern? O(1)."""
cdef void pubsub_deliver(Session* session, Slice message, bint as_it_is) noexcept nogil
"""Send a message to one session, a copy: RESP2 already, '*' in front; RESP3 sessions get it with '>', unless `as_it_is`. A
session that does not take its messages is cut off at its limit (client-output-buffer-limit), and so is one for whose
message memory was refused. O(length)."""
cdef bint pubsub_is_over_limit(Session* session, const Buffer* inbox) noexcept nogil
"""Has the session so much in its inbox (session_inbox) that it is to be cut off? The hard limit for all; the soft one, for sockets,
is the listener's, which knows what has left. O(1)"""
cdef void pubsub_cut_off(Session* session) noexcept nogil
"""Mark the session to be closed, since it is at its limit or memory was refused for a message that it must not miss; nothing
is sent to it any more."""
cdef void pubsub_write_message(Engine* engine, Slice channel, Slice message) noexcept nogil
"""Write a message of this channel into engine.pubsub.message, as pubsub_deliver wants it. When memory was refused, that
buffer's `failed` is set."""
cdef inline int64_t session_channels(const Session* session) noexcept nogil:
    """What SUBSCRIBE and PSUBSCRIBE answer: channels and patterns together."""
    return <int64_t>session.topic_counts[0] + session.topic_counts[1]
