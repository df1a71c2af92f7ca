"""See tracking.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memcpy
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_reserve, buffer_shrink, buffer_slice)
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.keyspace.keyspace cimport WANT_TOUCHED
from hutch_engine.commands.command_keys cimport KeyPosition, command_keys
from hutch_engine.state.engine cimport (
    SESSION_CLOSE_NOW, SESSION_RESTRICTED, SESSION_SUBSCRIBED, SESSION_TRACKING, TOPIC_KINDS, TOPIC_PREFIX, TOPIC_TRACKED,
    TRACKING_BCAST, TRACKING_BROKEN_REDIRECT, TRACKING_CACHING, TRACKING_NOLOOP, TRACKING_OPTIN, TRACKING_OPTOUT, Engine,
    Session, engine_observe)
from hutch_engine.state.user cimport SELECTS_ALL_KEYS, Selector, User, patterns_match
from hutch_engine.sessions.monitor cimport monitor_leave
from hutch_engine.sessions.pubsub cimport (
    SUBSCRIBED_NOT, Subscription, Topic, pubsub_cut_off, pubsub_deliver, topic_drop, topic_find, topic_name,
    topic_subscribe, topics_leave_all)
from hutch_engine.structures.table cimport Table, table_count, table_random

cdef enum:
    POSITIONS = 16               # keys of a command that are found without an allocation
    COMPACT_BYTES = 65536        # of Engine.tracking.changed, before keys that are named twice are looked for
    KEPT_CHANGED_BYTES = 16384   # of it, between broadcasts
    EVICTED_AT_ONCE = 1000       # tracked keys, when there are too many


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
    elif session.tracking_redirect and target.flags & SESSION_SUBSCRIBED:     # perhaps to the session itself
        buffer_append_text(&text, b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n")
    else:
        return                   # RESP2 has no form for it
    buffer_append_slice(&text, keys)
    if not text.failed:
        pubsub_deliver(target, buffer_slice(&text), True)
    else:
        pubsub_cut_off(target)   # one who is not told must not go on with what it has
    buffer_clear(&text)


cdef void _invalidate_all_of(Session* session) noexcept nogil:
    """A null for "all keys"; also where memory was refused: better told of everything than not told of something."""
    _invalidate_for(session, slice_of_text(b"_\r\n" if session.reply.resp >= 3 else b"$-1\r\n"))


cdef inline void _append_key(Buffer* out, Slice key) noexcept nogil:
    buffer_append(out, b"$", 1)
    buffer_append_integer(out, <int64_t>key.length)
    buffer_append(out, b"\r\n", 2)
    buffer_append_slice(out, key)
    buffer_append(out, b"\r\n", 2)


cdef void _invalidate(Engine* engine, Topic* topic, const Session* changer) noexcept nogil:
    """All who have read the key are told; then nobody has. `changer`: who has changed it, and may not want to hear of that; NULL: nobody."""
    cdef Subscription* subscription = topic.first
    cdef Buffer keys
    buffer_init(&keys, NULL)
    buffer_append_text(&keys, b"*1\r\n")
    _append_key(&keys, topic_name(topic))
    while subscription != NULL:
        # Whoever is not told of his own changes will not be told of later ones either, unless he reads again.
        if not (subscription.session.tracking & TRACKING_NOLOOP and subscription.session == changer):
            if unlikely(keys.failed):
                _invalidate_all_of(subscription.session)
            else:
                _invalidate_for(subscription.session, buffer_slice(&keys))
        subscription = subscription.next_of_topic
    buffer_clear(&keys)
    topic_drop(engine, topic)


cdef void tracking_invalidate_all(Engine* engine) noexcept nogil:
    cdef Session* session = engine.sessions.first
    cdef Table* tracked = &engine.pubsub.topics[TOPIC_TRACKED]
    while session != NULL:
        if session.flags & SESSION_TRACKING:
            _invalidate_all_of(session)
            topics_leave_all(session, TOPIC_TRACKED)
        session = session.next


# ---- broadcasting: keys are noted as they change, and told of together

cdef inline size_t _record_bytes(size_t key_length) noexcept nogil:
    return sizeof(ChangedKey) + ((key_length + 7) & ~<size_t>7)


cdef inline Slice _changed_key(const ChangedKey* record) noexcept nogil:
    return slice_of(<const char*>record + sizeof(ChangedKey), record.length)


cdef inline bint _begins_with(Slice key, Slice prefix) noexcept nogil:
    return key.length >= prefix.length and (prefix.length == 0 or memcmp(key.data, prefix.data, prefix.length) == 0)


cdef int _order_of(Slice one, Slice two) noexcept nogil:
    cdef size_t shorter = one.length if one.length < two.length else two.length
    cdef int order = memcmp(one.data, two.data, shorter) if shorter else 0
    if order == 0:
        return (one.length > two.length) - <int>(one.length < two.length)
    return order


cdef int _order_of_records(const void* one, const void* two) noexcept nogil:
    """By key; those of one key in the order of their coming."""
    cdef const ChangedKey* first = (<const ChangedKey**>one)[0]
    cdef const ChangedKey* second = (<const ChangedKey**>two)[0]
    cdef int order = _order_of(_changed_key(first), _changed_key(second))
    if order == 0:
        return (first > second) - <int>(first < second)
    return order


cdef int _order_of_topics(const void* one, const void* two) noexcept nogil:
    return _order_of(topic_name((<const Topic**>one)[0]), topic_name((<const Topic**>two)[0]))


cdef void _note_changed(Engine* engine, Slice key) noexcept nogil:
    cdef Topic* topic = <Topic*>engine.pubsub.first_prefix
    cdef ChangedKey* record
    cdef size_t bytes = _record_bytes(key.length)
    while topic != NULL and not _begins_with(key, topic_name(topic)):
        topic = topic.next_of_kind
    if topic == NULL:
        return
    if not buffer_reserve(&engine.tracking.changed, bytes):
        engine.tracking.changed.failed = False
        engine.tracking.changed.length = 0
        _broadcast_all(engine)
        return
    record = <ChangedKey*>(engine.tracking.changed.data + engine.tracking.changed.length)
    record.session = engine.execution.current.id if engine.execution.current != NULL else 0
    record.length = <uint32_t>key.length
    if key.length:
        memcpy(<char*>record + sizeof(ChangedKey), key.data, key.length)
    engine.tracking.changed.length += bytes
    if unlikely(engine.tracking.changed.length >= engine.tracking.changed_compact_at):
        _compact_changed(engine)


cdef ChangedKey** _sorted_changed(Engine* engine, size_t* count_out) noexcept nogil:
    """Each key once, in order, with whom changed it last; malloc'ed. NULL when memory was refused."""
    cdef size_t at = 0
    cdef size_t count = 0
    cdef size_t kept = 0
    cdef size_t i
    cdef ChangedKey** records
    while at < engine.tracking.changed.length:
        at += _record_bytes((<ChangedKey*>(engine.tracking.changed.data + at)).length)
        count += 1
    records = <ChangedKey**>malloc(count * sizeof(ChangedKey*))
    if records == NULL:
        return NULL
    at = 0
    for i in range(count):
        records[i] = <ChangedKey*>(engine.tracking.changed.data + at)
        at += _record_bytes(records[i].length)
    qsort(records, count, sizeof(ChangedKey*), _order_of_records)
    for i in range(count):
        if kept and slice_equals(_changed_key(records[kept - 1]), _changed_key(records[i])):
            kept -= 1
        records[kept] = records[i]
        kept += 1
    count_out[0] = kept
    return records


