"""See pubsub_commands.pxd.

What SUBSCRIBE and UNSUBSCRIBE answer belongs to the stream of messages and not to that of replies: an embedded
session finds it in its inbox, in order with the messages, and CLIENT REPLY does not mute it. Inside EXEC it is an
element of the reply, as in Redis.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.buffer cimport buffer_append
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    CALL_DENY_BLOCKING, CALL_IN_MULTI, CALL_IN_SCRIPT, Call, call_help, error_memory, error_subcommand)
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_bulk_text, reply_error, reply_integer, reply_mark, reply_null,
    reply_push, reply_rewind)
from hutch_engine.state.engine cimport (
    SESSION_EMBEDDED, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD, Engine, Session,
    engine_of, session_of)
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.sessions.pubsub cimport (
    SUBSCRIBED_NOT, Subscription, Topic, pubsub_publish, session_channels, topic_find, topic_leave, topic_name,
    topic_subscribe, topic_unsubscribe)
from hutch_engine.executor.effects cimport effects_announce
from hutch_engine.structures.table cimport table_count, table_each

cdef const char* _subscribed[3]
cdef const char* _unsubscribed[3]
_subscribed[:] = [b"subscribe", b"psubscribe", b"ssubscribe"]
_unsubscribed[:] = [b"unsubscribe", b"punsubscribe", b"sunsubscribe"]


# ---- subscribing

cdef void _confirm(Call* call, const char* what, uint32_t kind, Slice name, bint named) noexcept nogil:
    cdef Session* session = session_of(call)
    reply_push(call.reply, 3)
    reply_bulk_text(call.reply, what)
    if named:
        reply_bulk(call.reply, name)
    else:
        reply_null(call.reply)
    reply_integer(call.reply, session.topic_counts[TOPIC_SHARD] if kind == TOPIC_SHARD else session_channels(session))


cdef void _to_stream(Call* call, size_t mark) noexcept nogil:
    """What was confirmed since `mark` goes where messages go."""
    cdef Session* session = session_of(call)
    if call.flags & CALL_IN_MULTI or not session.flags & (SESSION_EMBEDDED | SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
        return
    if call.reply.buffer.length > mark:
        buffer_append(&session.inbox, call.reply.buffer.data + mark, call.reply.buffer.length - mark)
    reply_rewind(call.reply, mark)
    session_wake(session)


cdef void _subscribe(Call* call, uint32_t kind) noexcept nogil:
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t i
    for i in range(1, call.argc):
        if topic_subscribe(session_of(call), kind, call.argv[i]) == SUBSCRIBED_NOT:
            error_memory(call)
            break
        _confirm(call, _subscribed[kind], kind, call.argv[i], True)
    _to_stream(call, mark)


cdef void _unsubscribe(Call* call, uint32_t kind) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef size_t mark = reply_mark(call.reply)
    cdef Subscription* subscription = <Subscription*>session.subscriptions
    cdef Subscription* following
    cdef size_t i, name_mark
    cdef Slice name
    if call.argc == 1 and session.topic_counts[kind] == 0:
        _confirm(call, _unsubscribed[kind], kind, slice_of(NULL, 0), False)
    elif call.argc == 1:
        while subscription != NULL and session.topic_counts[kind]:
            following = subscription.next_of_session
            if subscription.topic.kind == kind:
                # The name goes with its topic, so it is written first, and the number of what is left behind it.
                reply_push(call.reply, 3)
                reply_bulk_text(call.reply, _unsubscribed[kind])
                reply_bulk(call.reply, topic_name(subscription.topic))
                topic_leave(subscription)
                reply_integer(call.reply, session.topic_counts[TOPIC_SHARD] if kind == TOPIC_SHARD
                              else session_channels(session))
            subscription = following
    for i in range(1, call.argc):
        topic_unsubscribe(session, kind, call.argv[i])
        _confirm(call, _unsubscribed[kind], kind, call.argv[i], True)
    _to_stream(call, mark)


cdef inline bint _is_of_script(Call* call, const char* error) noexcept nogil:
    """Under DEBUG SET-DISABLE-DENY-SCRIPTS. Nobody would ever read the messages."""
    if call.flags & CALL_IN_SCRIPT:
        reply_error(call.reply, error)
    return call.flags & CALL_IN_SCRIPT != 0


cdef void cmd_subscribe(Call* call) noexcept nogil:
    if not _is_of_script(call, b"ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client"):
        _subscribe(call, TOPIC_CHANNEL)


cdef void cmd_psubscribe(Call* call) noexcept nogil:
    if not _is_of_script(call, b"ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client"):
        _subscribe(call, TOPIC_PATTERN)


cdef void cmd_ssubscribe(Call* call) noexcept nogil:
    if call.flags & (CALL_IN_MULTI | CALL_IN_SCRIPT | CALL_DENY_BLOCKING):
        reply_error(call.reply, b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
        return
    _subscribe(call, TOPIC_SHARD)


cdef void cmd_unsubscribe(Call* call) noexcept nogil:
    _unsubscribe(call, TOPIC_CHANNEL)


cdef void cmd_punsubscribe(Call* call) noexcept nogil:
    _unsubscribe(call, TOPIC_PATTERN)


cdef void cmd_sunsubscribe(Call* call) noexcept nogil:
    _unsubscribe(call, TOPIC_SHARD)


# ---- publishing

cdef void _publish(Call* call, uint32_t kind) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    # In a transaction: what was changed before is told of before.
    if engine.execution.announced < engine.keyspace.effect_count:
        effects_announce(engine)
    reply_integer(call.reply, pubsub_publish(engine, kind, call.argv[1], call.argv[2]))


cdef void cmd_publish(Call* call) noexcept nogil:
    _publish(call, TOPIC_CHANNEL)


cdef void cmd_spublish(Call* call) noexcept nogil:
    _publish(call, TOPIC_SHARD)


# ---- PUBSUB

cdef struct Listing:
    Call* call
    Slice pattern
    bint all
    int64_t count


cdef bint _list(void* context, void* entry) noexcept nogil:
    cdef Listing* listing = <Listing*>context
    cdef Slice name = topic_name(<Topic*>entry)
    if listing.all or glob_matches(listing.pattern, name, False):
        reply_bulk(listing.call.reply, name)
        listing.count += 1
    return True


cdef void _channels(Call* call, uint32_t kind) noexcept nogil:
    cdef Listing listing
    cdef size_t mark
    if call.argc > 3:
        error_subcommand(call)
        return
    mark = reply_mark(call.reply)
    listing.call = call
    listing.all = call.argc == 2
    listing.count = 0
    if call.argc == 3:
        listing.pattern = call.argv[2]
    table_each(&engine_of(call).pubsub.topics[kind], _list, &listing)
    reply_array_at(call.reply, mark, listing.count)


cdef void _counts(Call* call, uint32_t kind) noexcept nogil:
    cdef Topic* topic
    cdef size_t i
    reply_array(call.reply, 2 * (<int64_t>call.argc - 2))
    for i in range(2, call.argc):
        topic = topic_find(engine_of(call), kind, call.argv[i])
        reply_bulk(call.reply, call.argv[i])
        reply_integer(call.reply, topic.count if topic != NULL else 0)


cdef void cmd_pubsub_channels(Call* call) noexcept nogil:
    _channels(call, TOPIC_CHANNEL)


cdef void cmd_pubsub_shardchannels(Call* call) noexcept nogil:
    _channels(call, TOPIC_SHARD)


cdef void cmd_pubsub_numsub(Call* call) noexcept nogil:
    _counts(call, TOPIC_CHANNEL)


cdef void cmd_pubsub_shardnumsub(Call* call) noexcept nogil:
    _counts(call, TOPIC_SHARD)


cdef void cmd_pubsub_numpat(Call* call) noexcept nogil:
    reply_integer(call.reply, <int64_t>table_count(&engine_of(call).pubsub.topics[TOPIC_PATTERN]))


cdef const char* _help_lines[11]
_help_lines[:] = [
    b"CHANNELS [<pattern>]", b"    Return the currently active channels matching a <pattern> (default: '*').",
    b"NUMPAT", b"    Return number of subscriptions to patterns.",
    b"NUMSUB [<channel> ...]", b"    Return the number of subscribers for the specified channels, excluding",
    b"    pattern subscriptions(default: no channels).",
    b"SHARDCHANNELS [<pattern>]",
    b"    Return the currently active shard level channels matching a <pattern> (default: '*').",
    b"SHARDNUMSUB [<shardchannel> ...]",
    b"    Return the number of subscribers for the specified shard level channel(s)",
]


cdef void cmd_pubsub_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 11)
