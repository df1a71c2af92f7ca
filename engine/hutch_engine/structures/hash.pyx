"""See hash.pxd.

The heap of deadlines has four children a node (children of i: 4i + 1 ... 4i + 4): half as deep as a binary one,
and the four lie in one cache line. Each element knows its field and each field its place, so a deadline is
changed or taken away in O(log n) without a search.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.checks cimport HUTCH_CHECKS, hutch_panic
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_resize
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.hash_field cimport (
    FIELD_KEY_OFFSET, field_block_bytes, field_block_bytes_of, field_free, field_has_deadline, field_name, field_new,
    field_place, field_set_place, field_value, field_write_value)
from hutch_engine.structures.listpack cimport (
    LISTPACK_BEFORE, LISTPACK_SAFE_BYTES, Listpack, listpack_append, listpack_bytes, listpack_copy,
    listpack_delete_range, listpack_delete_run, listpack_find, listpack_first, listpack_free, listpack_get,
    listpack_insert, listpack_is_valid, listpack_length, listpack_new, listpack_next, listpack_replace,
    listpack_seek, listpack_text)
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_check, table_clear, table_count, table_drain, table_each, table_find, table_hash,
    table_init, table_insert, table_memory, table_random, table_remove, table_replace, table_reserve, table_scan)
from hutch_engine.structures.wheel cimport wheel_relocated

cdef enum:
    CHILDREN = 4                 # of a node in the heap of deadlines
    FIRST_DEADLINES = 8
    FORM_BYTES = 4096            # a HashTable, a HashPack, the first buckets
    PACKED_GROWTH = 16           # a field and its value, of 4 bytes in a listpack, take up to 64 in a table
    RANDOM_TRIES = 64            # for a field that is not due, before they are counted


# ---- the two packed forms

cdef inline Listpack* _pack(const Hash* hash) noexcept nogil:
    return <Listpack*>hash.pointer if hash.form == HASH_PACKED else (<HashPack*>hash.pointer).pack


cdef inline void _set_pack(Hash* hash, Listpack* pack) noexcept nogil:
    if hash.form == HASH_PACKED:
        hash.pointer = pack
    else:
        (<HashPack*>hash.pointer).pack = pack


cdef inline uint32_t _stride(const Hash* hash) noexcept nogil:
    return 2 if hash.form == HASH_PACKED else 3


cdef inline uint8_t* _find_packed(const Hash* hash, Slice field) noexcept nogil:
    cdef Listpack* pack = _pack(hash)
    cdef uint8_t* first = listpack_first(pack)
    return listpack_find(pack, first, field, _stride(hash) - 1) if first != NULL else NULL


cdef inline int64_t _packed_deadline(const Hash* hash, const uint8_t* at) noexcept nogil:
    """Of the field at `at`; 0 is none."""
    cdef Listpack* pack
    if hash.form == HASH_PACKED:
        return 0
    pack = _pack(hash)
    return listpack_get(listpack_next(pack, listpack_next(pack, at))).integer


cdef inline bint _is_due(const Hash* hash, int64_t deadline_ms) noexcept nogil:
    return deadline_ms > 0 and deadline_ms < hash.now_ms


cdef uint64_t _due_packed(const Hash* hash) noexcept nogil:
    """They are the first ones."""
    cdef Listpack* pack = _pack(hash)
    cdef uint8_t* at
    cdef uint64_t due = 0
    if hash.form == HASH_PACKED:
        return 0
    at = listpack_first(pack)
    while at != NULL and _is_due(hash, _packed_deadline(hash, at)):
        due += 1
        at = listpack_next(pack, listpack_next(pack, listpack_next(pack, at)))
    return due


cdef bint _append(Hash* hash, Slice field, Slice value) noexcept nogil:
    """A field without a deadline. All of it or nothing."""
    cdef Listpack* pack = _pack(hash)
    cdef Listpack* grown
    cdef uint64_t before = listpack_length(pack)
    cdef uint32_t done = 0
    while done < _stride(hash):
        grown = listpack_append(hash.heap, pack, field if done == 0 else value if done == 1 else slice_of(b"0", 1))
        if unlikely(grown == NULL):
            if done:
                pack = listpack_delete_range(hash.heap, pack, <int64_t>before, done)
            _set_pack(hash, pack)
            return False
        pack = grown
        done += 1
    _set_pack(hash, pack)
    return True


cdef bint _rewrite(Hash* hash, uint8_t* at, Slice value, int64_t deadline_ms) noexcept nogil:
    """HASH_DEADLINES: the field at `at` gets this value and deadline (0: none) and the place that follows from
    it. On a copy: it can be given up at any point, and the old bytes can be read to the end."""
    cdef Listpack* old = _pack(hash)
    cdef Listpack* pack = listpack_copy(hash.heap, old)
    cdef Listpack* grown
    cdef char[INTEGER_TEXT_MAX] field_digits
    cdef char[INTEGER_TEXT_MAX] deadline_digits
    cdef Slice[3] words
    cdef uint8_t* place
    cdef uint8_t* next
    cdef int64_t other
    cdef int i
    if pack == NULL:
        return False
    words[0] = listpack_text(at, field_digits)
    words[1] = value
    words[2] = slice_of(deadline_digits, format_integer(deadline_ms, deadline_digits))
    place = pack + (at - old)
    pack = listpack_delete_run(hash.heap, pack, &place, 3)
    place = listpack_first(pack) if deadline_ms else NULL
    while place != NULL:
        next = listpack_next(pack, listpack_next(pack, place))
        other = listpack_get(next).integer
        if other == 0 or other >= deadline_ms:           # in front of the same, as in Redis
            break
        place = listpack_next(pack, next)
    for i in range(3):
        if place == NULL:
            grown = listpack_append(hash.heap, pack, words[i])
        else:
            grown = listpack_insert(hash.heap, pack, words[i], place, LISTPACK_BEFORE, &place)
            if grown != NULL:
                place = listpack_next(grown, place)
        if grown == NULL:
            listpack_free(hash.heap, pack)
            return False
        pack = grown
    listpack_free(hash.heap, old)
    _set_pack(hash, pack)
    return True


cdef void _delete_packed(Hash* hash, uint8_t* at) noexcept nogil:
    _set_pack(hash, listpack_delete_run(hash.heap, _pack(hash), &at, _stride(hash)))


# ---- the heap of deadlines

cdef inline void _seat(HashTable* table, uint32_t place, HashDeadline deadline) noexcept nogil:
    table.deadlines[place] = deadline
    field_set_place(deadline.field, place)


cdef void _sift(HashTable* table, uint32_t place) noexcept nogil:
    """The deadline at `place` is new there: move it up or down."""
    cdef HashDeadline moving = table.deadlines[place]
    cdef uint64_t child, least, end
    cdef uint32_t parent
    while place:
        parent = (place - 1) // CHILDREN
        if table.deadlines[parent].deadline_ms <= moving.deadline_ms:
            break
        _seat(table, place, table.deadlines[parent])
        place = parent
    while True:
        child = <uint64_t>place * CHILDREN + 1
        if child >= table.deadline_count:
            break
        end = child + CHILDREN if child + CHILDREN < table.deadline_count else table.deadline_count
        least = child
        while child < end:
            if table.deadlines[child].deadline_ms < table.deadlines[least].deadline_ms:
                least = child
            child += 1
        if table.deadlines[least].deadline_ms >= moving.deadline_ms:
            break
        _seat(table, place, table.deadlines[least])
        place = <uint32_t>least
    _seat(table, place, moving)


cdef bint _deadlines_resize(Heap* heap, HashTable* table, uint32_t capacity) noexcept nogil:
    cdef void* grown = heap_try_resize(heap, table.deadlines, table.deadline_capacity * sizeof(HashDeadline),
                                       capacity * sizeof(HashDeadline))
    if grown == NULL:
        return False
    table.deadlines = <HashDeadline*>grown
    table.deadline_capacity = capacity
    return True


cdef inline bint _deadlines_reserve(Heap* heap, HashTable* table) noexcept nogil:
    """Room for one more."""
    if table.deadline_count < table.deadline_capacity:
        return True
    return _deadlines_resize(heap, table, table.deadline_capacity * 2 if table.deadline_capacity else FIRST_DEADLINES)


cdef void _deadline_add(HashTable* table, char* field, int64_t deadline_ms) noexcept nogil:
    """Requires room."""
    cdef uint32_t place = table.deadline_count
    table.deadline_count += 1
    table.deadlines[place].deadline_ms = deadline_ms
    table.deadlines[place].field = field
    _sift(table, place)


cdef void _deadline_remove(Heap* heap, HashTable* table, uint32_t place) noexcept nogil:
    table.deadline_count -= 1
    if place != table.deadline_count:
        table.deadlines[place] = table.deadlines[table.deadline_count]
        _sift(table, place)
    if table.deadline_capacity > 64 and table.deadline_count < table.deadline_capacity // 4:
        _deadlines_resize(heap, table, table.deadline_capacity // 2)


cdef uint64_t _due_below(const HashTable* table, uint64_t place, int64_t now_ms) noexcept nogil:
    """How many due ones there are from this place of the heap down: no child is earlier than its parent."""
    cdef uint64_t due = 1
    cdef uint64_t child
    cdef int i
    if place >= table.deadline_count or table.deadlines[place].deadline_ms >= now_ms:
        return 0
    for i in range(CHILDREN):
        child = place * CHILDREN + 1 + i
        if child < table.deadline_count:
            due += _due_below(table, child, now_ms)
    return due


# ---- the table form

cdef inline HashTable* _table(const Hash* hash) noexcept nogil:
    return <HashTable*>hash.pointer


cdef inline int64_t _table_deadline(const HashTable* table, const char* field) noexcept nogil:
    """0 without one."""
    return table.deadlines[field_place(field)].deadline_ms if field_has_deadline(field) else 0


cdef void _remove_field(Heap* heap, HashTable* table, TableSlot slot, uint64_t hash) noexcept nogil:
    cdef char* field = <char*>slot[0]
    table_remove(&table.table, slot, hash)
    if unlikely(field_has_deadline(field)):
        _deadline_remove(heap, table, field_place(field))
    field_free(heap, field)


cdef TableSlot _find_live(const Hash* hash, Slice field, uint64_t field_hash) noexcept nogil:
    cdef HashTable* table = _table(hash)
    cdef TableSlot slot = table_find(&table.table, field, field_hash)
    if (slot != NULL and unlikely(field_has_deadline(<char*>slot[0]))
            and _is_due(hash, _table_deadline(table, <char*>slot[0]))):
        return NULL
    return slot


cdef HashTable* _table_new(Heap* heap, const HashKey* hash_key) noexcept nogil:
    cdef HashTable* table = <HashTable*>heap_alloc(heap, sizeof(HashTable))
    memset(table, 0, sizeof(HashTable))
    table_init(&table.table, heap, hash_key, FIELD_KEY_OFFSET)
    return table


cdef bint _free_field(void* context, void* field) noexcept nogil:
    field_free(<Heap*>context, <char*>field)
    return True


cdef void _table_free(Heap* heap, HashTable* table) noexcept nogil:
    table_each(&table.table, _free_field, heap)
    table_clear(&table.table)
    heap_free(heap, table.deadlines, table.deadline_capacity * sizeof(HashDeadline))
    heap_free(heap, table, sizeof(HashTable))


cdef bint _become_table(Hash* hash, uint64_t expected) noexcept nogil:
    """False, unchanged, when memory was refused."""
    cdef Listpack* pack
    cdef HashTable* table
    cdef char[INTEGER_TEXT_MAX] name_digits
    cdef char[INTEGER_TEXT_MAX] value_digits
    cdef uint8_t* at
    cdef uint8_t* value_at
    cdef char* field
    cdef Slice name
    cdef int64_t deadline_ms
    if hash.form == HASH_TABLE:
        return True
    pack = _pack(hash)
    table = _table_new(hash.heap, hash.hash_key)
    table_reserve(&table.table, expected + listpack_length(pack) // _stride(hash))
    at = listpack_first(pack)
    while at != NULL:
        value_at = listpack_next(pack, at)
        deadline_ms = _packed_deadline(hash, at)
        name = listpack_text(at, name_digits)
        if deadline_ms and not _deadlines_reserve(hash.heap, table):
            _table_free(hash.heap, table)
            return False
        field = field_new(hash.heap, name, listpack_text(value_at, value_digits), deadline_ms != 0)
        if field == NULL:
            _table_free(hash.heap, table)
            return False
        table_insert(&table.table, field, table_hash(&table.table, name))
        if deadline_ms:
            _deadline_add(table, field, deadline_ms)
        at = listpack_next(pack, value_at)
        if hash.form == HASH_DEADLINES:
            at = listpack_next(pack, at)
    if hash.form == HASH_DEADLINES:
        table.alarm = (<HashPack*>hash.pointer).alarm
        wheel_relocated(&table.alarm.node)
    hash_free(hash.heap, hash.form, hash.pointer)
    hash.form = HASH_TABLE
    hash.pointer = table
    return True


cdef int _set_in_table(Hash* hash, Slice field, Slice value, bint keep_deadline) noexcept nogil:
    cdef HashTable* table = _table(hash)
    cdef uint64_t field_hash = table_hash(&table.table, field)
    cdef TableSlot slot = table_find(&table.table, field, field_hash)
    cdef bint had_deadline, keeps
    cdef char* old
    cdef char* made
    if slot != NULL:
        old = <char*>slot[0]
        had_deadline = field_has_deadline(old)
        if unlikely(had_deadline) and _is_due(hash, _table_deadline(table, old)):
            _remove_field(hash.heap, table, slot, field_hash)
            slot = NULL
    if slot == NULL:
        made = field_new(hash.heap, field, value, False)
        if unlikely(made == NULL):
            return HASH_REFUSED
        table_insert(&table.table, made, field_hash)
        return HASH_ADDED
    keeps = had_deadline and keep_deadline
    if had_deadline == keeps and field_block_bytes(field.length, value.length, keeps) == field_block_bytes_of(old):
        field_write_value(<char*>field_name(old).data + field.length, value)
        return HASH_CHANGED
    made = field_new(hash.heap, field, value, keeps)
    if unlikely(made == NULL):
        return HASH_REFUSED
    if keeps:
        field_set_place(made, field_place(old))
        table.deadlines[field_place(made)].field = made
    elif had_deadline:
        _deadline_remove(hash.heap, table, field_place(old))
    table_replace(&table.table, slot, made)
    field_free(hash.heap, old)
    return HASH_CHANGED


# ---- life

cdef void* hash_new(Heap* heap) noexcept nogil:
    return listpack_new(heap)


cdef void hash_free(Heap* heap, int form, void* pointer) noexcept nogil:
    if form == HASH_PACKED:
        listpack_free(heap, <Listpack*>pointer)
    elif form == HASH_DEADLINES:
        listpack_free(heap, (<HashPack*>pointer).pack)
        heap_free(heap, pointer, sizeof(HashPack))
    else:
        _table_free(heap, <HashTable*>pointer)


cdef bint hash_free_some(Heap* heap, int form, void* pointer, uint64_t steps) noexcept nogil:
    cdef HashTable* table = <HashTable*>pointer
    # Some five fields a bucket.
    if form == HASH_TABLE and table_drain(&table.table, &table.drained, _free_field, heap, steps // 4 + 1):
        return True
    hash_free(heap, form, pointer)
    return False


cdef uint64_t hash_effort(int form, const void* pointer) noexcept nogil:
    return table_count(&(<const HashTable*>pointer).table) if form == HASH_TABLE else 1


cdef struct Copying:
    const HashTable* source
    HashTable* copy
    Heap* heap


cdef bint _copy_field(void* context, void* visited) noexcept nogil:
    cdef Copying* copying = <Copying*>context
    cdef const char* field = <const char*>visited
    cdef Slice name = field_name(field)
    cdef char* made = field_new(copying.heap, name, field_value(field), field_has_deadline(field))
    if made == NULL:
        return False
    if field_has_deadline(field):
        # The same place of a heap that is the same.
        field_set_place(made, field_place(field))
        copying.copy.deadlines[field_place(field)].deadline_ms = _table_deadline(copying.source, field)
        copying.copy.deadlines[field_place(field)].field = made
    table_insert(&copying.copy.table, made, table_hash(&copying.copy.table, name))
    return True


cdef bint hash_copy(const Hash* source, Hash* copy_out) noexcept nogil:
    cdef Copying copying
    cdef HashPack* packed
    cdef Listpack* pack
    copy_out[0] = source[0]
    if source.form != HASH_TABLE:
        pack = listpack_copy(source.heap, _pack(source))
        if pack == NULL:
            return False
        copy_out.pointer = pack
        if source.form == HASH_DEADLINES:
            packed = <HashPack*>heap_alloc(source.heap, sizeof(HashPack))
            memset(packed, 0, sizeof(HashPack))
            packed.pack = pack
            copy_out.pointer = packed
        return True
    copying.source = _table(source)
    copying.copy = _table_new(source.heap, copying.source.table.hash_key)
    copying.heap = source.heap
    copy_out.pointer = copying.copy
    table_reserve(&copying.copy.table, table_count(&copying.source.table))
    if ((copying.source.deadline_count
            and not _deadlines_resize(source.heap, copying.copy, copying.source.deadline_count))
            or not table_each(&(<HashTable*>copying.source).table, _copy_field, &copying)):
        _table_free(source.heap, copying.copy)
        return False
    copying.copy.deadline_count = copying.source.deadline_count
    return True


cdef struct Weighing:
    uint64_t seen
    uint64_t limit               # 0 = none
    uint64_t bytes


cdef bint _weigh(void* context, void* field) noexcept nogil:
    cdef Weighing* weighing = <Weighing*>context
    weighing.bytes += field_block_bytes_of(<const char*>field)
    weighing.seen += 1
    return weighing.seen != weighing.limit


cdef uint64_t hash_memory(int form, const void* pointer, uint64_t samples) noexcept nogil:
    cdef HashTable* table = <HashTable*>pointer
    cdef Weighing weighing
    cdef uint64_t total
    if form == HASH_PACKED:
        return heap_block_bytes(listpack_bytes(<const Listpack*>pointer))
    if form == HASH_DEADLINES:
        return heap_block_bytes(sizeof(HashPack)) + heap_block_bytes(listpack_bytes((<const HashPack*>pointer).pack))
    total = heap_block_bytes(sizeof(HashTable)) + table_memory(&table.table)
    total += table.deadline_capacity * sizeof(HashDeadline)
    weighing.seen = 0
    weighing.limit = samples
    weighing.bytes = 0
    table_each(&table.table, _weigh, &weighing)
    if weighing.seen:
        total += <uint64_t>(<double>weighing.bytes / <double>weighing.seen * <double>table_count(&table.table))
    return total


# ---- fields and values

cdef uint64_t hash_stored(const Hash* hash) noexcept nogil:
    if hash.form == HASH_TABLE:
        return table_count(&_table(hash).table)
    return listpack_length(_pack(hash)) // _stride(hash)


cdef uint64_t hash_length(const Hash* hash) noexcept nogil:
    if hash.form == HASH_TABLE:
        return table_count(&_table(hash).table) - _due_below(_table(hash), 0, hash.now_ms)
    return listpack_length(_pack(hash)) // _stride(hash) - _due_packed(hash)


cdef bint hash_get(const Hash* hash, Slice field, char* scratch, Slice* value_out) noexcept nogil:
    cdef TableSlot slot
    cdef uint8_t* at
    if hash.form == HASH_TABLE:
        slot = _find_live(hash, field, table_hash(&_table(hash).table, field))
        if slot == NULL:
            return False
        value_out[0] = field_value(<char*>slot[0])
        return True
    at = _find_packed(hash, field)
    if at == NULL or _is_due(hash, _packed_deadline(hash, at)):
        return False
    value_out[0] = listpack_text(listpack_next(_pack(hash), at), scratch)
    return True


cdef void hash_prepare(Hash* hash, const Slice* words, size_t count) noexcept nogil:
    cdef uint64_t total = 0
    cdef size_t i
    if hash.form == HASH_TABLE:
        return
    if count // 2 > hash.max_packed_entries:
        _become_table(hash, count // 2)
        return
    for i in range(count):
        if words[i].length > hash.max_packed_bytes:
            _become_table(hash, 0)
            return
        total += words[i].length
    if total + listpack_bytes(_pack(hash)) > LISTPACK_SAFE_BYTES:
        _become_table(hash, 0)


cdef uint64_t hash_growth_bytes(const Hash* hash) noexcept nogil:
    if hash.form == HASH_TABLE:
        return FORM_BYTES + 3 * <uint64_t>_table(hash).deadline_capacity * sizeof(HashDeadline)
    return FORM_BYTES + PACKED_GROWTH * <uint64_t>listpack_bytes(_pack(hash))


cdef int hash_set(Hash* hash, Slice field, Slice value, bint keep_deadline) noexcept nogil:
    cdef Listpack* pack
    cdef uint8_t* at
    cdef int64_t deadline_ms
    cdef int outcome = HASH_ADDED
    if hash.form != HASH_TABLE and unlikely(
            field.length > hash.max_packed_bytes or value.length > hash.max_packed_bytes
            or field.length + value.length + listpack_bytes(_pack(hash)) > LISTPACK_SAFE_BYTES):
        if not _become_table(hash, 1):
            return HASH_REFUSED
    if hash.form == HASH_TABLE:
        return _set_in_table(hash, field, value, keep_deadline)
    at = _find_packed(hash, field)
    if at != NULL:
        deadline_ms = _packed_deadline(hash, at)
        if _is_due(hash, deadline_ms):
            _delete_packed(hash, at)
            at = NULL
        elif deadline_ms and not keep_deadline:
            if not _rewrite(hash, at, value, 0):
                return HASH_REFUSED
            outcome = HASH_CHANGED
    if outcome != HASH_CHANGED:
        if at == NULL:
            if not _append(hash, field, value):
                return HASH_REFUSED
        else:
            at = listpack_next(_pack(hash), at)
            pack = listpack_replace(hash.heap, _pack(hash), &at, value)
            if unlikely(pack == NULL):
                return HASH_REFUSED
            _set_pack(hash, pack)
            outcome = HASH_CHANGED
    # Also where the limit was lowered meanwhile. Refused: it stays as it is, and the next field asks again.
    if unlikely(hash_stored(hash) > hash.max_packed_entries):
        _become_table(hash, 1)
    return outcome


cdef bint hash_delete(Hash* hash, Slice field) noexcept nogil:
    cdef uint64_t field_hash
    cdef TableSlot slot
    cdef uint8_t* at
    cdef bint live
    if hash.form == HASH_TABLE:
        field_hash = table_hash(&_table(hash).table, field)
        slot = table_find(&_table(hash).table, field, field_hash)
        if slot == NULL:
            return False
        live = not _is_due(hash, _table_deadline(_table(hash), <char*>slot[0]))
        _remove_field(hash.heap, _table(hash), slot, field_hash)
        return live
    at = _find_packed(hash, field)
    if at == NULL:
        return False
    live = not _is_due(hash, _packed_deadline(hash, at))
    _delete_packed(hash, at)
    return live


# ---- deadlines

cdef bint hash_deadline(const Hash* hash, Slice field, int64_t* deadline_ms_out) noexcept nogil:
    cdef int64_t deadline_ms
    cdef TableSlot slot
    cdef uint8_t* at
    if hash.form == HASH_TABLE:
        slot = table_find(&_table(hash).table, field, table_hash(&_table(hash).table, field))
        if slot == NULL:
            return False
        deadline_ms = _table_deadline(_table(hash), <char*>slot[0])
    else:
        at = _find_packed(hash, field)
        if at == NULL:
            return False
        deadline_ms = _packed_deadline(hash, at)
    deadline_ms_out[0] = deadline_ms if deadline_ms else -1
    return not _is_due(hash, deadline_ms)


cdef void hash_expect_deadlines(Hash* hash) noexcept nogil:
    cdef Listpack* old
    cdef Listpack* pack
    cdef Listpack* grown
    cdef HashPack* packed
    cdef uint8_t* at
    cdef char[INTEGER_TEXT_MAX] digits
    cdef bint is_value = False
    if hash.form != HASH_PACKED:
        return
    old = _pack(hash)
    pack = listpack_new(hash.heap)
    at = listpack_first(old)
    while at != NULL:
        grown = listpack_append(hash.heap, pack, listpack_text(at, digits))
        if grown != NULL and is_value:
            pack = grown
            grown = listpack_append(hash.heap, pack, slice_of(b"0", 1))
        if grown == NULL:
            listpack_free(hash.heap, pack)
            pack = NULL
            break
        pack = grown
        is_value = not is_value
        at = listpack_next(old, at)
    if pack == NULL:
        # A large one (see HEAP_SMALL_MAX) and no memory: small blocks are to be had always.
        _become_table(hash, 0)
        return
    packed = <HashPack*>heap_alloc(hash.heap, sizeof(HashPack))
    memset(packed, 0, sizeof(HashPack))
    packed.pack = pack
    listpack_free(hash.heap, old)
    hash.form = HASH_DEADLINES
    hash.pointer = packed


cdef bint hash_set_deadline(Hash* hash, Slice field, int64_t deadline_ms) noexcept nogil:
    cdef HashTable* table
    cdef TableSlot slot
    cdef char* old
    cdef char* made
    cdef uint32_t place
    cdef uint8_t* at
    cdef char[INTEGER_TEXT_MAX] scratch
    hash_expect_deadlines(hash)
    if hash.form == HASH_PACKED:
        return False
    if hash.form == HASH_DEADLINES:
        at = _find_packed(hash, field)
        if at == NULL:
            return False
        return _rewrite(hash, at, listpack_text(listpack_next(_pack(hash), at), scratch), deadline_ms)
    table = _table(hash)
    slot = table_find(&table.table, field, table_hash(&table.table, field))
    if slot == NULL:
        return False
    old = <char*>slot[0]
    if field_has_deadline(old):
        place = field_place(old)
        table.deadlines[place].deadline_ms = deadline_ms
        _sift(table, place)
        return True
    if not _deadlines_reserve(hash.heap, table):
        return False
    made = field_new(hash.heap, field, field_value(old), True)
    if made == NULL:
        return False
    table_replace(&table.table, slot, made)
    field_free(hash.heap, old)
    _deadline_add(table, made, deadline_ms)
    return True


cdef bint hash_clear_deadline(Hash* hash, Slice field) noexcept nogil:
    cdef HashTable* table
    cdef TableSlot slot
    cdef char* old
    cdef char* made
    cdef uint8_t* at
    cdef char[INTEGER_TEXT_MAX] scratch
    if hash.form == HASH_PACKED:
        return False
    if hash.form == HASH_DEADLINES:
        at = _find_packed(hash, field)
        if at == NULL or _packed_deadline(hash, at) == 0:
            return False
        return _rewrite(hash, at, listpack_text(listpack_next(_pack(hash), at), scratch), 0)
    table = _table(hash)
    slot = table_find(&table.table, field, table_hash(&table.table, field))
    if slot == NULL or not field_has_deadline(<char*>slot[0]):
        return False
    old = <char*>slot[0]
    made = field_new(hash.heap, field, field_value(old), False)
    if made == NULL:
        return False
    table_replace(&table.table, slot, made)
    _deadline_remove(hash.heap, table, field_place(old))
    field_free(hash.heap, old)
    return True


cdef int64_t hash_earliest_ms(int form, const void* pointer) noexcept nogil:
    cdef Hash hash
    cdef uint8_t* at
    cdef int64_t deadline_ms = 0
    if form == HASH_TABLE:
        if (<const HashTable*>pointer).deadline_count:
            deadline_ms = (<const HashTable*>pointer).deadlines[0].deadline_ms
    elif form == HASH_DEADLINES:
        hash.form = form
        hash.pointer = <void*>pointer
        at = listpack_first(_pack(&hash))
        if at != NULL:
            deadline_ms = _packed_deadline(&hash, at)
    return deadline_ms if deadline_ms else INT64_MAX


cdef void _visit_due_packed(const Hash* hash, uint64_t due, HashVisitor gone, void* context) noexcept nogil:
    cdef Listpack* pack = _pack(hash)
    cdef uint8_t* at = listpack_first(pack)
    cdef uint8_t* value_at
    cdef char[INTEGER_TEXT_MAX] name_digits
    cdef char[INTEGER_TEXT_MAX] value_digits
    while due:
        value_at = listpack_next(pack, at)
        gone(context, listpack_text(at, name_digits), listpack_text(value_at, value_digits))
        at = listpack_next(pack, listpack_next(pack, value_at))
        due -= 1


cdef uint64_t hash_take_due(Hash* hash, uint64_t budget, HashVisitor gone, void* context) noexcept nogil:
    cdef HashTable* table
    cdef uint64_t taken = 0
    cdef uint64_t field_hash
    cdef Slice name
    if hash.form == HASH_DEADLINES:
        taken = _due_packed(hash)
        if taken > budget:
            taken = budget
        if taken:
            if gone != NULL:
                _visit_due_packed(hash, taken, gone, context)
            _set_pack(hash, listpack_delete_range(hash.heap, _pack(hash), 0, taken * 3))
    elif hash.form == HASH_TABLE:
        table = _table(hash)
        while taken < budget and table.deadline_count and table.deadlines[0].deadline_ms < hash.now_ms:
            name = field_name(table.deadlines[0].field)
            if gone != NULL:
                gone(context, name, field_value(table.deadlines[0].field))
            field_hash = table_hash(&table.table, name)
            _remove_field(hash.heap, table, table_find(&table.table, name, field_hash), field_hash)
            taken += 1
    return taken


# ---- walking

cdef struct Walk:
    const Hash* hash
    HashVisitor visit
    void* context
    Random* random
    uint64_t wanted              # hash_sample: still to be chosen ...
    uint64_t left                # ... of so many that come


cdef bint _walk_field(void* context, void* visited) noexcept nogil:
    cdef Walk* walk = <Walk*>context
    cdef const char* field = <const char*>visited
    if unlikely(field_has_deadline(field)) and _is_due(walk.hash, _table_deadline(_table(walk.hash), field)):
        return True
    return walk.visit(walk.context, field_name(field), field_value(field))


cdef bint hash_each(const Hash* hash, HashVisitor visit, void* context) noexcept nogil:
    cdef Walk walk
    cdef Listpack* pack
    cdef uint8_t* at
    cdef uint8_t* value_at
    cdef char[INTEGER_TEXT_MAX] name_digits
    cdef char[INTEGER_TEXT_MAX] value_digits
    if hash.form == HASH_TABLE:
        walk.hash = hash
        walk.visit = visit
        walk.context = context
        return table_each(&_table(hash).table, _walk_field, &walk)
    pack = _pack(hash)
    at = listpack_first(pack)
    while at != NULL:
        value_at = listpack_next(pack, at)
        if not _is_due(hash, _packed_deadline(hash, at)):
            if not visit(context, listpack_text(at, name_digits), listpack_text(value_at, value_digits)):
                return False
        at = listpack_next(pack, value_at)
        if hash.form == HASH_DEADLINES:
            at = listpack_next(pack, at)
    return True


cdef uint64_t hash_scan(const Hash* hash, uint64_t cursor, HashVisitor visit, void* context) noexcept nogil:
    cdef Walk walk
    if hash.form != HASH_TABLE:
        hash_each(hash, visit, context)
        return 0
    walk.hash = hash
    walk.visit = visit
    walk.context = context
    return table_scan(&_table(hash).table, cursor, _walk_field, &walk)


cdef struct Nth:
    const Hash* hash
    uint64_t left
    const char* field


cdef bint _count_off(void* context, void* visited) noexcept nogil:
    cdef Nth* nth = <Nth*>context
    if _is_due(nth.hash, _table_deadline(_table(nth.hash), <const char*>visited)):
        return True
    if nth.left == 0:
        nth.field = <const char*>visited
        return False
    nth.left -= 1
    return True


cdef const char* _random_field(const Hash* hash, Random* random) noexcept nogil:
    """Of the table form; NULL when every field is due."""
    cdef HashTable* table = _table(hash)
    cdef Nth nth
    cdef const char* field
    cdef int tries
    for tries in range(RANDOM_TRIES):
        field = <const char*>table_random(&table.table, random)
        if field == NULL or not _is_due(hash, _table_deadline(table, field)):
            return field
    nth.hash = hash
    nth.left = hash_length(hash)
    nth.field = NULL
    if nth.left:
        nth.left = random_below(random, nth.left)
        table_each(&table.table, _count_off, &nth)
    return nth.field


cdef bint hash_random(const Hash* hash, Random* random, char* field_scratch, char* value_scratch,
                      Slice* field_out, Slice* value_out) noexcept nogil:
    cdef const char* field
    cdef uint64_t due, length
    cdef uint8_t* at
    if hash.form == HASH_TABLE:
        field = _random_field(hash, random)
        if field == NULL:
            return False
        field_out[0] = field_name(field)
        value_out[0] = field_value(field)
        return True
    due = _due_packed(hash)
    length = hash_stored(hash)
    if due == length:
        return False
    at = listpack_seek(_pack(hash), <int64_t>((due + random_below(random, length - due)) * _stride(hash)))
    field_out[0] = listpack_text(at, field_scratch)
    value_out[0] = listpack_text(listpack_next(_pack(hash), at), value_scratch)
    return True


cdef bint _choose(void* context, Slice field, Slice value) noexcept nogil:
    """Selection sampling: each that comes is taken with the chance wanted / left (Knuth, 3.4.2, algorithm S)."""
    cdef Walk* walk = <Walk*>context
    cdef bint take = random_below(walk.random, walk.left) < walk.wanted
    walk.left -= 1
    if take:
        walk.wanted -= 1
        if not walk.visit(walk.context, field, value):
            return False
    return walk.wanted != 0


cdef void hash_sample(const Hash* hash, Random* random, uint64_t count, HashVisitor visit, void* context) noexcept nogil:
    cdef uint64_t length = hash_length(hash)
    cdef uint64_t field_hash
    cdef Walk walk
    cdef Table chosen
    cdef const char* field
    cdef Slice name
    if count >= length:
        hash_each(hash, visit, context)
        return
    if count == 0:
        return
    # Few of many are drawn and remembered; otherwise one walk is cheaper than drawing what was drawn before.
    if hash.form != HASH_TABLE or count > length // 8:
        walk.visit = visit
        walk.context = context
        walk.random = random
        walk.wanted = count
        walk.left = length
        hash_each(hash, _choose, &walk)
        return
    table_init(&chosen, hash.heap, hash.hash_key, FIELD_KEY_OFFSET)
    while count:
        field = _random_field(hash, random)
        name = field_name(field)
        field_hash = table_hash(&chosen, name)
        if table_find(&chosen, name, field_hash) == NULL:
            table_insert(&chosen, <void*>field, field_hash)
            count -= 1
            if not visit(context, name, field_value(field)):
                break
    table_clear(&chosen)


# ---- verification

cdef inline void _require(bint holds, const char* what) noexcept nogil:
    if not holds:
        hutch_panic(what)


cdef bint _check_field(void* context, void* visited) noexcept nogil:
    cdef HashTable* table = <HashTable*>context
    cdef const char* field = <const char*>visited
    if field_has_deadline(field):
        _require(field_place(field) < table.deadline_count, b"hash: a field's place lies behind the heap")
        _require(table.deadlines[field_place(field)].field == field, b"hash: a field's place is another one's")
    return True


cdef void hash_check(const Hash* hash) noexcept nogil:
    cdef HashTable* table
    cdef Listpack* pack
    cdef uint8_t* at
    cdef int64_t deadline_ms
    cdef int64_t last = 0
    cdef bint without = False
    cdef uint64_t i
    if not HUTCH_CHECKS:
        return
    if hash.form == HASH_TABLE:
        table = _table(hash)
        table_check(&table.table)
        table_each(&table.table, _check_field, table)
        _require(table.deadline_count <= table_count(&table.table), b"hash: more deadlines than fields")
        for i in range(1, table.deadline_count):
            _require(table.deadlines[(i - 1) // CHILDREN].deadline_ms <= table.deadlines[i].deadline_ms,
                     b"hash: a deadline lies before its parent")
        for i in range(table.deadline_count):
            _require(field_has_deadline(table.deadlines[i].field) and field_place(table.deadlines[i].field) == i,
                     b"hash: a deadline's field does not know it")
        return
    pack = _pack(hash)
    _require(listpack_is_valid(pack, listpack_bytes(pack), True), b"hash: the listpack is damaged")
    _require(listpack_length(pack) % _stride(hash) == 0, b"hash: a field of the listpack is not whole")
    at = listpack_first(pack)
    while hash.form == HASH_DEADLINES and at != NULL:
        deadline_ms = _packed_deadline(hash, at)
        _require(deadline_ms >= 0 and not (without and deadline_ms), b"hash: a deadline behind a field without one")
        _require(deadline_ms == 0 or deadline_ms >= last, b"hash: deadlines out of order")
        without = deadline_ms == 0
        last = deadline_ms
        at = listpack_next(pack, listpack_next(pack, listpack_next(pack, at)))
