"""Of which keys sessions want to hear that they were touched: WATCH and CLIENT TRACKING.

Each has a KeyFilter, and Keyspace.touched_filter is all of them together: what changes a key asks it before it records an effect, so
that somebody's WATCH costs the other keys next to nothing. A filter may only say "perhaps" too often: keys that went stay in it
until it is made anew, which happens when most of what it has is gone. Requires the engine's lock.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.keyspace cimport keyspace_filter_add
from hutch_engine.state.engine cimport Engine, KeyFilter

cdef enum:
    FILTER_GONE_MOST = 32                # keys that may be gone however few are left

cdef void key_filter_unite(Engine* engine) noexcept nogil
"""Make Keyspace.touched_filter anew, after a filter was emptied or a prefix of CLIENT TRACKING BCAST came or went: while there is
one, every key is wanted. O(1)"""

cdef inline void key_filter_note(Engine* engine, KeyFilter* filter, Slice key) noexcept nogil:
    """Sessions want to hear of this key, too. O(1)"""
    keyspace_filter_add(filter.bits, key)
    keyspace_filter_add(engine.keyspace.touched_filter, key)

cdef inline bint key_filter_is_stale(KeyFilter* filter, uint64_t left) noexcept nogil:
    """Note that a key is wanted no more, and `left` others are. True: the filter is to be made anew, by key_filter_empty,
    key_filter_note of each key that is left, and nothing else; so that this costs each key that goes O(1)."""
    filter.gone += 1
    return left == 0 or filter.gone > 2 * left + FILTER_GONE_MOST

cdef void key_filter_empty(Engine* engine, KeyFilter* filter) noexcept nogil
"""Forget all keys of this filter. O(1)"""
