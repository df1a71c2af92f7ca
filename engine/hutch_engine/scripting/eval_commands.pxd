"""EVAL and its like, SCRIPT, and the cache of compiled scripts."""
from hutch_engine.commands.call cimport Call

cdef void cmd_eval(Call* call) noexcept nogil
cdef void cmd_evalsha(Call* call) noexcept nogil
cdef void cmd_eval_ro(Call* call) noexcept nogil
cdef void cmd_evalsha_ro(Call* call) noexcept nogil
cdef void cmd_script_load(Call* call) noexcept nogil
cdef void cmd_script_exists(Call* call) noexcept nogil
cdef void cmd_script_flush(Call* call) noexcept nogil
cdef void cmd_script_kill(Call* call) noexcept nogil
cdef void cmd_script_debug(Call* call) noexcept nogil
cdef void cmd_script_help(Call* call) noexcept nogil
