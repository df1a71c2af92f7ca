"""See rdb_load.pxd."""
from libc.errno cimport ENOENT, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset, strerror
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms, monotonic_us
from hutch_engine.base.lock cimport lock_acquire, lock_give_way
from hutch_engine.base.outcome cimport CORRUPT, NOT_FOUND, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.executor.aftermath cimport aftermath
from hutch_engine.persistence.rdb_input cimport (
    RDB_PUT_NOTHING, RDB_READ_SKIPS, RDB_READ_UNSUMMED, RDB_STEP_DONE, RDB_STEP_FAILED, RDB_STEP_HUNGRY, RDB_STEP_MORE, RdbInput, RdbStep,
    RdbTally,
    rdb_input_begin, rdb_input_commit, rdb_input_end, rdb_input_fill, rdb_input_place, rdb_input_step)
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE, LOG_WARNING
from hutch_engine.state.engine cimport Engine, engine_guarded, engine_set_loading, engine_wake_housekeeping
from hutch_engine.state.log cimport log_write

cdef extern from * nogil:
    """
    #include <fcntl.h>
    #include <unistd.h>
    static int hutch_open_to_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }
    """
    int hutch_open_to_read(const char* path)
    int close(int fd)

cdef enum:
    SLICE_RECORDS = 256          # under the lock: some 0.2 ms of keys of usual size
    TOLD_EVERY_US = 2000000      # lines of the log that say how far it is


cdef void rdb_load_path(Engine* engine, Buffer* out) noexcept nogil:
    if engine.config.dir.length:
        buffer_append_slice(out, buffer_slice(&engine.config.dir))
        buffer_append(out, b"/", 1)
    buffer_append_slice(out, buffer_slice(&engine.config.dbfilename))
    buffer_append(out, b"\0", 1)


cdef uint32_t rdb_load_flags(const Engine* engine) noexcept nogil:
    return ((RDB_READ_SKIPS if engine.config.rdb_skip_unknown_types else 0)
            | (0 if engine.config.rdbchecksum else RDB_READ_UNSUMMED))


