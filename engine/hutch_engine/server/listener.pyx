"""See listener.pxd. The way of a batch:

    wait        the poller tells which sockets are readable
    collect     read each once, decode its requests, look up commands, hash first keys        no lock
    run         prefetch buckets, entries, members; execute in order; swap out the replies    under the lock
    settle      write the replies, keep the bytes of unfinished requests                      no lock

A batch is run as soon as BATCH_REQUESTS are collected, in the middle of a connection if need be; that
connection's bytes stay where they are until its turn ends.

Memory of a client: what it has sent of an unfinished request (client-query-buffer-limit), its replies
(client-output-buffer-limit), and nothing while it is idle. Where Redis has no limit by default, on the
replies of a client that does not read them, its further requests are left in the socket once
STALL_BYTES are waiting; a hard output limit in the configuration takes the place of that.
"""
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove
from hutch_engine.base.atomics cimport atomic_load32, atomic_store32
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_clear, buffer_init, buffer_reserve, buffer_shrink)
from hutch_engine.base.clock cimport clock_coarse_s, clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport likely, prefetch, ticks, unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_give_way, lock_is_wanted, lock_release
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.command cimport ACL_HASH, ACL_LIST, ACL_SET, ACL_SORTEDSET
from hutch_engine.commands.reply cimport reply_error
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_hash
from hutch_engine.keyspace.prefetch cimport prefetch_member_bucket, prefetch_value
from hutch_engine.server.engine cimport (
    PAUSE_NONE, SESSION_AUTHENTICATED, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_MASTER,
    SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
    SESSION_POSTPONED, SESSION_REPLICA, SESSION_SUBSCRIBED, SESSION_UNIX_SOCKET, engine_sample, session_free,
    session_new)
from hutch_engine.server.executor cimport EXECUTE_BLOCKED, EXECUTE_POSTPONED, Executed, execute_known
from hutch_engine.server.poller cimport (
    POLL_READ, POLL_WRITE, POLLER_EVENTS_MAX, PollerEvent, poller_add, poller_change, poller_clear, poller_init, poller_remove, poller_wait,
    poller_wake)
from hutch_engine.server.resp_parser cimport (
    PARSE_ERROR, PARSE_FULL, PARSE_MORE, PARSE_NO_MEMORY, PARSE_REQUEST, ParseOutcome, parser_clear, parser_init,
    parser_missing, parser_moved, parser_next, parser_rewind, words_clear, words_init, words_reset)
from hutch_engine.server.sockets cimport (
    ACCEPT_AGAIN, ACCEPT_NO_DESCRIPTOR, ACCEPTED, ADDRESS_TEXT_MAX, SOCKET_FAILED, SOCKET_WAIT, AcceptOutcome,
    socket_accept, socket_address, socket_close, socket_listen_tcp, socket_listen_unix, socket_peer_is_loopback,
    socket_port, socket_read, socket_tune, socket_write)
from hutch_engine.structures.table cimport Table, table_prefetch_bucket, table_prefetch_entries

cdef extern from * nogil:
    """
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <unistd.h>
    typedef void (*hutch_listener_body)(void *);
    typedef struct { hutch_listener_body body; void *context; } hutch_listener_start;
    static void *hutch_listener_main(void *context);
    /* Signals stay with the host's own threads. */
    static int hutch_listener_thread(void *context, uint64_t *thread_out) {
        sigset_t all, before;
        pthread_t thread;
        int failed;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        failed = pthread_create(&thread, NULL, hutch_listener_main, context);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed) return 0;
    #ifdef __linux__
        pthread_setname_np(thread, "hutch-listener");
    #endif
        *thread_out = (uint64_t)(uintptr_t)thread;
        return 1;
    }
    static void hutch_listener_join(uint64_t thread) { pthread_join((pthread_t)(uintptr_t)thread, NULL); }
    """
    bint hutch_listener_thread(void* context, uint64_t* thread_out) noexcept
    void hutch_listener_join(uint64_t thread) noexcept
    int unlink(const char* path) noexcept

cdef enum:
    TICK_US = 100000                # statistics, time-outs, memory of idle clients
    READ_BYTES_MAX = 262144         # one read of a big argument: some 50 us
    GROW_AT_ONCE_BYTES = 2097152    # room made for an argument on its word alone; more only as it arrives
    KEEP_BUFFER_BYTES = 65536       # reply buffers bigger than this go back once sent
    TAKE_EARLY_BYTES = 65536        # replies sent before their connection's turn is over
    OUTPUT_NOT_COUNTED_BYTES = 16384   # the limits are on what exceeds Redis's fixed reply buffer
    GIVE_WAY_EVERY = 16             # commands, when somebody waits for the lock
    IDLE_US = 2000000               # after this a client's empty buffers are given back
    TICKS_PER_VISIT = 10            # each connection is looked at once in so many ticks
    COLLECTIONS = ACL_HASH | ACL_LIST | ACL_SET | ACL_SORTEDSET

cdef enum:
    CLASS_NORMAL = 0                # of client-output-buffer-limit
    CLASS_REPLICA = 1
    CLASS_PUBSUB = 2


# ---- making, opening, ending

cdef Listener* listener_new(Engine* engine, bint portable_poller) noexcept nogil:
    cdef Listener* listener = <Listener*>calloc(1, sizeof(Listener))
    if listener == NULL:
        return NULL
    listener.engine = engine
    words_init(&listener.spare.words, &engine.client_bytes)
    listener.arena = <char*>malloc(ARENA_BYTES)
    listener.requests = <Request*>malloc(BATCH_REQUESTS * sizeof(Request))
    words_init(&listener.words, &engine.client_bytes)
    if listener.arena == NULL or listener.requests == NULL or not _connections_reserve(listener) or \
            not poller_init(&listener.poller, portable_poller):
        _release_arrays(listener)
        return NULL
    return listener


cdef void _release_arrays(Listener* listener) noexcept nogil:
    free(listener.spare.arena)
    free(listener.spare.requests)
    free(listener.spare.round)
    free(listener.spare.resumed)
    words_clear(&listener.spare.words)
    free(listener.arena)
    free(listener.requests)
    free(listener.connections)
    free(listener.round)
    free(listener.resumed)
    free(listener.doomed)
    words_clear(&listener.words)
    free(listener)


