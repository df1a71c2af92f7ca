"""Accounted memory: one Heap an engine, used only by whoever holds that engine's lock.

Small blocks (up to HEAP_SMALL_MAX bytes) come from slabs: 32 KiB pieces of larger regions, each cut
into blocks of one size class, without a header per block; the caller hands the size back when it
frees. Sizes are rounded up to 8 bytes up to 512, then to what divides a slab without a rest (4 bytes in a
hundred are lost at most, where steps of 64 bytes lost 15 of a listpack's). Larger blocks come from malloc;
up to LARGE_ROUNDED_MAX bytes they are rounded, too, so that a node that grows by elements is not resized at each.

    region   1 MiB or more, aligned to SLAB_BYTES     [ slab | slab | slab | ... ]
    slab     [ SlabHeader 64 B | block | block | ... ]  found from a block by masking its address

What must succeed does (`heap_alloc`, small blocks only): when the system has no more, the heap draws on a reserve that
it mapped at the start, and `heap_is_short` tells until the reserve is whole again (the executor then refuses writes with
OOM). All other blocks, large and small, are *tried*: a NULL is an answer. Tries never touch the reserve and are refused
while it is not whole, so whatever goes on for long ends by itself when memory does, with the reserve hardly begun.

A command that would be half done if it were refused in the middle has what it needs *promised* beforehand
(`heap_promise`): until `heap_promise_end` its tries may draw on the reserve, too, and large blocks on a *ballast*, address
space that is held for nothing else and given back when the system refuses. Blocks drawn from the reserve are of few sizes,
powers of two, so that a slab of each is all that can be lost to them.

`used_bytes` is exact: the sum of the rounded sizes of all live blocks. Counters of memory that lives outside (client buffers)
are kept by their owners, atomically. In the checks and sanitize builds every block is a malloc of its own with its size in
front, so that the sanitizer sees each border and a wrong size at `heap_free` is caught.

Small blocks are 8-byte aligned. Valkey's and Redis's `used_memory` count allocator size classes too.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    SLAB_BYTES = 32768
    SLAB_HEADER_BYTES = 64
    HEAP_SMALL_MAX = 2048
    HEAP_CLASSES = 113           # 64 of 8-byte steps up to 512, then 62 to 15 blocks a slab, and 1024 bytes
    LARGE_ROUNDED_MAX = 16384
    LARGE_STEP_BYTES = 64        # what malloc adds (8 bytes) included
    HEAP_RESERVE_SLABS = 64      # 2 MiB: what one command may still need once the system refuses
    HEAP_BALLAST_BYTES = 1048576
    HEAP_PROMISE_MAX = 524288    # up to here reserve and ballast stand for a promise, and the system is not asked

cdef struct Slab:
    Slab* next                   # borrowed: list of slabs of this class with a free block
    Slab* previous
    void* free_blocks            # singly linked through their first word
    uint32_t live                # blocks handed out
    uint32_t capacity            # blocks it can hold
    uint32_t fresh               # blocks never handed out yet begin at this index
    uint16_t size_class
    uint16_t listed              # is it in the class's list?

cdef struct Region:
    Region* next
    void* mapping                # owned
    size_t mapping_bytes

cdef struct Heap:
    Slab* partial[HEAP_CLASSES]  # slabs with at least one free block
    Slab* free_slabs             # whole slabs without a class, singly linked through `next`
    size_t free_slab_count
    char* fresh_slab             # the region being cut: next slab ...
    char* fresh_end              # ... up to here
    Region* regions              # owned
    size_t region_bytes          # size of the next region to map
    Slab* reserve                # whole slabs for bad times, back from there ...
    char* reserve_fresh          # ... and those never used, in a row: not even their first pages are touched ...
    char* reserve_end            # ... up to here
    size_t reserve_count         # of both
    size_t reserve_target        # whole when it holds so many
    size_t tried_max             # tries up to this size are answered at once: HEAP_SMALL_MAX, or 0 while they are judged
    uint64_t used_bytes
    uint64_t peak_bytes
    uint64_t live_blocks
    uint64_t large_bytes         # part of used_bytes that came from malloc
    uint64_t mapped_bytes
    bint promised                # between heap_promise and heap_promise_end
    void* ballast                # owned: address space to give back; NULL before the first promise and once given back
    size_t ballast_bytes
    size_t ballast_left          # of a ballast that was given back: what the promise may still have in large blocks
    uint64_t fail_after          # tests: allocations left before the system "refuses", see heap_fail_after

cdef void heap_init(Heap* heap) noexcept nogil
"""Make an empty heap: no memory is asked for before the first block."""
cdef void heap_clear(Heap* heap) noexcept nogil
"""Give every mapping back. Large blocks still alive are leaked: free them first."""

cdef void* heap_alloc(Heap* heap, size_t size) noexcept nogil
"""A block of `size` <= HEAP_SMALL_MAX bytes; never NULL. For what cannot be left half done, and only where what a client
sends or holds does not say how often: each such block goes with a try, or there are few. Larger sizes must be tried."""
cdef void* heap_try_alloc(Heap* heap, size_t size) noexcept nogil
"""A block of any size, or NULL, in which case nothing changed. Contents undefined."""
cdef void* heap_try_zeroed(Heap* heap, size_t count, size_t size) noexcept nogil
"""`count * size` zero bytes, overflow checked; NULL when refused. Large ones are mapped lazily."""
cdef void* heap_spare_zeroed(Heap* heap, size_t count, size_t size) noexcept nogil
"""The same for what can be done without: promises are not drawn upon."""
cdef void* heap_try_resize(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil
"""Give the block another size, as realloc does: its new address, or NULL, in which case the old block is untouched. O(bytes)
when it is moved."""
cdef void* heap_shrink(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil
"""A smaller block with the same beginning; never NULL, since what was behind it is given up already."""
cdef void heap_free(Heap* heap, void* block, size_t size) noexcept nogil
"""Free a block; `size` is what was asked for. NULL is allowed."""
cdef void heap_decommit(Heap* heap, void* block, size_t size, size_t start, size_t end) noexcept nogil
"""The bytes [start, end) of a large block are no longer needed: their pages may go back early."""
cdef void heap_purge(Heap* heap) noexcept nogil
"""Give the pages of all free slabs back to the system, those kept warm too. O(free slabs)."""
cdef size_t heap_block_bytes(size_t size) noexcept nogil
"""How many bytes a block that is asked for with `size` really takes."""

cdef inline bint heap_is_short(const Heap* heap) noexcept nogil:
    """Is part of the reserve used up, so that writes are to be refused until heap_mend has made it whole again?"""
    return heap.reserve_count < heap.reserve_target

cdef bint heap_mend(Heap* heap) noexcept nogil
"""Ask the system again for what the reserve of a short heap lacks; True when it is whole. O(slabs it lacks)."""

# ---- promises

cdef bint heap_ask_promise(Heap* heap, size_t bytes) noexcept nogil
"""The slow half of heap_promise, for promises that need the system: it gets or enlarges the ballast. False, and nothing is
promised, when the system refuses."""
cdef inline bint heap_promise(Heap* heap, size_t bytes) noexcept nogil:
    """Ask for all that a command is going to need, beforehand: True: blocks of together so many bytes (what they take
    beside their contents was reckoned in) are given until heap_promise_end; False: nothing may be begun. Not nested.

    Free up to HEAP_PROMISE_MAX but for the first time; beyond, a mapping is made and given back."""
    if bytes <= HEAP_PROMISE_MAX and heap.ballast != NULL and heap.tried_max != 0:
        heap.promised = True
        return True
    return heap_ask_promise(heap, bytes)

cdef void heap_settle_promise(Heap* heap) noexcept nogil
"""The slow half of heap_promise_end: gives back what exceeds the usual ballast, and looks whether the heap is short."""
cdef inline void heap_promise_end(Heap* heap) noexcept nogil:
    """End a promise, whether or not it was given."""
    heap.promised = False
    if heap.ballast_bytes != HEAP_BALLAST_BYTES or heap.ballast == NULL or heap_is_short(heap):
        heap_settle_promise(heap)

cdef void heap_fail_after(Heap* heap, uint64_t allocations, bint small) noexcept nogil
"""Tests: the system gives so many large blocks and regions more (`small`: or small blocks that are tried), then it refuses
all; UINT64_MAX: as it likes."""
