"""What others are told about changes: keyspace notifications, and the invalidation messages of CLIENT TRACKING.

Commands record effects (keyspace/keyspace.pxd). effects_announce (executor/effects) tells those who asked: after every command,
also of a transaction, so that messages come in the order of what happened. The keys that tracking sessions have read, and the
prefixes they gave, are topics of sessions/pubsub.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Engine, Session

cdef struct ChangedKey:                  # one record of Engine.tracking.changed; the key lies behind, filled up to eight bytes
    uint64_t session                     # who changed it last; 0: nobody
    uint32_t length
    uint32_t unused

cdef void session_forget_messages(Session* session) noexcept nogil
"""End the session's subscriptions, tracking and MONITOR, for RESET or its end. O(its subscriptions; all sessions when some
have it as their target)."""
cdef void tracking_note_changed(Engine* engine, Slice key) noexcept nogil
"""Tell those who have read a key to forget it, since it has changed or is gone, and keep it for tracking_broadcast. O(those
who have read it)."""
cdef void tracking_invalidate_all(Engine* engine) noexcept nogil
"""Tell every tracking session to forget all keys, of whatever database: FLUSHALL, FLUSHDB, or effects that were lost.
O(tracked keys)."""
cdef void tracking_remember(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil
"""Note that a tracking session ran a command: the keys that it read are its keys from now on. O(those keys)."""
cdef void tracking_enable(Session* session, uint32_t options, Session* target) noexcept nogil
"""Begin CLIENT TRACKING for a session. `target` is the session to which messages go, NULL for the session itself. Prefixes are
subscribed to by the caller."""
cdef void tracking_disable(Session* session) noexcept nogil
"""End the session's CLIENT TRACKING: its keys, prefixes and target are forgotten. Without tracking nothing happens. O(its keys
and prefixes)."""
cdef bint tracking_limit(Engine* engine) noexcept nogil
"""Tell of random keys, and forget them, while more are tracked than tracking-table-max-keys allows. A bounded number at once;
True: call again."""
cdef void tracking_broadcast(Engine* engine) noexcept nogil
"""Send what CLIENT TRACKING BCAST asks for: one message a prefix, with the keys of Engine.tracking.changed in the order of
their bytes. To be called at the end of what was done together. When memory is refused, all keys are declared changed
instead. O(n log n, and those who receive them)."""
