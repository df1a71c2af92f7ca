"""HyperLogLogs in Redis's own bytes: about how many different elements were added, in at most 12 KiB. Nothing here owns memory.

    offset  size  what
      0      4    "HYLL"
      4      1    form: 0 dense, 1 sparse
      5      3    not used
      8      8    the count as it was last reckoned; the highest bit of the last byte is set once it is out of date
     16           dense: 16,384 registers of 6 bits each, the first in the low bits of the first byte
                  sparse: runs of registers, one after the other:
                    00nnnnnn           n + 1 registers are 0
                    01nnnnnn nnnnnnnn  n + 1 registers are 0
                    1vvvvvnn           n + 1 registers are v + 1

An element's hash says which register it belongs to, and how many zeros the rest of it begins with; a register keeps the
most that was seen. (P. Flajolet et al. 2007; 64-bit hashes and sparse form after S. Heule et al. 2013; reckoning after
O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017; hash: A. Appleby's MurmurHash64A.)

Which bytes come of an element is Redis's, to the last run that is split or merged, so that values are equal on both sides.
Bytes that a client wrote may be anything: hll_is_valid looks at the header, and whoever walks the runs says when they are none.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice

cdef enum:
    HLL_REGISTERS = 16384
    HLL_HEADER_BYTES = 16
    HLL_DENSE_BYTES = 12304      # header and registers
    HLL_EMPTY_BYTES = 18         # header and one run of zeros
    HLL_GROWTH = 3               # by how many bytes one element may lengthen the sparse form
    HLL_SPARSE_MOST = 32         # the greatest value that a run can say

cdef enum HllPut:                # what hll_put did
    HLL_SAME                     # the register had so much already
    HLL_RAISED
    HLL_TOO_SPARSE               # unchanged: value or length is more than the sparse form may have
    HLL_CORRUPT                  # unchanged: the runs do not lead to the register

cdef bint hll_is_valid(Slice bytes) noexcept nogil
"""Is this a HyperLogLog, as far as its header and length tell? O(1)"""
cdef inline bint hll_is_dense(const char* bytes) noexcept nogil:
    """Has a HyperLogLog the dense form?"""
    return bytes[4] == 0

cdef void hll_write_empty(uint8_t* out) noexcept nogil
"""Write a HyperLogLog without elements: HLL_EMPTY_BYTES."""
cdef uint8_t hll_place(Slice element, uint32_t* register_out) noexcept nogil
"""The register that an element belongs to, and what it must hold at least: 1 to 51. O(length)"""
cdef HllPut hll_put(uint8_t* bytes, size_t* length, uint64_t sparse_max, uint32_t register, uint8_t value) noexcept nogil
"""Raise a register of either form to at least this value. The sparse form needs room for HLL_GROWTH more bytes behind its *length,
which follows, and gets no longer than sparse_max by it (it may be so already). Dense O(1), sparse O(length)."""
cdef bint hll_sparse_is_whole(Slice bytes) noexcept nogil
"""Are the runs of a sparse one just as many registers as there must be? O(length)"""
cdef bint hll_merge(uint8_t* registers, Slice bytes) noexcept nogil
"""Raise HLL_REGISTERS bytes to what the registers of this HyperLogLog are. False where its runs are corrupt: then part of it may be
done. O(registers)"""
cdef void hll_write_dense(uint8_t* bytes, const uint8_t* registers) noexcept nogil
"""Give the HyperLogLog at `bytes`, which have HLL_DENSE_BYTES, these registers in the dense form; the rest of its header
stays. O(registers)"""
cdef bint hll_count(Slice bytes, uint64_t* count_out) noexcept nogil
"""Reckon how many different elements were added; False where the runs are corrupt. O(registers)"""
cdef uint64_t hll_count_registers(const uint8_t* registers) noexcept nogil
"""The same of HLL_REGISTERS bytes. O(registers)"""
cdef bint hll_cached(const char* bytes, uint64_t* count_out) noexcept nogil
"""The count as it was last reckoned, if it still holds. O(1)"""
cdef void hll_cache(char* bytes, uint64_t count) noexcept nogil
"""Note how many elements were reckoned. O(1)"""
cdef void hll_changed(char* bytes) noexcept nogil
"""The noted count does not hold any more. O(1)"""

cdef enum HllRunKind:
    HLL_ZEROS                    # said in one byte
    HLL_MANY_ZEROS               # in two
    HLL_VALUES

cdef struct HllRun:
    HllRunKind kind
    uint8_t value                # of HLL_VALUES
    uint32_t length

cdef bint hll_run(Slice bytes, size_t* at, HllRun* run_out) noexcept nogil
"""The run at offset *at of a sparse one, which moves behind it; False at the end. O(1)"""
cdef uint8_t hll_register(const char* bytes, uint32_t register) noexcept nogil
"""A register of the dense form. O(1)"""
