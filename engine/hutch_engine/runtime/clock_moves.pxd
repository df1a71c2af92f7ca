"""Clocks that tests hold and move: what is due by then happens at once, each thing at its own moment."""
from libc.stdint cimport int64_t
from hutch_engine.state.engine cimport Engine

cdef enum ClockMoveKind:
    CLOCK_HOLD               # at a Unix time
    CLOCK_HOLD_NOW           # where it is
    CLOCK_ADVANCE            # by so much, held or running
    CLOCK_RUN_FROM           # a Unix time
    CLOCK_RELEASE            # it shows the system's time again

cdef void clock_moves(Engine* engine, ClockMoveKind kind, int64_t us, bint through) noexcept nogil
"""Move the engine's clock; `us` is a Unix time or a distance in microseconds, as the kind says. Forward, the moments at which
something is due are passed one by one. A key lives through the millisecond of its deadline; with `through`, what ends with the
millisecond of arrival happens, too. Requires the lock, for as long as that takes. O(what is due)."""
