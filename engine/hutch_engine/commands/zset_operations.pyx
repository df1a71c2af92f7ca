"""See zset_operations.pxd.

The result is gathered in a table first, and put in order once its scores are final."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport parse_double, parse_integer
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    Call, call_find_read, call_integer, error_memory, error_syntax, error_wrong_type)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_double, reply_error, reply_error_parts, reply_integer)
from hutch_engine.keyspace.keyspace cimport zset_of
from hutch_engine.commands.zset cimport zset_store
from hutch_engine.keyspace.entry cimport TYPE_SET, TYPE_ZSET, Entry, entry_encoding, entry_pointer, entry_type
from hutch_engine.structures.set cimport Set, set_contains, set_each, set_length, set_of
from hutch_engine.structures.listpack cimport LISTPACK_SAFE_BYTES
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_free, sorted_set_new, sorted_set_next,
    sorted_set_score, sorted_set_to_pack)
from hutch_engine.structures.sorted_tree cimport (
    SortedMember, sorted_tree_find, sorted_tree_gather, sorted_tree_order)
from hutch_engine.structures.table cimport table_hash

cdef enum Operation:
    UNION = 0
    INTERSECTION = 1
    DIFFERENCE = 2

cdef enum Aggregate:
    AGGREGATE_SUM = 0
    AGGREGATE_MIN = 1
    AGGREGATE_MAX = 2

cdef struct Source:
    int type                     # TYPE_ZSET, TYPE_SET, or -1: no such key
    const Entry* entry           # borrowed
    SortedSet sorted
    Set plain
    uint64_t count
    double weight

cdef struct Work:                # an operation under way
    Call* call
    Source* sources              # owned
    uint64_t source_count
    Source* current              # whose members are being visited
    int operation
    int aggregate
    bint with_scores
    bint counting                # ZINTERCARD: nothing is gathered
    uint64_t limit               # of ZINTERCARD; 0: none
    uint64_t found               # members of the result
    size_t longest               # bytes of the longest, and of all together
    uint64_t bytes
    SortedSet result
    bint refused

# Return False to stop.
ctypedef bint (*MemberVisitor)(Work* work, Slice member, double score) noexcept nogil

cdef struct SetWalk:
    Work* work
    MemberVisitor visit


# ---- sources

cdef bint _walk_visited(void* context, Slice member) noexcept nogil:
    cdef SetWalk* walk = <SetWalk*>context
    return walk.visit(walk.work, member, 1.0)


cdef void _each(Work* work, Source* source, MemberVisitor visit) noexcept nogil:
    cdef SortedCursor cursor
    cdef SetWalk walk
    cdef bint more
    work.current = source
    if source.type == TYPE_SET:
        walk.work = work
        walk.visit = visit
        set_each(source.plain, _walk_visited, &walk)
    elif source.type == TYPE_ZSET:
        more = sorted_set_at(&source.sorted, 0, &cursor)
        while more:
            if not visit(work, cursor.member, cursor.score):
                return
            more = sorted_set_next(&cursor)


cdef inline bint _lookup(Source* source, Slice member, double* score_out) noexcept nogil:
    if source.type == TYPE_ZSET:
        return sorted_set_score(&source.sorted, member, score_out)
    score_out[0] = 1.0
    return source.type == TYPE_SET and set_contains(source.plain, member)


cdef bint _open_source(Work* work, Source* source, size_t index) noexcept nogil:
    """False when WRONGTYPE was written."""
    cdef Call* call = work.call
    cdef const Entry* entry = call_find_read(call, index)
    source.entry = entry
    source.weight = 1.0
    source.count = 0
    source.type = -1
    if entry == NULL:
        return True
    source.type = entry_type(entry)
    if source.type == TYPE_ZSET:
        source.sorted = zset_of(call.keyspace, entry)
        source.count = sorted_set_count(&source.sorted)
    elif source.type == TYPE_SET:
        source.plain = set_of(entry_encoding(entry), entry_pointer(entry))
        source.count = set_length(source.plain)
    else:
        error_wrong_type(call)
        return False
    return True


cdef void _smallest_first(Source* sources, uint64_t count) noexcept nogil:
    """Stable: equal ones keep their order, on which sums of floating-point numbers depend. Sources are few."""
    cdef Source held
    cdef uint64_t i, j
    for i in range(1, count):
        if sources[i].count >= sources[i - 1].count:
            continue
        held = sources[i]
        j = i
        while j and sources[j - 1].count > held.count:
            sources[j] = sources[j - 1]
            j -= 1
        sources[j] = held


# ---- the operations

cdef inline double _aggregated(int how, double one, double two) noexcept nogil:
    cdef double sum
    if how == AGGREGATE_SUM:
        sum = one + two
        return sum if sum == sum else 0.0    # inf - inf
    if how == AGGREGATE_MIN:
        return two if two < one else one
    return two if two > one else one


cdef inline double _weighted(const Source* source, double score) noexcept nogil:
    score *= source.weight
    return score if score == score else 0.0  # 0 * inf


cdef bint _gather(Work* work, Slice member, double score, uint64_t hash) noexcept nogil:
    if sorted_tree_gather(work.result.tree, score, member, hash) == NULL:
        work.refused = True
        return False
    work.found += 1
    work.bytes += member.length
    if member.length > work.longest:
        work.longest = member.length
    return True


cdef bint _unite(Work* work, Slice member, double score) noexcept nogil:
    cdef uint64_t hash = table_hash(&work.result.tree.members, member)
    cdef SortedMember* known = sorted_tree_find(work.result.tree, member, hash)
    score = _weighted(work.current, score)
    if known == NULL:
        return _gather(work, member, score, hash)
    known.score = _aggregated(work.aggregate, known.score, score)
    return True


cdef bint _intersect(Work* work, Slice member, double score) noexcept nogil:
    cdef Source* source
    cdef double other
    cdef double total = _weighted(work.current, score)
    cdef uint64_t i
    for i in range(1, work.source_count):
        source = &work.sources[i]
        if source.entry == work.current.entry:
            other = score                    # the same key given twice
        elif not _lookup(source, member, &other):
            return True
        total = _aggregated(work.aggregate, total, source.weight * other)
    if work.counting:
        work.found += 1
        return work.found != work.limit
    return _gather(work, member, total, table_hash(&work.result.tree.members, member))


cdef bint _subtract(Work* work, Slice member, double score) noexcept nogil:
    cdef double other
    cdef uint64_t i
    for i in range(1, work.source_count):
        if work.sources[i].entry == work.current.entry or _lookup(&work.sources[i], member, &other):
            return True
    return _gather(work, member, score, table_hash(&work.result.tree.members, member))


cdef void _run(Work* work) noexcept nogil:
    cdef uint64_t i
    if work.operation == UNION:
        for i in range(work.source_count):
            _each(work, &work.sources[i], _unite)
            if work.refused:
                return
    elif work.operation == INTERSECTION:
        if work.sources[0].count:            # the smallest
            _each(work, &work.sources[0], _intersect)
    elif work.sources[0].count:
        _each(work, &work.sources[0], _subtract)


# ---- words and answers

cdef bint _options(Work* work, size_t i, bint store) noexcept nogil:
    """The words behind the keys; False after an error."""
    cdef Call* call = work.call
    cdef bint combining = work.operation != DIFFERENCE and not work.counting
    cdef int64_t limit
    cdef uint64_t j
    while i < call.argc:
        if combining and call.argc - i >= work.source_count + 1 and slice_is(call.argv[i], b"WEIGHTS"):
            for j in range(work.source_count):
                if not parse_double(call.argv[i + 1 + j], &work.sources[j].weight):
                    reply_error(call.reply, b"ERR weight value is not a float")
                    return False
            i += 1 + work.source_count
        elif combining and call.argc - i >= 2 and slice_is(call.argv[i], b"AGGREGATE"):
            if slice_is(call.argv[i + 1], b"SUM"):
                work.aggregate = AGGREGATE_SUM
            elif slice_is(call.argv[i + 1], b"MIN"):
                work.aggregate = AGGREGATE_MIN
            elif slice_is(call.argv[i + 1], b"MAX"):
                work.aggregate = AGGREGATE_MAX
            else:
                error_syntax(call)
                return False
            i += 2
        elif not store and not work.counting and slice_is(call.argv[i], b"WITHSCORES"):
            work.with_scores = True
            i += 1
        elif work.counting and call.argc - i >= 2 and slice_is(call.argv[i], b"LIMIT"):
            if not parse_integer(call.argv[i + 1], &limit) or limit < 0:
                reply_error(call.reply, b"ERR LIMIT can't be negative")
                return False
            work.limit = <uint64_t>limit
            i += 2
        else:
            error_syntax(call)
            return False
    return True


cdef void _answer(Work* work) noexcept nogil:
    cdef Call* call = work.call
    cdef SortedCursor cursor
    cdef bint pairs = work.with_scores and call.reply.resp >= 3
    cdef bint more
    reply_array(call.reply, <int64_t>(2 * work.found if work.with_scores and not pairs else work.found))
    more = sorted_set_at(&work.result, 0, &cursor)
    while more:
        if pairs:
            reply_array(call.reply, 2)
        reply_bulk(call.reply, cursor.member)
        if work.with_scores:
            reply_double(call.reply, cursor.score)
        more = sorted_set_next(&cursor)


cdef void _finish(Work* work, const char* event) noexcept nogil:
    """Order the result and answer or store (`event` not NULL) it."""
    sorted_tree_order(work.result.tree)
    if event == NULL:
        _answer(work)
        sorted_set_free(&work.result)
        return
    # Where memory for the packed form is refused, the big one serves as well.
    if (work.found <= work.result.max_entries and work.longest <= work.result.max_bytes
            and work.bytes < LISTPACK_SAFE_BYTES // 2):
        sorted_set_to_pack(&work.result)
    zset_store(work.call, 1, &work.result, event)


cdef void _operate(Call* call, int operation, size_t numkeys, const char* event, bint counting) noexcept nogil:
    """argv[numkeys] says how many keys follow; `event` is the *STORE forms'."""
    cdef Work work
    cdef int64_t keys
    cdef uint64_t i
    cdef size_t bytes
    if not call_integer(call, numkeys, &keys):
        return
    if keys < 1:
        reply_error_parts(call.reply, b"ERR at least 1 input key is needed for '",
                          slice_of(call.command.name, call.command.name_length), b"' command")
        return
    if <uint64_t>keys > call.argc - numkeys - 1:
        error_syntax(call)
        return
    work.call = call
    work.source_count = <uint64_t>keys
    work.operation = operation
    work.aggregate = AGGREGATE_SUM
    work.with_scores = False
    work.counting = counting
    work.limit = 0
    work.found = 0
    work.longest = 0
    work.bytes = 0
    work.refused = False
    bytes = work.source_count * sizeof(Source)
    work.sources = <Source*>heap_try_alloc(call.keyspace.heap, bytes)
    if work.sources == NULL:
        error_memory(call)
        return
    for i in range(work.source_count):
        if not _open_source(&work, &work.sources[i], numkeys + 1 + i):
            heap_free(call.keyspace.heap, work.sources, bytes)
            return
    if not _options(&work, numkeys + 1 + work.source_count, event != NULL):
        heap_free(call.keyspace.heap, work.sources, bytes)
        return
    if operation != DIFFERENCE:
        _smallest_first(work.sources, work.source_count)
    if not counting:
        sorted_set_new(&work.result, call.keyspace.heap, &call.keyspace.hash_key, 0, 0, 1, 1)     # the big form
        work.result.max_entries = call.keyspace.limits.zset_entries
        work.result.max_bytes = call.keyspace.limits.zset_value_bytes
    _run(&work)
    heap_free(call.keyspace.heap, work.sources, bytes)
    if counting:
        reply_integer(call.reply, <int64_t>work.found)
    elif work.refused:
        sorted_set_free(&work.result)
        error_memory(call)
    else:
        _finish(&work, event)


cdef void cmd_zunion(Call* call) noexcept nogil:
    _operate(call, UNION, 1, NULL, False)


cdef void cmd_zinter(Call* call) noexcept nogil:
    _operate(call, INTERSECTION, 1, NULL, False)


cdef void cmd_zdiff(Call* call) noexcept nogil:
    _operate(call, DIFFERENCE, 1, NULL, False)


cdef void cmd_zunionstore(Call* call) noexcept nogil:
    _operate(call, UNION, 2, b"zunionstore", False)


cdef void cmd_zinterstore(Call* call) noexcept nogil:
    _operate(call, INTERSECTION, 2, b"zinterstore", False)


cdef void cmd_zdiffstore(Call* call) noexcept nogil:
    _operate(call, DIFFERENCE, 2, b"zdiffstore", False)


cdef void cmd_zintercard(Call* call) noexcept nogil:
    _operate(call, INTERSECTION, 1, NULL, True)
