"""INFO, section by section."""
from libc.stdint cimport uint64_t
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Engine

cdef void cmd_info(Call* call) noexcept nogil

cdef uint64_t resident_bytes() noexcept nogil
"""Of the whole process: the host's memory counts too, there is no telling them apart."""
cdef uint64_t resizing_bytes(const Engine* engine) noexcept nogil
"""What the keys' tables give back when they are done with growing or shrinking. O(databases)."""
