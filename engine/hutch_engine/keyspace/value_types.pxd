"""The table of types: what is to be done with a value of whatever type (value_type.pxd has a row's fields).

The rows are filled while modules are imported, before there is an engine, and constant afterwards: any thread may
read them. A number without a type has a row whose functions do nothing, and break an invariant in builds with checks.
"""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.digest cimport Digest
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport (
    TYPE_STRING, Entry, StringValue, Value, entry_encoding, entry_pointer, entry_type, string_value_free)
from hutch_engine.keyspace.value_type cimport ValueType, ValueTypeFill
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.table cimport Table

cdef ValueType[16] value_types   # TYPES_MAX rows, by number

cdef bint value_type_add(uint8_t type, ValueTypeFill fill) noexcept nogil
"""Make the row of a type, while modules are imported. False: the number is taken, or something that every type must
have is missing (save and load may come later, through value_type_format)."""
cdef bint value_type_format(uint8_t type, ValueTypeFill fill) noexcept nogil
"""Put save and load into the row, while modules are imported. False: there is no such row, or it has them."""
cdef int value_type_named(Slice name) noexcept nogil
"""The number of the type that TYPE calls so, in any case of letters; TYPE_NONE if there is none."""

cdef inline const char* type_name(uint8_t type) noexcept nogil:
    """The type's name as TYPE tells it ("none" for TYPE_NONE); static text."""
    return value_types[type].name

cdef inline const char* encoding_name(const Entry* entry) noexcept nogil:
    """The encoding's name, as OBJECT ENCODING tells it; static text."""
    return value_types[entry_type(entry)].encodings[entry_encoding(entry)].name

# ---- values that belong to no entry; a NULL pointer is allowed where it is freed
cdef inline void value_free(Heap* heap, uint8_t type, uint8_t encoding, void* pointer) noexcept nogil:
    """Free a value that no entry owns any more, whole and at once. NULL is allowed. O(elements)."""
    if pointer == NULL:
        return
    if likely(type == TYPE_STRING):
        string_value_free(heap, <StringValue*>pointer)
    else:
        value_types[type].free(heap, encoding, pointer)

cdef bint value_free_some(Heap* heap, uint8_t type, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil
"""Free about `steps` blocks of a value that nobody uses any more; False when it is gone altogether."""
cdef inline uint64_t value_effort(uint8_t type, uint8_t encoding, const void* pointer) noexcept nogil:
    """How many blocks freeing it touches: UNLINK and lazy freeing go by it, as Redis's do (64)."""
    cdef const ValueType* row
    if type == TYPE_STRING:
        return 1
    row = &value_types[type]
    return row.effort(encoding, pointer) if row.effort != NULL else 1

# ---- values of entries
cdef inline const Table* entry_table(const Entry* entry) noexcept nogil:
    """The table of the value's members or fields; NULL where there is none. Requires neither ENTRY_EMBEDDED nor
    ENTRY_INTEGER."""
    cdef int32_t offset = value_types[entry_type(entry)].encodings[entry_encoding(entry)].table_offset
    return <const Table*>(<const char*>entry_pointer(entry) + offset) if offset >= 0 else NULL

cdef inline const Listpack* entry_listpack(const Entry* entry) noexcept nogil:
    """The listpack that is all of the value but for a header; NULL where there is none."""
    cdef const ValueType* row = &value_types[entry_type(entry)]
    return row.listpack(entry_encoding(entry), entry_pointer(entry)) if row.listpack != NULL else NULL

cdef uint64_t entry_size(const Entry* entry) noexcept nogil
"""Bytes of a string, elements of a collection (fields that are due included). O(1)."""
cdef uint64_t entry_memory(const Entry* entry, uint64_t samples) noexcept nogil
"""Bytes of the entry and its value; collections are estimated from `samples` elements (0 = all)."""
cdef bint entry_copy_value(Heap* heap, const Entry* entry, Value* value_out) noexcept nogil
"""A deep copy for COPY, owned by value_out (a string's bytes are borrowed from the entry: they are copied when another entry
is made of them); False when refused."""
cdef bint entry_digest(Digest* digest, const Entry* entry) noexcept nogil
"""Type, elements, and whether there are deadlines (not which). False for a type that has no digest: better none than a wrong
one. O(bytes)."""
