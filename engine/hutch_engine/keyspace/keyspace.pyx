"""See keyspace.pxd."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport buffer_append_slice, buffer_clear, buffer_init
from hutch_engine.base.clock cimport Clock, clock_now_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_free, heap_try_alloc, heap_try_resize, heap_try_zeroed
from hutch_engine.base.random cimport Random, random_next, random_unit
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBEDDED, ENTRY_HAS_FIELD_DEADLINES, ENTRY_HEADER_BYTES, ENTRY_INTEGER, STRING_EMBSTR, STRING_INT, TYPE_HASH,
    TYPE_STRING, Entry, Value, entry_deadline_ms, entry_encoding, entry_free_shell, entry_choose_text_encoding,
    entry_has_deadline, entry_key, entry_new, entry_node, entry_of_node, entry_pointer, entry_set_form, entry_type,
    entry_with_deadline, entry_with_value)
from hutch_engine.keyspace.journal cimport Journal, journal_command, journal_deletion
from hutch_engine.keyspace.snapshot cimport Snapshot, entry_saver
from hutch_engine.keyspace.zset_type cimport ZSET_LISTPACK
from hutch_engine.keyspace.value_types cimport entry_size, value_effort, value_free, value_free_some, value_types
from hutch_engine.structures.hash cimport (
    HASH_PACKED, Hash, HashAlarm, hash_alarm, hash_earliest_ms, hash_stored, hash_take_due)
from hutch_engine.structures.sorted_set cimport SortedSet, sorted_set_of
from hutch_engine.structures.table cimport (
    TableSlot, table_clear, table_count, table_drain, table_each, table_find, table_hash, table_init, table_insert,
    table_is_resizing, table_remove, table_replace, table_step)
from hutch_engine.structures.wheel cimport (
    Wheel, WheelNode, wheel_add, wheel_cancel, wheel_init, wheel_nearest, wheel_next_ms, wheel_take)

cdef enum:
    LAZY_EFFORT = 64             # Redis's LAZYFREE_THRESHOLD: below, handing over costs more than freeing
    LFU_FIRST = 5                # a new key's LFU counter
    GIVEN_UP_MAX = 200           # snapshots
    FIELDS_AT_ONCE = 256         # due fields that whoever looks at a hash removes; the wheel gets the others
    NEAREST_MOVES = 1024         # nodes of the wheel that are sorted to find the nearest: at worst some 0.4 ms an eviction


# ---- life

cdef void _database_init(Keyspace* keyspace, Database* database, int32_t index) noexcept nogil:
    table_init(&database.keys, keyspace.heap, &keyspace.hash_key, ENTRY_HEADER_BYTES)
    database.deadlines = NULL
    database.field_deadlines = NULL
    database.deadline_sum_ms = 0
    database.sizes = NULL
    database.index = index
    database.snapshot_index = index


cdef bint keyspace_init(Keyspace* keyspace, Heap* heap, Clock* clock, Random* random, int32_t database_count) noexcept nogil:
    cdef int32_t i
    memset(keyspace, 0, sizeof(Keyspace))
    keyspace.heap = heap
    keyspace.clock = clock
    keyspace.random = random
    keyspace.hash_key.k0 = random_next(random)
    keyspace.hash_key.k1 = random_next(random)
    keyspace.lfu_log_factor = 10
    keyspace.lfu_decay_minutes = 1
    keyspace.active_expire = True
    keyspace.limits.hash_entries = 512
    keyspace.limits.hash_value_bytes = 64
    keyspace.limits.set_intset_entries = 512
    keyspace.limits.set_entries = 128
    keyspace.limits.set_value_bytes = 64
    keyspace.limits.zset_entries = 128
    keyspace.limits.zset_value_bytes = 64
    keyspace.limits.list_size = -2
    keyspace.limits.stream_node_bytes = 4096
    keyspace.limits.stream_node_entries = 100
    keyspace.limits.hll_sparse_bytes = 3000
    keyspace.earliest_added_ms = INT64_MAX
    buffer_init(&keyspace.effect_keys, NULL)
    keyspace.databases = <Database*>heap_try_zeroed(heap, database_count, sizeof(Database))
    if keyspace.databases == NULL:
        return False
    keyspace.database_count = database_count
    for i in range(database_count):
        _database_init(keyspace, &keyspace.databases[i], i)
    return True


cdef void _dispose_entry(Keyspace* keyspace, Entry* entry, bint lazy) noexcept nogil:
    if not entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        keyspace_dispose(keyspace, entry_type(entry), entry_encoding(entry), entry_pointer(entry), lazy)
    entry_free_shell(keyspace.heap, entry)


cdef bint _free_visited(void* context, void* visited) noexcept nogil:
    """A value that is large itself only joins those that wait."""
    cdef Keyspace* keyspace = <Keyspace*>context
    cdef Entry* entry = <Entry*>visited
    if unlikely(entry.snapshot != keyspace.snapshot):
        keyspace_keep_old(keyspace, keyspace.drained, entry)
    _dispose_entry(keyspace, entry, True)
    return True


cdef void _wheel_free(Keyspace* keyspace, Wheel* wheel) noexcept nogil:
    """And its window. NULL is nothing."""
    if wheel != NULL:
        heap_free(keyspace.heap, wheel.window, sizeof(Wheel))
        heap_free(keyspace.heap, wheel, sizeof(Wheel))


cdef void keyspace_clear(Keyspace* keyspace) noexcept nogil:
    cdef int32_t i
    cdef Database* database
    for i in range(keyspace.database_count):
        database = &keyspace.databases[i]
        table_each(&database.keys, _free_visited, keyspace)
        table_clear(&database.keys)
        _wheel_free(keyspace, database.deadlines)
        _wheel_free(keyspace, database.field_deadlines)
        heap_free(keyspace.heap, database.sizes, SIZE_CLASSES * sizeof(uint64_t))
    while keyspace_free_some(keyspace, 1000):
        pass
    heap_free(keyspace.heap, keyspace.databases, keyspace.database_count * sizeof(Database))
    heap_free(keyspace.heap, keyspace.effects, keyspace.effect_capacity * sizeof(Effect))
    buffer_clear(&keyspace.effect_keys)
    keyspace.databases = NULL
    keyspace.database_count = 0
    keyspace.effects = NULL


# ---- snapshots

cdef void keyspace_keep_old(Keyspace* keyspace, int32_t database, Entry* entry) noexcept nogil:
    cdef Snapshot* taken = keyspace.taken
    cdef size_t before
    entry.snapshot = keyspace.snapshot
    if taken == NULL or database < 0:
        return
    before = taken.records.length
    entry_saver[0](taken.writer, keyspace, database, entry)
    taken.early += 1
    taken.early_bytes += taken.records.length - before


cdef void keyspace_snapshot_begin(Keyspace* keyspace, Snapshot* snapshot) noexcept nogil:
    cdef int32_t i
    cdef LazyTable* table = keyspace.lazy_tables
    keyspace_guarded(keyspace)
    # What waits to be freed is no part of it.
    while table != NULL:
        table.snapshot_index = -1
        table = table.next
    for i in range(keyspace.database_count):
        keyspace.databases[i].snapshot_index = i
    keyspace.snapshot += 1
    keyspace.taken = snapshot


cdef bint keyspace_snapshot_waits(const Keyspace* keyspace) noexcept nogil:
    cdef const LazyTable* table = keyspace.lazy_tables
    while table != NULL:
        if table.snapshot_index >= 0:
            return True
        table = table.next
    return False


cdef bint _renumber(void* context, void* entry) noexcept nogil:
    (<Entry*>entry).snapshot = (<Keyspace*>context).snapshot
    return True


cdef void keyspace_snapshot_end(Keyspace* keyspace, bint whole) noexcept nogil:
    cdef int32_t i
    keyspace_guarded(keyspace)
    keyspace.taken = NULL
    keyspace.snapshots_given_up = 0 if whole else keyspace.snapshots_given_up + 1
    # The number has eight bits. A whole snapshot leaves it in all entries; one that is given up leaves older ones behind.
    if keyspace.snapshots_given_up == GIVEN_UP_MAX:
        keyspace.snapshots_given_up = 0
        for i in range(keyspace.database_count):
            table_each(&keyspace.databases[i].keys, _renumber, keyspace)


cdef void _keyspace_read_clock(Keyspace* keyspace) noexcept nogil:
    keyspace.now_us = clock_now_us(keyspace.clock)
    keyspace.now_ms = keyspace.now_us // 1000


# ---- access times

cdef inline uint32_t _minutes(Keyspace* keyspace) noexcept nogil:
    return (keyspace.access_clock // 60) & 0xffff


cdef uint32_t entry_frequency(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    """The counter loses one for every lfu-decay-time minutes without access."""
    cdef uint32_t counter = entry.access & 0xff
    cdef uint32_t elapsed = (_minutes(keyspace) - (entry.access >> 8)) & 0xffff
    cdef uint32_t periods = elapsed // keyspace.lfu_decay_minutes if keyspace.lfu_decay_minutes else 0
    return 0 if periods > counter else counter - periods


cdef uint32_t entry_idle_seconds(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    # The coarse clock may lie behind the entry's by a tick.
    return keyspace.access_clock - entry.access if keyspace.access_clock > entry.access else 0


cdef void _touch_lfu(Keyspace* keyspace, Entry* entry) noexcept nogil:
    """Logarithmic counter: the higher it is, the rarer it grows (Morris 1978)."""
    cdef uint32_t counter = entry_frequency(keyspace, entry)
    cdef double base
    if counter < 255:
        base = <double>counter - LFU_FIRST
        if base < 0:
            base = 0
        if random_unit(keyspace.random) < 1.0 / (base * keyspace.lfu_log_factor + 1):
            counter += 1
    entry.access = _minutes(keyspace) << 8 | counter


cdef void keyspace_touch_access(Keyspace* keyspace, Entry* entry) noexcept nogil:
    if unlikely(keyspace.lfu):
        _touch_lfu(keyspace, entry)
    else:
        entry.access = keyspace.access_clock


# ---- finding

cdef bint _fields_emptied(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash, bint keep) noexcept nogil:
    """Whoever looks at a hash finds no due field in it. (Where there are very many, or due ones are kept, the
    functions of the hash pass over them.)"""
    cdef Entry* entry = <Entry*>slot[0]
    cdef int64_t budget = FIELDS_AT_ONCE
    if (keep or keyspace.loading or hash_earliest_ms(entry_encoding(entry), entry_pointer(entry))
            >= keyspace_now(keyspace)):
        return False
    return keyspace_expire_fields(keyspace, database, slot, hash, &budget)


cdef TableSlot keyspace_find_slot(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags) noexcept nogil:
    keyspace_guarded(keyspace)
    cdef TableSlot slot = table_find(&database.keys, key, hash)
    cdef Entry* entry
    if slot != NULL:
        entry = <Entry*>slot[0]
        # Redis keeps a key through the millisecond of its deadline.
        if (unlikely(entry_has_deadline(entry)) and unlikely(entry_deadline_ms(entry) < keyspace_now(keyspace))
                and not keyspace.loading):
            # Who writes needs the place, whatever is to be kept.
            if not keyspace.keep_expired or flags & FIND_WRITE:
                keyspace_expire_entry(keyspace, database, slot, hash)
            slot = NULL
        elif unlikely(entry.flags & ENTRY_HAS_FIELD_DEADLINES) and _fields_emptied(
                keyspace, database, slot, hash, keyspace.keep_expired and not flags & FIND_WRITE):
            slot = NULL
        else:
            if flags & FIND_WRITE:
                keyspace_keep(keyspace, database, entry)
            if not flags & FIND_NO_TOUCH:
                keyspace_touch_access(keyspace, entry)
            if not flags & (FIND_NO_STATS | FIND_WRITE):
                keyspace.hits += 1
            return slot
    if not flags & (FIND_NO_STATS | FIND_WRITE):
        keyspace.misses += 1
        keyspace_event(keyspace, database, EVENT_KEY_MISS, b"keymiss", key)
    return slot


cdef Entry* keyspace_find(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags) noexcept nogil:
    cdef TableSlot slot = keyspace_find_slot(keyspace, database, key, hash, flags)
    return <Entry*>slot[0] if slot != NULL else NULL


# ---- deadlines

cdef inline void _forget_deadline(Database* database, Entry* entry) noexcept nogil:
    cdef WheelNode* node = entry_node(entry)
    if node.link != NULL:
        database.deadline_sum_ms -= <double>node.deadline_ms
        wheel_cancel(database.deadlines, node)
        node.link = NULL


cdef inline void _entry_moved(Entry* entry) noexcept nogil:
    """Another address, the same value: the wheel of field deadlines finds the entry by its hash."""
    if unlikely(entry.flags & ENTRY_HAS_FIELD_DEADLINES):
        hash_alarm(entry_encoding(entry), entry_pointer(entry)).owner = entry


cdef Entry* keyspace_set_deadline(Keyspace* keyspace, Database* database, TableSlot slot, int64_t deadline_ms) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    cdef Entry* moved
    keyspace_guarded(keyspace)
    keyspace_keep(keyspace, database, entry)
    if database.deadlines == NULL:
        database.deadlines = <Wheel*>heap_try_alloc(keyspace.heap, sizeof(Wheel))
        if database.deadlines == NULL:
            return NULL
        wheel_init(database.deadlines, keyspace_now(keyspace) - 1)
    if entry_has_deadline(entry):
        _forget_deadline(database, entry)
    else:
        moved = entry_with_deadline(keyspace.heap, entry, True)
        if moved == NULL:
            return NULL
        entry = moved
        _entry_moved(entry)
        table_replace(&database.keys, slot, entry)
    wheel_add(database.deadlines, entry_node(entry), deadline_ms)
    database.deadline_sum_ms += <double>deadline_ms
    if deadline_ms < keyspace.earliest_added_ms:
        keyspace.earliest_added_ms = deadline_ms
    return entry


cdef Entry* keyspace_clear_deadline(Keyspace* keyspace, Database* database, TableSlot slot) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    cdef Entry* moved
    keyspace_guarded(keyspace)
    if not entry_has_deadline(entry):
        return entry
    keyspace_keep(keyspace, database, entry)
    _forget_deadline(database, entry)
    moved = entry_with_deadline(keyspace.heap, entry, False)
    if moved == NULL:
        # A key of more than 2 KiB and a system out of memory: its deadline goes to the end of time.
        wheel_add(database.deadlines, entry_node(entry), INT64_MAX)
        database.deadline_sum_ms += <double>INT64_MAX
        return entry
    _entry_moved(moved)
    table_replace(&database.keys, slot, moved)
    return moved


# ---- deadlines of fields

cdef void keyspace_fields_detach(Database* database, Entry* entry) noexcept nogil:
    cdef HashAlarm* alarm
    if not entry.flags & ENTRY_HAS_FIELD_DEADLINES:
        return
    entry.flags &= ~<uint8_t>ENTRY_HAS_FIELD_DEADLINES
    alarm = hash_alarm(entry_encoding(entry), entry_pointer(entry))
    if alarm.node.link != NULL:
        wheel_cancel(database.field_deadlines, &alarm.node)


cdef void keyspace_fields_changed(Keyspace* keyspace, Database* database, Entry* entry) noexcept nogil:
    cdef int form = entry_encoding(entry)
    cdef HashAlarm* alarm
    cdef int64_t earliest
    if form == HASH_PACKED:
        return
    alarm = hash_alarm(form, entry_pointer(entry))
    earliest = hash_earliest_ms(form, alarm)
    if earliest == INT64_MAX:
        keyspace_fields_detach(database, entry)
        return
    entry.flags |= ENTRY_HAS_FIELD_DEADLINES
    alarm.owner = entry
    if alarm.node.link != NULL:
        if alarm.node.deadline_ms == earliest:
            return
        wheel_cancel(database.field_deadlines, &alarm.node)
    if database.field_deadlines == NULL:
        database.field_deadlines = <Wheel*>heap_try_alloc(keyspace.heap, sizeof(Wheel))
        if database.field_deadlines == NULL:
            keyspace.fields_unwatched = True
            return               # nobody wakes for them, but whoever looks at the hash still finds no due field
        wheel_init(database.field_deadlines, keyspace_now(keyspace) - 1)
    wheel_add(database.field_deadlines, &alarm.node, earliest)
    if earliest < keyspace.earliest_added_ms:
        keyspace.earliest_added_ms = earliest


cdef void keyspace_open_hash(Keyspace* keyspace, const Entry* entry, Hash* hash_out) noexcept nogil:
    hash_out.form = entry_encoding(entry)
    hash_out.pointer = entry_pointer(entry)
    hash_out.heap = keyspace.heap
    hash_out.hash_key = &keyspace.hash_key
    hash_out.now_ms = keyspace_now(keyspace) if entry.flags & ENTRY_HAS_FIELD_DEADLINES and not keyspace.loading else INT64_MIN
    hash_out.max_packed_entries = keyspace.limits.hash_entries
    hash_out.max_packed_bytes = keyspace.limits.hash_value_bytes


cdef void keyspace_close_hash(Keyspace* keyspace, Database* database, Entry* entry, const Hash* hash) noexcept nogil:
    entry_set_form(entry, <uint8_t>hash.form, hash.pointer)
    keyspace_resized(database, entry, hash_stored(hash))
    if hash.form != HASH_PACKED:
        keyspace_fields_changed(keyspace, database, entry)


cdef uint64_t keyspace_deadlines(const Database* database) noexcept nogil:
    return database.deadlines.count if database.deadlines != NULL else 0


cdef uint64_t keyspace_field_deadlines(const Database* database) noexcept nogil:
    return database.field_deadlines.count if database.field_deadlines != NULL else 0


# ---- changing

cdef inline void _count_size(Keyspace* keyspace, Database* database, Entry* entry) noexcept nogil:
    """A new entry."""
    if unlikely(database.sizes == NULL):
        database.sizes = <uint64_t*>heap_alloc(keyspace.heap, SIZE_CLASSES * sizeof(uint64_t))
        memset(database.sizes, 0, SIZE_CLASSES * sizeof(uint64_t))
    entry.size_class = size_class(entry_type(entry), entry_size(entry))
    database.sizes[entry.size_class] += 1


cdef inline void _size_changed(Database* database, Entry* entry, const Value* value) noexcept nogil:
    """The entry has this value now."""
    if value.type == TYPE_STRING and value.encoding != STRING_INT:
        keyspace_resized(database, entry, value.bytes.length)
    elif value.type == TYPE_STRING:
        keyspace_resized_integer(database, entry, value.integer)
    else:
        keyspace_resized(database, entry, entry_size(entry))


cdef uint32_t keyspace_first_access(Keyspace* keyspace) noexcept nogil:
    return _minutes(keyspace) << 8 | LFU_FIRST if keyspace.lfu else keyspace.access_clock


cdef Entry* keyspace_add(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value) noexcept nogil:
    keyspace_guarded(keyspace)
    cdef Entry* entry = entry_new(keyspace.heap, key, value, False)
    cdef bint resizing
    if entry == NULL:
        return NULL
    entry.access = keyspace_first_access(keyspace)
    entry.snapshot = keyspace.snapshot
    _count_size(keyspace, database, entry)
    resizing = table_is_resizing(&database.keys)
    table_insert(&database.keys, entry, hash)
    if unlikely(not resizing and table_is_resizing(&database.keys)):
        keyspace.chores |= CHORE_RESIZE
    if unlikely(value.type == TYPE_HASH):
        keyspace_fields_changed(keyspace, database, entry)
    if unlikely(keyspace.wanted):
        keyspace_ready(keyspace, database, key)
        keyspace_event(keyspace, database, EVENT_NEW, b"new", key)
    return entry


cdef Entry* keyspace_change_value(Keyspace* keyspace, Database* database, TableSlot slot, Value value) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    keyspace_guarded(keyspace)
    keyspace_keep(keyspace, database, entry)
    cdef Entry* moved = entry_with_value(keyspace.heap, entry, value)
    if unlikely(moved == NULL):
        return NULL
    if moved != entry:
        table_replace(&database.keys, slot, moved)
    _size_changed(database, moved, &value)
    return moved


cdef inline void _note_value_gone(Keyspace* keyspace, Database* database, Entry* entry) noexcept nogil:
    """A value goes: whoever waits for something in it (a stream's consumer group) has waited in vain."""
    if unlikely(keyspace.wanted & WANT_READY) and value_types[entry_type(entry)].told_when_gone:
        keyspace_ready(keyspace, database, entry_key(entry))


cdef Entry* _overwrite_collection(Keyspace* keyspace, Database* database, TableSlot slot, Value value) noexcept nogil:
    """The old value may be large: it is disposed of, not freed on the way."""
    cdef Entry* entry = <Entry*>slot[0]
    cdef uint8_t old_kind = entry.kind
    cdef uint8_t old_flags = entry.flags
    cdef void* old_pointer = entry_pointer(entry)
    cdef Entry* moved
    keyspace_keep(keyspace, database, entry)
    keyspace_fields_detach(database, entry)
    _note_value_gone(keyspace, database, entry)
    entry.flags |= ENTRY_INTEGER          # the same size inside the block, and nothing to free
    moved = entry_with_value(keyspace.heap, entry, value)
    if moved == NULL:
        entry.kind = old_kind
        entry.flags = old_flags
        if old_kind & 15 == TYPE_HASH:
            keyspace_fields_changed(keyspace, database, entry)
        return NULL
    if moved != entry:
        table_replace(&database.keys, slot, moved)
    _size_changed(database, moved, &value)
    keyspace_dispose(keyspace, old_kind & 15, old_kind >> 4, old_pointer, keyspace.lazy_server_delete)
    return moved


cdef Entry* keyspace_set(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, TableSlot slot,
                         Value value, bint keep_deadline) noexcept nogil:
    cdef Entry* entry
    keyspace_guarded(keyspace)
    if slot == NULL:
        return keyspace_add(keyspace, database, key, hash, value)
    entry = <Entry*>slot[0]
    if likely(entry_type(entry) == TYPE_STRING):
        entry = keyspace_change_value(keyspace, database, slot, value)
    else:
        entry = _overwrite_collection(keyspace, database, slot, value)
    if entry == NULL:
        return NULL
    if unlikely(entry_has_deadline(entry)) and not keep_deadline:
        entry = keyspace_clear_deadline(keyspace, database, slot)
        # Its encoding was chosen while the deadline was still there.
        if value.type == TYPE_STRING and value.encoding == STRING_EMBSTR:
            entry_choose_text_encoding(entry)
    if unlikely(value.type == TYPE_HASH):
        keyspace_fields_changed(keyspace, database, entry)
    # Who waits for the key hears nothing: Redis wakes for keys that were added, and a *STORE over a key adds none.
    return entry


cdef void keyspace_dispose(Keyspace* keyspace, uint8_t type, uint8_t encoding, void* pointer, bint lazy) noexcept nogil:
    keyspace_guarded(keyspace)
    # `lazy` is what the configuration or the command asked for: the answer is the same, so nobody waits for many
    # frees that did not ask to.
    cdef LazyValue* waiting
    if pointer == NULL:
        return
    # Also where nobody asked for it: the answer is the same, and no command waits for a million blocks.
    if value_effort(type, encoding, pointer) <= LAZY_EFFORT:
        value_free(keyspace.heap, type, encoding, pointer)
        return
    waiting = <LazyValue*>heap_try_alloc(keyspace.heap, sizeof(LazyValue))
    if unlikely(waiting == NULL):            # no memory to note it: then at once, which gives some back
        value_free(keyspace.heap, type, encoding, pointer)
        return
    waiting.pointer = pointer
    waiting.type = type
    waiting.encoding = encoding
    waiting.next = keyspace.lazy_values
    keyspace.lazy_values = waiting
    keyspace.lazy_pending += 1
    keyspace.chores |= CHORE_LAZY_FREE


cdef void keyspace_delete(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash, bint lazy) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    keyspace_guarded(keyspace)
    cdef bint resizing = table_is_resizing(&database.keys)
    keyspace_keep(keyspace, database, entry)
    if entry_has_deadline(entry):
        _forget_deadline(database, entry)
    keyspace_fields_detach(database, entry)
    _note_value_gone(keyspace, database, entry)
    database.sizes[entry.size_class] -= 1
    table_remove(&database.keys, slot, hash)
    if unlikely(not resizing and table_is_resizing(&database.keys)):
        keyspace.chores |= CHORE_RESIZE
    _dispose_entry(keyspace, entry, lazy)


cdef bint keyspace_delete_key(Keyspace* keyspace, Database* database, Slice key, bint lazy) noexcept nogil:
    cdef uint64_t hash = keyspace_hash(keyspace, key)
    cdef TableSlot slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE | FIND_NO_TOUCH)
    if slot == NULL:
        return False
    keyspace_delete(keyspace, database, slot, hash, lazy)
    return True


