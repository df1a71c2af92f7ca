"""See json_type.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.digest cimport Digest, digest_mix
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.keyspace.entry cimport TYPE_JSON, Entry, Value, value_of_pointer
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.json_survey cimport json_effort
from hutch_engine.structures.json_value cimport (
    JSON_NONE, JsonWord, json_copy, json_count, json_free, json_free_some, json_is_container, json_memory)
from hutch_engine.structures.json_write cimport json_write

cdef enum:
    DIGEST_NUMBER = 5            # Redis's of all modules' types
    EFFORT_COUNTED = 65          # so many are left to housekeeping, and so are more


cdef bint json_value_of(Heap* heap, JsonWord root, Value* value_out) noexcept nogil:
    cdef JsonDocument* document = <JsonDocument*>heap_try_alloc(heap, sizeof(JsonDocument))
    if document == NULL:
        return False
    document.root.current = root
    document.root.above = JSON_NONE
    document.text_bytes = 0
    value_out[0] = value_of_pointer(TYPE_JSON, JSON_TREE, document)
    return True


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    cdef JsonDocument* document = <JsonDocument*>pointer
    if json_free_some(heap, &document.root, steps):
        return True
    heap_free(heap, document, sizeof(JsonDocument))
    return False


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    _free_some(heap, encoding, pointer, <uint64_t>-1)


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return json_effort((<const JsonDocument*>pointer).root.current, EFFORT_COUNTED)


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    cdef JsonWord root = json_copy(heap, (<const JsonDocument*>pointer).root.current)
    cdef Value value
    if root == JSON_NONE:
        return NULL
    if json_value_of(heap, root, &value):
        return value.pointer
    json_free(heap, root)
    return NULL


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    return heap_block_bytes(sizeof(JsonDocument)) + json_memory((<const JsonDocument*>pointer).root.current)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    cdef JsonWord root = json_root(entry)[0]
    return json_count(root) if json_is_container(root) else 1


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    """Of the text. (RedisJSON gives its values none: DEBUG DIGEST says the same of all documents there.)"""
    cdef Buffer text
    buffer_init(&text, NULL)
    json_write(&text, json_root(entry)[0])
    digest_mix(digest, buffer_slice(&text))
    buffer_clear(&text)


cdef void json_type(ValueType* row) noexcept nogil:
    row.name = b"ReJSON-RL"
    row.encodings[JSON_TREE].name = b"raw"           # what Redis says of modules' values
    row.digest_number = DIGEST_NUMBER
    row.module_version = JSON_RDB_VERSION
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
