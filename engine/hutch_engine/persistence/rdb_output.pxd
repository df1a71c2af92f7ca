"""A file that takes the place of another one as a whole, or not at all: written under a temporary name, synced, renamed.

No lock is needed, and none should be held: whoever has bytes (rdb_writer's) hands them over here. The checksum of an RDB file is
made on the way. After the first failure nothing more is written, and `error` says what it was; the old file stays as it was, and
rdb_output_abandon takes the temporary one away. One thread at a time.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef struct RdbOutput:
    int fd                       # owned; -1: not open
    int error                    # errno of the first failure; 0: none yet
    const char* failed           # at what it was: static text, "writing" ...
    bint summed                  # the bytes' checksum is wanted (rdbchecksum)
    bint synced_often            # rdb-save-incremental-fsync
    uint64_t sum
    uint64_t bytes               # written so far
    uint64_t unsynced            # ... of which so many since the last sync
    Buffer directory             # owned; these end with NUL
    Buffer temporary
    Buffer final

cdef bint rdb_output_open(RdbOutput* output, Slice directory, Slice name, bint summed, bint synced_often) noexcept nogil
"""Make a temporary file in the directory (empty: the working one), which is to become the file of this name. False when that
cannot be (output.error); then, too, rdb_output_abandon is to be called."""
cdef bint rdb_output_write(RdbOutput* output, Slice bytes) noexcept nogil
"""Append bytes. False when it fails, or something has failed before. Every few megabytes waits for the disk, if that is
wanted, so that the end need not wait for all of them. O(bytes)."""
cdef bint rdb_output_finish(RdbOutput* output) noexcept nogil
"""Append the checksum (or eight zeros), sync, give the file its name, sync the directory. False when something failed: the
file of that name is the old one. (That a directory cannot be synced is no failure: not every file system does it.)"""
cdef bint rdb_output_publish(RdbOutput* output) noexcept nogil
"""The same without a checksum, for other files that appear as a whole."""
cdef void rdb_output_abandon(RdbOutput* output) noexcept nogil
"""Close what is open, remove the temporary file if it is still there, and free the names. To be called in any case, once."""
cdef void rdb_output_describe(const RdbOutput* output, Buffer* out) noexcept nogil
"""Append what failed, and the system's reason."""
