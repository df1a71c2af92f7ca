"""The bucketed hash table. Layout and contract: table.pxd.

How it works
- The low bits of the hash choose the chain, its top byte is the fingerprint: the two stay independent up to
  2**56 buckets.
- A chain is dense: every bucket but its last is full (six entries and the child), the entries of the last
  begin at index 0, and a child holds at least two (a single one fits into its parent). So deleting fills the
  hole from the end of the chain, and the first free place is known from the presence byte alone.
- While resizing, a key whose old bucket has the number i lives in the new array if i < moved, else in the
  old one, for insertions too. That costs slightly longer chains in the old array and buys lookups that
  never read two chains, a prefetch that is never wrong, and a SCAN that (growing) never widens.
- Growing begins at 95 % of 7 entries a bucket and doubles; shrinking begins below 1/8 and goes down to a
  fill of 1/4 to 1/2. Every change then moves MOVE_GROWING or MOVE_SHRINKING old buckets, so a resize is over
  long before the next can be due. Growing has to read the moved keys to hash them, and prefetches those that
  come next; shrinking knows their new place from the old one and reads no entry.

One thread at a time: the engine's lock guards it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport ctz64, likely, prefetch, unlikely
from hutch_engine.base.hash cimport HashKey, hash_bytes
from hutch_engine.base.memory cimport (Heap, HEAP_SMALL_MAX, heap_alloc, heap_block_bytes, heap_decommit,
                                       heap_free, heap_is_short, heap_spare_zeroed)
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.base.slice cimport Slice, slice_equals

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    /* Bit i of the answer: byte i of the 8 at `bytes` is `wanted`. Bit 7 compares the presence byte: mask it. */
    static inline uint32_t table_same_bytes(const uint8_t *bytes, uint8_t wanted) {
        __m128i line = _mm_loadl_epi64((const __m128i *)bytes);
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8((char)wanted))) & 0xFF;
    }
    #else
    static inline uint32_t table_same_bytes(const uint8_t *bytes, uint8_t wanted) {
        const uint64_t low7 = 0x7F7F7F7F7F7F7F7Full;
        uint64_t word;
        memcpy(&word, bytes, 8);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        word ^= 0x0101010101010101ull * wanted;
        word = ~(((word & low7) + low7) | word | low7);          /* 0x80 in every byte that was equal */
        return (uint32_t)(((word >> 7) * 0x0102040810204080ull) >> 56);   /* gathers them: byte i to bit i */
    }
    #endif
    /* memcmp() == 0, without the call for the lengths that keys have. */
    static inline int table_same_key(const uint8_t *a, const char *b, size_t n) {
        if (n >= 8) {
            uint64_t x, y;
            if (__builtin_expect(n > 64, 0)) return memcmp(a, b, n) == 0;
            for (size_t i = 0; i < n - 8; i += 8) {
                memcpy(&x, a + i, 8); memcpy(&y, b + i, 8);
                if (x != y) return 0;
            }
            memcpy(&x, a + n - 8, 8); memcpy(&y, b + n - 8, 8);
            return x == y;
        }
        if (n >= 4) {
            uint32_t x, y, v, w;
            memcpy(&x, a, 4); memcpy(&y, b, 4); memcpy(&v, a + n - 4, 4); memcpy(&w, b + n - 4, 4);
            return ((x ^ y) | (v ^ w)) == 0;
        }
        for (size_t i = 0; i < n; i++)
            if (a[i] != (uint8_t)b[i]) return 0;
        return 1;
    }
    static inline uint64_t table_reversed_bits(uint64_t x) {
        x = (x >> 1 & 0x5555555555555555ull) | (x & 0x5555555555555555ull) << 1;
        x = (x >> 2 & 0x3333333333333333ull) | (x & 0x3333333333333333ull) << 2;
        x = (x >> 4 & 0x0F0F0F0F0F0F0F0Full) | (x & 0x0F0F0F0F0F0F0F0Full) << 4;
        return __builtin_bswap64(x);
    }
    """
    uint32_t same_bytes "table_same_bytes"(const uint8_t* bytes, uint8_t wanted) noexcept nogil
    bint same_key "table_same_key"(const uint8_t* a, const char* b, size_t n) noexcept nogil
    uint64_t reversed_bits "table_reversed_bits"(uint64_t x) noexcept nogil