cdef void _compact_changed(Engine* engine) noexcept nogil:
    """A long script may change one key very often."""
    cdef Buffer kept
    cdef size_t count, i
    cdef ChangedKey** records = _sorted_changed(engine, &count)
    buffer_init(&kept, NULL)
    if records != NULL:
        for i in range(count):
            buffer_append(&kept, <const char*>records[i], _record_bytes(records[i].length))
        free(records)
        if not kept.failed:
            buffer_clear(&engine.tracking.changed)
            engine.tracking.changed = kept
        else:
            buffer_clear(&kept)
    engine.tracking.changed_compact_at = engine.tracking.changed.length * 2
    if engine.tracking.changed_compact_at < COMPACT_BYTES:
        engine.tracking.changed_compact_at = COMPACT_BYTES


cdef bint _write_keys(Buffer* out, ChangedKey** records, size_t count, uint64_t without) noexcept nogil:
    """An array of the keys, those that this session changed last left out (0: none are). False when none is left."""
    cdef int64_t told = 0
    cdef size_t i
    out.length = 0
    for i in range(count):
        told += without == 0 or records[i].session != without
    buffer_append(out, b"*", 1)
    buffer_append_integer(out, told)
    buffer_append(out, b"\r\n", 2)
    for i in range(count):
        if without == 0 or records[i].session != without:
            _append_key(out, _changed_key(records[i]))
    return told != 0


cdef bint _may_know(const User* user, Slice key) noexcept nogil:
    """Does one of the user's selectors name the key? Who may not use it does not hear of it either."""
    cdef const Selector* selector = &user.root
    while selector != NULL:
        if selector.flags & SELECTS_ALL_KEYS or patterns_match(&selector.patterns, key, 0):
            return True
        selector = selector.next
    return False


cdef bint _write_allowed_keys(Buffer* out, ChangedKey** records, size_t count, const Session* session) noexcept nogil:
    """As _write_keys, of the keys that the session's user may know of."""
    cdef uint64_t without = session.id if session.tracking & TRACKING_NOLOOP else 0
    cdef ChangedKey** allowed = <ChangedKey**>malloc(count * sizeof(ChangedKey*))
    cdef size_t kept = 0, i
    cdef bint told
    if allowed == NULL:
        out.failed = True
        return False
    for i in range(count):
        if _may_know(session.user, _changed_key(records[i])):
            allowed[kept] = records[i]
            kept += 1
    told = kept != 0 and _write_keys(out, allowed, kept, without)
    free(allowed)
    return told


