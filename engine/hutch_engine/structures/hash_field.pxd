"""A field of a hash's table, with its value: one block of the heap.

    offset  size  what
     -4      4    place in the heap of deadlines, only with FIELD_HAS_DEADLINE (the block begins here)
      0      1    flags
      1      1+   field length, LEB128, and the field
      ...    1+   value length, LEB128, and the value

One block a field: a value that fits the block's rounded size is written over in place, another one gets a new
block.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from hutch_engine.base.compiler cimport likely, load_u32, unlikely
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    FIELD_HAS_DEADLINE = 1
    FIELD_KEY_OFFSET = 1
    PLACE_BYTES = 4

cdef inline bint field_has_deadline(const char* field) noexcept nogil:
    return field[0] & FIELD_HAS_DEADLINE


cdef inline uint32_t field_place(const char* field) noexcept nogil:
    return load_u32(field - PLACE_BYTES)


cdef inline void field_set_place(char* field, uint32_t place) noexcept nogil:
    memcpy(field - PLACE_BYTES, &place, PLACE_BYTES)


cdef inline const char* field_read_length(const char* at, size_t* length_out) noexcept nogil:
    cdef size_t length = <uint8_t>at[0]
    cdef int shift = 7
    if likely(length < 0x80):
        length_out[0] = length
        return at + 1
    length &= 0x7f
    while True:
        at += 1
        length |= <size_t>(<uint8_t>at[0] & 0x7f) << shift
        if not <uint8_t>at[0] & 0x80:
            length_out[0] = length
            return at + 1
        shift += 7


cdef inline char* field_write_length(char* at, size_t length) noexcept nogil:
    while length >= 0x80:
        at[0] = <char>(<uint8_t>(length & 0x7f) | 0x80)
        at += 1
        length >>= 7
    at[0] = <char>length
    return at + 1


cdef inline size_t field_length_bytes(size_t length) noexcept nogil:
    cdef size_t count = 1
    while length >= 0x80:
        length >>= 7
        count += 1
    return count


cdef inline Slice field_name(const char* field) noexcept nogil:
    cdef size_t length
    cdef const char* data = field_read_length(field + FIELD_KEY_OFFSET, &length)
    return slice_of(data, length)


cdef inline Slice field_value(const char* field) noexcept nogil:
    cdef Slice name = field_name(field)
    cdef size_t length
    cdef const char* data = field_read_length(name.data + name.length, &length)
    return slice_of(data, length)


cdef inline size_t field_block_bytes(size_t name, size_t value, bint with_deadline) noexcept nogil:
    """Rounded: two values of the same may replace each other in place."""
    return heap_block_bytes(FIELD_KEY_OFFSET + field_length_bytes(name) + name + field_length_bytes(value) + value
                            + (PLACE_BYTES if with_deadline else 0))


cdef inline size_t field_block_bytes_of(const char* field) noexcept nogil:
    return field_block_bytes(field_name(field).length, field_value(field).length, field_has_deadline(field))


cdef inline void field_write_value(char* at, Slice value) noexcept nogil:
    at = field_write_length(at, value.length)
    if value.length:
        memcpy(at, value.data, value.length)


cdef inline char* field_new(Heap* heap, Slice name, Slice value, bint with_deadline) noexcept nogil:
    """NULL when refused."""
    cdef char* field = <char*>heap_try_alloc(heap, field_block_bytes(name.length, value.length, with_deadline))
    cdef char* at
    if unlikely(field == NULL):
        return NULL
    if with_deadline:
        field += PLACE_BYTES
    field[0] = FIELD_HAS_DEADLINE if with_deadline else 0
    at = field_write_length(field + FIELD_KEY_OFFSET, name.length)
    if name.length:
        memcpy(at, name.data, name.length)
    field_write_value(at + name.length, value)
    return field


cdef inline void field_free(Heap* heap, char* field) noexcept nogil:
    heap_free(heap, field - (PLACE_BYTES if field_has_deadline(field) else 0), field_block_bytes_of(field))