cdef enum:
    BUCKET_BYTES = 64
    CHILD_INDEX = 6
    PRESENCE_ALL = 0x7F
    PRESENCE_PARENT = 0xBF        # six entries and a child
    EXPONENT_MAX = 33             # 512 GiB of buckets, 60 thousand million places
    # Old buckets moved by one insertion or removal. 2 growing: some 14 keys to hash, about 0.2 us, and the
    # resize is over after buckets / 2 insertions. 8 shrinking: they hold less than one entry each.
    MOVE_GROWING = 2
    MOVE_SHRINKING = 8
    KEYS_AHEAD = 8                # old chains, whose keys are fetched before they are moved: four insertions ahead. One was too few:
    LINES_AHEAD = 16              # SADD into one growing set stood still for a sixth of its time (bench/collections_cpu)
    MOVE_HURRY = 4                # times more while the new array is already too full (after a long pause)
    SHRINK_FACTOR_MAX = 4         # binary digits: at most 16 old buckets meet in one SCAN position
    DECOMMIT_BUCKETS = 4096       # 256 KiB
    RELEASE_EXPONENT_MAX = 3      # an empty table this small gives back its buckets at once
    RETRY_EXPONENT_MAX = 5        # up to 32 buckets a refused growth is tried again at every insertion
    RANDOM_GROUP = 4              # candidates prefetched together
    RANDOM_GROUPS_MAX = 128       # 512 candidates; at 1/8 fill, chains up to 4 buckets, 1 in 10**7 needs more
    RANDOM_AHEAD_MIN = 4096       # smaller tables are in the cache
    CHECK_ALWAYS_MAX = 64         # checks builds: tables up to this size are walked after every change


# --- places -------------------------------------------------------------------------------------------

cdef inline uint64_t _size(const TableHalf* half) noexcept nogil:
    return <uint64_t>1 << half.exponent


cdef inline uint64_t _mask(const TableHalf* half) noexcept nogil:
    return (<uint64_t>1 << half.exponent) - 1


cdef inline uint8_t _fingerprint(uint64_t hash) noexcept nogil:
    return <uint8_t>(hash >> 56)


cdef inline int _present(const Bucket* bucket) noexcept nogil:
    """Entries in this bucket alone; they are dense, so the lowest zero tells."""
    return ctz64(~<uint64_t>(bucket.presence & PRESENCE_ALL))


cdef inline Bucket* _child(const Bucket* bucket) noexcept nogil:
    return <Bucket*>bucket.entries[CHILD_INDEX] if bucket.presence & BUCKET_CHAINED else NULL


cdef inline TableHalf* _home(Table* table, uint64_t hash) noexcept nogil:
    return &table.halves[<int64_t>(hash & _mask(&table.halves[0])) < table.moved]


cdef inline Bucket* _chain(const TableHalf* half, uint64_t hash) noexcept nogil:
    return &half.buckets[hash & _mask(half)]


cdef inline uint64_t _capacity(uint32_t exponent) noexcept nogil:
    return <uint64_t>BUCKET_ENTRIES << exponent


cdef inline uint64_t _limit(uint32_t exponent) noexcept nogil:
    """More entries than this make so many buckets grow: 95 % of their places."""
    return _capacity(exponent) - _capacity(exponent) // 20


cdef inline uint64_t _entry_hash(const Table* table, const void* entry) noexcept nogil:
    return table_hash(table, table_key(table, entry))


# --- arrays -------------------------------------------------------------------------------------------

cdef inline size_t _block_bytes(uint32_t exponent) noexcept nogil:
    """What is asked of the heap: its small blocks of whole cache lines are aligned to 64 bytes already
    (slab header 64, class sizes multiples of 64); larger ones come from malloc and get a line more."""
    cdef size_t bytes = <size_t>BUCKET_BYTES << exponent
    return bytes if bytes <= HEAP_SMALL_MAX else bytes + BUCKET_BYTES


cdef bint _array_make(Table* table, TableHalf* half, uint32_t exponent) noexcept nogil:
    """Zeroed buckets for an empty half; False when the heap refuses."""
    cdef size_t bytes = _block_bytes(exponent)
    cdef void* block
    if exponent > EXPONENT_MAX:
        return False
    if exponent == 0:
        # The first bucket must be had (table_insert never fails), and a small block always is.
        block = heap_alloc(table.heap, bytes)
        memset(block, 0, bytes)
    else:
        block = heap_spare_zeroed(table.heap, bytes, 1)
        if block == NULL:
            return False
    half.block = block
    half.buckets = <Bucket*>block
    if bytes > HEAP_SMALL_MAX:
        half.buckets = <Bucket*>((<size_t>block + BUCKET_BYTES - 1) & ~<size_t>(BUCKET_BYTES - 1))
    half.count = 0
    half.children = 0
    half.depth = 1
    half.exponent = exponent
    return True


