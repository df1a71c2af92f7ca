"""See loading.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport heap_alloc, heap_free, heap_try_alloc, heap_try_zeroed
from hutch_engine.base.outcome cimport EXISTS, NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport (
    ENTRY_HEADER_BYTES, TYPE_HASH, Entry, Value, entry_has_deadline, entry_key, entry_new, entry_node, entry_type)
from hutch_engine.keyspace.keyspace cimport (
    CHORE_RESIZE, SIZE_CLASSES, Database, Keyspace, keyspace_delete, keyspace_fields_changed, keyspace_fields_detach,
    keyspace_flush, keyspace_guarded, keyspace_hash, keyspace_now, keyspace_ready_all, keyspace_touch_all, size_class)
from hutch_engine.keyspace.value_types cimport entry_size
from hutch_engine.structures.table cimport (
    TableSlot, table_clear, table_count, table_each, table_find, table_init, table_insert, table_is_resizing, table_reserve)
from hutch_engine.structures.wheel cimport Wheel, wheel_add, wheel_cancel, wheel_init, wheel_next_ms


cdef Database* loading_begin(Keyspace* keyspace) noexcept nogil:
    cdef Database* databases = <Database*>heap_try_zeroed(keyspace.heap, keyspace.database_count, sizeof(Database))
    cdef int32_t i
    if databases == NULL:
        return NULL
    for i in range(keyspace.database_count):
        table_init(&databases[i].keys, keyspace.heap, &keyspace.hash_key, ENTRY_HEADER_BYTES)
        databases[i].index = i
    return databases


cdef void loading_abandon(Keyspace* keyspace, Database* databases) noexcept nogil:
    cdef int32_t i
    if databases == NULL:
        return
    for i in range(keyspace.database_count):
        keyspace_flush(keyspace, &databases[i], True)
        table_clear(&databases[i].keys)
    heap_free(keyspace.heap, databases, keyspace.database_count * sizeof(Database))


# ---- one key

cdef inline bint _has_wheel(Keyspace* keyspace, Database* database) noexcept nogil:
    if unlikely(database.deadlines == NULL):
        database.deadlines = <Wheel*>heap_try_alloc(keyspace.heap, sizeof(Wheel))
        if database.deadlines == NULL:
            return False
        wheel_init(database.deadlines, keyspace_now(keyspace) - 1)
    return True


cdef void _insert(Keyspace* keyspace, Database* database, Entry* entry, uint64_t hash) noexcept nogil:
    """An entry of a key that is not there, whose deadline, if it has one, is noted in its node."""
    if unlikely(database.sizes == NULL):
        database.sizes = <uint64_t*>heap_alloc(keyspace.heap, SIZE_CLASSES * sizeof(uint64_t))
        memset(database.sizes, 0, SIZE_CLASSES * sizeof(uint64_t))
    entry.size_class = size_class(entry_type(entry), entry_size(entry))
    database.sizes[entry.size_class] += 1
    table_insert(&database.keys, entry, hash)
    if entry_has_deadline(entry):
        wheel_add(database.deadlines, entry_node(entry), entry_node(entry).deadline_ms)
        database.deadline_sum_ms += <double>entry_node(entry).deadline_ms
    if entry_type(entry) == TYPE_HASH:
        keyspace_fields_changed(keyspace, database, entry)


cdef Outcome loading_put(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value, int64_t deadline_ms,
                         uint32_t access) noexcept nogil:
    cdef Entry* entry
    keyspace_guarded(keyspace)
    if unlikely(table_find(&database.keys, key, hash) != NULL):
        return EXISTS
    if deadline_ms >= 0 and not _has_wheel(keyspace, database):
        return NO_MEMORY
    entry = entry_new(keyspace.heap, key, value, deadline_ms >= 0)
    if unlikely(entry == NULL):
        return NO_MEMORY
    entry.access = access
    entry.snapshot = keyspace.snapshot
    if deadline_ms >= 0:
        entry_node(entry).deadline_ms = deadline_ms
    _insert(keyspace, database, entry, hash)
    return OK


# ---- all of them

cdef void _wake_for(Keyspace* keyspace, const Database* database) noexcept nogil:
    """Housekeeping learns of deadlines that came all at once, and of a table that is being resized."""
    cdef int64_t earliest = INT64_MAX
    cdef int64_t here
    if database.deadlines != NULL:
        earliest = wheel_next_ms(database.deadlines)
    if database.field_deadlines != NULL:
        here = wheel_next_ms(database.field_deadlines)
        earliest = here if here < earliest else earliest
    if earliest < keyspace.earliest_added_ms:
        keyspace.earliest_added_ms = earliest
    if table_is_resizing(&database.keys):
        keyspace.chores |= CHORE_RESIZE


cdef void loading_take_place(Keyspace* keyspace, Database* databases) noexcept nogil:
    cdef Database* place
    cdef bint resize_forbidden
    cdef int32_t i
    keyspace_guarded(keyspace)
    for i in range(keyspace.database_count):
        place = &keyspace.databases[i]
        keyspace_touch_all(keyspace, place, True)
        keyspace_flush(keyspace, place, True)
        resize_forbidden = place.keys.resize_forbidden
        table_clear(&place.keys)
        place[0] = databases[i]
        place.keys.resize_forbidden = resize_forbidden
        _wake_for(keyspace, place)
        keyspace_ready_all(keyspace, place)
    heap_free(keyspace.heap, databases, keyspace.database_count * sizeof(Database))


cdef struct Search:
    Database* place              # where a key of the same name is looked for
    Slice found                  # length and data of the first
    bint is_found
    const Keyspace* keyspace


cdef bint _look_for(void* context, void* entry) noexcept nogil:
    cdef Search* search = <Search*>context
    cdef Slice key = entry_key(<const Entry*>entry)
    if table_find(&search.place.keys, key, keyspace_hash(search.keyspace, key)) == NULL:
        return True
    search.found = key
    search.is_found = True
    return False


cdef bint loading_collides(const Keyspace* keyspace, Database* databases, int32_t* database_out, Slice* key_out) noexcept nogil:
    cdef Search search
    cdef int32_t i
    search.keyspace = keyspace
    search.is_found = False
    for i in range(keyspace.database_count):
        search.place = &keyspace.databases[i]
        if table_count(&search.place.keys):
            table_each(&databases[i].keys, _look_for, &search)
        if search.is_found:
            database_out[0] = i
            key_out[0] = search.found
            return True
    return False


cdef struct Joining:
    Keyspace* keyspace
    Database* place
    Database* database           # where the entries are yet


cdef bint _join_entry(void* context, void* visited) noexcept nogil:
    cdef Joining* joining = <Joining*>context
    cdef Entry* entry = <Entry*>visited
    cdef Slice key = entry_key(entry)
    cdef uint64_t hash = keyspace_hash(joining.keyspace, key)
    cdef TableSlot slot = table_find(&joining.place.keys, key, hash)
    if slot != NULL:
        keyspace_delete(joining.keyspace, joining.place, slot, hash, True)
    if entry_has_deadline(entry):
        wheel_cancel(joining.database.deadlines, entry_node(entry))
    keyspace_fields_detach(joining.database, entry)
    _insert(joining.keyspace, joining.place, entry, hash)
    return True


cdef bint loading_join(Keyspace* keyspace, Database* databases) noexcept nogil:
    cdef Joining joining
    cdef Database* database
    cdef int32_t i
    keyspace_guarded(keyspace)
    joining.keyspace = keyspace
    for i in range(keyspace.database_count):
        if databases[i].deadlines != NULL and not _has_wheel(keyspace, &keyspace.databases[i]):
            return False
    for i in range(keyspace.database_count):
        database = &databases[i]
        joining.database = database
        joining.place = &keyspace.databases[i]
        if table_count(&database.keys) == 0:
            continue
        keyspace_touch_all(keyspace, joining.place, False)
        table_reserve(&joining.place.keys, table_count(&joining.place.keys) + table_count(&database.keys))
        table_each(&database.keys, _join_entry, &joining)
        table_clear(&database.keys)
        heap_free(keyspace.heap, database.deadlines, sizeof(Wheel))
        heap_free(keyspace.heap, database.field_deadlines, sizeof(Wheel))
        heap_free(keyspace.heap, database.sizes, SIZE_CLASSES * sizeof(uint64_t))
        _wake_for(keyspace, joining.place)
        keyspace_ready_all(keyspace, joining.place)
    heap_free(keyspace.heap, databases, keyspace.database_count * sizeof(Database))
    return True
