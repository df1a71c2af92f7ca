"""See memory.pxd."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport malloc, calloc, realloc, free
from libc.string cimport memcpy, memset
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely, unlikely

cdef extern from * nogil:
    """
    #include <sys/mman.h>
    #include <stdlib.h>
    #include <stdint.h>
    #ifndef MAP_ANONYMOUS
    #define MAP_ANONYMOUS MAP_ANON
    #endif
    static void *hutch_map(size_t bytes) {
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return NULL;
        /* No huge pages: they make random look-ups in large tables a little quicker, but the kernel clears
         * (and first gathers) 2 MiB at the first touch of each: 11 ms at worst, measured in the middle of
         * single SETs of a growing table. */
        return p;
    }
    static void hutch_unmap(void *p, size_t bytes) { munmap(p, bytes); }
    static void hutch_decommit(void *start, void *end) {
        /* whole pages inside [start, end) only */
        uintptr_t a = ((uintptr_t)start + 4095) & ~(uintptr_t)4095, b = (uintptr_t)end & ~(uintptr_t)4095;
        if (a < b) madvise((void *)a, b - a, MADV_DONTNEED);
    }
    """
    void* hutch_map(size_t bytes) noexcept
    void hutch_unmap(void* p, size_t bytes) noexcept
    void hutch_decommit(void* start, void* end) noexcept

cdef enum:
    FIRST_REGION_BYTES = 262144        # a store of a test holds a handful of keys
    LAST_REGION_BYTES = 67108864
    LEAST_REGION_BYTES = 131072        # smaller ones are not worth the asking when the system refuses a region
    DRAWN_MIN = 64                     # the smallest of the sizes, powers of two, that are drawn from the reserve
    MAPPED_BLOCK_BYTES = 1048576       # blocks from here on are mappings of their own: zero pages, quick to give back
    MALLOC_BYTES = 8                   # its header: with it a block is a whole number of steps
    FREE_SLABS_KEPT = 16               # whole slabs kept warm (512 KiB); further ones give their pages back
    CHECK_PREFIX = 16
    CHECK_MAGIC = 0x68757463


cdef enum:
    FAIL_SMALL = <uint64_t>1 << 62     # in fail_after: small blocks that are tried count, too


cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <stddef.h>
    /* Above 512 bytes: what 62, 61 ... 16 blocks leave of a slab (32,704 / n, whole words), and the powers of two,
     * which tables want aligned to cache lines. */
    static const uint16_t hutch_wide_classes[] = {
        520, 536, 544, 552, 560, 568, 584, 592, 600, 616, 624, 640,
        648, 664, 680, 688, 704, 720, 736, 760, 776, 792, 816, 832,
        856, 880, 904, 928, 960, 984, 1016, 1024, 1048, 1088, 1120, 1168,
        1208, 1256, 1304, 1360, 1416, 1480, 1552, 1632, 1720, 1816, 1920, 2040,
        2048,
    };
    _Static_assert(sizeof(hutch_wide_classes) / sizeof(hutch_wide_classes[0]) == 113 - 64, "HEAP_CLASSES");
    /* Class of (size + 7) / 8 words, from 65 on. */
    static uint8_t hutch_wide_class_of[257];
    __attribute__((constructor)) static void hutch_fill_classes(void) {
        uint8_t at = 0;
        for (unsigned words = 65; words <= 256; words++) {
            while (hutch_wide_classes[at] < words * 8) at++;
            hutch_wide_class_of[words] = (uint8_t)(64 + at);
        }
    }
    static inline uint32_t hutch_class_of(size_t size) {
        size_t words = (size + 7) >> 3;
        return words <= 64 ? (words ? (uint32_t)words - 1 : 0) : hutch_wide_class_of[words];
    }
    static inline size_t hutch_class_bytes(uint32_t size_class) {
        return size_class < 64 ? (size_class + 1) * 8 : hutch_wide_classes[size_class - 64];
    }
    """
    uint32_t _class_of "hutch_class_of"(size_t size) noexcept
    size_t _class_bytes "hutch_class_bytes"(uint32_t size_class) noexcept


