"""See command_writer.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.formats.rdb cimport rdb_write_footer
from hutch_engine.formats.rdb_values cimport rdb_write_value
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline, entry_key
from hutch_engine.keyspace.keyspace cimport Keyspace, entry_frequency, entry_idle_seconds, keyspace_now
from hutch_engine.keyspace.snapshot cimport entry_saver
from hutch_engine.persistence.rdb_writer cimport (
    RDB_ACCESS_FREQUENCY, RDB_ACCESS_IDLE, RDB_ACCESS_NONE, rdb_writer_init, rdb_writer_key)
from hutch_engine.scripting.state cimport Library, Named, Scripting, scripting_of
from hutch_engine.state.config cimport POLICY_ALLKEYS_LRU, POLICY_VOLATILE_LRU
from hutch_engine.structures.table cimport table_each


cdef void _begin(Buffer* out, size_t words) noexcept nogil:
    buffer_append_text(out, b"*")
    buffer_append_integer(out, <int64_t>words)
    buffer_append_text(out, b"\r\n")


cdef void _word(Buffer* out, Slice word) noexcept nogil:
    buffer_append_text(out, b"$")
    buffer_append_integer(out, <int64_t>word.length)
    buffer_append_text(out, b"\r\n")
    buffer_append_slice(out, word)
    buffer_append_text(out, b"\r\n")


cdef void _text(Buffer* out, const char* text) noexcept nogil:
    _word(out, slice_of_text(text))


cdef void _integer(Buffer* out, int64_t value) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    _word(out, slice_of(digits, format_integer(value, digits)))


cdef bint _library(void* context, void* entry) noexcept nogil:
    cdef Buffer* out = (<RdbWriter*>context).out
    _begin(out, 3)
    _text(out, b"FUNCTION")
    _text(out, b"LOAD")
    _word(out, buffer_slice(&(<Library*>(<Named*>entry).named).code))
    return True


cdef void command_writer_begin(RdbWriter* writer, Engine* engine, Buffer* out) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine)
    rdb_writer_init(writer, out)
    writer.as_commands = True
    writer.compress = engine.config.rdbcompression != 0
    writer.version = 0
    writer.access = RDB_ACCESS_NONE
    if engine.keyspace.lfu:
        writer.access = RDB_ACCESS_FREQUENCY
    elif engine.config.maxmemory_policy == POLICY_VOLATILE_LRU or engine.config.maxmemory_policy == POLICY_ALLKEYS_LRU:
        writer.access = RDB_ACCESS_IDLE
    if engine.config.aof_timestamp_enabled:
        buffer_append_text(out, b"#TS:")
        buffer_append_integer(out, keyspace_now(&engine.keyspace) // 1000)
        buffer_append_text(out, b"\r\n")
    if scripting != NULL:
        table_each(&scripting.libraries, _library, writer)
    writer.failed = out.failed


cdef void command_writer_key(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil:
    cdef Buffer* out = writer.out
    cdef Buffer payload
    if not writer.as_commands:
        rdb_writer_key(writer, keyspace, database, entry)
        return
    if unlikely(database != writer.database):
        writer.database = database
        _begin(out, 2)
        _text(out, b"SELECT")
        _integer(out, database)
    buffer_init(&payload, NULL)
    rdb_write_value(&payload, entry, writer.compress)
    rdb_write_footer(&payload)
    _begin(out, 5 if writer.access == RDB_ACCESS_NONE else 7)
    _text(out, b"RESTORE")
    _word(out, entry_key(entry))
    _integer(out, entry_deadline_ms(entry) if entry_has_deadline(entry) else 0)
    _word(out, buffer_slice(&payload))
    _text(out, b"ABSTTL")
    if writer.access == RDB_ACCESS_IDLE:
        _text(out, b"IDLETIME")
        _integer(out, entry_idle_seconds(keyspace, entry))
    elif writer.access == RDB_ACCESS_FREQUENCY:
        _text(out, b"FREQ")
        _integer(out, entry_frequency(keyspace, entry))
    writer.failed |= payload.failed or out.failed
    writer.keys += 1
    buffer_clear(&payload)


cdef void _save_early(void* writer, void* keyspace, int32_t database, const Entry* entry) noexcept nogil:
    command_writer_key(<RdbWriter*>writer, <Keyspace*>keyspace, database, entry)


entry_saver[0] = _save_early
