"""Hashes in Redis's RDB format: packed forms as they lie in memory, others as a count and the fields in the table's order.
One with deadlines says the earliest first, and counts from there, one being the earliest itself and zero none."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_hash(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_HASH's row."""
cdef void rdb_write_hash_plainly(Buffer* out, const Entry* entry, bint compress) noexcept nogil
"""The form and the value of a hash none of whose fields has a deadline, in the form that all versions read: what a hash that
had some once is to be in a file of version 11. O(bytes)."""
cdef bint rdb_hash_is_long(const Entry* entry) noexcept nogil
"""Is it to go out in parts where others wait? O(1)."""
cdef void rdb_hash_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""rdb_write_value_part, of a long one."""
