"""See stream_words.pxd."""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memchr
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport parse_unsigned
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport call_find_read_type, call_find_write_type, call_keep, call_log, error_memory, slot_entry
from hutch_engine.commands.reply cimport reply_array, reply_array_at, reply_bulk, reply_error, reply_error_slice, reply_mark
from hutch_engine.keyspace.entry cimport TYPE_STREAM, Entry, entry_pointer
from hutch_engine.keyspace.keyspace cimport EVENT_STREAM, keyspace_event, keyspace_now, keyspace_ready
from hutch_engine.structures.id_map cimport id_compare, id_decrement, id_increment, id_of
from hutch_engine.structures.stream_group cimport (
    Pending, StreamGroup, stream_consumer_add, stream_consumer_find, stream_group_find, stream_group_name)
from hutch_engine.structures.stream_log cimport (
    StreamPairs, stream_log_first, stream_log_last, stream_log_next, stream_log_previous, stream_pairs, stream_pairs_next)
from hutch_engine.structures.table cimport TableSlot
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word

cdef enum:
    ID_BYTES_MAX = 127           # longer texts are no IDs
    DASH = 45
    PLUS = 43
    STAR = 42
    PARENTHESIS = 40


# ---- IDs

cdef void reply_id(Reply* reply, StreamId id) noexcept nogil:
    cdef char[ID_TEXT_MAX] text
    reply_bulk(reply, slice_of(text, id_text(id, text)))


cdef inline bint _plain_number(const char* at, size_t length, uint64_t* value_out) noexcept nogil:
    """Digits as every client sends them: no zero in front, far from overflow. Else the careful way is taken."""
    cdef uint64_t value = 0
    cdef size_t i
    if length == 0 or length > 18 or (at[0] == 48 and length > 1):
        return False
    for i in range(length):
        if at[i] < 48 or at[i] > 57:
            return False
        value = value * 10 + <uint64_t>(at[i] - 48)
    value_out[0] = value
    return True


cdef inline bint _number(const char* at, size_t length, uint64_t* value_out) noexcept nogil:
    return _plain_number(at, length, value_out) or parse_unsigned(slice_of(at, length), value_out)


cdef Slice c_string(Slice text) noexcept nogil:
    cdef const void* end = memchr(text.data, 0, text.length) if text.length else NULL
    if end != NULL:
        text.length = <size_t>(<const char*>end - text.data)
    return text


cdef bint _parse(Slice text, uint64_t missing_seq, StreamId* id_out, bint* seq_given_out) noexcept nogil:
    """seq_given_out NULL: "*" is no sequence number."""
    cdef const char* dash
    cdef const char* after
    cdef size_t left
    if text.length > ID_BYTES_MAX:
        return False
    text = c_string(text)
    dash = <const char*>memchr(text.data, DASH, text.length) if text.length else NULL
    if seq_given_out != NULL:
        seq_given_out[0] = True
    if dash == NULL:
        id_out.seq = missing_seq
        return _number(text.data, text.length, &id_out.ms)
    if not _number(text.data, <size_t>(dash - text.data), &id_out.ms):
        return False
    after = dash + 1
    left = text.length - <size_t>(after - text.data)
    if seq_given_out != NULL and left == 1 and after[0] == STAR:
        seq_given_out[0] = False
        id_out.seq = 0
        return True
    return _number(after, left, &id_out.seq)


cdef bint id_parse(Slice text, uint64_t missing_seq, StreamId* id_out) noexcept nogil:
    return _parse(text, missing_seq, id_out, NULL)


cdef bint id_parse_new(Slice text, StreamId* id_out, bint* seq_given_out) noexcept nogil:
    return _parse(text, 0, id_out, seq_given_out)


