"""structures/bits for tests."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.bits cimport (
    BITS_AND, BITS_ANDOR, BITS_DIFF, BITS_DIFF1, BITS_FAIL, BITS_NOT, BITS_ONE, BITS_OR, BITS_SATURATE, BITS_WRAP, BITS_XOR,
    BitsOverflow, bits_best_level, bits_combine, bits_count, bits_find, bits_fit_signed, bits_fit_unsigned, bits_get, bits_level,
    bits_read, bits_set, bits_set_level, bits_write)

OPERATIONS = {"AND": BITS_AND, "OR": BITS_OR, "XOR": BITS_XOR, "NOT": BITS_NOT, "DIFF": BITS_DIFF, "DIFF1": BITS_DIFF1,
              "ANDOR": BITS_ANDOR, "ONE": BITS_ONE}
OVERFLOWS = {"WRAP": BITS_WRAP, "SAT": BITS_SATURATE, "FAIL": BITS_FAIL}


def level():
    return bits_level()


def best_level():
    return bits_best_level()


def set_level(int level):
    bits_set_level(level)


cdef char* _exact(bytes data) except? NULL:
    """A copy with nothing behind it, so that the sanitizer sees who reads on."""
    cdef char* copy = <char*>malloc(len(data) if data else 1)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, <const char*>data, len(data))
    return copy


def count(bytes data, uint64_t first, uint64_t last):
    cdef char* copy = _exact(data)
    try:
        return bits_count(slice_of(copy, len(data)), first, last)
    finally:
        free(copy)


def find(bytes data, bint value, uint64_t first, uint64_t last):
    cdef char* copy = _exact(data)
    cdef uint64_t found = 0
    try:
        return found if bits_find(slice_of(copy, len(data)), value, first, last, &found) else None
    finally:
        free(copy)


def combine(str operation, list sources, int into=-1):
    """`into`: the source over which the result is written, which must be the longest; -1: none."""
    cdef size_t count = len(sources)
    cdef size_t length = max(map(len, sources))
    cdef const uint8_t** data = <const uint8_t**>malloc(count * sizeof(void*))
    cdef const uint8_t** scratch = <const uint8_t**>malloc(count * sizeof(void*))
    cdef size_t* lengths = <size_t*>malloc(count * sizeof(size_t))
    cdef uint8_t* out = <uint8_t*>malloc(length if length else 1)
    cdef uint8_t* to = out
    cdef size_t i
    for i in range(count):
        data[i] = <uint8_t*>_exact(sources[i])
        lengths[i] = len(sources[i])
    if into >= 0:
        to = <uint8_t*>data[into]
    bits_combine(OPERATIONS[operation], to, data, lengths, count, length, scratch)
    result = (<char*>to)[:length]
    for i in range(count):
        free(<void*>data[i])
    free(data)
    free(scratch)
    free(lengths)
    free(out)
    return result


def read(bytes data, uint64_t offset, int width):
    cdef char* copy = _exact(data)
    try:
        return bits_read(slice_of(copy, len(data)), offset, width)
    finally:
        free(copy)


def write(bytes data, uint64_t offset, int width, uint64_t value):
    cdef char* copy = _exact(data)
    try:
        bits_write(<uint8_t*>copy, offset, width, value)
        return copy[:len(data)]
    finally:
        free(copy)


def set_(bytes data, uint64_t offset, bint value):
    cdef char* copy = _exact(data)
    try:
        bits_set(<uint8_t*>copy, offset, value)
        return copy[:len(data)], bits_get(<uint8_t*>copy, offset)
    finally:
        free(copy)


def fit_unsigned(uint64_t value, int64_t more, int width, str overflow):
    cdef uint64_t result = 0
    fits = bits_fit_unsigned(value, more, width, OVERFLOWS[overflow], &result)
    return fits, result


def fit_signed(int64_t value, int64_t more, int width, str overflow):
    cdef int64_t result = 0
    fits = bits_fit_signed(value, more, width, OVERFLOWS[overflow], &result)
    return fits, result
