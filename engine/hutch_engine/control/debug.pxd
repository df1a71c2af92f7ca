"""DEBUG: what test suites of Redis-compatible servers rely on."""
from hutch_engine.commands.call cimport Call

cdef void cmd_debug(Call* call) noexcept nogil
