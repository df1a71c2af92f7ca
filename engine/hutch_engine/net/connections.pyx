"""See connections.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset, strcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.atomics cimport atomic_load32
from hutch_engine.base.clock cimport clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.growth cimport growth_limit
from hutch_engine.base.lock cimport lock_acquire, lock_release
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.net.client_eviction cimport client_weigh, clients_evict
from hutch_engine.state.config cimport LOG_VERBOSE, TLS_USER_COMMON_NAME, OutputLimit
from hutch_engine.sessions.users cimport users_find
from hutch_engine.state.user cimport USER_NO_PASSWORD, USER_ON, User
from hutch_engine.state.engine cimport (
    LISTENER_ADOPTS, LISTENER_SHUTS, LISTENER_WEIGHS, SESSION_CLOSE_NOW, SESSION_MASTER, SESSION_UNIX_SOCKET, Engine, Session,
    engine_wake_listener, session_is_authenticated)
from hutch_engine.sessions.session cimport session_become, session_free, session_memory, session_new
from hutch_engine.state.log cimport log_write
from hutch_engine.net.poller cimport POLL_READ, POLL_WRITE, poller_add, poller_change, poller_remove
from hutch_engine.net.resp_parser cimport parser_clear, parser_init, words_clear
from hutch_engine.net.sockets cimport (
    ACCEPT_AGAIN, ACCEPT_NO_DESCRIPTOR, ACCEPTED, ADDRESS_TEXT_MAX, AcceptOutcome, socket_accept, socket_address,
    socket_close, socket_listen_tcp, socket_listen_unix, socket_peer_is_loopback, socket_port, socket_share_port,
    socket_tune, socket_write)
from hutch_engine.net.tls cimport tls_common_name, tls_context_free, tls_context_new, tls_context_use, tls_open, tls_problem
from hutch_engine.net.transport cimport GREET_WAIT, GREETED, GreetOutcome, transport_open
from hutch_engine.persistence.append_log cimport append_log_linger_us
from hutch_engine.sessions.output_limit cimport OUTPUT_NORMAL, OUTPUT_NOT_COUNTED_BYTES, output_limit_of

cdef extern from "<unistd.h>" nogil:
    int unlink(const char* path) noexcept

cdef enum:
    LINGER_LEAST_US = 40             # with a disk this fast, company is not worth waiting for


# ---- opening

cdef void connections_release(Listener* listener) noexcept nogil:
    free(listener.inner.arena)
    free(listener.inner.requests)
    free(listener.inner.round)
    free(listener.inner.resumed)
    words_clear(&listener.inner.words)
    free(listener.arena)
    free(listener.requests)
    free(listener.connections)
    free(listener.round)
    free(listener.resumed)
    free(listener.closed)
    free(listener.unread)
    words_clear(&listener.words)
    free(listener)


cdef bint connections_grow_list(Connection*** list, uint32_t capacity) noexcept nogil:
    cdef void* block = realloc(list[0], capacity * sizeof(Connection*))
    if block == NULL:
        return False
    list[0] = <Connection**>block
    return True


cdef bint connections_reserve(Listener* listener) noexcept nogil:
    """Room for one more connection in every list, so that listing one never fails. `resumed` may name a
    connection twice while it is being worked off."""
    cdef uint32_t used = listener.connection_count + listener.closed_count
    cdef uint32_t capacity = listener.connection_capacity * 2 if listener.connection_capacity else 64
    if used < listener.connection_capacity:
        return True
    if not (connections_grow_list(&listener.connections, capacity) and connections_grow_list(&listener.round, capacity)
            and connections_grow_list(&listener.resumed, 2 * capacity) and connections_grow_list(&listener.closed, capacity)
            and connections_grow_list(&listener.unread, capacity)):
        return False
    listener.connection_capacity = capacity
    return True


cdef bint _add_socket(Listener* listener, const ListeningSocket* opened) noexcept nogil:
    cdef ListeningSocket* place = &listener.sockets[listener.socket_count]
    place[0] = opened[0]
    listener.socket_count += 1
    return poller_add(&listener.poller, place.fd, POLL_READ, place)


cdef const ListeningSocket* _find_socket(const ListeningSocket* sockets, uint32_t count, const char* host, int32_t port) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if not sockets[i].unix_socket and sockets[i].port == port and strcmp(sockets[i].host, host) == 0:
            return &sockets[i]
    return NULL


cdef void _close_unless_kept(const ListeningSocket* sockets, uint32_t count, const ListeningSocket* kept,
                             uint32_t kept_count) noexcept nogil:
    cdef uint32_t i, k
    cdef bint stays
    for i in range(count):
        stays = sockets[i].unix_socket or sockets[i].fd < 0
        for k in range(kept_count):
            stays = stays or kept[k].fd == sockets[i].fd
        if not stays:
            socket_close(sockets[i].fd)


cdef bint _open_tcp(const char* addresses, int32_t port, bint tls, int backlog, const ListeningSocket* old, uint32_t old_count,
                    bint shared, ListeningSocket* opened, uint32_t* count_out, char* error_out, size_t error_size) noexcept nogil:
    """Listen on each of the blank-separated addresses; '-' in front: it may be missing on this machine. An old socket
    of the same address is kept. Adds to what is opened already; on failure all new ones, those of before too, are closed again."""
    cdef const char* p = addresses
    cdef const ListeningSocket* known
    cdef ListeningSocket* place
    cdef size_t length
    cdef bint optional
    cdef bint good = True
    cdef int32_t wanted = port
    cdef uint32_t first = count_out[0]
    error_out[0] = 0
    while True:
        while p[0] == 32 or p[0] == 9:
            p += 1
        if p[0] == 0:
            break
        length = 0
        while p[length] != 0 and p[length] != 32 and p[length] != 9:
            length += 1
        optional = p[0] == 45
        place = &opened[count_out[0]]
        if length >= sizeof(place.host) or count_out[0] - first == BIND_ADDRESSES_MAX:
            snprintf(error_out, error_size, b"Too many or too long bind addresses")
            good = False
            break
        memset(place, 0, sizeof(ListeningSocket))
        memcpy(place.host, p + optional, length - optional)
        p += length
        known = _find_socket(old, old_count, place.host, wanted)
        if known != NULL:
            place[0] = known[0]
        else:
            place.fd = socket_listen_tcp(place.host, wanted, backlog, optional, shared, error_out, error_size)
            if place.fd < 0:
                if error_out[0]:
                    good = False
                    break
                continue
            # An ephemeral port is chosen by the first address, the others follow.
            wanted = socket_port(place.fd)
            place.port = wanted
        place.tls = tls
        count_out[0] += 1
    # Redis starts without any of its addresses just as little, but moves to where there is none.
    if good and count_out[0] == first and not shared:
        snprintf(error_out, error_size, b"Failed listening on port %d (%s): none of the bind addresses exists here", <int>port,
                 b"tls" if tls else b"tcp")
        good = False
    if not good:
        _close_unless_kept(opened, count_out[0], old, old_count)
        count_out[0] = 0
    return good


cdef void connections_close_sockets(Listener* listener) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.socket_count):
        poller_remove(&listener.poller, listener.sockets[i].fd)
        socket_close(listener.sockets[i].fd)
        listener.sockets[i].fd = -1          # the turn of the loop that we are in may know of a connection to it
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


cdef bint _open_port(Listener* listener, const char* addresses, int32_t port, bint any_port, bint tls, int backlog, int32_t* port_out,
                     char* error_out, size_t error_size) noexcept nogil:
    """Listen on one port, plain or TLS, of all addresses; 0 unless any_port: on none."""
    cdef ListeningSocket[LISTENER_SOCKETS_MAX] opened
    cdef uint32_t count = 0, i
    cdef int attempts = 0
    port_out[0] = 0
    if any_port:
        port = 0
    elif port == 0:
        return True
    while not _open_tcp(addresses, port, tls, backlog, NULL, 0, False, opened, &count, error_out, error_size):
        attempts += 1
        # A free port of the first address may be taken on the second: ask for another one.
        if not any_port or attempts == 8:
            return False
    for i in range(count):
        port_out[0] = opened[i].port
        if not _add_socket(listener, &opened[i]):
            snprintf(error_out, error_size, b"Failed to watch a listening socket")
            _close_unless_kept(opened + i + 1, count - i - 1, NULL, 0)
            return False
    return True


cdef bint _prepare_tls(Listener* listener, char* error_out, size_t error_size) noexcept nogil:
    """A context of the present configuration, if there is to be TLS. Requires the lock."""
    cdef Engine* engine = listener.engine
    cdef Buffer problem
    cdef void* context
    if engine.config.tls_port == 0 and not listener.any_tls_port:
        return True
    buffer_init(&problem, NULL)
    context = tls_context_new(engine, &problem)
    if context == NULL:
        snprintf(error_out, error_size, b"%.*s", <int>problem.length, <const char*>problem.data)
    else:
        tls_context_use(engine, context)
    buffer_clear(&problem)
    return context != NULL


cdef bint connections_open(Listener* listener, char* error_out, size_t error_size) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef char[4096] addresses
    cdef char[4096] path
    cdef int32_t port, tls_port
    cdef int32_t bound_port = 0, bound_tls_port = 0
    cdef int64_t permissions
    cdef int backlog
    cdef ListeningSocket opened
    cdef bint fits, ready
    error_out[0] = 0
    lock_acquire(&engine.lock)
    port = <int32_t>engine.config.port
    tls_port = <int32_t>engine.config.tls_port
    backlog = <int>engine.config.tcp_backlog
    permissions = engine.config.unixsocketperm
    fits = _text_of(&engine.config.bind, addresses, sizeof(addresses))
    if not _text_of(&engine.config.unixsocket, path, sizeof(path)):
        fits = False
    connections_copy_limits(listener)
    ready = _prepare_tls(listener, error_out, error_size)
    lock_release(&engine.lock)
    if not ready:
        return False
    if not fits:
        snprintf(error_out, error_size, b"The bind addresses or the Unix socket's path are too long")
        return False
    if path[0]:
        memset(&opened, 0, sizeof(opened))
        opened.fd = socket_listen_unix(_slice_of_path(path), permissions, backlog, error_out, error_size)
        if opened.fd < 0:
            return False
        # It fits: the system's limit is below this array's size.
        memcpy(listener.unix_path, path, sizeof(listener.unix_path))
        opened.unix_socket = True
        if not _add_socket(listener, &opened):
            snprintf(error_out, error_size, b"Failed to watch a listening socket")
            connections_close_sockets(listener)
            return False
    if not _open_port(listener, addresses, port, listener.any_port, False, backlog, &bound_port, error_out, error_size) or \
            not _open_port(listener, addresses, tls_port, listener.any_tls_port, True, backlog, &bound_tls_port, error_out, error_size):
        connections_close_sockets(listener)
        return False
    lock_acquire(&engine.lock)
    engine.net.tcp_port = bound_port
    engine.net.tls_port = bound_tls_port
    engine.shutdown_asked = False            # it was the one before that was to end
    engine.net.chores &= ~<uint32_t>LISTENER_SHUTS
    engine.net.wake_fd = listener.poller.wake_write_fd
    engine.net.listening = listener
    lock_release(&engine.lock)
    return True


cdef Slice _slice_of_path(const char* path) noexcept nogil:
    cdef size_t length = 0
    while path[length]:
        length += 1
    return slice_of(path, length)


# ---- listening elsewhere

cdef bint connections_rebind(Engine* engine, Buffer* error_out) noexcept nogil:
    cdef Listener* listener = <Listener*>engine.net.listening
    cdef char[4096] addresses
    cdef char[256] problem
    cdef ListeningSocket[LISTENER_SOCKETS_MAX] opened
    cdef ListeningSocket[2 * LISTENER_SOCKETS_MAX] old
    cdef uint32_t old_count = 0
    cdef int32_t port = <int32_t>engine.config.port
    cdef int32_t tls_port = <int32_t>engine.config.tls_port
    cdef uint32_t count = 0, i
    cdef bint good = _text_of(&engine.config.bind, addresses, sizeof(addresses))
    snprintf(problem, sizeof(problem), b"The bind addresses are too long")
    if port and port == tls_port:
        snprintf(problem, sizeof(problem), b"port and tls-port are the same")
        good = False
    # What it has, and what was opened for it a moment ago.
    for i in range(listener.socket_count):
        if not listener.sockets[i].unix_socket:
            old[old_count] = listener.sockets[i]
            old_count += 1
    for i in range(listener.adopted_count):
        if _find_socket(old, old_count, listener.adopted[i].host, listener.adopted[i].port) == NULL:
            old[old_count] = listener.adopted[i]
            old_count += 1
    if good and (port or tls_port):
        # "127.0.0.1" becomes "*", say: the old one is still there when the new one comes.
        for i in range(old_count):
            socket_share_port(old[i].fd, True)
        if port:
            good = _open_tcp(addresses, port, False, <int>engine.config.tcp_backlog, old, old_count, True, opened, &count, problem,
                             sizeof(problem))
        if good and tls_port:
            good = _open_tcp(addresses, tls_port, True, <int>engine.config.tcp_backlog, old, old_count, True, opened, &count, problem,
                             sizeof(problem))
        for i in range(old_count):
            socket_share_port(old[i].fd, False)
        for i in range(count):
            socket_share_port(opened[i].fd, False)
    if not good:
        buffer_append_text(error_out, problem)
        return False
    for i in range(listener.adopted_count):
        if _find_socket(listener.sockets, listener.socket_count, listener.adopted[i].host, listener.adopted[i].port) == NULL:
            _close_unless_kept(&listener.adopted[i], 1, opened, count)
    memcpy(listener.adopted, opened, count * sizeof(ListeningSocket))
    listener.adopted_count = count
    listener.any_port = False
    listener.any_tls_port = False
    engine.net.tcp_port = port if count else 0
    engine.net.tls_port = tls_port if count else 0
    engine.net.chores |= LISTENER_ADOPTS
    engine_wake_listener(engine)
    return True


cdef void _adopt(Listener* listener) noexcept nogil:
    cdef uint32_t i, k
    cdef uint32_t kept = 0
    cdef bint stays
    for i in range(listener.socket_count):
        stays = listener.sockets[i].unix_socket
        for k in range(listener.adopted_count):
            stays = stays or listener.adopted[k].fd == listener.sockets[i].fd
        poller_remove(&listener.poller, listener.sockets[i].fd)
        if not stays:
            socket_close(listener.sockets[i].fd)
        elif listener.sockets[i].unix_socket:
            listener.sockets[kept] = listener.sockets[i]
            kept += 1
    # Events of this turn may still name places that are empty now.
    for i in range(kept, LISTENER_SOCKETS_MAX):
        listener.sockets[i].fd = -1
    listener.socket_count = 0
    for i in range(kept):
        _add_socket(listener, &listener.sockets[i])
    for i in range(listener.adopted_count):
        _add_socket(listener, &listener.adopted[i])
    listener.adopted_count = 0


cdef void connections_forget_adopted(Listener* listener) noexcept nogil:
    if listener.engine.net.chores & LISTENER_ADOPTS:
        _close_unless_kept(listener.adopted, listener.adopted_count, listener.sockets, listener.socket_count)
        listener.engine.net.chores &= ~<uint32_t>LISTENER_ADOPTS
    listener.adopted_count = 0


# ---- chores

cdef void connections_do_chores(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    if engine.net.chores & LISTENER_WEIGHS:
        for i in range(listener.round_count):
            connection = listener.round[i]
            if connection.ending != ENDING_CLOSED:
                connections_weigh(connection)
        clients_evict(engine)
        for i in range(listener.round_count):
            connection = listener.round[i]
            if connection.session.flags & SESSION_CLOSE_NOW and connection.ending != ENDING_CLOSED:
                connection.ending = ENDING_NOW
    if engine.net.chores & LISTENER_SHUTS:
        connections_forget_adopted(listener)
        connections_close_sockets(listener)
        engine.net.chores &= ~<uint32_t>LISTENER_SHUTS
    elif engine.net.chores & LISTENER_ADOPTS:
        engine.net.chores &= ~<uint32_t>LISTENER_ADOPTS
        _adopt(listener)


cdef void connections_weigh(Connection* connection) noexcept nogil:
    """Replies that were swapped out already are its client's still."""
    cdef Session* session = connection.session
    client_weigh(session, session_memory(session) - session.output_bytes + connections_unsent(connection))


