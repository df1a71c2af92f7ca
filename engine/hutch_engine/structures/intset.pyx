"""Intset: a sorted block of integers. Format and contract: intset.pxd.

Every number has the same width, that of the widest that was ever in the set, so the position of the n-th is
known and a search halves the block. A number that needs a wider form is smaller or larger than all others:
widening rewrites the block and puts it at one end.

One thread at a time: the engine's lock guards it.
"""
from libc.stdint cimport (
    INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, UINT32_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t)
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_free, heap_shrink, heap_try_alloc, heap_try_resize
from hutch_engine.base.random cimport Random, random_below


cdef inline uint32_t _load_32(const uint8_t* p) noexcept nogil:
    return p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef inline void _store_32(uint8_t* p, uint32_t value) noexcept nogil:
    p[0] = <uint8_t>value
    p[1] = <uint8_t>(value >> 8)
    p[2] = <uint8_t>(value >> 16)
    p[3] = <uint8_t>(value >> 24)


cdef inline uint32_t _width(const Intset* intset) noexcept nogil:
    return _load_32(intset)


cdef inline uint32_t _length(const Intset* intset) noexcept nogil:
    return _load_32(intset + 4)


cdef inline size_t _size(uint32_t length, uint32_t width) noexcept nogil:
    return INTSET_HEADER_BYTES + <size_t>length * width


cdef inline uint32_t _width_of(int64_t value) noexcept nogil:
    if INT16_MIN <= value <= INT16_MAX:
        return 2
    if INT32_MIN <= value <= INT32_MAX:
        return 4
    return 8


cdef inline int64_t _get(const Intset* intset, uint32_t index, uint32_t width) noexcept nogil:
    cdef const uint8_t* p = intset + _size(index, width)
    if width == 2:
        return <int16_t>(p[0] | <uint32_t>p[1] << 8)
    if width == 4:
        return <int32_t>_load_32(p)
    return <int64_t>(<uint64_t>_load_32(p) | <uint64_t>_load_32(p + 4) << 32)


cdef inline void _put(Intset* intset, uint32_t index, uint32_t width, int64_t value) noexcept nogil:
    cdef uint8_t* p = intset + _size(index, width)
    if width == 2:
        p[0] = <uint8_t>value
        p[1] = <uint8_t>(value >> 8)
    else:
        _store_32(p, <uint32_t>value)
        if width == 8:
            _store_32(p + 4, <uint32_t>(value >> 32))


cdef inline uint32_t _search(const Intset* intset, int64_t value) noexcept nogil:
    """How many numbers are smaller: halving without a branch to mispredict."""
    cdef uint32_t width = _width(intset)
    cdef uint32_t left = _length(intset)
    cdef uint32_t base = 0
    cdef uint32_t half
    if left == 0:
        return 0
    while left > 1:
        half = left // 2
        base += half * (_get(intset, base + half - 1, width) < value)
        left -= half
    return base + (_get(intset, base, width) < value)


cdef inline Intset* _shrunk(Heap* heap, Intset* intset, size_t old_bytes, size_t new_bytes) noexcept nogil:
    """Give back the end of the block; never NULL, because the numbers are gone already."""
    return intset if new_bytes == old_bytes else <Intset*>heap_shrink(heap, intset, old_bytes, new_bytes)


cdef Intset* intset_new(Heap* heap) noexcept nogil:
    cdef Intset* intset = <Intset*>heap_alloc(heap, INTSET_HEADER_BYTES)
    _store_32(intset, 2)
    _store_32(intset + 4, 0)
    return intset


cdef void intset_free(Heap* heap, Intset* intset) noexcept nogil:
    if intset != NULL:
        heap_free(heap, intset, intset_bytes(intset))


cdef size_t intset_bytes(const Intset* intset) noexcept nogil:
    return _size(_length(intset), _width(intset))


cdef uint32_t intset_length(const Intset* intset) noexcept nogil:
    return _length(intset)


cdef bint intset_contains(const Intset* intset, int64_t value) noexcept nogil:
    cdef uint32_t width = _width(intset)
    cdef uint32_t index
    if _width_of(value) > width:
        return False
    index = _search(intset, value)
    return index < _length(intset) and _get(intset, index, width) == value


cdef int64_t intset_get(const Intset* intset, uint32_t index) noexcept nogil:
    invariant(index < _length(intset), b"intset: index out of range")
    return _get(intset, index, _width(intset))


