"""See latency_events.pxd."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.state.engine cimport Engine

cdef const char* _names[7]               # LATENCY_KINDS
_names[:] = [b"command", b"fast-command", b"expire-cycle", b"eviction-cycle", b"eviction-del", b"aof-write", b"aof-fsync-always"]


cdef const char* latency_events_name(int kind) noexcept nogil:
    return _names[kind]


cdef const LatencySeries* latency_events_of(const Engine* engine, int kind) noexcept nogil:
    cdef LatencySeries* series = <LatencySeries*>engine.latency_events
    if series == NULL or series[kind].highest_ms == 0:
        return NULL
    return &series[kind]


cdef void latency_events_note(Engine* engine, int kind, int64_t us) noexcept nogil:
    cdef LatencySeries* series
    cdef LatencySample* last
    cdef int64_t ms = us // 1000
    cdef int64_t now_s
    if engine.config.latency_monitor_threshold_ms == 0 or ms < engine.config.latency_monitor_threshold_ms:
        return
    if engine.latency_events == NULL:
        # Not the heap's: it counts neither as data nor against maxmemory.
        engine.latency_events = calloc(LATENCY_KINDS, sizeof(LatencySeries))
        if engine.latency_events == NULL:
            return
    series = &(<LatencySeries*>engine.latency_events)[kind]
    if ms > series.highest_ms:
        series.highest_ms = ms
    now_s = clock_now_ms(&engine.clock) // 1000
    last = &series.samples[(series.next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES]
    if last.time_s == now_s:
        if ms > last.ms:
            last.ms = ms
        return
    series.samples[series.next].time_s = now_s
    series.samples[series.next].ms = ms
    series.next = (series.next + 1) % LATENCY_SAMPLES


cdef bint latency_events_reset(Engine* engine, int kind) noexcept nogil:
    if latency_events_of(engine, kind) == NULL:
        return False
    memset(&(<LatencySeries*>engine.latency_events)[kind], 0, sizeof(LatencySeries))
    return True


cdef void latency_events_free(Engine* engine) noexcept nogil:
    free(engine.latency_events)
    engine.latency_events = NULL
