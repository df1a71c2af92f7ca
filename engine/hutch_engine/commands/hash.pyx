"""See hash.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from hutch_engine.base.compiler cimport add_overflows, likely, unlikely
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport heap_promise_end
from hutch_engine.base.numbers cimport (
    INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_integer, format_long_double, parse_integer, parse_long_double)
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    Call, call_changed, call_find_read_type, call_find_write_type, call_hash, call_integer, call_log, call_log_fields,
    call_promise, call_word, error_arity, error_memory, error_not_float, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_bulk, reply_error, reply_integer, reply_map, reply_mark, reply_null,
    reply_ok, reply_one, reply_zero)
from hutch_engine.commands.scan cimport ScanOptions, scan_cursor, scan_insert_cursor, scan_options, scan_steps
from hutch_engine.keyspace.entry cimport TYPE_HASH, Entry, value_of_pointer
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_HASH, keyspace_add, keyspace_close_hash, keyspace_delete, keyspace_event, keyspace_open_hash)
from hutch_engine.structures.hash cimport (
    HASH_ADDED, HASH_PACKED, HASH_REFUSED, Hash, hash_deadline, hash_delete, hash_each, hash_free, hash_get, hash_growth_bytes,
    hash_length, hash_new, hash_prepare, hash_random, hash_sample, hash_scan, hash_set, hash_stored)
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word


# ---- opening and closing

cdef bint hash_open_read(Call* call, size_t index, Hash* hash_out, bint* wrong_type_out) noexcept nogil:
    cdef Entry* entry = call_find_read_type(call, index, TYPE_HASH, wrong_type_out)
    if entry == NULL:
        return False
    keyspace_open_hash(call.keyspace, entry, hash_out)
    return True


cdef bint writing_begin_present(Call* call, size_t index, Writing* writing, bint* wrong_type_out) noexcept nogil:
    writing.slot = call_find_write_type(call, index, TYPE_HASH, wrong_type_out)
    if writing.slot == NULL:
        return False
    keyspace_open_hash(call.keyspace, slot_entry(writing.slot), &writing.hash)
    return True


cdef bint writing_begin(Call* call, size_t index, Writing* writing) noexcept nogil:
    cdef bint wrong_type
    if not writing_begin_present(call, index, writing, &wrong_type):
        if wrong_type:
            return False
        writing.hash.form = HASH_PACKED
        writing.hash.pointer = hash_new(call.keyspace.heap)
        writing.hash.heap = call.keyspace.heap
        writing.hash.hash_key = &call.keyspace.hash_key
        writing.hash.now_ms = INT64_MIN
        writing.hash.max_packed_entries = call.keyspace.limits.hash_entries
        writing.hash.max_packed_bytes = call.keyspace.limits.hash_value_bytes
    return True


cdef bint writing_promise(Call* call, Writing* writing, size_t first) noexcept nogil:
    if likely(call_promise(call, first, hash_growth_bytes(&writing.hash))):
        return True
    if writing.slot == NULL:
        hash_free(writing.hash.heap, writing.hash.form, writing.hash.pointer)
    return False


cdef bint writing_finish(Call* call, Writing* writing) noexcept nogil:
    cdef Hash* hash = &writing.hash
    if likely(writing.slot != NULL):
        keyspace_close_hash(call.keyspace, call.database, slot_entry(writing.slot), hash)
        return True
    if (hash_stored(hash) == 0
            or keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1),
                            value_of_pointer(TYPE_HASH, <uint8_t>hash.form, hash.pointer)) == NULL):
        hash_free(hash.heap, hash.form, hash.pointer)
        return False
    return True


cdef void writing_delete_if_empty(Call* call, Writing* writing) noexcept nogil:
    if hash_stored(&writing.hash) == 0:
        keyspace_delete(call.keyspace, call.database, writing.slot, call_hash(call, 1), False)
        keyspace_event(call.keyspace, call.database, EVENT_GENERIC, b"del", call.argv[1])


# ---- writing

cdef void _set_fields(Call* call, bint answer_ok) noexcept nogil:
    cdef Writing writing
    cdef int64_t added = 0
    cdef size_t done = 0
    cdef size_t i = 2
    cdef int outcome
    cdef bint written = False
    if call.argc & 1:
        error_arity(call)
        return
    if not writing_begin(call, 1, &writing):
        return
    if call.argc > 4:
        if unlikely(not writing_promise(call, &writing, 2)):
            return
        hash_prepare(&writing.hash, call.argv + 2, call.argc - 2)
    while i < call.argc:
        outcome = hash_set(&writing.hash, call.argv[i], call.argv[i + 1], False)
        if unlikely(outcome == HASH_REFUSED):
            break
        added += outcome == HASH_ADDED
        done += 1
        i += 2
    if unlikely(i < call.argc and writing.slot == NULL):
        hash_free(writing.hash.heap, writing.hash.form, writing.hash.pointer)      # all of a new hash or nothing
    elif likely(writing_finish(call, &writing)):
        written = True
    if call.argc > 4:
        heap_promise_end(call.keyspace.heap)
    if unlikely(not written):
        error_memory(call)
        return
    if done:
        call_changed(call, 1, EVENT_HASH, b"hset")
        call.keyspace.dirty += done - 1
    if i < call.argc:
        error_memory(call)
    elif answer_ok:
        reply_ok(call.reply)
    else:
        reply_integer(call.reply, added)


cdef void cmd_hset(Call* call) noexcept nogil:
    _set_fields(call, False)


cdef void cmd_hmset(Call* call) noexcept nogil:
    _set_fields(call, True)


cdef bint _set_one(Call* call, Writing* writing, Slice value, bint keep_deadline, const char* event) noexcept nogil:
    """argv[2] gets the value; the whole end of a command but for its reply. False after OOM was answered."""
    cdef int outcome = hash_set(&writing.hash, call.argv[2], value, keep_deadline)
    if not writing_finish(call, writing) or outcome == HASH_REFUSED:
        error_memory(call)
        return False
    call_changed(call, 1, EVENT_HASH, event)
    return True


cdef void cmd_hsetnx(Call* call) noexcept nogil:
    cdef Writing writing
    cdef Slice value
    cdef char[INTEGER_TEXT_MAX] scratch
    if not writing_begin(call, 1, &writing):
        return
    if hash_get(&writing.hash, call.argv[2], scratch, &value):
        reply_zero(call.reply)
    elif _set_one(call, &writing, call.argv[3], False, b"hset"):
        reply_one(call.reply)


cdef void cmd_hincrby(Call* call) noexcept nogil:
    cdef Writing writing
    cdef int64_t by
    cdef int64_t value = 0
    cdef Slice text
    cdef char[INTEGER_TEXT_MAX] digits
    if not call_integer(call, 3, &by) or not writing_begin(call, 1, &writing):
        return
    if hash_get(&writing.hash, call.argv[2], digits, &text):
        if not parse_integer(text, &value):
            reply_error(call.reply, b"ERR hash value is not an integer")
            return
        if add_overflows(value, by, &value):
            reply_error(call.reply, b"ERR increment or decrement would overflow")
            return
    else:
        value = by
    if _set_one(call, &writing, slice_of(digits, format_integer(value, digits)), True, b"hincrby"):
        reply_integer(call.reply, value)


cdef void _log_field(Call* call, Writing* writing, Slice value) noexcept nogil:
    """The sum itself, since other machines have other long doubles; and the deadline that it kept."""
    cdef Journal* journal = call_log(call, 4)
    cdef int64_t deadline_ms
    if likely(journal == NULL):
        return
    journal_text(journal, b"HSET")
    journal_word(journal, call.argv[1])
    journal_word(journal, call.argv[2])
    journal_word(journal, value)
    if hash_deadline(&writing.hash, call.argv[2], &deadline_ms) and deadline_ms != -1:
        call_log(call, 6)
        journal_text(journal, b"HPEXPIREAT")
        journal_word(journal, call.argv[1])
        journal_integer(journal, deadline_ms)
        journal_text(journal, b"FIELDS")
        journal_integer(journal, 1)
        journal_word(journal, call.argv[2])


cdef void cmd_hincrbyfloat(Call* call) noexcept nogil:
    """Sums are made in the long doubles of the machine, as Redis's are: 80 bits on x86."""
    cdef Writing writing
    cdef long double by = 0
    cdef long double value = 0
    cdef Slice text
    cdef char[LONG_DOUBLE_TEXT_MAX] digits
    if not parse_long_double(call.argv[3], &by):
        error_not_float(call)
        return
    if by - by != 0:
        reply_error(call.reply, b"ERR value is NaN or Infinity")
        return
    if not writing_begin(call, 1, &writing):
        return
    if hash_get(&writing.hash, call.argv[2], digits, &text) and not parse_long_double(text, &value):
        reply_error(call.reply, b"ERR hash value is not a float")
        return
    value += by
    if value - value != 0:
        # Only where there was a value: an infinite one was refused above, so the hash is no new one.
        reply_error(call.reply, b"ERR increment would produce NaN or Infinity")
        return
    text = slice_of(digits, format_long_double(value, digits))
    if _set_one(call, &writing, text, True, b"hincrbyfloat"):
        _log_field(call, &writing, text)
        reply_bulk(call.reply, text)


