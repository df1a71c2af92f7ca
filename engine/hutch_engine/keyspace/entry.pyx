"""See entry.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.compiler cimport load_ptr, store_i64, store_ptr
from hutch_engine.base.memory cimport (
    HEAP_SMALL_MAX, Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc)
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.set cimport Set, set_copy, set_effort, set_free, set_free_some, set_length, set_memory, set_of
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes, listpack_copy, listpack_free, listpack_length
from hutch_engine.structures.sorted_tree cimport (
    SortedTree, sorted_tree_copy, sorted_tree_count, sorted_tree_free, sorted_tree_free_some,
    sorted_tree_memory)
from hutch_engine.structures.hash cimport (
    Hash, hash_alarm, hash_copy, hash_effort, hash_free, hash_free_some, hash_memory, hash_stored)
from hutch_engine.structures.quicklist cimport (
    Quicklist, quicklist_copy, quicklist_free, quicklist_free_some, quicklist_length, quicklist_memory)
from hutch_engine.structures.stream cimport (
    Stream, stream_copy, stream_effort, stream_free, stream_free_some, stream_memory)
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
        value.encoding = ENCODING_INT
    else:
        value.encoding = ENCODING_EMBSTR if bytes.length <= EMBSTR_MAX else ENCODING_RAW
    return value


cdef Value value_of_integer(int64_t integer) noexcept nogil:
    cdef Value value
    value.type = TYPE_STRING
    value.encoding = ENCODING_INT
    value.owned = False
    value.pointer = NULL
    value.bytes.data = NULL
    value.bytes.length = 0
    value.integer = integer
    return value


cdef Value value_of_raw(Slice bytes) noexcept nogil:
    cdef Value value
    value.type = TYPE_STRING
    value.encoding = ENCODING_RAW
    value.owned = False
    value.pointer = NULL
    value.bytes = bytes
    value.integer = 0
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


cdef void value_free(Heap* heap, uint8_t type, uint8_t encoding, void* pointer) noexcept nogil:
    if pointer == NULL:
        return
    if type == TYPE_STRING:
        heap_free(heap, pointer, sizeof(StringValue) + (<StringValue*>pointer).capacity)
        return
    if type == TYPE_SET:
        set_free(heap, set_of(encoding, pointer))
        return
    if type == TYPE_ZSET:
        if encoding == ENCODING_LISTPACK:
            listpack_free(heap, <Listpack*>pointer)
        else:
            sorted_tree_free(heap, <SortedTree*>pointer)
        return
    if type == TYPE_HASH:
        hash_free(heap, hash_form_of(encoding), pointer)
        return
    if type == TYPE_LIST:
        if encoding == ENCODING_LISTPACK:
            listpack_free(heap, <Listpack*>pointer)
        else:
            quicklist_free(heap, <Quicklist*>pointer)
        return
    if type == TYPE_STREAM:
        stream_free(heap, <Stream*>pointer)
        return
    invariant(False, b"a value of a type without a destructor")


cdef bint value_free_some(Heap* heap, uint8_t type, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    if type == TYPE_SET:
        return set_free_some(heap, set_of(encoding, pointer), steps)
    if encoding == ENCODING_SKIPLIST:
        return sorted_tree_free_some(heap, <SortedTree*>pointer, steps)
    if type == TYPE_HASH:
        return hash_free_some(heap, hash_form_of(encoding), pointer, steps)
    if type == TYPE_LIST and encoding == ENCODING_QUICKLIST:
        return quicklist_free_some(heap, <Quicklist*>pointer, steps)
    if type == TYPE_STREAM:
        return stream_free_some(heap, <Stream*>pointer, steps)
    value_free(heap, type, encoding, pointer)
    return False


cdef uint64_t value_effort(uint8_t type, uint8_t encoding, void* pointer) noexcept nogil:
    if type == TYPE_SET:
        return set_effort(set_of(encoding, pointer))
    if encoding == ENCODING_SKIPLIST:
        return sorted_tree_count(<SortedTree*>pointer)
    if type == TYPE_HASH:
        return hash_effort(hash_form_of(encoding), pointer)
    if type == TYPE_LIST and encoding == ENCODING_QUICKLIST:
        return (<Quicklist*>pointer).count
    if type == TYPE_STREAM:
        return stream_effort(<Stream*>pointer)
    return 1          # strings and listpacks are one block


cdef bint _copy_zset(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil:
    cdef void* copy
    if entry_encoding(entry) == ENCODING_LISTPACK:
        copy = listpack_copy(heap, <Listpack*>entry_pointer(entry))
    else:
        copy = sorted_tree_copy(heap, <SortedTree*>entry_pointer(entry))
    value_out[0] = value_of_pointer(TYPE_ZSET, entry_encoding(entry), copy)
    return copy != NULL


cdef bint _copy_hash(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil:
    cdef Hash source, copy
    source.form = hash_form_of(entry_encoding(entry))
    source.pointer = entry_pointer(entry)
    source.heap = heap
    if not hash_copy(&source, &copy):
        return False
    value_out[0] = value_of_pointer(TYPE_HASH, entry_encoding(entry), copy.pointer)
    return True


cdef bint entry_copy_value(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil:
    cdef Set copied
    if entry_type(entry) == TYPE_SET:
        if not set_copy(heap, set_of(entry_encoding(entry), entry_pointer(entry)), &copied):
            return False
        value_out[0] = value_of_pointer(TYPE_SET, copied.form, copied.pointer)
        return True
    if entry_type(entry) == TYPE_ZSET:
        return _copy_zset(heap, entry, value_out)
    if entry_type(entry) == TYPE_HASH:
        return _copy_hash(heap, entry, value_out)
    # A string's bytes are copied when the new entry is made; until then they are borrowed from this one.
    value_out[0] = _value_of_entry(entry)
    value_out.owned = False
    if value_out.type == TYPE_STRING:
        return True
    if value_out.type == TYPE_LIST:
        if value_out.encoding == ENCODING_LISTPACK:
            value_out.pointer = listpack_copy(heap, <Listpack*>value_out.pointer)
        else:
            value_out.pointer = quicklist_copy(heap, <Quicklist*>value_out.pointer)
    elif value_out.type == TYPE_STREAM:
        value_out.pointer = stream_copy(heap, <Stream*>value_out.pointer)
    value_out.owned = value_out.pointer != NULL
    return value_out.owned


# ---- the block

cdef inline size_t _value_part_bytes(const Value* value) noexcept nogil:
    """What the value takes inside the entry's block."""
    if value.type == TYPE_STRING and not value.owned:
        if value.encoding == ENCODING_INT:
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
    entry.kind = <uint8_t>(value.type | value.encoding << 4)
    entry.flags &= ENTRY_HAS_DEADLINE
    if pointer != NULL:
        store_ptr(at, pointer)
    elif value.encoding == ENCODING_INT:
        entry.flags |= ENTRY_INTEGER
        store_i64(at, value.integer)
    else:
        entry.flags |= ENTRY_EMBEDDED
        at = leb128_write(at, value.bytes.length)
        if value.bytes.length:
            memcpy(at, value.bytes.data, value.bytes.length)
        _judge_embstr(entry, value.bytes.length)


