"""See zset_type.pxd."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from hutch_engine.base.digest cimport Digest, digest_clear, digest_mix, digest_slice, digest_xor
from hutch_engine.base.memory cimport Heap, heap_block_bytes
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double_short
from hutch_engine.base.slice cimport slice_of
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes, listpack_copy, listpack_free
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_next)
from hutch_engine.structures.sorted_tree cimport (
    SortedTree, sorted_tree_copy, sorted_tree_count, sorted_tree_free, sorted_tree_free_some, sorted_tree_memory)


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    if encoding == ZSET_LISTPACK:
        listpack_free(heap, <Listpack*>pointer)
    else:
        sorted_tree_free(heap, <SortedTree*>pointer)


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    if encoding == ZSET_SKIPLIST:
        return sorted_tree_free_some(heap, <SortedTree*>pointer, steps)
    listpack_free(heap, <Listpack*>pointer)
    return False


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return 1 if encoding == ZSET_LISTPACK else sorted_tree_count(<const SortedTree*>pointer)


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    if encoding == ZSET_LISTPACK:
        return listpack_copy(heap, <const Listpack*>pointer)
    return sorted_tree_copy(heap, <const SortedTree*>pointer)


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    if encoding == ZSET_LISTPACK:
        return heap_block_bytes(listpack_bytes(<const Listpack*>pointer))
    return sorted_tree_memory(<const SortedTree*>pointer)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    cdef SortedSet set = zset_for_reading(entry)
    return sorted_set_count(&set)


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef SortedSet set = zset_for_reading(entry)
    cdef SortedCursor cursor
    cdef Digest pair
    cdef char[DOUBLE_TEXT_MAX] text
    cdef bint more = sorted_set_at(&set, 0, &cursor)
    while more:
        digest_clear(&pair)
        digest_mix(&pair, cursor.member)
        digest_mix(&pair, slice_of(text, format_double_short(cursor.score, text)))
        digest_xor(digest, digest_slice(&pair))
        more = sorted_set_next(&cursor)


cdef const Listpack* _listpack(uint8_t encoding, const void* pointer) noexcept nogil:
    return <const Listpack*>pointer if encoding == ZSET_LISTPACK else NULL


cdef void zset_type(ValueType* row) noexcept nogil:
    cdef SortedTree any_block
    row.name = b"zset"
    row.sizes_name = b"zsets_items"
    row.encodings[ZSET_LISTPACK].name = b"listpack"
    row.encodings[ZSET_SKIPLIST].name = b"skiplist"      # as Redis has one there
    row.encodings[ZSET_SKIPLIST].table_offset = <int32_t>(<char*>&any_block.members - <char*>&any_block)
    row.digest_number = 3
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
    row.listpack = _listpack
