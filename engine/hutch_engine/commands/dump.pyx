"""See dump.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport (
    CALL_REPLAYED, Call, call_find_read, call_hash, call_integer, call_log, call_log_key, call_word, error_memory,
    error_syntax, slot_entry)
from hutch_engine.commands.keys cimport key_put
from hutch_engine.commands.reply cimport reply_bulk, reply_error, reply_null, reply_ok
from hutch_engine.keyspace.entry cimport Entry, Value, entry_type
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, FIND_NO_STATS, FIND_NO_TOUCH, FIND_WRITE, Keyspace, keyspace_delete, keyspace_event, keyspace_find,
    keyspace_find_slot, keyspace_first_access, keyspace_now, keyspace_overwritten, keyspace_touched)
from hutch_engine.keyspace.value_types cimport value_free
from hutch_engine.formats.rdb cimport RdbReader, rdb_reader_of, rdb_verify_footer, rdb_write_footer
from hutch_engine.formats.rdb_values cimport rdb_read_value, rdb_write_value
from hutch_engine.structures.table cimport TableSlot
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word


cdef void cmd_dump(Call* call) noexcept nogil:
    cdef Entry* entry = call_find_read(call, 1)
    cdef Buffer payload
    if entry == NULL:
        reply_null(call.reply)
        return
    buffer_init(&payload, call.reply.buffer.account)
    rdb_write_value(&payload, entry, call.keyspace.compress_values)
    rdb_write_footer(&payload)
    if payload.failed:
        error_memory(call)
    else:
        reply_bulk(call.reply, buffer_slice(&payload))
    buffer_clear(&payload)


cdef struct Restoring:
    bint replace
    bint absolute
    int64_t idle_seconds         # -1: not given
    int64_t frequency            # -1: not given
    int64_t deadline_ms          # -1: none


cdef bint _parse_options(Call* call, Restoring* options) noexcept nogil:
    cdef size_t i = 4
    options.replace = False
    options.absolute = False
    options.idle_seconds = -1
    options.frequency = -1
    while i < call.argc:
        if call_word(call, i, b"REPLACE"):
            options.replace = True
        elif call_word(call, i, b"ABSTTL"):
            options.absolute = True
        elif call_word(call, i, b"IDLETIME") and i + 1 < call.argc and options.frequency == -1:
            i += 1
            if not call_integer(call, i, &options.idle_seconds):
                return False
            if options.idle_seconds < 0:
                reply_error(call.reply, b"ERR Invalid IDLETIME value, must be >= 0")
                return False
        elif call_word(call, i, b"FREQ") and i + 1 < call.argc and options.idle_seconds == -1:
            i += 1
            if not call_integer(call, i, &options.frequency):
                return False
            if options.frequency < 0 or options.frequency > 255:
                reply_error(call.reply, b"ERR Invalid FREQ value, must be >= 0 and <= 255")
                return False
        else:
            error_syntax(call)
            return False
        i += 1
    return True


cdef bint _parse_ttl(Call* call, Restoring* options) noexcept nogil:
    cdef int64_t ttl_ms
    if not call_integer(call, 2, &ttl_ms):
        return False
    if ttl_ms < 0:
        reply_error(call.reply, b"ERR Invalid TTL value, must be >= 0")
        return False
    options.deadline_ms = -1
    if ttl_ms and options.absolute:
        options.deadline_ms = ttl_ms
    elif ttl_ms:
        # Beyond the end of time it wraps around, and so is long past, as in Redis.
        options.deadline_ms = <int64_t>(<uint64_t>ttl_ms + <uint64_t>keyspace_now(call.keyspace))
    return True


cdef bint _read(Call* call, Buffer* storage, Value* value_out) noexcept nogil:
    cdef RdbReader reader
    if not rdb_verify_footer(call.argv[3], not call.keyspace.checksums_ignored):
        reply_error(call.reply, b"ERR DUMP payload version or checksum are wrong")
        return False
    reader = rdb_reader_of(call.argv[3])
    if rdb_read_value(&reader, call.keyspace, storage, value_out):
        return True
    if reader.refused:
        error_memory(call)
    else:
        reply_error(call.reply, b"ERR Bad data format")
    return False


cdef void _drop(Call* call, TableSlot slot) noexcept nogil:
    """The value's time is over: all that is left to do is that the old one goes."""
    cdef Keyspace* keyspace = call.keyspace
    if slot != NULL:
        keyspace_delete(keyspace, call.database, slot, call_hash(call, 1), keyspace.lazy_server_delete)
        keyspace_touched(keyspace, call.database, call.argv[1])
        keyspace_event(keyspace, call.database, EVENT_GENERIC, b"del", call.argv[1])
        keyspace.dirty += 1
        call_log_key(call, b"DEL", 1)
    reply_ok(call.reply)


