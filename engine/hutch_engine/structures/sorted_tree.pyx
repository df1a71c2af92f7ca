"""See sorted_tree.pxd.

Changes go down a path, change the leaf, and mend counts and first keys on the way up. A full node is split
before anything is put in, and the way down is then walked again: one insertion in thirty pays for that,
and no function has to keep a path right through a split.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely, prefetch, unlikely
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_write_slice
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_compare
from hutch_engine.structures.table cimport (
    TableSlot, table_check, table_clear, table_count, table_drain, table_each, table_find, table_hash, table_init, table_insert,
    table_memory, table_prefetch_bucket, table_remove, table_reserve)

cdef enum:
    LEAF_COLUMNS = 2
    INNER_COLUMNS = 4
    AHEAD_MIN = 4096             # members: smaller sets are in the cache
    AHEAD_BLOCK = 8              # pops
    AHEAD_BUCKET = 3
    LEAF_FIRST = 7               # words in a column at first, and how many come to it at a time: slack of
    INNER_FIRST = 4              # four entries on average, where leaves of a fixed size would be 0.69 full
    GROW_BY = 8
    LEAF_MERGE = 16              # a node below this looks for a neighbour to join ...
    INNER_MERGE = 12
    MERGED_MAX = 40              # ... if together they are no more: room for a while


# ---- nodes

cdef inline size_t _node_bytes(uint32_t capacity, uint32_t height) noexcept nogil:
    return sizeof(SortedNode) + 8 * <size_t>capacity * (INNER_COLUMNS if height else LEAF_COLUMNS)


cdef inline uint64_t* _column(const SortedNode* node, uint32_t which) noexcept nogil:
    return <uint64_t*>(<char*>node + sizeof(SortedNode)) + <size_t>which * node.capacity


cdef inline SortedNode** _children(const SortedNode* node) noexcept nogil:
    return <SortedNode**>_column(node, 2)


cdef inline uint64_t* _counts(const SortedNode* node) noexcept nogil:
    return _column(node, 3)


cdef SortedNode* _node_new(SortedTree* tree, uint32_t height, uint32_t capacity) noexcept nogil:
    cdef SortedNode* node = <SortedNode*>heap_alloc(tree.members.heap, _node_bytes(capacity, height))
    node.count = 0
    node.capacity = <uint16_t>capacity
    node.height = height
    tree.bytes += heap_block_bytes(_node_bytes(capacity, height))
    return node


cdef void _node_free(SortedTree* tree, SortedNode* node) noexcept nogil:
    tree.bytes -= heap_block_bytes(_node_bytes(node.capacity, node.height))
    heap_free(tree.members.heap, node, _node_bytes(node.capacity, node.height))


cdef inline uint32_t _max_entries(const SortedNode* node) noexcept nogil:
    return SORTED_INNER_MAX if node.height else SORTED_LEAF_MAX


cdef inline uint32_t _capacity_for(uint32_t count, uint32_t height) noexcept nogil:
    """The step that `count` entries fit in."""
    cdef uint32_t first = INNER_FIRST if height else LEAF_FIRST
    cdef uint32_t most = SORTED_INNER_MAX if height else SORTED_LEAF_MAX
    if count <= first:
        return first
    count = first + (count - first + GROW_BY - 1) // GROW_BY * GROW_BY
    return count if count < most else most


cdef inline void _copy_entries(SortedNode* to, uint32_t at, const SortedNode* source, uint32_t start, uint32_t count) noexcept nogil:
    cdef uint32_t c
    for c in range(INNER_COLUMNS if to.height else LEAF_COLUMNS):
        memcpy(_column(to, c) + at, _column(source, c) + start, 8 * <size_t>count)


cdef inline void _open(SortedNode* node, uint32_t at) noexcept nogil:
    """Make room for an entry at `at`; the capacity is there."""
    cdef uint32_t c
    for c in range(INNER_COLUMNS if node.height else LEAF_COLUMNS):
        memmove(_column(node, c) + at + 1, _column(node, c) + at, 8 * <size_t>(node.count - at))
    node.count += 1


cdef inline void _close(SortedNode* node, uint32_t at, uint32_t count) noexcept nogil:
    cdef uint32_t c
    for c in range(INNER_COLUMNS if node.height else LEAF_COLUMNS):
        memmove(_column(node, c) + at, _column(node, c) + at + count, 8 * <size_t>(node.count - at - count))
    node.count -= <uint16_t>count


cdef uint64_t _below(const SortedNode* node) noexcept nogil:
    """How many members there are below."""
    cdef uint64_t total = 0
    cdef uint64_t* counts
    cdef uint32_t i
    if node.height == 0:
        return node.count
    counts = _counts(node)
    for i in range(node.count):
        total += counts[i]
    return total


cdef inline void _set_entry(SortedNode* node, uint32_t at, SortedNode* child) noexcept nogil:
    """An inner entry, key and count taken from the child."""
    sorted_node_scores(node)[at] = sorted_node_scores(child)[0]
    sorted_node_members(node)[at] = sorted_node_members(child)[0]
    _children(node)[at] = child
    _counts(node)[at] = _below(child)


cdef SortedNode* _recapacitate(SortedTree* tree, SortedPath* path, uint32_t height, uint32_t capacity) noexcept nogil:
    """The path's node at this height in a block of another size, linked in its old place."""
    cdef SortedNode* old = path.nodes[height]
    cdef SortedNode* node = _node_new(tree, height, capacity)
    node.count = old.count
    _copy_entries(node, 0, old, 0, old.count)
    _node_free(tree, old)
    path.nodes[height] = node
    if height == path.height:
        tree.root = node
    else:
        _children(path.nodes[height + 1])[path.indexes[height + 1]] = node
    return node