cdef void _array_free(Table* table, TableHalf* half) noexcept nogil:
    """The buckets themselves; the children are gone already."""
    if half.block != NULL:
        heap_free(table.heap, half.block, _block_bytes(half.exponent))
    memset(half, 0, sizeof(TableHalf))


cdef void _array_decommit(Table* table, TableHalf* half, uint64_t buckets_done) noexcept nogil:
    """The first `buckets_done` buckets are empty for good. Gives their pages back piece by piece, for a free
    of the whole array at the end would take milliseconds (4 million keys: 64 MiB)."""
    cdef size_t bytes = _block_bytes(half.exponent)
    cdef size_t lead
    if buckets_done & (DECOMMIT_BUCKETS - 1) or buckets_done == 0 or buckets_done == _size(half):
        return
    lead = <size_t>half.buckets - <size_t>half.block
    heap_decommit(table.heap, half.block, bytes,
                  lead + (buckets_done - DECOMMIT_BUCKETS) * BUCKET_BYTES, lead + buckets_done * BUCKET_BYTES)


cdef void _children_free(Table* table, TableHalf* half, Bucket* bucket) noexcept nogil:
    """Free the children of the chain that begins at `bucket`, and leave it empty."""
    cdef Bucket* child = _child(bucket)
    cdef Bucket* following
    bucket.presence = 0
    while child != NULL:
        following = _child(child)
        heap_free(table.heap, child, BUCKET_BYTES)
        half.children -= 1
        child = following


# --- chains -------------------------------------------------------------------------------------------

cdef void _chain_append(Table* table, TableHalf* half, Bucket* bucket, void* entry,
                        uint8_t fingerprint) noexcept nogil:
    cdef uint32_t depth = 1
    cdef Bucket* child
    cdef int index
    while bucket.presence & BUCKET_CHAINED:
        bucket = <Bucket*>bucket.entries[CHILD_INDEX]
        depth += 1
    index = _present(bucket)
    if unlikely(index == BUCKET_ENTRIES):
        child = <Bucket*>heap_alloc(table.heap, BUCKET_BYTES)
        memset(child, 0, BUCKET_BYTES)
        child.entries[0] = bucket.entries[CHILD_INDEX]
        child.fingerprints[0] = bucket.fingerprints[CHILD_INDEX]
        child.presence = 1
        bucket.entries[CHILD_INDEX] = child
        bucket.fingerprints[CHILD_INDEX] = 0
        bucket.presence = PRESENCE_PARENT
        half.children += 1
        depth += 1
        if depth > half.depth:
            half.depth = depth
        bucket = child
        index = 1
    bucket.entries[index] = entry
    bucket.fingerprints[index] = fingerprint
    bucket.presence |= <uint8_t>(1 << index)
    half.count += 1


cdef inline void _prefetch_entries(const Table* table, const Bucket* bucket) noexcept nogil:
    """The keys of this bucket, and its child's own line."""
    cdef int i
    for i in range(_present(bucket)):
        prefetch(<const char*>bucket.entries[i] + table.key_offset)
    if bucket.presence & BUCKET_CHAINED:
        prefetch(bucket.entries[CHILD_INDEX])


cdef bint _chain_visit(const Table* table, const Bucket* bucket, TableVisitor visit, void* context) noexcept nogil:
    """All entries of a chain; False if the visitor answered False, which does not stop it."""
    cdef bint go_on = True
    cdef const Bucket* child
    cdef int i
    while bucket != NULL:
        child = _child(bucket)
        for i in range(_present(bucket)):
            if not visit(context, bucket.entries[i]):
                go_on = False
        if child != NULL:
            _prefetch_entries(table, child)
        bucket = child
    return go_on


# --- resizing -----------------------------------------------------------------------------------------

cdef void _move_chain(Table* table, uint64_t index) noexcept nogil:
    """Old chain `index` to the new array. Cost: its entries, hashed again only when growing."""
    cdef TableHalf* old = &table.halves[0]
    cdef TableHalf* made = &table.halves[1]
    cdef bint growing = made.exponent > old.exponent
    cdef Bucket* head = &old.buckets[index]
    cdef Bucket* bucket = head
    cdef Bucket* child
    cdef Bucket* target = &made.buckets[index & _mask(made)]       # shrinking: all go there
    cdef int i, present
    if head.presence == 0:
        return
    while bucket != NULL:
        child = _child(bucket)
        if child != NULL and growing:
            _prefetch_entries(table, child)
        present = _present(bucket)
        for i in range(present):
            if growing:
                target = _chain(made, _entry_hash(table, bucket.entries[i]))
            _chain_append(table, made, target, bucket.entries[i], bucket.fingerprints[i])
        old.count -= present
        bucket = child
    _children_free(table, old, head)


