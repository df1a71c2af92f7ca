"""See snapshot_job.pxd."""
from libc.errno cimport ENOENT, ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport strerror, strlen
from hutch_engine.base.atomics cimport atomic_load32, atomic_load64, atomic_store32, atomic_store64
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_is_wanted, lock_release, signal_raise
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.base.thread cimport thread_join, thread_pause_us, thread_start
from hutch_engine.formats.rdb_values cimport rdb_value_is_long
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.journal cimport journal_begin_anew, journal_take
from hutch_engine.keyspace.keyspace cimport (
    Keyspace, keyspace_snapshot_begin, keyspace_snapshot_end, keyspace_snapshot_waits)
from hutch_engine.keyspace.snapshot cimport snapshot_begin, snapshot_clear
from hutch_engine.persistence.append_log cimport (
    AppendLog, append_log_flush, append_log_next_increment, append_log_remove_history, append_log_start, append_log_use_increment,
    append_log_write)
from hutch_engine.persistence.files cimport directory_make, file_close
from hutch_engine.persistence.log_manifest cimport (
    LOG_BASE, LOG_HISTORY, LOG_INCREMENT, LogFile, LogManifest, manifest_add, manifest_clear, manifest_copy, manifest_write)
from hutch_engine.persistence.rdb_output cimport (
    RdbOutput, rdb_output_abandon, rdb_output_describe, rdb_output_finish, rdb_output_open, rdb_output_publish,
    rdb_output_write)
from hutch_engine.persistence.command_writer cimport command_writer_begin, command_writer_key
from hutch_engine.persistence.rdb_writer cimport (
    RdbWriter, rdb_writer_begin, rdb_writer_begin_long, rdb_writer_clear, rdb_writer_end, rdb_writer_go_on, rdb_writer_init)
from hutch_engine.persistence.saving cimport saving_note
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE, LOG_WARNING
from hutch_engine.state.engine cimport Engine
from hutch_engine.state.log cimport log_write
from hutch_engine.structures.table cimport table_count, table_scan

cdef enum:
    SLICE_US = 200               # of one walk under the lock; looked at every so many buckets
    SLICE_BUCKETS = 8
    RECORDS_MAX = 1048576        # bytes of records after which a slice ends in any case
    LOOK_US = 10000              # whether it is given up, in a long pause
    PAUSE_US = 20                # so that the scheduler does not stop us with the lock in hand
    WAIT_US = 1000               # for a database that was emptied and is being freed


cdef bint snapshot_job_runs(const Engine* engine, SnapshotPurpose purpose) noexcept nogil:
    cdef const SnapshotJob* job = <const SnapshotJob*>engine.journaling.snapshot_job
    return job != NULL and job.purpose == purpose


cdef bint snapshot_job_start(Engine* engine, SnapshotPurpose purpose) noexcept nogil:
    cdef SnapshotJob* job
    if engine.journaling.snapshot_job != NULL or engine.closed:
        return False
    job = <SnapshotJob*>calloc(1, sizeof(SnapshotJob))
    if job == NULL:
        return False
    job.engine = engine
    job.purpose = purpose
    job.started_s = clock_now_ms(&engine.clock) // 1000
    job.started_us = monotonic_us()
    buffer_init(&job.snapshot.records, NULL)
    if not thread_start(_main, job, b"hutch-snapshot", 0, NULL):
        free(job)
        return False
    engine.journaling.snapshot_job = job
    if purpose == SNAPSHOT_SAVE and _units_are_whole(engine):
        _begin_snapshot(job)
    return True


cdef void snapshot_job_stop(Engine* engine) noexcept nogil:
    """The thread takes its job away itself when it ends."""
    cdef SnapshotJob* job
    lock_acquire(&engine.lock)
    while engine.journaling.snapshot_job != NULL:
        job = <SnapshotJob*>engine.journaling.snapshot_job
        atomic_store32(&job.stop_asked, 1)
        engine_leave(engine)
        thread_pause_us(WAIT_US)
        lock_acquire(&engine.lock)
    engine_leave(engine)


