"""See string.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport INT64_MAX, INT64_MIN, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.compiler cimport add_overflows, likely, unlikely
from hutch_engine.base.hash cimport hash_bytes
from hutch_engine.base.leb128 cimport leb128_slice
from hutch_engine.base.memory cimport heap_promise_end, heap_try_resize, heap_try_zeroed
from hutch_engine.base.numbers cimport (
    INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_long_double, parse_integer, parse_long_double)
from hutch_engine.base.outcome cimport INVALID, NOT_FOUND, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    CALL_NO_TOUCH, CALL_REPLAYED, HASHED_KEYS, Call, call_changed, call_find_read_type, call_find_write, call_find_write_type,
    call_hash, call_hash_keys, call_integer, call_log, call_log_deadline, call_log_key, call_promise, error_arity,
    error_expire, error_memory, error_not_float, error_not_integer, error_syntax, error_wrong_type, slot_entry)
from hutch_engine.commands.expiry cimport expiry_is_past, expiry_log, expiry_persist
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_error, reply_integer, reply_mark, reply_null, reply_ok, reply_one, reply_rewind,
    reply_zero)
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBED_MAX, ENTRY_EMBEDDED, ENTRY_INTEGER, STRING_RAW, TYPE_STRING, Entry, StringValue, Value, entry_bytes,
    entry_deadline_ms, entry_integer, entry_key, entry_pointer, entry_set_integer, entry_set_pointer, entry_type,
    string_encoding, string_value_bytes, string_value_free, string_value_new, value_of_bytes, value_of_integer,
    value_of_pointer, value_of_raw, value_of_text)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_STRING, FIND_NO_TOUCH, FIND_WRITE, Database, Keyspace, keyspace_add, keyspace_change_value,
    keyspace_clear_deadline, keyspace_delete, keyspace_event, keyspace_find, keyspace_find_slot, keyspace_now,
    keyspace_overwritten, keyspace_resized, keyspace_resized_integer, keyspace_set, keyspace_set_deadline, keyspace_touched)
from hutch_engine.structures.table cimport TableSlot
from hutch_engine.keyspace.journal cimport Journal, journal_text, journal_word, journal_integer

cdef enum:                       # options of SET and GETEX
    SET_NX = 1
    SET_XX = 2
    SET_GET = 4
    SET_KEEPTTL = 8
    SET_PERSIST = 16
    SET_EX = 32
    SET_PX = 64
    SET_EXAT = 128
    SET_PXAT = 256
    SET_DEADLINES = SET_EX | SET_PX | SET_EXAT | SET_PXAT

cdef enum:
    STRING_BYTES_DEFAULT = 536870912      # proto-max-bulk-len
    DOUBLING_BYTES = 1048576              # a string beyond this grows by a quarter: realloc then moves pages
    SPARSE_BYTES = 262144                 # one that more than doubles to beyond this gets a block of untouched zeros


# ---- GET and SET

cdef inline Outcome _get(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags,
                         Slice* value_out, char* scratch) noexcept nogil:
    cdef Entry* entry = keyspace_find(keyspace, database, key, hash, flags)
    if entry == NULL:
        return NOT_FOUND
    if unlikely(entry_type(entry) != TYPE_STRING):
        return INVALID
    value_out[0] = entry_bytes(entry, scratch)
    return OK


cdef inline bint _set_in_place(Entry* entry, Slice value) noexcept nogil:
    """The commonest overwriting: text by text of the same length, no deadline to drop. Says whether it did it.
    (What keyspace_set would do, without taking the entry's block to pieces: a third of a SET's time.)"""
    cdef Slice key
    cdef Slice old
    if entry.flags != ENTRY_EMBEDDED:
        return False
    key = entry_key(entry)
    old = leb128_slice(key.data + key.length)
    # What begins like a number may be one, and is stored otherwise.
    if old.length != value.length or old.length == 0 or b'0' <= value.data[0] <= b'9' or value.data[0] == b'-':
        return False
    memcpy(<char*>old.data, value.data, old.length)
    entry.kind = <uint8_t>(TYPE_STRING | string_encoding(key.length, old.length, False) << 4)
    return True


cdef inline uint32_t _touch_flag(const Call* call) noexcept nogil:
    return FIND_NO_TOUCH if call.flags & CALL_NO_TOUCH else 0


cdef inline bint _set(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags,
                      Slice value) noexcept nogil:
    cdef TableSlot slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE | flags)
    cdef int old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    if slot == NULL or not _set_in_place(slot_entry(slot), value):
        if unlikely(keyspace_set(keyspace, database, key, hash, slot, value_of_bytes(value), False) == NULL):
            return False
    keyspace.dirty += 1
    if unlikely(keyspace.wanted):
        keyspace_touched(keyspace, database, key)
        if old_type >= 0:
            keyspace_overwritten(keyspace, database, key, <uint8_t>old_type, TYPE_STRING)
        keyspace_event(keyspace, database, EVENT_STRING, b"set", key)
    return True


cdef Outcome string_get_fast(Keyspace* keyspace, Database* database, Slice key, Slice* value_out,
                             char* scratch) noexcept nogil:
    cdef Outcome outcome = _get(keyspace, database, key, hash_bytes(&keyspace.hash_key, key.data, key.length), 0, value_out, scratch)
    if unlikely(outcome == INVALID):
        keyspace.hits -= 1               # the slow path, which writes the error, looks it up again
    return outcome


cdef bint string_set_fast(Keyspace* keyspace, Database* database, Slice key, Slice value) noexcept nogil:
    return _set(keyspace, database, key, hash_bytes(&keyspace.hash_key, key.data, key.length), 0, value)


cdef inline Outcome _reply_value(Call* call) noexcept nogil:
    """Answer argv[1]'s string, a null or WRONGTYPE: GET, and the first half of GETSET, GETDEL, SET ... GET."""
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef Outcome outcome = _get(call.keyspace, call.database, call.argv[1], call_hash(call, 1),
                                _touch_flag(call), &value, scratch)
    if likely(outcome == OK):
        reply_bulk(call.reply, value)
    elif outcome == NOT_FOUND:
        reply_null(call.reply)
    else:
        error_wrong_type(call)
    return outcome


