"""Intersections, unions and differences of sets: answered, counted or stored."""
from hutch_engine.commands.call cimport Call

cdef void cmd_sdiff(Call* call) noexcept nogil
cdef void cmd_sdiffstore(Call* call) noexcept nogil
cdef void cmd_sinter(Call* call) noexcept nogil
cdef void cmd_sintercard(Call* call) noexcept nogil
cdef void cmd_sinterstore(Call* call) noexcept nogil
cdef void cmd_sunion(Call* call) noexcept nogil
cdef void cmd_sunionstore(Call* call) noexcept nogil
