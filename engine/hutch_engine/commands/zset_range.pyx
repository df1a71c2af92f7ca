"""See zset_range.pxd. The order of the checks is Redis's."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.numbers cimport parse_decimal
from hutch_engine.base.outcome cimport OK
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    Call, call_find_read_type, call_find_write_type, call_integer, error_memory, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport reply_array, reply_bulk, reply_double, reply_error, reply_integer, reply_zero
from hutch_engine.keyspace.keyspace cimport zset_of
from hutch_engine.commands.zset cimport zset_drop, zset_store, zset_write_back
from hutch_engine.keyspace.entry cimport TYPE_ZSET, Entry
from hutch_engine.structures.sorted_set cimport (
    ScoreRange, SortedCursor, SortedSet, TextRange, sorted_set_add, sorted_set_at, sorted_set_count, sorted_set_free,
    sorted_set_new, sorted_set_next, sorted_set_previous, sorted_set_remove_ranks, sorted_set_score_ranks,
    sorted_set_text_ranks)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    BY_UNSAID = 0
    BY_RANK = 1
    BY_SCORE = 2
    BY_TEXT = 3

cdef struct Range:
    int by
    bint reverse
    int64_t first                # BY_RANK: as given, negative from the end
    int64_t last
    ScoreRange scores
    TextRange texts


# ---- reading a range's ends

cdef bint _range_score(Slice text, double* value_out, bint* open_out) noexcept nogil:
    open_out[0] = text.length != 0 and text.data[0] == b'('
    if open_out[0]:
        text = slice_of(text.data + 1, text.length - 1)
    return parse_decimal(text, value_out)


cdef bint _range_text(Slice text, Slice* value_out, bint* open_out, int* infinite_out) noexcept nogil:
    infinite_out[0] = 0
    open_out[0] = False
    value_out[0] = slice_of(NULL, 0)
    if text.length == 0:
        return False
    if text.data[0] == b'-' or text.data[0] == b'+':
        # Redis looks for a zero byte behind the sign.
        if text.length > 1 and text.data[1] != 0:
            return False
        infinite_out[0] = -1 if text.data[0] == b'-' else 1
        return True
    if text.data[0] != b'[' and text.data[0] != b'(':
        return False
    open_out[0] = text.data[0] == b'('
    value_out[0] = slice_of(text.data + 1, text.length - 1)
    return True


cdef bint _ends(Call* call, size_t least, size_t most, Range* which) noexcept nogil:
    """The two ends, argv[least] and argv[most]; False after an error."""
    if which.by == BY_RANK:
        return call_integer(call, least, &which.first) and call_integer(call, most, &which.last)
    if which.by == BY_SCORE:
        if (_range_score(call.argv[least], &which.scores.min, &which.scores.min_open)
                and _range_score(call.argv[most], &which.scores.max, &which.scores.max_open)):
            return True
        reply_error(call.reply, b"ERR min or max is not a float")
        return False
    if (_range_text(call.argv[least], &which.texts.min, &which.texts.min_open, &which.texts.min_infinite)
            and _range_text(call.argv[most], &which.texts.max, &which.texts.max_open, &which.texts.max_infinite)):
        return True
    reply_error(call.reply, b"ERR min or max not valid string range item")
    return False


cdef void _ranks(const SortedSet* set, const Range* which, uint64_t* start_out, uint64_t* count_out) noexcept nogil:
    """The run of ranks, counted from the lowest score also in reverse."""
    cdef int64_t total, first, last
    if which.by == BY_SCORE:
        sorted_set_score_ranks(set, &which.scores, start_out, count_out)
        return
    if which.by == BY_TEXT:
        sorted_set_text_ranks(set, &which.texts, which.reverse, start_out, count_out)
        return
    total = <int64_t>sorted_set_count(set)
    first = which.first + total if which.first < 0 else which.first
    last = which.last + total if which.last < 0 else which.last
    if first < 0:
        first = 0
    if last >= total:
        last = total - 1
    if first > last or first >= total:
        start_out[0] = 0
        count_out[0] = 0
        return
    count_out[0] = <uint64_t>(last - first + 1)
    start_out[0] = <uint64_t>(total - 1 - last if which.reverse else first)


cdef void _limit(bint reverse, int64_t offset, int64_t limit, uint64_t* start, uint64_t* count) noexcept nogil:
    """LIMIT: skip `offset` from the side where reading begins (negative: all), keep `limit` (negative: all)."""
    if offset < 0 or <uint64_t>offset >= count[0]:
        count[0] = 0
        return
    count[0] -= <uint64_t>offset
    if not reverse:
        start[0] += <uint64_t>offset
    if limit >= 0 and <uint64_t>limit < count[0]:
        if reverse:
            start[0] += count[0] - <uint64_t>limit
        count[0] = <uint64_t>limit


# ---- reading ranges

cdef void _reply_run(Call* call, const SortedSet* set, uint64_t start, uint64_t count, bint reverse, bint with_scores) noexcept nogil:
    cdef SortedCursor cursor
    cdef bint pairs = with_scores and call.reply.resp >= 3
    reply_array(call.reply, <int64_t>(2 * count if with_scores and not pairs else count))
    if count == 0:
        return
    sorted_set_at(set, start + count - 1 if reverse else start, &cursor)
    while True:
        if pairs:
            reply_array(call.reply, 2)
        reply_bulk(call.reply, cursor.member)
        if with_scores:
            reply_double(call.reply, cursor.score)
        count -= 1
        if count == 0:
            return
        if reverse:
            sorted_set_previous(&cursor)
        else:
            sorted_set_next(&cursor)


cdef void _store_run(Call* call, const SortedSet* set, uint64_t start, uint64_t count, bint counted) noexcept nogil:
    """The run as a new value of key argv[1]; `set` (NULL: there is none) may be that key's old one."""
    cdef SortedSet result
    cdef SortedCursor cursor
    cdef bint more
    # Redis does not know beforehand how many BYSCORE and BYLEX find: the first ones are packed, where -0 is 0, even if
    # they become a tree with those that follow.
    cdef uint64_t packed = 0 if counted else call.keyspace.limits.zset_entries
    sorted_set_new(&result, call.keyspace.heap, &call.keyspace.hash_key, call.keyspace.limits.zset_entries,
                   call.keyspace.limits.zset_value_bytes, count, 0)
    more = count != 0 and sorted_set_at(set, start, &cursor)
    while more:
        if packed and cursor.member.length > call.keyspace.limits.zset_value_bytes:
            packed = 0
        if sorted_set_add(&result, cursor.member, 0 if packed and cursor.score == 0 else cursor.score) != OK:
            sorted_set_free(&result)
            error_memory(call)
            return
        packed -= packed != 0
        count -= 1
        more = count != 0 and sorted_set_next(&cursor)
    zset_store(call, 1, &result, b"zrangestore")