cdef void error_id(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR Invalid stream ID specified as stream command argument")


cdef bint call_id(Call* call, size_t index, uint64_t missing_seq, StreamId* id_out) noexcept nogil:
    if likely(_parse(call.argv[index], missing_seq, id_out, NULL)):
        return True
    error_id(call)
    return False


cdef bint _parse_or_end(Slice text, uint64_t missing_seq, StreamId* id_out) noexcept nogil:
    text = c_string(text) if text.length <= ID_BYTES_MAX else text
    if text.length == 1 and text.data[0] == DASH:
        id_out[0] = id_of(0, 0)
        return True
    if text.length == 1 and text.data[0] == PLUS:
        id_out[0] = id_of(UINT64_MAX, UINT64_MAX)
        return True
    return _parse(text, missing_seq, id_out, NULL)


cdef bint call_id_or_end(Call* call, size_t index, StreamId* id_out) noexcept nogil:
    if _parse_or_end(call.argv[index], 0, id_out):
        return True
    error_id(call)
    return False


cdef bint _parse_bound(Call* call, size_t index, uint64_t missing_seq, StreamId* id_out, bint* open_out) noexcept nogil:
    cdef Slice text = call.argv[index]
    open_out[0] = text.length > 1 and text.data[0] == PARENTHESIS
    if open_out[0]:
        if _parse(slice_of(text.data + 1, text.length - 1), missing_seq, id_out, NULL):
            return True
    elif _parse_or_end(text, missing_seq, id_out):
        return True
    error_id(call)
    return False


cdef bint call_range_start(Call* call, size_t index, StreamId* id_out) noexcept nogil:
    cdef bint is_open
    if not _parse_bound(call, index, 0, id_out, &is_open):
        return False
    if is_open and not id_increment(id_out):
        reply_error(call.reply, b"ERR invalid start ID for the interval")
        return False
    return True


cdef bint call_range_end(Call* call, size_t index, StreamId* id_out) noexcept nogil:
    cdef bint is_open
    if not _parse_bound(call, index, UINT64_MAX, id_out, &is_open):
        return False
    if is_open and not id_decrement(id_out):
        reply_error(call.reply, b"ERR invalid end ID for the interval")
        return False
    return True


# ---- streams and groups

cdef Stream* stream_find_read(Call* call, size_t index, bint* wrong_type_out) noexcept nogil:
    cdef Entry* entry = call_find_read_type(call, index, TYPE_STREAM, wrong_type_out)
    return <Stream*>entry_pointer(entry) if entry != NULL else NULL


cdef Stream* stream_find_write(Call* call, size_t index, bint* wrong_type_out) noexcept nogil:
    cdef TableSlot slot = call_find_write_type(call, index, TYPE_STREAM, wrong_type_out)
    return <Stream*>entry_pointer(slot_entry(slot)) if slot != NULL else NULL


cdef void error_no_group(Call* call, Slice key, Slice group, const char* after) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"NOGROUP No such key '")
    buffer_append_slice(&text, c_string(key))
    buffer_append_text(&text, b"' or consumer group '")
    buffer_append_slice(&text, c_string(group))
    buffer_append_text(&text, b"'")
    buffer_append_text(&text, after)
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void error_no_such_group(Call* call) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"NOGROUP No such consumer group '")
    buffer_append_slice(&text, c_string(call.argv[3]))
    buffer_append_text(&text, b"' for key name '")
    buffer_append_slice(&text, c_string(call.argv[2]))
    buffer_append_text(&text, b"'")
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef StreamGroup* stream_find_group(Call* call, size_t index, bint for_writing, Stream** stream_out) noexcept nogil:
    cdef bint wrong_type
    cdef StreamGroup* group = NULL
    cdef Stream* stream
    if for_writing:
        stream = stream_find_write(call, index, &wrong_type)
    else:
        stream = stream_find_read(call, index, &wrong_type)
    if wrong_type:
        return NULL
    if stream != NULL:
        group = stream_group_find(&stream.groups, call.argv[index + 1])
    if group == NULL:
        error_no_group(call, call.argv[index], call.argv[index + 1], b"")
    elif not for_writing:
        call_keep(call, index)               # looked up as for reading, as Redis does, and about to be changed
    stream_out[0] = stream
    return group


