"""See admin.pxd."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_text, buffer_clear,
                                       buffer_init, buffer_insert, buffer_slice)
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.base.memory cimport SLAB_BYTES, Heap, heap_purge
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport (Call, call_hash, call_help, call_integer, call_word, error_not_integer,
                                         error_syntax)
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_bulk_integer, reply_bulk_text, reply_double, reply_error, reply_integer, reply_map,
    reply_map_at, reply_mark, reply_null, reply_ok, reply_verbatim)
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_types cimport entry_memory
from hutch_engine.keyspace.keyspace cimport Database, keyspace_now_us
from hutch_engine.state.engine cimport (
    LISTENER_SHUTS, SESSION_CLOSE_NOW, SESSION_EMBEDDED, Engine, Session, engine_of, engine_used_memory, session_of)
from hutch_engine.sessions.session cimport session_memory
from hutch_engine.sessions.wake_queue cimport session_notice
from hutch_engine.control.info cimport resident_bytes, resizing_bytes
from hutch_engine.structures.table cimport (
    TableSlot, table_count, table_find, table_is_resizing, table_memory)

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
    cdef int64_t now_us = keyspace_now_us(call.keyspace)      # stands still in scripts and EXEC
    reply_array(call.reply, 2)
    reply_bulk_integer(call.reply, now_us // 1000000)
    reply_bulk_integer(call.reply, now_us % 1000000)


# ---- LOLWUT

cdef enum:
    MEADOW_WIDTH = 66            # unless the caller wants another one
    MEADOW_WIDTH_MAX = 160
    MEADOW_HEIGHT = 12
    MEADOW_HEIGHT_MAX = 60
    RABBIT_ROOM = 13             # columns for each of the rabbits

cdef struct Meadow:
    char[MEADOW_WIDTH_MAX * MEADOW_HEIGHT_MAX] cells
    int width
    int height


cdef void _plant(Meadow* meadow, int row, int column, const char* text) noexcept nogil:
    cdef int i = 0
    while text[i]:
        if 0 <= row < meadow.height and 0 <= column + i < meadow.width:
            meadow.cells[row * meadow.width + column + i] = text[i]
        i += 1


cdef inline int _drawn(Random* random, int limit) noexcept nogil:
    return <int>random_below(random, <uint64_t>limit)


cdef void _draw(Meadow* meadow, Random* random) noexcept nogil:
    """Rabbits around their hutch, never twice the same."""
    cdef int i, row, column, draw
    for i in range(meadow.width * meadow.height):
        draw = _drawn(random, 40)
        meadow.cells[i] = c' '
        if i >= 4 * meadow.width and draw < 2:
            meadow.cells[i] = c',' if draw else c'"'
        elif i < 3 * meadow.width and draw < 2:
            meadow.cells[i] = c'.' if draw else c'*'
    column = 2 + _drawn(random, meadow.width - 18)
    _plant(meadow, 1, column, b"  _____________ ")
    _plant(meadow, 2, column, b" /____________/|")
    _plant(meadow, 3, column, b" |  ___  | # ||")
    _plant(meadow, 4, column, b" | |   | | # ||")
    _plant(meadow, 5, column, b" |_|___|_|___|/")
    for i in range(meadow.width // RABBIT_ROOM):
        row = 6 + _drawn(random, meadow.height - 8)
        column = RABBIT_ROOM * i + _drawn(random, RABBIT_ROOM - 7)
        draw = _drawn(random, 3)
        _plant(meadow, row, column, b"(\\_/)" if draw else b"(\\(\\ ")
        _plant(meadow, row + 1, column, b"(o.o)" if draw == 1 else (b"(-.-)" if draw else b"( -.-)"))
        _plant(meadow, row + 2, column, b"(> <)" if draw else b"o_(\")(\")")


cdef bint _wish(Call* call, size_t index, int fewest, int most, bint strict, int* wish_out) noexcept nogil:
    """argv[index], when it is there, kept within the limits. False after an error."""
    cdef int64_t number
    if index < call.argc:
        if parse_integer(call.argv[index], &number):
            wish_out[0] = fewest if number < fewest else (most if number > most else <int>number)
        elif strict:
            error_not_integer(call)
            return False
    return True


cdef void cmd_lolwut(Call* call) noexcept nogil:
    """LOLWUT [VERSION version] [columns] [rows]. Redis's older versions want numbers, its newest takes anything."""
    cdef Buffer text
    cdef Meadow meadow
    cdef int64_t version = 8
    cdef size_t first = 1
    cdef bint strict
    cdef int row
    if call.argc > 2 and call_word(call, 1, b"VERSION"):
        if not call_integer(call, 2, &version):
            return
        first = 3
    strict = version == 5 or version == 6
    meadow.width = MEADOW_WIDTH
    meadow.height = MEADOW_HEIGHT
    if not _wish(call, first, 2 * RABBIT_ROOM, MEADOW_WIDTH_MAX, strict, &meadow.width) or \
            not _wish(call, first + 1, 9, MEADOW_HEIGHT_MAX, strict, &meadow.height):
        return
    buffer_init(&text, NULL)
    if strict or version == 8:           # the others have no picture in Redis either
        _draw(&meadow, &engine_of(call).random)
        for row in range(meadow.height):
            buffer_append(&text, meadow.cells + row * meadow.width, meadow.width)
            buffer_append(&text, b"\n", 1)
        buffer_append(&text, b"\n", 1)
    buffer_append_text(&text, b"Redis ver. 8.2.3\n")
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- SHUTDOWN

