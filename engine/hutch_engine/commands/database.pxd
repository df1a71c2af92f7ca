"""Whole databases: their size, emptying and swapping them."""
from hutch_engine.commands.call cimport Call

cdef void cmd_dbsize(Call* call) noexcept nogil
cdef void cmd_flushall(Call* call) noexcept nogil
cdef void cmd_flushdb(Call* call) noexcept nogil
cdef void cmd_swapdb(Call* call) noexcept nogil
