"""Commands that change numbers, strings and truth values in JSON documents, and JSON.CLEAR."""
from hutch_engine.commands.call cimport Call

cdef void cmd_json_numincrby(Call* call) noexcept nogil
"""JSON.NUMINCRBY key path number: add to numbers."""
cdef void cmd_json_nummultby(Call* call) noexcept nogil
"""JSON.NUMMULTBY key path number: multiply numbers."""
cdef void cmd_json_numpowby(Call* call) noexcept nogil
"""JSON.NUMPOWBY key path number: raise numbers to a power. The module has it, too, and does not document it."""
cdef void cmd_json_strappend(Call* call) noexcept nogil
"""JSON.STRAPPEND key [path] string: how long the strings are now, in bytes."""
cdef void cmd_json_toggle(Call* call) noexcept nogil
"""JSON.TOGGLE key path: turn truth values around."""
cdef void cmd_json_clear(Call* call) noexcept nogil
"""JSON.CLEAR key [path]: empty arrays and objects, make numbers 0; how many were not so before."""