cdef void cmd_get(Call* call) noexcept nogil:
    _reply_value(call)


cdef bint _deadline(Call* call, Slice text, uint32_t options, int64_t* deadline_ms_out) noexcept nogil:
    """The number behind EX, PX, EXAT or PXAT as Unix time in ms; else the error is written, and False."""
    cdef int64_t when
    if not parse_integer(text, &when):
        error_not_integer(call)
        return False
    if when <= 0 or (options & (SET_EX | SET_EXAT) and when > INT64_MAX // 1000):
        error_expire(call)
        return False
    if options & (SET_EX | SET_EXAT):
        when *= 1000
    if options & (SET_EX | SET_PX) and add_overflows(when, keyspace_now(call.keyspace), &when):
        error_expire(call)
        return False
    deadline_ms_out[0] = when
    return True


cdef bint _options(Call* call, size_t first, bint setting, uint32_t* options_out, Slice* expire_out) noexcept nogil:
    """The option words of SET (or of GETEX, if not `setting`); False after a syntax error."""
    cdef uint32_t options = 0
    cdef uint32_t deadline
    cdef Slice word
    cdef size_t i = first
    while i < call.argc:
        word = call.argv[i]
        deadline = 0
        if setting and slice_is(word, b"NX") and not options & SET_XX:
            options |= SET_NX
        elif setting and slice_is(word, b"XX") and not options & SET_NX:
            options |= SET_XX
        elif setting and slice_is(word, b"GET"):
            options |= SET_GET
        elif setting and slice_is(word, b"KEEPTTL") and not options & SET_DEADLINES:
            options |= SET_KEEPTTL
        elif not setting and slice_is(word, b"PERSIST") and not options & SET_DEADLINES:
            options |= SET_PERSIST
        elif slice_is(word, b"EX"):
            deadline = SET_EX
        elif slice_is(word, b"PX"):
            deadline = SET_PX
        elif slice_is(word, b"EXAT"):
            deadline = SET_EXAT
        elif slice_is(word, b"PXAT"):
            deadline = SET_PXAT
        else:
            error_syntax(call)
            return False
        if deadline:
            # The same word twice is fine, the last number counts; two different words are not.
            if options & (SET_KEEPTTL | SET_PERSIST | (SET_DEADLINES & ~deadline)) or i + 1 == call.argc:
                error_syntax(call)
                return False
            options |= deadline
            i += 1
            expire_out[0] = call.argv[i]
        i += 1
    options_out[0] = options
    return True


cdef bint _set_with_deadline(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, TableSlot slot,
                             Value value, int64_t deadline_ms) noexcept nogil:
    """Value and deadline, or neither (False)."""
    cdef int64_t old_deadline_ms
    if slot == NULL:
        if keyspace_add(keyspace, database, key, hash, value) == NULL:
            return False
        slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE | FIND_NO_TOUCH)
        if keyspace_set_deadline(keyspace, database, slot, deadline_ms) == NULL:
            keyspace_delete(keyspace, database, slot, hash, False)
            return False
        return True
    # The deadline first: going back from it needs no memory, going back from the value might.
    old_deadline_ms = entry_deadline_ms(slot_entry(slot))
    if keyspace_set_deadline(keyspace, database, slot, deadline_ms) == NULL:
        return False
    if keyspace_set(keyspace, database, key, hash, slot, value, True) == NULL:
        if old_deadline_ms == -1:
            keyspace_clear_deadline(keyspace, database, slot)
        else:
            keyspace_set_deadline(keyspace, database, slot, old_deadline_ms)
        return False
    return True


