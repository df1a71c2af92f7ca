"""Glob matching that agrees with Redis on every byte, oddities included.

Redis tries each end of a star by recursion, and once a star found no match up to the end of the text it
gives up on the earlier stars as well, because they could only make the rest start later. That is the same
as never returning to any star but the last one seen, which needs two saved positions and no recursion:
O(pattern * text) at worst, and no stack for a client to exhaust.

Oddities that the tests hold against Redis:
  - no star matches the empty text: only the empty pattern does;
  - a set that is not closed ends with the pattern: "[ab" is "[ab]", "[" matches nothing, "[^" anything;
  - in a set, "]" comes first of all, so "[]" is empty, and a range may end in "]" or a backslash;
  - a range may be written backwards; its ends are compared as signed bytes;
  - with ignore_case the ends are put in order before they are lowered, and an escaped byte in a set
    is still compared exactly;
  - a backslash at the very end is itself;
  - nothing matches behind a thousand stars.
"""
from hutch_engine.base.slice cimport Slice, ascii_lower

cdef enum:
    STARS_MAX = 1000             # Redis's limit of recursion


cdef inline bint _same(char a, char b, bint ignore_case) noexcept nogil:
    return a == b or (ignore_case and ascii_lower(a) == ascii_lower(b))


cdef inline bint _in_range(signed char first, signed char last, signed char c, bint ignore_case) noexcept nogil:
    cdef signed char kept
    if first > last:
        kept = first
        first = last
        last = kept
    if ignore_case:
        first = ascii_lower(first)
        last = ascii_lower(last)
        c = ascii_lower(c)
    return first <= c <= last


cdef inline const char* _set_matches(const char* p, const char* end, char c, bint ignore_case,
                                     bint* matches_out) noexcept nogil:
    """`p` stands behind the "["; answers where the pattern goes on."""
    cdef bint inverted = p < end and p[0] == 94          # ^
    cdef bint found = False
    if inverted:
        p += 1
    while p < end:
        if p[0] == 92 and end - p >= 2:                  # backslash
            found |= p[1] == c
            p += 2
        elif p[0] == 93:                                 # ]
            p += 1
            break
        elif end - p >= 3 and p[1] == 45:                # -
            found |= _in_range(p[0], p[2], c, ignore_case)
            p += 3
        else:
            found |= _same(p[0], c, ignore_case)
            p += 1
    matches_out[0] = found != inverted
    return p


cdef inline bint _matches(Slice pattern, Slice text, bint ignore_case) noexcept nogil:
    cdef const char* p = pattern.data
    cdef const char* p_end = p + pattern.length
    cdef const char* t = text.data
    cdef const char* t_end = t + text.length
    cdef const char* star_p = NULL       # behind the last star, and ...
    cdef const char* star_t = NULL       # ... where its rest was last tried
    cdef int stars = 0
    cdef bint matches
    if text.length == 0:
        return pattern.length == 0
    while True:
        matches = True
        while p < p_end and t < t_end and matches:
            if p[0] == 42:                               # *
                while p < p_end and p[0] == 42:
                    p += 1
                if p == p_end:
                    return True
                stars += 1
                if stars > STARS_MAX:
                    return False
                star_p = p
                star_t = t
                continue
            if p[0] == 91:                               # [
                p = _set_matches(p + 1, p_end, t[0], ignore_case, &matches)
            elif p[0] == 63:                             # ?
                p += 1
            else:
                if p[0] == 92 and p_end - p >= 2:        # backslash
                    p += 1
                matches = _same(p[0], t[0], ignore_case)
                p += 1
            t += 1
        if matches and t == t_end:
            while p < p_end and p[0] == 42:
                p += 1
            if p == p_end:
                return True
        if star_p == NULL:
            return False
        star_t += 1
        if star_t == t_end:
            return False
        p = star_p
        t = star_t


cdef bint glob_matches(Slice pattern, Slice text, bint ignore_case) noexcept nogil:
    # Two functions in C: most callers have the same answer each time, and the inner loops then do not ask.
    return _matches(pattern, text, True) if ignore_case else _matches(pattern, text, False)


cdef bint glob_is_literal(Slice pattern) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(pattern.length):
        c = pattern.data[i]
        if c == 42 or c == 63 or c == 91 or c == 92:
            return False
    return True
