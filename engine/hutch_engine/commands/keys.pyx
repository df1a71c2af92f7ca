"""See keys.pxd."""
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.glob cimport glob_is_literal, glob_matches
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of_text
from hutch_engine.commands.call cimport (
    CALL_NO_TOUCH, HASHED_KEYS, Call, call_find_read, call_find_write, call_hash, call_hash_keys, call_integer,
    error_memory, error_no_key, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport (
    Reply, reply_array_at, reply_bulk, reply_error, reply_integer, reply_mark, reply_null, reply_ok,
    reply_one, reply_simple, reply_zero)
from hutch_engine.commands.scan cimport SCAN_COUNT, SCAN_STEPS_FACTOR, scan_cursor, scan_insert_cursor
from hutch_engine.keyspace.entry cimport (
    ENTRY_INTEGER, TYPE_HASH, TYPE_NONE, Entry, Value, entry_deadline_ms, entry_has_deadline, entry_key, entry_type,
    entry_value)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_NEW, FIND_NO_TOUCH, FIND_WRITE, Database, Keyspace, keyspace_clear_deadline,
    keyspace_first_access,
    keyspace_delete, keyspace_event, keyspace_expire_entry, keyspace_fields_changed, keyspace_fields_detach,
    keyspace_find, keyspace_find_slot, keyspace_hash,
    keyspace_now, keyspace_overwritten, keyspace_ready, keyspace_set, keyspace_set_deadline, keyspace_touched)
from hutch_engine.keyspace.value_types cimport entry_copy_value, type_name, value_free, value_type_named
from hutch_engine.structures.table cimport TableSlot, table_each, table_find, table_random, table_scan

cdef enum:
    RANDOM_TRIES = 100           # of RANDOMKEY where due keys are kept


# ---- one or many keys

cdef int64_t keys_remove(Keyspace* keyspace, Database* database, const Slice* keys, const uint64_t* hashes, size_t count,
                         bint lazy) noexcept nogil:
    cdef int64_t removed = 0
    cdef size_t i
    cdef TableSlot slot
    for i in range(count):
        slot = keyspace_find_slot(keyspace, database, keys[i], hashes[i], FIND_WRITE | FIND_NO_TOUCH)
        if slot != NULL:
            keyspace_delete(keyspace, database, slot, hashes[i], lazy)
            keyspace_touched(keyspace, database, keys[i])
            keyspace_event(keyspace, database, EVENT_GENERIC, b"del", keys[i])
            removed += 1
    keyspace.dirty += <uint64_t>removed
    return removed


cdef int64_t keys_count(Keyspace* keyspace, Database* database, const Slice* keys, const uint64_t* hashes, size_t count,
                        uint32_t flags) noexcept nogil:
    cdef int64_t found = 0
    cdef size_t i
    for i in range(count):
        found += keyspace_find(keyspace, database, keys[i], hashes[i], flags) != NULL
    return found


cdef void _delete_keys(Call* call, bint lazy) noexcept nogil:
    cdef uint64_t[HASHED_KEYS] hashes
    cdef int64_t deleted = 0
    cdef size_t i = 1
    cdef size_t count
    while i < call.argc:
        count = call_hash_keys(call, i, 1, hashes)
        deleted += keys_remove(call.keyspace, call.database, call.argv + i, hashes, count, lazy)
        i += count
    reply_integer(call.reply, deleted)


cdef void cmd_del(Call* call) noexcept nogil:
    _delete_keys(call, call.keyspace.lazy_user_delete)


cdef void cmd_unlink(Call* call) noexcept nogil:
    _delete_keys(call, True)


cdef void _count_keys(Call* call, uint32_t flags) noexcept nogil:
    cdef uint64_t[HASHED_KEYS] hashes
    cdef int64_t found = 0
    cdef size_t i = 1
    cdef size_t count
    while i < call.argc:
        count = call_hash_keys(call, i, 1, hashes)
        found += keys_count(call.keyspace, call.database, call.argv + i, hashes, count, flags)
        i += count
    reply_integer(call.reply, found)


cdef void cmd_exists(Call* call) noexcept nogil:
    _count_keys(call, FIND_NO_TOUCH)


cdef void cmd_touch(Call* call) noexcept nogil:
    _count_keys(call, 0)                 # even under CLIENT NO-TOUCH: that is what it is for


cdef void cmd_type(Call* call) noexcept nogil:
    cdef Entry* entry = keyspace_find(call.keyspace, call.database, call.argv[1], call_hash(call, 1), FIND_NO_TOUCH)
    reply_simple(call.reply, type_name(entry_type(entry) if entry != NULL else TYPE_NONE))


