"""Two batches of one listener: the one that runs, and one for turns of the loop inside of a script that overruns its time.

Only the listener's thread calls these, without the engine's lock.
"""
from libc.stdint cimport uint32_t
from hutch_engine.net.connections cimport Listener

cdef bint inner_batch_ready(Listener* listener) noexcept nogil
"""Make the inner batch, or its lists longer, if need be. False when memory was refused."""
cdef void inner_batch_exchange(Listener* listener) noexcept nogil
"""The present batch and the inner one change places."""
cdef void inner_batch_return(Listener* listener, uint32_t capacity) noexcept nogil
"""Back to the batch that was interrupted; `capacity`: connection_capacity when it was. What was resumed meanwhile goes along."""
