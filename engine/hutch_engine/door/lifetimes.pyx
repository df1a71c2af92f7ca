"""See lifetimes.pxd."""
from libc.stddef cimport size_t
from libc.stdlib cimport free
from hutch_engine.base.atomics cimport atomic_store32
from hutch_engine.base.lock cimport (lock_acquire, lock_clear, lock_release, lock_try, signal_clear, signal_raise)
from hutch_engine.base.thread cimport thread_pause_us, thread_start
from hutch_engine.scripting.script_run cimport script_is_of_this_thread
from hutch_engine.runtime.engine cimport engine_clear
from hutch_engine.sessions.session cimport engine_free_deferred, session_free
from hutch_engine.state.engine cimport Engine, SESSION_BLOCKED, Session, engine_used_memory
from hutch_engine.persistence.background cimport background_stop
from hutch_engine.runtime.housekeeping cimport housekeeping_stop
from hutch_engine.net.listener cimport Listener, listener_free, listener_new, listener_open, listener_start

cdef enum:
    WAIT_US = 100                    # between two looks at whether the others are out
    FREED_AT_ONCE_BYTES = 16777216   # an abandoned engine of this size is freed on the spot: some milliseconds


# ---- the listener: one thread at a time brings it up or down

cdef void _enter(Engine* engine) noexcept nogil:
    """Take the lock, when nobody is amid it."""
    lock_acquire(&engine.lock)
    while engine.amid and not engine.closed:
        lock_release(&engine.lock)
        thread_pause_us(WAIT_US)
        lock_acquire(&engine.lock)


cdef Started life_start_listener(Engine* engine, bint any_port, bint any_tls_port, bint portable_poller, char* error_out,
                                 size_t error_size) noexcept nogil:
    cdef Started outcome = STARTED
    cdef Listener* listener = NULL
    error_out[0] = 0
    _enter(engine)
    if engine.closed:
        outcome = START_CLOSED
    elif engine.net.listener != NULL:
        outcome = START_RUNS
    else:
        engine.amid += 1
    lock_release(&engine.lock)
    if outcome != STARTED:
        return outcome
    listener = listener_new(engine, portable_poller)
    if listener != NULL:
        listener.any_port = any_port
        listener.any_tls_port = any_tls_port
        if not listener_open(listener, error_out, error_size) or not listener_start(listener):
            listener_free(listener)
            listener = NULL
    lock_acquire(&engine.lock)
    if listener == NULL:
        outcome = START_FAILED
    elif engine.closed:
        outcome = START_CLOSED
        lock_release(&engine.lock)
        listener_free(listener)
        lock_acquire(&engine.lock)
    else:
        engine.net.listener = listener
    engine.amid -= 1
    lock_release(&engine.lock)
    return outcome


cdef void life_stop_listener(Engine* engine) noexcept nogil:
    cdef Listener* listener
    _enter(engine)
    listener = NULL
    if not engine.closed:
        listener = <Listener*>engine.net.listener
        engine.net.listener = NULL
    if listener != NULL:
        engine.amid += 1
    lock_release(&engine.lock)
    if listener == NULL:
        return
    listener_free(listener)
    lock_acquire(&engine.lock)
    engine.amid -= 1
    lock_release(&engine.lock)


# ---- the end

cdef bint life_end(Engine* engine) noexcept nogil:
    cdef Listener* listener
    cdef Session* session
    if not lock_try(&engine.lock):
        # An endless script would never give the lock away, if busy-reply-threshold is 0.
        atomic_store32(&engine.scripts.stop, 1)
        lock_acquire(&engine.lock)
    if engine.closed:
        lock_release(&engine.lock)
        return True
    if script_is_of_this_thread(engine):         # a signal's handler asks, which runs in the middle of it
        atomic_store32(&engine.scripts.stop, 0)
        lock_release(&engine.lock)
        return False
    atomic_store32(&engine.scripts.stop, 1)
    engine.closed = True
    # Whoever waits in a session goes with an exception, and the session's object with the signal may go, too.
    session = engine.sessions.first
    while session != NULL:
        if session.served != NULL:
            if session.flags & SESSION_BLOCKED:
                signal_raise(session.served)
            session.served = NULL
        session = session.next
    listener = <Listener*>engine.net.listener
    engine.net.listener = NULL
    lock_release(&engine.lock)
    signal_raise(&engine.pause.over)
    if listener != NULL:
        listener_free(listener)
    housekeeping_stop(engine)
    background_stop(engine)              # what was acknowledged goes to the disk
    lock_acquire(&engine.lock)
    while engine.scripts.busy or engine.amid:
        lock_release(&engine.lock)
        thread_pause_us(WAIT_US)
        lock_acquire(&engine.lock)
    while engine.sessions.first != NULL:
        session_free(engine.sessions.first)        # their objects see `closed` before they look at them
    lock_release(&engine.lock)
    engine_clear(engine)
    return True


cdef void _dispose(Engine* engine) noexcept nogil:
    engine_free_deferred(engine)
    signal_clear(&engine.housekeeping.signal)
    signal_clear(&engine.pause.over)
    signal_clear(&engine.journaling.wake)
    signal_clear(&engine.journaling.log_wake)
    lock_clear(&engine.lock)
    free(engine)


cdef void _end_elsewhere(void* context) noexcept nogil:
    cdef Engine* engine = <Engine*>context
    life_end(engine)
    _dispose(engine)


cdef void life_abandon(Engine* engine) noexcept nogil:
    # Only the engine's own threads may still have its lock.
    if not engine.closed and (engine.net.listener != NULL or engine.housekeeping.runs or engine.journaling.runs
                              or engine_used_memory(engine) > FREED_AT_ONCE_BYTES) \
            and thread_start(_end_elsewhere, engine, b"hutch-end", 0, NULL):
        return
    _end_elsewhere(engine)
