"""Streams as Redis 8.2 writes them."""
from libc.stddef cimport size_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.structures.stream cimport Stream

cdef void rdb_write_stream(Buffer* out, const Stream* stream, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""The next part of the value without its type, some blocks of it, until the buffer is `up_to` long; the groups come with the last. Each block becomes the listpack that Redis would have of it, deleted entries included."""
