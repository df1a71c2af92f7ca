"""See eviction.pxd.

volatile-ttl needs no samples: the wheels of deadlines know which key is due first. For the other policies each round samples
maxmemory-samples random keys of every database into a pool of the best candidates seen so far and evicts the best of the pool; a
pool that lives over the rounds is what brings sampled LRU close to the real one (Redis 3.0). The pool here lasts one call: its keys are
looked up again by nothing but their entry, which a later command may have freed.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.random cimport random_below
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline, entry_key
from hutch_engine.keyspace.keyspace cimport (
    EVENT_EVICTED, Database, Keyspace, entry_frequency, entry_idle_seconds, keyspace_deadlines, keyspace_delete,
    keyspace_event, keyspace_free_some, keyspace_nearest_deadline, keyspace_touched)
from hutch_engine.state.config cimport (
    POLICY_ALLKEYS_LFU, POLICY_ALLKEYS_LRU, POLICY_ALLKEYS_RANDOM, POLICY_NOEVICTION, POLICY_VOLATILE_LFU,
    POLICY_VOLATILE_LRU, POLICY_VOLATILE_RANDOM, POLICY_VOLATILE_TTL)
from hutch_engine.state.engine cimport PAUSE_NONE, Engine, engine_used_memory
from hutch_engine.state.latency_events cimport (
    LATENCY_EVICTION_CYCLE, LATENCY_EVICTION_DEL, latency_events_are_watched, latency_events_note)
from hutch_engine.structures.table cimport TableSlot, table_count, table_find, table_hash, table_random
from hutch_engine.keyspace.journal cimport journal_deletion

cdef enum:
    POOL = 16                    # candidates remembered
    TRIES = 50                   # random keys looked at for one with a deadline


cdef struct Candidate:
    Entry* entry                 # borrowed; valid until it is evicted
    Database* database
    uint64_t score               # the higher, the sooner it goes


cdef inline bint _volatile_only(int64_t policy) noexcept nogil:
    return (policy == POLICY_VOLATILE_LRU or policy == POLICY_VOLATILE_LFU or policy == POLICY_VOLATILE_RANDOM
            or policy == POLICY_VOLATILE_TTL)


cdef uint64_t _score(Keyspace* keyspace, const Entry* entry, int64_t policy) noexcept nogil:
    if policy == POLICY_ALLKEYS_LRU or policy == POLICY_VOLATILE_LRU:
        return entry_idle_seconds(keyspace, entry)
    return 255 - entry_frequency(keyspace, entry)


cdef Entry* _sample(Engine* engine, Database* database, bint volatile_only) noexcept nogil:
    cdef Entry* entry
    cdef int tries
    for tries in range(TRIES):
        entry = <Entry*>table_random(&database.keys, &engine.random)
        if entry == NULL or not volatile_only or entry_has_deadline(entry):
            return entry
    return NULL


cdef void _offer(Candidate* pool, int* count, Entry* entry, Database* database, uint64_t score) noexcept nogil:
    """Keep the pool in rising order of score; the lowest falls out when it is full."""
    cdef int i, j
    for i in range(count[0]):
        if pool[i].entry == entry:
            return
    if count[0] == POOL:
        if score <= pool[0].score:
            return
        for j in range(POOL - 1):
            pool[j] = pool[j + 1]
        count[0] -= 1
    i = count[0]
    while i > 0 and pool[i - 1].score > score:
        pool[i] = pool[i - 1]
        i -= 1
    pool[i].entry = entry
    pool[i].database = database
    pool[i].score = score
    count[0] += 1


cdef void _evict(Engine* engine, Database* database, Entry* entry) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Slice key = entry_key(entry)
    cdef uint64_t hash = table_hash(&database.keys, key)
    cdef TableSlot slot = table_find(&database.keys, key, hash)
    cdef int64_t started_us
    keyspace_event(keyspace, database, EVENT_EVICTED, b"evicted", key)
    keyspace_touched(keyspace, database, key)
    keyspace.evicted += 1
    if unlikely(keyspace.journal != NULL):
        journal_deletion(keyspace.journal, database.index, key, engine.config.lazyfree_lazy_eviction != 0)
    if likely(not latency_events_are_watched(engine)):
        keyspace_delete(keyspace, database, slot, hash, engine.config.lazyfree_lazy_eviction != 0)
        return
    started_us = monotonic_us()
    keyspace_delete(keyspace, database, slot, hash, engine.config.lazyfree_lazy_eviction != 0)
    latency_events_note(engine, LATENCY_EVICTION_DEL, monotonic_us() - started_us)


cdef bint _evict_nearest(Engine* engine) noexcept nogil:
    """Of all databases the key that is due first: the wheels know it. False: no key has a deadline."""
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Database* database = NULL
    cdef Entry* nearest = NULL
    cdef Entry* entry
    cdef int32_t i
    for i in range(keyspace.database_count):
        entry = keyspace_nearest_deadline(keyspace, &keyspace.databases[i])
        if entry != NULL and (nearest == NULL or entry_deadline_ms(entry) < entry_deadline_ms(nearest)):
            nearest = entry
            database = &keyspace.databases[i]
    if nearest != NULL:
        _evict(engine, database, nearest)
    return nearest != NULL


cdef bint evict_until_it_fits(Engine* engine) noexcept nogil:
    cdef uint64_t before = engine.keyspace.evicted
    cdef int64_t started_us
    cdef bint fits
    if likely(not latency_events_are_watched(engine)):
        return _make_room(engine)
    started_us = monotonic_us()
    fits = _make_room(engine)
    if engine.keyspace.evicted != before:
        latency_events_note(engine, LATENCY_EVICTION_CYCLE, monotonic_us() - started_us)
    return fits


cdef bint _make_room(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef int64_t policy = engine.config.maxmemory_policy
    cdef uint64_t limit = <uint64_t>engine.config.maxmemory
    cdef bint volatile_only = _volatile_only(policy)
    cdef Candidate pool[POOL]
    cdef int pooled = 0
    cdef int32_t i, offset
    cdef int64_t k
    cdef Database* database
    cdef Entry* entry
    cdef bint found
    if engine.pause.kind != PAUSE_NONE:
        return True              # a pause is for data that stays as it is: Redis neither evicts nor refuses then
    while engine_used_memory(engine) > limit:
        # What was deleted lazily is on its way out already: finish that before more keys have to go.
        if keyspace.lazy_tables != NULL or keyspace.lazy_values != NULL:
            keyspace_free_some(keyspace, 256)
            continue
        if policy == POLICY_NOEVICTION:
            return False
        found = False
        if policy == POLICY_VOLATILE_TTL:
            found = _evict_nearest(engine)
        elif policy == POLICY_ALLKEYS_RANDOM or policy == POLICY_VOLATILE_RANDOM:
            offset = <int32_t>random_below(&engine.random, keyspace.database_count)
            for i in range(keyspace.database_count):
                database = &keyspace.databases[(i + offset) % keyspace.database_count]
                entry = _sample(engine, database, volatile_only)
                if entry != NULL:
                    _evict(engine, database, entry)
                    found = True
                    break
        else:
            for i in range(keyspace.database_count):
                database = &keyspace.databases[i]
                if table_count(&database.keys) == 0 or (volatile_only and keyspace_deadlines(database) == 0):
                    continue
                for k in range(engine.config.maxmemory_samples):
                    entry = _sample(engine, database, volatile_only)
                    if entry != NULL:
                        _offer(pool, &pooled, entry, database, _score(keyspace, entry, policy))
            if pooled:
                pooled -= 1
                _evict(engine, pool[pooled].database, pool[pooled].entry)
                found = True
        if not found:
            return False
    return True
