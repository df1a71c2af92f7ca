"""See buffer.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, strlen
from hutch_engine.base.atomics cimport atomic_add64
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.growth cimport growth_judge
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer

cdef enum:
    FIRST_BYTES = 64
    DOUBLING_LIMIT_BYTES = 67108864    # from here on buffers grow by a quarter, not twofold


cdef inline void _account(Buffer* buffer, size_t before, size_t after) noexcept nogil:
    if buffer.account != NULL:
        atomic_add64(buffer.account, <uint64_t>after - <uint64_t>before)


cdef void buffer_init(Buffer* buffer, uint64_t* account) noexcept nogil:
    buffer.data = NULL
    buffer.length = 0
    buffer.capacity = 0
    buffer.account = account
    buffer.failed = 0


cdef void buffer_clear(Buffer* buffer) noexcept nogil:
    free(buffer.data)
    _account(buffer, buffer.capacity, 0)
    buffer.data = NULL
    buffer.length = 0
    buffer.capacity = 0
    buffer.failed = 0


cdef bint buffer_grow(Buffer* buffer, size_t extra) noexcept nogil:
    cdef size_t needed, capacity
    cdef char* data
    cdef int verdict
    if buffer.failed:
        return False
    if extra > (~<size_t>0 >> 1) - buffer.length:
        buffer.failed = 1
        return False
    needed = buffer.length + extra
    if buffer.capacity < DOUBLING_LIMIT_BYTES:
        capacity = buffer.capacity * 2
    else:
        capacity = buffer.capacity + buffer.capacity // 4
    if capacity < FIRST_BYTES:
        capacity = FIRST_BYTES
    if capacity < needed:
        capacity = needed
    verdict = growth_judge(buffer, needed, buffer.capacity, capacity)
    if unlikely(verdict != 0):
        buffer.failed = <uint8_t>verdict
        return False
    data = <char*>realloc(buffer.data, capacity)
    if data == NULL:
        buffer.failed = 1
        return False
    _account(buffer, buffer.capacity, capacity)
    buffer.data = data
    buffer.capacity = capacity
    return True


cdef void buffer_shrink(Buffer* buffer, size_t keep_capacity) noexcept nogil:
    cdef size_t capacity = buffer.length if buffer.length > keep_capacity else keep_capacity
    cdef char* data
    if buffer.capacity <= capacity:
        return
    if capacity == 0:
        buffer_clear(buffer)
        return
    data = <char*>realloc(buffer.data, capacity)
    if data != NULL:
        _account(buffer, buffer.capacity, capacity)
        buffer.data = data
        buffer.capacity = capacity


cdef void buffer_append_integer(Buffer* buffer, int64_t value) noexcept nogil:
    if buffer_reserve(buffer, INTEGER_TEXT_MAX):
        buffer.length += format_integer(value, buffer.data + buffer.length)


cdef void buffer_append_text(Buffer* buffer, const char* text) noexcept nogil:
    buffer_append(buffer, text, strlen(text))


cdef void buffer_insert(Buffer* buffer, size_t position, const char* data, size_t length) noexcept nogil:
    if length and buffer_reserve(buffer, length):
        memmove(buffer.data + position + length, buffer.data + position, buffer.length - position)
        memcpy(buffer.data + position, data, length)
        buffer.length += length
