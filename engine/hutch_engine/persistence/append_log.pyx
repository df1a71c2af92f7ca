"""See append_log.pxd."""
from libc.errno cimport ENOENT, ENOMEM
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport strerror, strlen
from hutch_engine.base.atomics cimport atomic_add64, atomic_load64, atomic_store64
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_shrink, buffer_slice)
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_clear, lock_init, lock_release, signal_raise
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.journal cimport journal_clear, journal_take
from hutch_engine.persistence.files cimport (
    FILE_FRESH, directory_make, file_close, file_is_removed, file_open, file_sync, file_truncate, file_write, name_remove, path_join)
from hutch_engine.persistence.log_manifest cimport (
    LOG_HISTORY, MANIFEST_ABSENT, MANIFEST_BAD, LogManifest, ManifestOutcome, manifest_clear, manifest_init, manifest_read,
    manifest_write)
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE, LOG_WARNING
from hutch_engine.state.engine cimport GATE_DISK_LOG, GATE_SYNC, Engine, engine_observe
from hutch_engine.state.latency_events cimport (
    LATENCY_AOF_FSYNC_ALWAYS, LATENCY_AOF_WRITE, latency_events_are_watched, latency_events_note)
from hutch_engine.state.log cimport log_write

cdef enum:
    SLOW_SYNC_US = 2000          # what a sync counts for at most, in what they take lately
    KEPT_BYTES = 8388608         # of the buffer of what is being written: whoever logs fast needs it again in a moment


cdef AppendLog* append_log_of(Engine* engine) noexcept nogil:
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    if log != NULL:
        return log
    log = <AppendLog*>calloc(1, sizeof(AppendLog))
    if log == NULL:
        return NULL
    log.engine = engine
    lock_init(&log.io)
    log.fd = -1
    manifest_init(&log.manifest)
    buffer_init(&log.writing, NULL)
    buffer_init(&log.directory, NULL)
    buffer_init(&log.name, NULL)
    engine.journaling.log = log
    return log


cdef void append_log_policy(Engine* engine) noexcept nogil:
    cdef const AppendLog* log = <const AppendLog*>engine.journaling.log
    engine.execution.gate &= ~<uint32_t>GATE_SYNC
    if engine.keyspace.journal != NULL and (engine.config.appendfsync == SYNC_ALWAYS or log.behind):
        engine.execution.gate |= GATE_SYNC


cdef void append_log_start(AppendLog* log) noexcept nogil:
    cdef Engine* engine = log.engine
    log.failure = 0
    log.writing.length = 0
    log.taken = 0
    log.seen = 0
    atomic_store64(&log.synced, 0)
    log.synced_at_us = monotonic_us()
    journal_clear(&engine.journaling.journal)
    engine.journaling.journal.dirty_seen = engine.keyspace.dirty
    engine.journaling.journal.writer = &engine.journaling.log_wake
    engine.journaling.journal.writer_waits = True
    engine.keyspace.journal = &engine.journaling.journal
    log.open = True
    log.idle = True
    engine_observe(engine)
    append_log_policy(engine)


cdef bint append_log_name(AppendLog* log) noexcept nogil:
    cdef Engine* engine = log.engine
    if not path_join(&log.directory, buffer_slice(&engine.config.dir), buffer_slice(&engine.config.appenddirname)):
        return False
    log.name.length = 0
    buffer_append_slice(&log.name, buffer_slice(&engine.config.appendfilename))
    return not log.name.failed


cdef bint append_log_prepare(AppendLog* log) noexcept nogil:
    cdef Engine* engine = log.engine
    cdef Buffer error
    cdef ManifestOutcome outcome
    if not append_log_name(log):
        return False
    manifest_clear(&log.manifest)
    buffer_init(&error, NULL)
    outcome = manifest_read(&log.manifest, buffer_slice(&log.directory), buffer_slice(&log.name), &error)
    if outcome == MANIFEST_BAD and not error.failed:
        log_write(engine, LOG_WARNING, buffer_slice(&error))
    buffer_clear(&error)
    return outcome != MANIFEST_BAD and (
        outcome != MANIFEST_ABSENT or directory_make(log.directory.data) == 0)


cdef void append_log_detach(AppendLog* log) noexcept nogil:
    cdef Engine* engine = log.engine
    engine.keyspace.journal = NULL
    engine.execution.gate &= ~<uint32_t>GATE_DISK_LOG
    engine.journaling.log_failed = False
    log.closing = log.open or log.closing
    log.open = False
    engine_observe(engine)
    append_log_policy(engine)


