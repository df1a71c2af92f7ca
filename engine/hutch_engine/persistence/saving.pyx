"""See saving.pxd."""
from libc.errno cimport ENOMEM
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport prefetch
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.keyspace.entry cimport ENTRY_EMBEDDED, ENTRY_INTEGER, Entry, entry_pointer
from hutch_engine.persistence.rdb_output cimport (
    RdbOutput, rdb_output_abandon, rdb_output_describe, rdb_output_finish, rdb_output_open, rdb_output_write)
from hutch_engine.persistence.rdb_writer cimport RdbWriter, rdb_writer_begin, rdb_writer_end, rdb_writer_key
from hutch_engine.state.config cimport LOG_NOTICE, LOG_WARNING
from hutch_engine.state.engine cimport GATE_DISK_SNAPSHOT, Engine, engine_guarded
from hutch_engine.state.log cimport log_write
from hutch_engine.structures.table cimport table_each

cdef enum:
    PIECE_BYTES = 262144         # what is gathered before it goes to the file
    AHEAD = 16                   # keys between the one that is written and the one that is fetched into the cache
    AHEAD_MASK = 31
    CACHE_LINE_BYTES = 64
    RETRY_S = 5                  # after a failure, as Redis waits


cdef struct Saving:
    Engine* engine
    RdbWriter writer
    RdbOutput output
    Buffer bytes
    int32_t database
    uint64_t seen                # entries of the database that were visited ...
    uint64_t written             # ... and written: up to AHEAD fewer
    const void* ahead[32]        # Entries: AHEAD_MASK + 1


cdef bint _flush(Saving* saving) noexcept nogil:
    cdef bint written = not saving.writer.failed and rdb_output_write(&saving.output, buffer_slice(&saving.bytes))
    saving.bytes.length = 0
    return written


cdef bint _write_next(Saving* saving) noexcept nogil:
    rdb_writer_key(&saving.writer, &saving.engine.keyspace, saving.database,
                   <const Entry*>saving.ahead[saving.written & AHEAD_MASK])
    saving.written += 1
    if saving.writer.failed:
        return False
    return saving.bytes.length < PIECE_BYTES or _flush(saving)


