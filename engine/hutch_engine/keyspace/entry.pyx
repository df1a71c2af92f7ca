"""See entry.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.compiler cimport load_ptr, store_i64, store_ptr
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_read, leb128_slice, leb128_write_slice
from hutch_engine.base.memory cimport (
    HEAP_SMALL_MAX, Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc)
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.wheel cimport WheelNode, wheel_relocated


# ---- values

cdef Value value_of_bytes(Slice bytes) noexcept nogil:
    cdef Value value
    value.type = TYPE_STRING
    value.owned = False
    value.pointer = NULL
    value.bytes = bytes
    value.integer = 0
    # Most values are no numbers: their first byte tells.
    if (bytes.length and bytes.length < INTEGER_TEXT_MAX
            and (48 <= bytes.data[0] <= 57 or bytes.data[0] == 45)
            and parse_integer(bytes, &value.integer)):
        value.encoding = STRING_INT
    else:
        value.encoding = STRING_EMBSTR
    return value


cdef Value value_of_integer(int64_t integer) noexcept nogil:
    cdef Value value
    value.type = TYPE_STRING
    value.encoding = STRING_INT
    value.owned = False
    value.pointer = NULL
    value.bytes.data = NULL
    value.bytes.length = 0
    value.integer = integer
    return value


cdef Value value_of_text(Slice bytes) noexcept nogil:
    cdef Value value
    value.type = TYPE_STRING
    value.encoding = STRING_EMBSTR
    value.owned = False
    value.pointer = NULL
    value.bytes = bytes
    value.integer = 0
    return value


cdef Value value_of_raw(Slice bytes) noexcept nogil:
    cdef Value value = value_of_text(bytes)
    value.encoding = STRING_RAW
    return value


cdef Value value_of_pointer(uint8_t type, uint8_t encoding, void* pointer) noexcept nogil:
    cdef Value value
    value.type = type
    value.encoding = encoding
    value.owned = True
    value.pointer = pointer
    value.bytes.data = NULL
    value.bytes.length = 0
    value.integer = 0
    if type == TYPE_STRING:
        value.bytes.data = string_value_bytes(<StringValue*>pointer)
        value.bytes.length = (<StringValue*>pointer).length
    return value


cdef StringValue* string_value_new(Heap* heap, Slice bytes, size_t capacity) noexcept nogil:
    cdef StringValue* value
    if capacity < bytes.length:
        capacity = bytes.length
    value = <StringValue*>heap_try_alloc(heap, sizeof(StringValue) + capacity)
    if value == NULL:
        return NULL
    value.length = bytes.length
    value.capacity = capacity
    if bytes.length:
        memcpy(string_value_bytes(value), bytes.data, bytes.length)
    return value


cdef void string_value_free(Heap* heap, StringValue* value) noexcept nogil:
    if value != NULL:
        heap_free(heap, value, sizeof(StringValue) + value.capacity)


# ---- the block

cdef inline size_t _value_part_bytes(const Value* value) noexcept nogil:
    """What the value takes inside the entry's block."""
    if value.type == TYPE_STRING and not value.owned:
        if value.encoding == STRING_INT:
            return 8
        if value.bytes.length <= ENTRY_EMBED_MAX:
            return leb128_bytes(value.bytes.length) + value.bytes.length
    return sizeof(void*)


cdef inline size_t _part_bytes_of_entry(const Entry* entry, const char* at) noexcept nogil:
    cdef size_t length
    cdef const char* data
    if entry.flags & ENTRY_EMBEDDED:
        data = leb128_read(at, &length)
        return <size_t>(data - at) + length
    return 8


cdef inline size_t _block_bytes(size_t key_length, size_t part_bytes, bint with_deadline) noexcept nogil:
    """The rounded size: two values that fit the same block may replace each other in place."""
    return heap_block_bytes(ENTRY_HEADER_BYTES + leb128_bytes(key_length) + key_length + part_bytes
                            + (ENTRY_DEADLINE_BYTES if with_deadline else 0))


