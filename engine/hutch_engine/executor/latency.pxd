"""How long commands take: for each a histogram that is always on, for INFO latencystats.

Its steps are a 64th of a power of two wide, which is two significant digits: what is told lies within a hundredth of what
was. Counting is a bit scan and an increment, some 2 ns; the counters of a command (7 KB) are made at its first call, and all
are halved when one is full: what they tell is about shares.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.compiler cimport clz64, likely, unlikely
from hutch_engine.state.engine cimport LATENCY_STEPS, CommandStats, Engine

# LATENCY_STEPS: the first 128 are a tick each; there are 64 for each power of two from there to 2^32.

cdef inline void latency_note(Engine* engine, CommandStats* stats, uint64_t elapsed_ticks) noexcept nogil:
    """Count one call that took so long. Beyond 2^32 ticks (a second or two) all are the same."""
    cdef uint32_t* counter
    cdef int shift
    if unlikely(not engine.config.latency_tracking):
        return
    if unlikely(stats.latency == NULL) and not latency_begin(engine, stats):
        return
    if unlikely(elapsed_ticks > 0xFFFFFFFFu):
        elapsed_ticks = 0xFFFFFFFFu
    shift = 57 - clz64(elapsed_ticks | 127)
    counter = &stats.latency[(shift << 6) + <int>(elapsed_ticks >> shift)]
    counter[0] += 1
    if unlikely(counter[0] == 0xFFFFFFFFu):
        latency_halve(stats)

cdef bint latency_begin(Engine* engine, CommandStats* stats) noexcept nogil
"""Allocate a command's counters, which `stats` owns; False when memory was refused: nothing is counted."""
cdef void latency_halve(CommandStats* stats) noexcept nogil
"""Halve all of a command's counters, one of which is full; the shares stay nearly the same. O(LATENCY_STEPS)."""
cdef void latency_clear(Engine* engine) noexcept nogil
"""Free all commands' counters, and so forget all counts. O(commands)."""
cdef bint latency_percentile_us(const CommandStats* stats, double percent, double* us_out) noexcept nogil
"""How long so many of a hundred calls took at most; False when no call was counted. O(LATENCY_STEPS)."""

cdef enum:
    LATENCY_BINS = 24            # of LATENCY HISTOGRAM: each twice as wide as the one before

cdef int64_t latency_bin_us(int bin) noexcept nogil
"""The longest time that a bin counts, in whole microseconds: 1, 2, 4 ... 33, 66 and so on, where Redis's histograms have their
borders. O(1)"""
cdef bint latency_bins(const CommandStats* stats, uint64_t* upto_out) noexcept nogil
"""How many calls took at most as long as each bin says, into LATENCY_BINS numbers; the last one is all of them. Calls whose time was not
taken are thought to be spread as the others. False when none was counted. O(LATENCY_STEPS)."""