# ---- a value under another key

cdef bint key_put(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value,
                  int64_t deadline_ms) noexcept nogil:
    cdef TableSlot slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE | FIND_NO_TOUCH)
    cdef bint present = slot != NULL
    cdef bint had_deadline = present and entry_has_deadline(slot_entry(slot))
    cdef int64_t old_deadline_ms
    cdef Entry* entry
    if present and deadline_ms != -1:
        # First, because it can be taken back without needing memory.
        old_deadline_ms = entry_deadline_ms(slot_entry(slot))
        if keyspace_set_deadline(keyspace, database, slot, deadline_ms) == NULL:
            return False
        if keyspace_set(keyspace, database, key, hash, slot, value, True) == NULL:
            if had_deadline:
                keyspace_set_deadline(keyspace, database, slot, old_deadline_ms)
            else:
                keyspace_clear_deadline(keyspace, database, slot)
            return False
    else:
        if keyspace_set(keyspace, database, key, hash, slot, value, False) == NULL:
            return False
        if not present:
            slot = table_find(&database.keys, key, hash)
    if not present and deadline_ms != -1:
        if keyspace_set_deadline(keyspace, database, slot, deadline_ms) == NULL:
            if value.owned:
                slot_entry(slot).flags |= ENTRY_INTEGER      # the pointer is not this entry's any more
            keyspace_delete(keyspace, database, slot, hash, False)
            return False
    entry = slot_entry(slot)
    entry.access = keyspace_first_access(keyspace)       # a key of its own, for LRU and LFU as well
    if present:
        keyspace_ready(keyspace, database, key)
        keyspace_event(keyspace, database, EVENT_NEW, b"new", key)
    return True


cdef inline int _type_at(Call* call, Database* database, Slice key, uint64_t hash) noexcept nogil:
    """The type of the key's live value, or -1. A target that stays in the way counts as accessed."""
    cdef TableSlot slot = keyspace_find_slot(call.keyspace, database, key, hash, FIND_WRITE | (
        FIND_NO_TOUCH if call.flags & CALL_NO_TOUCH else 0))
    return entry_type(slot_entry(slot)) if slot != NULL else -1


cdef bint _transfer(Call* call, Database* to, Slice key, uint64_t hash) noexcept nogil:
    """argv[1]'s value and deadline go to another place; its old entry goes away. False when
    memory was refused (nothing changed)."""
    cdef Keyspace* keyspace = call.keyspace
    cdef uint64_t from_hash = call_hash(call, 1)
    cdef TableSlot slot = table_find(&call.database.keys, call.argv[1], from_hash)
    cdef Entry* entry = slot_entry(slot)
    cdef Value value = entry_value(entry)
    keyspace_fields_detach(call.database, entry)
    if not key_put(keyspace, to, key, hash, value, entry_deadline_ms(entry)):
        if value.type == TYPE_HASH:
            keyspace_fields_changed(keyspace, call.database, entry)
        return False
    if value.owned:
        entry.flags |= ENTRY_INTEGER         # as large inside the block as the pointer, and nothing to free
    # The entry is where it was, its slot may not be: putting the other in can move buckets.
    slot = table_find(&call.database.keys, call.argv[1], from_hash)
    keyspace_delete(keyspace, call.database, slot, from_hash, False)
    return True


cdef void _rename(Call* call, bint if_absent) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Database* database = call.database
    cdef Slice source = call.argv[1]
    cdef Slice target = call.argv[2]
    cdef uint64_t target_hash
    cdef TableSlot slot = call_find_write(call, 1)
    cdef int type, old_type
    if slot == NULL:
        error_no_key(call)
        return
    if slice_equals(source, target):
        if if_absent:
            reply_zero(call.reply)
        else:
            reply_ok(call.reply)
        return
    type = entry_type(slot_entry(slot))
    target_hash = call_hash(call, 2)
    old_type = _type_at(call, database, target, target_hash)
    if if_absent and old_type >= 0:
        reply_zero(call.reply)
        return
    if not _transfer(call, database, target, target_hash):
        error_memory(call)
        return
    keyspace_touched(keyspace, database, source)
    keyspace_touched(keyspace, database, target)
    keyspace_event(keyspace, database, EVENT_GENERIC, b"rename_from", source)
    keyspace_event(keyspace, database, EVENT_GENERIC, b"rename_to", target)
    if old_type >= 0:
        keyspace_overwritten(keyspace, database, target, <uint8_t>old_type, <uint8_t>type)
    keyspace.dirty += 1
    if if_absent:
        reply_one(call.reply)
    else:
        reply_ok(call.reply)


