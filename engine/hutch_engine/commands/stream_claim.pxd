"""Consumer groups: taking over what is pending for somebody else."""
from hutch_engine.commands.call cimport Call

cdef void cmd_xautoclaim(Call* call) noexcept nogil
cdef void cmd_xclaim(Call* call) noexcept nogil
