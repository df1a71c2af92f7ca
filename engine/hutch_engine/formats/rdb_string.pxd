"""Strings in Redis's RDB format."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_string(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_STRING's row."""
