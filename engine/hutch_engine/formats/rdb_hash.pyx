"""See rdb_hash.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX, RDB_HASH_LISTPACK_EX_EARLY, RDB_HASH_METADATA, RDB_HASH_METADATA_EARLY,
    RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LONG_ENTRIES, RdbParts, pack_open, pack_slice, pack_take, rdb_read_count,
    rdb_read_length, rdb_read_string, rdb_read_u64, rdb_write_byte, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.formats.rdb_old cimport pack_of_ziplist, pack_of_zipmap
from hutch_engine.keyspace.entry cimport TYPE_HASH, Entry, Value, entry_encoding, value_of_pointer
from hutch_engine.keyspace.hash_type cimport hash_for_reading
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.hash cimport (
    HASH_ADDED, HASH_DEADLINES, HASH_PACKED, HASH_REFUSED, HASH_TABLE, Hash, HashPack, hash_deadline, hash_each, hash_earliest_ms,
    hash_expect_deadlines, hash_free, hash_new, hash_prepare, hash_scan, hash_set, hash_set_deadline, hash_stored)
from hutch_engine.structures.listpack cimport (
    Listpack, ListpackValue, listpack_first, listpack_free, listpack_get, listpack_next)

cdef enum:
    DEADLINE_MAX_MS = 0xFFFFFFFFFFFF     # of a field


cdef struct Writing:             # what the visitor needs
    Buffer* out
    bint compress
    const Hash* hash
    int64_t earliest_ms          # INT64_MAX: no field has a deadline
    uint64_t written             # fields


cdef bint _write_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Writing* writing = <Writing*>context
    cdef int64_t deadline_ms
    if writing.earliest_ms != INT64_MAX:
        hash_deadline(writing.hash, field, &deadline_ms)
        rdb_write_length(writing.out, <uint64_t>(deadline_ms - writing.earliest_ms + 1) if deadline_ms > 0 else 0)
    rdb_write_string(writing.out, field, writing.compress)
    rdb_write_string(writing.out, value, writing.compress)
    writing.written += 1
    return not writing.out.failed


cdef void _begin_table(const Writing* writing) noexcept nogil:
    if writing.earliest_ms == INT64_MAX:
        rdb_write_byte(writing.out, RDB_HASH)
    else:
        rdb_write_byte(writing.out, RDB_HASH_METADATA)
        rdb_write_u64(writing.out, <uint64_t>writing.earliest_ms)
    rdb_write_length(writing.out, hash_stored(writing.hash))


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef Hash hash = hash_for_reading(entry)
    cdef Writing writing
    writing.earliest_ms = hash_earliest_ms(hash.form, hash.pointer)
    if hash.form == HASH_PACKED:
        rdb_write_byte(out, RDB_HASH_LISTPACK)
        rdb_write_string(out, pack_slice(hash.pointer), compress)
        return
    if hash.form == HASH_DEADLINES:
        rdb_write_byte(out, RDB_HASH_LISTPACK_EX)
        rdb_write_u64(out, 0 if writing.earliest_ms == INT64_MAX else <uint64_t>writing.earliest_ms)
        rdb_write_string(out, pack_slice((<HashPack*>hash.pointer).pack), compress)
        return
    writing.out = out
    writing.compress = compress
    writing.hash = &hash
    writing.written = 0
    _begin_table(&writing)
    hash_each(&hash, _write_field, &writing)


cdef bint rdb_hash_is_long(const Entry* entry) noexcept nogil:
    cdef Hash hash
    if entry_encoding(entry) != HASH_TABLE:
        return False
    hash = hash_for_reading(entry)
    return hash_stored(&hash) >= RDB_LONG_ENTRIES


cdef void rdb_hash_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef Hash hash = hash_for_reading(entry)
    cdef Writing writing
    writing.earliest_ms = hash_earliest_ms(hash.form, hash.pointer)
    writing.out = out
    writing.compress = compress
    writing.hash = &hash
    writing.written = 0
    if not parts.begun:
        parts.begun = True
        parts.left = hash_stored(&hash)
        _begin_table(&writing)
    # A hash that does not change is seen once by a scan, which stops and goes on where hash_each could not.
    while not parts.over and not out.failed and out.length < up_to:
        parts.place = hash_scan(&hash, parts.place, _write_field, &writing)
        parts.over = parts.place == 0
    parts.left -= writing.written
    out.failed |= parts.over and parts.left != 0


cdef void rdb_write_hash_plainly(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef Hash hash = hash_for_reading(entry)
    cdef Writing writing
    writing.out = out
    writing.compress = compress
    writing.hash = &hash
    writing.earliest_ms = INT64_MAX
    writing.written = 0
    rdb_write_byte(out, RDB_HASH)
    rdb_write_length(out, hash_stored(&hash))
    hash_each(&hash, _write_field, &writing)


cdef void _new_hash(const ValueMaker* maker, bint with_deadlines, Hash* hash_out) noexcept nogil:
    hash_out.form = HASH_PACKED
    hash_out.pointer = hash_new(maker.heap)
    hash_out.heap = maker.heap
    hash_out.hash_key = maker.hash_key
    hash_out.now_ms = INT64_MIN          # what is due is read like all the rest, and expires then
    hash_out.max_packed_entries = maker.limits.hash_entries
    hash_out.max_packed_bytes = maker.limits.hash_value_bytes
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
    value_out[0] = value_of_pointer(TYPE_HASH, <uint8_t>hash.form, hash.pointer)
    return True


cdef bint _read_earliest(RdbReader* reader, uint64_t* earliest_ms_out) noexcept nogil:
    return rdb_read_u64(reader, earliest_ms_out) and earliest_ms_out[0] <= DEADLINE_MAX_MS + 1


cdef bint _add_field(RdbReader* reader, Hash* hash, Slice field, Slice value, uint64_t deadline_ms) noexcept nogil:
    cdef int outcome = hash_set(hash, field, value, False)
    if outcome == HASH_ADDED and deadline_ms and not hash_set_deadline(hash, field, <int64_t>deadline_ms):
        outcome = HASH_REFUSED
    reader.refused = outcome == HASH_REFUSED
    return outcome == HASH_ADDED         # HASH_CHANGED: it was there


cdef bint _read_hash(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Buffer* value_storage, int form,
                     Value* value_out) noexcept nogil:
    cdef Hash hash
    cdef Slice field, value
    cdef uint64_t count
    cdef uint64_t earliest_ms = 1        # so that the early form's deadlines, which are absolute, are themselves
    cdef uint64_t deadline_ms = 0
    cdef bint whole = True
    if ((form == RDB_HASH_METADATA and not _read_earliest(reader, &earliest_ms)) or not rdb_read_count(reader, &count)
            or count > <uint64_t>(reader.end - reader.at) // 2):
        return False
    _new_hash(maker, form != RDB_HASH, &hash)
    _expect_fields(&hash, count)
    while whole and count:
        if form != RDB_HASH:
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


cdef bint _take_hash_pack(RdbReader* reader, const ValueMaker* maker, Slice bytes, bint with_deadlines, bint as_table,
                          Value* value_out) noexcept nogil:
    cdef Hash hash
    cdef Listpack* pack
    cdef uint64_t count
    if not pack_open(reader, maker, bytes, 3 if with_deadlines else 2, &count):
        return False
    if with_deadlines and not _deadlines_are_in_order(<const Listpack*>bytes.data):
        return False
    pack = pack_take(reader, maker.heap, bytes)
    if pack == NULL:
        return False
    _new_hash(maker, with_deadlines, &hash)
    if with_deadlines:
        listpack_free(maker.heap, (<HashPack*>hash.pointer).pack)
        (<HashPack*>hash.pointer).pack = pack
    else:
        listpack_free(maker.heap, <Listpack*>hash.pointer)
        hash.pointer = pack
    _expect_fields(&hash, hash.max_packed_entries + 1 if as_table else count)
    return _finish_hash(&hash, True, value_out)


cdef bint _read_packed(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Buffer* pack,
                       Value* value_out) noexcept nogil:
    """What lies in one string."""
    cdef uint64_t earliest_ms
    cdef size_t longest
    cdef Slice bytes
    if form == RDB_HASH_LISTPACK_EX and not _read_earliest(reader, &earliest_ms):
        return False
    if not rdb_read_string(reader, storage, &bytes):
        return False
    if form == RDB_HASH_LISTPACK:
        return _take_hash_pack(reader, maker, bytes, False, False, value_out)
    if form == RDB_HASH_ZIPLIST:
        return (pack_of_ziplist(reader, bytes, pack)
                and _take_hash_pack(reader, maker, buffer_slice(pack), False, False, value_out))
    if form == RDB_HASH_ZIPMAP:
        return (pack_of_zipmap(reader, bytes, pack, &longest)
                and _take_hash_pack(reader, maker, buffer_slice(pack), False, longest > maker.limits.hash_value_bytes, value_out))
    return _take_hash_pack(reader, maker, bytes, True, False, value_out)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Buffer second
    cdef bint read
    buffer_init(&second, NULL)
    if form == RDB_HASH or form == RDB_HASH_METADATA or form == RDB_HASH_METADATA_EARLY:
        read = _read_hash(reader, maker, storage, &second, form, value_out)
    else:
        read = _read_packed(reader, maker, form, storage, &second, value_out)
    buffer_clear(&second)
    return read


cdef void rdb_hash(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = (<uint64_t>1 << RDB_HASH | <uint64_t>1 << RDB_HASH_METADATA | <uint64_t>1 << RDB_HASH_METADATA_EARLY
                     | <uint64_t>1 << RDB_HASH_LISTPACK | <uint64_t>1 << RDB_HASH_LISTPACK_EX
                     | <uint64_t>1 << RDB_HASH_LISTPACK_EX_EARLY | <uint64_t>1 << RDB_HASH_ZIPLIST
                     | <uint64_t>1 << RDB_HASH_ZIPMAP)