cdef enum:                       # how SET and its older forms answer
    ANSWER_OK = 0                # OK, or null when NX or XX forbade it
    ANSWER_INTEGER = 1           # 1 or 0


cdef void _log_set(Call* call, Slice value, int64_t deadline_ms) noexcept nogil:
    """SET with a time: whatever the words were, the log has the time as it is on the clock."""
    cdef Journal* journal = call_log(call, 5)
    if likely(journal == NULL):
        return
    journal_text(journal, b"SET")
    journal_word(journal, call.argv[1])
    journal_word(journal, value)
    journal_text(journal, b"PXAT")
    journal_integer(journal, deadline_ms)


cdef void _set_generic(Call* call, Slice value, uint32_t options, Slice expire, int answer) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Database* database = call.database
    cdef Slice key = call.argv[1]
    cdef uint64_t hash = call_hash(call, 1)
    cdef size_t mark = reply_mark(call.reply)
    cdef int64_t deadline_ms = 0
    cdef TableSlot slot
    cdef int old_type
    cdef bint done
    if options & SET_DEADLINES and not _deadline(call, expire, options, &deadline_ms):
        return
    if options & SET_GET and (_reply_value(call) == INVALID or call.reply.buffer.failed):
        return                               # an old value that cannot be told stays
    slot = call_find_write(call, 1)
    if (options & SET_NX and slot != NULL) or (options & SET_XX and slot == NULL):
        if answer == ANSWER_INTEGER:
            reply_zero(call.reply)
        elif not options & SET_GET:
            reply_null(call.reply)
        return
    old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    if options & SET_DEADLINES:
        done = _set_with_deadline(keyspace, database, key, hash, slot, value_of_bytes(value), deadline_ms)
    else:
        done = keyspace_set(keyspace, database, key, hash, slot, value_of_bytes(value),
                            options & SET_KEEPTTL) != NULL
    if not done:
        reply_rewind(call.reply, mark)
        error_memory(call)
        return
    if old_type >= 0:
        keyspace_overwritten(keyspace, database, key, <uint8_t>old_type, TYPE_STRING)
    call_changed(call, 1, EVENT_STRING, b"set")
    if options & SET_DEADLINES:
        keyspace_event(keyspace, database, EVENT_GENERIC, b"expire", key)
        _log_set(call, value, deadline_ms)
    if answer == ANSWER_INTEGER:
        reply_one(call.reply)
    elif not options & SET_GET:
        reply_ok(call.reply)