cdef uint64_t keyspace_flush(Keyspace* keyspace, Database* database, bint lazy) noexcept nogil:
    """Large databases are always handed to housekeeping, whatever was asked: the answer is the same and
    nobody waits for a million frees. `lazy` only lowers the size from which that is done."""
    keyspace_guarded(keyspace)
    cdef uint64_t count = table_count(&database.keys)
    cdef bint resize_forbidden = database.keys.resize_forbidden
    cdef LazyTable* waiting = NULL
    _wheel_free(keyspace, database.field_deadlines)
    heap_free(keyspace.heap, database.sizes, SIZE_CLASSES * sizeof(uint64_t))
    if count > (LAZY_EFFORT if lazy else 1000):
        waiting = <LazyTable*>heap_try_alloc(keyspace.heap, sizeof(LazyTable))
    if waiting != NULL:
        waiting.table = database.keys
        waiting.deadlines = database.deadlines
        waiting.position = 0
        waiting.snapshot_index = database.snapshot_index
        waiting.next = keyspace.lazy_tables
        keyspace.lazy_tables = waiting
        keyspace.lazy_pending += count
        keyspace.chores |= CHORE_LAZY_FREE
    else:
        keyspace.drained = database.snapshot_index
        table_each(&database.keys, _free_visited, keyspace)
        table_clear(&database.keys)
        _wheel_free(keyspace, database.deadlines)
    _database_init(keyspace, database, database.index)
    database.keys.resize_forbidden = resize_forbidden
    return count


