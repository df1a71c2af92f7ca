"""A session as a line of text."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.state.engine cimport Session

cdef void session_describe(const Session* session, Buffer* out) noexcept nogil
"""One line of CLIENT LIST, without its line break."""
