"""Lists in Redis's RDB format. A quicklist goes out as its nodes, each of a kind and a string: a listpack as it lies in
memory, or a big element alone; a short list is a quicklist of one node there."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_list(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_LIST's row."""
cdef bint rdb_list_is_long(const Entry* entry) noexcept nogil
"""Is it to go out in parts where others wait? O(1)."""
cdef void rdb_list_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""rdb_write_value_part, of a long one."""