# ---- connections

cdef void connections_accept(Listener* listener, ListeningSocket* where) noexcept nogil:
    cdef int64_t i
    cdef int fd = -1
    cdef AcceptOutcome outcome
    # Bounded, so that a flood of connections does not starve those that are there.
    for i in range(listener.greetings_per_turn if where.tls else listener.accepts_per_turn):
        outcome = socket_accept(where.fd, &fd)
        if outcome == ACCEPTED:
            _welcome(listener, fd, where)
        elif outcome == ACCEPT_NO_DESCRIPTOR:
            # The waiting connection stays readable: without a pause this would be a busy loop.
            connections_listen_for(listener, 0)
            listener.accept_paused = True
            return
        elif outcome != ACCEPT_AGAIN:
            return


cdef void connections_listen_for(Listener* listener, uint32_t interest) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.socket_count):
        poller_change(&listener.poller, listener.sockets[i].fd, interest, &listener.sockets[i])


cdef void _turn_away(int fd, const char* why, size_t length) noexcept nogil:
    if length:
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


cdef void _welcome(Listener* listener, int fd, const ListeningSocket* where) noexcept nogil:
    """A new client: refuse it as Redis would, or make its connection and session."""
    cdef Engine* engine = listener.engine
    cdef bint unix_socket = where.unix_socket
    cdef bint denied
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
    if connection != NULL and not connections_reserve(listener):
        free(connection)
        connection = NULL
    lock_acquire(&engine.lock)
    denied = not local and engine.config.protected_mode and engine.users.standard.flags & USER_NO_PASSWORD != 0
    if <int64_t>engine.sessions.sockets >= engine.config.maxclients:
        refusal = _FULL
        engine.statistics.connections_rejected += 1
    elif denied and not where.tls:
        refusal = _DENIED
        engine.statistics.connections_rejected += 1
    elif connection != NULL and (not where.tls or tls_open(engine, &connection.wire, fd)):
        keepalive_s = engine.config.tcp_keepalive_s
        session = session_new(engine, SESSION_UNIX_SOCKET if unix_socket else 0, fd)
        if session != NULL:
            engine.statistics.connections_received += 1
            session.connection = connection
            buffer_append(&session.address, peer, peer_length)
            buffer_append(&session.local_address, here, here_length)
            connection.authenticated = session_is_authenticated(session)
    lock_release(&engine.lock)
    if refusal != NULL:
        # Without a handshake nothing can be said to a client of TLS.
        _turn_away(fd, refusal, 0 if where.tls else _slice_of_path(refusal).length)
        free(connection)
        return
    if session == NULL:
        if connection != NULL and connection.wire.transport != NULL:
            connection.wire.transport.free(&connection.wire)
        socket_close(fd)
        free(connection)
        return
    if not where.tls:
        transport_open(&connection.wire, fd)
    connection.denied = denied
    if not unix_socket:
        socket_tune(fd, keepalive_s)
    connection.session = session
    connection.born_turn = listener.turn if listener.nested else 0
    connection.fd = fd
    connection.interest = POLL_READ
    connection.watched = POLL_READ
    parser_init(&connection.parser, &engine.client_bytes)
    buffer_init(&connection.query, &engine.client_bytes)
    buffer_init(&connection.sending, &engine.client_bytes)
    buffer_init(&connection.packed, &engine.client_bytes)
    connection.index = listener.connection_count
    listener.connections[listener.connection_count] = connection
    listener.connection_count += 1
    if not poller_add(&listener.poller, fd, POLL_READ, connection):
        connections_close(listener, connection)


