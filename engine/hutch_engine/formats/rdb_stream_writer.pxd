"""Streams as Redis 8.2 writes them."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.structures.stream cimport Stream

cdef void rdb_write_stream(Buffer* out, const Stream* stream, bint compress) noexcept nogil
"""The value without its type. Each block becomes the listpack that Redis would have of it, deleted entries included."""
