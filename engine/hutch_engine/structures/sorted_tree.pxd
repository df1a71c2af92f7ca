"""The big form of a sorted set: a counted B+ tree in (score, member) order, and a table by member.

Members are heap blocks of their own, each in the table and in one leaf:

    offset  size  what
      0      8    score (double, never NaN)
      8      1+   length, LEB128, then the member's bytes      (the table's key_offset is 8)

A node is one block: a header of 8 bytes and columns of `capacity` words each, of which `count` are in use.

    leaf    | header | score ... | member block ... |
    inner   | header | score ... | member block ... | child ... | members below ... |

An inner node's score and member are those of the first member below the child, so a search compares
scores that lie beside each other and looks at a member's bytes only where scores are equal. A leaf has up to
63 members where a textbook skiplist has a node with 1.33 links and spans for each: a third of the
memory, and some four cache misses to a place among a million instead of twenty.

    invariants: all leaves at height 0 and equally deep; no node but the root is empty; keys strictly ascend;
    an inner entry's key is its child's first, its count what lies below; the table has just the tree's members

Nodes are small blocks and cannot be refused; member blocks can. Not thread-safe: the engine's lock.
(Order-statistic B+ trees are folklore; the skiplist that Redis has in this place is W. Pugh's, 1990.)
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.leb128 cimport leb128_slice
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.table cimport Table

cdef enum:
    SORTED_LEAF_MAX = 63         # 1,016 bytes, of which a slab holds 32
    SORTED_INNER_MAX = 59        # 1,896 bytes: the block of 1,920, of which it holds 17
    SORTED_HEIGHT_MAX = 12
    SORTED_KEY_OFFSET = 8

cdef struct SortedNode:
    uint16_t count               # entries in use
    uint16_t capacity            # words in each column
    uint32_t height              # 0: a leaf
    # the columns follow

cdef struct SortedMember:
    double score
    uint8_t[1] bytes             # really LEB128 length and the member

cdef struct SortedTree:
    Table members                # SortedMember*, owned
    SortedNode* root             # owned
    uint64_t position            # of the table's draining, while the tree is freed in slices
    uint64_t bytes               # what member blocks and nodes take

cdef struct SortedPath:          # a place in the tree; [0] is the leaf. Valid until the tree changes.
    SortedNode* nodes[SORTED_HEIGHT_MAX]
    uint16_t[SORTED_HEIGHT_MAX] indexes
    uint32_t height              # of the root

cdef inline double* sorted_node_scores(const SortedNode* node) noexcept nogil:
    """The node's first column, behind its header: scores. Borrowed from it."""
    return <double*>(<char*>node + sizeof(SortedNode))

cdef inline SortedMember** sorted_node_members(const SortedNode* node) noexcept nogil:
    """The column behind the scores: in a leaf, pointers to the members' blocks. Borrowed from the node."""
    return <SortedMember**>(<char*>node + sizeof(SortedNode) + 8 * <size_t>node.capacity)

cdef inline Slice sorted_member_bytes(const SortedMember* member) noexcept nogil:
    """The member's bytes, borrowed from its block."""
    return leb128_slice(member.bytes)

cdef SortedTree* sorted_tree_new(Heap* heap, const HashKey* hash_key) noexcept nogil
"""Make an empty tree, which the caller owns; never NULL."""
cdef void sorted_tree_free(Heap* heap, SortedTree* tree) noexcept nogil
"""Free the tree whole, with its members. O(n)."""
cdef bint sorted_tree_free_some(Heap* heap, SortedTree* tree, uint64_t steps) noexcept nogil
"""Free up to some `steps` blocks of it; False when all of it is gone. Nothing else may be done with it
after the first slice."""
cdef inline uint64_t sorted_tree_count(const SortedTree* tree) noexcept nogil:
    """How many members it has. O(1)."""
    return tree.members.halves[0].count + tree.members.halves[1].count

