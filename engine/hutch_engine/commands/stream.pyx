"""See stream.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.outcome cimport OK, OVERFLOW, Outcome
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    CALL_REPLAYED, Call, call_changed, call_find_write_type, call_hash, call_integer, call_log, call_word, error_arity,
    error_memory, error_no_key, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_array, reply_error, reply_integer, reply_null, reply_null_array, reply_ok, reply_zero)
from hutch_engine.commands.stream_words cimport (
    call_id, call_range_end, call_range_start, error_id, id_parse_new, reply_id, reply_range, stream_find_read,
    stream_find_write, stream_wait_over)
from hutch_engine.keyspace.entry cimport TYPE_STREAM, entry_pointer, value_of_pointer
from hutch_engine.keyspace.keyspace cimport (
    EVENT_STREAM, Keyspace, keyspace_add, keyspace_event, keyspace_now, keyspace_touched)
from hutch_engine.keyspace.stream_type cimport STREAM_LOG
from hutch_engine.structures.id_map cimport ID_TEXT_MAX, StreamId, id_compare, id_increment, id_is_zero, id_of, id_text
from hutch_engine.structures.stream cimport (
    REFS_ACKED, REFS_DELETE, REFS_KEEP, TRIM_MAXLEN, TRIM_MINID, TRIM_NONE, Stream, StreamTrim, stream_delete,
    stream_free, stream_new, stream_trim)
from hutch_engine.structures.stream_group cimport stream_groups_forget, stream_groups_want
from hutch_engine.structures.stream_log cimport StreamCursor, stream_log_append, stream_log_last
from hutch_engine.structures.table cimport TableSlot
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word

cdef enum:
    TRIMMED_BLOCKS = 100         # without LIMIT, approximate trimming stops after so many ...
    TRIMMED_UNLIMITED = 10000    # ... or after so many entries where blocks have no limit of entries ...
    TRIMMED_MAX = 1000000        # ... and after so many in any case


# ---- options

cdef struct Adding:                      # of XADD and XTRIM
    StreamTrim trim
    StreamId id
    bint id_given                        # else "*"
    bint seq_given
    bint only_present                    # NOMKSTREAM
    bint limit_given
    int64_t limit


cdef inline bint _is_char(Slice word, char c) noexcept nogil:
    return word.length == 1 and word.data[0] == c


cdef inline int _refs_word(Call* call, size_t index) noexcept nogil:
    """REFS_, or 0 when it is another word."""
    if call_word(call, index, b"KEEPREF"):
        return REFS_KEEP
    if call_word(call, index, b"DELREF"):
        return REFS_DELETE
    return REFS_ACKED if call_word(call, index, b"ACKED") else 0


cdef bint _threshold(Call* call, size_t* index, Adding* adding, int strategy) noexcept nogil:
    """MAXLEN|MINID [=|~] threshold; *index is then that of the threshold. False after an error."""
    cdef int64_t max_length
    if adding.trim.strategy != TRIM_NONE:
        reply_error(call.reply, b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        return False
    index[0] += 1
    adding.trim.approximate = False
    if index[0] + 1 < call.argc and _is_char(call.argv[index[0]], b'~'):
        adding.trim.approximate = True
        index[0] += 1
    elif index[0] + 1 < call.argc and _is_char(call.argv[index[0]], b'='):
        index[0] += 1
    adding.trim.strategy = strategy
    if strategy == TRIM_MINID:
        return call_id(call, index[0], 0, &adding.trim.min_id)
    if not call_integer(call, index[0], &max_length):
        return False
    if max_length < 0:
        reply_error(call.reply, b"ERR The MAXLEN argument must be >= 0.")
        return False
    adding.trim.max_length = <uint64_t>max_length
    return True


cdef bint _judge_limit(Call* call, Adding* adding, bint is_add) noexcept nogil:
    """After all options: do they fit together?"""
    cdef uint64_t entries
    if adding.limit and adding.trim.strategy == TRIM_NONE:
        reply_error(call.reply, b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
        return False
    if not is_add and adding.trim.strategy == TRIM_NONE:
        reply_error(call.reply, b"ERR syntax error, XTRIM must be called with a trimming strategy")
        return False
    if call.flags & CALL_REPLAYED:           # what was trimmed then is to be trimmed now
        return True
    if adding.limit_given:
        if not adding.trim.approximate:
            reply_error(call.reply, b"ERR syntax error, LIMIT cannot be used without the special ~ option")
            return False
        adding.trim.limit = <uint64_t>adding.limit
    elif adding.trim.approximate:
        entries = call.keyspace.limits.stream_node_entries
        adding.trim.limit = TRIMMED_BLOCKS * entries if entries < TRIMMED_MAX else TRIMMED_MAX
        if entries == 0:
            adding.trim.limit = TRIMMED_UNLIMITED
        elif adding.trim.limit > TRIMMED_MAX:
            adding.trim.limit = TRIMMED_MAX
    return True


cdef size_t _options(Call* call, Adding* adding, bint is_add) noexcept nogil:
    """From argv[2] on; the index behind the ID (XADD) or behind all (XTRIM), 0 after an error."""
    cdef size_t i = 2
    cdef int refs
    cdef bint more
    memset(adding, 0, sizeof(Adding))
    while i < call.argc:
        more = i + 1 < call.argc
        if is_add and _is_char(call.argv[i], b'*'):
            break
        if likely(is_add and call.argv[i].length and 48 <= call.argv[i].data[0] <= 57):
            refs = 0                     # an ID: no option begins with a digit
        else:
            refs = _refs_word(call, i)
        if more and call_word(call, i, b"MAXLEN"):
            if not _threshold(call, &i, adding, TRIM_MAXLEN):
                return 0
        elif more and call_word(call, i, b"MINID"):
            if not _threshold(call, &i, adding, TRIM_MINID):
                return 0
        elif more and call_word(call, i, b"LIMIT"):
            i += 1
            if not call_integer(call, i, &adding.limit):
                return 0
            if adding.limit < 0:
                reply_error(call.reply, b"ERR The LIMIT argument must be >= 0.")
                return 0
            adding.limit_given = True
        elif is_add and call_word(call, i, b"NOMKSTREAM"):
            adding.only_present = True
        elif refs and adding.trim.refs == 0:
            adding.trim.refs = refs
        elif is_add:
            if not id_parse_new(call.argv[i], &adding.id, &adding.seq_given):
                error_id(call)
                return 0
            adding.id_given = True
            break
        else:
            error_syntax(call)
            return 0
        i += 1
    return i + 1 if _judge_limit(call, adding, is_add) else 0


cdef bint stream_delete_options(Call* call, size_t first, int* refs_out, size_t* ids_out, int64_t* count_out) noexcept nogil:
    cdef size_t i = first
    cdef int refs
    refs_out[0] = 0
    ids_out[0] = 0
    while i < call.argc:
        refs = _refs_word(call, i)
        if refs:
            if refs_out[0]:
                error_syntax(call)
                return False
            refs_out[0] = refs
        elif call_word(call, i, b"IDS") and i + 1 < call.argc:          # once more: these instead
            if not parse_integer(call.argv[i + 1], count_out) or count_out[0] <= 0:
                reply_error(call.reply, b"ERR Number of IDs must be a positive integer")
                return False
            if <uint64_t>count_out[0] > call.argc - i - 2:
                reply_error(call.reply, b"ERR The `numids` parameter must match the number of arguments")
                return False
            ids_out[0] = i + 2
            i += 1 + <size_t>count_out[0]
        else:
            error_syntax(call)
            return False
        i += 1
    if ids_out[0] == 0:
        reply_error(call.reply, b"ERR IDS option is required")
        return False
    if refs_out[0] == 0:
        refs_out[0] = REFS_KEEP
    return True


# ---- adding

cdef inline bint _next_id(Call* call, const Adding* adding, StreamId last, StreamId* id_out) noexcept nogil:
    """The new entry's ID; False when it would not be behind the last."""
    cdef StreamId id
    cdef uint64_t now_ms
    if adding.id_given and adding.seq_given:
        id = adding.id
    elif adding.id_given:
        id = adding.id
        if id.ms == last.ms:
            if last.seq == UINT64_MAX:
                return False
            id.seq = last.seq + 1
    else:
        now_ms = <uint64_t>keyspace_now(call.keyspace)
        if now_ms > last.ms:
            id = id_of(now_ms, 0)
        else:
            id = last
            id_increment(&id)
    id_out[0] = id
    return id_compare(id, last) > 0


