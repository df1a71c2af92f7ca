"""See key_filter.pxd."""
from libc.string cimport memset
from hutch_engine.keyspace.keyspace cimport KEY_FILTER_WORDS
from hutch_engine.state.engine cimport Engine, KeyFilter


cdef void key_filter_unite(Engine* engine) noexcept nogil:
    cdef int i
    if engine.pubsub.first_prefix != NULL:
        memset(engine.keyspace.touched_filter, 255, sizeof(engine.keyspace.touched_filter))
        return
    for i in range(KEY_FILTER_WORDS):
        engine.keyspace.touched_filter[i] = engine.watches.filter.bits[i] | engine.pubsub.tracked.bits[i]


cdef void key_filter_empty(Engine* engine, KeyFilter* filter) noexcept nogil:
    memset(filter, 0, sizeof(KeyFilter))
    key_filter_unite(engine)
