"""See database.pxd."""
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint64_t
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport slice_is
from hutch_engine.commands.call cimport Call, call_may_block, error_syntax
from hutch_engine.commands.reply cimport reply_error, reply_integer, reply_ok
from hutch_engine.keyspace.keyspace cimport (
    Database, Keyspace, LazyTable, keyspace_flush, keyspace_ready_all, keyspace_swap, keyspace_touch_all)
from hutch_engine.structures.table cimport table_count


cdef void cmd_dbsize(Call* call) noexcept nogil:
    reply_integer(call.reply, <int64_t>table_count(&call.database.keys))


cdef bint _flush_lazily(Call* call, bint* lazy_out) noexcept nogil:
    """SYNC, ASYNC or what lazyfree-lazy-user-flush says; False after a syntax error."""
    if call.argc == 1:
        lazy_out[0] = call.keyspace.lazy_user_flush
    elif call.argc == 2 and slice_is(call.argv[1], b"SYNC"):
        lazy_out[0] = False
    elif call.argc == 2 and slice_is(call.argv[1], b"ASYNC"):
        lazy_out[0] = True
    else:
        error_syntax(call)
        return False
    return True


cdef void _flush(Call* call, Database* database, bint lazy) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef LazyTable* waiting = keyspace.lazy_tables
    cdef uint64_t count
    # Also of an empty one: clients that keep copies of keys are told in any case.
    keyspace_touch_all(keyspace, database, True)
    if table_count(&database.keys):
        count = keyspace_flush(keyspace, database, lazy)
        keyspace.dirty += count
        # A few keys are freed at once, but counted as in Redis, which frees all in the background: with SYNC as well,
        # whose client waits if it may.
        if (lazy or call_may_block(call)) and keyspace.lazy_tables == waiting:
            keyspace.lazy_freed += count
        keyspace_ready_all(keyspace, database)       # streams that were waited for are gone


cdef void cmd_flushdb(Call* call) noexcept nogil:
    cdef bint lazy
    if not _flush_lazily(call, &lazy):
        return
    _flush(call, call.database, lazy)
    reply_ok(call.reply)


cdef void cmd_flushall(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef bint lazy
    cdef int32_t i
    if not _flush_lazily(call, &lazy):
        return
    for i in range(keyspace.database_count):
        _flush(call, &keyspace.databases[i], lazy)
    keyspace.emptied = not keyspace.loading      # with `save` points an empty file follows, whatever they say
    reply_ok(call.reply)


cdef bint _index(Call* call, size_t word, int64_t* index_out, const char* error) noexcept nogil:
    if (parse_integer(call.argv[word], index_out) and INT32_MIN <= index_out[0] and index_out[0] <= INT32_MAX):
        return True
    reply_error(call.reply, error)
    return False


cdef void cmd_swapdb(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef int64_t first, second
    if (not _index(call, 1, &first, b"ERR invalid first DB index")
            or not _index(call, 2, &second, b"ERR invalid second DB index")):
        return
    if first < 0 or first >= keyspace.database_count or second < 0 or second >= keyspace.database_count:
        reply_error(call.reply, b"ERR DB index is out of range")
        return
    if first != second:
        # Whoever watches a key that is in either sees it change.
        keyspace_touch_all(keyspace, &keyspace.databases[first], False)
        keyspace_touch_all(keyspace, &keyspace.databases[second], False)
        keyspace_swap(keyspace, <int32_t>first, <int32_t>second)
        keyspace_ready_all(keyspace, &keyspace.databases[first])
        keyspace_ready_all(keyspace, &keyspace.databases[second])
    keyspace.dirty += 1
    reply_ok(call.reply)