cdef void _range(Call* call, int by, int reverse, bint store) noexcept nogil:
    """All the range commands: `by` may be BY_UNSAID and `reverse` -1, where option words say them."""
    cdef Range which
    cdef size_t key = 2 if store else 1
    cdef size_t least = key + 1
    cdef size_t most = key + 2
    cdef size_t i = key + 3
    cdef int64_t offset = 0
    cdef int64_t limit = -1
    cdef bint with_scores = False
    cdef bint wrong_type
    cdef Entry* entry
    cdef SortedSet set
    cdef uint64_t start = 0
    cdef uint64_t count = 0
    while i < call.argc:
        if not store and slice_is(call.argv[i], b"WITHSCORES"):
            with_scores = True
        elif slice_is(call.argv[i], b"LIMIT") and i + 2 < call.argc:
            if not call_integer(call, i + 1, &offset) or not call_integer(call, i + 2, &limit):
                return
            i += 2
        elif reverse < 0 and slice_is(call.argv[i], b"REV"):
            reverse = 1
        elif by == BY_UNSAID and slice_is(call.argv[i], b"BYLEX"):
            by = BY_TEXT
        elif by == BY_UNSAID and slice_is(call.argv[i], b"BYSCORE"):
            by = BY_SCORE
        else:
            error_syntax(call)
            return
        i += 1
    which.by = BY_RANK if by == BY_UNSAID else by
    which.reverse = reverse > 0
    if limit != -1 and which.by == BY_RANK:
        reply_error(call.reply, b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        return
    if with_scores and which.by == BY_TEXT:
        reply_error(call.reply, b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        return
    if which.reverse and which.by != BY_RANK:
        least, most = most, least
    if not _ends(call, least, most, &which):
        return
    entry = call_find_read_type(call, key, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return
    if entry != NULL:
        set = zset_of(call.keyspace, entry)
        _ranks(&set, &which, &start, &count)
        if which.by != BY_RANK:
            _limit(which.reverse, offset, limit, &start, &count)
    if store:
        _store_run(call, &set, start, count, which.by == BY_RANK)
    elif entry == NULL:
        reply_array(call.reply, 0)
    else:
        _reply_run(call, &set, start, count, which.reverse, with_scores)


cdef void cmd_zrange(Call* call) noexcept nogil:
    _range(call, BY_UNSAID, -1, False)


cdef void cmd_zrangestore(Call* call) noexcept nogil:
    _range(call, BY_UNSAID, -1, True)


cdef void cmd_zrevrange(Call* call) noexcept nogil:
    _range(call, BY_RANK, 1, False)


cdef void cmd_zrangebyscore(Call* call) noexcept nogil:
    _range(call, BY_SCORE, 0, False)


cdef void cmd_zrevrangebyscore(Call* call) noexcept nogil:
    _range(call, BY_SCORE, 1, False)


cdef void cmd_zrangebylex(Call* call) noexcept nogil:
    _range(call, BY_TEXT, 0, False)


cdef void cmd_zrevrangebylex(Call* call) noexcept nogil:
    _range(call, BY_TEXT, 1, False)


# ---- counting and removing

cdef void _count(Call* call, int by) noexcept nogil:
    cdef Range which
    cdef bint wrong_type
    cdef Entry* entry
    cdef SortedSet set
    cdef uint64_t start, count
    which.by = by
    which.reverse = False
    if not _ends(call, 2, 3, &which):
        return
    entry = call_find_read_type(call, 1, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return
    if entry == NULL:
        reply_zero(call.reply)
        return
    set = zset_of(call.keyspace, entry)
    _ranks(&set, &which, &start, &count)
    reply_integer(call.reply, <int64_t>count)


cdef void cmd_zcount(Call* call) noexcept nogil:
    _count(call, BY_SCORE)


cdef void cmd_zlexcount(Call* call) noexcept nogil:
    _count(call, BY_TEXT)


cdef void _remove(Call* call, int by, const char* event) noexcept nogil:
    cdef Range which
    cdef bint wrong_type
    cdef TableSlot slot
    cdef SortedSet set
    cdef uint64_t start, count
    which.by = by
    which.reverse = False
    if not _ends(call, 2, 3, &which):
        return
    slot = call_find_write_type(call, 1, TYPE_ZSET, &wrong_type)
    if wrong_type:
        return
    if slot == NULL:
        reply_zero(call.reply)
        return
    set = zset_of(call.keyspace, slot_entry(slot))
    _ranks(&set, &which, &start, &count)
    if count == sorted_set_count(&set):
        zset_drop(call, 1, slot, event)
    elif count:
        sorted_set_remove_ranks(&set, start, count)
        zset_write_back(call, 1, slot, &set, event)
    call.keyspace.dirty += count
    reply_integer(call.reply, <int64_t>count)


cdef void cmd_zremrangebyrank(Call* call) noexcept nogil:
    _remove(call, BY_RANK, b"zremrangebyrank")


cdef void cmd_zremrangebyscore(Call* call) noexcept nogil:
    _remove(call, BY_SCORE, b"zremrangebyscore")


cdef void cmd_zremrangebylex(Call* call) noexcept nogil:
    _remove(call, BY_TEXT, b"zremrangebylex")
