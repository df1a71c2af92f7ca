"""A whole engine, embedded, whose system refuses memory when a test says so."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport UINT64_MAX, uint64_t
from hutch_engine.base.checks cimport HUTCH_CHECKS
from hutch_engine.base.memory cimport heap_fail_after
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.door.engine cimport Engine
from hutch_engine.keyspace.entry cimport Entry, entry_pointer
from hutch_engine.keyspace.keyspace cimport FIND_NO_STATS, FIND_NO_TOUCH, keyspace_find, keyspace_hash
from hutch_engine.state.engine cimport Engine as EngineStruct
from hutch_engine.structures.stream cimport Stream, stream_check
from hutch_engine.structures.table cimport table_check

CHECKED = bool(HUTCH_CHECKS)         # small blocks can be refused, too
cdef bint CHECKED_MEMORY = HUTCH_CHECKS

cdef struct Refusal:
    uint64_t allocations
    bint small


cdef void _refuse(EngineStruct* engine, void* context) noexcept nogil:
    cdef Refusal* refusal = <Refusal*>context
    heap_fail_after(&engine.heap, refusal.allocations, refusal.small)


cdef void _relent(EngineStruct* engine, void* context) noexcept nogil:
    (<uint64_t*>context)[0] = engine.heap.fail_after
    heap_fail_after(&engine.heap, UINT64_MAX, False)


cdef void _check(EngineStruct* engine, void* context) noexcept nogil:
    cdef int i
    for i in range(engine.keyspace.database_count):
        table_check(&engine.keyspace.databases[i].keys)
    for i in range(5):
        table_check(&engine.pubsub.topics[i])
    table_check(&engine.pubsub.subscriptions)
    table_check(&engine.watches.keys)


cdef void _check_stream(EngineStruct* engine, void* context) noexcept nogil:
    cdef Slice name = (<Slice*>context)[0]
    cdef Entry* entry = keyspace_find(&engine.keyspace, engine.keyspace.databases, name, keyspace_hash(&engine.keyspace, name),
                                      FIND_NO_STATS | FIND_NO_TOUCH)
    if entry != NULL:
        stream_check(<Stream*>entry_pointer(entry))


def refuse_after(Engine engine, uint64_t allocations, bint small=CHECKED_MEMORY):
    """Let the heap have so many large blocks more, and refuse all that follow; `small`: small ones, too, where they are
    tried."""
    cdef Refusal refusal
    refusal.allocations = allocations
    refusal.small = small
    engine.do(_refuse, &refusal)


def relent(Engine engine):
    """Refuse no longer. Returns how many of the blocks were not asked for; 0: there may have been refusals."""
    cdef uint64_t left = 0
    engine.do(_relent, &left)
    return left & ~(<uint64_t>1 << 62)


def check(Engine engine):
    """Verify the tables that a refused command may have been in; nothing in a build without checks."""
    engine.do(_check, NULL)


def check_stream(Engine engine, bytes key):
    """Verify the stream at a key of database 0."""
    cdef Slice name = slice_of(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
    engine.do(_check_stream, &name)
