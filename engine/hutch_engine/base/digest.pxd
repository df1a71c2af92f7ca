"""Redis's digests, by which DEBUG compares the contents of two servers.

A digest is twenty bytes. What has an order is *mixed* in: the digest so far and the SHA-1 of the bytes are hashed again.
What has none (keys, members, fields) is only *xored* in. A pair is mixed for itself first, then xored in as a whole.
"""
from libc.stdint cimport uint8_t, uint32_t
from hutch_engine.base.sha1 cimport SHA1_BYTES
from hutch_engine.base.slice cimport Slice

cdef struct Digest:
    uint8_t[SHA1_BYTES] bytes

cdef void digest_clear(Digest* digest) noexcept nogil
"""Make it the digest of nothing: twenty zero bytes."""
cdef void digest_xor(Digest* digest, Slice bytes) noexcept nogil
"""Take bytes into the digest whose order does not matter. O(length)."""
cdef void digest_mix(Digest* digest, Slice bytes) noexcept nogil
"""Take bytes into the digest whose order matters. O(length)."""
cdef void digest_mix_number(Digest* digest, uint32_t number) noexcept nogil
"""Mix in a number, as four bytes with the highest first; order matters."""
cdef Slice digest_slice(const Digest* digest) noexcept nogil
"""The digest's twenty bytes, borrowed from it."""
