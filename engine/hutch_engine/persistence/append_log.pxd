"""The append-only file: what the journal has gathered goes to the present increment, and the disk is asked to keep it.

A thread writes in the background (persistence/log_writer). Under `appendfsync always`, whoever has a reply to give waits until the disk has
what the reply tells of: who comes first writes for all (group commit). Nobody waits for a disk with the engine's lock, nor
with the GIL.

A write or sync that fails keeps its bytes: the file is cut back to where it was whole, clients that write hear MISCONF
(GATE_DISK), and the thread tries again every second. So nothing that was acknowledged is lost, and service returns with the disk.

A rewrite (persistence/snapshot_job) begins a new increment at the moment of its snapshot; its base takes the place of everything
before it.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.lock cimport Lock, Signal
from hutch_engine.persistence.log_manifest cimport LogFile, LogManifest
from hutch_engine.state.engine cimport GATE_DISK_LOG, GATE_SYNC, Engine

cdef enum:                           # Config.appendfsync
    SYNC_EVERY_SECOND = 0
    SYNC_ALWAYS = 1
    SYNC_NEVER = 2

cdef struct AppendLog:
    Engine* engine                   # borrowed
    Lock io                          # who writes; taken before the engine's lock, never while that is held
    # under `io`
    int fd                           # of the increment; -1: none is open
    LogManifest manifest
    Buffer writing                   # taken from the journal, and not in the file yet
    uint64_t taken                   # Journal.offset up to which they were taken
    int64_t file_bytes               # of the increment: whole units
    int64_t synced_at_us             # monotonic
    bint watched                     # the latency monitor wants to hear how long it takes
    # atomic
    uint64_t synced                  # Journal.offset up to which the disk has it
    uint64_t total_bytes             # of all files that are read
    uint64_t base_bytes              # the same after the last rewrite: what it grows from
    uint64_t sync_us                 # how long syncs take lately
    uint64_t delayed                 # how often the disk was behind, and who wrote had to wait for it
    uint64_t busy_since_us           # monotonic: when the thread that writes began the write and sync it is at; 0: it is at none
    # under the engine's lock
    Buffer directory                 # with the files
    Buffer name                      # they begin with
    int failure                      # of the last write or sync; 0: it went well
    bint waits_for_base              # switched on at run time: there is no base yet, and the manifest does not know of it
    bint open                        # the journal is kept for it
    uint64_t seen                    # Journal.offset when the thread that writes last looked, under `always`
    bint idle                        # the thread that writes sleeps until something happens
    bint behind                      # the disk is: who changes something waits for it (persistence/log_writer)
    bint closing                     # it is not any more, and the rest is still to be written (append_log_stop)

cdef inline bint append_log_is_waited_for(const Engine* engine) noexcept nogil:
    """Has who changes something to wait for the disk before it says so (append_log_commit)? Not while the disk refuses: then nobody
    changes anything, and who reads is served. Requires the lock."""
    return unlikely(engine.execution.gate & (GATE_SYNC | GATE_DISK_LOG) == GATE_SYNC or engine.journaling.sync_wanted)

cdef inline int64_t append_log_linger_us(const Engine* engine, uint64_t offset) noexcept nogil:
    """For how long who is to sync up to here may wait for others whom the same sync serves: half of what one takes lately. 0: there is
    nothing to sync, or no log."""
    cdef const AppendLog* log = <const AppendLog*>engine.journaling.log
    if log == NULL or atomic_load64(&log.synced) >= offset:
        return 0
    return <int64_t>(atomic_load64(&log.sync_us) // 2)

cdef AppendLog* append_log_of(Engine* engine) noexcept nogil
"""The engine's log, made and not open yet at the first call; it lives as long as the engine. NULL when memory was refused. Requires the
lock."""
cdef void append_log_start(AppendLog* log) noexcept nogil
"""With an open increment: from now on the journal is kept. Requires the lock."""
cdef bint append_log_name(AppendLog* log) noexcept nogil
"""Name the directory and the files as the configuration has them now. False when memory was refused. Requires the lock."""
cdef bint append_log_prepare(AppendLog* log) noexcept nogil
"""Name the directory and the files as the configuration has them, and read the manifest that lies there. False when that is
damaged, or memory was refused. Requires the lock, which is kept while a small file is read."""
cdef void append_log_detach(AppendLog* log) noexcept nogil
"""Keep the journal no more; append_log_stop is to follow. Requires the lock."""
cdef void append_log_stop(Engine* engine) noexcept nogil
"""Write and sync what there is, and close the increment; nothing without a log. Requires that the lock is not held."""
cdef void append_log_free(Engine* engine) noexcept nogil
"""Free a log that is stopped. Requires that nobody else knows of it."""
cdef bint append_log_commit(Engine* engine, uint64_t offset) noexcept nogil
"""Wait until the disk has all up to this Journal.offset. False: it cannot be had. Requires that neither lock is held."""
cdef void append_log_policy(Engine* engine) noexcept nogil
"""After appendfsync, or whether there is a log, has changed: who has to wait. Requires the lock."""
cdef int append_log_flush(AppendLog* log, bint sync) noexcept nogil
"""Write what the journal has; `sync`: and wait for the disk. 0, or errno's number. Requires `io`, and that the engine's lock is not
held."""
cdef int append_log_flush_at_once(AppendLog* log) noexcept nogil
"""Write what the journal has, without a sync, under the engine's lock: for whoever reads the files then. 0, or errno's number. Requires
`io`, which was had by lock_try, and the lock."""
cdef int append_log_write(AppendLog* log) noexcept nogil
"""The same of what has been taken already, with a sync; nothing more is taken. Requires `io`, not the engine's lock."""
cdef bint append_log_next_increment(AppendLog* log, Buffer* name_out, int* fd_out) noexcept nogil
"""Make the next increment's file, and name it; nothing else changes. False: it cannot be made. Requires `io`."""
cdef void append_log_use_increment(AppendLog* log, int fd) noexcept nogil
"""Write to this file from now on. What was taken for the old one must be in it. Requires `io`."""
cdef void append_log_remove_history(AppendLog* log) noexcept nogil
"""Remove the files that nobody reads any more, and forget them. Requires `io`."""
