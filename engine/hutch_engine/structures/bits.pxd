"""Bytes as rows of bits: counting, searching, combining, and integers of any width in them. The first bit is the highest of the
first byte, as Redis has it. Nothing here owns memory.

The long loops are base/hutch_bits.h's, which has each for several kinds of vectors; bits_level tells which of them run.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.slice cimport Slice

cdef extern from "hutch_bits.h" nogil:
    enum:
        BITS_PLAIN "HUTCH_BITS_PLAIN"            # levels: words of 8 bytes,
        BITS_AVX2 "HUTCH_BITS_AVX2"              # vectors of 32 bytes,
        BITS_AVX512 "HUTCH_BITS_AVX512"          # and of 64
        BITS_AND "HUTCH_AND"                     # operations of bits_combine
        BITS_OR "HUTCH_OR"
        BITS_XOR "HUTCH_XOR"
        BITS_NOT "HUTCH_NOT"                     # of a single source
        BITS_DIFF "HUTCH_DIFF"                   # in the first source, and in none of the others
        BITS_DIFF1 "HUTCH_DIFF1"                 # in one of the others, and not in the first
        BITS_ANDOR "HUTCH_ANDOR"                 # in the first and in one of the others
        BITS_ONE "HUTCH_ONE"                     # in exactly one source

cdef int bits_level() noexcept nogil
"""Which vectors the loops use, a BITS_ level."""
cdef void bits_set_level(int level) noexcept nogil
"""Use this level's vectors from now on, in the whole process, or the best that the machine has where it has none of them.
For tests and PFDEBUG SIMD: results are the same at every level."""
cdef int bits_best_level() noexcept nogil
"""The highest level that this machine has."""

cdef inline bint bits_get(const uint8_t* bytes, uint64_t offset) noexcept nogil:
    """The bit of this number; its byte must be there."""
    return bytes[offset >> 3] >> (7 - (offset & 7)) & 1

cdef inline void bits_set(uint8_t* bytes, uint64_t offset, bint value) noexcept nogil:
    """Set or clear the bit of this number; its byte must be there."""
    cdef uint8_t mask = <uint8_t>(1 << (7 - (offset & 7)))
    if value:
        bytes[offset >> 3] |= mask
    else:
        bytes[offset >> 3] &= ~mask

cdef uint64_t bits_count(Slice bytes, uint64_t first, uint64_t last) noexcept nogil
"""How many of the bits `first` to `last`, both included, are set. Requires first <= last, and that the bytes have them.
O(bytes between them)"""
cdef bint bits_find(Slice bytes, bint value, uint64_t first, uint64_t last, uint64_t* found_out) noexcept nogil
"""Find the first bit of this value among `first` to `last`, both included; False if there is none. Requires first <= last, and
that the bytes have them. O(bytes between them)"""
cdef void bits_combine(int operation, uint8_t* out, const uint8_t** sources, const size_t* lengths, size_t count, size_t length,
                       const uint8_t** scratch) noexcept nogil
"""Write `length` bytes, the length of the longest source, each made of the sources' bytes at its place; the shorter ones go on
with zeros. `out` may be one of the sources, if all its `length` bytes are there. `scratch` has room for `count` pointers.
BITS_NOT wants one source, the others at least one. O(length * sources)"""
cdef uint64_t bits_read(Slice bytes, uint64_t offset, int width) noexcept nogil
"""The unsigned integer of `width` bits, up to 64, that begins at bit `offset`; beyond the end there are zeros. O(1)"""
cdef void bits_write(uint8_t* bytes, uint64_t offset, int width, uint64_t value) noexcept nogil
"""Write the low `width` bits of the value, up to 64, at bit `offset`; all its bytes must be there. O(1)"""

cdef enum BitsOverflow:              # what an integer that does not fit into its bits becomes
    BITS_WRAP
    BITS_SATURATE
    BITS_FAIL

cdef bint bits_fit_unsigned(uint64_t value, int64_t more, int width, BitsOverflow overflow, uint64_t* result_out) noexcept nogil
"""Add `more` to an unsigned integer of `width` bits, up to 63 (the value may be beyond them). False where the sum does not fit:
then the result is what `overflow` makes of it (with BITS_FAIL there is none). O(1)"""
cdef bint bits_fit_signed(int64_t value, int64_t more, int width, BitsOverflow overflow, int64_t* result_out) noexcept nogil
"""The same for a signed integer of up to 64 bits. O(1)"""
