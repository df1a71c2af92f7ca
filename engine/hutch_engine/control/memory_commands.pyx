"""See memory_commands.pxd."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_text, buffer_clear,
                                       buffer_init, buffer_insert, buffer_slice)
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.memory cimport SLAB_BYTES, Heap, heap_purge
from hutch_engine.commands.call cimport Call, call_hash, call_help, call_integer, call_word, error_syntax
from hutch_engine.commands.reply cimport (
    Reply, reply_bulk_text, reply_double, reply_integer, reply_map, reply_map_at, reply_mark, reply_null, reply_ok,
    reply_verbatim)
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.value_types cimport entry_memory
from hutch_engine.keyspace.keyspace cimport Database
from hutch_engine.state.engine cimport Engine, Session, engine_of, engine_used_memory
from hutch_engine.sessions.session cimport session_memory
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
    _line(&text, b"clients' buffers, and users: ", engine.client_bytes)
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
        if engine.statistics.peak_used_bytes > used + used // 2:
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
    cdef Session* session = engine.sessions.first
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
    overhead = engine.statistics.startup_bytes + clients + tables
    dataset = used - overhead if used > overhead else 0
    net = used - engine.statistics.startup_bytes if used > engine.statistics.startup_bytes else 1
    if used > engine.statistics.peak_used_bytes:
        engine.statistics.peak_used_bytes = used
    mark = reply_mark(reply)
    _pair(reply, b"peak.allocated", <int64_t>engine.statistics.peak_used_bytes)
    _pair(reply, b"total.allocated", <int64_t>used)
    _pair(reply, b"startup.allocated", <int64_t>engine.statistics.startup_bytes)
    _pair(reply, b"replication.backlog", 0)
    _pair(reply, b"replica.fullsync.buffer", 0)
    _pair(reply, b"clients.slaves", 0)
    _pair(reply, b"clients.normal", <int64_t>clients)
    _pair(reply, b"cluster.links", 0)
    _pair(reply, b"aof.buffer", <int64_t>engine.journaling.journal.bytes.capacity)
    _pair(reply, b"lua.caches", <int64_t>engine.scripts.figures.scripts_bytes)
    _pair(reply, b"functions.caches", <int64_t>engine.scripts.figures.functions_bytes)
    _pair(reply, b"script.VMs", <int64_t>(engine.scripts.figures.eval_vm_bytes + engine.scripts.figures.functions_vm_bytes))
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
    _ratio(reply, b"peak.percentage", 100.0 * used / engine.statistics.peak_used_bytes if engine.statistics.peak_used_bytes else 0)
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
