"""See pubsub.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_shrink, buffer_slice)
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_read, leb128_write
from hutch_engine.state.config cimport OutputLimit
from hutch_engine.state.engine cimport (
    SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_SUBSCRIBED, SUBSCRIPTION_NAME_OFFSET,
    TOPIC_CHANNEL, TOPIC_NAME_OFFSET, TOPIC_PATTERN, TOPIC_PREFIX, TOPIC_SHARD, TOPIC_TRACKED, Engine, Session)
from hutch_engine.sessions.key_filter cimport key_filter_empty, key_filter_is_stale, key_filter_note, key_filter_unite
from hutch_engine.sessions.wake_queue cimport session_inbox, session_wake
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_count, table_each, table_find, table_hash, table_insert, table_remove)
from hutch_engine.sessions.output_limit cimport (
    OUTPUT_NOT_COUNTED_BYTES, output_limit_is_over, output_limit_is_over_hard, output_limit_of)

cdef enum:
    NAME_BYTES = 2 * sizeof(void*)      # of a Subscription in its table
    KEPT_MESSAGE_BYTES = 65536          # of Engine.pubsub.message, between messages


# ---- topics

cdef inline size_t _topic_bytes(size_t name_length) noexcept nogil:
    return sizeof(Topic) + leb128_bytes(name_length) + name_length


cdef Slice topic_name(const Topic* topic) noexcept nogil:
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>topic + sizeof(Topic), &length)
    return slice_of(data, length)


cdef Topic* topic_find(Engine* engine, uint32_t kind, Slice name) noexcept nogil:
    cdef Table* table = &engine.pubsub.topics[kind]
    cdef TableSlot slot
    if table_count(table) == 0:
        return NULL
    slot = table_find(table, name, table_hash(table, name))
    return <Topic*>slot[0] if slot != NULL else NULL


cdef inline void** _list_of(Engine* engine, uint32_t kind) noexcept nogil:
    """Where the topics of a kind that is gone through one by one are chained from; NULL for the others."""
    if kind == TOPIC_PATTERN:
        return &engine.pubsub.first_pattern
    return &engine.pubsub.first_prefix if kind == TOPIC_PREFIX else NULL


cdef Topic* _topic_new(Engine* engine, uint32_t kind, Slice name) noexcept nogil:
    cdef Table* table = &engine.pubsub.topics[kind]
    cdef Topic* topic = <Topic*>heap_try_alloc(&engine.heap, _topic_bytes(name.length))
    cdef Topic** list = <Topic**>_list_of(engine, kind)
    cdef Topic* last = NULL
    if topic == NULL:
        return NULL
    topic.first = NULL
    topic.last = NULL
    topic.kind = kind
    topic.count = 0
    topic.next_of_kind = NULL
    topic.previous_of_kind = NULL
    if list != NULL:
        # The newest in front: nobody can tell, and there is no need of the last.
        topic.next_of_kind = list[0]
        if list[0] != NULL:
            list[0].previous_of_kind = topic
        list[0] = topic
    memcpy(leb128_write(<char*>topic + sizeof(Topic), name.length), name.data, name.length)
    table_insert(table, topic, table_hash(table, name))
    if kind == TOPIC_TRACKED:
        key_filter_note(engine, &engine.pubsub.tracked, name)
    elif kind == TOPIC_PREFIX:
        key_filter_unite(engine)
    return topic


cdef bint _note_tracked(void* engine, void* topic) noexcept nogil:
    key_filter_note(<Engine*>engine, &(<Engine*>engine).pubsub.tracked, topic_name(<Topic*>topic))
    return True


cdef void _topic_free(Engine* engine, Topic* topic) noexcept nogil:
    cdef Table* table = &engine.pubsub.topics[topic.kind]
    cdef Slice name = topic_name(topic)
    cdef uint64_t hash = table_hash(table, name)
    cdef Topic** list = <Topic**>_list_of(engine, topic.kind)
    if list != NULL:
        if topic.previous_of_kind != NULL:
            topic.previous_of_kind.next_of_kind = topic.next_of_kind
        else:
            list[0] = topic.next_of_kind
        if topic.next_of_kind != NULL:
            topic.next_of_kind.previous_of_kind = topic.previous_of_kind
    table_remove(table, table_find(table, name, hash), hash)
    if topic.kind == TOPIC_TRACKED and key_filter_is_stale(&engine.pubsub.tracked, table_count(table)):
        key_filter_empty(engine, &engine.pubsub.tracked)
        table_each(table, _note_tracked, engine)
    elif topic.kind == TOPIC_PREFIX:
        key_filter_unite(engine)
    heap_free(&engine.heap, topic, _topic_bytes(name.length))


# ---- subscriptions

cdef inline Slice _name_of(const Subscription* subscription) noexcept nogil:
    return slice_of(<const char*>&subscription.session, NAME_BYTES)


cdef Subscription* _subscription_find(Session* session, Topic* topic) noexcept nogil:
    cdef Table* table = &session.engine.pubsub.subscriptions
    cdef Subscription wanted
    cdef Slice name
    cdef TableSlot slot
    wanted.session = session
    wanted.topic = topic
    name = _name_of(&wanted)
    slot = table_find(table, name, table_hash(table, name))
    return <Subscription*>slot[0] if slot != NULL else NULL


cdef void _mark(Session* session) noexcept nogil:
    """SESSION_SUBSCRIBED follows the counts."""
    if session.topic_counts[TOPIC_CHANNEL] + session.topic_counts[TOPIC_PATTERN] + session.topic_counts[TOPIC_SHARD]:
        session.flags |= SESSION_SUBSCRIBED
    else:
        session.flags &= ~<uint32_t>SESSION_SUBSCRIBED


cdef Subscribed topic_subscribe(Session* session, uint32_t kind, Slice name) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Topic* topic = topic_find(engine, kind, name)
    cdef Subscription* subscription
    if topic == NULL:
        topic = _topic_new(engine, kind, name)
        if topic == NULL:
            return SUBSCRIBED_NOT
    elif _subscription_find(session, topic) != NULL:
        return SUBSCRIBED_ALREADY
    subscription = <Subscription*>heap_try_alloc(&engine.heap, sizeof(Subscription))
    if subscription == NULL:
        if topic.count == 0:
            _topic_free(engine, topic)
        return SUBSCRIBED_NOT
    subscription.name_length = NAME_BYTES
    subscription.session = session
    subscription.topic = topic
    subscription.next_of_topic = NULL
    subscription.previous_of_topic = topic.last
    if topic.last != NULL:
        topic.last.next_of_topic = subscription
    else:
        topic.first = subscription
    topic.last = subscription
    topic.count += 1
    subscription.next_of_session = NULL
    subscription.previous_of_session = <Subscription*>session.last_subscription
    if session.last_subscription != NULL:
        (<Subscription*>session.last_subscription).next_of_session = subscription
    else:
        session.subscriptions = subscription
    session.last_subscription = subscription
    session.topic_counts[kind] += 1
    _mark(session)
    table_insert(&engine.pubsub.subscriptions, subscription, table_hash(&engine.pubsub.subscriptions, _name_of(subscription)))
    return SUBSCRIBED_NEWLY


cdef void topic_leave(Subscription* subscription) noexcept nogil:
    cdef Session* session = subscription.session
    cdef Engine* engine = session.engine
    cdef Topic* topic = subscription.topic
    cdef Slice name = _name_of(subscription)
    cdef uint64_t hash = table_hash(&engine.pubsub.subscriptions, name)
    table_remove(&engine.pubsub.subscriptions, table_find(&engine.pubsub.subscriptions, name, hash), hash)
    if subscription.previous_of_topic != NULL:
        subscription.previous_of_topic.next_of_topic = subscription.next_of_topic
    else:
        topic.first = subscription.next_of_topic
    if subscription.next_of_topic != NULL:
        subscription.next_of_topic.previous_of_topic = subscription.previous_of_topic
    else:
        topic.last = subscription.previous_of_topic
    if subscription.previous_of_session != NULL:
        subscription.previous_of_session.next_of_session = subscription.next_of_session
    else:
        session.subscriptions = subscription.next_of_session
    if subscription.next_of_session != NULL:
        subscription.next_of_session.previous_of_session = subscription.previous_of_session
    else:
        session.last_subscription = subscription.previous_of_session
    session.topic_counts[topic.kind] -= 1
    _mark(session)
    heap_free(&engine.heap, subscription, sizeof(Subscription))
    topic.count -= 1
    if topic.count == 0:
        _topic_free(engine, topic)


cdef bint topic_unsubscribe(Session* session, uint32_t kind, Slice name) noexcept nogil:
    cdef Topic* topic = topic_find(session.engine, kind, name)
    cdef Subscription* subscription = _subscription_find(session, topic) if topic != NULL else NULL
    if subscription == NULL:
        return False
    topic_leave(subscription)
    return True


cdef void topic_drop(Engine* engine, Topic* topic) noexcept nogil:
    cdef uint32_t left = topic.count
    while left:
        left -= 1                        # the last one takes the topic along
        topic_leave(topic.first)


cdef void topics_leave_all(Session* session, uint32_t kind) noexcept nogil:
    cdef Subscription* subscription = <Subscription*>session.subscriptions
    cdef Subscription* following
    while subscription != NULL and session.topic_counts[kind]:
        following = subscription.next_of_session
        if subscription.topic.kind == kind:
            topic_leave(subscription)
        subscription = following


# ---- sending

cdef void pubsub_cut_off(Session* session) noexcept nogil:
    session.flags |= SESSION_CLOSE_NOW
    if session.flags & SESSION_EMBEDDED:
        session.engine.pubsub.sweep_wanted = True
    session.engine.statistics.output_limit_closes += 1
    session_wake(session)


cdef bint pubsub_is_over_limit(Session* session, const Buffer* inbox) noexcept nogil:
    cdef const OutputLimit* limit
    if likely(inbox.length <= OUTPUT_NOT_COUNTED_BYTES):
        return False
    limit = output_limit_of(&session.engine.config, session.flags)
    if not session.flags & SESSION_EMBEDDED:
        return output_limit_is_over_hard(limit, inbox.length)
    return output_limit_is_over(limit, inbox.length, monotonic_us(), &session.inbox_over_since_us)


cdef void pubsub_deliver(Session* session, Slice message, bint as_it_is) noexcept nogil:
    cdef Buffer* inbox
    cdef size_t start
    if unlikely(session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
        return
    inbox = session_inbox(session)
    start = inbox.length
    buffer_append(inbox, message.data, message.length)
    if unlikely(inbox.failed):
        pubsub_cut_off(session)
        return
    if session.reply.resp >= 3 and not as_it_is:
        inbox.data[start] = b'>'
    if unlikely(pubsub_is_over_limit(session, inbox)):
        pubsub_cut_off(session)
        return
    session_wake(session)


cdef inline void _bulk(Buffer* out, Slice bytes) noexcept nogil:
    buffer_append(out, b"$", 1)
    buffer_append_integer(out, <int64_t>bytes.length)
    buffer_append(out, b"\r\n", 2)
    buffer_append_slice(out, bytes)
    buffer_append(out, b"\r\n", 2)


cdef void _write(Engine* engine, const char* head, Slice pattern, Slice channel, Slice message) noexcept nogil:
    """engine.pubsub.message: `head`, the pattern if there is one, channel and message."""
    cdef Buffer* out = &engine.pubsub.message
    out.length = 0
    out.failed = False
    buffer_append(out, head, strlen(head))
    if pattern.data != NULL:
        _bulk(out, pattern)
    _bulk(out, channel)
    _bulk(out, message)


cdef void pubsub_write_message(Engine* engine, Slice channel, Slice message) noexcept nogil:
    _write(engine, b"*3\r\n$7\r\nmessage\r\n", slice_of(NULL, 0), channel, message)


cdef int64_t _send(Engine* engine, Topic* topic) noexcept nogil:
    """engine.pubsub.message to all subscribers."""
    cdef Slice message = buffer_slice(&engine.pubsub.message)
    cdef Subscription* subscription = topic.first
    if unlikely(engine.pubsub.message.failed):
        return 0                         # a message that memory was refused for reaches nobody, whole or in part
    while subscription != NULL:
        pubsub_deliver(subscription.session, message, False)
        subscription = subscription.next_of_topic
    return topic.count


cdef bint pubsub_has_listeners(const Engine* engine) noexcept nogil:
    return table_count(&engine.pubsub.topics[TOPIC_CHANNEL]) != 0 or engine.pubsub.first_pattern != NULL


cdef int64_t pubsub_publish(Engine* engine, uint32_t kind, Slice channel, Slice message) noexcept nogil:
    cdef int64_t receivers = 0
    cdef Topic* topic = topic_find(engine, kind, channel)
    if topic != NULL:
        if kind == TOPIC_SHARD:
            _write(engine, b"*3\r\n$8\r\nsmessage\r\n", slice_of(NULL, 0), channel, message)
        else:
            pubsub_write_message(engine, channel, message)
        receivers = _send(engine, topic)
    if kind == TOPIC_CHANNEL:
        topic = <Topic*>engine.pubsub.first_pattern
        while topic != NULL:
            if glob_matches(topic_name(topic), channel, False):
                _write(engine, b"*4\r\n$8\r\npmessage\r\n", topic_name(topic), channel, message)
                receivers += _send(engine, topic)
            topic = topic.next_of_kind
    if unlikely(engine.pubsub.message.capacity > KEPT_MESSAGE_BYTES):
        engine.pubsub.message.length = 0
        buffer_shrink(&engine.pubsub.message, KEPT_MESSAGE_BYTES)
    return receivers


cdef void pubsub_check() noexcept nogil:
    invariant(sizeof(Topic) == TOPIC_NAME_OFFSET, b"the name in a Topic")
    invariant(sizeof(Subscription) == SUBSCRIPTION_NAME_OFFSET + 1 + NAME_BYTES, b"the name in a Subscription")