cdef void cmd_set(Call* call) noexcept nogil:
    cdef uint32_t options = 0
    cdef Slice expire = slice_of(NULL, 0)
    if likely(call.argc == 3):
        if likely(_set(call.keyspace, call.database, call.argv[1], call_hash(call, 1), _touch_flag(call), call.argv[2])):
            reply_ok(call.reply)
        else:
            error_memory(call)
    elif _options(call, 3, True, &options, &expire):
        _set_generic(call, call.argv[2], options, expire, ANSWER_OK)


cdef void cmd_setnx(Call* call) noexcept nogil:
    _set_generic(call, call.argv[2], SET_NX, slice_of(NULL, 0), ANSWER_INTEGER)


cdef void cmd_setex(Call* call) noexcept nogil:
    _set_generic(call, call.argv[3], SET_EX, call.argv[2], ANSWER_OK)


cdef void cmd_psetex(Call* call) noexcept nogil:
    _set_generic(call, call.argv[3], SET_PX, call.argv[2], ANSWER_OK)


cdef void cmd_getset(Call* call) noexcept nogil:
    cdef size_t mark = reply_mark(call.reply)
    cdef Outcome outcome = _reply_value(call)
    if outcome != INVALID and not call.reply.buffer.failed and not _set(call.keyspace, call.database, call.argv[1], call_hash(call, 1), _touch_flag(call),
                                       call.argv[2]):
        reply_rewind(call.reply, mark)
        error_memory(call)


cdef void cmd_getdel(Call* call) noexcept nogil:
    cdef TableSlot slot
    if _reply_value(call) == OK and not call.reply.buffer.failed:
        slot = call_find_write(call, 1)
        keyspace_delete(call.keyspace, call.database, slot, call_hash(call, 1), call.keyspace.lazy_user_delete)
        call_changed(call, 1, EVENT_GENERIC, b"del")
        call_log_key(call, b"UNLINK" if call.keyspace.lazy_user_delete else b"DEL", 1)


