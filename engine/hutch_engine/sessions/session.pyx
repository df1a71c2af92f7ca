"""See session.pxd."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free
from hutch_engine.base.atomics cimport atomic_fence, atomic_load64, stack_push, stack_take_all, stack_top
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.lock cimport lock_release, lock_try, signal_raise
from hutch_engine.base.memory cimport heap_free, heap_try_zeroed
from hutch_engine.base.slice cimport slice_equals, slice_of
from hutch_engine.sessions.pubsub cimport topics_leave_all
from hutch_engine.sessions.monitor_records cimport monitor_records_forget
from hutch_engine.sessions.tracking cimport session_forget_messages
from hutch_engine.sessions.transaction cimport session_discard
from hutch_engine.sessions.waiting cimport waiting_forget
from hutch_engine.sessions.wake_queue cimport session_leave_wake_queue, session_use_bell, session_wake
from hutch_engine.state.engine cimport (
    SESSION_AUTHENTICATED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_IN_SCRIPT, SESSION_NO_EVICT,
    SESSION_NO_TOUCH, SESSION_RESTRICTED, SESSION_PROTOCOL_SET, SESSION_REPLY_OFF, SESSION_REPLY_SKIP_NEXT, TOPIC_CHANNEL, TOPIC_KINDS, TOPIC_PATTERN, TOPIC_PREFIX,
    TOPIC_SHARD, Engine, DeferredFree, Session, Watch, engine_guarded)
from hutch_engine.state.user cimport User


cdef enum:
    SUBSCRIPTION_BYTES = 72         # what one takes of its session's memory, about


# ---- sessions whose Python objects go while the lock is taken
#
# Whoever leaves one behind pushes it first and tries the lock then; whoever has the lock lets go of it first and looks at the
# stack then. One of the two sees the other.

cdef void engine_free_deferred(Engine* engine) noexcept nogil:
    cdef DeferredFree* deferred = <DeferredFree*>stack_take_all(<void**>&engine.sessions.deferred_frees)
    cdef DeferredFree* following
    while deferred != NULL:
        following = deferred.next
        if not engine.closed:            # else it went with the engine
            session_free(deferred.session)
        free(deferred)
        deferred = following


cdef void engine_free_deferred_if_unlocked(Engine* engine) noexcept nogil:
    atomic_fence()
    while stack_top(<void**>&engine.sessions.deferred_frees) != NULL and lock_try(&engine.lock):
        engine_free_deferred(engine)
        lock_release(&engine.lock)
        atomic_fence()


cdef void engine_leave(Engine* engine) noexcept nogil:
    lock_release(&engine.lock)
    engine_free_deferred_if_unlocked(engine)


cdef void engine_defer_free(Engine* engine, DeferredFree* deferred) noexcept nogil:
    stack_push(<void**>&engine.sessions.deferred_frees, <void**>&deferred.next, deferred)
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
    engine.config.names.fixed = True         # from here on they may be looked up without the lock
    engine.sessions.next_id += 1
    session.id = engine.sessions.next_id
    session.engine = engine
    session.flags = flags
    # A caller inside the process has the store in its hands; a password keeps out sockets.
    if flags & SESSION_EMBEDDED:
        session.flags |= SESSION_AUTHENTICATED
    else:
        session_become(session, engine.users.standard, engine.users.open)
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
    buffer_init(&session.certificate_name, &engine.client_bytes)
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
        engine.sessions.sockets += 1
    session.previous = engine.sessions.last
    if engine.sessions.last != NULL:
        engine.sessions.last.next = session
    else:
        engine.sessions.first = session
    engine.sessions.last = session
    engine.sessions.count += 1
    return session


cdef void session_free(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    session_end(session)
    if session.previous != NULL:
        session.previous.next = session.next
    else:
        engine.sessions.ended = session.next
    if session.next != NULL:
        session.next.previous = session.previous
    heap_free(&engine.heap, session, sizeof(Session))


cdef void session_kill(Session* session, Session* me) noexcept nogil:
    if session == me:
        session.flags |= SESSION_CLOSE_AFTER_REPLY
        return
    session.flags |= SESSION_CLOSE_NOW
    # The listener closes sockets. An embedded session ends here, and its caller meets the flag with its next call, or
    # where it waits; unless it is in the middle of a script, whose thread ends it then.
    if session.flags & SESSION_EMBEDDED and not session.flags & SESSION_IN_SCRIPT:
        session_end(session)
        return
    if session.flags & SESSION_EMBEDDED:
        session_forget_messages(session)
    session_wake(session)


cdef void session_end(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    engine_guarded(engine)
    if session.ended:
        return
    session.ended = True
    waiting_forget(session)
    session.flags |= SESSION_CLOSE_NOW           # nothing is sent to it any more
    session_forget_messages(session)
    session_leave_wake_queue(session)
    if engine.execution.current == session:
        engine.execution.current = NULL
    engine.net.socket_bytes -= session.weighed_bytes
    session_use_bell(session, NULL)
    session_discard(session)
    buffer_clear(&session.reply.buffer)
    buffer_clear(&session.inbox)
    monitor_records_forget(session)
    buffer_clear(&session.name)
    buffer_clear(&session.library_name)
    buffer_clear(&session.library_version)
    buffer_clear(&session.address)
    buffer_clear(&session.local_address)
    buffer_clear(&session.certificate_name)
    if session.previous != NULL:
        session.previous.next = session.next
    else:
        engine.sessions.first = session.next
    if session.next != NULL:
        session.next.previous = session.previous
    else:
        engine.sessions.last = session.previous
    engine.sessions.count -= 1
    if not session.flags & SESSION_EMBEDDED:
        engine.sessions.sockets -= 1
    session.previous = NULL
    session.next = engine.sessions.ended
    if engine.sessions.ended != NULL:
        engine.sessions.ended.previous = session
    engine.sessions.ended = session
    if session.served != NULL:
        signal_raise(session.served)     # whoever waits in it is to see that it is over


cdef void _copy_text(Buffer* buffer, const Buffer* model) noexcept nogil:
    if not slice_equals(slice_of(buffer.data, buffer.length), slice_of(model.data, model.length)):
        buffer.length = 0
        buffer_append(buffer, model.data, model.length)


cdef void session_resemble(Session* session, const Session* model) noexcept nogil:
    cdef uint32_t alike = (SESSION_AUTHENTICATED | SESSION_RESTRICTED | SESSION_PROTOCOL_SET | SESSION_NO_EVICT
                           | SESSION_NO_TOUCH)
    session.user = model.user
    session.flags = (session.flags & ~alike) | (model.flags & alike)
    session.reply.resp = model.reply.resp
    session_select(session, model.database_index)
    _copy_text(&session.name, &model.name)
    _copy_text(&session.library_name, &model.library_name)
    _copy_text(&session.library_version, &model.library_version)


cdef void session_select(Session* session, int32_t database_index) noexcept nogil:
    session.database_index = database_index
    session.call.database = &session.engine.keyspace.databases[database_index]


cdef void session_become(Session* session, User* user, bint authenticated) noexcept nogil:
    session.user = user
    session.flags &= ~<uint32_t>(SESSION_AUTHENTICATED | SESSION_RESTRICTED)
    session.flags |= (SESSION_AUTHENTICATED if authenticated else 0) | (SESSION_RESTRICTED if not user.may_all else 0)
    session.call.keys_limited = False


cdef void session_reset(Session* session) noexcept nogil:
    engine_guarded(session.engine)
    session_discard(session)
    session_forget_messages(session)
    session_select(session, 0)
    session.reply.resp = 2
    buffer_clear(&session.name)
    # A SKIP before RESET is for its own reply.
    session.flags &= ~<uint32_t>(SESSION_REPLY_OFF | SESSION_REPLY_SKIP_NEXT | SESSION_NO_EVICT | SESSION_NO_TOUCH
                                 | SESSION_AUTHENTICATED | SESSION_PROTOCOL_SET)
    session.call.flags = 0
    # The owner of the process stays that; who has logged in is what any newcomer is.
    if session.user == NULL:
        session.flags |= SESSION_AUTHENTICATED
    else:
        session_become(session, session.engine.users.standard, session.engine.users.open)


cdef uint64_t session_unread(const Session* session) noexcept nogil:
    return atomic_load64(&session.output_bytes) + session.reply.buffer.length + session.inbox.length


cdef uint64_t session_memory(const Session* session) noexcept nogil:
    return (sizeof(Session) + session.reply.buffer.capacity + session.inbox.capacity + session.name.capacity + session.library_name.capacity
            + session.library_version.capacity + session.address.capacity + session.local_address.capacity + session.certificate_name.capacity
            + session.queue_bytes + session.watch_count * sizeof(Watch) + session.query_bytes + session.query_free
            + atomic_load64(&session.output_bytes)
            + SUBSCRIPTION_BYTES * (session.topic_counts[TOPIC_CHANNEL] + session.topic_counts[TOPIC_PATTERN]
                                    + session.topic_counts[TOPIC_SHARD] + session.topic_counts[TOPIC_PREFIX]))


cdef void session_end_cut_off(Engine* engine) noexcept nogil:
    cdef Session* session = engine.sessions.first
    cdef Session* following
    cdef uint32_t kind
    engine.pubsub.sweep_wanted = False
    while session != NULL:
        following = session.next
        if session.flags & SESSION_EMBEDDED and session.flags & SESSION_CLOSE_NOW:
            if session == engine.execution.current or session.flags & SESSION_IN_SCRIPT:       # its own thread ends it
                for kind in range(TOPIC_KINDS):
                    topics_leave_all(session, kind)
                buffer_clear(&session.inbox)
                monitor_records_forget(session)
            else:
                session_end(session)
        session = following
