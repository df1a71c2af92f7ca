"""See log_load.pxd."""
from libc.errno cimport ENOMEM
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memset, strerror, strlen
from hutch_engine.base.atomics cimport atomic_load64, atomic_store64
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms, monotonic_us
from hutch_engine.base.lock cimport lock_acquire, lock_release, lock_try
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of, slice_of_text
from hutch_engine.base.thread cimport thread_pause_us
from hutch_engine.executor.aftermath cimport aftermath
from hutch_engine.keyspace.journal cimport Journal, journal_end_unit
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_flush, keyspace_ready_all, keyspace_touch_all
from hutch_engine.persistence.append_log cimport (
    AppendLog, append_log_flush_at_once, append_log_name, append_log_next_increment, append_log_of, append_log_remove_history,
    append_log_start, append_log_use_increment)
from hutch_engine.persistence.background cimport background_start
from hutch_engine.persistence.files cimport (
    FILE_APPEND, FILE_READ, directory_make, directory_sync, file_close, file_length, file_open, file_read, file_sync, file_truncate,
    name_is_there, name_replace, path_join)
from hutch_engine.persistence.log_manifest cimport (
    LOG_BASE, LOG_HISTORY, LOG_INCREMENT, MANIFEST_ABSENT, MANIFEST_BAD, LogFile, LogManifest, ManifestOutcome, manifest_add,
    manifest_clear, manifest_init, manifest_read, manifest_write)
from hutch_engine.persistence.log_replay cimport (
    REPLAY_DONE, REPLAY_FAILED, REPLAY_HUNGRY, REPLAY_MORE, REPLAY_TORN, ReplayStep, replay_begin, replay_end, replay_fill, replay_step)
from hutch_engine.persistence.log_writer cimport log_writer_start
from hutch_engine.persistence.rdb_input cimport (
    RDB_PUT_REPLACE, RDB_READ_KEEPS_DUE, RDB_READ_TAIL, RDB_STEP_DONE, RDB_STEP_FAILED, RDB_STEP_HUNGRY, RdbStep, rdb_input_begin,
    rdb_input_commit, rdb_input_end, rdb_input_fill, rdb_input_place, rdb_input_step)
from hutch_engine.persistence.rdb_load cimport rdb_load_flags
from hutch_engine.persistence.saving cimport saving_save_base
from hutch_engine.scripting.function_library cimport function_library_flush
from hutch_engine.scripting.state cimport scripting_of
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE, LOG_WARNING
from hutch_engine.state.engine cimport SESSION_IN_SCRIPT, Engine, Session, engine_guarded, engine_set_loading, engine_wake_housekeeping
from hutch_engine.state.log cimport log_write

cdef extern from "<unistd.h>" nogil:
    long lseek(int fd, long offset, int whence)

cdef enum:
    SLICE_COMMANDS = 256         # under the lock
    SLICE_RECORDS = 256
    STEP_US = 1000000
    PAUSE_US = 100


cdef bint _fail(LogLoad* load, const char* what, int failure) noexcept nogil:
    """Always False. `failure`: errno's number, or 0."""
    load.error.length = 0
    buffer_append_text(&load.error, what)
    if load.phase != LOADS_NOTHING or load.path.length:
        buffer_append_text(&load.error, b" (")
        buffer_append_slice(&load.error, buffer_slice(&load.path))
        buffer_append_text(&load.error, b")")
    if failure:
        buffer_append_text(&load.error, b": ")
        buffer_append_text(&load.error, strerror(failure))
    return False


cdef inline void _enter(LogLoad* load) noexcept nogil:
    if not load.at_once:
        lock_acquire(&load.engine.lock)


cdef inline void _leave(LogLoad* load) noexcept nogil:
    if not load.at_once:
        engine_leave(load.engine)


cdef void _say(LogLoad* load, int64_t level, const char* text) noexcept nogil:
    """A line of the log."""
    _enter(load)
    log_write(load.engine, level, slice_of_text(text))
    _leave(load)


# ---- the beginning

