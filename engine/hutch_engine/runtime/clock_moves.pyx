"""See clock_moves.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from hutch_engine.base.clock cimport clock_now_us
from hutch_engine.executor.aftermath cimport aftermath
from hutch_engine.executor.run cimport run_settle_journal
from hutch_engine.executor.serving cimport serve_time_outs
from hutch_engine.keyspace.keyspace cimport keyspace_expire_due, keyspace_next_deadline_ms
from hutch_engine.sessions.waiting cimport waiting_next_ms
from hutch_engine.state.engine cimport PAUSE_NONE, Engine, engine_end_pause, engine_wake_housekeeping

cdef enum:
    SLICE = 1000             # deadlines or time-outs between two looks; nobody else gets the lock meanwhile anyway
    DEADLINE_PASSED_MS = 1   # a key lives through the millisecond of its deadline


cdef void _do_what_is_due(Engine* engine) noexcept nogil:
    """What housekeeping would come to: at once, since tests look right after they moved the clock."""
    engine.keyspace.now_ms = 0
    engine.keyspace.access_clock = <uint32_t>(clock_now_us(&engine.clock) // 1000000)
    if engine.pause.kind != PAUSE_NONE and clock_now_us(&engine.clock) >= engine.pause.end_ms * 1000:
        engine_end_pause(engine)
    while not engine.housekeeping.cron_paused and not engine.scripts.busy and keyspace_expire_due(&engine.keyspace, SLICE):
        pass
    while serve_time_outs(engine, SLICE):
        pass
    aftermath(engine)
    run_settle_journal(engine)


cdef int64_t _next_moment_us(Engine* engine) noexcept nogil:
    """When something is due next: a deadline, a time-out, a pause's end. INT64_MAX when nothing is."""
    cdef int64_t next_ms = INT64_MAX
    if not engine.housekeeping.cron_paused:
        next_ms = keyspace_next_deadline_ms(&engine.keyspace)
    if next_ms != INT64_MAX:
        next_ms += DEADLINE_PASSED_MS
    if engine.pause.kind != PAUSE_NONE:
        next_ms = min(next_ms, engine.pause.end_ms)
    next_ms = min(next_ms, waiting_next_ms(engine))
    return next_ms * 1000 if next_ms < INT64_MAX // 1000 else INT64_MAX


cdef void _step_before(Engine* engine, int64_t end_us) noexcept nogil:
    """Hold the clock at one moment after the other before `end_us`, so that what is due happens in its order and sees its time:
    a client that waits for three seconds is answered before a key goes in the fourth."""
    cdef int64_t next_us
    while not engine.scripts.busy:   # for a script that runs, time stands still
        next_us = _next_moment_us(engine)
        if next_us <= engine.clock.held_us:
            _do_what_is_due(engine)
            next_us = _next_moment_us(engine)
        # Not later than now, still: a clock that was set back, where a wheel does not know what comes next.
        if next_us <= engine.clock.held_us or next_us >= end_us:
            break
        engine.clock.held_us = next_us
        _do_what_is_due(engine)


cdef void clock_moves(Engine* engine, ClockMoveKind kind, int64_t us, bint through) noexcept nogil:
    cdef bint held = engine.clock.held
    cdef int64_t now_us = clock_now_us(&engine.clock)
    cdef int64_t target_us = us
    if kind == CLOCK_ADVANCE:
        target_us += now_us
    elif kind == CLOCK_HOLD_NOW or kind == CLOCK_RELEASE:
        target_us = now_us
    engine.clock.held = True
    engine.clock.held_us = now_us
    if target_us > now_us:
        _step_before(engine, target_us + 1001 if through else target_us)
    engine.clock.held_us = target_us
    if kind == CLOCK_RELEASE:
        engine.clock.held = False
        engine.clock.offset_us = 0
    elif kind == CLOCK_RUN_FROM or (kind == CLOCK_ADVANCE and not held):
        engine.clock.held = False
        # What the steps took is not to be felt: the clock shows the target now.
        engine.clock.offset_us += target_us - clock_now_us(&engine.clock)
    _do_what_is_due(engine)
    engine_wake_housekeeping(engine)
