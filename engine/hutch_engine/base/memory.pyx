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
    FIRST_RESERVE_SLABS = 2
    LAST_REGION_BYTES = 67108864
    MAPPED_BLOCK_BYTES = 1048576       # blocks from here on are mappings of their own: zero pages, quick to give back
    MALLOC_BYTES = 8                   # its header: with it a block is a whole number of steps
    FREE_SLABS_KEPT = 16               # whole slabs kept warm (512 KiB); further ones give their pages back
    CHECK_PREFIX = 16
    CHECK_MAGIC = 0x68757463


cdef enum:
    FAIL_SMALL = <uint64_t>1 << 62     # in fail_after, for the checks build: small blocks that are tried count, too


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


cdef inline void _reserve_push(Heap* heap, Slab* slab) noexcept nogil:
    # The link inside touches one page a slab; an array of addresses would need memory of its own.
    slab.next = heap.reserve
    heap.reserve = slab
    heap.reserve_count += 1


cdef void _fill_reserve(Heap* heap, size_t target) noexcept nogil:
    """Set slabs of the fresh region aside while the system still gives."""
    while heap.reserve_count < target and heap.fresh_slab != heap.fresh_end:
        _reserve_push(heap, <Slab*>heap.fresh_slab)
        heap.fresh_slab += SLAB_BYTES
    heap.reserve_target = heap.reserve_count


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


cdef bint _more_fresh(Heap* heap) noexcept nogil:
    """Map what the next slabs are cut from. The first region sets a little aside, so that a small store
    stays small; the whole reserve is taken when the store outgrows it."""
    if heap.regions == NULL:
        if not _map_region(heap, heap.region_bytes):
            return False
        _fill_reserve(heap, FIRST_RESERVE_SLABS)
        return True
    if heap.reserve_target < HEAP_RESERVE_SLABS and _map_region(heap, HEAP_RESERVE_SLABS * SLAB_BYTES):
        _fill_reserve(heap, HEAP_RESERVE_SLABS)
        if heap.fresh_slab != heap.fresh_end:
            return True
    if not _map_region(heap, heap.region_bytes):
        return False
    if heap.region_bytes < LAST_REGION_BYTES:
        heap.region_bytes *= 2
    return True


cdef Slab* _whole_slab(Heap* heap) noexcept nogil:
    cdef Slab* slab
    if heap.free_slabs != NULL:
        slab = heap.free_slabs
        heap.free_slabs = slab.next
        heap.free_slab_count -= 1
        return slab
    if heap.fresh_slab == heap.fresh_end and not _more_fresh(heap):
        slab = _idle_slab(heap)
        if slab != NULL:
            return slab
        slab = heap.reserve
        if slab != NULL:
            heap.reserve = slab.next
            heap.reserve_count -= 1
        return slab
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


cdef Slab* _new_slab(Heap* heap, uint32_t size_class) noexcept nogil:
    cdef Slab* slab = _whole_slab(heap)
    if slab == NULL:
        return NULL
    slab.free_blocks = NULL
    slab.live = 0
    slab.fresh = 0
    slab.size_class = <uint16_t>size_class
    slab.capacity = <uint32_t>((SLAB_BYTES - SLAB_HEADER_BYTES) // _class_bytes(size_class))
    _list_push(heap, slab)
    return slab


cdef inline void _count_in(Heap* heap, size_t bytes) noexcept nogil:
    heap.used_bytes += bytes
    heap.live_blocks += 1
    if heap.used_bytes > heap.peak_bytes:
        heap.peak_bytes = heap.used_bytes


cdef inline bint _may_be_refused(const Heap* heap, size_t size) noexcept nogil:
    return size > HEAP_SMALL_MAX or (heap.fail_after & FAIL_SMALL) != 0


cdef void* _checked_alloc(Heap* heap, size_t size, bint zero, bint tried) noexcept nogil:
    """The checks build: one malloc a block, its size and a mark in front."""
    cdef char* raw
    if size > ~<size_t>0 - CHECK_PREFIX or (tried and _may_be_refused(heap, size) and _refuse(heap)):
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


cdef void* _small_alloc(Heap* heap, size_t size) noexcept nogil:
    cdef uint32_t size_class = _class_of(size)
    cdef Slab* slab = heap.partial[size_class]
    cdef void* block
    if unlikely(slab == NULL):
        slab = _new_slab(heap, size_class)
        if slab == NULL:
            return NULL
    block = slab.free_blocks
    if block != NULL:
        slab.free_blocks = (<void**>block)[0]
    else:
        block = <char*>slab + SLAB_HEADER_BYTES + slab.fresh * _class_bytes(size_class)
        slab.fresh += 1
    slab.live += 1
    if slab.live == slab.capacity:
        _list_remove(heap, slab)
    _count_in(heap, _class_bytes(size_class))
    return block


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
            # The reserve is gone too: 2 MiB within one command, after the system refused. No structure
            # can be left half changed, so nothing better is left.
            hutch_out_of_memory()
    return block


cdef void* _large_alloc(Heap* heap, size_t size, bint zero) noexcept nogil:
    cdef void* block
    if _refuse(heap):
        return NULL
    size = _rounded(size)
    if size >= MAPPED_BLOCK_BYTES:
        if size > <size_t>1 << 47:
            return NULL
        block = hutch_map(size)
    elif zero:
        block = calloc(1, size)
    else:
        block = malloc(size)
    if block != NULL:
        heap.large_bytes += size
        _count_in(heap, size)
    return block


cdef void* heap_try_alloc(Heap* heap, size_t size) noexcept nogil:
    if HUTCH_CHECKS:
        return _checked_alloc(heap, size, False, True)
    if likely(size <= HEAP_SMALL_MAX):
        return _small_alloc(heap, size)
    return _large_alloc(heap, size, False)


cdef void* heap_try_zeroed(Heap* heap, size_t count, size_t size) noexcept nogil:
    cdef size_t total
    cdef void* block
    if size and count > ~<size_t>0 // size:
        return NULL
    total = count * size
    if HUTCH_CHECKS:
        return _checked_alloc(heap, total, True, True)
    if total <= HEAP_SMALL_MAX:
        block = _small_alloc(heap, total)
        if block != NULL:
            memset(block, 0, total)
        return block
    return _large_alloc(heap, total, True)


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
            if new_size > old_size and _refuse(heap):
                return NULL
            moved = hutch_remap(block, old_size, new_size)
            if moved != NULL:
                heap.used_bytes += new_size - old_size
                heap.large_bytes += new_size - old_size
                if heap.used_bytes > heap.peak_bytes:
                    heap.peak_bytes = heap.used_bytes
            return moved
        if HEAP_SMALL_MAX < old_size < MAPPED_BLOCK_BYTES and HEAP_SMALL_MAX < new_size < MAPPED_BLOCK_BYTES:
            if new_size > old_size and _refuse(heap):
                return NULL
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
    heap_init(heap)
