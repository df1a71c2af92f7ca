"""Doubles as JSON spells them: the shortest digits that read back as the same double, of these the closest, in the layout of
serde_json and so of RedisJSON: 0.00001, 1.5, 100000.0, 1e16, 1.5e-7.

The digits come from Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020): the double and the borders of its
rounding interval are scaled by a power of ten of 128 bits, rounded to odd, so that comparisons of integers decide everything.
The replies of other commands spell doubles in Redis's way (base/numbers), which is not always the shortest.
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice

cdef enum:
    JSON_NUMBER_MAX = 32         # bytes of the longest text of a number

cdef int json_shortest(double value, uint64_t* digits_out) noexcept nogil
"""The digits of a finite, positive double and the power of ten to multiply them by, which is returned."""
cdef size_t json_format_double(double value, char* out) noexcept nogil
"""Spell a finite double to `out` (JSON_NUMBER_MAX bytes, no terminator); returns how many bytes."""
cdef size_t json_format_decimal(int64_t digits, int places, char* out) noexcept nogil
"""Spell digits / 10**places, as json_format_double does with that double. Requires fewer than 16 digits, none of them a zero at
the end unless `places` is 0, and a text without an exponent."""
cdef size_t json_format_unsigned(uint64_t value, char* out) noexcept nogil
"""Decimal digits to `out` (JSON_NUMBER_MAX bytes); returns how many."""
cdef double json_read_double(uint64_t digits, int64_t exponent, Slice text) noexcept nogil
"""The double closest to digits * 10**exponent; `text` spells the same number, and is read where these do not settle it (more
digits than fit, a product that is not exact). Infinite where no double is so large. Not negative."""
