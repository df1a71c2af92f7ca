"""See rdb_string.pxd."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport RDB_STRING, rdb_read_string, rdb_write_byte, rdb_write_string
from hutch_engine.keyspace.entry cimport Entry, Value, entry_bytes, value_of_bytes
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    rdb_write_byte(out, RDB_STRING)
    rdb_write_string(out, entry_bytes(entry, digits), compress)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef Slice bytes
    if not rdb_read_string(reader, storage, &bytes):
        return False
    value_out[0] = value_of_bytes(bytes)
    return True


cdef void rdb_string(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
    row.rdb_forms = <uint64_t>1 << RDB_STRING