cdef void append_log_stop(Engine* engine) noexcept nogil:
    cdef AppendLog* log
    cdef char[256] text
    cdef int failure, length
    cdef bint ends
    lock_acquire(&engine.lock)
    log = <AppendLog*>engine.journaling.log
    ends = log != NULL and log.open          # it was not switched off before
    engine_leave(engine)
    if log == NULL:
        return
    lock_acquire(&log.io)
    if log.fd >= 0:
        append_log_flush(log, True)
    lock_acquire(&engine.lock)
    append_log_detach(log)
    engine_leave(engine)
    # Between the two, somebody may have changed something.
    failure = append_log_flush(log, True)
    file_close(log.fd)
    log.fd = -1
    lock_acquire(&engine.lock)
    log.closing = False
    # Whoever switches the log off does not want it any more; whoever ends believes that all of it is kept.
    engine.execution.gate &= ~<uint32_t>GATE_DISK_LOG
    engine.journaling.log_failed = ends and failure != 0
    if engine.journaling.log_failed:
        snprintf(engine.journaling.log_error, 160, b"the end of the append-only file is lost: %s", _reason(failure))
        length = snprintf(text, 256, b"Closing, and the end of the append-only file is lost: %s.", _reason(failure))
        log_write(engine, LOG_WARNING, slice_of(text, <size_t>(length if 0 <= length < 256 else 255)))
    engine_leave(engine)
    lock_release(&log.io)


cdef void append_log_free(Engine* engine) noexcept nogil:
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    if log == NULL:
        return
    engine.journaling.log = NULL
    file_close(log.fd)
    manifest_clear(&log.manifest)
    buffer_clear(&log.writing)
    buffer_clear(&log.directory)
    buffer_clear(&log.name)
    lock_clear(&log.io)
    free(log)


# ---- writing

cdef const char* _reason(int failure) noexcept nogil:
    if failure == ENOENT:
        return b"it was removed while it was in use"
    return strerror(failure)


cdef void _tell(AppendLog* log, int failure, bint held) noexcept nogil:
    """Clients and the log file hear of it when it begins to fail, and when it works again. `held`: the engine's lock is."""
    cdef Engine* engine = log.engine
    cdef char[256] text
    cdef const char* why = _reason(failure)
    cdef const char* remedy = b""
    cdef int length
    if not held:
        lock_acquire(&engine.lock)
    if failure != log.failure:
        if failure:
            engine.execution.gate |= GATE_DISK_LOG
            if failure == ENOENT:
                remedy = b"; BGREWRITEAOF makes a new one"
            snprintf(engine.journaling.log_error, 160, b"MISCONF Errors writing to the AOF file: %s%s", why, remedy)
            length = snprintf(text, 256, b"Error writing to the append-only file: %s. Writes are refused until it works again.", why)
            log_write(engine, LOG_WARNING, slice_of(text, <size_t>(length if 0 <= length < 256 else 255)))
        elif log.failure:
            engine.execution.gate &= ~<uint32_t>GATE_DISK_LOG
            log_write(engine, LOG_NOTICE, slice_of(b"The append-only file is written again.", 38))
        log.failure = failure
        engine.journaling.log_failed = failure != 0
        if failure:
            signal_raise(&engine.journaling.log_wake)    # it may sleep without end, and is the one who tries again
    if not held:
        engine_leave(engine)


cdef void _note_times(AppendLog* log, int64_t wrote_us, int64_t synced_us, bint held) noexcept nogil:
    """For the latency monitor. Only of `appendfsync always` does somebody wait for a sync. `held`: the engine's lock is."""
    cdef Engine* engine = log.engine
    if not held:
        lock_acquire(&engine.lock)
    latency_events_note(engine, LATENCY_AOF_WRITE, wrote_us)
    if engine.config.appendfsync == SYNC_ALWAYS:
        latency_events_note(engine, LATENCY_AOF_FSYNC_ALWAYS, synced_us)
    if not held:
        engine_leave(engine)


cdef int append_log_write(AppendLog* log) noexcept nogil:
    return _write(log, True, 0, False)


cdef bint _take(AppendLog* log) noexcept nogil:
    """What the journal has. False: it lacks a command for which memory was refused, and a rewrite mends that. Requires both locks."""
    cdef Engine* engine = log.engine
    if journal_take(&engine.journaling.journal, &log.writing) or engine.journaling.journal.unit_start == 0:
        log.taken = engine.journaling.journal.offset
    log.watched = latency_events_are_watched(engine)
    return not engine.journaling.journal.failed


