"""What a value type is: one row, filled by the type's own files and constant afterwards.

keyspace/<type>_type.pyx fills the row but for `save` and `load`, formats/rdb_<type>.pyx fills these two. The rows lie in
keyspace/value_types, where whoever has a value of any type finds what to do with it. Commands of a family know which
type they have, and call its structure directly. How to add a type: docs/adding-a-type.md.

All functions run under the engine's lock. A `pointer` is what the entry holds (entry_pointer), never NULL; `encoding` is one of
the type's own. Functions that take an entry may assume that it has a value of the type.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.digest cimport Digest
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.keyspace.entry cimport Entry, Value
from hutch_engine.structures.listpack cimport Listpack

cdef enum:
    TYPES_MAX = 16               # Entry.kind has four bits for the type ...
    ENCODINGS_MAX = 16           # ... and four for its encoding
    DEBUG_DETAILS_MAX = 192
    NO_MODULE = -1

cdef struct EncodingLimits:      # up to here values stay packed; the parameters of the same names
    uint64_t hash_entries
    uint64_t hash_value_bytes
    uint64_t set_intset_entries
    uint64_t set_entries
    uint64_t set_value_bytes
    uint64_t zset_entries
    uint64_t zset_value_bytes
    int64_t list_size            # list-max-listpack-size: entries, or -1 .. -5 for 4 .. 64 KiB
    uint64_t stream_node_bytes   # of a block of a stream; 0: no limit
    uint64_t stream_node_entries
    uint64_t hll_sparse_bytes    # hll-sparse-max-bytes: a HyperLogLog beyond it, header and all, becomes dense

cdef struct ValueMaker:          # what values are made with; all borrowed from the keyspace
    Heap* heap
    const HashKey* hash_key
    const EncodingLimits* limits

cdef struct RdbReader:           # where formats/rdb reads
    const uint8_t* at
    const uint8_t* end
    bint refused                 # it was memory that was missing
    const char* lacking          # it has something that there is no place for here: static text that says what; or NULL

cdef struct ValueEncoding:
    const char* name             # as OBJECT ENCODING says it; NULL: the type has no encoding of this number
    int32_t table_offset         # where in the value's block its Table of members or fields lies, -1: it has none

# Free the value and all it owns.
ctypedef void (*ValueFree)(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil
# Free about `steps` blocks of a value that nobody uses any more; False when it is gone altogether. After the first slice
# nothing else is done with it.
ctypedef bint (*ValueFreeSome)(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil
# How many blocks freeing it touches. O(1), or nearly.
ctypedef uint64_t (*ValueEffort)(uint8_t encoding, const void* pointer) noexcept nogil
# A deep copy of the same encoding, owned by the caller; NULL when memory was refused. O(bytes).
ctypedef void* (*ValueCopy)(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil
# Bytes of the heap; estimated from so many elements (0: all of them).
ctypedef uint64_t (*ValueMemory)(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil
# Elements, what is due and not yet removed included; bytes of a string. O(1).
ctypedef uint64_t (*ValueLength)(const Entry* entry) noexcept nogil
# Mix the elements into the digest. O(bytes).
ctypedef void (*ValueDigest)(Digest* digest, const Entry* entry) noexcept nogil
# More words of DEBUG OBJECT's line, each with a space in front; `out` has DEBUG_DETAILS_MAX bytes, with "" in it.
ctypedef void (*ValueDetails)(const Entry* entry, char* out) noexcept nogil
# The listpack that is all of the value, or all but a header; NULL where there is none.
ctypedef const Listpack* (*ValueListpack)(uint8_t encoding, const void* pointer) noexcept nogil
# Append the value as RDB has it (formats/rdb): of Redis's own types the form's byte and the value, of a module's type what
# stands between the module's number and the end. `compress`: rdbcompression. A refused allocation shows in out.failed. O(bytes).
ctypedef void (*ValueSave)(Buffer* out, const Entry* entry, bint compress) noexcept nogil
# Read what `save` has written, or any older form of it. `form` is the RDB form, of a module's type the version of its
# encoding. The caller owns what *value_out points at; a string's bytes lie in the payload or in `storage`. False: bytes that
# break the format, or refused memory (reader.refused); then nothing is left behind.
ctypedef bint (*ValueLoad)(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil

cdef struct ValueType:
    const char* name             # TYPE's answer, SCAN's TYPE; of a module's type its nine letters
    const char* sizes_name       # its line in INFO keysizes; NULL: it has none
    ValueEncoding[16] encodings  # ENCODINGS_MAX
    uint8_t digest_number        # Redis's number of the type in digests
    int16_t module_version       # RDB knows it as a module's type, and this is the version that `save` writes; else NO_MODULE
    uint64_t rdb_forms           # bit n: `load` reads the RDB form n
    bint told_when_gone          # who blocks on a key looks again when its value goes (XREADGROUP)
    ValueFree free
    ValueFreeSome free_some      # NULL, as `effort` is then: values are one block
    ValueEffort effort
    ValueCopy copy
    ValueMemory memory
    ValueLength length
    ValueDigest digest           # NULL: DEBUG knows no digest of it
    ValueDetails details         # NULL: there are none
    ValueListpack listpack       # NULL: no encoding is one
    ValueSave save
    ValueLoad load

# Fills a row (or its save and load) with what the type's files have. Static texts only: rows are shared by all engines.
ctypedef void (*ValueTypeFill)(ValueType* row) noexcept nogil
