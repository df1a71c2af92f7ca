"""Intset: a set of integers in one sorted block, byte for byte Redis's format (RDB files hold it).

    offset  size  what
      0      4    width of a number in bytes: 2, 4 or 8, little endian
      4      4    how many numbers, little endian
      8     ...   the numbers, signed, little endian, ascending

(Format: facts from Redis's RDB files.) The width is that of the widest number that was ever in it; it never
goes down. An intset is one heap block of exactly `intset_bytes`; functions that change it return its new
address, or NULL when a bigger block was refused (then it is unchanged).
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.random cimport Random

cdef enum:
    INTSET_HEADER_BYTES = 8

ctypedef uint8_t Intset

cdef Intset* intset_new(Heap* heap) noexcept nogil
"""Make an empty set, 2 bytes a number, which the caller owns; never NULL."""
cdef void intset_free(Heap* heap, Intset* intset) noexcept nogil
"""Free the block. NULL is allowed."""
cdef size_t intset_bytes(const Intset* intset) noexcept nogil
"""The size of the block in bytes. O(1)."""
cdef uint32_t intset_length(const Intset* intset) noexcept nogil
"""How many numbers it has. O(1)."""
cdef bint intset_contains(const Intset* intset, int64_t value) noexcept nogil
"""Is the number in the set? O(log n)."""
cdef int64_t intset_get(const Intset* intset, uint32_t index) noexcept nogil
"""The number at index in ascending order; index < length. O(1)."""
cdef uint32_t intset_index(const Intset* intset, int64_t value) noexcept nogil
"""How many numbers are smaller than value: where it stands, or would stand. O(log n)."""
cdef Intset* intset_add(Heap* heap, Intset* intset, int64_t value, bint* added_out) noexcept nogil
"""Add a number. *added_out is False when it was there (or memory was refused). O(n) bytes moved."""
cdef Intset* intset_remove(Heap* heap, Intset* intset, int64_t value, bint* removed_out) noexcept nogil
"""Remove a number; *removed_out is False when it was not there. Never NULL. O(n) bytes moved."""
cdef Intset* intset_remove_range(Heap* heap, Intset* intset, uint32_t index, uint32_t count) noexcept nogil
"""Remove `count` numbers from index on; what lies past the end is left out. Never NULL. O(n) bytes moved."""
cdef int64_t intset_random(const Intset* intset, Random* random) noexcept nogil
"""Any of the numbers, each as likely; length > 0. O(1)."""
cdef Intset* intset_copy(Heap* heap, const Intset* intset) noexcept nogil
"""Make a copy, which the caller owns; NULL when refused. O(n)."""
cdef bint intset_is_valid(const uint8_t* bytes, size_t size, bint deep) noexcept nogil
"""Bytes from a file or peer: is this an intset? With deep: are the numbers ascending, none twice?
An empty one is valid; Redis refuses it in a payload, as does the reader of payloads."""
cdef void intset_check(const Intset* intset) noexcept nogil
"""Verify that an intset of our own is one (intset_is_valid); panics in checks builds. O(n)."""
