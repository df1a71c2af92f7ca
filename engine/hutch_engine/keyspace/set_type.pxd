"""Sets as values. The encodings are the forms of structures/set: SET_INTSET, SET_LISTPACK, SET_COMPACT, SET_TABLE."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void set_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_SET."""
