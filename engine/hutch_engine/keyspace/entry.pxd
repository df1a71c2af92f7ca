"""One key and its value: a single block, and for big values a second one.

    offset  size  what
    -24     24    WheelNode, only with ENTRY_HAS_DEADLINE (the block begins here)
      0      1    kind: type in the low nibble, in the high one its encoding (each type numbers its own)
      1      1    flags
      2      1    snapshot: number of the last snapshot that has this entry
      3      1    size class: where INFO keysizes counts it (keyspace_resized)
      4      4    access: LRU clock in seconds (24 bits), or LFU minutes (16 bits) and counter (8 bits)
      8      1+   key length, LEB128, then the key's bytes
      ...         the value, right behind the key and unaligned, one of
                  EMBEDDED: length (LEB128) and bytes      (strings up to ENTRY_EMBED_MAX)
                  INTEGER:  int64
                  neither:  pointer to the value: a long string's StringValue, or what its type has (value_type)

An Entry* points at offset 0. Changing a deadline's presence, or an embedded value's size, makes a new
block: functions that may do so return the entry's new address, and the caller puts it in the table.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport load_i64, load_ptr, store_i64, store_ptr
from hutch_engine.base.leb128 cimport leb128_slice
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport format_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.wheel cimport WheelNode

cdef enum:                       # types: the rows of value_types
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_ZSET = 3
    TYPE_HASH = 4
    TYPE_STREAM = 5
    TYPE_JSON = 6
    TYPE_NONE = 15               # no such key

cdef enum:                       # encodings of strings; those of other types: list_type, set_type ...
    STRING_RAW = 0
    STRING_INT = 1
    STRING_EMBSTR = 2

cdef enum:
    ENTRY_HAS_DEADLINE = 1
    ENTRY_EMBEDDED = 2
    ENTRY_INTEGER = 4
    ENTRY_HAS_FIELD_DEADLINES = 8        # a hash with a field that has one; kept by keyspace_fields_changed

cdef enum:
    ENTRY_HEADER_BYTES = 8       # the table's key_offset for keys
    ENTRY_DEADLINE_BYTES = 24
    ENTRY_EMBED_MAX = 512        # longer strings get a block of their own, with room to grow
    EMBSTR_MAX = 41              # key and value together; measured on Redis 8.2.3 (string_encoding)
    EMBSTR_WITH_DEADLINE_MAX = 33

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

# A value on its way into or out of an entry. Which field counts follows from encoding and type. A string's STRING_EMBSTR says
# that its size decides in the entry, STRING_RAW that it is raw whatever its size.
cdef struct Value:
    uint8_t type
    uint8_t encoding
    bint owned                   # `pointer` is handed over (else bytes are copied)
    int64_t integer              # STRING_INT
    Slice bytes                  # other strings; borrowed
    void* pointer                # other types; and an owned StringValue

cdef inline uint8_t entry_type(const Entry* entry) noexcept nogil:
    """The type of the value, a TYPE_ number."""
    return entry.kind & 15

cdef inline uint8_t entry_encoding(const Entry* entry) noexcept nogil:
    """The encoding of the value, whose numbers are its type's own."""
    return entry.kind >> 4

cdef inline bint entry_has_deadline(const Entry* entry) noexcept nogil:
    """Has the key a deadline, and so a WheelNode in front of its entry?"""
    return entry.flags & ENTRY_HAS_DEADLINE

cdef inline WheelNode* entry_node(const Entry* entry) noexcept nogil:
    """The node of the entry's deadline, borrowed from its block. Requires ENTRY_HAS_DEADLINE."""
    return <WheelNode*>(<char*>entry - ENTRY_DEADLINE_BYTES)

cdef inline Entry* entry_of_node(WheelNode* node) noexcept nogil:
    """The entry whose deadline this node is: the other way round than entry_node."""
    return <Entry*>(<char*>node + ENTRY_DEADLINE_BYTES)

cdef inline int64_t entry_deadline_ms(const Entry* entry) noexcept nogil:
    """The key's deadline as a Unix time, -1 without one."""
    return entry_node(entry).deadline_ms if entry.flags & ENTRY_HAS_DEADLINE else -1

cdef inline uint8_t string_encoding(size_t key_length, size_t length, bint with_deadline) noexcept nogil:
    """What Redis 8.2 calls a text: embstr while key, value and deadline share one small block of its own. Here only
    OBJECT ENCODING's name depends on it."""
    return STRING_EMBSTR if key_length + length <= <size_t>(
        EMBSTR_WITH_DEADLINE_MAX if with_deadline else EMBSTR_MAX) else STRING_RAW

cdef inline Slice entry_key(const Entry* entry) noexcept nogil:
    """The key's bytes, borrowed from the entry's block."""
    return leb128_slice(<const char*>entry + ENTRY_HEADER_BYTES)

cdef inline char* entry_value_at(const Entry* entry) noexcept nogil:
    """Where the value's part begins, behind the key."""
    cdef Slice key = entry_key(entry)
    return <char*>key.data + key.length

