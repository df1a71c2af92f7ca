"""structures/hash for tests: one hash with a clock that the test holds."""
from libc.stdint cimport INT64_MIN, UINT64_MAX, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.hash cimport (
    HASH_TABLE, Hash, HashTable, hash_check, hash_clear_deadline, hash_copy, hash_deadline, hash_delete, hash_each,
    hash_earliest_ms, hash_effort, hash_expect_deadlines, hash_free, hash_free_some, hash_get, hash_length, hash_memory,
    hash_new, hash_prepare, hash_random, hash_sample, hash_scan, hash_set, hash_set_deadline, hash_stored, hash_take_due)
from hutch_engine.structures.table cimport table_step


cdef bint collect(void* context, Slice field, Slice value) noexcept nogil:
    with gil:
        (<list>context).append((field.data[:field.length], value.data[:value.length]))
    return True


cdef Slice _slice(bytes text):
    return slice_of(text, len(text))


cdef class FieldHash:
    cdef Heap* heap
    cdef HashKey hash_key
    cdef Random random
    cdef Hash hash

    def __cinit__(self, uint64_t max_entries=8, uint64_t max_bytes=16, uint64_t seed=1):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.hash_key.k0 = seed
        self.hash_key.k1 = ~seed
        random_init(&self.random, seed)
        self.hash.heap = self.heap
        self.hash.hash_key = &self.hash_key
        self.hash.now_ms = INT64_MIN
        self.hash.max_packed_entries = max_entries
        self.hash.max_packed_bytes = max_bytes
        self.hash.form = 0
        self.hash.pointer = hash_new(self.heap)

    def __dealloc__(self):
        if self.heap != NULL:
            if self.hash.pointer != NULL:
                hash_free(self.heap, self.hash.form, self.hash.pointer)
            heap_clear(self.heap)
            free(self.heap)

    @property
    def form(self):
        return self.hash.form

    @property
    def used_bytes(self):
        return self.heap.used_bytes

    def now(self, int64_t ms):
        self.hash.now_ms = ms

    def fail_after(self, uint64_t allocations=UINT64_MAX):
        self.heap.fail_after = allocations

    def set(self, bytes field, bytes value, bint keep=False):
        return hash_set(&self.hash, _slice(field), _slice(value), keep)

    def get(self, bytes field):
        cdef char[INTEGER_TEXT_MAX] scratch
        cdef Slice value
        return value.data[:value.length] if hash_get(&self.hash, _slice(field), scratch, &value) else None

    def delete(self, bytes field):
        return hash_delete(&self.hash, _slice(field))

    def deadline(self, bytes field):
        cdef int64_t deadline_ms
        return deadline_ms if hash_deadline(&self.hash, _slice(field), &deadline_ms) else None

    def set_deadline(self, bytes field, int64_t ms):
        return hash_set_deadline(&self.hash, _slice(field), ms)

    def clear_deadline(self, bytes field):
        return hash_clear_deadline(&self.hash, _slice(field))

    def expect_deadlines(self):
        hash_expect_deadlines(&self.hash)

    def earliest(self):
        return hash_earliest_ms(self.hash.form, self.hash.pointer)

    def take_due(self, uint64_t budget):
        return hash_take_due(&self.hash, budget, NULL, NULL)

    def __len__(self):
        return hash_length(&self.hash)

    def stored(self):
        return hash_stored(&self.hash)

    def items(self):
        found = []
        hash_each(&self.hash, collect, <void*>found)
        return found

    def scan(self, uint64_t cursor):
        found = []
        return hash_scan(&self.hash, cursor, collect, <void*>found), found

    def random_field(self):
        cdef char[INTEGER_TEXT_MAX] one
        cdef char[INTEGER_TEXT_MAX] two
        cdef Slice field, value
        if not hash_random(&self.hash, &self.random, one, two, &field, &value):
            return None
        return field.data[:field.length], value.data[:value.length]

    def sample(self, uint64_t count):
        found = []
        hash_sample(&self.hash, &self.random, count, collect, <void*>found)
        return found

    def copy_swap(self):
        """Become a copy of oneself; the original is freed. False when refused."""
        cdef Hash copy
        if not hash_copy(&self.hash, &copy):
            return False
        hash_free(self.heap, self.hash.form, self.hash.pointer)
        self.hash = copy
        return True

    def free_in_slices(self, uint64_t steps):
        """How many slices it took; the object is not to be used afterwards."""
        slices = 1
        while hash_free_some(self.heap, self.hash.form, self.hash.pointer, steps):
            slices += 1
        self.hash.pointer = NULL
        return slices

    def fill(self, uint64_t first, uint64_t last, int field_bytes, int value_bytes):
        """Fields of digits, for measuring."""
        for n in range(first, last):
            self.set(b"%0*d" % (field_bytes, n), b"v%0*d" % (value_bytes - 1, n))

    def memory(self, uint64_t samples=0):
        return hash_memory(self.hash.form, self.hash.pointer, samples)

    def check(self):
        hash_check(&self.hash)
