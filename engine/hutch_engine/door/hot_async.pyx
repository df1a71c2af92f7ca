# cython: binding=False
"""See hot_async.pxd."""
import inspect

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.door.session cimport Session
from hutch_engine.door.classes cimport looked_still_true
from hutch_engine.door.descriptors cimport descriptor_function
from hutch_engine.door.hot cimport HotMethods
from hutch_engine.door.hot_collections cimport HotCollections
from hutch_engine.door.classes import class_number
import hutch_engine.door.methods         # which puts the table's methods into HotCollections

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(object iterator, PyObject* value, PyObject** result) except PYGEN_ERROR
    bint PyCoro_CheckExact(object value)
    object PyObject_Vectorcall(PyObject* callable, PyObject* const* arguments, size_t count, PyObject* names)
    size_t PyVectorcall_NARGS(size_t count)
    object PyMethod_New(object function, object instance)
    int PyErr_WarnFormat(PyObject* category, Py_ssize_t level, const char* format, ...) noexcept
    void PyErr_WriteUnraisable(PyObject* where) noexcept
    PyObject* PyExc_RuntimeWarning
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from *:
    """
    #include <stddef.h>
    #define hutch_items(tuple) (((PyTupleObject *)(tuple))->ob_item)

    /* Slots that Cython has no names for. Awaiting by am_send (3.10, 3.11, and tasks of all versions) makes no exception
     * of the result; others ask tp_iternext, where None needs no exception either. */
    static sendfunc hutch_call_send;
    static PyObject *hutch_call_next(PyObject *self) {
        PyObject *value = NULL, *stop;
        if (hutch_call_send(self, Py_None, &value) != PYGEN_RETURN) return value;
        if (value != Py_None) {
            /* An instance: a bare tuple or exception would be taken for its arguments, or itself. */
            stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, value, NULL);
            if (stop != NULL) {
                PyErr_SetObject(PyExc_StopIteration, stop);
                Py_DECREF(stop);
            }
        }
        Py_DECREF(value);
        return NULL;
    }
    static void hutch_set_call_slots(PyObject *kind, void *send) {
        PyTypeObject *type = (PyTypeObject *)kind;
        hutch_call_send = (sendfunc)send;
        type->tp_as_async->am_send = hutch_call_send;
        type->tp_iternext = hutch_call_next;
        PyType_Modified(type);
    }
    /* A method descriptor of our own: CPython calls it with the instance in front and makes no bound method. */
    static void hutch_set_method_slots(PyObject *kind, Py_ssize_t offset) {
        PyTypeObject *type = (PyTypeObject *)kind;
        type->tp_vectorcall_offset = offset;
        type->tp_call = PyVectorcall_Call;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified(type);
    }
    """
    PyObject** _items "hutch_items"(object words)
    void hutch_set_call_slots(object kind, void* send) noexcept
    void hutch_set_method_slots(object kind, Py_ssize_t offset) noexcept
    Py_ssize_t vectorcall_offset "offsetof(struct __pyx_obj_12hutch_engine_4door_9hot_async_AsyncMethod, vectorcall)"

cdef enum:
    WORDS_SMALL = 15                 # arguments without a block of their own

cdef object FALL_BACK = object()     # a compiled method fell back: nothing happened


@cython.auto_pickle(False)
cdef class HotAsync:
    """Base of hutch.asyncio.Redis, before redis.asyncio.Redis: what its compiled methods need to know."""

    def _hot_attach(self, Session session not None, int database):
        """From now on the hot methods run in this session, while that database is selected."""
        fast = FastPath()
        fast._hot_attach(session, database)
        fast._hot_enable((FastPath, FastPath, FastPath), (class_number(FastPath),) * 3, True)
        with cython.critical_section(self):
            if self.fast_path is None:
                self.fast_path = fast
                self._hot_decide()

    def _hot_attach_scripts(self, Session session not None):
        """From now on compiled eval and evalsha run in this session, where only scripts run."""
        if self.fast_path is not None:
            self.fast_path._hot_attach_scripts(session)

    cdef bint _hot_has_session(self):
        return self.fast_path is not None