cdef void snapshot_job_give_up(Engine* engine, SnapshotPurpose purpose) noexcept nogil:
    cdef SnapshotJob* job = <SnapshotJob*>engine.journaling.snapshot_job
    if job != NULL and job.purpose == purpose:
        atomic_store32(&job.stop_asked, 1)


# ---- the moment

cdef void _begin_snapshot(SnapshotJob* job) noexcept nogil:
    """From here on, what is there belongs to it. Requires the lock."""
    cdef Engine* engine = job.engine
    cdef int i
    job.begun = True
    if job.purpose == SNAPSHOT_REWRITE and not engine.config.aof_use_rdb_preamble:
        command_writer_begin(&job.writer, engine, &job.snapshot.records)
    else:
        rdb_writer_begin(&job.writer, engine, &job.snapshot.records, job.purpose == SNAPSHOT_REWRITE)
    snapshot_begin(&job.snapshot, &job.writer)
    keyspace_snapshot_begin(&engine.keyspace, &job.snapshot)
    job.database = 0
    job.cursor = 0
    job.swaps = engine.keyspace.swaps
    job.changes = engine.keyspace.dirty
    if job.purpose == SNAPSHOT_SAVE:
        engine.keyspace.emptied = False
    for i in range(engine.keyspace.database_count):
        job.keys_total += table_count(&engine.keyspace.databases[i].keys)


cdef int _begin_rewrite(SnapshotJob* job) noexcept nogil:
    """A new increment, and the snapshot of the moment at which it begins. 0, or errno's number."""
    cdef Engine* engine = job.engine
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    cdef LogManifest manifest
    cdef Buffer name
    cdef int fd = -1
    cdef int failure
    cdef bint keeps              # a log, and does not only write a base
    buffer_init(&name, NULL)
    lock_acquire(&log.io)
    keeps = log.open or log.waits_for_base
    # (A journal that lacks a command is what a rewrite mends.)
    failure = append_log_flush(log, True)
    if failure == ENOENT:
        directory_make(log.directory.data)       # the file was removed, and maybe its directory with it
    if log.writing.length == 0:
        failure = 0
    job.base_number = log.manifest.base_number + 1
    job.increment_number = log.manifest.increment_number + 1
    if failure == 0 and keeps and not append_log_next_increment(log, &name, &fd):
        failure = -fd
    # In the manifest before anything stands in it: whoever loads after a crash reads it behind the old ones. (Without a base nobody
    # loads yet.)
    if failure == 0 and keeps:
        failure = ENOMEM
        if manifest_copy(&manifest, &log.manifest):
            manifest.increment_number += 1
            if manifest_add(&manifest, buffer_slice(&name), manifest.increment_number, LOG_INCREMENT) != NULL:
                failure = 0 if log.waits_for_base else manifest_write(&manifest, buffer_slice(&log.directory), buffer_slice(&log.name))
            if failure == 0:
                manifest_clear(&log.manifest)
                log.manifest = manifest
            else:
                manifest_clear(&manifest)
    if failure == 0:
        _lock_between_units(engine)
        if log.waits_for_base and not log.open:
            append_log_start(log)
        # What came since the flush belongs to the old increment.
        if journal_take(&engine.journaling.journal, &log.writing):
            log.taken = engine.journaling.journal.offset
        journal_begin_anew(&engine.journaling.journal)
        _begin_snapshot(job)
        engine_leave(engine)
        failure = append_log_write(log) if log.fd >= 0 else 0
        if failure == ENOENT:
            failure = 0                          # removed: the new base has all of it
    buffer_clear(&name)
    if failure:
        file_close(fd)
    elif keeps:
        append_log_use_increment(log, fd)
    lock_release(&log.io)
    return failure


# ---- the walk

