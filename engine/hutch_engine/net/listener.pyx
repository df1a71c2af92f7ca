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
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcmp, memcpy, memmove
from hutch_engine.base.atomics cimport atomic_add64, atomic_load32, atomic_store32, atomic_store64
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_reserve
from hutch_engine.base.clock cimport clock_coarse_s, clock_now_ms, monotonic_us
from hutch_engine.base.compiler cimport likely, prefetch, ticks, unlikely
from hutch_engine.base.growth cimport GROWTH_OVER_LIMIT, growth_limit
from hutch_engine.base.lock cimport lock_acquire, lock_give_way, lock_is_wanted, lock_release
from hutch_engine.base.slice cimport Slice
from hutch_engine.base.thread cimport thread_join, thread_start
from hutch_engine.commands.command cimport ACL_HASH, ACL_LIST, ACL_SET, ACL_SORTEDSET, Command
from hutch_engine.commands.reply cimport reply_error
from hutch_engine.keyspace.keyspace cimport keyspace_hash
from hutch_engine.keyspace.prefetch cimport prefetch_member_bucket, prefetch_value
from hutch_engine.net.connections cimport (
    ARENA_BYTES, BATCH_REQUESTS, ENDING_AFTER_REPLY, ENDING_CLOSED, ENDING_NOT, ENDING_NOW, ENDING_PROTOCOL_ERROR,
    HELD_BLOCKED, HELD_NOT, HELD_POSTPONED, HELD_STALLED, READ_BYTES, Batch, Connection, ListeningSocket, Request,
    connections_unsent, connections_accept, connections_close_sockets, connections_copy_limits,
    connections_count_bytes, connections_do_chores, connections_close, connections_forget_adopted, connections_free_closed,
    connections_gather, connections_greet,
    connections_hold, connections_join_round, connections_limit_reply, connections_list_unread, connections_listen_for, connections_log, connections_open,
    connections_release, connections_reserve, connections_resume, connections_watch_for, connections_weigh,
    connections_wire_changed)
from hutch_engine.state.config cimport LOG_VERBOSE, LOG_WARNING
from hutch_engine.state.engine cimport (
    LISTENER_WEIGHS, PAUSE_NONE, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_IN_SCRIPT,
    SESSION_MASTER, SESSION_POSTPONED, SESSION_REPLICA, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_SUBSCRIBED,
    Session, engine_guarded, engine_sample, session_is_authenticated)
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.executor.executor cimport EXECUTE_BLOCKED, EXECUTE_POSTPONED, Executed, execute_known
from hutch_engine.persistence.append_log cimport append_log_commit, append_log_is_waited_for
from hutch_engine.net.poller cimport (
    POLL_READ, POLL_WRITE, POLLER_EVENTS_MAX, PollerEvent, poller_clear, poller_init, poller_wait, poller_wake)
from hutch_engine.net.resp_parser cimport (
    PARSE_ERROR, PARSE_FULL, PARSE_MORE, PARSE_REQUEST, ParseOutcome, parser_missing, parser_moved, parser_next,
    parser_rewind, words_init, words_reset)
from hutch_engine.net.inner_batch cimport inner_batch_exchange, inner_batch_ready, inner_batch_return
from hutch_engine.net.sockets cimport SOCKET_FAILED, SOCKET_WAIT
from hutch_engine.sessions.monitor_records cimport monitor_records_taken, monitor_records_unpack
from hutch_engine.sessions.tracking cimport tracking_broadcast
from hutch_engine.structures.table cimport Table, table_prefetch_bucket, table_prefetch_entries
from hutch_engine.commands.command_names cimport command_named
from hutch_engine.sessions.output_limit cimport OUTPUT_NOT_COUNTED_BYTES, output_limit_is_over, output_limit_of

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef enum:
    STACK_BYTES = 8388608           # scripts run here: their nested calls want what a main thread has. Some systems give 128 KiB
    TICK_US = 100000                # statistics, time-outs, memory of idle clients
    READ_BYTES_MAX = 262144         # one read of a big argument: some 50 us
    GROW_AT_ONCE_BYTES = 2097152    # room made for an argument on its word alone; more only as it arrives
    KEEP_BUFFER_BYTES = 65536       # reply buffers bigger than this go back once sent
    TAKE_EARLY_BYTES = 65536        # replies sent before their connection's turn is over
    GIVE_WAY_EVERY = 16             # commands, when somebody waits for the lock
    KEEP_PACKED_BYTES = 1048576     # of what a monitor was sent: it fills again at once
    UNPACK_BYTES = 49152            # text made at once of what a monitor is sent; less than KEEP_BUFFER_BYTES
    STRANGERS_OUTPUT_BYTES = 1024   # unread by a client that has to authenticate, beyond OUTPUT_NOT_COUNTED_BYTES
    IDLE_US = 2000000               # after this a client's empty buffers are given back
    TICKS_PER_VISIT = 10            # each connection is looked at once in so many ticks
    COLLECTIONS = ACL_HASH | ACL_LIST | ACL_SET | ACL_SORTEDSET


