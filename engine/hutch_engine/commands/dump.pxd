"""DUMP and RESTORE: one value as a payload, and back."""
from hutch_engine.commands.call cimport Call

cdef void cmd_dump(Call* call) noexcept nogil
cdef void cmd_restore(Call* call) noexcept nogil
cdef void cmd_restore_asking(Call* call) noexcept nogil
