"""Telling a session, in whatever thread it is read, that there is something for it: the listener's list of sockets to look at,
the signal and the bell of embedded callers. Everything requires the engine's lock."""
from hutch_engine.base.bell cimport Bell
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.state.engine cimport Session

cdef void session_use_bell(Session* session, Bell* bell) noexcept nogil
"""Let session_wake ring this bell from now on, which is held meanwhile; NULL: none. Whoever waits at the former one is woken.
Requires the lock."""
cdef void session_wake(Session* session) noexcept nogil
"""Tell whoever reads the session that there is something for it: bytes to send, the end of a wait, its own end. The listener
is woken, once for all that it has not looked at yet; so are a thread and an event loop that wait. Requires the lock. O(1)."""
cdef void session_leave_wake_queue(Session* session) noexcept nogil
"""Take a session that ends out of the list. O(those in it), and hardly ever needed."""
cdef Buffer* session_inbox(Session* session) noexcept nogil
"""Where to append a message for the session that is not a reply; borrowed from it. session_wake is to be called afterwards."""
