"""See aftermath.pxd."""
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.executor.effects cimport effects_act
from hutch_engine.executor.serving cimport serve_ready
from hutch_engine.sessions.session cimport session_end_cut_off
from hutch_engine.sessions.tracking cimport tracking_broadcast
from hutch_engine.state.engine cimport Engine
from hutch_engine.executor.run cimport run_settle_journal


cdef void aftermath(Engine* engine) noexcept nogil:
    effects_act(engine)
    # Whoever is served runs commands, whose effects come here again: they are only noted then.
    if unlikely(engine.waiting.ready_first != NULL) and not engine.execution.serving:
        serve_ready(engine)
    if unlikely(engine.tracking.changed.length != 0) and not engine.execution.gathering and not engine.execution.serving:
        tracking_broadcast(engine)
    if unlikely(engine.pubsub.sweep_wanted) and not engine.execution.serving:
        session_end_cut_off(engine)
    if not engine.execution.serving:
        run_settle_journal(engine)
