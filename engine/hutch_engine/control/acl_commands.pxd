"""ACL: users and what they may do."""
from hutch_engine.commands.call cimport Call

cdef void cmd_acl_cat(Call* call) noexcept nogil
cdef void cmd_acl_deluser(Call* call) noexcept nogil
cdef void cmd_acl_dryrun(Call* call) noexcept nogil
cdef void cmd_acl_genpass(Call* call) noexcept nogil
cdef void cmd_acl_getuser(Call* call) noexcept nogil
cdef void cmd_acl_help(Call* call) noexcept nogil
cdef void cmd_acl_list(Call* call) noexcept nogil
cdef void cmd_acl_load(Call* call) noexcept nogil
cdef void cmd_acl_log(Call* call) noexcept nogil
cdef void cmd_acl_save(Call* call) noexcept nogil
cdef void cmd_acl_setuser(Call* call) noexcept nogil
cdef void cmd_acl_users(Call* call) noexcept nogil
cdef void cmd_acl_whoami(Call* call) noexcept nogil
