"""See rdb_json.pxd."""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb_module cimport module_read_string, module_write_string
from hutch_engine.keyspace.entry cimport Entry, Value
from hutch_engine.keyspace.json_type cimport JSON_RDB_VERSION, json_root, json_value_of
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker, ValueType
from hutch_engine.structures.json_parse cimport JsonFault, json_is_utf8, json_parse
from hutch_engine.structures.json_value cimport JSON_DEPTH_MAX, JSON_NONE, JsonMaker, JsonWord, json_free
from hutch_engine.structures.json_write cimport json_write


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    json_write(&text, json_root(entry)[0])
    if text.failed:
        out.failed = True
    else:
        module_write_string(out, buffer_slice(&text), compress)
    buffer_clear(&text)


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef JsonMaker json
    cdef JsonFault fault
    cdef JsonWord root
    cdef uint32_t depth
    cdef Slice text
    if form != JSON_RDB_VERSION or not module_read_string(reader, storage, &text) or not json_is_utf8(text):
        return False
    json.heap = maker.heap
    json.hash_key = maker.hash_key
    # A document may be deeper than the text of a command, by values that were put into each other.
    root = json_parse(&json, text, False, JSON_DEPTH_MAX, &depth, &fault)
    if root == JSON_NONE:
        reader.refused = fault.what == NULL
        return False
    if json_value_of(maker.heap, root, value_out):
        return True
    json_free(maker.heap, root)
    reader.refused = True
    return False


cdef void rdb_json(ValueType* row) noexcept nogil:
    row.save = _save
    row.load = _load
