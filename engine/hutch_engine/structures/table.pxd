"""The bucketed hash table: keys of a database, fields of a hash, members of a set, scores by member.

A bucket is one cache line: seven entry pointers, seven fingerprints (one byte of the hash each) and a
byte with seven presence bits and one chain bit. With the chain bit set the seventh pointer leads to a
child bucket of the same shape.

     0      8      16     24     32     40     48            56          63
    +------+------+------+------+------+------+-------------+-----------+----------+
    | e0   | e1   | e2   | e3   | e4   | e5   | e6 or child | f0 ... f6 | presence |
    +------+------+------+------+------+------+-------------+-----------+----------+

Two arrays of buckets exist while the table grows or shrinks; every change moves a bounded number of
buckets (and housekeeping may move more), so no operation takes long. SCAN walks with a reverse-binary
cursor: an element that is there from start to end is seen at least once, across resizes.

Entries belong to the caller; the table keeps borrowed pointers and reads the key that begins
`key_offset` bytes behind each: a length as LEB128 (7 bits a byte, low first, high bit = more) and then
that many bytes. (The field's reference for this layout is the table that Valkey introduced in 8.1.)
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
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
    uint8_t presence             # bit i: entries[i] is there; bit 7: entries[6] is a child bucket

cdef struct TableHalf:
    Bucket* buckets              # owned; NULL while empty
    uint64_t count               # entries in it
    uint64_t children            # child buckets in it
    uint8_t exponent             # 1 << exponent buckets, when buckets is not NULL

cdef struct Table:
    TableHalf[2] halves          # [1] only while resizing
    int64_t moved                # buckets of [0] moved so far; -1 when not resizing
    Heap* heap                   # borrowed
    const HashKey* hash_key      # borrowed
    uint32_t key_offset
    uint32_t paused              # > 0: no buckets are moved (safe iteration)
    bint resize_forbidden        # DEBUG DICT-RESIZING 0

# Where an entry sits. Valid until the table changes.
ctypedef void** TableSlot

# Return False to stop early.
ctypedef bint (*TableVisitor)(void* context, void* entry) noexcept nogil

cdef void table_init(Table* table, Heap* heap, const HashKey* hash_key, uint32_t key_offset) noexcept nogil
cdef void table_clear(Table* table) noexcept nogil
"""Free the buckets; the entries are the caller's."""
cdef uint64_t table_hash(const Table* table, Slice key) noexcept nogil
cdef TableSlot table_find(Table* table, Slice key, uint64_t hash) noexcept nogil
"""The slot of the entry with this key, or NULL. O(1) expected. Moves no buckets."""
cdef void table_insert(Table* table, void* entry, uint64_t hash) noexcept nogil
"""Put in an entry whose key is known to be absent. O(1) amortized, bounded work; never fails (when a
bigger array cannot be had the chains grow longer)."""
cdef void table_remove(Table* table, TableSlot slot, uint64_t hash) noexcept nogil
"""Take the entry at `slot` (found with this hash) out. Fills the hole from the end of the chain, may
start shrinking, moves a bounded number of buckets."""
cdef void table_replace(Table* table, TableSlot slot, void* entry) noexcept nogil
"""The same key's entry has a new address."""
cdef bint table_reserve(Table* table, uint64_t entries) noexcept nogil
"""Start growing for so many entries at once."""
cdef bint table_step(Table* table, uint64_t buckets) noexcept nogil
"""Move up to so many buckets; True while a resize is still under way. For housekeeping."""
cdef uint64_t table_scan(Table* table, uint64_t cursor, TableVisitor visit, void* context) noexcept nogil
"""Visit all entries of one cursor position (a bucket chain, or a bucket and those it splits into);
returns the next cursor, 0 at the end. The visitor must not change the table. Redis's guarantees."""
cdef void* table_random(Table* table, Random* random) noexcept nogil
"""A uniformly random entry, NULL when empty. Expected O(1) at usual fill; falls back to an exact walk in
tables that shrank."""
cdef bint table_each(Table* table, TableVisitor visit, void* context) noexcept nogil
"""Visit every entry once; the table must not change meanwhile. False if the visitor stopped it."""
cdef uint64_t table_drain(Table* table, uint64_t* position, TableVisitor visit, void* context, uint64_t buckets) noexcept nogil
"""For lazy freeing: hand out and forget the entries of up to `buckets` further bucket chains beginning at
*position (0 at first); returns the entries still in the table. No other call may be made in between
except table_clear."""
cdef void table_prefetch_bucket(const Table* table, uint64_t hash) noexcept nogil
cdef void table_prefetch_entries(const Table* table, uint64_t hash) noexcept nogil
"""Prefetch the entries whose fingerprint fits (their bucket should be in the cache by now)."""
cdef uint64_t table_memory(const Table* table) noexcept nogil
"""Bytes of the bucket arrays and children."""
cdef uint64_t table_buckets(const Table* table) noexcept nogil
cdef void table_check(Table* table) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef inline uint64_t table_count(const Table* table) noexcept nogil:
    return table.halves[0].count + table.halves[1].count

cdef inline bint table_is_resizing(const Table* table) noexcept nogil:
    return table.moved >= 0
