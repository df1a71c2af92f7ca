"""The compiled methods for asyncio: an awaitable that runs its command when it is first awaited, and never suspends.

A coroutine of Python's costs as much as the command. A Call is a coroutine in all but name: it does nothing until it is
awaited, is awaited once, can be given to create_task, gather and wait_for, and warns when it was forgotten. It asks the
compiled method of the same name (door/hot, door/hot_collections) and, when that one falls back, becomes redis-py's own
coroutine. Arguments that do not fit are refused when the method is called, as by any function.
"""
from cpython.object cimport PyObject
from hutch_engine.door.classes cimport CompiledClient
from hutch_engine.door.descriptors cimport FastFunction
from hutch_engine.door.hot_collections cimport HotCollections

ctypedef object (*VectorCall)(PyObject*, PyObject* const*, size_t, PyObject*)

cdef enum:
    CALL_FEW = 3                     # arguments that lie in the Call itself

cdef enum CallState:
    CALL_FRESH                       # nothing was done
    CALL_DELEGATED                   # redis-py's coroutine runs
    CALL_OVER

cdef class HotAsync(CompiledClient):
    cdef HotCollections fast_path    # None until the first connection

cdef class AsyncMethod:
    cdef VectorCall vectorcall
    cdef FastFunction quick            # of the compiled method; NULL: `compiled` is called as an object
    cdef object compiled
    cdef object general              # redis-py's function
    cdef str name
    cdef str qualified_name
    cdef Py_ssize_t least            # arguments without a default
    cdef Py_ssize_t most             # that may come without a keyword
    cdef dict places                 # keyword -> its place among them
    cdef bint any_keyword

    cdef bint _fits(self, Py_ssize_t count, PyObject* names) except -1
    cdef int _refuse(self, tuple words, PyObject* names) except -1

cdef class Call:
    cdef HotAsync client
    cdef AsyncMethod method
    cdef CallState state
    cdef Py_ssize_t count            # of few0 to few2; -1: `many` and `names`
    cdef object few0
    cdef object few1
    cdef object few2
    cdef tuple many                  # all arguments, values of keywords last
    cdef tuple names                 # of keywords; or None
    cdef object delegate

    cdef void _end(self) noexcept
