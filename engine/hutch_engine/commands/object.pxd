"""OBJECT: what is known of a value's inside."""
from hutch_engine.commands.call cimport Call

cdef void cmd_object_encoding(Call* call) noexcept nogil
cdef void cmd_object_freq(Call* call) noexcept nogil
cdef void cmd_object_help(Call* call) noexcept nogil
cdef void cmd_object_idletime(Call* call) noexcept nogil
cdef void cmd_object_refcount(Call* call) noexcept nogil
