"""structures/hyperloglog for tests."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from hutch_engine.base.slice cimport slice_of
from hutch_engine.structures.hyperloglog cimport (
    HLL_DENSE_BYTES, HLL_EMPTY_BYTES, HLL_GROWTH, HLL_REGISTERS, hll_changed, hll_count, hll_count_registers, hll_is_valid,
    hll_merge, hll_place, hll_put, hll_sparse_is_whole, hll_write_dense, hll_write_empty)

OUTCOMES = ("same", "raised", "too sparse", "corrupt")


cdef char* _exact(bytes data, size_t more=0) except? NULL:
    cdef char* copy = <char*>malloc(len(data) + more + (not data))
    if copy == NULL:
        raise MemoryError
    memcpy(copy, <const char*>data, len(data))
    return copy


def empty():
    cdef uint8_t[HLL_EMPTY_BYTES] data
    hll_write_empty(data)
    return (<char*>data)[:HLL_EMPTY_BYTES]


def place(bytes element):
    cdef uint32_t register = 0
    cdef char* copy = _exact(element)
    value = hll_place(slice_of(copy, len(element)), &register)
    free(copy)
    return register, value


def is_valid(bytes data):
    cdef char* copy = _exact(data)
    valid = hll_is_valid(slice_of(copy, len(data)))
    free(copy)
    return valid


def is_whole(bytes data):
    cdef char* copy = _exact(data)
    whole = hll_sparse_is_whole(slice_of(copy, len(data)))
    free(copy)
    return whole


def put(bytes data, uint32_t register, uint8_t value, uint64_t sparse_max=3000):
    cdef char* copy = _exact(data, HLL_GROWTH)
    cdef size_t length = len(data)
    outcome = OUTCOMES[hll_put(<uint8_t*>copy, &length, sparse_max, register, value)]
    result = copy[:length]
    free(copy)
    return outcome, result


def merge(list sources):
    """The highest registers, or None where one is corrupt."""
    cdef uint8_t[HLL_REGISTERS] registers
    cdef char* copy
    memset(registers, 0, HLL_REGISTERS)
    good = True
    for data in sources:
        copy = _exact(data)
        good = good and hll_merge(registers, slice_of(copy, len(data)))
        free(copy)
    return (<char*>registers)[:HLL_REGISTERS] if good else None


def dense(bytes header, bytes registers):
    """The dense form with these registers, one a byte."""
    cdef uint8_t[HLL_DENSE_BYTES] data
    memset(data, 0xaa, HLL_DENSE_BYTES)
    memcpy(data, <const char*>header, 16)
    hll_write_dense(data, <const uint8_t*><const char*>registers)
    return (<char*>data)[:HLL_DENSE_BYTES]


def count(bytes data):
    cdef char* copy = _exact(data)
    cdef uint64_t found = 0
    good = hll_count(slice_of(copy, len(data)), &found)
    free(copy)
    return found if good else None


def count_registers(bytes registers):
    return hll_count_registers(<const uint8_t*><const char*>registers)
