"""Streams: what XINFO tells of them, of their groups and of the consumers."""
from hutch_engine.commands.call cimport Call

cdef void cmd_xinfo_consumers(Call* call) noexcept nogil
cdef void cmd_xinfo_groups(Call* call) noexcept nogil
cdef void cmd_xinfo_help(Call* call) noexcept nogil
cdef void cmd_xinfo_stream(Call* call) noexcept nogil
