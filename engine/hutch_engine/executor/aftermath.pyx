"""See aftermath.pxd."""
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.executor.effects cimport effects_act
from hutch_engine.executor.serving cimport serve_ready
from hutch_engine.sessions.session cimport session_end_cut_off
from hutch_engine.sessions.tracking cimport tracking_broadcast
from hutch_engine.state.engine cimport Engine


cdef void aftermath(Engine* engine) noexcept nogil:
    effects_act(engine)
    # Whoever is served runs commands, whose effects come here again: they are only noted then.
    if unlikely(engine.ready_first != NULL) and not engine.serving:
        serve_ready(engine)
    if unlikely(engine.changed.length != 0) and not engine.gathering and not engine.serving:
        tracking_broadcast(engine)
    if unlikely(engine.sweep_wanted) and not engine.serving:
        session_end_cut_off(engine)
