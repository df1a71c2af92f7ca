"""base/glob for tests."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.glob cimport glob_is_literal, glob_matches
from hutch_engine.base.slice cimport slice_of


def matches(bytes pattern, bytes text, bint ignore_case=False):
    # Copies without a byte behind them: the sanitizer sees every read past the end.
    cdef size_t pattern_length = len(pattern)
    cdef size_t text_length = len(text)
    cdef char* a = <char*>malloc(pattern_length)
    cdef char* b = <char*>malloc(text_length)
    cdef bint answer
    memcpy(a, <const char*>pattern, pattern_length)
    memcpy(b, <const char*>text, text_length)
    with nogil:
        answer = glob_matches(slice_of(a, pattern_length), slice_of(b, text_length), ignore_case)
    free(a)
    free(b)
    return answer


def is_literal(bytes pattern):
    return glob_is_literal(slice_of(<const char*>pattern, len(pattern)))