cdef inline void _judge_embstr(Entry* entry, size_t value_length) noexcept nogil:
    """Redis 8.2 calls a string embstr while key, value and deadline share one small block of its own; one
    that a deadline pushed out stays raw. Only the name depends on it here."""
    if entry.kind == (TYPE_STRING | ENCODING_EMBSTR << 4):
        if entry_key(entry).length + value_length > (EMBSTR_WITH_DEADLINE_MAX if entry.flags & ENTRY_HAS_DEADLINE
                                                     else EMBSTR_ENTRY_MAX):
            entry.kind = TYPE_STRING | ENCODING_RAW << 4


cdef bint _value_pointer(Heap* heap, const Value* value, void** pointer_out) noexcept nogil:
    """The second block that a value needs (NULL if none); False when it was refused."""
    pointer_out[0] = NULL
    if value.owned:
        pointer_out[0] = value.pointer
    elif value.type == TYPE_STRING and value.encoding != ENCODING_INT and value.bytes.length > ENTRY_EMBED_MAX:
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
            value_free(heap, TYPE_STRING, ENCODING_RAW, pointer)
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
    at = leb128_write(block + ENTRY_HEADER_BYTES, key.length)
    if key.length:
        memcpy(at, key.data, key.length)
    _write_value(entry, at + key.length, &value, pointer)
    return entry


cdef inline void* _pointer_or_null(const Entry* entry) noexcept nogil:
    if entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        return NULL
    return load_ptr(entry_value_at(entry))


cdef void entry_free_shell(Heap* heap, Entry* entry) noexcept nogil:
    heap_free(heap, _block_of(entry), _block_bytes_of(entry))


cdef void entry_free(Heap* heap, Entry* entry) noexcept nogil:
    value_free(heap, entry_type(entry), entry_encoding(entry), _pointer_or_null(entry))
    entry_free_shell(heap, entry)


cdef Value _value_of_entry(const Entry* entry) noexcept nogil:
    cdef Value value
    cdef size_t length
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
        value.bytes.data = leb128_read(entry_value_at(entry), &length)
        value.bytes.length = length
    else:
        value.pointer = entry_pointer(entry)
        value.owned = True
        if value.type == TYPE_STRING:
            value.bytes.data = string_value_bytes(<StringValue*>value.pointer)
            value.bytes.length = (<StringValue*>value.pointer).length
    return value


cdef Value entry_take_value(Heap* heap, Entry* entry) noexcept nogil:
    return _value_of_entry(entry)