cdef bint _save_entry(void* context, void* entry) noexcept nogil:
    """The entry itself is fetched now, what it points to a little later, and it is written later still."""
    cdef Saving* saving = <Saving*>context
    cdef const Entry* nearer
    prefetch(entry)
    prefetch(<const char*>entry + CACHE_LINE_BYTES)
    saving.ahead[saving.seen & AHEAD_MASK] = entry
    saving.seen += 1
    if saving.seen >= saving.written + AHEAD // 2:
        nearer = <const Entry*>saving.ahead[(saving.seen - AHEAD // 2) & AHEAD_MASK]
        if not nearer.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
            prefetch(entry_pointer(nearer))
            prefetch(<const char*>entry_pointer(nearer) + CACHE_LINE_BYTES)
    return saving.seen < saving.written + AHEAD or _write_next(saving)


cdef bint _save_all(Saving* saving, bint for_log) noexcept nogil:
    cdef Engine* engine = saving.engine
    cdef int32_t i
    rdb_writer_begin(&saving.writer, engine, &saving.bytes, for_log)
    for i in range(engine.keyspace.database_count):
        saving.database = i
        saving.seen = 0
        saving.written = 0
        if not table_each(&engine.keyspace.databases[i].keys, _save_entry, saving):
            return False
        while saving.written < saving.seen:
            if not _write_next(saving):
                return False
    rdb_writer_end(&saving.writer)
    return _flush(saving) and rdb_output_finish(&saving.output)


cdef void _log(Engine* engine, int64_t level, const char* text, Slice more) noexcept nogil:
    cdef Buffer line
    buffer_init(&line, NULL)
    buffer_append_text(&line, text)
    buffer_append_slice(&line, more)
    log_write(engine, level, buffer_slice(&line))
    buffer_clear(&line)


cdef bint saving_save(Engine* engine, Buffer* error_out) noexcept nogil:
    cdef Saving saving
    cdef bint saved
    cdef size_t mark = error_out.length
    engine_guarded(engine)
    engine.persistence.saves += 1
    saving.engine = engine
    buffer_init(&saving.bytes, NULL)
    saved = rdb_output_open(&saving.output, buffer_slice(&engine.config.dir), buffer_slice(&engine.config.dbfilename),
                            engine.config.rdbchecksum != 0, engine.config.rdb_save_incremental_fsync != 0)
    saved = saved and _save_all(&saving, False)
    if saved:
        _log(engine, LOG_NOTICE, b"DB saved on disk", slice_of(NULL, 0))
    else:
        if saving.output.error:
            rdb_output_describe(&saving.output, error_out)
        else:
            buffer_append_text(error_out, b"no memory for a key's bytes")
        _log(engine, LOG_WARNING, b"Error saving DB on disk: ",
             slice_of(error_out.data + mark, error_out.length - mark) if error_out.data != NULL else slice_of(NULL, 0))
    rdb_output_abandon(&saving.output)
    buffer_clear(&saving.bytes)
    if saved:                            # of one that fails only who asked for it is told, as in Redis
        engine.keyspace.emptied = False
        saving_note(engine, engine.keyspace.dirty, True)
    return saved


cdef int saving_save_base(Engine* engine, Slice directory, Slice name, uint64_t* bytes_out) noexcept nogil:
    cdef Saving saving
    cdef int failure = 0
    engine_guarded(engine)
    saving.engine = engine
    buffer_init(&saving.bytes, NULL)
    if not rdb_output_open(&saving.output, directory, name, True, True) or not _save_all(&saving, True):
        failure = saving.output.error if saving.output.error else ENOMEM
    bytes_out[0] = saving.output.bytes
    rdb_output_abandon(&saving.output)
    buffer_clear(&saving.bytes)
    return failure


cdef void saving_note(Engine* engine, uint64_t changes, bint saved) noexcept nogil:
    engine_guarded(engine)
    engine.persistence.tried_us = monotonic_us()
    engine.persistence.save_failed = not saved
    if saved:
        engine.keyspace.dirty -= changes if changes < engine.keyspace.dirty else engine.keyspace.dirty
        engine.persistence.last_save_s = clock_now_ms(&engine.clock) // 1000
        engine.journaling.journal.dirty_seen = engine.keyspace.dirty
    saving_gate(engine)


cdef void saving_gate(Engine* engine) noexcept nogil:
    engine.execution.gate &= ~<uint32_t>GATE_DISK_SNAPSHOT
    if engine.persistence.save_failed and engine.config.stop_writes_on_bgsave_error and saving_is_wanted(engine):
        engine.execution.gate |= GATE_DISK_SNAPSHOT


cdef int64_t saving_last_s(const Engine* engine) noexcept nogil:
    if engine.persistence.last_save_s:
        return engine.persistence.last_save_s
    return clock_now_ms(&engine.clock) // 1000 - (monotonic_us() - engine.statistics.started_us) // 1000000


cdef bint saving_is_wanted(const Engine* engine) noexcept nogil:
    return engine.config.save.length != 0


cdef bint _next_number(Slice* text, int64_t* number_out) noexcept nogil:
    """Take the first word off the text."""
    cdef size_t length = 0
    cdef Slice word
    while text.length and text.data[0] == c' ':
        text.data += 1
        text.length -= 1
    while length < text.length and text.data[length] != c' ':
        length += 1
    word = slice_of(text.data, length)
    text.data += length
    text.length -= length
    return length != 0 and parse_integer(word, number_out)


cdef bint saving_is_due(const Engine* engine, int64_t* seconds_out, int64_t* changes_out) noexcept nogil:
    cdef Slice points = buffer_slice(&engine.config.save)
    cdef int64_t since
    if engine.persistence.save_failed and monotonic_us() - engine.persistence.tried_us <= <int64_t>RETRY_S * 1000000:
        return False
    since = clock_now_ms(&engine.clock) // 1000 - saving_last_s(engine)
    while _next_number(&points, seconds_out) and _next_number(&points, changes_out):
        if <int64_t>engine.keyspace.dirty >= changes_out[0] and since > seconds_out[0]:
            return True
    return False
