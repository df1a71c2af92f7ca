"""One key and its value: a single block, and for big values a second one.

    offset  size  what
    -24     24    WheelNode, only with ENTRY_HAS_DEADLINE (the block begins here)
      0      1    kind: type in the low nibble, encoding in the high one
      1      1    flags
      2      1    snapshot: number of the last snapshot that has this entry
      3      1    size class: where INFO keysizes counts it (keyspace_resized)
      4      4    access: LRU clock in seconds (24 bits), or LFU minutes (16 bits) and counter (8 bits)
      8      1+   key length, LEB128, then the key's bytes
      ...         the value, right behind the key and unaligned, one of
                  EMBEDDED: length (LEB128) and bytes      (strings up to ENTRY_EMBED_MAX)
                  INTEGER:  int64
                  neither:  pointer to the value (StringValue, and the types of other files)

An Entry* points at offset 0. Changing a deadline's presence, or an embedded value's size, makes a new
block: functions that may do so return the entry's new address, and the caller puts it in the table.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport load_i64, load_ptr, store_i64, store_ptr
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport format_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.hash cimport HASH_DEADLINES, HASH_PACKED, HASH_TABLE
from hutch_engine.structures.wheel cimport WheelNode

cdef enum:                       # types, by Redis's RDB-independent order of `TYPE` names
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_ZSET = 3
    TYPE_HASH = 4
    TYPE_STREAM = 5
    TYPE_NONE = 15               # no such key

cdef enum:                       # encodings, names as OBJECT ENCODING gives them
    ENCODING_RAW = 0
    ENCODING_INT = 1
    ENCODING_EMBSTR = 2
    ENCODING_LISTPACK = 3
    ENCODING_INTSET = 4
    ENCODING_QUICKLIST = 5
    ENCODING_HASHTABLE = 6
    ENCODING_SKIPLIST = 7
    ENCODING_STREAM = 8
    ENCODING_LISTPACKEX = 9
    ENCODING_COMPACT = 10        # a set in one block; named "hashtable", as Redis has one there

cdef enum:
    ENTRY_HAS_DEADLINE = 1
    ENTRY_EMBEDDED = 2
    ENTRY_INTEGER = 4
    ENTRY_HAS_FIELD_DEADLINES = 8        # a hash with a field that has one; kept by keyspace_fields_changed

cdef enum:
    ENTRY_HEADER_BYTES = 8       # the table's key_offset for keys
    ENTRY_DEADLINE_BYTES = 24
    ENTRY_EMBED_MAX = 512        # longer strings get a block of their own, with room to grow
    EMBSTR_MAX = 44              # longer strings are "raw" whatever their key
    EMBSTR_ENTRY_MAX = 41        # key and value together, for Redis 8.2 to call the value "embstr" ...
    EMBSTR_WITH_DEADLINE_MAX = 33     # ... and with a deadline

cdef struct Entry:
    uint8_t kind
    uint8_t flags
    uint8_t snapshot
    uint8_t size_class
    uint32_t access

cdef struct StringValue:         # a long string, in a block of its own
    size_t length
    size_t capacity              # bytes of room behind this header
    # the bytes follow

# A value on its way into or out of an entry. Which field counts follows from encoding and type.
cdef struct Value:
    uint8_t type
    uint8_t encoding
    bint owned                   # `pointer` is handed over (else bytes are copied)
    int64_t integer              # ENCODING_INT
    Slice bytes                  # other strings; borrowed
    void* pointer                # other types; and an owned StringValue

cdef inline uint8_t entry_type(const Entry* entry) noexcept nogil:
    return entry.kind & 15

cdef inline uint8_t entry_encoding(const Entry* entry) noexcept nogil:
    return entry.kind >> 4

cdef inline bint entry_has_deadline(const Entry* entry) noexcept nogil:
    return entry.flags & ENTRY_HAS_DEADLINE

cdef inline WheelNode* entry_node(const Entry* entry) noexcept nogil:
    """Requires ENTRY_HAS_DEADLINE."""
    return <WheelNode*>(<char*>entry - ENTRY_DEADLINE_BYTES)

cdef inline Entry* entry_of_node(WheelNode* node) noexcept nogil:
    return <Entry*>(<char*>node + ENTRY_DEADLINE_BYTES)

cdef inline int64_t entry_deadline_ms(const Entry* entry) noexcept nogil:
    """-1 without a deadline."""
    return entry_node(entry).deadline_ms if entry.flags & ENTRY_HAS_DEADLINE else -1

cdef inline int hash_form_of(uint8_t encoding) noexcept nogil:
    """The form of structures/hash that the encoding of a TYPE_HASH stands for."""
    if encoding == ENCODING_LISTPACK:
        return HASH_PACKED
    return HASH_DEADLINES if encoding == ENCODING_LISTPACKEX else HASH_TABLE

cdef inline uint8_t encoding_of_hash_form(int form) noexcept nogil:
    if form == HASH_PACKED:
        return ENCODING_LISTPACK
    return ENCODING_LISTPACKEX if form == HASH_DEADLINES else ENCODING_HASHTABLE

cdef inline const char* leb128_read(const char* at, size_t* value_out) noexcept nogil:
    """Our own bytes, written by leb128_write: no bounds to check."""
    cdef size_t value = <uint8_t>at[0]
    cdef int shift = 7
    if value < 0x80:
        value_out[0] = value
        return at + 1
    value &= 0x7f
    while True:
        at += 1
        value |= <size_t>(<uint8_t>at[0] & 0x7f) << shift
        if not <uint8_t>at[0] & 0x80:
            value_out[0] = value
            return at + 1
        shift += 7

cdef inline char* leb128_write(char* at, size_t value) noexcept nogil:
    while value >= 0x80:
        at[0] = <char>(<uint8_t>(value & 0x7f) | 0x80)
        at += 1
        value >>= 7
    at[0] = <char>value
    return at + 1

cdef inline size_t leb128_bytes(size_t value) noexcept nogil:
    cdef size_t count = 1
    while value >= 0x80:
        value >>= 7
        count += 1
    return count

cdef inline Slice entry_key(const Entry* entry) noexcept nogil:
    """Borrowed from the entry's block."""
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>entry + ENTRY_HEADER_BYTES, &length)
    return slice_of(data, length)

