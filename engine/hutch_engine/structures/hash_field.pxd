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
from hutch_engine.base.compiler cimport load_u32, unlikely
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_slice, leb128_write_slice
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice

cdef enum:
    FIELD_HAS_DEADLINE = 1
    FIELD_KEY_OFFSET = 1
    PLACE_BYTES = 4

cdef inline bint field_has_deadline(const char* field) noexcept nogil:
    """Has the field a deadline, and so a place in front of its flags?"""
    return field[0] & FIELD_HAS_DEADLINE


cdef inline uint32_t field_place(const char* field) noexcept nogil:
    """Where the field stands in the heap of deadlines. Requires FIELD_HAS_DEADLINE."""
    return load_u32(field - PLACE_BYTES)


cdef inline void field_set_place(char* field, uint32_t place) noexcept nogil:
    """Note where the field stands in the heap of deadlines. Requires FIELD_HAS_DEADLINE."""
    memcpy(field - PLACE_BYTES, &place, PLACE_BYTES)


cdef inline Slice field_name(const char* field) noexcept nogil:
    """The field's name; borrowed from its block."""
    return leb128_slice(field + FIELD_KEY_OFFSET)


cdef inline Slice field_value(const char* field) noexcept nogil:
    """The field's value; borrowed from its block."""
    cdef Slice name = field_name(field)
    return leb128_slice(name.data + name.length)


cdef inline size_t field_block_bytes(size_t name, size_t value, bint with_deadline) noexcept nogil:
    """Rounded: two values of the same may replace each other in place."""
    return heap_block_bytes(FIELD_KEY_OFFSET + leb128_bytes(name) + name + leb128_bytes(value) + value
                            + (PLACE_BYTES if with_deadline else 0))


cdef inline size_t field_block_bytes_of(const char* field) noexcept nogil:
    """The rounded size of the field's block, as field_block_bytes tells it."""
    return field_block_bytes(field_name(field).length, field_value(field).length, field_has_deadline(field))


cdef inline void field_write_value(char* at, Slice value) noexcept nogil:
    """Write a value with its length to `at`, behind a field's name, where there must be room for both."""
    leb128_write_slice(at, value)


cdef inline char* field_new(Heap* heap, Slice name, Slice value, bint with_deadline) noexcept nogil:
    """Make a field's block, with copies of name and value; NULL when refused. O(bytes)."""
    cdef char* field = <char*>heap_try_alloc(heap, field_block_bytes(name.length, value.length, with_deadline))
    cdef char* at
    if unlikely(field == NULL):
        return NULL
    if with_deadline:
        field += PLACE_BYTES
    field[0] = FIELD_HAS_DEADLINE if with_deadline else 0
    at = leb128_write_slice(field + FIELD_KEY_OFFSET, name)
    field_write_value(at, value)
    return field


cdef inline void field_free(Heap* heap, char* field) noexcept nogil:
    """Free the field's block."""
    heap_free(heap, field - (PLACE_BYTES if field_has_deadline(field) else 0), field_block_bytes_of(field))
