"""LZF, the compression of strings in Redis's formats."""
from hutch_engine.base.slice cimport Slice

cdef bint lzf_expand(Slice packed, char* out, size_t length) noexcept nogil
"""Exactly `length` bytes to `out`; False when the bytes break the format. O(length)."""
cdef size_t lzf_compress(Slice bytes, char* out, size_t room) noexcept nogil
"""The packed length, or 0 when it would not fit `room` bytes. Finds the same repetitions as Redis does, so that payloads
are the same byte for byte. O(length); 256 KiB a thread from the first call on."""
