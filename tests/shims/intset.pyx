"""structures/intset for tests."""
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.structures.intset cimport (
    Intset, intset_add, intset_bytes, intset_check, intset_contains, intset_copy, intset_free, intset_get,
    intset_index, intset_is_valid, intset_length, intset_new, intset_random, intset_remove,
    intset_remove_range)


def is_valid(bytes data, bint deep):
    cdef uint8_t* exact = <uint8_t*>malloc(len(data))
    memcpy(exact, <const char*>data, len(data))
    valid = intset_is_valid(exact, len(data), deep)
    free(exact)
    return valid


cdef class Numbers:
    cdef Heap* heap
    cdef Intset* intset
    cdef Random random

    def __cinit__(self, uint64_t seed=1):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        random_init(&self.random, seed)
        self.intset = intset_new(self.heap)

    def __dealloc__(self):
        if self.heap != NULL:
            intset_free(self.heap, self.intset)
            heap_clear(self.heap)
            free(self.heap)

    def free(self):
        """Free the set; answers the bytes still alive."""
        intset_free(self.heap, self.intset)
        self.intset = NULL
        return self.heap.used_bytes

    def refuse(self, bint refuse):
        self.heap.fail_after = 0 if refuse else UINT64_MAX

    @property
    def bytes(self):
        return (<const char*>self.intset)[:intset_bytes(self.intset)]

    def __len__(self):
        return intset_length(self.intset)

    def __contains__(self, int64_t value):
        return intset_contains(self.intset, value)

    def check(self):
        intset_check(self.intset)

    def items(self):
        return [intset_get(self.intset, <uint32_t>i) for i in range(len(self))]

    def index(self, int64_t value):
        return intset_index(self.intset, value)

    def add(self, int64_t value):
        """Was it added? None when refused."""
        cdef bint added = True
        cdef Intset* changed = intset_add(self.heap, self.intset, value, &added)
        if changed == NULL:
            assert not added
            return None
        self.intset = changed
        return added

    def remove(self, int64_t value):
        cdef bint removed = True
        self.intset = intset_remove(self.heap, self.intset, value, &removed)
        return removed

    def remove_range(self, uint32_t index, uint32_t count):
        self.intset = intset_remove_range(self.heap, self.intset, index, count)

    def pick(self):
        return intset_random(self.intset, &self.random)

    def copy_bytes(self):
        cdef Intset* copy = intset_copy(self.heap, self.intset)
        if copy == NULL:
            return None
        data = (<const char*>copy)[:intset_bytes(copy)]
        intset_free(self.heap, copy)
        return data
