"""See set_type.pxd."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from hutch_engine.base.digest cimport Digest, digest_xor
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry, entry_encoding, entry_pointer
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.set cimport (
    SET_COMPACT, SET_INTSET, SET_LISTPACK, SET_TABLE, Set, SetTable, set_copy, set_each, set_effort, set_free, set_free_some,
    set_length, set_memory, set_of)


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    set_free(heap, set_of(encoding, pointer))


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    return set_free_some(heap, set_of(encoding, pointer), steps)


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return set_effort(set_of(encoding, <void*>pointer))


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    cdef Set copied
    return copied.pointer if set_copy(heap, set_of(encoding, <void*>pointer), &copied) else NULL


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    return set_memory(set_of(encoding, <void*>pointer), samples)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    return set_length(set_of(entry_encoding(entry), entry_pointer(entry)))


cdef bint _mix_member(void* context, Slice member) noexcept nogil:
    digest_xor(<Digest*>context, member)
    return True


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    set_each(set_of(entry_encoding(entry), entry_pointer(entry)), _mix_member, digest)


cdef const Listpack* _listpack(uint8_t encoding, const void* pointer) noexcept nogil:
    return <const Listpack*>pointer if encoding == SET_LISTPACK else NULL


cdef void set_type(ValueType* row) noexcept nogil:
    cdef SetTable any_block
    row.name = b"set"
    row.sizes_name = b"sets_items"
    row.encodings[SET_INTSET].name = b"intset"
    row.encodings[SET_LISTPACK].name = b"listpack"
    row.encodings[SET_COMPACT].name = b"hashtable"       # as Redis has one there
    row.encodings[SET_TABLE].name = b"hashtable"
    row.encodings[SET_TABLE].table_offset = <int32_t>(<char*>&any_block.table - <char*>&any_block)
    row.digest_number = 2
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
    row.listpack = _listpack