@cython.auto_pickle(False)
@cython.final
@cython.freelist(256)
cdef class Call:
    """One call of a compiled method, to be awaited once: a coroutine, but not of type coroutine. Its class cannot be called:
    TypeError."""

    def __init__(self):
        raise TypeError("a Call is made by a method of hutch.asyncio.Redis")

    def __dealloc__(self):
        if self.state == CALL_FRESH and self.method is not None:
            if PyErr_WarnFormat(PyExc_RuntimeWarning, 1, b"coroutine '%U' was never awaited", <PyObject*>self.method.qualified_name) < 0:
                PyErr_WriteUnraisable(NULL)

    def __repr__(self):
        return f"<coroutine object {self.method.qualified_name} at {hex(id(self))}>"

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)           # never called: the slot is replaced below

    def send(self, value):
        """Run the command, or go on with it, as a coroutine's send does. StopIteration brings the result; errors of the command
        are raised."""
        cdef PyObject* found = NULL
        cdef PySendResult result = _send(<PyObject*>self, <PyObject*>value, &found)
        cdef object answer = <object>found
        Py_XDECREF(found)
        if result == PYGEN_RETURN:
            raise StopIteration(answer)
        return answer

    def throw(self, kind, value=None, trace=None):
        """Raise an exception where the call waits, as a coroutine's throw does."""
        if self.state == CALL_DELEGATED:
            try:
                if value is None and trace is None:
                    return self.delegate.throw(kind)
                return self.delegate.throw(kind, value, trace)
            except BaseException:
                self._end()
                raise
        self._end()
        if isinstance(kind, type):
            kind = kind() if value is None else value if isinstance(value, kind) else kind(value)
        raise kind.with_traceback(trace) if trace is not None else kind

    def close(self):
        """End the call, and what it waits for, as a coroutine's close does."""
        if self.state == CALL_DELEGATED:
            self.delegate.close()
        self._end()

    @property
    def __name__(self):
        return self.method.name

    @property
    def __qualname__(self):
        return self.method.qualified_name

    @property
    def cr_await(self):
        """What the call waits for, as a coroutine's; None unless it waits."""
        return self.delegate

    @property
    def cr_running(self):
        """False: nobody can ask while the call runs."""
        return False

    @property
    def cr_frame(self):
        """None: there is no frame of Python's."""
        return None

    @property
    def cr_code(self):
        """The code object of redis-py's method of the same name."""
        return self.method.general.__code__

    cdef void _end(self) noexcept:
        self.state = CALL_OVER
        self.delegate = None


cdef object _call_with(PyObject* function, PyObject* first, Call words):
    """function(first, *arguments of the Call)"""
    cdef PyObject* small[WORDS_SMALL + 1]
    cdef PyObject** items
    cdef PyObject* names = NULL
    cdef Py_ssize_t count = words.count
    cdef Py_ssize_t i
    cdef tuple whole
    small[0] = first
    if likely(count >= 0):
        small[1] = <PyObject*>words.few0
        small[2] = <PyObject*>words.few1
        small[3] = <PyObject*>words.few2
        return PyObject_Vectorcall(function, small, count + 1, NULL)
    count = len(words.many)
    if words.names is not None:
        names = <PyObject*>words.names
        count -= len(words.names)
    if len(words.many) > WORDS_SMALL:
        whole = (<object>first,) + words.many
        return PyObject_Vectorcall(function, _items(whole), count + 1, names)
    items = _items(words.many)
    for i in range(len(words.many)):
        small[i + 1] = items[i]
    return PyObject_Vectorcall(function, small, count + 1, names)


cdef inline object _quickly(Call self, AsyncMethod method):
    """The compiled method's answer, or FALL_BACK."""
    cdef PyObject* words[CALL_FEW]
    if likely(self.count >= 0 and method.quick != NULL):
        words[0] = <PyObject*>self.few0
        words[1] = <PyObject*>self.few1
        words[2] = <PyObject*>self.few2
        return method.quick(<PyObject*>self.client.fast_path, words, self.count, NULL)
    return _call_with(<PyObject*>method.compiled, <PyObject*>self.client.fast_path, self)


cdef object _generally(Call self):
    """redis-py's method, or what was put in its place."""
    cdef object function = getattr(super(HotAsync, self.client), self.method.name)
    cdef tuple words
    cdef Py_ssize_t count
    if self.count >= 0:
        words = (self.few0, self.few1, self.few2)[:self.count]
        return function(*words)
    if self.names is None:
        return function(*self.many)
    count = len(self.many) - len(self.names)
    return function(*self.many[:count], **dict(zip(self.names, self.many[count:])))


cdef PySendResult _send(PyObject* this, PyObject* value, PyObject** found) except PYGEN_ERROR:
    cdef Call self = <Call>this
    cdef object answer
    cdef PySendResult result = PYGEN_ERROR
    if likely(self.state == CALL_FRESH):
        self.state = CALL_OVER
        if likely(looked_still_true(&self.client.hot_looked, self.client)):
            answer = _quickly(self, self.method)
            if likely(answer is not FALL_BACK):
                Py_INCREF(answer)
                found[0] = <PyObject*>answer
                return PYGEN_RETURN
        answer = _generally(self)
        self.delegate = answer if PyCoro_CheckExact(answer) else answer.__await__()
        self.state = CALL_DELEGATED
    elif self.state == CALL_OVER:
        raise RuntimeError("cannot reuse already awaited coroutine")
    answer = self.delegate
    try:
        result = PyIter_Send(answer, value, found)
    finally:
        if result != PYGEN_NEXT:
            self._end()
    return result


hutch_set_call_slots(Call, <void*>&_send)


