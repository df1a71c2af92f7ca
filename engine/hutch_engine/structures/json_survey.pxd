"""What can be said of whole JSON values: whether two are the same, how deep and how large one is, whether it is sound."""
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.structures.json_value cimport JsonWord

cdef bint json_equals(JsonWord a, JsonWord b, bint exact, const HashKey* hash_key) noexcept nogil
"""Are they the same value? `exact`: 1 and 1.0 are not. The order of members does not count. O(values)."""
cdef uint32_t json_depth(JsonWord word) noexcept nogil
"""How many levels of arrays and objects, 0 for a scalar. O(values)."""
cdef uint64_t json_effort(JsonWord word, uint64_t enough) noexcept nogil
"""How many blocks freeing it touches, or nearly; counting ends when there are `enough`. O(enough)."""
cdef bint json_check(JsonWord word, const HashKey* hash_key) noexcept nogil
"""Verify what this page says of the value and all below it; for tests and builds with checks. O(values)."""
