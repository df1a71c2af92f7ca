"""See stream_info.pxd."""
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t
from hutch_engine.commands.call cimport (
    Call, call_help, call_integer, call_word, error_no_key, error_subcommand)
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_bulk, reply_bulk_text, reply_integer, reply_map, reply_null)
from hutch_engine.commands.stream_words cimport error_no_such_group, reply_entry, reply_id, reply_range, stream_find_read
from hutch_engine.keyspace.keyspace cimport keyspace_now
from hutch_engine.structures.id_map cimport IdItem, IdMap, IdPlace, StreamId, id_map_at, id_map_next, id_of
from hutch_engine.structures.stream cimport Stream, stream_lag
from hutch_engine.structures.stream_group cimport (
    ENTRIES_READ_UNKNOWN, Pending, StreamConsumer, StreamGroup, stream_consumer_name, stream_group_find, stream_group_name)
from hutch_engine.structures.stream_log cimport StreamCursor, stream_log_first, stream_log_last, stream_log_tree_nodes

cdef enum:
    FULL_COUNT = 10              # of entries and pending ones, unless COUNT says otherwise


cdef inline void _number(Reply* reply, const char* name, uint64_t value) noexcept nogil:
    reply_bulk_text(reply, name)
    reply_integer(reply, <int64_t>value)


cdef inline void _id(Reply* reply, const char* name, StreamId id) noexcept nogil:
    reply_bulk_text(reply, name)
    reply_id(reply, id)


cdef void _entries_read(Reply* reply, const StreamGroup* group) noexcept nogil:
    reply_bulk_text(reply, b"entries-read")
    if group.entries_read == ENTRIES_READ_UNKNOWN:
        reply_null(reply)
    else:
        reply_integer(reply, group.entries_read)


cdef void _lag(Reply* reply, const Stream* stream, const StreamGroup* group) noexcept nogil:
    cdef int64_t lag
    reply_bulk_text(reply, b"lag")
    if stream_lag(stream, group, &lag):
        reply_integer(reply, lag)
    else:
        reply_null(reply)


# ---- XINFO STREAM

cdef void _head(Reply* reply, const Stream* stream) noexcept nogil:
    """The seven pairs that both forms begin with."""
    _number(reply, b"length", stream.log.length)
    _number(reply, b"radix-tree-keys", stream.log.blocks.count)
    _number(reply, b"radix-tree-nodes", stream_log_tree_nodes(&stream.log))
    _id(reply, b"last-generated-id", stream.log.last_id)
    _id(reply, b"max-deleted-entry-id", stream.log.max_deleted_id)
    _number(reply, b"entries-added", stream.log.entries_added)
    _id(reply, b"recorded-first-entry-id", stream.log.first_id)


cdef void _short(Reply* reply, const Stream* stream) noexcept nogil:
    cdef StreamCursor cursor
    reply_map(reply, 10)
    _head(reply, stream)
    _number(reply, b"groups", stream.groups.count)
    reply_bulk_text(reply, b"first-entry")
    if stream_log_first(&stream.log, id_of(0, 0), &cursor):
        reply_entry(reply, &cursor)
    else:
        reply_null(reply)
    reply_bulk_text(reply, b"last-entry")
    if stream.log.length and stream_log_last(&stream.log, id_of(UINT64_MAX, UINT64_MAX), &cursor):
        reply_entry(reply, &cursor)
    else:
        reply_null(reply)


cdef void _pending(Reply* reply, const IdMap* map, int64_t count, bint with_consumer) noexcept nogil:
    """The first `count` (0: all) of what is pending."""
    cdef IdPlace place
    cdef IdItem* item
    cdef Pending* pending
    cdef int64_t left = <int64_t>map.count
    if count and count < left:
        left = count
    place.chunk = 0
    place.index = 0
    reply_bulk_text(reply, b"pending")
    reply_array(reply, left)
    while left:
        item = id_map_at(map, place)
        pending = <Pending*>item.value
        reply_array(reply, 4 if with_consumer else 3)
        reply_id(reply, item.id)
        if with_consumer:
            reply_bulk(reply, stream_consumer_name(pending.consumer))
        reply_integer(reply, pending.delivered_ms)
        reply_integer(reply, <int64_t>pending.deliveries)
        left -= 1
        id_map_next(map, &place)


