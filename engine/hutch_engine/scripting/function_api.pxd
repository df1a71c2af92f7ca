"""What a library of functions sees while it is loaded: redis.register_function, and little else."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.scripting.state cimport Function, Interpreter, Library

cdef void function_api_open(Interpreter* interpreter) noexcept nogil
"""Behind sandbox_close: make `load_globals`. May raise."""
cdef bint function_api_load(Interpreter* interpreter, Library* library, Slice text, Buffer* error) noexcept nogil
"""Compile and run the text (its shebang line cut off), which registers functions in `library`. False with the error's
text; the functions registered until then are the library's still."""
cdef void function_api_forget(Interpreter* interpreter, Function* function) noexcept nogil
"""Let Lua collect what it was compiled to, and free it."""
