"""COMMAND: what the command table says; and which words of a request are keys."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.command cimport Command

cdef struct KeyPosition:
    uint32_t index               # in argv
    uint32_t flags               # KEY_

cdef int64_t command_keys(const Command* command, const Slice* argv, size_t argc, KeyPosition* positions,
                          size_t capacity) noexcept nogil
"""Find the keys by the command's specifications. Returns how many there are (only the first `capacity` are
stored), or -1 when the arguments do not make sense. Words that are shaped like keys but name none
(KEY_NOT_KEY) are left out. O(arguments)."""

cdef void cmd_command(Call* call) noexcept nogil
cdef void cmd_command_count(Call* call) noexcept nogil
cdef void cmd_command_docs(Call* call) noexcept nogil
cdef void cmd_command_getkeys(Call* call) noexcept nogil
cdef void cmd_command_getkeysandflags(Call* call) noexcept nogil
cdef void cmd_command_help(Call* call) noexcept nogil
cdef void cmd_command_info(Call* call) noexcept nogil
cdef void cmd_command_list(Call* call) noexcept nogil
