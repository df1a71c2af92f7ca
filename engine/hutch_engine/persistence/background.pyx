"""See background.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.lock cimport lock_acquire, signal_prepare, signal_raise, signal_wait
from hutch_engine.base.slice cimport slice_of
from hutch_engine.base.thread cimport thread_join, thread_start
from hutch_engine.persistence.append_log cimport AppendLog, append_log_detach, append_log_of, append_log_prepare, append_log_stop
from hutch_engine.persistence.log_writer cimport log_writer_start, log_writer_stop, log_writer_watch
from hutch_engine.persistence.saving cimport saving_is_due, saving_is_wanted
from hutch_engine.persistence.snapshot_job cimport (
    SNAPSHOT_REWRITE, SNAPSHOT_SAVE, snapshot_job_give_up, snapshot_job_runs, snapshot_job_start, snapshot_job_stop)
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE
from hutch_engine.state.engine cimport Engine
from hutch_engine.state.log cimport log_write

cdef enum:
    SECOND_US = 1000000


cdef bint background_start(Engine* engine) noexcept nogil:
    if engine.journaling.runs:
        return True
    if engine.closed:                    # background_stop waits for the one that was there, or has done so
        return False
    engine.journaling.stopping = False
    engine.journaling.runs = thread_start(_main, engine, b"hutch-persist", 0, &engine.journaling.thread)
    return engine.journaling.runs


cdef void background_wake(Engine* engine) noexcept nogil:
    signal_raise(&engine.journaling.wake)


cdef void background_stop(Engine* engine) noexcept nogil:
    cdef bint runs
    snapshot_job_stop(engine)
    lock_acquire(&engine.lock)
    runs = engine.journaling.runs
    engine.journaling.runs = False
    engine.journaling.stopping = True
    engine_leave(engine)
    if runs:
        signal_raise(&engine.journaling.wake)
        thread_join(engine.journaling.thread)
    log_writer_stop(engine)
    append_log_stop(engine)


cdef void persistence_begin(Engine* engine) noexcept nogil:
    engine.journaling.in_service = True
    if saving_is_wanted(engine):
        background_start(engine)
        background_wake(engine)


cdef bint persistence_switch_log(Engine* engine) noexcept nogil:
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    if not engine.journaling.in_service or engine.closed:
        return True
    if engine.config.appendonly:
        if log != NULL and (log.closing or log.open or log.waits_for_base):
            return True
        log = append_log_of(engine)
        # (While a rewrite runs, it has prepared the log, and is at its manifest.)
        if log == NULL or not (snapshot_job_runs(engine, SNAPSHOT_REWRITE) or append_log_prepare(log)) \
                or not (background_start(engine) and log_writer_start(engine)):
            return False
        log.waits_for_base = True
        snapshot_job_start(engine, SNAPSHOT_REWRITE)     # or, while another one is written, once that is done
    elif log != NULL and (log.open or log.waits_for_base):
        log.waits_for_base = False
        append_log_detach(log)
        snapshot_job_give_up(engine, SNAPSHOT_REWRITE)       # nobody wants its base
    background_wake(engine)
    return True


cdef bint persistence_can_rewrite(Engine* engine) noexcept nogil:
    cdef AppendLog* log = append_log_of(engine)
    return log != NULL and not log.closing and (log.open or log.waits_for_base or append_log_prepare(log))


cdef bint _has_grown(Engine* engine, const AppendLog* log) noexcept nogil:
    """By so many percent since the last rewrite, and is it worth it?"""
    cdef uint64_t total = atomic_load64(&log.total_bytes)
    cdef uint64_t base = atomic_load64(&log.base_bytes)
    cdef int64_t percentage = engine.config.auto_aof_rewrite_percentage
    return (percentage > 0 and total >= <uint64_t>engine.config.auto_aof_rewrite_min_size
            and total - base >= base // 100 * <uint64_t>percentage and total > base)


cdef void _begin_what_is_due(Engine* engine) noexcept nogil:
    """Rewrites and saves. Requires the lock."""
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    cdef int64_t seconds = 0, changes = 0
    cdef char[128] text
    cdef int length
    if engine.journaling.snapshot_job != NULL or engine.closed:
        return
    if (engine.journaling.rewrite_scheduled and persistence_can_rewrite(engine)) or (log != NULL and (
            log.waits_for_base or (log.open and (engine.journaling.journal.failed or _has_grown(engine, log))))):
        engine.journaling.rewrite_scheduled = False
        snapshot_job_start(engine, SNAPSHOT_REWRITE)
    elif engine.journaling.snapshot_scheduled or (engine.keyspace.emptied and saving_is_wanted(engine)):
        engine.journaling.snapshot_scheduled = False
        snapshot_job_start(engine, SNAPSHOT_SAVE)
    elif saving_is_due(engine, &seconds, &changes):
        length = snprintf(text, 128, b"%lld changes in %lld seconds. Saving...", <long long>changes, <long long>seconds)
        log_write(engine, LOG_NOTICE, slice_of(text, <size_t>length))
        snapshot_job_start(engine, SNAPSHOT_SAVE)


cdef void _main(void* context) noexcept nogil:
    cdef Engine* engine = <Engine*>context
    cdef AppendLog* log
    cdef int64_t second_us = 0           # when the last look at what is due was
    cdef int64_t wait_us
    cdef uint32_t ticket
    cdef bint looks
    while True:
        ticket = signal_prepare(&engine.journaling.wake)
        lock_acquire(&engine.lock)
        if engine.journaling.stopping:
            engine_leave(engine)
            return
        log = <AppendLog*>engine.journaling.log
        if log != NULL and log.closing:
            engine_leave(engine)
            append_log_stop(engine)
            lock_acquire(&engine.lock)
            persistence_switch_log(engine)       # it may have been switched on again meanwhile
            engine_leave(engine)
            continue
        if monotonic_us() - second_us >= SECOND_US or engine.journaling.rewrite_scheduled or engine.journaling.snapshot_scheduled:
            second_us = monotonic_us()
            _begin_what_is_due(engine)
        # The log is looked at while it is written, `save` points every second.
        looks = saving_is_wanted(engine) or engine.journaling.snapshot_job != NULL or (log != NULL and log.waits_for_base)
        wait_us = log_writer_watch(engine)
        engine_leave(engine)
        if looks and (wait_us < 0 or wait_us > SECOND_US):
            wait_us = SECOND_US
        signal_wait(&engine.journaling.wake, ticket, wait_us)
