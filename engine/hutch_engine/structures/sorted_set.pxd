"""A sorted set in either form: packed (a listpack of member, score, member, score ... in order) or a SortedTree.

    packed    "listpack" up to the limits; a score is stored as an integer where it is one (so -0 is 0 here, as in
              Redis), else as format_double spells it
    tree      "skiplist" beyond; never turns back

A SortedSet is a handle on the stack of whoever uses the value: `pack` and `tree` are what an entry points at.
After a change the handle may point elsewhere (a listpack moves, or became a tree): the caller puts that
into the entry. Which ranks a range of scores or texts takes is found first; reading and removing go by rank.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.sorted_tree cimport SortedPath, SortedTree

cdef struct SortedSet:
    Heap* heap                   # borrowed, as is the next
    const HashKey* hash_key
    Listpack* pack               # NULL in the big form
    SortedTree* tree             # NULL in the packed form
    uint64_t max_entries         # zset-max-listpack-entries
    uint64_t max_bytes           # zset-max-listpack-value

cdef struct SortedCursor:        # where a walk stands; must not be copied, and ends with the next change of the set
    Slice member                 # borrowed from the set or from `digits`, until the next step
    double score
    uint8_t* at                  # packed: the element of the member
    Listpack* pack
    SortedPath path
    char[INTEGER_TEXT_MAX] digits

cdef struct ScoreRange:
    double min
    double max
    bint min_open                # "(1": without it
    bint max_open

cdef struct TextRange:           # of BYLEX
    Slice min                    # without "[" or "("
    Slice max
    bint min_open
    bint max_open
    int min_infinite             # -1 for "-", 1 for "+", else 0
    int max_infinite

# ---- for everybody
cdef SortedSet sorted_set_of(Heap* heap, const HashKey* hash_key, void* pointer, bint packed) noexcept nogil
"""The handle of an existing value; limits 0."""
cdef uint64_t sorted_set_count(const SortedSet* set) noexcept nogil
"""How many members it has. O(1)."""
cdef bint sorted_set_score(const SortedSet* set, Slice member, double* score_out) noexcept nogil
"""Find a member's score; False if absent. O(1), packed O(n)."""
cdef bint sorted_set_at(const SortedSet* set, uint64_t rank, SortedCursor* cursor) noexcept nogil
"""Stand on the member of this rank; False beyond the end. O(log n), packed O(n)."""
cdef bint sorted_set_next(SortedCursor* cursor) noexcept nogil
"""On to the following member; False at the end. O(1)."""
cdef bint sorted_set_previous(SortedCursor* cursor) noexcept nogil
"""On to the preceding member; False at the beginning. O(1)."""

# ---- ranks
cdef bint sorted_set_rank(const SortedSet* set, Slice member, bint reverse, uint64_t* rank_out, double* score_out) noexcept nogil
"""Find a member's rank, from the end with `reverse`, and its score; False if absent. O(log n), packed O(n)."""
cdef void sorted_set_score_ranks(const SortedSet* set, const ScoreRange* range, uint64_t* start_out, uint64_t* count_out) noexcept nogil
"""The ranks that a range of scores takes. O(log n), packed O(n)."""
cdef void sorted_set_text_ranks(const SortedSet* set, const TextRange* range, bint reverse, uint64_t* start_out, uint64_t* count_out) noexcept nogil
"""The same for a range of texts, where all scores are the same. Where they are not, `reverse` tells from
which end Redis would look."""

# ---- changing
cdef void sorted_set_new(SortedSet* set, Heap* heap, const HashKey* hash_key, uint64_t max_entries, uint64_t max_bytes,
                         uint64_t entries, uint64_t bytes) noexcept nogil
"""Empty, in the form for so many entries of at most so many bytes."""
cdef void sorted_set_free(SortedSet* set) noexcept nogil
"""Free the value whole, with its members; the handle has none then. O(n) for a tree."""
cdef Outcome sorted_set_add(SortedSet* set, Slice member, double score) noexcept nogil
"""Add a member known to be absent; the form changes where the limits say so. OK or NO_MEMORY (unchanged). O(log n), packed
O(n)."""
cdef Outcome sorted_set_change(SortedSet* set, Slice member, double score) noexcept nogil
"""Give another score to a member known to be there. OK or NO_MEMORY (unchanged). O(log n), packed O(n)."""
cdef bint sorted_set_remove(SortedSet* set, Slice member) noexcept nogil
"""Remove a member; False if absent. O(log n), packed O(n)."""
cdef void sorted_set_prefetch_end(const SortedSet* set, bint highest) noexcept nogil
"""Members may soon be taken from this end, one after the other: fetch what the next ones need."""
cdef void sorted_set_remove_ranks(SortedSet* set, uint64_t start, uint64_t count) noexcept nogil
"""Remove the members of these ranks, which exist. O(log n + count), packed O(n)."""
cdef bint sorted_set_copy(const SortedSet* set, SortedSet* copy_out) noexcept nogil
"""Make a deep copy, which the caller owns; False when refused. O(n)."""
cdef uint64_t sorted_set_growth_bytes(const SortedSet* set) noexcept nogil
"""At most what the set itself needs, beside what is for the members that come, to become a tree. O(1)."""
cdef bint sorted_set_to_tree(SortedSet* set) noexcept nogil
"""Change the form to a tree; False when refused (unchanged). O(n log n)."""
cdef bint sorted_set_to_pack(SortedSet* set) noexcept nogil
"""Change the form to a listpack; False when refused (unchanged). O(n)."""
cdef bint sorted_set_random(const SortedSet* set, Random* random, SortedCursor* cursor) noexcept nogil
"""Stand on a uniformly random member; False when empty."""
cdef uint64_t sorted_set_memory(const SortedSet* set) noexcept nogil
"""Bytes of everything. O(1)."""
cdef size_t sorted_score_text(double score, char* out) noexcept nogil
"""A score as the packed form spells it (DOUBLE_TEXT_MAX bytes)."""
