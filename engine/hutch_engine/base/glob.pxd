"""Redis's glob matching (stringmatchlen): * ? [set] [^set] [a-z] and backslash, bounded in recursion."""
from hutch_engine.base.slice cimport Slice

cdef bint glob_matches(Slice pattern, Slice text, bint ignore_case) noexcept nogil
"""Does all of `text` fit the pattern? A pattern of very many stars (1,000, as in Redis) fits nothing. O(pattern * text) at
worst."""
cdef bint glob_is_literal(Slice pattern) noexcept nogil
"""Does the pattern have no special character, so that it fits only itself? O(length)."""