cdef void cmd_hdel(Call* call) noexcept nogil:
    cdef Writing writing
    cdef bint wrong_type
    cdef int64_t deleted = 0
    cdef size_t i
    if not writing_begin_present(call, 1, &writing, &wrong_type):
        if not wrong_type:
            reply_zero(call.reply)
        return
    for i in range(2, call.argc):
        deleted += hash_delete(&writing.hash, call.argv[i])
        if hash_stored(&writing.hash) == 0:
            break
    writing_finish(call, &writing)
    if deleted:
        call_changed(call, 1, EVENT_HASH, b"hdel")
        call.keyspace.dirty += <uint64_t>deleted - 1
    writing_delete_if_empty(call, &writing)
    reply_integer(call.reply, deleted)


# ---- reading

cdef inline void _reply_field(Call* call, const Hash* hash, Slice field) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    if hash_get(hash, field, scratch, &value):
        reply_bulk(call.reply, value)
    else:
        reply_null(call.reply)


cdef void cmd_hget(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    if hash_open_read(call, 1, &hash, &wrong_type):
        _reply_field(call, &hash, call.argv[2])
    elif not wrong_type:
        reply_null(call.reply)


cdef void cmd_hmget(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef bint present = hash_open_read(call, 1, &hash, &wrong_type)
    cdef size_t i
    if wrong_type:
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        if present:
            _reply_field(call, &hash, call.argv[i])
        else:
            reply_null(call.reply)


cdef bint _reply_name(void* context, Slice field, Slice value) noexcept nogil:
    reply_bulk(<Reply*>context, field)
    return True


cdef bint _reply_value(void* context, Slice field, Slice value) noexcept nogil:
    reply_bulk(<Reply*>context, value)
    return True


cdef bint _reply_both(void* context, Slice field, Slice value) noexcept nogil:
    reply_bulk(<Reply*>context, field)
    reply_bulk(<Reply*>context, value)
    return True


cdef void cmd_hgetall(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    if hash_open_read(call, 1, &hash, &wrong_type):
        reply_map(call.reply, <int64_t>hash_length(&hash))
        hash_each(&hash, _reply_both, call.reply)
    elif not wrong_type:
        reply_map(call.reply, 0)


cdef void cmd_hkeys(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    if hash_open_read(call, 1, &hash, &wrong_type):
        reply_array(call.reply, <int64_t>hash_length(&hash))
        hash_each(&hash, _reply_name, call.reply)
    elif not wrong_type:
        reply_array(call.reply, 0)


cdef void cmd_hvals(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    if hash_open_read(call, 1, &hash, &wrong_type):
        reply_array(call.reply, <int64_t>hash_length(&hash))
        hash_each(&hash, _reply_value, call.reply)
    elif not wrong_type:
        reply_array(call.reply, 0)


cdef void cmd_hlen(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    if hash_open_read(call, 1, &hash, &wrong_type):
        reply_integer(call.reply, <int64_t>hash_length(&hash))
    elif not wrong_type:
        reply_zero(call.reply)


cdef void _length_of_field(Call* call, bint only_present) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    if hash_open_read(call, 1, &hash, &wrong_type) and hash_get(&hash, call.argv[2], scratch, &value):
        reply_integer(call.reply, 1 if only_present else <int64_t>value.length)
    elif not wrong_type:
        reply_zero(call.reply)


cdef void cmd_hstrlen(Call* call) noexcept nogil:
    _length_of_field(call, False)


cdef void cmd_hexists(Call* call) noexcept nogil:
    _length_of_field(call, True)


# ---- some of the fields

cdef bint _reply_pair(void* context, Slice field, Slice value) noexcept nogil:
    """RESP3 of WITHVALUES: each pair is an array of its own."""
    reply_array(<Reply*>context, 2)
    return _reply_both(context, field, value)


cdef void _random_with_count(Call* call, int64_t count, bint with_values) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef uint64_t length
    cdef Slice field, value
    cdef char[INTEGER_TEXT_MAX] field_digits
    cdef char[INTEGER_TEXT_MAX] value_digits
    if not hash_open_read(call, 1, &hash, &wrong_type) or count == 0:
        if not wrong_type:
            reply_array(call.reply, 0)
        return
    length = hash_length(&hash)
    if count > 0:
        if <uint64_t>count < length:
            length = <uint64_t>count
        reply_array(call.reply, <int64_t>(length * 2 if with_values and call.reply.resp == 2 else length))
        hash_sample(&hash, call.keyspace.random, length,
                    _reply_name if not with_values else _reply_both if call.reply.resp == 2 else _reply_pair, call.reply)
        return
    # Below zero: so many draws, and a field may come again.
    count = -count if length else 0
    reply_array(call.reply, count * 2 if with_values and call.reply.resp == 2 else count)
    while count and not call.reply.buffer.failed:
        hash_random(&hash, call.keyspace.random, field_digits, value_digits, &field, &value)
        if with_values and call.reply.resp > 2:
            reply_array(call.reply, 2)
        reply_bulk(call.reply, field)
        if with_values:
            reply_bulk(call.reply, value)
        count -= 1


cdef void cmd_hrandfield(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef int64_t count
    cdef Slice field, value
    cdef char[INTEGER_TEXT_MAX] field_digits
    cdef char[INTEGER_TEXT_MAX] value_digits
    if call.argc > 2:
        if not call_integer(call, 2, &count):
            return
        if count == INT64_MIN:
            reply_error(call.reply, b"ERR value is out of range, value must between -9223372036854775807 and "
                        b"9223372036854775807")
        elif call.argc > 4 or (call.argc == 4 and not call_word(call, 3, b"WITHVALUES")):
            error_syntax(call)
        elif call.argc == 4 and (count < -(INT64_MAX // 2) or count > INT64_MAX // 2):
            reply_error(call.reply, b"ERR value is out of range")
        else:
            _random_with_count(call, count, call.argc == 4)
        return
    if (hash_open_read(call, 1, &hash, &wrong_type)
            and hash_random(&hash, call.keyspace.random, field_digits, value_digits, &field, &value)):
        reply_bulk(call.reply, field)
    elif not wrong_type:
        reply_null(call.reply)


cdef struct Scanning:
    Reply* reply
    const ScanOptions* options
    int64_t seen
    int64_t listed


cdef bint _list_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Scanning* scanning = <Scanning*>context
    scanning.seen += 1
    if scanning.options.all or glob_matches(scanning.options.pattern, field, False):
        reply_bulk(scanning.reply, field)
        scanning.listed += 1
        if not scanning.options.no_values:
            reply_bulk(scanning.reply, value)
            scanning.listed += 1
    return True


cdef void cmd_hscan(Call* call) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef ScanOptions options
    cdef Scanning scanning
    cdef uint64_t cursor
    cdef int64_t steps
    cdef size_t mark
    if not scan_cursor(call.argv[2], &cursor):
        reply_error(call.reply, b"ERR invalid cursor")
        return
    mark = reply_mark(call.reply)
    if not hash_open_read(call, 1, &hash, &wrong_type):
        if not wrong_type:
            reply_array(call.reply, 0)
            scan_insert_cursor(call.reply, mark, 0)
        return
    if not scan_options(call, True, &options):
        return
    scanning.reply = call.reply
    scanning.options = &options
    scanning.seen = 0
    scanning.listed = 0
    steps = scan_steps(options.count)
    while True:
        cursor = hash_scan(&hash, cursor, _list_field, &scanning)
        steps -= 1
        if cursor == 0 or steps == 0 or scanning.seen >= options.count:
            break
    reply_array_at(call.reply, mark, scanning.listed)
    scan_insert_cursor(call.reply, mark, cursor)
