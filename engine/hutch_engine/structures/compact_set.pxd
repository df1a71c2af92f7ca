"""A set of up to a few hundred members in one block: what lies between a listpack and a table.

    offset        size          what
      0           16            the struct below
      16          capacity      fingerprints, one byte of a hash each
      ...         2 * capacity  where each member begins, in bytes behind the start of the members
      ...         the rest      the members in the order of their coming, each LEB128 length and bytes (the block of
                                a table's member); removed ones leave holes until the block is made anew

A lookup compares sixteen fingerprints at a time, and then the few members whose fingerprint fits: for 500 members that
is as fast as a hash table, in half of its memory (no pointers, no rounding, no empty places). The hash needs no key: the
worst that chosen members can do is that all are compared.

Functions that change it return the block's new address, or NULL when a bigger one was refused (then it is unchanged).
"""
from libc.stdint cimport int32_t, uint16_t, uint32_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice

cdef enum:
    COMPACT_MEMBERS_MAX = 512    # thirty-two comparisons of sixteen: some 15 ns
    COMPACT_BYTES_MAX = 16384    # of members: making the block anew copies them

cdef struct CompactSet:
    uint32_t bytes               # of the block
    uint16_t count
    uint16_t capacity            # a multiple of 16
    uint32_t used                # bytes behind the start of the members, holes included
    uint32_t holes

cdef CompactSet* compact_set_new(Heap* heap, uint32_t members, uint32_t member_bytes) noexcept nogil
"""Empty, with room for so many members of so many bytes together; NULL when refused."""
cdef void compact_set_free(Heap* heap, CompactSet* compact) noexcept nogil
"""Free the block. Not NULL."""
cdef CompactSet* compact_set_copy(Heap* heap, const CompactSet* compact) noexcept nogil
"""Make a copy, which the caller owns; NULL when refused. O(bytes)."""
cdef int32_t compact_set_find(const CompactSet* compact, Slice member) noexcept nogil
"""The index of a member, or -1. O(n / 16)."""
cdef Slice compact_set_get(const CompactSet* compact, uint32_t index) noexcept nogil
"""The member at this index, which is below the count; borrowed. The block of a table's member begins before it."""
cdef bint compact_set_has_room(const CompactSet* compact, size_t length) noexcept nogil
"""May a member of this length be added, as far as the two limits go?"""
cdef CompactSet* compact_set_add(Heap* heap, CompactSet* compact, Slice member) noexcept nogil
"""Add a member known to be absent, for which there is room. O(its length), amortized."""
cdef CompactSet* compact_set_remove(Heap* heap, CompactSet* compact, uint32_t index) noexcept nogil
"""Remove the member at this index, which the last member takes over. Never NULL."""
cdef void compact_set_check(const CompactSet* compact) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds. O(n * n / 16)."""

cdef inline uint32_t compact_set_length(const CompactSet* compact) noexcept nogil:
    """How many members it has."""
    return compact.count
