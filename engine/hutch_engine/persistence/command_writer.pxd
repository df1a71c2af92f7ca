"""A base of the append-only file that is made of commands (aof-use-rdb-preamble no): each key is a RESTORE of what DUMP would give.

(Redis writes RPUSH, HSET and their likes there; either reads the other's.) It stands in for rdb_writer wherever a snapshot is written,
so a key that is about to change comes here, too.
"""
from libc.stdint cimport int32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.persistence.rdb_writer cimport RdbWriter
from hutch_engine.state.engine cimport Engine

cdef void command_writer_begin(RdbWriter* writer, Engine* engine, Buffer* out) noexcept nogil
"""As rdb_writer_begin, and from now on the writer writes commands. Requires the lock."""
cdef void command_writer_key(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil
"""A key, as commands or as a record, whichever the writer was begun for. Refused memory shows in writer.failed. O(bytes of the
value). Requires the lock."""