cdef inline int64_t entry_integer(const Entry* entry) noexcept nogil:
    """The number that the value is. Requires ENTRY_INTEGER."""
    return load_i64(entry_value_at(entry))

cdef inline void entry_set_integer(Entry* entry, int64_t value) noexcept nogil:
    """Write another number over the value, in place. Requires ENTRY_INTEGER."""
    store_i64(entry_value_at(entry), value)

cdef inline void* entry_pointer(const Entry* entry) noexcept nogil:
    """The pointer to the value, which the entry owns. Requires neither ENTRY_EMBEDDED nor ENTRY_INTEGER."""
    return load_ptr(entry_value_at(entry))

cdef inline void entry_set_pointer(Entry* entry, void* pointer) noexcept nogil:
    """Note that the value lies elsewhere now (a string that grew); its kind stays."""
    store_ptr(entry_value_at(entry), pointer)

cdef inline void entry_set_form(Entry* entry, uint8_t encoding, void* pointer) noexcept nogil:
    """The value changed in place: it may have another encoding and lie elsewhere. Requires neither ENTRY_EMBEDDED nor
    ENTRY_INTEGER, before and afterwards."""
    entry.kind = <uint8_t>((entry.kind & 15) | encoding << 4)
    store_ptr(entry_value_at(entry), pointer)

cdef inline char* string_value_bytes(StringValue* value) noexcept nogil:
    """Where the bytes of a long string begin; borrowed from the block, which has value.capacity bytes of room there."""
    return <char*>value + sizeof(StringValue)

cdef inline Slice entry_bytes(const Entry* entry, char* scratch) noexcept nogil:
    """The string's bytes, borrowed from the entry; an integer's digits go to `scratch` (INTEGER_TEXT_MAX)."""
    cdef StringValue* value
    if entry.flags & ENTRY_EMBEDDED:
        return leb128_slice(entry_value_at(entry))
    if entry.flags & ENTRY_INTEGER:
        return slice_of(scratch, format_integer(entry_integer(entry), scratch))
    value = <StringValue*>entry_pointer(entry)
    return slice_of(string_value_bytes(value), value.length)

cdef Value value_of_bytes(Slice bytes) noexcept nogil
"""A string value from bytes a client sent: an integer when it spells one, else a text."""
cdef Value value_of_integer(int64_t integer) noexcept nogil
"""A string value that is stored as a number. Nothing is owned."""
cdef Value value_of_text(Slice bytes) noexcept nogil
"""A string value that is never an integer, even when it looks like one (INCRBYFLOAT)."""
cdef Value value_of_raw(Slice bytes) noexcept nogil
"""A string value that OBJECT ENCODING shall call raw (APPEND, SETRANGE, ...)."""
cdef Value value_of_pointer(uint8_t type, uint8_t encoding, void* pointer) noexcept nogil
"""A value that owns the pointer, which was the caller's."""

cdef Entry* entry_new(Heap* heap, Slice key, Value value, bint with_deadline) noexcept nogil
"""A new entry, deadline node unlinked, access 0. NULL when memory for key or value was refused (then an
owned pointer stays the caller's). O(bytes copied)."""
cdef void entry_free_shell(Heap* heap, Entry* entry) noexcept nogil
"""Free the entry's block only: its value went elsewhere."""
cdef Value entry_value(const Entry* entry) noexcept nogil
"""The entry's value, to be put into another entry. Big ones are owned by the Value from now on; small ones are
borrowed from this entry, which must live (entry_free_shell later) until they are copied."""
cdef Entry* entry_with_value(Heap* heap, Entry* entry, Value value) noexcept nogil
"""Give the entry another value, keeping key, deadline and access. Returns its address, which may be new
(then wheel links are mended and the old block is freed), or NULL when refused (nothing changed). An old string is freed,
unless it was taken before (set ENTRY_INTEGER, say, to forget it); a value of another type must have been taken."""
cdef Entry* entry_with_deadline(Heap* heap, Entry* entry, bint present) noexcept nogil
"""Make or remove room for a deadline. The node must be in no wheel when removed. Never NULL for keys and
embedded values below HEAP_SMALL_MAX; NULL (unchanged) when a bigger block was refused. The entry's address changes: what
points to it from inside its value is the caller's to mend."""
cdef void entry_choose_text_encoding(Entry* entry) noexcept nogil
"""Name an embedded text anew by its size (string_encoding); other values stay as they are. O(1)."""
cdef StringValue* string_value_new(Heap* heap, Slice bytes, size_t capacity) noexcept nogil
"""Make a long string, a copy of the bytes with room for `capacity`; the caller owns it. NULL when refused. O(length)."""
cdef void string_value_free(Heap* heap, StringValue* value) noexcept nogil
"""Free a long string. NULL is allowed."""
cdef size_t entry_block_bytes(const Entry* entry) noexcept nogil
"""What the entry's own block takes, without a value that lies outside. O(1)."""
