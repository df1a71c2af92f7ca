"""See rdb_module.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strchr, strlen
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport (
    rdb_read_length, rdb_read_string, rdb_read_u64, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.keyspace.value_type cimport RdbReader

cdef enum:
    NAME_LETTERS = 9
    LETTER_BITS = 6

cdef const char* _letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


cdef uint64_t module_number(const char* name, int version) noexcept nogil:
    cdef uint64_t number = 0
    cdef const char* letter
    cdef int i
    if strlen(name) != NAME_LETTERS or version < 0 or version > MODULE_VERSION_MAX:
        return 0
    for i in range(NAME_LETTERS):
        letter = strchr(_letters, name[i])
        if letter == NULL:
            return 0
        number = number << LETTER_BITS | <uint64_t>(letter - _letters)
    return number << MODULE_VERSION_BITS | <uint64_t>version


# ---- writing

cdef void module_write_signed(Buffer* out, int64_t value) noexcept nogil:
    rdb_write_length(out, MODULE_SIGNED)
    rdb_write_length(out, <uint64_t>value)


cdef void module_write_unsigned(Buffer* out, uint64_t value) noexcept nogil:
    rdb_write_length(out, MODULE_UNSIGNED)
    rdb_write_length(out, value)


cdef void module_write_double(Buffer* out, double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, sizeof(bits))
    rdb_write_length(out, MODULE_DOUBLE)
    rdb_write_u64(out, bits)


cdef void module_write_string(Buffer* out, Slice text, bint compress) noexcept nogil:
    rdb_write_length(out, MODULE_STRING)
    rdb_write_string(out, text, compress)


# ---- reading

cdef inline bint _is(RdbReader* reader, uint64_t kind) noexcept nogil:
    cdef uint64_t found
    return rdb_read_length(reader, &found) and found == kind


cdef bint module_read_signed(RdbReader* reader, int64_t* value_out) noexcept nogil:
    cdef uint64_t value
    if not _is(reader, MODULE_SIGNED) or not rdb_read_length(reader, &value):
        return False
    value_out[0] = <int64_t>value
    return True


cdef bint module_read_unsigned(RdbReader* reader, uint64_t* value_out) noexcept nogil:
    return _is(reader, MODULE_UNSIGNED) and rdb_read_length(reader, value_out)


cdef bint module_read_double(RdbReader* reader, double* value_out) noexcept nogil:
    cdef uint64_t bits
    if not _is(reader, MODULE_DOUBLE) or not rdb_read_u64(reader, &bits):
        return False
    memcpy(value_out, &bits, sizeof(bits))
    return True


cdef bint module_read_string(RdbReader* reader, Buffer* storage, Slice* text_out) noexcept nogil:
    return _is(reader, MODULE_STRING) and rdb_read_string(reader, storage, text_out)


cdef bint module_read_end(RdbReader* reader) noexcept nogil:
    return _is(reader, MODULE_END)
