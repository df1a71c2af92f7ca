"""SLOWLOG: what executor/slow_log keeps."""
from hutch_engine.commands.call cimport Call

cdef void cmd_slowlog_get(Call* call) noexcept nogil
cdef void cmd_slowlog_help(Call* call) noexcept nogil
cdef void cmd_slowlog_len(Call* call) noexcept nogil
cdef void cmd_slowlog_reset(Call* call) noexcept nogil