cdef void connections_close(Listener* listener, Connection* connection) noexcept nogil:
    """Close it. The struct stays until the turn is over: lists and events may still name it."""
    cdef Connection* moved
    if connection.ending == ENDING_CLOSED:
        return
    connection.ending = ENDING_CLOSED
    connection.wire.transport.shut(&connection.wire)
    connections_hold(listener, connection, HELD_NOT)
    poller_remove(&listener.poller, connection.fd)
    listener.connection_count -= 1
    moved = listener.connections[listener.connection_count]
    listener.connections[connection.index] = moved
    moved.index = connection.index
    listener.closed[listener.closed_count] = connection
    listener.closed_count += 1


cdef void _forget_resumed(Listener* listener, Connection* connection) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.resumed_count):
        if listener.resumed[i] == connection:
            listener.resumed_count -= 1
            listener.resumed[i] = listener.resumed[listener.resumed_count]
            return


cdef void _forget_unread(Listener* listener, Connection* connection) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.unread_count):
        if listener.unread[i] == connection:
            listener.unread_count -= 1
            listener.unread[i] = listener.unread[listener.unread_count]
            return


cdef inline bint _is_named(Listener* listener, Connection* connection) noexcept nogil:
    """May a list or an event of the turn around this one still name it?"""
    return listener.nested and connection.born_turn != listener.turn


