"""A stream: the log of its entries and the groups that read it, and what concerns both.

How many entries a group has read, and how far it lags behind, is a guess that is right as long as nothing was
deleted ahead of it; the rules are Redis's, for XINFO shows the figures.
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.structures.id_map cimport StreamId
from hutch_engine.structures.stream_group cimport StreamGroup, StreamGroups
from hutch_engine.structures.stream_log cimport StreamCursor, StreamLog

cdef enum:                       # StreamTrim.strategy
    TRIM_NONE = 0
    TRIM_MAXLEN = 1
    TRIM_MINID = 2

cdef enum:                       # what becomes of an entry's mentions in groups when it is deleted
    REFS_KEEP = 1                # it stays pending
    REFS_DELETE = 2              # it is not pending any more
    REFS_ACKED = 3               # only what all groups have read and acknowledged is deleted

cdef struct Stream:
    StreamLog log
    StreamGroups groups

cdef struct StreamTrim:
    int strategy
    int refs                     # REFS_; 0 is REFS_KEEP
    bint approximate             # whole blocks only
    uint64_t limit               # with `approximate`: no more entries than this; 0: no limit
    uint64_t max_length
    StreamId min_id

cdef Stream* stream_new(Heap* heap) noexcept nogil
"""Make an empty stream, which the caller owns; never NULL."""
cdef void stream_free(Heap* heap, Stream* stream) noexcept nogil
"""Free the stream whole, with its groups. O(blocks, consumers and pending entries)."""
cdef bint stream_free_some(Heap* heap, Stream* stream, uint64_t steps) noexcept nogil
"""Free about `steps` blocks of it; False when it is gone. Nothing else may be done with it after the first."""
cdef uint64_t stream_effort(const Stream* stream) noexcept nogil
"""How many blocks freeing the stream touches. O(groups)."""
cdef Stream* stream_copy(Heap* heap, const Stream* stream) noexcept nogil
"""Make a deep copy, which the caller owns; NULL when refused. O(bytes)."""
cdef uint64_t stream_memory(const Stream* stream) noexcept nogil
"""Bytes of everything. O(consumers)."""
cdef void stream_check(const Stream* stream) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef uint64_t stream_trim(Heap* heap, Stream* stream, const StreamTrim* trim) noexcept nogil
"""Delete entries from the front as `trim` says; returns how many went. O(entries that are looked at)."""
cdef bint stream_delete(Heap* heap, Stream* stream, StreamId id) noexcept nogil
"""Delete one entry, as XDEL does: groups keep what they know. False if there is none."""
cdef bint stream_has_tombstones_after(const Stream* stream, StreamId id) noexcept nogil
"""Was an entry deleted, one by one, at this ID or behind it?"""
cdef int64_t stream_entries_up_to(const Stream* stream, StreamId id) noexcept nogil
"""How many entries there ever were up to this ID; ENTRIES_READ_UNKNOWN when that cannot be told."""
cdef bint stream_lag(const Stream* stream, const StreamGroup* group, int64_t* lag_out) noexcept nogil
"""How many entries the group has still to read; False when that cannot be told."""
cdef void stream_group_read(const Stream* stream, StreamGroup* group, StreamId id) noexcept nogil
"""The group has just read this entry, whose ID is behind its last one: last_id and entries_read move on."""
