"""See config_table.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.slice cimport Slice, slice_is

cdef enum:
    PARAMETERS_MAX = 224

cdef int64_t LONG_MAX = 9223372036854775807
cdef int64_t INT_MAX = 2147483647
cdef int64_t INT_MIN = -2147483648
cdef int64_t UNSIGNED_MAX = 4294967295

cdef Parameter[PARAMETERS_MAX] _table
cdef uint32_t _count = 0
cdef uint32_t _spare_numbers = 0
cdef uint32_t _spare_texts = 0
cdef Config _layout              # never read or written: gives the offsets of fields
cdef const char* _idle_why = NULL    # what the rows that are being added have instead of an effect; see Parameter.why


cdef Parameter* _add(const char* name, uint32_t kind, const void* field) noexcept nogil:
    """A new row; without a field of its own the value goes to the next spare one."""
    global _count, _spare_numbers, _spare_texts
    cdef Parameter* parameter = &_table[_count]
    if _count == PARAMETERS_MAX - 1 or _spare_numbers == CONFIG_SPARE_NUMBERS or _spare_texts == CONFIG_SPARE_TEXTS:
        return parameter         # the check at the end of this module reports it
    _count += 1
    memset(parameter, 0, sizeof(Parameter))
    parameter.name = name
    parameter.kind = kind
    parameter.changed = CHANGED_OTHER
    parameter.low = 0
    parameter.high = LONG_MAX
    parameter.preset_text = b""
    if field == NULL and kind < KIND_TEXT:
        field = &_layout.spare_numbers[_spare_numbers]
        _spare_numbers += 1
    elif field == NULL:
        field = &_layout.spare_texts[_spare_texts]
        _spare_texts += 1
    parameter.offset = <size_t>(<const char*>field - <const char*>&_layout)
    parameter.why = _idle_why
    return parameter


cdef void _idle(const char* why) noexcept nogil:
    """The rows that follow have no effect, for this reason; NULL: they have one."""
    global _idle_why
    _idle_why = why


cdef Parameter* _because(Parameter* parameter, const char* why) noexcept nogil:
    parameter.why = why
    return parameter


cdef Parameter* _only(Parameter* parameter, const char* why) noexcept nogil:
    """It has its default and no other value, for this reason."""
    return _because(_flag(parameter, PARAMETER_DEFAULT_ONLY), why)


cdef Parameter* _yes_no(const char* name, bint preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_YES_NO, field)
    parameter.preset = preset
    return parameter


cdef Parameter* _integer(const char* name, int64_t low, int64_t high, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_INTEGER, field)
    parameter.low = low
    parameter.high = high
    parameter.preset = preset
    return parameter


cdef Parameter* _memory(const char* name, int64_t low, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_MEMORY, field)
    parameter.low = low
    parameter.preset = preset
    return parameter


cdef Parameter* _choice(const char* name, const char* choices, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_CHOICE, field)
    parameter.choices = choices
    parameter.preset = preset
    return parameter


cdef Parameter* _text(const char* name, const char* preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_TEXT, field)
    parameter.preset_text = preset
    return parameter


cdef Parameter* _also(Parameter* parameter, const char* alias) noexcept nogil:
    parameter.alias = alias
    return parameter


cdef Parameter* _flag(Parameter* parameter, uint32_t flags) noexcept nogil:
    parameter.flags |= flags
    return parameter


cdef Parameter* _touches(Parameter* parameter, uint64_t changed) noexcept nogil:
    parameter.changed |= changed
    return parameter


cdef void _fill_network() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _touches(_integer(b"port", 0, 65535, 6379, &c.port), CHANGED_LISTENER)
    parameter = _flag(_touches(_text(b"bind", b"127.0.0.1 -::1", &c.bind), CHANGED_LISTENER), PARAMETER_MULTI)
    parameter.kind = KIND_ADDRESSES
    _because(_flag(_text(b"bind-source-addr", b""), PARAMETER_NULLABLE), b"Hutch connects to nobody")
    _flag(_text(b"unixsocket", b"", &c.unixsocket), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE)
    parameter = _flag(_integer(b"unixsocketperm", 0, 0o777, 0, &c.unixsocketperm), PARAMETER_IMMUTABLE | PARAMETER_UNSIGNED)
    parameter.kind = KIND_OCTAL
    _flag(_integer(b"tcp-backlog", 0, INT_MAX, 511, &c.tcp_backlog), PARAMETER_IMMUTABLE)
    _integer(b"tcp-keepalive", 0, INT_MAX, 300, &c.tcp_keepalive_s)
    _integer(b"timeout", 0, INT_MAX, 0, &c.timeout_s)
    _flag(_touches(_integer(b"maxclients", 1, UNSIGNED_MAX, 10000, &c.maxclients), CHANGED_CLIENTS), PARAMETER_UNSIGNED)
    _yes_no(b"protected-mode", True, &c.protected_mode)
    _flag(_integer(b"max-new-connections-per-cycle", 1, 1000, 10, &c.max_new_connections), PARAMETER_UNSIGNED)
    _because(_flag(_integer(b"socket-mark-id", 0, UNSIGNED_MAX, 0), PARAMETER_IMMUTABLE | PARAMETER_UNSIGNED),
             b"sockets are not marked")
    _because(_flag(_integer(b"io-threads", 1, 128, 1), PARAMETER_IMMUTABLE), b"one thread serves all sockets")
    _memory(b"proto-max-bulk-len", 1024 * 1024, 512 * 1024 * 1024, &c.proto_max_bulk_len)
    _flag(_memory(b"client-query-buffer-limit", 1024 * 1024, 1024 * 1024 * 1024, &c.client_query_buffer_limit),
          PARAMETER_UNSIGNED)
    _flag(_add(b"client-output-buffer-limit", KIND_OUTPUT_LIMITS, c.output_limits), PARAMETER_MULTI)
    _flag(_touches(_text(b"requirepass", b"", &c.requirepass), CHANGED_PASSWORD), PARAMETER_SENSITIVE | PARAMETER_NULLABLE)
    _flag(_choice(b"enable-debug-command", b"no,yes,local", ENABLE_NO, &c.enable_debug_command), PARAMETER_IMMUTABLE)
    # Whoever may load a module finds out that there is none: nothing is promised by it.
    _flag(_choice(b"enable-module-command", b"no,yes,local", ENABLE_NO, &c.enable_module_command), PARAMETER_IMMUTABLE)
    _flag(_choice(b"enable-protected-configs", b"no,yes,local", 0, &c.enable_protected_configs), PARAMETER_IMMUTABLE)
    _flag(_text(b"aclfile", b"", &c.aclfile), PARAMETER_IMMUTABLE)
    _integer(b"acllog-max-len", 0, LONG_MAX, 128, &c.acllog_max_len)
    _choice(b"acl-pubsub-default", b"allchannels,resetchannels", 1, &c.acl_channels_denied)


cdef Parameter* _tls_text(const char* name, const void* field=NULL) noexcept nogil:
    """Its files are read anew whenever it is set, even to what it was."""
    return _flag(_touches(_text(name, b"", field), CHANGED_TLS), PARAMETER_NULLABLE)


cdef void _fill_tls() noexcept nogil:
    cdef Config* c = &_layout
    _touches(_integer(b"tls-port", 0, 65535, 0, &c.tls_port), CHANGED_LISTENER | CHANGED_TLS)
    _flag(_integer(b"max-new-tls-connections-per-cycle", 1, 1000, 1, &c.max_new_tls_connections), PARAMETER_UNSIGNED)
    _tls_text(b"tls-cert-file", &c.tls_cert_file)
    _tls_text(b"tls-key-file", &c.tls_key_file)
    _flag(_tls_text(b"tls-key-file-pass", &c.tls_key_file_pass), PARAMETER_SENSITIVE)
    _tls_text(b"tls-ca-cert-file", &c.tls_ca_cert_file)
    _tls_text(b"tls-ca-cert-dir", &c.tls_ca_cert_dir)
    _tls_text(b"tls-protocols", &c.tls_protocols)
    _tls_text(b"tls-ciphers", &c.tls_ciphers)
    _tls_text(b"tls-ciphersuites", &c.tls_ciphersuites)
    _choice(b"tls-auth-clients", b"no,yes,optional", TLS_CLIENTS_YES, &c.tls_auth_clients)
    # Of a later Redis than the one whose parameters CONFIG GET shows.
    _flag(_choice(b"tls-auth-clients-user", b"off,CN", TLS_USER_OFF, &c.tls_auth_clients_user), PARAMETER_HIDDEN)
    _touches(_yes_no(b"tls-prefer-server-ciphers", False, &c.tls_prefer_server_ciphers), CHANGED_TLS)
    _touches(_yes_no(b"tls-session-caching", True, &c.tls_session_caching), CHANGED_TLS)
    _touches(_integer(b"tls-session-cache-size", 0, INT_MAX, 20 * 1024, &c.tls_session_cache_size), CHANGED_TLS)
    _touches(_integer(b"tls-session-cache-timeout", 0, INT_MAX, 300, &c.tls_session_cache_timeout_s), CHANGED_TLS)
    _flag(_integer(b"tls-handshake-timeout", 0, INT_MAX, 30, &c.tls_handshake_timeout_s), PARAMETER_HIDDEN)
    # OpenSSL chooses the group itself, as strong as the certificate. The others are of connections that a server makes, and there are none.
    _because(_flag(_text(b"tls-dh-params-file", b""), PARAMETER_NULLABLE), b"OpenSSL chooses the group itself, as strong as the certificate")
    _because(_flag(_text(b"tls-client-cert-file", b""), PARAMETER_NULLABLE), b"a server makes no connections")
    _because(_flag(_text(b"tls-client-key-file", b""), PARAMETER_NULLABLE), b"a server makes no connections")
    _because(_flag(_text(b"tls-client-key-file-pass", b""), PARAMETER_NULLABLE | PARAMETER_SENSITIVE), b"a server makes no connections")
    _only(_yes_no(b"tls-replication", False), b"there are no replicas")
    _only(_yes_no(b"tls-cluster", False), b"there is no cluster")


cdef void _fill_memory() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _touches(_flag(_memory(b"maxmemory", 0, 0, &c.maxmemory), PARAMETER_UNSIGNED), CHANGED_MEMORY | CHANGED_CLIENT_MEMORY)
    _touches(_choice(b"maxmemory-policy",
                     b"volatile-lru,volatile-lfu,volatile-random,volatile-ttl,allkeys-lru,allkeys-lfu,allkeys-random,"
                     b"noeviction", POLICY_NOEVICTION, &c.maxmemory_policy), CHANGED_KEYSPACE)
    _integer(b"maxmemory-samples", 1, 64, 5, &c.maxmemory_samples)
    _because(_integer(b"maxmemory-eviction-tenacity", 0, 100, 10, &c.maxmemory_eviction_tenacity),
             b"keys are evicted until it fits, and large values are freed off the command's way")
    parameter = _touches(_memory(b"maxmemory-clients", 0, 0, &c.maxmemory_clients), CHANGED_CLIENT_MEMORY)
    parameter.kind = KIND_MEMORY_OR_PERCENT
    _touches(_integer(b"lfu-log-factor", 0, INT_MAX, 10, &c.lfu_log_factor), CHANGED_KEYSPACE)
    _touches(_integer(b"lfu-decay-time", 0, INT_MAX, 1, &c.lfu_decay_time), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-eviction", False, &c.lazyfree_lazy_eviction), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-expire", False, &c.lazyfree_lazy_expire), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-server-del", False, &c.lazyfree_lazy_server_del), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-user-del", False, &c.lazyfree_lazy_user_del), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-user-flush", False, &c.lazyfree_lazy_user_flush), CHANGED_KEYSPACE)
    _because(_touches(_yes_no(b"activerehashing", True, &c.activerehashing), CHANGED_CRON),
             b"tables that grow are always moved on by housekeeping, too")
    _because(_touches(_integer(b"active-expire-effort", 1, 10, 1, &c.active_expire_effort), CHANGED_CRON),
             b"deadlines are in a timing wheel: what is due goes when it is due, and nothing has to be searched")
    # Nothing needs defragmenting by hand here: what Redis built without jemalloc does is right for us.
    _only(_yes_no(b"activedefrag", False), b"the heap's slabs need none")
    _idle(b"there is no defragmentation, and the heap's slabs need none")
    _integer(b"active-defrag-cycle-max", 1, 99, 25)
    _integer(b"active-defrag-cycle-min", 1, 99, 1)
    _flag(_memory(b"active-defrag-ignore-bytes", 1, 100 * 1024 * 1024), PARAMETER_UNSIGNED)
    _integer(b"active-defrag-max-scan-fields", 1, LONG_MAX, 1000)
    _integer(b"active-defrag-threshold-lower", 0, 1000, 10)
    _integer(b"active-defrag-threshold-upper", 0, 1000, 100)
    _because(_yes_no(b"jemalloc-bg-thread", True), b"the heap is Hutch's own")
    _because(_flag(_yes_no(b"disable-thp", True), PARAMETER_IMMUTABLE), b"the process is its host's")
    _idle(NULL)
    # Only in a process of a server's own: another one's standing with the kernel is its host's.
    _touches(_choice(b"oom-score-adj", b"no,yes,relative,absolute", 0, &c.oom_score_adj), CHANGED_OOM)
    _touches(_flag(_add(b"oom-score-adj-values", KIND_OOM_VALUES, c.oom_score_adj_values), PARAMETER_MULTI), CHANGED_OOM)


cdef void _fill_types() noexcept nogil:
    cdef Config* c = &_layout
    _also(_flag(_integer(b"hash-max-listpack-entries", 0, LONG_MAX, 512, &c.hash_max_listpack_entries), PARAMETER_UNSIGNED),
          b"hash-max-ziplist-entries")
    _also(_flag(_memory(b"hash-max-listpack-value", 0, 64, &c.hash_max_listpack_value), PARAMETER_UNSIGNED),
          b"hash-max-ziplist-value")
    _also(_integer(b"list-max-listpack-size", INT_MIN, INT_MAX, -2, &c.list_max_listpack_size), b"list-max-ziplist-size")
    _only(_integer(b"list-compress-depth", 0, INT_MAX, 0, &c.list_compress_depth), b"nodes of lists are not compressed")
    _flag(_integer(b"set-max-intset-entries", 0, LONG_MAX, 512, &c.set_max_intset_entries), PARAMETER_UNSIGNED)
    _flag(_integer(b"set-max-listpack-entries", 0, LONG_MAX, 128, &c.set_max_listpack_entries), PARAMETER_UNSIGNED)
    _flag(_integer(b"set-max-listpack-value", 0, LONG_MAX, 64, &c.set_max_listpack_value), PARAMETER_UNSIGNED)
    _also(_flag(_integer(b"zset-max-listpack-entries", 0, LONG_MAX, 128, &c.zset_max_listpack_entries), PARAMETER_UNSIGNED),
          b"zset-max-ziplist-entries")
    _also(_flag(_memory(b"zset-max-listpack-value", 0, 64, &c.zset_max_listpack_value), PARAMETER_UNSIGNED),
          b"zset-max-ziplist-value")
    _flag(_memory(b"hll-sparse-max-bytes", 0, 3000, &c.hll_sparse_max_bytes), PARAMETER_UNSIGNED)
    _flag(_memory(b"stream-node-max-bytes", 0, 4096, &c.stream_node_max_bytes), PARAMETER_UNSIGNED)
    _integer(b"stream-node-max-entries", 0, LONG_MAX, 100, &c.stream_node_max_entries)
    _because(_yes_no(b"vset-force-single-threaded-execution", False), b"there are no vector sets")


cdef void _fill_process() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _flag(_integer(b"databases", 1, INT_MAX, 16, &c.databases), PARAMETER_IMMUTABLE)
    parameter = _touches(_add(b"notify-keyspace-events", KIND_EVENTS, &c.notify_keyspace_events), CHANGED_EVENTS)
    _touches(_integer(b"hz", 0, INT_MAX, 10, &c.hz), CHANGED_CRON)
    _because(_yes_no(b"dynamic-hz", True), b"housekeeping sleeps until the next deadline")
    _flag(_integer(b"tracking-table-max-keys", 0, LONG_MAX, 1000000, &c.tracking_table_max_keys), PARAMETER_UNSIGNED)
    _also(_integer(b"busy-reply-threshold", 0, LONG_MAX, 5000, &c.busy_reply_threshold_ms), b"lua-time-limit")
    _flag(_yes_no(b"daemonize", False, &c.daemonize), PARAMETER_IMMUTABLE)
    _flag(_choice(b"supervised", b"upstart,systemd,auto,no", 3), PARAMETER_IMMUTABLE)
    _flag(_text(b"pidfile", b"", &c.pidfile), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE)
    _flag(_text(b"logfile", b"", &c.logfile), PARAMETER_IMMUTABLE)
    _choice(b"loglevel", b"debug,verbose,notice,warning,nothing", LOG_NOTICE, &c.loglevel)
    _flag(_yes_no(b"syslog-enabled", False, &c.syslog_enabled), PARAMETER_IMMUTABLE)
    _flag(_text(b"syslog-ident", b"redis", &c.syslog_ident), PARAMETER_IMMUTABLE)
    _flag(_choice(b"syslog-facility", b"user,local0,local1,local2,local3,local4,local5,local6,local7", 1, &c.syslog_facility),
          PARAMETER_IMMUTABLE)
    parameter = _touches(_flag(_text(b"dir", b"", &c.dir), PARAMETER_PROTECTED), CHANGED_DIR)
    parameter.kind = KIND_DIRECTORY
    parameter = _flag(_text(b"dbfilename", b"dump.rdb", &c.dbfilename), PARAMETER_PROTECTED)
    parameter.kind = KIND_FILE_NAME
    _flag(_yes_no(b"always-show-logo", False, &c.always_show_logo), PARAMETER_IMMUTABLE)
    # The server program's. A library does not rename its host's process.
    _flag(_yes_no(b"set-proc-title", True, &c.set_proc_title), PARAMETER_IMMUTABLE)
    parameter = _touches(_text(b"proc-title-template", b"{title} {listen-addr} {server-mode}", &c.proc_title_template),
                         CHANGED_TITLE)
    parameter.kind = KIND_TITLE
    parameter = _because(_text(b"locale-collate", b""), b"only the locales C and POSIX: the process is its host's")
    parameter.kind = KIND_LOCALE
    parameter = _flag(_choice(b"shutdown-on-sigint", b"default,save,nosave,now,force", 0, &c.shutdown_on_sigint), PARAMETER_MULTI)
    parameter.kind = KIND_CHOICES
    parameter = _flag(_choice(b"shutdown-on-sigterm", b"default,save,nosave,now,force", 0, &c.shutdown_on_sigterm), PARAMETER_MULTI)
    parameter.kind = KIND_CHOICES
    _because(_integer(b"shutdown-timeout", 0, INT_MAX, 10, &c.shutdown_timeout_s), b"there are no replicas to wait for")
    _touches(_yes_no(b"crash-log-enabled", True, &c.crash_log_enabled), CHANGED_CRASH_LOG)
    _because(_yes_no(b"crash-memcheck-enabled", True), b"memory is not tested after a crash")
    _yes_no(b"hide-user-data-from-log", False, &c.hide_user_data)
    _because(_text(b"ignore-warnings", b""), b"there is no such warning")
    # Redis's own tests give these to every server. We never panic, and nothing is loaded slowly on purpose.
    _because(_flag(_yes_no(b"use-exit-on-panic", False), PARAMETER_HIDDEN), b"there are no panics")
    _because(_flag(_integer(b"key-load-delay", INT_MIN, INT_MAX, 0), PARAMETER_HIDDEN), b"nothing is loaded slowly on purpose")
    _flag(_integer(b"rdb-key-save-delay", INT_MIN, INT_MAX, 0, &c.rdb_key_save_delay_us), PARAMETER_HIDDEN)
    _only(_flag(_yes_no(b"lua-enable-deprecated-api", False), PARAMETER_HIDDEN | PARAMETER_IMMUTABLE),
          b"scripts have no getfenv, setfenv and newproxy")
    _only(_flag(_integer(b"watchdog-period", 0, INT_MAX, 0), PARAMETER_HIDDEN), b"there is no watchdog")
    _idle(b"threads run where the system puts them")
    _also(_flag(_text(b"server-cpulist", b""), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE), b"server_cpulist")
    _also(_flag(_text(b"bio-cpulist", b""), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE), b"bio_cpulist")
    _also(_flag(_text(b"aof-rewrite-cpulist", b""), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE), b"aof_rewrite_cpulist")
    _also(_flag(_text(b"bgsave-cpulist", b""), PARAMETER_IMMUTABLE | PARAMETER_NULLABLE), b"bgsave_cpulist")
    _idle(NULL)
    _touches(_integer(b"slowlog-log-slower-than", -1, LONG_MAX, 10000, &c.slowlog_log_slower_than_us), CHANGED_SLOW)
    _integer(b"slowlog-max-len", 0, LONG_MAX, 128, &c.slowlog_max_len)
    _touches(_integer(b"latency-monitor-threshold", 0, LONG_MAX, 0, &c.latency_monitor_threshold_ms), CHANGED_SLOW)
    _yes_no(b"latency-tracking", True, &c.latency_tracking)
    parameter = _flag(_text(b"latency-tracking-info-percentiles", b"50 99 99.9"), PARAMETER_MULTI)
    parameter.kind = KIND_PERCENTILES
    _because(_choice(b"propagation-error-behavior", b"ignore,panic,panic-on-replicas", 0), b"there are no panics")
    _because(_choice(b"sanitize-dump-payload", b"no,yes,clients", 0), b"payloads and files are always checked to the last byte")


cdef void _fill_persistence() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    parameter = _touches(_flag(_text(b"save", b"", &c.save), PARAMETER_MULTI), CHANGED_SAVING)
    parameter.kind = KIND_SAVE
    _touches(_yes_no(b"appendonly", False, &c.appendonly), CHANGED_LOG)
    parameter = _flag(_text(b"appendfilename", b"appendonly.aof", &c.appendfilename), PARAMETER_IMMUTABLE)
    parameter.kind = KIND_FILE_NAME
    parameter = _flag(_text(b"appenddirname", b"appendonlydir", &c.appenddirname), PARAMETER_IMMUTABLE)
    parameter.kind = KIND_FILE_NAME
    _touches(_choice(b"appendfsync", b"everysec,always,no", 0, &c.appendfsync), CHANGED_SYNC)
    _yes_no(b"no-appendfsync-on-rewrite", False, &c.no_appendfsync_on_rewrite)
    _integer(b"auto-aof-rewrite-percentage", 0, INT_MAX, 100, &c.auto_aof_rewrite_percentage)
    _memory(b"auto-aof-rewrite-min-size", 0, 64 * 1024 * 1024, &c.auto_aof_rewrite_min_size)
    _yes_no(b"aof-load-truncated", True, &c.aof_load_truncated)
    _because(_flag(_memory(b"aof-load-corrupt-tail-max-size", 0, 0, &c.aof_load_corrupt_tail_max_size), PARAMETER_HIDDEN),
             b"a torn tail is cut off, whatever its size, and what else is wrong is refused")
    _yes_no(b"aof-use-rdb-preamble", True, &c.aof_use_rdb_preamble)
    _yes_no(b"aof-timestamp-enabled", False, &c.aof_timestamp_enabled)
    _yes_no(b"aof-rewrite-incremental-fsync", True, &c.aof_rewrite_incremental_fsync)
    _yes_no(b"rdbcompression", True, &c.rdbcompression)
    _flag(_yes_no(b"rdbchecksum", True, &c.rdbchecksum), PARAMETER_IMMUTABLE)
    _because(_yes_no(b"rdb-del-sync-files", False, &c.rdb_del_sync_files), b"there are no replicas to make files for")
    _yes_no(b"rdb-save-incremental-fsync", True, &c.rdb_save_incremental_fsync)
    _flag(_yes_no(b"rdb-skip-unknown-types", False, &c.rdb_skip_unknown_types), PARAMETER_HIDDEN)
    _yes_no(b"stop-writes-on-bgsave-error", True, &c.stop_writes_on_bgsave_error)
    _because(_flag(_yes_no(b"aof-disable-auto-gc", False), PARAMETER_HIDDEN), b"files of the log that are done with always go")
    _because(_flag(_integer(b"loading-process-events-interval-bytes", 1024, INT_MAX, 512 * 1024), PARAMETER_HIDDEN),
             b"others are served every few records")


cdef void _fill_replication() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _idle(b"Hutch follows no master and has no replicas")
    parameter = _also(_only(_flag(_text(b"replicaof", b""), PARAMETER_IMMUTABLE | PARAMETER_MULTI | PARAMETER_NULLABLE),
                            b"it follows no master"), b"slaveof")
    parameter.kind = KIND_MASTER
    _flag(_text(b"masterauth", b""), PARAMETER_SENSITIVE | PARAMETER_NULLABLE)
    _flag(_text(b"masteruser", b""), PARAMETER_SENSITIVE | PARAMETER_NULLABLE)
    _flag(_yes_no(b"repl-rdb-channel", True), PARAMETER_HIDDEN)
    _also(_yes_no(b"replica-serve-stale-data", True), b"slave-serve-stale-data")
    _also(_yes_no(b"replica-read-only", True), b"slave-read-only")
    _also(_yes_no(b"replica-lazy-flush", False), b"slave-lazy-flush")
    _also(_yes_no(b"replica-ignore-maxmemory", True), b"slave-ignore-maxmemory")
    _yes_no(b"replica-ignore-disk-write-errors", False)
    _yes_no(b"replica-announced", True)
    _also(_flag(_text(b"replica-announce-ip", b""), PARAMETER_NULLABLE), b"slave-announce-ip")
    _also(_integer(b"replica-announce-port", 0, 65535, 0), b"slave-announce-port")
    _also(_integer(b"replica-priority", 0, INT_MAX, 100), b"slave-priority")
    _memory(b"replica-full-sync-buffer-limit", 0, 0)
    _also(_because(_touches(_integer(b"min-replicas-to-write", 0, INT_MAX, 0, &c.min_replicas_to_write), CHANGED_REPLICAS), NULL),
          b"min-slaves-to-write")
    _also(_because(_touches(_integer(b"min-replicas-max-lag", 0, INT_MAX, 10, &c.min_replicas_max_lag_s), CHANGED_REPLICAS), NULL),
          b"min-slaves-max-lag")
    _also(_integer(b"repl-ping-replica-period", 1, INT_MAX, 10), b"repl-ping-slave-period")
    _integer(b"repl-timeout", 1, INT_MAX, 60)
    _memory(b"repl-backlog-size", 1, 1024 * 1024, &c.repl_backlog_bytes)
    _integer(b"repl-backlog-ttl", 0, LONG_MAX, 3600)
    _yes_no(b"repl-disable-tcp-nodelay", False)
    _yes_no(b"repl-diskless-sync", True)
    _integer(b"repl-diskless-sync-delay", 0, INT_MAX, 5)
    _integer(b"repl-diskless-sync-max-replicas", 0, INT_MAX, 0)
    _choice(b"repl-diskless-load", b"disabled,on-empty-db,swapdb", 0)
    _idle(b"there is no cluster")
    _only(_flag(_yes_no(b"cluster-enabled", False), PARAMETER_IMMUTABLE), b"there is no cluster")
    _flag(_text(b"cluster-config-file", b"nodes.conf"), PARAMETER_IMMUTABLE)
    _flag(_integer(b"cluster-port", 0, 65535, 0), PARAMETER_IMMUTABLE)
    _flag(_text(b"cluster-announce-ip", b""), PARAMETER_NULLABLE)
    parameter = _flag(_text(b"cluster-announce-hostname", b""), PARAMETER_NULLABLE)
    parameter.kind = KIND_HOST_NAME
    parameter = _flag(_text(b"cluster-announce-human-nodename", b""), PARAMETER_NULLABLE)
    parameter.kind = KIND_NODE_NAME
    _flag(_integer(b"cluster-ping-interval", 0, LONG_MAX, 0), PARAMETER_HIDDEN)
    _integer(b"cluster-announce-port", 0, 65535, 0)
    _integer(b"cluster-announce-bus-port", 0, 65535, 0)
    _integer(b"cluster-announce-tls-port", 0, 65535, 0)
    _integer(b"cluster-node-timeout", 0, LONG_MAX, 15000)
    _integer(b"cluster-migration-barrier", 0, INT_MAX, 1)
    _also(_integer(b"cluster-replica-validity-factor", 0, INT_MAX, 10), b"cluster-slave-validity-factor")
    _also(_yes_no(b"cluster-replica-no-failover", False), b"cluster-slave-no-failover")
    _yes_no(b"cluster-require-full-coverage", True)
    _yes_no(b"cluster-allow-reads-when-down", False)
    _yes_no(b"cluster-allow-pubsubshard-when-down", True)
    _yes_no(b"cluster-allow-replica-migration", True)
    _yes_no(b"cluster-slot-stats-enabled", False)
    _integer(b"cluster-compatibility-sample-ratio", 0, 100, 0)
    _flag(_memory(b"cluster-link-sendbuf-limit", 0, 0), PARAMETER_UNSIGNED)
    _choice(b"cluster-preferred-endpoint-type", b"ip,hostname,unknown-endpoint", 0)
    _idle(NULL)


cdef uint32_t config_count() noexcept nogil:
    return _count


cdef const Parameter* config_parameter(uint32_t index) noexcept nogil:
    return &_table[index]


cdef const Parameter* config_find(Slice name) noexcept nogil:
    cdef uint32_t i
    for i in range(_count):
        if slice_is(name, _table[i].name) or (_table[i].alias != NULL and slice_is(name, _table[i].alias)):
            return &_table[i]
    return NULL


cdef bint config_is_idle(const Parameter* parameter) noexcept nogil:
    return parameter.why != NULL and not parameter.flags & PARAMETER_DEFAULT_ONLY


_fill_network()
_fill_tls()
_fill_memory()
_fill_types()
_fill_process()
_fill_persistence()
_fill_replication()
if _count >= PARAMETERS_MAX - 1 or _spare_numbers >= CONFIG_SPARE_NUMBERS or _spare_texts >= CONFIG_SPARE_TEXTS:
    raise SystemError("the table of parameters is too small")
