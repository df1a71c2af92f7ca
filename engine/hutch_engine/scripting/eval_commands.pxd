"""EVAL and its like, SCRIPT, and the cache of compiled scripts."""
from libc.stdint cimport uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Engine

cdef void cmd_eval(Call* call) noexcept nogil
cdef void cmd_evalsha(Call* call) noexcept nogil
cdef void cmd_eval_ro(Call* call) noexcept nogil
cdef void cmd_evalsha_ro(Call* call) noexcept nogil
cdef void cmd_script_load(Call* call) noexcept nogil
cdef void cmd_script_exists(Call* call) noexcept nogil
cdef void cmd_script_show(Call* call) noexcept nogil
cdef void cmd_script_flush(Call* call) noexcept nogil
cdef void cmd_script_kill(Call* call) noexcept nogil
cdef void cmd_script_debug(Call* call) noexcept nogil
cdef void cmd_script_help(Call* call) noexcept nogil
cdef uint32_t eval_script_flags(Engine* engine, Slice* argv, bint by_digest) noexcept nogil
"""SCRIPT_ flags of what EVAL or EVALSHA would run; SCRIPT_COMPATIBLE when that is not known."""
