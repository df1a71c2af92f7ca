"""See rdb_list.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport SIZE_MAX, uint8_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport (
    RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2, RDB_LIST_ZIPLIST, RDB_LONG_NODES, RDB_NODE_PACKED, RDB_NODE_PLAIN, RdbParts,
    pack_slice, pack_take, rdb_read_count, rdb_read_length, rdb_read_string, rdb_write_byte, rdb_write_length, rdb_write_string)
from hutch_engine.formats.rdb_old cimport pack_of_ziplist
from hutch_engine.keyspace.entry cimport TYPE_LIST, Entry, Value, entry_encoding, entry_pointer, value_of_pointer
from hutch_engine.keyspace.list_type cimport LIST_LISTPACK, LIST_QUICKLIST
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.listpack cimport (
    LISTPACK_SAFE_BYTES, Listpack, listpack_first, listpack_free, listpack_is_valid, listpack_length, listpack_next,
    listpack_text)
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistItem, quicklist_append_pack, quicklist_append_plain, quicklist_free, quicklist_is_plain,
    quicklist_is_short, quicklist_pack, quicklist_plain_text, quicklist_new, quicklist_push, quicklist_take_pack)


cdef bint rdb_list_is_long(const Entry* entry) noexcept nogil:
    return (entry_encoding(entry) == LIST_QUICKLIST
            and (<const Quicklist*>entry_pointer(entry)).count >= RDB_LONG_NODES)


cdef void rdb_list_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef const Quicklist* list = <const Quicklist*>entry_pointer(entry)
    cdef const QuicklistItem* item
    if not parts.begun:
        parts.begun = True
        parts.left = list.count
        rdb_write_byte(out, RDB_LIST_QUICKLIST_2)
        rdb_write_length(out, list.count)
    while parts.left and not out.failed and out.length < up_to:
        item = &list.items[(list.first + list.count - parts.left) & (list.capacity - 1)]
        if quicklist_is_plain(item):
            rdb_write_length(out, RDB_NODE_PLAIN)
            rdb_write_string(out, quicklist_plain_text(item), compress)
        else:
            rdb_write_length(out, RDB_NODE_PACKED)
            rdb_write_string(out, pack_slice(quicklist_pack(item)), compress)
        parts.left -= 1
    parts.over = parts.left == 0


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef RdbParts parts
    if entry_encoding(entry) == LIST_LISTPACK:       # a list of one node, there
        rdb_write_byte(out, RDB_LIST_QUICKLIST_2)
        rdb_write_length(out, 1)
        rdb_write_length(out, RDB_NODE_PACKED)
        rdb_write_string(out, pack_slice(entry_pointer(entry)), compress)
        return
    memset(&parts, 0, sizeof(parts))
    rdb_list_part(out, entry, compress, &parts, SIZE_MAX)


cdef bint _finish_list(const ValueMaker* maker, Quicklist* list, bint whole, Value* value_out) noexcept nogil:
    """The list becomes the value if it was read to its end."""
    if not whole or list.count == 0:
        quicklist_free(maker.heap, list)
        return False
    if quicklist_is_short(list, maker.limits.list_size):
        value_out[0] = value_of_pointer(TYPE_LIST, LIST_LISTPACK, quicklist_take_pack(maker.heap, list))
    else:
        value_out[0] = value_of_pointer(TYPE_LIST, LIST_QUICKLIST, list)
    return True


cdef bint _add_elements(RdbReader* reader, const ValueMaker* maker, Quicklist* list, const Listpack* pack) noexcept nogil:
    cdef uint8_t* at = listpack_first(pack)
    cdef char[INTEGER_TEXT_MAX] digits
    while at != NULL:
        if not quicklist_push(maker.heap, list, listpack_text(at, digits), False):
            reader.refused = True
            return False
        at = listpack_next(pack, at)
    return True


cdef bint _read_list(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Quicklist* list
    cdef Slice text
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    list = quicklist_new(maker.heap, maker.limits.list_size)
    while whole and count:
        whole = rdb_read_string(reader, storage, &text)
        if whole and not quicklist_push(maker.heap, list, text, False):
            reader.refused = True
            whole = False
        count -= 1
    return _finish_list(maker, list, whole, value_out)


cdef bint _read_ziplist(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Buffer* pack,
                        Value* value_out) noexcept nogil:
    cdef Slice bytes
    cdef Quicklist* list
    if not rdb_read_string(reader, storage, &bytes) or not pack_of_ziplist(reader, bytes, pack):
        return False
    list = quicklist_new(maker.heap, maker.limits.list_size)
    return _finish_list(maker, list, _add_elements(reader, maker, list, <const Listpack*>pack.data), value_out)


cdef bint _add_node(RdbReader* reader, const ValueMaker* maker, Quicklist* list, uint64_t kind, Slice bytes) noexcept nogil:
    cdef Listpack* pack
    if kind == RDB_NODE_PLAIN:
        if quicklist_append_plain(maker.heap, list, bytes):
            return True
        reader.refused = True
        return False
    if bytes.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(<const uint8_t*>bytes.data, bytes.length, True):
        return False
    if listpack_length(<const Listpack*>bytes.data) == 0:
        return True                      # passed over, as in Redis
    pack = pack_take(reader, maker.heap, bytes)
    if pack == NULL:
        return False
    if not quicklist_append_pack(maker.heap, list, pack):
        listpack_free(maker.heap, pack)
        reader.refused = True
        return False
    return True


cdef bint _read_quicklist(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Buffer* pack, bint of_ziplists,
                          Value* value_out) noexcept nogil:
    cdef Quicklist* list
    cdef Slice bytes
    cdef uint64_t count
    cdef uint64_t kind = RDB_NODE_PACKED
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    list = quicklist_new(maker.heap, maker.limits.list_size)
    while whole and count:
        whole = ((of_ziplists or rdb_read_length(reader, &kind)) and kind in (RDB_NODE_PLAIN, RDB_NODE_PACKED)
                 and rdb_read_string(reader, storage, &bytes) and bytes.length > 0)
        if whole and of_ziplists:
            whole = pack_of_ziplist(reader, bytes, pack)
            bytes = buffer_slice(pack)
        whole = whole and _add_node(reader, maker, list, kind, bytes)
        count -= 1
    return _finish_list(maker, list, whole, value_out)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Buffer pack
    cdef bint read
    if form == RDB_LIST:
        return _read_list(reader, maker, storage, value_out)
    buffer_init(&pack, NULL)
    if form == RDB_LIST_ZIPLIST:
        read = _read_ziplist(reader, maker, storage, &pack, value_out)
    else:
        read = _read_quicklist(reader, maker, storage, &pack, form == RDB_LIST_QUICKLIST, value_out)
    buffer_clear(&pack)
    return read


cdef void rdb_list(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = (<uint64_t>1 << RDB_LIST | <uint64_t>1 << RDB_LIST_ZIPLIST | <uint64_t>1 << RDB_LIST_QUICKLIST
                     | <uint64_t>1 << RDB_LIST_QUICKLIST_2)
