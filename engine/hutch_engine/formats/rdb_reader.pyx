"""See rdb_reader.pxd."""
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.hash cimport hash_bytes
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer, parse_double
from hutch_engine.base.outcome cimport EXISTS, NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_compare, slice_of
from hutch_engine.keyspace.entry cimport (
    ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_SKIPLIST, ENCODING_STREAM, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM,
    TYPE_ZSET, Value, encoding_of_hash_form, value_of_bytes, value_of_pointer)
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.formats.rdb cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX, RDB_HASH_LISTPACK_EX_EARLY, RDB_HASH_METADATA,
    RDB_HASH_METADATA_EARLY, RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2,
    RDB_LIST_ZIPLIST, RDB_NODE_PACKED, RDB_NODE_PLAIN, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM,
    RDB_STREAM_2, RDB_STREAM_3, RDB_STRING, RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK, RDB_ZSET_ZIPLIST, RdbReader,
    pack_take, rdb_read_byte, rdb_read_bytes, rdb_read_count, rdb_read_length, rdb_read_string, rdb_read_u64)
from hutch_engine.formats.rdb_old cimport pack_of_ziplist, pack_of_zipmap
from hutch_engine.formats.rdb_stream_reader cimport rdb_read_stream
from hutch_engine.structures.hash cimport (
    HASH_ADDED, HASH_PACKED, HASH_REFUSED, Hash, HashPack, hash_expect_deadlines, hash_free, hash_new, hash_prepare,
    hash_set, hash_set_deadline)
from hutch_engine.structures.intset cimport (
    Intset, intset_copy, intset_get, intset_is_valid, intset_length)
from hutch_engine.structures.listpack cimport (
    LISTPACK_SAFE_BYTES, Listpack, ListpackValue, listpack_first, listpack_free, listpack_get, listpack_is,
    listpack_is_valid, listpack_length, listpack_next, listpack_text)
from hutch_engine.structures.quicklist cimport (
    Quicklist, quicklist_append_pack, quicklist_append_plain, quicklist_free, quicklist_is_short, quicklist_new,
    quicklist_push, quicklist_take_pack)
from hutch_engine.structures.set cimport (
    SET_INTSET, SET_LISTPACK, Set, SetLimits, set_add, set_free, set_new, set_new_for, set_of)
from hutch_engine.structures.sorted_set cimport SortedSet, sorted_set_to_pack
from hutch_engine.structures.sorted_tree cimport (
    SortedTree, sorted_tree_find, sorted_tree_free, sorted_tree_gather, sorted_tree_new, sorted_tree_order,
    sorted_tree_reserve)
from hutch_engine.structures.stream cimport Stream
from hutch_engine.structures.table cimport table_hash

cdef enum:
    SCORE_NAN = 253              # lengths of an old sorted set's scores that are none
    SCORE_INFINITE = 254
    SCORE_MINUS_INFINITE = 255
    DEADLINE_MAX_MS = 0xFFFFFFFFFFFF     # of a field

cdef extern from "math.h" nogil:
    double INFINITY


# ---- packed forms

cdef bint _is_unique(RdbReader* reader, Keyspace* keyspace, const Listpack* pack, uint64_t count, int stride) noexcept nogil:
    """Is each of the `count` names, of which every one is followed by stride - 1 other elements, there once?"""
    cdef uint64_t slots = 8
    cdef uint64_t slot
    cdef uint32_t* seen                  # where a name begins, 0: free
    cdef char[INTEGER_TEXT_MAX] digits
    cdef uint8_t* at = listpack_first(pack)
    cdef Slice text
    cdef bint unique = True
    cdef int i
    while slots < 2 * count:
        slots *= 2
    seen = <uint32_t*>calloc(slots, sizeof(uint32_t))
    if seen == NULL:
        reader.refused = True
        return False
    while at != NULL and unique:
        text = listpack_text(at, digits)
        slot = hash_bytes(&keyspace.hash_key, text.data, text.length) & (slots - 1)
        while seen[slot]:
            if listpack_is(pack + seen[slot], text):
                unique = False
                break
            slot = (slot + 1) & (slots - 1)
        seen[slot] = <uint32_t>(at - pack)
        for i in range(stride):
            at = listpack_next(pack, at)
    free(seen)
    return unique


