"""See config_commands.pxd."""
from libc.stdio cimport snprintf
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.atomics cimport atomic_store64
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_is, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call, call_help, error_syntax
from hutch_engine.commands.reply cimport (
    reply_bulk, reply_error, reply_error_parts, reply_error_slice, reply_map_at, reply_mark, reply_ok)
from hutch_engine.keyspace.keyspace cimport Keyspace, WANT_EVENTS
from hutch_engine.net.client_eviction cimport clients_reweigh
from hutch_engine.state.config cimport (
    CHANGED_CLIENTS, CHANGED_CLIENT_MEMORY, CHANGED_CRASH_LOG, CHANGED_CRON, CHANGED_EVENTS, CHANGED_KEYSPACE, CHANGED_LISTENER,
    CHANGED_LOG, CHANGED_MEMORY, CHANGED_NAMES, CHANGED_OOM, CHANGED_PASSWORD, CHANGED_REPLICAS, CHANGED_SAVING, CHANGED_SLOW, CHANGED_SYNC,
    CHANGED_TITLE, CHANGED_TLS, CHANGED_USERS, CONFIG_AT_START, CONFIG_PROTECTED_OK, CONFIG_ROLLBACK,
    LOG_WARNING, PARAMETER_HIDDEN, PARAMETER_IMMUTABLE, PARAMETER_PROTECTED, POLICY_ALLKEYS_LFU,
    POLICY_VOLATILE_LFU, Config, Parameter, config_set, config_set_named, config_text)
from hutch_engine.control.config_rewrite cimport config_rewrite
from hutch_engine.control.oom_score cimport oom_score_set
from hutch_engine.control.process_title cimport process_title_set
from hutch_engine.sessions.users cimport users_configure, users_note_lines, users_password
from hutch_engine.state.config_table cimport KIND_DIRECTORY, config_count, config_find, config_parameter
from hutch_engine.executor.admission cimport admission_enables
from hutch_engine.executor.error_stats cimport error_stats_clear
from hutch_engine.executor.latency cimport latency_clear
from hutch_engine.executor.slow_log cimport slow_log_policy
from hutch_engine.control.crash_log cimport crash_log_begin, crash_log_end
from hutch_engine.sessions.tracking cimport tracking_limit
from hutch_engine.state.engine cimport (
    GATE_RENAMED, GATE_REPLICAS, SESSION_EMBEDDED, CommandStats, Engine, Session, engine_of, engine_wake_housekeeping,
    engine_used_memory, session_of)
from hutch_engine.executor.eviction cimport evict_until_it_fits
from hutch_engine.state.log cimport log_write
from hutch_engine.commands.command_table cimport command_table_ids
from hutch_engine.net.connections cimport connections_rebind
from hutch_engine.net.tls cimport tls_context_free, tls_context_new, tls_context_use
from hutch_engine.persistence.append_log cimport append_log_policy
from hutch_engine.persistence.background cimport persistence_begin, persistence_switch_log
from hutch_engine.persistence.saving cimport saving_gate

cdef extern from "<sys/resource.h>" nogil:
    ctypedef unsigned long rlim_t
    cdef struct rlimit:
        rlim_t rlim_cur
        rlim_t rlim_max
    int getrlimit(int resource, rlimit* limits)
    int setrlimit(int resource, const rlimit* limits)
    int RLIMIT_NOFILE

cdef enum:
    CONFIG_WORDS = 256           # more than there are parameters
    PARAMETERS_MAX = 256
    BACKLOG_LEAST_BYTES = 16384
    RESERVED_DESCRIPTORS = 32    # as in Redis: what the process needs beside its clients


# ---- taking effect

cdef void _set_gate(Engine* engine, uint32_t gate, bint closed) noexcept nogil:
    engine.execution.gate = engine.execution.gate | gate if closed else engine.execution.gate & ~gate


