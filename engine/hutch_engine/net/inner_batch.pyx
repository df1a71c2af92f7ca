"""See inner_batch.pxd."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy, memmove
from hutch_engine.net.connections cimport ARENA_BYTES, BATCH_REQUESTS, Batch, Connection, Listener, Request, connections_grow_list


cdef bint inner_batch_ready(Listener* listener) noexcept nogil:
    cdef Batch* inner = &listener.inner
    if inner.arena == NULL:
        inner.arena = <char*>malloc(ARENA_BYTES)
    if inner.requests == NULL:
        inner.requests = <Request*>malloc(BATCH_REQUESTS * sizeof(Request))
    if inner.arena == NULL or inner.requests == NULL:
        return False
    if listener.inner_capacity == listener.connection_capacity:
        return True
    listener.inner_capacity = 0
    if not connections_grow_list(&inner.round, listener.connection_capacity) or not connections_grow_list(&inner.resumed, 2 * listener.connection_capacity):
        return False
    listener.inner_capacity = listener.connection_capacity
    return True


cdef void inner_batch_exchange(Listener* listener) noexcept nogil:
    cdef Batch batch
    batch.round = listener.round
    batch.round_count = listener.round_count
    batch.resumed = listener.resumed
    batch.resumed_count = listener.resumed_count
    batch.requests = listener.requests
    batch.request_count = listener.request_count
    batch.words = listener.words
    batch.arena = listener.arena
    batch.arena_used = listener.arena_used
    listener.round = listener.inner.round
    listener.round_count = listener.inner.round_count
    listener.resumed = listener.inner.resumed
    listener.resumed_count = listener.inner.resumed_count
    listener.requests = listener.inner.requests
    listener.request_count = listener.inner.request_count
    listener.words = listener.inner.words
    listener.arena = listener.inner.arena
    listener.arena_used = listener.inner.arena_used
    listener.inner = batch


cdef void inner_batch_return(Listener* listener, uint32_t capacity) noexcept nogil:
    # When connections came, its lists are too short by now: what is in them moves to the longer ones.
    cdef Batch* outer = &listener.inner
    cdef Connection** swapped
    # What was resumed meanwhile runs when the script is over.
    if outer.resumed_count:
        memmove(listener.resumed + outer.resumed_count, listener.resumed, listener.resumed_count * sizeof(Connection*))
        memcpy(listener.resumed, outer.resumed, outer.resumed_count * sizeof(Connection*))
    outer.resumed_count += listener.resumed_count
    swapped = outer.resumed
    outer.resumed = listener.resumed
    listener.resumed = swapped
    listener.resumed_count = 0
    if outer.round_count:
        memcpy(listener.round, outer.round, outer.round_count * sizeof(Connection*))
    swapped = outer.round
    outer.round = listener.round
    listener.round = swapped
    listener.round_count = 0
    inner_batch_exchange(listener)
    if capacity != listener.connection_capacity:
        listener.inner_capacity = 0          # now these are the short ones