cdef struct Visiting:
    SnapshotJob* job
    int32_t database
    Entry* long_one              # of the buckets that are visited, a value that is to go out in parts; NULL: none was met


cdef bint _visit(void* context, void* visited) noexcept nogil:
    cdef Visiting* visiting = <Visiting*>context
    cdef Entry* entry = <Entry*>visited
    cdef Keyspace* keyspace = &visiting.job.engine.keyspace
    if entry.snapshot != keyspace.snapshot:
        if unlikely(rdb_value_is_long(entry)) and not visiting.job.writer.as_commands:
            visiting.long_one = entry
            return True
        entry.snapshot = keyspace.snapshot
        command_writer_key(&visiting.job.writer, keyspace, visiting.database, entry)
    return True


cdef inline bint _is_over(SnapshotJob* job, int64_t until_us) noexcept nogil:
    cdef Engine* engine = job.engine
    return (engine.config.rdb_key_save_delay_us > 0 or job.snapshot.records.length >= RECORDS_MAX or monotonic_us() >= until_us
            or lock_is_wanted(&engine.lock))


cdef inline bint _goes_on(SnapshotJob* job) noexcept nogil:
    """The next part of the long value that is unfinished; True while some is left."""
    cdef Entry* entry = <Entry*>job.writer.unfinished
    if rdb_writer_go_on(&job.writer):
        return True
    entry.snapshot = job.engine.keyspace.snapshot
    return False


cdef bint _slice(SnapshotJob* job) noexcept nogil:
    """Walk on for a moment; False when all databases have been walked. Requires the lock."""
    cdef Engine* engine = job.engine
    cdef Keyspace* keyspace = &engine.keyspace
    cdef int64_t until_us = monotonic_us() + SLICE_US
    cdef Visiting visiting
    cdef Entry* entry
    cdef uint64_t following
    cdef int i
    visiting.job = job
    visiting.long_one = NULL
    while job.writer.unfinished != NULL and _goes_on(job):
        if _is_over(job, until_us):
            return True
    if job.writer.behind.length or job.writer.failed:
        return True
    if job.swaps != keyspace.swaps:          # they are others now; what is saved is passed over quickly
        job.swaps = keyspace.swaps
        job.database = 0
        job.cursor = 0
    while job.database < keyspace.database_count:
        if table_count(&keyspace.databases[job.database].keys) == 0:
            job.cursor = 0                   # it may have been emptied in the middle of the walk
        else:
            visiting.database = keyspace.databases[job.database].snapshot_index
            for i in range(SLICE_BUCKETS if engine.config.rdb_key_save_delay_us <= 0 else 1):
                following = table_scan(&keyspace.databases[job.database].keys, job.cursor, _visit, &visiting)
                if unlikely(visiting.long_one != NULL):
                    # The others of its buckets are saved. They are visited again when it is, since it may not be the only one.
                    entry = visiting.long_one
                    rdb_writer_begin_long(&job.writer, keyspace, visiting.database, entry)
                    if job.writer.unfinished == NULL:
                        entry.snapshot = keyspace.snapshot
                    return True
                job.cursor = following
                if job.cursor == 0:
                    break
        if job.cursor == 0:
            job.database += 1
        if _is_over(job, until_us):
            return True
    return keyspace_snapshot_waits(keyspace)


cdef void _pause(SnapshotJob* job, long us) noexcept nogil:
    """As long as rdb-key-save-delay says, or until it is given up."""
    while us > 0 and not atomic_load32(&job.stop_asked):
        thread_pause_us(us if us < LOOK_US else LOOK_US)
        us -= LOOK_US