cdef bint _append(Call* call, Stream* stream, const Adding* adding, size_t first, StreamId* id_out) noexcept nogil:
    """False after an error."""
    cdef Keyspace* keyspace = call.keyspace
    cdef Outcome outcome
    if not _next_id(call, adding, stream.log.last_id, id_out):
        reply_error(call.reply, b"ERR The ID specified in XADD is equal or smaller than the target stream top item")
        return False
    outcome = stream_log_append(keyspace.heap, &stream.log, id_out[0], call.argv + first, (call.argc - first) // 2,
                                keyspace.limits.stream_node_bytes, keyspace.limits.stream_node_entries)
    if likely(outcome == OK):
        return True
    if outcome == OVERFLOW:
        reply_error(call.reply, b"ERR Elements are too large to be stored")
    else:
        error_memory(call)
    return False


cdef void _log_added(Call* call, const Adding* adding, size_t first, StreamId id) noexcept nogil:
    """With the ID that the clock gave it, and without trimming, which hangs on where blocks end."""
    cdef Journal* journal
    cdef char[ID_TEXT_MAX] text
    cdef size_t i
    if adding.trim.strategy == TRIM_NONE and adding.id_given and adding.seq_given:
        return
    journal = call_log(call, 3 + call.argc - first)
    if likely(journal == NULL):
        return
    journal_text(journal, b"XADD")
    journal_word(journal, call.argv[1])
    journal_word(journal, slice_of(text, id_text(id, text)))
    for i in range(first, call.argc):
        journal_word(journal, call.argv[i])