cdef void _resize_end(Table* table) noexcept nogil:
    invariant(table.halves[0].count == 0 and table.halves[0].children == 0, b"table: moved all, yet not empty")
    _array_free(table, &table.halves[0])
    table.halves[0] = table.halves[1]
    memset(&table.halves[1], 0, sizeof(TableHalf))
    table.moved = -1


cdef inline void _prefetch_move(Table* table, uint64_t index) noexcept nogil:
    """Growing reads cold memory only. Bucket `index` has been moved. Far ahead: the line of an old bucket and of the two new ones it
    goes to; less far, when that line has come: the keys to hash."""
    cdef TableHalf* old = &table.halves[0]
    cdef uint64_t size = _size(old)
    cdef uint64_t line = index + LINES_AHEAD
    if line < size:
        prefetch(&old.buckets[line])
        prefetch(&table.halves[1].buckets[line])
        prefetch(&table.halves[1].buckets[line + size])
    if index + KEYS_AHEAD < size:
        _prefetch_entries(table, &old.buckets[index + KEYS_AHEAD])


cdef void _move(Table* table, uint64_t budget) noexcept nogil:
    """Move up to `budget` old chains (a resize is under way, nothing is paused)."""
    cdef TableHalf* old = &table.halves[0]
    cdef uint64_t size = _size(old)
    cdef uint64_t index = <uint64_t>table.moved
    cdef uint64_t end = index + (budget if budget < size - index else size - index)
    cdef bint growing = table.halves[1].exponent > old.exponent
    while index < end:
        _move_chain(table, index)
        index += 1
        table.moved = <int64_t>index
        _array_decommit(table, old, index)
        if growing:
            _prefetch_move(table, index - 1)
    if index == size:
        _resize_end(table)


cdef void _move_some(Table* table) noexcept nogil:
    """What every insertion and removal does while a resize is under way."""
    cdef uint32_t exponent = table.halves[1].exponent
    cdef uint64_t budget = MOVE_GROWING if exponent > table.halves[0].exponent else MOVE_SHRINKING
    if table.paused or unlikely(heap_is_short(table.heap)):      # a move makes children now and then
        return
    if table_count(table) > _limit(exponent):
        budget *= MOVE_HURRY
    _move(table, budget)


cdef bint _resize_begin(Table* table, uint32_t exponent) noexcept nogil:
    if not _array_make(table, &table.halves[1], exponent):
        return False
    table.moved = 0
    return True


cdef bint _may_resize(const Table* table) noexcept nogil:
    return table.moved < 0 and not table.paused and not table.resize_forbidden


cdef void _grow(Table* table) noexcept nogil:
    """Begin to grow; skipped when memory is refused."""
    cdef uint64_t count = table_count(table)
    cdef uint32_t exponent = table.halves[0].exponent + 1
    if not _may_resize(table):
        return
    # More than one step after a long pause. (A quarter below the limit, or the next were due at once.)
    while exponent < EXPONENT_MAX and count > _limit(exponent) // 4 * 3:
        exponent += 1
    _resize_begin(table, exponent)


cdef inline void _grow_before_insert(Table* table) noexcept nogil:
    cdef uint64_t count = table.halves[0].count
    cdef uint64_t limit = _limit(table.halves[0].exponent)
    if likely(count < limit):
        return
    # A refused array of some size is tried again every 64 insertions only: asking the system is slow.
    if count == limit or not count & 63 or table.halves[0].exponent <= RETRY_EXPONENT_MAX:
        _grow(table)


cdef void _shrink(Table* table) noexcept nogil:
    """Begin to shrink if less than an eighth of the places is taken."""
    cdef uint64_t count = table_count(table)
    cdef uint32_t exponent = table.halves[0].exponent
    cdef uint32_t lowest = exponent - SHRINK_FACTOR_MAX if exponent > SHRINK_FACTOR_MAX else 0
    if exponent == 0 or count >= _capacity(exponent) // 8 or not _may_resize(table):
        return
    while exponent > lowest and count <= _capacity(exponent - 1) // 2:
        exponent -= 1
    if exponent < table.halves[0].exponent:
        _resize_begin(table, exponent)


