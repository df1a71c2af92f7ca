"""See waits.pxd."""
import threading

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.lock cimport Signal, signal_prepare, signal_wait
from hutch_engine.base.thread cimport thread_self

cdef enum:
    STEP_US = 50000                  # between two looks at Python's signals
    GREEN_STEP_US = 5000             # between two looks of a greenlet at what rings no bell: CLIENT PAUSE, another's turn

cdef uint64_t _main_thread = 0           # where Python's signal handlers run


# ---- Python's signals

# What a signal's handler raised while a script ran, by thread: raised again once the call is back.
cdef dict _interrupts = {}


cdef int follow_main_thread() except -1:
    global _main_thread
    _main_thread = threading.main_thread().ident
    return 0


cdef bint look_at_signals() noexcept nogil:
    # Handlers run in the main thread only, so no other asks for the GIL: at the interpreter's end it would never come back.
    return thread_self() == _main_thread and _run_handlers()


cdef bint _run_handlers() noexcept with gil:
    try:
        PyErr_CheckSignals()
        return False
    except BaseException as error:
        _interrupts[threading.get_ident()] = error
        return True


cdef int raise_interrupt() except -1:
    if _interrupts:
        interrupt = _interrupts.pop(threading.get_ident(), None)
        if interrupt is not None:
            raise interrupt
    return 0


# ---- waiting

# How to wait in a thread whose greenlets take turns; see use_greenlets.
cdef object _green_rest = None
cdef object _green_sleep = None


def use_greenlets(rest, sleep):
    """Calls that wait ask these first. `rest(session, seconds, ticket)` waits until there is something for the session to
    see, unless the ticket is due; seconds None: without end. `sleep(seconds)` lets others go on for so long. Both answer
    False, and did nothing, where nobody else wants the thread."""
    global _green_rest, _green_sleep
    _green_rest = rest
    _green_sleep = sleep


@cython.auto_pickle(False)
@cython.final
cdef class Ticket:
    """The state of a session's signal, taken before a look at what the signal is about."""
    cdef object session                  # keeps the signal
    cdef Signal* signal
    cdef uint32_t number

    @property
    def is_due(self):
        """Was the signal raised since the ticket was taken?"""
        return signal_prepare(self.signal) != self.number


cdef int wait_in_session(object session, Signal* signal, uint32_t ticket, int64_t us) except -1:
    cdef Ticket taken
    if _green_rest is not None:
        taken = Ticket()
        taken.session = session
        taken.signal = signal
        taken.number = ticket
        if _green_rest(session, None if us < 0 else us / 1e6, taken):
            return 0
    with nogil:
        signal_wait(signal, ticket, STEP_US if us < 0 else min(us, STEP_US))
    PyErr_CheckSignals()
    return 0


cdef int wait_on_signal(Signal* signal, uint32_t ticket, int64_t us) except -1:
    if us < 0:
        us = STEP_US
    if _green_sleep is not None and _green_sleep(min(us, GREEN_STEP_US) / 1e6):
        return 0
    with nogil:
        signal_wait(signal, ticket, min(us, STEP_US))
    PyErr_CheckSignals()
    return 0
