"""CLIENT: who is connected, and what may be asked of one's own or another's connection."""
from hutch_engine.commands.call cimport Call

cdef void cmd_client_getname(Call* call) noexcept nogil
cdef void cmd_client_help(Call* call) noexcept nogil
cdef void cmd_client_id(Call* call) noexcept nogil
cdef void cmd_client_info(Call* call) noexcept nogil
cdef void cmd_client_kill(Call* call) noexcept nogil
cdef void cmd_client_list(Call* call) noexcept nogil
cdef void cmd_client_no_evict(Call* call) noexcept nogil
cdef void cmd_client_no_touch(Call* call) noexcept nogil
cdef void cmd_client_pause(Call* call) noexcept nogil
cdef void cmd_client_reply(Call* call) noexcept nogil
cdef void cmd_client_setinfo(Call* call) noexcept nogil
cdef void cmd_client_setname(Call* call) noexcept nogil
cdef void cmd_client_unblock(Call* call) noexcept nogil
cdef void cmd_client_unpause(Call* call) noexcept nogil