cdef void _release(Table* table) noexcept nogil:
    """An empty table needs no memory. (A big array, after a pause, first shrinks in steps.)"""
    if table.moved < 0 and table.halves[0].count == 0 and not table.paused \
            and table.halves[0].exponent <= RELEASE_EXPONENT_MAX:
        _array_free(table, &table.halves[0])


cdef inline void _changed(Table* table, uint64_t hash) noexcept nogil:
    """Checks builds verify a small table after every change, a large one with a probability that keeps the
    cost per change constant. (The hash is the die: no state, and a test repeats exactly.)"""
    if HUTCH_CHECKS:
        if table_count(table) <= CHECK_ALWAYS_MAX or (hash >> 24) % (4 * table_count(table)) == 0:
            table_check(table)


# --- the contract -------------------------------------------------------------------------------------

cdef void table_init(Table* table, Heap* heap, const HashKey* hash_key, uint32_t key_offset) noexcept nogil:
    memset(table, 0, sizeof(Table))
    table.moved = -1
    table.heap = heap
    table.hash_key = hash_key
    table.key_offset = key_offset


cdef void table_clear(Table* table) noexcept nogil:
    """Cost: O(1) when no chain has a child (after table_drain), else a walk up to the last of them."""
    cdef TableHalf* half
    cdef uint64_t index
    cdef int which
    for which in range(2):
        half = &table.halves[which]
        index = 0
        while half.children > 0:
            _children_free(table, half, &half.buckets[index])
            index += 1
        _array_free(table, half)
    table.moved = -1


cdef uint64_t table_hash(const Table* table, Slice key) noexcept nogil:
    return hash_bytes(table.hash_key, key.data, key.length)


cdef TableSlot table_find(Table* table, Slice key, uint64_t hash) noexcept nogil:
    cdef TableHalf* half = _home(table, hash)
    cdef uint8_t fingerprint = _fingerprint(hash)
    cdef const uint8_t* at
    cdef Bucket* bucket
    cdef uint32_t matches
    cdef int i
    if unlikely(half.buckets == NULL):
        return NULL
    bucket = _chain(half, hash)
    while True:
        matches = same_bytes(bucket.fingerprints, fingerprint) & bucket.presence & PRESENCE_ALL
        while matches:
            i = ctz64(matches)
            at = <const uint8_t*>bucket.entries[i] + table.key_offset
            if likely(key.length < 0x80):
                if likely(at[0] == key.length and same_key(at + 1, key.data, key.length)):
                    return &bucket.entries[i]
            elif slice_equals(table_key(table, bucket.entries[i]), key):
                return &bucket.entries[i]
            matches &= matches - 1
        if likely(not bucket.presence & BUCKET_CHAINED):
            return NULL
        bucket = <Bucket*>bucket.entries[CHILD_INDEX]


cdef void table_insert(Table* table, void* entry, uint64_t hash) noexcept nogil:
    cdef TableHalf* half
    if table.moved >= 0:
        _move_some(table)
    elif unlikely(table.halves[0].buckets == NULL):
        _array_make(table, &table.halves[0], 0)
    else:
        _grow_before_insert(table)
        if table.moved >= 0:
            _move_some(table)
    half = _home(table, hash)
    _chain_append(table, half, _chain(half, hash), entry, _fingerprint(hash))
    _changed(table, hash)


cdef void table_remove(Table* table, TableSlot slot, uint64_t hash) noexcept nogil:
    cdef TableHalf* half = _home(table, hash)
    cdef Bucket* last = _chain(half, hash)
    cdef Bucket* parent = NULL
    cdef Bucket* holder = NULL
    cdef int hole, end
    while True:
        if <size_t>slot - <size_t>last < BUCKET_BYTES:             # unsigned: also false when below
            holder = last
        if not last.presence & BUCKET_CHAINED:
            break
        parent = last
        last = <Bucket*>last.entries[CHILD_INDEX]
    invariant(holder != NULL, b"table_remove: the slot is not in this hash's chain")
    if unlikely(holder == NULL):
        return
    hole = <int>(slot - &holder.entries[0])
    end = _present(last) - 1
    holder.entries[hole] = last.entries[end]
    holder.fingerprints[hole] = last.fingerprints[end]
    last.presence &= ~<uint8_t>(1 << end)
    if unlikely(parent != NULL and end == 1):
        parent.entries[CHILD_INDEX] = last.entries[0]
        parent.fingerprints[CHILD_INDEX] = last.fingerprints[0]
        parent.presence = PRESENCE_ALL
        heap_free(table.heap, last, BUCKET_BYTES)
        half.children -= 1
    half.count -= 1
    if table.moved < 0:
        _shrink(table)
    if table.moved >= 0:
        _move_some(table)
    if table_count(table) == 0:
        _release(table)
    _changed(table, hash)