cdef bint _lists_old_file(const AppendLog* log) noexcept nogil:
    """Is all that the manifest lists a base that has the single file's name, as an upgrade writes it first?"""
    cdef const LogFile* file = log.manifest.files
    return log.manifest.count == 1 and file.kind == LOG_BASE and \
        slice_equals(slice_of(file.name, strlen(file.name)), buffer_slice(&log.name))


cdef bint _upgrade(LogLoad* load, Slice directory, bint listed) noexcept nogil:
    """A single file, as Redis wrote it before 7, becomes the base. True also where there is none. `listed`: a manifest says so already,
    so that at most the file is still to be moved."""
    cdef AppendLog* log = load.log
    cdef Buffer old
    cdef int failure = 0
    buffer_init(&old, NULL)
    if not path_join(&old, directory, buffer_slice(&log.name)) \
            or not path_join(&load.path, buffer_slice(&log.directory), buffer_slice(&log.name)):
        failure = ENOMEM
    elif name_is_there(old.data) and not (listed and name_is_there(load.path.data)):
        # First the manifest: whoever is interrupted here finds it and the old file still in its place, and goes on. The other way
        # round, the file would lie where nobody looks without a manifest.
        if not listed:
            failure = directory_make(log.directory.data)
            if failure == 0 and manifest_add(&log.manifest, buffer_slice(&log.name), 1, LOG_BASE) == NULL:
                failure = ENOMEM
            log.manifest.base_number = 1
            if failure == 0:
                failure = manifest_write(&log.manifest, buffer_slice(&log.directory), buffer_slice(&log.name))
        if failure == 0:
            failure = name_replace(old.data, load.path.data)
    buffer_clear(&old)
    return failure == 0 or _fail(load, b"the old append-only file cannot be taken over", failure)


