"""The listener's structs, and the coming and going of connections: sockets that listen, clients that are accepted or
turned away, the lists a connection stands in. Only the listener's thread calls these; where a Session is touched they
take the engine's lock for a moment.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.commands.command cimport Command
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.state.engine cimport SESSION_AUTHENTICATED, Engine, Session
from hutch_engine.net.poller cimport Poller
from hutch_engine.net.resp_parser cimport ParseLimits, RespParser, Words
from hutch_engine.net.transport cimport Wire
from hutch_engine.sessions.monitor_records cimport RecordCursor
from hutch_engine.structures.table cimport Table

cdef enum:
    BIND_ADDRESSES_MAX = 16             # as in Redis
    LISTENER_SOCKETS_MAX = 34           # those addresses for TCP and for TLS, the Unix socket, one spare
    BATCH_REQUESTS = 128                # collected before the lock is taken; bounds how long it is held
    READ_BYTES = 16384                  # one read of a connection that has nothing pending
    ARENA_BYTES = 131072                # idle connections read into this, so that they own no query buffer
    STALL_BYTES = 33554432              # unsent replies at which a client's requests are left unread

cdef enum:                              # Connection.held: why its requests wait
    HELD_NOT = 0
    HELD_POSTPONED = 1                  # CLIENT PAUSE
    HELD_BLOCKED = 2                    # inside a blocking command
    HELD_STALLED = 3                    # it does not read its replies

cdef enum:                              # Connection.ending: nothing more of it is run
    ENDING_NOT = 0
    ENDING_PROTOCOL_ERROR = 1           # parser.error is to be answered
    ENDING_AFTER_REPLY = 2              # what was answered is to go out
    ENDING_NOW = 3
    ENDING_CLOSED = 4                   # listed in Listener.closed; its memory lasts to the end of the turn

cdef struct Connection:
    Session* session                    # owned; touched under the engine's lock only
    int fd                              # owned
    Wire wire                           # how its bytes go through the socket
    uint32_t interest                   # what it is to be served for: POLL_READ, POLL_WRITE
    uint32_t watched                    # what the poller watches for: the same, but where the wire waits for something else
    uint32_t index                      # in Listener.connections
    uint8_t held                        # HELD_*
    uint8_t ending                      # ENDING_*
    bint in_round                       # listed in Listener.round
    bint in_resumed                     # listed in Listener.resumed
    bint in_unread                      # listed in Listener.unread
    bint denied                         # protected-mode keeps it out, as it hears when the handshake is over
    bint in_outer_round                 # listed there while a script of that round lets others in
    bint deferred                       # its replies wait for the disk until the turn is over (Listener.deferred_offset)
    uint64_t born_turn                  # Listener.turn, when it was accepted meanwhile
    bint authenticated                  # copied under the lock, for the parser's limits
    RespParser parser
    Buffer query                        # owned: bytes of an unfinished request, empty most of the time
    Buffer sending                      # owned: replies on their way; swapped with session.reply under the lock
    size_t sent                         # bytes of `sending` that are out
    Buffer packed                       # owned: what a monitor is sent, its records no text yet; goes before the session's replies ...
    RecordCursor packed_at              # ... and how far it has become text in `sending`
    uint64_t received                   # since the lock was last held: what goes to the counters
    uint32_t waiting_requests           # in the present batch
    int64_t soft_limit_since_us         # client-output-buffer-limit's soft clock; 0 = below it
    const Command* last_command         # the lookup of last_name, most often that of the next request
    size_t last_name_length
    char[24] last_name

cdef struct Request:                    # one decoded command of the present batch
    Connection* connection
    const Command* command              # NULL: unknown
    uint64_t key_hash
    bint hashed
    Entry* entry                        # of a collection, while the batch's memory is fetched; else NULL
    const Table* members                # ... and its table; else NULL
    uint64_t member_hash
    uint32_t word_count
    size_t first_word                   # in Listener.words
    size_t start                        # where its bytes begin and end in its connection's window
    size_t end

cdef inline size_t connections_unsent(const Connection* connection) noexcept nogil:
    """Bytes that were taken from the session and are not out yet; records of a monitor's count as they lie."""
    return connection.sending.length - connection.sent + connection.packed.length - connection.packed_at.at

cdef struct ListeningSocket:
    int fd                              # -1: closed
    bint unix_socket
    bint tls
    int32_t port
    char[256] host                      # as `bind` has it, without '-'