cdef void table_replace(Table* table, TableSlot slot, void* entry) noexcept nogil:
    slot[0] = entry


cdef bint table_reserve(Table* table, uint64_t entries) noexcept nogil:
    cdef uint32_t exponent = 0
    while exponent < EXPONENT_MAX and _limit(exponent) < entries:
        exponent += 1
    if _limit(exponent) < entries:
        return False
    if table.moved >= 0:
        return table.halves[1].exponent >= exponent
    if table.halves[0].buckets != NULL and table.halves[0].exponent >= exponent:
        return True
    if not _may_resize(table):
        return False
    if table.halves[0].buckets == NULL:
        return _array_make(table, &table.halves[0], exponent)
    return _resize_begin(table, exponent)


cdef bint table_step(Table* table, uint64_t buckets) noexcept nogil:
    if table.paused:
        return False
    if table.moved >= 0 and buckets:
        _move(table, buckets)
    if table.moved < 0 and table.halves[0].buckets != NULL:
        if table_count(table) == 0:
            _release(table)
        if table_count(table) > _limit(table.halves[0].exponent):
            _grow(table)
        else:
            _shrink(table)
    if HUTCH_CHECKS and table_count(table) <= CHECK_ALWAYS_MAX:
        table_check(table)
    return table.moved >= 0


# --- walks --------------------------------------------------------------------------------------------

cdef inline uint64_t _cursor_next(uint64_t cursor, uint64_t mask) noexcept nogil:
    """Add one to the masked bits, read from the highest to the lowest; 0 after the last."""
    return reversed_bits(reversed_bits(cursor | ~mask) + 1)


cdef uint64_t table_scan(Table* table, uint64_t cursor, TableVisitor visit, void* context) noexcept nogil:
    """The cursor says that every hash that comes before it, bits read from the lowest upwards, was visited.
    A bucket of any array is one run in that order, so the size of the array may differ from call to call,
    and may be chosen for each call by where the keys of the position are."""
    cdef TableHalf* old = &table.halves[0]
    cdef TableHalf* made = &table.halves[1]
    cdef TableHalf* half = old
    cdef uint64_t index, following
    if table_count(table) == 0:
        return 0
    index = cursor & _mask(old)
    if <int64_t>index < table.moved:
        half = made                                   # this bucket's keys are all in the new array
        index = cursor & _mask(made)
    following = _cursor_next(cursor, _mask(half))
    prefetch(&half.buckets[following & _mask(half)])
    _prefetch_entries(table, &half.buckets[index])
    _chain_visit(table, &half.buckets[index], visit, context)
    if half == made and made.exponent < old.exponent:
        # Shrinking: the position is a new bucket, and some of the old ones that go there are still to come.
        while index < _size(old):
            if <int64_t>index >= table.moved:
                _chain_visit(table, &old.buckets[index], visit, context)
            index += _size(made)
    return following


cdef bint table_each(Table* table, TableVisitor visit, void* context) noexcept nogil:
    cdef TableHalf* half
    cdef Bucket* bucket
    cdef uint64_t index, left
    cdef int which, i
    for which in range(2):
        half = &table.halves[which]
        index = <uint64_t>table.moved if which == 0 and table.moved > 0 else 0
        left = half.count
        while left > 0:
            if index + 1 < _size(half):
                _prefetch_entries(table, &half.buckets[index + 1])
            bucket = &half.buckets[index]
            while bucket != NULL:
                for i in range(_present(bucket)):
                    if not visit(context, bucket.entries[i]):
                        return False
                    left -= 1
                bucket = _child(bucket)
            index += 1
    return True


cdef uint64_t table_drain(Table* table, uint64_t* position, TableVisitor visit, void* context,
                          uint64_t buckets) noexcept nogil:
    """Position p is chain p of the old array, or p less the old size of the new one."""
    cdef TableHalf* half
    cdef Bucket* bucket
    cdef uint64_t index, present
    cdef bint go_on = True
    while buckets > 0 and go_on and table_count(table) > 0:
        half = &table.halves[0]
        index = position[0]
        if index >= _size(half):
            index -= _size(half)
            half = &table.halves[1]
        elif half.count == 0:
            position[0] = _size(half)                 # the rest of the old array is empty
            continue
        elif <int64_t>index < table.moved:
            position[0] = <uint64_t>table.moved
            continue
        if index + 1 < _size(half):
            _prefetch_entries(table, &half.buckets[index + 1])
        bucket = &half.buckets[index]
        present = 0
        while bucket != NULL:
            present += _present(bucket)
            bucket = _child(bucket)
        if present:
            go_on = _chain_visit(table, &half.buckets[index], visit, context)
            _children_free(table, half, &half.buckets[index])
            half.count -= present
        _array_decommit(table, half, index + 1)
        position[0] += 1
        buckets -= 1
    return table_count(table)


