"""See list_type.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdio cimport snprintf
from hutch_engine.base.digest cimport Digest, digest_mix
from hutch_engine.base.memory cimport Heap, heap_block_bytes
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport DEBUG_DETAILS_MAX, ValueType
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes, listpack_copy, listpack_free
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistCursor, QuicklistItem, quicklist_copy, quicklist_free, quicklist_free_some, quicklist_is_plain,
    quicklist_length, quicklist_memory, quicklist_next, quicklist_pack, quicklist_plain, quicklist_seek, quicklist_text)


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    if encoding == LIST_LISTPACK:
        listpack_free(heap, <Listpack*>pointer)
    else:
        quicklist_free(heap, <Quicklist*>pointer)


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    if encoding == LIST_QUICKLIST:
        return quicklist_free_some(heap, <Quicklist*>pointer, steps)
    listpack_free(heap, <Listpack*>pointer)
    return False


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return 1 if encoding == LIST_LISTPACK else (<const Quicklist*>pointer).count


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    if encoding == LIST_LISTPACK:
        return listpack_copy(heap, <const Listpack*>pointer)
    return quicklist_copy(heap, <const Quicklist*>pointer)


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    if encoding == LIST_LISTPACK:
        return heap_block_bytes(listpack_bytes(<const Listpack*>pointer))
    return quicklist_memory(<const Quicklist*>pointer)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    cdef Quicklist view
    return <uint64_t>quicklist_length(list_for_reading(entry, &view))


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Quicklist view
    cdef QuicklistCursor cursor
    if quicklist_seek(list_for_reading(entry, &view), 0, &cursor):
        while True:
            digest_mix(digest, quicklist_text(&cursor, scratch))
            if not quicklist_next(&cursor):
                break


cdef size_t list_node_bytes(const QuicklistItem* item) noexcept nogil:
    if quicklist_is_plain(item):
        return quicklist_plain(item).length
    return listpack_bytes(quicklist_pack(item))


cdef long long list_fill_shown(const Quicklist* list) noexcept nogil:
    return max(-5, min(list.fill, 32767))


cdef void _details(const Entry* entry, char* out) noexcept nogil:
    cdef Quicklist* list
    cdef uint64_t bytes = 0
    cdef size_t i
    if entry_encoding(entry) != LIST_QUICKLIST:
        return
    list = <Quicklist*>entry_pointer(entry)
    for i in range(list.count):
        bytes += list_node_bytes(&list.items[(list.first + i) & (list.capacity - 1)])
    # Nodes are never compressed here, whatever list-compress-depth says.
    snprintf(out, DEBUG_DETAILS_MAX, b" ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:0 "
             b"ql_uncompressed_size:%llu", list.count, <double>quicklist_length(list) / <double>list.count,
             list_fill_shown(list), <unsigned long long>bytes)


cdef const Listpack* _listpack(uint8_t encoding, const void* pointer) noexcept nogil:
    return <const Listpack*>pointer if encoding == LIST_LISTPACK else NULL


cdef void list_type(ValueType* row) noexcept nogil:
    row.name = b"list"
    row.sizes_name = b"lists_items"
    row.encodings[LIST_LISTPACK].name = b"listpack"
    row.encodings[LIST_QUICKLIST].name = b"quicklist"
    row.digest_number = 1
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
    row.details = _details
    row.listpack = _listpack