cdef struct Batch:                      # what a turn of the loop works on
    Connection** round                  # owned: those with something to do under the lock
    uint32_t round_count
    Connection** resumed                # owned: those whose kept requests may run now
    uint32_t resumed_count
    Request* requests                   # owned, BATCH_REQUESTS
    uint32_t request_count
    Words words                         # of all requests
    char* arena                         # owned, ARENA_BYTES
    size_t arena_used

cdef struct Listener:
    Engine* engine                      # borrowed
    Poller poller
    ListeningSocket[LISTENER_SOCKETS_MAX] sockets
    uint32_t socket_count
    # With LISTENER_ADOPTS, under the engine's lock: all TCP sockets it is to have ...
    ListeningSocket[LISTENER_SOCKETS_MAX] adopted
    uint32_t adopted_count              # ... those that it keeps among them
    uint64_t deferred_offset            # appendfsync always: batches amid a turn are synced together at its end, up to here; 0: none is
    # ... or with those of the next turns, while clients come of whom the last sync knew (connections_gather)
    uint32_t group                      # connections that were served since the last sync
    uint32_t group_last                 # ... before it
    uint32_t group_expected             # the greater one of the last two
    int64_t group_since_us              # when the first of them was
    int64_t group_grew_us               # and the last
    bint any_port                       # set before listener_open: take a free TCP port, whatever config.port says
    bint any_tls_port                   # the same for config.tls_port
    char[112] unix_path                 # of the bound Unix socket, for its removal; "" = none
    Connection** connections            # owned
    uint32_t connection_count
    uint32_t connection_capacity        # of this array and the next four
    Connection** round                  # owned: those with something to do under the lock, in the present batch
    uint32_t round_count
    Connection** resumed                # owned: those whose kept requests may run now
    uint32_t resumed_count
    Connection** closed                 # owned: closed; freed at the end of the turn, when no event names them
    uint32_t closed_count
    Connection** unread                 # owned: bytes that their wires have taken from their sockets are to be read, first come first served
    uint32_t unread_count
    uint32_t visited                    # connections[visited] is the next that a tick looks at
    uint32_t postponed_count            # connections that wait for the end of CLIENT PAUSE
    Request* requests                   # owned, BATCH_REQUESTS
    uint32_t request_count
    Words words                         # of all requests of the batch
    char* arena                         # owned, ARENA_BYTES
    size_t arena_used
    ParseLimits limits                  # config's values, copied under the lock
    int64_t accepts_per_turn            # max-new-connections-per-cycle
    int64_t greetings_per_turn          # max-new-tls-connections-per-cycle: TLS clients accepted, and steps of handshakes
    int64_t greetings_left              # in this turn
    int64_t greeting_us                 # tls-handshake-timeout
    int64_t stall_bytes                 # STALL_BYTES; without limit when a hard output limit bounds memory anyway
    int64_t now_us                      # monotonic, of this turn
    int64_t tick_us                     # monotonic, of the next tick
    int64_t pause_left_ms               # until CLIENT PAUSE ends
    uint32_t stop_asked                 # atomic
    uint64_t turn                       # counts the loop's, those inside of scripts left out
    uint64_t reads                      # since the lock was last held: what goes to the engine's counters ...
    uint64_t turns_done                 # ... and of the loop
    uint64_t busy_ticks
    uint32_t request_at                 # which of `requests` is being run
    Connection* current                 # in the middle of its turn while they are; or NULL
    Batch inner                         # owned: for turns inside of a script that overruns its time
    uint32_t inner_capacity             # of its lists; 0: not there
    bint nested                         # such a turn is being made
    bint missed_wake                    # the poller was woken during one
    bint accept_paused                  # no descriptor was left: accept again after a tick
    bint thread_runs
    uint64_t thread                     # pthread_t

