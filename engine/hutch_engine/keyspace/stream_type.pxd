"""Streams as values: a log of entries and the groups that read it (structures/stream)."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef enum:                       # encodings
    STREAM_LOG = 0

cdef void stream_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_STREAM."""