cdef void cmd_getex(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef uint32_t options = 0
    cdef Slice expire
    cdef int64_t deadline_ms = 0
    cdef bint wrong_type
    cdef Entry* entry
    cdef TableSlot slot
    cdef size_t mark
    cdef char[INTEGER_TEXT_MAX] scratch
    if not _options(call, 2, False, &options, &expire):
        return
    entry = call_find_read_type(call, 1, TYPE_STRING, &wrong_type)
    if entry == NULL:
        if not wrong_type:
            reply_null(call.reply)
        return
    if options & SET_DEADLINES and not _deadline(call, expire, options, &deadline_ms):
        return
    mark = reply_mark(call.reply)
    reply_bulk(call.reply, entry_bytes(entry, scratch))
    if not options:
        return
    slot = keyspace_find_slot(keyspace, call.database, call.argv[1], call_hash(call, 1), FIND_WRITE | FIND_NO_TOUCH)
    if options & SET_PERSIST:
        if expiry_persist(keyspace, call.database, slot):
            call_changed(call, 1, EVENT_GENERIC, b"persist")
            call_log_key(call, b"PERSIST", 1)
    elif options & (SET_EXAT | SET_PXAT) and expiry_is_past(call, deadline_ms):
        keyspace_delete(keyspace, call.database, slot, call_hash(call, 1), keyspace.lazy_expire)
        call_changed(call, 1, EVENT_GENERIC, b"del")
        call_log_key(call, b"UNLINK" if keyspace.lazy_expire else b"DEL", 1)
    elif keyspace_set_deadline(keyspace, call.database, slot, deadline_ms) == NULL:
        reply_rewind(call.reply, mark)
        error_memory(call)
    else:
        call_changed(call, 1, EVENT_GENERIC, b"expire")
        expiry_log(call, deadline_ms)


# ---- many keys

cdef void cmd_mget(Call* call) noexcept nogil:
    cdef uint64_t[HASHED_KEYS] hashes
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef uint32_t flags = _touch_flag(call)
    cdef size_t i = 1
    cdef size_t count, n
    reply_array(call.reply, <int64_t>call.argc - 1)
    while i < call.argc:
        count = call_hash_keys(call, i, 1, hashes)
        for n in range(count):
            if _get(call.keyspace, call.database, call.argv[i + n], hashes[n], flags, &value, scratch) == OK:
                reply_bulk(call.reply, value)
            else:
                reply_null(call.reply)
        i += count


cdef bint _mset(Call* call) noexcept nogil:
    """All keys, or (False, and the error is written) none: the ones before it could not be had back."""
    cdef uint64_t[HASHED_KEYS] hashes
    cdef size_t i = 1
    cdef size_t count, n
    cdef bint done = True
    if call.argc > 3 and not call_promise(call, 1, 0):
        return False
    while done and i < call.argc:
        count = call_hash_keys(call, i, 2, hashes)
        for n in range(count):
            done = done and _set(call.keyspace, call.database, call.argv[i], hashes[n], _touch_flag(call), call.argv[i + 1])
            i += 2
    if call.argc > 3:
        heap_promise_end(call.keyspace.heap)
    if unlikely(not done):
        error_memory(call)
    return done


cdef void cmd_mset(Call* call) noexcept nogil:
    if call.argc % 2 == 0:
        error_arity(call)
    elif _mset(call):
        reply_ok(call.reply)


cdef void cmd_msetnx(Call* call) noexcept nogil:
    cdef uint64_t[HASHED_KEYS] hashes
    cdef size_t i = 1
    cdef size_t count, n
    if call.argc % 2 == 0:
        error_arity(call)
        return
    while i < call.argc:
        count = call_hash_keys(call, i, 2, hashes)
        for n in range(count):
            if keyspace_find_slot(call.keyspace, call.database, call.argv[i], hashes[n],
                                  FIND_WRITE | _touch_flag(call)) != NULL:
                reply_zero(call.reply)
                return
            i += 2
    if _mset(call):
        reply_one(call.reply)


# ---- parts of strings

cdef uint64_t string_bytes_max(const Call* call) noexcept nogil:
    if call.flags & CALL_REPLAYED:
        return UINT64_MAX
    return call.keyspace.max_string_bytes if call.keyspace.max_string_bytes else STRING_BYTES_DEFAULT


cdef bint _fits(Call* call, uint64_t before, uint64_t more) noexcept nogil:
    """May a string have so many bytes? Else the error is written."""
    if before + more >= before and before + more <= string_bytes_max(call):
        return True
    reply_error(call.reply, b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    return False


cdef size_t _roomy(size_t length) noexcept nogil:
    """Capacity for a string that has begun to grow, so that appending n bytes costs O(n) in the long run."""
    return length * 2 if length < DOUBLING_BYTES else length + length // 4


cdef char* _resize(Call* call, TableSlot slot, size_t length) noexcept nogil:
    """Make slot's string a raw one of `length` bytes, at least what it has; the new ones are undefined.
    Returns its bytes, to be written to, or NULL when memory was refused (unchanged).

    In place while the capacity lasts; else O(length) by a realloc, amortized O(1) a byte."""
    cdef Keyspace* keyspace = call.keyspace
    cdef Entry* entry = slot_entry(slot)
    cdef char[ENTRY_EMBED_MAX] small
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice old
    cdef StringValue* value
    cdef size_t capacity
    if not entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        value = <StringValue*>entry_pointer(entry)
        if length > value.capacity:
            capacity = _roomy(length)
            value = <StringValue*>heap_try_resize(keyspace.heap, value, sizeof(StringValue) + value.capacity,
                                                  sizeof(StringValue) + capacity)
            if value == NULL:            # no room to spare: just what is needed, then
                capacity = length
                value = <StringValue*>entry_pointer(entry)
                value = <StringValue*>heap_try_resize(keyspace.heap, value, sizeof(StringValue) + value.capacity,
                                                      sizeof(StringValue) + capacity)
                if value == NULL:
                    return NULL
            value.capacity = capacity
            entry_set_pointer(entry, value)
        value.length = length
        keyspace_resized(call.database, entry, length)
        return string_value_bytes(value)
    old = entry_bytes(entry, scratch)
    if length <= ENTRY_EMBED_MAX:
        if old.length:
            memcpy(small, old.data, old.length)
        memset(small + old.length, 0, length - old.length)
        entry = keyspace_change_value(keyspace, call.database, slot, value_of_raw(slice_of(small, length)))
        return <char*>entry_bytes(entry, scratch).data if entry != NULL else NULL
    value = string_value_new(keyspace.heap, old, _roomy(length))
    if value == NULL:
        value = string_value_new(keyspace.heap, old, length)
        if value == NULL:
            return NULL
    value.length = length
    if keyspace_change_value(keyspace, call.database, slot,
                             value_of_pointer(TYPE_STRING, STRING_RAW, value)) == NULL:
        string_value_free(keyspace.heap, value)
        return NULL
    return string_value_bytes(value)


cdef inline size_t _length(Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    return entry_bytes(entry, scratch).length


cdef void cmd_append(Call* call) noexcept nogil:
    cdef Slice more = call.argv[2]
    cdef bint wrong_type
    cdef size_t length
    cdef char* bytes
    cdef TableSlot slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    if slot == NULL:
        length = more.length
        if keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1), value_of_bytes(more)) == NULL:
            error_memory(call)
            return
    else:
        length = _length(slot_entry(slot))
        if not _fits(call, length, more.length):
            return
        bytes = _resize(call, slot, length + more.length)
        if bytes == NULL:
            error_memory(call)
            return
        if more.length:
            memcpy(bytes + length, more.data, more.length)
        length += more.length
    call_changed(call, 1, EVENT_STRING, b"append")
    reply_integer(call.reply, <int64_t>length)


cdef Entry* _add_zeros(Call* call, size_t length) noexcept nogil:
    """A new string of so many zero bytes under argv[1]. Long runs of them are never written: the system hands them out as
    such."""
    cdef char[ENTRY_EMBED_MAX] small
    cdef StringValue* value
    cdef Entry* entry
    if length <= ENTRY_EMBED_MAX:
        memset(small, 0, length)
        return keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1), value_of_raw(slice_of(small, length)))
    value = <StringValue*>heap_try_zeroed(call.keyspace.heap, 1, sizeof(StringValue) + length)
    if value == NULL:
        return NULL
    value.length = length
    value.capacity = length
    entry = keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1),
                         value_of_pointer(TYPE_STRING, STRING_RAW, value))
    if entry == NULL:
        string_value_free(call.keyspace.heap, value)
    return entry


