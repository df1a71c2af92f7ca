"""The queue between MULTI and EXEC. Requires the engine's lock."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Session

cdef bint session_queue(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""Keep a copy of a command's words for EXEC; False, and nothing is kept, when memory was refused. O(bytes)."""
cdef void session_discard(Session* session) noexcept nogil
"""Leave MULTI: free the queue, and forget marks and watches. O(queue and watches)."""
