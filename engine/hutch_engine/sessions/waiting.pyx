"""See waiting.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_read, leb128_write
from hutch_engine.keyspace.entry cimport TYPE_NONE
from hutch_engine.keyspace.keyspace cimport WANT_READY
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.state.engine cimport BLOCKED_KEY_OFFSET, SESSION_BLOCKED, Engine, Session, engine_wake_housekeeping
from hutch_engine.structures.table cimport TableSlot, table_each, table_find, table_hash, table_insert, table_remove
from hutch_engine.structures.wheel cimport Wheel, wheel_add, wheel_cancel, wheel_init, wheel_next_ms
from hutch_engine.sessions.key_name cimport KEY_NAME_STACK_BYTES, key_name_database, key_name_free, key_name_make


# ---- the table of keys

cdef Slice waiting_key_name(const BlockedKey* key) noexcept nogil:
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>key + sizeof(BlockedKey), &length)
    return slice_of(data, length)


cdef inline size_t _key_bytes(size_t name_length) noexcept nogil:
    return sizeof(BlockedKey) + leb128_bytes(name_length) + name_length


cdef BlockedKey* _key_find(Engine* engine, int32_t database_index, Slice key, bint make, bint* refused_out) noexcept nogil:
    """NULL when nobody waits for it; with `make`, and when *refused_out is set, when memory was refused."""
    cdef char[KEY_NAME_STACK_BYTES] stack
    cdef Slice name = key_name_make(&engine.heap, database_index, key, stack)
    cdef uint64_t hash
    cdef TableSlot slot
    cdef BlockedKey* found = NULL
    if name.data == NULL:
        refused_out[0] = True
        return NULL
    hash = table_hash(&engine.waiting.keys, name)
    slot = table_find(&engine.waiting.keys, name, hash)
    if slot != NULL:
        found = <BlockedKey*>slot[0]
    elif make:
        found = <BlockedKey*>heap_try_alloc(&engine.heap, _key_bytes(name.length))
        if found != NULL:
            found.first = NULL
            found.last = NULL
            found.next_ready = NULL
            found.is_ready = False
            found.until_gone = 0
            memcpy(leb128_write(<char*>found + sizeof(BlockedKey), name.length), name.data, name.length)
            table_insert(&engine.waiting.keys, found, hash)
    key_name_free(&engine.heap, name, stack)
    return found


cdef void waiting_drop_if_unwanted(Engine* engine, BlockedKey* key) noexcept nogil:
    """The last who waited for it is gone. One in the chain of ready keys goes when its turn comes."""
    cdef Slice name
    cdef uint64_t hash
    if key.first != NULL or key.is_ready:
        return
    name = waiting_key_name(key)
    hash = table_hash(&engine.waiting.keys, name)
    table_remove(&engine.waiting.keys, table_find(&engine.waiting.keys, name, hash), hash)
    heap_free(&engine.heap, key, _key_bytes(name.length))


# ---- beginning and ending a wait

cdef void _leave_queue(Engine* engine, Waiter* waiter) noexcept nogil:
    cdef BlockedKey* key = waiter.key
    if waiter.previous != NULL:
        waiter.previous.next = waiter.next
    else:
        key.first = waiter.next
    if waiter.next != NULL:
        waiter.next.previous = waiter.previous
    else:
        key.last = waiter.previous
    key.until_gone -= waiter.owner.until_gone
    waiting_drop_if_unwanted(engine, key)


cdef Blocked* waiting_end(Session* session) noexcept nogil:
    """Out of all queues and the wheel. What is left is the caller's to free."""
    cdef Blocked* blocked = <Blocked*>session.blocked
    cdef Engine* engine = session.engine
    cdef size_t i
    for i in range(blocked.waiter_count):
        _leave_queue(engine, &blocked.waiters[i])
    blocked.waiter_count = 0
    if blocked.node.link != NULL:
        wheel_cancel(engine.waiting.time_outs, &blocked.node)
        blocked.node.link = NULL
    session.blocked = NULL
    session.flags &= ~<uint32_t>SESSION_BLOCKED
    engine.waiting.sessions -= 1
    if engine.waiting.sessions == 0:
        engine.keyspace.wanted &= ~<uint32_t>WANT_READY
    return blocked


cdef void waiting_free(Engine* engine, Blocked* blocked) noexcept nogil:
    heap_free(&engine.heap, blocked, blocked.block_bytes)


cdef Blocked* _copy_words(Session* session) noexcept nogil:
    """A Blocked with room for its waiters, and a copy of the call's words; NULL when refused."""
    cdef Call* call = &session.call
    cdef size_t bytes = sizeof(Blocked) + call.block_keys * sizeof(Waiter) + call.argc * sizeof(Slice)
    cdef Slice* words = call.block_words if call.block_words != NULL else call.argv
    cdef size_t i
    cdef char* at
    cdef Blocked* blocked
    for i in range(call.argc):
        bytes += words[i].length
    blocked = <Blocked*>heap_try_alloc(&session.engine.heap, bytes)
    if blocked == NULL:
        return NULL
    blocked.block_bytes = bytes
    blocked.waiters = <Waiter*>(<char*>blocked + sizeof(Blocked))
    blocked.argv = <Slice*>(blocked.waiters + call.block_keys)
    blocked.argc = call.argc
    at = <char*>(blocked.argv + call.argc)
    for i in range(call.argc):
        blocked.argv[i] = slice_of(at, words[i].length)
        if words[i].length:
            memcpy(at, words[i].data, words[i].length)
        at += words[i].length
    return blocked