cdef inline size_t _rounded(size_t size) noexcept nogil:
    if size <= HEAP_SMALL_MAX:
        return _class_bytes(_class_of(size))
    if size <= LARGE_ROUNDED_MAX:
        return ((size + MALLOC_BYTES + LARGE_STEP_BYTES - 1) & ~<size_t>(LARGE_STEP_BYTES - 1)) - MALLOC_BYTES
    return size


cdef size_t heap_block_bytes(size_t size) noexcept nogil:
    return _rounded(size)


cdef void heap_init(Heap* heap) noexcept nogil:
    memset(heap, 0, sizeof(Heap))
    heap.region_bytes = FIRST_REGION_BYTES
    heap.tried_max = HEAP_SMALL_MAX
    heap.fail_after = ~<uint64_t>0


cdef bint _refuse(Heap* heap) noexcept nogil:
    """Tests let the system refuse after so many allocations."""
    if likely(heap.fail_after == ~<uint64_t>0):
        return False
    if heap.fail_after & ~<uint64_t>FAIL_SMALL == 0:
        return True
    heap.fail_after -= 1
    return False


cdef bint _map_region(Heap* heap, size_t bytes) noexcept nogil:
    cdef Region* region
    cdef void* mapping
    cdef uintptr_t start
    if _refuse(heap):
        return False
    region = <Region*>malloc(sizeof(Region))
    if region == NULL:
        return False
    mapping = hutch_map(bytes + SLAB_BYTES)
    if mapping == NULL:
        free(region)
        return False
    region.mapping = mapping
    region.mapping_bytes = bytes + SLAB_BYTES
    region.next = heap.regions
    heap.regions = region
    heap.mapped_bytes += region.mapping_bytes
    start = (<uintptr_t>mapping + SLAB_BYTES - 1) & ~<uintptr_t>(SLAB_BYTES - 1)
    heap.fresh_slab = <char*>start
    heap.fresh_end = <char*>(start + bytes)
    return True


cdef inline void _judge_tries(Heap* heap) noexcept nogil:
    """After the reserve, the promise or the tests' wishes have changed."""
    if heap.fail_after != ~<uint64_t>0 and heap.fail_after & FAIL_SMALL or heap_is_short(heap) and not heap.promised:
        heap.tried_max = 0
    else:
        heap.tried_max = HEAP_SMALL_MAX


cdef inline void _reserve_push(Heap* heap, Slab* slab) noexcept nogil:
    # The link inside touches one page a slab; an array of addresses would need memory of its own.
    slab.next = heap.reserve
    heap.reserve = slab
    heap.reserve_count += 1
    if heap.reserve_count == heap.reserve_target:
        _judge_tries(heap)


cdef Slab* _reserve_pop(Heap* heap) noexcept nogil:
    cdef Slab* slab = heap.reserve
    if slab != NULL:
        heap.reserve = slab.next
    elif heap.reserve_fresh != heap.reserve_end:
        slab = <Slab*>heap.reserve_fresh
        heap.reserve_fresh += SLAB_BYTES
    else:
        return NULL
    heap.reserve_count -= 1
    _judge_tries(heap)
    return slab


cdef inline void _list_remove(Heap* heap, Slab* slab) noexcept nogil:
    if slab.previous != NULL:
        slab.previous.next = slab.next
    else:
        heap.partial[slab.size_class] = slab.next
    if slab.next != NULL:
        slab.next.previous = slab.previous
    slab.listed = 0


cdef Slab* _idle_slab(Heap* heap) noexcept nogil:
    """An empty slab that a class keeps for its next block: when the system refuses, any class may need it more.
    Newly listed slabs go to the front, so only the first two of a class are looked at."""
    cdef Slab* slab
    cdef uint32_t size_class
    for size_class in range(HEAP_CLASSES):
        slab = heap.partial[size_class]
        if slab != NULL and slab.live != 0:
            slab = slab.next
        if slab != NULL and slab.live == 0:
            _list_remove(heap, slab)
            return slab
    return NULL


