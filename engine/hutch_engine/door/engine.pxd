"""The Engine of Python: one store, its configuration, clock, listener and sessions (door/session)."""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.door.handle cimport EngineHandle
from hutch_engine.runtime.clock_moves cimport ClockMoveKind

cdef class Engine(EngineHandle):
    cdef int _configured(self, Slice name, Slice value, bint whole_line) except -1
    cdef int _move_clock(self, ClockMoveKind kind, int64_t us, bint through=*) except -1
    cdef int _open_log(self, progress) except -1
    cdef object _read_file(self, path, int how, uint32_t flags, progress)
    cdef int check_open(self) except -1