cdef void _begin_figures(LogLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    engine.persistence.loading_started_s = clock_now_ms(&engine.clock) // 1000
    engine.persistence.loading_started_us = load.started_us
    engine.persistence.loading_total_bytes = 0
    engine.persistence.loading_loaded_bytes = 0
    engine.persistence.loading_used_memory = 0
    engine.persistence.last_load_keys_loaded = 0
    engine.persistence.last_load_keys_expired = 0


cdef void _init(LogLoad* load, Engine* engine) noexcept nogil:
    memset(load, 0, sizeof(LogLoad))
    load.engine = engine
    load.fd = -1
    load.started_us = monotonic_us()
    buffer_init(&load.path, NULL)
    buffer_init(&load.error, NULL)


cdef bint log_load_begin(LogLoad* load, Engine* engine) noexcept nogil:
    cdef Buffer directory
    cdef bint named = False
    cdef ManifestOutcome outcome
    cdef bint done = True
    _init(load, engine)
    buffer_init(&directory, NULL)
    lock_acquire(&engine.lock)
    if not engine.closed:
        load.log = append_log_of(engine)
        if load.log != NULL and not load.log.open:
            named = append_log_name(load.log)
        if named:
            buffer_append_slice(&directory, buffer_slice(&engine.config.dir))
            engine.amid += 1
            load.begun = True
            load.manifest = &load.log.manifest
            engine_set_loading(engine, True)
            engine.keyspace.loading = True
            _begin_figures(load)
    engine_leave(engine)
    if not named:
        done = _fail(load, b"the append-only file is open already, or there is no memory for it", 0)
    else:
        manifest_clear(&load.log.manifest)
        outcome = manifest_read(&load.log.manifest, buffer_slice(&load.log.directory), buffer_slice(&load.log.name), &load.error)
        if outcome == MANIFEST_BAD:
            done = False
        elif outcome == MANIFEST_ABSENT or _lists_old_file(load.log):
            done = _upgrade(load, buffer_slice(&directory), outcome != MANIFEST_ABSENT)
        if done:
            done = _measure(load)
    buffer_clear(&directory)
    return done


cdef bint _measure(LogLoad* load) noexcept nogil:
    """How much there is to read; every file must be there."""
    cdef AppendLog* log = load.log
    cdef uint64_t total = 0
    cdef int64_t length
    cdef size_t i
    cdef int fd
    for i in range(load.manifest.count):
        if load.manifest.files[i].kind == LOG_HISTORY:
            continue
        if not path_join(&load.path, buffer_slice(&log.directory),
                         slice_of(load.manifest.files[i].name, strlen(load.manifest.files[i].name))):
            return _fail(load, b"there is no memory", 0)
        fd = file_open(load.path.data, FILE_READ)
        length = file_length(fd) if fd >= 0 else fd
        file_close(fd)
        if length < 0:
            return _fail(load, b"a file of the append-only log cannot be read", <int>-length)
        total += <uint64_t>length
    load.path.length = 0
    _enter(load)
    load.engine.persistence.loading_total_bytes = total
    _leave(load)
    if not load.at_once:
        atomic_store64(&log.total_bytes, total)
    return True


# ---- file by file

cdef bint _is_last(const LogLoad* load) noexcept nogil:
    """Does nothing stand behind the file that is read? A rewrite lists its increment before the old one is closed: who is cut off
    between the two leaves a torn tail, and an empty file behind it."""
    cdef const LogManifest* manifest = load.manifest
    cdef Buffer path
    cdef bint last = True
    cdef size_t i
    cdef int fd
    buffer_init(&path, NULL)
    for i in range(load.file + 1, manifest.count):
        if manifest.files[i].kind == LOG_HISTORY:
            continue
        fd = -1
        if path_join(&path, buffer_slice(&load.log.directory), slice_of(manifest.files[i].name, strlen(manifest.files[i].name))):
            fd = file_open(path.data, FILE_READ)
        last = last and fd >= 0 and file_length(fd) == 0
        file_close(fd)
    buffer_clear(&path)
    return last


cdef LogLoadStep _open_next(LogLoad* load) noexcept nogil:
    """The next file in the manifest's order: the base comes first there."""
    cdef AppendLog* log = load.log
    cdef char[5] magic
    cdef int64_t got
    cdef bint begun
    while load.file < load.manifest.count and load.manifest.files[load.file].kind == LOG_HISTORY:
        load.file += 1
    if load.file == load.manifest.count:
        load.whole = True
        return LOG_LOAD_DONE
    if not path_join(&load.path, buffer_slice(&log.directory),
                     slice_of(load.manifest.files[load.file].name, strlen(load.manifest.files[load.file].name))):
        _fail(load, b"there is no memory", 0)
        return LOG_LOAD_FAILED
    load.fd = file_open(load.path.data, FILE_READ)
    if load.fd < 0:
        _fail(load, b"a file of the append-only log cannot be read", -load.fd)
        load.fd = -1
        return LOG_LOAD_FAILED
    got = file_read(load.fd, magic, 5)
    lseek(load.fd, 0, 0)
    if got == 5 and load.manifest.files[load.file].kind == LOG_BASE and (
            memcmp(magic, b"REDIS", 5) == 0 or memcmp(magic, b"VALKE", 5) == 0):
        load.phase = LOADS_SNAPSHOT
        begun = rdb_input_begin(&load.input, load.engine, load.fd, rdb_load_flags(load.engine) | RDB_READ_TAIL | RDB_READ_KEEPS_DUE)
        return LOG_LOAD_MORE if begun else LOG_LOAD_FAILED
    return _begin_commands(load, 0)


cdef LogLoadStep _begin_commands(LogLoad* load, uint64_t position) noexcept nogil:
    cdef bint begun
    load.phase = LOADS_COMMANDS
    _enter(load)
    begun = replay_begin(&load.replay, load.engine, load.fd, position)
    _leave(load)
    if not begun:
        _fail(load, b"there is no memory", 0)
    return LOG_LOAD_MORE if begun else LOG_LOAD_FAILED


cdef void _end_file(LogLoad* load) noexcept nogil:
    """Also after a failure. Its error comes along."""
    cdef Engine* engine = load.engine
    cdef bint failed = load.error.length != 0
    _enter(load)
    if load.phase == LOADS_SNAPSHOT:
        if not failed and load.input.error.length:
            buffer_append_slice(&load.error, buffer_slice(&load.input.error))
        rdb_input_end(&load.input)
    elif load.phase == LOADS_COMMANDS:
        if not failed and load.replay.error.length:
            buffer_append_slice(&load.error, buffer_slice(&load.replay.error))
        replay_end(&load.replay)
    _leave(load)
    if not failed and load.error.length:
        buffer_append_text(&load.error, b" (")
        buffer_append_slice(&load.error, buffer_slice(&load.path))
        buffer_append_text(&load.error, b")")
    load.phase = LOADS_NOTHING
    file_close(load.fd)
    load.fd = -1


cdef LogLoadStep _next_file(LogLoad* load) noexcept nogil:
    cdef int64_t length = file_length(load.fd)
    load.loaded_bytes += <uint64_t>length if length > 0 else 0
    _end_file(load)
    load.file += 1
    return LOG_LOAD_MORE


cdef LogLoadStep _snapshot_step(LogLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef RdbStep step
    cdef uint64_t behind
    _enter(load)
    engine.keyspace.now_ms = 0
    step = rdb_input_step(&load.input, SLICE_RECORDS)
    if step == RDB_STEP_DONE and not rdb_input_commit(&load.input, RDB_PUT_REPLACE):
        step = RDB_STEP_FAILED
    engine.persistence.loading_loaded_bytes = load.loaded_bytes + rdb_input_place(&load.input)
    engine.persistence.last_load_keys_loaded = load.input.keys
    _leave(load)
    if step == RDB_STEP_HUNGRY and not rdb_input_fill(&load.input):
        step = RDB_STEP_FAILED
    if step == RDB_STEP_FAILED:
        return LOG_LOAD_FAILED
    if step != RDB_STEP_DONE:
        return LOG_LOAD_MORE
    behind = load.input.end_position
    if <int64_t>behind >= file_length(load.fd):
        return _next_file(load)
    # Commands follow in the same file: a base that Redis before 7 wrote.
    _enter(load)
    rdb_input_end(&load.input)
    _leave(load)
    lseek(load.fd, <long>behind, 0)
    return _begin_commands(load, behind)


cdef LogLoadStep _cut_tail(LogLoad* load) noexcept nogil:
    """The file ends in the middle of a command, or of a transaction."""
    cdef Engine* engine = load.engine
    cdef char[300] line
    cdef int64_t whole = <int64_t>load.replay.whole
    cdef int64_t length = file_length(load.fd)
    cdef int failure, fd
    if not _is_last(load) or not engine.config.aof_load_truncated:
        _fail(load, b"the append-only file ends in the middle of a command or a transaction; with aof-load-truncated the last of "
                    b"them may be cut off", 0)
        return LOG_LOAD_FAILED
    fd = file_open(load.path.data, FILE_APPEND)
    failure = -fd if fd < 0 else file_truncate(fd, whole)
    if failure == 0:
        failure = file_sync(fd)
    file_close(fd if fd >= 0 else -1)
    if failure:
        _fail(load, b"the torn tail of the append-only file cannot be cut off", failure)
        return LOG_LOAD_FAILED
    snprintf(line, 300, b"The append-only file ended in the middle of a command or a transaction: its last %lld bytes were cut off at "
                        b"byte %lld", <long long>(length - whole), <long long>whole)
    _say(load, LOG_WARNING, line)
    return _next_file(load)


cdef LogLoadStep _commands_step(LogLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef ReplayStep step
    _enter(load)
    step = replay_step(&load.replay, SLICE_COMMANDS)
    engine.persistence.loading_loaded_bytes = load.loaded_bytes + load.replay.whole
    _leave(load)
    if step == REPLAY_HUNGRY:
        return LOG_LOAD_MORE if replay_fill(&load.replay) else LOG_LOAD_FAILED
    if step == REPLAY_DONE:
        return _next_file(load)
    if step == REPLAY_TORN:
        return _cut_tail(load)
    return LOG_LOAD_FAILED if step == REPLAY_FAILED else LOG_LOAD_MORE


cdef LogLoadStep log_load_some(LogLoad* load, int64_t for_us) noexcept nogil:
    cdef int64_t until_us = monotonic_us() + for_us
    cdef LogLoadStep step = LOG_LOAD_MORE
    while step == LOG_LOAD_MORE and monotonic_us() < until_us:
        if load.engine.closed:
            _fail(load, b"the store was closed", 0)
            step = LOG_LOAD_FAILED
        elif load.phase == LOADS_NOTHING:
            step = _open_next(load)
        elif load.phase == LOADS_SNAPSHOT:
            step = _snapshot_step(load)
        else:
            step = _commands_step(load)
    if step == LOG_LOAD_FAILED:
        _end_file(load)
    return step


# ---- the end

cdef int _write_base(LogLoad* load, Slice name) noexcept nogil:
    """The data that are there, as the first base. 0, or errno's number. Under the lock: nobody else is served yet."""
    cdef Engine* engine = load.engine
    cdef uint64_t bytes = 0
    cdef int failure
    lock_acquire(&engine.lock)
    failure = saving_save_base(engine, buffer_slice(&load.log.directory), name, &bytes)
    engine_leave(engine)
    atomic_store64(&load.log.total_bytes, bytes)
    return failure


cdef int _begin_files(LogLoad* load) noexcept nogil:
    """The first files of a new log; an increment for one that has none. 0, or errno's number."""
    cdef AppendLog* log = load.log
    cdef Buffer name
    cdef LogFile* last = NULL
    cdef size_t i
    cdef int fd = -1
    cdef int failure = 0
    cdef bint changed = False
    buffer_init(&name, NULL)
    if log.manifest.count == 0:
        failure = directory_make(log.directory.data)
        buffer_append_slice(&name, buffer_slice(&log.name))
        buffer_append_text(&name, b".1.base.rdb")
        if failure == 0:
            failure = _write_base(load, buffer_slice(&name))
        if failure == 0 and manifest_add(&log.manifest, buffer_slice(&name), 1, LOG_BASE) == NULL:
            failure = ENOMEM
        log.manifest.base_number = 1
    for i in range(log.manifest.count):
        if log.manifest.files[i].kind == LOG_INCREMENT:
            last = &log.manifest.files[i]
    if failure == 0 and last == NULL:
        if not append_log_next_increment(log, &name, &fd):
            failure = -fd
        else:
            log.manifest.increment_number += 1
            if manifest_add(&log.manifest, buffer_slice(&name), log.manifest.increment_number, LOG_INCREMENT) == NULL:
                failure = ENOMEM
            else:
                failure = manifest_write(&log.manifest, buffer_slice(&log.directory), buffer_slice(&log.name))
    elif failure == 0:
        if not path_join(&load.path, buffer_slice(&log.directory), slice_of(last.name, strlen(last.name))):
            failure = ENOMEM
        else:
            fd = file_open(load.path.data, FILE_APPEND)
            failure = -fd if fd < 0 else 0
    if failure == 0:
        append_log_use_increment(log, fd)
        log.file_bytes = file_length(fd)
        atomic_store64(&log.base_bytes, atomic_load64(&log.total_bytes))     # growth is reckoned from here
        append_log_remove_history(log)
    elif fd >= 0:
        file_close(fd)
    buffer_clear(&name)
    return failure


cdef bint log_load_end(LogLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef AppendLog* log = load.log
    cdef bint done = load.whole
    cdef int failure
    if done:
        lock_acquire(&log.io)
        failure = _begin_files(load)
        lock_release(&log.io)
        done = failure == 0 or _fail(load, b"the append-only file cannot be written", failure)
    lock_acquire(&engine.lock)
    if load.begun:
        engine.keyspace.loading = False
        engine_set_loading(engine, False)
        if done and not engine.closed:
            engine.config.appendonly = True
            append_log_start(log)
            if not (background_start(engine) and log_writer_start(engine)):
                done = _fail(load, b"there is no thread for the append-only file", 0)
        if not engine.closed:
            aftermath(engine)
            engine_wake_housekeeping(engine)
        engine.amid -= 1
    engine_leave(engine)
    buffer_clear(&load.path)
    return done


# ---- at once

cdef bint _take_files(LogLoad* load, Session* session) noexcept nogil:
    """AppendLog.io, for a command that runs. Whoever has it may wait for the engine's lock, which is given away until it is free.
    False: the engine was closed meanwhile."""
    cdef Engine* engine = load.engine
    cdef int64_t now_ms = engine.keyspace.now_ms
    cdef int64_t now_us = engine.keyspace.now_us
    cdef uint64_t batch_ticks = engine.execution.batch_ticks
    if lock_try(&load.log.io):
        return True
    engine.execution.batch_ticks = 0
    session.flags |= SESSION_IN_SCRIPT       # as for a script that lets others in: nobody else ends this session
    while not engine.closed and not lock_try(&load.log.io):
        engine_leave(engine)
        thread_pause_us(PAUSE_US)
        lock_acquire(&engine.lock)
    session.flags &= ~<uint32_t>SESSION_IN_SCRIPT
    engine.keyspace.now_ms = now_ms
    engine.keyspace.now_us = now_us
    engine.execution.batch_ticks = batch_ticks
    engine.execution.current = session
    return not engine.closed


cdef void _empty(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef int32_t i
    for i in range(keyspace.database_count):
        keyspace_touch_all(keyspace, &keyspace.databases[i], True)
        keyspace_flush(keyspace, &keyspace.databases[i], False)
        keyspace_ready_all(keyspace, &keyspace.databases[i])
    if scripting_of(engine) != NULL:
        function_library_flush(scripting_of(engine))


cdef bint _load_files(LogLoad* load) noexcept nogil:
    cdef LogLoadStep step = LOG_LOAD_FAILED
    cdef Engine* engine = load.engine
    cdef Session* session = engine.execution.current
    if append_log_flush_at_once(load.log) == 0 and append_log_name(load.log) \
            and manifest_read(load.manifest, buffer_slice(&load.log.directory), buffer_slice(&load.log.name),
                              &load.error) != MANIFEST_BAD and _measure(load):
        _empty(engine)
        step = LOG_LOAD_MORE
    while step == LOG_LOAD_MORE:
        step = log_load_some(load, STEP_US)
    engine.execution.current = session
    return step == LOG_LOAD_DONE


cdef bint log_load_at_once(Engine* engine, Session* session, Buffer* error_out) noexcept nogil:
    cdef LogLoad load
    cdef LogManifest manifest
    cdef Journal* journal
    cdef uint32_t observers
    cdef bint done = False
    engine_guarded(engine)
    _init(&load, engine)
    load.at_once = True
    load.log = append_log_of(engine)
    load.manifest = &manifest
    manifest_init(&manifest)
    if load.log == NULL:
        buffer_append_text(error_out, b"there is no memory")
        return False
    engine.amid += 1
    engine_set_loading(engine, True)
    engine.keyspace.loading = True
    if _take_files(&load, session):
        _begin_figures(&load)
        journal = engine.keyspace.journal
        observers = engine.execution.observers
        if journal != NULL:
            # What the transaction around this command has done until now is a unit of its own: it is loaded again with all the rest.
            journal_end_unit(journal, True)
        engine.keyspace.journal = NULL       # what is read is in the log ...
        engine.execution.observers = 0       # ... and nobody's command
        done = _load_files(&load)
        engine.keyspace.journal = journal
        engine.execution.observers = observers
        engine.keyspace.dirty = 0
        engine.journaling.journal.dirty_seen = 0
        lock_release(&load.log.io)
    else:
        _fail(&load, b"the store was closed", 0)
    engine.keyspace.loading = False
    engine_set_loading(engine, False)
    engine.amid -= 1
    buffer_append_slice(error_out, buffer_slice(&load.error))
    manifest_clear(&manifest)
    buffer_clear(&load.path)
    buffer_clear(&load.error)
    return done
