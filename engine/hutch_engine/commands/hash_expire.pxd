"""Deadlines of a hash's fields: the HEXPIRE and HTTL families, HPERSIST, and HGETEX, HSETEX, HGETDEL."""
from hutch_engine.commands.call cimport Call

cdef void cmd_hexpire(Call* call) noexcept nogil
cdef void cmd_hexpireat(Call* call) noexcept nogil
cdef void cmd_hexpiretime(Call* call) noexcept nogil
cdef void cmd_hgetdel(Call* call) noexcept nogil
cdef void cmd_hgetex(Call* call) noexcept nogil
cdef void cmd_hpersist(Call* call) noexcept nogil
cdef void cmd_hpexpire(Call* call) noexcept nogil
cdef void cmd_hpexpireat(Call* call) noexcept nogil
cdef void cmd_hpexpiretime(Call* call) noexcept nogil
cdef void cmd_hpttl(Call* call) noexcept nogil
cdef void cmd_hsetex(Call* call) noexcept nogil
cdef void cmd_httl(Call* call) noexcept nogil