# --- random -------------------------------------------------------------------------------------------

cdef inline Bucket* _live_chain(Table* table, uint64_t number) noexcept nogil:
    """The chains that can have entries, numbered: the old ones not yet moved, then the new ones that moved
    ones lead to."""
    cdef TableHalf* old = &table.halves[0]
    cdef uint64_t moved
    if table.moved < 0:
        return &old.buckets[number]
    moved = <uint64_t>table.moved
    if number < _size(old) - moved:
        return &old.buckets[moved + number]
    number -= _size(old) - moved
    if table.halves[1].exponent < old.exponent:
        return &table.halves[1].buckets[number]
    return &table.halves[1].buckets[number % moved + number // moved * _size(old)]


cdef uint64_t _live_chains(const Table* table) noexcept nogil:
    cdef uint64_t moved, arrived
    if table.moved < 0:
        return _size(&table.halves[0])
    moved = <uint64_t>table.moved
    if table.halves[1].exponent < table.halves[0].exponent:
        arrived = moved if moved < _size(&table.halves[1]) else _size(&table.halves[1])
    else:
        arrived = moved << (table.halves[1].exponent - table.halves[0].exponent)
    return _size(&table.halves[0]) - moved + arrived


cdef inline void* _chain_entry(const Bucket* bucket, uint64_t place) noexcept nogil:
    """Entry number `place` of the chain, or NULL."""
    while bucket.presence & BUCKET_CHAINED and place >= CHILD_INDEX:
        place -= CHILD_INDEX
        bucket = <Bucket*>bucket.entries[CHILD_INDEX]
    return bucket.entries[place] if place < <uint64_t>_present(bucket) else NULL


cdef void* _walk_to(Table* table, uint64_t number) noexcept nogil:
    """Entry number `number` < table_count in the order of the chains. O(buckets)."""
    cdef uint64_t chain = 0
    cdef Bucket* bucket
    cdef uint64_t present
    while True:
        bucket = _live_chain(table, chain)
        while bucket != NULL:
            present = _present(bucket)
            if number < present:
                return bucket.entries[number]
            number -= present
            bucket = _child(bucket)
        chain += 1


cdef struct Lottery:
    uint64_t chains
    uint64_t places              # as many as the longest chain can have


cdef inline void _lottery(const Table* table, Lottery* lottery) noexcept nogil:
    cdef uint32_t depth = table.halves[0].depth
    if table.halves[1].depth > depth:
        depth = table.halves[1].depth
    lottery.places = <uint64_t>depth * CHILD_INDEX + 1
    lottery.chains = _live_chains(table)


cdef inline void _draw_chains(Table* table, const Lottery* lottery, Random* random, Bucket** chains_out) noexcept nogil:
    cdef int i
    for i in range(RANDOM_GROUP):
        chains_out[i] = _live_chain(table, random_below(random, lottery.chains))
        prefetch(chains_out[i])


cdef inline void* _draw_place(const Lottery* lottery, Random* random, Bucket** chains) noexcept nogil:
    cdef void* entry
    cdef int i
    for i in range(RANDOM_GROUP):
        entry = _chain_entry(chains[i], random_below(random, lottery.places))
        if entry != NULL:
            return entry
    return NULL


cdef void* table_random(Table* table, Random* random) noexcept nogil:
    """Draws a chain and a place in it among as many places as the longest chain can have; an empty place
    means another draw. So every entry is equally likely, however long its chain is. When many draws have
    failed (a nearly empty table with long chains) it counts entries off instead, which is as fair."""
    cdef Lottery lottery
    cdef Bucket* chains[RANDOM_GROUP]
    cdef void* entry
    cdef int groups
    if table_count(table) == 0:
        return NULL
    _lottery(table, &lottery)
    for groups in range(RANDOM_GROUPS_MAX):
        _draw_chains(table, &lottery, random, chains)
        entry = _draw_place(&lottery, random, chains)
        if entry != NULL:
            return entry
    return _walk_to(table, random_below(random, table_count(table)))


cdef void table_random_ahead(Table* table, const Random* random) noexcept nogil:
    cdef Lottery lottery
    cdef Random copy
    cdef Bucket* chains[RANDOM_GROUP]
    cdef void* entry
    if table_count(table) < RANDOM_AHEAD_MIN:
        return
    copy = random[0]
    _lottery(table, &lottery)
    _draw_chains(table, &lottery, &copy, chains)         # here since the last time
    entry = _draw_place(&lottery, &copy, chains)
    if entry != NULL:
        prefetch(<const char*>entry + table.key_offset)
    _draw_chains(table, &lottery, &copy, chains)         # of the draw after the next


# --- the rest -----------------------------------------------------------------------------------------

cdef void table_prefetch_bucket(const Table* table, uint64_t hash) noexcept nogil:
    prefetch(_chain(_home(<Table*>table, hash), hash))


cdef void table_prefetch_entries(const Table* table, uint64_t hash) noexcept nogil:
    cdef TableHalf* half = _home(<Table*>table, hash)
    cdef const Bucket* bucket
    cdef uint32_t matches
    cdef int i
    if unlikely(half.buckets == NULL):
        return
    bucket = _chain(half, hash)
    matches = same_bytes(bucket.fingerprints, _fingerprint(hash)) & bucket.presence & PRESENCE_ALL
    if not matches and bucket.presence & BUCKET_CHAINED:
        prefetch(bucket.entries[CHILD_INDEX])
    while matches:
        i = ctz64(matches)
        prefetch(bucket.entries[i])
        # Most entries end within 48 bytes of their start or so, and blocks are not aligned to lines.
        prefetch(<const char*>bucket.entries[i] + 48)
        matches &= matches - 1


cdef uint64_t table_memory(const Table* table) noexcept nogil:
    cdef uint64_t bytes = 0
    cdef int which
    for which in range(2):
        if table.halves[which].block != NULL:
            bytes += heap_block_bytes(_block_bytes(table.halves[which].exponent))
            bytes += table.halves[which].children * heap_block_bytes(BUCKET_BYTES)
    return bytes


cdef uint64_t table_buckets(const Table* table) noexcept nogil:
    """Chains of both arrays; children are not counted."""
    cdef uint64_t buckets = 0
    cdef int which
    for which in range(2):
        if table.halves[which].buckets != NULL:
            buckets += _size(&table.halves[which])
    return buckets


cdef void table_check(Table* table) noexcept nogil:
    cdef TableHalf* half
    cdef Bucket* bucket
    cdef uint64_t index, hash, count, children
    cdef uint32_t depth
    cdef Slice key
    cdef int which, i, present
    if not HUTCH_CHECKS:
        return
    invariant((table.moved >= 0) == (table.halves[1].buckets != NULL), b"table: a second array means resizing")
    invariant(table.moved < 0 or table.halves[0].buckets != NULL, b"table: resizing from nothing")
    invariant(table.moved < 0 or table.halves[0].exponent != table.halves[1].exponent, b"table: resizing to the same")
    invariant(table.moved < 0 or <uint64_t>table.moved < _size(&table.halves[0]), b"table: moved too far")
    for which in range(2):
        half = &table.halves[which]
        invariant((half.buckets == NULL) == (half.block == NULL), b"table: buckets without a block")
        if half.buckets == NULL:
            invariant(half.count == 0 and half.children == 0, b"table: counts of an absent array")
            continue
        count = 0
        children = 0
        for index in range(_size(half)):
            bucket = &half.buckets[index]
            depth = 0
            while bucket != NULL:
                depth += 1
                invariant(depth <= half.depth, b"table: a chain longer than the recorded depth")
                present = _present(bucket)
                if bucket.presence & BUCKET_CHAINED:
                    invariant(bucket.presence == PRESENCE_PARENT, b"table: a parent that is not full")
                else:
                    invariant(bucket.presence == (1 << present) - 1, b"table: a hole in a bucket")
                if depth > 1:
                    children += 1
                    invariant(present >= 2, b"table: a child with fewer than two entries")
                for i in range(present):
                    key = table_key(table, bucket.entries[i])
                    hash = table_hash(table, key)
                    invariant(bucket.fingerprints[i] == _fingerprint(hash), b"table: wrong fingerprint")
                    invariant((hash & _mask(half)) == index, b"table: an entry in a foreign chain")
                    invariant(_home(table, hash) == half, b"table: an entry in the wrong array")
                    invariant(table_find(table, key, hash) == &bucket.entries[i], b"table: an entry not found, or twice")
                    count += 1
                bucket = _child(bucket)
        invariant(count == half.count, b"table: wrong count")
        invariant(children == half.children, b"table: wrong number of children")
