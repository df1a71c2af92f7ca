"""client-output-buffer-limit: when a client that does not take what it is sent is cut off."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.state.config cimport Config, OutputLimit
from hutch_engine.state.engine cimport SESSION_EMBEDDED, SESSION_REPLICA, SESSION_SUBSCRIBED

cdef enum:
    OUTPUT_NOT_COUNTED_BYTES = 16384     # the limits are on what exceeds Redis's fixed reply buffer
    OUTPUT_NORMAL = 0                    # classes of clients, the index of Config.output_limits
    OUTPUT_REPLICA = 1
    OUTPUT_PUBSUB = 2

cdef inline const OutputLimit* output_limit_of(const Config* config, uint32_t session_flags) noexcept nogil:
    """The limit for a client of these flags; borrowed from the config. An embedded session's inbox has nothing but messages in
    it, so that it counts as a subscriber."""
    if session_flags & SESSION_REPLICA:
        return &config.output_limits[OUTPUT_REPLICA]
    return &config.output_limits[OUTPUT_PUBSUB if session_flags & (SESSION_SUBSCRIBED | SESSION_EMBEDDED) else OUTPUT_NORMAL]

cdef inline bint output_limit_is_over_hard(const OutputLimit* limit, uint64_t waiting_bytes) noexcept nogil:
    """Do so many unsent bytes exceed the hard limit? Never without one."""
    return limit.hard_bytes != 0 and waiting_bytes > limit.hard_bytes + OUTPUT_NOT_COUNTED_BYTES

cdef inline bint output_limit_is_over(const OutputLimit* limit, uint64_t waiting_bytes, int64_t now_us, int64_t* soft_since_us) noexcept nogil:
    """Are so many unsent bytes beyond the hard limit, or have they been beyond the soft one for too long? *soft_since_us, the
    caller's, remembers since when they are, 0: they are not; now_us is monotonic and not 0."""
    if output_limit_is_over_hard(limit, waiting_bytes):
        return True
    if limit.soft_bytes == 0 or waiting_bytes <= limit.soft_bytes + OUTPUT_NOT_COUNTED_BYTES:
        soft_since_us[0] = 0
        return False
    if soft_since_us[0] == 0:
        soft_since_us[0] = now_us
    return now_us - soft_since_us[0] > limit.soft_seconds * 1000000
