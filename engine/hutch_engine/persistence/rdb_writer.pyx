"""See rdb_writer.pxd."""
from libc.stdint cimport INT64_MAX, SIZE_MAX, int32_t, int64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.formats.rdb cimport (
    RDB_HASH_METADATA, rdb_write_byte, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.formats.rdb_hash cimport rdb_write_hash_plainly
from hutch_engine.formats.rdb_values cimport rdb_write_value, rdb_write_value_part
from hutch_engine.keyspace.entry cimport (
    ENTRY_HAS_DEADLINE, TYPE_HASH, Entry, entry_encoding, entry_key, entry_node, entry_pointer,
    entry_type)
from hutch_engine.keyspace.keyspace cimport (
    Database, Keyspace, entry_frequency, entry_idle_seconds, keyspace_deadlines, keyspace_field_deadlines)
from hutch_engine.scripting.function_payload cimport function_payload_add
from hutch_engine.scripting.state cimport Library, Named, Scripting, scripting_of
from hutch_engine.state.config cimport POLICY_ALLKEYS_LRU, POLICY_VOLATILE_LRU
from hutch_engine.state.engine cimport Engine, engine_used_memory
from hutch_engine.structures.hash cimport HASH_DEADLINES, hash_earliest_ms
from hutch_engine.structures.table cimport table_count, table_each

cdef enum:
    VERSION_PLAIN = 11
    VERSION_FIELD_DEADLINES = 12
    PART_BYTES = 32768           # of a long value: some 50 us


cdef void _aux(Buffer* out, const char* name, Slice value) noexcept nogil:
    rdb_write_byte(out, RDB_OPCODE_AUX)
    rdb_write_string(out, slice_of_text(name), False)
    rdb_write_string(out, value, False)


cdef void _aux_number(Buffer* out, const char* name, int64_t value) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    _aux(out, name, slice_of(digits, format_integer(value, digits)))


cdef bint _has_field_deadlines(const Keyspace* keyspace) noexcept nogil:
    cdef int32_t i
    if keyspace.fields_unwatched:
        return True              # there may be one that no wheel knows
    for i in range(keyspace.database_count):
        if keyspace_field_deadlines(&keyspace.databases[i]):
            return True
    return False


cdef bint _write_library(void* context, void* entry) noexcept nogil:
    cdef RdbWriter* writer = <RdbWriter*>context
    function_payload_add(writer.out, buffer_slice(&(<Library*>(<Named*>entry).named).code), writer.compress)
    return True


cdef void _select(RdbWriter* writer, int32_t database) noexcept nogil:
    writer.database = database
    rdb_write_byte(writer.out, RDB_OPCODE_SELECT)
    rdb_write_length(writer.out, <uint64_t>database)


cdef void _write_hints(RdbWriter* writer, const Keyspace* keyspace) noexcept nogil:
    """Of all databases at once, so that nobody has to remember which of them have begun."""
    cdef const Database* database
    cdef int32_t i
    for i in range(keyspace.database_count):
        database = &keyspace.databases[i]
        if table_count(&database.keys):
            _select(writer, i)
            rdb_write_byte(writer.out, RDB_OPCODE_RESIZE)
            rdb_write_length(writer.out, table_count(&database.keys))
            rdb_write_length(writer.out, keyspace_deadlines(database))


cdef void rdb_writer_init(RdbWriter* writer, Buffer* out) noexcept nogil:
    writer.out = out
    writer.database = -1
    writer.keys = 0
    writer.failed = False
    writer.unfinished = NULL
    buffer_init(&writer.behind, NULL)


cdef void rdb_writer_clear(RdbWriter* writer) noexcept nogil:
    buffer_clear(&writer.behind)


cdef void rdb_writer_begin(RdbWriter* writer, Engine* engine, Buffer* out, bint for_log) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine)
    cdef char[16] magic
    rdb_writer_init(writer, out)
    writer.as_commands = False
    writer.compress = engine.config.rdbcompression != 0
    writer.version = VERSION_FIELD_DEADLINES if _has_field_deadlines(&engine.keyspace) else VERSION_PLAIN
    writer.access = RDB_ACCESS_NONE
    if engine.keyspace.lfu:
        writer.access = RDB_ACCESS_FREQUENCY
    elif engine.config.maxmemory_policy == POLICY_VOLATILE_LRU or engine.config.maxmemory_policy == POLICY_ALLKEYS_LRU:
        writer.access = RDB_ACCESS_IDLE
    buffer_append(out, magic, <size_t>snprintf(magic, sizeof(magic), b"REDIS%04d", writer.version))
    _aux(out, b"redis-ver", slice_of_text(b"8.2.3"))
    _aux_number(out, b"redis-bits", 8 * sizeof(void*))
    _aux_number(out, b"ctime", clock_now_ms(&engine.clock) // 1000)
    _aux_number(out, b"used-mem", <int64_t>engine_used_memory(engine))
    _aux_number(out, b"aof-base", for_log)
    if scripting != NULL:
        table_each(&scripting.libraries, _write_library, writer)
    _write_hints(writer, &engine.keyspace)
    writer.failed = out.failed


cdef void _write_key(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry, bint in_parts) noexcept nogil:
    cdef Buffer* out = writer.out
    cdef size_t form_at, last_at
    cdef char last
    if unlikely(database != writer.database):
        _select(writer, database)
    if entry.flags & ENTRY_HAS_DEADLINE:
        rdb_write_byte(out, RDB_OPCODE_DEADLINE_MS)
        rdb_write_u64(out, <uint64_t>entry_node(entry).deadline_ms)
    if writer.access == RDB_ACCESS_IDLE:
        rdb_write_byte(out, RDB_OPCODE_IDLE)
        rdb_write_length(out, entry_idle_seconds(keyspace, entry))
    elif writer.access == RDB_ACCESS_FREQUENCY:
        rdb_write_byte(out, RDB_OPCODE_FREQUENCY)
        rdb_write_byte(out, <uint8_t>entry_frequency(keyspace, entry))
    # A type's `save` writes form and value in one go, and the key belongs between them. So the form takes the place of the key's
    # last byte, and the two change places.
    form_at = out.length
    rdb_write_byte(out, 0)
    rdb_write_string(out, entry_key(entry), writer.compress)
    if unlikely(out.failed):
        writer.failed = True
        return
    out.length -= 1
    last_at = out.length
    last = out.data[last_at]
    if unlikely(entry_type(entry) == TYPE_HASH and writer.version < VERSION_FIELD_DEADLINES
                and entry_encoding(entry) == HASH_DEADLINES):
        # It had deadlines once. One that has some now came into being after the beginning.
        writer.failed |= hash_earliest_ms(HASH_DEADLINES, entry_pointer(entry)) != INT64_MAX
        rdb_write_hash_plainly(out, entry, writer.compress)
    elif in_parts:
        memset(&writer.parts, 0, sizeof(writer.parts))
        rdb_write_value_part(out, entry, writer.compress, &writer.parts, out.length + PART_BYTES)
    else:
        rdb_write_value(out, entry, writer.compress)
    if unlikely(out.failed):
        writer.failed = True
        return
    out.data[form_at] = out.data[last_at]
    out.data[last_at] = last
    writer.failed |= writer.version < VERSION_FIELD_DEADLINES and <uint8_t>out.data[form_at] == RDB_HASH_METADATA
    writer.keys += 1


cdef void rdb_writer_key(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil:
    cdef Buffer* out = writer.out
    if unlikely(entry == writer.unfinished):
        rdb_writer_finish_long(writer)
    elif unlikely(writer.unfinished != NULL or writer.behind.length != 0):
        writer.out = &writer.behind
        _write_key(writer, keyspace, database, entry, False)
        writer.out = out
    else:
        _write_key(writer, keyspace, database, entry, False)


cdef void rdb_writer_begin_long(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil:
    _write_key(writer, keyspace, database, entry, True)
    if not writer.failed and not writer.parts.over:
        writer.unfinished = entry


cdef bint rdb_writer_go_on(RdbWriter* writer) noexcept nogil:
    rdb_write_value_part(writer.out, writer.unfinished, writer.compress, &writer.parts, writer.out.length + PART_BYTES)
    writer.failed |= writer.out.failed
    if writer.failed or writer.parts.over:
        writer.unfinished = NULL
    return writer.unfinished != NULL


cdef void rdb_writer_finish_long(RdbWriter* writer) noexcept nogil:
    rdb_write_value_part(writer.out, writer.unfinished, writer.compress, &writer.parts, SIZE_MAX)
    writer.failed |= writer.out.failed
    writer.unfinished = NULL


cdef void rdb_writer_end(RdbWriter* writer) noexcept nogil:
    rdb_write_byte(writer.out, RDB_OPCODE_END)
    writer.failed |= writer.out.failed
