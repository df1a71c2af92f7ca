"""Regular expressions of JSONPath filters (`@.name =~ "^a.*z$"`), in the syntax of Rust's `regex`, which RedisJSON has: no references
and nothing that looks around, so a search is bounded by the length of the text times that of the program.

A pattern becomes a program of at most REGEX_CODE_MAX instructions, which all threads of a search run in step (K. Thompson,
"Regular expression search algorithm", 1968). What Rust has and we have not counts as a pattern that matches nothing, as a mistake
does: named Unicode classes (\\p), operations on classes, (?x). \\d is 0-9, and case is ignored for A-Z only.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t
from hutch_engine.base.slice cimport Slice

cdef enum:
    REGEX_CODE_MAX = 1024
    REGEX_RANGES_MAX = 512
    REGEX_DEPTH_MAX = 64         # groups in groups

cdef struct RegexCode:
    uint8_t op
    uint8_t ignore_case
    int32_t first                # a code point; a distance; where the ranges of a class begin
    int32_t second               # the other distance; how many ranges

cdef struct RegexRange:          # of code points, both included
    uint32_t low
    uint32_t high

cdef struct JsonRegex:
    RegexCode[REGEX_CODE_MAX] code
    RegexRange[REGEX_RANGES_MAX] ranges
    int32_t length               # instructions; 0: the pattern is wrong, or too large
    int32_t range_count

cdef bint json_regex_compile(JsonRegex* regex, Slice pattern) noexcept nogil
"""Make the program of a pattern that is UTF-8. False: it matches nothing. O(length), counted repetitions written out."""
cdef bint json_regex_search(const JsonRegex* regex, Slice text) noexcept nogil
"""Does the pattern match anywhere in a text that is UTF-8? O(length * instructions)."""
