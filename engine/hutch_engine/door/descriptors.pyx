"""See descriptors.pxd."""
from cpython.dict cimport PyDict_SetItem
from cpython.object cimport PyObject
from libc.stdlib cimport calloc

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass
    ctypedef PyObject* (*PyCFunction)(PyObject*, PyObject*) except NULL
    ctypedef struct PyMethodDef:
        const char* ml_name
        PyCFunction ml_meth
        int ml_flags
        const char* ml_doc
    int METH_FASTCALL
    int METH_KEYWORDS
    object PyDescr_NewMethod(PyTypeObject* type, PyMethodDef* method)
    void PyType_Modified(PyTypeObject* type)

cdef extern from *:
    """
    #define hutch_method_definition(descriptor) (((PyMethodDescrObject *)(descriptor))->d_method)
    #define hutch_type_dict(kind) (((PyTypeObject *)(kind))->tp_dict)
    """
    PyMethodDef* method_definition "hutch_method_definition"(object descriptor)
    PyObject* type_dict "hutch_type_dict"(object kind)

cdef object _method_descriptor = type(str.join)


cdef int descriptor_add(object kind, const char* name, FastFunction function, const char* text) except -1:
    cdef PyMethodDef* definition = <PyMethodDef*>calloc(1, sizeof(PyMethodDef))      # for good, as the type
    if definition == NULL:
        raise MemoryError
    definition.ml_name = name
    definition.ml_meth = <PyCFunction><void*>function
    definition.ml_flags = METH_FASTCALL | METH_KEYWORDS
    definition.ml_doc = text
    return _add(kind, name.decode(), PyDescr_NewMethod(<PyTypeObject*>kind, definition))


cdef int _add(object kind, str name, object method) except -1:
    PyDict_SetItem(<object>type_dict(kind), name, method)
    PyType_Modified(<PyTypeObject*>kind)
    return 0


cdef int descriptor_add_function(object kind, str name, object function) except -1:
    function.__name__ = name
    function.__qualname__ = f"{kind.__name__}.{name}"
    return _add(kind, name, function)


cdef dict descriptors_for(object cls, object root):
    cdef dict found = {}
    if not issubclass(cls, root):
        raise TypeError(f"compiled methods are for subclasses of {root.__name__}")
    for base in reversed(cls.__mro__):
        if issubclass(base, root) and base is not cls:
            for name, method in vars(base).items():
                if type(method) is _method_descriptor and not name.startswith("_"):
                    found[name] = PyDescr_NewMethod(<PyTypeObject*>cls, method_definition(method))
                else:
                    found.pop(name, None)        # another one's, in the place of a base's
    return found


cdef FastFunction descriptor_function(object descriptor) except? NULL:
    cdef PyMethodDef* definition
    if type(descriptor) is not _method_descriptor:
        return NULL
    definition = method_definition(descriptor)
    if definition.ml_flags != METH_FASTCALL | METH_KEYWORDS:
        return NULL
    return <FastFunction><void*>definition.ml_meth