cdef inline char* _block_of(const Entry* entry) noexcept nogil:
    return <char*>entry - (ENTRY_DEADLINE_BYTES if entry.flags & ENTRY_HAS_DEADLINE else 0)


cdef inline size_t _block_bytes_of(const Entry* entry) noexcept nogil:
    cdef Slice key = entry_key(entry)
    cdef const char* at = key.data + key.length
    return _block_bytes(key.length, _part_bytes_of_entry(entry, at), entry.flags & ENTRY_HAS_DEADLINE)


cdef inline void _write_value(Entry* entry, char* at, const Value* value, void* pointer) noexcept nogil:
    cdef uint8_t encoding = value.encoding
    entry.flags &= ENTRY_HAS_DEADLINE
    if pointer != NULL:
        if value.type == TYPE_STRING:
            encoding = STRING_RAW
        store_ptr(at, pointer)
    elif encoding == STRING_INT:
        entry.flags |= ENTRY_INTEGER
        store_i64(at, value.integer)
    else:
        if encoding == STRING_EMBSTR:
            encoding = string_encoding(entry_key(entry).length, value.bytes.length, entry.flags)
        entry.flags |= ENTRY_EMBEDDED
        leb128_write_slice(at, value.bytes)
    entry.kind = <uint8_t>(value.type | encoding << 4)


cdef void entry_choose_text_encoding(Entry* entry) noexcept nogil:
    if entry.flags & ENTRY_EMBEDDED:
        entry.kind = <uint8_t>(TYPE_STRING | string_encoding(entry_key(entry).length, entry_bytes(entry, NULL).length,
                                                             entry.flags & ENTRY_HAS_DEADLINE) << 4)


cdef bint _value_pointer(Heap* heap, const Value* value, void** pointer_out) noexcept nogil:
    """The second block that a value needs (NULL if none); False when it was refused."""
    pointer_out[0] = NULL
    if value.owned:
        pointer_out[0] = value.pointer
    elif value.type == TYPE_STRING and value.encoding != STRING_INT and value.bytes.length > ENTRY_EMBED_MAX:
        pointer_out[0] = string_value_new(heap, value.bytes, value.bytes.length)
        return pointer_out[0] != NULL
    return True


cdef Entry* entry_new(Heap* heap, Slice key, Value value, bint with_deadline) noexcept nogil:
    cdef void* pointer
    cdef char* block
    cdef char* at
    cdef Entry* entry
    cdef WheelNode* node
    if not _value_pointer(heap, &value, &pointer):
        return NULL
    block = <char*>heap_try_alloc(heap, _block_bytes(key.length, _value_part_bytes(&value), with_deadline))
    if block == NULL:
        if pointer != NULL and not value.owned:
            string_value_free(heap, <StringValue*>pointer)
        return NULL
    if with_deadline:
        node = <WheelNode*>block
        node.next = NULL
        node.link = NULL
        node.deadline_ms = -1
        block += ENTRY_DEADLINE_BYTES
    entry = <Entry*>block
    entry.flags = ENTRY_HAS_DEADLINE if with_deadline else 0
    entry.snapshot = 0
    entry.size_class = 0
    entry.access = 0
    at = leb128_write_slice(block + ENTRY_HEADER_BYTES, key)
    _write_value(entry, at, &value, pointer)
    return entry


cdef inline void* _pointer_or_null(const Entry* entry) noexcept nogil:
    if entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        return NULL
    return load_ptr(entry_value_at(entry))


cdef void entry_free_shell(Heap* heap, Entry* entry) noexcept nogil:
    heap_free(heap, _block_of(entry), _block_bytes_of(entry))


