"""A point in time of all databases, taken in slices while commands go on, without a fork.

Every entry carries the number of the last snapshot that has it (Entry.snapshot), new ones are born with the present number. A
snapshot raises the number; whoever walks the tables (persistence/snapshot_job) saves the entries that lack it, and an entry
that is about to change or go is saved just before (keyspace_keep). So each is saved once, as it was when the number was raised.
A database that is emptied meanwhile saves its entries as they are freed; one that is swapped takes its old number along.

Everything here requires the engine's lock.
"""
from libc.stdint cimport int32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.entry cimport Entry

cdef struct Snapshot:
    Buffer records               # owned: what has been saved and is still to be taken, as an RDB file has it
    void* writer                 # borrowed: persistence/rdb_writer's, which writes to them
    uint64_t early               # keys that were saved since they were about to change ...
    uint64_t early_bytes         # ... and how much they took

# Append an entry's record, as one of this database, to what a Snapshot's writer writes to: persistence/rdb_writer, which lies
# above and puts itself here while modules are imported. `keyspace` is a Keyspace.
ctypedef void (*EntrySaver)(void* writer, void* keyspace, int32_t database, const Entry* entry) noexcept nogil
cdef EntrySaver[1] entry_saver

cdef void snapshot_begin(Snapshot* snapshot, void* writer) noexcept nogil
"""Nothing is saved early yet. What stands in the records stays."""
cdef void snapshot_clear(Snapshot* snapshot) noexcept nogil
"""Free its memory."""
