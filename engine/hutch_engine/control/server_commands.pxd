"""TIME, LOLWUT and SHUTDOWN."""
from hutch_engine.commands.call cimport Call

cdef void cmd_lolwut(Call* call) noexcept nogil
cdef void cmd_shutdown(Call* call) noexcept nogil
cdef void cmd_time(Call* call) noexcept nogil