cdef Value entry_value(const Entry* entry) noexcept nogil:
    cdef Value value
    value.type = entry_type(entry)
    value.encoding = entry_encoding(entry)
    value.owned = False
    value.pointer = NULL
    value.integer = 0
    value.bytes.data = NULL
    value.bytes.length = 0
    if entry.flags & ENTRY_INTEGER:
        value.integer = entry_integer(entry)
    elif entry.flags & ENTRY_EMBEDDED:
        value.bytes = leb128_slice(entry_value_at(entry))
    else:
        value.pointer = entry_pointer(entry)
        value.owned = True
        if value.type == TYPE_STRING:
            value.bytes.data = string_value_bytes(<StringValue*>value.pointer)
            value.bytes.length = (<StringValue*>value.pointer).length
    return value


cdef Entry* entry_with_value(Heap* heap, Entry* entry, Value value) noexcept nogil:
    cdef Slice key = entry_key(entry)
    cdef char* at = <char*>key.data + key.length
    cdef bint with_deadline = entry.flags & ENTRY_HAS_DEADLINE
    cdef size_t old_bytes = _block_bytes(key.length, _part_bytes_of_entry(entry, at), with_deadline)
    cdef size_t new_bytes = _block_bytes(key.length, _value_part_bytes(&value), with_deadline)
    cdef void* old_pointer = _pointer_or_null(entry)
    cdef void* pointer
    cdef char* block
    cdef char* old_block
    cdef size_t front
    invariant(old_pointer == NULL or entry_type(entry) == TYPE_STRING, b"an entry loses a value that nobody frees")
    if not _value_pointer(heap, &value, &pointer):
        return NULL
    if new_bytes != old_bytes:
        block = <char*>heap_try_alloc(heap, new_bytes)
        if block == NULL:
            if pointer != NULL and not value.owned:
                string_value_free(heap, <StringValue*>pointer)
            return NULL
        old_block = _block_of(entry)
        front = <size_t>(at - old_block)
        memcpy(block, old_block, front)
        _write_value(<Entry*>(block + (<char*>entry - old_block)), block + front, &value, pointer)
        entry = <Entry*>(block + (<char*>entry - old_block))
        heap_free(heap, old_block, old_bytes)
        if with_deadline and entry_node(entry).link != NULL:
            wheel_relocated(entry_node(entry))
    else:
        _write_value(entry, at, &value, pointer)
    if old_pointer != NULL and old_pointer != pointer:
        string_value_free(heap, <StringValue*>old_pointer)
    return entry


cdef Entry* entry_with_deadline(Heap* heap, Entry* entry, bint present) noexcept nogil:
    cdef Slice key = entry_key(entry)
    cdef size_t part = _part_bytes_of_entry(entry, key.data + key.length)
    cdef size_t body = <size_t>(key.data - <const char*>entry) + key.length + part
    cdef size_t old_bytes = _block_bytes_of(entry)
    cdef char* old_block = _block_of(entry)
    cdef char* block
    cdef WheelNode* node
    if (entry.flags & ENTRY_HAS_DEADLINE != 0) == present:
        return entry
    if not present and old_bytes <= HEAP_SMALL_MAX:
        block = <char*>heap_alloc(heap, _block_bytes(key.length, part, False))      # smaller: it gives more back
    else:
        block = <char*>heap_try_alloc(heap, _block_bytes(key.length, part, present))
    if block == NULL:
        return NULL
    if present:
        node = <WheelNode*>block
        node.next = NULL
        node.link = NULL
        node.deadline_ms = -1
        block += ENTRY_DEADLINE_BYTES
    else:
        invariant(entry_node(entry).link == NULL, b"a deadline is removed while its node is in a wheel")
    memcpy(block, entry, body)
    heap_free(heap, old_block, old_bytes)
    entry = <Entry*>block
    if present:
        entry.flags |= ENTRY_HAS_DEADLINE
        # A text that no longer fits beside its deadline becomes raw, and stays so when the deadline goes, as in Redis.
        if entry_encoding(entry) == STRING_EMBSTR:
            entry_choose_text_encoding(entry)
    else:
        entry.flags &= ~<uint8_t>ENTRY_HAS_DEADLINE
    return entry


cdef size_t entry_block_bytes(const Entry* entry) noexcept nogil:
    return _block_bytes_of(entry)
