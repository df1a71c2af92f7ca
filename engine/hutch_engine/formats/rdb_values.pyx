"""See rdb_values.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.checks cimport invariant
from hutch_engine.formats.rdb cimport (
    RDB_HASH_LISTPACK_EX, RDB_HASH_METADATA, RDB_MODULE_2, RdbParts, rdb_read_byte, rdb_read_length, rdb_write_byte, rdb_write_length)
from hutch_engine.formats.rdb_hash cimport rdb_hash, rdb_hash_is_long, rdb_hash_part
from hutch_engine.formats.rdb_json cimport rdb_json
from hutch_engine.formats.rdb_list cimport rdb_list, rdb_list_is_long, rdb_list_part
from hutch_engine.formats.rdb_module cimport (
    MODULE_END, MODULE_VERSION_BITS, MODULE_VERSION_MAX, module_number, module_read_end)
from hutch_engine.formats.rdb_set cimport rdb_set, rdb_set_is_long, rdb_set_part
from hutch_engine.formats.rdb_stream cimport rdb_stream, rdb_stream_is_long, rdb_stream_part
from hutch_engine.formats.rdb_string cimport rdb_string
from hutch_engine.formats.rdb_zset cimport rdb_zset, rdb_zset_is_long, rdb_zset_part
from hutch_engine.keyspace.entry cimport (
    TYPE_HASH, TYPE_JSON, TYPE_LIST, TYPE_NONE, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, Value, entry_type)
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_maker
from hutch_engine.keyspace.value_type cimport NO_MODULE, RdbReader, ValueMaker, ValueType
from hutch_engine.keyspace.value_types cimport value_free, value_type_format, value_types

cdef enum:
    FORMS_MAX = 64               # ValueType.rdb_forms has so many bits
    EARLIEST_BYTES = 8           # of the earliest deadline, in front of a hash that has some

# Save and load of each type, a row a type. (The other half of the rows: keyspace/value_types.)
if not (value_type_format(TYPE_STRING, rdb_string)
        and value_type_format(TYPE_LIST, rdb_list)
        and value_type_format(TYPE_SET, rdb_set)
        and value_type_format(TYPE_ZSET, rdb_zset)
        and value_type_format(TYPE_HASH, rdb_hash)
        and value_type_format(TYPE_STREAM, rdb_stream)
        and value_type_format(TYPE_JSON, rdb_json)):
    raise SystemError("a row of the table of types lacks its save or load")


cdef uint8_t[FORMS_MAX] _types   # which type reads a form; TYPE_NONE: none


cdef void _find_forms() noexcept nogil:
    cdef int type, form
    for form in range(FORMS_MAX):
        _types[form] = TYPE_NONE
        for type in range(TYPE_NONE):
            if value_types[type].rdb_forms >> form & 1:
                _types[form] = <uint8_t>type


_find_forms()


cdef const ValueType* _row_of_module(uint64_t number) noexcept nogil:
    """By the letters, whatever the version: `load` knows which it reads."""
    cdef int type
    for type in range(TYPE_NONE):
        if value_types[type].module_version != NO_MODULE and (
                module_number(value_types[type].name, 0) == number >> MODULE_VERSION_BITS << MODULE_VERSION_BITS):
            return &value_types[type]
    return NULL


cdef void rdb_write_value(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef const ValueType* row = &value_types[entry_type(entry)]
    if row.save == NULL:
        invariant(False, b"a value of no known type is saved")
        out.failed = True                # better nothing than something that is read as another type
    elif row.module_version == NO_MODULE:
        row.save(out, entry, compress)
    else:
        rdb_write_byte(out, RDB_MODULE_2)
        rdb_write_length(out, module_number(row.name, row.module_version))
        row.save(out, entry, compress)
        rdb_write_length(out, MODULE_END)


cdef bint rdb_value_is_long(const Entry* entry) noexcept nogil:
    cdef uint8_t type = entry_type(entry)
    if likely(type == TYPE_STRING):
        return False
    if type == TYPE_HASH:
        return rdb_hash_is_long(entry)
    if type == TYPE_LIST:
        return rdb_list_is_long(entry)
    if type == TYPE_SET:
        return rdb_set_is_long(entry)
    if type == TYPE_STREAM:
        return rdb_stream_is_long(entry)
    if type == TYPE_ZSET:
        return rdb_zset_is_long(entry)
    return False


cdef void rdb_write_value_part(Buffer* out, const Entry* entry, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef uint8_t type = entry_type(entry)
    if type == TYPE_HASH:
        rdb_hash_part(out, entry, compress, parts, up_to)
    elif type == TYPE_LIST:
        rdb_list_part(out, entry, compress, parts, up_to)
    elif type == TYPE_SET:
        rdb_set_part(out, entry, compress, parts, up_to)
    elif type == TYPE_STREAM:
        rdb_stream_part(out, entry, compress, parts, up_to)
    elif type == TYPE_ZSET:
        rdb_zset_part(out, entry, compress, parts, up_to)


cdef bint rdb_measure_value(const Entry* entry, uint64_t* bytes_out) noexcept nogil:
    cdef Buffer out
    cdef bint whole
    buffer_init(&out, NULL)
    rdb_write_value(&out, entry, False)
    whole = not out.failed
    if whole:
        bytes_out[0] = out.length - 1    # without the form
        if <uint8_t>out.data[0] == RDB_HASH_METADATA or <uint8_t>out.data[0] == RDB_HASH_LISTPACK_EX:
            bytes_out[0] -= EARLIEST_BYTES       # which Redis does not count
    buffer_clear(&out)
    return whole


cdef bint _read_module(RdbReader* reader, const ValueMaker* maker, Buffer* storage, Value* value_out) noexcept nogil:
    cdef uint64_t number
    cdef const ValueType* row
    if not rdb_read_length(reader, &number):
        return False
    row = _row_of_module(number)
    if row == NULL or not row.load(reader, maker, <int>(number & MODULE_VERSION_MAX), storage, value_out):
        return False
    if module_read_end(reader):
        return True
    value_free(maker.heap, value_out.type, value_out.encoding, value_out.pointer)
    return False


cdef bint rdb_read_value(RdbReader* reader, const Keyspace* keyspace, Buffer* storage, Value* value_out) noexcept nogil:
    cdef uint8_t form
    return (rdb_read_byte(reader, &form) and form <= RDB_HASH_LISTPACK_EX
            and rdb_read_form(reader, keyspace, form, storage, value_out))


cdef bint rdb_read_form(RdbReader* reader, const Keyspace* keyspace, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef ValueMaker maker = keyspace_maker(keyspace)
    cdef uint8_t type = rdb_form_type(form)
    if form == RDB_MODULE_2:
        return _read_module(reader, &maker, storage, value_out)
    return type != TYPE_NONE and value_types[type].load(reader, &maker, form, storage, value_out)


cdef uint8_t rdb_form_type(int form) noexcept nogil:
    return _types[form] if 0 <= form < FORMS_MAX else <uint8_t>TYPE_NONE


cdef bint rdb_module_is_known(uint64_t number) noexcept nogil:
    return _row_of_module(number) != NULL
