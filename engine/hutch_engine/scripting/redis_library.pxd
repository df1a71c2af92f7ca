"""The library `redis` of scripts."""
from hutch_engine.scripting.state cimport Interpreter

cdef void redis_library_open(Interpreter* interpreter) noexcept nogil
"""Leave it as the global `redis`. May raise."""