cdef bint connections_grow_list(Connection*** list, uint32_t capacity) noexcept nogil
"""Make room for so many connections in one of the listener's lists; False, and the list stays as it was, when memory was
refused."""
cdef bint connections_reserve(Listener* listener) noexcept nogil
"""Make room for one more connection in every list, so that listing one never fails. False when memory was refused."""
cdef void connections_release(Listener* listener) noexcept nogil
"""Free the listener and its arrays, after its connections and sockets were closed."""
cdef bint connections_open(Listener* listener, char* error_out, size_t error_size) noexcept nogil
"""What listener_open does: bind and listen. False with the reason in error_out."""
cdef bint connections_rebind(Engine* engine, Buffer* error_out) noexcept nogil
"""Open sockets for the present configuration (CONFIG SET port and bind); the listener's thread takes them at the end of its
batch and closes those it had. On failure False with the reason in error_out, and nothing has changed. From any thread, with
the engine's lock, while Engine.net.listening is set."""
cdef void connections_close_sockets(Listener* listener) noexcept nogil
"""Close the sockets that listen, and remove the Unix socket's file."""
cdef void connections_do_chores(Listener* listener) noexcept nogil
"""Do what Engine.net.chores asks for, at the end of a batch: weigh its clients and end the biggest beyond maxmemory-clients,
listen elsewhere, or nowhere. Requires the lock."""
cdef void connections_weigh(Connection* connection) noexcept nogil
"""Note how much memory the connection takes, for maxmemory-clients. Requires the lock."""
cdef void connections_forget_adopted(Listener* listener) noexcept nogil
"""Close the sockets that were opened for the listener (connections_rebind) and that it has not taken yet. Requires the lock."""
cdef void connections_listen_for(Listener* listener, uint32_t interest) noexcept nogil
"""With POLL_READ accept new clients from now on; with 0 leave them waiting."""
cdef void connections_accept(Listener* listener, ListeningSocket* where) noexcept nogil
"""Accept the clients that wait at one socket, Listener.accepts_per_turn (greetings_per_turn) at most. When the process has no descriptor left,
accepting pauses until the next tick."""
cdef void connections_close(Listener* listener, Connection* connection) noexcept nogil
"""Close the connection. Its struct stays until the turn is over: lists and events may still name it."""
cdef void connections_free_closed(Listener* listener) noexcept nogil
"""Free the connections that were closed in this turn, with their sessions and descriptors; those that a list or request still
names are kept for the next call. O(closed). Takes the lock for a moment."""
cdef void connections_watch_for(Listener* listener, Connection* connection, uint32_t interest) noexcept nogil
"""Tell the poller what to wait for at this connection, POLL_ bits, if that has changed. A closed connection is left alone."""
cdef void connections_wire_changed(Listener* listener, Connection* connection) noexcept nogil
"""Its wire says that it has changed: watch for what it waits for now, and list it if it has bytes to be read."""
cdef void connections_list_unread(Listener* listener, Connection* connection) noexcept nogil
"""List the connection, once, if its wire has bytes to be read: they are read in the next turn."""
cdef void connections_greet(Listener* listener, Connection* connection) noexcept nogil
"""Go on with its handshake, unless this turn has had its share of them. One that fails is closed, with a line in the log; who is not let in
(`denied`) is told so after it. Takes the lock for a moment."""
cdef void connections_log(Connection* connection, int64_t level, const char* before, const char* behind) noexcept nogil
"""Write a line about a client into the log: `before`, who it is and what it has sent and not read, `behind`. Below `loglevel` nothing
happens. Requires the lock."""
cdef void connections_resume(Listener* listener, Connection* connection) noexcept nogil
"""Let the connection's kept requests run again, at the beginning of the next turn."""
cdef void connections_copy_limits(Listener* listener) noexcept nogil
"""Copy what of the configuration is needed without the lock. Requires the lock."""

cdef inline void connections_join_round(Listener* listener, Connection* connection) noexcept nogil:
    """List the connection among those with something to do under the lock, once. connections_reserve has made the room."""
    if not connection.in_round:
        connection.in_round = True
        listener.round[listener.round_count] = connection
        listener.round_count += 1

cdef inline void connections_hold(Listener* listener, Connection* connection, uint8_t why) noexcept nogil:
    """Note why the connection's requests wait, a HELD_ value; HELD_NOT ends the waiting. Keeps count of the postponed ones."""
    listener.postponed_count += (why == HELD_POSTPONED) - <int>(connection.held == HELD_POSTPONED)
    connection.held = why

cdef inline void connections_count_bytes(Engine* engine, Connection* connection) noexcept nogil:
    """Add the bytes that came in to the session's and the engine's counters. Requires the lock."""
    connection.session.bytes_in += connection.received
    engine.statistics.bytes_in += connection.received
    connection.received = 0

cdef bint connections_gather(Listener* listener, uint64_t offset) noexcept nogil
"""`appendfsync always`: should more clients be served before the disk is asked to keep all up to here? Those whom the last syncs
served answer in a row, the first of them while others have not read their reply yet: a sync that begins with the first is
one too many. So long as they come, or are about to, it waits, but no longer than half a sync. Who is alone never waits."""
cdef void connections_limit_reply(Listener* listener, Connection* connection) noexcept nogil
"""The next command's reply may be as long as the hard output limit allows: nobody will hear the rest. Requires the lock."""
