"""See stream_claim.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_insert
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.commands.call cimport Call, call_find_read, call_integer_or, call_word, error_memory, error_syntax
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_error, reply_error_parts, reply_mark)
from hutch_engine.commands.stream_words cimport (
    c_string, call_id, call_range_start, id_parse, reply_entry, reply_id, stream_find_group, stream_log_group, stream_log_pending,
    stream_open_consumer)
from hutch_engine.keyspace.keyspace cimport keyspace_now
from hutch_engine.structures.id_map cimport IdPlace, StreamId, id_compare, id_map_at, id_map_next, id_map_seek, id_of
from hutch_engine.structures.stream cimport Stream
from hutch_engine.structures.stream_group cimport (
    Pending, StreamConsumer, StreamGroup, stream_pending_add, stream_pending_find, stream_pending_give,
    stream_pending_remove)
from hutch_engine.structures.stream_log cimport StreamCursor, stream_log_find

cdef enum:
    AUTOCLAIM_COUNT = 100
    AUTOCLAIM_ATTEMPTS = 10      # entries that are looked at, for each one asked for


# ---- XCLAIM

cdef struct Claiming:
    int64_t min_idle_ms
    int64_t delivered_ms
    int64_t retry_count                  # -1: not given
    bint force
    bint only_ids
    StreamId last_id
    size_t ids_end                       # word behind the last ID


cdef bint _claim_options(Call* call, Claiming* claiming) noexcept nogil:
    """What follows the group's check; False after an error."""
    cdef StreamId id
    cdef size_t i = 5
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    cdef int64_t given
    cdef bint more
    if not call_integer_or(call, 4, &claiming.min_idle_ms, b"ERR Invalid min-idle-time argument for XCLAIM"):
        return False
    if claiming.min_idle_ms < 0:
        claiming.min_idle_ms = 0
    while i < call.argc and id_parse(call.argv[i], 0, &id):
        i += 1
    claiming.ids_end = i
    claiming.delivered_ms = -1
    claiming.retry_count = -1
    claiming.force = False
    claiming.only_ids = False
    claiming.last_id = id_of(0, 0)
    while i < call.argc:
        more = i + 1 < call.argc
        if call_word(call, i, b"FORCE"):
            claiming.force = True
        elif call_word(call, i, b"JUSTID"):
            claiming.only_ids = True
        elif more and call_word(call, i, b"IDLE"):
            i += 1
            if not call_integer_or(call, i, &given, b"ERR Invalid IDLE option argument for XCLAIM"):
                return False
            claiming.delivered_ms = <int64_t>(<uint64_t>now_ms - <uint64_t>given)
        elif more and call_word(call, i, b"TIME"):
            i += 1
            if not call_integer_or(call, i, &claiming.delivered_ms, b"ERR Invalid TIME option argument for XCLAIM"):
                return False
        elif more and call_word(call, i, b"RETRYCOUNT"):
            i += 1
            if not call_integer_or(call, i, &claiming.retry_count, b"ERR Invalid RETRYCOUNT option argument for XCLAIM"):
                return False
        elif more and call_word(call, i, b"LASTID"):
            i += 1
            if not call_id(call, i, 0, &claiming.last_id):
                return False
        else:
            reply_error_parts(call.reply, b"ERR Unrecognized XCLAIM option '", c_string(call.argv[i]), b"'")
            return False
        i += 1
    if claiming.delivered_ms < 0 or claiming.delivered_ms > now_ms:
        claiming.delivered_ms = now_ms       # not given, or the clock of who gave it is wrong
    return True


cdef bint _claim_one(Call* call, const Claiming* claiming, Stream* stream, StreamGroup* group,
                     StreamConsumer* consumer, StreamId id, bint* refused) noexcept nogil:
    """Write the entry if it was claimed; False if not. `refused` is set when that was for want of memory."""
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    cdef Pending* pending = stream_pending_find(group, id)
    cdef StreamCursor cursor
    if not stream_log_find(&stream.log, id, &cursor):
        if pending != NULL:                  # it was deleted: nobody has to care for it any more
            stream_log_pending(call, 1, group, call.argv[3], id, pending)
            stream_pending_remove(call.keyspace.heap, group, id)
            call.keyspace.dirty += 1
        return False
    if pending == NULL:
        if not claiming.force:
            return False
        pending = stream_pending_add(call.keyspace.heap, group, consumer, id, now_ms)
        if pending == NULL:
            refused[0] = True
            return False
    elif claiming.min_idle_ms and now_ms - pending.delivered_ms < claiming.min_idle_ms:
        return False
    if not stream_pending_give(call.keyspace.heap, pending, id, consumer):
        refused[0] = True
        return False
    pending.delivered_ms = claiming.delivered_ms
    if claiming.retry_count >= 0:
        pending.deliveries = <uint64_t>claiming.retry_count
    elif not claiming.only_ids:
        pending.deliveries += 1
    consumer.active_ms = now_ms
    call.keyspace.dirty += 1
    stream_log_pending(call, 1, group, call.argv[3], id, pending)
    if claiming.only_ids:
        reply_id(call.reply, id)
    else:
        reply_entry(call.reply, &cursor)
    return True


