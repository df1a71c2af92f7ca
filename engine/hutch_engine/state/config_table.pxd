"""The rows of the table of parameters: names, kinds, ranges, presets, and where in a Config each value lies.

Filled when this module is imported; constant from then on.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command_names cimport CommandNames

cdef enum:                       # maxmemory-policy
    POLICY_VOLATILE_LRU = 0
    POLICY_VOLATILE_LFU = 1
    POLICY_VOLATILE_RANDOM = 2
    POLICY_VOLATILE_TTL = 3
    POLICY_ALLKEYS_LRU = 4
    POLICY_ALLKEYS_LFU = 5
    POLICY_ALLKEYS_RANDOM = 6
    POLICY_NOEVICTION = 7

cdef enum:                       # loglevel
    LOG_DEBUG = 0
    LOG_VERBOSE = 1
    LOG_NOTICE = 2
    LOG_WARNING = 3
    LOG_NOTHING = 4

cdef enum:                       # enable-debug-command, enable-protected-configs
    ENABLE_NO = 0
    ENABLE_YES = 1
    ENABLE_LOCAL = 2             # connections from this machine

cdef enum:                       # tls-auth-clients
    TLS_CLIENTS_NO = 0           # nobody is asked for a certificate
    TLS_CLIENTS_YES = 1          # nobody gets in without a good one
    TLS_CLIENTS_OPTIONAL = 2     # who has one must have a good one

cdef enum:                       # tls-auth-clients-user
    TLS_USER_OFF = 0
    TLS_USER_COMMON_NAME = 1     # a client is the user that its certificate's common name says

cdef enum:                       # shutdown-on-sigint, shutdown-on-sigterm: 0, or bits
    ON_SIGNAL_SAVE = 1
    ON_SIGNAL_NOSAVE = 2
    ON_SIGNAL_NOW = 4
    ON_SIGNAL_FORCE = 8

cdef enum:                       # what a change touches
    CHANGED_LISTENER = 1 << 0    # port, bind: the listener's own sockets
    CHANGED_CLIENTS = 1 << 1     # maxclients
    CHANGED_MEMORY = 1 << 2      # maxmemory and how it is kept
    CHANGED_KEYSPACE = 1 << 3    # LFU, lazy freeing, resizing: copied into the Keyspace
    CHANGED_EVENTS = 1 << 4      # notify-keyspace-events
    CHANGED_PASSWORD = 1 << 5    # requirepass
    CHANGED_DIR = 1 << 6
    CHANGED_CRON = 1 << 7        # hz and whatever housekeeping goes by
    CHANGED_OTHER = 1 << 8
    CHANGED_CLIENT_MEMORY = 1 << 9   # maxmemory-clients
    CHANGED_LOG = 1 << 10        # appendonly
    CHANGED_SYNC = 1 << 11       # appendfsync
    CHANGED_SAVING = 1 << 12     # save
    CHANGED_TITLE = 1 << 13      # what the system calls the process of a server
    CHANGED_REPLICAS = 1 << 14   # min-replicas-*
    CHANGED_NAMES = 1 << 15      # rename-command
    CHANGED_TLS = 1 << 16        # what a TLS context is made of
    CHANGED_SLOW = 1 << 17       # slowlog-log-slower-than, latency-monitor-threshold
    CHANGED_CRASH_LOG = 1 << 18  # crash-log-enabled
    CHANGED_USERS = 1 << 19      # lines of users
    CHANGED_OOM = 1 << 20        # oom-score-adj, oom-score-adj-values

cdef enum:                       # Parameter.flags
    PARAMETER_IMMUTABLE = 1      # only before the start
    PARAMETER_SENSITIVE = 2      # not to be logged
    PARAMETER_MULTI = 4          # several words on a line of a redis.conf
    PARAMETER_PROTECTED = 8      # CONFIG SET needs enable-protected-configs
    PARAMETER_UNSIGNED = 16      # Redis keeps it in an unsigned type: other wording of its range error
    PARAMETER_DEFAULT_ONLY = 32  # stands for something Hutch does not do
    PARAMETER_HIDDEN = 128       # CONFIG GET shows it only to who asks for it by its name
    PARAMETER_NULLABLE = 256     # an empty text means none: CONFIG REWRITE removes its line

cdef enum:                       # config_set flags
    CONFIG_AT_START = 1          # immutable parameters may be set too
    CONFIG_PROTECTED_OK = 2
    CONFIG_ROLLBACK = 4          # the value was in force before: no refusals
    CONFIG_FROM_FILE = 8         # a line of a redis.conf: `save` adds to the lines before it

cdef struct OutputLimit:         # one class of client-output-buffer-limit
    uint64_t hard_bytes
    uint64_t soft_bytes
    int64_t soft_seconds

cdef struct Parameter:
    const char* name             # constant, as are the next two
    const char* alias            # an older name for the same value, or NULL
    const char* choices          # enumerations: "no,yes,local"
    uint32_t kind
    uint32_t flags
    size_t offset                # of the value in Config: int64_t, or Buffer for texts
    int64_t low
    int64_t high
    int64_t preset               # the default of numbers ...
    const char* preset_text      # ... and of texts
    uint64_t changed             # CHANGED_ bits
    const char* why              # why it has only its default, or no effect; constant, NULL where it works

cdef enum:
    CONFIG_SPARE_NUMBERS = 120
    CONFIG_SPARE_TEXTS = 32

cdef struct Config:
    # network
    int64_t port
    int64_t tcp_backlog
    int64_t timeout_s
    int64_t tcp_keepalive_s
    int64_t maxclients
    int64_t protected_mode
    int64_t unixsocketperm       # 0: as the umask says
    int64_t max_new_connections  # per turn of the event loop
    Buffer bind                  # addresses, space between; "-" in front: may be missing; "*" and "::*": all
    Buffer unixsocket
    # TLS
    int64_t tls_port
    int64_t max_new_tls_connections      # per turn of the event loop: new ones, and steps of handshakes
    int64_t tls_auth_clients             # TLS_CLIENTS_
    int64_t tls_auth_clients_user        # TLS_USER_
    int64_t tls_prefer_server_ciphers
    int64_t tls_session_caching
    int64_t tls_session_cache_size
    int64_t tls_session_cache_timeout_s
    int64_t tls_handshake_timeout_s      # ours: a client that has not finished its handshake by then is closed; 0: without end
    Buffer tls_cert_file
    Buffer tls_key_file
    Buffer tls_key_file_pass
    Buffer tls_ca_cert_file
    Buffer tls_ca_cert_dir
    Buffer tls_protocols
    Buffer tls_ciphers
    Buffer tls_ciphersuites
    # protocol
    int64_t proto_max_bulk_len
    int64_t client_query_buffer_limit
    OutputLimit[3] output_limits # normal, replica, pubsub
    # security
    Buffer requirepass
    Buffer aclfile               # where users are kept; empty: in the configuration itself
    Buffer users                 # the `user` lines of the configuration, each with a line's end
    int64_t acl_channels_denied  # acl-pubsub-default: 0 for a new user who may use all channels
    int64_t enable_debug_command # ENABLE_
    int64_t enable_module_command
    int64_t enable_protected_configs
    # memory
    int64_t maxmemory
    int64_t maxmemory_policy     # POLICY_
    int64_t maxmemory_samples
    int64_t maxmemory_clients    # bytes; negative: percent of maxmemory
    int64_t maxmemory_eviction_tenacity
    int64_t lfu_log_factor
    int64_t lfu_decay_time
    int64_t lazyfree_lazy_eviction
    int64_t lazyfree_lazy_expire
    int64_t lazyfree_lazy_server_del
    int64_t lazyfree_lazy_user_del
    int64_t lazyfree_lazy_user_flush
    int64_t rdbcompression
    # the append-only file
    int64_t appendonly
    Buffer appendfilename
    Buffer appenddirname
    int64_t appendfsync          # SYNC_ of persistence/append_log
    int64_t no_appendfsync_on_rewrite
    int64_t auto_aof_rewrite_percentage
    int64_t auto_aof_rewrite_min_size
    int64_t aof_load_truncated
    int64_t aof_load_corrupt_tail_max_size
    int64_t aof_use_rdb_preamble
    int64_t aof_timestamp_enabled
    int64_t aof_rewrite_incremental_fsync
    int64_t rdbchecksum
    int64_t rdb_key_save_delay_us        # for tests: how long a save in the background waits after each key
    int64_t rdb_del_sync_files
    int64_t rdb_save_incremental_fsync
    int64_t rdb_skip_unknown_types       # ours: values of types that Hutch does not have are left out, and the log says so
    int64_t stop_writes_on_bgsave_error
    Buffer save                  # "seconds changes ...": when a save in the background is due
    int64_t activerehashing
    int64_t active_expire_effort
    # thresholds of encodings
    int64_t hash_max_listpack_entries
    int64_t hash_max_listpack_value
    int64_t list_max_listpack_size       # negative: -1 .. -5 stand for 4, 8, 16, 32, 64 KiB
    int64_t list_compress_depth
    int64_t set_max_intset_entries
    int64_t set_max_listpack_entries
    int64_t set_max_listpack_value
    int64_t zset_max_listpack_entries
    int64_t zset_max_listpack_value
    int64_t hll_sparse_max_bytes
    int64_t stream_node_max_bytes
    int64_t stream_node_max_entries
    # keys
    int64_t databases
    int64_t notify_keyspace_events       # EVENT_ bits of keyspace/keyspace.pxd
    int64_t hz
    int64_t tracking_table_max_keys
    int64_t busy_reply_threshold_ms
    int64_t repl_backlog_bytes
    int64_t min_replicas_to_write
    int64_t min_replicas_max_lag_s
    # process
    int64_t daemonize
    Buffer pidfile
    Buffer logfile
    int64_t loglevel             # LOG_
    int64_t syslog_enabled
    Buffer syslog_ident
    int64_t syslog_facility      # 0: user, n: local(n - 1)
    int64_t crash_log_enabled
    int64_t hide_user_data
    Buffer dir                   # empty: the working directory
    Buffer dbfilename
    int64_t always_show_logo
    int64_t set_proc_title
    Buffer proc_title_template
    int64_t shutdown_on_sigint   # ON_SIGNAL_
    int64_t shutdown_on_sigterm
    int64_t shutdown_timeout_s
    # diagnosis
    int64_t slowlog_log_slower_than_us   # -1: nothing
    int64_t slowlog_max_len
    int64_t latency_monitor_threshold_ms
    int64_t latency_tracking
    int64_t acllog_max_len
    int64_t oom_score_adj        # control/oom_score's OOM_ values
    int64_t[3] oom_score_adj_values
    # what nobody reads yet, only CONFIG GET and SET
    int64_t[CONFIG_SPARE_NUMBERS] spare_numbers
    Buffer[CONFIG_SPARE_TEXTS] spare_texts
    Buffer config_file           # absolute path of the file that was loaded, or empty
    CommandNames names           # rename-command

cdef enum:                       # Parameter.kind
    KIND_YES_NO = 0
    KIND_INTEGER = 1
    KIND_MEMORY = 2
    KIND_MEMORY_OR_PERCENT = 3
    KIND_OCTAL = 4
    KIND_CHOICE = 5
    KIND_CHOICES = 6             # several at once: bit i - 1 for choice i, 0 for the first
    KIND_TEXT = 7                # from here on the value is a Buffer ...
    KIND_ADDRESSES = 8
    KIND_DIRECTORY = 9
    KIND_FILE_NAME = 10
    KIND_PERCENTILES = 11
    KIND_HOST_NAME = 12
    KIND_TITLE = 13
    KIND_SAVE = 14
    KIND_LOCALE = 15
    KIND_NODE_NAME = 16
    KIND_MASTER = 17
    KIND_OUTPUT_LIMITS = 18      # ... and these have structures of their own
    KIND_EVENTS = 19
    KIND_OOM_VALUES = 20

cdef uint32_t config_count() noexcept nogil
"""How many parameters there are."""
cdef const Parameter* config_parameter(uint32_t index) noexcept nogil
"""The row at this index, below config_count(); borrowed, and constant."""
cdef const Parameter* config_find(Slice name) noexcept nogil
"""By name or alias, any case; NULL when there is none. O(parameters)."""
cdef bint config_is_idle(const Parameter* parameter) noexcept nogil
"""Is its value kept, shown and rewritten, and looked at by nobody?"""
