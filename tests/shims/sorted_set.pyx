"""structures/sorted_set (and the tree below it) for tests."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.outcome cimport OK
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.listpack cimport listpack_check
from hutch_engine.structures.sorted_set cimport (
    ScoreRange, SortedCursor, SortedSet, TextRange, sorted_set_add, sorted_set_at, sorted_set_change, sorted_set_copy,
    sorted_set_count, sorted_set_free, sorted_set_memory, sorted_set_new, sorted_set_next, sorted_set_previous,
    sorted_set_random, sorted_set_rank, sorted_set_remove, sorted_set_remove_ranks, sorted_set_score,
    sorted_set_score_ranks, sorted_set_text_ranks, sorted_set_to_pack, sorted_set_to_tree)
from hutch_engine.structures.sorted_tree cimport (
    SortedMember, sorted_tree_check, sorted_tree_find, sorted_tree_free_some, sorted_tree_gather, sorted_tree_new,
    sorted_tree_order)
from hutch_engine.structures.table cimport table_hash


cdef inline Slice _slice(bytes text):
    return slice_of(<const char*>text, len(text))


cdef class SortedSetShim:
    cdef Heap* heap
    cdef HashKey hash_key
    cdef Random random
    cdef SortedSet set

    def __cinit__(self, uint64_t max_entries=128, uint64_t max_bytes=64, uint64_t seed=1):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.hash_key.k0 = seed
        self.hash_key.k1 = ~seed
        random_init(&self.random, seed)
        sorted_set_new(&self.set, self.heap, &self.hash_key, max_entries, max_bytes, 1, 0)

    def __dealloc__(self):
        if self.heap != NULL:
            sorted_set_free(&self.set)
            heap_clear(self.heap)
            free(self.heap)

    def __len__(self):
        return sorted_set_count(&self.set)

    @property
    def packed(self):
        return self.set.pack != NULL

    @property
    def live_blocks(self):
        return self.heap.live_blocks

    @property
    def used_bytes(self):
        return self.heap.used_bytes

    @property
    def memory(self):
        return sorted_set_memory(&self.set)

    @property
    def height(self):
        return self.set.tree.root.height if self.set.pack == NULL else -1

    def fail_after(self, count):
        self.heap.fail_after = <uint64_t>-1 if count is None else count

    def check(self):
        if self.set.pack != NULL:
            listpack_check(self.set.pack)
        else:
            sorted_tree_check(self.set.tree)

    def put(self, bytes member, double score):
        """True if it was new, False if its score changed, None when memory was refused."""
        cdef double old
        if sorted_set_score(&self.set, _slice(member), &old):
            return False if sorted_set_change(&self.set, _slice(member), score) == OK else None
        return True if sorted_set_add(&self.set, _slice(member), score) == OK else None

    def score(self, bytes member):
        cdef double score
        return score if sorted_set_score(&self.set, _slice(member), &score) else None

    def remove(self, bytes member):
        return sorted_set_remove(&self.set, _slice(member))

    def remove_ranks(self, uint64_t start, uint64_t count):
        sorted_set_remove_ranks(&self.set, start, count)

    def rank(self, bytes member, bint reverse=False):
        cdef uint64_t rank
        cdef double score
        return (rank, score) if sorted_set_rank(&self.set, _slice(member), reverse, &rank, &score) else None

    def items(self, uint64_t start=0, bint reverse=False):
        cdef SortedCursor cursor
        cdef bint more = sorted_set_at(&self.set, start, &cursor)
        found = []
        while more:
            found.append((cursor.score, (<char*>cursor.member.data)[:cursor.member.length]))
            more = sorted_set_previous(&cursor) if reverse else sorted_set_next(&cursor)
        return found

    def score_ranks(self, double least, double most, bint least_open, bint most_open):
        cdef ScoreRange which
        cdef uint64_t start, count
        which.min, which.max, which.min_open, which.max_open = least, most, least_open, most_open
        sorted_set_score_ranks(&self.set, &which, &start, &count)
        return start, count

    def text_ranks(self, bytes least, bytes most, bint least_open, bint most_open):
        """None is an infinite end."""
        cdef TextRange which
        cdef uint64_t start, count
        which.min = _slice(least) if least is not None else slice_of(NULL, 0)
        which.max = _slice(most) if most is not None else slice_of(NULL, 0)
        which.min_infinite = -1 if least is None else 0
        which.max_infinite = 1 if most is None else 0
        which.min_open, which.max_open = least_open, most_open
        sorted_set_text_ranks(&self.set, &which, False, &start, &count)
        return start, count

    def random_member(self):
        cdef SortedCursor cursor
        return (<char*>cursor.member.data)[:cursor.member.length] if sorted_set_random(&self.set, &self.random, &cursor) else None

    def to_tree(self):
        return sorted_set_to_tree(&self.set)

    def to_pack(self):
        return sorted_set_to_pack(&self.set)

    def copy_items(self):
        """The items of a copy, which is checked and freed."""
        cdef SortedSet mine = self.set
        cdef SortedSet copy
        if not sorted_set_copy(&self.set, &copy):
            return None
        self.set = copy
        try:
            self.check()
            return self.items()
        finally:
            sorted_set_free(&self.set)
            self.set = mine

    def gather(self, pairs):
        """Replace the contents by these, put in order at the end; a member's last score counts."""
        cdef SortedMember* known
        cdef Slice text
        sorted_set_free(&self.set)
        self.set.tree = sorted_tree_new(self.heap, &self.hash_key)
        for score, member in pairs:
            text = _slice(member)
            known = sorted_tree_find(self.set.tree, text, table_hash(&self.set.tree.members, text))
            if known != NULL:
                known.score = score
            else:
                sorted_tree_gather(self.set.tree, score, text, table_hash(&self.set.tree.members, text))
        sorted_tree_order(self.set.tree)

    def free_in_slices(self, uint64_t steps):
        """How many slices freeing the tree took; an empty set is there afterwards."""
        slices = 1
        while sorted_tree_free_some(self.heap, self.set.tree, steps):
            slices += 1
        self.set.tree = sorted_tree_new(self.heap, &self.hash_key)
        return slices

    def fill(self, uint64_t count, uint64_t spread, uint64_t length=12):
        """Put `count` members with random scores, for measurements."""
        cdef uint64_t i
        for i in range(count):
            self.put(b"%0*d" % (length, i), <double>(hash((i * 7919, spread)) % spread))