cdef bint heap_mend(Heap* heap) noexcept nogil:
    cdef Slab* slab
    while heap.reserve_count < heap.reserve_target:
        if heap.free_slabs != NULL:
            slab = heap.free_slabs
            heap.free_slabs = slab.next
            heap.free_slab_count -= 1
        else:
            if heap.fresh_slab == heap.fresh_end \
                    and not _map_region(heap, (heap.reserve_target - heap.reserve_count) * SLAB_BYTES):
                slab = _idle_slab(heap)
                if slab == NULL:
                    return False
            else:
                slab = <Slab*>heap.fresh_slab
                heap.fresh_slab += SLAB_BYTES
        _reserve_push(heap, slab)
    return True


cdef bint _first_region(Heap* heap) noexcept nogil:
    """The reserve lies in front of what the first slabs are cut from: one mapping, and untouched. A system that
    refuses even that has made the heap short from the start."""
    heap.reserve_target = HEAP_RESERVE_SLABS
    if _map_region(heap, HEAP_RESERVE_SLABS * SLAB_BYTES + heap.region_bytes):
        heap.reserve_fresh = heap.fresh_slab
        heap.reserve_end = heap.fresh_slab + HEAP_RESERVE_SLABS * SLAB_BYTES
        heap.fresh_slab = heap.reserve_end
        heap.reserve_count = HEAP_RESERVE_SLABS
        return True
    _judge_tries(heap)
    return _map_region(heap, LEAST_REGION_BYTES)


cdef bint _release_ballast(Heap* heap) noexcept nogil:
    """The system has refused what was promised. False: there is nothing to go on with."""
    if heap.ballast != NULL:
        hutch_unmap(heap.ballast, heap.ballast_bytes)
        heap.ballast = NULL
        heap.ballast_left = heap.ballast_bytes
    return heap.ballast_left != 0


cdef bint _map_promised_region(Heap* heap) noexcept nogil:
    """A region out of the ballast: an eighth of what is left, since large blocks want their part. The last of it is
    theirs, for there is the reserve for small ones."""
    cdef uint64_t fail_after = heap.fail_after
    cdef size_t bytes
    cdef bint mapped
    if not heap.promised or not _release_ballast(heap):
        return False
    bytes = heap.ballast_left // 8 & ~<size_t>(SLAB_BYTES - 1)
    if bytes < LEAST_REGION_BYTES:
        return False
    heap.fail_after = ~<uint64_t>0
    mapped = _map_region(heap, bytes)
    heap.fail_after = fail_after
    if mapped:
        heap.ballast_left -= bytes + SLAB_BYTES
    return mapped


cdef bint _more_fresh(Heap* heap) noexcept nogil:
    """Map what the next slabs are cut from. A system that refuses a large region may still have a small one."""
    cdef size_t bytes = heap.region_bytes
    if heap.regions == NULL:
        return _first_region(heap)
    while not _map_region(heap, bytes):
        if bytes <= LEAST_REGION_BYTES:
            return _map_promised_region(heap)
        bytes = bytes // 8 if bytes // 8 > LEAST_REGION_BYTES else LEAST_REGION_BYTES
    if bytes == heap.region_bytes and bytes < LAST_REGION_BYTES:
        heap.region_bytes *= 2
    return True


cdef Slab* _whole_slab(Heap* heap) noexcept nogil:
    """NULL: there is only the reserve."""
    cdef Slab* slab
    if heap.free_slabs != NULL:
        slab = heap.free_slabs
        heap.free_slabs = slab.next
        heap.free_slab_count -= 1
        return slab
    if heap.fresh_slab == heap.fresh_end and not _more_fresh(heap):
        return _idle_slab(heap)
    slab = <Slab*>heap.fresh_slab
    heap.fresh_slab += SLAB_BYTES
    return slab


cdef inline void _list_push(Heap* heap, Slab* slab) noexcept nogil:
    slab.previous = NULL
    slab.next = heap.partial[slab.size_class]
    if slab.next != NULL:
        slab.next.previous = slab
    heap.partial[slab.size_class] = slab
    slab.listed = 1


