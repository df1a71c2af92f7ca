"""Sorted sets in Redis's RDB format: a listpack as it lies in memory, the big form from the highest score down, as Redis's
skiplist does."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_zset(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_ZSET's row."""
cdef bint rdb_zset_is_long(const Entry* entry) noexcept nogil
"""Is it to go out in parts where others wait? O(1)."""
cdef void rdb_zset_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""rdb_write_value_part, of a long one."""
