"""LCS: the longest common subsequence of two strings."""
from hutch_engine.commands.call cimport Call

cdef void cmd_lcs(Call* call) noexcept nogil
