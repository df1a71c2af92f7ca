"""See latency_commands.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call, call_help
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.command_table cimport command_resolve, command_table_at, command_table_count, command_table_find
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_bulk_text, reply_error_parts, reply_integer, reply_map, reply_map_at, reply_mark,
    reply_verbatim)
from hutch_engine.executor.latency cimport LATENCY_BINS, latency_bin_us, latency_bins
from hutch_engine.state.engine cimport Engine, engine_of
from hutch_engine.state.latency_events cimport (
    LATENCY_AOF_FSYNC_ALWAYS, LATENCY_AOF_WRITE, LATENCY_COMMAND, LATENCY_EVICTION_CYCLE, LATENCY_EVICTION_DEL, LATENCY_EXPIRE_CYCLE,
    LATENCY_FAST_COMMAND, LATENCY_KINDS, LATENCY_SAMPLES, LatencySample, LatencySeries, latency_events_name, latency_events_of,
    latency_events_reset)

cdef enum:
    GRAPH_COLUMNS = 80           # samples beside each other
    GRAPH_ROWS = 4               # of characters ...
    ROW_STEPS = 3                # ... each of which tells three heights apart
    AGE_BYTES = 24

cdef const char* HEIGHTS = b"_o#"


cdef int _kind_named(Slice name) noexcept nogil:
    """-1: there is none."""
    cdef int kind
    for kind in range(LATENCY_KINDS):
        if slice_equals(name, slice_of_text(latency_events_name(kind))):
            return kind
    return -1


cdef const LatencySample* _sample(const LatencySeries* series, uint32_t index) noexcept nogil:
    """By age, the oldest at 0; NULL where there is none."""
    cdef const LatencySample* sample = &series.samples[(series.next + index) % LATENCY_SAMPLES]
    return sample if sample.time_s else NULL


cdef const LatencySample* _last(const LatencySeries* series) noexcept nogil:
    return _sample(series, LATENCY_SAMPLES - 1)


# ---- as they are

cdef void cmd_latency_latest(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef const LatencySeries* series
    cdef int64_t count = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef int kind
    for kind in range(LATENCY_KINDS):
        series = latency_events_of(engine, kind)
        if series == NULL:
            continue
        count += 1
        reply_array(call.reply, 4)
        reply_bulk_text(call.reply, latency_events_name(kind))
        reply_integer(call.reply, _last(series).time_s)
        reply_integer(call.reply, _last(series).ms)
        reply_integer(call.reply, series.highest_ms)
    reply_array_at(call.reply, mark, count)


cdef void cmd_latency_history(Call* call) noexcept nogil:
    cdef int kind = _kind_named(call.argv[2])
    cdef const LatencySeries* series = latency_events_of(engine_of(call), kind) if kind >= 0 else NULL
    cdef const LatencySample* sample
    cdef int64_t count = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef uint32_t i
    for i in range(LATENCY_SAMPLES if series != NULL else 0):
        sample = _sample(series, i)
        if sample != NULL:
            count += 1
            reply_array(call.reply, 2)
            reply_integer(call.reply, sample.time_s)
            reply_integer(call.reply, sample.ms)
    reply_array_at(call.reply, mark, count)


cdef void cmd_latency_reset(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int64_t count = 0
    cdef size_t i
    cdef int kind
    if call.argc == 2:
        for kind in range(LATENCY_KINDS):
            count += latency_events_reset(engine, kind)
    for i in range(2, call.argc):
        kind = _kind_named(call.argv[i])
        if kind >= 0:
            count += latency_events_reset(engine, kind)
    reply_integer(call.reply, count)


# ---- drawn

cdef void _age(int64_t seconds, char* out) noexcept nogil:
    """How long ago, in the unit that fits."""
    if seconds < 60:
        snprintf(out, AGE_BYTES, b"%llds", <long long>seconds)
    elif seconds < 3600:
        snprintf(out, AGE_BYTES, b"%lldm", <long long>(seconds // 60))
    elif seconds < 86400:
        snprintf(out, AGE_BYTES, b"%lldh", <long long>(seconds // 3600))
    else:
        snprintf(out, AGE_BYTES, b"%lldd", <long long>(seconds // 86400))


cdef void _draw(Buffer* out, const int64_t* values, int count, int64_t low, int64_t high, const char* ages) noexcept nogil:
    """Columns, the bottom row `low`; below them, after a blank line, how long ago each was, from above to below."""
    cdef char[80] line                   # GRAPH_COLUMNS
    cdef int steps = GRAPH_ROWS * ROW_STEPS
    cdef int row, column, height, at
    cdef bint more
    for row in range(GRAPH_ROWS):
        for column in range(count):
            height = <int>(<double>((values[column] - low) * steps) / <double>(high - low if high > low else 1))
            height = steps - 1 if height >= steps else height
            at = height - (GRAPH_ROWS - row - 1) * ROW_STEPS
            line[column] = c' ' if at < 0 else (HEIGHTS[at] if at < ROW_STEPS else c'|')
        buffer_append(out, line, <size_t>count)
        buffer_append(out, b"\n", 1)
    memset(line, c' ', sizeof(line))
    buffer_append(out, line, <size_t>count)
    buffer_append(out, b"\n", 1)
    at = 0
    while True:
        more = False
        for column in range(count):
            line[column] = ages[column * AGE_BYTES + at]     # behind a text lie zeros
            if line[column]:
                more = True
            else:
                line[column] = c' '
        if not more:
            return
        buffer_append(out, line, <size_t>count)
        buffer_append(out, b"\n", 1)
        at += 1


cdef void cmd_latency_graph(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int kind = _kind_named(call.argv[2])
    cdef const LatencySeries* series = latency_events_of(engine, kind) if kind >= 0 else NULL
    cdef const LatencySample* sample
    cdef int64_t[160] values             # LATENCY_SAMPLES
    cdef char[160][24] ages              # AGE_BYTES
    cdef char[256] head
    cdef int64_t low = 0, high = 0
    cdef int64_t now_s = clock_now_ms(&engine.clock) // 1000
    cdef Buffer text
    cdef int count = 0, first
    cdef uint32_t i
    if series == NULL:
        reply_error_parts(call.reply, b"ERR No samples available for event '", call.argv[2], b"'")
        return
    memset(ages, 0, sizeof(ages))
    for i in range(LATENCY_SAMPLES):
        sample = _sample(series, i)
        if sample == NULL:
            continue
        low = sample.ms if count == 0 or sample.ms < low else low
        high = sample.ms if count == 0 or sample.ms > high else high
        values[count] = sample.ms
        _age(now_s - sample.time_s, ages[count])
        count += 1
    buffer_init(&text, NULL)
    buffer_append(&text, head, <size_t>snprintf(
        head, sizeof(head), b"%s - high %lld ms, low %lld ms (all time high %lld ms)\n", latency_events_name(kind), <long long>high,
        <long long>low, <long long>series.highest_ms))
    for i in range(GRAPH_COLUMNS):
        buffer_append(&text, b"-", 1)
    buffer_append(&text, b"\n", 1)
    first = 0
    while first < count:
        if first:
            buffer_append(&text, b"\n", 1)
        _draw(&text, values + first, count - first if count - first < GRAPH_COLUMNS else GRAPH_COLUMNS, low, high, ages[first])
        first += GRAPH_COLUMNS
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- explained

cdef const char* _advice(int kind) noexcept nogil:
    if kind == LATENCY_COMMAND:
        return (b"- Commands that do much are all that others wait for. SLOWLOG GET tells which they were; look for smaller ranges, "
                b"SCAN in place of KEYS, UNLINK in place of DEL.\n")
    if kind == LATENCY_FAST_COMMAND:
        return (b"- Fast commands do little: if they take long, the thread that ran them was kept waiting. Is the machine overloaded, "
                b"does it swap, or does the host program hold up its threads?\n")
    if kind == LATENCY_EXPIRE_CYCLE:
        return b"- Very many keys are due at the same moment. Spread their times to live by a random part.\n"
    if kind == LATENCY_EVICTION_CYCLE or kind == LATENCY_EVICTION_DEL:
        return (b"- Keys are evicted one by one while a command waits. Large values take long to free: lazyfree-lazy-eviction yes "
                b"leaves that to the background. Or is maxmemory too small for what is in use?\n")
    return (b"- The disk is slow. Is it shared with somebody who writes much? appendfsync everysec lets no client wait for it, and "
            b"no-appendfsync-on-rewrite yes leaves it to a rewrite meanwhile.\n")


cdef void _report(const LatencySeries* series, int kind, int number, Buffer* out) noexcept nogil:
    """One line of an event's figures."""
    cdef char[320] line
    cdef const LatencySample* sample
    cdef const LatencySample* oldest = NULL
    cdef double sum = 0, deviation = 0
    cdef double average, period
    cdef int count = 0
    cdef uint32_t i
    for i in range(LATENCY_SAMPLES):
        sample = _sample(series, i)
        if sample != NULL:
            if oldest == NULL:
                oldest = sample
            sum += <double>sample.ms
            count += 1
    average = sum / count
    for i in range(LATENCY_SAMPLES):
        sample = _sample(series, i)
        if sample != NULL:
            deviation += average - sample.ms if sample.ms < average else sample.ms - average
    period = <double>(_last(series).time_s - oldest.time_s) / (count - 1) if count > 1 else 0
    buffer_append(out, line, <size_t>snprintf(
        line, sizeof(line), b"%d. %s: %d latency spikes (average %.0fms, mean deviation %.0fms, period %.2f sec). Worst all time "
        b"event %lldms.\n", number, latency_events_name(kind), count, average, deviation / count, period,
        <long long>series.highest_ms))


