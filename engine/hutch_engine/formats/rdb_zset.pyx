"""See rdb_zset.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport SIZE_MAX, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_double
from hutch_engine.base.slice cimport Slice, slice_compare
from hutch_engine.formats.rdb cimport (
    RDB_LONG_ENTRIES, RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK, RDB_ZSET_ZIPLIST, RdbParts, pack_open, pack_slice, pack_take, rdb_read_byte,
    rdb_read_bytes, rdb_read_count, rdb_read_string, rdb_read_u64, rdb_write_byte, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.formats.rdb_old cimport pack_of_ziplist
from hutch_engine.keyspace.entry cimport TYPE_ZSET, Entry, Value, entry_encoding, value_of_pointer
from hutch_engine.keyspace.zset_type cimport ZSET_LISTPACK, zset_for_reading, zset_value
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.listpack cimport (
    Listpack, ListpackValue, listpack_first, listpack_get, listpack_next, listpack_text)
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_previous, sorted_set_to_pack)
from hutch_engine.structures.sorted_tree cimport (
    SortedTree, sorted_tree_find, sorted_tree_free, sorted_tree_gather, sorted_tree_new, sorted_tree_order,
    sorted_tree_reserve)
from hutch_engine.structures.table cimport table_hash

cdef enum:
    SCORE_NAN = 253              # lengths of an old sorted set's scores that are none
    SCORE_INFINITE = 254
    SCORE_MINUS_INFINITE = 255

cdef extern from "math.h" nogil:
    double INFINITY


cdef void _write_part(Buffer* out, const SortedSet* set, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    """Of the big form, from the highest rank down: what is left are the ranks below."""
    cdef SortedCursor cursor
    cdef uint64_t bits
    cdef bint more
    if not parts.begun:
        parts.begun = True
        parts.left = sorted_set_count(set)
        rdb_write_byte(out, RDB_ZSET_2)
        rdb_write_length(out, parts.left)
    more = parts.left != 0 and sorted_set_at(set, parts.left - 1, &cursor)
    while more and not out.failed and out.length < up_to:
        rdb_write_string(out, cursor.member, compress)
        memcpy(&bits, &cursor.score, sizeof(bits))
        rdb_write_u64(out, bits)
        parts.left -= 1
        more = sorted_set_previous(&cursor)
    parts.over = parts.left == 0


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef SortedSet set = zset_for_reading(entry)
    cdef RdbParts parts
    if set.pack != NULL:
        rdb_write_byte(out, RDB_ZSET_LISTPACK)
        rdb_write_string(out, pack_slice(set.pack), compress)
        return
    memset(&parts, 0, sizeof(parts))
    _write_part(out, &set, compress, &parts, SIZE_MAX)


cdef bint rdb_zset_is_long(const Entry* entry) noexcept nogil:
    cdef SortedSet set
    if entry_encoding(entry) == ZSET_LISTPACK:
        return False
    set = zset_for_reading(entry)
    return sorted_set_count(&set) >= RDB_LONG_ENTRIES


cdef void rdb_zset_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef SortedSet set = zset_for_reading(entry)
    _write_part(out, &set, compress, parts, up_to)


cdef bint _gather(RdbReader* reader, SortedTree* tree, Slice member, double score) noexcept nogil:
    """False also for a member that is there already."""
    cdef uint64_t hash = table_hash(&tree.members, member)
    if sorted_tree_find(tree, member, hash) != NULL:
        return False
    if sorted_tree_gather(tree, score, member, hash) == NULL:
        reader.refused = True
        return False
    return True


cdef bint _finish_tree(RdbReader* reader, const ValueMaker* maker, SortedTree* tree, bint whole, bint pack,
                       Value* value_out) noexcept nogil:
    cdef SortedSet set
    if not whole:
        sorted_tree_free(maker.heap, tree)
        return False
    sorted_tree_order(tree)
    set.heap = maker.heap
    set.hash_key = maker.hash_key
    set.pack = NULL
    set.tree = tree
    set.max_entries = maker.limits.zset_entries
    set.max_bytes = maker.limits.zset_value_bytes
    if pack:
        sorted_set_to_pack(&set)         # refused: it stays as it is
    value_out[0] = zset_value(&set)
    return True


cdef bint _read_old_score(RdbReader* reader, double* score_out) noexcept nogil:
    cdef uint8_t length
    cdef Slice text
    if not rdb_read_byte(reader, &length) or length == SCORE_NAN:
        return False
    if length >= SCORE_INFINITE:
        score_out[0] = -INFINITY if length == SCORE_MINUS_INFINITE else INFINITY
        return True
    return rdb_read_bytes(reader, length, &text) and parse_double(text, score_out)


cdef bint _read_score(RdbReader* reader, double* score_out) noexcept nogil:
    cdef uint64_t bits
    if not rdb_read_u64(reader, &bits):
        return False
    memcpy(score_out, &bits, sizeof(bits))
    return score_out[0] == score_out[0]


cdef bint _read_sorted_set(RdbReader* reader, const ValueMaker* maker, Buffer* storage, bint old,
                           Value* value_out) noexcept nogil:
    cdef SortedTree* tree
    cdef Slice member
    cdef uint64_t count, left
    cdef uint64_t longest = 0
    cdef double score
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    tree = sorted_tree_new(maker.heap, maker.hash_key)
    sorted_tree_reserve(tree, count)
    left = count
    while whole and left:
        whole = (rdb_read_string(reader, storage, &member)
                 and (_read_old_score(reader, &score) if old else _read_score(reader, &score))
                 and _gather(reader, tree, member, score))
        if member.length > longest:
            longest = member.length
        left -= 1
    return _finish_tree(reader, maker, tree, whole, count <= maker.limits.zset_entries
                        and longest <= maker.limits.zset_value_bytes, value_out)


cdef bint _pack_score(const uint8_t* at, double* score_out) noexcept nogil:
    cdef ListpackValue value = listpack_get(at)
    if value.bytes.data == NULL:
        score_out[0] = <double>value.integer
        return True
    return parse_double(value.bytes, score_out)          # which takes no NaN


cdef bint _is_in_order(const Listpack* pack) noexcept nogil:
    """By score, and by member where scores are the same."""
    cdef char[INTEGER_TEXT_MAX] digits, digits_before
    cdef uint8_t* at = listpack_first(pack)
    cdef uint8_t* before = NULL
    cdef uint8_t* score_at
    cdef double score
    cdef double score_before = 0
    while at != NULL:
        score_at = listpack_next(pack, at)
        if not _pack_score(score_at, &score):
            return False
        if before != NULL and (score < score_before or (score == score_before and slice_compare(
                listpack_text(before, digits_before), listpack_text(at, digits)) >= 0)):
            return False
        before = at
        score_before = score
        at = listpack_next(pack, score_at)
    return True


cdef bint _take_sorted_pack(RdbReader* reader, const ValueMaker* maker, Slice bytes, Value* value_out) noexcept nogil:
    cdef const Listpack* source = <const Listpack*>bytes.data
    cdef char[INTEGER_TEXT_MAX] digits
    cdef Listpack* pack
    cdef SortedTree* tree
    cdef uint8_t* at
    cdef uint8_t* score_at
    cdef uint64_t count
    cdef double score = 0
    cdef bint whole = True
    if not pack_open(reader, maker, bytes, 2, &count) or not _is_in_order(source):
        return False
    if count <= maker.limits.zset_entries:
        pack = pack_take(reader, maker.heap, bytes)
        if pack != NULL:
            value_out[0] = value_of_pointer(TYPE_ZSET, ZSET_LISTPACK, pack)
        return pack != NULL
    tree = sorted_tree_new(maker.heap, maker.hash_key)
    sorted_tree_reserve(tree, count)
    at = listpack_first(source)
    while whole and at != NULL:
        score_at = listpack_next(source, at)
        _pack_score(score_at, &score)
        whole = _gather(reader, tree, listpack_text(at, digits), score)
        at = listpack_next(source, score_at)
    return _finish_tree(reader, maker, tree, whole, False, value_out)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Buffer pack
    cdef Slice bytes
    cdef bint read
    if form == RDB_ZSET or form == RDB_ZSET_2:
        return _read_sorted_set(reader, maker, storage, form == RDB_ZSET, value_out)
    if not rdb_read_string(reader, storage, &bytes):
        return False
    if form == RDB_ZSET_LISTPACK:
        return _take_sorted_pack(reader, maker, bytes, value_out)
    buffer_init(&pack, NULL)
    read = pack_of_ziplist(reader, bytes, &pack) and _take_sorted_pack(reader, maker, buffer_slice(&pack), value_out)
    buffer_clear(&pack)
    return read


cdef void rdb_zset(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = (<uint64_t>1 << RDB_ZSET | <uint64_t>1 << RDB_ZSET_2 | <uint64_t>1 << RDB_ZSET_LISTPACK
                     | <uint64_t>1 << RDB_ZSET_ZIPLIST)
