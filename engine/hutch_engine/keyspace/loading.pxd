"""Databases that a file is read into, and how they become those of the keyspace.

What is being loaded belongs to nobody yet: no client finds it, it has no effects and does not expire. Either all of it takes the
place of what was there, or is added to that; or it goes, and nothing has happened. Everything requires the engine's lock.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Value
from hutch_engine.keyspace.keyspace cimport Database, Keyspace

cdef Database* loading_begin(Keyspace* keyspace) noexcept nogil
"""As many empty databases as the keyspace has, owned by the caller; NULL when memory was refused."""
cdef void loading_abandon(Keyspace* keyspace, Database* databases) noexcept nogil
"""Free such databases with all that is in them; many keys are left to housekeeping. NULL is allowed."""
cdef Outcome loading_put(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value, int64_t deadline_ms,
                         uint32_t access) noexcept nogil
"""Add a key, with its deadline (-1: none) and the `access` of its entry. EXISTS when it is there already, NO_MEMORY when that was
refused: then an owned pointer stays the caller's, and nothing has changed. O(1)."""
cdef bint loading_collides(const Keyspace* keyspace, Database* databases, int32_t* database_out, Slice* key_out) noexcept nogil
"""Is one of these keys in the keyspace, too? Due ones count. The first such key, borrowed from its entry, and its database.
O(keys)."""
cdef void loading_take_place(Keyspace* keyspace, Database* databases) noexcept nogil
"""The keyspace's own databases are emptied, and these take their place. Watchers and waiting clients are told. The databases are
freed. O(databases)."""
cdef bint loading_join(Keyspace* keyspace, Database* databases) noexcept nogil
"""Put all keys into the keyspace's databases, over those of the same name. Watchers and waiting clients are told. The
databases are freed. False, and nothing has changed, when memory was refused. O(keys)."""
