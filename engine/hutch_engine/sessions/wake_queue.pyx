"""See wake_queue.pxd."""
from hutch_engine.base.bell cimport Bell, bell_drop, bell_hold, bell_ring
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.state.engine cimport SESSION_EMBEDDED, Engine, Session, engine_guarded, engine_wake_listener


cdef void session_wake(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    engine_guarded(engine)
    if session.bell != NULL:
        bell_ring(session.bell, session.bell_number, &session.bell_round)
    if session.flags & SESSION_EMBEDDED:
        if session.served != NULL:
            signal_raise(session.served)
        return
    if not session.in_wake_queue:
        session.in_wake_queue = True
        session.next_to_wake = NULL
        if engine.sessions.wake_last != NULL:
            engine.sessions.wake_last.next_to_wake = session
        else:
            engine.sessions.wake_first = session
        engine.sessions.wake_last = session
    if not engine.sessions.listener_awake:
        engine.sessions.listener_awake = True
        engine_wake_listener(engine)


cdef void session_leave_wake_queue(Session* session) noexcept nogil:
    """Out of the list: the session goes. O(those noticed), and hardly ever needed."""
    cdef Engine* engine = session.engine
    cdef Session** link = &engine.sessions.wake_first
    cdef Session* previous = NULL
    if not session.in_wake_queue:
        return
    while link[0] != session:
        previous = link[0]
        link = &previous.next_to_wake
    link[0] = session.next_to_wake
    if engine.sessions.wake_last == session:
        engine.sessions.wake_last = previous
    session.in_wake_queue = False


cdef Buffer* session_inbox(Session* session) noexcept nogil:
    # What a command sends to its own client comes behind the command's reply, which is being written.
    if session.flags & SESSION_EMBEDDED or session.engine.execution.current == session:
        return &session.inbox
    return &session.reply.buffer


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
