"""See string_type.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.digest cimport Digest, digest_mix
from hutch_engine.base.memory cimport Heap, heap_block_bytes
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport slice_of
from hutch_engine.keyspace.entry cimport (
    STRING_EMBSTR, STRING_INT, STRING_RAW, Entry, StringValue, entry_bytes, string_value_bytes, string_value_free,
    string_value_new)
from hutch_engine.keyspace.value_type cimport ValueType


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    string_value_free(heap, <StringValue*>pointer)


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    cdef StringValue* value = <StringValue*>pointer
    return string_value_new(heap, slice_of(string_value_bytes(value), value.length), value.length)


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    return heap_block_bytes(sizeof(StringValue) + (<const StringValue*>pointer).capacity)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    return entry_bytes(entry, scratch).length


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    digest_mix(digest, entry_bytes(entry, scratch))


cdef void string_type(ValueType* row) noexcept nogil:
    row.name = b"string"
    row.sizes_name = b"strings_sizes"
    row.encodings[STRING_RAW].name = b"raw"
    row.encodings[STRING_INT].name = b"int"
    row.encodings[STRING_EMBSTR].name = b"embstr"
    row.digest_number = 0
    row.free = _free
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
