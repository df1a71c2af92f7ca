"""The libraries of functions of an engine: bringing them in, taking them out, finding functions."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.scripting.state cimport Function, Interpreter, Library, Scripting

cdef enum:                               # of FUNCTION RESTORE
    RESTORE_APPEND = 0
    RESTORE_REPLACE = 1
    RESTORE_FLUSH = 2

cdef Library* function_library_compile(Interpreter* interpreter, Slice code, bint may_exist, Buffer* error) noexcept nogil
"""A library that nothing knows yet, its functions compiled; NULL with the error's text. Unless it `may_exist`, one of
its name is an error, before anything is compiled. O(code)."""
cdef bint function_library_add(Interpreter* interpreter, Library* libraries, int policy, Buffer* error) noexcept nogil
"""Take a list of such libraries in, all or none; False with the error's text, and they are freed. With RESTORE_REPLACE
libraries of the same name go, with RESTORE_FLUSH all that were there."""
cdef void function_library_free(Interpreter* interpreter, Library* library) noexcept nogil
"""Free a library that stands in no table, with its functions."""
cdef bint function_library_remove(Scripting* scripting, Slice name) noexcept nogil
"""Take out and free the library of this name; False when there is none. O(its functions)."""
cdef void function_library_flush(Scripting* scripting) noexcept nogil
"""Free all libraries, and close the interpreter in which their functions ran."""
cdef Library* function_library_find(Scripting* scripting, Slice name) noexcept nogil
"""The library of this name, borrowed, or NULL. O(1)."""
cdef Function* function_library_find_function(Scripting* scripting, Slice name) noexcept nogil
"""The function of this name in any case, borrowed, or NULL. O(1)."""
