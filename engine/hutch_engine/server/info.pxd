"""INFO, section by section."""
from hutch_engine.commands.call cimport Call

cdef void cmd_info(Call* call) noexcept nogil
