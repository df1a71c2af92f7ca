"""The manifest of a multi-part append-only file, as Redis 7 made it: which files there are, in the order in which they are read.

    file appendonly.aof.2.base.rdb seq 2 type b         the data as they were at one moment
    file appendonly.aof.5.incr.aof seq 5 type i         the commands that came then
    file appendonly.aof.1.base.rdb seq 1 type h         history: to be removed

It is written anew for each change, under another name that then takes the place of the old one.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum:
    LOG_NAME_MAX = 256
    LOG_BASE = 98                # b
    LOG_HISTORY = 104            # h
    LOG_INCREMENT = 105          # i

cdef enum ManifestOutcome:
    MANIFEST_READ
    MANIFEST_ABSENT
    MANIFEST_BAD                 # it cannot be read, or says what cannot be; the error tells

cdef struct LogFile:
    char[256] name               # LOG_NAME_MAX; ends with NUL
    int64_t number               # seq
    char kind                    # LOG_BASE, LOG_INCREMENT, LOG_HISTORY

cdef struct LogManifest:
    LogFile* files               # owned, malloc's
    size_t count
    size_t capacity
    int64_t base_number          # the highest there was
    int64_t increment_number

cdef void manifest_init(LogManifest* manifest) noexcept nogil
"""Make it list nothing."""
cdef void manifest_clear(LogManifest* manifest) noexcept nogil
"""Free its memory; it lists nothing again."""
cdef LogFile* manifest_add(LogManifest* manifest, Slice name, int64_t number, char kind) noexcept nogil
"""List one more file, behind those that are there. NULL when the name is too long or memory was refused."""
cdef LogFile* manifest_base(const LogManifest* manifest) noexcept nogil
"""The base, borrowed; NULL where there is none."""
cdef ManifestOutcome manifest_read(LogManifest* manifest, Slice directory, Slice log_name, Buffer* error) noexcept nogil
"""Read "LOG_NAME.manifest" in the directory into an empty manifest. O(its lines)."""
cdef int manifest_write(const LogManifest* manifest, Slice directory, Slice log_name) noexcept nogil
"""Write it, and wait until the disk has it. 0, or errno's number: then the old one stands."""
cdef bint manifest_copy(LogManifest* to, const LogManifest* manifest) noexcept nogil
"""Make `to`, which is empty, list the same. False when memory was refused."""