cdef char* _regrow(Call* call, TableSlot slot, Slice old, size_t length) noexcept nogil:
    """A block of zeros takes the string's place, where far more of them are wanted than there are bytes: most of its pages are
    never touched."""
    cdef StringValue* value = <StringValue*>heap_try_zeroed(call.keyspace.heap, 1, sizeof(StringValue) + length)
    if value == NULL:
        return NULL
    value.length = length
    value.capacity = length
    if old.length:
        memcpy(string_value_bytes(value), old.data, old.length)
    if keyspace_change_value(call.keyspace, call.database, slot, value_of_pointer(TYPE_STRING, STRING_RAW, value)) == NULL:
        string_value_free(call.keyspace.heap, value)
        return NULL
    return string_value_bytes(value)


cdef char* string_grow(Call* call, TableSlot slot, size_t length, Slice* bytes_out) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef char* data
    cdef size_t old_length
    cdef Entry* entry
    if slot == NULL:
        entry = _add_zeros(call, length)
        if entry == NULL:
            return NULL
        bytes_out[0] = entry_bytes(entry, scratch)
        return <char*>bytes_out.data
    entry = slot_entry(slot)
    bytes_out[0] = entry_bytes(entry, scratch)
    old_length = bytes_out.length
    if length <= old_length:
        if entry.flags & ENTRY_EMBEDDED:
            entry.kind = <uint8_t>(TYPE_STRING | STRING_RAW << 4)
            return <char*>bytes_out.data
        if not entry.flags & ENTRY_INTEGER:
            return <char*>bytes_out.data
        length = old_length
    if length > SPARSE_BYTES and length // 2 > old_length:
        data = _regrow(call, slot, bytes_out[0], length)
    else:
        data = _resize(call, slot, length)
        if data != NULL and length > old_length:
            memset(data + old_length, 0, length - old_length)
    bytes_out[0] = slice_of(data, length)
    return data


