"""Values of all types to and from Redis's RDB format: as Redis 8.2 writes them, and from every form that it still reads.
What DUMP gives, and RESTORE takes.

When reading nothing is believed. Every length is held against what is there, packed forms are walked to their end and must be
as our own functions would have made them: no member twice, sorted sets and deadlines in order. A damaged payload costs no more
time and memory than one of its size that is whole, and leaves nothing behind.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t, uint8_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry, Value
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.keyspace.value_type cimport RdbReader

cdef void rdb_write_value(Buffer* out, const Entry* entry, bint compress) noexcept nogil
"""The form's byte and the value, fields that are due and not yet removed included. `compress` is rdbcompression. A refused
allocation shows in out.failed. O(bytes)."""
cdef bint rdb_value_is_long(const Entry* entry) noexcept nogil
"""Is the value to go out in parts (rdb_write_value_part) where others wait for the lock? Strings and JSON documents never are. O(1)."""
cdef void rdb_write_value_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil
"""The next part of a long value, form and all, until the buffer is about `up_to` long; with SIZE_MAX all that is left. parts.over: it
was the last. The value must not have changed since the part before. What parts make together is what rdb_write_value makes, but for
the order of a table."""
cdef bint rdb_measure_value(const Entry* entry, uint64_t* bytes_out) noexcept nogil
"""How many bytes the value takes without compression, as DEBUG OBJECT counts them; False when memory was refused: it is
written for that, and thrown away. O(bytes)."""
cdef bint rdb_read_value(RdbReader* reader, const Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil
"""Of a payload: a form's byte and a value, in the encoding that the configuration asks for. The caller owns what
*value_out points at; a string's bytes lie in the payload or in `storage`. False: bytes that break the format or that no type knows, or refused memory
(reader.refused)."""
cdef bint rdb_read_form(RdbReader* reader, const Keyspace* keyspace, int form, Buffer* storage, Value* value_out) noexcept nogil
"""The same for what stands behind the byte, and for every form that a file may have. False also for a value that cannot be
kept: reader.lacking says what there is no place for."""
cdef uint8_t rdb_form_type(int form) noexcept nogil
"""The type that reads this form; TYPE_NONE: none does. (Of a module's types it is the name that tells: rdb_module_is_known.)"""
cdef bint rdb_module_is_known(uint64_t number) noexcept nogil
"""Is there a type for values of this module's (formats/rdb_module's number)?"""
