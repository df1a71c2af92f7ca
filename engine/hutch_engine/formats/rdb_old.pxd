"""Packed forms of Redis before 7, made into listpacks: ziplists and zipmaps."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport RdbReader

cdef bint pack_of_ziplist(RdbReader* reader, Slice bytes, Buffer* pack) noexcept nogil
"""The elements in their order. False: the bytes break the format (or memory was refused: reader.refused). O(bytes)."""
cdef bint pack_of_zipmap(RdbReader* reader, Slice bytes, Buffer* pack, size_t* longest_out) noexcept nogil
"""Fields and values in turn; *longest_out is the length of the longest of them."""