cdef void cmd_setrange(Call* call) noexcept nogil:
    cdef Slice piece = call.argv[3]
    cdef Slice whole
    cdef int64_t offset
    cdef bint wrong_type
    cdef char* data
    cdef TableSlot slot
    if not call_integer(call, 2, &offset):
        return
    if offset < 0:
        reply_error(call.reply, b"ERR offset is out of range")
        return
    slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    if piece.length == 0:
        reply_integer(call.reply, <int64_t>_length(slot_entry(slot)) if slot != NULL else 0)
        return
    if not _fits(call, <uint64_t>offset, piece.length):
        return
    data = string_grow(call, slot, <size_t>offset + piece.length, &whole)
    if data == NULL:
        error_memory(call)
        return
    memcpy(data + offset, piece.data, piece.length)
    call_changed(call, 1, EVENT_STRING, b"setrange")
    reply_integer(call.reply, <int64_t>whole.length)


cdef void cmd_getrange(Call* call) noexcept nogil:
    cdef int64_t start, end, length
    cdef bint wrong_type
    cdef Entry* entry
    cdef Slice bytes
    cdef char[INTEGER_TEXT_MAX] scratch
    if not call_integer(call, 2, &start) or not call_integer(call, 3, &end):
        return
    entry = call_find_read_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    bytes = entry_bytes(entry, scratch) if entry != NULL else slice_of(NULL, 0)
    length = <int64_t>bytes.length
    if start < 0 and end < 0 and start > end:        # before both are clipped to 0, which would give a byte
        reply_bulk(call.reply, slice_of(NULL, 0))
        return
    if start < 0:
        start = start + length if start + length > 0 else 0
    if end < 0:
        end = end + length if end + length > 0 else 0
    if end >= length:
        end = length - 1
    if start > end:
        reply_bulk(call.reply, slice_of(NULL, 0))
    else:
        reply_bulk(call.reply, slice_of(bytes.data + start, <size_t>(end - start + 1)))


cdef void cmd_substr(Call* call) noexcept nogil:
    cmd_getrange(call)


