"""INFO, section by section."""
from libc.stdint cimport uint64_t
from hutch_engine.commands.call cimport Call

cdef void cmd_info(Call* call) noexcept nogil

cdef uint64_t resident_bytes() noexcept nogil
"""Of the whole process: the host's memory counts too, there is no telling them apart."""