cdef uint32_t intset_index(const Intset* intset, int64_t value) noexcept nogil:
    return _search(intset, value)


cdef Intset* _widen(Heap* heap, Intset* intset, int64_t value, uint32_t width) noexcept nogil:
    """Rewrite every number in `width` bytes and add `value`, which is beyond one end."""
    cdef uint32_t old_width = _width(intset)
    cdef uint32_t length = _length(intset)
    cdef uint32_t shift = 1 if value < 0 else 0
    cdef uint32_t i = length
    intset = <Intset*>heap_try_resize(heap, intset, _size(length, old_width), _size(length + 1, width))
    if unlikely(intset == NULL):
        return NULL
    # From the end: the wider numbers overwrite only what has been read.
    while i:
        i -= 1
        _put(intset, i + shift, width, _get(intset, i, old_width))
    _put(intset, 0 if shift else length, width, value)
    _store_32(intset, width)
    _store_32(intset + 4, length + 1)
    return intset


cdef Intset* intset_add(Heap* heap, Intset* intset, int64_t value, bint* added_out) noexcept nogil:
    cdef uint32_t width = _width(intset)
    cdef uint32_t length = _length(intset)
    cdef uint32_t needed = _width_of(value)
    cdef uint32_t index
    cdef size_t size
    added_out[0] = False
    if unlikely(length == UINT32_MAX):
        return NULL
    if needed > width:
        intset = _widen(heap, intset, value, needed)
        added_out[0] = intset != NULL
        return intset
    index = length
    # Numbers often come in order.
    if length and value <= _get(intset, length - 1, width):
        index = _search(intset, value)
        if _get(intset, index, width) == value:
            return intset
    size = _size(length, width)
    intset = <Intset*>heap_try_resize(heap, intset, size, size + width)
    if unlikely(intset == NULL):
        return NULL
    memmove(intset + _size(index + 1, width), intset + _size(index, width), <size_t>(length - index) * width)
    _put(intset, index, width, value)
    _store_32(intset + 4, length + 1)
    added_out[0] = True
    return intset


cdef Intset* intset_remove_range(Heap* heap, Intset* intset, uint32_t index, uint32_t count) noexcept nogil:
    cdef uint32_t width = _width(intset)
    cdef uint32_t length = _length(intset)
    if index >= length:
        return intset
    if count > length - index:
        count = length - index
    if count == 0:
        return intset
    memmove(intset + _size(index, width), intset + _size(index + count, width),
            <size_t>(length - index - count) * width)
    _store_32(intset + 4, length - count)
    return _shrunk(heap, intset, _size(length, width), _size(length - count, width))


cdef Intset* intset_remove(Heap* heap, Intset* intset, int64_t value, bint* removed_out) noexcept nogil:
    cdef uint32_t index
    removed_out[0] = intset_contains(intset, value)
    if not removed_out[0]:
        return intset
    index = _search(intset, value)
    return intset_remove_range(heap, intset, index, 1)


cdef int64_t intset_random(const Intset* intset, Random* random) noexcept nogil:
    return _get(intset, <uint32_t>random_below(random, _length(intset)), _width(intset))


cdef Intset* intset_copy(Heap* heap, const Intset* intset) noexcept nogil:
    cdef size_t size = intset_bytes(intset)
    cdef Intset* copy = <Intset*>heap_try_alloc(heap, size)
    if copy != NULL:
        memcpy(copy, intset, size)
    return copy


cdef bint intset_is_valid(const uint8_t* bytes, size_t size, bint deep) noexcept nogil:
    cdef uint32_t width, length, i
    cdef int64_t before, value
    if size < INTSET_HEADER_BYTES:
        return False
    width = _load_32(bytes)
    length = _load_32(bytes + 4)
    if (width != 2 and width != 4 and width != 8) or size != _size(length, width):
        return False
    if not deep or length == 0:
        return True
    before = _get(bytes, 0, width)
    i = 1
    while i < length:
        value = _get(bytes, i, width)
        if value <= before:
            return False
        before = value
        i += 1
    return True


cdef void intset_check(const Intset* intset) noexcept nogil:
    if HUTCH_CHECKS:
        invariant(intset_is_valid(intset, intset_bytes(intset), True), b"intset: broken format")
