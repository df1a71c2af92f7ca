"""Streams in Redis's RDB format (rdb_stream_writer tells it)."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_stream(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_STREAM's row."""
cdef bint rdb_stream_is_long(const Entry* entry) noexcept nogil
"""Is it to go out in parts where others wait? O(1)."""
cdef void rdb_stream_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""rdb_write_value_part, of a long one."""
