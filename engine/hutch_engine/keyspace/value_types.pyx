"""See value_types.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.digest cimport Digest, digest_mix_number, digest_xor
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBEDDED, ENTRY_INTEGER, TYPE_HASH, TYPE_JSON, TYPE_LIST, TYPE_NONE, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry,
    Value, entry_block_bytes, entry_bytes, entry_encoding, entry_has_deadline, entry_pointer, entry_type, entry_value,
    value_of_pointer)
from hutch_engine.keyspace.hash_type cimport hash_type
from hutch_engine.keyspace.json_type cimport json_type
from hutch_engine.keyspace.list_type cimport list_type
from hutch_engine.keyspace.set_type cimport set_type
from hutch_engine.keyspace.stream_type cimport stream_type
from hutch_engine.keyspace.string_type cimport string_type
from hutch_engine.keyspace.zset_type cimport zset_type
from hutch_engine.keyspace.value_type cimport ENCODINGS_MAX, NO_MODULE, TYPES_MAX, ValueType, ValueTypeFill


# ---- rows

cdef void _no_free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    invariant(False, b"a value of no known type is freed")


cdef void* _no_copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    invariant(False, b"a value of no known type is copied")
    return NULL


cdef uint64_t _no_memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    invariant(False, b"a value of no known type is measured")
    return 0


cdef uint64_t _no_length(const Entry* entry) noexcept nogil:
    invariant(False, b"a value of no known type is counted")
    return 0


cdef void _clear(ValueType* row) noexcept nogil:
    cdef int encoding
    memset(row, 0, sizeof(ValueType))
    for encoding in range(ENCODINGS_MAX):
        row.encodings[encoding].table_offset = -1
    row.module_version = NO_MODULE


cdef void _fill_unknown(ValueType* row) noexcept nogil:
    _clear(row)
    row.name = b"none"
    row.free = _no_free
    row.copy = _no_copy
    row.memory = _no_memory
    row.length = _no_length


cdef inline bint _is_known(uint8_t type) noexcept nogil:
    return type < TYPE_NONE and value_types[type].free != _no_free


cdef bint value_type_add(uint8_t type, ValueTypeFill fill) noexcept nogil:
    cdef ValueType row
    _clear(&row)
    fill(&row)
    if (type >= TYPE_NONE or _is_known(type) or row.name == NULL or row.encodings[0].name == NULL or row.free == NULL
            or row.copy == NULL or row.memory == NULL or row.length == NULL
            or (row.free_some == NULL) != (row.effort == NULL)):
        return False
    value_types[type] = row
    return True


cdef bint value_type_format(uint8_t type, ValueTypeFill fill) noexcept nogil:
    if not _is_known(type) or value_types[type].save != NULL:
        return False
    fill(&value_types[type])
    return value_types[type].save != NULL and value_types[type].load != NULL


cdef int value_type_named(Slice name) noexcept nogil:
    cdef uint8_t type
    for type in range(TYPE_NONE):
        if _is_known(type) and slice_is(name, value_types[type].name):
            return type
    return TYPE_NONE


# ---- values

cdef bint value_free_some(Heap* heap, uint8_t type, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    cdef const ValueType* row = &value_types[type]
    if row.free_some != NULL:
        return row.free_some(heap, encoding, pointer, steps)
    row.free(heap, encoding, pointer)
    return False


cdef uint64_t entry_size(const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    if entry_type(entry) == TYPE_STRING:
        return entry_bytes(entry, scratch).length
    return value_types[entry_type(entry)].length(entry)


cdef uint64_t entry_memory(const Entry* entry, uint64_t samples) noexcept nogil:
    cdef uint64_t bytes = entry_block_bytes(entry)
    if not entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        bytes += value_types[entry_type(entry)].memory(entry_encoding(entry), entry_pointer(entry), samples)
    return bytes


cdef bint entry_copy_value(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil:
    cdef void* copy
    if entry_type(entry) == TYPE_STRING:
        value_out[0] = entry_value(entry)
        value_out.owned = False
        return True
    copy = value_types[entry_type(entry)].copy(heap, entry_encoding(entry), entry_pointer(entry))
    value_out[0] = value_of_pointer(entry_type(entry), entry_encoding(entry), copy)
    return copy != NULL


cdef bint entry_digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef const ValueType* row = &value_types[entry_type(entry)]
    if row.digest == NULL:
        return False
    digest_mix_number(digest, row.digest_number)
    row.digest(digest, entry)
    if entry_has_deadline(entry):
        digest_xor(digest, slice_of(b"!!expire!!", 10))
    return True


# ---- the table: a row a type

cdef int _number
for _number in range(TYPES_MAX):
    _fill_unknown(&value_types[_number])

if not (value_type_add(TYPE_STRING, string_type)
        and value_type_add(TYPE_LIST, list_type)
        and value_type_add(TYPE_SET, set_type)
        and value_type_add(TYPE_ZSET, zset_type)
        and value_type_add(TYPE_HASH, hash_type)
        and value_type_add(TYPE_STREAM, stream_type)
        and value_type_add(TYPE_JSON, json_type)):
    raise SystemError("a row of the table of types lacks what every type must have")
