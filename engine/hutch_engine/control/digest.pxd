"""Redis's digests of values and databases, by which DEBUG compares the contents of two servers.

A digest is twenty bytes. What has an order is *mixed* in: the digest so far and the SHA-1 of the bytes are hashed again.
What has none (keys, members, fields) is only *xored* in. A pair is mixed for itself first, then xored in as a whole.
"""
from libc.stdint cimport uint8_t, uint32_t
from hutch_engine.base.sha1 cimport SHA1_BYTES
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Keyspace

cdef struct Digest:
    uint8_t[SHA1_BYTES] bytes

cdef void digest_clear(Digest* digest) noexcept nogil
cdef void digest_xor(Digest* digest, Slice bytes) noexcept nogil
"""Order does not matter."""
cdef void digest_mix(Digest* digest, Slice bytes) noexcept nogil
"""Order matters."""
cdef void digest_mix_number(Digest* digest, uint32_t number) noexcept nogil
cdef bint digest_mix_value(Digest* digest, Keyspace* keyspace, const Entry* entry) noexcept nogil
"""Type, elements, and whether there are deadlines (not which). False for a type whose elements nobody here can walk:
better no digest than a wrong one. O(bytes)."""
cdef Slice digest_slice(const Digest* digest) noexcept nogil