cdef void connections_free_closed(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    cdef uint32_t kept = 0
    if listener.closed_count == 0:
        return
    lock_acquire(&engine.lock)
    for i in range(listener.closed_count):
        if not _is_named(listener, listener.closed[i]):
            connections_count_bytes(engine, listener.closed[i])
            session_free(listener.closed[i].session)
    lock_release(&engine.lock)
    for i in range(listener.closed_count):
        connection = listener.closed[i]
        if _is_named(listener, connection):
            listener.closed[kept] = connection
            kept += 1
            continue
        if connection.in_resumed:
            _forget_resumed(listener, connection)
        if connection.in_unread:
            _forget_unread(listener, connection)
        connection.wire.transport.free(&connection.wire)
        # Not before the session is gone: the number may be another connection's right away.
        socket_close(connection.fd)
        parser_clear(&connection.parser)
        buffer_clear(&connection.query)
        buffer_clear(&connection.sending)
        buffer_clear(&connection.packed)
        free(connection)
    listener.closed_count = kept


cdef inline uint32_t _to_watch(const Connection* connection) noexcept nogil:
    """What the poller is to wait for, for what it is to be served for."""
    cdef uint32_t interest = connection.interest
    cdef uint32_t watched = interest
    if unlikely(connection.wire.greets_for != 0):
        return connection.wire.greets_for
    if unlikely(connection.wire.read_waits_to_write) and interest & POLL_READ:
        watched = (watched & ~<uint32_t>POLL_READ) | POLL_WRITE
    if unlikely(connection.wire.write_waits_to_read) and interest & POLL_WRITE:
        watched = (watched & ~<uint32_t>POLL_WRITE) | POLL_READ
    return watched


cdef void connections_wire_changed(Listener* listener, Connection* connection) noexcept nogil:
    cdef uint32_t watched = _to_watch(connection)
    connection.wire.changed = False
    if connection.ending == ENDING_CLOSED:
        return
    if watched != connection.watched:
        connection.watched = watched
        poller_change(&listener.poller, connection.fd, watched, connection)
    connections_list_unread(listener, connection)


cdef void connections_list_unread(Listener* listener, Connection* connection) noexcept nogil:
    if connection.wire.unread and connection.interest & POLL_READ and not connection.in_unread and connection.ending != ENDING_CLOSED:
        connection.in_unread = True
        listener.unread[listener.unread_count] = connection
        listener.unread_count += 1


cdef void connections_watch_for(Listener* listener, Connection* connection, uint32_t interest) noexcept nogil:
    if connection.interest != interest and connection.ending != ENDING_CLOSED:
        connection.interest = interest
        connections_wire_changed(listener, connection)


# ---- handshakes

cdef void connections_log(Connection* connection, int64_t level, const char* before, const char* behind) noexcept nogil:
    cdef Session* session = connection.session
    cdef Buffer text
    if level < session.engine.config.loglevel:
        return
    buffer_init(&text, NULL)
    buffer_append_text(&text, before)
    buffer_append_text(&text, b"id=")
    buffer_append_integer(&text, <int64_t>session.id)
    buffer_append_text(&text, b" addr=")
    buffer_append_slice(&text, buffer_slice(&session.address))
    buffer_append_text(&text, b" laddr=")
    buffer_append_slice(&text, buffer_slice(&session.local_address))
    buffer_append_text(&text, b" fd=")
    buffer_append_integer(&text, connection.fd)
    buffer_append_text(&text, b" name=")
    buffer_append_slice(&text, buffer_slice(&session.name))
    buffer_append_text(&text, b" qbuf=")
    buffer_append_integer(&text, <int64_t>(connection.parser.length - connection.parser.start))
    buffer_append_text(&text, b" omem=")
    buffer_append_integer(&text, <int64_t>(session.reply.buffer.length + connections_unsent(connection)))
    buffer_append_text(&text, behind)
    if not text.failed:
        log_write(session.engine, level, buffer_slice(&text))
    buffer_clear(&text)


cdef void _log_failure(Connection* connection) noexcept nogil:
    """Requires the lock."""
    cdef char[256] problem
    cdef char[320] before
    tls_problem(&connection.wire, problem, sizeof(problem))
    snprintf(before, sizeof(before), b"Error accepting a client connection: %s (", problem)
    connections_log(connection, LOG_VERBOSE, before, b")")


cdef void _greeted(Listener* listener, Connection* connection) noexcept nogil:
    """The handshake is over: who is it, and may he come in? Requires the lock."""
    cdef Engine* engine = listener.engine
    cdef Session* session = connection.session
    cdef User* user
    session.used_us = listener.now_us
    if engine.config.tls_auth_clients_user == TLS_USER_COMMON_NAME:
        # Whom the certificate names, if there is such a user; whoever is not known is the default user, as without a certificate.
        tls_common_name(&connection.wire, &session.certificate_name)
        user = users_find(engine, buffer_slice(&session.certificate_name))
        if user != NULL and user.flags & USER_ON:
            session_become(session, user, True)
            connection.authenticated = True
    if connection.denied:
        engine.statistics.connections_rejected += 1
        buffer_append(&connection.sending, _DENIED, _slice_of_path(_DENIED).length)


cdef void connections_greet(Listener* listener, Connection* connection) noexcept nogil:
    cdef GreetOutcome outcome
    # A step may take a millisecond of computing: who waits for one is told of again in the next turn.
    if listener.greetings_left <= 0:
        return
    listener.greetings_left -= 1
    outcome = connection.wire.transport.greet(&connection.wire)
    if outcome == GREET_WAIT:
        connections_wire_changed(listener, connection)
        return
    lock_acquire(&listener.engine.lock)
    if outcome == GREETED:
        _greeted(listener, connection)
    else:
        _log_failure(connection)
    lock_release(&listener.engine.lock)
    if outcome != GREETED:
        connections_close(listener, connection)
        return
    if connection.denied:
        connection.ending = ENDING_AFTER_REPLY
        connection.interest = POLL_WRITE
    connections_wire_changed(listener, connection)


cdef void connections_resume(Listener* listener, Connection* connection) noexcept nogil:
    """Its kept requests may run again, at the beginning of the next turn."""
    connections_hold(listener, connection, HELD_NOT)
    if not connection.in_resumed and connection.ending == ENDING_NOT:
        connection.in_resumed = True
        listener.resumed[listener.resumed_count] = connection
        listener.resumed_count += 1


# ---- what is copied under the lock

cdef void connections_copy_limits(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    listener.limits.bulk_bytes = engine.config.proto_max_bulk_len
    listener.limits.query_bytes = engine.config.client_query_buffer_limit
    listener.accepts_per_turn = engine.config.max_new_connections
    listener.greetings_per_turn = engine.config.max_new_tls_connections
    listener.greeting_us = engine.config.tls_handshake_timeout_s * 1000000
    if listener.limits.query_bytes <= 0:
        listener.limits.query_bytes = INT64_MAX
    listener.stall_bytes = INT64_MAX if engine.config.output_limits[OUTPUT_NORMAL].hard_bytes else STALL_BYTES
    if unlikely(listener.postponed_count != 0):
        listener.pause_left_ms = engine.pause.end_ms - clock_now_ms(&engine.clock)


# ---- long replies

cdef void connections_limit_reply(Listener* listener, Connection* connection) noexcept nogil:
    cdef const OutputLimit* limit = output_limit_of(&listener.engine.config, connection.session.flags)
    cdef uint64_t most = limit.hard_bytes + OUTPUT_NOT_COUNTED_BYTES
    cdef uint64_t unsent = connections_unsent(connection)
    if limit.hard_bytes == 0 or connection.session.flags & SESSION_MASTER:
        most = 0
    elif unsent < most:
        most -= unsent
    else:
        most = 1
    growth_limit(&connection.session.reply.buffer, most)


# ---- appendfsync always

cdef bint connections_gather(Listener* listener, uint64_t offset) noexcept nogil:
    cdef int64_t longest_us, now_us
    listener.group += listener.round_count
    if listener.group < listener.group_expected and not listener.nested and not atomic_load32(&listener.stop_asked):
        longest_us = append_log_linger_us(listener.engine, offset)
        if longest_us >= LINGER_LEAST_US:
            now_us = monotonic_us()
            if listener.round_count:
                listener.group_grew_us = now_us
                if listener.group_since_us == 0:
                    listener.group_since_us = now_us
            if now_us - listener.group_since_us < longest_us and now_us - listener.group_grew_us < longest_us // 4:
                return True
    listener.group_expected = listener.group if listener.group > listener.group_last else listener.group_last
    listener.group_last = listener.group
    listener.group = 0
    listener.group_since_us = 0
    return False