cdef int append_log_flush(AppendLog* log, bint sync) noexcept nogil:
    cdef bint whole
    lock_acquire(&log.engine.lock)
    whole = _take(log)
    engine_leave(log.engine)
    return _write(log, sync, 0 if whole else ENOMEM, False)


cdef int append_log_flush_at_once(AppendLog* log) noexcept nogil:
    cdef bint whole = _take(log)
    return _write(log, False, 0 if whole else ENOMEM, True)


cdef int _write(AppendLog* log, bint sync, int refused, bint held) noexcept nogil:
    """`refused`: what is told in any case. `held`: the engine's lock is."""
    cdef size_t written = 0
    cdef uint64_t up_to
    cdef int failure = 0
    cdef int64_t started_us = monotonic_us() if unlikely(log.watched) else 0
    cdef int64_t wrote_us = 0
    cdef int64_t sync_us
    up_to = log.taken
    if log.fd < 0:
        return 0
    if log.writing.length:
        failure = file_write(log.fd, log.writing.data, log.writing.length, &written)
        if failure == 0:
            log.file_bytes += <int64_t>written
            atomic_add64(&log.total_bytes, written)
            log.writing.length = 0
            buffer_shrink(&log.writing, KEPT_BYTES)
        elif written:
            file_truncate(log.fd, log.file_bytes)        # else the rest would follow half of a command
    if unlikely(log.watched):
        wrote_us = monotonic_us() - started_us
    if failure == 0 and sync and atomic_load64(&log.synced) != up_to:
        sync_us = -monotonic_us()
        failure = file_sync(log.fd)
        if failure == 0 and unlikely(file_is_removed(log.fd)):
            failure = ENOENT                     # (no write and no sync says that)
        if failure == 0:
            log.synced_at_us = monotonic_us()
            sync_us += log.synced_at_us
            if sync_us > SLOW_SYNC_US:           # nobody shall wait half a second for company
                sync_us = SLOW_SYNC_US
            atomic_store64(&log.sync_us, (atomic_load64(&log.sync_us) * 7 + <uint64_t>sync_us) // 8)
            atomic_store64(&log.synced, up_to)
    if failure == 0:
        failure = refused
    if unlikely(log.watched):
        _note_times(log, wrote_us, monotonic_us() - started_us - wrote_us, held)
    if unlikely(failure != log.failure):
        _tell(log, failure, held)
    return failure


cdef bint append_log_commit(Engine* engine, uint64_t offset) noexcept nogil:
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    cdef bint done = True
    if log == NULL or atomic_load64(&log.synced) >= offset:
        return True
    lock_acquire(&log.io)
    # Whoever had the lock before may have written ours, too.
    if atomic_load64(&log.synced) < offset and log.fd >= 0:
        done = append_log_flush(log, True) == 0
    lock_release(&log.io)
    return done


# ---- files

cdef bint append_log_next_increment(AppendLog* log, Buffer* name_out, int* fd_out) noexcept nogil:
    cdef Buffer path
    name_out.length = 0
    buffer_append_slice(name_out, buffer_slice(&log.name))
    buffer_append_text(name_out, b".")
    buffer_append_integer(name_out, log.manifest.increment_number + 1)
    buffer_append_text(name_out, b".incr.aof")
    buffer_init(&path, NULL)
    fd_out[0] = -ENOMEM
    if not name_out.failed and path_join(&path, buffer_slice(&log.directory), buffer_slice(name_out)):
        fd_out[0] = file_open(path.data, FILE_FRESH)
    buffer_clear(&path)
    return fd_out[0] >= 0


cdef void append_log_use_increment(AppendLog* log, int fd) noexcept nogil:
    file_close(log.fd)
    log.fd = fd
    log.file_bytes = 0


cdef void append_log_remove_history(AppendLog* log) noexcept nogil:
    cdef LogManifest* manifest = &log.manifest
    cdef Buffer path
    cdef size_t i
    cdef size_t kept = 0
    buffer_init(&path, NULL)
    for i in range(manifest.count):
        if manifest.files[i].kind == LOG_HISTORY:
            if path_join(&path, buffer_slice(&log.directory), slice_of(manifest.files[i].name, strlen(manifest.files[i].name))):
                name_remove(path.data)
        else:
            manifest.files[kept] = manifest.files[i]
            kept += 1
    if kept != manifest.count:
        manifest.count = kept
        manifest_write(manifest, buffer_slice(&log.directory), buffer_slice(&log.name))
    buffer_clear(&path)