cdef void _first_changed(SortedPath* path, uint32_t height) noexcept nogil:
    """The first key of the path's node at this height is another: tell those above."""
    cdef SortedNode* node = path.nodes[height]
    cdef double score = sorted_node_scores(node)[0]
    cdef SortedMember* member = sorted_node_members(node)[0]
    while height < path.height:
        height += 1
        sorted_node_scores(path.nodes[height])[path.indexes[height]] = score
        sorted_node_members(path.nodes[height])[path.indexes[height]] = member
        if path.indexes[height]:
            return


# ---- searching

cdef inline bint _comes_before(double score, const SortedMember* member, double than_score, Slice than_text) noexcept nogil:
    if score != than_score:
        return score < than_score
    return slice_compare(sorted_member_bytes(member), than_text) < 0


cdef inline uint32_t _count_before(const SortedNode* node, double score, Slice text) noexcept nogil:
    """How many entries of the node have a lower key."""
    cdef double* scores = sorted_node_scores(node)
    cdef SortedMember** members = sorted_node_members(node)
    cdef uint32_t low = 0
    cdef uint32_t high = node.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) >> 1
        if _comes_before(scores[middle], members[middle], score, text):
            low = middle + 1
        else:
            high = middle
    return low


cdef inline uint32_t _child_for(const SortedNode* node, double score, Slice text) noexcept nogil:
    """The last entry whose key is not above (score, text), or the first entry."""
    cdef double* scores = sorted_node_scores(node)
    cdef SortedMember** members = sorted_node_members(node)
    cdef uint32_t low = 0
    cdef uint32_t high = node.count
    cdef uint32_t middle
    cdef double here
    while low < high:
        middle = (low + high) >> 1
        here = scores[middle]
        if here < score or (here == score and slice_compare(sorted_member_bytes(members[middle]), text) <= 0):
            low = middle + 1
        else:
            high = middle
    return low - 1 if low else 0


cdef void _descend(const SortedTree* tree, double score, Slice text, SortedPath* path) noexcept nogil:
    """To where (score, text) is or would be."""
    cdef SortedNode* node = tree.root
    cdef uint32_t i
    path.height = node.height
    while node.height:
        i = _child_for(node, score, text)
        path.nodes[node.height] = node
        path.indexes[node.height] = <uint16_t>i
        node = _children(node)[i]
    path.nodes[0] = node
    path.indexes[0] = <uint16_t>_count_before(node, score, text)


cdef SortedMember* sorted_tree_find(SortedTree* tree, Slice member, uint64_t hash) noexcept nogil:
    cdef TableSlot slot = table_find(&tree.members, member, hash)
    return <SortedMember*>slot[0] if slot != NULL else NULL


cdef uint64_t sorted_tree_rank(SortedTree* tree, const SortedMember* member) noexcept nogil:
    cdef SortedNode* node = tree.root
    cdef Slice text = sorted_member_bytes(member)
    cdef uint64_t rank = 0
    cdef uint64_t* counts
    cdef uint32_t i, child
    while node.height:
        child = _child_for(node, member.score, text)
        counts = _counts(node)
        for i in range(child):
            rank += counts[i]
        node = _children(node)[child]
    return rank + _count_before(node, member.score, text)


