"""CRC-64 of bytes for Python: tools put it behind the files and payloads that they write themselves."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t

from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.formats.crc64 cimport crc64


def checksum(bytes data not None, uint64_t begun=0):
    """CRC-64 of Jones's polynomial, as Redis has it; `begun` is the sum of what came before. O(bytes), without the GIL."""
    cdef Slice words = slice_of(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    cdef uint64_t sum
    with nogil:
        sum = crc64(begun, words)
    return sum
