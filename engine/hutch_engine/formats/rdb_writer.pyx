"""See rdb_writer.pxd.

Packed forms go out as they lie in memory. A quicklist is its nodes, each of a kind and a string; tables are a count and
their elements in the table's order; a sorted set's tree goes out from the highest score down, as Redis's skiplist does.
A hash with deadlines says the earliest first, and counts from there, one being the earliest itself and zero none.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.entry cimport (
    ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_LISTPACKEX, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry,
    entry_bytes, entry_encoding, entry_pointer, entry_type)
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_open_hash, zset_of
from hutch_engine.formats.rdb cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX, RDB_HASH_METADATA, RDB_LIST_QUICKLIST_2, RDB_NODE_PACKED,
    RDB_NODE_PLAIN, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM_3, RDB_STRING, RDB_ZSET_2, RDB_ZSET_LISTPACK,
    rdb_write_byte, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.formats.rdb_stream_writer cimport rdb_write_stream
from hutch_engine.structures.hash cimport (
    Hash, HashPack, hash_deadline, hash_each, hash_earliest_ms, hash_stored)
from hutch_engine.structures.intset cimport Intset, intset_bytes
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes
from hutch_engine.structures.quicklist cimport PlainNode, Quicklist, QuicklistItem
from hutch_engine.structures.set cimport Set, set_each, set_length, set_of
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_previous)
from hutch_engine.structures.stream cimport Stream


cdef struct Writing:             # what visitors need
    Buffer* out
    bint compress
    const Hash* hash
    int64_t earliest_ms          # INT64_MAX: no field has a deadline


cdef inline Slice _pack_slice(const void* pack) noexcept nogil:
    return slice_of(<const char*>pack, listpack_bytes(<const Listpack*>pack))


cdef void _write_list(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef Quicklist* list
    cdef const QuicklistItem* item
    cdef PlainNode* plain
    cdef size_t i
    rdb_write_byte(out, RDB_LIST_QUICKLIST_2)
    if entry_encoding(entry) == ENCODING_LISTPACK:       # a list of one node, there
        rdb_write_length(out, 1)
        rdb_write_length(out, RDB_NODE_PACKED)
        rdb_write_string(out, _pack_slice(entry_pointer(entry)), compress)
        return
    list = <Quicklist*>entry_pointer(entry)
    rdb_write_length(out, list.count)
    for i in range(list.count):
        item = &list.items[(list.first + i) & (list.capacity - 1)]
        if item.tagged & 1:
            plain = <PlainNode*>(item.tagged & ~<size_t>1)
            rdb_write_length(out, RDB_NODE_PLAIN)
            rdb_write_string(out, slice_of(<const char*>plain + sizeof(PlainNode), plain.length), compress)
        else:
            rdb_write_length(out, RDB_NODE_PACKED)
            rdb_write_string(out, _pack_slice(<const void*>item.tagged), compress)


cdef bint _write_member(void* context, Slice member) noexcept nogil:
    cdef Writing* writing = <Writing*>context
    rdb_write_string(writing.out, member, writing.compress)
    return not writing.out.failed


cdef void _write_set(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef void* pointer = entry_pointer(entry)
    cdef Set set = set_of(entry_encoding(entry), pointer)
    cdef Writing writing
    if entry_encoding(entry) == ENCODING_INTSET:
        rdb_write_byte(out, RDB_SET_INTSET)
        rdb_write_string(out, slice_of(<const char*>pointer, intset_bytes(<Intset*>pointer)), compress)
    elif entry_encoding(entry) == ENCODING_LISTPACK:
        rdb_write_byte(out, RDB_SET_LISTPACK)
        rdb_write_string(out, _pack_slice(pointer), compress)
    else:
        writing.out = out
        writing.compress = compress
        rdb_write_byte(out, RDB_SET)
        rdb_write_length(out, set_length(set))
        set_each(set, _write_member, &writing)


cdef void _write_sorted_set(Buffer* out, Keyspace* keyspace, const Entry* entry, bint compress) noexcept nogil:
    cdef SortedSet set = zset_of(keyspace, entry)
    cdef SortedCursor cursor
    cdef uint64_t count, bits
    cdef bint more
    if set.pack != NULL:
        rdb_write_byte(out, RDB_ZSET_LISTPACK)
        rdb_write_string(out, _pack_slice(set.pack), compress)
        return
    count = sorted_set_count(&set)
    rdb_write_byte(out, RDB_ZSET_2)
    rdb_write_length(out, count)
    more = sorted_set_at(&set, count - 1, &cursor)
    while more and not out.failed:
        rdb_write_string(out, cursor.member, compress)
        memcpy(&bits, &cursor.score, sizeof(bits))
        rdb_write_u64(out, bits)
        more = sorted_set_previous(&cursor)


cdef bint _write_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Writing* writing = <Writing*>context
    cdef int64_t deadline_ms
    if writing.earliest_ms != INT64_MAX:
        hash_deadline(writing.hash, field, &deadline_ms)
        rdb_write_length(writing.out, <uint64_t>(deadline_ms - writing.earliest_ms + 1) if deadline_ms > 0 else 0)
    rdb_write_string(writing.out, field, writing.compress)
    rdb_write_string(writing.out, value, writing.compress)
    return not writing.out.failed


cdef void _write_hash(Buffer* out, Keyspace* keyspace, const Entry* entry, bint compress) noexcept nogil:
    cdef Hash hash
    cdef Writing writing
    keyspace_open_hash(keyspace, entry, &hash)
    hash.now_ms = INT64_MIN              # as it lies there
    writing.earliest_ms = hash_earliest_ms(hash.form, hash.pointer)
    if entry_encoding(entry) == ENCODING_LISTPACK:
        rdb_write_byte(out, RDB_HASH_LISTPACK)
        rdb_write_string(out, _pack_slice(hash.pointer), compress)
        return
    if entry_encoding(entry) == ENCODING_LISTPACKEX:
        rdb_write_byte(out, RDB_HASH_LISTPACK_EX)
        rdb_write_u64(out, 0 if writing.earliest_ms == INT64_MAX else <uint64_t>writing.earliest_ms)
        rdb_write_string(out, _pack_slice((<HashPack*>hash.pointer).pack), compress)
        return
    writing.out = out
    writing.compress = compress
    writing.hash = &hash
    if writing.earliest_ms == INT64_MAX:
        rdb_write_byte(out, RDB_HASH)
    else:
        rdb_write_byte(out, RDB_HASH_METADATA)
        rdb_write_u64(out, <uint64_t>writing.earliest_ms)
    rdb_write_length(out, hash_stored(&hash))
    hash_each(&hash, _write_field, &writing)


cdef void rdb_write_value(Buffer* out, Keyspace* keyspace, const Entry* entry, bint compress) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    cdef uint8_t type = entry_type(entry)
    if type == TYPE_STRING:
        rdb_write_byte(out, RDB_STRING)
        rdb_write_string(out, entry_bytes(entry, digits), compress)
    elif type == TYPE_LIST:
        _write_list(out, entry, compress)
    elif type == TYPE_SET:
        _write_set(out, entry, compress)
    elif type == TYPE_ZSET:
        _write_sorted_set(out, keyspace, entry, compress)
    elif type == TYPE_HASH:
        _write_hash(out, keyspace, entry, compress)
    else:
        rdb_write_byte(out, RDB_STREAM_3)
        rdb_write_stream(out, <const Stream*>entry_pointer(entry), compress)
