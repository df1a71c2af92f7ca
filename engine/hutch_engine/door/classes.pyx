"""See classes.pxd."""
cimport cython
from cpython.object cimport PyObject

cdef extern from "Python.h":
    object PyMethod_New(object function, object instance)
    bint PyFunction_Check(object value)


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
    """The number that is this class's as long as nobody changes its attributes or those of its bases; 0: it has none. TypeError
    for what is no class."""
    if not isinstance(kind, type):
        raise TypeError("a class is needed")
    # To look something up is what makes CPython give a number to a class that has none.
    getattr(kind, "__init__", None)
    return number_of_class(<PyObject*>kind)


@cython.auto_pickle(False)
cdef class CompiledClient:
    """What clients with compiled methods share: whether those may answer, or every call takes the slow path to redis-py's own
    methods."""
    cdef bint _hot_has_session(self):
        """Is there a session for the compiled methods? Subclasses know."""
        return False

    def _hot_enable(self, tuple kinds not None, tuple numbers not None, bint on):
        """Three classes (the client's, its pool's, the connections') were looked at; the numbers are those that class_number
        gave before. On: the fast path is open as long as they keep them. Off: every call takes the slow path."""
        with cython.critical_section(self):
            self.hot_looked.own = 0
            self.hot_kinds = kinds
            self.hot_numbers = numbers
            self.hot_enabled = on
            looked_set(&self.hot_seen, kinds, numbers)
            self._hot_decide()

    def _hot_disable(self):
        """Every call takes the slow path."""
        with cython.critical_section(self):
            self.hot_enabled = False
            self.hot_looked.own = 0

    cdef int _hot_decide(self) except -1:
        """Open the fast path, if it may be. Requires the object's critical section."""
        if self.hot_enabled and self._hot_has_session():
            looked_set(&self.hot_looked, self.hot_kinds, self.hot_numbers)
        return 0

    @property
    def _hot_attached(self):
        """Is there a session for the compiled methods?"""
        return self._hot_has_session()

    @property
    def _hot_stale(self):
        """Was one of the classes changed since _hot_enable?"""
        return not looked_still_true(&self.hot_seen, self)

    @property
    def _hot(self):
        """Would a plain call take the fast path?"""
        return looked_still_true(&self.hot_looked, self)


@cython.auto_pickle(False)
@cython.final
cdef class Noticed:
    """A method of `base` in a class derived from it, which calls `notice(instance)` when it is replaced on an instance, or put
    back."""
    cdef object base
    cdef str name
    cdef object notice

    def __init__(self, base, str name, notice):
        self.base = base
        self.name = name
        self.notice = notice

    def __get__(self, instance, owner):
        cdef object function = getattr(self.base, self.name)
        if instance is None:
            return function
        replaced = instance.__dict__.get(self.name)
        if replaced is not None:
            return replaced
        if PyFunction_Check(function):
            return PyMethod_New(function, instance)
        bind = getattr(type(function), "__get__", None)      # somebody's, in the place of redis-py's
        return function if bind is None else bind(function, instance, owner)

    def __set__(self, instance, value):
        instance.__dict__[self.name] = value
        self.notice(instance)

    def __delete__(self, instance):
        if instance.__dict__.pop(self.name, None) is None:
            raise AttributeError(self.name)
