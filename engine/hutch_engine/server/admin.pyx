"""See admin.pxd."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdio cimport snprintf
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_text, buffer_clear,
                                       buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_us
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.random cimport random_below
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport (Call, call_hash, call_help, call_integer, call_word, error_not_integer,
                                         error_syntax)
from hutch_engine.commands.reply cimport (reply_array, reply_bulk, reply_bulk_integer, reply_bulk_text, reply_double, reply_error,
                                          reply_integer, reply_map, reply_map_at, reply_mark, reply_null, reply_ok,
                                          reply_verbatim, Reply)
from hutch_engine.keyspace.entry cimport Entry, entry_memory
from hutch_engine.keyspace.keyspace cimport FIND_NO_STATS, FIND_NO_TOUCH, Database, keyspace_find
from hutch_engine.server.engine cimport (SESSION_CLOSE_NOW, SESSION_EMBEDDED, Engine, Session, engine_of,
                                         engine_used_memory, engine_wake_listener, session_memory, session_of)
from hutch_engine.structures.table cimport table_count, table_is_resizing, table_memory

cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static void hutch_trim(void) { malloc_trim(0); }
    #else
    static void hutch_trim(void) { }
    #endif
    """
    void hutch_trim() noexcept nogil


cdef void cmd_time(Call* call) noexcept nogil:
    cdef int64_t now_us = clock_now_us(&engine_of(call).clock)
    reply_array(call.reply, 2)
    reply_bulk_integer(call.reply, now_us // 1000000)
    reply_bulk_integer(call.reply, now_us % 1000000)


# ---- LOLWUT

cdef enum:
    MEADOW_WIDTH = 66
    MEADOW_HEIGHT = 12
    RABBITS = 5

cdef void _plant(char* meadow, int row, int column, const char* text) noexcept nogil:
    cdef int i = 0
    while text[i]:
        if 0 <= row < MEADOW_HEIGHT and 0 <= column + i < MEADOW_WIDTH:
            meadow[row * MEADOW_WIDTH + column + i] = text[i]
        i += 1


cdef void cmd_lolwut(Call* call) noexcept nogil:
    """Rabbits around their hutch, never twice the same."""
    cdef Engine* engine = engine_of(call)
    cdef char meadow[MEADOW_WIDTH * MEADOW_HEIGHT]
    cdef Buffer text
    cdef int64_t version
    cdef int i, row, column
    cdef uint64_t draw
    if call.argc > 2 and call_word(call, 1, b"VERSION") and not call_integer(call, 2, &version):
        return
    for i in range(MEADOW_WIDTH * MEADOW_HEIGHT):
        draw = random_below(&engine.random, 40)
        meadow[i] = c' '
        if i >= 4 * MEADOW_WIDTH and draw == 0:
            meadow[i] = c'"'
        elif i >= 4 * MEADOW_WIDTH and draw == 1:
            meadow[i] = c','
        elif i < 3 * MEADOW_WIDTH and draw < 2:
            meadow[i] = c'.' if draw else c'*'
    column = 2 + <int>random_below(&engine.random, MEADOW_WIDTH - 22)
    _plant(meadow, 1, column, b"  _____________ ")
    _plant(meadow, 2, column, b" /____________/|")
    _plant(meadow, 3, column, b" |  ___  | # ||")
    _plant(meadow, 4, column, b" | |   | | # ||")
    _plant(meadow, 5, column, b" |_|___|_|___|/")
    for i in range(RABBITS):
        row = 6 + <int>random_below(&engine.random, MEADOW_HEIGHT - 8)
        column = <int>(MEADOW_WIDTH // RABBITS * i + <int>random_below(&engine.random, MEADOW_WIDTH // RABBITS - 7))
        draw = random_below(&engine.random, 3)
        _plant(meadow, row, column, b"(\\_/)" if draw else b"(\\(\\ ")
        _plant(meadow, row + 1, column, b"(o.o)" if draw == 1 else (b"(-.-)" if draw else b"( -.-)"))
        _plant(meadow, row + 2, column, b"(> <)" if draw else b"o_(\")(\")")
    buffer_init(&text, NULL)
    for row in range(MEADOW_HEIGHT):
        buffer_append(&text, meadow + row * MEADOW_WIDTH, MEADOW_WIDTH)
        buffer_append(&text, b"\n", 1)
    buffer_append_text(&text, b"\nRedis ver. 8.2.3\n")
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- SHUTDOWN

cdef void cmd_shutdown(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Session* session = session_of(call)
    cdef bint save = False, no_save = False, abort = False, other = False
    cdef size_t i
    for i in range(1, call.argc):
        if call_word(call, i, b"SAVE"):
            save = True
        elif call_word(call, i, b"NOSAVE"):
            no_save = True
        elif call_word(call, i, b"ABORT"):
            abort = True
        elif call_word(call, i, b"NOW") or call_word(call, i, b"FORCE"):
            other = True
        else:
            error_syntax(call)
            return
    if (abort and call.argc > 2) or (save and no_save):
        error_syntax(call)
        return
    if abort:
        reply_error(call.reply, b"ERR No shutdown in progress.")
        return
    if save:
        reply_error(call.reply, b"ERR Errors trying to SHUTDOWN: Hutch keeps its data in memory only for now, "
                                b"there is nothing to save to")
        return
    if session.flags & SESSION_EMBEDDED:
        reply_error(call.reply, b"ERR SHUTDOWN would end the program this engine lives in: close the client instead")
        return
    # Whoever runs the server program sees the request and ends it. As with Redis no reply is given: the
    # connection just closes.
    engine.shutdown_asked = True
    session.flags |= SESSION_CLOSE_NOW
    engine_wake_listener(engine)


# ---- MEMORY

cdef void cmd_memory_usage(Call* call) noexcept nogil:
    cdef Entry* entry
    cdef int64_t samples = 5
    cdef size_t i = 3
    while i < call.argc:
        if not call_word(call, i, b"SAMPLES") or i + 1 == call.argc:
            error_syntax(call)
            return
        if not call_integer(call, i + 1, &samples):
            return
        if samples < 0:
            error_syntax(call)
            return
        i += 2
    entry = keyspace_find(call.keyspace, call.database, call.argv[2], call_hash(call, 2), FIND_NO_STATS | FIND_NO_TOUCH)
    if entry == NULL:
        reply_null(call.reply)
    else:
        reply_integer(call.reply, <int64_t>entry_memory(entry, <uint64_t>samples))


cdef void cmd_memory_purge(Call* call) noexcept nogil:
    hutch_trim()
    reply_ok(call.reply)


cdef void _line(Buffer* out, const char* name, uint64_t value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_integer(out, <int64_t>value)
    buffer_append(out, b"\n", 1)


cdef void cmd_memory_malloc_stats(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"Hutch's slab heap\n")
    _line(&text, b"used bytes: ", engine.heap.used_bytes)
    _line(&text, b"peak bytes: ", engine.heap.peak_bytes)
    _line(&text, b"live blocks: ", engine.heap.live_blocks)
    _line(&text, b"in large blocks, by malloc: ", engine.heap.large_bytes)
    _line(&text, b"mapped for slabs: ", engine.heap.mapped_bytes)
    _line(&text, b"free slabs: ", engine.heap.free_slab_count)
    _line(&text, b"slabs in reserve: ", engine.heap.reserve_count)
    _line(&text, b"clients' buffers: ", engine.client_bytes)
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef void cmd_memory_doctor(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef uint64_t used = engine_used_memory(engine)
    cdef const char* text = b"Hi Sam, I can't find any memory issue in your instance. I can only account for what " \
                            b"occurs on this base.\n"
    if used < 5 * 1024 * 1024:
        text = b"Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in " \
               b"these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and " \
               b"I will be back to our programming as soon as I finished rebooting.\n"
    elif engine.peak_used_bytes > used + used // 2:
        text = b"Sam, I detected a few issues in this Hutch instance memory implants:\n\n * Peak memory: In the past " \
               b"this instance used more than 150% the memory that is currently using.\n\n"
    elif engine.client_bytes > used // 2:
        text = b"Sam, I detected a few issues in this Hutch instance memory implants:\n\n * Big client buffers: more " \
               b"than half of the memory is queries and replies of clients.\n\n"
    reply_verbatim(call.reply, slice_of_text(text), b"txt")


cdef void _pair(Reply* reply, const char* name, int64_t value) noexcept nogil:
    reply_bulk_text(reply, name)
    reply_integer(reply, value)


cdef void _ratio(Reply* reply, const char* name, double value) noexcept nogil:
    reply_bulk_text(reply, name)
    reply_double(reply, value)


cdef void cmd_memory_stats(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Reply* reply = call.reply
    cdef Session* session = engine.sessions
    cdef Database* database
    cdef uint64_t used = engine_used_memory(engine)
    cdef uint64_t mapped = engine.heap.mapped_bytes + engine.heap.large_bytes
    cdef uint64_t clients = 0, tables = 0, keys = 0, resizing = 0, dataset
    cdef int64_t pairs = 27
    cdef int32_t i
    cdef char name[32]
    cdef size_t mark
    while session != NULL:
        clients += session_memory(session)
        session = session.next
    for i in range(engine.keyspace.database_count):
        database = &engine.keyspace.databases[i]
        tables += table_memory(&database.keys)
        keys += table_count(&database.keys)
        resizing += table_is_resizing(&database.keys)
    dataset = used - clients - tables if used > clients + tables else 0
    if used > engine.peak_used_bytes:
        engine.peak_used_bytes = used
    mark = reply_mark(reply)
    _pair(reply, b"peak.allocated", <int64_t>engine.peak_used_bytes)
    _pair(reply, b"total.allocated", <int64_t>used)
    _pair(reply, b"startup.allocated", 0)
    _pair(reply, b"replication.backlog", 0)
    _pair(reply, b"replica.fullsync.buffer", 0)
    _pair(reply, b"clients.slaves", 0)
    _pair(reply, b"clients.normal", <int64_t>clients)
    _pair(reply, b"cluster.links", 0)
    _pair(reply, b"aof.buffer", 0)
    _pair(reply, b"lua.caches", 0)
    _pair(reply, b"functions.caches", 0)
    _pair(reply, b"script.VMs", 0)
    for i in range(engine.keyspace.database_count):
        database = &engine.keyspace.databases[i]
        if table_count(&database.keys) == 0:
            continue
        snprintf(name, 32, b"db.%d", i)
        reply_bulk_text(reply, name)
        reply_map(reply, 2)
        _pair(reply, b"overhead.hashtable.main", <int64_t>table_memory(&database.keys))
        # Deadlines live inside the entries: there is no second table.
        _pair(reply, b"overhead.hashtable.expires", 0)
        pairs += 1
    _pair(reply, b"overhead.db.hashtable.lut", <int64_t>tables)
    _pair(reply, b"overhead.db.hashtable.rehashing", 0)
    _pair(reply, b"db.dict.rehashing.count", <int64_t>resizing)
    _pair(reply, b"overhead.total", <int64_t>(used - dataset))
    _pair(reply, b"keys.count", <int64_t>keys)
    _pair(reply, b"keys.bytes-per-key", <int64_t>(used // keys) if keys else 0)
    _pair(reply, b"dataset.bytes", <int64_t>dataset)
    _ratio(reply, b"dataset.percentage", 100.0 * dataset / used if used else 0)
    _ratio(reply, b"peak.percentage", 100.0 * used / engine.peak_used_bytes if engine.peak_used_bytes else 0)
    _pair(reply, b"allocator.allocated", <int64_t>engine.heap.used_bytes)
    _pair(reply, b"allocator.active", <int64_t>mapped)
    _pair(reply, b"allocator.resident", <int64_t>mapped)
    _pair(reply, b"allocator.muzzy", 0)
    _ratio(reply, b"allocator-fragmentation.ratio", <double>mapped / engine.heap.used_bytes if engine.heap.used_bytes else 1)
    _pair(reply, b"allocator-fragmentation.bytes", <int64_t>mapped - <int64_t>engine.heap.used_bytes)
    reply_map_at(reply, mark, pairs)


cdef const char* _help_lines[11]
_help_lines[:] = [
    b"DOCTOR", b"    Return memory problems reports.",
    b"MALLOC-STATS", b"    Return internal statistics report from the memory allocator.",
    b"PURGE", b"    Attempt to purge dirty pages for reclamation by the allocator.",
    b"STATS", b"    Return information about the memory usage of the server.",
    b"USAGE <key> [SAMPLES <count>]", b"    Return memory in bytes used by <key> and its value. Nested values are",
    b"    sampled up to <count> times (default: 5, 0 means sample all).",
]


cdef void cmd_memory_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 11)
