"""JSON documents as values: a block that holds the root's word (structures/json_value), under the name of RedisJSON's type."""
from hutch_engine.base.memory cimport Heap
from hutch_engine.keyspace.entry cimport Entry, Value, entry_pointer
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.json_value cimport JsonFreeing, JsonWord

cdef enum:                       # encodings
    JSON_TREE = 0

cdef enum:
    JSON_RDB_VERSION = 3         # of RedisJSON's encoding: the compact text

cdef struct JsonDocument:        # the value's block
    JsonFreeing root             # `current` is the root, or what is being freed
    size_t text_bytes            # how long its text was when last seen, so that a reply has room at once; 0: unknown

cdef bint json_value_of(Heap* heap, JsonWord root, Value* value_out) noexcept nogil
"""A document with this root, which it owns from now on. False: memory was refused, and the word is still the caller's."""
cdef inline JsonWord* json_root(const Entry* entry) noexcept nogil:
    """Where the root's word lies, in the document's block. Requires TYPE_JSON."""
    return &(<JsonDocument*>entry_pointer(entry)).root.current

cdef inline size_t* json_text_bytes(const Entry* entry) noexcept nogil:
    """How long the document's text was when somebody last saw it: a hint, to be kept by who sees it."""
    return &(<JsonDocument*>entry_pointer(entry)).text_bytes

cdef void json_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_JSON."""
