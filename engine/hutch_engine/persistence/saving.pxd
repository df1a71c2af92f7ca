"""Saving the data set, and the figures that tell of it.

SAVE and what else must have the data on disk before it goes on (SHUTDOWN SAVE, DEBUG RELOAD) is done here at once, under the
lock. Whoever saves in the background goes by the same functions: rdb_writer for the bytes, rdb_output for the file,
saving_note for what INFO tells afterwards.
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine

cdef bint saving_save(Engine* engine, Buffer* error_out) noexcept nogil
"""Save all databases into `dbfilename` in `dir`. False with what failed, which is in the log, too; the old file is whole then.
O(bytes). Requires the lock, and keeps it throughout."""
cdef int saving_save_base(Engine* engine, Slice directory, Slice name, uint64_t* bytes_out) noexcept nogil
"""Write all databases into a file of that name, as the base of an append-only file. 0, or errno's number. O(bytes). Requires the lock,
and keeps it throughout."""
cdef void saving_note(Engine* engine, uint64_t changes, bint saved) noexcept nogil
"""A file with all changes up to the moment at which `changes` of them were unsaved is complete, or has failed. Requires the
lock."""
cdef void saving_gate(Engine* engine) noexcept nogil
"""Are writes refused since the last save failed (stop-writes-on-bgsave-error)? To be called when that, or the configuration, has
changed. Requires the lock."""
cdef int64_t saving_last_s(const Engine* engine) noexcept nogil
"""Unix time of the last save; the start counts as one, as in Redis. Requires the lock."""
cdef bint saving_is_wanted(const Engine* engine) noexcept nogil
"""Are there `save` points, so that the data is to be on disk when the server ends? Requires the lock."""
cdef bint saving_is_due(const Engine* engine, int64_t* seconds_out, int64_t* changes_out) noexcept nogil
"""Has a `save` point been reached, and which is the first such? After a save that failed none is for some seconds. O(points).
Requires the lock."""
