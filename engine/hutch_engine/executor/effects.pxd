"""What changes have as their consequence: the keyspace has recorded effects, and whoever they concern is told.

Events and invalidation messages go out in the order of the commands (`effects_announce`), whoever watches a key cannot EXEC,
whoever waits for one is put into the chain of those to be served (executor/serving). Requires the engine's lock.
"""
from libc.stdint cimport INT64_MAX
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.state.engine cimport Engine

cdef inline bint effects_are_there(const Keyspace* keyspace) noexcept nogil:
    """Has anything been recorded that somebody above may have to act on?"""
    return keyspace.effect_count != 0 or keyspace.chores != 0 or keyspace.earliest_added_ms != INT64_MAX

cdef inline void effects_announce_new(Engine* engine) noexcept nogil:
    """Between the commands of EXEC and of a script: tell of what the last one did before the next one runs."""
    if engine.execution.announced < engine.keyspace.effect_count:
        effects_announce(engine)

cdef void effects_announce(Engine* engine) noexcept nogil
"""Send keyspace notifications and invalidation messages for the effects that are new since the last call. O(effects, and those
who receive the messages)."""
cdef void effects_act(Engine* engine) noexcept nogil
"""Tell everybody of all effects, and forget them; housekeeping is told of chores and deadlines. Nobody is served here.
O(effects, and those they concern)."""
