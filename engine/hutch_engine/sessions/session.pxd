"""The beginning and end of sessions. Everything requires the engine's lock, except where it says otherwise."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from hutch_engine.state.engine cimport Engine, DeferredFree, Session
from hutch_engine.state.user cimport User

cdef void engine_free_deferred(Engine* engine) noexcept nogil
"""Free the sessions whose owners could not wait for the lock (engine_defer_free). Requires the lock. O(their number)."""
cdef void engine_free_deferred_if_unlocked(Engine* engine) noexcept nogil
"""The same without the lock, if that is free; otherwise whoever holds it looks when it is released. Never waits."""
cdef void engine_leave(Engine* engine) noexcept nogil
"""Release the lock, and free the sessions that were left behind meanwhile. For holders without the GIL: a Python object may go
while they have the lock."""
cdef void engine_defer_free(Engine* engine, DeferredFree* deferred) noexcept nogil
"""Free this session and this struct, both of which the engine owns from now on, at once or as soon as the lock is free. From
any thread; never waits."""
cdef Session* session_new(Engine* engine, uint32_t flags, int fd) noexcept nogil
"""Make a session of these flags, in database 0 and in the engine's list; the caller frees it with session_free. `fd` is its
socket, or -1. NULL when memory was refused. Requires the lock."""
cdef void session_free(Session* session) noexcept nogil
"""Free the session, whose end comes first if it has not come yet (session_end). Requires the lock. O(its subscriptions,
watches and queue)."""
cdef void session_end(Session* session) noexcept nogil
"""End the session while somebody still points to it: it leaves the list, its watches, messages and replies are freed, and
whoever waits in it is woken. Afterwards only its flags (SESSION_CLOSE_NOW), id and session_free may be used. A session
whose command is running, or has let others in, must not be ended. Requires the lock. O(its subscriptions, watches and
queue)."""
cdef void session_kill(Session* session, Session* me) noexcept nogil
"""End the session from outside: a socket is closed by the listener, soon; an embedded session ends here, if its script does not run.
If it is `me`, whose command does this, it is answered first. It may be gone from the list afterwards. Requires the lock."""
cdef void session_become(Session* session, User* user, bint authenticated) noexcept nogil
"""From now on the session is this user, who is borrowed; `authenticated`: it may send commands. Requires the lock. O(1)."""
cdef inline User* session_user(const Session* session) noexcept nogil:
    """Whose rights it has; borrowed. The owner of the process goes by the default user's name."""
    return session.user if session.user != NULL else session.engine.users.standard
cdef void session_reset(Session* session) noexcept nogil
"""Give the session what a fresh connection has (RESET); its socket, addresses and counters stay. Requires the lock."""
cdef void session_resemble(Session* session, const Session* model) noexcept nogil
"""Take over from `model` what a connection sets up in the beginning: database, protocol, names, user, CLIENT
NO-TOUCH and NO-EVICT. Requires the lock."""
cdef void session_select(Session* session, int32_t database_index) noexcept nogil
"""Make this database the session's. The index must be in range."""
cdef uint64_t session_unread(const Session* session) noexcept nogil
"""How many bytes of replies and messages the session's client has not taken."""
cdef uint64_t session_memory(const Session* session) noexcept nogil
"""About how many bytes the session takes, with its buffers, queue, watches and subscriptions, as CLIENT LIST tells it. O(1)."""
cdef void session_end_cut_off(Engine* engine) noexcept nogil
"""End the embedded sessions that were cut off at their limit (Engine.pubsub.sweep_wanted): their messages and subscriptions go
now, whenever their callers come to learn of it. One whose command is running loses these only. Not while a topic's
subscribers are gone through. O(sessions)."""
