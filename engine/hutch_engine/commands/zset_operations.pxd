"""Unions, intersections and differences of sorted sets (plain sets count with scores of 1)."""
from hutch_engine.commands.call cimport Call

cdef void cmd_zdiff(Call* call) noexcept nogil
cdef void cmd_zdiffstore(Call* call) noexcept nogil
cdef void cmd_zinter(Call* call) noexcept nogil
cdef void cmd_zintercard(Call* call) noexcept nogil
cdef void cmd_zinterstore(Call* call) noexcept nogil
cdef void cmd_zunion(Call* call) noexcept nogil
cdef void cmd_zunionstore(Call* call) noexcept nogil
