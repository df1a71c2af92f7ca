"""A point in time of all databases, taken in slices while commands go on, without a fork.

Every entry carries the number of the last snapshot that has it (Entry.snapshot), new ones are born with the present number. A
snapshot raises the number; whoever walks the tables (persistence/snapshot_job) saves the entries that lack it, and an entry
that is about to change or go is saved just before (keyspace_keep). So each is saved once, as it was when the number was raised.
A database that is emptied meanwhile saves its entries as they are freed; one that is swapped takes its old number along.

Everything here requires the engine's lock.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.entry cimport Entry

cdef struct Snapshot:
    Buffer records               # owned: what has been saved and is still to be taken, as an RDB file has it
    int32_t database             # of the last record; -1: none yet
    bint compress                # rdbcompression
    bint idle                    # an LRU policy: how long nobody used a key is saved, too
    bint frequency               # an LFU policy: how often it was used
    uint64_t keys                # saved so far ...
    uint64_t early               # ... and of them those that were about to change
    uint64_t early_bytes

cdef void snapshot_begin(Snapshot* snapshot, bint compress, bint idle, bint frequency) noexcept nogil
"""Nothing is saved yet."""
cdef void snapshot_clear(Snapshot* snapshot) noexcept nogil
"""Free its memory."""
cdef void snapshot_save(Snapshot* snapshot, int32_t database, const Entry* entry, int64_t idle_s, int64_t frequency) noexcept nogil
"""Append the entry's record: SELECTDB where the database is another one than the last record's, deadline, idle time or
frequency as the policy has it, form, key and value. Refused memory shows in records.failed. O(bytes)."""
