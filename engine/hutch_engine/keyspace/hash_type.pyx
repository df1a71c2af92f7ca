"""See hash_type.pxd."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from hutch_engine.base.digest cimport Digest, digest_clear, digest_mix, digest_slice, digest_xor
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.hash cimport (
    HASH_DEADLINES, HASH_PACKED, HASH_TABLE, HashPack, HashTable, hash_copy, hash_deadline, hash_each, hash_effort, hash_free,
    hash_free_some, hash_memory, hash_stored)
from hutch_engine.structures.listpack cimport Listpack


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    hash_free(heap, encoding, pointer)


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    return hash_free_some(heap, encoding, pointer, steps)


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return hash_effort(encoding, pointer)


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    cdef Hash source, copy
    source.form = encoding
    source.pointer = <void*>pointer
    source.heap = heap
    return copy.pointer if hash_copy(&source, &copy) else NULL


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    return hash_memory(encoding, pointer, samples)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    cdef Hash hash
    hash.form = entry_encoding(entry)
    hash.pointer = entry_pointer(entry)
    return hash_stored(&hash)


cdef struct Fields:              # what the visitor of the digest needs
    Digest* digest
    const Hash* hash


cdef bint _mix_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Fields* fields = <Fields*>context
    cdef int64_t deadline_ms
    cdef Digest pair
    digest_clear(&pair)
    digest_mix(&pair, field)
    digest_mix(&pair, value)
    if hash_deadline(fields.hash, field, &deadline_ms) and deadline_ms > 0:
        digest_xor(&pair, slice_of(b"!!hexpire!!", 11))
    digest_xor(fields.digest, digest_slice(&pair))
    return True


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef Hash hash = hash_for_reading(entry)
    cdef Fields fields
    fields.digest = digest
    fields.hash = &hash
    hash_each(&hash, _mix_field, &fields)


cdef const Listpack* _listpack(uint8_t encoding, const void* pointer) noexcept nogil:
    if encoding == HASH_DEADLINES:
        return (<const HashPack*>pointer).pack
    return <const Listpack*>pointer if encoding == HASH_PACKED else NULL


cdef void hash_type(ValueType* row) noexcept nogil:
    cdef HashTable any_block
    row.name = b"hash"
    row.sizes_name = b"hashes_items"
    row.encodings[HASH_PACKED].name = b"listpack"
    row.encodings[HASH_DEADLINES].name = b"listpackex"
    row.encodings[HASH_TABLE].name = b"hashtable"
    row.encodings[HASH_TABLE].table_offset = <int32_t>(<char*>&any_block.table - <char*>&any_block)
    row.digest_number = 4
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
    row.listpack = _listpack