cdef void _broadcast_prefix(Topic* topic, ChangedKey** records, size_t count, Buffer* message) noexcept nogil:
    """`records`: the changed keys of this prefix."""
    cdef Subscription* subscription = topic.first
    cdef Session* session
    cdef bint common = False             # `message` has all of them
    while subscription != NULL:
        session = subscription.session
        if unlikely(session.flags & SESSION_RESTRICTED):
            common = False
            if _write_allowed_keys(message, records, count, session) and not message.failed:
                _invalidate_for(session, buffer_slice(message))
        elif session.tracking & TRACKING_NOLOOP:
            common = False
            if _write_keys(message, records, count, session.id) and not message.failed:
                _invalidate_for(session, buffer_slice(message))
        else:
            if not common:
                common = _write_keys(message, records, count, 0)
            if not message.failed:
                _invalidate_for(session, buffer_slice(message))
        if message.failed:
            message.failed = False
            common = False
            _invalidate_all_of(session)
        subscription = subscription.next_of_topic


cdef void _broadcast_all(Engine* engine) noexcept nogil:
    """Memory was refused: whoever listens to a prefix is told of everything."""
    cdef Topic* topic = <Topic*>engine.pubsub.first_prefix
    cdef Subscription* subscription
    while topic != NULL:
        subscription = topic.first
        while subscription != NULL:
            _invalidate_all_of(subscription.session)
            subscription = subscription.next_of_topic
        topic = topic.next_of_kind


cdef bint _broadcast_sorted(Engine* engine) noexcept nogil:
    cdef size_t topic_total = <size_t>table_count(&engine.pubsub.topics[TOPIC_PREFIX])
    cdef size_t count, i, first, last
    cdef ChangedKey** records = _sorted_changed(engine, &count)
    cdef Topic** topics = <Topic**>malloc((topic_total + 1) * sizeof(Topic*))
    cdef Topic* topic = <Topic*>engine.pubsub.first_prefix
    cdef Buffer message
    if records == NULL or topics == NULL:
        free(records)
        free(topics)
        return False
    for i in range(topic_total):
        topics[i] = topic
        topic = topic.next_of_kind
    qsort(topics, topic_total, sizeof(Topic*), _order_of_topics)
    buffer_init(&message, NULL)
    for i in range(topic_total):
        # Those that begin with the prefix stand together, from the first that is not less than it.
        first = _first_not_less(records, count, topic_name(topics[i]))
        last = first
        while last < count and _begins_with(_changed_key(records[last]), topic_name(topics[i])):
            last += 1
        if last > first:
            _broadcast_prefix(topics[i], records + first, last - first, &message)
    buffer_clear(&message)
    free(records)
    free(topics)
    return True


cdef size_t _first_not_less(ChangedKey** records, size_t count, Slice prefix) noexcept nogil:
    cdef size_t low = 0
    cdef size_t high = count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if _order_of(_changed_key(records[middle]), prefix) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef void tracking_broadcast(Engine* engine) noexcept nogil:
    if engine.tracking.changed.length and not _broadcast_sorted(engine):
        _broadcast_all(engine)
    engine.tracking.changed.length = 0
    buffer_shrink(&engine.tracking.changed, KEPT_CHANGED_BYTES)


cdef void tracking_note_changed(Engine* engine, Slice key) noexcept nogil:
    cdef Topic* topic = topic_find(engine, TOPIC_TRACKED, key)
    if topic != NULL:
        _invalidate(engine, topic, engine.execution.current)
    if engine.pubsub.first_prefix != NULL:
        _note_changed(engine, key)


# ---- remembering

cdef bint tracking_limit(Engine* engine) noexcept nogil:
    cdef int64_t most = engine.config.tracking_table_max_keys
    cdef int left = EVICTED_AT_ONCE
    while most and <int64_t>table_count(&engine.pubsub.topics[TOPIC_TRACKED]) > most:
        if left == 0:
            return True
        left -= 1
        # Nobody has changed it: NOLOOP is no reason to keep an entry that nobody will be told of any more.
        _invalidate(engine, <Topic*>table_random(&engine.pubsub.topics[TOPIC_TRACKED], &engine.random), NULL)
    return False


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
            _invalidate_all_of(session)
            return
        command_keys(command, argv, argc, positions, <size_t>count)
    for i in range(count):
        if topic_subscribe(session, TOPIC_TRACKED, argv[positions[i].index]) == SUBSCRIBED_NOT:
            _invalidate_all_of(session)
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
        engine.tracking.sessions += 1
        engine_observe(engine)
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
    engine.tracking.sessions -= 1
    engine_observe(engine)
    if engine.tracking.sessions == 0 and engine.watches.sessions == 0:
        engine.keyspace.wanted &= ~<uint32_t>WANT_TOUCHED


cdef void session_forget_messages(Session* session) noexcept nogil:
    cdef Session* other
    cdef uint32_t kind
    tracking_disable(session)
    monitor_leave(session)
    for kind in range(TOPIC_KINDS):
        topics_leave_all(session, kind)
    if session.redirected_to_it and session.flags & SESSION_CLOSE_NOW:
        other = session.engine.sessions.first
        while other != NULL:
            if other.tracking_target == session:
                other.tracking_target = NULL
            other = other.next
        session.redirected_to_it = 0