cdef uint64_t sorted_tree_before_score(const SortedTree* tree, double score, bint with_equal) noexcept nogil:
    cdef SortedNode* node = tree.root
    cdef uint64_t rank = 0
    cdef double* scores
    cdef uint32_t low, high, middle, i
    while True:
        scores = sorted_node_scores(node)
        low = 0
        high = node.count
        while low < high:
            middle = (low + high) >> 1
            if scores[middle] < score or (with_equal and scores[middle] == score):
                low = middle + 1
            else:
                high = middle
        if node.height == 0:
            return rank + low
        if low == 0:
            return rank              # the first of all is beyond
        for i in range(low - 1):
            rank += _counts(node)[i]
        node = _children(node)[low - 1]


cdef uint64_t sorted_tree_before_text(const SortedTree* tree, Slice text, bint with_equal) noexcept nogil:
    cdef SortedNode* node = tree.root
    cdef uint64_t rank = 0
    cdef uint32_t low, high, middle, i
    cdef int order
    while True:
        low = 0
        high = node.count
        while low < high:
            middle = (low + high) >> 1
            order = slice_compare(sorted_member_bytes(sorted_node_members(node)[middle]), text)
            if order < 0 or (with_equal and order == 0):
                low = middle + 1
            else:
                high = middle
        if node.height == 0:
            return rank + low
        if low == 0:
            return rank
        for i in range(low - 1):
            rank += _counts(node)[i]
        node = _children(node)[low - 1]


# ---- walking

cdef SortedMember* sorted_tree_at(const SortedTree* tree, uint64_t rank, SortedPath* path_out) noexcept nogil:
    cdef SortedNode* node = tree.root
    cdef uint64_t* counts
    cdef uint32_t i
    path_out.height = node.height
    while node.height:
        counts = _counts(node)
        i = 0
        while rank >= counts[i]:
            rank -= counts[i]
            i += 1
        path_out.nodes[node.height] = node
        path_out.indexes[node.height] = <uint16_t>i
        node = _children(node)[i]
    path_out.nodes[0] = node
    path_out.indexes[0] = <uint16_t>rank
    return sorted_node_members(node)[rank]


cdef SortedMember* sorted_tree_next_leaf(SortedPath* path) noexcept nogil:
    cdef uint32_t height = 1
    cdef SortedNode* node
    while True:
        if height > path.height:
            return NULL
        if path.indexes[height] + 1 < path.nodes[height].count:
            break
        height += 1
    path.indexes[height] += 1
    node = _children(path.nodes[height])[path.indexes[height]]
    while True:
        height -= 1
        path.nodes[height] = node
        path.indexes[height] = 0
        if height == 0:
            return sorted_node_members(node)[0]
        node = _children(node)[0]


cdef SortedMember* sorted_tree_previous_leaf(SortedPath* path) noexcept nogil:
    cdef uint32_t height = 1
    cdef SortedNode* node
    while True:
        if height > path.height:
            return NULL
        if path.indexes[height]:
            break
        height += 1
    path.indexes[height] -= 1
    node = _children(path.nodes[height])[path.indexes[height]]
    while True:
        height -= 1
        path.nodes[height] = node
        path.indexes[height] = node.count - 1
        if height == 0:
            return sorted_node_members(node)[node.count - 1]
        node = _children(node)[node.count - 1]


# ---- putting in

