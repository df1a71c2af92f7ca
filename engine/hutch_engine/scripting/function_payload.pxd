"""What FUNCTION DUMP gives and FUNCTION RESTORE takes: Redis's RDB records of libraries, a version and a CRC-64
(formats/rdb)."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum Payload:
    PAYLOAD_LIBRARY = 0                  # *code_out is one library's text
    PAYLOAD_END = 1
    PAYLOAD_CORRUPT = 2
    PAYLOAD_NOT_A_FUNCTION = 3

cdef Payload function_payload_next(Slice payload, size_t* offset, Buffer* storage, Slice* code_out) noexcept nogil
"""The next library of a verified payload; *offset is 0 at first. A packed text is unpacked into `storage`, which must
not be used for anything else before *code_out has been seen to."""
cdef void function_payload_add(Buffer* payload, Slice code, bint compress) noexcept nogil
"""One more library; rdb_write_footer ends the payload."""
