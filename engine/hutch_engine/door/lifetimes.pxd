"""The life of an engine: its listener comes and goes, it ends. No Python, no GIL; any thread, without the engine's lock.

Who is in the middle of something while others have the lock is known to the end: the listener and housekeeping are
joined, scripts are stopped and waited for (Engine.scripts.busy), and so are threads that bring a listener up or down
(Engine.amid). Whoever else comes back to the lock looks at Engine.closed first.
"""
from libc.stddef cimport size_t
from hutch_engine.state.engine cimport Engine

cdef enum Started:
    STARTED
    START_CLOSED
    START_RUNS                       # there is a listener already
    START_FAILED                     # the text says why, or it is empty: no memory, descriptor or thread

cdef Started life_start_listener(Engine* engine, bint any_port, bint any_tls_port, bint portable_poller, char* error_out,
                                 size_t error_size) noexcept nogil
"""Make a listener, bind its sockets and start its thread; the engine owns it. START_FAILED leaves the reason in error_out, or
an empty text. Waits for the engine's lock; the GIL must not be held."""
cdef void life_stop_listener(Engine* engine) noexcept nogil
"""Stop the listener, close its sockets and clients, and free it; without one nothing happens. Waits for its thread; the GIL
must not be held."""
cdef bint life_end(Engine* engine) noexcept nogil
"""Stop the listener, end all sessions, free everything but the struct itself, which threads may still come to. Only the first
call does. False: nothing happened, since a script of this very thread is running. O(keys)"""
cdef void life_abandon(Engine* engine) noexcept nogil
"""Nobody knows this engine any more: end it and free the struct. Never waits for anything: where there is something to
wait for, or much to free, a thread of its own does it."""
