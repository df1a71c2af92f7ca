"""See slowlog_commands.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.commands.call cimport Call, call_help, error_subcommand
from hutch_engine.commands.reply cimport reply_array, reply_bulk, reply_error, reply_integer, reply_ok
from hutch_engine.executor.slow_log cimport SlowEntry, slow_log_clear, slow_log_newest, slow_log_next_text
from hutch_engine.state.engine cimport Engine, engine_of

cdef enum:
    SHOWN = 10                           # entries, unless a number is given


cdef void _reply_entry(Call* call, const SlowEntry* entry) noexcept nogil:
    cdef const char* at = <const char*>(entry + 1)
    cdef Slice text
    cdef uint32_t i
    reply_array(call.reply, 6)
    reply_integer(call.reply, <int64_t>entry.id)
    reply_integer(call.reply, entry.time_s)
    reply_integer(call.reply, <int64_t>entry.took_us)
    reply_array(call.reply, entry.words)
    for i in range(entry.words + 2):     # the words, the address, the name
        at = slow_log_next_text(at, &text)
        reply_bulk(call.reply, text)


cdef void cmd_slowlog_get(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef const SlowEntry* entry = slow_log_newest(engine)
    cdef int64_t count = SHOWN
    if call.argc > 3:
        error_subcommand(call)
        return
    if call.argc == 3 and (not parse_integer(call.argv[2], &count) or count < -1):
        reply_error(call.reply, b"ERR count should be greater than or equal to -1")
        return
    if count < 0 or <uint64_t>count > engine.slow_log.count:
        count = <int64_t>engine.slow_log.count
    reply_array(call.reply, count)
    while count:
        _reply_entry(call, entry)
        entry = entry.older
        count -= 1


cdef void cmd_slowlog_len(Call* call) noexcept nogil:
    reply_integer(call.reply, <int64_t>engine_of(call).slow_log.count)


cdef void cmd_slowlog_reset(Call* call) noexcept nogil:
    slow_log_clear(engine_of(call))
    reply_ok(call.reply)


cdef void cmd_slowlog_help(Call* call) noexcept nogil:
    cdef const char* lines[9]
    lines[:] = [
        b"GET [<count>]", b"    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        b"    Entries are made of:", b"    id, timestamp, time in microseconds, arguments array, client IP and port,",
        b"    client name",
        b"LEN", b"    Return the length of the slowlog.",
        b"RESET", b"    Reset the slowlog.",
    ]
    call_help(call, lines, 9)
