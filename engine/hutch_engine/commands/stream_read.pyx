"""See stream_read.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t
from hutch_engine.base.buffer cimport buffer_reserve
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    Call, call_block, call_block_words, call_deadline, call_integer, call_keep, call_may_block, call_word, error_memory,
    error_syntax)
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_error, reply_error_parts, reply_map_at, reply_mark, reply_null_array,
    reply_rewind)
from hutch_engine.commands.stream_words cimport (
    ID_TEXT_MAX, call_id, error_no_group, id_text, reply_entry, reply_id, reply_range, stream_find_read, stream_log_group,
    stream_log_pending, stream_open_consumer)
from hutch_engine.keyspace.entry cimport TYPE_STREAM, Entry, entry_pointer
from hutch_engine.keyspace.keyspace cimport FIND_NO_STATS, FIND_NO_TOUCH, keyspace_find, keyspace_hash, keyspace_now
from hutch_engine.structures.id_map cimport (
    IdItem, IdPlace, StreamId, id_compare, id_decrement, id_increment, id_map_at, id_map_next, id_map_seek, id_of)
from hutch_engine.structures.stream cimport Stream, stream_group_read
from hutch_engine.structures.stream_group cimport (
    Pending, StreamConsumer, StreamGroup, stream_consumer_name, stream_group_find, stream_pending_add, stream_pending_find,
    stream_pending_give)
from hutch_engine.structures.stream_log cimport StreamCursor, stream_log_find, stream_log_first, stream_log_last, stream_log_next

cdef enum:
    HEADERS_BYTES = 64           # of the arrays in front of entries, which are written when their number is known


cdef struct Reading:
    bint in_group
    bint blocks
    bint no_ack
    int64_t deadline_ms
    int64_t count                        # 0: all
    size_t first                         # word of the first key ...
    size_t streams                       # ... and how many: the IDs follow
    Slice group
    Slice consumer


# ---- options

cdef bint _block_option(Call* call, size_t index, Reading* reading) noexcept nogil:
    cdef int64_t wait_ms
    if not parse_integer(call.argv[index], &wait_ms):
        reply_error(call.reply, b"ERR timeout is not an integer or out of range")
        return False
    if wait_ms < 0:
        reply_error(call.reply, b"ERR timeout is negative")
        return False
    if not call_deadline(call, wait_ms, &reading.deadline_ms):
        return False
    reading.blocks = True
    return True


cdef bint _streams_option(Call* call, size_t index, Reading* reading) noexcept nogil:
    reading.first = index + 1
    reading.streams = call.argc - reading.first
    if reading.streams % 2:
        if reading.in_group:
            reply_error(call.reply, b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must "
                                    b"be specified.")
        else:
            reply_error(call.reply, b"ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must "
                                    b"be specified.")
        return False
    reading.streams //= 2
    return True


cdef bint _only_in_group(Call* call, const Reading* reading, const char* option) noexcept nogil:
    if not reading.in_group:
        reply_error_parts(call.reply, b"ERR The ", slice_of(option, 5),
                          b" option is only supported by XREADGROUP. You called XREAD instead.")
    return reading.in_group


cdef bint _options(Call* call, Reading* reading) noexcept nogil:
    cdef size_t i = 1
    cdef size_t more
    reading.blocks = False
    reading.no_ack = False
    reading.deadline_ms = 0
    reading.count = 0
    reading.first = 0
    reading.group.data = NULL
    while i < call.argc:
        more = call.argc - i - 1
        if more and call_word(call, i, b"BLOCK"):
            i += 1
            if not _block_option(call, i, reading):
                return False
        elif more and call_word(call, i, b"COUNT"):
            i += 1
            if not call_integer(call, i, &reading.count):
                return False
            if reading.count < 0:
                reading.count = 0
        elif more and call_word(call, i, b"STREAMS"):
            if not _streams_option(call, i, reading):
                return False
            break
        elif more >= 2 and call_word(call, i, b"GROUP"):
            if not _only_in_group(call, reading, b"GROUP"):
                return False
            reading.group = call.argv[i + 1]
            reading.consumer = call.argv[i + 2]
            if reading.group.data == NULL:
                reading.group.data = b""
            i += 2
        elif call_word(call, i, b"NOACK"):
            if not _only_in_group(call, reading, b"NOACK"):
                return False
            reading.no_ack = True
        else:
            error_syntax(call)
            return False
        i += 1
    if reading.first == 0:
        error_syntax(call)
        return False
    if reading.in_group and reading.group.data == NULL:
        reply_error(call.reply, b"ERR Missing GROUP option for XREADGROUP")
        return False
    return True


# ---- IDs

cdef inline bint _is_char(Slice word, char c) noexcept nogil:
    """Redis compares with C strings: a NUL ends the word."""
    return word.length and word.data[0] == c and (word.length == 1 or word.data[1] == 0)


cdef bint _check_id(Call* call, const Reading* reading, size_t index) noexcept nogil:
    """Is argv[index] an ID that may be read from? False after an error."""
    cdef StreamId id
    cdef Slice word = call.argv[index]
    if _is_char(word, b'$'):
        if reading.in_group:
            reply_error(call.reply, b"ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history "
                                    b"of this consumer by specifying a proper ID, or use the > ID to get new messages. The "
                                    b"$ ID would just return an empty result set.")
        return not reading.in_group
    if _is_char(word, b'+'):
        if reading.in_group:
            reply_error(call.reply, b"ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history "
                                    b"of this consumer by specifying a proper ID, or use the > ID to get new messages. The "
                                    b"+ ID would just return an empty result set.")
        return not reading.in_group
    if _is_char(word, b'>'):
        if not reading.in_group:
            reply_error(call.reply, b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
                                    b"<consumer> option.")
        return reading.in_group
    return call_id(call, index, 0, &id)


cdef bint _check_streams(Call* call, const Reading* reading) noexcept nogil:
    """All keys, groups and IDs before anything is done; False after an error."""
    cdef bint wrong_type
    cdef Stream* stream
    cdef size_t i
    for i in range(reading.first, reading.first + reading.streams):
        stream = stream_find_read(call, i, &wrong_type)
        if wrong_type:
            return False
        if reading.in_group and (stream == NULL or stream_group_find(&stream.groups, reading.group) == NULL):
            error_no_group(call, call.argv[i], reading.group, b" in XREADGROUP with GROUP option")
            return False
        if not _check_id(call, reading, i + reading.streams):
            return False
    return True


cdef Stream* _stream(Call* call, size_t index, uint32_t how) noexcept nogil:
    """The same once more, after _check_streams, found with the flags `how`; NULL when there is none."""
    cdef Entry* entry = keyspace_find(call.keyspace, call.database, call.argv[index],
                                      keyspace_hash(call.keyspace, call.argv[index]), how)
    return <Stream*>entry_pointer(entry) if entry != NULL else NULL


cdef StreamId _last_entry_id(const Stream* stream) noexcept nogil:
    """0-0 when it is empty."""
    cdef StreamCursor cursor
    if stream.log.length and stream_log_last(&stream.log, id_of(UINT64_MAX, UINT64_MAX), &cursor):
        return cursor.id
    return id_of(0, 0)


# ---- in a group

cdef bint _deliver(Call* call, StreamGroup* group, StreamConsumer* consumer, StreamId id) noexcept nogil:
    """The entry is pending for this consumer from now on; False when memory was refused."""
    cdef Pending* pending
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    if likely(stream_pending_add(call.keyspace.heap, group, consumer, id, now_ms) != NULL):
        consumer.active_ms = now_ms
        return True
    return False


cdef bint _deliver_again(Call* call, StreamGroup* group, StreamConsumer* consumer, StreamId id) noexcept nogil:
    """The same where the ID may be pending already: XGROUP SETID turned the group back."""
    cdef Pending* pending = stream_pending_find(group, id)
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    if pending == NULL:
        return _deliver(call, group, consumer, id)
    if not stream_pending_give(call.keyspace.heap, pending, id, consumer):
        return False
    pending.delivered_ms = now_ms
    pending.deliveries = 1
    consumer.active_ms = now_ms
    return True


cdef bint _read_new(Call* call, const Reading* reading, size_t index, Stream* stream, StreamGroup* group, StreamConsumer* consumer) noexcept nogil:
    """An array of the entries behind the group's last ID, which moves on; False when memory was refused for the first."""
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t before
    cdef StreamCursor cursor
    cdef int64_t written = 0
    cdef bint delivered
    cdef IdPlace place
    # Unless the group was turned back, nothing of what it is going to read can be pending.
    cdef bint some_pending = id_map_seek(&group.pending, group.last_id, &place) \
        and (id_compare(id_map_at(&group.pending, place).id, group.last_id) > 0 or id_map_next(&group.pending, &place))
    cdef StreamId start = group.last_id
    cdef bint more = id_increment(&start) and stream_log_first(&stream.log, start, &cursor)
    while more:
        before = reply_mark(call.reply)
        reply_entry(call.reply, &cursor)
        delivered = not call.reply.buffer.failed and buffer_reserve(&call.reply.buffer, HEADERS_BYTES)
        if delivered and not reading.no_ack:
            if unlikely(some_pending):
                delivered = _deliver_again(call, group, consumer, cursor.id)
            else:
                delivered = _deliver(call, group, consumer, cursor.id)
        if unlikely(not delivered):          # no memory: who reads on gets the rest
            reply_rewind(call.reply, before)
            call.reply.buffer.failed = 0
            if written == 0:
                return False
            break
        stream_group_read(stream, group, cursor.id)
        if unlikely(call.keyspace.journal != NULL) and not reading.no_ack:
            stream_log_pending(call, index, group, stream_consumer_name(consumer), cursor.id, stream_pending_find(group, cursor.id))
        written += 1
        if written == reading.count:
            break
        more = stream_log_next(&cursor)
    stream_log_group(call, index, group)
    reply_array_at(call.reply, mark, written)
    return True


