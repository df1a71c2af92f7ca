"""FUNCTION, FCALL and FCALL_RO."""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Session

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
cdef uint64_t flags_of_script(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""Engine.scripts.flags_of_script, for EVAL's family and FCALL's: what a shebang line or a function's flags say of writing and
of memory is believed, whatever the command may do."""