cdef void config_apply(Engine* engine, uint64_t changed) noexcept nogil:
    cdef Config* config = &engine.config
    cdef Keyspace* keyspace = &engine.keyspace
    keyspace.max_string_bytes = <uint64_t>config.proto_max_bulk_len
    keyspace.limits.hash_entries = <uint64_t>config.hash_max_listpack_entries
    keyspace.limits.hash_value_bytes = <uint64_t>config.hash_max_listpack_value
    keyspace.limits.set_intset_entries = <uint64_t>config.set_max_intset_entries
    keyspace.limits.set_entries = <uint64_t>config.set_max_listpack_entries
    keyspace.limits.set_value_bytes = <uint64_t>config.set_max_listpack_value
    keyspace.limits.zset_entries = <uint64_t>config.zset_max_listpack_entries
    keyspace.limits.zset_value_bytes = <uint64_t>config.zset_max_listpack_value
    keyspace.limits.list_size = config.list_max_listpack_size
    keyspace.limits.stream_node_bytes = <uint64_t>config.stream_node_max_bytes
    keyspace.limits.stream_node_entries = <uint64_t>config.stream_node_max_entries
    keyspace.limits.hll_sparse_bytes = <uint64_t>config.hll_sparse_max_bytes
    keyspace.compress_values = config.rdbcompression != 0
    if changed & CHANGED_KEYSPACE:
        keyspace.lfu = config.maxmemory_policy == POLICY_ALLKEYS_LFU or config.maxmemory_policy == POLICY_VOLATILE_LFU
        # The keyspace keeps these in a byte; beyond, both formulas have long stopped changing anything.
        keyspace.lfu_log_factor = <uint8_t>(config.lfu_log_factor if config.lfu_log_factor < 255 else 255)
        keyspace.lfu_decay_minutes = <uint8_t>(config.lfu_decay_time if config.lfu_decay_time < 255 else 255)
        keyspace.lazy_expire = config.lazyfree_lazy_expire != 0
        keyspace.lazy_user_delete = config.lazyfree_lazy_user_del != 0
        keyspace.lazy_server_delete = config.lazyfree_lazy_server_del != 0
        keyspace.lazy_user_flush = config.lazyfree_lazy_user_flush != 0
    if changed & CHANGED_EVENTS:
        keyspace.event_classes = <uint32_t>config.notify_keyspace_events
        if config.notify_keyspace_events:
            keyspace.wanted |= WANT_EVENTS
        else:
            keyspace.wanted &= ~<uint32_t>WANT_EVENTS
    if changed & CHANGED_CRON:
        # Taken as given, used and shown within bounds, as Redis does it.
        config.hz = 1 if config.hz < 1 else (500 if config.hz > 500 else config.hz)
    if changed & CHANGED_CRON and engine.housekeeping.runs:
        engine_wake_housekeeping(engine)
    if tracking_limit(engine):
        engine_wake_housekeeping(engine)
    if changed & CHANGED_CLIENT_MEMORY:
        clients_reweigh(engine)
    if changed & CHANGED_SYNC:
        append_log_policy(engine)
    if changed & CHANGED_SAVING and engine.journaling.in_service:
        persistence_begin(engine)
    if changed & CHANGED_NAMES:
        _set_gate(engine, GATE_RENAMED, config.names.changes != 0)
    if changed & CHANGED_REPLICAS:
        # There are none that could be good enough.
        _set_gate(engine, GATE_REPLICAS, config.min_replicas_to_write > 0 and config.min_replicas_max_lag_s > 0)
    if changed & (CHANGED_TITLE | CHANGED_LISTENER):
        process_title_set(engine)
    saving_gate(engine)
    if changed & CHANGED_SLOW:
        slow_log_policy(engine)
    if changed & CHANGED_CRASH_LOG:
        if config.crash_log_enabled:
            crash_log_begin(engine)
        else:
            crash_log_end(engine)
    # Whoever is logged in stays so, as in Redis; the next connection is asked.
    if changed & CHANGED_PASSWORD:
        users_password(engine, buffer_slice(&config.requirepass))
    if changed & CHANGED_USERS:
        users_configure(engine)


cdef bint _clients_are_possible(Engine* engine, Buffer* error_out) noexcept nogil:
    """The descriptors for maxclients. Raises the soft limit when the hard one allows it."""
    cdef rlimit limits
    cdef rlim_t wanted = <rlim_t>engine.config.maxclients + RESERVED_DESCRIPTORS
    # Only a listener needs descriptors; without one the host's limits are none of our business.
    if engine.net.wake_fd < 0 or getrlimit(RLIMIT_NOFILE, &limits) != 0 or limits.rlim_cur >= wanted:
        return True
    if limits.rlim_max >= wanted:
        limits.rlim_cur = wanted
        if setrlimit(RLIMIT_NOFILE, &limits) == 0:
            return True
    buffer_append_text(error_out, b"The operating system is not able to handle the specified number of clients, try with ")
    buffer_append_integer(error_out, <int64_t>limits.rlim_cur - RESERVED_DESCRIPTORS)
    return False


cdef bint _move_listener(Engine* engine, Buffer* error_out) noexcept nogil:
    cdef Buffer problem, line
    cdef bint good
    if engine.net.listening == NULL:
        return True
    buffer_init(&problem, NULL)
    good = connections_rebind(engine, &problem)
    if not good:
        buffer_init(&line, NULL)
        buffer_append_text(&line, b"Warning: ")
        buffer_append_slice(&line, buffer_slice(&problem))
        log_write(engine, LOG_WARNING, buffer_slice(&line))
        buffer_clear(&line)
    buffer_clear(&problem)
    return good