cdef inline char* entry_value_at(const Entry* entry) noexcept nogil:
    """Where the value's part begins, behind the key."""
    cdef Slice key = entry_key(entry)
    return <char*>key.data + key.length

cdef inline int64_t entry_integer(const Entry* entry) noexcept nogil:
    """Requires ENTRY_INTEGER."""
    return load_i64(entry_value_at(entry))

cdef inline void entry_set_integer(Entry* entry, int64_t value) noexcept nogil:
    store_i64(entry_value_at(entry), value)

cdef inline void* entry_pointer(const Entry* entry) noexcept nogil:
    """Requires neither ENTRY_EMBEDDED nor ENTRY_INTEGER."""
    return load_ptr(entry_value_at(entry))

cdef inline void entry_set_pointer(Entry* entry, void* pointer) noexcept nogil:
    """The value moved (a string that grew); its kind stays."""
    store_ptr(entry_value_at(entry), pointer)

cdef inline char* string_value_bytes(StringValue* value) noexcept nogil:
    return <char*>value + sizeof(StringValue)

cdef inline Slice entry_bytes(const Entry* entry, char* scratch) noexcept nogil:
    """The string's bytes, borrowed from the entry; an integer's digits go to `scratch` (INTEGER_TEXT_MAX)."""
    cdef size_t length
    cdef const char* data
    cdef StringValue* value
    if entry.flags & ENTRY_EMBEDDED:
        data = leb128_read(entry_value_at(entry), &length)
        return slice_of(data, length)
    if entry.flags & ENTRY_INTEGER:
        return slice_of(scratch, format_integer(entry_integer(entry), scratch))
    value = <StringValue*>entry_pointer(entry)
    return slice_of(string_value_bytes(value), value.length)

cdef Value value_of_bytes(Slice bytes) noexcept nogil
"""A string value from bytes a client sent: an integer when it spells one, else embstr or raw by length."""
cdef Value value_of_integer(int64_t integer) noexcept nogil
cdef Value value_of_raw(Slice bytes) noexcept nogil
"""A string value that OBJECT ENCODING shall call raw (APPEND, SETRANGE, ...)."""
cdef Value value_of_pointer(uint8_t type, uint8_t encoding, void* pointer) noexcept nogil
"""Ownership of the pointer goes along."""

cdef Entry* entry_new(Heap* heap, Slice key, Value value, bint with_deadline) noexcept nogil
"""A new entry, deadline node unlinked, access 0. NULL when memory for key or value was refused (then an
owned pointer stays the caller's). O(bytes copied)."""
cdef void entry_free(Heap* heap, Entry* entry) noexcept nogil
"""The entry's block and its value."""
cdef void entry_free_shell(Heap* heap, Entry* entry) noexcept nogil
"""The block only: the value went elsewhere."""
cdef Value entry_take_value(Heap* heap, Entry* entry) noexcept nogil
"""The value, to be put into another entry. Big ones are owned by the Value from now on; small ones are
borrowed from this entry, which must live (entry_free_shell later) until they are copied."""
cdef Entry* entry_with_value(Heap* heap, Entry* entry, Value value) noexcept nogil
"""Give the entry another value, keeping key, deadline and access. Returns its address, which may be new
(then wheel links are mended and the old block is freed), or NULL when refused (nothing changed).
The old value is freed, unless it was taken before (set ENTRY_INTEGER, say, to forget it)."""
cdef Entry* entry_with_deadline(Heap* heap, Entry* entry, bint present) noexcept nogil
"""Make or remove room for a deadline. The node must be in no wheel when removed. Never NULL for keys and
embedded values below HEAP_SMALL_MAX; NULL (unchanged) when a bigger block was refused."""
cdef StringValue* string_value_new(Heap* heap, Slice bytes, size_t capacity) noexcept nogil
"""NULL when refused."""
cdef void value_free(Heap* heap, uint8_t type, uint8_t encoding, void* pointer) noexcept nogil
"""Free a big value of any type."""
cdef bint value_free_some(Heap* heap, uint8_t type, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil
"""Free about `steps` blocks of a value that nobody uses any more; False when it is gone altogether."""
cdef uint64_t value_effort(uint8_t type, uint8_t encoding, void* pointer) noexcept nogil
"""How many blocks freeing it touches: UNLINK and lazy freeing go by it, as Redis's do (64)."""
cdef uint64_t entry_size(const Entry* entry) noexcept nogil
"""Bytes of a string, elements of a collection (fields that are due included); 0 of other types. O(1)."""
cdef uint64_t entry_memory(const Entry* entry, uint64_t samples) noexcept nogil
"""Bytes of the entry and its value; collections are estimated from `samples` elements (0 = all)."""
cdef bint entry_copy_value(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil
"""A deep copy for COPY, owned by value_out; False when refused."""
cdef const char* type_name(uint8_t type) noexcept nogil
cdef const char* encoding_name(uint8_t encoding) noexcept nogil
