"""See set.pxd.

A table's members are blocks of exactly LEB128 length and bytes: no pointer to a value, no header. The heap rounds
sizes up to 8 bytes, so a member of 12 bytes takes 16, and 64/7 bytes of a full bucket. That is why there is SET_COMPACT.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer, parse_integer
from hutch_engine.base.outcome cimport EXISTS, NO_MEMORY, OK, Outcome
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.compact_set cimport (
    COMPACT_MEMBERS_MAX, CompactSet, compact_set_add, compact_set_check, compact_set_copy, compact_set_find,
    compact_set_free, compact_set_get, compact_set_has_room, compact_set_length, compact_set_new, compact_set_remove)
from hutch_engine.structures.intset cimport (
    Intset, intset_add, intset_bytes, intset_check, intset_contains, intset_copy, intset_free, intset_get, intset_length,
    intset_new, intset_random, intset_remove)
from hutch_engine.structures.listpack cimport (
    LISTPACK_SAFE_BYTES, Listpack, listpack_append, listpack_bytes, listpack_check, listpack_copy, listpack_delete,
    listpack_element_bytes, listpack_find, listpack_first, listpack_free, listpack_length, listpack_new,
    listpack_next, listpack_seek, listpack_text)
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_check, table_clear, table_count, table_drain, table_each, table_find, table_hash, table_init,
    table_insert, table_is_resizing, table_key, table_memory, table_random, table_random_ahead, table_remove, table_reserve,
    table_scan)

cdef enum:
    INTSET_ENTRIES_MAX = 1 << 30         # its count has 32 bits, its size too
    DRAW_FACTOR = 3                      # drawing with rejection pays up to a third of the members
    NOTE_DRAWS = 4                       # from a listpack: half its length each
    COMPACT_FIRST = 16                   # members, and bytes of members, of an empty compact set
    DRAWN_INDEXES = 16                   # remembered on the stack


# ---- members of a table

cdef inline void* _member_new(Heap* heap, Slice member) noexcept nogil:
    """NULL when refused."""
    cdef void* block = heap_try_alloc(heap, set_member_bytes(member.length))
    if likely(block != NULL):
        set_member_write(block, member)
    return block


cdef inline SetTable* _table_of(Set set) noexcept nogil:
    return <SetTable*>set.pointer


cdef inline Intset* _intset_of(Set set) noexcept nogil:
    return <Intset*>set.pointer


cdef inline Listpack* _listpack_of(Set set) noexcept nogil:
    return <Listpack*>set.pointer


cdef inline CompactSet* _compact_of(Set set) noexcept nogil:
    return <CompactSet*>set.pointer


# ---- life

cdef Set set_new(Heap* heap, const HashKey* hash_key, uint8_t form) noexcept nogil:
    cdef Set set
    set.form = form
    if form == SET_INTSET:
        set.pointer = intset_new(heap)
    elif form == SET_LISTPACK:
        set.pointer = listpack_new(heap)
    elif form == SET_COMPACT:
        set.pointer = compact_set_new(heap, COMPACT_FIRST, COMPACT_FIRST)
    else:
        set.pointer = heap_alloc(heap, sizeof(SetTable))
        _table_of(set).drained = 0
        table_init(&_table_of(set).table, heap, hash_key, 0)
    return set


cdef inline uint64_t _intset_limit(const SetLimits* limits) noexcept nogil:
    return limits.intset_entries if limits.intset_entries < INTSET_ENTRIES_MAX else INTSET_ENTRIES_MAX


cdef Set _hashed(Heap* heap, const HashKey* hash_key, uint64_t expected) noexcept nogil:
    """Empty, in what OBJECT ENCODING calls a hashtable."""
    cdef Set set
    if expected <= COMPACT_MEMBERS_MAX:
        return set_new(heap, hash_key, SET_COMPACT)
    set = set_new(heap, hash_key, SET_TABLE)
    table_reserve(&_table_of(set).table, expected)       # refused: it will grow by itself
    return set


cdef Set set_new_for(Heap* heap, const HashKey* hash_key, Slice first, uint64_t expected, const SetLimits* limits) noexcept nogil:
    # What is compared is the limit as it was set, not cut at INTSET_ENTRIES_MAX; and a first member that is too
    # long does not matter here: the listpack is left as soon as it comes. Both as in Redis.
    cdef int64_t number
    cdef Set set
    if expected <= limits.intset_entries and parse_integer(first, &number):
        return set_new(heap, hash_key, SET_INTSET)
    if expected <= limits.entries:
        return set_new(heap, hash_key, SET_LISTPACK)
    return _hashed(heap, hash_key, expected)


cdef bint _free_member(void* context, void* entry) noexcept nogil:
    cdef Table* table = <Table*>context
    heap_free(table.heap, entry, set_member_bytes(table_key(table, entry).length))
    return True


cdef void set_free(Heap* heap, Set set) noexcept nogil:
    cdef Table* table
    if set.form == SET_COMPACT:
        compact_set_free(heap, _compact_of(set))
    elif set.form == SET_INTSET:
        intset_free(heap, _intset_of(set))
    elif set.form == SET_LISTPACK:
        listpack_free(heap, _listpack_of(set))
    else:
        table = &_table_of(set).table
        table_each(table, _free_member, table)
        table_clear(table)
        heap_free(heap, set.pointer, sizeof(SetTable))


cdef bint set_free_some(Heap* heap, Set set, uint64_t steps) noexcept nogil:
    cdef SetTable* holder
    if set.form != SET_TABLE:
        set_free(heap, set)
        return False
    holder = _table_of(set)
    # A bucket chain holds four to seven members.
    if table_drain(&holder.table, &holder.drained, _free_member, &holder.table, steps // 4 + 1):
        return True
    table_clear(&holder.table)
    heap_free(heap, holder, sizeof(SetTable))
    return False


cdef struct Copying:
    Heap* heap
    Table* to


cdef bint _copy_member(void* context, void* entry) noexcept nogil:
    cdef Copying* copying = <Copying*>context
    cdef Slice member = table_key(copying.to, entry)
    cdef void* block = _member_new(copying.heap, member)
    if block == NULL:
        return False
    table_insert(copying.to, block, table_hash(copying.to, member))
    return True


cdef bint set_copy(Heap* heap, Set set, Set* copy_out) noexcept nogil:
    cdef Copying copying
    copy_out.form = set.form
    if set.form == SET_INTSET:
        copy_out.pointer = intset_copy(heap, _intset_of(set))
        return copy_out.pointer != NULL
    if set.form == SET_LISTPACK:
        copy_out.pointer = listpack_copy(heap, _listpack_of(set))
        return copy_out.pointer != NULL
    if set.form == SET_COMPACT:
        copy_out.pointer = compact_set_copy(heap, _compact_of(set))
        return copy_out.pointer != NULL
    copy_out[0] = set_new(heap, _table_of(set).table.hash_key, SET_TABLE)
    copying.heap = heap
    copying.to = &_table_of(copy_out[0]).table
    table_reserve(copying.to, set_length(set))
    if not table_each(&_table_of(set).table, _copy_member, &copying):
        set_free(heap, copy_out[0])
        return False
    return True


# ---- reading

cdef uint64_t set_length(Set set) noexcept nogil:
    if set.form == SET_TABLE:
        return table_count(&_table_of(set).table)
    if set.form == SET_INTSET:
        return intset_length(_intset_of(set))
    if set.form == SET_COMPACT:
        return compact_set_length(_compact_of(set))
    return listpack_length(_listpack_of(set))


cdef bint set_contains(Set set, Slice member) noexcept nogil:
    cdef Table* table
    cdef int64_t number
    if set.form == SET_TABLE:
        table = &_table_of(set).table
        return table_find(table, member, table_hash(table, member)) != NULL
    if set.form == SET_INTSET:
        return parse_integer(member, &number) and intset_contains(_intset_of(set), number)
    if set.form == SET_COMPACT:
        return compact_set_find(_compact_of(set), member) >= 0
    return listpack_find(_listpack_of(set), listpack_first(_listpack_of(set)), member, 0) != NULL


cdef struct Visiting:
    SetVisitor visit
    void* context
    const Table* table


cdef bint _visit_member(void* context, void* entry) noexcept nogil:
    cdef Visiting* visiting = <Visiting*>context
    return visiting.visit(visiting.context, table_key(visiting.table, entry))


cdef bint set_each(Set set, SetVisitor visit, void* context) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Visiting visiting
    cdef uint8_t* at
    cdef uint32_t i
    if set.form == SET_TABLE:
        visiting.visit = visit
        visiting.context = context
        visiting.table = &_table_of(set).table
        return table_each(&_table_of(set).table, _visit_member, &visiting)
    if set.form == SET_INTSET:
        for i in range(intset_length(_intset_of(set))):
            if not visit(context, slice_of(scratch, format_integer(intset_get(_intset_of(set), i), scratch))):
                return False
        return True
    if set.form == SET_COMPACT:
        for i in range(compact_set_length(_compact_of(set))):
            if not visit(context, compact_set_get(_compact_of(set), i)):
                return False
        return True
    at = listpack_first(_listpack_of(set))
    while at != NULL:
        if not visit(context, listpack_text(at, scratch)):
            return False
        at = listpack_next(_listpack_of(set), at)
    return True


cdef struct Whole:               # a visitor whose answer is to be ignored
    SetVisitor visit
    void* context


cdef bint _visit_whole(void* context, Slice member) noexcept nogil:
    (<Whole*>context).visit((<Whole*>context).context, member)
    return True


cdef uint64_t set_scan(Set set, uint64_t cursor, SetVisitor visit, void* context) noexcept nogil:
    cdef Visiting visiting
    cdef Whole whole
    if set.form == SET_TABLE:
        visiting.visit = visit
        visiting.context = context
        visiting.table = &_table_of(set).table
        return table_scan(&_table_of(set).table, cursor, _visit_member, &visiting)
    whole.visit = visit
    whole.context = context
    set_each(set, _visit_whole, &whole)
    return 0


cdef Slice set_random(Set set, Random* random, char* scratch) noexcept nogil:
    cdef Table* table
    if set.form == SET_TABLE:
        table = &_table_of(set).table
        return table_key(table, table_random(table, random))
    if set.form == SET_INTSET:
        return slice_of(scratch, format_integer(intset_random(_intset_of(set), random), scratch))
    if set.form == SET_COMPACT:
        return compact_set_get(_compact_of(set), <uint32_t>random_below(random, set_length(set)))
    return listpack_text(listpack_seek(_listpack_of(set), <int64_t>random_below(random, set_length(set))), scratch)


cdef void set_random_ahead(Set set, const Random* random) noexcept nogil:
    if set.form == SET_TABLE:
        table_random_ahead(&_table_of(set).table, random)


cdef struct Sampling:
    SetVisitor visit
    SetVisitor leave
    void* context
    Random* random
    uint64_t wanted
    uint64_t left


cdef bint _sample_member(void* context, Slice member) noexcept nogil:
    """Selection sampling (Knuth, The Art of Computer Programming 3.4.2, algorithm S)."""
    cdef Sampling* sampling = <Sampling*>context
    cdef bint chosen = sampling.wanted != 0 and random_below(sampling.random, sampling.left) < sampling.wanted
    sampling.left -= 1
    if chosen:
        sampling.wanted -= 1
        return sampling.visit(sampling.context, member)
    if sampling.leave != NULL:
        return sampling.leave(sampling.context, member)
    return True


cdef bint set_each_sampled(Set set, uint64_t count, Random* random, SetVisitor visit, SetVisitor leave, void* context) noexcept nogil:
    cdef Sampling sampling
    sampling.visit = visit
    sampling.leave = leave
    sampling.context = context
    sampling.random = random
    sampling.wanted = count
    sampling.left = set_length(set)
    return set_each(set, _sample_member, &sampling)


cdef inline Slice _indexed(Set set, uint32_t index, char* scratch) noexcept nogil:
    """Of an intset or a compact set."""
    if set.form == SET_COMPACT:
        return compact_set_get(_compact_of(set), index)
    return slice_of(scratch, format_integer(intset_get(_intset_of(set), index), scratch))


cdef bint _draw_indexed(Set set, uint64_t count, Random* random, SetVisitor visit, void* context) noexcept nogil:
    cdef uint64_t[DRAWN_INDEXES] drawn
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef uint64_t index, i
    cdef uint64_t length = set_length(set)
    cdef uint64_t found = 0
    while found < count:
        index = random_below(random, length)
        i = 0
        while i < found and drawn[i] != index:
            i += 1
        if i == found:
            drawn[found] = index
            found += 1
            if not visit(context, _indexed(set, <uint32_t>index, scratch)):
                return False
    return True


cdef bint set_draw(Heap* heap, Set set, uint64_t count, Random* random, SetVisitor visit, void* context) noexcept nogil:
    cdef Table* table
    cdef Table drawn                     # of borrowed entries
    cdef void* entry
    cdef Slice member
    cdef uint64_t hash
    cdef bint more = True
    if count > set_length(set) // DRAW_FACTOR or set.form == SET_LISTPACK or (
            set.form != SET_TABLE and count > DRAWN_INDEXES):
        return set_each_sampled(set, count, random, visit, NULL, context)
    if set.form != SET_TABLE:
        return _draw_indexed(set, count, random, visit, context)
    table = &_table_of(set).table
    table_init(&drawn, heap, table.hash_key, 0)
    while more and table_count(&drawn) < count:
        entry = table_random(table, random)
        member = table_key(table, entry)
        hash = table_hash(table, member)
        if table_find(&drawn, member, hash) == NULL:
            table_insert(&drawn, entry, hash)
            more = visit(context, member)
    table_clear(&drawn)
    return more


cdef bint set_draw_again(Heap* heap, Set set, uint64_t count, Random* random, SetVisitor visit, void* context) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef uint64_t length = set_length(set)
    cdef uint8_t** places = NULL
    cdef uint8_t* at
    cdef uint64_t i = 0
    cdef bint more = True
    # A listpack has no way to its n-th member but past all before it: for many draws the ways are noted down.
    if set.form == SET_LISTPACK and count > NOTE_DRAWS:
        places = <uint8_t**>heap_try_alloc(heap, length * sizeof(void*))
        at = listpack_first(_listpack_of(set))
        while places != NULL and at != NULL:
            places[i] = at
            i += 1
            at = listpack_next(_listpack_of(set), at)
    while more and count:
        if places != NULL:
            more = visit(context, listpack_text(places[random_below(random, length)], scratch))
        else:
            more = visit(context, set_random(set, random, scratch))
        count -= 1
    heap_free(heap, places, length * sizeof(void*))
    return more


# ---- changing form

cdef struct Converting:
    Heap* heap
    const HashKey* hash_key
    Set hashed
    Listpack* pack
    Intset* intset


cdef bint _to_hashed(void* context, Slice member) noexcept nogil:
    cdef Converting* converting = <Converting*>context
    return _add_hashed(converting.heap, converting.hash_key, &converting.hashed, member) != NO_MEMORY


cdef bint _to_listpack(void* context, Slice member) noexcept nogil:
    cdef Converting* converting = <Converting*>context
    cdef Listpack* grown = listpack_append(converting.heap, converting.pack, member)
    if grown == NULL:
        return False
    converting.pack = grown
    return True


cdef bint _to_intset(void* context, Slice member) noexcept nogil:
    cdef Converting* converting = <Converting*>context
    cdef int64_t number = 0
    cdef bint added
    cdef Intset* grown
    parse_integer(member, &number)
    grown = intset_add(converting.heap, converting.intset, number, &added)
    if grown == NULL:
        return False
    converting.intset = grown
    return True


cdef bint _convert_to(Heap* heap, const HashKey* hash_key, Set* set, Set empty) noexcept nogil:
    """Into a set in a hashed form; that is gone, and nothing changed (False), when memory was refused."""
    cdef Converting converting
    converting.heap = heap
    converting.hash_key = hash_key
    converting.hashed = empty
    if not set_each(set[0], _to_hashed, &converting):
        set_free(heap, converting.hashed)
        return False
    set_free(heap, set[0])
    set[0] = converting.hashed
    return True


cdef inline bint _convert_to_hashed(Heap* heap, const HashKey* hash_key, Set* set, uint64_t expected) noexcept nogil:
    return _convert_to(heap, hash_key, set, _hashed(heap, hash_key, expected))


cdef bint _convert_to_listpack(Heap* heap, Set* set) noexcept nogil:
    cdef Converting converting
    converting.heap = heap
    converting.pack = listpack_new(heap)
    if not set_each(set[0], _to_listpack, &converting):
        listpack_free(heap, converting.pack)
        return False
    set_free(heap, set[0])
    set.form = SET_LISTPACK
    set.pointer = converting.pack
    return True


cdef bint set_pack_integers(Heap* heap, Set* set, const SetLimits* limits) noexcept nogil:
    cdef Converting converting
    if set.form == SET_INTSET:
        return True
    if set_length(set[0]) > _intset_limit(limits):
        return False
    converting.heap = heap
    converting.intset = intset_new(heap)
    if not set_each(set[0], _to_intset, &converting):
        intset_free(heap, converting.intset)
        return False
    set_free(heap, set[0])
    set.form = SET_INTSET
    set.pointer = converting.intset
    return True


cdef bint set_expect(Heap* heap, const HashKey* hash_key, Set* set, uint64_t more, const SetLimits* limits) noexcept nogil:
    if (set.form == SET_LISTPACK and more > limits.entries) or (set.form == SET_INTSET and more > limits.intset_entries):
        return _convert_to_hashed(heap, hash_key, set, more)
    return True


# ---- adding and removing

cdef inline Outcome _add_to_table(Heap* heap, Set* set, Slice member) noexcept nogil:
    cdef Table* table = &_table_of(set[0]).table
    cdef uint64_t hash = table_hash(table, member)
    cdef void* block
    if table_find(table, member, hash) != NULL:
        return EXISTS
    block = _member_new(heap, member)
    if unlikely(block == NULL):
        return NO_MEMORY
    table_insert(table, block, hash)
    return OK


cdef Outcome _add_to_compact(Heap* heap, const HashKey* hash_key, Set* set, Slice member) noexcept nogil:
    cdef CompactSet* compact = _compact_of(set[0])
    cdef Set made
    if compact_set_find(compact, member) >= 0:
        return EXISTS
    if compact_set_has_room(compact, member.length):
        compact = compact_set_add(heap, compact, member)
        if compact == NULL:
            return NO_MEMORY
        set.pointer = compact
        return OK
    made = set_new(heap, hash_key, SET_TABLE)
    table_reserve(&_table_of(made).table, compact_set_length(compact) + 1)
    if not _convert_to(heap, hash_key, set, made):
        return NO_MEMORY
    return _add_to_table(heap, set, member)


cdef Outcome _add_hashed(Heap* heap, const HashKey* hash_key, Set* set, Slice member) noexcept nogil:
    if set.form == SET_TABLE:
        return _add_to_table(heap, set, member)
    return _add_to_compact(heap, hash_key, set, member)


cdef Outcome _add_to_listpack(Heap* heap, const HashKey* hash_key, Set* set, Slice member, const SetLimits* limits) noexcept nogil:
    cdef Listpack* pack = _listpack_of(set[0])
    cdef Listpack* grown
    if listpack_find(pack, listpack_first(pack), member, 0) != NULL:
        return EXISTS
    if (listpack_length(pack) < limits.entries and member.length <= limits.value_bytes
            and listpack_bytes(pack) + member.length <= LISTPACK_SAFE_BYTES):
        grown = listpack_append(heap, pack, member)
        if grown == NULL:
            return NO_MEMORY
        set.pointer = grown
        return OK
    if not _convert_to_hashed(heap, hash_key, set, listpack_length(pack) + 1):
        return NO_MEMORY
    return _add_hashed(heap, hash_key, set, member)



cdef bint _fits_listpack(Intset* intset, Slice member, const SetLimits* limits) noexcept nogil:
    """May these integers and this text share a listpack? Judged by the widest of the integers."""
    cdef uint32_t length = intset_length(intset)
    cdef char[INTEGER_TEXT_MAX] text
    cdef size_t first, last, digits
    if length >= limits.entries or member.length > limits.value_bytes:
        return False
    if length == 0:
        return True
    first = format_integer(intset_get(intset, 0), text)
    digits = first
    first = listpack_element_bytes(slice_of(text, first))
    last = format_integer(intset_get(intset, length - 1), text)
    if last > digits:
        digits = last
    last = listpack_element_bytes(slice_of(text, last))
    if last > first:
        first = last
    return digits <= limits.value_bytes and first * length + member.length <= LISTPACK_SAFE_BYTES


cdef Outcome _add_to_intset(Heap* heap, const HashKey* hash_key, Set* set, Slice member, const SetLimits* limits) noexcept nogil:
    cdef Intset* intset = _intset_of(set[0])
    cdef Intset* grown
    cdef int64_t number
    cdef bint added
    if parse_integer(member, &number):
        if intset_length(intset) >= _intset_limit(limits):
            # Full: it becomes a table with the new member, not before.
            if intset_contains(intset, number):
                return EXISTS
            if not _convert_to_hashed(heap, hash_key, set, intset_length(intset) + 1):
                return NO_MEMORY
            return _add_hashed(heap, hash_key, set, member)
        grown = intset_add(heap, intset, number, &added)
        if grown == NULL:
            return NO_MEMORY
        set.pointer = grown
        return OK if added else EXISTS
    if _fits_listpack(intset, member, limits):
        if not _convert_to_listpack(heap, set):
            return NO_MEMORY
        grown = listpack_append(heap, _listpack_of(set[0]), member)
        if grown == NULL:
            return NO_MEMORY
        set.pointer = grown
        return OK
    if not _convert_to_hashed(heap, hash_key, set, intset_length(intset) + 1):
        return NO_MEMORY
    return _add_hashed(heap, hash_key, set, member)


cdef Outcome set_add(Heap* heap, const HashKey* hash_key, Set* set, Slice member, const SetLimits* limits) noexcept nogil:
    if likely(set.form == SET_TABLE):
        return _add_to_table(heap, set, member)
    if set.form == SET_INTSET:
        return _add_to_intset(heap, hash_key, set, member, limits)
    if set.form == SET_COMPACT:
        return _add_to_compact(heap, hash_key, set, member)
    return _add_to_listpack(heap, hash_key, set, member, limits)


cdef bint set_remove(Heap* heap, Set* set, Slice member) noexcept nogil:
    cdef Table* table
    cdef TableSlot slot
    cdef void* entry
    cdef uint64_t hash
    cdef uint8_t* at
    cdef int64_t number
    cdef int32_t index
    cdef bint removed
    if set.form == SET_COMPACT:
        index = compact_set_find(_compact_of(set[0]), member)
        if index >= 0:
            set.pointer = compact_set_remove(heap, _compact_of(set[0]), <uint32_t>index)
        return index >= 0
    if set.form == SET_TABLE:
        table = &_table_of(set[0]).table
        hash = table_hash(table, member)
        slot = table_find(table, member, hash)
        if slot == NULL:
            return False
        entry = slot[0]
        table_remove(table, slot, hash)
        _free_member(table, entry)
        return True
    if set.form == SET_INTSET:
        if not parse_integer(member, &number):
            return False
        set.pointer = intset_remove(heap, _intset_of(set[0]), number, &removed)
        return removed
    at = listpack_find(_listpack_of(set[0]), listpack_first(_listpack_of(set[0])), member, 0)
    if at == NULL:
        return False
    set.pointer = listpack_delete(heap, _listpack_of(set[0]), at, NULL)
    return True


# ---- accounting

cdef uint64_t set_effort(Set set) noexcept nogil:
    return set_length(set) if set.form == SET_TABLE else 1


cdef struct Weighing:
    uint64_t bytes
    uint64_t seen
    uint64_t samples


cdef bint _weigh_member(void* context, Slice member) noexcept nogil:
    cdef Weighing* weighing = <Weighing*>context
    weighing.bytes += heap_block_bytes(set_member_bytes(member.length))
    weighing.seen += 1
    return weighing.seen != weighing.samples


cdef uint64_t set_memory(Set set, uint64_t samples) noexcept nogil:
    cdef Weighing weighing
    cdef uint64_t total, length
    if set.form == SET_INTSET:
        return heap_block_bytes(intset_bytes(_intset_of(set)))
    if set.form == SET_LISTPACK:
        return heap_block_bytes(listpack_bytes(_listpack_of(set)))
    if set.form == SET_COMPACT:
        return _compact_of(set).bytes
    total = heap_block_bytes(sizeof(SetTable)) + table_memory(&_table_of(set).table)
    length = set_length(set)
    if length:
        weighing.bytes = 0
        weighing.seen = 0
        weighing.samples = samples
        set_each(set, _weigh_member, &weighing)
        total += <uint64_t>(<double>weighing.bytes / <double>weighing.seen * <double>length)
    return total


cdef bint set_is_resizing(Set set) noexcept nogil:
    return set.form == SET_TABLE and table_is_resizing(&_table_of(set).table)


cdef void set_check(Set set) noexcept nogil:
    cdef Listpack* pack
    cdef uint8_t* at
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice text
    if not HUTCH_CHECKS:
        return
    if set.form == SET_TABLE:
        invariant(_table_of(set).table.key_offset == 0, b"a set's table reads its members elsewhere")
        table_check(&_table_of(set).table)
    elif set.form == SET_INTSET:
        intset_check(_intset_of(set))
    elif set.form == SET_COMPACT:
        compact_set_check(_compact_of(set))
    else:
        invariant(set.form == SET_LISTPACK, b"a set of no known form")
        pack = _listpack_of(set)
        listpack_check(pack)
        at = listpack_first(pack)
        while at != NULL:
            text = listpack_text(at, scratch)
            at = listpack_next(pack, at)
            invariant(at == NULL or listpack_find(pack, at, text, 0) == NULL, b"a member stands twice in a listpack")