cdef void _log_trimmed(Call* call, const Adding* adding, const Stream* stream) noexcept nogil:
    """To the length that it came to."""
    cdef bint with_refs = adding.trim.refs == REFS_DELETE or adding.trim.refs == REFS_ACKED
    cdef Journal* journal = call_log(call, 5 + with_refs)
    if likely(journal == NULL):
        return
    journal_text(journal, b"XTRIM")
    journal_word(journal, call.argv[1])
    journal_text(journal, b"MAXLEN")
    journal_text(journal, b"=")
    journal_integer(journal, <int64_t>stream.log.length)
    if with_refs:
        journal_text(journal, b"DELREF" if adding.trim.refs == REFS_DELETE else b"ACKED")


cdef void cmd_xadd(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Adding adding
    cdef Stream* stream
    cdef bint wrong_type
    cdef TableSlot slot
    cdef StreamId id
    cdef size_t first = _options(call, &adding, True)
    if first == 0:
        return
    if call.argc < first + 2 or (call.argc - first) % 2:
        error_arity(call)
        return
    if adding.id_given and adding.seq_given and id_is_zero(adding.id):
        reply_error(call.reply, b"ERR The ID specified in XADD must be greater than 0-0")
        return
    slot = call_find_write_type(call, 1, TYPE_STREAM, &wrong_type)
    if wrong_type:
        return
    if slot != NULL:
        stream = <Stream*>entry_pointer(slot_entry(slot))
        if unlikely(stream.log.last_id.ms == UINT64_MAX and stream.log.last_id.seq == UINT64_MAX):
            reply_error(call.reply, b"ERR The stream has exhausted the last possible ID, unable to add more items")
            return
        if not _append(call, stream, &adding, first, &id):
            return
    else:
        if adding.only_present:
            reply_null(call.reply)
            return
        stream = stream_new(keyspace.heap)
        if not _append(call, stream, &adding, first, &id):
            stream_free(keyspace.heap, stream)
            return
        if keyspace_add(keyspace, call.database, call.argv[1], call_hash(call, 1),
                        value_of_pointer(TYPE_STREAM, STREAM_LOG, stream)) == NULL:
            stream_free(keyspace.heap, stream)
            error_memory(call)
            return
    call_changed(call, 1, EVENT_STREAM, b"xadd")
    _log_added(call, &adding, first, id)
    if adding.trim.strategy != TRIM_NONE and stream_trim(keyspace.heap, stream, &adding.trim):
        _log_trimmed(call, &adding, stream)
        keyspace_event(keyspace, call.database, EVENT_STREAM, b"xtrim", call.argv[1])
    stream_wait_over(call, 1)
    reply_id(call.reply, id)


# ---- reading

cdef void cmd_xlen(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef Stream* stream = stream_find_read(call, 1, &wrong_type)
    if stream != NULL:
        reply_integer(call.reply, <int64_t>stream.log.length)
    elif not wrong_type:
        reply_zero(call.reply)


cdef void _range(Call* call, bint reverse) noexcept nogil:
    cdef StreamId start, end
    cdef int64_t count = -1
    cdef size_t i = 4
    cdef bint wrong_type
    cdef Stream* stream
    if (not call_range_start(call, 3 if reverse else 2, &start)
            or not call_range_end(call, 2 if reverse else 3, &end)):
        return
    while i < call.argc:
        if i + 1 == call.argc or not call_word(call, i, b"COUNT"):
            error_syntax(call)
            return
        if not call_integer(call, i + 1, &count):
            return
        if count < 0:
            count = 0
        i += 2
    stream = stream_find_read(call, 1, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            reply_array(call.reply, 0)
    elif count == 0:
        reply_null_array(call.reply)
    else:
        reply_range(call.reply, stream, start, end, count if count > 0 else 0, reverse)


cdef void cmd_xrange(Call* call) noexcept nogil:
    _range(call, False)


cdef void cmd_xrevrange(Call* call) noexcept nogil:
    _range(call, True)


# ---- deleting

cdef void cmd_xdel(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef Stream* stream = stream_find_write(call, 1, &wrong_type)
    cdef StreamId id
    cdef uint64_t deleted = 0
    cdef size_t i
    if stream == NULL:
        if not wrong_type:
            reply_zero(call.reply)
        return
    for i in range(2, call.argc):            # all of them first: an error must find nothing done
        if not call_id(call, i, 0, &id):
            return
    for i in range(2, call.argc):
        call_id(call, i, 0, &id)
        deleted += stream_delete(call.keyspace.heap, stream, id)
    if deleted:
        call_changed(call, 1, EVENT_STREAM, b"xdel")
        call.keyspace.dirty += deleted - 1
    reply_integer(call.reply, <int64_t>deleted)


cdef void cmd_xdelex(Call* call) noexcept nogil:
    cdef int refs
    cdef size_t ids, i
    cdef int64_t count
    cdef bint wrong_type
    cdef Stream* stream
    cdef StreamId id
    cdef uint64_t deleted = 0
    stream = stream_find_write(call, 1, &wrong_type)
    if wrong_type or not stream_delete_options(call, 2, &refs, &ids, &count):
        return
    if stream != NULL:
        for i in range(ids, ids + <size_t>count):
            if not call_id(call, i, 0, &id):
                return
    reply_array(call.reply, count)
    for i in range(ids, ids + <size_t>count):
        if stream == NULL:
            reply_integer(call.reply, -1)
            continue
        call_id(call, i, 0, &id)
        # Before it is known whether there is such an entry: it may still be mentioned.
        if refs == REFS_ACKED and stream_groups_want(&stream.groups, id):
            reply_integer(call.reply, 2)
            continue
        if refs == REFS_DELETE:
            stream_groups_forget(call.keyspace.heap, &stream.groups, id)
        if stream_delete(call.keyspace.heap, stream, id):
            deleted += 1
            reply_integer(call.reply, 1)
        else:
            reply_integer(call.reply, -1)
    if deleted:
        call_changed(call, 1, EVENT_STREAM, b"xdel")
        call.keyspace.dirty += deleted - 1


cdef void cmd_xtrim(Call* call) noexcept nogil:
    cdef Adding adding
    cdef bint wrong_type
    cdef Stream* stream
    cdef uint64_t deleted
    if not _options(call, &adding, False):
        return
    stream = stream_find_write(call, 1, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            reply_zero(call.reply)
        return
    deleted = stream_trim(call.keyspace.heap, stream, &adding.trim)
    if deleted:
        keyspace_event(call.keyspace, call.database, EVENT_STREAM, b"xtrim", call.argv[1])
        keyspace_touched(call.keyspace, call.database, call.argv[1])
        call.keyspace.dirty += deleted
        _log_trimmed(call, &adding, stream)
    reply_integer(call.reply, <int64_t>deleted)


# ---- XSETID

cdef bint _setid_options(Call* call, StreamId id, int64_t* added_out, StreamId* max_deleted_out) noexcept nogil:
    cdef size_t i = 3
    while i < call.argc:
        if i + 1 == call.argc:
            error_syntax(call)
            return False
        if call_word(call, i, b"ENTRIESADDED"):
            if not call_integer(call, i + 1, added_out):
                return False
            if added_out[0] < 0:
                reply_error(call.reply, b"ERR entries_added must be positive")
                return False
        elif call_word(call, i, b"MAXDELETEDID"):
            if not call_id(call, i + 1, 0, max_deleted_out):
                return False
            if id_compare(id, max_deleted_out[0]) < 0:
                reply_error(call.reply, b"ERR The ID specified in XSETID is smaller than the provided "
                                        b"max_deleted_entry_id")
                return False
        else:
            error_syntax(call)
            return False
        i += 2
    return True


cdef void cmd_xsetid(Call* call) noexcept nogil:
    cdef StreamId id
    cdef StreamId max_deleted = id_of(0, 0)
    cdef int64_t added = -1
    cdef bint wrong_type
    cdef Stream* stream
    if not call_id(call, 2, 0, &id) or not _setid_options(call, id, &added, &max_deleted):
        return
    stream = stream_find_write(call, 1, &wrong_type)
    if stream == NULL:
        if not wrong_type:
            error_no_key(call)
        return
    if id_compare(id, stream.log.max_deleted_id) < 0:
        reply_error(call.reply, b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        return
    if stream.log.length:
        if not _fits(call, stream, id, added):
            return
    stream.log.last_id = id
    if added != -1:
        stream.log.entries_added = <uint64_t>added
    if not id_is_zero(max_deleted):
        stream.log.max_deleted_id = max_deleted
    keyspace_event(call.keyspace, call.database, EVENT_STREAM, b"xsetid", call.argv[1])
    call.keyspace.dirty += 1
    reply_ok(call.reply)


cdef bint _fits(Call* call, const Stream* stream, StreamId id, int64_t added) noexcept nogil:
    """May a stream with entries get this last ID, and so many entries ever? False after an error."""
    cdef StreamId last = _last_entry_id(stream)
    if id_compare(id, last) < 0:
        reply_error(call.reply, b"ERR The ID specified in XSETID is smaller than the target stream top item")
        return False
    if added != -1 and stream.log.length > <uint64_t>added:
        reply_error(call.reply, b"ERR The entries_added specified in XSETID is smaller than the target stream length")
        return False
    return True


cdef StreamId _last_entry_id(const Stream* stream) noexcept nogil:
    cdef StreamCursor cursor
    stream_log_last(&stream.log, id_of(UINT64_MAX, UINT64_MAX), &cursor)
    return cursor.id
