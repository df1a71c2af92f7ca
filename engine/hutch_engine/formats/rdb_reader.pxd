"""Values from Redis's format, every form that Redis 8.2 still reads: what RESTORE takes.

Nothing is believed. Every length is held against what is there, packed forms are walked to their end and must be as our own
functions would have made them: no member twice, sorted sets and deadlines in order. A damaged payload costs no more time
and memory than one of its size that is whole, and leaves nothing behind.
"""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.entry cimport Value
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.formats.rdb cimport RdbReader

cdef bint rdb_read_value(RdbReader* reader, Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil
"""A type's byte and a value, in the form that the configuration asks for. The caller owns what *value_out points at; a string's
bytes lie in the payload or in `storage`. False: bytes that break the format, or refused memory (reader.refused)."""
