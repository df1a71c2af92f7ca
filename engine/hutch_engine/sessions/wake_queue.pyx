"""See wake_queue.pxd."""
from hutch_engine.base.bell cimport Bell, bell_drop, bell_hold, bell_ring
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.state.engine cimport SESSION_EMBEDDED, Engine, Session, engine_guarded, engine_wake_listener


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


cdef void session_unnotice(Session* session) noexcept nogil:
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
