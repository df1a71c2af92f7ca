"""Consumer groups of a stream: who was given what and has not acknowledged it yet.

    StreamGroups ---> StreamGroup: last_id, entries_read
                        pending (IdMap)     every unacknowledged entry: ID -> Pending
                        consumers ---> StreamConsumer
                                         pending (IdMap)     the same Pending blocks, of this consumer only

Groups of a stream, and consumers of a group, are in order of their names (memcmp), as Redis lists them. A group knows
entries by their IDs alone: what is pending may long be deleted from the stream.

Functions that return a pointer answer NULL, and those that return bint False, when memory was refused; then nothing
changed. Not thread-safe: the engine's lock guards it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.id_map cimport IdMap, StreamId

cdef enum:
    ENTRIES_READ_UNKNOWN = -1

cdef struct StreamConsumer:              # one block, the name behind it
    IdMap pending                        # Pending*, borrowed from the group
    int64_t seen_ms                      # when it last tried
    int64_t active_ms                    # when it last got something; -1: never
    size_t name_length

cdef struct Pending:
    int64_t delivered_ms
    uint64_t deliveries
    StreamConsumer* consumer             # borrowed

cdef struct StreamGroup:                 # one block, the name behind it
    IdMap pending                        # Pending*, owned
    StreamConsumer** consumers           # owned, with the consumers
    uint32_t consumer_count
    uint32_t consumer_capacity
    StreamId last_id                     # of what was delivered to anybody
    int64_t entries_read                 # how many entries there ever were up to last_id, if known
    size_t name_length

cdef struct StreamGroups:
    StreamGroup** items                  # owned, with the groups
    uint32_t count
    uint32_t capacity

cdef inline Slice stream_group_name(const StreamGroup* group) noexcept nogil:
    """The group's name; borrowed from its block."""
    return slice_of(<const char*>group + sizeof(StreamGroup), group.name_length)

cdef inline Slice stream_consumer_name(const StreamConsumer* consumer) noexcept nogil:
    """The consumer's name; borrowed from its block."""
    return slice_of(<const char*>consumer + sizeof(StreamConsumer), consumer.name_length)

cdef void stream_groups_init(StreamGroups* groups) noexcept nogil
"""Make it hold no group; nothing is allocated yet."""
cdef void stream_groups_clear(Heap* heap, StreamGroups* groups) noexcept nogil
"""Free all groups, with their consumers and all that is pending. O(blocks)."""
cdef bint stream_groups_clear_some(Heap* heap, StreamGroups* groups, uint64_t* steps) noexcept nogil
"""Free at most *steps blocks, from which they are taken; False when nothing is left."""
cdef bint stream_groups_copy(Heap* heap, const StreamGroups* groups, StreamGroups* copy_out) noexcept nogil
"""Make a deep copy, which the caller owns; False, and the copy is empty, when memory was refused. O(consumers and pending
entries)."""
cdef uint64_t stream_groups_memory(const StreamGroups* groups) noexcept nogil
"""How many bytes groups and consumers take. O(consumers)."""
cdef uint64_t stream_groups_blocks(const StreamGroups* groups) noexcept nogil
"""How many blocks freeing them touches. O(groups)."""
cdef void stream_groups_check(const StreamGroups* groups) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef StreamGroup* stream_group_find(const StreamGroups* groups, Slice name) noexcept nogil
"""The group of this name, borrowed; NULL if absent. O(log groups)."""
cdef StreamGroup* stream_group_add(Heap* heap, StreamGroups* groups, Slice name, StreamId last_id, int64_t entries_read) noexcept nogil
"""Add a group, whose name, known to be absent, is copied; borrowed from `groups`. O(groups)."""
cdef void stream_group_remove(Heap* heap, StreamGroups* groups, StreamGroup* group) noexcept nogil
"""Remove and free a group with its consumers and all that is pending. O(those)."""
cdef StreamConsumer* stream_consumer_find(const StreamGroup* group, Slice name) noexcept nogil
"""The group's consumer of this name, borrowed; NULL if absent. O(log consumers)."""
cdef StreamConsumer* stream_consumer_add(Heap* heap, StreamGroup* group, Slice name, int64_t now_ms) noexcept nogil
"""Add a consumer, whose name, known to be absent, is copied; borrowed from the group. O(consumers)."""
cdef void stream_consumer_remove(Heap* heap, StreamGroup* group, StreamConsumer* consumer) noexcept nogil
"""Remove and free a consumer with what is pending for it. O(n log n) for n pending entries."""

cdef Pending* stream_pending_find(const StreamGroup* group, StreamId id) noexcept nogil
"""The pending entry of this ID, borrowed from the group; NULL if it is not pending. O(log n)."""
cdef Pending* stream_pending_add(Heap* heap, StreamGroup* group, StreamConsumer* consumer, StreamId id, int64_t now_ms) noexcept nogil
"""Note that an entry, known not to be pending, was delivered to the consumer, once, now. Returns what is kept of it, borrowed
from the group."""
cdef Pending* stream_pending_load(Heap* heap, StreamGroup* group, StreamId id) noexcept nogil
"""An ID known not to be pending, which is nobody's yet: the caller sets the figures, and has stream_pending_own called
before anything else is done with the group (but for freeing it). For readers of files."""
cdef bint stream_pending_own(Heap* heap, Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil
"""Give a pending entry that is nobody's (stream_pending_load) to this consumer."""
cdef bint stream_pending_give(Heap* heap, Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil
"""Give a pending entry to this consumer, whose it may be already."""
cdef bint stream_pending_remove(Heap* heap, StreamGroup* group, StreamId id) noexcept nogil
"""Forget a pending entry; False if it was not pending. O(log n)."""
cdef bint stream_groups_want(const StreamGroups* groups, StreamId id) noexcept nogil
"""Is there a group that has still to read this entry, or to acknowledge it? O(groups * log n)."""
cdef void stream_groups_forget(Heap* heap, StreamGroups* groups, StreamId id) noexcept nogil
"""Forget a pending entry in all groups. O(groups * log n)."""
