"""Which words of a request are keys."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command

cdef struct KeyPosition:
    uint32_t index               # in argv
    uint32_t flags               # KEY_

cdef int64_t command_keys(const Command* command, const Slice* argv, size_t argc, KeyPosition* positions,
                          size_t capacity) noexcept nogil
"""Find the keys by the command's specifications. Returns how many there are (only the first `capacity` are
stored), or -1 when the arguments do not make sense. Words that are shaped like keys but name none
(KEY_NOT_KEY) are left out. O(arguments)."""