cdef void cmd_shutdown(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Session* session = session_of(call)
    cdef bint save = False, no_save = False, abort = False, force = False, now = False
    cdef size_t i
    for i in range(1, call.argc):
        if call_word(call, i, b"SAVE"):
            save = True
        elif call_word(call, i, b"NOSAVE"):
            no_save = True
        elif call_word(call, i, b"ABORT"):
            abort = True
        elif call_word(call, i, b"FORCE"):
            force = True
        elif call_word(call, i, b"NOW"):
            now = True
        else:
            error_syntax(call)
            return
    if (abort and (save or no_save or force or now)) or (save and no_save):
        error_syntax(call)
        return
    if abort:
        reply_error(call.reply, b"ERR No shutdown in progress.")
        return
    if save and not force:
        reply_error(call.reply, b"ERR Errors trying to SHUTDOWN: Hutch keeps its data in memory only for now, "
                                b"there is nothing to save to")
        return
    if session.flags & SESSION_EMBEDDED:
        reply_error(call.reply, b"ERR SHUTDOWN would end the program this engine lives in: close the client instead")
        return
    # Whoever runs the server program sees the request and ends it. As with Redis no reply is given: the connections
    # just close, and until the program is over nobody is served.
    engine.shutdown_asked = True
    engine.listener_chores |= LISTENER_SHUTS     # nobody new is let in
    signal_raise(&engine.pause_over)     # what waits for a shutdown waits here
    session = engine.sessions
    while session != NULL:
        if session.connection != NULL:
            session.flags |= SESSION_CLOSE_NOW
            session_notice(session)
        session = session.next


# ---- MEMORY

cdef enum:
    SLOT_BYTES = 10              # a key's share of its bucket: 64 bytes for seven, rounded up


cdef void cmd_memory_usage(Call* call) noexcept nogil:
    cdef TableSlot slot
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
    # As it lies there: a key that is due but not gone yet still takes memory.
    slot = table_find(&call.database.keys, call.argv[2], call_hash(call, 2))
    if slot == NULL:
        reply_null(call.reply)
    else:
        reply_integer(call.reply, <int64_t>(entry_memory(<Entry*>slot[0], <uint64_t>samples) + SLOT_BYTES))


cdef void cmd_memory_purge(Call* call) noexcept nogil:
    heap_purge(&engine_of(call).heap)
    hutch_trim()                         # large values are the C library's
    reply_ok(call.reply)


cdef void _line(Buffer* out, const char* name, uint64_t value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_integer(out, <int64_t>value)
    buffer_append(out, b"\n", 1)


cdef void cmd_memory_malloc_stats(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"Hutch's slab heap (there is no jemalloc)\n")      # tests of clients look for the name
    _line(&text, b"used bytes: ", engine.heap.used_bytes)
    _line(&text, b"peak bytes: ", engine.heap.peak_bytes)
    _line(&text, b"live blocks: ", engine.heap.live_blocks)
    _line(&text, b"in large blocks, by malloc: ", engine.heap.large_bytes)
    _line(&text, b"mapped for slabs: ", engine.heap.mapped_bytes)
    _line(&text, b"free slabs: ", engine.heap.free_slab_count)
    _line(&text, b"slabs in reserve: ", engine.heap.reserve_count)
    _line(&text, b"clients' buffers: ", engine.client_bytes)
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef enum:
    DOCTOR_FROM_BYTES = 5242880


cdef uint64_t _slab_bytes(const Heap* heap) noexcept nogil:
    """Of the slabs that hold blocks: what is mapped but neither uncut, free nor in reserve."""
    cdef uint64_t idle = <uint64_t>(heap.fresh_end - heap.fresh_slab)
    idle += <uint64_t>(heap.free_slab_count + heap.reserve_count) * SLAB_BYTES
    return heap.mapped_bytes - idle if heap.mapped_bytes > idle else 0


# How Redis begins: tests and tools look for it.
cdef const char* _DETECTED = b"Sam, I detected a few issues in this instance's memory:\n\n"


cdef void cmd_memory_doctor(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef uint64_t used = engine_used_memory(engine)
    cdef uint64_t slabs = _slab_bytes(&engine.heap)
    cdef uint64_t small = engine.heap.used_bytes - engine.heap.large_bytes
    cdef Buffer text
    buffer_init(&text, NULL)
    if used < DOCTOR_FROM_BYTES:
        buffer_append_text(&text, b"Hi Sam, this instance is empty or is using very little memory: there is too little to "
                           b"tell anything about it.\n")
    else:
        if engine.peak_used_bytes > used + used // 2:
            buffer_append_text(&text, b" * Peak memory: more than one and a half times of what is used now was used before. "
                               b"MEMORY PURGE gives back what it can.\n")
        if slabs > small + small // 2 and slabs > DOCTOR_FROM_BYTES:
            buffer_append_text(&text, b" * Fragmentation: slabs take more than one and a half times of what lies in "
                               b"them. They are filled again when data grows.\n")
        if atomic_load64(&engine.client_bytes) > used // 2:
            buffer_append_text(&text, b" * Big client buffers: more than half of the memory is their requests and replies. Look "
                               b"for big ones with CLIENT LIST.\n")
        if text.length == 0:
            buffer_append_text(&text, b"Hi Sam, I can't find any memory issue in your instance.\n")
        else:
            buffer_insert(&text, 0, _DETECTED, strlen(_DETECTED))
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


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
    cdef uint64_t resident = resident_bytes()
    cdef uint64_t clients = 0, tables = 0, keys = 0, resizing = 0, overhead, dataset, net
    cdef int64_t pairs = 33
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
        if table_is_resizing(&database.keys):
            resizing += 1
    overhead = engine.startup_bytes + clients + tables
    dataset = used - overhead if used > overhead else 0
    net = used - engine.startup_bytes if used > engine.startup_bytes else 1
    if used > engine.peak_used_bytes:
        engine.peak_used_bytes = used
    mark = reply_mark(reply)
    _pair(reply, b"peak.allocated", <int64_t>engine.peak_used_bytes)
    _pair(reply, b"total.allocated", <int64_t>used)
    _pair(reply, b"startup.allocated", <int64_t>engine.startup_bytes)
    _pair(reply, b"replication.backlog", 0)
    _pair(reply, b"replica.fullsync.buffer", 0)
    _pair(reply, b"clients.slaves", 0)
    _pair(reply, b"clients.normal", <int64_t>clients)
    _pair(reply, b"cluster.links", 0)
    _pair(reply, b"aof.buffer", 0)
    _pair(reply, b"lua.caches", <int64_t>engine.script_figures.scripts_bytes)
    _pair(reply, b"functions.caches", <int64_t>engine.script_figures.functions_bytes)
    _pair(reply, b"script.VMs", <int64_t>(engine.script_figures.eval_vm_bytes + engine.script_figures.functions_vm_bytes))
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
    _pair(reply, b"overhead.db.hashtable.rehashing", <int64_t>resizing_bytes(engine))
    _pair(reply, b"overhead.total", <int64_t>overhead)
    _pair(reply, b"db.dict.rehashing.count", <int64_t>resizing)
    _pair(reply, b"keys.count", <int64_t>keys)
    _pair(reply, b"keys.bytes-per-key", <int64_t>(net // keys) if keys else 0)
    _pair(reply, b"dataset.bytes", <int64_t>dataset)
    _ratio(reply, b"dataset.percentage", 100.0 * dataset / net)
    _ratio(reply, b"peak.percentage", 100.0 * used / engine.peak_used_bytes if engine.peak_used_bytes else 0)
    _pair(reply, b"allocator.allocated", <int64_t>engine.heap.used_bytes)
    _pair(reply, b"allocator.active", <int64_t>mapped)
    _pair(reply, b"allocator.resident", <int64_t>mapped)
    _pair(reply, b"allocator.muzzy", 0)
    _ratio(reply, b"allocator-fragmentation.ratio",
           <double>mapped / engine.heap.used_bytes if engine.heap.used_bytes else 1)
    _pair(reply, b"allocator-fragmentation.bytes", <int64_t>mapped - <int64_t>engine.heap.used_bytes)
    # The heap does not ask which of its pages are resident: all that are mapped may be.
    _ratio(reply, b"allocator-rss.ratio", 1)
    _pair(reply, b"allocator-rss.bytes", 0)
    # Of the whole process: much of it may be the host's.
    _ratio(reply, b"rss-overhead.ratio", <double>resident / mapped if mapped else 1)
    _pair(reply, b"rss-overhead.bytes", <int64_t>resident - <int64_t>mapped)
    _ratio(reply, b"fragmentation", <double>resident / used if used else 1)
    _pair(reply, b"fragmentation.bytes", <int64_t>resident - <int64_t>used)
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
