"""See log_writer.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_add64, atomic_load64, atomic_store64
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_release, signal_prepare, signal_raise, signal_wait
from hutch_engine.base.slice cimport slice_of_text
from hutch_engine.base.thread cimport thread_join, thread_start
from hutch_engine.persistence.append_log cimport (
    SYNC_ALWAYS, SYNC_EVERY_SECOND, SYNC_NEVER, AppendLog, append_log_flush, append_log_policy)
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.config cimport LOG_NOTICE
from hutch_engine.state.engine cimport Engine
from hutch_engine.state.log cimport log_write

cdef enum:
    GATHER_US = 5000             # between two writes of the log: what is lost with a killed process, unless it is `always`
    LOOK_US = 200000             # under `always`, at what nobody waits for: far longer than a sync, so that it is none of theirs
    SECOND_US = 1000000
    WATCH_US = 250000


cdef bint log_writer_start(Engine* engine) noexcept nogil:
    if not engine.journaling.log_writer_runs:
        engine.journaling.log_writer_runs = thread_start(_main, engine, b"hutch-log", 0, &engine.journaling.log_writer)
    return engine.journaling.log_writer_runs


cdef void log_writer_stop(Engine* engine) noexcept nogil:
    cdef bint runs
    lock_acquire(&engine.lock)
    runs = engine.journaling.log_writer_runs
    engine.journaling.log_writer_runs = False
    engine_leave(engine)
    if runs:
        signal_raise(&engine.journaling.log_wake)
        thread_join(engine.journaling.log_writer)


cdef int64_t log_writer_watch(Engine* engine) noexcept nogil:
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    cdef int64_t since_us
    if log == NULL or not log.open or log.idle:
        return -1
    since_us = <int64_t>atomic_load64(&log.busy_since_us)
    # What it writes now may be a second old.
    if since_us and monotonic_us() - since_us > SECOND_US and engine.config.appendfsync == SYNC_EVERY_SECOND and not log.behind \
            and log.failure == 0:
        log.behind = True
        atomic_add64(&log.delayed, 1)
        append_log_policy(engine)
        log_write(engine, LOG_NOTICE, slice_of_text(
            b"The disk takes more than a second to keep the append-only file: whoever writes waits for it until it has caught up."))
    return WATCH_US


cdef int64_t _leave_to_others(Engine* engine, AppendLog* log) noexcept nogil:
    """Under `always`, who has a reply to give writes and syncs for all; one sync of ours in between would only make him wait for two.
    What is left for us is what nobody waits for, keys that expire: what was there at the last look and still is not synced. 0: something is;
    else as _write. Requires the lock."""
    cdef uint64_t seen = log.seen
    if engine.config.appendfsync != SYNC_ALWAYS or log.failure or engine.journaling.journal.failed \
            or atomic_load64(&log.synced) < seen:
        return 0
    log.seen = engine.journaling.journal.offset
    if log.seen != seen or engine.journaling.journal.bytes.length != 0:
        return LOOK_US
    engine.journaling.journal.writer_waits = True
    log.idle = True
    return -1


cdef int64_t _write(Engine* engine, AppendLog* log) noexcept nogil:
    """Write what there is, sync what is due; returns for how long nothing is to be done, -1 for as long as nothing happens."""
    cdef bint due, unsynced
    cdef int64_t since_us
    cdef int failure
    lock_acquire(&engine.lock)
    since_us = _leave_to_others(engine, log)
    if since_us != 0:
        engine_leave(engine)
        return since_us
    due = engine.config.appendfsync == SYNC_ALWAYS or (
        engine.config.appendfsync == SYNC_EVERY_SECOND and monotonic_us() - log.synced_at_us >= SECOND_US
        and not (engine.config.no_appendfsync_on_rewrite and engine.journaling.snapshot_job != NULL))
    engine_leave(engine)
    atomic_store64(&log.busy_since_us, <uint64_t>monotonic_us())
    lock_acquire(&log.io)
    failure = append_log_flush(log, due) if log.fd >= 0 else 0
    unsynced = atomic_load64(&log.synced) != log.taken
    since_us = monotonic_us() - log.synced_at_us
    lock_release(&log.io)
    atomic_store64(&log.busy_since_us, 0)
    lock_acquire(&engine.lock)
    if unlikely(log.behind):
        log.behind = False
        append_log_policy(engine)
    if failure:
        since_us = SECOND_US
    elif engine.journaling.journal.bytes.length != 0:
        since_us = GATHER_US
    else:
        engine.journaling.journal.writer_waits = True
        if not unsynced or engine.config.appendfsync == SYNC_NEVER:
            since_us = -1
        else:
            since_us = SECOND_US - since_us if since_us < SECOND_US else GATHER_US
    log.idle = since_us < 0
    engine_leave(engine)
    return since_us


cdef void _main(void* context) noexcept nogil:
    cdef Engine* engine = <Engine*>context
    cdef AppendLog* log
    cdef int64_t wait_us
    cdef uint32_t ticket
    cdef bint begins
    while True:
        ticket = signal_prepare(&engine.journaling.log_wake)
        lock_acquire(&engine.lock)
        log = <AppendLog*>engine.journaling.log
        if engine.journaling.stopping:
            engine_leave(engine)
            return
        if log != NULL and not log.open:
            log = NULL
        begins = log != NULL and log.idle
        if begins:
            log.idle = False
        engine_leave(engine)
        if begins:
            signal_raise(&engine.journaling.wake)        # it sleeps as long as we do, and is to look on
        wait_us = _write(engine, log) if log != NULL else -1
        signal_wait(&engine.journaling.log_wake, ticket, wait_us)
