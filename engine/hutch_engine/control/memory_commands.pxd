"""MEMORY and its subcommands."""
from hutch_engine.commands.call cimport Call

cdef void cmd_memory_doctor(Call* call) noexcept nogil
cdef void cmd_memory_help(Call* call) noexcept nogil
cdef void cmd_memory_malloc_stats(Call* call) noexcept nogil
cdef void cmd_memory_purge(Call* call) noexcept nogil
cdef void cmd_memory_stats(Call* call) noexcept nogil
cdef void cmd_memory_usage(Call* call) noexcept nogil
