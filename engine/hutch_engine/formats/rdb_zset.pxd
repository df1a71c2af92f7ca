"""Sorted sets in Redis's RDB format: a listpack as it lies in memory, the big form from the highest score down, as Redis's
skiplist does."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_zset(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_ZSET's row."""
