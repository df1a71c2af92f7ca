"""Loading a file: at a server's start, in slices between which clients hear LOADING, or at once, for DEBUG RELOAD.

    rdb_load_begin     open the file, mark the engine as loading
    rdb_load_some      work for some milliseconds, until it is no longer RDB_STEP_MORE
    rdb_load_end       in any case: nothing, or all of it, is in place, and the engine serves again

These three take the lock themselves, in slices of a fraction of a millisecond, and no lock is held while the file is read.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.persistence.rdb_input cimport RdbInput, RdbStep
from hutch_engine.state.engine cimport Engine

cdef struct RdbLoad:
    Engine* engine               # borrowed
    RdbInput input
    int fd                       # owned; -1: none
    int how                      # RDB_PUT_
    bint begun                   # the engine is marked
    int64_t told_us              # monotonic: when the log was last told how far it is

cdef void rdb_load_path(Engine* engine, Buffer* out) noexcept nogil
"""Append the path of the file that SAVE writes, and a NUL. Requires the lock."""
cdef uint32_t rdb_load_flags(const Engine* engine) noexcept nogil
"""What the configuration says of reading (RDB_READ_ bits). Requires the lock."""
cdef Outcome rdb_load_begin(RdbLoad* load, Engine* engine, const char* path, uint32_t flags, int how) noexcept nogil
"""OK; NOT_FOUND when there is no such file; CORRUPT when it cannot be read, is no RDB file or of no version that we know
(load.input.error). rdb_load_end is to be called in any case. Takes the lock."""
cdef RdbStep rdb_load_some(RdbLoad* load, int64_t for_us) noexcept nogil
"""Go on for so many microseconds. RDB_STEP_DONE: all of it is in place. RDB_STEP_FAILED: load.input.error says why, also when the
engine was closed meanwhile. Takes the lock."""
cdef void rdb_load_end(RdbLoad* load) noexcept nogil
"""Free what was not put in place, and let the engine serve. Takes the lock."""
cdef bint rdb_load_at_once(Engine* engine, const char* path, uint32_t flags, int how, Buffer* error_out) noexcept nogil
"""The same in one go. False with the reason in one line, which is in the log, too; nothing has changed then. Requires the lock,
and keeps it throughout."""
