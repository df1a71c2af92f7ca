"""HyperLogLogs: PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST, which look into them. They are strings; see
structures/hyperloglog."""
from hutch_engine.commands.call cimport Call

cdef void cmd_pfadd(Call* call) noexcept nogil
cdef void cmd_pfcount(Call* call) noexcept nogil
cdef void cmd_pfdebug(Call* call) noexcept nogil
cdef void cmd_pfmerge(Call* call) noexcept nogil
cdef void cmd_pfselftest(Call* call) noexcept nogil
