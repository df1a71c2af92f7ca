"""See sorted_set.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_block_bytes
from hutch_engine.base.numbers cimport (
    DOUBLE_TEXT_MAX, INTEGER_TEXT_MAX, format_double, format_integer, parse_double)
from hutch_engine.base.outcome cimport NO_MEMORY, OK, Outcome
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.base.slice cimport Slice, slice_compare, slice_of
from hutch_engine.structures.listpack cimport (
    LISTPACK_BEFORE, LISTPACK_SAFE_BYTES, Listpack, ListpackValue, listpack_append, listpack_bytes, listpack_copy,
    listpack_delete_range, listpack_find, listpack_first, listpack_free, listpack_get, listpack_insert, listpack_last,
    listpack_length, listpack_new, listpack_next, listpack_previous, listpack_replace, listpack_seek, listpack_text)
from hutch_engine.structures.sorted_tree cimport (
    SortedMember, SortedTree, sorted_member_bytes, sorted_path_next, sorted_path_previous, sorted_tree_add, sorted_tree_at,
    sorted_tree_before_score, sorted_tree_before_text, sorted_tree_copy, sorted_tree_count, sorted_tree_find,
    sorted_tree_free, sorted_tree_memory, sorted_tree_new, sorted_tree_prefetch_end, sorted_tree_rank, sorted_tree_remove,
    sorted_tree_remove_ranks, sorted_tree_reserve, sorted_tree_set_score)
from hutch_engine.structures.table cimport table_hash

cdef enum:
    LEB128_MAX = 10
    TREE_BYTES = 4096            # of one that is small
    PACKED_GROWTH = 16           # a member and its score, of 4 bytes in a listpack, take up to 64 in a tree
    SAFE_INTEGER = 4611686018427387903       # Redis's double2ll spells scores as integers up to half of LLONG_MAX


# ---- the packed form's elements

cdef size_t sorted_score_text(double score, char* out) noexcept nogil:
    cdef int64_t integer
    if -<double>SAFE_INTEGER <= score <= <double>SAFE_INTEGER:
        integer = <int64_t>score
        if <double>integer == score:
            return format_integer(integer, out)
    return format_double(score, out)


cdef inline double _element_score(const uint8_t* at) noexcept nogil:
    cdef ListpackValue value = listpack_get(at)
    cdef double score = 0
    if value.bytes.data == NULL:
        return <double>value.integer
    parse_double(value.bytes, &score)        # our own spelling, or that of a file which was validated
    return score


cdef inline bint _pair_is_beyond(const uint8_t* at, const uint8_t* score_at, double score, Slice member) noexcept nogil:
    """Does the pair at `at` come behind (score, member)?"""
    cdef char[INTEGER_TEXT_MAX] digits
    cdef double here = _element_score(score_at)
    if here != score:
        return here > score
    return slice_compare(listpack_text(at, digits), member) > 0


cdef bint _pack_insert(SortedSet* set, uint8_t* before, Slice member, double score) noexcept nogil:
    """The pair in front of the element `before`, or at the end. False when refused, unchanged."""
    cdef char[DOUBLE_TEXT_MAX] digits
    cdef Slice text = slice_of(digits, sorted_score_text(score, digits))
    cdef Listpack* pack
    cdef uint8_t* at = NULL
    cdef int64_t index
    if before == NULL:
        pack = listpack_append(set.heap, set.pack, member)
        if pack == NULL:
            return False
        set.pack = pack
        pack = listpack_append(set.heap, pack, text)
        if pack == NULL:
            set.pack = listpack_delete_range(set.heap, set.pack, -1, 1)
            return False
        set.pack = pack
        return True
    pack = listpack_insert(set.heap, set.pack, member, before, LISTPACK_BEFORE, &at)
    if pack == NULL:
        return False
    set.pack = pack
    at = listpack_next(pack, at)             # the element that was `before`
    pack = listpack_insert(set.heap, set.pack, text, at, LISTPACK_BEFORE, &at)
    if pack == NULL:
        index = 0
        while at != NULL:
            at = listpack_next(set.pack, at)
            index += 1
        set.pack = listpack_delete_range(set.heap, set.pack, -index - 1, 1)
        return False
    set.pack = pack
    return True


cdef inline uint8_t* _pack_find(const SortedSet* set, Slice member) noexcept nogil:
    cdef uint8_t* first = listpack_first(set.pack)
    return listpack_find(set.pack, first, member, 1) if first != NULL else NULL


# ---- for everybody

cdef SortedSet sorted_set_of(Heap* heap, const HashKey* hash_key, void* pointer, bint packed) noexcept nogil:
    cdef SortedSet set
    set.heap = heap
    set.hash_key = hash_key
    set.pack = <Listpack*>pointer if packed else NULL
    set.tree = NULL if packed else <SortedTree*>pointer
    set.max_entries = 0
    set.max_bytes = 0
    return set


cdef uint64_t sorted_set_count(const SortedSet* set) noexcept nogil:
    return listpack_length(set.pack) >> 1 if set.pack != NULL else sorted_tree_count(set.tree)


cdef bint sorted_set_score(const SortedSet* set, Slice member, double* score_out) noexcept nogil:
    cdef uint8_t* at
    cdef SortedMember* found
    if set.pack != NULL:
        at = _pack_find(set, member)
        if at == NULL:
            return False
        score_out[0] = _element_score(listpack_next(set.pack, at))
        return True
    found = sorted_tree_find(set.tree, member, table_hash(&set.tree.members, member))
    if found == NULL:
        return False
    score_out[0] = found.score
    return True


cdef inline bint _stand(SortedCursor* cursor) noexcept nogil:
    """Read the pair at cursor.at."""
    if cursor.at == NULL:
        return False
    cursor.member = listpack_text(cursor.at, cursor.digits)
    cursor.score = _element_score(listpack_next(cursor.pack, cursor.at))
    return True


cdef inline bint _stand_on(SortedCursor* cursor, SortedMember* member) noexcept nogil:
    if member == NULL:
        return False
    cursor.member = sorted_member_bytes(member)
    cursor.score = member.score
    return True


cdef bint sorted_set_at(const SortedSet* set, uint64_t rank, SortedCursor* cursor) noexcept nogil:
    cursor.pack = set.pack
    if rank >= sorted_set_count(set):
        return False
    if set.pack != NULL:
        cursor.at = listpack_seek(set.pack, <int64_t>(2 * rank))
        return _stand(cursor)
    return _stand_on(cursor, sorted_tree_at(set.tree, rank, &cursor.path))


cdef bint sorted_set_next(SortedCursor* cursor) noexcept nogil:
    if cursor.pack == NULL:
        return _stand_on(cursor, sorted_path_next(&cursor.path))
    cursor.at = listpack_next(cursor.pack, listpack_next(cursor.pack, cursor.at))
    return _stand(cursor)


cdef bint sorted_set_previous(SortedCursor* cursor) noexcept nogil:
    if cursor.pack == NULL:
        return _stand_on(cursor, sorted_path_previous(&cursor.path))
    cursor.at = listpack_previous(cursor.pack, cursor.at)
    if cursor.at != NULL:
        cursor.at = listpack_previous(cursor.pack, cursor.at)
    return _stand(cursor)


cdef bint sorted_set_random(const SortedSet* set, Random* random, SortedCursor* cursor) noexcept nogil:
    cdef uint64_t count = sorted_set_count(set)
    return count != 0 and sorted_set_at(set, random_below(random, count), cursor)


# ---- ranks

cdef bint sorted_set_rank(const SortedSet* set, Slice member, bint reverse, uint64_t* rank_out, double* score_out) noexcept nogil:
    cdef uint8_t* at
    cdef uint8_t* walk
    cdef SortedMember* found
    cdef uint64_t rank = 0
    if set.pack != NULL:
        at = _pack_find(set, member)
        if at == NULL:
            return False
        score_out[0] = _element_score(listpack_next(set.pack, at))
        walk = listpack_first(set.pack)
        while walk != at:
            walk = listpack_next(set.pack, listpack_next(set.pack, walk))
            rank += 1
    else:
        found = sorted_tree_find(set.tree, member, table_hash(&set.tree.members, member))
        if found == NULL:
            return False
        score_out[0] = found.score
        rank = sorted_tree_rank(set.tree, found)
    rank_out[0] = sorted_set_count(set) - 1 - rank if reverse else rank
    return True


cdef void sorted_set_score_ranks(const SortedSet* set, const ScoreRange* range, uint64_t* start_out, uint64_t* count_out) noexcept nogil:
    cdef uint64_t start = 0
    cdef uint64_t end = 0
    cdef uint8_t* at
    cdef double score
    if set.pack == NULL:
        start = sorted_tree_before_score(set.tree, range.min, range.min_open)
        end = sorted_tree_before_score(set.tree, range.max, not range.max_open)
    else:
        at = listpack_first(set.pack)
        while at != NULL:
            at = listpack_next(set.pack, at)
            score = _element_score(at)
            if score < range.min or (range.min_open and score == range.min):
                start += 1
            if score < range.max or (not range.max_open and score == range.max):
                end += 1
            else:
                break
            at = listpack_next(set.pack, at)
    start_out[0] = start
    count_out[0] = end - start if end > start else 0


cdef inline bint _is_above_min(Slice text, const TextRange* range) noexcept nogil:
    cdef int order
    if range.min_infinite:
        return range.min_infinite < 0
    order = slice_compare(text, range.min)
    return order > 0 if range.min_open else order >= 0


cdef inline bint _is_below_max(Slice text, const TextRange* range) noexcept nogil:
    cdef int order
    if range.max_infinite:
        return range.max_infinite > 0
    order = slice_compare(text, range.max)
    return order < 0 if range.max_open else order <= 0


cdef bint _is_no_text_range(const TextRange* range) noexcept nogil:
    cdef int order
    if range.min_infinite > 0 or range.max_infinite < 0:
        return True
    if range.min_infinite or range.max_infinite:
        return False
    order = slice_compare(range.min, range.max)
    return order > 0 or (order == 0 and (range.min_open or range.max_open))


cdef bint _ends_meet(const SortedSet* set, const TextRange* range) noexcept nogil:
    """Redis asks the first and the last member before it looks at others: with different scores that may
    already say "none"."""
    cdef SortedCursor cursor
    cdef uint64_t total = sorted_set_count(set)
    if total == 0:
        return False
    sorted_set_at(set, total - 1, &cursor)
    if not _is_above_min(cursor.member, range):
        return False
    sorted_set_at(set, 0, &cursor)
    return _is_below_max(cursor.member, range)


cdef void _pack_text_ranks(const SortedSet* set, const TextRange* range, bint reverse, uint64_t* start_out, uint64_t* count_out) noexcept nogil:
    """The run that Redis finds: from one end to the first text inside, and on while they are inside."""
    cdef SortedCursor cursor
    cdef uint64_t rank = sorted_set_count(set) - 1 if reverse else 0
    cdef uint64_t count = 0
    cdef bint more = sorted_set_at(set, rank, &cursor)
    if not reverse:
        while more and not _is_above_min(cursor.member, range):
            more = sorted_set_next(&cursor)
            rank += 1
        while more and _is_below_max(cursor.member, range):
            more = sorted_set_next(&cursor)
            count += 1
        start_out[0] = rank
    else:
        while more and not _is_below_max(cursor.member, range):
            more = sorted_set_previous(&cursor)
            rank -= 1
        while more and _is_above_min(cursor.member, range):
            more = sorted_set_previous(&cursor)
            count += 1
        start_out[0] = rank + 1 - count
    count_out[0] = count


cdef void sorted_set_text_ranks(const SortedSet* set, const TextRange* range, bint reverse, uint64_t* start_out, uint64_t* count_out) noexcept nogil:
    cdef uint64_t start, end
    start_out[0] = 0
    count_out[0] = 0
    if _is_no_text_range(range) or not _ends_meet(set, range):
        return
    if set.pack != NULL:
        _pack_text_ranks(set, range, reverse, start_out, count_out)
        return
    start = 0 if range.min_infinite else sorted_tree_before_text(set.tree, range.min, range.min_open)
    end = (sorted_tree_count(set.tree) if range.max_infinite
           else sorted_tree_before_text(set.tree, range.max, not range.max_open))
    start_out[0] = start
    count_out[0] = end - start if end > start else 0


# ---- changing

cdef void sorted_set_new(SortedSet* set, Heap* heap, const HashKey* hash_key, uint64_t max_entries, uint64_t max_bytes,
                         uint64_t entries, uint64_t bytes) noexcept nogil:
    set.heap = heap
    set.hash_key = hash_key
    set.max_entries = max_entries
    set.max_bytes = max_bytes
    set.pack = NULL
    set.tree = NULL
    if entries <= max_entries and bytes <= max_bytes:
        set.pack = listpack_new(heap)
    else:
        set.tree = sorted_tree_new(heap, hash_key)


cdef void sorted_set_free(SortedSet* set) noexcept nogil:
    if set.pack != NULL:
        listpack_free(set.heap, set.pack)
    elif set.tree != NULL:
        sorted_tree_free(set.heap, set.tree)
    set.pack = NULL
    set.tree = NULL


cdef uint64_t sorted_set_growth_bytes(const SortedSet* set) noexcept nogil:
    return TREE_BYTES + (PACKED_GROWTH * <uint64_t>listpack_bytes(set.pack) if set.pack != NULL else 0)


cdef bint sorted_set_to_tree(SortedSet* set) noexcept nogil:
    cdef SortedTree* tree
    cdef SortedCursor cursor
    cdef bint more
    if set.pack == NULL:
        return True
    tree = sorted_tree_new(set.heap, set.hash_key)
    sorted_tree_reserve(tree, sorted_set_count(set) + 1)
    more = sorted_set_at(set, 0, &cursor)
    while more:
        if not sorted_tree_add(tree, cursor.score, cursor.member, table_hash(&tree.members, cursor.member)):
            sorted_tree_free(set.heap, tree)
            return False
        more = sorted_set_next(&cursor)
    listpack_free(set.heap, set.pack)
    set.pack = NULL
    set.tree = tree
    return True


cdef bint sorted_set_to_pack(SortedSet* set) noexcept nogil:
    cdef SortedSet packed
    cdef SortedCursor cursor
    cdef bint more
    if set.pack != NULL:
        return True
    packed = set[0]
    packed.tree = NULL
    packed.pack = listpack_new(set.heap)
    more = sorted_set_at(set, 0, &cursor)
    while more:
        if not _pack_insert(&packed, NULL, cursor.member, cursor.score):
            listpack_free(set.heap, packed.pack)
            return False
        more = sorted_set_next(&cursor)
    sorted_tree_free(set.heap, set.tree)
    set.tree = NULL
    set.pack = packed.pack
    return True


cdef Outcome sorted_set_add(SortedSet* set, Slice member, double score) noexcept nogil:
    cdef uint8_t* at
    cdef uint8_t* score_at
    invariant(score == score, b"a score is not a number")
    if set.pack != NULL:
        if (sorted_set_count(set) + 1 > set.max_entries or member.length > set.max_bytes
                or listpack_bytes(set.pack) + member.length + DOUBLE_TEXT_MAX + 2 * LEB128_MAX > LISTPACK_SAFE_BYTES):
            if not sorted_set_to_tree(set):
                return NO_MEMORY
    if set.pack == NULL:
        return OK if sorted_tree_add(set.tree, score, member, table_hash(&set.tree.members, member)) else NO_MEMORY
    at = listpack_first(set.pack)
    if at != NULL:
        score_at = listpack_last(set.pack)   # ascending scores need no walk
        if not _pair_is_beyond(listpack_previous(set.pack, score_at), score_at, score, member):
            at = NULL
    while at != NULL:
        score_at = listpack_next(set.pack, at)
        if _pair_is_beyond(at, score_at, score, member):
            break
        at = listpack_next(set.pack, score_at)
    return OK if _pack_insert(set, at, member, score) else NO_MEMORY


cdef Outcome _pack_change(SortedSet* set, Slice member, double score) noexcept nogil:
    cdef uint8_t* old = _pack_find(set, member)
    cdef uint8_t* at = listpack_first(set.pack)
    cdef uint8_t* score_at
    cdef uint8_t* before = NULL
    cdef int64_t index = 0
    cdef int64_t old_index = -1
    cdef int64_t new_index = -1
    cdef Listpack* pack
    cdef char[DOUBLE_TEXT_MAX] digits
    while at != NULL and (old_index < 0 or new_index < 0):
        score_at = listpack_next(set.pack, at)
        if at == old:
            old_index = index
        elif new_index < 0 and _pair_is_beyond(at, score_at, score, member):
            new_index = index
            before = at
        index += 1
        at = listpack_next(set.pack, score_at)
    if new_index < 0:
        new_index = index
    if new_index == old_index or new_index == old_index + 1:
        score_at = listpack_next(set.pack, old)
        pack = listpack_replace(set.heap, set.pack, &score_at, slice_of(digits, sorted_score_text(score, digits)))
        if pack == NULL:
            return NO_MEMORY
        set.pack = pack
        return OK
    # The new pair first: taking the old one out cannot fail.
    if not _pack_insert(set, before, member, score):
        return NO_MEMORY
    if new_index < old_index:
        old_index += 1
    set.pack = listpack_delete_range(set.heap, set.pack, 2 * old_index, 2)
    return OK


cdef Outcome sorted_set_change(SortedSet* set, Slice member, double score) noexcept nogil:
    invariant(score == score, b"a score is not a number")
    if set.pack != NULL:
        return _pack_change(set, member, score)
    sorted_tree_set_score(set.tree, sorted_tree_find(set.tree, member, table_hash(&set.tree.members, member)), score)
    return OK


cdef bint sorted_set_remove(SortedSet* set, Slice member) noexcept nogil:
    cdef double score
    cdef uint8_t* at
    cdef uint8_t* walk
    cdef int64_t index = 0
    if set.pack == NULL:
        return sorted_tree_remove(set.tree, member, table_hash(&set.tree.members, member), &score)
    at = _pack_find(set, member)
    if at == NULL:
        return False
    walk = listpack_first(set.pack)
    while walk != at:
        walk = listpack_next(set.pack, walk)
        index += 1
    set.pack = listpack_delete_range(set.heap, set.pack, index, 2)
    return True


cdef void sorted_set_remove_ranks(SortedSet* set, uint64_t start, uint64_t count) noexcept nogil:
    if set.pack != NULL:
        set.pack = listpack_delete_range(set.heap, set.pack, <int64_t>(2 * start), 2 * count)
    else:
        sorted_tree_remove_ranks(set.tree, start, count)


cdef void sorted_set_prefetch_end(const SortedSet* set, bint highest) noexcept nogil:
    if set.tree != NULL:
        sorted_tree_prefetch_end(set.tree, highest)


cdef bint sorted_set_copy(const SortedSet* set, SortedSet* copy_out) noexcept nogil:
    copy_out[0] = set[0]
    if set.pack != NULL:
        copy_out.pack = listpack_copy(set.heap, set.pack)
        return copy_out.pack != NULL
    copy_out.tree = sorted_tree_copy(set.heap, set.tree)
    return copy_out.tree != NULL


cdef uint64_t sorted_set_memory(const SortedSet* set) noexcept nogil:
    if set.pack != NULL:
        return heap_block_bytes(listpack_bytes(set.pack))
    return sorted_tree_memory(set.tree)
