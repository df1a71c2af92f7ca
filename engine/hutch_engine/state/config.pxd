"""The typed table of parameters: what CONFIG GET and SET, a redis.conf and the command line know.

Names, ranges, defaults and error texts are those of Redis 8.2.3. A value that would
promise something Hutch does not do (an append-only file, a cluster, a master to follow) is refused with
a text that says so; its default is accepted, so that a stock redis.conf loads.

The rows are in config_table, lines and files in config_lines. Setting a value only stores it: the
caller acts on the CHANGED_ bits that come back.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append_text
from hutch_engine.base.slice cimport Slice
# Who reads the values needs one name only: this module's.
from hutch_engine.state.config_table cimport (CHANGED_CLIENT_MEMORY, CHANGED_CLIENTS, CHANGED_CRASH_LOG, CHANGED_CRON, CHANGED_DIR,
    CHANGED_EVENTS, CHANGED_KEYSPACE, CHANGED_LISTENER, CHANGED_LOG, CHANGED_MEMORY, CHANGED_NAMES, CHANGED_OTHER, CHANGED_PASSWORD,
    CHANGED_OOM, CHANGED_REPLICAS, CHANGED_SAVING, CHANGED_SLOW, CHANGED_SYNC, CHANGED_TITLE, CHANGED_TLS, CHANGED_USERS, CONFIG_AT_START, CONFIG_FROM_FILE,
    CONFIG_PROTECTED_OK, CONFIG_ROLLBACK, CONFIG_SPARE_NUMBERS, CONFIG_SPARE_TEXTS, ENABLE_LOCAL, ENABLE_NO,
    ENABLE_YES, LOG_DEBUG, LOG_NOTHING, LOG_NOTICE, LOG_VERBOSE, LOG_WARNING, ON_SIGNAL_FORCE, ON_SIGNAL_NOSAVE,
    ON_SIGNAL_NOW, ON_SIGNAL_SAVE, PARAMETER_DEFAULT_ONLY, PARAMETER_HIDDEN,
    PARAMETER_IMMUTABLE, PARAMETER_MULTI, PARAMETER_NULLABLE, PARAMETER_PROTECTED,
    PARAMETER_SENSITIVE, PARAMETER_UNSIGNED, POLICY_ALLKEYS_LFU, POLICY_ALLKEYS_LRU, POLICY_ALLKEYS_RANDOM,
    POLICY_NOEVICTION, POLICY_VOLATILE_LFU, POLICY_VOLATILE_LRU, POLICY_VOLATILE_RANDOM, POLICY_VOLATILE_TTL,
    TLS_CLIENTS_NO, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_YES, TLS_USER_COMMON_NAME, TLS_USER_OFF, OutputLimit, Parameter, Config)

cdef void config_init(Config* config) noexcept nogil
"""Set every value to its default."""
cdef void config_clear(Config* config) noexcept nogil
"""Free the texts of all values. The config needs config_init before it is used again."""
cdef void config_text(const Config* config, const Parameter* parameter, Buffer* out) noexcept nogil
"""Append the value as CONFIG GET spells it."""
cdef bint config_set(Config* config, const Parameter* parameter, Slice value, uint32_t flags, uint64_t* changed_out,
                     Buffer* error_out) noexcept nogil
"""Check and store; *changed_out gets CHANGED_ bits added. False: nothing changed, and the reason, without
its code, is in error_out. The value of a parameter that takes several words is split at each single space, as by
CONFIG SET."""
cdef bint config_set_words(Config* config, const Parameter* parameter, const Slice* words, size_t count, uint32_t flags,
                           uint64_t* changed_out, Buffer* error_out) noexcept nogil
"""The same for words that are split already, as on a line of a redis.conf; only a parameter that takes several may
be given more or fewer than one."""
cdef bint config_set_named(Config* config, Slice name, Slice value, uint32_t flags, uint64_t* changed_out,
                           Buffer* error_out) noexcept nogil
"""The same by name, with the error of an unknown one."""
cdef bint config_parse_memory(Slice text, int64_t* bytes_out) noexcept nogil
"""\"100mb\" and the like: decimal digits and one of b k kb m mb g gb. Redis reads it into 64 unsigned bits, the number stops
at their end and the unit wraps around it: what does not fit in 63 comes out as another number, most often a negative one."""

cdef inline bint config_refuse(Buffer* error_out, const char* text) noexcept nogil:
    """Always False, with the reason behind what error_out holds."""
    buffer_append_text(error_out, text)
    return False
