"""See digest.pxd."""
from libc.stdint cimport uint32_t
from libc.string cimport memset
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_bytes
from hutch_engine.base.slice cimport Slice, slice_of


cdef void digest_clear(Digest* digest) noexcept nogil:
    memset(digest.bytes, 0, SHA1_BYTES)


cdef Slice digest_slice(const Digest* digest) noexcept nogil:
    return slice_of(<const char*>digest.bytes, SHA1_BYTES)


cdef void digest_xor(Digest* digest, Slice bytes) noexcept nogil:
    cdef unsigned char[SHA1_BYTES] hash
    cdef int i
    sha1_bytes(bytes, hash)
    for i in range(SHA1_BYTES):
        digest.bytes[i] ^= hash[i]


cdef void digest_mix(Digest* digest, Slice bytes) noexcept nogil:
    digest_xor(digest, bytes)
    sha1_bytes(digest_slice(digest), digest.bytes)


cdef void digest_mix_number(Digest* digest, uint32_t number) noexcept nogil:
    """In network order."""
    cdef char[4] bytes
    bytes[0] = <char>(number >> 24)
    bytes[1] = <char>(number >> 16)
    bytes[2] = <char>(number >> 8)
    bytes[3] = <char>number
    digest_mix(digest, slice_of(bytes, 4))
