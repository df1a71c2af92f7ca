"""maxmemory: which keys go when memory is short, by sampling (Redis's approximated LRU and LFU), or the nearest deadline."""
from hutch_engine.state.engine cimport Engine

cdef bint evict_until_it_fits(Engine* engine) noexcept nogil
"""Delete keys by maxmemory-policy until used memory is no more than maxmemory allows; True when it is. False when that cannot
be done (noeviction, or no key qualifies). Requires the lock. O(samples) a key."""
