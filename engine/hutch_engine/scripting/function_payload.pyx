"""See function_payload.pxd. A record is the byte 245 and a string of the RDB format."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport (
    RdbReader, rdb_read_byte, rdb_read_string, rdb_reader_of, rdb_write_byte, rdb_write_string)

cdef enum:
    RECORD_LIBRARY = 245


cdef Payload function_payload_next(Slice payload, size_t* offset, Buffer* storage, Slice* code_out) noexcept nogil:
    cdef RdbReader reader = rdb_reader_of(payload)
    cdef uint8_t record
    reader.at += offset[0]
    if not rdb_read_byte(&reader, &record):
        return PAYLOAD_END
    if record != RECORD_LIBRARY:
        return PAYLOAD_NOT_A_FUNCTION
    if not rdb_read_string(&reader, storage, code_out):
        return PAYLOAD_CORRUPT
    offset[0] = <size_t>(<const char*>reader.at - payload.data)
    return PAYLOAD_LIBRARY


cdef void function_payload_add(Buffer* payload, Slice code, bint compress) noexcept nogil:
    rdb_write_byte(payload, RECORD_LIBRARY)
    rdb_write_string(payload, code, compress)
