"""See engine.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.clock cimport monotonic_us, ticks_per_microsecond
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.base.waker cimport waker_wake


cdef void engine_wake_listener(Engine* engine) noexcept nogil:
    if engine.net.wake_fd >= 0:
        waker_wake(engine.net.wake_fd)


cdef void engine_wake_housekeeping(Engine* engine) noexcept nogil:
    if not engine.housekeeping.runs:
        if engine.housekeeping.start == NULL or engine.housekeeping.stopping or not engine.housekeeping.start(engine):
            return
    signal_raise(&engine.housekeeping.signal)


cdef void engine_pause(Engine* engine, uint8_t kind, int64_t end_ms) noexcept nogil:
    engine.pause.kind = kind
    engine.execution.gate |= GATE_PAUSE
    engine.pause.end_ms = end_ms
    engine.keyspace.keep_expired = True
    engine_wake_housekeeping(engine)


cdef void engine_end_pause(Engine* engine) noexcept nogil:
    engine.pause.kind = PAUSE_NONE
    engine.execution.gate &= ~<uint32_t>GATE_PAUSE
    engine.keyspace.keep_expired = False
    signal_raise(&engine.pause.over)
    engine_wake_listener(engine)
    engine_wake_housekeeping(engine)         # what came due meanwhile


cdef void engine_sample(Engine* engine) noexcept nogil:
    cdef int64_t now = monotonic_us()
    cdef int64_t elapsed = now - engine.statistics.sample_us
    cdef uint64_t current[5]
    cdef uint64_t turns
    cdef int i
    if elapsed < 100000:
        return
    current[0] = engine.statistics.commands_processed
    current[1] = engine.statistics.bytes_in
    current[2] = atomic_load64(&engine.statistics.bytes_out)
    current[3] = engine.statistics.loop_turns
    current[4] = <uint64_t>(<double>engine.statistics.loop_ticks / ticks_per_microsecond())
    turns = current[3] - engine.statistics.sample_last[3]
    for i in range(4):
        if engine.statistics.sample_us:
            engine.statistics.samples[i][engine.statistics.sample_index] = (current[i] - engine.statistics.sample_last[i]) * 1000000 // <uint64_t>elapsed
        engine.statistics.sample_last[i] = current[i]
    engine.statistics.samples[4][engine.statistics.sample_index] = (current[4] - engine.statistics.sample_last[4]) // turns if turns else 0
    engine.statistics.sample_last[4] = current[4]
    engine.statistics.sample_index = (engine.statistics.sample_index + 1) & 15
    engine.statistics.sample_us = now