cdef bint _grow_list(Connection*** list, uint32_t capacity) noexcept nogil:
    cdef void* block = realloc(list[0], capacity * sizeof(Connection*))
    if block == NULL:
        return False
    list[0] = <Connection**>block
    return True


cdef bint _connections_reserve(Listener* listener) noexcept nogil:
    """Room for one more connection in every list, so that listing one never fails. `resumed` may name a
    connection twice while it is being worked off."""
    cdef uint32_t used = listener.connection_count + listener.doomed_count
    cdef uint32_t capacity = listener.connection_capacity * 2 if listener.connection_capacity else 64
    if used < listener.connection_capacity:
        return True
    if not (_grow_list(&listener.connections, capacity) and _grow_list(&listener.round, capacity)
            and _grow_list(&listener.resumed, 2 * capacity) and _grow_list(&listener.doomed, capacity)):
        return False
    listener.connection_capacity = capacity
    return True


cdef bint _add_socket(Listener* listener, int fd, bint unix_socket) noexcept nogil:
    cdef ListeningSocket* place = &listener.sockets[listener.socket_count]
    place.fd = fd
    place.unix_socket = unix_socket
    listener.socket_count += 1
    return poller_add(&listener.poller, fd, POLL_READ, place)


cdef bint _open_tcp(Listener* listener, const char* addresses, int32_t port, int backlog, int32_t* port_out,
                    char* error_out, size_t error_size) noexcept nogil:
    """Listen on each of the blank-separated addresses; '-' in front: it may be missing on this machine."""
    cdef const char* p = addresses
    cdef char[256] host
    cdef size_t length
    cdef bint optional
    cdef int fd
    port_out[0] = port
    while True:
        while p[0] == 32 or p[0] == 9:
            p += 1
        if p[0] == 0:
            break
        length = 0
        while p[length] != 0 and p[length] != 32 and p[length] != 9:
            length += 1
        optional = p[0] == 45
        if length >= sizeof(host) or listener.socket_count == LISTENER_SOCKETS_MAX:
            snprintf(error_out, error_size, b"Too many or too long bind addresses")
            return False
        memcpy(host, p + optional, length - optional)
        host[length - optional] = 0
        p += length
        fd = socket_listen_tcp(host, port_out[0], backlog, optional, error_out, error_size)
        if fd < 0:
            if error_out[0]:
                return False
            continue
        if not _add_socket(listener, fd, False):
            snprintf(error_out, error_size, b"Failed to watch a listening socket")
            return False
        # An ephemeral port is chosen by the first address, the others follow.
        port_out[0] = socket_port(fd)
    if listener.socket_count == 0:
        snprintf(error_out, error_size, b"Failed listening on port %d (tcp): none of the bind addresses exists here", <int>port)
        return False
    return True


cdef void _close_sockets(Listener* listener) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.socket_count):
        poller_remove(&listener.poller, listener.sockets[i].fd)
        socket_close(listener.sockets[i].fd)
    listener.socket_count = 0
    if listener.unix_path[0]:
        unlink(listener.unix_path)
        listener.unix_path[0] = 0


cdef bint _text_of(const Buffer* buffer, char* out, size_t size) noexcept nogil:
    if buffer.length >= size:
        return False
    if buffer.length:
        memcpy(out, buffer.data, buffer.length)
    out[buffer.length] = 0
    return True


cdef bint listener_open(Listener* listener, char* error_out, size_t error_size) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef char[4096] addresses
    cdef char[4096] path
    cdef int32_t port
    cdef int32_t bound_port = 0
    cdef int64_t permissions
    cdef int backlog
    cdef int attempts = 0
    cdef int fd
    cdef bint fits
    error_out[0] = 0
    lock_acquire(&engine.lock)
    port = <int32_t>engine.config.port
    backlog = <int>engine.config.tcp_backlog
    permissions = engine.config.unixsocketperm
    fits = _text_of(&engine.config.bind, addresses, sizeof(addresses))
    if not _text_of(&engine.config.unixsocket, path, sizeof(path)):
        fits = False
    _copy_limits(listener)
    lock_release(&engine.lock)
    if not fits:
        snprintf(error_out, error_size, b"The bind addresses or the Unix socket's path are too long")
        return False
    if path[0]:
        fd = socket_listen_unix(_slice_of_path(path), permissions, backlog, error_out, error_size)
        if fd < 0:
            return False
        # It fits: the system's limit is below this array's size.
        memcpy(listener.unix_path, path, sizeof(listener.unix_path))
        if not _add_socket(listener, fd, True):
            snprintf(error_out, error_size, b"Failed to watch a listening socket")
            _close_sockets(listener)
            return False
    if listener.any_port:
        port = 0
    if port or listener.any_port:
        while not _open_tcp(listener, addresses, port, backlog, &bound_port, error_out, error_size):
            _close_tcp_sockets(listener)
            attempts += 1
            # A free port of the first address may be taken on the second: ask for another one.
            if not listener.any_port or attempts == 8:
                _close_sockets(listener)
                return False
    lock_acquire(&engine.lock)
    engine.tcp_port = bound_port
    engine.wake_fd = listener.poller.wake_write_fd
    lock_release(&engine.lock)
    return True


cdef Slice _slice_of_path(const char* path) noexcept nogil:
    cdef size_t length = 0
    while path[length]:
        length += 1
    return slice_of(path, length)


cdef void _close_tcp_sockets(Listener* listener) noexcept nogil:
    while listener.socket_count and not listener.sockets[listener.socket_count - 1].unix_socket:
        listener.socket_count -= 1
        poller_remove(&listener.poller, listener.sockets[listener.socket_count].fd)
        socket_close(listener.sockets[listener.socket_count].fd)


cdef void* _thread_main "hutch_listener_main"(void* context) noexcept nogil:
    listener_run(<Listener*>context)
    return NULL


