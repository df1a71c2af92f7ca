"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""
from hutch_engine.commands.call cimport Call

cdef void cmd_multi(Call* call) noexcept nogil
cdef void cmd_exec(Call* call) noexcept nogil
cdef void cmd_discard(Call* call) noexcept nogil
cdef void cmd_watch(Call* call) noexcept nogil
cdef void cmd_unwatch(Call* call) noexcept nogil