cdef void cmd_strlen(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef Entry* entry = call_find_read_type(call, 1, TYPE_STRING, &wrong_type)
    if not wrong_type:
        reply_integer(call.reply, <int64_t>_length(entry) if entry != NULL else 0)


# ---- counters

cdef StringAdd string_add(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags, int64_t amount,
                          int64_t* total_out) noexcept nogil:
    cdef int64_t value = 0
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef TableSlot slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE | flags)
    cdef Entry* entry = slot_entry(slot) if slot != NULL else NULL
    if entry != NULL:
        if unlikely(entry_type(entry) != TYPE_STRING):
            return STRING_ADD_WRONG_TYPE
        if likely(entry.flags & ENTRY_INTEGER):
            value = entry_integer(entry)
        elif not parse_integer(entry_bytes(entry, scratch), &value):
            return STRING_ADD_NOT_INTEGER
    if unlikely(add_overflows(value, amount, &value)):
        return STRING_ADD_OVERFLOWS
    if entry == NULL:
        entry = keyspace_add(keyspace, database, key, hash, value_of_integer(value))
    elif entry.flags & ENTRY_INTEGER:
        entry_set_integer(entry, value)
        keyspace_resized_integer(database, entry, value)
    else:
        entry = keyspace_change_value(keyspace, database, slot, value_of_integer(value))
    if unlikely(entry == NULL):
        return STRING_ADD_NO_MEMORY
    keyspace.dirty += 1
    if unlikely(keyspace.wanted):
        keyspace_touched(keyspace, database, key)
        keyspace_event(keyspace, database, EVENT_STRING, b"incrby", key)
    total_out[0] = value
    return STRING_ADDED


cdef void _increment(Call* call, int64_t by) noexcept nogil:
    cdef int64_t total
    cdef StringAdd outcome = string_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1), _touch_flag(call), by, &total)
    if likely(outcome == STRING_ADDED):
        reply_integer(call.reply, total)
    elif outcome == STRING_ADD_WRONG_TYPE:
        error_wrong_type(call)
    elif outcome == STRING_ADD_NOT_INTEGER:
        error_not_integer(call)
    elif outcome == STRING_ADD_OVERFLOWS:
        reply_error(call.reply, b"ERR increment or decrement would overflow")
    else:
        error_memory(call)


cdef void cmd_incr(Call* call) noexcept nogil:
    _increment(call, 1)


cdef void cmd_decr(Call* call) noexcept nogil:
    _increment(call, -1)


cdef void cmd_incrby(Call* call) noexcept nogil:
    cdef int64_t by
    if call_integer(call, 2, &by):
        _increment(call, by)


cdef void cmd_decrby(Call* call) noexcept nogil:
    cdef int64_t by
    if not call_integer(call, 2, &by):
        return
    if by == INT64_MIN:
        reply_error(call.reply, b"ERR decrement would overflow")
        return
    _increment(call, -by)


cdef void cmd_incrbyfloat(Call* call) noexcept nogil:
    """Sums are made in the long doubles of the machine, as Redis's are: 80 bits on x86."""
    cdef bint wrong_type
    cdef long double value = 0
    cdef long double by = 0
    cdef long double sum
    cdef Value text
    cdef char[LONG_DOUBLE_TEXT_MAX] digits
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Entry* entry
    cdef Journal* journal
    cdef TableSlot slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    if ((slot != NULL and not parse_long_double(entry_bytes(slot_entry(slot), scratch), &value))
            or not parse_long_double(call.argv[2], &by)):
        error_not_float(call)
        return
    sum = value + by
    if sum - sum != 0:                   # infinite, or not a number
        reply_error(call.reply, b"ERR increment would produce NaN or Infinity")
        return
    text = value_of_text(slice_of(digits, format_long_double(sum, digits)))
    if slot == NULL:
        entry = keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1), text)
    else:
        entry = keyspace_change_value(call.keyspace, call.database, slot, text)
    if entry == NULL:
        error_memory(call)
        return
    call_changed(call, 1, EVENT_STRING, b"incrbyfloat")
    journal = call_log(call, 4)
    if unlikely(journal != NULL):        # the sum: other machines have other long doubles
        journal_text(journal, b"SET")
        journal_word(journal, call.argv[1])
        journal_word(journal, text.bytes)
        journal_text(journal, b"KEEPTTL")
    reply_bulk(call.reply, text.bytes)
