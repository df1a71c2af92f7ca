"""JSON text to values, as serde_json reads it for RedisJSON: the same texts are refused, in the same words and with the same line and
column. What stands behind the value is looked at only
where the caller asks for it, as there.

Integers up to 64 bits (signed or unsigned) stay what they are, larger ones become doubles. Doubles are read exactly (serde_json, as
RedisJSON has it, may miss the last digit of those with more than 15).

Reading keeps no more on the C stack than a few KiB: arrays and objects are gathered on a stack of words.
"""
from libc.stdint cimport uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_value cimport JsonMaker, JsonWord

cdef enum:
    JSON_PARSE_DEPTH = 127       # levels of arrays and objects in a text that a client sends

cdef struct JsonFault:
    const char* what             # static text; NULL: memory was refused
    size_t line
    size_t column

cdef bint json_is_utf8(Slice text) noexcept nogil
"""Are the bytes UTF-8? O(length)."""
cdef JsonWord json_parse(const JsonMaker* maker, Slice text, bint whole, uint32_t depth_max, uint32_t* depth_out,
                         JsonFault* fault_out) noexcept nogil
"""The value at the beginning of a text that is UTF-8, owned by the caller, and how many levels it has; JSON_NONE: *fault_out says
why not. `whole`: nothing but spaces may follow. depth_max is at most JSON_DEPTH_MAX. O(length)."""
