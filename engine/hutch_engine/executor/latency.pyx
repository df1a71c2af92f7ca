"""See latency.pxd."""
from libc.math cimport ceil
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from hutch_engine.base.clock cimport ticks_per_microsecond
from hutch_engine.state.engine cimport LATENCY_STEPS, CommandStats, Engine
from hutch_engine.commands.command_table cimport command_table_ids


cdef bint latency_begin(Engine* engine, CommandStats* stats) noexcept nogil:
    # Not the heap's: what is told of an engine counts neither as data nor against maxmemory.
    stats.latency = <uint32_t*>calloc(LATENCY_STEPS, sizeof(uint32_t))
    return stats.latency != NULL


cdef void latency_halve(CommandStats* stats) noexcept nogil:
    cdef int i
    for i in range(LATENCY_STEPS):
        stats.latency[i] >>= 1


cdef void latency_clear(Engine* engine) noexcept nogil:
    cdef uint32_t i
    for i in range(command_table_ids() if engine.statistics.commands != NULL else 0):
        free(engine.statistics.commands[i].latency)
        engine.statistics.commands[i].latency = NULL


cdef double _middle(int step) noexcept nogil:
    """Of what a step counts, in ticks."""
    cdef int shift = step // 64 - 1
    if shift <= 0:
        return step                          # a tick wide
    return (<double>(step % 64) + 64.5) * <double>(<uint64_t>1 << shift)


cdef bint latency_percentile_us(const CommandStats* stats, double percent, double* us_out) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint64_t seen = 0
    cdef uint64_t wanted
    cdef int i
    if stats.latency == NULL:
        return False
    for i in range(LATENCY_STEPS):
        total += stats.latency[i]
    if total == 0:
        return False
    wanted = <uint64_t>ceil(percent / 100 * <double>total)
    if wanted == 0:
        wanted = 1
    elif wanted > total:
        wanted = total
    for i in range(LATENCY_STEPS):
        seen += stats.latency[i]
        if seen >= wanted:
            us_out[0] = _middle(i) / ticks_per_microsecond()
            return True
    return False


cdef uint64_t _bin_ns(int bin) noexcept nogil:
    """Redis counts nanoseconds to two digits (in steps of a 128th): a bin ends where the step that begins with a power of two
    ends."""
    cdef uint64_t power = <uint64_t>1024 << bin
    return power + power // 128 - 1


cdef int64_t latency_bin_us(int bin) noexcept nogil:
    return <int64_t>(_bin_ns(bin) // 1000)


cdef bint latency_bins(const CommandStats* stats, uint64_t* upto_out) noexcept nogil:
    cdef double ns_per_tick
    cdef double share = 1
    cdef uint64_t seen = 0
    cdef int bin = 0
    cdef int i
    if stats.latency == NULL:
        return False
    ns_per_tick = 1000 / ticks_per_microsecond()
    for i in range(LATENCY_STEPS):
        while bin < LATENCY_BINS - 1 and _middle(i) * ns_per_tick > <double>_bin_ns(bin):
            upto_out[bin] = seen
            bin += 1
        seen += stats.latency[i]
    for i in range(bin, LATENCY_BINS):
        upto_out[i] = seen
    if 0 < stats.untimed < stats.calls:
        share = <double>stats.calls / <double>(stats.calls - stats.untimed)
        for i in range(LATENCY_BINS):
            upto_out[i] = <uint64_t>(<double>upto_out[i] * share + 0.5)
    return seen != 0
