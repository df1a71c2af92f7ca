"""See watch.pxd."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_read, leb128_write
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline
from hutch_engine.keyspace.keyspace cimport WANT_TOUCHED, Database, keyspace_hash, keyspace_now
from hutch_engine.state.engine cimport WATCHED_KEY_OFFSET, SESSION_DIRTY_CAS, Engine, Session, Watch, WatchedKey
from hutch_engine.structures.table cimport (
    TableSlot, table_count, table_each, table_find, table_hash, table_insert, table_remove)
from hutch_engine.sessions.key_filter cimport key_filter_empty, key_filter_is_stale, key_filter_note
from hutch_engine.sessions.key_name cimport KEY_NAME_STACK_BYTES, key_name_database, key_name_free, key_name_key, key_name_make


cdef inline Slice _name_of(WatchedKey* watched) noexcept nogil:
    cdef size_t length
    cdef const char* data = leb128_read(<const char*>watched + WATCHED_KEY_OFFSET, &length)
    return slice_of(data, length)


cdef inline size_t _watched_bytes(size_t name_length) noexcept nogil:
    return WATCHED_KEY_OFFSET + leb128_bytes(name_length) + name_length


cdef WatchedKey* _watched_put(Engine* engine, Slice name) noexcept nogil:
    cdef uint64_t hash = table_hash(&engine.watches.keys, name)
    cdef TableSlot slot = table_find(&engine.watches.keys, name, hash)
    cdef WatchedKey* watched
    if slot != NULL:
        return <WatchedKey*>slot[0]
    watched = <WatchedKey*>heap_try_alloc(&engine.heap, _watched_bytes(name.length))
    if watched != NULL:
        watched.watches = NULL
        memcpy(leb128_write(<char*>watched + WATCHED_KEY_OFFSET, name.length), name.data, name.length)
        table_insert(&engine.watches.keys, watched, hash)
        key_filter_note(engine, &engine.watches.filter, key_name_key(name))
    return watched


cdef bint session_watch(Session* session, int32_t database_index, Slice key) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Database* database = &engine.keyspace.databases[database_index]
    cdef char stack[KEY_NAME_STACK_BYTES]
    cdef Slice name = key_name_make(&engine.heap, database_index, key, stack)
    cdef WatchedKey* watched
    cdef Watch* watch
    cdef TableSlot slot
    if name.data == NULL:
        return False
    watched = _watched_put(engine, name)
    key_name_free(&engine.heap, name, stack)
    if watched == NULL:
        return False
    watch = watched.watches
    while watch != NULL:
        if watch.session == session:
            return True
        watch = watch.next_of_key
    watch = <Watch*>heap_try_alloc(&engine.heap, sizeof(Watch))
    if watch == NULL:
        _drop_if_unwatched(engine, watched)
        return False
    # Looked up without expiring: a key that is due already may go without breaking this watch.
    slot = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key))
    watch.existed = slot != NULL
    watch.expired = slot != NULL and _is_due(engine, <Entry*>slot[0])
    watch.session = session
    watch.watched = watched
    watch.next_of_key = watched.watches
    watch.link_of_key = &watched.watches
    if watched.watches != NULL:
        watched.watches.link_of_key = &watch.next_of_key
    watched.watches = watch
    watch.next_of_session = session.watches
    if session.watches == NULL:
        engine.watches.sessions += 1
        engine.keyspace.wanted |= WANT_TOUCHED
    session.watches = watch
    session.watch_count += 1
    return True


cdef inline bint _is_due(Engine* engine, Entry* entry) noexcept nogil:
    return entry_has_deadline(entry) and entry_deadline_ms(entry) < keyspace_now(&engine.keyspace)


cdef void _drop_if_unwatched(Engine* engine, WatchedKey* watched) noexcept nogil:
    cdef Slice name
    cdef uint64_t hash
    if watched.watches == NULL:
        name = _name_of(watched)
        hash = table_hash(&engine.watches.keys, name)
        table_remove(&engine.watches.keys, table_find(&engine.watches.keys, name, hash), hash)
        heap_free(&engine.heap, watched, _watched_bytes(name.length))
        if key_filter_is_stale(&engine.watches.filter, table_count(&engine.watches.keys)):
            key_filter_empty(engine, &engine.watches.filter)
            table_each(&engine.watches.keys, _note_watched, engine)


cdef bint _note_watched(void* engine, void* watched) noexcept nogil:
    key_filter_note(<Engine*>engine, &(<Engine*>engine).watches.filter, key_name_key(_name_of(<WatchedKey*>watched)))
    return True


cdef void session_unwatch(Session* session) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Watch* watch = session.watches
    cdef Watch* following
    if watch == NULL:
        return
    while watch != NULL:
        following = watch.next_of_session
        watch.link_of_key[0] = watch.next_of_key
        if watch.next_of_key != NULL:
            watch.next_of_key.link_of_key = watch.link_of_key
        _drop_if_unwatched(engine, <WatchedKey*>watch.watched)
        heap_free(&engine.heap, watch, sizeof(Watch))
        watch = following
    session.watches = NULL
    session.watch_count = 0
    engine.watches.sessions -= 1
    if engine.watches.sessions == 0 and engine.tracking.sessions == 0:
        engine.keyspace.wanted &= ~<uint32_t>WANT_TOUCHED


cdef inline Database* _database_of(Engine* engine, WatchedKey* watched, Slice* key_out) noexcept nogil:
    cdef Slice name = _name_of(watched)
    key_out[0] = key_name_key(name)
    return &engine.keyspace.databases[key_name_database(name)]


cdef bint session_watches_expired(Session* session) noexcept nogil:
    cdef Watch* watch = session.watches
    cdef Slice key
    cdef Database* database
    cdef TableSlot slot
    while watch != NULL:
        if not watch.expired:
            database = _database_of(session.engine, <WatchedKey*>watch.watched, &key)
            slot = table_find(&database.keys, key, keyspace_hash(&session.engine.keyspace, key))
            if slot != NULL and _is_due(session.engine, <Entry*>slot[0]):
                return True
        watch = watch.next_of_session
    return False


cdef inline void _break_watches(Session* session) noexcept nogil:
    """It cannot EXEC any more, so what else it watches is of no interest."""
    session.flags |= SESSION_DIRTY_CAS
    session_unwatch(session)


cdef void watch_touch(Engine* engine, int32_t database_index, Slice key) noexcept nogil:
    cdef char stack[KEY_NAME_STACK_BYTES]
    cdef Slice name
    cdef TableSlot slot
    cdef Watch* watch
    cdef Watch* following
    cdef bint present
    cdef Database* database = &engine.keyspace.databases[database_index]
    if table_count(&engine.watches.keys) == 0:
        return
    name = key_name_make(&engine.heap, database_index, key, stack)
    if name.data == NULL:
        watch_touch_all(engine, -1)        # better one EXEC too few than one too many
        return
    slot = table_find(&engine.watches.keys, name, table_hash(&engine.watches.keys, name))
    if slot != NULL:
        watch = (<WatchedKey*>slot[0]).watches
        present = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key)) != NULL
        while watch != NULL:
            following = watch.next_of_key
            # Due when it was watched, and gone now: for the watcher it was gone all the time.
            if watch.expired and not present:
                watch.expired = False
                watch.existed = False
            else:
                _break_watches(watch.session)
            watch = following           # another session's: one session watches a key once
    key_name_free(&engine.heap, name, stack)


cdef bint _touch_visited(void* context, void* entry) noexcept nogil:
    cdef WatchedKey* watched = <WatchedKey*>entry
    cdef Engine* engine = watched.watches.session.engine
    cdef int32_t wanted = (<int32_t*>context)[0]
    cdef Slice key
    cdef Database* database = _database_of(engine, watched, &key)
    cdef Watch* watch = watched.watches
    cdef TableSlot slot
    cdef bint due
    if wanted >= 0 and database.index != wanted:
        return True
    slot = table_find(&database.keys, key, keyspace_hash(&engine.keyspace, key))
    due = slot != NULL and _is_due(engine, <Entry*>slot[0])
    while watch != NULL:
        if wanted < 0:
            watch.session.flags |= SESSION_DIRTY_CAS
        elif slot == NULL:
            if watch.existed and not watch.expired:
                watch.session.flags |= SESSION_DIRTY_CAS
            watch.existed = watch.expired = False
        elif due and (watch.expired or not watch.existed):
            # For the watcher there was no key before and is none now; that this one goes will not disturb it.
            watch.existed = watch.expired = True
        else:
            watch.session.flags |= SESSION_DIRTY_CAS
        watch = watch.next_of_key
    return True


cdef void watch_touch_all(Engine* engine, int32_t database_index) noexcept nogil:
    """database_index -1: all of them, whether the keys exist or not. Broken watches stay till
    EXEC, since nothing may leave the table while it is walked (and in Redis they stay, too)."""
    table_each(&engine.watches.keys, _touch_visited, &database_index)
