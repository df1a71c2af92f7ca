"""Lists: LPUSH to LMPOP, and the commands that wait for an element.

A list is one listpack while it is small, else a quicklist; list-max-listpack-size says which, as in Redis. A list
has at least one element: the command that takes the last one deletes the key.
"""
from hutch_engine.commands.call cimport Call

cdef void cmd_blmove(Call* call) noexcept nogil
cdef void cmd_blmpop(Call* call) noexcept nogil
cdef void cmd_blpop(Call* call) noexcept nogil
cdef void cmd_brpop(Call* call) noexcept nogil
cdef void cmd_brpoplpush(Call* call) noexcept nogil
cdef void cmd_lindex(Call* call) noexcept nogil
cdef void cmd_linsert(Call* call) noexcept nogil
cdef void cmd_llen(Call* call) noexcept nogil
cdef void cmd_lmove(Call* call) noexcept nogil
cdef void cmd_lmpop(Call* call) noexcept nogil
cdef void cmd_lpop(Call* call) noexcept nogil
cdef void cmd_lpos(Call* call) noexcept nogil
cdef void cmd_lpush(Call* call) noexcept nogil
cdef void cmd_lpushx(Call* call) noexcept nogil
cdef void cmd_lrange(Call* call) noexcept nogil
cdef void cmd_lrem(Call* call) noexcept nogil
cdef void cmd_lset(Call* call) noexcept nogil
cdef void cmd_ltrim(Call* call) noexcept nogil
cdef void cmd_rpop(Call* call) noexcept nogil
cdef void cmd_rpoplpush(Call* call) noexcept nogil
cdef void cmd_rpush(Call* call) noexcept nogil
cdef void cmd_rpushx(Call* call) noexcept nogil
