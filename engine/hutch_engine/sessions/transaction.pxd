"""The queue between MULTI and EXEC. Requires the engine's lock."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Session

cdef bint session_queue(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""Keep a command for EXEC; False when memory was refused."""
cdef void session_discard(Session* session) noexcept nogil
"""Leave MULTI: drop the queue, the marks and the watches."""
