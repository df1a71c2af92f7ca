"""Values of types that a module brings, as Redis's RDB format has them (RDB_MODULE_2).

    number    a length of 64 bits: the type's nine letters (A-Z, a-z, 0-9, - and _) of six bits each, then ten bits for the
              version of the encoding
    items     each a kind and what it stands for: 1 a signed and 2 an unsigned number, as a length of 64 bits;
              3 a float of four and 4 a double of eight bytes, little-endian; 5 a string
    0         the end

(Facts from Redis's files.) formats/rdb_values writes and reads number and end; a type's save and load have the items.
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.value_type cimport RdbReader

cdef enum:
    MODULE_END = 0
    MODULE_SIGNED = 1
    MODULE_UNSIGNED = 2
    MODULE_FLOAT = 3
    MODULE_DOUBLE = 4
    MODULE_STRING = 5
    MODULE_VERSION_BITS = 10
    MODULE_VERSION_MAX = 1023

cdef uint64_t module_number(const char* name, int version) noexcept nogil
"""The number of a type of this name (nine letters) and version; 0 for a name that no module's type can have."""

# ---- items; to the buffer's end, a refused allocation shows in buffer.failed
cdef void module_write_signed(Buffer* out, int64_t value) noexcept nogil
"""Append a signed number."""
cdef void module_write_unsigned(Buffer* out, uint64_t value) noexcept nogil
"""Append an unsigned number."""
cdef void module_write_double(Buffer* out, double value) noexcept nogil
"""Append a double."""
cdef void module_write_string(Buffer* out, Slice text, bint compress) noexcept nogil
"""Append a string; `compress`: packed, if that saves something (rdb_write_string). O(its length)."""

# ---- the same, in their order. False: it is another item, or none.
cdef bint module_read_signed(RdbReader* reader, int64_t* value_out) noexcept nogil
"""Take a signed number."""
cdef bint module_read_unsigned(RdbReader* reader, uint64_t* value_out) noexcept nogil
"""Take an unsigned number."""
cdef bint module_read_double(RdbReader* reader, double* value_out) noexcept nogil
"""Take a double, whatever its bits are: NaN and the infinities are the caller's to judge."""
cdef bint module_read_string(RdbReader* reader, Buffer* storage, Slice* text_out) noexcept nogil
"""Take a string, borrowed from the payload, or from `storage`, whose contents it may replace."""
cdef bint module_read_end(RdbReader* reader) noexcept nogil
"""Take the mark behind the last item."""
