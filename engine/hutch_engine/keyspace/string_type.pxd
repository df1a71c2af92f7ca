"""Strings as values: short ones and integers lie inside their entry, long ones in a StringValue of their own."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void string_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_STRING."""