cdef void _log(Call* call, const Restoring* options) noexcept nogil:
    """Its deadline as it is on the clock."""
    cdef Journal* journal = call_log(call, call.argc + (not options.absolute))
    cdef size_t i
    if likely(journal == NULL):
        return
    for i in range(call.argc):
        if i == 2:
            journal_integer(journal, options.deadline_ms)
        else:
            journal_word(journal, call.argv[i])
    if not options.absolute:
        journal_text(journal, b"ABSTTL")


cdef void _set_access(Keyspace* keyspace, Entry* entry, const Restoring* options) noexcept nogil:
    cdef int64_t access
    if keyspace.lfu:
        if options.frequency >= 0:
            entry.access = (keyspace_first_access(keyspace) & ~<uint32_t>0xFF) | <uint32_t>options.frequency
    elif options.idle_seconds >= 0:
        access = <int64_t>keyspace.access_clock - options.idle_seconds
        entry.access = <uint32_t>access if access > 0 else 0


cdef void _restore(Call* call, const Restoring* options, TableSlot slot, Value value) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef bint present = slot != NULL
    cdef uint8_t old_type = entry_type(slot_entry(slot)) if present else 0
    cdef Slice key = call.argv[1]
    cdef uint64_t hash = call_hash(call, 1)
    if not key_put(keyspace, call.database, key, hash, value, options.deadline_ms):
        if value.owned:
            value_free(keyspace.heap, value.type, value.encoding, value.pointer)
        error_memory(call)
        return
    _set_access(keyspace, keyspace_find(keyspace, call.database, key, hash, FIND_WRITE | FIND_NO_STATS | FIND_NO_TOUCH),
                options)
    keyspace_touched(keyspace, call.database, key)
    keyspace_event(keyspace, call.database, EVENT_GENERIC, b"restore", key)
    if present:
        keyspace_overwritten(keyspace, call.database, key, old_type, value.type)
    keyspace.dirty += 1
    if options.deadline_ms != -1:
        _log(call, options)
    reply_ok(call.reply)


cdef void cmd_restore(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Restoring options
    cdef TableSlot slot
    cdef Buffer storage
    cdef Value value
    if not _parse_options(call, &options):
        return
    slot = keyspace_find_slot(keyspace, call.database, call.argv[1], call_hash(call, 1), FIND_WRITE)
    if slot != NULL and not options.replace:
        reply_error(call.reply, b"BUSYKEY Target key name already exists.")
        return
    if not _parse_ttl(call, &options):
        return
    buffer_init(&storage, NULL)
    if _read(call, &storage, &value):
        if (options.deadline_ms != -1 and options.deadline_ms <= keyspace_now(keyspace)
                and not call.flags & CALL_REPLAYED):
            if value.owned:
                value_free(keyspace.heap, value.type, value.encoding, value.pointer)
            _drop(call, slot)
        else:
            _restore(call, &options, slot, value)
    buffer_clear(&storage)


cdef void cmd_restore_asking(Call* call) noexcept nogil:
    # Among nodes of a cluster it differs by a flag of its declaration; a server by itself has no other use for it.
    cmd_restore(call)
