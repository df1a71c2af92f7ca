"""The object that owns an engine: it makes the struct, ends it, and takes its lock.

Threads: any. The engine's lock is tried first and only waited for without the GIL, and whoever had to wait does what he came
for without it: nobody waits for the lock with the GIL in hand, nor for the GIL with the lock in hand. No Python object is
touched, made or freed, and nothing raised, while the lock is held.
"""
from hutch_engine.state.engine cimport Engine as EngineStruct

ctypedef void (*EngineAction)(EngineStruct* engine, void* context) noexcept nogil

cdef class EngineHandle:
    cdef EngineStruct* core          # owned; lives as long as this object, emptied by close
    cdef readonly object closed_error
    cdef readonly object forked_error

    cdef int check_ours(self) except -1
    cdef int do(self, EngineAction action, void* context) except -1