cdef void _split(SortedTree* tree, SortedPath* path, uint32_t height) noexcept nogil:
    """Halve the path's full node at this height; or, where its parent is full too, halve that and leave the
    rest to the next try. The path is void afterwards."""
    cdef SortedNode* node = path.nodes[height]
    cdef SortedNode* parent
    cdef SortedNode* right
    cdef uint32_t at = path.indexes[height]
    cdef uint32_t left_count
    if height == path.height:
        parent = _node_new(tree, height + 1, INNER_FIRST)
        parent.count = 1
        _set_entry(parent, 0, node)
        tree.root = parent
        path.height += 1
        path.nodes[path.height] = parent
        path.indexes[path.height] = 0
    parent = path.nodes[height + 1]
    if parent.count == SORTED_INNER_MAX:
        _split(tree, path, height + 1)
        return
    # What grows at its end (or beginning) goes on growing there: leave the other part full.
    left_count = node.count >> 1
    if at == node.count or (height and at == node.count - <uint32_t>1):
        left_count = node.count - 1
    elif at == 0:
        left_count = 1
    right = _node_new(tree, height, _capacity_for(node.count - left_count + 1, height))
    right.count = <uint16_t>(node.count - left_count)
    _copy_entries(right, 0, node, left_count, right.count)
    node.count = <uint16_t>left_count
    if node.capacity > _capacity_for(left_count + 1, height):
        node = _recapacitate(tree, path, height, _capacity_for(left_count + 1, height))
    if parent.count == parent.capacity:
        parent = _recapacitate(tree, path, height + 1, _capacity_for(parent.count + 1, height + 1))
    at = path.indexes[height + 1]
    _counts(parent)[at] = _below(node)
    _open(parent, at + 1)
    _set_entry(parent, at + 1, right)


cdef inline void _put_at(SortedTree* tree, SortedPath* path, SortedMember* member) noexcept nogil:
    """Into the path's leaf, which is not full, at its index."""
    cdef SortedNode* leaf = path.nodes[0]
    cdef uint32_t at = path.indexes[0]
    cdef uint32_t height
    if leaf.count == leaf.capacity:
        leaf = _recapacitate(tree, path, 0, _capacity_for(leaf.count + 1, 0))
    _open(leaf, at)
    sorted_node_scores(leaf)[at] = member.score
    sorted_node_members(leaf)[at] = member
    for height in range(1, path.height + 1):
        _counts(path.nodes[height])[path.indexes[height]] += 1
    if at == 0:
        _first_changed(path, 0)


cdef void _insert(SortedTree* tree, SortedMember* member) noexcept nogil:
    cdef SortedPath path
    cdef Slice text = sorted_member_bytes(member)
    while True:
        _descend(tree, member.score, text, &path)
        if likely(path.nodes[0].count < SORTED_LEAF_MAX):
            break
        _split(tree, &path, 0)
    _put_at(tree, &path, member)


cdef void _append(SortedTree* tree, SortedMember* member) noexcept nogil:
    """The same for a member behind all others: nothing is compared, and leaves end up full."""
    cdef SortedPath path
    cdef SortedNode* node
    while True:
        node = tree.root
        path.height = node.height
        while node.height:
            path.nodes[node.height] = node
            path.indexes[node.height] = node.count - 1
            node = _children(node)[node.count - 1]
        path.nodes[0] = node
        path.indexes[0] = node.count
        if node.count < SORTED_LEAF_MAX:
            break
        _split(tree, &path, 0)
    _put_at(tree, &path, member)


cdef inline size_t _member_bytes(size_t length) noexcept nogil:
    return sizeof(double) + leb128_bytes(length) + length


cdef SortedMember* _member_new(Heap* heap, double score, Slice text) noexcept nogil:
    cdef SortedMember* member = <SortedMember*>heap_try_alloc(heap, _member_bytes(text.length))
    if member == NULL:
        return NULL
    member.score = score
    leb128_write_slice(<char*>member.bytes, text)
    return member


cdef inline void _member_free(Heap* heap, SortedMember* member) noexcept nogil:
    heap_free(heap, member, _member_bytes(sorted_member_bytes(member).length))


cdef bint sorted_tree_add(SortedTree* tree, double score, Slice member, uint64_t hash) noexcept nogil:
    cdef SortedMember* made = _member_new(tree.members.heap, score, member)
    if unlikely(made == NULL):
        return False
    tree.bytes += heap_block_bytes(_member_bytes(member.length))
    table_insert(&tree.members, made, hash)
    _insert(tree, made)
    return True


cdef SortedMember* sorted_tree_gather(SortedTree* tree, double score, Slice member, uint64_t hash) noexcept nogil:
    cdef SortedMember* made = _member_new(tree.members.heap, score, member)
    if made != NULL:
        tree.bytes += heap_block_bytes(_member_bytes(member.length))
        table_insert(&tree.members, made, hash)
    return made


cdef struct Gathered:            # the score beside the member: sorting looks at few blocks
    double score
    SortedMember* member


cdef struct Gathering:
    SortedTree* tree
    Gathered* rows               # NULL: insert at once
    uint64_t count


