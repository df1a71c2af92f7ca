"""structures/table for tests: entries are heap blocks with a number, the key, and nothing else.

    key_offset 8:  [ number, 8 bytes ][ LEB128 length ][ key ]
    key_offset 0:  [ LEB128 length ][ key ][ number, 8 bytes ]
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.compiler cimport load_u64, store_u64
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport (Heap, HEAP_SMALL_MAX, heap_alloc, heap_clear, heap_free, heap_init,
                                       heap_try_alloc)
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_buckets, table_check, table_clear, table_count, table_drain, table_each,
    table_find, table_hash, table_init, table_insert, table_is_resizing, table_key, table_memory,
    table_prefetch_bucket, table_prefetch_entries, table_random, table_remove, table_replace, table_reserve,
    table_scan, table_step)


cdef struct Stop:
    void* list                # borrowed: a Python list
    Table* table
    int64_t left              # visits until the visitor says stop; -1 never


cdef bint collect(void* context, void* entry) noexcept nogil:
    cdef Stop* stop = <Stop*>context
    with gil:
        (<list>stop.list).append(<size_t>entry)
    if stop.left > 0:
        stop.left -= 1
    return stop.left != 0


cdef bint count_visit(void* context, void* entry) noexcept nogil:
    (<uint64_t*>context)[0] += 1
    return True


cdef class HashTable:
    cdef Heap* heap
    cdef HashKey hash_key
    cdef Random random
    cdef Table table
    cdef uint32_t key_offset
    cdef bint reserved

    def __cinit__(self, uint32_t key_offset=0, uint64_t seed=1):
        assert key_offset in (0, 8)
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.hash_key.k0 = seed ^ <uint64_t>0x9E3779B97F4A7C15
        self.hash_key.k1 = ~seed
        self.key_offset = key_offset
        random_init(&self.random, seed)
        memset(&self.table, 0xA5, sizeof(Table))        # table_init must not rely on zeroed memory
        table_init(&self.table, self.heap, &self.hash_key, key_offset)

    def __dealloc__(self):
        self.clear()
        heap_clear(self.heap)
        free(self.heap)

    # --- entries --------------------------------------------------------------------------------------

    cdef size_t entry_bytes(self, size_t length) noexcept nogil:
        cdef size_t prefix = 1
        cdef size_t rest = length
        while rest >= 0x80:
            prefix += 1
            rest >>= 7
        return 8 + prefix + length

    cdef char* entry_new(self, const char* key, size_t length, uint64_t number) except? NULL nogil:
        cdef size_t bytes = self.entry_bytes(length)
        cdef char* entry
        cdef char* at
        cdef size_t rest = length
        if bytes <= HEAP_SMALL_MAX:
            entry = <char*>heap_alloc(self.heap, bytes)
        else:
            entry = <char*>heap_try_alloc(self.heap, bytes)
            if entry == NULL:
                return NULL
        at = entry + self.key_offset
        while rest >= 0x80:
            (<uint8_t*>at)[0] = <uint8_t>(rest & 0x7F) | 0x80
            rest >>= 7
            at += 1
        (<uint8_t*>at)[0] = <uint8_t>rest
        memcpy(at + 1, key, length)
        store_u64(entry if self.key_offset == 8 else entry + bytes - 8, number)
        return entry

    cdef void entry_free(self, void* entry) noexcept nogil:
        heap_free(self.heap, entry, self.entry_bytes(table_key(&self.table, entry).length))

    cdef uint64_t entry_number(self, void* entry) noexcept nogil:
        if self.key_offset == 8:
            return load_u64(entry)
        return load_u64(<char*>entry + self.entry_bytes(table_key(&self.table, entry).length) - 8)

    cdef entry_pair(self, void* entry):
        cdef Slice key = table_key(&self.table, entry)
        return key.data[:key.length], self.entry_number(entry)

    cdef TableSlot slot(self, bytes key, uint64_t* hash_out):
        cdef Slice slice = slice_of(key, len(key))
        hash_out[0] = table_hash(&self.table, slice)
        table_prefetch_bucket(&self.table, hash_out[0])
        table_prefetch_entries(&self.table, hash_out[0])
        return table_find(&self.table, slice, hash_out[0])

    # --- the contract ---------------------------------------------------------------------------------

    def insert(self, bytes key, uint64_t number):
        cdef uint64_t hash
        assert self.slot(key, &hash) == NULL
        cdef char* entry = self.entry_new(key, len(key), number)
        if entry == NULL:
            raise MemoryError
        table_insert(&self.table, entry, hash)

    def find(self, bytes key):
        cdef uint64_t hash
        cdef TableSlot slot = self.slot(key, &hash)
        if slot == NULL:
            return None
        found, number = self.entry_pair(slot[0])
        assert found == key
        return number

    def remove(self, bytes key):
        cdef uint64_t hash
        cdef TableSlot slot = self.slot(key, &hash)
        if slot == NULL:
            return False
        cdef void* entry = slot[0]
        table_remove(&self.table, slot, hash)
        self.entry_free(entry)
        return True

    def replace(self, bytes key, uint64_t number):
        """A new block for a key that is there; the old one is gone before the table changes again."""
        cdef uint64_t hash
        cdef TableSlot slot = self.slot(key, &hash)
        if slot == NULL:
            return False
        cdef void* entry = slot[0]
        table_replace(&self.table, slot, self.entry_new(key, len(key), number))
        self.entry_free(entry)
        return True

    def scan(self, uint64_t cursor):
        found = []
        cdef Stop stop
        stop.list = <void*>found
        stop.left = 0                       # answers False each time: the scan must not care
        cdef uint64_t following = table_scan(&self.table, cursor, collect, &stop)
        return following, [self.entry_pair(<void*><size_t>entry) for entry in found]

    def each(self, int64_t stop_after=-1):
        found = []
        cdef Stop stop
        stop.list = <void*>found
        stop.left = stop_after
        finished = table_each(&self.table, collect, &stop)
        return finished, [self.entry_pair(<void*><size_t>entry) for entry in found]

    def random_entry(self):
        cdef void* entry = table_random(&self.table, &self.random)
        return None if entry == NULL else self.entry_pair(entry)

    def drain(self, uint64_t position, uint64_t buckets, int64_t stop_after=-1):
        """Frees what it is handed; (new position, entries left, their pairs)."""
        found = []
        cdef Stop stop
        stop.list = <void*>found
        stop.left = stop_after
        cdef uint64_t left = table_drain(&self.table, &position, collect, &stop, buckets)
        pairs = []
        for entry in found:
            pairs.append(self.entry_pair(<void*><size_t>entry))
            self.entry_free(<void*><size_t>entry)
        return position, left, pairs

    def clear(self):
        found = []
        cdef Stop stop
        stop.list = <void*>found
        stop.left = -1
        table_each(&self.table, collect, &stop)
        table_clear(&self.table)
        for entry in found:
            self.entry_free(<void*><size_t>entry)

    def reserve(self, uint64_t entries):
        return bool(table_reserve(&self.table, entries))

    def step(self, uint64_t buckets):
        return bool(table_step(&self.table, buckets))

    def check(self):
        table_check(&self.table)

    def pause(self):
        self.table.paused += 1

    def unpause(self):
        self.table.paused -= 1

    def forbid_resizing(self, bint forbidden):
        self.table.resize_forbidden = forbidden

    def fail_after(self, allocations):
        """Refuse from now on, to a heap that has outgrown its first region and so has its reserve."""
        cdef void* blocks[1000]
        cdef int i
        if not self.reserved:
            for i in range(1000):
                blocks[i] = heap_alloc(self.heap, HEAP_SMALL_MAX)
            for i in range(1000):
                heap_free(self.heap, blocks[i], HEAP_SMALL_MAX)
            self.reserved = True
        self.heap.fail_after = 0xFFFFFFFFFFFFFFFF if allocations is None else allocations

    @property
    def moved(self):
        return self.table.moved

    @property
    def resizing(self):
        return bool(table_is_resizing(&self.table))

    @property
    def buckets(self):
        return table_buckets(&self.table)

    @property
    def sizes(self):
        """(old, new) numbers of chains; 0 for an absent array."""
        cdef int i
        sizes = []
        for i in range(2):
            sizes.append(0 if self.table.halves[i].buckets == NULL else 1 << self.table.halves[i].exponent)
        return tuple(sizes)

    @property
    def children(self):
        return self.table.halves[0].children + self.table.halves[1].children

    @property
    def depth(self):
        return max(self.table.halves[0].depth, self.table.halves[1].depth)

    @property
    def aligned(self):
        """Do the bucket arrays begin at a cache line's border?"""
        return <size_t>self.table.halves[0].buckets % 64 == 0 and <size_t>self.table.halves[1].buckets % 64 == 0

    @property
    def memory(self):
        return table_memory(&self.table)

    @property
    def live_bytes(self):
        return self.heap.used_bytes

    def __len__(self):
        return table_count(&self.table)

    # --- many at once ---------------------------------------------------------------------------------

    def insert_range(self, uint64_t first, uint64_t end):
        """Keys key:%012d, numbered; returns the most old buckets moved by one insertion."""
        cdef char key[16]
        cdef uint64_t number, hash, most = 0
        cdef int64_t before
        cdef char* entry
        memcpy(key, b"key:", 4)
        for number in range(first, end):
            numbered(key, number)
            before = self.table.moved
            hash = table_hash(&self.table, slice_of(key, 16))
            entry = self.entry_new(key, 16, number)
            table_insert(&self.table, entry, hash)
            if self.table.moved >= 0:
                if self.table.moved - (before if before > 0 else 0) > <int64_t>most:
                    most = self.table.moved - (before if before > 0 else 0)
        return most

    def remove_range(self, uint64_t first, uint64_t end):
        cdef char key[16]
        cdef uint64_t number, hash, most = 0
        cdef int64_t before
        cdef TableSlot slot
        cdef void* entry
        memcpy(key, b"key:", 4)
        for number in range(first, end):
            numbered(key, number)
            before = self.table.moved
            hash = table_hash(&self.table, slice_of(key, 16))
            slot = table_find(&self.table, slice_of(key, 16), hash)
            if slot == NULL:
                raise KeyError(key[:16])
            entry = slot[0]
            table_remove(&self.table, slot, hash)
            self.entry_free(entry)
            if self.table.moved >= 0:
                if self.table.moved - (before if before > 0 else 0) > <int64_t>most:
                    most = self.table.moved - (before if before > 0 else 0)
        return most

    def count_found(self, uint64_t first, uint64_t end):
        cdef char key[16]
        cdef uint64_t number, found = 0
        cdef Slice slice = slice_of(key, 16)
        memcpy(key, b"key:", 4)
        for number in range(first, end):
            numbered(key, number)
            found += table_find(&self.table, slice, table_hash(&self.table, slice)) != NULL
        return found

    def random_counts(self, uint64_t draws, uint64_t numbers):
        """How often each number below `numbers` was drawn."""
        counts = [0] * numbers
        cdef uint64_t draw
        for draw in range(draws):
            counts[self.entry_number(table_random(&self.table, &self.random))] += 1
        return counts

    def scan_all(self):
        """(visits, calls) of one whole scan."""
        cdef uint64_t cursor = 0, visits = 0, calls = 0
        while True:
            cursor = table_scan(&self.table, cursor, count_visit, &visits)
            calls += 1
            if cursor == 0:
                return visits, calls

    def time_finds(self, uint64_t first, uint64_t numbers, uint64_t rounds, uint64_t batch):
        """Nanoseconds for a lookup of a random key of the range; in batches with prefetching if batch > 1."""
        cdef char keys[64][16]
        cdef uint64_t hashes[64]
        cdef uint64_t round_, i, state = 88172645463325252, found = 0
        cdef int64_t begin
        for i in range(64):
            memcpy(&keys[i][0], b"key:", 4)
        begin = monotonic_us()
        for round_ in range(rounds // batch):
            for i in range(batch):
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                numbered(&keys[i][0], first + state % numbers)
                hashes[i] = table_hash(&self.table, slice_of(&keys[i][0], 16))
                if batch > 1:
                    table_prefetch_bucket(&self.table, hashes[i])
            if batch > 1:
                for i in range(batch):
                    table_prefetch_entries(&self.table, hashes[i])
            for i in range(batch):
                found += table_find(&self.table, slice_of(&keys[i][0], 16), hashes[i]) != NULL
        return (monotonic_us() - begin) * 1000 / rounds, found

    def time_random(self, uint64_t rounds):
        cdef uint64_t i
        cdef int64_t begin = monotonic_us()
        for i in range(rounds):
            table_random(&self.table, &self.random)
        return (monotonic_us() - begin) * 1000 / rounds


cdef void numbered(char* key, uint64_t number) noexcept nogil:
    """Twelve digits behind "key:"."""
    cdef int i
    for i in range(12):
        key[15 - i] = <char>(48 + number % 10)
        number //= 10
