"""FUNCTION, FCALL and FCALL_RO."""
from hutch_engine.commands.call cimport Call

cdef void cmd_fcall(Call* call) noexcept nogil
cdef void cmd_fcall_ro(Call* call) noexcept nogil
cdef void cmd_function_load(Call* call) noexcept nogil
cdef void cmd_function_delete(Call* call) noexcept nogil
cdef void cmd_function_flush(Call* call) noexcept nogil
cdef void cmd_function_list(Call* call) noexcept nogil
cdef void cmd_function_stats(Call* call) noexcept nogil
cdef void cmd_function_dump(Call* call) noexcept nogil
cdef void cmd_function_restore(Call* call) noexcept nogil
cdef void cmd_function_kill(Call* call) noexcept nogil
cdef void cmd_function_help(Call* call) noexcept nogil
