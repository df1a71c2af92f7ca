"""What follows a command, in one place, for all ways in: effects are acted on, those who waited are served, messages that were
gathered go out. Requires the engine's lock."""
from libc.stddef cimport size_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.executor.effects cimport effects_are_there
from hutch_engine.executor.run cimport run_mute_reply, run_settle_journal, run_take_inbox
from hutch_engine.state.engine cimport Engine, Session

cdef inline bint aftermath_is_due(const Engine* engine) noexcept nogil:
    """Is there anything for `aftermath` to do?"""
    return effects_are_there(&engine.keyspace) or engine.pubsub.sweep_wanted

cdef void aftermath(Engine* engine) noexcept nogil
"""Act on effects, serve those who wait, send what was gathered: after each command that a client sent, and by housekeeping.
Whoever is served runs commands: what these do is acted on within this call. O(effects, those they concern, and the commands
that are run)."""

cdef inline void aftermath_of(Session* session, size_t mark) noexcept nogil:
    """Do what follows a command of this session, whose reply began at `mark`."""
    if unlikely(aftermath_is_due(session.engine)):
        aftermath(session.engine)
    run_settle_journal(session.engine)
    run_mute_reply(session, mark)
    session.engine.execution.current = NULL
    if unlikely(session.inbox.length != 0):
        run_take_inbox(session)