cdef void keyspace_swap(Keyspace* keyspace, int32_t first, int32_t second) noexcept nogil:
    cdef Database held = keyspace.databases[first]
    keyspace.swaps += 1
    keyspace_guarded(keyspace)
    keyspace.databases[first] = keyspace.databases[second]
    keyspace.databases[second] = held
    keyspace.databases[first].index = first
    keyspace.databases[second].index = second


# ---- expiry and lazy freeing

cdef void keyspace_expire_entry(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    cdef Slice key = entry_key(entry)
    keyspace.expired += 1
    if unlikely(keyspace.journal != NULL):
        journal_deletion(keyspace.journal, database.index, key, keyspace.lazy_expire)
    if keyspace.wanted:
        keyspace_event(keyspace, database, EVENT_EXPIRED, b"expired", key)
        keyspace_touched(keyspace, database, key)
    keyspace_delete(keyspace, database, slot, hash, keyspace.lazy_expire)


cdef struct FieldsGoing:
    Journal* journal
    int32_t database
    Slice key


cdef bint _log_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef FieldsGoing* going = <FieldsGoing*>context
    cdef Slice[3] words
    words[0] = slice_of(b"HDEL", 4)
    words[1] = going.key
    words[2] = field
    journal_command(going.journal, going.database, words, 3)
    return True


cdef bint keyspace_expire_fields(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash,
                                 int64_t* budget) noexcept nogil:
    cdef Entry* entry = <Entry*>slot[0]
    cdef Slice key = entry_key(entry)
    cdef Hash fields
    cdef FieldsGoing going
    cdef uint64_t taken
    cdef bint empty
    keyspace_keep(keyspace, database, entry)
    keyspace_open_hash(keyspace, entry, &fields)
    going.journal = keyspace.journal
    going.database = database.index
    going.key = key
    if likely(going.journal == NULL):
        taken = hash_take_due(&fields, <uint64_t>budget[0], NULL, NULL)
    else:
        taken = hash_take_due(&fields, <uint64_t>budget[0], _log_field, &going)
    empty = hash_stored(&fields) == 0
    keyspace_close_hash(keyspace, database, entry, &fields)
    budget[0] -= <int64_t>taken
    if taken == 0:
        return False
    keyspace.expired_fields += taken
    keyspace.dirty += taken
    if unlikely(keyspace.journal != NULL):
        keyspace.journal.dirty_seen += taken
    if keyspace.wanted:
        keyspace_touched(keyspace, database, key)
        keyspace_event(keyspace, database, EVENT_HASH, b"hexpired", key)
        if empty:
            keyspace_event(keyspace, database, EVENT_GENERIC, b"del", key)
    if empty:
        keyspace_delete(keyspace, database, slot, hash, False)
    return empty


cdef void _expire_fields_due(Keyspace* keyspace, Database* database, int64_t* budget) noexcept nogil:
    cdef WheelNode* node
    cdef Slice key
    cdef uint64_t hash
    while budget[0] > 0:
        node = wheel_take(database.field_deadlines, keyspace_now(keyspace) - 1, budget)
        if node == NULL:
            return
        key = entry_key(<Entry*>(<HashAlarm*>node).owner)
        hash = table_hash(&database.keys, key)
        budget[0] += 1           # so that the last unit of it removes a field, and there is progress
        # What the budget leaves goes back into the wheel, due at once.
        keyspace_expire_fields(keyspace, database, table_find(&database.keys, key, hash), hash, budget)


cdef bint keyspace_expire_due(Keyspace* keyspace, int64_t budget) noexcept nogil:
    cdef int32_t i
    cdef Database* database
    cdef WheelNode* node
    cdef Entry* entry
    cdef Slice key
    cdef uint64_t hash
    cdef TableSlot slot
    keyspace_guarded(keyspace)
    if not keyspace.active_expire or keyspace.keep_expired or keyspace.loading:
        return False
    for i in range(keyspace.database_count):
        database = &keyspace.databases[i]
        if database.field_deadlines != NULL and database.field_deadlines.count:
            _expire_fields_due(keyspace, database, &budget)
            if budget <= 0:
                return True
        if database.deadlines == NULL or database.deadlines.count == 0:
            continue
        while budget > 0:
            node = wheel_take(database.deadlines, keyspace_now(keyspace) - 1, &budget)
            if node == NULL:
                break
            database.deadline_sum_ms -= <double>node.deadline_ms
            node.link = NULL
            entry = entry_of_node(node)
            key = entry_key(entry)
            hash = table_hash(&database.keys, key)
            slot = table_find(&database.keys, key, hash)
            keyspace_expire_entry(keyspace, database, slot, hash)
        if budget <= 0:
            return True
    return False


cdef int64_t keyspace_next_deadline_ms(Keyspace* keyspace) noexcept nogil:
    cdef int64_t earliest = INT64_MAX
    cdef int64_t here
    cdef int32_t i
    if not keyspace.active_expire or keyspace.keep_expired or keyspace.loading:
        return INT64_MAX
    for i in range(keyspace.database_count):
        if keyspace.databases[i].deadlines != NULL:
            here = wheel_next_ms(keyspace.databases[i].deadlines)
            if here < earliest:
                earliest = here
        if keyspace.databases[i].field_deadlines != NULL:
            here = wheel_next_ms(keyspace.databases[i].field_deadlines)
            if here < earliest:
                earliest = here
    return earliest


cdef Entry* keyspace_nearest_deadline(Keyspace* keyspace, Database* database) noexcept nogil:
    cdef Wheel* wheel = database.deadlines
    cdef WheelNode* node
    keyspace_guarded(keyspace)
    if wheel == NULL or wheel.count == 0:
        return NULL
    if wheel.window == NULL:
        wheel.window = <Wheel*>heap_try_alloc(keyspace.heap, sizeof(Wheel))      # refused: it goes less exactly
        if wheel.window != NULL:
            wheel_init(wheel.window, 0)
    node = wheel_nearest(wheel, NEAREST_MOVES)
    return entry_of_node(node) if node != NULL else NULL


cdef bint keyspace_free_some(Keyspace* keyspace, uint64_t steps) noexcept nogil:
    cdef LazyTable* table
    cdef LazyValue* value
    cdef uint64_t before, left
    keyspace_guarded(keyspace)
    if keyspace.lazy_tables != NULL:
        table = keyspace.lazy_tables
        before = table_count(&table.table)
        keyspace.drained = table.snapshot_index
        left = table_drain(&table.table, &table.position, _free_visited, keyspace, steps // 4 + 1)
        keyspace.lazy_pending -= before - left
        keyspace.lazy_freed += before - left
        if left == 0:
            keyspace.lazy_tables = table.next
            table_clear(&table.table)
            _wheel_free(keyspace, table.deadlines)
            heap_free(keyspace.heap, table, sizeof(LazyTable))
    elif keyspace.lazy_values != NULL:
        value = keyspace.lazy_values
        if value_free_some(keyspace.heap, value.type, value.encoding, value.pointer, steps):
            return True
        keyspace.lazy_values = value.next
        keyspace.lazy_pending -= 1
        keyspace.lazy_freed += 1
        heap_free(keyspace.heap, value, sizeof(LazyValue))
    return keyspace.lazy_tables != NULL or keyspace.lazy_values != NULL


cdef bint keyspace_resize_some(Keyspace* keyspace, uint64_t buckets) noexcept nogil:
    cdef int32_t i
    keyspace_guarded(keyspace)
    for i in range(keyspace.database_count):
        if table_is_resizing(&keyspace.databases[i].keys):
            table_step(&keyspace.databases[i].keys, buckets)
            return True
    return False


# ---- effects

cdef inline void _lose_effect(Keyspace* keyspace, uint8_t kind) noexcept nogil:
    if kind != EFFECT_EVENT:
        keyspace.chores |= CHORE_EFFECTS_LOST


cdef void _record_effect(Keyspace* keyspace, uint8_t kind, int32_t database, Slice key, uint32_t event_class,
                         const char* event) noexcept nogil:
    cdef size_t capacity
    cdef void* grown
    cdef Effect* effect
    keyspace_guarded(keyspace)
    if keyspace.effect_count == keyspace.effect_capacity:
        capacity = keyspace.effect_capacity * 2 if keyspace.effect_capacity else 16
        grown = heap_try_resize(keyspace.heap, keyspace.effects, keyspace.effect_capacity * sizeof(Effect),
                                capacity * sizeof(Effect))
        if grown == NULL:
            _lose_effect(keyspace, kind)
            return
        keyspace.effects = <Effect*>grown
        keyspace.effect_capacity = capacity
    effect = &keyspace.effects[keyspace.effect_count]
    effect.kind = kind
    effect.database = database
    effect.event_class = event_class
    effect.event = event
    effect.key_start = keyspace.effect_keys.length
    effect.key_length = key.length
    buffer_append_slice(&keyspace.effect_keys, key)
    if keyspace.effect_keys.failed:
        _lose_effect(keyspace, kind)
    else:
        keyspace.effect_count += 1


cdef void keyspace_effects_clear(Keyspace* keyspace) noexcept nogil:
    keyspace.effect_count = 0
    keyspace.effect_keys.length = 0
    keyspace.effect_keys.failed = 0


cdef void keyspace_touch_all(Keyspace* keyspace, Database* database, bint flushed) noexcept nogil:
    if keyspace.wanted & WANT_TOUCHED:
        _record_effect(keyspace, EFFECT_TOUCHED_ALL, database.index, slice_of(NULL, 0), EVENT_FLUSHED if flushed else 0,
                       NULL)


cdef void keyspace_ready_all(Keyspace* keyspace, Database* database) noexcept nogil:
    if keyspace.wanted & WANT_READY:
        _record_effect(keyspace, EFFECT_READY_ALL, database.index, slice_of(NULL, 0), 0, NULL)


cdef SortedSet zset_of(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef SortedSet set = sorted_set_of(keyspace.heap, &keyspace.hash_key, entry_pointer(entry),
                                       entry_encoding(entry) == ZSET_LISTPACK)
    set.max_entries = keyspace.limits.zset_entries
    set.max_bytes = keyspace.limits.zset_value_bytes
    return set
