"""COMMAND: what the command table says."""
from hutch_engine.commands.call cimport Call

cdef void cmd_command(Call* call) noexcept nogil
cdef void cmd_command_count(Call* call) noexcept nogil
cdef void cmd_command_docs(Call* call) noexcept nogil
cdef void cmd_command_getkeys(Call* call) noexcept nogil
cdef void cmd_command_getkeysandflags(Call* call) noexcept nogil
cdef void cmd_command_help(Call* call) noexcept nogil
cdef void cmd_command_info(Call* call) noexcept nogil
cdef void cmd_command_list(Call* call) noexcept nogil
