"""Hashes in Redis's RDB format: packed forms as they lie in memory, others as a count and the fields in the table's order.
One with deadlines says the earliest first, and counts from there, one being the earliest itself and zero none."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_hash(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_HASH's row."""