cdef bint _gather_visited(void* context, void* entry) noexcept nogil:
    cdef Gathering* gathering = <Gathering*>context
    if gathering.rows == NULL:
        _insert(gathering.tree, <SortedMember*>entry)
        return True
    gathering.rows[gathering.count].score = (<SortedMember*>entry).score
    gathering.rows[gathering.count].member = <SortedMember*>entry
    gathering.count += 1
    return True


cdef int _compare_rows(const void* one, const void* two) noexcept nogil:
    cdef const Gathered* a = <const Gathered*>one
    cdef const Gathered* b = <const Gathered*>two
    if a.score != b.score:
        return -1 if a.score < b.score else 1
    return slice_compare(sorted_member_bytes(a.member), sorted_member_bytes(b.member))


cdef void sorted_tree_order(SortedTree* tree) noexcept nogil:
    cdef Heap* heap = tree.members.heap
    cdef size_t bytes = table_count(&tree.members) * sizeof(Gathered)
    cdef Gathering gathering
    cdef uint64_t i
    gathering.tree = tree
    gathering.count = 0
    gathering.rows = <Gathered*>heap_try_alloc(heap, bytes) if bytes else NULL
    table_each(&tree.members, _gather_visited, &gathering)
    if gathering.rows == NULL:
        return
    qsort(gathering.rows, gathering.count, sizeof(Gathered), _compare_rows)
    for i in range(gathering.count):
        _append(tree, gathering.rows[i].member)
    heap_free(heap, gathering.rows, bytes)


# ---- taking out

cdef bint _merge(SortedTree* tree, SortedPath* path, uint32_t height) noexcept nogil:
    """Join the path's node at this height with a neighbour, if both are small; says whether it did."""
    cdef SortedNode* node = path.nodes[height]
    cdef SortedNode* parent
    cdef SortedNode* right
    cdef uint32_t at
    if height == path.height or node.count >= (INNER_MERGE if height else LEAF_MERGE):
        return False
    parent = path.nodes[height + 1]
    at = path.indexes[height + 1]
    if at + 1 < parent.count and node.count + _children(parent)[at + 1].count <= MERGED_MAX:
        pass
    elif at and node.count + _children(parent)[at - 1].count <= MERGED_MAX:
        at -= 1
        path.indexes[height + 1] = <uint16_t>at
        path.nodes[height] = _children(parent)[at]
    else:
        return False
    node = path.nodes[height]
    right = _children(parent)[at + 1]
    if node.count + right.count > node.capacity:
        node = _recapacitate(tree, path, height, _capacity_for(node.count + right.count, height))
    _copy_entries(node, node.count, right, 0, right.count)
    node.count += right.count
    _counts(parent)[at] += _counts(parent)[at + 1]
    _close(parent, at + 1, 1)
    _node_free(tree, right)
    return True


cdef void _erase(SortedTree* tree, SortedPath* path, uint32_t count) noexcept nogil:
    """Take `count` entries out of the path's leaf, from its index on. The path is void afterwards."""
    cdef SortedNode* node = path.nodes[0]
    cdef uint32_t at = path.indexes[0]
    cdef uint32_t height
    for height in range(1, path.height + 1):
        _counts(path.nodes[height])[path.indexes[height]] -= count
    _close(node, at, count)
    height = 0
    while node.count == 0 and height < path.height:
        _node_free(tree, node)
        height += 1
        node = path.nodes[height]
        at = path.indexes[height]
        _close(node, at, 1)
    if node.count == 0:                      # everything is gone
        if height:
            _node_free(tree, node)
            tree.root = _node_new(tree, 0, LEAF_FIRST)
        return
    if at == 0:
        _first_changed(path, height)
    while height <= path.height:
        if not _merge(tree, path, height):
            node = path.nodes[height]
            if node.capacity >= node.count + 2 * GROW_BY and node.capacity > LEAF_FIRST:
                _recapacitate(tree, path, height, _capacity_for(node.count + 2, height))
            break
        height += 1
    while tree.root.height and tree.root.count == 1:
        node = tree.root
        tree.root = _children(node)[0]
        _node_free(tree, node)


