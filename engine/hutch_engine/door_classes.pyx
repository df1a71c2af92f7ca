"""See door_classes.pxd."""
from cpython.object cimport PyObject


cdef int looked_set(Looked* looked, tuple kinds, tuple numbers) except -1:
    cdef uint64_t own = numbers[0]
    looked.own = 0
    looked.pool = <PyObject*>kinds[1]
    looked.pool_number = numbers[1]
    looked.connection = <PyObject*>kinds[2]
    looked.connection_number = numbers[2]
    if own and looked.pool_number and looked.connection_number:
        looked.own = own + 1
    return 0


def class_number(kind):
    """The number that is this class's as long as nobody changes its attributes or those of its bases. 0: it has none."""
    if not isinstance(kind, type):
        raise TypeError("a class is needed")
    # To look something up is what makes CPython give a number to a class that has none.
    getattr(kind, "__init__", None)
    return number_of_class(<PyObject*>kind)
