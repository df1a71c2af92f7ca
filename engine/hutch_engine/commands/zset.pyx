"""See zset.pxd. The order of the checks is Redis's."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport heap_free, heap_promise_end, heap_try_alloc
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, parse_double, parse_integer
from hutch_engine.base.outcome cimport INVALID, NOT_FOUND, OK, Outcome
from hutch_engine.base.random cimport random_below
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    Call, call_block, call_find_read_type, call_find_write, call_find_write_type, call_hash, call_integer, call_may_block,
    call_promise, call_timeout, error_memory, error_not_float, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_bulk, reply_double, reply_error, reply_integer, reply_mark, reply_null,
    reply_null_array, reply_zero)
from hutch_engine.commands.scan cimport ScanOptions, scan_cursor, scan_insert_cursor, scan_options, scan_steps
from hutch_engine.keyspace.entry cimport TYPE_ZSET, Entry, entry_set_form, entry_type
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_ZSET, Database, Keyspace, keyspace_add, keyspace_delete, keyspace_event, keyspace_find,
    keyspace_hash, keyspace_overwritten, keyspace_resized, keyspace_set, keyspace_touched, zset_of)
from hutch_engine.keyspace.zset_type cimport zset_encoding, zset_value
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_score_text, sorted_set_add, sorted_set_at, sorted_set_change, sorted_set_count,
    sorted_set_free, sorted_set_growth_bytes, sorted_set_new, sorted_set_next, sorted_set_previous, sorted_set_random,
    sorted_set_prefetch_end, sorted_set_rank, sorted_set_remove, sorted_set_remove_ranks, sorted_set_score,
    sorted_set_to_tree)
from hutch_engine.structures.sorted_tree cimport (
    SortedMember, sorted_member_bytes, sorted_tree_add, sorted_tree_find, sorted_tree_set_score)
from hutch_engine.structures.table cimport TableSlot, table_hash, table_scan

cdef enum:                       # what became of a member
    PUT_NOTHING = 0              # an option forbade it
    PUT_SAME = 1
    PUT_CHANGED = 2
    PUT_ADDED = 3
    PUT_NAN = 4
    PUT_REFUSED = 5

cdef enum:
    SCORES_KEPT = 32             # scores of one ZADD that are read once; those behind are read twice


# ---- entries and handles

cdef void zset_changed(Database* database, Entry* entry, const SortedSet* set) noexcept nogil:
    entry_set_form(entry, <uint8_t>zset_encoding(set), <void*>set.pack if set.pack != NULL else <void*>set.tree)
    keyspace_resized(database, entry, sorted_set_count(set))


cdef void zset_drop(Call* call, size_t index, TableSlot slot, const char* event) noexcept nogil:
    cdef Slice key = call.argv[index]
    keyspace_delete(call.keyspace, call.database, slot, call_hash(call, index), True)
    keyspace_touched(call.keyspace, call.database, key)
    keyspace_event(call.keyspace, call.database, EVENT_ZSET, event, key)
    keyspace_event(call.keyspace, call.database, EVENT_GENERIC, b"del", key)


cdef void zset_write_back(Call* call, size_t index, TableSlot slot, SortedSet* set, const char* event) noexcept nogil:
    zset_changed(call.database, slot_entry(slot), set)
    if sorted_set_count(set) == 0:
        zset_drop(call, index, slot, event)
        return
    keyspace_touched(call.keyspace, call.database, call.argv[index])
    keyspace_event(call.keyspace, call.database, EVENT_ZSET, event, call.argv[index])


cdef bint zset_store(Call* call, size_t index, SortedSet* result, const char* event) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice key = call.argv[index]
    cdef uint64_t count = sorted_set_count(result)
    cdef TableSlot slot = call_find_write(call, index)
    cdef int old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    if count == 0:
        sorted_set_free(result)
        if slot != NULL:
            keyspace_delete(keyspace, call.database, slot, call_hash(call, index), keyspace.lazy_server_delete)
            keyspace_touched(keyspace, call.database, key)
            keyspace_event(keyspace, call.database, EVENT_GENERIC, b"del", key)
            keyspace.dirty += 1
        reply_zero(call.reply)
        return True
    if unlikely(keyspace_set(keyspace, call.database, key, call_hash(call, index), slot, zset_value(result), False) == NULL):
        sorted_set_free(result)
        error_memory(call)
        return False
    keyspace_touched(keyspace, call.database, key)
    if old_type >= 0:
        keyspace_overwritten(keyspace, call.database, key, <uint8_t>old_type, TYPE_ZSET)
    keyspace_event(keyspace, call.database, EVENT_ZSET, event, key)
    keyspace.dirty += 1
    reply_integer(call.reply, <int64_t>count)
    return True


cdef inline bint _read(Call* call, size_t index, SortedSet* set, bint* found_out) noexcept nogil:
    """The sorted set of key argv[index], for reading; False when WRONGTYPE was written."""
    cdef bint wrong_type
    cdef Entry* entry = call_find_read_type(call, index, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return False
    found_out[0] = entry != NULL
    if entry != NULL:
        set[0] = zset_of(call.keyspace, entry)
    return True


# ---- ZADD and ZINCRBY

cdef inline bint _forbidden(uint32_t options, double score, double current) noexcept nogil:
    return (options & ADD_LT and score >= current) or (options & ADD_GT and score <= current)


cdef int _put(SortedSet* set, Slice member, double score, uint32_t options, double* score_out) noexcept nogil:
    """Add or change one member as the options say; PUT_... tells what came of it."""
    cdef uint64_t hash = 0
    cdef SortedMember* found = NULL
    cdef double current
    cdef bint present
    if set.pack != NULL:
        present = sorted_set_score(set, member, &current)
    else:
        hash = table_hash(&set.tree.members, member)
        found = sorted_tree_find(set.tree, member, hash)
        present = found != NULL
        if present:
            current = found.score
    if present:
        if options & ADD_NX:
            return PUT_NOTHING
        if options & ADD_INCR:
            score += current
            if score != score:
                return PUT_NAN
        if _forbidden(options, score, current):
            return PUT_NOTHING
        score_out[0] = score
        if score == current:
            return PUT_SAME
        if found != NULL:
            sorted_tree_set_score(set.tree, found, score)
        elif sorted_set_change(set, member, score) != OK:
            return PUT_REFUSED
        return PUT_CHANGED
    if options & ADD_XX:
        return PUT_NOTHING
    score_out[0] = score
    if set.pack == NULL:
        return PUT_ADDED if sorted_tree_add(set.tree, score, member, hash) else PUT_REFUSED
    return PUT_ADDED if sorted_set_add(set, member, score) == OK else PUT_REFUSED


cdef bint _add_options(Call* call, uint32_t base, uint32_t* options_out, size_t* first_out) noexcept nogil:
    """The option words of ZADD, more than `base`, and where the scores begin; False after an error."""
    cdef uint32_t options = base
    cdef size_t i = 2
    cdef size_t rest
    while i < call.argc:
        if slice_is(call.argv[i], b"NX"):
            options |= ADD_NX
        elif slice_is(call.argv[i], b"XX"):
            options |= ADD_XX
        elif slice_is(call.argv[i], b"CH"):
            options |= ADD_CH
        elif slice_is(call.argv[i], b"INCR"):
            options |= ADD_INCR
        elif slice_is(call.argv[i], b"GT"):
            options |= ADD_GT
        elif slice_is(call.argv[i], b"LT"):
            options |= ADD_LT
        else:
            break
        i += 1
    rest = call.argc - i
    options_out[0] = options
    first_out[0] = i
    if rest == 0 or rest & 1:
        error_syntax(call)
    elif options & ADD_NX and options & ADD_XX:
        reply_error(call.reply, b"ERR XX and NX options at the same time are not compatible")
    elif ((options & ADD_GT and options & ADD_NX) or (options & ADD_LT and options & ADD_NX)
            or (options & ADD_GT and options & ADD_LT)):
        reply_error(call.reply, b"ERR GT, LT, and/or NX options at the same time are not compatible")
    elif options & ADD_INCR and rest > 2:
        reply_error(call.reply, b"ERR INCR option supports a single increment-element pair")
    else:
        return True
    return False


cdef void zset_add(Call* call, uint32_t options, size_t first) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef double[SCORES_KEPT] scores
    cdef size_t pairs = (call.argc - first) >> 1
    cdef size_t i
    cdef double score = 0
    cdef double result = 0
    cdef bint wrong_type
    cdef TableSlot slot
    cdef SortedSet set
    cdef int put = PUT_NOTHING
    cdef int64_t added = 0
    cdef int64_t changed = 0
    for i in range(pairs):
        if not parse_double(call.argv[first + 2 * i], &scores[i] if i < SCORES_KEPT else &score):
            error_not_float(call)
            return
    slot = call_find_write_type(call, 1, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return
    if slot != NULL:
        set = zset_of(keyspace, slot_entry(slot))
    if pairs > 1 and not call_promise(call, first, sorted_set_growth_bytes(&set) if slot != NULL else 0):
        return
    if slot != NULL:
        # Redis judges by how many are given, whether or not they come in.
        if set.pack != NULL and pairs > set.max_entries:
            if not sorted_set_to_tree(&set):
                heap_promise_end(keyspace.heap)
                error_memory(call)
                return
    elif not options & ADD_XX:
        sorted_set_new(&set, keyspace.heap, &keyspace.hash_key, keyspace.limits.zset_entries,
                       keyspace.limits.zset_value_bytes, pairs, call.argv[first + 1].length)
    if slot != NULL or not options & ADD_XX:
        for i in range(pairs):
            if i < SCORES_KEPT:
                score = scores[i]
            else:
                parse_double(call.argv[first + 2 * i], &score)
            put = _put(&set, call.argv[first + 2 * i + 1], score, options, &result)
            if put == PUT_ADDED:
                added += 1
            elif put == PUT_CHANGED:
                changed += 1
            elif put == PUT_REFUSED or put == PUT_NAN:
                break
        if slot != NULL:
            zset_changed(call.database, slot_entry(slot), &set)
        elif added == 0 or keyspace_add(keyspace, call.database, call.argv[1], call_hash(call, 1), zset_value(&set)) == NULL:
            sorted_set_free(&set)
            added = 0
            put = PUT_REFUSED
    if pairs > 1:
        heap_promise_end(keyspace.heap)
    if added or changed:
        keyspace_touched(keyspace, call.database, call.argv[1])
        keyspace_event(keyspace, call.database, EVENT_ZSET, b"zincr" if options & ADD_INCR else b"zadd", call.argv[1])
        keyspace.dirty += added + changed
    if put == PUT_REFUSED:
        error_memory(call)
    elif put == PUT_NAN:
        reply_error(call.reply, b"ERR resulting score is not a number (NaN)")
    elif not options & ADD_INCR:
        reply_integer(call.reply, added + changed if options & ADD_CH else added)
    elif put == PUT_NOTHING:
        reply_null(call.reply)
    else:
        reply_double(call.reply, result)


cdef void cmd_zadd(Call* call) noexcept nogil:
    cdef uint32_t options
    cdef size_t first
    if _add_options(call, 0, &options, &first):
        zset_add(call, options, first)


cdef void cmd_zincrby(Call* call) noexcept nogil:
    # Option words are words here as well, for which there is no room.
    cdef uint32_t options
    cdef size_t first
    if _add_options(call, ADD_INCR, &options, &first):
        zset_add(call, options, first)


# ---- single members

cdef void cmd_zcard(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    if _read(call, 1, &set, &found):
        reply_integer(call.reply, <int64_t>sorted_set_count(&set) if found else 0)


cdef Outcome zset_score_fast(Keyspace* keyspace, Database* database, Slice key, Slice member, double* score_out) noexcept nogil:
    cdef Entry* entry = keyspace_find(keyspace, database, key, keyspace_hash(keyspace, key), 0)
    cdef SortedSet set
    if entry == NULL:
        return NOT_FOUND
    if entry_type(entry) != TYPE_ZSET:
        return INVALID
    set = zset_of(keyspace, entry)
    return OK if sorted_set_score(&set, member, score_out) else NOT_FOUND


cdef inline void _reply_score(Call* call, const SortedSet* set, bint found, Slice member) noexcept nogil:
    cdef double score = 0
    if found and sorted_set_score(set, member, &score):
        reply_double(call.reply, score)
    else:
        reply_null(call.reply)


cdef void cmd_zscore(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    if _read(call, 1, &set, &found):
        _reply_score(call, &set, found, call.argv[2])


cdef void cmd_zmscore(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    cdef size_t i
    if not _read(call, 1, &set, &found):
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        _reply_score(call, &set, found, call.argv[i])


cdef void _rank(Call* call, bint reverse) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    cdef bint with_score = False
    cdef uint64_t rank
    cdef double score
    if call.argc > 4:
        reply_error(call.reply, b"ERR wrong number of arguments for 'zrevrank' command" if reverse
                    else b"ERR wrong number of arguments for 'zrank' command")
        return
    if call.argc == 4:
        if not slice_is(call.argv[3], b"WITHSCORE"):
            error_syntax(call)
            return
        with_score = True
    if not _read(call, 1, &set, &found):
        return
    if not found or not sorted_set_rank(&set, call.argv[2], reverse, &rank, &score):
        if with_score:
            reply_null_array(call.reply)
        else:
            reply_null(call.reply)
        return
    if with_score:
        reply_array(call.reply, 2)
    reply_integer(call.reply, <int64_t>rank)
    if with_score:
        reply_double(call.reply, score)


cdef void cmd_zrank(Call* call) noexcept nogil:
    _rank(call, False)


cdef void cmd_zrevrank(Call* call) noexcept nogil:
    _rank(call, True)


cdef void cmd_zrem(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef TableSlot slot = call_find_write_type(call, 1, TYPE_ZSET, &wrong_type)
    cdef SortedSet set
    cdef int64_t removed = 0
    cdef size_t i
    if wrong_type:
        return
    if slot == NULL:
        reply_zero(call.reply)
        return
    set = zset_of(call.keyspace, slot_entry(slot))
    for i in range(2, call.argc):
        if sorted_set_remove(&set, call.argv[i]):
            removed += 1
            if sorted_set_count(&set) == 0:
                break
    if removed:
        zset_write_back(call, 1, slot, &set, b"zrem")
        call.keyspace.dirty += removed
    reply_integer(call.reply, removed)


# ---- the ends

cdef int64_t zset_pop(Call* call, size_t index, TableSlot slot, bint highest, uint64_t count, int shape) noexcept nogil:
    cdef SortedSet set = zset_of(call.keyspace, slot_entry(slot))
    cdef SortedCursor cursor
    cdef uint64_t total = sorted_set_count(&set)
    cdef uint64_t i
    cdef const char* event = b"zpopmax" if highest else b"zpopmin"
    if count > total:
        count = total
    if shape == POP_PAIRS:
        reply_array(call.reply, <int64_t>count)
    elif shape == POP_FLAT:
        reply_array(call.reply, <int64_t>(2 * count))
    else:
        reply_array(call.reply, <int64_t>(2 * count + 1))
        reply_bulk(call.reply, call.argv[index])
    sorted_set_at(&set, total - 1 if highest else 0, &cursor)
    for i in range(count):
        if shape == POP_PAIRS:
            reply_array(call.reply, 2)
        reply_bulk(call.reply, cursor.member)
        reply_double(call.reply, cursor.score)
        if i + 1 < count:
            if highest:
                sorted_set_previous(&cursor)
            else:
                sorted_set_next(&cursor)
    if unlikely(call.reply.buffer.failed):
        return 0                             # what cannot be told of stays
    call.keyspace.dirty += count
    if count == total:
        zset_drop(call, index, slot, event)
    else:
        sorted_set_remove_ranks(&set, total - count if highest else 0, count)
        sorted_set_prefetch_end(&set, highest)
        zset_write_back(call, index, slot, &set, event)
    return <int64_t>count


cdef void _pop(Call* call, bint highest) noexcept nogil:
    cdef int64_t count = 1
    cdef bint wrong_type
    cdef TableSlot slot
    if call.argc > 3:
        error_syntax(call)
        return
    if call.argc == 3 and (not parse_integer(call.argv[2], &count) or count < 0):
        reply_error(call.reply, b"ERR value is out of range, must be positive")
        return
    slot = call_find_write_type(call, 1, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return
    if slot == NULL or count == 0:
        reply_array(call.reply, 0)
        return
    zset_pop(call, 1, slot, highest, <uint64_t>count,
             POP_PAIRS if call.argc == 3 and call.reply.resp >= 3 else POP_FLAT)


cdef void cmd_zpopmin(Call* call) noexcept nogil:
    _pop(call, False)


cdef void cmd_zpopmax(Call* call) noexcept nogil:
    _pop(call, True)


cdef bint _mpop_options(Call* call, size_t numkeys_at, size_t* keys_out, bint* highest_out, int64_t* count_out) noexcept nogil:
    """numkeys key [key ...] MIN|MAX [COUNT count]; False after an error."""
    cdef int64_t keys
    cdef bint counted = False
    cdef size_t i
    count_out[0] = 1
    if not parse_integer(call.argv[numkeys_at], &keys) or keys < 1:
        reply_error(call.reply, b"ERR numkeys should be greater than 0")
        return False
    if <uint64_t>keys >= call.argc - numkeys_at - 1:
        error_syntax(call)
        return False
    i = numkeys_at + <size_t>keys + 1
    highest_out[0] = slice_is(call.argv[i], b"MAX")
    if not highest_out[0] and not slice_is(call.argv[i], b"MIN"):
        error_syntax(call)
        return False
    i += 1
    while i < call.argc:
        if counted or i + 1 == call.argc or not slice_is(call.argv[i], b"COUNT"):
            error_syntax(call)
            return False
        if not parse_integer(call.argv[i + 1], count_out) or count_out[0] < 1:
            reply_error(call.reply, b"ERR count should be greater than 0")
            return False
        counted = True
        i += 2
    keys_out[0] = <size_t>keys
    return True


cdef bint _pop_first(Call* call, size_t first, size_t keys, bint highest, int64_t count) noexcept nogil:
    """Pop from the first of the keys that exists: `count` members (an array of key and pairs), or with count 0 one
    (an array of key, member and score). True when a reply was written, WRONGTYPE included."""
    cdef bint wrong_type
    cdef TableSlot slot
    cdef size_t i
    for i in range(first, first + keys):
        slot = call_find_write_type(call, i, TYPE_ZSET, &wrong_type)
        if wrong_type:
            return True
        if slot == NULL:
            continue
        if count:
            reply_array(call.reply, 2)
            reply_bulk(call.reply, call.argv[i])
            zset_pop(call, i, slot, highest, <uint64_t>count, POP_PAIRS)
        else:
            zset_pop(call, i, slot, highest, 1, POP_BEHIND_KEY)
        return True
    return False


cdef void cmd_zmpop(Call* call) noexcept nogil:
    cdef size_t keys
    cdef int64_t count
    cdef bint highest
    if _mpop_options(call, 1, &keys, &highest, &count) and not _pop_first(call, 2, keys, highest, count):
        reply_null_array(call.reply)


# ---- the forms that wait

cdef inline void _wait(Call* call, size_t first, size_t keys, int64_t deadline_ms) noexcept nogil:
    if call_may_block(call):
        call_block(call, TYPE_ZSET, first, keys, deadline_ms)
    else:
        reply_null_array(call.reply)


cdef void _blocking_pop(Call* call, bint highest) noexcept nogil:
    cdef int64_t deadline_ms
    cdef size_t keys = call.argc - 2
    if call_timeout(call, call.argc - 1, &deadline_ms) and not _pop_first(call, 1, keys, highest, 0):
        _wait(call, 1, keys, deadline_ms)


cdef void cmd_bzpopmin(Call* call) noexcept nogil:
    _blocking_pop(call, False)


cdef void cmd_bzpopmax(Call* call) noexcept nogil:
    _blocking_pop(call, True)


cdef void cmd_bzmpop(Call* call) noexcept nogil:
    cdef size_t keys
    cdef int64_t count, deadline_ms
    cdef bint highest
    if not _mpop_options(call, 2, &keys, &highest, &count) or not call_timeout(call, 1, &deadline_ms):
        return
    if not _pop_first(call, 3, keys, highest, count):
        _wait(call, 3, keys, deadline_ms)


# ---- random members

cdef inline void _reply_member(Reply* reply, const SortedCursor* cursor, bint with_scores) noexcept nogil:
    if with_scores and reply.resp >= 3:
        reply_array(reply, 2)
    reply_bulk(reply, cursor.member)
    if with_scores:
        reply_double(reply, cursor.score)


cdef int _compare_ranks(const void* one, const void* two) noexcept nogil:
    cdef uint64_t a = (<const uint64_t*>one)[0]
    cdef uint64_t b = (<const uint64_t*>two)[0]
    return (a > b) - (a < b)


cdef void _draw_ranks(Call* call, uint64_t* ranks, uint64_t count, uint64_t total) noexcept nogil:
    """`count` different ranks below `total` in random order: draw, sort out the doubles, draw that many again.
    What is kept are the first `count` different ones of an endless row of fair draws."""
    cdef uint64_t have = 0
    cdef uint64_t i, kept, other
    while have < count:
        for i in range(have, count):
            ranks[i] = random_below(call.keyspace.random, total)
        qsort(ranks, count, sizeof(uint64_t), _compare_ranks)
        kept = 1
        for i in range(1, count):
            if ranks[i] != ranks[kept - 1]:
                ranks[kept] = ranks[i]
                kept += 1
        have = kept
    for i in range(count - 1, 0, -1):
        other = random_below(call.keyspace.random, i + 1)
        ranks[i], ranks[other] = ranks[other], ranks[i]


cdef void _sample(Call* call, SortedSet* set, uint64_t count, bint with_scores) noexcept nogil:
    """`count` different members, fewer than there are: where they are few of many by drawing ranks, else in
    one walk that takes each with the chance it then has (Knuth's algorithm S)."""
    cdef uint64_t total = sorted_set_count(set)
    cdef SortedCursor cursor
    cdef uint64_t* ranks = NULL
    cdef uint64_t i
    if set.pack == NULL and count < total // 16:
        ranks = <uint64_t*>heap_try_alloc(call.keyspace.heap, count * sizeof(uint64_t))
    if ranks != NULL:
        _draw_ranks(call, ranks, count, total)
        for i in range(count):
            sorted_set_at(set, ranks[i], &cursor)
            _reply_member(call.reply, &cursor, with_scores)
        heap_free(call.keyspace.heap, ranks, count * sizeof(uint64_t))
        return
    sorted_set_at(set, 0, &cursor)
    while count:
        if random_below(call.keyspace.random, total) < count:
            _reply_member(call.reply, &cursor, with_scores)
            count -= 1
        total -= 1
        if count:
            sorted_set_next(&cursor)


cdef void _random_members(Call* call, SortedSet* set, int64_t wanted, bint with_scores) noexcept nogil:
    cdef SortedCursor cursor
    cdef uint64_t total = sorted_set_count(set)
    cdef uint64_t count = <uint64_t>wanted if wanted >= 0 else <uint64_t>-wanted
    cdef bint more
    if wanted >= 0 and count > total:
        count = total
    reply_array(call.reply, <int64_t>(2 * count if with_scores and call.reply.resp < 3 else count))
    if count == 0:
        return
    if wanted < 0:
        # A reply too long for the machine ends the loop.
        while count and not call.reply.buffer.failed:
            sorted_set_random(set, call.keyspace.random, &cursor)
            _reply_member(call.reply, &cursor, with_scores)
            count -= 1
    elif count == total:
        more = sorted_set_at(set, total - 1, &cursor)
        while more:
            _reply_member(call.reply, &cursor, with_scores)
            more = sorted_set_previous(&cursor)
    else:
        _sample(call, set, count, with_scores)


cdef void cmd_zrandmember(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef SortedCursor cursor
    cdef bint found
    cdef int64_t count
    if call.argc == 2:
        if not _read(call, 1, &set, &found):
            return
        if found and sorted_set_random(&set, call.keyspace.random, &cursor):
            reply_bulk(call.reply, cursor.member)
        else:
            reply_null(call.reply)
        return
    if not call_integer(call, 2, &count):
        return
    if count == INT64_MIN:
        reply_error(call.reply, b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
        return
    if call.argc > 4 or (call.argc == 4 and not slice_is(call.argv[3], b"WITHSCORES")):
        error_syntax(call)
        return
    if call.argc == 4 and (count < -(INT64_MAX // 2) or count > INT64_MAX // 2):
        reply_error(call.reply, b"ERR value is out of range")
        return
    if not _read(call, 1, &set, &found):
        return
    if not found:
        reply_array(call.reply, 0)
        return
    _random_members(call, &set, count, call.argc == 4)


# ---- ZSCAN

cdef struct Listing:
    Reply* reply
    const ScanOptions* options
    int64_t seen
    int64_t words                # written


cdef size_t _scan_text(double score, char* out) noexcept nogil:
    """A score of the big form as ZSCAN spells it: 17 digits, as Redis prints a long double there."""
    cdef int length = snprintf(out, DOUBLE_TEXT_MAX, b"%.17g", score)
    cdef int i
    for i in range(length):
        if out[i] == b',':                   # the host program may have set a locale
            out[i] = b'.'
    return <size_t>length


cdef void _list(Listing* listing, Slice member, double score, bint packed) noexcept nogil:
    cdef char[DOUBLE_TEXT_MAX] text
    listing.seen += 1
    if listing.options.all or glob_matches(listing.options.pattern, member, False):
        reply_bulk(listing.reply, member)
        reply_bulk(listing.reply, slice_of(text, sorted_score_text(score, text) if packed else _scan_text(score, text)))
        listing.words += 2


cdef bint _list_visited(void* context, void* entry) noexcept nogil:
    _list(<Listing*>context, sorted_member_bytes(<SortedMember*>entry), (<SortedMember*>entry).score, False)
    return True


cdef void cmd_zscan(Call* call) noexcept nogil:
    cdef uint64_t cursor
    cdef SortedSet set
    cdef SortedCursor at
    cdef ScanOptions options
    cdef Listing listing
    cdef bint found, more
    cdef int64_t steps
    cdef size_t mark
    if not scan_cursor(call.argv[2], &cursor):
        reply_error(call.reply, b"ERR invalid cursor")
        return
    if not _read(call, 1, &set, &found):
        return
    if not found:
        mark = reply_mark(call.reply)
        reply_array(call.reply, 0)
        scan_insert_cursor(call.reply, mark, 0)
        return
    if not scan_options(call, False, &options):
        return
    listing.reply = call.reply
    listing.options = &options
    listing.seen = 0
    listing.words = 0
    mark = reply_mark(call.reply)
    if set.pack != NULL:
        cursor = 0
        more = sorted_set_at(&set, 0, &at)
        while more:
            _list(&listing, at.member, at.score, True)
            more = sorted_set_next(&at)
    else:
        steps = scan_steps(options.count)
        while True:
            cursor = table_scan(&set.tree.members, cursor, _list_visited, &listing)
            steps -= 1
            if cursor == 0 or steps <= 0 or listing.seen >= options.count:
                break
    reply_array_at(call.reply, mark, listing.words)
    scan_insert_cursor(call.reply, mark, cursor)
