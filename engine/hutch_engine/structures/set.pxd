"""A set of byte strings in one of four forms, changing by itself from one to the next as it grows.

    SET_INTSET     one sorted block of integers (intset.pxd)
    SET_LISTPACK   one block of a few short members, in the order of their coming (listpack.pxd)
    SET_COMPACT    one block of a few hundred members (compact_set.pxd)
    SET_TABLE      the bucketed hash table (table.pxd); every member is one heap block:

        offset  size  what
          0      1+   length, LEB128
         ...          the member's bytes

A `Set` is a view: form and pointer, as an entry of the keyspace holds them. Functions that add may change both (the
form never goes back but by set_pack_integers); whoever owns the pointer writes them back. Members that spell an
integer (parse_integer) are the integer: SET_INTSET has no other.

Which form: integers up to SetLimits.intset_entries; then members of up to value_bytes each, up to `entries`
of them; else what OBJECT ENCODING calls a hashtable: SET_COMPACT as long as it has room, then the table. (Facts:
Redis's thresholds, and which change comes when.)
"""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_write_slice
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.table cimport Table

cdef enum:                       # forms; an entry's encodings of a set have the same numbers
    SET_INTSET = 0
    SET_LISTPACK = 1
    SET_COMPACT = 2
    SET_TABLE = 3
    SET_FORMS = 4

cdef struct Set:
    uint8_t form
    void* pointer                # Intset*, Listpack*, CompactSet* or SetTable*

cdef struct SetTable:
    Table table                  # its entries are owned
    uint64_t drained             # how far set_free_some came

cdef struct SetLimits:
    uint64_t intset_entries
    uint64_t entries
    uint64_t value_bytes

# `member` is borrowed, and stays only until the visitor returns. Return False to stop early.
ctypedef bint (*SetVisitor)(void* context, Slice member) noexcept nogil

cdef inline bint set_has_blocks(Set set) noexcept nogil:
    """Do visitors see members right behind their LEB128 length, in memory that stays until the set changes?"""
    return set.form == SET_TABLE or set.form == SET_COMPACT

# ---- a member as a block of a table
cdef inline size_t set_member_bytes(size_t length) noexcept nogil:
    """How many bytes a member of this length takes as a block, with its LEB128 length."""
    return leb128_bytes(length) + length

cdef inline void set_member_write(void* block, Slice member) noexcept nogil:
    """Write a member's block into set_member_bytes bytes of room."""
    leb128_write_slice(<char*>block, member)

# ---- life
cdef Set set_new(Heap* heap, const HashKey* hash_key, uint8_t form) noexcept nogil
"""Empty (SET_COMPACT: for a few members); never fails. hash_key is borrowed, and outlives the set."""
cdef Set set_new_for(Heap* heap, const HashKey* hash_key, Slice first, uint64_t expected, const SetLimits* limits) noexcept nogil
"""Empty, in the form that suits `expected` members like `first`."""
cdef void set_free(Heap* heap, Set set) noexcept nogil
"""Free the set whole, with its members. O(n) for a table, else O(1)."""
cdef bint set_free_some(Heap* heap, Set set, uint64_t steps) noexcept nogil
"""Free about `steps` members of a set that nobody uses any more; False when it is gone altogether."""
cdef bint set_copy(Heap* heap, Set set, Set* copy_out) noexcept nogil
"""Make a deep copy, which the caller owns; False when refused. O(n)."""

# ---- reading
cdef uint64_t set_length(Set set) noexcept nogil
"""How many members it has. O(1) (a listpack of 65535 members and more: O(n))."""
cdef bint set_contains(Set set, Slice member) noexcept nogil
"""Is the member in the set? O(1) expected; an intset O(log n), a listpack O(n), a compact set O(n / 16)."""
cdef bint set_each(Set set, SetVisitor visit, void* context) noexcept nogil
"""Visit every member once (integers ascending; a listpack in its order); the set must not change meanwhile.
False if the visitor stopped it. O(n)."""
cdef uint64_t set_scan(Set set, uint64_t cursor, SetVisitor visit, void* context) noexcept nogil
"""One step of SSCAN: the next cursor, 0 at the end. Other forms than SET_TABLE are visited whole at once, and a
table's position too: the visitor's answer is ignored. table_scan's guarantees."""
cdef Slice set_random(Set set, Random* random, char* scratch) noexcept nogil
"""Any member, each as likely; the set is not empty. Borrowed from the set, or an integer's digits in scratch
(INTEGER_TEXT_MAX). O(1) expected; O(n) in a listpack."""
cdef void set_random_ahead(Set set, const Random* random) noexcept nogil
"""set_random may soon be called again: fetch what it will look at."""
cdef bint set_each_sampled(Set set, uint64_t count, Random* random, SetVisitor visit, SetVisitor leave, void* context) noexcept nogil
"""Choose `count` (at most the length) of the members, every choice as likely as any other, and visit these;
`leave`, if not NULL, is told of the others. In the order of set_each; False if stopped. O(n)."""
cdef bint set_draw(Heap* heap, Set set, uint64_t count, Random* random, SetVisitor visit, void* context) noexcept nogil
"""Visit `count` different members, every choice as likely as any other: set_each_sampled where that is
cheap, else by drawing until so many different ones are found, O(count)."""
cdef bint set_draw_again(Heap* heap, Set set, uint64_t count, Random* random, SetVisitor visit, void* context) noexcept nogil
"""Visit `count` members, each time any of all (the same one may come again). O(count)."""

# ---- changing
cdef Outcome set_add(Heap* heap, const HashKey* hash_key, Set* set, Slice member, const SetLimits* limits) noexcept nogil
"""Add a member, of which a copy is kept: OK, EXISTS, or NO_MEMORY (the members are as before). O(1) expected, besides the
change of form."""
cdef bint set_remove(Heap* heap, Set* set, Slice member) noexcept nogil
"""Remove a member; was it there? The pointer of a packed set may change, the form does not."""
cdef bint set_expect(Heap* heap, const HashKey* hash_key, Set* set, uint64_t more, const SetLimits* limits) noexcept nogil
"""`more` members may come at once: a packed set that they would not fit becomes hashed right away.
False when memory was refused (unchanged)."""
cdef bint set_pack_integers(Heap* heap, Set* set, const SetLimits* limits) noexcept nogil
"""All members spell integers: become an intset if the limit allows; it stays as it is if not, or when
memory was refused. Answers whether it is an intset now."""

# ---- for memory accounting
cdef uint64_t set_effort(Set set) noexcept nogil
"""How many blocks freeing the set touches."""
cdef uint64_t set_memory(Set set, uint64_t samples) noexcept nogil
"""Bytes of it all; a table's members are estimated from `samples` of them (0: all)."""
cdef bint set_is_resizing(Set set) noexcept nogil
"""Is it a table whose members are being moved to more or fewer buckets?"""
cdef void set_check(Set set) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef inline Set set_of(uint8_t form, void* pointer) noexcept nogil:
    """The view of an existing set; whoever had the pointer goes on owning it."""
    cdef Set set
    set.form = form
    set.pointer = pointer
    return set