cdef void cmd_rename(Call* call) noexcept nogil:
    _rename(call, False)


cdef void cmd_renamenx(Call* call) noexcept nogil:
    _rename(call, True)


cdef Database* _database(Call* call, size_t word) noexcept nogil:
    """The database that argv[word] names, or NULL and an error."""
    cdef int64_t index
    if not call_integer(call, word, &index):
        return NULL
    if index < INT32_MIN or index > INT32_MAX:
        reply_error(call.reply, b"ERR value is out of range, value must between -2147483648 and 2147483647")
        return NULL
    if index < 0 or index >= call.keyspace.database_count:
        reply_error(call.reply, b"ERR DB index is out of range")
        return NULL
    return &call.keyspace.databases[index]


cdef void _error_same(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR source and destination objects are the same")


cdef void cmd_move(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice key = call.argv[1]
    cdef Database* to = _database(call, 2)
    if to == NULL:
        return
    if to == call.database:
        _error_same(call)
        return
    # One hash for both: the key of the hash is the keyspace's.
    if call_find_write(call, 1) == NULL or _type_at(call, to, key, call_hash(call, 1)) >= 0:
        reply_zero(call.reply)
        return
    if not _transfer(call, to, key, call_hash(call, 1)):
        error_memory(call)
        return
    keyspace_touched(keyspace, call.database, key)
    keyspace_touched(keyspace, to, key)
    keyspace_event(keyspace, call.database, EVENT_GENERIC, b"move_from", key)
    keyspace_event(keyspace, to, EVENT_GENERIC, b"move_to", key)
    keyspace.dirty += 1
    reply_one(call.reply)


cdef void cmd_copy(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Database* to = call.database
    cdef Slice target = call.argv[2]
    cdef uint64_t hash
    cdef bint replace = False
    cdef Entry* entry
    cdef Value value
    cdef int old_type
    cdef size_t i = 3
    while i < call.argc:
        if slice_is(call.argv[i], b"REPLACE"):
            replace = True
        elif slice_is(call.argv[i], b"DB") and i + 1 < call.argc:
            i += 1
            to = _database(call, i)
            if to == NULL:
                return
        else:
            error_syntax(call)
            return
        i += 1
    if to == call.database and slice_equals(call.argv[1], target):
        _error_same(call)
        return
    entry = call_find_read(call, 1)
    if entry == NULL:
        reply_zero(call.reply)
        return
    hash = call_hash(call, 2)
    old_type = _type_at(call, to, target, hash)
    if old_type >= 0 and not replace:
        reply_zero(call.reply)
        return
    if not entry_copy_value(keyspace.heap, entry, &value):
        error_memory(call)
        return
    if not key_put(keyspace, to, target, hash, value, entry_deadline_ms(entry)):
        if value.owned:
            value_free(keyspace.heap, value.type, value.encoding, value.pointer)
        error_memory(call)
        return
    keyspace_touched(keyspace, to, target)
    keyspace_event(keyspace, to, EVENT_GENERIC, b"copy_to", target)
    if old_type >= 0:
        keyspace_overwritten(keyspace, to, target, <uint8_t>old_type, value.type)
    keyspace.dirty += 1
    reply_one(call.reply)


# ---- which keys there are

cdef void cmd_randomkey(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Entry* entry
    cdef Slice key
    cdef uint64_t hash
    cdef int tries = 0
    while True:
        entry = <Entry*>table_random(&call.database.keys, keyspace.random)
        if entry == NULL:
            reply_null(call.reply)
            return
        key = entry_key(entry)
        tries += 1
        if not (entry_has_deadline(entry) and entry_deadline_ms(entry) < keyspace_now(keyspace)):
            break
        if not keyspace.keep_expired:
            hash = keyspace_hash(keyspace, key)
            keyspace_expire_entry(keyspace, call.database, table_find(&call.database.keys, key, hash), hash)
        elif tries == RANDOM_TRIES:
            break                            # perhaps all are due: a due one, then, as Redis answers
    reply_bulk(call.reply, key)


cdef struct Listing:                         # what the visitors of KEYS and SCAN need
    Reply* reply
    Slice pattern
    bint all                                 # the pattern is * or absent
    int type                                 # -1: any; TYPE_NONE: a name that no type has
    int64_t now_ms
    int64_t seen
    int64_t listed
    Buffer* due                              # borrowed: due Entry* that SCAN came by; NULL for KEYS


cdef bint _list_entry(void* context, void* visited) noexcept nogil:
    cdef Listing* listing = <Listing*>context
    cdef Entry* entry = <Entry*>visited
    cdef Slice key
    listing.seen += 1
    if entry_has_deadline(entry) and entry_deadline_ms(entry) < listing.now_ms:
        # Not there any more. A visitor must not change the table: SCAN removes it afterwards.
        if listing.due != NULL:
            buffer_append(listing.due, <const char*>&entry, sizeof(entry))
        return True
    if listing.type >= 0 and entry_type(entry) != listing.type:
        return True
    key = entry_key(entry)
    if listing.all or glob_matches(listing.pattern, key, False):
        reply_bulk(listing.reply, key)
        listing.listed += 1
    return not listing.reply.buffer.failed           # nobody will hear the rest


cdef void _listing_init(Listing* listing, Call* call, Slice pattern) noexcept nogil:
    listing.reply = call.reply
    listing.pattern = pattern
    listing.all = pattern.length == 1 and pattern.data[0] == b'*'
    listing.type = -1
    listing.now_ms = keyspace_now(call.keyspace)
    listing.seen = 0
    listing.listed = 0
    listing.due = NULL


cdef void cmd_keys(Call* call) noexcept nogil:
    cdef Listing listing
    cdef Slice pattern = call.argv[1]
    cdef size_t mark = reply_mark(call.reply)
    cdef TableSlot slot
    _listing_init(&listing, call, pattern)
    if glob_is_literal(pattern):
        # It can match one key only: no walk through all of them.
        slot = table_find(&call.database.keys, pattern, call_hash(call, 1))
        if slot != NULL:
            _list_entry(&listing, slot[0])
    else:
        table_each(&call.database.keys, _list_entry, &listing)
    reply_array_at(call.reply, mark, listing.listed)


cdef bint _scan_options(Call* call, Listing* listing, int64_t* count_out) noexcept nogil:
    cdef Slice pattern = slice_of_text(b"*")
    cdef int type = -1
    cdef size_t i = 2
    while i < call.argc:
        if i + 1 == call.argc:
            error_syntax(call)
            return False
        if slice_is(call.argv[i], b"COUNT"):
            if not call_integer(call, i + 1, count_out):
                return False
            if count_out[0] < 1:
                error_syntax(call)
                return False
        elif slice_is(call.argv[i], b"MATCH"):
            pattern = call.argv[i + 1]
        elif slice_is(call.argv[i], b"TYPE"):
            type = value_type_named(call.argv[i + 1])
        else:
            error_syntax(call)
            return False
        i += 2
    _listing_init(listing, call, pattern)
    listing.type = type
    return True


cdef void _expire_listed(Call* call, const Buffer* due) noexcept nogil:
    """Remove the due entries that a SCAN came by. Entries stay where they are while others go."""
    cdef Entry** entries = <Entry**>due.data
    cdef uint64_t hash
    cdef Slice key
    cdef size_t i
    if call.keyspace.keep_expired:
        return
    for i in range(due.length // sizeof(Entry*)):
        key = entry_key(entries[i])
        hash = keyspace_hash(call.keyspace, key)
        keyspace_expire_entry(call.keyspace, call.database, table_find(&call.database.keys, key, hash), hash)


cdef void cmd_scan(Call* call) noexcept nogil:
    cdef Listing listing
    cdef uint64_t cursor
    cdef int64_t count = SCAN_COUNT
    cdef int64_t steps
    cdef size_t mark
    cdef Buffer due
    if not scan_cursor(call.argv[1], &cursor):
        reply_error(call.reply, b"ERR invalid cursor")
        return
    if not _scan_options(call, &listing, &count):
        return
    # COUNT bounds what is looked at, not what is found: a rare match must not make one call long.
    buffer_init(&due, NULL)
    listing.due = &due
    steps = count * SCAN_STEPS_FACTOR if count < INT64_MAX // SCAN_STEPS_FACTOR else INT64_MAX
    mark = reply_mark(call.reply)
    while True:
        cursor = table_scan(&call.database.keys, cursor, _list_entry, &listing)
        steps -= 1
        if cursor == 0 or steps <= 0 or listing.seen >= count:
            break
    if due.length:
        _expire_listed(call, &due)
        buffer_clear(&due)
    reply_array_at(call.reply, mark, listing.listed)
    scan_insert_cursor(call.reply, mark, cursor)
