"""What the engine knows of a command: one constant struct each, generated from commands/*.toml.

Nothing here changes after the command table is filled (when commands/command_table is imported), so
every thread may read it without a lock. Statistics live elsewhere, in arrays indexed by `Command.id`.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice


cdef enum:
    # Command.flags. What COMMAND INFO shows, and (last block) what Redis keeps to itself.
    CMD_WRITE = 1 << 0
    CMD_READONLY = 1 << 1
    CMD_DENYOOM = 1 << 2                # may use memory: refused when maxmemory is reached
    CMD_MODULE = 1 << 3
    CMD_ADMIN = 1 << 4
    CMD_PUBSUB = 1 << 5
    CMD_NOSCRIPT = 1 << 6
    CMD_BLOCKING = 1 << 7
    CMD_LOADING = 1 << 8                # allowed while the data set loads
    CMD_STALE = 1 << 9                  # allowed on a replica with stale data
    CMD_SKIP_MONITOR = 1 << 10
    CMD_SKIP_SLOWLOG = 1 << 11
    CMD_ASKING = 1 << 12
    CMD_FAST = 1 << 13
    CMD_NO_AUTH = 1 << 14               # allowed before AUTH
    CMD_NO_MANDATORY_KEYS = 1 << 15
    CMD_NO_ASYNC_LOADING = 1 << 16
    CMD_NO_MULTI = 1 << 17
    CMD_MOVABLE_KEYS = 1 << 18          # the key specifications do not tell the whole story
    CMD_ALLOW_BUSY = 1 << 19            # allowed while a script overruns its time

    CMD_NEEDS_DISK = 1 << 20            # refused as those that write are, while the disk cannot be written: PING tells of it
    CMD_SECRET_PARAMETERS = 1 << 21     # pairs of a parameter's name and a value, which is not shown where the parameter is sensitive
    CMD_CHANNEL = 1ULL << 32              # its first word names a channel that it sends to ...
    CMD_CHANNELS = 1ULL << 33             # ... or all of its words name channels that it listens to; both: patterns of channels
    CMD_KEEPS_CACHING = 1 << 22         # a container whose subcommands do not end what CLIENT CACHING has begun
    CMD_SECRET_AUTH = 1 << 23           # MONITOR, SLOWLOG and crash reports do not show the two words after AUTH ...
    CMD_MAY_REPLICATE = 1 << 24
    CMD_PROTECTED = 1 << 25             # needs enable-debug-command or the like
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 26
    CMD_RUNS_IN_MULTI = 1 << 27         # acts at once between MULTI and EXEC, and is not queued
    CMD_FOR_SUBSCRIBERS = 1 << 28       # a RESP2 client that subscribes to something may send it
    CMD_RUNS_QUEUE = 1 << 29            # EXEC: judged by the commands that it would run
    CMD_SECRET = 1 << 30                # ... or none of its words but its name



cdef enum:
    # Command.acl_categories, in Redis's order (the order of ACL CAT).
    ACL_KEYSPACE = 1 << 0
    ACL_READ = 1 << 1
    ACL_WRITE = 1 << 2
    ACL_SET = 1 << 3
    ACL_SORTEDSET = 1 << 4
    ACL_LIST = 1 << 5
    ACL_HASH = 1 << 6
    ACL_STRING = 1 << 7
    ACL_BITMAP = 1 << 8
    ACL_HYPERLOGLOG = 1 << 9
    ACL_GEO = 1 << 10
    ACL_STREAM = 1 << 11
    ACL_PUBSUB = 1 << 12
    ACL_ADMIN = 1 << 13
    ACL_FAST = 1 << 14
    ACL_SLOW = 1 << 15
    ACL_BLOCKING = 1 << 16
    ACL_DANGEROUS = 1 << 17
    ACL_CONNECTION = 1 << 18
    ACL_TRANSACTION = 1 << 19
    ACL_SCRIPTING = 1 << 20


cdef enum:
    # KeySpec.flags: how the command uses the keys that the specification finds.
    KEY_RO = 1 << 0
    KEY_RW = 1 << 1
    KEY_OW = 1 << 2                     # overwrites, whatever was there
    KEY_RM = 1 << 3
    KEY_ACCESS = 1 << 4                 # returns, copies or uses the value
    KEY_UPDATE = 1 << 5
    KEY_INSERT = 1 << 6
    KEY_DELETE = 1 << 7
    KEY_NOT_KEY = 1 << 8                # shaped like a key (for routing), but names none
    KEY_INCOMPLETE = 1 << 9             # there may be keys that this specification misses
    KEY_VARIABLE_FLAGS = 1 << 10        # what is done to the key depends on the arguments


cdef enum:
    KEY_BEGIN_INDEX = 1                 # first key at argv[begin_index]
    KEY_BEGIN_KEYWORD = 2               # first key follows begin_keyword, sought from begin_from
    KEY_BEGIN_UNKNOWN = 3


cdef enum:
    KEY_FIND_RANGE = 1
    KEY_FIND_KEYNUM = 2
    KEY_FIND_UNKNOWN = 3


cdef struct KeySpec:
    uint32_t flags
    int32_t begin_kind              # KEY_BEGIN_*
    int32_t begin_index             # index: position of the first argument, name = 0
    const char* begin_keyword       # keyword: upper case, constant; NULL otherwise
    int32_t begin_from              # keyword: where the search starts; negative: from the end, backwards
    int32_t find_kind               # KEY_FIND_*
    # Range. All positions count from where `begin` pointed.
    int32_t last_key                # position of the last key; negative: counted from the last argument (-1 is it)
    int32_t limit                   # with last_key -1: only the first 1/limit of the rest are keys; 0 or 1: all
    # Keynum.
    int32_t keynum_index            # position of the argument that says how many keys there are
    int32_t first_key               # position of the first of them
    int32_t key_step                # range and keynum: distance between keys


cdef struct Command:
    const char* name                # lower case and full: "get", "client|list"
    const char* short_name          # "get", "list"
    uint32_t name_length
    uint32_t short_name_length
    uint32_t id                     # dense over commands and subcommands: index of statistics arrays
    int32_t arity                   # words, names included; negative: at least that many
    uint64_t flags                  # CMD_*
    uint64_t acl_categories         # ACL_*
    # Really `CommandHandler` of commands/call.pxd, which knows this struct; the executor casts it back.
    # NULL: a container, or runtime/command_handlers has not been imported.
    void* handler
    int32_t first_key, last_key, key_step       # the legacy triple; 0, 0, 0 without fixed keys
    const KeySpec* key_specs        # constant
    uint32_t key_spec_count
    uint32_t subcommand_count
    const Command* subcommands      # constant, in alphabetical order
    const Command* parent           # container of a subcommand, else NULL
    # Ready replies, constant. [0] is RESP2, [1] is RESP3.
    Slice[2] info_reply             # this command's element of COMMAND INFO (subcommands included)
    Slice[2] docs_reply             # the name and the map that COMMAND DOCS pairs with it


cdef inline bint command_takes(const Command* command, size_t argc) noexcept nogil:
    """May it be called with so many words, names included? (A container by itself may not.)"""
    return ((<size_t>command.arity == argc if command.arity > 0 else argc >= <size_t>(-command.arity))
            and command.handler != NULL)