cdef void _log_id(Journal* journal, StreamId id) noexcept nogil:
    cdef char[ID_TEXT_MAX] text
    journal_word(journal, slice_of(text, id_text(id, text)))


cdef void stream_log_pending(Call* call, size_t key, const StreamGroup* group, Slice consumer, StreamId id,
                             const Pending* pending) noexcept nogil:
    cdef Journal* journal = call_log(call, 14)
    if likely(journal == NULL):
        return
    journal_text(journal, b"XCLAIM")
    journal_word(journal, call.argv[key])
    journal_word(journal, stream_group_name(group))
    journal_word(journal, consumer)
    journal_text(journal, b"0")
    _log_id(journal, id)
    journal_text(journal, b"TIME")
    journal_integer(journal, pending.delivered_ms)
    journal_text(journal, b"RETRYCOUNT")
    journal_integer(journal, <int64_t>pending.deliveries)
    journal_text(journal, b"FORCE")
    journal_text(journal, b"JUSTID")
    journal_text(journal, b"LASTID")
    _log_id(journal, group.last_id)


cdef void stream_log_group(Call* call, size_t key, const StreamGroup* group) noexcept nogil:
    cdef Journal* journal = call_log(call, 7)
    if likely(journal == NULL):
        return
    journal_text(journal, b"XGROUP")
    journal_text(journal, b"SETID")
    journal_word(journal, call.argv[key])
    journal_word(journal, stream_group_name(group))
    _log_id(journal, group.last_id)
    journal_text(journal, b"ENTRIESREAD")
    journal_integer(journal, group.entries_read)


cdef StreamConsumer* stream_open_consumer(Call* call, size_t key, StreamGroup* group, Slice name) noexcept nogil:
    cdef StreamConsumer* consumer = stream_consumer_find(group, name)
    cdef Journal* journal
    cdef int64_t now_ms = keyspace_now(call.keyspace)
    if consumer != NULL:
        consumer.seen_ms = now_ms
        return consumer
    consumer = stream_consumer_add(call.keyspace.heap, group, name, now_ms)
    if consumer == NULL:
        error_memory(call)
        return NULL
    keyspace_event(call.keyspace, call.database, EVENT_STREAM, b"xgroup-createconsumer", call.argv[key])
    call.keyspace.dirty += 1
    journal = call_log(call, 5)
    if unlikely(journal != NULL):
        journal_text(journal, b"XGROUP")
        journal_text(journal, b"CREATECONSUMER")
        journal_word(journal, call.argv[key])
        journal_word(journal, stream_group_name(group))
        journal_word(journal, name)
    return consumer


cdef void stream_wait_over(Call* call, size_t key) noexcept nogil:
    keyspace_ready(call.keyspace, call.database, call.argv[key])


# ---- entries

cdef void reply_entry(Reply* reply, const StreamCursor* cursor) noexcept nogil:
    cdef StreamPairs pairs
    cdef Slice name, value
    reply_array(reply, 2)
    reply_id(reply, cursor.id)
    stream_pairs(cursor, &pairs)
    reply_array(reply, <int64_t>(2 * pairs.count))
    while pairs.count:
        stream_pairs_next(&pairs, &name, &value)
        reply_bulk(reply, name)
        reply_bulk(reply, value)


cdef int64_t reply_range(Reply* reply, const Stream* stream, StreamId start, StreamId end, int64_t count, bint reverse) noexcept nogil:
    cdef size_t mark = reply_mark(reply)
    cdef StreamCursor cursor
    cdef int64_t written = 0
    cdef bint more
    if reverse:
        more = stream_log_last(&stream.log, end, &cursor)
    else:
        more = stream_log_first(&stream.log, start, &cursor)
    while more and (id_compare(cursor.id, start) >= 0 if reverse else id_compare(cursor.id, end) <= 0):
        reply_entry(reply, &cursor)
        written += 1
        if written == count:
            break
        more = stream_log_previous(&cursor) if reverse else stream_log_next(&cursor)
    reply_array_at(reply, mark, written)
    return written