cdef bint _join_queues(Engine* engine, Blocked* blocked, size_t first, size_t count) noexcept nogil:
    """To the end of each key's queue; a key that is named twice is waited for once."""
    cdef size_t i
    cdef BlockedKey* key
    cdef Waiter* waiter
    cdef bint refused = False
    for i in range(first, first + count):
        key = _key_find(engine, blocked.session.database_index, blocked.argv[i], True, &refused)
        if key == NULL:
            return False
        if key.last != NULL and key.last.owner == blocked:
            continue
        waiter = &blocked.waiters[blocked.waiter_count]
        blocked.waiter_count += 1
        waiter.key = key
        waiter.owner = blocked
        waiter.next = NULL
        waiter.previous = key.last
        if key.last != NULL:
            key.last.next = waiter
        else:
            key.first = waiter
        key.last = waiter
        key.until_gone += blocked.until_gone
    return True


cdef bint waiting_begin(Session* session) noexcept nogil:
    cdef bint waits = _begin(session)
    waiting_decline(session)             # its words have been copied
    return waits


cdef void waiting_decline(Session* session) noexcept nogil:
    cdef Call* call = &session.call
    if call.block_words != NULL:
        heap_free(&session.engine.heap, call.block_words, call.block_words_bytes)
        call.block_words = NULL


cdef bint _begin(Session* session) noexcept nogil:
    """What the session's call asked for with call_block. False when memory was refused: nothing happened."""
    cdef Engine* engine = session.engine
    cdef Call* call = &session.call
    cdef Blocked* blocked
    if call.block_deadline_ms and engine.waiting.time_outs == NULL:
        engine.waiting.time_outs = <Wheel*>heap_try_alloc(&engine.heap, sizeof(Wheel))
        if engine.waiting.time_outs == NULL:
            return False
        wheel_init(engine.waiting.time_outs, clock_now_ms(&engine.clock) - 1)
    blocked = _copy_words(session)
    if blocked == NULL:
        return False
    blocked.session = session
    blocked.command = call.command
    blocked.type = call.block_type
    blocked.until_gone = call.block_until_gone
    blocked.deadline_ms = call.block_deadline_ms
    blocked.ticks = engine.execution.wait_ticks
    blocked.waiter_count = 0
    blocked.node.next = NULL
    blocked.node.link = NULL
    session.blocked = blocked
    session.flags |= SESSION_BLOCKED
    engine.waiting.sessions += 1
    engine.keyspace.wanted |= WANT_READY
    if blocked.type != TYPE_NONE and not _join_queues(engine, blocked, call.block_first, call.block_keys):
        waiting_free(engine, waiting_end(session))
        return False
    if blocked.deadline_ms:
        wheel_add(engine.waiting.time_outs, &blocked.node, blocked.deadline_ms)
        if blocked.deadline_ms < engine.housekeeping.wakes_ms:
            engine_wake_housekeeping(engine)
    return True


cdef void waiting_forget(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    if session.blocked == NULL:
        return
    waiting_free(engine, waiting_end(session))
    session_wake(session)


# ---- keys that became ready

cdef void waiting_mark_ready(Engine* engine, BlockedKey* key) noexcept nogil:
    if key.is_ready:
        return
    key.is_ready = True
    key.next_ready = NULL
    if engine.waiting.ready_last != NULL:
        (<BlockedKey*>engine.waiting.ready_last).next_ready = key
    else:
        engine.waiting.ready_first = key
    engine.waiting.ready_last = key


cdef struct OfDatabase:
    Engine* engine
    int32_t database_index


cdef bint _mark_if_there(void* context, void* visited) noexcept nogil:
    cdef OfDatabase* wanted = <OfDatabase*>context
    cdef BlockedKey* key = <BlockedKey*>visited
    if key_name_database(waiting_key_name(key)) == wanted.database_index:
        waiting_mark_ready(wanted.engine, key)
    return True


cdef void waiting_note_ready_all(Engine* engine, int32_t database_index) noexcept nogil:
    cdef OfDatabase wanted
    wanted.engine = engine
    wanted.database_index = database_index
    table_each(&engine.waiting.keys, _mark_if_there, &wanted)


cdef void waiting_note_ready(Engine* engine, int32_t database_index, Slice key) noexcept nogil:
    cdef bint refused = False
    cdef BlockedKey* found = _key_find(engine, database_index, key, False, &refused)
    if found != NULL:
        waiting_mark_ready(engine, found)
    elif unlikely(refused):
        waiting_note_ready_all(engine, database_index)      # better that all look than that one waits for ever


cdef bint _count_if_until_gone(void* context, void* visited) noexcept nogil:
    (<int64_t*>context)[0] += (<BlockedKey*>visited).until_gone != 0
    return True


cdef int64_t waiting_keys_until_gone(Engine* engine) noexcept nogil:
    cdef int64_t found = 0
    table_each(&engine.waiting.keys, _count_if_until_gone, &found)
    return found


cdef int64_t waiting_next_ms(const Engine* engine) noexcept nogil:
    return wheel_next_ms(engine.waiting.time_outs) if engine.waiting.time_outs != NULL else INT64_MAX


cdef void waiting_check() noexcept nogil:
    invariant(sizeof(BlockedKey) == BLOCKED_KEY_OFFSET, b"the name in a BlockedKey")
