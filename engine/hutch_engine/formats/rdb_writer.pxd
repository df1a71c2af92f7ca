"""Values as Redis 8.2 writes them: what DUMP gives."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Keyspace

cdef void rdb_write_value(Buffer* out, Keyspace* keyspace, const Entry* entry, bint compress) noexcept nogil
"""The type's byte and the value, fields that are due and not yet removed included. `compress` is rdbcompression. A refused
allocation shows in out.failed. O(bytes)."""