cdef bint _make_tls(Engine* engine, void** context_out) noexcept nogil:
    """What new connections are to be made from, if a listener has TLS: not in force yet. False: the log says why not."""
    cdef Buffer problem
    context_out[0] = NULL
    if engine.net.listening == NULL or engine.config.tls_port == 0:
        return True
    buffer_init(&problem, NULL)
    context_out[0] = tls_context_new(engine, &problem)
    if context_out[0] == NULL:
        log_write(engine, LOG_WARNING, buffer_slice(&problem))
    buffer_clear(&problem)
    return context_out[0] != NULL


cdef void _make_room(Engine* engine) noexcept nogil:
    """maxmemory was set: what does not fit goes now, not with the next command."""
    cdef char[256] text
    cdef uint64_t used = engine_used_memory(engine)
    cdef uint64_t limit = <uint64_t>engine.config.maxmemory
    if limit == 0 or used <= limit:
        return
    log_write(engine, LOG_WARNING, slice_of(text, <size_t>snprintf(
        text, sizeof(text), b"WARNING: the new maxmemory value set via CONFIG SET (%llu) is smaller than the current "
        b"memory usage (%llu). Keys are evicted or writes refused, as maxmemory-policy says.", <unsigned long long>limit,
        <unsigned long long>used)))
    evict_until_it_fits(engine)


cdef bint _take_effect(Engine* engine, uint64_t changed, uint64_t* failed_out, Buffer* error_out) noexcept nogil:
    """False: nothing has changed, and the CHANGED_ bit that cannot be is in *failed_out."""
    cdef void* context = NULL
    if changed & CHANGED_CLIENTS and not _clients_are_possible(engine, error_out):
        failed_out[0] = CHANGED_CLIENTS
        return False
    if changed & CHANGED_TLS and not _make_tls(engine, &context):
        buffer_append_text(error_out, b"Unable to update TLS configuration. Check server logs.")
        failed_out[0] = CHANGED_TLS
        return False
    if changed & CHANGED_OOM and not oom_score_set(engine, error_out):
        tls_context_free(context)
        failed_out[0] = CHANGED_OOM
        return False
    if changed & CHANGED_LISTENER and not _move_listener(engine, error_out):
        tls_context_free(context)
        failed_out[0] = CHANGED_LISTENER
        return False
    if changed & CHANGED_LOG and not persistence_switch_log(engine):
        tls_context_free(context)
        buffer_append_text(error_out, b"Unable to turn on AOF. Check server logs.")
        failed_out[0] = CHANGED_LOG
        return False
    if context != NULL:
        tls_context_use(engine, context)
    if engine.config.repl_backlog_bytes < BACKLOG_LEAST_BYTES:
        engine.config.repl_backlog_bytes = BACKLOG_LEAST_BYTES
    config_apply(engine, changed)
    if changed & CHANGED_MEMORY:
        _make_room(engine)
    return True


cdef bint config_configure(Engine* engine, Slice name, Slice value, Buffer* error_out) noexcept nogil:
    cdef uint64_t changed = 0
    if not config_set_named(&engine.config, name, value, CONFIG_AT_START, &changed, error_out):
        return False
    config_apply(engine, changed)
    return True


# ---- GET

cdef void _current_text(Engine* engine, const Parameter* parameter, Buffer* out) noexcept nogil:
    # With port 0 or a port of the listener's own choice, what is really bound is worth more.
    if engine.net.tcp_port and slice_is(slice_of_text(parameter.name), b"port"):
        buffer_append_integer(out, engine.net.tcp_port)
    elif engine.net.tls_port and slice_is(slice_of_text(parameter.name), b"tls-port"):
        buffer_append_integer(out, engine.net.tls_port)
    else:
        config_text(&engine.config, parameter, out)


cdef bint config_read(Engine* engine, Slice name, Buffer* out) noexcept nogil:
    cdef const Parameter* parameter = config_find(name)
    if parameter != NULL:
        _current_text(engine, parameter, out)
    return parameter != NULL