cdef bint listener_start(Listener* listener) noexcept nogil:
    listener.thread_runs = hutch_listener_thread(listener, &listener.thread)
    return listener.thread_runs


cdef void listener_stop(Listener* listener) noexcept nogil:
    atomic_store32(&listener.stop_asked, 1)
    atomic_store32(&listener.engine.socket_scripts_stop, 1)
    poller_wake(&listener.poller)
    if listener.thread_runs:
        hutch_listener_join(listener.thread)
        listener.thread_runs = False


cdef void listener_free(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    listener_stop(listener)
    while listener.connection_count:
        _doom(listener, listener.connections[listener.connection_count - 1])
    _free_doomed(listener)
    _close_sockets(listener)
    lock_acquire(&engine.lock)
    engine.wake_fd = -1
    engine.tcp_port = 0
    engine.serve_others = NULL
    engine.listening = NULL
    atomic_store32(&engine.socket_scripts_stop, 0)
    lock_release(&engine.lock)
    poller_clear(&listener.poller)
    _release_arrays(listener)


# ---- connections

cdef void _accept(Listener* listener, ListeningSocket* where) noexcept nogil:
    cdef int64_t i
    cdef int fd = -1
    cdef AcceptOutcome outcome
    # Bounded, so that a flood of connections does not starve those that are there.
    for i in range(listener.accepts_per_turn):
        outcome = socket_accept(where.fd, &fd)
        if outcome == ACCEPTED:
            _welcome(listener, fd, where.unix_socket)
        elif outcome == ACCEPT_NO_DESCRIPTOR:
            # The waiting connection stays readable: without a pause this would be a busy loop.
            _listen_for(listener, 0)
            listener.accept_paused = True
            return
        elif outcome != ACCEPT_AGAIN:
            return


cdef void _listen_for(Listener* listener, uint32_t interest) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.socket_count):
        poller_change(&listener.poller, listener.sockets[i].fd, interest, &listener.sockets[i])


cdef void _turn_away(int fd, const char* why, size_t length) noexcept nogil:
    socket_write(fd, why, length)
    socket_close(fd)


cdef const char* _DENIED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n")
cdef const char* _FULL = b"-ERR max number of clients reached\r\n"


cdef void _welcome(Listener* listener, int fd, bint unix_socket) noexcept nogil:
    """A new client: refuse it as Redis would, or make its connection and session."""
    cdef Engine* engine = listener.engine
    cdef char[ADDRESS_TEXT_MAX] peer
    cdef char[ADDRESS_TEXT_MAX] here
    cdef size_t peer_length
    cdef size_t here_length = socket_address(fd, False, here)
    cdef bint local = unix_socket or socket_peer_is_loopback(fd)
    cdef const char* refusal = NULL
    cdef Connection* connection = <Connection*>calloc(1, sizeof(Connection))
    cdef Session* session = NULL
    cdef int64_t keepalive_s = 0
    if unix_socket:
        # The other end of a Unix socket has no name; Redis shows the path twice.
        memcpy(peer, here, sizeof(peer))
        peer_length = here_length
    else:
        peer_length = socket_address(fd, True, peer)
    if connection != NULL and not _connections_reserve(listener):
        free(connection)
        connection = NULL
    lock_acquire(&engine.lock)
    if <int64_t>engine.socket_count >= engine.config.maxclients:
        refusal = _FULL
        engine.connections_rejected += 1
    elif not local and engine.config.protected_mode and engine.config.requirepass.length == 0:
        refusal = _DENIED
        engine.connections_rejected += 1
    elif connection != NULL:
        keepalive_s = engine.config.tcp_keepalive_s
        session = session_new(engine, SESSION_UNIX_SOCKET if unix_socket else 0, fd)
        if session != NULL:
            engine.connections_received += 1
            session.connection = connection
            buffer_append(&session.address, peer, peer_length)
            buffer_append(&session.local_address, here, here_length)
            connection.authenticated = _is_authenticated(engine, session)
    lock_release(&engine.lock)
    if refusal != NULL:
        _turn_away(fd, refusal, _slice_of_path(refusal).length)
        free(connection)
        return
    if session == NULL:
        socket_close(fd)
        free(connection)
        return
    if not unix_socket:
        socket_tune(fd, keepalive_s)
    connection.session = session
    connection.born_busy = listener.nested
    connection.fd = fd
    connection.interest = POLL_READ
    parser_init(&connection.parser, &engine.client_bytes)
    buffer_init(&connection.query, &engine.client_bytes)
    buffer_init(&connection.sending, &engine.client_bytes)
    connection.index = listener.connection_count
    listener.connections[listener.connection_count] = connection
    listener.connection_count += 1
    if not poller_add(&listener.poller, fd, POLL_READ, connection):
        _doom(listener, connection)


cdef inline bint _is_authenticated(Engine* engine, Session* session) noexcept nogil:
    return session.flags & SESSION_AUTHENTICATED or engine.config.requirepass.length == 0


cdef void _doom(Listener* listener, Connection* connection) noexcept nogil:
    """Close it. The struct stays until the turn is over: lists and events may still name it."""
    cdef Connection* moved
    if connection.ending == ENDING_CLOSED:
        return
    connection.ending = ENDING_CLOSED
    _hold(listener, connection, HELD_NOT)
    poller_remove(&listener.poller, connection.fd)
    listener.connection_count -= 1
    moved = listener.connections[listener.connection_count]
    listener.connections[connection.index] = moved
    moved.index = connection.index
    listener.doomed[listener.doomed_count] = connection
    listener.doomed_count += 1


cdef void _forget_resumed(Listener* listener, Connection* connection) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.resumed_count):
        if listener.resumed[i] == connection:
            listener.resumed_count -= 1
            listener.resumed[i] = listener.resumed[listener.resumed_count]
            return


cdef inline bint _is_named(Listener* listener, Connection* connection) noexcept nogil:
    """May a list or an event of the turn around this one still name it?"""
    return listener.nested and not connection.born_busy


