"""LZF, the compression of strings in Redis's formats."""
from hutch_engine.base.slice cimport Slice

cdef bint lzf_expand(Slice packed, char* out, size_t length) noexcept nogil
"""Exactly `length` bytes to `out`; False when the bytes break the format. O(length)."""
