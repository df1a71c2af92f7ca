"""Methods as CPython calls them fastest, in classes of ours.

CPython calls a method without detours only where the object's type is exactly the descriptor's: 10 ns a call. So the classes
that programs use get descriptors of their own, made from those of the extension types that they derive from.
"""
from cpython.object cimport PyObject

# self, arguments with those by name last, how many come without a name, a tuple of names or NULL: METH_FASTCALL | METH_KEYWORDS.
ctypedef object (*FastFunction)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)

cdef int descriptor_add(object kind, const char* name, FastFunction function, const char* text) except -1
"""Give an extension type of ours this method. `name` and `text`, its signature and documentation, are constants: they are
borrowed for ever."""
cdef int descriptor_add_function(object kind, str name, object function) except -1
"""The same for a function object. Both are for the import of the module that defines the functions."""
cdef dict descriptors_for(object cls, object root)
"""Descriptors for `cls` of the methods that its bases up to `root` have: what to put among its own."""
cdef FastFunction descriptor_function(object descriptor) except? NULL
"""The function behind a descriptor of `descriptor_add`'s; NULL for others."""