cdef void sorted_tree_set_score(SortedTree* tree, SortedMember* member, double score) noexcept nogil:
    cdef SortedPath path
    cdef Slice text = sorted_member_bytes(member)
    cdef SortedNode* leaf
    cdef double* scores
    cdef SortedMember** members
    cdef uint32_t at
    _descend(tree, member.score, text, &path)
    leaf = path.nodes[0]
    at = path.indexes[0]
    scores = sorted_node_scores(leaf)
    members = sorted_node_members(leaf)
    invariant(at < leaf.count and members[at] == member, b"a member of the table is not in its place in the tree")
    if (at and at + 1 < leaf.count and _comes_before(scores[at - 1], members[at - 1], score, text)
            and not _comes_before(scores[at + 1], members[at + 1], score, text)):
        scores[at] = score
        member.score = score
        return
    _erase(tree, &path, 1)
    member.score = score
    _insert(tree, member)


cdef inline void _forget(SortedTree* tree, SortedMember* member) noexcept nogil:
    """The block goes, and it is in no leaf any more."""
    cdef Slice text = sorted_member_bytes(member)
    tree.bytes -= heap_block_bytes(_member_bytes(text.length))
    _member_free(tree.members.heap, member)


cdef bint sorted_tree_remove(SortedTree* tree, Slice member, uint64_t hash, double* score_out) noexcept nogil:
    cdef SortedPath path
    cdef TableSlot slot = table_find(&tree.members, member, hash)
    cdef SortedMember* found
    if slot == NULL:
        return False
    found = <SortedMember*>slot[0]
    score_out[0] = found.score
    _descend(tree, found.score, sorted_member_bytes(found), &path)
    invariant(path.indexes[0] < path.nodes[0].count and sorted_node_members(path.nodes[0])[path.indexes[0]] == found,
              b"a member of the table is not in its place in the tree")
    _erase(tree, &path, 1)
    table_remove(&tree.members, slot, hash)
    _forget(tree, found)
    return True


cdef void sorted_tree_remove_ranks(SortedTree* tree, uint64_t start, uint64_t count) noexcept nogil:
    cdef SortedPath path
    cdef SortedMember* gone[SORTED_LEAF_MAX]
    cdef SortedNode* leaf
    cdef Slice text
    cdef uint64_t hash
    cdef uint32_t at, run, i
    while count:
        sorted_tree_at(tree, start, &path)
        leaf = path.nodes[0]
        at = path.indexes[0]
        run = leaf.count - at
        if run > count:
            run = <uint32_t>count
        memcpy(gone, sorted_node_members(leaf) + at, run * sizeof(SortedMember*))
        # Keys above may lead to the blocks: first the tree, then the blocks.
        _erase(tree, &path, run)
        for i in range(run):
            text = sorted_member_bytes(gone[i])
            hash = table_hash(&tree.members, text)
            table_remove(&tree.members, table_find(&tree.members, text, hash), hash)
            _forget(tree, gone[i])
        count -= run


cdef inline SortedMember* _near_end(const SortedTree* tree, const SortedNode* leaf, bint highest, uint32_t steps) noexcept nogil:
    """The member so many steps from an end, of which `leaf` is the first leaf."""
    cdef SortedPath path
    if likely(steps < leaf.count):
        return sorted_node_members(leaf)[leaf.count - 1 - steps if highest else steps]
    return sorted_tree_at(tree, sorted_tree_count(tree) - 1 - steps if highest else steps, &path)


cdef void sorted_tree_prefetch_end(SortedTree* tree, bint highest) noexcept nogil:
    cdef const SortedNode* leaf = tree.root
    cdef const SortedMember* member
    if sorted_tree_count(tree) < AHEAD_MIN:
        return
    while leaf.height:
        leaf = _children(leaf)[leaf.count - 1 if highest else 0]
    # Each block is fetched some pops before it is due, and its bucket when the block has come.
    prefetch(_near_end(tree, leaf, highest, AHEAD_BLOCK))
    member = _near_end(tree, leaf, highest, AHEAD_BUCKET)
    table_prefetch_bucket(&tree.members, table_hash(&tree.members, sorted_member_bytes(member)))


# ---- life

cdef SortedTree* sorted_tree_new(Heap* heap, const HashKey* hash_key) noexcept nogil:
    cdef SortedTree* tree = <SortedTree*>heap_alloc(heap, sizeof(SortedTree))
    table_init(&tree.members, heap, hash_key, SORTED_KEY_OFFSET)
    tree.position = 0
    tree.bytes = 0
    tree.root = _node_new(tree, 0, LEAF_FIRST)
    return tree