cdef Entry* entry_with_value(Heap* heap, Entry* entry, Value value) noexcept nogil:
    cdef Slice key = entry_key(entry)
    cdef char* at = <char*>key.data + key.length
    cdef bint with_deadline = entry.flags & ENTRY_HAS_DEADLINE
    cdef size_t old_bytes = _block_bytes(key.length, _part_bytes_of_entry(entry, at), with_deadline)
    cdef size_t new_bytes = _block_bytes(key.length, _value_part_bytes(&value), with_deadline)
    cdef uint8_t old_type = entry_type(entry)
    cdef uint8_t old_encoding = entry_encoding(entry)
    cdef void* old_pointer = _pointer_or_null(entry)
    cdef void* pointer
    cdef char* block
    cdef char* old_block
    cdef size_t front
    if not _value_pointer(heap, &value, &pointer):
        return NULL
    if new_bytes != old_bytes:
        block = <char*>heap_try_alloc(heap, new_bytes)
        if block == NULL:
            if pointer != NULL and not value.owned:
                value_free(heap, TYPE_STRING, ENCODING_RAW, pointer)
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
        value_free(heap, old_type, old_encoding, old_pointer)
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
    if entry.flags & ENTRY_HAS_FIELD_DEADLINES:
        hash_alarm(hash_form_of(entry_encoding(entry)), entry_pointer(entry)).owner = entry
    if present:
        entry.flags |= ENTRY_HAS_DEADLINE
        if entry.flags & ENTRY_EMBEDDED:
            _judge_embstr(entry, entry_bytes(entry, NULL).length)
    else:
        entry.flags &= ~<uint8_t>ENTRY_HAS_DEADLINE
    return entry


cdef uint64_t entry_size(const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef uint8_t encoding = entry_encoding(entry)
    cdef uint8_t type = entry_type(entry)
    cdef Hash fields
    if type == TYPE_STRING:
        return entry_bytes(entry, scratch).length
    if type == TYPE_LIST:
        if encoding == ENCODING_LISTPACK:
            return listpack_length(<Listpack*>entry_pointer(entry))
        return <uint64_t>quicklist_length(<Quicklist*>entry_pointer(entry))
    if type == TYPE_SET:
        return set_length(set_of(encoding, entry_pointer(entry)))
    if type == TYPE_ZSET:
        if encoding == ENCODING_LISTPACK:
            return listpack_length(<Listpack*>entry_pointer(entry)) // 2
        return sorted_tree_count(<SortedTree*>entry_pointer(entry))
    if type == TYPE_HASH:
        fields.form = hash_form_of(encoding)
        fields.pointer = entry_pointer(entry)
        return hash_stored(&fields)
    return 0


cdef uint64_t entry_memory(const Entry* entry, uint64_t samples) noexcept nogil:
    cdef uint64_t total = _block_bytes_of(entry)
    cdef void* pointer = _pointer_or_null(entry)
    if pointer != NULL and entry_type(entry) == TYPE_STRING:
        total += heap_block_bytes(sizeof(StringValue) + (<StringValue*>pointer).capacity)
    elif pointer != NULL and entry_type(entry) == TYPE_SET:
        total += set_memory(set_of(entry_encoding(entry), pointer), samples)
    elif entry_type(entry) == TYPE_HASH:
        total += hash_memory(hash_form_of(entry_encoding(entry)), pointer, samples)
    elif pointer != NULL and entry_type(entry) == TYPE_LIST:
        if entry_encoding(entry) == ENCODING_LISTPACK:
            total += heap_block_bytes(listpack_bytes(<Listpack*>pointer))
        else:
            total += quicklist_memory(<Quicklist*>pointer)
    elif entry_type(entry) == TYPE_STREAM:
        total += stream_memory(<Stream*>pointer)
    elif pointer != NULL and entry_encoding(entry) == ENCODING_SKIPLIST:
        total += sorted_tree_memory(<SortedTree*>pointer)
    elif pointer != NULL and entry_type(entry) == TYPE_ZSET:
        total += heap_block_bytes(listpack_bytes(<Listpack*>pointer))
    return total


# ---- names

cdef const char* type_name(uint8_t type) noexcept nogil:
    if type == TYPE_STRING:
        return b"string"
    if type == TYPE_LIST:
        return b"list"
    if type == TYPE_SET:
        return b"set"
    if type == TYPE_ZSET:
        return b"zset"
    if type == TYPE_HASH:
        return b"hash"
    if type == TYPE_STREAM:
        return b"stream"
    return b"none"


cdef const char* encoding_name(uint8_t encoding) noexcept nogil:
    if encoding == ENCODING_RAW:
        return b"raw"
    if encoding == ENCODING_INT:
        return b"int"
    if encoding == ENCODING_EMBSTR:
        return b"embstr"
    if encoding == ENCODING_LISTPACK:
        return b"listpack"
    if encoding == ENCODING_INTSET:
        return b"intset"
    if encoding == ENCODING_QUICKLIST:
        return b"quicklist"
    if encoding == ENCODING_HASHTABLE or encoding == ENCODING_COMPACT:
        return b"hashtable"
    if encoding == ENCODING_SKIPLIST:
        return b"skiplist"
    if encoding == ENCODING_STREAM:
        return b"stream"
    if encoding == ENCODING_LISTPACKEX:
        return b"listpackex"
    return b"unknown"
