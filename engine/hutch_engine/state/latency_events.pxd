"""The latency monitor: which kinds of work took longer than latency-monitor-threshold, and when. LATENCY shows it.

Of each kind the last LATENCY_SAMPLES are kept, one a second (the longest of that second). While the threshold is 0 nothing is measured
and nothing kept. Everything here requires the engine's lock.
"""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.state.engine cimport Engine

cdef enum:
    LATENCY_SAMPLES = 160

cdef enum:                               # kinds; latency_events_name has what Redis calls them
    LATENCY_COMMAND = 0
    LATENCY_FAST_COMMAND = 1
    LATENCY_EXPIRE_CYCLE = 2
    LATENCY_EVICTION_CYCLE = 3
    LATENCY_EVICTION_DEL = 4
    LATENCY_AOF_WRITE = 5
    LATENCY_AOF_FSYNC_ALWAYS = 6
    LATENCY_KINDS = 7

cdef struct LatencySample:
    int64_t time_s                       # Unix time; 0: this place has not been used yet
    int64_t ms

cdef struct LatencySeries:
    int64_t highest_ms                   # of all time, or since LATENCY RESET
    uint32_t next                        # where the next sample goes; the oldest is there, or behind
    LatencySample[160] samples           # LATENCY_SAMPLES

cdef inline bint latency_events_are_watched(const Engine* engine) noexcept nogil:
    """Does anybody want to know how long things take?"""
    return engine.config.latency_monitor_threshold_ms != 0
cdef void latency_events_note(Engine* engine, int kind, int64_t us) noexcept nogil
"""Something of a kind took so long: it is kept if that reaches the threshold. When memory is refused it is not. O(1)"""
cdef const LatencySeries* latency_events_of(const Engine* engine, int kind) noexcept nogil
"""The series of a kind, borrowed; NULL while nothing of it was kept. O(1)"""
cdef bint latency_events_reset(Engine* engine, int kind) noexcept nogil
"""Forget a kind. False: there was nothing. O(LATENCY_SAMPLES)"""
cdef void latency_events_free(Engine* engine) noexcept nogil
"""Free all of it. It is as if nothing had been kept."""
cdef const char* latency_events_name(int kind) noexcept nogil
"""What LATENCY calls a kind below LATENCY_KINDS; static."""
