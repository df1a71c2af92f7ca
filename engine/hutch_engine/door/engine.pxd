"""The Engine of Python: one store, its configuration, clock, listener and sessions (door/session)."""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.door.handle cimport EngineHandle

cdef class Engine(EngineHandle):
    cdef int _configured(self, Slice name, Slice value, bint whole_line) except -1
    cdef int _move_clock(self, int kind, int64_t us) except -1
    cdef int _open_log(self, progress) except -1
    cdef object _read_file(self, path, int how, uint32_t flags, progress)
    cdef int check_open(self) except -1