cdef bint _free_visited(void* context, void* entry) noexcept nogil:
    _member_free(<Heap*>context, <SortedMember*>entry)
    return True


cdef bint sorted_tree_free_some(Heap* heap, SortedTree* tree, uint64_t steps) noexcept nogil:
    cdef SortedNode* node
    cdef SortedNode* parent
    if table_count(&tree.members):
        # From here on keys in nodes lead nowhere: only children and counts of entries are looked at.
        table_drain(&tree.members, &tree.position, _free_visited, heap, steps // 4 + 1)
        if table_count(&tree.members):
            return True
    while tree.root != NULL:
        if steps == 0:
            return True
        steps -= 1
        parent = NULL
        node = tree.root
        while node.height and node.count:
            parent = node
            node = _children(node)[node.count - 1]
        _node_free(tree, node)
        if parent == NULL:
            tree.root = NULL
        else:
            parent.count -= 1
    table_clear(&tree.members)
    heap_free(heap, tree, sizeof(SortedTree))
    return False


cdef void sorted_tree_free(Heap* heap, SortedTree* tree) noexcept nogil:
    while sorted_tree_free_some(heap, tree, 1000000):
        pass


cdef void sorted_tree_reserve(SortedTree* tree, uint64_t members) noexcept nogil:
    table_reserve(&tree.members, members)


cdef uint64_t sorted_tree_memory(const SortedTree* tree) noexcept nogil:
    return heap_block_bytes(sizeof(SortedTree)) + tree.bytes + table_memory(&tree.members)


cdef SortedTree* sorted_tree_copy(Heap* heap, const SortedTree* tree) noexcept nogil:
    cdef SortedTree* copy = sorted_tree_new(heap, tree.members.hash_key)
    cdef SortedPath path
    cdef SortedMember* member
    cdef SortedMember* made
    cdef Slice text
    if table_count(&tree.members) == 0:
        return copy
    sorted_tree_reserve(copy, table_count(&tree.members))
    member = sorted_tree_at(tree, 0, &path)
    while member != NULL:
        text = sorted_member_bytes(member)
        made = sorted_tree_gather(copy, member.score, text, table_hash(&tree.members, text))
        if made == NULL:
            sorted_tree_free(heap, copy)
            return NULL
        _append(copy, made)
        member = sorted_path_next(&path)
    return copy


# ---- verifying

cdef uint64_t _check_node(SortedTree* tree, SortedNode* node, SortedMember** last, uint64_t* bytes) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint64_t below
    cdef uint32_t i
    cdef SortedMember* member
    cdef Slice text
    cdef SortedNode* child
    invariant(node.count <= node.capacity and node.capacity <= _max_entries(node), b"sorted tree: a node's count or capacity")
    invariant(node.count or node == tree.root, b"sorted tree: an empty node")
    bytes[0] += heap_block_bytes(_node_bytes(node.capacity, node.height))
    for i in range(node.count):
        if node.height:
            child = _children(node)[i]
            invariant(child.height == node.height - 1, b"sorted tree: depth")
            invariant(sorted_node_scores(node)[i] == sorted_node_scores(child)[0], b"sorted tree: first score")
            invariant(sorted_node_members(node)[i] == sorted_node_members(child)[0], b"sorted tree: first member")
            below = _check_node(tree, child, last, bytes)
            invariant(below == _counts(node)[i], b"sorted tree: count below")
            total += below
            continue
        member = sorted_node_members(node)[i]
        text = sorted_member_bytes(member)
        bytes[0] += heap_block_bytes(_member_bytes(text.length))
        invariant(member.score == sorted_node_scores(node)[i] and member.score == member.score, b"sorted tree: score in leaf and block")
        invariant(last[0] == NULL or _comes_before(last[0].score, last[0], member.score, text), b"sorted tree: order")
        invariant(sorted_tree_find(tree, text, table_hash(&tree.members, text)) == member, b"sorted tree: not in the table")
        last[0] = member
        total += 1
    return total


cdef void sorted_tree_check(SortedTree* tree) noexcept nogil:
    cdef SortedMember* last = NULL
    cdef uint64_t bytes = 0
    if not HUTCH_CHECKS:
        return
    table_check(&tree.members)
    invariant(_check_node(tree, tree.root, &last, &bytes) == table_count(&tree.members), b"sorted tree: members and table")
    invariant(bytes == tree.bytes, b"sorted tree: bytes")
