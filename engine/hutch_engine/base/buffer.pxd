"""A growable run of bytes, for replies, queries and text. Memory by malloc, so that a buffer may live
outside the engine's lock; what it holds is added, atomically, to `account` when one is given."""
from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.string cimport memcpy
from hutch_engine.base.slice cimport Slice, slice_of

cdef struct Buffer:
    char* data              # owned
    size_t length
    size_t capacity
    uint64_t* account       # borrowed (the engine's counter of client memory), or NULL
    uint8_t failed          # an allocation was refused: what followed was dropped

cdef void buffer_init(Buffer* buffer, uint64_t* account) noexcept nogil
"""Make an empty buffer, which allocates nothing yet. `account` is borrowed, and must outlive the buffer; NULL: its bytes are
not counted."""
cdef void buffer_clear(Buffer* buffer) noexcept nogil
"""Free the memory; the buffer stays usable."""
cdef bint buffer_grow(Buffer* buffer, size_t extra) noexcept nogil
"""Make room for `extra` more bytes (geometric growth); False, with `failed` set, when refused."""
cdef void buffer_shrink(Buffer* buffer, size_t keep_capacity) noexcept nogil
"""Give back what exceeds max(length, keep_capacity)."""
cdef void buffer_append_integer(Buffer* buffer, int64_t value) noexcept nogil
"""Append a number as decimal digits. As all that append, it copies what it is given, and when memory is refused it appends
nothing and sets `failed`."""
cdef void buffer_append_text(Buffer* buffer, const char* text) noexcept nogil
"""Append a text that ends with NUL, without the NUL. `failed` is set when memory was refused."""
cdef void buffer_insert(Buffer* buffer, size_t position, const char* data, size_t length) noexcept nogil
"""Put bytes in at `position` (at most the buffer's length); what stood from there on moves back. The bytes must not lie in the
buffer. `failed` is set, and nothing is inserted, when memory was refused. O(bytes moved and copied)."""

cdef inline bint buffer_reserve(Buffer* buffer, size_t extra) noexcept nogil:
    """Make sure that `extra` more bytes can be written behind the present ones; False, with `failed` set, when memory was
    refused. The bytes may move to another address."""
    if buffer.capacity - buffer.length >= extra:
        return True
    return buffer_grow(buffer, extra)


cdef inline void buffer_append(Buffer* buffer, const char* data, size_t length) noexcept nogil:
    """Append a copy of `length` bytes, which must not lie in the buffer; when memory is refused nothing is appended and
    `failed` is set. O(length), amortized."""
    if length and buffer_reserve(buffer, length):
        memcpy(buffer.data + buffer.length, data, length)
        buffer.length += length


cdef inline void buffer_append_slice(Buffer* buffer, Slice slice) noexcept nogil:
    """Append a copy of the slice's bytes, as buffer_append does."""
    buffer_append(buffer, slice.data, slice.length)


cdef inline Slice buffer_slice(const Buffer* buffer) noexcept nogil:
    """The buffer's bytes, borrowed: they stay until the buffer is changed or cleared."""
    return slice_of(buffer.data, buffer.length)
