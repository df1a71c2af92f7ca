"""SHA-256 (FIPS 180-4): passwords of users."""
from hutch_engine.base.slice cimport Slice

cdef enum:
    SHA256_BYTES = 32

cdef void sha256_bytes(Slice text, unsigned char* digest_out) noexcept nogil
"""Write the SHA-256 of a text, SHA256_BYTES bytes, to digest_out. Needs no memory. O(length)."""
