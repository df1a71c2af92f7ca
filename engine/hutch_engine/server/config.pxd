"""The typed table of parameters: what CONFIG GET and SET, a redis.conf and the command line know."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum:                       # maxmemory-policy
    POLICY_VOLATILE_LRU = 0
    POLICY_VOLATILE_LFU = 1
    POLICY_VOLATILE_RANDOM = 2
    POLICY_VOLATILE_TTL = 3
    POLICY_ALLKEYS_LRU = 4
    POLICY_ALLKEYS_LFU = 5
    POLICY_ALLKEYS_RANDOM = 6
    POLICY_NOEVICTION = 7

cdef struct OutputLimit:         # one class of client-output-buffer-limit
    int64_t hard_bytes
    int64_t soft_bytes
    int64_t soft_seconds

cdef struct Config:
    # network
    int64_t port
    int64_t tcp_backlog
    int64_t timeout_s
    int64_t tcp_keepalive_s
    int64_t maxclients
    int64_t protected_mode
    int64_t unixsocketperm
    Buffer bind
    Buffer unixsocket
    # protocol
    int64_t proto_max_bulk_len
    int64_t client_query_buffer_limit
    OutputLimit[3] output_limits # normal, replica, pubsub
    # security
    Buffer requirepass
    int64_t enable_debug_command # 0 no, 1 yes, 2 local
    # memory
    int64_t maxmemory
    int64_t maxmemory_policy
    int64_t maxmemory_samples
    int64_t lfu_log_factor
    int64_t lfu_decay_time
    int64_t lazyfree_lazy_eviction
    int64_t lazyfree_lazy_expire
    int64_t lazyfree_lazy_server_del
    int64_t lazyfree_lazy_user_del
    int64_t lazyfree_lazy_user_flush
    int64_t activerehashing
    # keys
    int64_t databases
    int64_t notify_keyspace_events
    int64_t hz
    # process
    int64_t daemonize
    Buffer pidfile
    Buffer logfile
    Buffer loglevel
    Buffer dir
    int64_t slowlog_log_slower_than
    int64_t slowlog_max_len

cdef void config_init(Config* config) noexcept nogil
cdef void config_clear(Config* config) noexcept nogil
