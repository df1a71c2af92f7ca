"""Numbers and their text, exactly as Redis reads and writes them."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice

cdef enum:
    INTEGER_TEXT_MAX = 21      # "-9223372036854775808" and its end
    DOUBLE_TEXT_MAX = 40
    LONG_DOUBLE_TEXT_MAX = 5120

cdef bint parse_integer(Slice text, int64_t* value_out) noexcept nogil
"""Redis's string2ll: an optional '-', no '+', no leading zeros or spaces, no overflow; nothing else."""
cdef bint parse_unsigned(Slice text, uint64_t* value_out) noexcept nogil
"""Redis's string2ull, which reads SCAN cursors and the halves of stream IDs. Laxer than parse_integer:
strtoull's grammar with leading spaces, '+' and zeros, a '-' before zero or before a number with leading
zeros (it wraps), and whatever stands behind a zero byte is not looked at."""
cdef bint parse_double(Slice text, double* value_out) noexcept nogil
"""What Redis's getDoubleFromObject takes: strtod's grammar (inf, infinity, hex), no leading space, no
NaN, nothing behind it, overflow and underflow to 0 refused. Independent of the locale. Short decimals
are read here; the rest is left to the C library."""
cdef bint parse_decimal(Slice text, double* value_out) noexcept nogil
"""What Redis's scores of ranges and weights of SORT are read by (fast_float): a decimal or an infinity, nothing
hexadecimal; what is beyond a double is infinite, or 0. A zero byte ends the text, and nothing at all is 0."""
cdef double read_double(const char* text) noexcept nogil
"""strtod without the locale: the number at the beginning of a C string, or 0."""
cdef bint parse_long_double(Slice text, long double* value_out) noexcept nogil
"""What getLongDoubleFromObject takes (INCRBYFLOAT, HINCRBYFLOAT): the same grammar, below 5120 bytes."""

cdef size_t format_integer(int64_t value, char* out) noexcept nogil
"""Digits to `out` (INTEGER_TEXT_MAX bytes, no terminator needed); returns how many."""
cdef size_t format_double_short(double value, char* out) noexcept nogil
"""As format_double, but whole numbers are no exception: 1e8 is "1e+8". DEBUG DIGEST writes scores so."""
cdef size_t format_double(double value, char* out) noexcept nogil
"""Text that reads back as `value`, spelled as Redis 8.2's replies spell doubles (RESP2 and RESP3 alike).
Redis uses Grisu2, which for some 2 % of random doubles is not the shortest or not the closest such text;
this function agrees with it in these cases too. At most DOUBLE_TEXT_MAX bytes, no terminator."""
cdef size_t format_long_double(long double value, char* out) noexcept nogil
"""INCRBYFLOAT's spelling: 17 decimals, trailing zeros removed (ld2string, LD_STR_HUMAN).
`out` has LONG_DOUBLE_TEXT_MAX bytes."""