cdef void _read_history(Call* call, const Reading* reading, Stream* stream, StreamConsumer* consumer, StreamId after) noexcept nogil:
    """An array of what is pending for this consumer behind an ID; those that are still there count as delivered anew."""
    cdef size_t mark = reply_mark(call.reply)
    cdef StreamCursor cursor
    cdef IdPlace place
    cdef IdItem* item
    cdef Pending* pending
    cdef int64_t written = 0
    cdef bint more
    # Behind the last ID there is comes the first one again, as in Redis.
    id_increment(&after)
    more = id_map_seek(&consumer.pending, after, &place)
    while more:
        item = id_map_at(&consumer.pending, place)
        if stream_log_find(&stream.log, item.id, &cursor):
            pending = <Pending*>item.value
            pending.delivered_ms = keyspace_now(call.keyspace)
            pending.deliveries += 1
            reply_entry(call.reply, &cursor)
        else:
            reply_array(call.reply, 2)
            reply_id(call.reply, item.id)
            reply_null_array(call.reply)
        written += 1
        if written == reading.count:
            break
        more = id_map_next(&consumer.pending, &place)
    reply_array_at(call.reply, mark, written)


cdef inline void _stream_header(Call* call, size_t index) noexcept nogil:
    if call.reply.resp == 2:
        reply_array(call.reply, 2)
    reply_bulk(call.reply, call.argv[index])


