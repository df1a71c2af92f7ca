"""JSON values to text: compact, or laid out with the caller's own words for indentation, line breaks and spaces, as JSON.GET has it."""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_value cimport JsonWord

cdef struct JsonLayout:          # all empty: compact
    Slice indent                 # once a level in front of each element and closing bracket
    Slice newline                # in front of that
    Slice space                  # behind each colon

cdef void json_write(Buffer* out, JsonWord word) noexcept nogil
"""Append the value's compact text; a refused allocation shows in out.failed. O(its length)."""
cdef void json_write_laid_out(Buffer* out, JsonWord word, const JsonLayout* layout, uint32_t level) noexcept nogil
"""The same, laid out, where the value stands `level` levels below the outermost one. The indentation of a line is as long as it is
deep: O(length of the text)."""
cdef void json_write_string(Buffer* out, Slice text) noexcept nogil
"""Append a string in quotes, escaped. O(length)."""
cdef void json_write_break(Buffer* out, const JsonLayout* layout, uint32_t level) noexcept nogil
"""Append a line break and the indentation behind it."""
