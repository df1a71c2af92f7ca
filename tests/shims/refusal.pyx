"""A whole engine, embedded, whose system refuses memory when a test says so."""
from libc.stdint cimport UINT64_MAX, uint64_t
from hutch_engine.base.checks cimport HUTCH_CHECKS
from hutch_engine.base.memory cimport heap_fail_after
from hutch_engine.base.slice cimport slice_of
from hutch_engine.door cimport Engine
from hutch_engine.keyspace.entry cimport Entry, entry_pointer
from hutch_engine.keyspace.keyspace cimport FIND_NO_STATS, FIND_NO_TOUCH, keyspace_find, keyspace_hash
from hutch_engine.structures.stream cimport Stream, stream_check
from hutch_engine.structures.table cimport table_check

CHECKED = bool(HUTCH_CHECKS)         # small blocks can be refused, too
cdef bint CHECKED_MEMORY = HUTCH_CHECKS


def refuse_after(Engine engine, uint64_t allocations, bint small=CHECKED_MEMORY):
    """Let the heap have so many large blocks more, and refuse all that follow; `small`: small ones, too, where they are
    tried."""
    engine.enter()
    heap_fail_after(&engine.core.heap, allocations, small)
    engine.leave()


def relent(Engine engine):
    """Refuse no longer. Returns how many of the blocks were not asked for; 0: there may have been refusals."""
    engine.enter()
    left = engine.core.heap.fail_after
    heap_fail_after(&engine.core.heap, UINT64_MAX, False)
    engine.leave()
    return left & ~(<uint64_t>1 << 62)


def check(Engine engine):
    """Verify the tables that a refused command may have been in; nothing in a build without checks."""
    cdef int i
    engine.enter()
    for i in range(engine.core.keyspace.database_count):
        table_check(&engine.core.keyspace.databases[i].keys)
    for i in range(5):
        table_check(&engine.core.topics[i])
    table_check(&engine.core.subscriptions)
    table_check(&engine.core.watched)
    engine.leave()


def check_stream(Engine engine, bytes key):
    """Verify the stream at a key of database 0."""
    cdef Entry* entry
    engine.enter()
    name = slice_of(key, len(key))
    entry = keyspace_find(&engine.core.keyspace, engine.core.keyspace.databases, name, keyspace_hash(&engine.core.keyspace, name),
                          FIND_NO_STATS | FIND_NO_TOUCH)
    if entry != NULL:
        stream_check(<Stream*>entry_pointer(entry))
    engine.leave()
