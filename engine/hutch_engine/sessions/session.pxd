"""The beginning and end of sessions. Everything requires the engine's lock, except where it says otherwise."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from hutch_engine.state.engine cimport Engine, DeferredFree, Session

cdef void engine_free_deferred(Engine* engine) noexcept nogil
"""Free the sessions that were left behind. Requires the lock."""
cdef void engine_free_deferred_if_unlocked(Engine* engine) noexcept nogil
"""The same without the lock, if it is free: whoever has it looks when it lets go. Never waits."""
cdef void engine_leave(Engine* engine) noexcept nogil
"""Release the lock, and free what was left behind meanwhile. For holders without the GIL: a Python object may go while
they have the lock."""
cdef void engine_defer_free(Engine* engine, DeferredFree* deferred) noexcept nogil
"""Any thread, never waits: free this session and this struct, now or as soon as the lock is free."""
cdef Session* session_new(Engine* engine, uint32_t flags, int fd) noexcept nogil
"""Requires the lock. NULL when memory was refused."""
cdef void session_free(Session* session) noexcept nogil
"""Requires the lock. Forgets its watches, queue and buffers."""
cdef void session_end(Session* session) noexcept nogil
"""Its end, while somebody still points to it: it is in no list any more, has no watches, messages or replies, and whoever
waits in it is woken. Only its flags (SESSION_CLOSE_NOW), id and session_free may be used. Not for one whose command is
running or has let others in. Requires the lock."""
cdef void session_reset(Session* session) noexcept nogil
"""RESET: back to what a fresh connection has, except the socket, its addresses and counters."""
cdef void session_resemble(Session* session, const Session* model) noexcept nogil
"""Take over what a connection sets up in the beginning: database, protocol, names, CLIENT NO-TOUCH and NO-EVICT."""
cdef void session_select(Session* session, int32_t database_index) noexcept nogil
"""Make this database the session's. The index must be in range."""
cdef uint64_t session_unread(const Session* session) noexcept nogil
"""Bytes of replies and messages that its client has not taken."""
cdef uint64_t session_memory(const Session* session) noexcept nogil
"""About how many bytes the session takes, with its buffers, queue, watches and subscriptions, as CLIENT LIST tells it. O(1)."""
cdef void session_end_cut_off(Engine* engine) noexcept nogil
"""Engine.pubsub.sweep_wanted: embedded sessions that were cut off at their limit lose their messages and subscriptions now, whenever their
callers come to learn of it. Not while a topic's subscribers are gone through. O(sessions)"""
