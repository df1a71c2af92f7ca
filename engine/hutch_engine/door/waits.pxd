"""How a Python call waits: without the GIL and the engine's lock, and so that Python's signal handlers run meanwhile.

A handler that raises (Ctrl-C) ends the wait. In a thread whose greenlets take turns, only the present one waits.
"""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.lock cimport Signal

cdef int follow_main_thread() except -1
"""Ask which thread is the main one, where handlers run. Before the first look at signals, and after a fork."""
cdef bint look_at_signals() noexcept nogil
"""Run the handlers of signals that have come; True: one raised, and raise_interrupt will raise it again. Without the
engine's lock, by a thread that let go of the GIL in its call (Engine.scripts.look_at_signals)."""
cdef int raise_interrupt() except -1
"""After a call without the GIL in which a script may have run: raise what a signal's handler raised meanwhile."""
cdef int wait_in_session(object session, Signal* signal, uint32_t ticket, int64_t us) except -1
"""Wait until the signal of this session is raised, at most for `us`, or for a moment (-1: without end, or for a moment): look
again. What a handler raises ends it, and so does what is raised in a greenlet."""
cdef int wait_on_signal(Signal* signal, uint32_t ticket, int64_t us) except -1
"""The same for a signal that greenlets cannot hear: they look again and again. -1: for a moment."""