cdef SortedMember* sorted_tree_find(SortedTree* tree, Slice member, uint64_t hash) noexcept nogil
"""The member's block, borrowed; NULL if absent. O(1) expected."""
cdef bint sorted_tree_add(SortedTree* tree, double score, Slice member, uint64_t hash) noexcept nogil
"""Add a member known to be absent, of which a copy is kept. O(log n). False, and nothing changed, when its block was refused."""
cdef SortedMember* sorted_tree_gather(SortedTree* tree, double score, Slice member, uint64_t hash) noexcept nogil
"""Into the table alone, for results whose scores still change (their blocks' may be written to). NULL when
refused. Nothing but find, gather, order and free until sorted_tree_order. O(1)."""
cdef void sorted_tree_order(SortedTree* tree) noexcept nogil
"""Put what was gathered into the tree, which is empty. O(n log n)."""
cdef void sorted_tree_set_score(SortedTree* tree, SortedMember* member, double score) noexcept nogil
"""Give the member another score. O(1) beside the search where the order stays, else O(log n)."""
cdef bint sorted_tree_remove(SortedTree* tree, Slice member, uint64_t hash, double* score_out) noexcept nogil
"""Remove and free a member; False if absent. O(log n)."""
cdef void sorted_tree_remove_ranks(SortedTree* tree, uint64_t start, uint64_t count) noexcept nogil
"""Remove and free the members of these ranks (which exist). O(log n + count)."""
cdef void sorted_tree_prefetch_end(SortedTree* tree, bint highest) noexcept nogil
"""Members may soon be taken from this end, one after the other: fetch what the next ones need."""
cdef uint64_t sorted_tree_rank(SortedTree* tree, const SortedMember* member) noexcept nogil
"""How many members come before this one. O(log n)."""
cdef uint64_t sorted_tree_before_score(const SortedTree* tree, double score, bint with_equal) noexcept nogil
"""How many members have a lower score (or, with_equal, the same). O(log n)."""
cdef uint64_t sorted_tree_before_text(const SortedTree* tree, Slice text, bint with_equal) noexcept nogil
"""How many members' bytes come before `text` (or are it), where all scores are the same. O(log n)."""
cdef SortedMember* sorted_tree_at(const SortedTree* tree, uint64_t rank, SortedPath* path_out) noexcept nogil
"""The member of this rank (which exists), and its place. O(log n)."""
cdef SortedMember* sorted_tree_next_leaf(SortedPath* path) noexcept nogil
"""From the last member of a leaf to the first of the next; NULL at the end."""
cdef SortedMember* sorted_tree_previous_leaf(SortedPath* path) noexcept nogil
"""From the first member of a leaf to the last of the preceding one; borrowed, or NULL at the beginning."""
cdef void sorted_tree_reserve(SortedTree* tree, uint64_t members) noexcept nogil
"""So many members may be added: make room in the table. When memory is refused nothing happens, and the table grows later."""
cdef uint64_t sorted_tree_memory(const SortedTree* tree) noexcept nogil
"""How many bytes the tree takes. O(1)."""
cdef SortedTree* sorted_tree_copy(Heap* heap, const SortedTree* tree) noexcept nogil
"""Make a deep copy, which the caller owns; NULL when refused. O(n)."""
cdef void sorted_tree_check(SortedTree* tree) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef inline SortedMember* sorted_path_next(SortedPath* path) noexcept nogil:
    """The following member, borrowed from the tree; NULL at the end."""
    if path.indexes[0] + 1 < path.nodes[0].count:
        path.indexes[0] += 1
        return sorted_node_members(path.nodes[0])[path.indexes[0]]
    return sorted_tree_next_leaf(path)

cdef inline SortedMember* sorted_path_previous(SortedPath* path) noexcept nogil:
    """The preceding member, borrowed from the tree; NULL at the beginning."""
    if path.indexes[0]:
        path.indexes[0] -= 1
        return sorted_node_members(path.nodes[0])[path.indexes[0]]
    return sorted_tree_previous_leaf(path)
