"""The compiled methods as data: which words each makes of its arguments, and what it makes of the reply.

The data is made from the declarations' `python` (tools/compiled_methods.py writes method_table.pyx and methods.pyx). A client
runs what a method says (door/hot_collections), a pipeline gathers it (door/hot_pipeline). All structs are constant once this
module is imported, and so are the Python objects in them, which are the module's.
"""
from cpython.dict cimport PyDict_Size
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.door.replies cimport Shape

cdef extern from "Python.h":
    PyObject* Py_None
    PyObject* Py_False
    PyObject* Py_True
    Py_ssize_t pointer_tuple_size "PyTuple_GET_SIZE"(PyObject* tuple) noexcept
    PyObject* pointer_tuple_item "PyTuple_GET_ITEM"(PyObject* tuple, Py_ssize_t index) noexcept
    bint pointer_is_bytes "PyBytes_Check"(PyObject* value) noexcept
    bint pointer_is_text "PyUnicode_Check"(PyObject* value) noexcept
    bint pointer_is_int "PyLong_CheckExact"(PyObject* value) noexcept
    bint pointer_is_dict "PyDict_CheckExact"(PyObject* value) noexcept
    bint pointer_is_list "PyList_CheckExact"(PyObject* value) noexcept
    bint pointer_is_tuple "PyTuple_CheckExact"(PyObject* value) noexcept
    long long pointer_as_int "PyLong_AsLongLongAndOverflow"(PyObject* value, int* overflow) noexcept

cdef enum:
    PARAMETERS_MAX = 16              # of a method, without its *rest

cdef enum WordKind:                  # how words come from a parameter; in the order of WORD_KINDS in tools/compiled_methods.py
    WORD_LITERAL                     # from none: this text
    WORD_ONE                         # the value; not None, where that means "not given"
    WORD_OPTIONAL                    # the value, unless it is None
    WORD_INTEGER                     # an int, exactly
    WORD_COUNT                       # ... that is not negative
    WORD_SCORE                       # a number whose text nobody will see
    WORD_FLAG                        # this text, if it is True
    WORD_REST                        # all of *rest, at least one
    WORD_REST_COUNT                  # how many these are
    WORD_LIST                        # the elements of a list, at least one
    WORD_LIST_COUNT                  # how many these are
    WORD_LIST_OR_WORDS               # of a list or a tuple, or one str or bytes; and then all of *rest
    WORD_PAIRS                       # keys and values of a dict, at least one
    WORD_SCORES                      # its values and keys
    WORD_BIT                         # the int 0 or 1, exactly

cdef struct MethodWord:
    WordKind kind
    uint32_t parameter
    Slice literal
    PyObject* text                   # the literal as a str

cdef struct MethodWay:               # to say it; the first that the arguments fit is taken
    MethodWord* words
    uint32_t word_count
    uint32_t unmentioned             # a bit for each parameter that stands for an option that is not given here
    bint has_text                    # words that are no parameter's

cdef struct Method:
    const Command* command
    Shape shape
    PyObject* name                   # of the method: str
    PyObject* spelled                # the command's name as redis-py spells it: str
    uint32_t parameter_count         # without *rest
    uint32_t positional              # how many of them may come without their names
    bint rest                        # more may come
    PyObject* names[PARAMETERS_MAX]
    PyObject* defaults[PARAMETERS_MAX]   # NULL: must be given
    MethodWay* ways
    uint32_t way_count

cdef struct Given:                   # the arguments of one call; all objects borrowed
    PyObject* values[PARAMETERS_MAX]
    PyObject* const* rest
    Py_ssize_t rest_count

cdef Method* method_rows() noexcept
"""All methods, in the order of the generated functions."""
cdef const Method* method_of_command(object spelled) except? NULL
"""The method that sends the command of this name, spelled as redis-py does; NULL if there is none. O(1)"""

cdef inline bint method_bind(const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names, Given* given) noexcept:
    """Sort out the arguments of a call, given as a vectorcall gives them. False: they do not fit, and redis-py is to say why.
    O(arguments)"""
    cdef Py_ssize_t positional = count if count < method.positional else method.positional
    cdef Py_ssize_t i, k
    cdef PyObject* name
    given.rest = args + positional
    given.rest_count = count - positional
    if unlikely(given.rest_count != 0 and not method.rest):
        return False
    for i in range(positional):
        given.values[i] = args[i]
    for i in range(positional, method.parameter_count):
        given.values[i] = method.defaults[i]
    if names != NULL:
        for i in range(pointer_tuple_size(names)):
            name = pointer_tuple_item(names, i)
            k = positional
            while k < method.parameter_count and method.names[k] != name:
                k += 1
            if k == method.parameter_count:
                return False             # of no parameter, of one that was given already, or a name that is not interned
            given.values[k] = args[count + i]
    for i in range(positional, method.parameter_count):
        if given.values[i] == NULL:
            return False
    return True


cdef inline bint method_fits(const Method* method, const MethodWay* way, const Given* given, Py_ssize_t* count_out) noexcept:
    """May the command be said so? Then with how many words, its name among them. O(words of the way)"""
    cdef uint32_t unmentioned = way.unmentioned
    cdef Py_ssize_t count = 1
    cdef Py_ssize_t i, size
    cdef const MethodWord* word
    cdef PyObject* value
    cdef int overflow = 0
    i = 0
    while unmentioned:
        if unmentioned & 1:
            if given.values[i] != method.defaults[i]:
                return False
        unmentioned >>= 1
        i += 1
    for i in range(way.word_count):
        word = &way.words[i]
        value = given.values[word.parameter]
        if word.kind == WORD_ONE:        # Cython makes a switch of this chain
            if unlikely(value == Py_None and method.defaults[word.parameter] == Py_None):
                return False
            count += 1
        elif word.kind == WORD_REST:
            if given.rest_count == 0:
                return False
            count += given.rest_count
        elif word.kind == WORD_OPTIONAL:
            count += value != Py_None
        elif word.kind == WORD_LITERAL or word.kind == WORD_SCORE or word.kind == WORD_REST_COUNT or word.kind == WORD_LIST_COUNT:
            count += 1
        elif word.kind == WORD_INTEGER or word.kind == WORD_COUNT or word.kind == WORD_BIT:
            if not pointer_is_int(value):
                return False
            if word.kind == WORD_BIT and (<uint64_t>pointer_as_int(value, &overflow) > 1 or overflow):
                return False
            if word.kind == WORD_COUNT and (pointer_as_int(value, &overflow) < 0 or overflow):
                return False
            count += 1
        elif word.kind == WORD_FLAG:
            if value == Py_True:
                count += 1
            elif value != Py_False and value != Py_None:
                return False
        elif word.kind == WORD_PAIRS or word.kind == WORD_SCORES:
            size = PyDict_Size(<object>value) if pointer_is_dict(value) else 0
            if size == 0:
                return False
            count += 2 * size
        elif word.kind == WORD_LIST:
            size = PyList_GET_SIZE(<object>value) if pointer_is_list(value) else 0
            if size == 0:
                return False
            count += size
        else:                            # WORD_LIST_OR_WORDS
            if pointer_is_text(value) or pointer_is_bytes(value):
                size = 1
            elif pointer_is_list(value):
                size = PyList_GET_SIZE(<object>value)
            elif pointer_is_tuple(value):
                size = PyTuple_GET_SIZE(<object>value)
            else:
                return False
            if size + given.rest_count == 0:
                return False
            count += size + given.rest_count
    count_out[0] = count
    return True
