"""The engine and its sessions: plain structs, guarded by the engine's lock except where a field says otherwise.

A Session is one client's state: a socket, or a Python caller. Commands reach it from their Call by
`session_of`. The listener, if one runs, owns the sockets; others ask it for something by setting
session flags and calling `engine_wake_listener`.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64, stack_top
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.clock cimport Clock
from hutch_engine.base.lock cimport Lock, Signal, lock_is_mine
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.reply cimport Reply
from hutch_engine.keyspace.journal cimport Journal
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.base.bell cimport Bell
from hutch_engine.state.config cimport Config
from hutch_engine.state.user cimport User
from hutch_engine.structures.table cimport Table
from hutch_engine.structures.wheel cimport Wheel

cdef enum:                              # Session.flags
    SESSION_EMBEDDED = 1 << 0           # a Python caller, no socket
    SESSION_UNIX_SOCKET = 1 << 1
    SESSION_AUTHENTICATED = 1 << 2
    SESSION_MULTI = 1 << 3              # between MULTI and EXEC
    SESSION_DIRTY_CAS = 1 << 4          # a watched key changed
    SESSION_DIRTY_EXEC = 1 << 5         # a command could not be queued
    SESSION_CLOSE_AFTER_REPLY = 1 << 6  # QUIT, protocol errors, CLIENT KILL of oneself
    SESSION_CLOSE_NOW = 1 << 7          # CLIENT KILL, output limit: the listener closes it, or its owner's next call
    SESSION_REPLY_OFF = 1 << 8
    SESSION_REPLY_SKIP = 1 << 9         # the present command answers nothing
    SESSION_REPLY_SKIP_NEXT = 1 << 10   # the next one will
    SESSION_NO_EVICT = 1 << 11
    SESSION_NO_TOUCH = 1 << 12
    SESSION_BLOCKED = 1 << 13           # waits inside a blocking command
    SESSION_POSTPONED = 1 << 14         # its command waits for the end of CLIENT PAUSE
    SESSION_PROTOCOL_SET = 1 << 15      # HELLO was given
    SESSION_SUBSCRIBED = 1 << 16
    SESSION_MONITOR = 1 << 17
    SESSION_REPLICA = 1 << 18
    SESSION_MASTER = 1 << 19
    SESSION_TRACKING = 1 << 20
    SESSION_IN_EXEC = 1 << 21
    SESSION_RESTRICTED = 1 << 23        # its user may not do everything: admission judges each command
    SESSION_AT_ONCE = 1 << 22           # its command is wanted only if it need not wait: else another session asks for it again
    SESSION_IN_SCRIPT = 1 << 26         # its script runs, and may have let others in
    SESSION_OF_SCRIPTS = 1 << 27        # no client: as it scripts run their commands
    SESSION_ERROR_COUNTED = 1 << 28     # INFO knows the error that the present command answers

cdef enum:                              # kinds of topics: Engine.pubsub.topics, Session.topic_counts (sessions/pubsub)
    TOPIC_CHANNEL = 0
    TOPIC_PATTERN = 1
    TOPIC_SHARD = 2
    TOPIC_TRACKED = 3                   # a key that sessions with CLIENT TRACKING have read
    TOPIC_PREFIX = 4                    # of keys, CLIENT TRACKING BCAST
    TOPIC_KINDS = 5

cdef enum:                              # Session.tracking
    TRACKING_BCAST = 1 << 0
    TRACKING_OPTIN = 1 << 1
    TRACKING_OPTOUT = 1 << 2
    TRACKING_NOLOOP = 1 << 3
    TRACKING_CACHING = 1 << 4           # CLIENT CACHING was given for the next command
    TRACKING_BROKEN_REDIRECT = 1 << 5   # whom the messages should go to is gone

cdef enum:
    WATCHED_KEY_OFFSET = 8              # of the name in a WatchedKey (sessions/watch)
    BLOCKED_KEY_OFFSET = 32             # of the name in a BlockedKey (sessions/waiting)
    TOPIC_NAME_OFFSET = 40              # of the name in sessions/pubsub's Topic
    SUBSCRIPTION_NAME_OFFSET = 39       # of session and topic in its Subscription
    LATENCY_STEPS = 1728                # of executor/latency's histograms

cdef enum:                              # Engine.scripts.busy
    BUSY_NOT = 0
    BUSY_EVAL = 1
    BUSY_FUNCTION = 2

cdef enum:                              # Engine.net.chores
    LISTENER_WEIGHS = 1 << 0            # maxmemory-clients is set
    LISTENER_ADOPTS = 1 << 1            # sockets were opened for it
    LISTENER_SHUTS = 1 << 2             # SHUTDOWN: nobody is let in any more

cdef enum:                              # Engine.execution.gate: states of the server that admission has to ask about
    GATE_PAUSE = 1 << 0                 # CLIENT PAUSE
    GATE_BUSY = 1 << 1                  # Engine.scripts.busy
    GATE_TRIAL = 1 << 2                 # tests
    GATE_DISK_LOG = 1 << 4              # the append-only file cannot be written: nor may clients write
    GATE_DISK_SNAPSHOT = 1 << 5         # the last save failed, with stop-writes-on-bgsave-error
    GATE_SYNC = 1 << 6                  # who wrote hears of it only when the disk has it (appendfsync always, or a disk that lags)
    GATE_LOADING = 1 << 3               # Engine.persistence.loading
    GATE_REPLICAS = 1 << 7              # min-replicas-to-write: there are not so many, and nobody writes
    GATE_RENAMED = 1 << 8               # rename-command: compiled methods look whether theirs still goes by its name

cdef enum:                              # Engine.execution.observers: who is shown the commands that have run
    OBSERVED_BY_MONITORS = 1 << 0
    OBSERVED_BY_TRACKING = 1 << 1
    OBSERVED_BY_TRIAL = 1 << 2          # tests
    OBSERVED_BY_JOURNAL = 1 << 3        # Engine.journaling.journal

cdef enum:                              # Engine.pause.kind
    PAUSE_NONE = 0
    PAUSE_WRITE = 1
    PAUSE_ALL = 2

cdef struct Session
cdef struct Engine

cdef struct DeferredFree:               # room for a session whose Python object goes while the lock is taken; of malloc
    DeferredFree* next
    Session* session
    Signal served                       # raised when a wait inside a blocking command is over; lives as long as the struct

cdef struct QueuedCommand:              # between MULTI and EXEC; one heap block each
    QueuedCommand* next
    const Command* command
    Slice* argv                         # owned: one block with the words and their bytes
    size_t argc
    size_t block_bytes

cdef struct Watch:                      # one session watches one key
    Watch* next_of_session
    Watch* next_of_key
    Watch** link_of_key
    void* watched                       # the WatchedKey in Engine.watches.keys; borrowed
    Session* session
    bint existed                        # when it was watched (an unbroken watch: and since)
    bint expired                        # it was there then, but already due

cdef struct CommandStats:
    uint64_t calls
    uint64_t ticks                      # base/compiler ticks spent, to be divided by ticks_per_microsecond
    uint64_t rejected                   # refused before running
    uint64_t failed                     # ran and answered an error
    uint64_t untimed                    # of the calls: those whose time was not taken (door/hot: most of them)
    uint32_t* latency                   # owned, malloc's: how many took how long (executor/latency); NULL until the first

cdef struct ErrorStat:                  # INFO errorstats: by the reply's first word
    char[64] name
    uint64_t count

cdef struct Session:
    Call call                           # reused by each command
    Reply reply                         # what is to be sent or decoded
    Engine* engine                      # borrowed
    User* user                          # borrowed from Engine.users; NULL: the owner of the process, who may do everything
    Session* next                       # Engine.sessions.first
    Session* previous
    uint64_t id
    uint32_t flags
    int32_t database_index
    Buffer name                         # CLIENT SETNAME
    Buffer library_name
    Buffer library_version
    Buffer address                      # "127.0.0.1:50000", "/tmp/hutch.sock:0", "embedded:7"
    Buffer local_address
    Buffer certificate_name             # the common name of its certificate, which TLS has checked; empty without
    int fd                              # -1 for embedded sessions
    int64_t created_us                  # monotonic
    int64_t used_us                     # monotonic, of the last command
    const Command* last_command         # for CLIENT LIST: NULL before the first and after an unknown one
    uint64_t commands
    uint64_t bytes_in
    uint64_t bytes_out                  # atomic: written by the listener without the lock
    QueuedCommand* queue                # owned, in order
    QueuedCommand** queue_end
    uint32_t queue_length
    uint64_t queue_flags                # CMD_ bits of the queued commands together, a script's as its first line says
    uint64_t queue_bytes
    Watch* watches                      # owned
    uint32_t watch_count
    void* blocked                       # what it waits for (executor/blocking), or NULL
    Signal* served                      # borrowed: raised when its wait is over; NULL for sockets
    Bell* bell                          # held: an event loop hears by it that there is something to take; or NULL
    uint64_t bell_number                # how the bell calls it
    uint64_t bell_round                 # of its last ringing
    void* connection                    # the listener's own, NULL for embedded sessions
    Buffer inbox                        # messages to an embedded session; to a socket, those that its own command sent
    int64_t inbox_over_since_us         # the soft limit's clock for an embedded inbox; 0 = below it
    Session* next_to_wake               # Engine.sessions.wake_first
    bint in_wake_queue                  # in that list
    Session* next_monitor               # Engine.sessions.first_monitor
    uint64_t records_first              # sessions/monitor_records: behind where its inbox has records, 0: it has none ...
    uint64_t records_last               # ... and where the last run of them begins
    bint ended                          # session_end: in Engine.sessions.ended, an empty struct that waits for its owner
    void* subscriptions                 # owned: the first of sessions/pubsub's Subscriptions, NULL without
    void* last_subscription
    uint32_t[5] topic_counts            # TOPIC_KINDS
    uint32_t tracking                   # TRACKING_ bits, while SESSION_TRACKING is set
    uint64_t tracking_redirect          # session id of whom its invalidation messages go to, 0 = to itself
    Session* tracking_target            # borrowed: that session; NULL when it is gone
    uint32_t redirected_to_it           # how many sessions have it as their target
    uint64_t query_bytes                # figures the listener keeps for CLIENT LIST and INFO
    uint64_t query_free
    uint64_t argument_bytes
    uint64_t output_bytes               # atomic: waiting behind a full socket
    uint64_t weighed_bytes              # what of Engine.net.socket_bytes it is (net/client_eviction)

ctypedef bint (*HousekeepingStarter)(Engine* engine) noexcept nogil

ctypedef bint (*OthersServer)(Engine* engine) noexcept nogil
ctypedef bint (*SignalLooker)() noexcept nogil
ctypedef uint64_t (*FlagsOfScript)(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil

cdef struct Trial:                      # tests: does every way in pass each place once a command?
    uint64_t admissions                 # asked (executor/admission)
    uint64_t observed                   # shown to observers (executor/run)

cdef struct ScriptFigures:              # of scripting, for INFO
    uint64_t eval_vm_bytes
    uint64_t functions_vm_bytes
    uint64_t scripts
    uint64_t scripts_bytes
    uint64_t scripts_evicted
    uint64_t functions
    uint64_t libraries
    uint64_t functions_bytes

cdef struct WatchedKey:                 # one block, with the name for the table behind the pointer:
    Watch* watches                      # LEB128 length, 4 bytes of database index, the key's bytes

cdef struct Execution:                  # executor/: the command that runs, and what every command has to ask about
    uint32_t gate                       # GATE_ bits: 0 in everyday use
    uint32_t observers                  # OBSERVED_BY_ bits
    Trial* trial                        # borrowed from a test, or NULL
    Session* current                    # its command runs, and it has no reply yet; NULL between commands
    bint serving                        # those who waited are being served, or a script runs: nobody else is served now
    size_t announced                    # effects of the running commands that subscribers have heard of
    bint gathering                      # a batch or a pipeline runs: CLIENT TRACKING BCAST is told of what changed at its end
    uint64_t batch_ticks                # while a batch runs: when its last command ended, or 0
    uint64_t hot_ticks                  # when the compiled method that runs began, if its time is taken; or 0
    uint64_t slow_ticks                 # a command that takes so long is looked at (executor/slow_log)
    uint64_t untimed_calls              # compiled methods are timed at the calls whose number has none of these bits
    uint64_t wait_ticks                 # what the last command that asked to wait took before

cdef struct Statistics:                 # figures of INFO
    CommandStats* commands              # owned, by Command.id
    ErrorStat[128] errors               # in the order of their names (executor/error_stats)
    uint32_t error_count                # used slots of `errors`
    bint errors_stopped                 # there were too many: only their number is counted
    int64_t started_us                  # monotonic
    uint64_t startup_bytes              # used memory once the engine stood, without data
    uint64_t connections_received
    uint64_t connections_rejected
    uint64_t commands_processed
    uint64_t bytes_in
    uint64_t bytes_out                  # atomic, as is the next: the listener counts when it has sent
    uint64_t socket_writes
    uint64_t socket_reads
    uint64_t loop_turns                 # of the listener ...
    uint64_t loop_ticks                 # ... what they took, waiting for sockets left out ...
    uint64_t loop_command_ticks         # ... and of that the commands
    uint64_t error_replies
    uint64_t auth_failures
    uint64_t expire_us                  # what housekeeping spent on what was due
    uint64_t denied_commands            # by users' rights: INFO acl_access_denied_*
    uint64_t denied_keys
    uint64_t denied_channels
    uint64_t query_limit_closes
    uint64_t output_limit_closes
    uint64_t evicted_clients
    uint64_t peak_used_bytes
    int64_t peak_used_s                 # Unix time when the peak was noticed
    uint64_t samples[5][16]              # INFO instantaneous_*: ops, bytes in, bytes out, turns of the loop a second,
    uint32_t sample_index                # and microseconds a turn
    int64_t sample_us
    uint64_t[5] sample_last

cdef struct Sessions:                   # sessions/session and wake_queue: all sessions, and those that somebody has something for
    Session* first                      # borrowed; all of them, oldest first
    Session* last
    Session* ended                      # owned by who made them, as all are; listed nowhere else any more
    uint32_t count
    uint32_t sockets                    # sessions that are sockets: connected_clients
    uint64_t next_id
    DeferredFree* deferred_frees        # atomic stack: sessions to be freed (engine_defer_free)
    Session* wake_first                 # sockets that the listener has something to do for
    Session* wake_last
    bint listener_awake                 # it will look at them without being woken
    Session* first_monitor              # sessions in MONITOR, the newest first

cdef struct Denial:                     # an entry of ACL LOG
    Denial* next                        # the newest first
    uint64_t count
    uint64_t id
    uint8_t reason                      # DENIED_
    uint8_t context                     # DENIED_AT_
    int64_t created_ms
    int64_t updated_ms
    Buffer object                       # the command, key or channel
    Buffer username
    Buffer client                       # as CLIENT INFO describes it

cdef enum:                              # Denial.reason; a larger one is the more telling where several selectors refuse
    DENIED_NOT = 0
    DENIED_COMMAND = 1
    DENIED_KEY = 2
    DENIED_AUTH = 3
    DENIED_CHANNEL = 4

cdef enum:                              # Denial.context
    DENIED_AT_TOPLEVEL = 0
    DENIED_AT_MULTI = 1
    DENIED_AT_SCRIPT = 2

cdef struct Users:                      # sessions/users
    User** list                         # owned, in the order of their names' bytes
    size_t count
    size_t capacity
    User* standard                      # borrowed from the list, where it always is: "default", whom everybody is at first
    User* nobody                        # owned: whose sessions are about to end, since their user is gone; it may do nothing
    bint open                           # the default user is on and needs no password
    Denial* log                         # owned
    uint64_t log_count
    uint64_t log_next_id
    bint from_file                      # aclfile was read: the users of the configuration are not looked at any more

cdef struct KeyFilter:                  # sessions/key_filter: of which keys some sessions want to hear
    uint64_t[64] bits                   # keyspace's filter of them, and of some that were
    uint64_t gone                       # keys that went since it was made anew

cdef struct Watches:                    # sessions/watch
    Table keys                          # WatchedKey* by database and key
    KeyFilter filter                    # of these keys
    uint32_t sessions                   # how many watch something

cdef struct Waiting:                    # sessions/waiting: who waits for which key
    Table keys                          # BlockedKey* by database and key: who waits for it
    uint32_t sessions                   # sessions that wait
    Wheel* time_outs                    # owned; their time-outs; NULL until there is one
    void* ready_first                   # BlockedKeys that became ready and are still to be served
    void* ready_last

cdef struct PubSub:                     # sessions/pubsub
    Table[5] topics                     # TOPIC_KINDS: name -> sessions/pubsub's Topic*
    Table subscriptions                 # its Subscription* by session and topic
    KeyFilter tracked                   # of the names of TOPIC_TRACKED
    void* first_pattern                 # Topics of the kinds that are gone through one by one
    void* first_prefix
    Buffer message                      # the message being sent, in RESP
    bint sweep_wanted                   # an embedded session was cut off at its limit

cdef struct Tracking:                   # sessions/tracking: CLIENT TRACKING
    uint32_t sessions                   # sessions with CLIENT TRACKING
    Buffer changed                      # sessions/tracking's ChangedKeys, which CLIENT TRACKING BCAST is still to tell of
    size_t changed_compact_at           # bytes of them at which keys that are named twice are looked for

cdef struct Pause:                      # CLIENT PAUSE
    uint8_t kind                        # PAUSE_
    int64_t end_ms
    Signal over                         # embedded callers wait here

cdef struct Scripts:                    # scripting/
    void* interpreters                  # scripting/state's Scripting; NULL before the first script
    const char* lua_path                # borrowed: the file that has Lua's C API; NULL: there is none
    uint8_t busy                        # BUSY_: a script overruns its time and lets others in between
    ScriptFigures figures
    uint32_t stop                       # atomic: the engine is about to close
    uint32_t stop_of_sockets            # atomic: the listener is about to stop, and scripts of its clients with it
    bint may_all                        # DEBUG SET-DISABLE-DENY-SCRIPTS: commands that are not for scripts run in them
    OthersServer serve_others           # the listener's: a script of one of its clients lets the others in ...
    SignalLooker look_at_signals        # the door's; called without the lock, by any thread. True: the script is to stop
    FlagsOfScript flags_of_script       # what else a script's shebang line makes of EVAL's flags, or NULL

cdef struct Housekeeping:               # runtime/housekeeping: the thread
    Signal signal                       # wakes the housekeeping thread
    int64_t wakes_ms                    # when it plans to; 0 while it works
    uint32_t chores                     # CHORE_ bits that housekeeping is at
    bint runs                           # the thread exists
    HousekeepingStarter start           # runtime/housekeeping, which lies above; set by engine's maker
    uint64_t thread                     # pthread_t
    bint stopping                       # threads are to end
    bint cron_paused                    # DEBUG PAUSE-CRON: housekeeping neither expires, frees nor resizes

cdef struct Net:                        # net/: the listener
    void* listener                      # the door's: its net/listener Listener, or NULL
    void* listening                     # the Listener whose sockets are open, or NULL
    int wake_fd                         # the listener's eventfd or pipe; -1 without a listener
    int32_t tcp_port                    # what the listener really has, for INFO and CONFIG GET
    int32_t tls_port                    # the same of TLS
    void* tls                           # net/tls's context for the next connections, owned; or NULL
    const char* ssl_path                # Python's module that is linked with OpenSSL; "": Python itself; NULL: there is none
    uint32_t chores                     # LISTENER_ bits: looked at once a batch
    uint64_t socket_bytes               # with maxmemory-clients: memory of all sockets' sessions as last weighed

cdef struct Journaling:                 # persistence/: the append-only file, and what is written in the background
    Journal journal                     # on its way to the append-only file
    void* log                           # persistence/append_log's AppendLog, once there was one; else NULL
    void* snapshot_job                  # the SnapshotJob that runs, or NULL
    bint log_failed                     # the last write or sync of the log failed
    char[160] log_error                 # ... and what clients that write are told then
    bint rewrite_failed                 # the last rewrite of the log
    bint sync_wanted                    # WAITAOF: the replies of this batch leave when the disk has the log
    bint in_service                     # what was to be loaded is loaded: changes of appendonly and save take effect
    bint snapshot_scheduled             # BGSAVE SCHEDULE: once the rewrite is over
    bint rewrite_scheduled              # once the present snapshot is over
    uint64_t rewrites
    uint64_t rewrites_failed            # one after another
    int64_t rewrite_took_s              # the last one; -1: there was none
    uint64_t early_bytes                # of keys that changed while the last snapshot was taken
    uint64_t thread                     # persistence/background's
    bint runs                           # it exists
    bint stopping                       # it and the next are asked to end
    Signal wake                         # it sleeps on
    uint64_t log_writer                 # persistence/log_writer's
    bint log_writer_runs
    Signal log_wake

cdef struct Replication:                # what INFO and ROLE say
    char[41] run_id
    char[41] id
    char[41] id2
    int64_t offset

cdef struct Persistence:                # persistence/: figures of INFO, and what it goes by
    bint loading                        # a file is being read, and nobody is served meanwhile (GATE_LOADING)
    int64_t loading_started_s           # Unix time
    int64_t loading_started_us          # monotonic
    uint64_t loading_total_bytes
    uint64_t loading_loaded_bytes
    uint64_t loading_used_memory        # of the server that wrote the file; 0: it does not say
    int64_t last_save_s                 # Unix time; 0: nothing was saved since the start
    int64_t last_save_took_s            # of the last one in the background; -1: there was none
    bint save_failed                    # the last one
    int64_t tried_us                    # monotonic: when the last one ended, well or not
    uint64_t saves                      # finished ones
    uint64_t last_load_keys_loaded
    uint64_t last_load_keys_expired
    uint64_t last_load_keys_skipped     # rdb-skip-unknown-types

cdef struct SlowLog:                    # executor/slow_log
    void* newest                        # owned: its SlowEntry, malloc's
    void* oldest
    uint64_t count
    uint64_t next_id

cdef struct Engine:
    Lock lock
    bint closed                         # of all fields, only the lock, the signals and this one may be used any more
    uint32_t amid                       # threads that let go of the lock in the middle of something: its end waits for them
    Heap heap
    Clock clock
    Random random
    Keyspace keyspace
    Config config                       # the values CONFIG GET and SET know
    uint64_t client_bytes               # atomic: memory of queries and replies
    uint64_t fork_generation            # of the process that made this engine (engine_is_ours) ...
    const uint64_t* forks               # ... and how often it has been forked by now; static
    bint logs_to_output                 # the process is a server: without a logfile, lines go to standard output
    bint shutdown_asked                 # SHUTDOWN: whoever runs the program ends it
    Execution execution
    Statistics statistics
    Sessions sessions
    Users users
    Watches watches
    Waiting waiting
    PubSub pubsub
    Tracking tracking
    Pause pause
    Scripts scripts
    Housekeeping housekeeping
    Net net
    Replication replication
    Journaling journaling
    Persistence persistence
    SlowLog slow_log
    void* latency_events                # owned: state/latency_events' series, malloc's; NULL until the first

cdef inline Session* session_of(Call* call) noexcept nogil:
    """The session whose call this is; borrowed."""
    return <Session*>call.session

cdef inline Engine* engine_of(Call* call) noexcept nogil:
    """The engine in which the call runs; borrowed."""
    return (<Session*>call.session).engine

cdef void engine_wake_housekeeping(Engine* engine) noexcept nogil
"""Wake housekeeping, or start it: there are chores, or a deadline earlier than it plans to wake for."""
cdef inline uint64_t engine_used_memory(const Engine* engine) noexcept nogil:
    """What INFO calls used_memory: the heap and the clients' buffers. Lua's own memory is not the data set's: as in Redis it
    neither counts nor evicts."""
    return (engine.heap.used_bytes - engine.scripts.figures.eval_vm_bytes - engine.scripts.figures.functions_vm_bytes
            + atomic_load64(&engine.client_bytes))
cdef inline void engine_observe(Engine* engine) noexcept nogil:
    """Set Engine.execution.observers anew, after somebody began or ceased to observe commands."""
    engine.execution.observers = ((OBSERVED_BY_MONITORS if engine.sessions.first_monitor != NULL else 0)
                        | (OBSERVED_BY_TRACKING if engine.tracking.sessions else 0)
                        | (OBSERVED_BY_JOURNAL if engine.keyspace.journal != NULL else 0)
                        | (OBSERVED_BY_TRIAL if engine.execution.trial != NULL else 0))
cdef inline void engine_set_busy(Engine* engine, uint8_t busy) noexcept nogil:
    """Note that a script overruns its time (a BUSY_ value), or does so no more (BUSY_NOT)."""
    engine.scripts.busy = busy
    engine.execution.gate = engine.execution.gate & ~<uint32_t>GATE_BUSY | (GATE_BUSY if busy else 0)
cdef inline void engine_set_loading(Engine* engine, bint loading) noexcept nogil:
    """Note that a file is being loaded, so that clients hear LOADING; or that it is done."""
    engine.persistence.loading = loading
    engine.execution.gate = engine.execution.gate & ~<uint32_t>GATE_LOADING | (GATE_LOADING if loading else 0)
cdef inline bint session_is_authenticated(const Session* session) noexcept nogil:
    """May it send commands? (A password keeps out those who have not given it.)"""
    return session.flags & SESSION_AUTHENTICATED or session.engine.users.open
cdef inline bint engine_is_ours(const Engine* engine) noexcept nogil:
    """Was the engine made in this process? False in a child that was forked afterwards: it must not be touched there."""
    return engine.fork_generation == engine.forks[0]
cdef inline void engine_guarded(const Engine* engine) noexcept nogil:
    """In builds with checks, verify that the caller holds the lock."""
    if HUTCH_CHECKS:
        invariant(engine.keyspace.guard == NULL or lock_is_mine(&engine.lock), b"the engine is used without its lock")
cdef void engine_wake_listener(Engine* engine) noexcept nogil
"""Wake the listener, if there is one: it looks soon at sessions that were woken, and at pauses. From any thread."""
cdef void engine_pause(Engine* engine, uint8_t kind, int64_t end_ms) noexcept nogil
"""Begin CLIENT PAUSE, until end_ms. Nothing expires meanwhile either: what is due looks gone, and goes when the pause is over."""
cdef void engine_end_pause(Engine* engine) noexcept nogil
"""End CLIENT PAUSE, and wake all who wait for that."""
cdef void engine_sample(Engine* engine) noexcept nogil
"""Take a sample of the instantaneous figures of INFO. To be called ten times a second."""
