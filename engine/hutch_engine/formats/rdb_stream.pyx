"""See rdb_stream.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport SIZE_MAX, uint64_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport (
    RDB_LONG_NODES, RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3, RDB_STREAM_4, RDB_STREAM_5, RdbParts, rdb_write_byte)
from hutch_engine.formats.rdb_stream_reader cimport rdb_read_stream
from hutch_engine.formats.rdb_stream_writer cimport rdb_write_stream
from hutch_engine.keyspace.entry cimport TYPE_STREAM, Entry, Value, entry_pointer, value_of_pointer
from hutch_engine.keyspace.stream_type cimport STREAM_LOG
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.stream cimport Stream


cdef bint rdb_stream_is_long(const Entry* entry) noexcept nogil:
    return (<const Stream*>entry_pointer(entry)).log.blocks.count >= RDB_LONG_NODES


cdef void rdb_stream_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    if not parts.begun:
        rdb_write_byte(out, RDB_STREAM_3)
    rdb_write_stream(out, <const Stream*>entry_pointer(entry), compress, parts, up_to)


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef RdbParts parts
    memset(&parts, 0, sizeof(parts))
    rdb_stream_part(out, entry, compress, &parts, SIZE_MAX)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Stream* stream = rdb_read_stream(reader, maker, storage, form)
    if stream == NULL:
        return False
    value_out[0] = value_of_pointer(TYPE_STREAM, STREAM_LOG, stream)
    return True


cdef void rdb_stream(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = <uint64_t>1 << RDB_STREAM | <uint64_t>1 << RDB_STREAM_2 | <uint64_t>1 << RDB_STREAM_3 | (
        <uint64_t>1 << RDB_STREAM_4 | <uint64_t>1 << RDB_STREAM_5)
