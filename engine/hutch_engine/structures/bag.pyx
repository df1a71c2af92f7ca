"""See bag.pxd."""
from libc.stdint cimport uint64_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport HEAP_SMALL_MAX, Heap, heap_free, heap_try_alloc
from hutch_engine.base.outcome cimport EXISTS, NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.set cimport SetVisitor, set_member_bytes, set_member_write
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_clear, table_count, table_each, table_find, table_hash, table_init, table_insert,
    table_key, table_remove, table_reserve)

cdef enum:
    PIECE_BYTES = HEAP_SMALL_MAX
    EXPECTED_MAX = 1 << 16       # room made beforehand: more members are often the same ones


cdef void bag_init(Bag* bag, Heap* heap, const HashKey* hash_key, uint64_t expected) noexcept nogil:
    table_init(&bag.table, heap, hash_key, 0)
    if expected:
        table_reserve(&bag.table, expected if expected < EXPECTED_MAX else EXPECTED_MAX)
    bag.pieces = NULL
    bag.free = NULL
    bag.end = NULL


cdef void bag_clear(Bag* bag) noexcept nogil:
    cdef BagPiece* piece
    while bag.pieces != NULL:
        piece = bag.pieces
        bag.pieces = piece.next
        heap_free(bag.table.heap, piece, piece.bytes)
    table_clear(&bag.table)


cdef char* _room(Bag* bag, size_t bytes) noexcept nogil:
    """NULL when refused."""
    cdef BagPiece* piece
    cdef char* at
    cdef size_t size
    if <size_t>(bag.end - bag.free) < bytes:
        size = sizeof(BagPiece) + bytes
        if size < PIECE_BYTES:
            size = PIECE_BYTES
        piece = <BagPiece*>heap_try_alloc(bag.table.heap, size)
        if piece == NULL:
            return NULL
        piece.bytes = size
        piece.next = bag.pieces
        bag.pieces = piece
        bag.free = <char*>piece + sizeof(BagPiece)
        bag.end = <char*>piece + size
    at = bag.free
    bag.free += bytes
    return at


cdef Outcome bag_add(Bag* bag, Slice member, bint in_table) noexcept nogil:
    cdef uint64_t hash = table_hash(&bag.table, member)
    cdef size_t bytes = set_member_bytes(member.length)
    cdef char* entry
    if table_find(&bag.table, member, hash) != NULL:
        return EXISTS
    if in_table:
        entry = <char*>member.data - (bytes - member.length)
    else:
        entry = _room(bag, bytes)
        if unlikely(entry == NULL):
            return NO_MEMORY
        set_member_write(entry, member)
    table_insert(&bag.table, entry, hash)
    return OK


cdef bint bag_remove(Bag* bag, Slice member) noexcept nogil:
    cdef uint64_t hash = table_hash(&bag.table, member)
    cdef TableSlot slot = table_find(&bag.table, member, hash)
    if slot == NULL:
        return False
    table_remove(&bag.table, slot, hash)
    return True


cdef uint64_t bag_length(const Bag* bag) noexcept nogil:
    return table_count(&bag.table)


cdef struct Visiting:
    SetVisitor visit
    void* context
    const Table* table


cdef bint _visit(void* context, void* entry) noexcept nogil:
    cdef Visiting* visiting = <Visiting*>context
    return visiting.visit(visiting.context, table_key(visiting.table, entry))


cdef bint bag_each(Bag* bag, SetVisitor visit, void* context) noexcept nogil:
    cdef Visiting visiting
    visiting.visit = visit
    visiting.context = context
    visiting.table = &bag.table
    return table_each(&bag.table, _visit, &visiting)