cdef bint _serve_group(Call* call, const Reading* reading, size_t index, Stream* stream, bint* failed_out) noexcept nogil:
    """Write what the consumer gets of one stream; False if that is nothing. When that is for want of memory, failed_out
    says so, and what was written is not to stand."""
    cdef StreamGroup* group = stream_group_find(&stream.groups, reading.group)
    cdef StreamConsumer* consumer
    cdef StreamId after
    call_keep(call, index)
    consumer = stream_open_consumer(call, index, group, reading.consumer)
    failed_out[0] = consumer == NULL
    if consumer == NULL:
        return False
    if _is_char(call.argv[index + reading.streams], b'>'):
        after = id_of(UINT64_MAX, UINT64_MAX)
    else:
        call_id(call, index + reading.streams, 0, &after)
    if after.ms == UINT64_MAX and after.seq == UINT64_MAX:
        if stream.log.length == 0 or id_compare(_last_entry_id(stream), group.last_id) <= 0:
            return False
        _stream_header(call, index)
        failed_out[0] = not _read_new(call, reading, index, stream, group, consumer)
        if failed_out[0]:
            return False
        call.keyspace.dirty += 1
    else:
        _stream_header(call, index)
        _read_history(call, reading, stream, consumer, after)
    return True


# ---- alone