cdef void _free_doomed(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    cdef uint32_t kept = 0
    if listener.doomed_count == 0:
        return
    lock_acquire(&engine.lock)
    for i in range(listener.doomed_count):
        if not _is_named(listener, listener.doomed[i]):
            _count_bytes(engine, listener.doomed[i])
            session_free(listener.doomed[i].session)
    lock_release(&engine.lock)
    for i in range(listener.doomed_count):
        connection = listener.doomed[i]
        if _is_named(listener, connection):
            listener.doomed[kept] = connection
            kept += 1
            continue
        if connection.in_resumed:
            _forget_resumed(listener, connection)
        # Not before the session is gone: the number may be another connection's right away.
        socket_close(connection.fd)
        parser_clear(&connection.parser)
        buffer_clear(&connection.query)
        buffer_clear(&connection.sending)
        free(connection)
    listener.doomed_count = kept


cdef void _watch_for(Listener* listener, Connection* connection, uint32_t interest) noexcept nogil:
    if connection.interest != interest and connection.ending != ENDING_CLOSED:
        connection.interest = interest
        poller_change(&listener.poller, connection.fd, interest, connection)


cdef inline void _join_round(Listener* listener, Connection* connection) noexcept nogil:
    if not connection.in_round:
        connection.in_round = True
        listener.round[listener.round_count] = connection
        listener.round_count += 1


cdef inline void _hold(Listener* listener, Connection* connection, uint8_t why) noexcept nogil:
    listener.postponed_count += (why == HELD_POSTPONED) - <int>(connection.held == HELD_POSTPONED)
    connection.held = why


cdef void _resume(Listener* listener, Connection* connection) noexcept nogil:
    """Its kept requests may run again, at the beginning of the next turn."""
    _hold(listener, connection, HELD_NOT)
    if not connection.in_resumed and connection.ending == ENDING_NOT:
        connection.in_resumed = True
        listener.resumed[listener.resumed_count] = connection
        listener.resumed_count += 1


# ---- collecting

cdef void _read(Listener* listener, Connection* connection) noexcept nogil:
    """One read into the arena, or behind an unfinished request; then decode."""
    cdef size_t missing, room, start
    cdef ssize_t got
    cdef Buffer* query = &connection.query
    if unlikely(query.length != 0):
        if connection.in_round:
            # Resumed in this very turn: its words lie in `query`, which must not move now.
            return
        missing = parser_missing(&connection.parser)
        room = READ_BYTES
        if missing > room:
            # The room for a big argument is made once; beyond a limit only in step with what has come.
            room = GROW_AT_ONCE_BYTES if query.length < GROW_AT_ONCE_BYTES // 4 else query.length * 3
            if missing < room:
                room = missing
        if not buffer_reserve(query, room):
            _doom(listener, connection)
            return
        room = query.capacity - query.length
        if missing <= READ_BYTES and room > READ_BYTES:
            room = READ_BYTES
        elif room > READ_BYTES_MAX:
            room = READ_BYTES_MAX
        got = socket_read(connection.fd, query.data + query.length, room)
        if got > 0:
            query.length += <size_t>got
            parser_moved(&connection.parser, query.data, query.length, connection.parser.start)
    else:
        if listener.arena_used + READ_BYTES > ARENA_BYTES:
            _run(listener, NULL)
        got = socket_read(connection.fd, listener.arena + listener.arena_used, READ_BYTES)
        if likely(got > 0):
            parser_moved(&connection.parser, listener.arena + listener.arena_used, <size_t>got, 0)
            # Each reader's bytes begin on a cache line of their own.
            listener.arena_used += (<size_t>got + 63) & ~<size_t>63
    if likely(got > 0):
        connection.received += <uint64_t>got
        _join_round(listener, connection)
        if unlikely(<int64_t>(connection.parser.length - connection.parser.start) > listener.limits.query_bytes):
            connection.ending = ENDING_NOW
            lock_acquire(&listener.engine.lock)
            listener.engine.query_limit_closes += 1
            lock_release(&listener.engine.lock)
            return
        _decode(listener, connection)
    elif got != SOCKET_WAIT:
        _doom(listener, connection)


cdef inline const Command* _find_command(Listener* listener, Connection* connection, Slice name) noexcept nogil:
    cdef const Command* command
    if likely(name.length == connection.last_name_length and
              memcmp(name.data, connection.last_name, name.length) == 0):
        return connection.last_command
    command = listener.engine.find_command(name)
    if command != NULL and name.length <= sizeof(connection.last_name):
        memcpy(connection.last_name, name.data, name.length)
        connection.last_name_length = name.length
        connection.last_command = command
    return command


cdef bint _collect(Listener* listener, Connection* connection, size_t start, size_t first_word) noexcept nogil:
    """The request just parsed joins the batch. False: it ends the connection instead."""
    cdef Request* request = &listener.requests[listener.request_count]
    cdef Slice* argv = listener.words.items + first_word
    cdef const Command* command = _find_command(listener, connection, argv[0])
    if unlikely(command == NULL) and (slice_is(argv[0], b"post") or slice_is(argv[0], b"host:")):
        # A web page that talks to this port: Redis hangs up without an answer.
        listener.words.count = first_word
        connection.ending = ENDING_NOW
        return False
    request.connection = connection
    request.command = command
    request.first_word = first_word
    request.word_count = <uint32_t>(listener.words.count - first_word)
    request.start = start
    request.end = connection.parser.start
    request.hashed = command != NULL and command.first_key == 1 and request.word_count > 1
    if request.hashed:
        request.key_hash = keyspace_hash(&listener.engine.keyspace, argv[1])
    listener.request_count += 1
    connection.waiting_requests += 1
    return True


cdef void _decode(Listener* listener, Connection* connection) noexcept nogil:
    """Take requests out of the connection's window, running a batch whenever it is full."""
    cdef size_t start, first_word
    cdef ParseOutcome outcome
    while connection.held == HELD_NOT and connection.ending == ENDING_NOT:
        if listener.request_count == BATCH_REQUESTS:
            _run(listener, connection)
            continue
        start = connection.parser.start
        first_word = listener.words.count
        outcome = parser_next(&connection.parser, &listener.words, &listener.limits, connection.authenticated)
        if likely(outcome == PARSE_REQUEST):
            if not _collect(listener, connection, start, first_word):
                return
        elif likely(outcome == PARSE_MORE):
            return
        elif outcome == PARSE_FULL:
            _run(listener, connection)
        elif outcome == PARSE_ERROR:
            if connection.waiting_requests == 0:
                connection.ending = ENDING_PROTOCOL_ERROR
                return
            # What came before is answered first, and may be the AUTH that makes this no error.
            _run(listener, connection)
        else:
            connection.ending = ENDING_NOW
            return


# ---- running

cdef void _copy_limits(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    listener.limits.bulk_bytes = engine.config.proto_max_bulk_len
    listener.limits.query_bytes = engine.config.client_query_buffer_limit
    listener.accepts_per_turn = engine.config.max_new_connections
    if listener.limits.query_bytes <= 0:
        listener.limits.query_bytes = INT64_MAX
    listener.stall_bytes = INT64_MAX if engine.config.output_limits[CLASS_NORMAL].hard_bytes else STALL_BYTES
    if unlikely(listener.postponed_count != 0):
        listener.pause_left_ms = engine.pause_end_ms - clock_now_ms(&engine.clock)


cdef inline void _count_bytes(Engine* engine, Connection* connection) noexcept nogil:
    connection.session.bytes_in += connection.received
    connection.session.bytes_out += connection.delivered
    engine.bytes_in += connection.received
    engine.bytes_out += connection.delivered
    connection.received = 0
    connection.delivered = 0


cdef inline size_t _unsent(const Connection* connection) noexcept nogil:
    """Bytes of replies that are not out yet. Requires the lock."""
    return connection.session.reply.buffer.length + connection.sending.length - connection.sent


cdef inline Table* _table_of(const Request* request) noexcept nogil:
    return &request.connection.session.call.database.keys


cdef void _prefetch_collections(Listener* listener) noexcept nogil:
    """The same for what the keys hold: the blocks, then the member's bucket, then the member. A collection of a
    million fields has them in no cache, however often its key is used."""
    cdef uint32_t i
    cdef Request* request
    cdef Slice* words
    cdef bint any = False
    for i in range(listener.request_count):
        request = &listener.requests[i]
        request.entry = NULL
        request.members = NULL
        if request.hashed and request.command.acl_categories & COLLECTIONS:
            words = listener.words.items + request.first_word
            request.entry = prefetch_value(request.connection.session.call.database, words[1], request.key_hash)
    for i in range(listener.request_count):
        request = &listener.requests[i]
        if request.entry != NULL and request.word_count > 2:
            # Behind the key; a sorted set's commands that name one member have it at the end (ZADD, ZINCRBY, ZSCORE).
            words = listener.words.items + request.first_word
            request.members = prefetch_member_bucket(
                request.entry,
                words[request.word_count - 1] if request.command.acl_categories & ACL_SORTEDSET else words[2],
                &request.member_hash)
            any |= request.members != NULL
    if not any:
        return
    for i in range(listener.request_count):
        request = &listener.requests[i]
        if request.members != NULL:
            table_prefetch_entries(request.members, request.member_hash)


cdef void _prefetch(Listener* listener) noexcept nogil:
    """The cache misses of all lookups at once instead of one after the other."""
    cdef uint32_t i
    cdef uint64_t collections = 0
    cdef Request* request
    for i in range(listener.request_count):
        request = &listener.requests[i]
        if request.hashed:
            table_prefetch_bucket(_table_of(request), request.key_hash)
    for i in range(listener.request_count):
        request = &listener.requests[i]
        if request.hashed:
            table_prefetch_entries(_table_of(request), request.key_hash)
            collections |= request.command.acl_categories
    if collections & COLLECTIONS:
        _prefetch_collections(listener)


cdef void _execute_all(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef uint32_t i
    cdef Request* request
    cdef Connection* connection
    cdef Session* session
    cdef Executed executed
    engine.keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
    engine.batch_ticks = ticks()
    for i in range(listener.request_count):
        request = &listener.requests[i]
        connection = request.connection
        session = connection.session
        if unlikely(connection.held != HELD_NOT) or unlikely(session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
            continue
        session.argument_bytes = request.end - request.start
        executed = execute_known(session, request.command, listener.words.items + request.first_word,
                                 request.word_count, request.hashed, request.key_hash)
        if unlikely(executed != 0):
            if executed == EXECUTE_POSTPONED:
                _hold(listener, connection, HELD_POSTPONED)
                parser_rewind(&connection.parser, request.start)
            elif executed == EXECUTE_BLOCKED:
                _hold(listener, connection, HELD_BLOCKED)
                parser_rewind(&connection.parser, request.end)
        elif unlikely(<int64_t>_unsent(connection) > listener.stall_bytes):
            _hold(listener, connection, HELD_STALLED)
            parser_rewind(&connection.parser, request.end)
        if unlikely(i % GIVE_WAY_EVERY == GIVE_WAY_EVERY - 1) and lock_is_wanted(&engine.lock):
            engine.batch_ticks = 0             # others' commands are not this batch's
            lock_give_way(&engine.lock)
            engine.keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
            engine.batch_ticks = ticks()
    engine.batch_ticks = 0


cdef bint _is_over_limit(Listener* listener, Connection* connection) noexcept nogil:
    """client-output-buffer-limit: beyond the hard limit, or beyond the soft one for too long."""
    cdef Engine* engine = listener.engine
    cdef uint32_t flags = connection.session.flags
    cdef int kind = CLASS_REPLICA if flags & SESSION_REPLICA else CLASS_PUBSUB if flags & SESSION_SUBSCRIBED else CLASS_NORMAL
    cdef int64_t waiting = <int64_t>_unsent(connection) - OUTPUT_NOT_COUNTED_BYTES
    cdef int64_t hard = engine.config.output_limits[kind].hard_bytes
    cdef int64_t soft = engine.config.output_limits[kind].soft_bytes
    if flags & SESSION_MASTER:
        return False
    if hard and waiting > hard:
        return True
    if soft == 0 or waiting <= soft:
        connection.soft_limit_since_us = 0
        return False
    if connection.soft_limit_since_us == 0:
        connection.soft_limit_since_us = listener.now_us
        return False
    return listener.now_us - connection.soft_limit_since_us > engine.config.output_limits[kind].soft_seconds * 1000000


cdef inline void _take_replies(Connection* connection) noexcept nogil:
    """Swap the session's replies for the empty buffer of what was sent before. Requires the lock."""
    cdef Buffer swapped
    if connection.sending.length == 0:
        swapped = connection.sending
        connection.sending = connection.session.reply.buffer
        connection.session.reply.buffer = swapped
        connection.sent = 0


cdef void _before(Listener* listener, Connection* connection) noexcept nogil:
    """What CLIENT LIST and INFO are to see while this batch runs. Requires the lock."""
    cdef Session* session = connection.session
    _count_bytes(listener.engine, connection)
    if connection.waiting_requests:
        session.used_us = listener.now_us
    session.query_bytes = connection.parser.length
    session.query_free = READ_BYTES - connection.parser.length if connection.parser.length < READ_BYTES else 0
    session.output_bytes = connection.sending.length - connection.sent


cdef void _after(Listener* listener, Connection* connection, bint turn_is_over) noexcept nogil:
    """Take the replies of a batch, and learn what became of the session. Requires the lock."""
    cdef Session* session = connection.session
    cdef Engine* engine = listener.engine
    if unlikely(connection.ending == ENDING_PROTOCOL_ERROR):
        # Redis says nothing to who wanted no replies, and then leaves the connection open for nothing: we close it.
        if not session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
            reply_error(&session.reply, connection.parser.error)
        engine.error_replies += 1
        session.flags |= SESSION_CLOSE_AFTER_REPLY
    connection.authenticated = _is_authenticated(engine, session)
    session.argument_bytes = 0
    if unlikely(session.reply.buffer.failed):
        # A reply that memory was refused for: what follows would be garbage.
        session.flags |= SESSION_CLOSE_NOW
    if unlikely(_unsent(connection) > OUTPUT_NOT_COUNTED_BYTES or connection.soft_limit_since_us != 0):
        if not session.flags & SESSION_CLOSE_NOW and _is_over_limit(listener, connection):
            session.flags |= SESSION_CLOSE_NOW
            engine.output_limit_closes += 1
    if turn_is_over or session.reply.buffer.length > TAKE_EARLY_BYTES:
        _take_replies(connection)
    if turn_is_over:
        session.query_bytes = connection.parser.length - connection.parser.start
        session.query_free = 0
    session.output_bytes = 0
    if unlikely(session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
        if session.flags & SESSION_CLOSE_NOW:
            connection.ending = ENDING_NOW
        elif connection.ending != ENDING_NOW:
            connection.ending = ENDING_AFTER_REPLY


cdef void _run(Listener* listener, Connection* current) noexcept nogil:
    """Run the batch. `current`: a connection in the middle of its turn, whose window must stay; or NULL."""
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    if listener.round_count == 0:
        if current == NULL:
            listener.arena_used = 0
        return
    lock_acquire(&engine.lock)
    _copy_limits(listener)
    if listener.request_count > 1:
        for i in range(listener.round_count):
            prefetch(listener.round[i].session)
        _prefetch(listener)
    for i in range(listener.round_count):
        _before(listener, listener.round[i])
    _execute_all(listener)
    for i in range(listener.round_count):
        connection = listener.round[i]
        if likely(connection.ending != ENDING_CLOSED):
            _after(listener, connection, connection != current)
    lock_release(&engine.lock)
    listener.request_count = 0
    words_reset(&listener.words)
    for i in range(listener.round_count):
        connection = listener.round[i]
        connection.waiting_requests = 0
        connection.in_round = False
        if likely(connection.ending != ENDING_CLOSED):
            _settle(listener, connection, connection != current)
    listener.round_count = 0
    if current == NULL:
        listener.arena_used = 0
    elif current.ending != ENDING_CLOSED:
        _join_round(listener, current)


# ---- settling

cdef void _settle(Listener* listener, Connection* connection, bint turn_is_over) noexcept nogil:
    if unlikely(connection.ending == ENDING_NOW):
        _doom(listener, connection)
        return
    if likely(connection.sending.length != 0) and not connection.interest & POLL_WRITE:
        _send(listener, connection)
        if unlikely(connection.ending == ENDING_CLOSED):
            return
    if not turn_is_over:
        return
    if unlikely(connection.ending == ENDING_AFTER_REPLY):
        if connection.sending.length == 0:
            _doom(listener, connection)
        else:
            _watch_for(listener, connection, POLL_WRITE)
        return
    _keep_rest(listener, connection)
    if unlikely(connection.held == HELD_STALLED):
        if connection.sending.length == 0:
            # The socket took it all: it only answered much at once.
            _resume(listener, connection)
        else:
            _watch_for(listener, connection, POLL_WRITE)


cdef void _keep_rest(Listener* listener, Connection* connection) noexcept nogil:
    """Bytes of an unfinished request, or of requests that wait, go to the connection's own buffer."""
    cdef size_t start = connection.parser.start
    cdef size_t rest = connection.parser.length - start
    cdef Buffer* query = &connection.query
    if likely(rest == 0):
        if unlikely(query.capacity != 0):
            buffer_clear(query)
        parser_moved(&connection.parser, NULL, 0, 0)
        return
    if connection.parser.data == query.data:
        if start:
            memmove(query.data, query.data + start, rest)
            query.length = rest
    else:
        # The next read needs this much, so that it does not move again what was kept here.
        if not buffer_reserve(query, rest + _expected(connection)):
            _doom(listener, connection)
            return
        buffer_append(query, connection.parser.data + start, rest)
    parser_moved(&connection.parser, query.data, rest, 0)


cdef inline size_t _expected(const Connection* connection) noexcept nogil:
    cdef size_t missing = parser_missing(&connection.parser)
    return READ_BYTES if missing < READ_BYTES else GROW_AT_ONCE_BYTES if missing > GROW_AT_ONCE_BYTES else missing


cdef void _send(Listener* listener, Connection* connection) noexcept nogil:
    """Write what is in `sending`; what the socket does not take waits for it to be writable."""
    cdef Buffer* sending = &connection.sending
    cdef size_t length = sending.length - connection.sent
    cdef ssize_t put = socket_write(connection.fd, sending.data + connection.sent, length)
    if put > 0:
        connection.delivered += <uint64_t>put
        connection.sent += <size_t>put
    elif put == SOCKET_FAILED:
        _doom(listener, connection)
        return
    if likely(connection.sent == sending.length):
        sending.length = 0
        connection.sent = 0
        if unlikely(sending.capacity > KEEP_BUFFER_BYTES):
            buffer_clear(sending)
        if unlikely(connection.interest & POLL_WRITE):
            _watch_for(listener, connection, connection.interest & ~<uint32_t>POLL_WRITE)
    else:
        _watch_for(listener, connection, connection.interest | POLL_WRITE)


cdef void _writable(Listener* listener, Connection* connection) noexcept nogil:
    """Go on with `sending`; when it is out, with the replies that came meanwhile."""
    cdef Engine* engine = listener.engine
    _send(listener, connection)
    if connection.ending == ENDING_CLOSED or connection.sending.length:
        return
    lock_acquire(&engine.lock)
    _count_bytes(engine, connection)
    _take_replies(connection)
    lock_release(&engine.lock)
    if connection.sending.length:
        _watch_for(listener, connection, connection.interest | POLL_WRITE)
    elif connection.ending == ENDING_AFTER_REPLY:
        _doom(listener, connection)
    elif connection.held == HELD_STALLED:
        _watch_for(listener, connection, POLL_READ)
        _resume(listener, connection)


# ---- the loop

cdef bint _wants_attention(Engine* engine, Connection* connection) noexcept nogil:
    """Did another thread change something about this session? Requires the lock."""
    cdef Session* session = connection.session
    if session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY):
        return connection.ending != ENDING_AFTER_REPLY
    return session.reply.buffer.length != 0 and connection.sending.length == 0


cdef void _look_at_all(Listener* listener) noexcept nogil:
    """Somebody woke the loop: replies from elsewhere, kills, ends of pauses and of blocking."""
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef bint paused
    cdef uint32_t i
    lock_acquire(&engine.lock)
    paused = engine.pause_kind != PAUSE_NONE and clock_now_ms(&engine.clock) < engine.pause_end_ms
    for i in range(listener.connection_count):
        connection = listener.connections[i]
        if connection.held == HELD_POSTPONED and not paused:
            connection.session.flags &= ~<uint32_t>SESSION_POSTPONED
            _resume(listener, connection)
        elif connection.held == HELD_BLOCKED and not connection.session.flags & SESSION_BLOCKED:
            _resume(listener, connection)
        if _wants_attention(engine, connection):
            _join_round(listener, connection)
    lock_release(&engine.lock)
    _run(listener, NULL)


cdef void _visit(Listener* listener, Connection* connection) noexcept nogil:
    """Once a second or so: time-out, soft limit, memory of an idle client. Requires the lock."""
    cdef Engine* engine = listener.engine
    cdef Session* session = connection.session
    cdef int64_t idle_us = listener.now_us - session.used_us
    _count_bytes(engine, connection)
    session.output_bytes = connection.sending.length - connection.sent
    if engine.config.timeout_s and idle_us > engine.config.timeout_s * 1000000 and \
            not session.flags & (SESSION_BLOCKED | SESSION_POSTPONED | SESSION_SUBSCRIBED | SESSION_REPLICA
                                  | SESSION_MASTER):
        session.flags |= SESSION_CLOSE_NOW
    if _unsent(connection) > OUTPUT_NOT_COUNTED_BYTES and _is_over_limit(listener, connection):
        session.flags |= SESSION_CLOSE_NOW
        engine.output_limit_closes += 1
    if idle_us > IDLE_US:
        if session.reply.buffer.length == 0 and session.reply.buffer.capacity:
            buffer_clear(&session.reply.buffer)
        if connection.sending.length == 0 and connection.sending.capacity:
            buffer_clear(&connection.sending)
    if _wants_attention(engine, connection):
        _join_round(listener, connection)


cdef void _tick(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef uint32_t visits = listener.connection_count // TICKS_PER_VISIT + 1
    cdef uint32_t i
    listener.tick_us = listener.now_us + TICK_US
    if listener.accept_paused:
        listener.accept_paused = False
        _listen_for(listener, POLL_READ)
    lock_acquire(&engine.lock)
    engine_sample(engine)
    _copy_limits(listener)
    for i in range(visits):
        if listener.visited >= listener.connection_count:
            listener.visited = 0
            break
        _visit(listener, listener.connections[listener.visited])
        listener.visited += 1
    lock_release(&engine.lock)
    _run(listener, NULL)
    if listener.postponed_count:
        _look_at_all(listener)


cdef int _timeout_ms(Listener* listener) noexcept nogil:
    cdef int64_t left_ms = (listener.tick_us - listener.now_us + 999) // 1000
    if listener.resumed_count or left_ms <= 0:
        return 0
    if listener.postponed_count and listener.pause_left_ms < left_ms:
        left_ms = listener.pause_left_ms if listener.pause_left_ms > 0 else 1
    return <int>left_ms


cdef void _serve_resumed(Listener* listener) noexcept nogil:
    """Requests that were kept while their connection was held."""
    cdef uint32_t count = listener.resumed_count
    cdef uint32_t i
    cdef Connection* connection
    for i in range(count):
        connection = listener.resumed[i]
        connection.in_resumed = False
        if connection.ending == ENDING_NOT and connection.held == HELD_NOT:
            _join_round(listener, connection)
            _decode(listener, connection)
    # Some may have been held and resumed again by the batches run meanwhile.
    listener.resumed_count -= count
    memmove(listener.resumed, listener.resumed + count, listener.resumed_count * sizeof(Connection*))


cdef inline bint _is_listening(Listener* listener, void* owner) noexcept nogil:
    return <char*>owner >= <char*>listener and <char*>owner < <char*>(listener + 1)


cdef void _serve(Listener* listener, Connection* connection, uint32_t ready) noexcept nogil:
    if connection.ending == ENDING_CLOSED:
        return
    if unlikely(ready & POLL_WRITE) and connection.sending.length:
        _writable(listener, connection)
        if connection.ending == ENDING_CLOSED:
            return
    if likely(connection.interest & POLL_READ) and connection.ending == ENDING_NOT:
        # An error or a hang-up is learnt by reading, behind what was sent before it.
        _read(listener, connection)
    elif ready & ~<uint32_t>(POLL_READ | POLL_WRITE):
        _doom(listener, connection)


# ---- a script of one of our clients overruns its time: the others are served from inside of it

cdef bint _spare_ready(Listener* listener) noexcept nogil:
    cdef Batch* spare = &listener.spare
    if spare.arena == NULL:
        spare.arena = <char*>malloc(ARENA_BYTES)
    if spare.requests == NULL:
        spare.requests = <Request*>malloc(BATCH_REQUESTS * sizeof(Request))
    if spare.arena == NULL or spare.requests == NULL:
        return False
    if listener.spare_capacity == listener.connection_capacity:
        return True
    listener.spare_capacity = 0
    if not _grow_list(&spare.round, listener.connection_capacity) or not _grow_list(&spare.resumed, 2 * listener.connection_capacity):
        return False
    listener.spare_capacity = listener.connection_capacity
    return True


cdef void _exchange(Listener* listener) noexcept nogil:
    """The present batch and the spare one."""
    cdef Batch batch
    batch.round = listener.round
    batch.round_count = listener.round_count
    batch.resumed = listener.resumed
    batch.resumed_count = listener.resumed_count
    batch.requests = listener.requests
    batch.request_count = listener.request_count
    batch.words = listener.words
    batch.arena = listener.arena
    batch.arena_used = listener.arena_used
    listener.round = listener.spare.round
    listener.round_count = listener.spare.round_count
    listener.resumed = listener.spare.resumed
    listener.resumed_count = listener.spare.resumed_count
    listener.requests = listener.spare.requests
    listener.request_count = listener.spare.request_count
    listener.words = listener.spare.words
    listener.arena = listener.spare.arena
    listener.arena_used = listener.spare.arena_used
    listener.spare = batch


cdef void _return(Listener* listener, uint32_t capacity) noexcept nogil:
    """Back to the batch that was interrupted. When connections came, its lists are too short by now: what is in them
    moves to the longer ones."""
    cdef Batch* outer = &listener.spare
    cdef Connection** swapped
    # What was resumed meanwhile runs when the script is over.
    if outer.resumed_count:
        memmove(listener.resumed + outer.resumed_count, listener.resumed, listener.resumed_count * sizeof(Connection*))
        memcpy(listener.resumed, outer.resumed, outer.resumed_count * sizeof(Connection*))
    outer.resumed_count += listener.resumed_count
    swapped = outer.resumed
    outer.resumed = listener.resumed
    listener.resumed = swapped
    listener.resumed_count = 0
    if outer.round_count:
        memcpy(listener.round, outer.round, outer.round_count * sizeof(Connection*))
    swapped = outer.round
    outer.round = listener.round
    listener.round = swapped
    listener.round_count = 0
    _exchange(listener)
    if capacity != listener.connection_capacity:
        listener.spare_capacity = 0          # now these are the short ones


cdef bint _serve_others(Engine* engine) noexcept nogil:
    """Engine.serve_others: one turn of the loop, in the middle of a batch, for those who are not part of it. Is called
    without the lock. True: the loop is to end, and with it the script."""
    cdef Listener* listener = <Listener*>engine.listening
    cdef PollerEvent[POLLER_EVENTS_MAX] events
    cdef Connection* connection
    cdef void* owner
    cdef uint32_t capacity
    cdef int count, i
    if atomic_load32(&listener.stop_asked):
        return True
    if not _spare_ready(listener):
        return False
    capacity = listener.connection_capacity
    memcpy(events, listener.poller.events, sizeof(events))
    for i in range(<int>listener.round_count):
        listener.round[i].in_outer_round = True
    _exchange(listener)
    listener.nested = True
    count = poller_wait(&listener.poller, 0)
    for i in range(count):
        owner = listener.poller.events[i].owner
        if _is_listening(listener, owner):
            _accept(listener, <ListeningSocket*>owner)
            continue
        connection = <Connection*>owner
        if not connection.in_outer_round:
            _serve(listener, connection, listener.poller.events[i].ready)
    _run(listener, NULL)
    if listener.poller.woken:
        listener.missed_wake = True          # looked at when the script is over
    _free_doomed(listener)
    _return(listener, capacity)
    listener.nested = False
    for i in range(<int>listener.round_count):
        listener.round[i].in_outer_round = False
    memcpy(listener.poller.events, events, sizeof(events))
    return atomic_load32(&listener.stop_asked) != 0


cdef void listener_run(Listener* listener) noexcept nogil:
    cdef int count, i
    cdef void* owner
    lock_acquire(&listener.engine.lock)
    listener.engine.listening = listener
    listener.engine.serve_others = _serve_others
    lock_release(&listener.engine.lock)
    listener.now_us = monotonic_us()
    listener.tick_us = listener.now_us
    while not atomic_load32(&listener.stop_asked):
        count = poller_wait(&listener.poller, _timeout_ms(listener))
        listener.now_us = monotonic_us()
        if listener.resumed_count:
            _serve_resumed(listener)
        for i in range(count):
            owner = listener.poller.events[i].owner
            if unlikely(_is_listening(listener, owner)):
                _accept(listener, <ListeningSocket*>owner)
            else:
                _serve(listener, <Connection*>owner, listener.poller.events[i].ready)
        _run(listener, NULL)
        if unlikely(listener.poller.woken or listener.missed_wake):
            listener.missed_wake = False
            _look_at_all(listener)
        if unlikely(listener.now_us >= listener.tick_us):
            _tick(listener)
        _free_doomed(listener)
    # What was answered before the end was asked for should still arrive.
    _look_at_all(listener)
    _free_doomed(listener)
