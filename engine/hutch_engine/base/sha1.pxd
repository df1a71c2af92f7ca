"""SHA-1 (FIPS 180-4): script names and DEBUG DIGEST. Not for anything that must withstand attack."""
from hutch_engine.base.slice cimport Slice

cdef enum:
    SHA1_BYTES = 20

cdef void sha1_bytes(Slice text, unsigned char* digest_out) noexcept nogil
"""O(length); needs no memory."""
cdef void sha1_hex(const unsigned char* digest, char* out) noexcept nogil
"""40 hexadecimal digits, no terminator."""