cdef StreamId _start_after(Call* call, size_t index, const Stream* stream) noexcept nogil:
    """What argv[index] stands for: the ID behind which to read."""
    cdef StreamId after
    if _is_char(call.argv[index], b'$'):
        return stream.log.last_id if stream != NULL else id_of(0, 0)
    if _is_char(call.argv[index], b'+'):
        after = _last_entry_id(stream) if stream != NULL else id_of(0, 0)
        if after.ms or after.seq:
            id_decrement(&after)
        return after
    call_id(call, index, 0, &after)
    return after


cdef bint _serve_alone(Call* call, const Reading* reading, size_t index, const Stream* stream) noexcept nogil:
    cdef StreamId after = _start_after(call, index + reading.streams, stream)
    if stream.log.length == 0 or id_compare(_last_entry_id(stream), after) <= 0:
        return False
    id_increment(&after)
    _stream_header(call, index)
    reply_range(call.reply, stream, after, id_of(UINT64_MAX, UINT64_MAX), reading.count, False)
    return True


# ---- both

cdef void _wait(Call* call, const Reading* reading) noexcept nogil:
    """Wait for the streams; "$" becomes the ID that it stands for now."""
    cdef size_t ids = reading.first + reading.streams
    cdef size_t i
    cdef size_t resolved = 0
    cdef Stream* stream
    cdef Slice* words
    cdef char* text
    call_block(call, TYPE_STREAM, reading.first, reading.streams, reading.deadline_ms)
    call.block_until_gone = reading.in_group
    for i in range(ids, call.argc):
        resolved += _is_char(call.argv[i], b'$')
    if resolved == 0:
        return
    words = call_block_words(call, resolved * ID_TEXT_MAX)
    if words == NULL:
        return
    text = <char*>(words + call.argc)
    for i in range(ids, call.argc):
        if _is_char(words[i], b'$'):
            stream = _stream(call, i - reading.streams, FIND_NO_STATS | FIND_NO_TOUCH)
            words[i] = slice_of(text, id_text(_start_after(call, i, stream), text))
            text += ID_TEXT_MAX


cdef void _read(Call* call, bint in_group) noexcept nogil:
    cdef Reading reading
    cdef Stream* stream
    cdef size_t mark, before, i
    cdef int64_t served = 0
    cdef bint failed = False
    reading.in_group = in_group
    if not _options(call, &reading) or not _check_streams(call, &reading):
        return
    mark = reply_mark(call.reply)
    for i in range(reading.first, reading.first + reading.streams):
        stream = _stream(call, i, 0)        # which counts as a hit or miss of its own, as in Redis
        if stream == NULL:
            continue
        before = reply_mark(call.reply)
        if in_group:
            served += _serve_group(call, &reading, i, stream, &failed)
        else:
            served += _serve_alone(call, &reading, i, stream)
        if failed:
            reply_rewind(call.reply, before)
            if served:                       # these entries are pending now: they must not be kept back
                break
            reply_rewind(call.reply, mark)
            error_memory(call)
            return
    if served:
        if call.reply.resp == 2:
            reply_array_at(call.reply, mark, served)
        else:
            reply_map_at(call.reply, mark, served)
    elif reading.blocks and call_may_block(call):
        _wait(call, &reading)
    else:
        reply_null_array(call.reply)


cdef void cmd_xread(Call* call) noexcept nogil:
    _read(call, False)


cdef void cmd_xreadgroup(Call* call) noexcept nogil:
    _read(call, True)
