"""SHA-1 (FIPS 180-4): script names and DEBUG DIGEST. Not for anything that must withstand attack."""
from hutch_engine.base.slice cimport Slice

cdef enum:
    SHA1_BYTES = 20

cdef void sha1_bytes(Slice text, unsigned char* digest_out) noexcept nogil
"""Write the SHA-1 of a text, SHA1_BYTES bytes, to digest_out. Needs no memory. O(length)."""
cdef void sha1_hex(const unsigned char* digest, char* out) noexcept nogil
"""Write a digest as 40 hexadecimal digits to `out`, no terminator."""
