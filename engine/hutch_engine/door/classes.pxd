"""Has anybody replaced a method since we last looked?

A compiled method answers only while everything between redis-py's method and the wire is redis-py's own and ours. Who
replaces a method on a class (a test that simulates an outage, a tracer that wraps redis.Redis.execute_command) tells
nobody. But CPython gives every class a number, for the caches of its own lookups, and takes it away when any attribute
of the class or of a base changes. So the classes are looked at once, thoroughly, in Python (hutch.pristine), and their
numbers are kept: three comparisons a call.

A class that was changed very often (a thousand times, CPython 3.12) gets no number any more: its objects take the
slow path, which looks at them each time.
"""
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define hutch_number_of_class_of(object) (Py_TYPE(object)->tp_version_tag)
    #define hutch_number_of_class(kind) (((PyTypeObject *)(kind))->tp_version_tag)
    """
    unsigned int number_of_class_of "hutch_number_of_class_of"(object value) noexcept
    unsigned int number_of_class "hutch_number_of_class"(PyObject* kind) noexcept

# An object's class and two more, that were looked at and found in order. All zero: not in order, or not looked at.
cdef struct Looked:
    uint64_t own                     # the number, and one: what is not in order has none that fits
    PyObject* pool                   # class, borrowed
    uint64_t pool_number
    PyObject* connection             # class, borrowed
    uint64_t connection_number

cdef inline bint looked_still_true(const Looked* looked, object value) noexcept:
    """Are the class of this object and the two others as they were?"""
    return (looked.own == <uint64_t>number_of_class_of(value) + 1
            and looked.pool_number == number_of_class(looked.pool)
            and looked.connection_number == number_of_class(looked.connection))

cdef class CompiledClient:
    """A client whose compiled methods answer as long as its classes are what they were when somebody looked at them."""
    cdef Looked hot_looked           # true: nothing about the client is customised, and there is a session to run in
    cdef Looked hot_seen             # true: it is still right what is known of the client
    cdef tuple hot_kinds             # whose pointers are in the two
    cdef tuple hot_numbers
    cdef bint hot_enabled            # nothing about the client is customised, as far as was seen

    cdef bint _hot_has_session(self)
    cdef int _hot_decide(self) except -1

cdef int looked_set(Looked* looked, tuple kinds, tuple numbers) except -1
"""Note that these three classes were found in order, with the numbers that `class_number` gave before. `kinds` must outlive
`looked`."""