cdef void _begin_slab(Heap* heap, Slab* slab, uint32_t size_class) noexcept nogil:
    slab.free_blocks = NULL
    slab.live = 0
    slab.fresh = 0
    slab.size_class = <uint16_t>size_class
    slab.capacity = <uint32_t>((SLAB_BYTES - SLAB_HEADER_BYTES) // _class_bytes(size_class))
    _list_push(heap, slab)


cdef inline void _count_in(Heap* heap, size_t bytes) noexcept nogil:
    heap.used_bytes += bytes
    heap.live_blocks += 1
    if heap.used_bytes > heap.peak_bytes:
        heap.peak_bytes = heap.used_bytes


cdef bint _is_promised(Heap* heap, size_t size) noexcept nogil:
    """May a large block of this size be had on the promise, although the system refuses? Then it counts."""
    if not heap.promised or not _release_ballast(heap) or size > heap.ballast_left:
        return False
    heap.ballast_left -= size
    return True


cdef bint _checked_refusal(Heap* heap, size_t size) noexcept nogil:
    """The checks build: is a try to be refused?"""
    if size <= HEAP_SMALL_MAX:
        return heap.fail_after & FAIL_SMALL and _refuse(heap) and not heap.promised
    return _refuse(heap) and not _is_promised(heap, size)


cdef void* _checked_alloc(Heap* heap, size_t size, bint zero, bint tried) noexcept nogil:
    """The checks build: one malloc a block, its size and a mark in front."""
    cdef char* raw
    if size > ~<size_t>0 - CHECK_PREFIX or (tried and _checked_refusal(heap, size)):
        return NULL
    raw = <char*>(calloc(1, size + CHECK_PREFIX) if zero else malloc(size + CHECK_PREFIX))
    if raw == NULL:
        return NULL
    (<uint64_t*>raw)[0] = size
    (<uint64_t*>raw)[1] = CHECK_MAGIC
    _count_in(heap, _rounded(size))
    if size > HEAP_SMALL_MAX:
        heap.large_bytes += size
    return raw + CHECK_PREFIX


cdef inline void* _take_block(Heap* heap, Slab* slab, size_t block_bytes) noexcept nogil:
    cdef void* block = slab.free_blocks
    if block != NULL:
        slab.free_blocks = (<void**>block)[0]
    else:
        block = <char*>slab + SLAB_HEADER_BYTES + slab.fresh * block_bytes
        slab.fresh += 1
    slab.live += 1
    if slab.live == slab.capacity:
        _list_remove(heap, slab)
    _count_in(heap, block_bytes)
    return block


cdef void* _drawn_alloc(Heap* heap, size_t size) noexcept nogil:
    """A small block at any cost: out of the reserve, or one that is larger than it need be; NULL when the reserve is gone."""
    cdef size_t bytes = DRAWN_MIN
    cdef uint32_t size_class
    cdef Slab* slab
    while bytes < size:
        bytes *= 2
    size_class = _class_of(bytes)
    slab = heap.partial[size_class]
    if slab == NULL:
        slab = _reserve_pop(heap)
        if slab != NULL:
            _begin_slab(heap, slab, size_class)
    while slab == NULL:
        size_class += 1
        if size_class == HEAP_CLASSES:
            return NULL
        slab = heap.partial[size_class]
    return _take_block(heap, slab, _class_bytes(size_class))


cdef void* _small_alloc(Heap* heap, size_t size) noexcept nogil:
    cdef uint32_t size_class = _class_of(size)
    cdef Slab* slab = heap.partial[size_class]
    if unlikely(slab == NULL):
        slab = _whole_slab(heap)
        if slab == NULL:
            return _drawn_alloc(heap, size) if heap.promised else NULL
        _begin_slab(heap, slab, size_class)
    return _take_block(heap, slab, _class_bytes(size_class))


cdef void* _judged_alloc(Heap* heap, size_t size) noexcept nogil:
    """A small block that is tried while the heap is short, or while tests refuse them."""
    if heap.fail_after & FAIL_SMALL and _refuse(heap) and not heap.promised:
        return NULL
    if heap_is_short(heap) and not heap.promised and not heap_mend(heap):
        return NULL
    return _small_alloc(heap, size)


cdef extern from *:
    """
    #include <stdio.h>
    static void hutch_out_of_memory(void) {
        fputs("hutch: out of memory: the system refuses and the reserve is used up\\n", stderr);
        abort();
    }
    """
    void hutch_out_of_memory() noexcept nogil


cdef void* heap_alloc(Heap* heap, size_t size) noexcept nogil:
    cdef void* block
    invariant(size <= HEAP_SMALL_MAX, b"heap_alloc is for small blocks")
    if HUTCH_CHECKS:
        block = _checked_alloc(heap, size, False, False)
    else:
        block = _small_alloc(heap, size)
        if unlikely(block == NULL):
            block = _drawn_alloc(heap, size)
            if unlikely(block == NULL):
                # The reserve is gone too. No structure can be left half changed, so nothing better is left.
                hutch_out_of_memory()
    return block


cdef void* _from_system(size_t size, bint zero) noexcept nogil:
    if size >= MAPPED_BLOCK_BYTES:
        return hutch_map(size) if size <= <size_t>1 << 47 else NULL
    return calloc(1, size) if zero else malloc(size)


cdef void* _large_alloc(Heap* heap, size_t size, bint zero) noexcept nogil:
    cdef void* block = NULL
    size = _rounded(size)
    if not _refuse(heap):
        block = _from_system(size, zero)
    if unlikely(block == NULL) and _is_promised(heap, size):
        block = _from_system(size, zero)
    if block != NULL:
        heap.large_bytes += size
        _count_in(heap, size)
    return block


cdef void* heap_try_alloc(Heap* heap, size_t size) noexcept nogil:
    if HUTCH_CHECKS:
        return _checked_alloc(heap, size, False, True)
    if likely(size <= heap.tried_max):
        return _small_alloc(heap, size)
    if size <= HEAP_SMALL_MAX:
        return _judged_alloc(heap, size)
    return _large_alloc(heap, size, False)


cdef void* heap_try_zeroed(Heap* heap, size_t count, size_t size) noexcept nogil:
    cdef size_t total
    cdef void* block
    if size and count > ~<size_t>0 // size:
        return NULL
    total = count * size
    if HUTCH_CHECKS:
        return _checked_alloc(heap, total, True, True)
    if total > HEAP_SMALL_MAX:
        return _large_alloc(heap, total, True)
    block = heap_try_alloc(heap, total)
    if block != NULL:
        memset(block, 0, total)
    return block


cdef void* heap_spare_zeroed(Heap* heap, size_t count, size_t size) noexcept nogil:
    cdef bint promised = heap.promised
    cdef void* block
    if promised and heap.ballast == NULL:
        return NULL              # what the system has now was promised to others
    heap.promised = False
    block = heap_try_zeroed(heap, count, size)
    heap.promised = promised
    return block


# ---- promises

cdef bint heap_ask_promise(Heap* heap, size_t bytes) noexcept nogil:
    cdef size_t wanted = HEAP_BALLAST_BYTES
    cdef void* ballast
    if not HUTCH_CHECKS and heap_is_short(heap) and not heap_mend(heap):
        return False
    if bytes > <size_t>1 << 46:
        return False
    if bytes > HEAP_PROMISE_MAX:
        wanted = (bytes + bytes // 4 + HEAP_BALLAST_BYTES + 4095) & ~<size_t>4095
    if heap.ballast == NULL or heap.ballast_bytes < wanted:
        ballast = NULL if _refuse(heap) else hutch_map(wanted)
        if ballast == NULL:
            return False
        if heap.ballast != NULL:
            hutch_unmap(heap.ballast, heap.ballast_bytes)
        heap.ballast = ballast
        heap.ballast_bytes = wanted
    heap.ballast_left = 0
    heap.promised = True
    return True


cdef void heap_settle_promise(Heap* heap) noexcept nogil:
    heap.ballast_left = 0
    if heap.ballast != NULL and heap.ballast_bytes > HEAP_BALLAST_BYTES:
        hutch_unmap(<char*>heap.ballast + HEAP_BALLAST_BYTES, heap.ballast_bytes - HEAP_BALLAST_BYTES)
        heap.ballast_bytes = HEAP_BALLAST_BYTES
    _judge_tries(heap)


cdef void heap_fail_after(Heap* heap, uint64_t allocations, bint small) noexcept nogil:
    if allocations == ~<uint64_t>0:
        heap.fail_after = allocations
    else:
        heap.fail_after = allocations & ~<uint64_t>FAIL_SMALL | (FAIL_SMALL if small else 0)
    _judge_tries(heap)


cdef void _release_slab(Heap* heap, Slab* slab) noexcept nogil:
    """The last block of a slab is back: mend the reserve first, then keep it for any class."""
    _list_remove(heap, slab)
    if heap.reserve_count < heap.reserve_target:
        _reserve_push(heap, slab)
        return
    if heap.free_slab_count >= FREE_SLABS_KEPT:
        # Keep the first page: the link lives there.
        hutch_decommit(<char*>slab + 4096, <char*>slab + SLAB_BYTES)
    slab.next = heap.free_slabs
    heap.free_slabs = slab
    heap.free_slab_count += 1


cdef void _small_free(Heap* heap, void* block, size_t size) noexcept nogil:
    cdef Slab* slab = <Slab*>(<uintptr_t>block & ~<uintptr_t>(SLAB_BYTES - 1))
    cdef size_t bytes = _class_bytes(slab.size_class)
    heap.used_bytes -= bytes
    heap.live_blocks -= 1
    (<void**>block)[0] = slab.free_blocks
    slab.free_blocks = block
    slab.live -= 1
    if unlikely(not slab.listed):
        _list_push(heap, slab)
    if unlikely(slab.live == 0):
        # One empty slab a class stays where it is, or a lone key that comes and goes would churn.
        if slab.next != NULL or slab.previous != NULL:
            _release_slab(heap, slab)


cdef void heap_free(Heap* heap, void* block, size_t size) noexcept nogil:
    cdef char* raw
    if block == NULL:
        return
    if HUTCH_CHECKS:
        raw = <char*>block - CHECK_PREFIX
        invariant((<uint64_t*>raw)[1] == CHECK_MAGIC, b"heap_free of something that is no block")
        invariant((<uint64_t*>raw)[0] == size, b"heap_free with another size than was asked for")
        (<uint64_t*>raw)[1] = 0
        heap.used_bytes -= _rounded(size)
        heap.live_blocks -= 1
        if size > HEAP_SMALL_MAX:
            heap.large_bytes -= size
        free(raw)
        return
    if likely(size <= HEAP_SMALL_MAX):
        _small_free(heap, block, size)
        return
    size = _rounded(size)
    heap.used_bytes -= size
    heap.large_bytes -= size
    heap.live_blocks -= 1
    if size >= MAPPED_BLOCK_BYTES:
        hutch_unmap(block, size)
    else:
        free(block)


cdef extern from * nogil:
    """
    #if defined(__linux__)
    static void *hutch_remap(void *p, size_t old_bytes, size_t new_bytes) {
        void *q = mremap(p, old_bytes, new_bytes, MREMAP_MAYMOVE);
        return q == MAP_FAILED ? NULL : q;
    }
    #else
    #include <string.h>
    static void *hutch_remap(void *p, size_t old_bytes, size_t new_bytes) {
        void *q = hutch_map(new_bytes);
        if (q) { memcpy(q, p, old_bytes < new_bytes ? old_bytes : new_bytes); munmap(p, old_bytes); }
        return q;
    }
    #endif
    """
    void* hutch_remap(void* p, size_t old_bytes, size_t new_bytes) noexcept


cdef void* heap_try_resize(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    cdef void* moved
    if block == NULL:
        return heap_try_alloc(heap, new_size)
    if not HUTCH_CHECKS:
        if old_size <= HEAP_SMALL_MAX and new_size <= HEAP_SMALL_MAX and _class_of(old_size) == _class_of(new_size):
            return block
        if old_size > HEAP_SMALL_MAX and new_size > HEAP_SMALL_MAX:
            old_size = _rounded(old_size)
            new_size = _rounded(new_size)
            if old_size == new_size:
                return block
        if old_size >= MAPPED_BLOCK_BYTES and new_size >= MAPPED_BLOCK_BYTES and new_size <= <size_t>1 << 47:
            # The kernel moves page tables instead of bytes.
            moved = NULL if new_size > old_size and _refuse(heap) else hutch_remap(block, old_size, new_size)
            if unlikely(moved == NULL) and new_size > old_size and _is_promised(heap, new_size - old_size):
                moved = hutch_remap(block, old_size, new_size)
            if moved != NULL:
                heap.used_bytes += new_size - old_size
                heap.large_bytes += new_size - old_size
                if heap.used_bytes > heap.peak_bytes:
                    heap.peak_bytes = heap.used_bytes
            return moved
        if HEAP_SMALL_MAX < old_size < MAPPED_BLOCK_BYTES and HEAP_SMALL_MAX < new_size < MAPPED_BLOCK_BYTES:
            moved = NULL if new_size > old_size and _refuse(heap) else realloc(block, new_size)
            if unlikely(moved == NULL) and new_size > old_size and _is_promised(heap, new_size):
                moved = realloc(block, new_size)
            if moved != NULL:
                heap.used_bytes += new_size - old_size
                heap.large_bytes += new_size - old_size
                if heap.used_bytes > heap.peak_bytes:
                    heap.peak_bytes = heap.used_bytes
            return moved
    moved = heap_try_alloc(heap, new_size)
    if moved != NULL:
        memcpy(moved, block, old_size if old_size < new_size else new_size)
        heap_free(heap, block, old_size)
    elif not HUTCH_CHECKS and new_size <= old_size <= HEAP_SMALL_MAX:
        return block             # a small block is known by its slab, and may be larger than it is said to be
    return moved


cdef void* _moved_by_way_of_reserve(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """A mapping is to become an ordinary block, for which the system has no room while the mapping is there: its bytes
    wait in the slabs of the reserve that were never used."""
    cdef void* moved
    if <size_t>(heap.reserve_end - heap.reserve_fresh) < new_size:
        return NULL
    memcpy(heap.reserve_fresh, block, new_size)
    heap_free(heap, block, old_size)
    if heap.ballast != NULL:
        hutch_unmap(heap.ballast, heap.ballast_bytes)
        heap.ballast = NULL
    moved = _from_system(_rounded(new_size), False)
    if moved != NULL:
        heap.large_bytes += _rounded(new_size)
        _count_in(heap, _rounded(new_size))
        memcpy(moved, heap.reserve_fresh, new_size)
    return moved


cdef void* heap_shrink(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    # Tests that make the heap refuse are after growth: nobody refuses to take bytes back.
    cdef uint64_t fail_after = heap.fail_after
    cdef void* moved
    heap.fail_after = ~<uint64_t>0
    moved = heap_try_resize(heap, block, old_size, new_size)
    heap.fail_after = fail_after
    if likely(moved != NULL):
        return moved
    if new_size <= HEAP_SMALL_MAX:
        moved = heap_alloc(heap, new_size)
        memcpy(moved, block, new_size)
        heap_free(heap, block, old_size)
        return moved
    moved = _moved_by_way_of_reserve(heap, block, old_size, new_size)
    if moved == NULL:
        hutch_out_of_memory()
    return moved


cdef void heap_decommit(Heap* heap, void* block, size_t size, size_t start, size_t end) noexcept nogil:
    if not HUTCH_CHECKS and size >= MAPPED_BLOCK_BYTES:
        hutch_decommit(<char*>block + start, <char*>block + end)


cdef void heap_purge(Heap* heap) noexcept nogil:
    cdef Slab* slab = heap.free_slabs
    while slab != NULL:
        # The first page holds the link.
        hutch_decommit(<char*>slab + 4096, <char*>slab + SLAB_BYTES)
        slab = slab.next


cdef void heap_clear(Heap* heap) noexcept nogil:
    cdef Region* region = heap.regions
    cdef Region* following
    while region != NULL:
        following = region.next
        hutch_unmap(region.mapping, region.mapping_bytes)
        free(region)
        region = following
    if heap.ballast != NULL:
        hutch_unmap(heap.ballast, heap.ballast_bytes)
    heap_init(heap)
