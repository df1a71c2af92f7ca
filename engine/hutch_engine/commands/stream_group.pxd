"""Consumer groups: making and changing them, acknowledging entries, and what is pending."""
from hutch_engine.commands.call cimport Call

cdef void cmd_xack(Call* call) noexcept nogil
cdef void cmd_xackdel(Call* call) noexcept nogil
cdef void cmd_xgroup_create(Call* call) noexcept nogil
cdef void cmd_xgroup_createconsumer(Call* call) noexcept nogil
cdef void cmd_xgroup_delconsumer(Call* call) noexcept nogil
cdef void cmd_xgroup_destroy(Call* call) noexcept nogil
cdef void cmd_xgroup_help(Call* call) noexcept nogil
cdef void cmd_xgroup_setid(Call* call) noexcept nogil
cdef void cmd_xpending(Call* call) noexcept nogil
