"""SORT and SORT_RO: the elements of a list, set or sorted set in order, by themselves or by other keys."""
from hutch_engine.commands.call cimport Call

cdef void cmd_sort(Call* call) noexcept nogil
cdef void cmd_sort_ro(Call* call) noexcept nogil
