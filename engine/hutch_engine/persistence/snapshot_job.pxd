"""A snapshot being written in the background: the databases walked in short slices under the lock, the file written without it.

For BGSAVE and `save` points the file takes the place of dbfilename. For a rewrite of the append-only file, a new increment begins at
the very moment of the snapshot, and the file becomes the base before it.

The thread holds the lock for some hundred microseconds at a time, and less when somebody wants it. Keys that are about to change
are saved by whoever changes them (keyspace/snapshot).
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.keyspace.snapshot cimport Snapshot
from hutch_engine.persistence.rdb_writer cimport RdbWriter
from hutch_engine.state.engine cimport Engine

cdef enum SnapshotPurpose:
    SNAPSHOT_SAVE = 0
    SNAPSHOT_REWRITE = 1

cdef struct SnapshotJob:
    Engine* engine               # borrowed
    SnapshotPurpose purpose
    Snapshot snapshot
    RdbWriter writer
    bint begun                   # the moment has come: the snapshot belongs to it
    int32_t database             # that is walked
    uint64_t cursor              # of its table
    uint32_t swaps               # Keyspace.swaps, when the walk began
    int64_t started_s            # Unix time
    int64_t started_us           # monotonic
    uint64_t changes             # unsaved ones, when it began
    int64_t base_number          # of a rewrite: the new base's ...
    int64_t increment_number     # ... and that of the increment which follows it
    uint32_t stop_asked          # atomic
    uint64_t thread
    uint64_t keys_total          # when it began, for INFO ...
    uint64_t writer_keys         # ... and written so far

cdef bint snapshot_job_start(Engine* engine, SnapshotPurpose purpose) noexcept nogil
"""Begin, in a thread; what is saved is the data as they are now (of a rewrite, or amid a script: soon). False: one runs already, or there is no memory or thread. A rewrite needs a log, open or about to be
(AppendLog.waits_for_base). Requires the lock."""
cdef void snapshot_job_stop(Engine* engine) noexcept nogil
"""Give up the one that runs, and wait for its thread; nothing without one. Requires that the lock is not held."""
cdef void snapshot_job_give_up(Engine* engine, SnapshotPurpose purpose) noexcept nogil
"""Ask the one that runs, if it is such a one, to end without a file; it does so in a moment. Requires the lock."""
cdef bint snapshot_job_runs(const Engine* engine, SnapshotPurpose purpose) noexcept nogil
"""Is such a one being written? Requires the lock."""
