"""Streams as Redis writes them and has written them since 5.0 (the format is told in rdb_stream_writer.pyx; the first two
forms lack some of the figures)."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker
from hutch_engine.structures.stream cimport Stream

cdef Stream* rdb_read_stream(RdbReader* reader, const ValueMaker* maker, Buffer* storage, int form) noexcept nogil
"""NULL: the bytes break the format, or memory was refused. What Redis keeps in order (blocks, entries, pending IDs, names of
groups and consumers) must be in order here, so that reading is linear."""