cdef bint _open_pack(RdbReader* reader, Keyspace* keyspace, Slice bytes, int stride, uint64_t* count_out) noexcept nogil:
    """Are these bytes a listpack of tuples, at least one, none of them twice?"""
    cdef const Listpack* pack = <const Listpack*>bytes.data
    cdef uint64_t length
    if bytes.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(pack, bytes.length, True):
        return False
    length = listpack_length(pack)
    count_out[0] = length // stride
    return length > 0 and length % stride == 0 and _is_unique(reader, keyspace, pack, count_out[0], stride)


# ---- lists

cdef bint _finish_list(Keyspace* keyspace, Quicklist* list, bint whole, Value* value_out) noexcept nogil:
    """The list becomes the value if it was read to its end."""
    if not whole or list.count == 0:
        quicklist_free(keyspace.heap, list)
        return False
    if quicklist_is_short(list, keyspace.limits.list_size):
        value_out[0] = value_of_pointer(TYPE_LIST, ENCODING_LISTPACK, quicklist_take_pack(keyspace.heap, list))
    else:
        value_out[0] = value_of_pointer(TYPE_LIST, ENCODING_QUICKLIST, list)
    return True


cdef bint _add_elements(RdbReader* reader, Keyspace* keyspace, Quicklist* list, const Listpack* pack) noexcept nogil:
    cdef uint8_t* at = listpack_first(pack)
    cdef char[INTEGER_TEXT_MAX] digits
    while at != NULL:
        if not quicklist_push(keyspace.heap, list, listpack_text(at, digits), False):
            reader.refused = True
            return False
        at = listpack_next(pack, at)
    return True