cdef void cmd_latency_doctor(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef const LatencySeries* series
    cdef const char* said = NULL
    cdef Buffer text
    cdef int kind
    cdef int number = 0
    buffer_init(&text, NULL)
    for kind in range(LATENCY_KINDS):
        series = latency_events_of(engine, kind)
        if series != NULL:
            if number == 0:
                buffer_append_text(&text, b"Dave, I have observed latency spikes in this instance:\n\n")
            number += 1
            _report(series, kind, number, &text)
    if number:
        buffer_append_text(&text, b"\nWhat may help:\n\n")
        for kind in range(LATENCY_KINDS):
            if latency_events_of(engine, kind) != NULL and _advice(kind) != said:
                said = _advice(kind)
                buffer_append_text(&text, said)
    elif engine.config.latency_monitor_threshold_ms == 0:
        buffer_append_text(&text, b"I'm sorry, Dave, I can't do that: the latency monitor is disabled. \"CONFIG SET "
                                  b"latency-monitor-threshold <milliseconds>\" enables it.\n")
    else:
        buffer_append_text(&text, b"Dave, no latency spike was observed: nothing took as long as latency-monitor-threshold says.\n")
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- histograms

cdef int64_t _histograms(Call* call, const Command* command) noexcept nogil:
    """Reply the command's and its subcommands'; how many there were."""
    cdef uint64_t[24] upto               # LATENCY_BINS
    cdef uint64_t before = 0
    cdef int64_t count = 0, pairs = 0
    cdef uint32_t i
    cdef size_t mark
    if latency_bins(&engine_of(call).statistics.commands[command.id], upto):
        count = 1
        reply_bulk(call.reply, slice_of(command.name, command.name_length))
        reply_map(call.reply, 2)
        reply_bulk_text(call.reply, b"calls")
        reply_integer(call.reply, <int64_t>upto[LATENCY_BINS - 1])
        reply_bulk_text(call.reply, b"histogram_usec")
        mark = reply_mark(call.reply)
        for i in range(LATENCY_BINS):
            if upto[i] > before:
                before = upto[i]
                pairs += 1
                reply_integer(call.reply, latency_bin_us(<int>i))
                reply_integer(call.reply, <int64_t>before)
        reply_map_at(call.reply, mark, pairs)
    for i in range(command.subcommand_count):
        count += _histograms(call, &command.subcommands[i])
    return count


cdef const Command* _command_named(Slice name) noexcept nogil:
    """By its full name, "client|list" included; NULL."""
    cdef Slice[2] words
    cdef const Command* command
    cdef size_t i
    for i in range(name.length):
        if name.data[i] == c'|':
            words[0] = slice_of(name.data, i)
            words[1] = slice_of(name.data + i + 1, name.length - i - 1)
            command = command_resolve(words, 2)
            return command if command != NULL and command.parent != NULL else NULL
    return command_table_find(name)


cdef void cmd_latency_histogram(Call* call) noexcept nogil:
    cdef size_t mark = reply_mark(call.reply)
    cdef const Command* command
    cdef int64_t count = 0
    cdef size_t i
    if call.argc == 2:
        for i in range(command_table_count()):
            count += _histograms(call, command_table_at(<uint32_t>i))
    for i in range(2, call.argc):
        command = _command_named(call.argv[i])
        if command != NULL:
            count += _histograms(call, command)
    reply_map_at(call.reply, mark, count)


cdef void cmd_latency_help(Call* call) noexcept nogil:
    cdef const char* lines[14]
    lines[:] = [
        b"DOCTOR", b"    Return a human readable latency analysis report.",
        b"GRAPH <event>", b"    Return an ASCII latency graph for the <event> class.",
        b"HISTORY <event>", b"    Return time-latency samples for the <event> class.",
        b"LATEST", b"    Return the latest latency samples for all events.",
        b"RESET [<event> ...]", b"    Reset latency data of one or more <event> classes.",
        b"    (default: reset all data for all event classes)",
        b"HISTOGRAM [COMMAND ...]",
        b"    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
        b"    If no commands are specified then all histograms are replied.",
    ]
    call_help(call, lines, 14)
