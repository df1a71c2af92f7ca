"""The end of a text as SHA-1 and SHA-256 (FIPS 180-4) see it: its last bytes, a one, zeros, and its length in bits."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.slice cimport Slice

cdef enum:
    SHA_PAD_BLOCK = 64

cdef inline size_t sha_pad_tail(Slice text, uint8_t* tail_out) noexcept nogil:
    """Write what comes behind the text's whole blocks to `tail_out`, which has room for two: the number of bytes there, one block or
    both. O(1)"""
    cdef size_t rest = text.length % SHA_PAD_BLOCK
    cdef size_t bytes = SHA_PAD_BLOCK if rest < SHA_PAD_BLOCK - 8 else 2 * SHA_PAD_BLOCK
    cdef uint64_t bits = <uint64_t>text.length * 8
    cdef size_t i
    memset(tail_out, 0, bytes)
    if rest:
        memcpy(tail_out, text.data + text.length - rest, rest)
    tail_out[rest] = 0x80
    for i in range(8):
        tail_out[bytes - 1 - i] = <uint8_t>(bits >> (8 * i))
    return bytes
