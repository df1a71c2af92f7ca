"""The bucketed hash table: keys of a database, fields of a hash, members of a set, scores by member.

A bucket is one cache line: seven entry pointers, seven fingerprints (one byte of the hash each) and a
byte with seven presence bits and one chain bit. With the chain bit set the seventh pointer leads to a
child bucket of the same shape.

     0      8      16     24     32     40     48            56          63
    +------+------+------+------+------+------+-------------+-----------+----------+
    | e0   | e1   | e2   | e3   | e4   | e5   | e6 or child | f0 ... f6 | presence |
    +------+------+------+------+------+------+-------------+-----------+----------+

Two arrays of buckets exist while the table grows or shrinks; every change moves a bounded number of
buckets (and housekeeping may move more), so no operation takes long. A key has one home at any time: the
new array once its bucket of the old one was moved, the old array before, so a lookup reads one chain.
SCAN walks with a reverse-binary cursor: an element that is there from start to end is seen at least once,
across resizes.

Entries belong to the caller; the table keeps borrowed pointers and reads the key that begins
`key_offset` bytes behind each: a length as LEB128 (7 bits a byte, low first, high bit = more) and then
that many bytes. (The field's reference for this layout is the table that Valkey introduced in 8.1.)
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.leb128 cimport leb128_slice
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.random cimport Random

cdef enum:
    BUCKET_ENTRIES = 7
    BUCKET_CHAINED = 0x80

cdef struct Bucket:
    void* entries[BUCKET_ENTRIES]
    uint8_t[BUCKET_ENTRIES] fingerprints
    uint8_t presence             # bit i: entries[i] is there; bit 7: entries[6] is a child bucket (bit 6 then 0)

cdef struct TableHalf:
    Bucket* buckets              # into `block`, at a cache line's border; NULL while empty
    void* block                  # owned: what the heap gave
    uint64_t count               # entries in it
    uint64_t children            # child buckets in it (owned)
    uint32_t depth               # no chain was ever longer than this many buckets
    uint8_t exponent             # 1 << exponent buckets, when buckets is not NULL

cdef struct Table:
    int64_t moved                # buckets of [0] moved so far; -1 when not resizing
    TableHalf[2] halves          # [1] only while resizing
    uint32_t key_offset
    uint32_t paused              # > 0: no buckets are moved, no resize begins (safe iteration)
    Heap* heap                   # borrowed
    const HashKey* hash_key      # borrowed
    bint resize_forbidden        # DEBUG DICT-RESIZING 0: no resize begins (one under way ends)

# Where an entry sits. Valid until the table changes.
ctypedef void** TableSlot

# Return False to stop early.
ctypedef bint (*TableVisitor)(void* context, void* entry) noexcept nogil

cdef void table_init(Table* table, Heap* heap, const HashKey* hash_key, uint32_t key_offset) noexcept nogil
"""Make an empty table; nothing is allocated yet. heap and hash_key are borrowed and must outlive it."""
cdef void table_clear(Table* table) noexcept nogil
"""Free the buckets; the entries are the caller's."""
cdef uint64_t table_hash(const Table* table, Slice key) noexcept nogil
"""The hash by which this table finds a key. O(length)."""
cdef TableSlot table_find(Table* table, Slice key, uint64_t hash) noexcept nogil
"""The slot of the entry with this key, or NULL. O(1) expected. Moves no buckets."""
cdef void table_insert(Table* table, void* entry, uint64_t hash) noexcept nogil
"""Put in an entry whose key is known to be absent. O(1) amortized, bounded work; never fails (when a
bigger array cannot be had the chains grow longer)."""
cdef void table_remove(Table* table, TableSlot slot, uint64_t hash) noexcept nogil
"""Take the entry at `slot` (found with this hash) out. Fills the hole from the end of the chain, may
start shrinking, moves a bounded number of buckets."""
cdef void table_replace(Table* table, TableSlot slot, void* entry) noexcept nogil
"""Put another address into the slot: the same key's entry has moved."""
cdef bint table_reserve(Table* table, uint64_t entries) noexcept nogil
"""Start growing for so many entries at once; an empty table has the room at once. False, and nothing is
changed, when memory was refused, resizing is not allowed now, or a resize to less is under way (the
table then grows by itself as it fills)."""
cdef bint table_step(Table* table, uint64_t buckets) noexcept nogil
"""Move up to so many buckets, and begin a resize that is due; True while more is to be moved. Does nothing
and answers False while paused. For housekeeping."""
cdef uint64_t table_scan(Table* table, uint64_t cursor, TableVisitor visit, void* context) noexcept nogil
"""Visit all entries of one cursor position (a bucket chain, or a bucket and those it splits into);
returns the next cursor, 0 at the end. The visitor must not change the table, and its answer is ignored: a
position is always visited whole. Redis's guarantees."""
cdef void* table_random(Table* table, Random* random) noexcept nogil
"""A uniformly random entry, NULL when empty. Expected O(1) at usual fill; falls back to an exact walk in
tables that shrank."""
cdef void table_random_ahead(Table* table, const Random* random) noexcept nogil
"""For whoever draws again and again: fetch what the next two calls of table_random with this state will look at.
Without calls in between it is right while the table does not change its size."""
cdef bint table_each(Table* table, TableVisitor visit, void* context) noexcept nogil
"""Visit every entry once; the table must not change meanwhile. False if the visitor stopped it."""
cdef uint64_t table_drain(Table* table, uint64_t* position, TableVisitor visit, void* context, uint64_t buckets) noexcept nogil
"""For lazy freeing: hand out and forget the entries of up to `buckets` further bucket chains beginning at
*position (0 at first); returns the entries still in the table. A visitor that answers False ends the slice
after the chain at hand. No other call may be made in between except table_clear."""
cdef void table_prefetch_bucket(const Table* table, uint64_t hash) noexcept nogil
"""Have the bucket where a key of this hash would be found fetched into the cache."""
cdef void table_prefetch_entries(const Table* table, uint64_t hash) noexcept nogil
"""Prefetch the entries whose fingerprint fits (their bucket should be in the cache by now)."""
cdef uint64_t table_memory(const Table* table) noexcept nogil
"""How many bytes the bucket arrays and child buckets take. O(1)."""
cdef uint64_t table_buckets(const Table* table) noexcept nogil
"""How many buckets both arrays have together, child buckets left out. O(1)."""
cdef void table_check(Table* table) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef inline Slice table_key(const Table* table, const void* entry) noexcept nogil:
    """The key inside `entry`; borrowed from it."""
    return leb128_slice(<const char*>entry + table.key_offset)


cdef inline uint64_t table_count(const Table* table) noexcept nogil:
    """How many entries it has. O(1)."""
    return table.halves[0].count + table.halves[1].count


cdef inline bint table_is_resizing(const Table* table) noexcept nogil:
    """Are entries being moved to a larger or smaller array?"""
    return table.moved >= 0