cdef bint _write_all(SnapshotJob* job, RdbOutput* output) noexcept nogil:
    """Slice by slice; False when it failed or was given up. The snapshot is over afterwards."""
    cdef Engine* engine = job.engine
    cdef RdbWriter* writer = &job.writer
    cdef Buffer records, taken
    cdef uint64_t keys = 0
    cdef long delay_us
    cdef bint more = True
    cdef bint whole = True
    buffer_init(&records, NULL)
    while more and whole:
        lock_acquire(&engine.lock)
        more = _slice(job)
        if not more:
            if not writer.as_commands:
                rdb_writer_end(writer)
            engine.journaling.early_bytes = job.snapshot.early_bytes
        job.writer_keys = writer.keys
        whole = not job.snapshot.records.failed and not writer.failed and not atomic_load32(&job.stop_asked)
        if not more or not whole:
            keyspace_snapshot_end(&engine.keyspace, whole)
        taken = job.snapshot.records
        records.length = 0
        job.snapshot.records = records
        records = taken
        if unlikely(writer.unfinished == NULL and writer.behind.length != 0):
            # The long value is in the records that were taken: what was saved in the middle of it comes next.
            job.snapshot.early_bytes += writer.behind.length
            taken = job.snapshot.records
            job.snapshot.records = writer.behind
            writer.behind = taken
        delay_us = <long>(engine.config.rdb_key_save_delay_us * <int64_t>(writer.keys - keys + (writer.unfinished != NULL)))
        keys = writer.keys
        engine_leave(engine)
        if whole and not rdb_output_write(output, buffer_slice(&records)):
            whole = False
            if more:
                lock_acquire(&engine.lock)
                keyspace_snapshot_end(&engine.keyspace, False)
                engine_leave(engine)
        if more and delay_us > 0:            # negative, as in Redis: so many keys a microsecond, which is no delay here
            _pause(job, delay_us)
        elif more and records.length == 0:
            thread_pause_us(WAIT_US)
        elif more:
            thread_pause_us(PAUSE_US)
    buffer_clear(&records)
    return whole


# ---- the thread

cdef inline bint _units_are_whole(const Engine* engine) noexcept nogil:
    return not engine.scripts.busy and (engine.keyspace.journal == NULL
                                        or engine.journaling.journal.bytes.length == engine.journaling.journal.unit_start)


cdef void _lock_between_units(Engine* engine) noexcept nogil:
    """The lock, while no script and no transaction is in the middle of its commands: half of one is no point in time."""
    lock_acquire(&engine.lock)
    while not _units_are_whole(engine) and not engine.closed:
        engine_leave(engine)
        thread_pause_us(WAIT_US)
        lock_acquire(&engine.lock)


cdef int _finish_rewrite(SnapshotJob* job, RdbOutput* output, Slice base_name) noexcept nogil:
    """The base is there: it takes the place of what came before the increment."""
    cdef AppendLog* log = <AppendLog*>job.engine.journaling.log
    cdef LogManifest manifest
    cdef LogFile* file
    cdef LogFile held
    cdef size_t i
    cdef int failure = ENOMEM
    lock_acquire(&log.io)
    if manifest_copy(&manifest, &log.manifest):
        for i in range(manifest.count):
            file = &manifest.files[i]
            if file.kind == LOG_BASE or (file.kind == LOG_INCREMENT and file.number < job.increment_number):
                file.kind = LOG_HISTORY
        manifest.base_number = job.base_number
        if manifest_add(&manifest, base_name, job.base_number, LOG_BASE) != NULL:
            failure = manifest_write(&manifest, buffer_slice(&log.directory), buffer_slice(&log.name))
        if failure == 0:
            manifest_clear(&log.manifest)
            log.manifest = manifest
            lock_acquire(&job.engine.lock)
            if log.open:                 # else it was switched off meanwhile, and perhaps on again
                log.waits_for_base = False
            engine_leave(job.engine)
            atomic_store64(&log.base_bytes, output.bytes)
            atomic_store64(&log.total_bytes, output.bytes + <uint64_t>log.file_bytes)
            append_log_remove_history(log)
        else:
            manifest_clear(&manifest)
    lock_release(&log.io)
    return failure


