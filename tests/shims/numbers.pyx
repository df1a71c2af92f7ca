"""base/numbers for tests. Long doubles travel as text or as (significand, exponent)."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from hutch_engine.base.numbers cimport (
    DOUBLE_TEXT_MAX, INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_double, format_integer,
    format_long_double, parse_decimal, parse_double, parse_integer, parse_long_double, parse_unsigned)
from hutch_engine.base.slice cimport Slice, slice_of

cdef extern from "math.h":
    long double ldexpl(long double value, int exponent) nogil


cdef class Exact:
    """A copy of `text` without a byte behind it: the sanitizer sees every read past the end."""
    cdef char* data
    cdef size_t length

    def __cinit__(self, bytes text):
        self.length = len(text)
        self.data = <char*>malloc(self.length)
        memcpy(self.data, <const char*>text, self.length)

    def __dealloc__(self):
        free(self.data)

    cdef Slice slice(self):
        return slice_of(self.data, self.length)


def integer_of(bytes text):
    cdef int64_t value = 0
    cdef Exact exact = Exact(text)
    return value if parse_integer(exact.slice(), &value) else None


def unsigned_of(bytes text):
    cdef uint64_t value = 0
    cdef Exact exact = Exact(text)
    return value if parse_unsigned(exact.slice(), &value) else None


def decimal_of(bytes text):
    cdef double value = 0
    cdef Exact exact = Exact(text)
    return value if parse_decimal(exact.slice(), &value) else None


def double_of(bytes text):
    cdef double value = 0
    cdef Exact exact = Exact(text)
    return value if parse_double(exact.slice(), &value) else None


def long_double_text(bytes text):
    """parse_long_double, then format_long_double."""
    cdef long double value = 0
    cdef char[LONG_DOUBLE_TEXT_MAX] out
    cdef Exact exact = Exact(text)
    if not parse_long_double(exact.slice(), &value):
        return None
    return out[:format_long_double(value, out)]


def long_double_of_parts(uint64_t significand, int exponent, bint negative):
    """The text of significand * 2**exponent."""
    cdef long double value = ldexpl(<long double>significand, exponent)
    cdef char[LONG_DOUBLE_TEXT_MAX] out
    return out[:format_long_double(-value if negative else value, out)]


def long_double_sum(bytes a, bytes b):
    """What INCRBYFLOAT does."""
    cdef long double x = 0
    cdef long double y = 0
    cdef char[LONG_DOUBLE_TEXT_MAX] out
    cdef Exact left = Exact(a)
    cdef Exact right = Exact(b)
    if not parse_long_double(left.slice(), &x) or not parse_long_double(right.slice(), &y):
        return None
    return out[:format_long_double(x + y, out)]


def integer_text(int64_t value):
    cdef char[INTEGER_TEXT_MAX] out
    return out[:format_integer(value, out)]


def double_text(double value):
    cdef char[DOUBLE_TEXT_MAX] out
    return out[:format_double(value, out)]


def bench(list values, list texts):
    """(nanoseconds a format_double, nanoseconds a parse_double)"""
    import time
    cdef char[DOUBLE_TEXT_MAX] out
    cdef double value = 0
    cdef size_t total = 0
    cdef list slices = [Exact(text) for text in texts]
    cdef Exact exact
    start = time.perf_counter()
    for v in values:
        value = v
        total += format_double(value, out)
    printed = time.perf_counter()
    for exact in slices:
        parse_double(exact.slice(), &value)
    done = time.perf_counter()
    return (printed - start) * 1e9 / len(values), (done - printed) * 1e9 / len(texts)
