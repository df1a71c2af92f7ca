"""See config.pxd."""
from libc.string cimport memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init


cdef void config_init(Config* config) noexcept nogil:
    memset(config, 0, sizeof(Config))
    config.port = 6379
    config.tcp_backlog = 511
    config.tcp_keepalive_s = 300
    config.maxclients = 10000
    config.protected_mode = 1
    config.proto_max_bulk_len = 536870912
    config.client_query_buffer_limit = 1073741824
    config.maxmemory_policy = POLICY_NOEVICTION
    config.maxmemory_samples = 5
    config.lfu_log_factor = 10
    config.lfu_decay_time = 1
    config.activerehashing = 1
    config.databases = 16
    config.hz = 10
    buffer_init(&config.bind, NULL)
    buffer_append(&config.bind, b"127.0.0.1", 9)
    buffer_init(&config.unixsocket, NULL)
    buffer_init(&config.requirepass, NULL)
    buffer_init(&config.pidfile, NULL)
    buffer_init(&config.logfile, NULL)
    buffer_init(&config.loglevel, NULL)
    buffer_init(&config.dir, NULL)


cdef void config_clear(Config* config) noexcept nogil:
    buffer_clear(&config.bind)
    buffer_clear(&config.unixsocket)
    buffer_clear(&config.requirepass)
    buffer_clear(&config.pidfile)
    buffer_clear(&config.logfile)
    buffer_clear(&config.loglevel)
    buffer_clear(&config.dir)