# ---- methods

cdef object _call_method(PyObject* this, PyObject* const* arguments, size_t count_and_flags, PyObject* names):
    """What CPython calls for client.get("k"): a Call with the words in it."""
    cdef Py_ssize_t count = <Py_ssize_t>PyVectorcall_NARGS(count_and_flags) - 1
    cdef Py_ssize_t total
    cdef Py_ssize_t i
    cdef Call made
    if unlikely(count < 0 or not isinstance(<object>arguments[0], HotAsync)):
        raise TypeError(f"{(<AsyncMethod>this).qualified_name} needs a client of that class")
    if unlikely(not (<AsyncMethod>this)._fits(count, names)):
        total = count + (len(<tuple>names) if names != NULL else 0)
        (<AsyncMethod>this)._refuse(tuple([<object>arguments[i] for i in range(total + 1)]), names)
    made = Call.__new__(Call)
    made.state = CALL_FRESH
    made.client = <HotAsync>arguments[0]
    if likely(names == NULL and count <= CALL_FEW):
        made.count = count
        if count > 0:
            made.few0 = <object>arguments[1]
            if count > 1:
                made.few1 = <object>arguments[2]
                if count > 2:
                    made.few2 = <object>arguments[3]
    else:
        made.count = -1
        total = count
        if names != NULL:
            made.names = <tuple>names
            total += len(made.names)
        made.many = tuple([<object>arguments[i + 1] for i in range(total)])
    made.method = <AsyncMethod>this
    return made


@cython.auto_pickle(False)
@cython.final
cdef class AsyncMethod:
    """A method of hutch.asyncio.Redis that may be answered at once; in a class, or bound to a client."""

    def __cinit__(self, str owner, str name, compiled, general):
        self.vectorcall = _call_method
        self.compiled = compiled
        self.quick = descriptor_function(compiled)
        self.general = general
        self.name = name
        self.qualified_name = f"{owner}.{name}"
        self.places = {}
        for parameter in list(inspect.signature(general).parameters.values())[1:]:
            if parameter.kind == parameter.VAR_POSITIONAL:
                self.most = PY_SSIZE_T_MAX
            elif parameter.kind == parameter.VAR_KEYWORD:
                self.any_keyword = True
            elif parameter.kind == parameter.KEYWORD_ONLY:
                self.places[parameter.name] = PY_SSIZE_T_MAX
            else:
                self.places[parameter.name] = self.most
                self.most += 1
                self.least += parameter.default is parameter.empty

    cdef bint _fits(self, Py_ssize_t count, PyObject* names) except -1:
        """May the method be called with so many arguments and these keywords?"""
        cdef Py_ssize_t given = count
        cdef Py_ssize_t place
        if likely(names == NULL):
            return self.least <= count <= self.most
        if count > self.most:
            return False
        for name in <tuple>names:
            found = self.places.get(name)
            if found is None:
                if not self.any_keyword:
                    return False
                continue
            place = found
            if place < count:
                return False             # given twice
            given += place < self.least
        return given >= self.least

    cdef int _refuse(self, tuple words, PyObject* names) except -1:
        """Raise what redis-py's function raises."""
        cdef Py_ssize_t count = len(words) - (len(<tuple>names) if names != NULL else 0)
        cdef dict options = dict(zip(<tuple>names, words[count:])) if names != NULL else {}
        self.general(*words[:count], **options).close()
        raise TypeError(f"{self.qualified_name}() got arguments that it does not take")

    def __get__(self, instance, owner):
        if instance is None:
            return self
        return PyMethod_New(self, instance)

    def __repr__(self):
        return f"<method {self.qualified_name}>"

    @property
    def __name__(self):
        return self.name

    @property
    def __qualname__(self):
        return self.qualified_name

    @property
    def __doc__(self):
        """The compiled method's own."""
        return self.compiled.__doc__

    @property
    def __signature__(self):
        return inspect.signature(self.compiled)


hutch_set_method_slots(AsyncMethod, vectorcall_offset)


def _fall_back(*ignored, **options):
    return FALL_BACK


def _hot_names():
    return [name for base in (HotMethods, HotCollections) for name in vars(base)
            if not name.startswith("_") and callable(getattr(base, name))]


# What the compiled methods find behind them when they fall back.
FastPath = type("FastPath", (HotCollections, type("Fallback", (), dict.fromkeys(_hot_names(), _fall_back))),
                {"__doc__": "The compiled methods, in the service of a client for asyncio."})


def async_methods(cls):
    """The compiled methods for `cls`, a subclass of HotAsync, by name, to be put among its own. O(methods)"""
    from hutch_engine.door.hot import quick_methods
    compiled = quick_methods(FastPath)
    for name in _hot_names():
        compiled.setdefault(name, getattr(HotCollections, name))
    return {name: AsyncMethod(cls.__qualname__, name, method, getattr(cls, name)) for name, method in compiled.items()}
