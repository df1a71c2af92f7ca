"""Keys, whatever their values: there, gone, renamed, copied, moved, listed."""
from hutch_engine.commands.call cimport Call

cdef void cmd_copy(Call* call) noexcept nogil
cdef void cmd_del(Call* call) noexcept nogil
cdef void cmd_exists(Call* call) noexcept nogil
cdef void cmd_keys(Call* call) noexcept nogil
cdef void cmd_move(Call* call) noexcept nogil
cdef void cmd_randomkey(Call* call) noexcept nogil
cdef void cmd_rename(Call* call) noexcept nogil
cdef void cmd_renamenx(Call* call) noexcept nogil
cdef void cmd_scan(Call* call) noexcept nogil
cdef void cmd_touch(Call* call) noexcept nogil
cdef void cmd_type(Call* call) noexcept nogil
cdef void cmd_unlink(Call* call) noexcept nogil