cdef void cmd_xclaim(Call* call) noexcept nogil:
    cdef Claiming claiming
    cdef Stream* stream
    cdef StreamGroup* group = stream_find_group(call, 1, False, &stream)
    cdef StreamConsumer* consumer
    cdef StreamId id
    cdef int64_t written = 0
    cdef bint refused = False
    cdef size_t mark, i
    if group == NULL or not _claim_options(call, &claiming):
        return
    consumer = stream_open_consumer(call, 1, group, call.argv[3])
    if consumer == NULL:
        return
    if id_compare(claiming.last_id, group.last_id) > 0:
        group.last_id = claiming.last_id
        call.keyspace.dirty += 1
        stream_log_group(call, 1, group)
    mark = reply_mark(call.reply)
    for i in range(5, claiming.ids_end):
        id_parse(call.argv[i], 0, &id)
        written += _claim_one(call, &claiming, stream, group, consumer, id, &refused)
    if written == 0 and refused:
        error_memory(call)
        return
    reply_array_at(call.reply, mark, written)


# ---- XAUTOCLAIM

cdef bint _autoclaim_options(Call* call, int64_t* count_out, bint* only_ids_out) noexcept nogil:
    cdef size_t i = 6
    count_out[0] = AUTOCLAIM_COUNT
    only_ids_out[0] = False
    while i < call.argc:
        if i + 1 < call.argc and call_word(call, i, b"COUNT"):
            i += 1
            if (not parse_integer(call.argv[i], count_out) or count_out[0] < 1
                    or count_out[0] > INT64_MAX // <int64_t>sizeof(StreamId)):
                reply_error(call.reply, b"ERR COUNT must be > 0")
                return False
        elif call_word(call, i, b"JUSTID"):
            only_ids_out[0] = True
        else:
            error_syntax(call)
            return False
        i += 1
    return True


cdef void cmd_xautoclaim(Call* call) noexcept nogil:
    cdef int64_t min_idle_ms, count
    cdef StreamId start
    cdef bint only_ids
    cdef Stream* stream
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    if not call_integer_or(call, 4, &min_idle_ms, b"ERR Invalid min-idle-time argument for XAUTOCLAIM") \
            or not call_range_start(call, 5, &start) or not _autoclaim_options(call, &count, &only_ids):
        call_find_read(call, 1)              # Redis looks for the key before these words: a hit, or a miss
        return
    group = stream_find_group(call, 1, False, &stream)
    if group == NULL:
        return
    consumer = stream_open_consumer(call, 1, group, call.argv[3])
    if consumer != NULL:
        _autoclaim(call, stream, group, consumer, start, min_idle_ms if min_idle_ms > 0 else 0, count, only_ids)


cdef void _insert_cursor(Call* call, size_t mark, StreamId id) noexcept nogil:
    """An array's header and its first element, before what was written since `mark`."""
    cdef Reply front
    cdef Buffer* written = &call.reply.buffer
    front.resp = call.reply.resp
    buffer_init(&front.buffer, NULL)
    reply_array(&front, 3)
    reply_id(&front, id)
    if mark <= written.length:
        buffer_insert(written, mark, front.buffer.data, front.buffer.length)
    written.failed |= front.buffer.failed
    buffer_clear(&front.buffer)


cdef void _autoclaim(Call* call, Stream* stream, StreamGroup* group, StreamConsumer* consumer, StreamId start,
                     int64_t min_idle_ms, int64_t count, bint only_ids) noexcept nogil:
    cdef int64_t attempts = count * AUTOCLAIM_ATTEMPTS
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    cdef int64_t written = 0
    cdef Pending* pending
    cdef StreamCursor cursor
    cdef IdPlace place
    cdef StreamId id
    cdef Buffer deleted                      # StreamId, one after the other
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t i
    cdef bint more = id_map_seek(&group.pending, start, &place)
    buffer_init(&deleted, NULL)
    while more and attempts and count:
        attempts -= 1
        id = id_map_at(&group.pending, place).id
        pending = <Pending*>id_map_at(&group.pending, place).value
        if not stream_log_find(&stream.log, id, &cursor):
            stream_log_pending(call, 1, group, call.argv[3], id, pending)
            stream_pending_remove(call.keyspace.heap, group, id)
            buffer_append(&deleted, <const char*>&id, sizeof(StreamId))
            call.keyspace.dirty += 1
            count -= 1
            more = id_map_seek(&group.pending, id, &place)
            continue
        more = id_map_next(&group.pending, &place)
        if min_idle_ms and now_ms - pending.delivered_ms < min_idle_ms:
            continue
        if not stream_pending_give(call.keyspace.heap, pending, id, consumer):
            if written == 0 and deleted.length == 0:
                buffer_clear(&deleted)
                error_memory(call)
                return
            more = id_map_seek(&group.pending, id, &place)     # it stays whose it was; go on with it the next time
            break
        pending.delivered_ms = now_ms
        if not only_ids:
            pending.deliveries += 1
        consumer.active_ms = now_ms
        call.keyspace.dirty += 1
        stream_log_pending(call, 1, group, call.argv[3], id, pending)
        count -= 1
        written += 1
        if only_ids:
            reply_id(call.reply, id)
        else:
            reply_entry(call.reply, &cursor)
    reply_array_at(call.reply, mark, written)
    # In front of them: where to go on, and the header of all three.
    id = id_map_at(&group.pending, place).id if more else id_of(0, 0)
    _insert_cursor(call, mark, id)
    reply_array(call.reply, <int64_t>(deleted.length // sizeof(StreamId)))
    for i in range(deleted.length // sizeof(StreamId)):
        reply_id(call.reply, (<StreamId*>deleted.data)[i])
    buffer_clear(&deleted)
