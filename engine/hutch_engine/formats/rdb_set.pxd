"""Sets in Redis's RDB format: packed forms as they lie in memory, others as a count and the members in the table's order."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_set(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_SET's row."""
cdef bint rdb_set_is_long(const Entry* entry) noexcept nogil
"""Is it to go out in parts where others wait? O(1)."""
cdef void rdb_set_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""rdb_write_value_part, of a long one."""
