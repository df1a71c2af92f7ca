"""See housekeeping.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from hutch_engine.base.clock cimport clock_coarse_ms, clock_now_ms, monotonic_us
from hutch_engine.base.lock cimport lock_acquire, lock_give_way, lock_release, signal_prepare, signal_raise, signal_wait
from hutch_engine.base.thread cimport thread_join, thread_pause_us, thread_start
from hutch_engine.keyspace.keyspace cimport (
    CHORE_LAZY_FREE, CHORE_RESIZE, Keyspace, keyspace_expire_due, keyspace_free_some, keyspace_next_deadline_ms,
    keyspace_resize_some)
from hutch_engine.sessions.waiting cimport waiting_next_ms
from hutch_engine.state.engine cimport PAUSE_NONE, Engine, engine_end_pause
from hutch_engine.state.latency_events cimport LATENCY_EXPIRE_CYCLE, latency_events_note
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due
from hutch_engine.executor.serving cimport serve_time_outs
from hutch_engine.sessions.tracking cimport tracking_limit
from hutch_engine.executor.run cimport run_settle_journal

cdef enum:
    WAIT_SLICE = 64              # time-outs of waiting clients a slice
    EXPIRE_SLICE = 64            # deadlines a slice: some 20 us
    FREE_SLICE = 32              # steps of freeing a slice: at worst each gives a slab back to the system (5 us)
    RESIZE_SLICE = 256           # buckets moved a slice (each holds about six entries: 0.2 ms) ...
    RESIZE_PAUSE_US = 5000       # ... and the pause after it: commands that write move buckets themselves
    # A thread that never sleeps uses up its share of a processor and is stopped in the middle of a slice,
    # for milliseconds, with the lock in its hands. One that pauses now and then is not (measured: 4 ms, on
    # two processors with a busy client).
    SLICES_AWAKE = 4
    PAUSE_US = 20
    LONGEST_SLEEP_MS = 600000
    DEADLINE_PASSED_MS = 1       # a key lives through the millisecond of its deadline


cdef bint housekeeping_start(Engine* engine) noexcept nogil:
    if not thread_start(_main, engine, b"hutch-housekeep", 0, &engine.housekeeping.thread):
        return False
    engine.housekeeping.runs = True
    return True


cdef void housekeeping_stop(Engine* engine) noexcept nogil:
    cdef bint runs
    lock_acquire(&engine.lock)
    engine.housekeeping.stopping = True
    runs = engine.housekeeping.runs
    lock_release(&engine.lock)
    if runs:
        signal_raise(&engine.housekeeping.signal)
        thread_join(engine.housekeeping.thread)
        lock_acquire(&engine.lock)
        engine.housekeeping.runs = False
        lock_release(&engine.lock)


cdef bint _expire(Engine* engine) noexcept nogil:
    """A slice of what is due; True when more is."""
    cdef int64_t started_us = monotonic_us()
    cdef bint more = keyspace_expire_due(&engine.keyspace, EXPIRE_SLICE)
    cdef int64_t took_us = monotonic_us() - started_us
    engine.statistics.expire_us += <uint64_t>took_us
    latency_events_note(engine, LATENCY_EXPIRE_CYCLE, took_us)
    return more


cdef bint _slice(Engine* engine) noexcept nogil:
    """One round of bounded work; True when more waits."""
    cdef Keyspace* keyspace = &engine.keyspace
    cdef bint more = False
    if engine.scripts.busy:
        return False                     # for a script that runs, time stands still; it wakes us at its end
    keyspace.now_ms = 0
    keyspace.access_clock = <uint32_t>(clock_coarse_ms(&engine.clock) // 1000)
    if not engine.housekeeping.cron_paused:
        if _expire(engine):
            more = True
        if engine.housekeeping.chores & CHORE_LAZY_FREE and not keyspace_free_some(keyspace, FREE_SLICE):
            engine.housekeeping.chores &= ~<uint32_t>CHORE_LAZY_FREE
        if engine.housekeeping.chores & CHORE_RESIZE and not keyspace_resize_some(keyspace, RESIZE_SLICE):
            engine.housekeeping.chores &= ~<uint32_t>CHORE_RESIZE
    if serve_time_outs(engine, WAIT_SLICE):
        more = True
    if tracking_limit(engine):
        more = True
    if engine.pause.kind != PAUSE_NONE and clock_now_ms(&engine.clock) >= engine.pause.end_ms:
        engine_end_pause(engine)
        more = True                      # what came due meanwhile
    # Those whom a pause has kept waiting are in the chain that begins at ready_first.
    if aftermath_is_due(engine) or engine.waiting.ready_first != NULL:
        aftermath(engine)
    run_settle_journal(engine)
    return more or (engine.housekeeping.chores & CHORE_LAZY_FREE and not engine.housekeeping.cron_paused)


cdef int64_t _next_ms(Engine* engine) noexcept nogil:
    cdef int64_t wake = INT64_MAX if engine.housekeeping.cron_paused else keyspace_next_deadline_ms(&engine.keyspace)
    if wake != INT64_MAX:
        wake += DEADLINE_PASSED_MS
    if engine.pause.kind != PAUSE_NONE and engine.pause.end_ms < wake:
        wake = engine.pause.end_ms
    if waiting_next_ms(engine) < wake:
        wake = waiting_next_ms(engine)
    return INT64_MAX if engine.scripts.busy else wake


cdef void _main(void* context) noexcept nogil:
    cdef Engine* engine = <Engine*>context
    cdef int64_t wake, now, timeout_us
    cdef uint32_t ticket
    cdef uint32_t slices = 0
    lock_acquire(&engine.lock)
    while not engine.housekeeping.stopping:
        engine.housekeeping.wakes_ms = 0
        if _slice(engine):
            slices += 1
            if slices % SLICES_AWAKE:
                lock_give_way(&engine.lock)
            else:
                engine_leave(engine)
                thread_pause_us(PAUSE_US)
                lock_acquire(&engine.lock)
            continue
        ticket = signal_prepare(&engine.housekeeping.signal)
        wake = _next_ms(engine)
        engine.housekeeping.wakes_ms = wake
        engine.keyspace.earliest_added_ms = INT64_MAX
        timeout_us = -1
        # A held clock stands still: whoever moves it raises the signal.
        if wake != INT64_MAX and not engine.clock.held:
            now = clock_now_ms(&engine.clock)
            timeout_us = 1000 * (wake - now if wake - now < LONGEST_SLEEP_MS else LONGEST_SLEEP_MS) if wake > now else 0
        if engine.housekeeping.chores & CHORE_RESIZE and not engine.housekeeping.cron_paused and not engine.scripts.busy and (timeout_us < 0 or timeout_us > RESIZE_PAUSE_US):
            timeout_us = RESIZE_PAUSE_US
        engine_leave(engine)
        if timeout_us != 0:
            signal_wait(&engine.housekeeping.signal, ticket, timeout_us)
        lock_acquire(&engine.lock)
    engine_leave(engine)
