"""Sets in Redis's RDB format: packed forms as they lie in memory, others as a count and the members in the table's order."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_set(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_SET's row."""
