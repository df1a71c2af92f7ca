"""structures/set and bag for tests: members are bytes."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.outcome cimport EXISTS, NO_MEMORY, OK
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.bag cimport Bag, bag_add, bag_clear, bag_each, bag_init, bag_length, bag_remove
from hutch_engine.structures.set cimport (
    SET_COMPACT, SET_INTSET, SET_LISTPACK, SET_TABLE, Set, SetLimits, set_add, set_check, set_contains, set_copy,
    set_draw, set_draw_again, set_each, set_each_sampled, set_effort, set_expect, set_free, set_free_some,
    set_has_blocks, set_is_resizing, set_length, set_memory, set_new, set_new_for, set_pack_integers, set_random, set_remove,
    set_scan)

FORMS = {"intset": SET_INTSET, "listpack": SET_LISTPACK, "compact": SET_COMPACT, "table": SET_TABLE}
NAMES = {number: name for name, number in FORMS.items()}
OUTCOMES = {OK: "added", EXISTS: "exists", NO_MEMORY: "refused"}


cdef Slice slice_from(bytes text):
    return slice_of(text, len(text))


cdef bytes bytes_of(Slice text):
    return text.data[:text.length] if text.length else b""


cdef bint collect(void* context, Slice member) noexcept nogil:
    with gil:
        (<list>context).append(bytes_of(member))
    return True


cdef bint collect_left(void* context, Slice member) noexcept nogil:
    with gil:
        (<list>context).append((bytes_of(member),))
    return True


cdef class SetOfBytes:
    cdef Heap* heap
    cdef HashKey hash_key
    cdef Random random
    cdef SetLimits limits
    cdef Set set

    def __cinit__(self, form="intset", intset_entries=512, entries=128, value_bytes=64, seed=1):
        self.heap = <Heap*>malloc(sizeof(Heap))
        heap_init(self.heap)
        self.hash_key.k0 = seed
        self.hash_key.k1 = seed * 77
        random_init(&self.random, seed)
        self.limits.intset_entries = intset_entries
        self.limits.entries = entries
        self.limits.value_bytes = value_bytes
        self.set = set_new(self.heap, &self.hash_key, FORMS[form])

    def __dealloc__(self):
        if self.set.pointer != NULL:
            set_free(self.heap, self.set)
        heap_clear(self.heap)
        free(self.heap)

    def clear(self):
        """Free the set; answers how many bytes are left (none, it should be)."""
        if self.set.pointer != NULL:
            set_free(self.heap, self.set)
            self.set.pointer = NULL
        return self.heap.used_bytes

    def renew(self, bytes first, uint64_t expected):
        set_free(self.heap, self.set)
        self.set = set_new_for(self.heap, &self.hash_key, slice_from(first), expected, &self.limits)

    def free_some(self, uint64_t steps):
        cdef bint more = set_free_some(self.heap, self.set, steps)
        if not more:
            self.set.pointer = NULL
        return more

    def refuse_after(self, allocations=None):
        self.heap.fail_after = <uint64_t>-1 if allocations is None else allocations

    @property
    def used_bytes(self):
        return self.heap.used_bytes

    @property
    def form(self):
        return NAMES[self.set.form]

    def set_limits(self, intset_entries, entries, value_bytes):
        self.limits.intset_entries = intset_entries
        self.limits.entries = entries
        self.limits.value_bytes = value_bytes

    def add(self, bytes member):
        return OUTCOMES[set_add(self.heap, &self.hash_key, &self.set, slice_from(member), &self.limits)]

    def remove(self, bytes member):
        return bool(set_remove(self.heap, &self.set, slice_from(member)))

    def expect(self, uint64_t more):
        return bool(set_expect(self.heap, &self.hash_key, &self.set, more, &self.limits))

    def pack_integers(self):
        return bool(set_pack_integers(self.heap, &self.set, &self.limits))

    def __contains__(self, bytes member):
        return bool(set_contains(self.set, slice_from(member)))

    def __len__(self):
        return set_length(self.set)

    def members(self):
        found = []
        assert set_each(self.set, collect, <void*>found)
        return found

    def copied_members(self):
        """What a copy holds; None when it was refused."""
        cdef Set copied
        found = []
        if not set_copy(self.heap, self.set, &copied):
            return None
        set_check(copied)
        assert copied.form == self.set.form
        set_each(copied, collect, <void*>found)
        set_free(self.heap, copied)
        return found

    def scan(self, uint64_t cursor):
        found = []
        cursor = set_scan(self.set, cursor, collect, <void*>found)
        return cursor, found

    def random_member(self):
        cdef char[INTEGER_TEXT_MAX] scratch
        return bytes_of(set_random(self.set, &self.random, scratch))

    def draw(self, uint64_t count):
        found = []
        assert set_draw(self.heap, self.set, count, &self.random, collect, <void*>found)
        return found

    def draw_again(self, uint64_t count):
        found = []
        assert set_draw_again(self.heap, self.set, count, &self.random, collect, <void*>found)
        return found

    def sample(self, uint64_t count):
        found = []
        assert set_each_sampled(self.set, count, &self.random, collect, collect_left, <void*>found)
        return [one for one in found if type(one) is bytes], [one[0] for one in found if type(one) is tuple]

    def memory(self, samples=0):
        return set_memory(self.set, samples)

    def effort(self):
        return set_effort(self.set)

    @property
    def resizing(self):
        return bool(set_is_resizing(self.set))

    def check(self):
        set_check(self.set)


cdef struct Filling:
    Bag* bag
    bint in_table
    uint64_t news


cdef bint fill(void* context, Slice member) noexcept nogil:
    cdef Filling* filling = <Filling*>context
    filling.news += bag_add(filling.bag, member, filling.in_table) == OK
    return True


def union_by_bag(list sets, list without):
    """The members of SetOfBytes objects that share a seed, less `without`; and how many were new."""
    cdef Bag bag
    cdef Filling filling
    cdef SetOfBytes first = sets[0]
    cdef SetOfBytes one
    found = []
    before = first.heap.used_bytes
    bag_init(&bag, first.heap, &first.hash_key, 3)
    filling.bag = &bag
    filling.news = 0
    for one in sets:
        filling.in_table = set_has_blocks(one.set)
        set_each(one.set, fill, &filling)
    for member in without:
        bag_remove(&bag, slice_from(member))
    assert bag_each(&bag, collect, <void*>found)
    assert bag_length(&bag) == len(found)
    bag_clear(&bag)
    assert first.heap.used_bytes == before
    return found, filling.news
