"""How willing the system is to end the process of a server when memory runs out: oom-score-adj and oom-score-adj-values."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.state.engine cimport Engine

cdef enum:                       # Config.oom_score_adj: the places of its choices
    OOM_ALONE = 0                # "no": what the process came with
    OOM_YES = 1                  # the same as relative, and what that is shown as
    OOM_RELATIVE = 2
    OOM_ABSOLUTE = 3

cdef bint oom_score_set(Engine* engine, Buffer* error_out) noexcept nogil
"""Write what the configuration asks for to /proc/self/oom_score_adj, or put back what stood there. Only in the process of a server
(Engine.logs_to_output): another one's standing with the system is its host's, and asking for a change is refused. False, with the
reason, when it cannot be done; the log has what the system said."""