cdef void _reply_pair(Call* call, Slice name, const Parameter* parameter) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    _current_text(engine_of(call), parameter, &text)
    reply_bulk(call.reply, name)
    call.reply.buffer.failed |= text.failed
    reply_bulk(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef bint _is_name(Slice pattern) noexcept nogil:
    """Does it stand for itself? To Redis also where it has a backslash."""
    cdef size_t i
    for i in range(pattern.length):
        if pattern.data[i] == 0:
            break
        if pattern.data[i] == c'[' or pattern.data[i] == c'*' or pattern.data[i] == c'?':
            return False
    return True


cdef void cmd_config_get(Call* call) noexcept nogil:
    cdef uint8_t[PARAMETERS_MAX] shown     # bit 0: under its name, bit 1: under its alias
    cdef const Parameter* parameter
    cdef Slice pattern, name
    cdef int64_t pairs = 0
    cdef size_t i
    cdef uint32_t k
    cdef int which
    cdef bint literal
    cdef size_t mark = reply_mark(call.reply)
    memset(shown, 0, sizeof(shown))
    for i in range(2, call.argc):
        pattern = call.argv[i]
        literal = _is_name(pattern)
        for k in range(config_count()):
            parameter = config_parameter(k)
            for which in range(2):
                if shown[k] & (1 << which) or (which and parameter.alias == NULL):
                    continue
                name = slice_of_text(parameter.alias if which else parameter.name)
                if not (slice_is_same(pattern, name) if literal else
                        glob_matches(pattern, name, True) and not parameter.flags & PARAMETER_HIDDEN):
                    continue
                shown[k] |= <uint8_t>(1 << which)
                # Redis echoes a plain name as it was asked for.
                _reply_pair(call, pattern if literal else name, parameter)
                pairs += 1
    reply_map_at(call.reply, mark, pairs)


# ---- SET

cdef uint32_t _set_flags(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef int64_t setting = session.engine.config.enable_protected_configs
    if session.flags & SESSION_EMBEDDED or admission_enables(session, setting):
        return CONFIG_PROTECTED_OK
    return 0


cdef void _reply_set_error(Call* call, Slice name, bint lower, Buffer* reason) noexcept nogil:
    cdef Buffer text
    cdef size_t i
    cdef char c
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR CONFIG SET failed (possibly related to argument '")
    for i in range(name.length):
        c = name.data[i]
        if lower and c'A' <= c <= c'Z':
            c += 32              # every name and alias is in small letters
        buffer_append(&text, &c, 1)
    buffer_append_text(&text, b"') - ")
    buffer_append_slice(&text, buffer_slice(reason))
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void cmd_config_set(Call* call) noexcept nogil:
    """All or nothing: the old values are kept as text until every new one is in."""
    cdef Engine* engine = engine_of(call)
    cdef const Parameter* parameter
    cdef const Parameter* parameters[CONFIG_WORDS]
    cdef Buffer[CONFIG_WORDS] former
    cdef Buffer error
    cdef uint64_t changed = 0, ignored = 0, cannot = 0
    cdef size_t count = (call.argc - 2) // 2
    cdef size_t i, k, failed = 0
    cdef bint good = True
    if call.argc & 1:
        error_syntax(call)
        return
    if count > CONFIG_WORDS:
        reply_error(call.reply, b"ERR too many parameters at once")
        return
    buffer_init(&error, NULL)
    # The first word that will not do is named as the client wrote it; later, parameters go by their own names.
    if engine_of(call).persistence.loading:
        # The file that is loaded lies there. Whatever else is wrong, a client is to hear that it may ask again.
        for i in range(count):
            parameters[i] = config_find(call.argv[2 + 2 * i])
            if parameters[i] != NULL and parameters[i].kind == KIND_DIRECTORY:
                reply_error(call.reply, b"LOADING Redis is loading the dataset in memory")
                return
    for i in range(count):
        parameters[i] = config_find(call.argv[2 + 2 * i])
        if parameters[i] == NULL:
            reply_error_parts(call.reply, b"ERR Unknown option or number of arguments for CONFIG SET - '",
                              call.argv[2 + 2 * i], b"'")
            return
        if parameters[i].flags & PARAMETER_IMMUTABLE:
            buffer_append_text(&error, b"can't set immutable config")
        elif parameters[i].flags & PARAMETER_PROTECTED and not _set_flags(call) & CONFIG_PROTECTED_OK:
            buffer_append_text(&error, b"can't set protected config")
        for k in range(i):
            # One name and its alias may both be given: the last wins.
            if error.length == 0 and parameters[k] == parameters[i] and \
                    slice_is_same(call.argv[2 + 2 * k], call.argv[2 + 2 * i]):
                buffer_append_text(&error, b"duplicate parameter")
        if error.length:
            _reply_set_error(call, call.argv[2 + 2 * i], False, &error)
            buffer_clear(&error)
            return
    if engine.net.listening != NULL and engine.net.tcp_port:
        engine.config.port = engine.net.tcp_port     # a port of the listener's own choice is the one that it has by now
    if engine.net.listening != NULL and engine.net.tls_port:
        engine.config.tls_port = engine.net.tls_port
    k = 0
    while k < count and good:
        buffer_init(&former[k], NULL)
        config_text(&engine.config, parameters[k], &former[k])
        good = config_set(&engine.config, parameters[k], call.argv[3 + 2 * k], _set_flags(call), &changed, &error)
        if not good:
            failed = k
        k += 1
    if good and not _take_effect(engine, changed, &cannot, &error):
        good = False
        # Name the parameter whose effect it is.
        while failed < count and not parameters[failed].changed & cannot:
            failed += 1
        if cannot == CHANGED_LISTENER:
            buffer_append_text(&error, b"Unable to listen on this port. Check server logs."
                               if not slice_is(slice_of_text(parameters[failed].name), b"bind")
                               else b"Failed to bind to specified addresses.")
    if not good:
        _reply_set_error(call, call.argv[2 + 2 * failed], True, &error)
        i = k
        while i:
            i -= 1
            config_set(&engine.config, parameters[i], buffer_slice(&former[i]), CONFIG_ROLLBACK, &ignored, &error)
        if changed & CHANGED_OOM:
            oom_score_set(engine, &error)
        # The listener has not had a turn yet: it still has all that it is to keep.
        if cannot == CHANGED_LOG and changed & CHANGED_LISTENER:
            _move_listener(engine, &error)
    else:
        reply_ok(call.reply)
    for i in range(k):
        buffer_clear(&former[i])
    buffer_clear(&error)


cdef bint slice_is_same(Slice a, Slice b) noexcept nogil:
    """Equal but for ASCII case."""
    cdef size_t i
    if a.length != b.length:
        return False
    for i in range(a.length):
        if ascii_lower(a.data[i]) != ascii_lower(b.data[i]):
            return False
    return True


# ---- RESETSTAT

cdef void cmd_config_resetstat(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    latency_clear(engine)
    memset(engine.statistics.commands, 0, command_table_ids() * sizeof(CommandStats))
    error_stats_clear(engine)
    engine.scripts.figures.scripts_evicted = 0
    engine.statistics.commands_processed = 0
    engine.statistics.connections_received = 0
    engine.statistics.connections_rejected = 0
    engine.statistics.bytes_in = 0
    atomic_store64(&engine.statistics.bytes_out, 0)
    atomic_store64(&engine.statistics.socket_writes, 0)
    engine.statistics.socket_reads = 0
    engine.statistics.loop_turns = 0
    engine.statistics.loop_ticks = 0
    engine.statistics.loop_command_ticks = 0
    engine.persistence.saves = 0
    engine.journaling.rewrites = 0
    engine.statistics.query_limit_closes = 0
    engine.statistics.output_limit_closes = 0
    engine.statistics.evicted_clients = 0
    engine.statistics.peak_used_bytes = engine_used_memory(engine)
    engine.keyspace.hits = 0
    engine.keyspace.misses = 0
    engine.keyspace.expired = 0
    engine.keyspace.expired_fields = 0
    engine.keyspace.evicted = 0
    engine.keyspace.lazy_freed = 0
    memset(engine.statistics.samples, 0, sizeof(engine.statistics.samples))
    memset(engine.statistics.sample_last, 0, sizeof(engine.statistics.sample_last))
    reply_ok(call.reply)


# ---- REWRITE

cdef void cmd_config_rewrite(Call* call) noexcept nogil:
    rewrite_configuration(call, False)


cdef void rewrite_configuration(Call* call, bint all_of_it) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer error
    if engine.config.config_file.length == 0:
        reply_error(call.reply, b"ERR The server is running without a config file")
        return
    buffer_init(&error, NULL)
    if not users_note_lines(engine):
        reply_error(call.reply, b"ERR Rewriting config file: out of memory")
    elif config_rewrite(&engine.config, all_of_it, &error):
        reply_ok(call.reply)
    else:
        reply_error_parts(call.reply, b"ERR Rewriting config file: ", buffer_slice(&error), b"")
    buffer_clear(&error)


cdef const char* _help_lines[8]
_help_lines[:] = [
    b"GET <pattern>", b"    Return parameters matching the glob-like <pattern> and their values.",
    b"SET <directive> <value>", b"    Set the configuration <directive> to <value>.",
    b"RESETSTAT", b"    Reset statistics reported by the INFO command.",
    b"REWRITE", b"    Rewrite the configuration file.",
]


cdef void cmd_config_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 8)