cdef void _full_group(Reply* reply, const Stream* stream, const StreamGroup* group, int64_t count) noexcept nogil:
    cdef StreamConsumer* consumer
    cdef uint32_t i
    reply_map(reply, 7)
    reply_bulk_text(reply, b"name")
    reply_bulk(reply, stream_group_name(group))
    _id(reply, b"last-delivered-id", group.last_id)
    _entries_read(reply, group)
    _lag(reply, stream, group)
    _number(reply, b"pel-count", group.pending.count)
    _pending(reply, &group.pending, count, True)
    reply_bulk_text(reply, b"consumers")
    reply_array(reply, group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        reply_map(reply, 5)
        reply_bulk_text(reply, b"name")
        reply_bulk(reply, stream_consumer_name(consumer))
        _number(reply, b"seen-time", <uint64_t>consumer.seen_ms)
        _number(reply, b"active-time", <uint64_t>consumer.active_ms)
        _number(reply, b"pel-count", consumer.pending.count)
        _pending(reply, &consumer.pending, count, False)


cdef void _full(Reply* reply, const Stream* stream, int64_t count) noexcept nogil:
    cdef uint32_t i
    reply_map(reply, 9)
    _head(reply, stream)
    reply_bulk_text(reply, b"entries")
    reply_range(reply, stream, id_of(0, 0), id_of(UINT64_MAX, UINT64_MAX), count, False)
    reply_bulk_text(reply, b"groups")
    reply_array(reply, stream.groups.count)
    for i in range(stream.groups.count):
        _full_group(reply, stream, stream.groups.items[i], count)


cdef bint _full_options(Call* call, int64_t* count_out) noexcept nogil:
    """FULL [COUNT count]; False after an error."""
    count_out[0] = FULL_COUNT
    if not call_word(call, 3, b"FULL") or call.argc == 5 or call.argc > 6:
        error_subcommand(call)
        return False
    if call.argc == 6:
        if not call_word(call, 4, b"COUNT"):
            error_subcommand(call)
            return False
        if not call_integer(call, 5, count_out):
            return False
        if count_out[0] < 0:
            count_out[0] = FULL_COUNT
    return True


cdef void cmd_xinfo_stream(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef int64_t count
    cdef Stream* stream = stream_find_read(call, 2, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            error_no_key(call)
    elif call.argc == 3:
        _short(call.reply, stream)
    elif _full_options(call, &count):
        _full(call.reply, stream, count)


# ---- XINFO GROUPS, CONSUMERS, HELP

cdef void cmd_xinfo_groups(Call* call) noexcept nogil:
    cdef Reply* reply = call.reply
    cdef bint wrong_type
    cdef StreamGroup* group
    cdef uint32_t i
    cdef Stream* stream = stream_find_read(call, 2, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            error_no_key(call)
        return
    reply_array(reply, stream.groups.count)
    for i in range(stream.groups.count):
        group = stream.groups.items[i]
        reply_map(reply, 6)
        reply_bulk_text(reply, b"name")
        reply_bulk(reply, stream_group_name(group))
        _number(reply, b"consumers", group.consumer_count)
        _number(reply, b"pending", group.pending.count)
        _id(reply, b"last-delivered-id", group.last_id)
        _entries_read(reply, group)
        _lag(reply, stream, group)


cdef void cmd_xinfo_consumers(Call* call) noexcept nogil:
    cdef Reply* reply = call.reply
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    cdef int64_t idle_ms
    cdef bint wrong_type
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    cdef uint32_t i
    cdef Stream* stream = stream_find_read(call, 2, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            error_no_key(call)
        return
    group = stream_group_find(&stream.groups, call.argv[3])
    if group == NULL:
        error_no_such_group(call)
        return
    reply_array(reply, group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        reply_map(reply, 4)
        reply_bulk_text(reply, b"name")
        reply_bulk(reply, stream_consumer_name(consumer))
        _number(reply, b"pending", consumer.pending.count)
        idle_ms = now_ms - consumer.seen_ms
        _number(reply, b"idle", <uint64_t>(idle_ms if idle_ms > 0 else 0))
        idle_ms = now_ms - consumer.active_ms
        if consumer.active_ms == -1:
            idle_ms = -1
        elif idle_ms < 0:
            idle_ms = 0
        _number(reply, b"inactive", <uint64_t>idle_ms)


cdef void cmd_xinfo_help(Call* call) noexcept nogil:
    cdef const char* lines[6]
    lines[:] = [
        b"CONSUMERS <key> <groupname>",
        b"    Show consumers of <groupname>.",
        b"GROUPS <key>",
        b"    Show the stream consumer groups.",
        b"STREAM <key> [FULL [COUNT <count>]",
        b"    Show information about the stream.",
    ]
    call_help(call, lines, 6)