cdef void _begin_figures(RdbLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    engine.persistence.loading_started_s = clock_now_ms(&engine.clock) // 1000
    engine.persistence.loading_started_us = monotonic_us()
    engine.persistence.loading_total_bytes = load.input.file_bytes
    engine.persistence.loading_loaded_bytes = 0
    engine.persistence.loading_used_memory = 0
    engine.persistence.last_load_keys_loaded = 0
    engine.persistence.last_load_keys_expired = 0
    engine.persistence.last_load_keys_skipped = 0
    load.told_us = engine.persistence.loading_started_us


cdef void _note_progress(RdbLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef char[160] line
    cdef int64_t now_us
    engine.persistence.loading_loaded_bytes = rdb_input_place(&load.input)
    engine.persistence.loading_used_memory = load.input.used_memory
    engine.persistence.last_load_keys_loaded = load.input.keys
    engine.persistence.last_load_keys_expired = load.input.expired
    engine.persistence.last_load_keys_skipped = load.input.skipped
    now_us = monotonic_us()
    if now_us - load.told_us >= TOLD_EVERY_US:
        load.told_us = now_us
        log_write(engine, LOG_NOTICE, slice_of(line, <size_t>snprintf(
            line, sizeof(line), b"Loading: %.1f %% of %.1f MB, %llu keys",
            100.0 * engine.persistence.loading_loaded_bytes / (load.input.file_bytes if load.input.file_bytes else 1),
            load.input.file_bytes / 1e6, <unsigned long long>load.input.keys)))


cdef void _tell_done(RdbLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef const RdbTally* tally
    cdef size_t i
    cdef char[160] line
    log_write(engine, LOG_NOTICE, slice_of(line, <size_t>snprintf(
        line, sizeof(line), b"Done loading RDB, keys loaded: %llu, keys expired: %llu.", <unsigned long long>load.input.keys,
        <unsigned long long>load.input.expired)))
    for i in range(load.input.tallies.length // sizeof(RdbTally)):
        tally = &(<const RdbTally*>load.input.tallies.data)[i]
        if not tally.kept:
            log_write(engine, LOG_WARNING, slice_of(line, <size_t>snprintf(
                line, sizeof(line), b"Warning: %llu of type %s in database %d were left out: Hutch does not have them",
                <unsigned long long>tally.keys, tally.type, tally.database)))
    log_write(engine, LOG_NOTICE, slice_of(line, <size_t>snprintf(
        line, sizeof(line), b"DB loaded from disk: %.3f seconds",
        (monotonic_us() - engine.persistence.loading_started_us) / 1e6)))


cdef RdbStep _step(RdbLoad* load) noexcept nogil:
    """Some records, and at the end all of it put in place. Requires the lock."""
    cdef RdbStep step
    load.engine.keyspace.now_ms = 0
    step = rdb_input_step(&load.input, SLICE_RECORDS)
    if step == RDB_STEP_DONE and load.how != RDB_PUT_NOTHING and not rdb_input_commit(&load.input, load.how):
        step = RDB_STEP_FAILED
    _note_progress(load)
    if step == RDB_STEP_DONE and load.how != RDB_PUT_NOTHING:
        _tell_done(load)
    return step


cdef Outcome _open(RdbLoad* load, Engine* engine, const char* path, uint32_t flags, int how) noexcept nogil:
    memset(load, 0, sizeof(RdbLoad))
    load.engine = engine
    load.input.engine = engine
    load.how = how
    load.fd = hutch_open_to_read(path)
    if load.fd < 0:
        if errno == ENOENT:
            return NOT_FOUND
        buffer_append_text(&load.input.error, b"opening failed: ")
        buffer_append_text(&load.input.error, strerror(errno))
        return CORRUPT
    return OK if rdb_input_begin(&load.input, engine, load.fd, flags) else CORRUPT


cdef void _close(RdbLoad* load) noexcept nogil:
    if load.fd >= 0:
        close(load.fd)
        load.fd = -1


cdef Outcome rdb_load_begin(RdbLoad* load, Engine* engine, const char* path, uint32_t flags, int how) noexcept nogil:
    cdef Outcome outcome = _open(load, engine, path, flags, how)
    if outcome != OK:
        return outcome
    lock_acquire(&engine.lock)
    if engine.closed:
        buffer_append_text(&load.input.error, b"the store is closed")
        outcome = CORRUPT
    else:
        engine.amid += 1
        engine_set_loading(engine, True)
        load.begun = True
        _begin_figures(load)
    engine_leave(engine)
    return outcome


cdef RdbStep rdb_load_some(RdbLoad* load, int64_t for_us) noexcept nogil:
    cdef Engine* engine = load.engine
    cdef int64_t until_us = monotonic_us() + for_us
    cdef RdbStep step = RDB_STEP_MORE
    lock_acquire(&engine.lock)
    while step == RDB_STEP_MORE:
        if engine.closed:
            buffer_append_text(&load.input.error, b"the store was closed")
            step = RDB_STEP_FAILED
        else:
            step = _step(load)
        if step == RDB_STEP_HUNGRY:
            engine_leave(engine)
            step = RDB_STEP_MORE if rdb_input_fill(&load.input) else RDB_STEP_FAILED
            lock_acquire(&engine.lock)
        if step == RDB_STEP_MORE:
            if monotonic_us() >= until_us:
                break
            lock_give_way(&engine.lock)
    engine_leave(engine)
    return step


cdef void rdb_load_end(RdbLoad* load) noexcept nogil:
    cdef Engine* engine = load.engine
    lock_acquire(&engine.lock)
    rdb_input_end(&load.input)
    engine_set_loading(engine, False)    # it may have been announced before there was a file
    if load.begun:
        load.begun = False
        if not engine.closed:
            aftermath(engine)
            engine_wake_housekeeping(engine)
        engine.amid -= 1
    engine_leave(engine)
    _close(load)


cdef bint rdb_load_at_once(Engine* engine, const char* path, uint32_t flags, int how, Buffer* error_out) noexcept nogil:
    cdef RdbLoad load
    cdef RdbStep step = RDB_STEP_FAILED
    cdef Buffer line
    cdef Outcome opened = _open(&load, engine, path, flags, how)
    engine_guarded(engine)
    if opened == OK:
        _begin_figures(&load)
        step = RDB_STEP_MORE
    elif opened == NOT_FOUND:
        buffer_append_text(&load.input.error, b"there is no such file")
    while step == RDB_STEP_MORE:
        step = _step(&load)
        if step == RDB_STEP_HUNGRY:
            step = RDB_STEP_MORE if rdb_input_fill(&load.input) else RDB_STEP_FAILED
    if step != RDB_STEP_DONE:
        buffer_append_slice(error_out, buffer_slice(&load.input.error))
        buffer_init(&line, NULL)
        buffer_append_text(&line, b"Error loading ")
        buffer_append_text(&line, path)
        buffer_append_text(&line, b": ")
        buffer_append_slice(&line, buffer_slice(&load.input.error))
        log_write(engine, LOG_WARNING, buffer_slice(&line))
        buffer_clear(&line)
    rdb_input_end(&load.input)
    _close(&load)
    return step == RDB_STEP_DONE
