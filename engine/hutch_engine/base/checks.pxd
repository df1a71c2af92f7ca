"""Invariants: verified in the `checks` and `sanitize` builds, compiled out of a release."""

cdef extern from *:
    """
    #include <stdio.h>
    #include <stdlib.h>
    #ifndef HUTCH_CHECKS
    #define HUTCH_CHECKS 0
    #endif
    static void hutch_panic(const char *what) {
        fprintf(stderr, "hutch: invariant broken: %s\\n", what);
        fflush(stderr);
        abort();
    }
    """
    const bint HUTCH_CHECKS
    void hutch_panic(const char* what) noexcept nogil


cdef inline void invariant(bint holds, const char* what) noexcept nogil:
    """In builds with checks, end the process with a message when something that must be true is not; a release does not look."""
    # Not `assert`: raising takes the GIL, and `noexcept` would swallow it.
    if HUTCH_CHECKS and not holds:
        hutch_panic(what)
