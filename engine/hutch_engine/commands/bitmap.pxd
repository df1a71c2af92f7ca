"""Bitmaps: SETBIT and GETBIT, counting and searching, BITOP, and BITFIELD's integers. They are strings; see structures/bits."""
from hutch_engine.commands.call cimport Call

cdef void cmd_bitcount(Call* call) noexcept nogil
cdef void cmd_bitfield(Call* call) noexcept nogil
cdef void cmd_bitfield_ro(Call* call) noexcept nogil
cdef void cmd_bitop(Call* call) noexcept nogil
cdef void cmd_bitpos(Call* call) noexcept nogil
cdef void cmd_getbit(Call* call) noexcept nogil
cdef void cmd_setbit(Call* call) noexcept nogil
