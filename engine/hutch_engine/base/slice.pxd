"""A borrowed run of bytes. Whoever hands one out says how long the bytes stay."""
from libc.string cimport memcmp, strlen

cdef struct Slice:
    const char* data        # borrowed; may be NULL when length is 0
    size_t length


cdef inline Slice slice_of(const char* data, size_t length) noexcept nogil:
    """A slice of `length` bytes at `data`, borrowed from their owner."""
    cdef Slice slice
    slice.data = data
    slice.length = length
    return slice


cdef inline Slice slice_of_text(const char* text) noexcept nogil:
    """A slice of a text that ends with NUL, without the NUL; borrowed from it. O(length)."""
    return slice_of(text, strlen(text))


cdef inline bint slice_equals(Slice a, Slice b) noexcept nogil:
    """Are both the same bytes? O(length) when they are equally long."""
    return a.length == b.length and (a.length == 0 or memcmp(a.data, b.data, a.length) == 0)


cdef inline int slice_compare(Slice a, Slice b) noexcept nogil:
    """memcmp order, a shorter prefix first: negative, 0 or positive."""
    cdef size_t shorter = a.length if a.length < b.length else b.length
    cdef int order = memcmp(a.data, b.data, shorter) if shorter else 0
    if order:
        return order
    return (a.length > b.length) - (a.length < b.length)


cdef inline char ascii_lower(char c) noexcept nogil:
    """The small letter of an ASCII capital; any other byte as it is."""
    return c + 32 if c >= 65 and c <= 90 else c


cdef inline bint slice_is(Slice a, const char* text) noexcept nogil:
    """Does `a` spell `text` (given in any case), ASCII case ignored? For option words."""
    cdef size_t i = 0
    while i < a.length:
        if text[i] == 0 or ascii_lower(a.data[i]) != ascii_lower(text[i]):
            return False
        i += 1
    return text[i] == 0
