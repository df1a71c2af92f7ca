"""Lists in Redis's RDB format. A quicklist goes out as its nodes, each of a kind and a string: a listpack as it lies in
memory, or a big element alone; a short list is a quicklist of one node there."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_list(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_LIST's row."""
