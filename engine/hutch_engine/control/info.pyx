"""See info.pxd. Field names and their order are those of Redis 8.2; a field whose subsystem Hutch does not
have shows what an idle Redis shows."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport FILE, fclose, fgets, fopen, sscanf, snprintf
from libc.stdlib cimport strtod
from libc.string cimport memset
from posix.unistd cimport getpid, readlink, sysconf
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms, clock_now_us, monotonic_us, ticks_per_microsecond
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.json cimport JSON_MODULE_VERSION
from hutch_engine.commands.reply cimport reply_verbatim
from hutch_engine.keyspace.keyspace cimport (
    SIZE_BINS, SIZE_TYPES, Database, Keyspace, keyspace_deadlines, keyspace_field_deadlines)
from hutch_engine.keyspace.value_types cimport value_types
from hutch_engine.sessions.waiting cimport waiting_keys_until_gone
from hutch_engine.state.config cimport Parameter, config_text
from hutch_engine.state.config_table cimport config_find
from hutch_engine.state.engine cimport (
    SESSION_BLOCKED, SESSION_POSTPONED, SESSION_SUBSCRIBED, SESSION_TRACKING, TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_PREFIX,
    TOPIC_SHARD, TOPIC_TRACKED, CommandStats, Engine, Journaling, Persistence, ScriptFigures, Session, engine_of,
    engine_used_memory)
from hutch_engine.sessions.session cimport session_memory, session_unread
from hutch_engine.executor.error_stats cimport error_stats_append
from hutch_engine.executor.latency cimport latency_percentile_us
from hutch_engine.persistence.saving cimport saving_last_s
from hutch_engine.structures.table cimport Bucket, Table, table_count, table_is_resizing, table_memory
from hutch_engine.commands.command_table cimport command_table_at, command_table_count
from hutch_engine.persistence.append_log cimport AppendLog
from hutch_engine.persistence.snapshot_job cimport SNAPSHOT_REWRITE, SNAPSHOT_SAVE, SnapshotJob, snapshot_job_runs

cdef extern from "<sys/resource.h>" nogil:
    cdef struct timeval_s "timeval":
        long tv_sec
        long tv_usec
    cdef struct rusage:
        timeval_s ru_utime
        timeval_s ru_stime
        long ru_maxrss
    int getrusage(int who, rusage* usage)
    int RUSAGE_SELF
    int RUSAGE_CHILDREN

cdef extern from *:
    """
    #include <sys/resource.h>
    #ifdef RUSAGE_THREAD
    #define HUTCH_RUSAGE_THREAD RUSAGE_THREAD
    #define HUTCH_KNOWS_THREADS 1
    #else
    #define HUTCH_RUSAGE_THREAD RUSAGE_SELF
    #define HUTCH_KNOWS_THREADS 0
    #endif
    """
    int HUTCH_RUSAGE_THREAD
    bint HUTCH_KNOWS_THREADS

cdef extern from "<sys/utsname.h>" nogil:
    cdef struct utsname:
        char sysname[1]
        char release[1]
        char machine[1]
    int uname(utsname* name)

cdef extern from *:
    """
    #include <unistd.h>
    #ifdef __VERSION__
    #define HUTCH_COMPILER __VERSION__
    #else
    #define HUTCH_COMPILER "unknown"
    #endif
    #ifdef __linux__
    #define HUTCH_MULTIPLEXER "epoll"
    #else
    #define HUTCH_MULTIPLEXER "poll"
    #endif
    #ifdef __GNUC__
    #define HUTCH_GCC_MAJOR __GNUC__
    #define HUTCH_GCC_MINOR __GNUC_MINOR__
    #define HUTCH_GCC_PATCH __GNUC_PATCHLEVEL__
    #else
    #define HUTCH_GCC_MAJOR 0
    #define HUTCH_GCC_MINOR 0
    #define HUTCH_GCC_PATCH 0
    #endif
    #ifndef HUTCH_VERSION
    #define HUTCH_VERSION "0.1.0"
    #endif
    """
    const char* HUTCH_MULTIPLEXER
    const char* HUTCH_VERSION
    int HUTCH_GCC_MAJOR
    int HUTCH_GCC_MINOR
    int HUTCH_GCC_PATCH

cdef extern from "<unistd.h>" nogil:
    int _SC_PAGESIZE
    int _SC_PHYS_PAGES

cdef enum:
    SECTION_SERVER = 1 << 0
    SECTION_CLIENTS = 1 << 1
    SECTION_MEMORY = 1 << 2
    SECTION_PERSISTENCE = 1 << 3
    SECTION_THREADS = 1 << 4
    SECTION_STATS = 1 << 5
    SECTION_REPLICATION = 1 << 6
    SECTION_CPU = 1 << 7
    SECTION_MODULES = 1 << 8
    SECTION_COMMANDSTATS = 1 << 9
    SECTION_ERRORSTATS = 1 << 10
    SECTION_LATENCYSTATS = 1 << 11
    SECTION_CLUSTER = 1 << 12
    SECTION_KEYSPACE = 1 << 13
    SECTION_KEYSIZES = 1 << 14
    SECTIONS_ALL = (1 << 15) - 1
    SECTIONS_DEFAULT = SECTIONS_ALL & ~(SECTION_COMMANDSTATS | SECTION_LATENCYSTATS)

cdef enum:
    PERCENTS_MAX = 64            # that are shown for a command

cdef const char* _section_names[15]
_section_names[:] = [
    b"Server", b"Clients", b"Memory", b"Persistence", b"Threads", b"Stats", b"Replication", b"CPU", b"Modules",
    b"Commandstats", b"Errorstats", b"Latencystats", b"Cluster", b"Keyspace", b"Keysizes",
]


# ---- writing fields

cdef void _number(Buffer* out, const char* name, int64_t value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append(out, b":", 1)
    buffer_append_integer(out, value)
    buffer_append(out, b"\r\n", 2)


cdef void _text(Buffer* out, const char* name, const char* value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append(out, b":", 1)
    buffer_append_text(out, value)
    buffer_append(out, b"\r\n", 2)


cdef void _decimal(Buffer* out, const char* name, double value, int places, const char* unit=b"") noexcept nogil:
    cdef char[64] digits
    snprintf(digits, 64, b"%.*f", places, value)
    buffer_append_text(out, name)
    buffer_append(out, b":", 1)
    buffer_append_text(out, digits)
    buffer_append_text(out, unit)
    buffer_append(out, b"\r\n", 2)


cdef void _human(Buffer* out, const char* name, uint64_t bytes) noexcept nogil:
    """1.75M, as Redis rounds."""
    cdef char[64] digits
    cdef double value = <double>bytes
    cdef const char* units = b"BKMGTP"
    cdef int unit = 0
    if bytes < 1024:
        snprintf(digits, 64, b"%lluB", <unsigned long long>bytes)
    else:
        while value >= 1024 and unit < 5:
            value /= 1024
            unit += 1
        snprintf(digits, 64, b"%.2f%c", value, <int>units[unit])
    _text(out, name, digits)


cdef void _zeros(Buffer* out, const char* names) noexcept nogil:
    """Fields that are 0, their names with a space between."""
    cdef size_t start = 0, end = 0
    while names[start]:
        end = start
        while names[end] and names[end] != c' ':
            end += 1
        buffer_append(out, names + start, end - start)
        buffer_append_text(out, b":0\r\n")
        start = end + 1 if names[end] else end


cdef void _parameter(Engine* engine, Buffer* out, const char* field, const char* parameter_name) noexcept nogil:
    cdef const Parameter* parameter = config_find(slice_of_text(parameter_name))
    buffer_append_text(out, field)
    buffer_append(out, b":", 1)
    if parameter != NULL:
        config_text(&engine.config, parameter, out)
    buffer_append(out, b"\r\n", 2)


# ---- what the system knows

cdef uint64_t resizing_bytes(const Engine* engine) noexcept nogil:
    cdef uint64_t total = 0
    cdef const Table* keys
    cdef int32_t i
    for i in range(engine.keyspace.database_count):
        keys = &engine.keyspace.databases[i].keys
        if table_is_resizing(keys):
            total += ((<uint64_t>1 << keys.halves[0].exponent) + keys.halves[0].children) * sizeof(Bucket)
    return total


cdef uint64_t resident_bytes() noexcept nogil:
    cdef char[256] line
    cdef unsigned long pages = 0, resident = 0
    cdef rusage usage
    cdef FILE* file = fopen(b"/proc/self/statm", b"r")
    if file != NULL:
        if fgets(line, 256, file) != NULL and sscanf(line, b"%lu %lu", &pages, &resident) == 2:
            fclose(file)
            return <uint64_t>resident * <uint64_t>sysconf(_SC_PAGESIZE)
        fclose(file)
    if getrusage(RUSAGE_SELF, &usage) == 0:
        return <uint64_t>usage.ru_maxrss * 1024
    return 0

cdef uint64_t _system_bytes() noexcept nogil:
    return <uint64_t>sysconf(_SC_PHYS_PAGES) * <uint64_t>sysconf(_SC_PAGESIZE)


# ---- sections

cdef void _server(Engine* engine, Buffer* out) noexcept nogil:
    cdef utsname system
    cdef char[4096] path
    cdef char[64] compiler
    cdef ssize_t length
    cdef int64_t now_us = clock_now_us(&engine.clock)
    cdef int64_t uptime_s = (monotonic_us() - engine.statistics.started_us) // 1000000
    _text(out, b"redis_version", b"8.2.3")
    _text(out, b"hutch_version", HUTCH_VERSION)
    _text(out, b"redis_git_sha1", b"00000000")
    _text(out, b"redis_git_dirty", b"0")
    _text(out, b"redis_build_id", b"0")
    _text(out, b"redis_mode", b"standalone")
    if uname(&system) == 0:
        buffer_append_text(out, b"os:")
        buffer_append_text(out, system.sysname)
        buffer_append(out, b" ", 1)
        buffer_append_text(out, system.release)
        buffer_append(out, b" ", 1)
        buffer_append_text(out, system.machine)
        buffer_append(out, b"\r\n", 2)
    _number(out, b"arch_bits", <int64_t>sizeof(void*) * 8)
    _text(out, b"monotonic_clock", b"POSIX clock_gettime")
    _text(out, b"multiplexing_api", HUTCH_MULTIPLEXER)
    _text(out, b"atomicvar_api", b"c11-builtin")
    snprintf(compiler, 64, b"%d.%d.%d", HUTCH_GCC_MAJOR, HUTCH_GCC_MINOR, HUTCH_GCC_PATCH)
    _text(out, b"gcc_version", compiler)
    _number(out, b"process_id", getpid())
    _parameter(engine, out, b"process_supervised", b"supervised")
    _text(out, b"run_id", engine.replication.run_id)
    # Of whom TLS is all that there is, TLS's port.
    _number(out, b"tcp_port", engine.net.tcp_port if engine.net.tcp_port else engine.config.port if engine.config.port else
            engine.net.tls_port if engine.net.tls_port else engine.config.tls_port)
    _number(out, b"server_time_usec", now_us)
    _number(out, b"uptime_in_seconds", uptime_s)
    _number(out, b"uptime_in_days", uptime_s // 86400)
    _number(out, b"hz", engine.config.hz)
    _number(out, b"configured_hz", engine.config.hz)
    _number(out, b"lru_clock", (now_us // 1000000) & 0xffffff)
    length = readlink(b"/proc/self/exe", path, sizeof(path) - 1)
    path[length if length > 0 else 0] = 0
    _text(out, b"executable", path)
    buffer_append_text(out, b"config_file:")
    buffer_append_slice(out, buffer_slice(&engine.config.config_file))
    buffer_append(out, b"\r\n", 2)
    _number(out, b"io_threads_active", 0)
    _listeners(engine, out)


cdef void _listeners(Engine* engine, Buffer* out) noexcept nogil:
    cdef int count = 0
    if engine.net.tcp_port:
        _listener(out, count, b"tcp", buffer_slice(&engine.config.bind), engine.net.tcp_port)
        count += 1
    if engine.net.listening != NULL and engine.config.unixsocket.length:
        _listener(out, count, b"unix", buffer_slice(&engine.config.unixsocket), 0)
        count += 1
    if engine.net.tls_port:
        _listener(out, count, b"tls", buffer_slice(&engine.config.bind), engine.net.tls_port)


cdef void _listener(Buffer* out, int number, const char* kind, Slice addresses, int32_t port) noexcept nogil:
    """One line for each kind, its addresses one by one. A Unix socket has no port."""
    cdef size_t start = 0, i
    cdef char[64] text
    buffer_append(out, text, <size_t>snprintf(text, sizeof(text), b"listener%d:name=%s", number, kind))
    for i in range(addresses.length + 1):
        if i == addresses.length or (port and addresses.data[i] == c' '):
            if i > start:
                buffer_append_text(out, b",bind=")
                buffer_append(out, addresses.data + start, i - start)
            start = i + 1
    if port:
        buffer_append(out, text, <size_t>snprintf(text, sizeof(text), b",port=%d", <int>port))
    buffer_append(out, b"\r\n", 2)


cdef int64_t _subscriptions(Engine* engine, int kind) noexcept nogil:
    cdef Session* session = engine.sessions.first
    cdef int64_t found = 0
    while session != NULL:
        found += session.topic_counts[kind]
        session = session.next
    return found


cdef void _clients(Engine* engine, Buffer* out) noexcept nogil:
    cdef Session* session = engine.sessions.first
    cdef int64_t blocked = 0, tracking = 0, subscribed = 0, watching = 0
    cdef uint64_t biggest_query = 0, biggest_output = 0
    while session != NULL:
        blocked += (session.flags & (SESSION_BLOCKED | SESSION_POSTPONED)) != 0
        tracking += (session.flags & SESSION_TRACKING) != 0
        subscribed += (session.flags & SESSION_SUBSCRIBED) != 0
        watching += session.watch_count != 0
        if session.query_bytes > biggest_query:
            biggest_query = session.query_bytes
        if session_unread(session) > biggest_output:
            biggest_output = session_unread(session)
        session = session.next
    # Embedded callers count too: they are this server's clients, though no socket leads to them.
    _number(out, b"connected_clients", engine.sessions.count)
    _number(out, b"cluster_connections", 0)
    _number(out, b"maxclients", engine.config.maxclients)
    _number(out, b"client_recent_max_input_buffer", <int64_t>biggest_query)
    _number(out, b"client_recent_max_output_buffer", <int64_t>biggest_output)
    _number(out, b"blocked_clients", blocked)
    _number(out, b"tracking_clients", tracking)
    _number(out, b"pubsub_clients", subscribed)
    _number(out, b"watching_clients", watching)
    _number(out, b"clients_in_timeout_table", <int64_t>engine.waiting.time_outs.count if engine.waiting.time_outs != NULL else 0)
    _number(out, b"total_watched_keys", <int64_t>table_count(&engine.watches.keys))
    _number(out, b"total_blocking_keys", <int64_t>table_count(&engine.waiting.keys))
    _number(out, b"total_blocking_keys_on_nokey", waiting_keys_until_gone(engine))


cdef void _scripting(Engine* engine, Buffer* out) noexcept nogil:
    """Within the section Memory."""
    cdef ScriptFigures* figures = &engine.scripts.figures
    cdef uint64_t machines = figures.eval_vm_bytes + figures.functions_vm_bytes
    cdef uint64_t texts = figures.scripts_bytes + figures.functions_bytes
    _number(out, b"used_memory_lua", <int64_t>figures.eval_vm_bytes)
    _number(out, b"used_memory_vm_eval", <int64_t>figures.eval_vm_bytes)
    _human(out, b"used_memory_lua_human", figures.eval_vm_bytes)
    _number(out, b"used_memory_scripts_eval", <int64_t>figures.scripts_bytes)
    _number(out, b"number_of_cached_scripts", <int64_t>figures.scripts)
    _number(out, b"number_of_functions", <int64_t>figures.functions)
    _number(out, b"number_of_libraries", <int64_t>figures.libraries)
    _number(out, b"used_memory_vm_functions", <int64_t>figures.functions_vm_bytes)
    _number(out, b"used_memory_vm_total", <int64_t>machines)
    _human(out, b"used_memory_vm_total_human", machines)
    _number(out, b"used_memory_functions", <int64_t>figures.functions_bytes)
    _number(out, b"used_memory_scripts", <int64_t>texts)
    _human(out, b"used_memory_scripts_human", texts)


cdef void _memory(Engine* engine, Buffer* out) noexcept nogil:
    cdef uint64_t used = engine_used_memory(engine)
    cdef uint64_t resident = resident_bytes()
    cdef uint64_t clients = 0, tables = 0
    cdef uint64_t overhead
    cdef Session* session = engine.sessions.first
    cdef int32_t i
    cdef double ratio
    cdef uint64_t mapped = engine.heap.mapped_bytes + engine.heap.large_bytes
    if used > engine.statistics.peak_used_bytes or engine.statistics.peak_used_s == 0:
        engine.statistics.peak_used_bytes = used if used > engine.statistics.peak_used_bytes else engine.statistics.peak_used_bytes
        engine.statistics.peak_used_s = clock_now_ms(&engine.clock) // 1000
    while session != NULL:
        clients += session_memory(session)
        session = session.next
    for i in range(engine.keyspace.database_count):
        tables += table_memory(&engine.keyspace.databases[i].keys)
    overhead = engine.statistics.startup_bytes + clients + tables
    if overhead > used:
        overhead = used
    _number(out, b"used_memory", <int64_t>used)
    _human(out, b"used_memory_human", used)
    _number(out, b"used_memory_rss", <int64_t>resident)
    _human(out, b"used_memory_rss_human", resident)
    _number(out, b"used_memory_peak", <int64_t>engine.statistics.peak_used_bytes)
    _human(out, b"used_memory_peak_human", engine.statistics.peak_used_bytes)
    _number(out, b"used_memory_peak_time", engine.statistics.peak_used_s)
    _decimal(out, b"used_memory_peak_perc", 100.0 * used / engine.statistics.peak_used_bytes if engine.statistics.peak_used_bytes else 0, 2, b"%")
    _number(out, b"used_memory_overhead", <int64_t>overhead)
    _number(out, b"used_memory_startup", <int64_t>engine.statistics.startup_bytes)
    _number(out, b"used_memory_dataset", <int64_t>(used - overhead))
    _decimal(out, b"used_memory_dataset_perc", 100.0 * (used - overhead) / used if used else 0, 2, b"%")
    _number(out, b"allocator_allocated", <int64_t>engine.heap.used_bytes)
    _number(out, b"allocator_active", <int64_t>mapped)
    _number(out, b"allocator_resident", <int64_t>mapped)
    _number(out, b"allocator_muzzy", 0)
    _number(out, b"total_system_memory", <int64_t>_system_bytes())
    _human(out, b"total_system_memory_human", _system_bytes())
    _scripting(engine, out)
    _number(out, b"maxmemory", engine.config.maxmemory)
    _human(out, b"maxmemory_human", <uint64_t>engine.config.maxmemory)
    _parameter(engine, out, b"maxmemory_policy", b"maxmemory-policy")
    ratio = <double>mapped / engine.heap.used_bytes if engine.heap.used_bytes else 1
    _decimal(out, b"allocator_frag_ratio", ratio, 2)
    _number(out, b"allocator_frag_bytes", <int64_t>mapped - <int64_t>engine.heap.used_bytes)
    _decimal(out, b"allocator_rss_ratio", 1, 2)
    _number(out, b"allocator_rss_bytes", 0)
    _decimal(out, b"rss_overhead_ratio", <double>resident / mapped if mapped else 1, 2)
    _number(out, b"rss_overhead_bytes", <int64_t>resident - <int64_t>mapped)
    _decimal(out, b"mem_fragmentation_ratio", <double>resident / used if used else 1, 2)
    _number(out, b"mem_fragmentation_bytes", <int64_t>resident - <int64_t>used)
    _zeros(out, b"mem_not_counted_for_evict mem_replication_backlog mem_total_replication_buffers "
                b"mem_replica_full_sync_buffer mem_clients_slaves")
    _number(out, b"mem_clients_normal", <int64_t>clients)
    _zeros(out, b"mem_cluster_links")
    _number(out, b"mem_aof_buffer", <int64_t>engine.journaling.journal.bytes.capacity)
    _text(out, b"mem_allocator", b"hutch-slab")
    _number(out, b"mem_overhead_db_hashtable_rehashing", <int64_t>resizing_bytes(engine))
    _number(out, b"active_defrag_running", 0)
    _number(out, b"lazyfree_pending_objects", <int64_t>engine.keyspace.lazy_pending)
    _number(out, b"lazyfreed_objects", <int64_t>engine.keyspace.lazy_freed)


cdef void _loading(const Persistence* figures, Buffer* out) noexcept nogil:
    cdef double total = <double>figures.loading_total_bytes
    cdef double loaded = <double>figures.loading_loaded_bytes
    cdef double elapsed_s = (monotonic_us() - figures.loading_started_us) / 1e6
    _number(out, b"loading_start_time", figures.loading_started_s)
    _number(out, b"loading_total_bytes", <int64_t>figures.loading_total_bytes)
    _number(out, b"loading_rdb_used_mem", <int64_t>figures.loading_used_memory)
    _number(out, b"loading_loaded_bytes", <int64_t>figures.loading_loaded_bytes)
    _decimal(out, b"loading_loaded_perc", 100 * loaded / total if total else 0, 2)
    _number(out, b"loading_eta_seconds", <int64_t>(elapsed_s * (total - loaded) / loaded) if loaded else 1)


cdef int64_t _seconds_since(const SnapshotJob* job) noexcept nogil:
    return (monotonic_us() - job.started_us) // 1000000


cdef bint _rewrite_is_scheduled(const Engine* engine) noexcept nogil:
    """Asked for, or to begin a log that was switched on while a snapshot was written."""
    cdef const AppendLog* log = <const AppendLog*>engine.journaling.log
    return engine.journaling.rewrite_scheduled or (
        log != NULL and log.waits_for_base and not snapshot_job_runs(engine, SNAPSHOT_REWRITE))


cdef void _log(Engine* engine, Buffer* out) noexcept nogil:
    cdef const Journaling* figures = &engine.journaling
    cdef const AppendLog* log = <const AppendLog*>figures.log
    cdef bint runs = snapshot_job_runs(engine, SNAPSHOT_REWRITE)
    _number(out, b"aof_enabled", log != NULL and (log.open or log.waits_for_base))
    _number(out, b"aof_rewrite_in_progress", runs)
    _number(out, b"aof_rewrite_scheduled", _rewrite_is_scheduled(engine))
    _number(out, b"aof_last_rewrite_time_sec", figures.rewrite_took_s)
    _number(out, b"aof_current_rewrite_time_sec", _seconds_since(<const SnapshotJob*>figures.snapshot_job) if runs else -1)
    _text(out, b"aof_last_bgrewrite_status", b"err" if figures.rewrite_failed else b"ok")
    _number(out, b"aof_rewrites", <int64_t>figures.rewrites)
    _number(out, b"aof_rewrites_consecutive_failures", <int64_t>figures.rewrites_failed)
    _text(out, b"aof_last_write_status", b"err" if figures.log_failed else b"ok")
    _number(out, b"aof_last_cow_size", <int64_t>figures.early_bytes)


cdef void _persistence(Engine* engine, Buffer* out) noexcept nogil:
    cdef const Persistence* figures = &engine.persistence
    cdef AppendLog* log = <AppendLog*>engine.journaling.log
    cdef const SnapshotJob* job = <const SnapshotJob*>engine.journaling.snapshot_job
    _number(out, b"loading", figures.loading)
    _zeros(out, b"async_loading current_cow_peak current_cow_size current_cow_size_age")
    _decimal(out, b"current_fork_perc", 0, 2)
    _number(out, b"current_save_keys_processed", <int64_t>job.writer_keys if job != NULL else 0)
    _number(out, b"current_save_keys_total", <int64_t>job.keys_total if job != NULL else 0)
    _number(out, b"rdb_changes_since_last_save", <int64_t>engine.keyspace.dirty)
    _number(out, b"rdb_bgsave_in_progress", snapshot_job_runs(engine, SNAPSHOT_SAVE))
    _number(out, b"rdb_last_save_time", saving_last_s(engine))
    _text(out, b"rdb_last_bgsave_status", b"err" if figures.save_failed else b"ok")
    _number(out, b"rdb_last_bgsave_time_sec", figures.last_save_took_s)
    _number(out, b"rdb_current_bgsave_time_sec", _seconds_since(job) if snapshot_job_runs(engine, SNAPSHOT_SAVE) else -1)
    _number(out, b"rdb_saves", <int64_t>figures.saves)
    _number(out, b"rdb_last_cow_size", <int64_t>engine.journaling.early_bytes)
    _number(out, b"rdb_last_load_keys_expired", <int64_t>figures.last_load_keys_expired)
    _number(out, b"rdb_last_load_keys_loaded", <int64_t>figures.last_load_keys_loaded)
    _log(engine, out)
    _zeros(out, b"module_fork_in_progress module_fork_last_cow_size")
    if log != NULL and (log.open or log.waits_for_base):
        _number(out, b"aof_current_size", <int64_t>atomic_load64(&log.total_bytes))
        _number(out, b"aof_base_size", <int64_t>atomic_load64(&log.base_bytes))
        _number(out, b"aof_pending_rewrite", _rewrite_is_scheduled(engine))
        _number(out, b"aof_buffer_length", <int64_t>engine.journaling.journal.bytes.length)
        _zeros(out, b"aof_pending_bio_fsync")
        _number(out, b"aof_delayed_fsync", <int64_t>atomic_load64(&log.delayed))
    if figures.loading:
        _loading(figures, out)


cdef uint64_t _rate(Engine* engine, int which) noexcept nogil:
    """The mean of the last 16 samples."""
    cdef uint64_t sum = 0
    cdef int i
    for i in range(16):
        sum += engine.statistics.samples[which][i]
    return sum // 16


cdef void _stats(Engine* engine, Buffer* out) noexcept nogil:
    _number(out, b"total_connections_received", <int64_t>engine.statistics.connections_received)
    _number(out, b"total_commands_processed", <int64_t>engine.statistics.commands_processed)
    _number(out, b"instantaneous_ops_per_sec", <int64_t>_rate(engine, 0))
    _number(out, b"total_net_input_bytes", <int64_t>engine.statistics.bytes_in)
    _number(out, b"total_net_output_bytes", <int64_t>atomic_load64(&engine.statistics.bytes_out))
    _zeros(out, b"total_net_repl_input_bytes total_net_repl_output_bytes")
    _decimal(out, b"instantaneous_input_kbps", _rate(engine, 1) / 1024.0, 2)
    _decimal(out, b"instantaneous_output_kbps", _rate(engine, 2) / 1024.0, 2)
    _decimal(out, b"instantaneous_input_repl_kbps", 0, 2)
    _decimal(out, b"instantaneous_output_repl_kbps", 0, 2)
    _number(out, b"rejected_connections", <int64_t>engine.statistics.connections_rejected)
    _zeros(out, b"sync_full sync_partial_ok sync_partial_err")
    _number(out, b"expired_subkeys", <int64_t>engine.keyspace.expired_fields)
    _number(out, b"expired_keys", <int64_t>engine.keyspace.expired)
    # The wheel knows what is due: nothing stale is ever left behind for a sample to find.
    _decimal(out, b"expired_stale_perc", 0, 2)
    _zeros(out, b"expired_time_cap_reached_count")
    _number(out, b"expire_cycle_cpu_milliseconds", <int64_t>(engine.statistics.expire_us // 1000))
    _number(out, b"evicted_keys", <int64_t>engine.keyspace.evicted)
    _number(out, b"evicted_clients", <int64_t>engine.statistics.evicted_clients)
    _number(out, b"evicted_scripts", <int64_t>engine.scripts.figures.scripts_evicted)
    _zeros(out, b"total_eviction_exceeded_time current_eviction_exceeded_time")
    _number(out, b"keyspace_hits", <int64_t>engine.keyspace.hits)
    _number(out, b"keyspace_misses", <int64_t>engine.keyspace.misses)
    _number(out, b"pubsub_channels", <int64_t>table_count(&engine.pubsub.topics[TOPIC_CHANNEL]))
    _number(out, b"pubsub_patterns", <int64_t>table_count(&engine.pubsub.topics[TOPIC_PATTERN]))
    _number(out, b"pubsubshard_channels", <int64_t>table_count(&engine.pubsub.topics[TOPIC_SHARD]))
    _zeros(out, b"latest_fork_usec total_forks "
                b"migrate_cached_sockets slave_expires_tracked_keys active_defrag_hits active_defrag_misses "
                b"active_defrag_key_hits active_defrag_key_misses total_active_defrag_time current_active_defrag_time")
    _number(out, b"tracking_total_keys", <int64_t>table_count(&engine.pubsub.topics[TOPIC_TRACKED]))
    _number(out, b"tracking_total_items", _subscriptions(engine, TOPIC_TRACKED))
    _number(out, b"tracking_total_prefixes", <int64_t>table_count(&engine.pubsub.topics[TOPIC_PREFIX]))
    _number(out, b"unexpected_error_replies", 0)
    _number(out, b"total_error_replies", <int64_t>engine.statistics.error_replies)
    _zeros(out, b"dump_payload_sanitizations")
    _number(out, b"total_reads_processed", <int64_t>engine.statistics.socket_reads)
    _number(out, b"total_writes_processed", <int64_t>atomic_load64(&engine.statistics.socket_writes))
    _zeros(out, b"io_threaded_reads_processed io_threaded_writes_processed io_threaded_total_prefetch_batches io_threaded_total_prefetch_entries")
    _number(out, b"client_query_buffer_limit_disconnections", <int64_t>engine.statistics.query_limit_closes)
    _number(out, b"client_output_buffer_limit_disconnections", <int64_t>engine.statistics.output_limit_closes)
    _zeros(out, b"reply_buffer_shrinks reply_buffer_expands")
    _number(out, b"eventloop_cycles", <int64_t>engine.statistics.loop_turns)
    _number(out, b"eventloop_duration_sum", <int64_t>(<double>engine.statistics.loop_ticks / ticks_per_microsecond()))
    _number(out, b"eventloop_duration_cmd_sum", <int64_t>(<double>engine.statistics.loop_command_ticks / ticks_per_microsecond()))
    _number(out, b"instantaneous_eventloop_cycles_per_sec", <int64_t>_rate(engine, 3))
    _number(out, b"instantaneous_eventloop_duration_usec", <int64_t>_rate(engine, 4))
    _number(out, b"acl_access_denied_auth", <int64_t>engine.statistics.auth_failures)
    _number(out, b"acl_access_denied_cmd", <int64_t>engine.statistics.denied_commands)
    _number(out, b"acl_access_denied_key", <int64_t>engine.statistics.denied_keys)
    _number(out, b"acl_access_denied_channel", <int64_t>engine.statistics.denied_channels)


cdef void _replication(Engine* engine, Buffer* out) noexcept nogil:
    _text(out, b"role", b"master")
    _number(out, b"connected_slaves", 0)
    _text(out, b"master_failover_state", b"no-failover")
    _text(out, b"master_replid", engine.replication.id)
    if engine.replication.id2[0]:
        _text(out, b"master_replid2", engine.replication.id2)
    else:
        _text(out, b"master_replid2", b"0000000000000000000000000000000000000000")
    _number(out, b"master_repl_offset", engine.replication.offset)
    _number(out, b"second_repl_offset", -1)
    _number(out, b"repl_backlog_active", 0)
    _parameter(engine, out, b"repl_backlog_size", b"repl-backlog-size")
    _zeros(out, b"repl_backlog_first_byte_offset repl_backlog_histlen")


cdef void _cpu_of(Buffer* out, int who, const char* system, const char* user) noexcept nogil:
    cdef rusage usage
    memset(&usage, 0, sizeof(usage))
    getrusage(who, &usage)
    _decimal(out, system, usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6, 6)
    _decimal(out, user, usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6, 6)


cdef void _cpu(Buffer* out) noexcept nogil:
    _cpu_of(out, RUSAGE_SELF, b"used_cpu_sys", b"used_cpu_user")
    _cpu_of(out, RUSAGE_CHILDREN, b"used_cpu_sys_children", b"used_cpu_user_children")
    if HUTCH_KNOWS_THREADS:
        # The thread that runs the commands: the listener's for a socket, for an embedded caller its own.
        _cpu_of(out, HUTCH_RUSAGE_THREAD, b"used_cpu_sys_main_thread", b"used_cpu_user_main_thread")


cdef void _command_stats(Engine* engine, const Command* command, Buffer* out) noexcept nogil:
    cdef const CommandStats* stats = &engine.statistics.commands[command.id]
    cdef char[160] figures
    cdef double us
    cdef uint32_t i
    if stats.calls or stats.rejected or stats.failed:
        us = stats.ticks / ticks_per_microsecond()
        if 0 < stats.untimed < stats.calls:      # those took as long as the others, as far as we know
            us *= <double>stats.calls / <double>(stats.calls - stats.untimed)
        buffer_append_text(out, b"cmdstat_")
        buffer_append(out, command.name, command.name_length)
        snprintf(figures, 160, b":calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu\r\n",
                 <unsigned long long>stats.calls, <unsigned long long>us, us / stats.calls if stats.calls else 0.0,
                 <unsigned long long>stats.rejected, <unsigned long long>stats.failed)
        buffer_append_text(out, figures)
    for i in range(command.subcommand_count):
        _command_stats(engine, &command.subcommands[i], out)


cdef void _latency_stats(Engine* engine, const Command* command, const Slice* percents, int count, Buffer* out) noexcept nogil:
    """The line of a command and those of its subcommands."""
    cdef const CommandStats* stats = &engine.statistics.commands[command.id]
    cdef char[64] text
    cdef double us
    cdef uint32_t i
    cdef int k
    if latency_percentile_us(stats, 50, &us):
        buffer_append_text(out, b"latency_percentiles_usec_")
        buffer_append(out, command.name, command.name_length)
        buffer_append(out, b":", 1)
        for k in range(count):
            latency_percentile_us(stats, strtod(percents[k].data, NULL), &us)
            buffer_append_text(out, b"p" if k == 0 else b",p")
            buffer_append_slice(out, percents[k])
            snprintf(text, sizeof(text), b"=%.3f", us)
            buffer_append_text(out, text)
        buffer_append(out, b"\r\n", 2)
    for i in range(command.subcommand_count):
        _latency_stats(engine, &command.subcommands[i], percents, count, out)


cdef void _latencystats(Engine* engine, Buffer* out) noexcept nogil:
    """The percentiles that latency-tracking-info-percentiles names, as it spells them."""
    cdef const Parameter* parameter = config_find(slice_of_text(b"latency-tracking-info-percentiles"))
    cdef Buffer text
    cdef Slice[PERCENTS_MAX] percents
    cdef int count = 0
    cdef size_t start = 0, i
    buffer_init(&text, NULL)
    config_text(&engine.config, parameter, &text)
    buffer_append(&text, b" ", 1)
    buffer_append(&text, b"\0", 1)              # for strtod
    if not text.failed and engine.config.latency_tracking:
        for i in range(text.length - 1):
            if text.data[i] == c' ':
                if i > start and count < PERCENTS_MAX:
                    percents[count] = slice_of(text.data + start, i - start)
                    count += 1
                start = i + 1
        for i in range(command_table_count()):
            _latency_stats(engine, command_table_at(<uint32_t>i), percents, count, out)
    buffer_clear(&text)


cdef void _keyspace(Engine* engine, Buffer* out) noexcept nogil:
    cdef Database* database
    cdef uint64_t keys, expires
    cdef double left_ms
    cdef char[160] figures
    cdef int32_t i
    cdef int64_t now_ms = clock_now_ms(&engine.clock)
    for i in range(engine.keyspace.database_count):
        database = &engine.keyspace.databases[i]
        keys = table_count(&database.keys)
        expires = keyspace_deadlines(database)
        if keys == 0 and expires == 0:
            continue
        left_ms = database.deadline_sum_ms / expires - now_ms if expires else 0
        snprintf(figures, 160, b"db%d:keys=%llu,expires=%llu,avg_ttl=%lld,subexpiry=%llu\r\n", i,
                 <unsigned long long>keys, <unsigned long long>expires, <long long>(left_ms if left_ms > 0 else 0),
                 <unsigned long long>keyspace_field_deadlines(database))
        buffer_append_text(out, figures)


cdef void _keysizes(Engine* engine, Buffer* out) noexcept nogil:
    """For each database and type: the size from which a bin begins, and how many keys are in it."""
    cdef const uint64_t* sizes
    cdef char[64] text
    cdef const char* units = b" KMG"
    cdef int64_t from_size
    cdef int unit
    cdef int32_t i
    cdef int type, bin
    cdef bint any
    for i in range(engine.keyspace.database_count):
        for type in range(SIZE_TYPES):
            sizes = engine.keyspace.databases[i].sizes
            if sizes == NULL or value_types[type].sizes_name == NULL:
                continue
            sizes += type * SIZE_BINS
            any = False
            for bin in range(SIZE_BINS):
                if sizes[bin] == 0:
                    continue
                if not any:
                    snprintf(text, sizeof(text), b"db%d_distrib_%s:", i, value_types[type].sizes_name)
                    buffer_append_text(out, text)
                from_size = <int64_t>1 << (bin - 1) if bin else 0
                unit = (bin - 1) // 10 if bin else 0
                snprintf(text, sizeof(text), b"%s%lld%.*s=%llu", b"," if any else b"", <long long>(from_size >> (10 * unit)),
                         <int>(unit > 0), units + unit, <unsigned long long>sizes[bin])
                buffer_append_text(out, text)
                any = True
            if any:
                buffer_append(out, b"\r\n", 2)


cdef void _section(Engine* engine, int index, Buffer* out) noexcept nogil:
    cdef int section = 1 << index
    cdef uint32_t i
    if out.length:
        buffer_append(out, b"\r\n", 2)
    buffer_append(out, b"# ", 2)
    buffer_append_text(out, _section_names[index])
    buffer_append(out, b"\r\n", 2)
    if section == SECTION_SERVER:
        _server(engine, out)
    elif section == SECTION_CLIENTS:
        _clients(engine, out)
    elif section == SECTION_MEMORY:
        _memory(engine, out)
    elif section == SECTION_PERSISTENCE:
        _persistence(engine, out)
    elif section == SECTION_THREADS:
        buffer_append_text(out, b"io_thread_0:clients=")
        buffer_append_integer(out, engine.sessions.sockets)
        buffer_append_text(out, b",reads=")
        buffer_append_integer(out, <int64_t>engine.statistics.socket_reads)
        buffer_append_text(out, b",writes=")
        buffer_append_integer(out, <int64_t>atomic_load64(&engine.statistics.socket_writes))
        buffer_append(out, b"\r\n", 2)
    elif section == SECTION_STATS:
        _stats(engine, out)
    elif section == SECTION_REPLICATION:
        _replication(engine, out)
    elif section == SECTION_CPU:
        _cpu(out)
    elif section == SECTION_MODULES:
        buffer_append_text(out, b"module:name=ReJSON,ver=")
        buffer_append_integer(out, JSON_MODULE_VERSION)
        buffer_append_text(out, b",api=1,filters=0,usedby=[],using=[],options=[handle-io-errors]\r\n")
    elif section == SECTION_COMMANDSTATS:
        for i in range(command_table_count()):
            _command_stats(engine, command_table_at(i), out)
    elif section == SECTION_ERRORSTATS:
        error_stats_append(engine, out)
    elif section == SECTION_LATENCYSTATS:
        _latencystats(engine, out)
    elif section == SECTION_CLUSTER:
        _number(out, b"cluster_enabled", 0)
    elif section == SECTION_KEYSPACE:
        _keyspace(engine, out)
    elif section == SECTION_KEYSIZES:
        _keysizes(engine, out)


cdef int _sections_named(Slice name) noexcept nogil:
    """0 for a name that no section has: Redis shows nothing for it."""
    cdef int index
    if slice_is(name, b"all") or slice_is(name, b"everything"):
        return SECTIONS_ALL
    if slice_is(name, b"default"):
        return SECTIONS_DEFAULT
    for index in range(15):
        if slice_is(name, _section_names[index]):
            return 1 << index
    return 0


cdef void cmd_info(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer text
    cdef int wanted = SECTIONS_DEFAULT if call.argc == 1 else 0
    cdef int index
    cdef size_t i
    for i in range(1, call.argc):
        wanted |= _sections_named(call.argv[i])
    buffer_init(&text, NULL)
    for index in range(15):
        if wanted & (1 << index):
            _section(engine, index, &text)
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)
