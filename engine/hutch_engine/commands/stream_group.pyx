"""See stream_group.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport (
    Call, call_changed, call_hash, call_help, call_integer, call_word, error_memory, error_subcommand, error_syntax)
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_bulk_integer, reply_error, reply_integer, reply_mark,
    reply_null, reply_null_array, reply_ok, reply_one, reply_zero)
from hutch_engine.commands.stream cimport stream_delete_options
from hutch_engine.commands.stream_words cimport (
    call_id, call_id_or_end, call_range_end, call_range_start, error_no_such_group, reply_id, stream_find_group, stream_find_read,
    stream_find_write, stream_open_consumer, stream_wait_over)
from hutch_engine.keyspace.entry cimport TYPE_STREAM, value_of_pointer
from hutch_engine.keyspace.keyspace cimport (
    EVENT_STREAM, keyspace_add, keyspace_event, keyspace_now, keyspace_touched)
from hutch_engine.keyspace.stream_type cimport STREAM_LOG
from hutch_engine.structures.id_map cimport (
    IdItem, IdMap, IdPlace, StreamId, id_compare, id_map_at, id_map_end, id_map_next, id_map_seek, id_of)
from hutch_engine.structures.stream cimport REFS_ACKED, REFS_DELETE, Stream, stream_delete, stream_free, stream_new
from hutch_engine.structures.stream_group cimport (
    ENTRIES_READ_UNKNOWN, Pending, StreamConsumer, StreamGroup, stream_consumer_find, stream_consumer_name,
    stream_consumer_remove, stream_group_add, stream_group_find, stream_group_remove, stream_groups_forget,
    stream_groups_want, stream_pending_remove)


# ---- XGROUP

cdef void _error_no_key(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
                            b"the MKSTREAM option to create an empty stream automatically.")


cdef StreamGroup* _find(Call* call, bint group_must_be, Stream** stream_out) noexcept nogil:
    """Key argv[2] and group argv[3]; *stream_out NULL after an error."""
    cdef bint wrong_type
    cdef StreamGroup* group
    stream_out[0] = stream_find_write(call, 2, &wrong_type)
    if wrong_type:
        return NULL
    if stream_out[0] == NULL:
        _error_no_key(call)
        return NULL
    group = stream_group_find(&stream_out[0].groups, call.argv[3])
    if group == NULL and group_must_be:
        error_no_such_group(call)
        stream_out[0] = NULL
    return group


cdef bint _options(Call* call, bint* make_out, int64_t* entries_read_out) noexcept nogil:
    """MKSTREAM (make_out not NULL) and ENTRIESREAD from argv[5] on; False after an error."""
    cdef size_t i = 5
    entries_read_out[0] = ENTRIES_READ_UNKNOWN
    while i < call.argc:
        if make_out != NULL and call_word(call, i, b"MKSTREAM"):
            make_out[0] = True
        elif i + 1 < call.argc and call_word(call, i, b"ENTRIESREAD"):
            i += 1
            if not call_integer(call, i, entries_read_out):
                return False
            if entries_read_out[0] < 0 and entries_read_out[0] != ENTRIES_READ_UNKNOWN:
                reply_error(call.reply, b"ERR value for ENTRIESREAD must be positive or -1")
                return False
        else:
            error_subcommand(call)
            return False
        i += 1
    return True


cdef inline bint _is_dollar(Slice word) noexcept nogil:
    return word.length and word.data[0] == b'$' and (word.length == 1 or word.data[1] == 0)


cdef inline int64_t _clipped(const Stream* stream, int64_t entries_read) noexcept nogil:
    """Nobody has read more entries than there ever were."""
    if entries_read != ENTRIES_READ_UNKNOWN and <uint64_t>entries_read > stream.log.entries_added:
        return <int64_t>stream.log.entries_added
    return entries_read


cdef bint _make_stream(Call* call, StreamId id, int64_t entries_read) noexcept nogil:
    """An empty one at argv[2] with the group argv[3]; False when memory was refused, and there is no key."""
    cdef Heap* heap = call.keyspace.heap
    cdef Stream* stream = stream_new(heap)
    if stream_group_add(heap, &stream.groups, call.argv[3], id, _clipped(stream, entries_read)) == NULL \
            or keyspace_add(call.keyspace, call.database, call.argv[2], call_hash(call, 2),
                            value_of_pointer(TYPE_STREAM, STREAM_LOG, stream)) == NULL:
        stream_free(heap, stream)
        return False
    keyspace_touched(call.keyspace, call.database, call.argv[2])
    return True


cdef void _event(Call* call, const char* event) noexcept nogil:
    keyspace_event(call.keyspace, call.database, EVENT_STREAM, event, call.argv[2])
    call.keyspace.dirty += 1


cdef void cmd_xgroup_create(Call* call) noexcept nogil:
    cdef bint make = False
    cdef bint wrong_type
    cdef int64_t entries_read
    cdef StreamId id = id_of(0, 0)
    cdef Stream* stream
    if not _options(call, &make, &entries_read):
        return
    stream = stream_find_write(call, 2, &wrong_type)
    if wrong_type:
        return
    if stream == NULL and not make:
        _error_no_key(call)
        return
    if call.argc > 8:
        error_subcommand(call)
        return
    if _is_dollar(call.argv[4]):
        if stream != NULL:
            id = stream.log.last_id
    elif not call_id(call, 4, 0, &id):
        return
    if stream != NULL and stream_group_find(&stream.groups, call.argv[3]) != NULL:
        reply_error(call.reply, b"BUSYGROUP Consumer Group name already exists")
    elif not _make_stream(call, id, entries_read) if stream == NULL else \
            stream_group_add(call.keyspace.heap, &stream.groups, call.argv[3], id, _clipped(stream, entries_read)) == NULL:
        error_memory(call)
    else:
        _event(call, b"xgroup-create")
        reply_ok(call.reply)


cdef void cmd_xgroup_setid(Call* call) noexcept nogil:
    cdef int64_t entries_read
    cdef StreamId id
    cdef Stream* stream
    cdef StreamGroup* group
    if not _options(call, NULL, &entries_read):
        return
    group = _find(call, True, &stream)
    if stream == NULL:
        return
    if call.argc != 5 and call.argc != 7:
        error_subcommand(call)
        return
    if _is_dollar(call.argv[4]):
        id = stream.log.last_id
    elif not call_id_or_end(call, 4, &id):
        return
    group.last_id = id
    group.entries_read = _clipped(stream, entries_read)
    _event(call, b"xgroup-setid")
    reply_ok(call.reply)


cdef void cmd_xgroup_destroy(Call* call) noexcept nogil:
    cdef Stream* stream
    cdef StreamGroup* group = _find(call, False, &stream)
    if stream == NULL:
        return
    if group == NULL:
        reply_zero(call.reply)
        return
    stream_group_remove(call.keyspace.heap, &stream.groups, group)
    _event(call, b"xgroup-destroy")
    stream_wait_over(call, 2)
    reply_one(call.reply)


cdef void cmd_xgroup_createconsumer(Call* call) noexcept nogil:
    cdef Stream* stream
    cdef StreamGroup* group = _find(call, True, &stream)
    if stream == NULL:
        return
    if stream_consumer_find(group, call.argv[4]) != NULL:
        reply_zero(call.reply)
    elif stream_open_consumer(call, 2, group, call.argv[4]) != NULL:
        reply_one(call.reply)


cdef void cmd_xgroup_delconsumer(Call* call) noexcept nogil:
    cdef Stream* stream
    cdef StreamGroup* group = _find(call, True, &stream)
    cdef StreamConsumer* consumer
    cdef int64_t pending = 0
    if stream == NULL:
        return
    consumer = stream_consumer_find(group, call.argv[4])
    if consumer != NULL:
        pending = <int64_t>consumer.pending.count
        stream_consumer_remove(call.keyspace.heap, group, consumer)
        _event(call, b"xgroup-delconsumer")
    reply_integer(call.reply, pending)


cdef void cmd_xgroup_help(Call* call) noexcept nogil:
    cdef const char* lines[14]
    lines[:] = [
        b"CREATE <key> <groupname> <id|$> [option]",
        b"    Create a new consumer group. Options are:",
        b"    * MKSTREAM",
        b"      Create the empty stream if it does not exist.",
        b"    * ENTRIESREAD entries_read",
        b"      Set the group's entries_read counter (internal use).",
        b"CREATECONSUMER <key> <groupname> <consumer>",
        b"    Create a new consumer in the specified group.",
        b"DELCONSUMER <key> <groupname> <consumer>",
        b"    Remove the specified consumer.",
        b"DESTROY <key> <groupname>",
        b"    Remove the specified group.",
        b"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        b"    Set the current group ID and entries_read counter.",
    ]
    call_help(call, lines, 14)


# ---- acknowledging

cdef void cmd_xack(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef Stream* stream = stream_find_read(call, 1, &wrong_type)
    cdef StreamGroup* group = NULL
    cdef StreamId id
    cdef int64_t acknowledged = 0
    cdef size_t i
    if wrong_type:
        return
    if stream != NULL:
        group = stream_group_find(&stream.groups, call.argv[2])
    if group == NULL:
        reply_zero(call.reply)
        return
    if call.argc > 4:
        for i in range(3, call.argc):        # all of them first: an error must find nothing done
            if not call_id(call, i, 0, &id):
                return
    for i in range(3, call.argc):
        if not call_id(call, i, 0, &id):
            return
        acknowledged += stream_pending_remove(call.keyspace.heap, group, id)
    call.keyspace.dirty += <uint64_t>acknowledged
    reply_integer(call.reply, acknowledged)


cdef void cmd_xackdel(Call* call) noexcept nogil:
    cdef int refs
    cdef size_t ids, i
    cdef int64_t count
    cdef bint wrong_type
    cdef Stream* stream
    cdef StreamGroup* group = NULL
    cdef StreamId id
    cdef bint deleted = False
    stream = stream_find_read(call, 1, &wrong_type)
    if wrong_type or not stream_delete_options(call, 3, &refs, &ids, &count):
        return
    if stream != NULL:
        group = stream_group_find(&stream.groups, call.argv[2])
    if group != NULL:
        for i in range(ids, ids + <size_t>count):
            if not call_id(call, i, 0, &id):
                return
    reply_array(call.reply, count)
    for i in range(ids, ids + <size_t>count):
        if group == NULL:
            reply_integer(call.reply, -1)
            continue
        call_id(call, i, 0, &id)
        if not stream_pending_remove(call.keyspace.heap, group, id):
            reply_integer(call.reply, -1)
            continue
        call.keyspace.dirty += 1
        if refs == REFS_ACKED and stream_groups_want(&stream.groups, id):
            reply_integer(call.reply, 2)
            continue
        if refs == REFS_DELETE:
            stream_groups_forget(call.keyspace.heap, &stream.groups, id)
        if stream_delete(call.keyspace.heap, stream, id):
            deleted = True
        reply_integer(call.reply, 1)
    if deleted:
        call_changed(call, 1, EVENT_STREAM, b"xdel")
        call.keyspace.dirty -= 1


# ---- XPENDING

cdef struct Asking:                      # of the long form
    int64_t min_idle_ms
    int64_t count
    StreamId start
    StreamId end
    size_t consumer                      # word, or 0


cdef bint _pending_options(Call* call, Asking* asking) noexcept nogil:
    cdef size_t i = 3
    asking.min_idle_ms = 0
    if call_word(call, 3, b"IDLE"):
        if not call_integer(call, 4, &asking.min_idle_ms):
            return False
        if call.argc < 8:
            error_syntax(call)
            return False
        i = 5
    if not call_integer(call, i + 2, &asking.count):
        return False
    if asking.count < 0:
        asking.count = 0
    if not call_range_start(call, i, &asking.start) or not call_range_end(call, i + 1, &asking.end):
        return False
    asking.consumer = i + 3 if i + 3 < call.argc else 0
    return True


cdef void _summary(Call* call, const StreamGroup* group) noexcept nogil:
    cdef IdPlace place
    cdef uint32_t i
    cdef int64_t written = 0
    cdef size_t mark
    reply_array(call.reply, 4)
    reply_integer(call.reply, <int64_t>group.pending.count)
    if group.pending.count == 0:
        reply_null(call.reply)
        reply_null(call.reply)
        reply_null_array(call.reply)
        return
    place.chunk = 0
    place.index = 0
    reply_id(call.reply, id_map_at(&group.pending, place).id)
    id_map_end(&group.pending, &place)
    reply_id(call.reply, id_map_at(&group.pending, place).id)
    mark = reply_mark(call.reply)
    for i in range(group.consumer_count):
        if group.consumers[i].pending.count:
            reply_array(call.reply, 2)
            reply_bulk(call.reply, stream_consumer_name(group.consumers[i]))
            reply_bulk_integer(call.reply, <int64_t>group.consumers[i].pending.count)
            written += 1
    reply_array_at(call.reply, mark, written)


cdef void _list(Call* call, const StreamGroup* group, const Asking* asking) noexcept nogil:
    cdef const IdMap* map = &group.pending
    cdef StreamConsumer* consumer
    cdef IdPlace place
    cdef IdItem* item
    cdef Pending* pending
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    cdef int64_t idle_ms
    cdef int64_t written = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef bint more
    if asking.consumer:
        consumer = stream_consumer_find(group, call.argv[asking.consumer])
        if consumer == NULL:
            reply_array(call.reply, 0)
            return
        map = &consumer.pending
    more = id_map_seek(map, asking.start, &place)
    while more and written < asking.count:
        item = id_map_at(map, place)
        if id_compare(item.id, asking.end) > 0:
            break
        pending = <Pending*>item.value
        more = id_map_next(map, &place)
        idle_ms = now_ms - pending.delivered_ms
        if asking.min_idle_ms and idle_ms < asking.min_idle_ms:
            continue
        reply_array(call.reply, 4)
        reply_id(call.reply, item.id)
        reply_bulk(call.reply, stream_consumer_name(pending.consumer))
        reply_integer(call.reply, idle_ms if idle_ms > 0 else 0)
        reply_integer(call.reply, <int64_t>pending.deliveries)
        written += 1
    reply_array_at(call.reply, mark, written)


cdef void cmd_xpending(Call* call) noexcept nogil:
    cdef Asking asking
    cdef Stream* stream
    cdef StreamGroup* group
    if call.argc != 3 and (call.argc < 6 or call.argc > 9):
        error_syntax(call)
        return
    if call.argc > 3 and not _pending_options(call, &asking):
        return
    group = stream_find_group(call, 1, False, &stream)
    if group == NULL:
        return
    if call.argc == 3:
        _summary(call, group)
    else:
        _list(call, group, &asking)
