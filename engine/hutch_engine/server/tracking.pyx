"""See tracking.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_slice)
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.keyspace.keyspace cimport (
    EFFECT_EVENT, EFFECT_TOUCHED, EFFECT_TOUCHED_ALL, EVENT_FLUSHED, EVENT_KEYEVENT, EVENT_KEYSPACE, WANT_TOUCHED,
    Effect, Keyspace)
from hutch_engine.server.command_keys cimport KeyPosition, command_keys
from hutch_engine.server.engine cimport (
    SESSION_CLOSE_NOW, SESSION_MONITOR, SESSION_SUBSCRIBED, SESSION_TRACKING, TOPIC_CHANNEL, TOPIC_KINDS, TOPIC_PREFIX,
    TOPIC_TRACKED, TRACKING_BCAST, TRACKING_BROKEN_REDIRECT, TRACKING_CACHING, TRACKING_NOLOOP, TRACKING_OPTIN,
    TRACKING_OPTOUT, Engine, Session, session_inbox, session_notice)
from hutch_engine.server.pubsub cimport (
    SUBSCRIBED_NOT, Subscription, Topic, pubsub_cut_off, pubsub_deliver, pubsub_has_listeners, pubsub_install, pubsub_publish, pubsub_sweep, topic_drop,
    topic_find, topic_name, topic_subscribe, topics_leave_all)
from hutch_engine.structures.table cimport Table, table_count, table_random

cdef enum:
    POSITIONS = 16               # keys of a command that are found without an allocation
    LOOKED_BACK = 8              # a key that is named again so soon is told of once


# ---- keyspace notifications

cdef void _tell_event(Engine* engine, const Effect* effect, Slice key) noexcept nogil:
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


# ---- invalidation messages

cdef void _tell_broken(Session* session) noexcept nogil:
    """Whom its messages should go to is gone."""
    cdef Buffer text
    session.tracking |= TRACKING_BROKEN_REDIRECT
    if session.reply.resp < 3:
        return
    buffer_init(&text, NULL)
    buffer_append_text(&text, b">2\r\n$21\r\ntracking-redir-broken\r\n:")
    buffer_append_integer(&text, <int64_t>session.tracking_redirect)
    buffer_append_text(&text, b"\r\n")
    if not text.failed:
        pubsub_deliver(session, buffer_slice(&text), True)
    buffer_clear(&text)


cdef void _invalidate_for(Session* session, Slice keys) noexcept nogil:
    """One message to a tracking session, or to whom it redirects. `keys`: RESP, an array or a null."""
    cdef Session* target = session
    cdef Buffer text
    if session.tracking_redirect:
        target = session.tracking_target
        if target == NULL:
            _tell_broken(session)
            return
    buffer_init(&text, NULL)
    if target.reply.resp >= 3:
        buffer_append_text(&text, b">2\r\n$10\r\ninvalidate\r\n")
    elif target != session and target.flags & SESSION_SUBSCRIBED:
        buffer_append_text(&text, b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n")
    else:
        return                   # RESP2 has no form for it
    buffer_append_slice(&text, keys)
    if not text.failed:
        pubsub_deliver(target, buffer_slice(&text), True)
    else:
        pubsub_cut_off(target)   # one who is not told must not go on with what it has
    buffer_clear(&text)


cdef void _tell_of_all(Session* session) noexcept nogil:
    """A null for "all keys"; also where memory was refused: better told of everything than not told of something."""
    _invalidate_for(session, slice_of_text(b"_\r\n" if session.reply.resp >= 3 else b"$-1\r\n"))


cdef inline void _append_key(Buffer* out, Slice key) noexcept nogil:
    buffer_append(out, b"$", 1)
    buffer_append_integer(out, <int64_t>key.length)
    buffer_append(out, b"\r\n", 2)
    buffer_append_slice(out, key)
    buffer_append(out, b"\r\n", 2)


cdef void _invalidate(Engine* engine, Topic* topic) noexcept nogil:
    """All who have read the key are told; then nobody has."""
    cdef Subscription* subscription = topic.first
    cdef Buffer keys
    buffer_init(&keys, NULL)
    buffer_append_text(&keys, b"*1\r\n")
    _append_key(&keys, topic_name(topic))
    while subscription != NULL:
        # Whoever is not told of his own changes will not be told of later ones either, unless he reads again.
        if not (subscription.session.tracking & TRACKING_NOLOOP and subscription.session == engine.current):
            if unlikely(keys.failed):
                _tell_of_all(subscription.session)
            else:
                _invalidate_for(subscription.session, buffer_slice(&keys))
        subscription = subscription.next_of_topic
    buffer_clear(&keys)
    topic_drop(engine, topic)


cdef void tracking_invalidate_all(Engine* engine) noexcept nogil:
    cdef Session* session = engine.sessions
    cdef Table* tracked = &engine.topics[TOPIC_TRACKED]
    while session != NULL:
        if session.flags & SESSION_TRACKING:
            _tell_of_all(session)
            topics_leave_all(session, TOPIC_TRACKED)
        session = session.next


cdef Slice _effect_key(Keyspace* keyspace, size_t index) noexcept nogil:
    cdef Effect* effect = &keyspace.effects[index]
    return slice_of(keyspace.effect_keys.data + effect.key_start, effect.key_length)


cdef bint _was_named(Keyspace* keyspace, size_t first, size_t index) noexcept nogil:
    """Is the key of this effect one of the last few, too?"""
    cdef Slice key = _effect_key(keyspace, index)
    cdef size_t i = index
    while i > first and index - i < LOOKED_BACK:
        i -= 1
        if keyspace.effects[i].kind == EFFECT_TOUCHED and slice_equals(_effect_key(keyspace, i), key):
            return True
    return False


cdef void _broadcast_prefix(Engine* engine, Topic* topic, size_t first) noexcept nogil:
    """One message with all new keys of a prefix."""
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Slice prefix = topic_name(topic)
    cdef Slice key
    cdef Subscription* subscription = topic.first
    cdef Buffer keys, message
    cdef int64_t count = 0
    cdef size_t i
    buffer_init(&keys, NULL)
    for i in range(first, keyspace.effect_count):
        if keyspace.effects[i].kind != EFFECT_TOUCHED:
            continue
        key = _effect_key(keyspace, i)
        if key.length >= prefix.length and (prefix.length == 0 or memcmp(key.data, prefix.data, prefix.length) == 0) \
                and not _was_named(keyspace, first, i):
            _append_key(&keys, key)
            count += 1
    if count:
        buffer_init(&message, NULL)
        buffer_append(&message, b"*", 1)
        buffer_append_integer(&message, count)
        buffer_append(&message, b"\r\n", 2)
        buffer_append_slice(&message, buffer_slice(&keys))
        while subscription != NULL:
            # All that is announced together was done by one session.
            if not (subscription.session.tracking & TRACKING_NOLOOP and subscription.session == engine.current):
                if unlikely(message.failed or keys.failed):
                    _tell_of_all(subscription.session)
                else:
                    _invalidate_for(subscription.session, buffer_slice(&message))
            subscription = subscription.next_of_topic
        buffer_clear(&message)
    buffer_clear(&keys)


cdef void _announce_changes(Engine* engine, size_t first) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Topic* topic
    cdef bint flushed = False
    cdef size_t i
    for i in range(first, keyspace.effect_count):
        if keyspace.effects[i].kind == EFFECT_TOUCHED:
            topic = topic_find(engine, TOPIC_TRACKED, _effect_key(keyspace, i))
            if topic != NULL:
                _invalidate(engine, topic)
        elif keyspace.effects[i].kind == EFFECT_TOUCHED_ALL and keyspace.effects[i].event_class == EVENT_FLUSHED \
                and not flushed:
            flushed = True
            tracking_invalidate_all(engine)
    topic = <Topic*>engine.first_prefix
    while topic != NULL:
        _broadcast_prefix(engine, topic, first)
        topic = topic.next_of_kind


cdef void announce_effects(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t first = engine.announced
    cdef size_t i
    engine.announced = keyspace.effect_count
    if keyspace.event_classes:
        for i in range(first, keyspace.effect_count):
            if keyspace.effects[i].kind == EFFECT_EVENT:
                _tell_event(engine, &keyspace.effects[i], _effect_key(keyspace, i))
    if unlikely(engine.tracking_count != 0):
        _announce_changes(engine, first)
        if unlikely(engine.sweep_wanted):
            pubsub_sweep(engine)


# ---- remembering

cdef bint _evict(Engine* engine) noexcept nogil:
    cdef Topic* topic = <Topic*>table_random(&engine.topics[TOPIC_TRACKED], &engine.random)
    if topic == NULL:
        return False
    _invalidate(engine, topic)
    return True


cdef void tracking_limit(Engine* engine) noexcept nogil:
    cdef int64_t most = engine.config.tracking_table_max_keys
    while most and <int64_t>table_count(&engine.topics[TOPIC_TRACKED]) > most and _evict(engine):
        pass


cdef void tracking_remember(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef KeyPosition[POSITIONS] few
    cdef KeyPosition* positions = few
    cdef int64_t count, i
    cdef bint named = session.tracking & TRACKING_CACHING != 0
    if session.tracking & TRACKING_BCAST or (session.tracking & TRACKING_OPTIN and not named) \
            or (session.tracking & TRACKING_OPTOUT and named):
        return
    count = command_keys(command, argv, argc, positions, POSITIONS)
    if count > POSITIONS:
        positions = <KeyPosition*>malloc(<size_t>count * sizeof(KeyPosition))
        if positions == NULL:
            _tell_of_all(session)
            return
        command_keys(command, argv, argc, positions, <size_t>count)
    for i in range(count):
        if topic_subscribe(session, TOPIC_TRACKED, argv[positions[i].index]) == SUBSCRIBED_NOT:
            _tell_of_all(session)
            break
    if positions != few:
        free(positions)
    tracking_limit(session.engine)


# ---- on and off

cdef void _forget_target(Session* session) noexcept nogil:
    if session.tracking_target != NULL:
        session.tracking_target.redirected_to_it -= 1
    session.tracking_target = NULL
    session.tracking_redirect = 0


cdef void tracking_enable(Session* session, uint32_t options, Session* target) noexcept nogil:
    cdef Engine* engine = session.engine
    _forget_target(session)
    if target != NULL:
        session.tracking_redirect = target.id
        session.tracking_target = target
        target.redirected_to_it += 1
    session.tracking = options
    if not session.flags & SESSION_TRACKING:
        session.flags |= SESSION_TRACKING
        engine.tracking_count += 1
        engine.keyspace.wanted |= WANT_TOUCHED


cdef void tracking_disable(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    if not session.flags & SESSION_TRACKING:
        return
    session.flags &= ~<uint32_t>SESSION_TRACKING
    session.tracking = 0
    _forget_target(session)
    topics_leave_all(session, TOPIC_TRACKED)
    topics_leave_all(session, TOPIC_PREFIX)
    engine.tracking_count -= 1
    if engine.tracking_count == 0 and engine.watching_sessions == 0:
        engine.keyspace.wanted &= ~<uint32_t>WANT_TOUCHED


cdef void _forget(Session* session) noexcept nogil:
    """Engine.forget_topics: RESET, or its end."""
    cdef Session* other
    cdef uint32_t kind
    tracking_disable(session)
    for kind in range(TOPIC_KINDS):
        topics_leave_all(session, kind)
    if session.flags & SESSION_MONITOR:
        session.flags &= ~<uint32_t>SESSION_MONITOR
        session.engine.monitor_count -= 1
    if session.redirected_to_it and session.flags & SESSION_CLOSE_NOW:
        other = session.engine.sessions
        while other != NULL:
            if other.tracking_target == session:
                other.tracking_target = NULL
            other = other.next
        session.redirected_to_it = 0


cdef void messaging_install(Engine* engine) noexcept nogil:
    pubsub_install(engine)
    engine.forget_topics = _forget
