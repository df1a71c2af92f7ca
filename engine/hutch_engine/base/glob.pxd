"""Redis's glob matching (stringmatchlen): * ? [set] [^set] [a-z] and backslash, bounded in recursion."""
from hutch_engine.base.slice cimport Slice

cdef bint glob_matches(Slice pattern, Slice text, bint ignore_case) noexcept nogil
cdef bint glob_is_literal(Slice pattern) noexcept nogil
"""No special character in it?"""
