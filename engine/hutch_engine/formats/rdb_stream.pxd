"""Streams in Redis's RDB format (rdb_stream_writer tells it)."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_stream(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_STREAM's row."""