# ---- making, opening, ending

cdef bint listener_open(Listener* listener, char* error_out, size_t error_size) noexcept nogil:
    return connections_open(listener, error_out, error_size)


cdef Listener* listener_new(Engine* engine, bint portable_poller) noexcept nogil:
    cdef Listener* listener = <Listener*>calloc(1, sizeof(Listener))
    if listener == NULL:
        return NULL
    listener.engine = engine
    words_init(&listener.inner.words, &engine.client_bytes)
    listener.arena = <char*>malloc(ARENA_BYTES)
    listener.requests = <Request*>malloc(BATCH_REQUESTS * sizeof(Request))
    words_init(&listener.words, &engine.client_bytes)
    if listener.arena == NULL or listener.requests == NULL or not connections_reserve(listener) or \
            not poller_init(&listener.poller, portable_poller):
        connections_release(listener)
        return NULL
    return listener


cdef void _thread_main(void* context) noexcept nogil:
    listener_run(<Listener*>context)


cdef bint listener_start(Listener* listener) noexcept nogil:
    listener.thread_runs = thread_start(_thread_main, listener, b"hutch-listener", STACK_BYTES, &listener.thread)
    return listener.thread_runs


cdef void listener_stop(Listener* listener) noexcept nogil:
    atomic_store32(&listener.stop_asked, 1)
    atomic_store32(&listener.engine.scripts.stop_of_sockets, 1)
    poller_wake(&listener.poller)
    if listener.thread_runs:
        thread_join(listener.thread)
        listener.thread_runs = False