cdef void _tell(SnapshotJob* job, RdbOutput* output, int failure) noexcept nogil:
    """How it ended, in the figures and in the log. Requires the lock."""
    cdef Engine* engine = job.engine
    cdef Buffer text
    cdef bint rewrite = job.purpose == SNAPSHOT_REWRITE
    cdef int64_t took_s = (monotonic_us() - job.started_us) // 1000000
    buffer_init(&text, NULL)
    if rewrite:
        engine.journaling.rewrites += 1
        if not (failure and atomic_load32(&job.stop_asked)):
            engine.journaling.rewrite_failed = failure != 0
            engine.journaling.rewrites_failed = engine.journaling.rewrites_failed + 1 if failure else 0
        engine.journaling.rewrite_took_s = took_s
    else:
        engine.persistence.saves += 1
        saving_note(engine, job.changes, failure == 0)
        engine.persistence.last_save_took_s = took_s
    if failure == 0:
        buffer_append_text(&text, b"Background AOF rewrite finished successfully" if rewrite else b"Background saving terminated with success")
    else:
        buffer_append_text(&text, b"Background AOF rewrite failed" if rewrite else b"Background saving failed")
        if atomic_load32(&job.stop_asked):
            buffer_append_text(&text, b": it was given up")
        elif output.error:
            buffer_append_text(&text, b": ")
            rdb_output_describe(output, &text)
        else:
            buffer_append_text(&text, b": ")
            buffer_append_text(&text, strerror(failure))
    if not text.failed:
        log_write(engine, LOG_WARNING if failure else LOG_NOTICE, buffer_slice(&text))
    buffer_clear(&text)


cdef void _main(void* context) noexcept nogil:
    cdef SnapshotJob* job = <SnapshotJob*>context
    cdef Engine* engine = job.engine
    cdef AppendLog* log
    cdef RdbOutput output
    cdef Buffer directory, name
    cdef int failure = 0
    cdef bint rewrite = job.purpose == SNAPSHOT_REWRITE
    cdef bint opened = False
    cdef bint summed, synced_often
    buffer_init(&directory, NULL)
    buffer_init(&name, NULL)
    output.error = 0
    _lock_between_units(engine)
    log = <AppendLog*>engine.journaling.log
    summed = engine.config.rdbchecksum != 0
    synced_often = (engine.config.aof_rewrite_incremental_fsync if rewrite else engine.config.rdb_save_incremental_fsync) != 0
    buffer_append_slice(&directory, buffer_slice(&log.directory) if rewrite else buffer_slice(&engine.config.dir))
    if not rewrite:
        buffer_append_slice(&name, buffer_slice(&engine.config.dbfilename))
        if not job.begun:
            _begin_snapshot(job)
    engine_leave(engine)
    if rewrite:
        failure = _begin_rewrite(job)
        buffer_append_slice(&name, buffer_slice(&log.name))
        buffer_append_text(&name, b".")
        buffer_append_integer(&name, job.base_number)
        buffer_append_text(&name, b".base.aof" if job.writer.as_commands else b".base.rdb")
    if failure == 0:
        opened = rdb_output_open(&output, buffer_slice(&directory), buffer_slice(&name), summed, synced_often)
        if not _write_all(job, &output) or not (rdb_output_publish(&output) if job.writer.as_commands else rdb_output_finish(&output)):
            failure = output.error if output.error else ENOMEM
    if failure == 0 and rewrite:
        failure = _finish_rewrite(job, &output, buffer_slice(&name))
    lock_acquire(&engine.lock)
    if failure and engine.keyspace.taken == &job.snapshot:
        keyspace_snapshot_end(&engine.keyspace, False)
    _tell(job, &output, failure)
    snapshot_clear(&job.snapshot)
    rdb_writer_clear(&job.writer)
    engine.journaling.snapshot_job = NULL
    lock_release(&engine.lock)           # from here on the engine may go
    if opened or output.error:
        rdb_output_abandon(&output)
    buffer_clear(&directory)
    buffer_clear(&name)
    free(job)
