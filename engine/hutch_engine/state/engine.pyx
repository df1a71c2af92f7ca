"""See engine.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free
from libc.string cimport memcpy, memset
from hutch_engine.base.atomics cimport atomic_fence, atomic_load64, stack_push, stack_take_all, stack_top
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init
from hutch_engine.base.clock cimport clock_coarse_ms, clock_init, clock_now_ms, monotonic_us, ticks_per_microsecond
from hutch_engine.base.lock cimport lock_init, lock_release, lock_try, signal_init, signal_raise
from hutch_engine.base.memory cimport Heap, heap_clear, heap_free, heap_init, heap_try_alloc, heap_try_zeroed
from hutch_engine.base.random cimport random_hex, random_init
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of
from hutch_engine.commands.command cimport Command
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline, leb128_bytes, leb128_read, leb128_write
from hutch_engine.keyspace.keyspace cimport (
    FIND_NO_STATS, FIND_NO_TOUCH, WANT_TOUCHED, Database, keyspace_clear, keyspace_find, keyspace_hash,
    keyspace_init, keyspace_now)
from hutch_engine.base.bell cimport Bell, bell_drop, bell_hold, bell_ring
from hutch_engine.state.config cimport config_clear, config_init
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_clear, table_count, table_each, table_find, table_hash, table_init, table_insert,
    table_remove)
from hutch_engine.structures.wheel cimport Wheel

cdef extern from * nogil:
    """
    #include <pthread.h>
    #include <stdint.h>
    #include <unistd.h>
    /* How often this process is a fork of one that had loaded the engine. An engine remembers the figure
     * of its making: in a child they differ, and the child's copy must not be touched (its threads are
     * gone and its lock may be taken for ever). */
    static uint64_t hutch_forks = 0;
    static void hutch_after_fork(void) { hutch_forks++; }
    static pthread_once_t hutch_fork_once = PTHREAD_ONCE_INIT;
    static void hutch_watch_forks_once(void) { pthread_atfork(NULL, NULL, hutch_after_fork); }
    static void hutch_watch_forks(void) { pthread_once(&hutch_fork_once, hutch_watch_forks_once); }
    static void hutch_wake_descriptor(int fd) {
        uint64_t one = 1;                      /* eventfd wants eight bytes, a pipe takes them too */
        ssize_t ignored = write(fd, &one, sizeof one);
        (void)ignored;
    }
    """
    void hutch_watch_forks() noexcept
    const uint64_t hutch_forks
    void hutch_wake_descriptor(int fd) noexcept

cdef enum:
    SUBSCRIPTION_BYTES = 72         # what one takes of its session's memory, about
    WATCHED_KEY_OFFSET = 8          # of the name in a WatchedKey
    WATCHED_STACK_BYTES = 256       # names up to here are put together without an allocation


# ---- engine

cdef bint engine_init(Engine* engine, int32_t databases, uint64_t seed) noexcept nogil:
    cdef int kind
    memset(engine, 0, sizeof(Engine))
    lock_init(&engine.lock)
    signal_init(&engine.housekeeping)
    signal_init(&engine.pause_over)
    heap_init(&engine.heap)
    clock_init(&engine.clock)
    random_init(&engine.random, seed)
    hutch_watch_forks()
    engine.forks = &hutch_forks
    engine.fork_generation = hutch_forks
    engine.wake_fd = -1
    engine.housekeeping_wakes_ms = INT64_MAX
    engine.started_us = monotonic_us()
    random_hex(&engine.random, engine.run_id, 40)
    random_hex(&engine.random, engine.replication_id, 40)
    memset(engine.replication_id2, 48, 40)
    config_init(&engine.config)
    engine.config.databases = databases
    if not keyspace_init(&engine.keyspace, &engine.heap, &engine.clock, &engine.random, databases):
        return False
    table_init(&engine.watched, &engine.heap, &engine.keyspace.hash_key, WATCHED_KEY_OFFSET)
    table_init(&engine.blocked, &engine.heap, &engine.keyspace.hash_key, BLOCKED_KEY_OFFSET)
    for kind in range(TOPIC_KINDS):
        table_init(&engine.topics[kind], &engine.heap, &engine.keyspace.hash_key, TOPIC_NAME_OFFSET)
    table_init(&engine.subscriptions, &engine.heap, &engine.keyspace.hash_key, SUBSCRIPTION_NAME_OFFSET)
    buffer_init(&engine.message, NULL)
    buffer_init(&engine.changed, NULL)
    engine.keyspace.access_clock = <uint32_t>(clock_coarse_ms(&engine.clock) // 1000)
    engine.keyspace.guard = &engine.lock
    return True


cdef void engine_set_commands(Engine* engine, CommandFinder find, CommandLister list, uint32_t count, uint32_t ids) noexcept nogil:
    engine.find_command = find
    engine.list_command = list
    engine.command_count = count
    engine.command_ids = ids
    engine.stats = <CommandStats*>heap_try_zeroed(&engine.heap, ids, sizeof(CommandStats))
    engine.startup_bytes = engine_used_memory(engine)


cdef void engine_clear(Engine* engine) noexcept nogil:
    cdef int kind
    cdef uint32_t i
    engine.keyspace.guard = NULL         # nobody else looks any more
    if engine.scripting != NULL:
        engine.free_scripting(engine)
    while engine.sessions != NULL:
        session_free(engine.sessions)
    while engine.ended != NULL:
        session_free(engine.ended)
    table_clear(&engine.watched)
    table_clear(&engine.blocked)
    for kind in range(TOPIC_KINDS):
        table_clear(&engine.topics[kind])
    table_clear(&engine.subscriptions)
    buffer_clear(&engine.message)
    buffer_clear(&engine.changed)
    heap_free(&engine.heap, engine.waits, sizeof(Wheel))
    engine.waits = NULL
    keyspace_clear(&engine.keyspace)
    config_clear(&engine.config)
    for i in range(engine.command_ids if engine.stats != NULL else 0):
        free(engine.stats[i].latency)
    heap_free(&engine.heap, engine.stats, engine.command_ids * sizeof(CommandStats))
    engine.stats = NULL
    heap_clear(&engine.heap)
    # The lock, the signals and the deferred frees stay usable: threads may still come, to find the engine closed.


cdef uint64_t engine_used_memory(const Engine* engine) noexcept nogil:
    # Lua's own memory is not the data set's: as in Redis it neither counts nor evicts.
    return (engine.heap.used_bytes - engine.script_figures.eval_vm_bytes - engine.script_figures.functions_vm_bytes
            + atomic_load64(&engine.client_bytes))


cdef void engine_wake_listener(Engine* engine) noexcept nogil:
    if engine.wake_fd >= 0:
        hutch_wake_descriptor(engine.wake_fd)


cdef void session_notice(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    engine_guarded(engine)
    if session.bell != NULL:
        bell_ring(session.bell, session.bell_number, &session.bell_round)
    if session.flags & SESSION_EMBEDDED:
        if session.served != NULL:
            signal_raise(session.served)
        return
    if not session.noticed:
        session.noticed = True
        session.next_noticed = NULL
        if engine.noticed_last != NULL:
            engine.noticed_last.next_noticed = session
        else:
            engine.noticed_first = session
        engine.noticed_last = session
    if not engine.listener_awake:
        engine.listener_awake = True
        engine_wake_listener(engine)


cdef void _unnotice(Session* session) noexcept nogil:
    """Out of the list: the session goes. O(those noticed), and hardly ever needed."""
    cdef Engine* engine = session.engine
    cdef Session** link = &engine.noticed_first
    cdef Session* previous = NULL
    if not session.noticed:
        return
    while link[0] != session:
        previous = link[0]
        link = &previous.next_noticed
    link[0] = session.next_noticed
    if engine.noticed_last == session:
        engine.noticed_last = previous
    session.noticed = False


cdef Buffer* session_inbox(Session* session) noexcept nogil:
    # What a command sends to its own client comes behind the command's reply, which is being written.
    if session.flags & SESSION_EMBEDDED or session.engine.current == session:
        return &session.inbox
    return &session.reply.buffer


cdef void engine_poke_housekeeping(Engine* engine) noexcept nogil:
    if not engine.housekeeping_runs:
        if engine.start_housekeeping == NULL or engine.stopping or not engine.start_housekeeping(engine):
            return
    signal_raise(&engine.housekeeping)


cdef void engine_pause(Engine* engine, uint8_t kind, int64_t end_ms) noexcept nogil:
    engine.pause_kind = kind
    engine.pause_end_ms = end_ms
    engine.keyspace.keep_expired = True
    engine_poke_housekeeping(engine)


cdef void engine_end_pause(Engine* engine) noexcept nogil:
    engine.pause_kind = PAUSE_NONE
    engine.keyspace.keep_expired = False
    signal_raise(&engine.pause_over)
    engine_wake_listener(engine)
    engine_poke_housekeeping(engine)         # what came due meanwhile


cdef void engine_sample(Engine* engine) noexcept nogil:
    cdef int64_t now = monotonic_us()
    cdef int64_t elapsed = now - engine.sample_us
    cdef uint64_t current[5]
    cdef uint64_t turns
    cdef int i
    if elapsed < 100000:
        return
    current[0] = engine.commands_processed
    current[1] = engine.bytes_in
    current[2] = atomic_load64(&engine.bytes_out)
    current[3] = engine.loop_turns
    current[4] = <uint64_t>(<double>engine.loop_ticks / ticks_per_microsecond())
    turns = current[3] - engine.sample_last[3]
    for i in range(4):
        if engine.sample_us:
            engine.samples[i][engine.sample_index] = (current[i] - engine.sample_last[i]) * 1000000 // <uint64_t>elapsed
        engine.sample_last[i] = current[i]
    engine.samples[4][engine.sample_index] = (current[4] - engine.sample_last[4]) // turns if turns else 0
    engine.sample_last[4] = current[4]
    engine.sample_index = (engine.sample_index + 1) & 15
    engine.sample_us = now


# ---- sessions whose Python objects go while the lock is taken
#
# Whoever leaves one behind pushes it first and tries the lock then; whoever has the lock lets go of it first and looks at the
# stack then. One of the two sees the other.

cdef void engine_free_deferred(Engine* engine) noexcept nogil:
    cdef DeferredFree* deferred = <DeferredFree*>stack_take_all(<void**>&engine.deferred_frees)
    cdef DeferredFree* following
    while deferred != NULL:
        following = deferred.next
        if not engine.closed:            # else it went with the engine
            session_free(deferred.session)
        free(deferred)
        deferred = following


cdef void engine_free_deferred_if_unlocked(Engine* engine) noexcept nogil:
    atomic_fence()
    while stack_top(<void**>&engine.deferred_frees) != NULL and lock_try(&engine.lock):
        engine_free_deferred(engine)
        lock_release(&engine.lock)
        atomic_fence()


cdef void engine_leave(Engine* engine) noexcept nogil:
    lock_release(&engine.lock)
    engine_free_deferred_if_unlocked(engine)


cdef void engine_defer_free(Engine* engine, DeferredFree* deferred) noexcept nogil:
    stack_push(<void**>&engine.deferred_frees, <void**>&deferred.next, deferred)
    engine_free_deferred_if_unlocked(engine)


# ---- sessions

cdef Session* session_new(Engine* engine, uint32_t flags, int fd) noexcept nogil:
    cdef Session* session
    cdef char text[40]
    cdef int length
    engine_guarded(engine)
    session = <Session*>heap_try_zeroed(&engine.heap, 1, sizeof(Session))
    if session == NULL:
        return NULL
    engine.next_session_id += 1
    session.id = engine.next_session_id
    session.engine = engine
    session.flags = flags
    # A caller inside the process has the store in its hands; a password keeps out sockets.
    if flags & SESSION_EMBEDDED or engine.config.requirepass.length == 0:
        session.flags |= SESSION_AUTHENTICATED
    session.fd = fd
    session.created_us = monotonic_us()
    session.used_us = session.created_us
    session.queue_end = &session.queue
    buffer_init(&session.reply.buffer, &engine.client_bytes)
    buffer_init(&session.inbox, &engine.client_bytes)
    buffer_init(&session.name, &engine.client_bytes)
    buffer_init(&session.library_name, &engine.client_bytes)
    buffer_init(&session.library_version, &engine.client_bytes)
    buffer_init(&session.address, &engine.client_bytes)
    buffer_init(&session.local_address, &engine.client_bytes)
    session.reply.resp = 2
    session.call.keyspace = &engine.keyspace
    session.call.reply = &session.reply
    session.call.session = session
    session_select(session, 0)
    if flags & SESSION_EMBEDDED:
        length = snprintf(text, sizeof(text), b"embedded:%llu", <unsigned long long>session.id)
        buffer_append(&session.address, text, length)
        buffer_append(&session.local_address, b"embedded:0", 10)
    else:
        engine.socket_count += 1
    session.previous = engine.last_session
    if engine.last_session != NULL:
        engine.last_session.next = session
    else:
        engine.sessions = session
    engine.last_session = session
    engine.session_count += 1
    return session


cdef void session_free(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    session_end(session)
    if session.previous != NULL:
        session.previous.next = session.next
    else:
        engine.ended = session.next
    if session.next != NULL:
        session.next.previous = session.previous
    heap_free(&engine.heap, session, sizeof(Session))


cdef void session_end(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    engine_guarded(engine)
    if session.ended:
        return
    session.ended = True
    if session.blocked != NULL:
        engine.forget_blocked(session)
    session.flags |= SESSION_CLOSE_NOW           # nothing is sent to it any more
    if engine.forget_topics != NULL:
        engine.forget_topics(session)
    _unnotice(session)
    if engine.current == session:
        engine.current = NULL
    engine.socket_bytes -= session.weighed_bytes
    session_use_bell(session, NULL)
    session_discard(session)
    buffer_clear(&session.reply.buffer)
    buffer_clear(&session.inbox)
    buffer_clear(&session.name)
    buffer_clear(&session.library_name)
    buffer_clear(&session.library_version)
    buffer_clear(&session.address)
    buffer_clear(&session.local_address)
    if session.previous != NULL:
        session.previous.next = session.next
    else:
        engine.sessions = session.next
    if session.next != NULL:
        session.next.previous = session.previous
    else:
        engine.last_session = session.previous
    engine.session_count -= 1
    if not session.flags & SESSION_EMBEDDED:
        engine.socket_count -= 1
    session.previous = NULL
    session.next = engine.ended
    if engine.ended != NULL:
        engine.ended.previous = session
    engine.ended = session
    if session.served != NULL:
        signal_raise(session.served)     # whoever waits in it is to see that it is over


cdef void session_use_bell(Session* session, Bell* bell) noexcept nogil:
    engine_guarded(session.engine)
    if session.bell == bell:
        return
    if session.bell != NULL:
        bell_ring(session.bell, session.bell_number, &session.bell_round)    # whoever waits there is to see that it is over
        bell_drop(session.bell)
    session.bell = NULL
    session.bell_round = 0
    if bell != NULL:
        session.bell = bell_hold(bell, &session.bell_number)


cdef void _copy_text(Buffer* buffer, const Buffer* model) noexcept nogil:
    if not slice_equals(slice_of(buffer.data, buffer.length), slice_of(model.data, model.length)):
        buffer.length = 0
        buffer_append(buffer, model.data, model.length)


cdef void session_resemble(Session* session, const Session* model) noexcept nogil:
    cdef uint32_t alike = SESSION_AUTHENTICATED | SESSION_PROTOCOL_SET | SESSION_NO_EVICT | SESSION_NO_TOUCH
    session.flags = (session.flags & ~alike) | (model.flags & alike)
    session.reply.resp = model.reply.resp
    session_select(session, model.database_index)
    _copy_text(&session.name, &model.name)
    _copy_text(&session.library_name, &model.library_name)
    _copy_text(&session.library_version, &model.library_version)


cdef void session_select(Session* session, int32_t database_index) noexcept nogil:
    session.database_index = database_index
    session.call.database = &session.engine.keyspace.databases[database_index]


cdef void session_reset(Session* session) noexcept nogil:
    engine_guarded(session.engine)
    session_discard(session)
    if session.engine.forget_topics != NULL:
        session.engine.forget_topics(session)
    session_select(session, 0)
    session.reply.resp = 2
    buffer_clear(&session.name)
    # A SKIP before RESET is for its own reply.
    session.flags &= ~<uint32_t>(SESSION_REPLY_OFF | SESSION_REPLY_SKIP_NEXT | SESSION_NO_EVICT | SESSION_NO_TOUCH
                                 | SESSION_AUTHENTICATED | SESSION_PROTOCOL_SET)
    session.call.flags = 0
    if session.flags & SESSION_EMBEDDED or session.engine.config.requirepass.length == 0:
        session.flags |= SESSION_AUTHENTICATED


cdef uint64_t session_unread(const Session* session) noexcept nogil:
    return atomic_load64(&session.output_bytes) + session.reply.buffer.length + session.inbox.length


cdef uint64_t session_memory(const Session* session) noexcept nogil:
    return (sizeof(Session) + session.reply.buffer.capacity + session.inbox.capacity + session.name.capacity + session.library_name.capacity
            + session.library_version.capacity + session.address.capacity + session.local_address.capacity
            + session.queue_bytes + session.watch_count * sizeof(Watch) + session.query_bytes + session.query_free
            + atomic_load64(&session.output_bytes)
            + SUBSCRIPTION_BYTES * (session.topic_counts[TOPIC_CHANNEL] + session.topic_counts[TOPIC_PATTERN]
                                    + session.topic_counts[TOPIC_SHARD] + session.topic_counts[TOPIC_PREFIX]))


# ---- MULTI

cdef bint session_queue(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    cdef QueuedCommand* queued
    cdef size_t bytes = sizeof(QueuedCommand) + argc * sizeof(Slice)
    cdef size_t i
    cdef char* at
    for i in range(argc):
        bytes += argv[i].length
    queued = <QueuedCommand*>heap_try_alloc(&session.engine.heap, bytes)
    if queued == NULL:
        return False
    queued.next = NULL
    queued.command = command
    queued.argc = argc
    queued.block_bytes = bytes
    queued.argv = <Slice*>(<char*>queued + sizeof(QueuedCommand))
    at = <char*>queued.argv + argc * sizeof(Slice)
    for i in range(argc):
        queued.argv[i] = slice_of(at, argv[i].length)
        if argv[i].length:
            memcpy(at, argv[i].data, argv[i].length)
        at += argv[i].length
    session.queue_end[0] = queued
    session.queue_end = &queued.next
    session.queue_length += 1
    session.queue_bytes += bytes
    return True


cdef void session_discard(Session* session) noexcept nogil:
    cdef QueuedCommand* queued = session.queue
    cdef QueuedCommand* following
    while queued != NULL:
        following = queued.next
        heap_free(&session.engine.heap, queued, queued.block_bytes)
        queued = following
    session.queue = NULL
    session.queue_end = &session.queue
    session.queue_length = 0
    session.queue_flags = 0
    session.queue_bytes = 0
    session.flags &= ~<uint32_t>(SESSION_MULTI | SESSION_DIRTY_CAS | SESSION_DIRTY_EXEC)
    session_unwatch(session)


# ---- WATCH: a table from database and key to the sessions that watch it

cdef inline Slice _watched_name(Engine* engine, int32_t database_index, Slice key, char* stack) noexcept nogil:
    """Database index and key in one run of bytes, on `stack` when short; data NULL when refused."""
    cdef char* name = stack
    if key.length + 4 > WATCHED_STACK_BYTES:
        name = <char*>heap_try_alloc(&engine.heap, key.length + 4)
        if name == NULL:
            return slice_of(NULL, 0)
    memcpy(name, &database_index, 4)
    if key.length:
        memcpy(name + 4, key.data, key.length)
    return slice_of(name, key.length + 4)


cdef inline void _watched_name_free(Engine* engine, Slice name, char* stack) noexcept nogil:
    if name.data != NULL and name.data != stack:
        heap_free(&engine.heap, <void*>name.data, name.length)


cdef inline Slice _name_of(WatchedKey* watched) noexcept nogil:
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>watched + WATCHED_KEY_OFFSET, &length)
    return slice_of(data, length)


cdef inline size_t _watched_bytes(size_t name_length) noexcept nogil:
    return WATCHED_KEY_OFFSET + leb128_bytes(name_length) + name_length


cdef WatchedKey* _watched_put(Engine* engine, Slice name) noexcept nogil:
    cdef uint64_t hash = table_hash(&engine.watched, name)
    cdef TableSlot slot = table_find(&engine.watched, name, hash)
    cdef WatchedKey* watched
    if slot != NULL:
        return <WatchedKey*>slot[0]
    watched = <WatchedKey*>heap_try_alloc(&engine.heap, _watched_bytes(name.length))
    if watched != NULL:
        watched.watches = NULL
        memcpy(leb128_write(<char*>watched + WATCHED_KEY_OFFSET, name.length), name.data, name.length)
        table_insert(&engine.watched, watched, hash)
    return watched


cdef bint session_watch(Session* session, int32_t database_index, Slice key) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Database* database = &engine.keyspace.databases[database_index]
    cdef char stack[WATCHED_STACK_BYTES]
    cdef Slice name = _watched_name(engine, database_index, key, stack)
    cdef WatchedKey* watched
    cdef Watch* watch
    cdef TableSlot slot
    if name.data == NULL:
        return False
    watched = _watched_put(engine, name)
    _watched_name_free(engine, name, stack)
    if watched == NULL:
        return False
    watch = watched.watches
    while watch != NULL:
        if watch.session == session:
            return True
        watch = watch.next_of_key
    watch = <Watch*>heap_try_alloc(&engine.heap, sizeof(Watch))
    if watch == NULL:
        _drop_if_unwatched(engine, watched)
        return False
    # Looked up without expiring: a key that is due already may go without breaking this watch.
    slot = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key))
    watch.existed = slot != NULL
    watch.expired = slot != NULL and _is_due(engine, <Entry*>slot[0])
    watch.session = session
    watch.watched = watched
    watch.next_of_key = watched.watches
    watch.link_of_key = &watched.watches
    if watched.watches != NULL:
        watched.watches.link_of_key = &watch.next_of_key
    watched.watches = watch
    watch.next_of_session = session.watches
    if session.watches == NULL:
        engine.watching_sessions += 1
        engine.keyspace.wanted |= WANT_TOUCHED
    session.watches = watch
    session.watch_count += 1
    return True


cdef inline bint _is_due(Engine* engine, Entry* entry) noexcept nogil:
    return entry_has_deadline(entry) and entry_deadline_ms(entry) < keyspace_now(&engine.keyspace)


cdef void _drop_if_unwatched(Engine* engine, WatchedKey* watched) noexcept nogil:
    cdef Slice name
    cdef uint64_t hash
    if watched.watches == NULL:
        name = _name_of(watched)
        hash = table_hash(&engine.watched, name)
        table_remove(&engine.watched, table_find(&engine.watched, name, hash), hash)
        heap_free(&engine.heap, watched, _watched_bytes(name.length))


cdef void session_unwatch(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Watch* watch = session.watches
    cdef Watch* following
    if watch == NULL:
        return
    while watch != NULL:
        following = watch.next_of_session
        watch.link_of_key[0] = watch.next_of_key
        if watch.next_of_key != NULL:
            watch.next_of_key.link_of_key = watch.link_of_key
        _drop_if_unwatched(engine, <WatchedKey*>watch.watched)
        heap_free(&engine.heap, watch, sizeof(Watch))
        watch = following
    session.watches = NULL
    session.watch_count = 0
    engine.watching_sessions -= 1
    if engine.watching_sessions == 0 and engine.tracking_count == 0:
        engine.keyspace.wanted &= ~<uint32_t>WANT_TOUCHED


cdef inline Database* _database_of(Engine* engine, WatchedKey* watched, Slice* key_out) noexcept nogil:
    cdef Slice name = _name_of(watched)
    cdef int32_t index
    memcpy(&index, name.data, 4)
    key_out[0] = slice_of(name.data + 4, name.length - 4)
    return &engine.keyspace.databases[index]


cdef bint session_watches_expired(Session* session) noexcept nogil:
    cdef Watch* watch = session.watches
    cdef Slice key
    cdef Database* database
    cdef TableSlot slot
    while watch != NULL:
        if not watch.expired:
            database = _database_of(session.engine, <WatchedKey*>watch.watched, &key)
            slot = table_find(&database.keys, key, keyspace_hash(&session.engine.keyspace, key))
            if slot != NULL and _is_due(session.engine, <Entry*>slot[0]):
                return True
        watch = watch.next_of_session
    return False


cdef inline void _break_watches(Session* session) noexcept nogil:
    """It cannot EXEC any more, so what else it watches is of no interest."""
    session.flags |= SESSION_DIRTY_CAS
    session_unwatch(session)


cdef void engine_touch_watched(Engine* engine, int32_t database_index, Slice key) noexcept nogil:
    cdef char stack[WATCHED_STACK_BYTES]
    cdef Slice name
    cdef TableSlot slot
    cdef Watch* watch
    cdef Watch* following
    cdef bint present
    cdef Database* database = &engine.keyspace.databases[database_index]
    if table_count(&engine.watched) == 0:
        return
    name = _watched_name(engine, database_index, key, stack)
    if name.data == NULL:
        engine_touch_watched_all(engine, -1)        # better one EXEC too few than one too many
        return
    slot = table_find(&engine.watched, name, table_hash(&engine.watched, name))
    if slot != NULL:
        watch = (<WatchedKey*>slot[0]).watches
        present = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key)) != NULL
        while watch != NULL:
            following = watch.next_of_key
            # Due when it was watched, and gone now: for the watcher it was gone all the time.
            if watch.expired and not present:
                watch.expired = False
                watch.existed = False
            else:
                _break_watches(watch.session)
            watch = following           # another session's: one session watches a key once
    _watched_name_free(engine, name, stack)


cdef bint _touch_visited(void* context, void* entry) noexcept nogil:
    cdef WatchedKey* watched = <WatchedKey*>entry
    cdef Engine* engine = watched.watches.session.engine
    cdef int32_t wanted = (<int32_t*>context)[0]
    cdef Slice key
    cdef Database* database = _database_of(engine, watched, &key)
    cdef Watch* watch = watched.watches
    cdef TableSlot slot
    cdef bint due
    if wanted >= 0 and database.index != wanted:
        return True
    slot = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key))
    due = slot != NULL and _is_due(engine, <Entry*>slot[0])
    while watch != NULL:
        if wanted < 0:
            watch.session.flags |= SESSION_DIRTY_CAS
        elif slot == NULL:
            if watch.existed and not watch.expired:
                watch.session.flags |= SESSION_DIRTY_CAS
            watch.existed = watch.expired = False
        elif due and (watch.expired or not watch.existed):
            # For the watcher there was no key before and is none now; that this one goes will not disturb it.
            watch.existed = watch.expired = True
        else:
            watch.session.flags |= SESSION_DIRTY_CAS
        watch = watch.next_of_key
    return True


cdef void engine_touch_watched_all(Engine* engine, int32_t database_index) noexcept nogil:
    """database_index -1: all of them, whether the keys exist or not. Broken watches stay till
    EXEC, since nothing may leave the table while it is walked (and in Redis they stay, too)."""
    table_each(&engine.watched, _touch_visited, &database_index)