cdef void listener_free(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    listener_stop(listener)
    # Before its own are closed: what it was to take and what it has are partly the same.
    lock_acquire(&engine.lock)
    engine.net.listening = NULL              # nobody has it open other sockets any more
    connections_forget_adopted(listener)
    lock_release(&engine.lock)
    while listener.connection_count:
        connections_close(listener, listener.connections[listener.connection_count - 1])
    connections_free_closed(listener)
    lock_acquire(&engine.lock)
    engine.net.wake_fd = -1
    connections_close_sockets(listener)
    engine.sessions.listener_awake = False        # what came after its last look wakes the next one again
    engine.net.tcp_port = 0
    engine.net.tls_port = 0
    engine.scripts.serve_others = NULL
    engine.net.listening = NULL
    atomic_store32(&engine.scripts.stop_of_sockets, 0)
    lock_release(&engine.lock)
    poller_clear(&listener.poller)
    connections_release(listener)


# ---- collecting

cdef void _read(Listener* listener, Connection* connection) noexcept nogil:
    """One read into the arena, or behind an unfinished request; then decode."""
    cdef size_t missing, room, start
    cdef ssize_t got
    cdef Buffer* query = &connection.query
    if unlikely(connection.in_round) and (query.length or connection.waiting_requests or
                                          connection.parser.start != connection.parser.length):
        # Resumed or read in this very turn: its words lie in a window that must stay as it is now.
        connections_list_unread(listener, connection)
        return
    if unlikely(query.length != 0):
        missing = parser_missing(&connection.parser)
        room = READ_BYTES
        if missing > room:
            # The room for a big argument is made once; beyond a limit only in step with what has come.
            room = GROW_AT_ONCE_BYTES if query.length < GROW_AT_ONCE_BYTES // 4 else query.length * 3
            if missing < room:
                room = missing
        if not buffer_reserve(query, room):
            connections_close(listener, connection)
            return
        # It may lie elsewhere now, whether or not there is anything to read: others were served meanwhile, and what was there is
        # taken.
        parser_moved(&connection.parser, query.data, query.length, connection.parser.start)
        room = query.capacity - query.length
        if missing <= READ_BYTES and room > READ_BYTES:
            room = READ_BYTES
        elif room > READ_BYTES_MAX:
            room = READ_BYTES_MAX
        got = connection.wire.transport.read(&connection.wire, query.data + query.length, room)
        if got > 0:
            query.length += <size_t>got
            parser_moved(&connection.parser, query.data, query.length, connection.parser.start)
    else:
        if listener.arena_used + READ_BYTES > ARENA_BYTES:
            _run(listener, NULL)
        got = connection.wire.transport.read(&connection.wire, listener.arena + listener.arena_used, READ_BYTES)
        if likely(got > 0):
            parser_moved(&connection.parser, listener.arena + listener.arena_used, <size_t>got, 0)
            # Each reader's bytes begin on a cache line of their own.
            listener.arena_used += (<size_t>got + 63) & ~<size_t>63
    if unlikely(connection.wire.changed):
        connections_wire_changed(listener, connection)
    if likely(got > 0):
        connection.received += <uint64_t>got
        listener.reads += 1
        connections_join_round(listener, connection)
        if unlikely(<int64_t>(connection.parser.length - connection.parser.start) > listener.limits.query_bytes):
            connection.ending = ENDING_NOW
            lock_acquire(&listener.engine.lock)
            listener.engine.statistics.query_limit_closes += 1
            connections_log(connection, LOG_WARNING, b"Closing client that reached max query buffer length: ", b"")
            lock_release(&listener.engine.lock)
            return
        _decode(listener, connection)
    elif got != SOCKET_WAIT:
        connections_close(listener, connection)


cdef inline const Command* _find_command(Listener* listener, Connection* connection, Slice name) noexcept nogil:
    cdef const Command* command
    if likely(name.length == connection.last_name_length and
              memcmp(name.data, connection.last_name, name.length) == 0):
        return connection.last_command
    command = command_named(&listener.engine.config.names, name)
    if command != NULL and name.length <= sizeof(connection.last_name):
        memcpy(connection.last_name, name.data, name.length)
        connection.last_name_length = name.length
        connection.last_command = command
    return command


cdef inline void _collect(Listener* listener, Connection* connection, size_t start, size_t first_word) noexcept nogil:
    """The request just parsed joins the batch."""
    cdef Request* request = &listener.requests[listener.request_count]
    cdef Slice* argv = listener.words.items + first_word
    cdef const Command* command = _find_command(listener, connection, argv[0])
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


cdef void _decode(Listener* listener, Connection* connection) noexcept nogil:
    """Take requests out of the connection's window, running a batch whenever it is full."""
    cdef size_t start, first_word
    cdef ParseOutcome outcome
    invariant(connection.query.length == 0 or connection.parser.data == connection.query.data,
              b"the parser reads a buffer that was left")
    while connection.held == HELD_NOT and connection.ending == ENDING_NOT:
        if listener.request_count == BATCH_REQUESTS:
            _run(listener, connection)
            continue
        start = connection.parser.start
        first_word = listener.words.count
        outcome = parser_next(&connection.parser, &listener.words, &listener.limits, connection.authenticated)
        if likely(outcome == PARSE_REQUEST):
            _collect(listener, connection, start, first_word)
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

cdef inline size_t _unsent(const Connection* connection) noexcept nogil:
    """Bytes of replies that are not out yet. Requires the lock."""
    return connection.session.reply.buffer.length + connections_unsent(connection)


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
    engine_guarded(listener.engine)
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


cdef inline void _execute_one(Listener* listener, Request* request) noexcept nogil:
    cdef Connection* connection = request.connection
    cdef Session* session = connection.session
    cdef Executed executed
    if unlikely(connection.held != HELD_NOT) or unlikely(session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
        return
    session.argument_bytes = request.end - request.start
    if unlikely(listener.stall_bytes == INT64_MAX or session.flags & SESSION_SUBSCRIBED):    # a hard output limit is set
        connections_limit_reply(listener, connection)
    executed = execute_known(session, request.command, listener.words.items + request.first_word,
                             request.word_count, request.hashed, request.key_hash)
    if unlikely(executed != 0):
        if executed == EXECUTE_POSTPONED:
            connections_hold(listener, connection, HELD_POSTPONED)
            parser_rewind(&connection.parser, request.start)
        elif executed == EXECUTE_BLOCKED:
            connections_hold(listener, connection, HELD_BLOCKED)
            parser_rewind(&connection.parser, request.end)
    elif unlikely(<int64_t>_unsent(connection) > listener.stall_bytes):
        connections_hold(listener, connection, HELD_STALLED)
        parser_rewind(&connection.parser, request.end)


cdef inline uint64_t _spent(const Engine* engine, uint64_t began) noexcept nogil:
    """On commands, since then; 0 after a script that let others in."""
    return engine.execution.batch_ticks - began if engine.execution.batch_ticks else 0


cdef void _execute_all(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef uint64_t began = ticks()
    cdef uint32_t i
    engine.keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
    engine.execution.batch_ticks = began
    engine.execution.gathering = True
    for i in range(listener.request_count):
        if unlikely(listener.requests[i].connection == NULL):
            continue                           # was run while a script let others in
        listener.request_at = i
        _execute_one(listener, &listener.requests[i])
        if unlikely(i % GIVE_WAY_EVERY == GIVE_WAY_EVERY - 1) and lock_is_wanted(&engine.lock):
            engine.statistics.loop_command_ticks += _spent(engine, began)
            engine.execution.batch_ticks = 0             # others' commands are not this batch's
            lock_give_way(&engine.lock)
            engine.keyspace.access_clock = <uint32_t>clock_coarse_s(&engine.clock)
            began = ticks()
            engine.execution.batch_ticks = began
    engine.statistics.loop_command_ticks += _spent(engine, began)
    engine.execution.batch_ticks = 0
    engine.execution.gathering = False
    if unlikely(engine.tracking.changed.length != 0):
        tracking_broadcast(engine)


cdef inline bint _is_over_limit(Listener* listener, Connection* connection) noexcept nogil:
    cdef uint32_t flags = connection.session.flags
    # Whoever has not said who it is gets no memory for what it does not read, limits or not.
    if unlikely(not connection.authenticated) and _unsent(connection) > OUTPUT_NOT_COUNTED_BYTES + STRANGERS_OUTPUT_BYTES:
        return True
    return not flags & SESSION_MASTER and output_limit_is_over(output_limit_of(&listener.engine.config, flags), _unsent(connection),
                                                         listener.now_us, &connection.soft_limit_since_us)


cdef void _close_over_limit(Connection* connection) noexcept nogil:
    """Requires the lock."""
    connections_log(connection, LOG_WARNING, b"Client ", b" scheduled to be closed ASAP for overcoming of output buffer limits.")
    connection.session.flags |= SESSION_CLOSE_NOW
    connection.session.engine.statistics.output_limit_closes += 1


cdef inline void _take_replies(Connection* connection) noexcept nogil:
    """Swap the session's replies for the empty buffer of what was sent before. Requires the lock."""
    cdef Buffer swapped
    cdef Session* session = connection.session
    if connection.sending.length == 0 and likely(connection.packed.length == 0):
        swapped = connection.sending
        connection.sending = session.reply.buffer
        connection.sent = 0
        if unlikely(session.records_first != 0):         # a monitor's: they become text without the lock
            connection.packed_at = monitor_records_taken(session)
            session.reply.buffer = connection.packed
            connection.packed = connection.sending
            connection.sending = swapped
        else:
            session.reply.buffer = swapped


cdef void _before(Listener* listener, Connection* connection) noexcept nogil:
    """What CLIENT LIST and INFO are to see while this batch runs. Requires the lock."""
    cdef Session* session = connection.session
    connections_count_bytes(listener.engine, connection)
    if connection.waiting_requests:
        session.used_us = listener.now_us
    session.query_bytes = connection.parser.length
    session.query_free = READ_BYTES - connection.parser.length if connection.parser.length < READ_BYTES else 0
    session.output_bytes = connections_unsent(connection)


cdef void _after(Listener* listener, Connection* connection, bint turn_is_over) noexcept nogil:
    """Take the replies of a batch, and learn what became of the session. Requires the lock."""
    cdef Session* session = connection.session
    cdef Engine* engine = listener.engine
    if unlikely(connection.ending == ENDING_PROTOCOL_ERROR):
        # Redis says nothing to who wanted no replies, and then leaves the connection open for nothing: we close it.
        if not session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
            reply_error(&session.reply, connection.parser.error)
        engine.statistics.error_replies += 1
        session.flags |= SESSION_CLOSE_AFTER_REPLY
        connections_log(connection, LOG_VERBOSE, b"Protocol error from client: ", b"")
    connection.authenticated = session_is_authenticated(session)
    session.argument_bytes = 0
    if unlikely(session.reply.buffer.failed == GROWTH_OVER_LIMIT):
        _close_over_limit(connection)
    elif unlikely(session.reply.buffer.failed):
        # A reply that memory was refused for: what follows would be garbage.
        session.flags |= SESSION_CLOSE_NOW
    if unlikely(_unsent(connection) > OUTPUT_NOT_COUNTED_BYTES or connection.soft_limit_since_us != 0):
        if not session.flags & SESSION_CLOSE_NOW and _is_over_limit(listener, connection):
            _close_over_limit(connection)
    if turn_is_over or session.reply.buffer.length > TAKE_EARLY_BYTES:
        _take_replies(connection)
    if turn_is_over:
        session.query_bytes = connection.parser.length - connection.parser.start
        session.query_free = 0
    # What a full socket has not taken. What is swapped out just now most often leaves at once; else _send says so.
    session.output_bytes = connections_unsent(connection) if connection.interest & POLL_WRITE else 0
    if unlikely(session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
        if session.flags & SESSION_CLOSE_NOW:
            connection.ending = ENDING_NOW
        elif connection.ending != ENDING_NOW:
            connection.ending = ENDING_AFTER_REPLY


cdef void _take_wake_queue(Listener* listener) noexcept nogil:
    """Sessions that somebody has something for, this batch's commands not least: they join the round. Those of a
    batch around this one stay in the list. Requires the lock."""
    cdef Engine* engine = listener.engine
    cdef Session** link = &engine.sessions.wake_first
    cdef Session* session
    cdef Connection* connection
    engine.sessions.wake_last = NULL
    while link[0] != NULL:
        session = link[0]
        connection = <Connection*>session.connection
        if unlikely(connection.in_outer_round):
            engine.sessions.wake_last = session
            link = &session.next_to_wake
            continue
        link[0] = session.next_to_wake
        session.in_wake_queue = False
        if connection.ending == ENDING_CLOSED:
            continue
        if connection.held == HELD_BLOCKED and not session.flags & SESSION_BLOCKED:
            connections_resume(listener, connection)
        connections_join_round(listener, connection)


cdef inline void _count(Listener* listener) noexcept nogil:
    """What INFO tells of the loop. Requires the lock."""
    cdef Engine* engine = listener.engine
    engine.statistics.socket_reads += listener.reads
    engine.statistics.loop_turns += listener.turns_done
    engine.statistics.loop_ticks += listener.busy_ticks
    listener.reads = 0
    listener.turns_done = 0
    listener.busy_ticks = 0


cdef void _run(Listener* listener, Connection* current) noexcept nogil:
    """Run the batch. `current`: a connection in the middle of its turn, whose window must stay; or NULL."""
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint64_t offset = 0
    cdef bint synced = True
    cdef bint gathers = False
    cdef uint32_t i
    if listener.round_count == 0:
        if current == NULL:
            listener.arena_used = 0
            if unlikely(listener.deferred_offset != 0) and not connections_gather(listener, listener.deferred_offset):
                _send_deferred(listener, append_log_commit(engine, listener.deferred_offset))
        return
    lock_acquire(&engine.lock)
    listener.current = current
    engine.sessions.listener_awake = True
    _count(listener)
    connections_copy_limits(listener)
    if listener.request_count > 1:
        for i in range(listener.round_count):
            prefetch(listener.round[i].session)
        _prefetch(listener)
    for i in range(listener.round_count):
        _before(listener, listener.round[i])
    if unlikely(engine.net.chores != 0):
        connections_do_chores(listener)
    _execute_all(listener)
    growth_limit(NULL, 0)
    _take_wake_queue(listener)
    engine.sessions.listener_awake = False
    for i in range(listener.round_count):
        connection = listener.round[i]
        if likely(connection.ending != ENDING_CLOSED):
            _after(listener, connection, connection != current)
    if unlikely(engine.net.chores != 0):
        connections_do_chores(listener)
    if append_log_is_waited_for(engine):
        offset = engine.journaling.journal.offset
        engine.journaling.sync_wanted = False
    engine_leave(engine)
    # No reply leaves before the disk has what it tells of. If it cannot have it, nobody is told that it has. One look at the disk
    # does for all batches of a turn.
    if unlikely(offset != 0) and current != NULL:
        listener.deferred_offset = offset
        listener.group += listener.round_count
    elif unlikely((offset | listener.deferred_offset) != 0):
        gathers = connections_gather(listener, offset if offset else listener.deferred_offset)
        if not gathers:
            synced = append_log_commit(engine, offset if offset else listener.deferred_offset)
        elif offset:
            listener.deferred_offset = offset
        for i in range(listener.round_count if not synced else 0):
            if listener.round[i].ending != ENDING_CLOSED:
                listener.round[i].ending = ENDING_NOW
    listener.request_count = 0
    words_reset(&listener.words)
    for i in range(listener.round_count):
        connection = listener.round[i]
        connection.waiting_requests = 0
        connection.in_round = False
        if likely(connection.ending != ENDING_CLOSED):
            _settle(listener, connection, connection != current)
    listener.round_count = 0
    if unlikely(listener.deferred_offset != 0) and current == NULL and not gathers:
        _send_deferred(listener, synced)
    if current == NULL:
        listener.arena_used = 0
    elif current.ending != ENDING_CLOSED:
        connections_join_round(listener, current)


# ---- settling

cdef void _send_deferred(Listener* listener, bint synced) noexcept nogil:
    """The turn is over, and the disk has what all its replies tell of (`synced`); or it has not, and who waits is cut off."""
    cdef Connection* connection
    cdef uint32_t i = listener.connection_count
    listener.deferred_offset = 0
    while i:
        i -= 1
        if i >= listener.connection_count:       # some were closed, and the last ones took their places
            continue
        connection = listener.connections[i]
        if not connection.deferred or connection.ending == ENDING_CLOSED:
            continue
        connection.deferred = False
        if not synced:
            connections_close(listener, connection)
        elif connection.sending.length != 0:
            _writable(listener, connection)

cdef void _settle(Listener* listener, Connection* connection, bint turn_is_over) noexcept nogil:
    if unlikely(connection.ending == ENDING_NOW):
        connections_close(listener, connection)
        return
    if unlikely(connection.packed.length != 0) and not _unpack(listener, connection):
        return
    if unlikely(listener.deferred_offset != 0) and connection.sending.length != 0:
        connection.deferred = True
    elif likely(connection.sending.length != 0) and not connection.interest & POLL_WRITE:
        _send(listener, connection)
        if unlikely(connection.ending == ENDING_CLOSED):
            return
    if not turn_is_over:
        return
    if unlikely(connection.ending == ENDING_AFTER_REPLY):
        if connection.sending.length == 0:
            connections_close(listener, connection)
        else:
            connections_watch_for(listener, connection, POLL_WRITE)
        return
    _keep_rest(listener, connection)
    if unlikely(connection.held == HELD_STALLED):
        if connection.sending.length == 0:
            # The socket took it all: it only answered much at once.
            connections_resume(listener, connection)
        else:
            connections_watch_for(listener, connection, POLL_WRITE)


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
            connections_close(listener, connection)
            return
        buffer_append(query, connection.parser.data + start, rest)
    parser_moved(&connection.parser, query.data, rest, 0)


cdef inline size_t _expected(const Connection* connection) noexcept nogil:
    cdef size_t missing = parser_missing(&connection.parser)
    return READ_BYTES if missing < READ_BYTES else GROW_AT_ONCE_BYTES if missing > GROW_AT_ONCE_BYTES else missing


cdef bint _unpack(Listener* listener, Connection* connection) noexcept nogil:
    """Put some of what a monitor is sent into `sending`, if that is empty. False: memory was refused, and it is closed."""
    cdef Buffer* packed = &connection.packed
    if connection.sending.length:
        return True
    if monitor_records_unpack(packed, &connection.packed_at, &connection.sending, UNPACK_BYTES):
        packed.length = 0
        connection.packed_at.at = 0
        if unlikely(packed.capacity > KEEP_PACKED_BYTES):
            buffer_clear(packed)
    if unlikely(connection.sending.failed):
        connections_close(listener, connection)
        return False
    return True


cdef void _send(Listener* listener, Connection* connection) noexcept nogil:
    """Write what is in `sending`; what the socket does not take waits for it to be writable."""
    cdef Buffer* sending = &connection.sending
    cdef size_t length = sending.length - connection.sent
    cdef ssize_t put = connection.wire.transport.write(&connection.wire, sending.data + connection.sent, length)
    if unlikely(connection.wire.changed):
        connections_wire_changed(listener, connection)
    if put > 0:
        # Now, and not when the lock is held again: who asks next is to see it.
        atomic_add64(&listener.engine.statistics.bytes_out, <uint64_t>put)
        atomic_add64(&listener.engine.statistics.socket_writes, 1)
        atomic_add64(&connection.session.bytes_out, <uint64_t>put)
        connection.sent += <size_t>put
    elif put == SOCKET_FAILED:
        connections_close(listener, connection)
        return
    if likely(connection.sent == sending.length):
        sending.length = 0
        connection.sent = 0
        if unlikely(sending.capacity > KEEP_BUFFER_BYTES):
            buffer_clear(sending)
        if unlikely(connection.packed.length != 0):
            # The next piece waits until the socket can be written: others have their turn in between.
            if _unpack(listener, connection):
                atomic_store64(&connection.session.output_bytes, connections_unsent(connection))
                connections_watch_for(listener, connection, connection.interest | POLL_WRITE)
            return
        if unlikely(connection.interest & POLL_WRITE):
            atomic_store64(&connection.session.output_bytes, 0)
            connections_watch_for(listener, connection, connection.interest & ~<uint32_t>POLL_WRITE)
    else:
        atomic_store64(&connection.session.output_bytes, connections_unsent(connection))
        connections_watch_for(listener, connection, connection.interest | POLL_WRITE)


cdef void _writable(Listener* listener, Connection* connection) noexcept nogil:
    """Go on with `sending`; when it is out, with the replies that came meanwhile."""
    cdef Engine* engine = listener.engine
    _send(listener, connection)
    if connection.ending == ENDING_CLOSED or connection.sending.length:
        return
    lock_acquire(&engine.lock)
    connections_count_bytes(engine, connection)
    _take_replies(connection)
    lock_release(&engine.lock)
    if unlikely(connection.packed.length != 0) and not _unpack(listener, connection):
        return
    if connection.sending.length:
        connections_watch_for(listener, connection, connection.interest | POLL_WRITE)
    elif connection.ending == ENDING_AFTER_REPLY:
        connections_close(listener, connection)
    elif connection.held == HELD_STALLED:
        connections_watch_for(listener, connection, POLL_READ)
        connections_resume(listener, connection)


# ---- the loop

cdef bint _wants_attention(Engine* engine, Connection* connection) noexcept nogil:
    """Did another thread change something about this session? Requires the lock."""
    cdef Session* session = connection.session
    if session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY):
        return connection.ending != ENDING_AFTER_REPLY
    return session.reply.buffer.length != 0 and connection.sending.length == 0


cdef void _look_around(Listener* listener) noexcept nogil:
    """Somebody woke the loop: messages and replies from elsewhere, kills, ends of pauses and of blocking."""
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    lock_acquire(&engine.lock)
    _take_wake_queue(listener)
    engine.sessions.listener_awake = False
    if listener.postponed_count and (engine.pause.kind == PAUSE_NONE
                                     or clock_now_ms(&engine.clock) >= engine.pause.end_ms):
        for i in range(listener.connection_count):
            connection = listener.connections[i]
            if connection.held == HELD_POSTPONED:
                connection.session.flags &= ~<uint32_t>SESSION_POSTPONED
                connections_resume(listener, connection)
    if unlikely(engine.net.chores != 0):
        connections_do_chores(listener)
    lock_release(&engine.lock)
    _run(listener, NULL)


cdef void _visit(Listener* listener, Connection* connection) noexcept nogil:
    """Once a second or so: time-out, soft limit, memory of an idle client. Requires the lock."""
    cdef Engine* engine = listener.engine
    cdef Session* session = connection.session
    cdef int64_t idle_us = listener.now_us - session.used_us
    connections_count_bytes(engine, connection)
    session.output_bytes = connections_unsent(connection)
    if engine.net.chores & LISTENER_WEIGHS:
        connections_weigh(connection)
    if connection.wire.greets_for and listener.greeting_us and listener.now_us - session.created_us > listener.greeting_us:
        connections_log(connection, LOG_VERBOSE, b"Closing client that has not finished its handshake: ", b"")
        session.flags |= SESSION_CLOSE_NOW
    if engine.config.timeout_s and idle_us > engine.config.timeout_s * 1000000 and \
            not session.flags & (SESSION_BLOCKED | SESSION_POSTPONED | SESSION_SUBSCRIBED | SESSION_REPLICA
                                  | SESSION_MASTER):
        connections_log(connection, LOG_VERBOSE, b"Closing idle client: ", b"")
        session.flags |= SESSION_CLOSE_NOW
    if _unsent(connection) > OUTPUT_NOT_COUNTED_BYTES and _is_over_limit(listener, connection):
        _close_over_limit(connection)
    if idle_us > IDLE_US:
        if session.reply.buffer.length == 0 and session.reply.buffer.capacity:
            buffer_clear(&session.reply.buffer)
        if connection.sending.length == 0 and connection.sending.capacity:
            buffer_clear(&connection.sending)
            buffer_clear(&connection.packed)
    if _wants_attention(engine, connection):
        connections_join_round(listener, connection)


cdef void _tick(Listener* listener) noexcept nogil:
    cdef Engine* engine = listener.engine
    cdef uint32_t visits = listener.connection_count // TICKS_PER_VISIT + 1
    cdef uint32_t i
    listener.tick_us = listener.now_us + TICK_US
    if listener.accept_paused:
        listener.accept_paused = False
        connections_listen_for(listener, POLL_READ)
    lock_acquire(&engine.lock)
    _count(listener)
    engine_sample(engine)
    connections_copy_limits(listener)
    for i in range(visits):
        if listener.visited >= listener.connection_count:
            listener.visited = 0
            break
        _visit(listener, listener.connections[listener.visited])
        listener.visited += 1
    if unlikely(engine.net.chores != 0):
        connections_do_chores(listener)
    engine_leave(engine)
    _run(listener, NULL)
    if listener.postponed_count:
        _look_around(listener)


cdef int _timeout_ms(Listener* listener) noexcept nogil:
    cdef int64_t left_ms = (listener.tick_us - listener.now_us + 999) // 1000
    if listener.resumed_count or listener.unread_count or left_ms <= 0:
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
            connections_join_round(listener, connection)
            _decode(listener, connection)
    # Some may have been held and resumed again by the batches run meanwhile.
    listener.resumed_count -= count
    memmove(listener.resumed, listener.resumed + count, listener.resumed_count * sizeof(Connection*))


cdef void _serve_unread(Listener* listener) noexcept nogil:
    """What wires have taken from their sockets already, of which no poller tells. Each once, and also in a turn inside of a script."""
    cdef uint32_t left = listener.unread_count
    cdef Connection* connection
    while left and listener.unread_count:
        left -= 1
        connection = listener.unread[0]
        listener.unread_count -= 1
        memmove(listener.unread, listener.unread + 1, listener.unread_count * sizeof(Connection*))
        connection.in_unread = False
        if connection.in_outer_round:
            connections_list_unread(listener, connection)
        elif connection.ending == ENDING_NOT and connection.interest & POLL_READ:
            _read(listener, connection)          # else it is listed again when it may be read


cdef inline bint _is_listening(Listener* listener, void* owner) noexcept nogil:
    return <char*>owner >= <char*>listener and <char*>owner < <char*>(listener + 1)


cdef void _serve(Listener* listener, Connection* connection, uint32_t ready) noexcept nogil:
    if connection.ending == ENDING_CLOSED:
        return
    if unlikely(connection.wire.greets_for != 0):
        connections_greet(listener, connection)
        return
    if unlikely(ready & POLL_WRITE or connection.wire.write_waits_to_read) and connection.sending.length and not connection.deferred:
        _writable(listener, connection)
        if connection.ending == ENDING_CLOSED:
            return
    if likely(connection.interest & POLL_READ) and connection.ending == ENDING_NOT:
        # An error or a hang-up is learnt by reading, behind what was sent before it.
        _read(listener, connection)
    elif ready & ~<uint32_t>(POLL_READ | POLL_WRITE):
        connections_close(listener, connection)


# ---- a script of one of our clients overruns its time: the others are served from inside of it

cdef inline bint _stays(Listener* listener, Connection* connection) noexcept nogil:
    """In the batch around a script: whose script it is, and who is in the middle of its turn."""
    return connection == listener.current or connection.session.flags & SESSION_IN_SCRIPT != 0


cdef void _release_others(Listener* listener) noexcept nogil:
    """Whoever else is in the batch around the script has the rest of its requests answered now, and may send more."""
    cdef Engine* engine = listener.engine
    cdef Connection* connection
    cdef uint32_t i
    cdef uint32_t kept = 0
    lock_acquire(&engine.lock)
    for i in range(listener.request_at + 1, listener.request_count):
        connection = listener.requests[i].connection
        if connection != NULL and not _stays(listener, connection):
            _execute_one(listener, &listener.requests[i])
            listener.requests[i].connection = NULL
    for i in range(listener.round_count):
        connection = listener.round[i]
        connection.in_outer_round = _stays(listener, connection)
        if not connection.in_outer_round and connection.ending != ENDING_CLOSED:
            _after(listener, connection, True)
    lock_release(&engine.lock)
    for i in range(listener.round_count):
        connection = listener.round[i]
        if connection.in_outer_round:
            listener.round[kept] = connection
            kept += 1
            continue
        connection.waiting_requests = 0
        connection.in_round = False
        if connection.ending != ENDING_CLOSED:
            _settle(listener, connection, True)
    listener.round_count = kept


cdef bint _serve_others(Engine* engine) noexcept nogil:
    """Engine.scripts.serve_others: one turn of the loop, in the middle of a batch, for those who are not part of it. Is called
    without the lock. True: the loop is to end, and with it the script."""
    cdef Listener* listener = <Listener*>engine.net.listening
    cdef PollerEvent[POLLER_EVENTS_MAX] events
    cdef Connection* connection
    cdef void* owner
    cdef Connection* current = listener.current
    cdef uint32_t request_at = listener.request_at
    cdef uint32_t capacity
    cdef int count, i
    if atomic_load32(&listener.stop_asked):
        return True
    if not inner_batch_ready(listener):
        return False
    capacity = listener.connection_capacity
    memcpy(events, listener.poller.events, sizeof(events))
    listener.nested = True
    _release_others(listener)
    inner_batch_exchange(listener)
    count = poller_wait(&listener.poller, 0)
    listener.greetings_left = listener.greetings_per_turn
    _serve_unread(listener)
    for i in range(count):
        owner = listener.poller.events[i].owner
        if _is_listening(listener, owner):
            connections_accept(listener, <ListeningSocket*>owner)
            continue
        connection = <Connection*>owner
        if not connection.in_outer_round:
            _serve(listener, connection, listener.poller.events[i].ready)
    _run(listener, NULL)
    if listener.poller.woken:
        listener.missed_wake = True          # looked at when the script is over
    connections_free_closed(listener)
    inner_batch_return(listener, capacity)
    listener.nested = False
    listener.current = current
    listener.request_at = request_at
    for i in range(<int>listener.round_count):
        listener.round[i].in_outer_round = False
    memcpy(listener.poller.events, events, sizeof(events))
    return atomic_load32(&listener.stop_asked) != 0


cdef void listener_run(Listener* listener) noexcept nogil:
    cdef int count, i
    cdef void* owner
    cdef uint64_t began
    lock_acquire(&listener.engine.lock)
    listener.engine.net.listening = listener
    listener.engine.scripts.serve_others = _serve_others
    lock_release(&listener.engine.lock)
    listener.now_us = monotonic_us()
    listener.tick_us = listener.now_us
    while not atomic_load32(&listener.stop_asked):
        if unlikely(listener.deferred_offset != 0):
            count = poller_wait(&listener.poller, 0)
            if count == 0:
                sched_yield()                # a client may share our processor
        else:
            count = poller_wait(&listener.poller, _timeout_ms(listener))
        began = ticks()
        listener.turn += 1
        listener.now_us = monotonic_us()
        if listener.resumed_count:
            _serve_resumed(listener)
        listener.greetings_left = listener.greetings_per_turn
        if unlikely(listener.unread_count != 0):
            _serve_unread(listener)
        for i in range(count):
            owner = listener.poller.events[i].owner
            if unlikely(_is_listening(listener, owner)):
                connections_accept(listener, <ListeningSocket*>owner)
            else:
                _serve(listener, <Connection*>owner, listener.poller.events[i].ready)
        _run(listener, NULL)
        if unlikely(listener.deferred_offset != 0):
            # Replies wait for the disk, and a moment for others (connections_gather): what might send them comes afterwards.
            listener.missed_wake |= listener.poller.woken
            connections_free_closed(listener)
            continue
        if unlikely(listener.poller.woken or listener.missed_wake):
            listener.missed_wake = False
            _look_around(listener)
        if unlikely(listener.now_us >= listener.tick_us):
            _tick(listener)
        connections_free_closed(listener)
        listener.turns_done += 1
        listener.busy_ticks += ticks() - began
    if listener.deferred_offset:
        _send_deferred(listener, append_log_commit(listener.engine, listener.deferred_offset))
    # What was answered before the end was asked for should still arrive.
    _look_around(listener)
    connections_free_closed(listener)