cdef bint _read_list(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Quicklist* list
    cdef Slice text
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    list = quicklist_new(keyspace.heap, keyspace.limits.list_size)
    while whole and count:
        whole = rdb_read_string(reader, storage, &text)
        if whole and not quicklist_push(keyspace.heap, list, text, False):
            reader.refused = True
            whole = False
        count -= 1
    return _finish_list(keyspace, list, whole, value_out)


cdef bint _read_ziplist(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Buffer* pack, Value* value_out) noexcept nogil:
    cdef Slice bytes
    cdef Quicklist* list
    if not rdb_read_string(reader, storage, &bytes) or not pack_of_ziplist(reader, bytes, pack):
        return False
    list = quicklist_new(keyspace.heap, keyspace.limits.list_size)
    return _finish_list(keyspace, list, _add_elements(reader, keyspace, list, <const Listpack*>pack.data), value_out)


cdef bint _add_node(RdbReader* reader, Keyspace* keyspace, Quicklist* list, uint64_t kind, Slice bytes) noexcept nogil:
    cdef Listpack* pack
    if kind == RDB_NODE_PLAIN:
        if quicklist_append_plain(keyspace.heap, list, bytes):
            return True
        reader.refused = True
        return False
    if bytes.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(<const uint8_t*>bytes.data, bytes.length, True):
        return False
    if listpack_length(<const Listpack*>bytes.data) == 0:
        return True                      # passed over, as in Redis
    pack = pack_take(reader, keyspace.heap, bytes)
    if pack == NULL:
        return False
    if not quicklist_append_pack(keyspace.heap, list, pack):
        listpack_free(keyspace.heap, pack)
        reader.refused = True
        return False
    return True


cdef bint _read_quicklist(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Buffer* pack, bint of_ziplists,
                          Value* value_out) noexcept nogil:
    cdef Quicklist* list
    cdef Slice bytes
    cdef uint64_t count
    cdef uint64_t kind = RDB_NODE_PACKED
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    list = quicklist_new(keyspace.heap, keyspace.limits.list_size)
    while whole and count:
        whole = ((of_ziplists or rdb_read_length(reader, &kind)) and kind in (RDB_NODE_PLAIN, RDB_NODE_PACKED)
                 and rdb_read_string(reader, storage, &bytes) and bytes.length > 0)
        if whole and of_ziplists:
            whole = pack_of_ziplist(reader, bytes, pack)
            bytes = buffer_slice(pack)
        whole = whole and _add_node(reader, keyspace, list, kind, bytes)
        count -= 1
    return _finish_list(keyspace, list, whole, value_out)


# ---- sets

cdef SetLimits _set_limits(Keyspace* keyspace) noexcept nogil:
    cdef SetLimits limits
    limits.intset_entries = keyspace.limits.set_intset_entries
    limits.entries = keyspace.limits.set_entries
    limits.value_bytes = keyspace.limits.set_value_bytes
    return limits


cdef Set _hashed_set(Keyspace* keyspace, uint64_t expected) noexcept nogil:
    """Empty, in a form that is called hashtable."""
    cdef SetLimits none
    none.intset_entries = 0
    none.entries = 0
    none.value_bytes = 0
    return set_new_for(keyspace.heap, &keyspace.hash_key, slice_of(b"", 0), expected if expected else 1, &none)


cdef bint _add_member(RdbReader* reader, Keyspace* keyspace, Set* set, Slice member, const SetLimits* limits) noexcept nogil:
    cdef Outcome outcome = set_add(keyspace.heap, &keyspace.hash_key, set, member, limits)
    reader.refused = outcome == NO_MEMORY
    return outcome == OK


cdef bint _finish_set(Keyspace* keyspace, Set set, bint whole, Value* value_out) noexcept nogil:
    if not whole:
        set_free(keyspace.heap, set)
        return False
    value_out[0] = value_of_pointer(TYPE_SET, set.form, set.pointer)
    return True


cdef bint _read_set(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(keyspace)
    cdef Set set
    cdef Slice member
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    # Few enough to be an intset: one, until a member says otherwise. That is how Redis reads them.
    if count <= limits.intset_entries:
        set = set_new(keyspace.heap, &keyspace.hash_key, SET_INTSET)
    else:
        set = _hashed_set(keyspace, count)
    while whole and count:
        whole = (rdb_read_string(reader, storage, &member)
                 and _add_member(reader, keyspace, &set, member, &limits))
        count -= 1
    return _finish_set(keyspace, set, whole, value_out)


cdef bint _read_intset(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(keyspace)
    cdef char[INTEGER_TEXT_MAX] digits
    cdef Slice bytes
    cdef Set set
    cdef const Intset* source
    cdef uint32_t length, i
    cdef bint whole = True
    if not rdb_read_string(reader, storage, &bytes):
        return False
    source = <const Intset*>bytes.data
    if not intset_is_valid(source, bytes.length, True):
        return False
    length = intset_length(source)
    if length == 0:
        return False
    if length <= limits.intset_entries:
        set = set_of(SET_INTSET, intset_copy(keyspace.heap, source))
        if set.pointer == NULL:
            reader.refused = True
            return False
        return _finish_set(keyspace, set, True, value_out)
    set = _hashed_set(keyspace, length)
    for i in range(length):
        whole = _add_member(reader, keyspace, &set, slice_of(digits, format_integer(intset_get(source, i), digits)), &limits)
        if not whole:
            break
    return _finish_set(keyspace, set, whole, value_out)


cdef bint _read_set_pack(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(keyspace)
    cdef char[INTEGER_TEXT_MAX] digits
    cdef Slice bytes
    cdef Set set
    cdef uint8_t* at
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_string(reader, storage, &bytes) or not _open_pack(reader, keyspace, bytes, 1, &count):
        return False
    if count <= limits.entries:
        set = set_of(SET_LISTPACK, pack_take(reader, keyspace.heap, bytes))
        return set.pointer != NULL and _finish_set(keyspace, set, True, value_out)
    set = _hashed_set(keyspace, count)
    at = listpack_first(<const Listpack*>bytes.data)
    while whole and at != NULL:
        whole = _add_member(reader, keyspace, &set, listpack_text(at, digits), &limits)
        at = listpack_next(<const Listpack*>bytes.data, at)
    return _finish_set(keyspace, set, whole, value_out)


# ---- sorted sets

cdef bint _gather(RdbReader* reader, SortedTree* tree, Slice member, double score) noexcept nogil:
    """False also for a member that is there already."""
    cdef uint64_t hash = table_hash(&tree.members, member)
    if sorted_tree_find(tree, member, hash) != NULL:
        return False
    if sorted_tree_gather(tree, score, member, hash) == NULL:
        reader.refused = True
        return False
    return True


cdef bint _finish_tree(RdbReader* reader, Keyspace* keyspace, SortedTree* tree, bint whole, bint pack, Value* value_out) noexcept nogil:
    cdef SortedSet set
    if not whole:
        sorted_tree_free(keyspace.heap, tree)
        return False
    sorted_tree_order(tree)
    set.heap = keyspace.heap
    set.hash_key = &keyspace.hash_key
    set.pack = NULL
    set.tree = tree
    set.max_entries = keyspace.limits.zset_entries
    set.max_bytes = keyspace.limits.zset_value_bytes
    if pack and sorted_set_to_pack(&set):            # refused: it stays as it is
        value_out[0] = value_of_pointer(TYPE_ZSET, ENCODING_LISTPACK, set.pack)
    else:
        value_out[0] = value_of_pointer(TYPE_ZSET, ENCODING_SKIPLIST, set.tree)
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


cdef bint _read_sorted_set(RdbReader* reader, Keyspace* keyspace, Buffer* storage, bint old, Value* value_out) noexcept nogil:
    cdef SortedTree* tree
    cdef Slice member
    cdef uint64_t count, left
    cdef uint64_t longest = 0
    cdef double score
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    tree = sorted_tree_new(keyspace.heap, &keyspace.hash_key)
    sorted_tree_reserve(tree, count)
    left = count
    while whole and left:
        whole = (rdb_read_string(reader, storage, &member)
                 and (_read_old_score(reader, &score) if old else _read_score(reader, &score))
                 and _gather(reader, tree, member, score))
        if member.length > longest:
            longest = member.length
        left -= 1
    return _finish_tree(reader, keyspace, tree, whole, count <= keyspace.limits.zset_entries
                        and longest <= keyspace.limits.zset_value_bytes, value_out)


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


cdef bint _take_sorted_pack(RdbReader* reader, Keyspace* keyspace, Slice bytes, Value* value_out) noexcept nogil:
    cdef const Listpack* source = <const Listpack*>bytes.data
    cdef char[INTEGER_TEXT_MAX] digits
    cdef Listpack* pack
    cdef SortedTree* tree
    cdef uint8_t* at
    cdef uint8_t* score_at
    cdef uint64_t count
    cdef double score = 0
    cdef bint whole = True
    if not _open_pack(reader, keyspace, bytes, 2, &count) or not _is_in_order(source):
        return False
    if count <= keyspace.limits.zset_entries:
        pack = pack_take(reader, keyspace.heap, bytes)
        if pack != NULL:
            value_out[0] = value_of_pointer(TYPE_ZSET, ENCODING_LISTPACK, pack)
        return pack != NULL
    tree = sorted_tree_new(keyspace.heap, &keyspace.hash_key)
    sorted_tree_reserve(tree, count)
    at = listpack_first(source)
    while whole and at != NULL:
        score_at = listpack_next(source, at)
        _pack_score(score_at, &score)
        whole = _gather(reader, tree, listpack_text(at, digits), score)
        at = listpack_next(source, score_at)
    return _finish_tree(reader, keyspace, tree, whole, False, value_out)


# ---- hashes

cdef void _new_hash(Keyspace* keyspace, bint with_deadlines, Hash* hash_out) noexcept nogil:
    hash_out.form = HASH_PACKED
    hash_out.pointer = hash_new(keyspace.heap)
    hash_out.heap = keyspace.heap
    hash_out.hash_key = &keyspace.hash_key
    hash_out.now_ms = INT64_MIN          # what is due is read like all the rest, and expires then
    hash_out.max_packed_entries = keyspace.limits.hash_entries
    hash_out.max_packed_bytes = keyspace.limits.hash_value_bytes
    if with_deadlines:
        hash_expect_deadlines(hash_out)


cdef inline void _expect_fields(Hash* hash, uint64_t count) noexcept nogil:
    """A table from the start, if so many do not fit a listpack."""
    if count > hash.max_packed_entries:
        hash_prepare(hash, NULL, 2 * count)


cdef bint _finish_hash(const Hash* hash, bint whole, Value* value_out) noexcept nogil:
    if not whole:
        hash_free(hash.heap, hash.form, hash.pointer)
        return False
    value_out[0] = value_of_pointer(TYPE_HASH, encoding_of_hash_form(hash.form), hash.pointer)
    return True


cdef bint _read_earliest(RdbReader* reader, uint64_t* earliest_ms_out) noexcept nogil:
    return rdb_read_u64(reader, earliest_ms_out) and earliest_ms_out[0] <= DEADLINE_MAX_MS + 1


cdef bint _add_field(RdbReader* reader, Hash* hash, Slice field, Slice value, uint64_t deadline_ms) noexcept nogil:
    cdef int outcome = hash_set(hash, field, value, False)
    if outcome == HASH_ADDED and deadline_ms and not hash_set_deadline(hash, field, <int64_t>deadline_ms):
        outcome = HASH_REFUSED
    reader.refused = outcome == HASH_REFUSED
    return outcome == HASH_ADDED         # HASH_CHANGED: it was there


cdef bint _read_hash(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Buffer* value_storage, int type,
                     Value* value_out) noexcept nogil:
    cdef Hash hash
    cdef Slice field, value
    cdef uint64_t count
    cdef uint64_t earliest_ms = 1        # so that the early form's deadlines, which are absolute, are themselves
    cdef uint64_t deadline_ms = 0
    cdef bint whole = True
    if ((type == RDB_HASH_METADATA and not _read_earliest(reader, &earliest_ms)) or not rdb_read_count(reader, &count)
            or count > <uint64_t>(reader.end - reader.at) // 2):
        return False
    _new_hash(keyspace, type != RDB_HASH, &hash)
    _expect_fields(&hash, count)
    while whole and count:
        if type != RDB_HASH:
            whole = rdb_read_length(reader, &deadline_ms) and deadline_ms <= DEADLINE_MAX_MS + 1
            if whole and deadline_ms:
                deadline_ms += earliest_ms - 1
                whole = 0 < deadline_ms <= DEADLINE_MAX_MS
        whole = (whole and rdb_read_string(reader, storage, &field) and rdb_read_string(reader, value_storage, &value)
                 and _add_field(reader, &hash, field, value, deadline_ms))
        count -= 1
    return _finish_hash(&hash, whole, value_out)


cdef bint _deadlines_are_in_order(const Listpack* pack) noexcept nogil:
    """The earliest first, and the fields without one last."""
    cdef uint8_t* at = listpack_first(pack)
    cdef ListpackValue deadline
    cdef int64_t before = 0
    cdef bint without = False
    while at != NULL:
        at = listpack_next(pack, listpack_next(pack, at))
        deadline = listpack_get(at)
        if deadline.bytes.data != NULL or deadline.integer < 0 or deadline.integer > DEADLINE_MAX_MS:
            return False
        if deadline.integer == 0:
            without = True
        elif without or deadline.integer < before:
            return False
        before = deadline.integer
        at = listpack_next(pack, at)
    return True


cdef bint _take_hash_pack(RdbReader* reader, Keyspace* keyspace, Slice bytes, bint with_deadlines, bint as_table,
                          Value* value_out) noexcept nogil:
    cdef Hash hash
    cdef Listpack* pack
    cdef uint64_t count
    if not _open_pack(reader, keyspace, bytes, 3 if with_deadlines else 2, &count):
        return False
    if with_deadlines and not _deadlines_are_in_order(<const Listpack*>bytes.data):
        return False
    pack = pack_take(reader, keyspace.heap, bytes)
    if pack == NULL:
        return False
    _new_hash(keyspace, with_deadlines, &hash)
    if with_deadlines:
        listpack_free(keyspace.heap, (<HashPack*>hash.pointer).pack)
        (<HashPack*>hash.pointer).pack = pack
    else:
        listpack_free(keyspace.heap, <Listpack*>hash.pointer)
        hash.pointer = pack
    _expect_fields(&hash, hash.max_packed_entries + 1 if as_table else count)
    return _finish_hash(&hash, True, value_out)


cdef bint _read_zipmap(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Buffer* pack, Value* value_out) noexcept nogil:
    cdef Slice bytes
    cdef size_t longest
    return (rdb_read_string(reader, storage, &bytes) and pack_of_zipmap(reader, bytes, pack, &longest)
            and _take_hash_pack(reader, keyspace, buffer_slice(pack), False, longest > keyspace.limits.hash_value_bytes,
                                value_out))


# ---- all of them

cdef bint _read_whole(RdbReader* reader, Keyspace* keyspace, int type, Buffer* storage, Buffer* second, Value* value_out) noexcept nogil:
    """What lies in one string, or in two."""
    cdef uint64_t earliest_ms
    cdef Slice bytes
    if type == RDB_HASH_LISTPACK_EX and not _read_earliest(reader, &earliest_ms):
        return False
    if not rdb_read_string(reader, storage, &bytes):
        return False
    if type == RDB_STRING:
        value_out[0] = value_of_bytes(bytes)
        return True
    if type == RDB_ZSET_LISTPACK:
        return _take_sorted_pack(reader, keyspace, bytes, value_out)
    if type == RDB_HASH_LISTPACK:
        return _take_hash_pack(reader, keyspace, bytes, False, False, value_out)
    if type == RDB_HASH_LISTPACK_EX or type == RDB_HASH_LISTPACK_EX_EARLY:
        return _take_hash_pack(reader, keyspace, bytes, True, False, value_out)
    if not pack_of_ziplist(reader, bytes, second):
        return False
    if type == RDB_ZSET_ZIPLIST:
        return _take_sorted_pack(reader, keyspace, buffer_slice(second), value_out)
    return type == RDB_HASH_ZIPLIST and _take_hash_pack(reader, keyspace, buffer_slice(second), False, False, value_out)


cdef bint _read_type(RdbReader* reader, Keyspace* keyspace, int type, Buffer* storage, Buffer* second, Value* value_out) noexcept nogil:
    cdef Stream* stream
    if type == RDB_LIST:
        return _read_list(reader, keyspace, storage, value_out)
    if type == RDB_LIST_ZIPLIST:
        return _read_ziplist(reader, keyspace, storage, second, value_out)
    if type == RDB_LIST_QUICKLIST or type == RDB_LIST_QUICKLIST_2:
        return _read_quicklist(reader, keyspace, storage, second, type == RDB_LIST_QUICKLIST, value_out)
    if type == RDB_SET:
        return _read_set(reader, keyspace, storage, value_out)
    if type == RDB_SET_INTSET:
        return _read_intset(reader, keyspace, storage, value_out)
    if type == RDB_SET_LISTPACK:
        return _read_set_pack(reader, keyspace, storage, value_out)
    if type == RDB_ZSET or type == RDB_ZSET_2:
        return _read_sorted_set(reader, keyspace, storage, type == RDB_ZSET, value_out)
    if type == RDB_HASH or type == RDB_HASH_METADATA or type == RDB_HASH_METADATA_EARLY:
        return _read_hash(reader, keyspace, storage, second, type, value_out)
    if type == RDB_HASH_ZIPMAP:
        return _read_zipmap(reader, keyspace, storage, second, value_out)
    if type == RDB_STREAM or type == RDB_STREAM_2 or type == RDB_STREAM_3:
        stream = rdb_read_stream(reader, keyspace, storage, type)
        if stream != NULL:
            value_out[0] = value_of_pointer(TYPE_STREAM, ENCODING_STREAM, stream)
        return stream != NULL
    if type in (RDB_STRING, RDB_ZSET_LISTPACK, RDB_ZSET_ZIPLIST, RDB_HASH_LISTPACK, RDB_HASH_ZIPLIST, RDB_HASH_LISTPACK_EX,
                RDB_HASH_LISTPACK_EX_EARLY):
        return _read_whole(reader, keyspace, type, storage, second, value_out)
    return False


cdef bint rdb_read_value(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Buffer second
    cdef uint8_t type
    cdef bint read
    if not rdb_read_byte(reader, &type):
        return False
    buffer_init(&second, NULL)
    read = _read_type(reader, keyspace, type, storage, &second, value_out)
    buffer_clear(&second)
    return read
