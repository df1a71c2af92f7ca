"""See slow_log.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport buffer_slice
from hutch_engine.base.clock cimport clock_now_ms, ticks_per_microsecond
from hutch_engine.base.compiler cimport load_u64, store_u64
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport CALL_IN_SCRIPT
from hutch_engine.commands.command cimport CMD_FAST, CMD_SKIP_SLOWLOG, Command
from hutch_engine.sessions.secrets cimport secrets_include
from hutch_engine.state.engine cimport Engine, Session
from hutch_engine.state.latency_events cimport LATENCY_COMMAND, LATENCY_FAST_COMMAND, latency_events_note

cdef enum:
    FEWEST_TICKS = 400                   # a microsecond has on any machine: what is gone by until they are measured
    MORE_TEXT_BYTES = 64
    NAME_BYTES = 64

cdef uint64_t NEVER = 18446744073709551615u


cdef uint64_t _shortest_us(const Engine* engine) noexcept nogil:
    """From where on anybody wants to hear of a command; NEVER."""
    cdef uint64_t shortest = NEVER
    cdef uint64_t us
    if engine.config.slowlog_log_slower_than_us >= 0:
        shortest = <uint64_t>engine.config.slowlog_log_slower_than_us
    us = <uint64_t>engine.config.latency_monitor_threshold_ms
    if us != 0:
        us = us * 1000 if us < NEVER // 2000 else NEVER // 2
        shortest = us if us < shortest else shortest
    return shortest


cdef void _set_ticks(Engine* engine, double ticks_in_us) noexcept nogil:
    cdef uint64_t us = _shortest_us(engine)
    cdef double ticks = <double>us * ticks_in_us
    engine.execution.slow_ticks = NEVER if us == NEVER or ticks >= 1e19 else <uint64_t>ticks
    engine.execution.untimed_calls = 0 if us < SHORT_US else UNTIMED_CALLS - 1


cdef void slow_log_policy(Engine* engine) noexcept nogil:
    _set_ticks(engine, FEWEST_TICKS)


# ---- entries

cdef inline char* _put(char* out, Slice head, Slice tail) noexcept nogil:
    """A text of two parts, and its length before it."""
    store_u64(out, head.length + tail.length)
    out += 8
    if head.length:
        memcpy(out, head.data, head.length)
    out += head.length
    if tail.length:
        memcpy(out, tail.data, tail.length)
    return out + tail.length


cdef const char* slow_log_next_text(const char* at, Slice* text_out) noexcept nogil:
    text_out.length = load_u64(at)
    text_out.data = at + 8
    return at + 8 + text_out.length


cdef size_t _shown(const Command* command, const Slice* argv, size_t argc, size_t index, Slice* head_out, char* tail,
                   Slice* tail_out) noexcept nogil:
    """A word as it is kept: its beginning, and what stands for the rest, for which there are MORE_TEXT_BYTES at `tail`. Returns how
    long it is."""
    cdef Slice word = argv[index]
    cdef int length = 0
    if argc > SLOW_WORDS and index == SLOW_WORDS - 1:
        word = slice_of(NULL, 0)
        length = snprintf(tail, MORE_TEXT_BYTES, b"... (%llu more arguments)", <unsigned long long>(argc - SLOW_WORDS + 1))
    elif secrets_include(command, argv, argc, index):
        word = slice_of_text(b"(redacted)")
    elif word.length > SLOW_WORD_BYTES:
        length = snprintf(tail, MORE_TEXT_BYTES, b"... (%llu more bytes)", <unsigned long long>(word.length - SLOW_WORD_BYTES))
        word.length = SLOW_WORD_BYTES
    head_out[0] = word
    tail_out[0] = slice_of(tail, <size_t>length)
    return word.length + <size_t>length


cdef void _drop_oldest(Engine* engine) noexcept nogil:
    cdef SlowEntry* entry = <SlowEntry*>engine.slow_log.oldest
    engine.slow_log.oldest = entry.newer
    if entry.newer != NULL:
        entry.newer.older = NULL
    else:
        engine.slow_log.newest = NULL
    engine.slow_log.count -= 1
    free(entry)


cdef void _keep(Session* session, const Command* command, const Slice* argv, size_t argc, uint64_t us) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef SlowEntry* entry
    cdef uint32_t words = <uint32_t>(argc if argc < SLOW_WORDS else SLOW_WORDS)
    cdef Slice[32] heads                 # SLOW_WORDS
    cdef Slice[32] tails
    cdef char[32][64] rest               # MORE_TEXT_BYTES
    cdef Slice nothing = slice_of(NULL, 0)
    cdef Slice address = nothing
    cdef Slice name = nothing
    cdef size_t bytes = 0
    cdef uint32_t i
    cdef char* out
    if not session.call.flags & CALL_IN_SCRIPT:      # what a script calls, no client has sent
        address = buffer_slice(&session.address)
        name = buffer_slice(&session.name)
    for i in range(words):
        bytes += 8 + _shown(command, argv, argc, i, &heads[i], rest[i], &tails[i])
    # Not the heap's: what is told of an engine counts neither as data nor against maxmemory.
    entry = <SlowEntry*>malloc(sizeof(SlowEntry) + bytes + 16 + address.length + name.length)
    if entry == NULL:
        return
    entry.id = engine.slow_log.next_id
    entry.time_s = clock_now_ms(&engine.clock) // 1000
    entry.took_us = us
    entry.words = words
    out = <char*>(entry + 1)
    for i in range(words):
        out = _put(out, heads[i], tails[i])
    out = _put(out, address, nothing)
    _put(out, name, nothing)
    entry.newer = NULL
    entry.older = <SlowEntry*>engine.slow_log.newest
    if entry.older != NULL:
        entry.older.newer = entry
    else:
        engine.slow_log.oldest = entry
    engine.slow_log.newest = entry
    engine.slow_log.next_id += 1
    engine.slow_log.count += 1


cdef void slow_log_note(Session* session, const Command* command, const Slice* argv, size_t argc, uint64_t elapsed) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef double ticks_in_us = ticks_per_microsecond()
    cdef uint64_t us = <uint64_t>(<double>elapsed / ticks_in_us)
    cdef int64_t slower_than_us = engine.config.slowlog_log_slower_than_us
    cdef char[64] capitals               # NAME_BYTES
    cdef Slice[32] words                 # SLOW_WORDS
    cdef size_t i, count
    _set_ticks(engine, ticks_in_us)
    latency_events_note(engine, LATENCY_FAST_COMMAND if command.flags & CMD_FAST else LATENCY_COMMAND, <int64_t>us)
    if slower_than_us < 0 or us < <uint64_t>slower_than_us or engine.config.slowlog_max_len == 0 \
            or command.flags & CMD_SKIP_SLOWLOG:
        return
    if argc and argv[0].data == command.name and argc <= SLOW_WORDS and command.name_length <= NAME_BYTES:
        # A compiled method has no word for its name: it is shown as clients send it.
        count = argc
        for i in range(command.name_length):
            capitals[i] = command.name[i] - 32 if c'a' <= command.name[i] <= c'z' else command.name[i]
        words[0] = slice_of(capitals, command.name_length)
        for i in range(1, count):
            words[i] = argv[i]
        _keep(session, command, words, count, us)
    else:
        _keep(session, command, argv, argc, us)
    while engine.slow_log.count > <uint64_t>engine.config.slowlog_max_len:
        _drop_oldest(engine)


cdef void slow_log_note_words(Session* session, const Command* command, const Slice* words, size_t count,
                              uint64_t elapsed) noexcept nogil:
    cdef Slice[17] argv                  # an inner function has 16 words at most
    cdef size_t i
    argv[0] = slice_of(command.name, command.name_length)
    if count > 16:
        count = 16
    for i in range(count):
        argv[i + 1] = words[i]
    slow_log_note(session, command, argv, count + 1, elapsed)


cdef const SlowEntry* slow_log_newest(const Engine* engine) noexcept nogil:
    return <const SlowEntry*>engine.slow_log.newest


cdef void slow_log_clear(Engine* engine) noexcept nogil:
    while engine.slow_log.oldest != NULL:
        _drop_oldest(engine)
