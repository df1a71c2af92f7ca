"""See engine.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.clock cimport monotonic_us, ticks_per_microsecond
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.base.waker cimport waker_wake


cdef void engine_wake_listener(Engine* engine) noexcept nogil:
    if engine.wake_fd >= 0:
        waker_wake(engine.wake_fd)


cdef void engine_poke_housekeeping(Engine* engine) noexcept nogil:
    if not engine.housekeeping_runs:
        if engine.start_housekeeping == NULL or engine.stopping or not engine.start_housekeeping(engine):
            return
    signal_raise(&engine.housekeeping)


cdef void engine_pause(Engine* engine, uint8_t kind, int64_t end_ms) noexcept nogil:
    engine.pause_kind = kind
    engine.gate |= GATE_PAUSE
    engine.pause_end_ms = end_ms
    engine.keyspace.keep_expired = True
    engine_poke_housekeeping(engine)


cdef void engine_end_pause(Engine* engine) noexcept nogil:
    engine.pause_kind = PAUSE_NONE
    engine.gate &= ~<uint32_t>GATE_PAUSE
    engine.keyspace.keep_expired = False
    signal_raise(&engine.pause_over)
    engine_wake_listener(engine)
    engine_poke_housekeeping(engine)         # what came due meanwhile


cdef void engine_sample(Engine* engine) noexcept nogil:
    cdef int64_t now = monotonic_us()
    cdef int64_t elapsed = now - engine.sample_us
    cdef uint64_t current[5]
    cdef uint64_t turns
    cdef int i
    if elapsed < 100000:
        return
    current[0] = engine.commands_processed
    current[1] = engine.bytes_in
    current[2] = atomic_load64(&engine.bytes_out)
    current[3] = engine.loop_turns
    current[4] = <uint64_t>(<double>engine.loop_ticks / ticks_per_microsecond())
    turns = current[3] - engine.sample_last[3]
    for i in range(4):
        if engine.sample_us:
            engine.samples[i][engine.sample_index] = (current[i] - engine.sample_last[i]) * 1000000 // <uint64_t>elapsed
        engine.sample_last[i] = current[i]
    engine.samples[4][engine.sample_index] = (current[4] - engine.sample_last[4]) // turns if turns else 0
    engine.sample_last[4] = current[4]
    engine.sample_index = (engine.sample_index + 1) & 15
    engine.sample_us = now
