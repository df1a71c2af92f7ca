"""See rdb_set.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.outcome cimport NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.formats.rdb cimport (
    RDB_LONG_ENTRIES, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RdbParts, pack_open, pack_slice, pack_take, rdb_read_count,
    rdb_read_string, rdb_write_byte, rdb_write_length, rdb_write_string)
from hutch_engine.keyspace.entry cimport TYPE_SET, Entry, Value, entry_encoding, entry_pointer, value_of_pointer
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.intset cimport (
    Intset, intset_bytes, intset_copy, intset_get, intset_is_valid, intset_length)
from hutch_engine.structures.listpack cimport Listpack, listpack_first, listpack_next, listpack_text
from hutch_engine.structures.set cimport (
    SET_INTSET, SET_LISTPACK, SET_TABLE, Set, SetLimits, set_add, set_each, set_free, set_length, set_new, set_new_for, set_of,
    set_scan)


cdef struct Writing:             # what the visitor needs
    Buffer* out
    bint compress
    uint64_t written             # members


cdef bint _write_member(void* context, Slice member) noexcept nogil:
    cdef Writing* writing = <Writing*>context
    rdb_write_string(writing.out, member, writing.compress)
    writing.written += 1
    return not writing.out.failed


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef Set set = set_of(entry_encoding(entry), entry_pointer(entry))
    cdef Writing writing
    if set.form == SET_INTSET:
        rdb_write_byte(out, RDB_SET_INTSET)
        rdb_write_string(out, slice_of(<const char*>set.pointer, intset_bytes(<Intset*>set.pointer)), compress)
    elif set.form == SET_LISTPACK:
        rdb_write_byte(out, RDB_SET_LISTPACK)
        rdb_write_string(out, pack_slice(set.pointer), compress)
    else:
        writing.out = out
        writing.compress = compress
        writing.written = 0
        rdb_write_byte(out, RDB_SET)
        rdb_write_length(out, set_length(set))
        set_each(set, _write_member, &writing)


cdef bint rdb_set_is_long(const Entry* entry) noexcept nogil:
    return (entry_encoding(entry) == SET_TABLE
            and set_length(set_of(SET_TABLE, entry_pointer(entry))) >= RDB_LONG_ENTRIES)


cdef void rdb_set_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef Set set = set_of(SET_TABLE, entry_pointer(entry))
    cdef Writing writing
    writing.out = out
    writing.compress = compress
    writing.written = 0
    if not parts.begun:
        parts.begun = True
        parts.left = set_length(set)
        rdb_write_byte(out, RDB_SET)
        rdb_write_length(out, parts.left)
    # A set that does not change is seen once by a scan, which stops and goes on where set_each could not.
    while not parts.over and not out.failed and out.length < up_to:
        parts.place = set_scan(set, parts.place, _write_member, &writing)
        parts.over = parts.place == 0
    parts.left -= writing.written
    out.failed |= parts.over and parts.left != 0


cdef SetLimits _set_limits(const ValueMaker* maker) noexcept nogil:
    cdef SetLimits limits
    limits.intset_entries = maker.limits.set_intset_entries
    limits.entries = maker.limits.set_entries
    limits.value_bytes = maker.limits.set_value_bytes
    return limits


cdef Set _hashed_set(const ValueMaker* maker, uint64_t expected) noexcept nogil:
    """Empty, in a form that is called hashtable."""
    cdef SetLimits none
    none.intset_entries = 0
    none.entries = 0
    none.value_bytes = 0
    return set_new_for(maker.heap, maker.hash_key, slice_of(b"", 0), expected if expected else 1, &none)


cdef bint _add_member(RdbReader* reader, const ValueMaker* maker, Set* set, Slice member, const SetLimits* limits) noexcept nogil:
    cdef Outcome outcome = set_add(maker.heap, maker.hash_key, set, member, limits)
    reader.refused = outcome == NO_MEMORY
    return outcome == OK


cdef bint _finish_set(const ValueMaker* maker, Set set, bint whole, Value* value_out) noexcept nogil:
    if not whole:
        set_free(maker.heap, set)
        return False
    value_out[0] = value_of_pointer(TYPE_SET, set.form, set.pointer)
    return True


cdef bint _read_set(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(maker)
    cdef Set set
    cdef Slice member
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_count(reader, &count):
        return False
    # Few enough to be an intset: one, until a member says otherwise. That is how Redis reads them.
    if count <= limits.intset_entries:
        set = set_new(maker.heap, maker.hash_key, SET_INTSET)
    else:
        set = _hashed_set(maker, count)
    while whole and count:
        whole = (rdb_read_string(reader, storage, &member)
                 and _add_member(reader, maker, &set, member, &limits))
        count -= 1
    return _finish_set(maker, set, whole, value_out)


cdef bint _read_intset(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(maker)
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
        set = set_of(SET_INTSET, intset_copy(maker.heap, source))
        if set.pointer == NULL:
            reader.refused = True
            return False
        return _finish_set(maker, set, True, value_out)
    set = _hashed_set(maker, length)
    for i in range(length):
        whole = _add_member(reader, maker, &set, slice_of(digits, format_integer(intset_get(source, i), digits)), &limits)
        if not whole:
            break
    return _finish_set(maker, set, whole, value_out)


cdef bint _read_set_pack(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Value* value_out) noexcept nogil:
    cdef SetLimits limits = _set_limits(maker)
    cdef char[INTEGER_TEXT_MAX] digits
    cdef Slice bytes
    cdef Set set
    cdef uint8_t* at
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_string(reader, storage, &bytes) or not pack_open(reader, maker, bytes, 1, &count):
        return False
    if count <= limits.entries:
        set = set_of(SET_LISTPACK, pack_take(reader, maker.heap, bytes))
        return set.pointer != NULL and _finish_set(maker, set, True, value_out)
    set = _hashed_set(maker, count)
    at = listpack_first(<const Listpack*>bytes.data)
    while whole and at != NULL:
        whole = _add_member(reader, maker, &set, listpack_text(at, digits), &limits)
        at = listpack_next(<const Listpack*>bytes.data, at)
    return _finish_set(maker, set, whole, value_out)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    if form == RDB_SET:
        return _read_set(reader, maker, storage, value_out)
    if form == RDB_SET_INTSET:
        return _read_intset(reader, maker, storage, value_out)
    return _read_set_pack(reader, maker, storage, value_out)


cdef void rdb_set(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = <uint64_t>1 << RDB_SET | <uint64_t>1 << RDB_SET_INTSET | <uint64_t>1 << RDB_SET_LISTPACK
