"""A heap for tests: blocks are handles, their bytes carry a pattern that is verified before they are freed."""
from libc.stdint cimport uint8_t, uint64_t, uintptr_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_clear, buffer_init, buffer_insert, buffer_shrink)
from hutch_engine.base.growth cimport GROWTH_OVER_LIMIT, growth_available_bytes, growth_limit, growth_outgrows_memory
from hutch_engine.base.hash cimport HashKey, hash_bytes
from hutch_engine.base.memory cimport (
    HEAP_RESERVE_SLABS, HEAP_SMALL_MAX, Heap, heap_alloc, heap_block_bytes, heap_clear, heap_free, heap_init,
    heap_fail_after, heap_is_short, heap_mend, heap_promise, heap_promise_end, heap_shrink, heap_spare_zeroed, heap_try_alloc,
    heap_try_resize, heap_try_zeroed)
from hutch_engine.base.random cimport Random, random_below, random_init, random_next, random_unit

SMALL_MAX = HEAP_SMALL_MAX
RESERVE_SLABS = HEAP_RESERVE_SLABS


cdef class HeapOfTest:
    cdef Heap heap
    cdef dict blocks           # address: (size, pattern)

    def __cinit__(self):
        heap_init(&self.heap)
        self.blocks = {}

    def __dealloc__(self):
        for address, (size, _) in self.blocks.items():
            heap_free(&self.heap, <void*><uintptr_t>address, size)
        heap_clear(&self.heap)

    def alloc(self, size_t size, uint8_t pattern, bint must=False):
        cdef void* block = heap_alloc(&self.heap, size) if must else heap_try_alloc(&self.heap, size)
        if block == NULL:
            return None
        return self._keep(block, size, pattern)

    def zeroed(self, size_t count, size_t size):
        cdef void* block = heap_try_zeroed(&self.heap, count, size)
        cdef size_t i
        if block == NULL:
            return None
        for i in range(count * size):
            assert (<uint8_t*>block)[i] == 0
        return self._keep(block, count * size, 1)

    cdef object _keep(self, void* block, size_t size, uint8_t pattern):
        assert <uintptr_t>block % 8 == 0
        assert <uintptr_t>block not in self.blocks
        memset(block, pattern, size)
        self.blocks[<uintptr_t>block] = (size, pattern)
        return <uintptr_t>block

    def _verify(self, uintptr_t address, size_t size, uint8_t pattern):
        cdef size_t i
        for i in range(size):
            assert (<uint8_t*>address)[i] == pattern, "a block was overwritten"

    def free(self, address):
        size, pattern = self.blocks.pop(address)
        self._verify(address, size, pattern)
        heap_free(&self.heap, <void*><uintptr_t>address, size)

    def resize(self, address, size_t size):
        cdef void* block
        old, pattern = self.blocks[address]
        block = heap_try_resize(&self.heap, <void*><uintptr_t>address, old, size)
        if block == NULL:
            self._verify(address, old, pattern)
            return None
        del self.blocks[address]
        self._verify(<uintptr_t>block, min(old, size), pattern)
        return self._keep(block, size, pattern)

    def refuse_after(self, allocations, bint small=False):
        heap_fail_after(&self.heap, ~<uint64_t>0 if allocations is None else <uint64_t>allocations, small)

    def promise(self, size_t size):
        return heap_promise(&self.heap, size)

    def promise_end(self):
        heap_promise_end(&self.heap)

    def spare(self, size_t size):
        cdef void* block = heap_spare_zeroed(&self.heap, 1, size)
        return None if block == NULL else self._keep(block, size, 1)

    def shrink(self, address, size_t size):
        cdef void* block
        old, pattern = self.blocks.pop(address)
        block = heap_shrink(&self.heap, <void*><uintptr_t>address, old, size)
        self._verify(<uintptr_t>block, size, pattern)
        return self._keep(block, size, pattern)

    @property
    def used(self):
        return self.heap.used_bytes

    @property
    def mapped(self):
        return self.heap.mapped_bytes

    @property
    def live(self):
        return self.heap.live_blocks

    @property
    def short(self):
        return heap_is_short(&self.heap)

    def mend(self):
        return heap_mend(&self.heap)

    @staticmethod
    def block_bytes(size_t size):
        return heap_block_bytes(size)


def siphash(bytes key, bytes data):
    cdef HashKey hash_key
    hash_key.k0 = int.from_bytes(key[:8], "little")
    hash_key.k1 = int.from_bytes(key[8:], "little")
    return hash_bytes(&hash_key, data, len(data))


cdef class RandomOfTest:
    cdef Random random

    def __cinit__(self, uint64_t seed):
        random_init(&self.random, seed)

    def next(self):
        return random_next(&self.random)

    def below(self, uint64_t limit):
        return random_below(&self.random, limit)

    def unit(self):
        return random_unit(&self.random)


def available_bytes():
    return growth_available_bytes()


cdef class BufferOfTest:
    cdef Buffer buffer
    cdef uint64_t account

    def __cinit__(self):
        buffer_init(&self.buffer, &self.account)

    def __dealloc__(self):
        buffer_clear(&self.buffer)

    def append(self, bytes data):
        buffer_append(&self.buffer, data, len(data))

    def insert(self, size_t position, bytes data):
        buffer_insert(&self.buffer, position, data, len(data))

    def append_integer(self, value):
        buffer_append_integer(&self.buffer, value)

    def shrink(self, size_t keep):
        buffer_shrink(&self.buffer, keep)

    def limit(self, uint64_t size):
        growth_limit(&self.buffer, size)

    @property
    def failed(self):
        return "over limit" if self.buffer.failed == GROWTH_OVER_LIMIT else bool(self.buffer.failed)

    @property
    def outgrows_memory(self):
        return growth_outgrows_memory(self.buffer.data, self.buffer.length)

    def clear(self):
        buffer_clear(&self.buffer)

    @property
    def content(self):
        return self.buffer.data[:self.buffer.length] if self.buffer.length else b""

    @property
    def accounted(self):
        return self.account

    @property
    def capacity(self):
        return self.buffer.capacity
