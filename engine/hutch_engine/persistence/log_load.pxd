"""Opening an append-only file: what it holds is loaded, and from then on it is written.

    log_load_begin     read the manifest, mark the engine as loading
    log_load_some      load for some milliseconds, until it is no longer LOG_LOAD_MORE
    log_load_end       in any case: the log is open and the journal kept, or (after a failure) it is not

These take the lock themselves, in slices of a fraction of a millisecond; no lock is held while files are read. Where there is no
log yet, one is begun, with the data that are there as its base. One that Redis before 7 wrote (a single file in `dir`) becomes the
base of a new one.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.persistence.append_log cimport AppendLog
from hutch_engine.persistence.log_manifest cimport LogManifest
from hutch_engine.persistence.log_replay cimport Replay
from hutch_engine.persistence.rdb_input cimport RdbInput
from hutch_engine.state.engine cimport Engine, Session

cdef enum LogLoadStep:
    LOG_LOAD_MORE = 0
    LOG_LOAD_DONE
    LOG_LOAD_FAILED              # LogLoad.error says why

cdef enum LogLoadPhase:
    LOADS_NOTHING = 0            # between files
    LOADS_SNAPSHOT
    LOADS_COMMANDS

cdef struct LogLoad:
    Engine* engine               # borrowed
    AppendLog* log               # the engine's
    bint begun                   # the engine is marked
    bint whole                   # everything has been loaded
    bint at_once                 # under the lock, which is held throughout
    LogManifest* manifest        # of the files: the log's
    size_t file                  # which of the manifest's is next, or being read
    LogLoadPhase phase
    int fd                       # of that file; -1: none
    RdbInput input
    Replay replay
    uint64_t loaded_bytes        # of the files before it
    int64_t started_us
    Buffer path
    Buffer error                 # one line

cdef bint log_load_begin(LogLoad* load, Engine* engine) noexcept nogil
"""False when the manifest or a file in it cannot be had (LogLoad.error). log_load_end is to be called in any case. Takes the lock."""
cdef LogLoadStep log_load_some(LogLoad* load, int64_t for_us) noexcept nogil
"""Go on for so many microseconds. Takes the lock."""
cdef bint log_load_end(LogLoad* load) noexcept nogil
"""After LOG_LOAD_DONE: open the log. False when it cannot be opened (LogLoad.error), or was not loaded. Frees all but the error's
text, which is the caller's to clear. Takes the lock."""
cdef bint log_load_at_once(Engine* engine, Session* session, Buffer* error_out) noexcept nogil
"""Forget everything, and load what the log on disk holds, with what the journal has for it; for a command of this session (DEBUG LOADAOF).
False with what failed: then only what stood before the damage is there. Requires the lock; it is given away only while another thread
writes the log, and nobody is served then (GATE_LOADING)."""
