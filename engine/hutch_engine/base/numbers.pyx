"""Numbers and their text.

Doubles are printed by Grisu2 (F. Loitsch, "Printing floating-point numbers quickly and accurately with
integers", 2010): the value and the borders of its rounding interval are multiplied by a power of ten of
64 bits so that the binary exponent falls into [-60, -32]; digits are then cut off the upper border until
what remains lies inside the interval. The product is inexact by a unit in the last place, so the interval
is shrunk by one on each side: every result reads back as the value, but now and then it is a digit longer
or a unit off the closest. Redis 8 prints with this algorithm and clients see its spelling, so a "better"
one (Ryu, Dragonbox) would be a difference.

Nothing here depends on the process's locale: the host program may have set any. Where the C library is
asked, it is through a "C" locale of our own, or its decimal separator is replaced.
"""
cimport libc.errno
from libc.math cimport INFINITY, isinf, isnan
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, memmove, memset
from hutch_engine.base.compiler cimport clz64, unlikely
from hutch_engine.base.slice cimport Slice

cdef extern from *:
    """
    #include <float.h>
    #include <locale.h>
    #include <math.h>
    #include <stdlib.h>
    #if defined(__APPLE__)
    #include <xlocale.h>
    #endif
    typedef unsigned __int128 hutch_uint128;
    /* Is the significand of a long double at most a uint64_t? (x86: 64 bits, quad on aarch64: 113) */
    #define HUTCH_LONG_DOUBLE_FITS (LDBL_MANT_DIG <= 64)
    static inline int hutch_isinfl(long double x) { return isinf(x); }
    static inline int hutch_isnanl(long double x) { return isnan(x); }
    static inline int hutch_signl(long double x) { return signbit(x) != 0; }
    """
    ctypedef unsigned long long uint128 "hutch_uint128"     # really 128 bits
    ctypedef void* locale_t
    locale_t newlocale(int mask, const char* name, locale_t base) nogil
    const int LC_ALL_MASK
    double strtod_l(const char* text, char** end, locale_t locale) nogil
    long double strtold_l(const char* text, char** end, locale_t locale) nogil
    long double frexpl(long double value, int* exponent) nogil
    long double ldexpl(long double value, int exponent) nogil
    const bint LONG_DOUBLE_FITS "HUTCH_LONG_DOUBLE_FITS"
    bint isinfl "hutch_isinfl"(long double value) nogil
    bint isnanl "hutch_isnanl"(long double value) nogil
    bint is_negative_l "hutch_signl"(long double value) nogil

cdef enum:
    POWER_FIRST = -348           # the cached powers of ten: 10**-348, 10**-340 ... 10**340
    POWER_STEP = 8
    POWER_COUNT = 87
    EXPONENT_MIN = -60           # where a cached power brings the binary exponent
    EXPONENT_MAX = -32
    FRACTION_BITS = 52
    DIGITS_MAX = 20              # Grisu2 makes at most 17; its loop could not pass 20
    EXACT_POWERS = 23            # 10**0 ... 10**22 are exact doubles
    PLAIN_TEXT_MAX = 1024        # longer texts of doubles are shortened before the C library reads them
    SIGNIFICANT_MAX = 800        # 767 digits and the fact that more follow decide every double

cdef extern from "number_tables.h":
    const uint64_t[POWER_COUNT] power_fractions "hutch_power_fractions"     # 64-bit significands, rounded to nearest, top bit set
    const int[POWER_COUNT] power_exponents "hutch_power_exponents"
    const double[EXACT_POWERS] exact_powers "hutch_exact_powers"
    const uint64_t[20] integer_powers "hutch_integer_powers"                # 10**0 ... 10**19
    const char[201] digit_pairs "hutch_digit_pairs"                         # "00" "01" ... "99"

cdef locale_t c_locale = newlocale(LC_ALL_MASK, b"C", <locale_t>NULL)       # never freed: it lives as long as the module
if c_locale == NULL:
    raise MemoryError("no memory for the C locale")


# Integers ---------------------------------------------------------------------------------------------

cdef inline bint _is_digit(char c) noexcept nogil:
    return <uint8_t>(c - 48) <= 9


cdef inline bint _is_space(char c) noexcept nogil:
    return c == 32 or (c >= 9 and c <= 13)


cdef bint parse_integer(Slice text, int64_t* value_out) noexcept nogil:
    cdef const char* p = text.data
    cdef const char* end = p + text.length
    cdef bint negative
    cdef uint64_t value
    cdef uint8_t digit
    if text.length == 0 or text.length >= INTEGER_TEXT_MAX:
        return False
    if text.length == 1 and p[0] == 48:
        value_out[0] = 0
        return True
    negative = p[0] == 45
    if negative:
        p += 1
        if p == end:
            return False
    value = <uint8_t>(p[0] - 48)
    if value == 0 or value > 9:
        return False
    p += 1
    while p < end:
        digit = <uint8_t>(p[0] - 48)
        if digit > 9:
            return False
        # At most 20 digits, so only the 20th can overflow.
        if unlikely(value > <uint64_t>1844674407370955161 or
                    (value == <uint64_t>1844674407370955161 and digit > 5)):
            return False
        value = value * 10 + digit
        p += 1
    if negative:
        if value > <uint64_t>INT64_MAX + 1:
            return False
        value_out[0] = <int64_t>(<uint64_t>0 - value)
    else:
        if value > <uint64_t>INT64_MAX:
            return False
        value_out[0] = <int64_t>value
    return True


cdef bint parse_unsigned(Slice text, uint64_t* value_out) noexcept nogil:
    cdef const char* p = text.data
    cdef const char* end = p + text.length
    cdef int64_t value
    cdef uint64_t total = 0
    cdef uint8_t digit
    cdef bint negative = False
    cdef Slice word
    # Redis reads it as a C string.
    while p < end and p[0] != 0:
        p += 1
    word.data = text.data
    word.length = p - text.data
    if parse_integer(word, &value):
        if value < 0:
            return False
        value_out[0] = <uint64_t>value
        return True
    end = p
    p = text.data
    while p < end and _is_space(p[0]):
        p += 1
    if p < end and (p[0] == 43 or p[0] == 45):
        negative = p[0] == 45
        p += 1
    if p == end:
        return False
    while p < end:
        digit = <uint8_t>(p[0] - 48)
        if digit > 9:
            return False
        if total > <uint64_t>1844674407370955161 or (total == <uint64_t>1844674407370955161 and digit > 5):
            return False
        total = total * 10 + digit
        p += 1
    value_out[0] = <uint64_t>0 - total if negative else total
    return True


cdef inline int _digit_count(uint64_t value) noexcept nogil:
    cdef int count = 1
    while count < 20 and value >= integer_powers[count]:
        count += 1
    return count


cdef inline size_t _put_unsigned(uint64_t value, char* out) noexcept nogil:
    cdef int count = _digit_count(value)
    cdef char* p = out + count
    while value >= 100:
        p -= 2
        memcpy(p, digit_pairs + 2 * (value % 100), 2)
        value //= 100
    if value >= 10:
        memcpy(p - 2, digit_pairs + 2 * value, 2)
    else:
        (p - 1)[0] = <char>(48 + value)
    return count


cdef size_t format_integer(int64_t value, char* out) noexcept nogil:
    if value >= 0:
        return _put_unsigned(<uint64_t>value, out)
    out[0] = 45
    return 1 + _put_unsigned(<uint64_t>0 - <uint64_t>value, out + 1)


# Doubles: printing ------------------------------------------------------------------------------------

cdef inline uint64_t _scaled(uint64_t fraction, uint64_t power) noexcept nogil:
    """The upper 64 bits of the product, rounded."""
    return <uint64_t>((<uint128>fraction * power + (<uint128>1 << 63)) >> 64)


cdef inline int _power_for(int exponent) noexcept nogil:
    """Index of the cached power for a value with this binary exponent. Up to two would do; which of them
    is taken shows in the last digit of some results, so the first guess is part of the contract."""
    cdef int index = (<int>(-(exponent + POWER_COUNT) * 0.30102999566398114) - POWER_FIRST) // POWER_STEP
    cdef int reached
    while True:
        reached = exponent + power_exponents[index] + 64
        if reached < EXPONENT_MIN:
            index += 1
        elif reached > EXPONENT_MAX:
            index -= 1
        else:
            return index


cdef inline void _approach(char* last, uint64_t rest, uint64_t goal, uint64_t span, uint64_t unit) noexcept nogil:
    """Lower the last digit while that comes closer to the value. All are distances below the upper border:
    `rest` of the digits so far, `goal` of the value, `span` of the lower border; `unit` is one digit."""
    while rest < goal and span - rest >= unit and (
            rest + unit < goal or goal - rest > rest + unit - goal):
        last[0] -= 1
        rest += unit


cdef int _grisu(double value, char* digits, int* exponent_out) noexcept nogil:
    """`digits` * 10**exponent reads back as `value`, which is positive and finite; returns how many digits."""
    cdef uint64_t bits
    cdef uint64_t hidden = <uint64_t>1 << FRACTION_BITS
    cdef uint64_t fraction, middle, upper, lower
    cdef uint64_t one, whole, part, span, goal, rest, unit
    cdef int exponent, shift, index, kappa, digit
    cdef int count = 0
    memcpy(&bits, &value, 8)
    fraction = bits & (hidden - 1)
    exponent = <int>(bits >> FRACTION_BITS & 0x7FF)
    if exponent:
        fraction |= hidden
        exponent -= 1023 + FRACTION_BITS
    else:
        exponent = 1 - 1023 - FRACTION_BITS

    # The value and the borders of its interval, the top bit of `upper` set, one common exponent.
    upper = 2 * fraction + 1
    shift = clz64(upper)
    lower = 4 * fraction - 1 if fraction == hidden else 2 * (2 * fraction - 1)     # in quarters
    lower <<= shift - 1
    middle = fraction << (shift + 1)
    upper <<= shift
    exponent -= shift + 1

    index = _power_for(exponent)
    middle = _scaled(middle, power_fractions[index])
    upper = _scaled(upper, power_fractions[index]) - 1
    lower = _scaled(lower, power_fractions[index]) + 1
    exponent += power_exponents[index] + 64          # -60 .. -32
    exponent_out[0] = -(POWER_FIRST + index * POWER_STEP)

    one = <uint64_t>1 << -exponent
    whole = upper >> -exponent
    part = upper & (one - 1)
    span = upper - lower
    goal = upper - middle
    kappa = 10
    while kappa > 0:
        kappa -= 1
        unit = integer_powers[kappa]
        digit = <int>(whole // unit)
        if digit or count:
            digits[count] = <char>(48 + digit)
            count += 1
        whole -= digit * unit
        rest = (whole << -exponent) + part
        if rest <= span:
            exponent_out[0] += kappa
            _approach(&digits[count - 1], rest, goal, span, unit << -exponent)
            return count
    unit = 1
    while True:
        part *= 10
        span *= 10
        unit *= 10
        kappa -= 1
        digit = <int>(part >> -exponent)
        if digit or count:
            digits[count] = <char>(48 + digit)
            count += 1
        part &= one - 1
        if part < span:
            exponent_out[0] += kappa
            _approach(&digits[count - 1], part, goal * unit, span, one)
            return count


cdef size_t _spell(const char* digits, int count, int exponent, char* out) noexcept nogil:
    """digits * 10**exponent as Redis writes it: plain where that is short, else with an exponent."""
    cdef int scientific = count + exponent - 1        # the exponent of the first digit
    cdef int size = scientific if scientific >= 0 else -scientific
    cdef int before
    cdef char* p = out
    if exponent >= 0 and size < count + 7:
        memcpy(out, digits, count)
        memset(out + count, 48, exponent)
        return count + exponent
    if exponent < 0 and (exponent > -7 or size < 4):
        before = count + exponent
        if before > 0:
            memcpy(out, digits, before)
            out[before] = 46
            memcpy(out + before + 1, digits + before, count - before)
            return count + 1
        out[0] = 48
        out[1] = 46
        memset(out + 2, 48, -before)
        memcpy(out + 2 - before, digits, count)
        return 2 - before + count
    p[0] = digits[0]
    p += 1
    if count > 1:
        p[0] = 46
        memcpy(p + 1, digits + 1, count - 1)
        p += count
    p[0] = 101
    p[1] = 45 if scientific < 0 else 43
    p += 2
    return (p - out) + _put_unsigned(size, p)


cdef size_t format_double(double value, char* out) noexcept nogil:
    if isnan(value):
        memcpy(out, b"nan", 3)
        return 3
    if value == 0:
        if 1.0 / value < 0:
            memcpy(out, b"-0", 2)
            return 2
        out[0] = 48
        return 1
    if value >= -4611686018427387904.0 and value <= 4611686018427387904.0 and <double><int64_t>value == value:
        # Redis prints what fits half the range of an int64 digit by digit; beyond it, 2**62 + 1024 ends
        # in zeros that the shortest text does not tell.
        return format_integer(<int64_t>value, out)
    return format_double_short(value, out)


cdef size_t format_double_short(double value, char* out) noexcept nogil:
    cdef char[DIGITS_MAX] digits
    cdef int exponent
    cdef int count
    cdef size_t sign = 0
    if isnan(value) or value == 0:
        return format_double(value, out)
    if value < 0:
        out[0] = 45
        sign = 1
        value = -value
    if isinf(value):
        memcpy(out + sign, b"inf", 3)
        return sign + 3
    count = _grisu(value, digits, &exponent)
    return sign + _spell(digits, count, exponent, out + sign)


# Doubles: reading -------------------------------------------------------------------------------------

cdef bint _parse_short(Slice text, double* value_out) noexcept nogil:
    """Decimals whose digits and power of ten are exact doubles: one operation rounds them correctly
    (W. Clinger 1990). Answers False for all else, right or wrong."""
    cdef const char* p = text.data
    cdef const char* end = p + text.length
    cdef uint64_t digits = 0
    cdef int count = 0               # leading zeros included: only costs a chance
    cdef int exponent = 0
    cdef int written = 0
    cdef bint negative, sinking
    cdef double value
    negative = p[0] == 45
    if negative or p[0] == 43:
        p += 1
    while p < end and _is_digit(p[0]):
        digits = digits * 10 + <uint64_t>(p[0] - 48)
        count += 1
        p += 1
        if count > 19:
            return False
    if p < end and p[0] == 46:
        p += 1
        while p < end and _is_digit(p[0]):
            digits = digits * 10 + <uint64_t>(p[0] - 48)
            count += 1
            exponent -= 1
            p += 1
            if count > 19:
                return False
    if count == 0:
        return False
    if p < end and (p[0] == 101 or p[0] == 69):
        p += 1
        sinking = p < end and p[0] == 45
        if p < end and (p[0] == 43 or p[0] == 45):
            p += 1
        if p == end or end - p > 3:
            return False
        while p < end and _is_digit(p[0]):
            written = written * 10 + (p[0] - 48)
            p += 1
        exponent += -written if sinking else written
    if p != end or digits > <uint64_t>1 << 53:
        return False
    if exponent <= -EXACT_POWERS or exponent >= EXACT_POWERS:
        return False
    value = <double>digits
    if exponent < 0:
        value /= exact_powers[-exponent]
    else:
        value *= exact_powers[exponent]
    value_out[0] = -value if negative else value
    return True


cdef inline int _digit_value(char c, int base) noexcept nogil:
    """-1 if it is no digit of this base."""
    if _is_digit(c):
        return c - 48
    if base == 16:
        c |= 32
        if c >= 97 and c <= 102:
            return c - 87
    return -1


cdef size_t _shorten(Slice text, char* out) noexcept nogil:
    """Rewrite a long number, decimal or hexadecimal, as a short one that rounds to the same double, NUL
    behind it; 0 if it is no number.

    Digits past SIGNIFICANT_MAX only decide whether the value lies above, on or below the middle between
    two doubles, which has fewer digits than that: a single 1 stands for them unless all are zeros.
    """
    cdef const char* p = text.data
    cdef const char* end = p + text.length
    cdef char* q = out
    cdef int base = 10
    cdef int digit
    cdef int weight = 1              # exponent units (tens, or twos) a digit
    cdef int64_t exponent = 0
    cdef int64_t written = 0
    cdef size_t kept = 0
    cdef bint sinking
    cdef bint found = False
    cdef bint behind_point = False
    cdef bint more = False
    if p[0] == 45 or p[0] == 43:
        q[0] = p[0]
        q += 1
        p += 1
    if end - p > 2 and p[0] == 48 and (p[1] == 120 or p[1] == 88):
        base = 16
        weight = 4
        p += 2
        memcpy(q, b"0x", 2)
        q += 2
    while p < end:
        if p[0] == 46 and not behind_point:
            behind_point = True
        else:
            digit = _digit_value(p[0], base)
            if digit < 0:
                break
            found = True
            if kept < SIGNIFICANT_MAX:
                if digit or kept:
                    q[0] = p[0]
                    q += 1
                    kept += 1
                if behind_point:
                    exponent -= weight
            else:
                more = more or digit != 0
                if not behind_point:
                    exponent += weight
        p += 1
    if not found:
        return 0
    if kept == 0:
        q[0] = 48
        q += 1
    if more:
        q[0] = 49
        q += 1
        exponent -= weight
    if p < end:
        if (p[0] | 32) != (101 if base == 10 else 112):
            return 0
        p += 1
        sinking = p < end and p[0] == 45
        if p < end and (p[0] == 43 or p[0] == 45):
            p += 1
        if p == end:
            return 0
        while p < end:
            if not _is_digit(p[0]):
                return 0
            if written < <int64_t>1 << 40:        # far beyond what a text's digits could make up for
                written = written * 10 + (p[0] - 48)
            p += 1
        exponent += -written if sinking else written
    if kept == 0:
        exponent = 0
    # The C library's own exponent arithmetic is not asked to hold more than an int.
    if exponent > 1_000_000:
        exponent = 1_000_000
    elif exponent < -1_000_000:
        exponent = -1_000_000
    q[0] = 101 if base == 10 else 112
    q += 1
    q += format_integer(exponent, q)
    q[0] = 0
    return q - out


cdef bint parse_double(Slice text, double* value_out) noexcept nogil:
    cdef char[PLAIN_TEXT_MAX] copy
    cdef size_t length = text.length
    cdef char* end
    cdef double value
    if length == 0 or _is_space(text.data[0]):
        return False
    if _parse_short(text, value_out):
        return True
    if length < PLAIN_TEXT_MAX:
        memcpy(copy, text.data, length)
        copy[length] = 0
    else:
        length = _shorten(text, copy)
        if length == 0:
            return False
    libc.errno.errno = 0
    value = strtod_l(copy, &end, c_locale)
    if end != copy + length or isnan(value):
        return False
    # ERANGE with another result is a subnormal number, and welcome.
    if libc.errno.errno == libc.errno.ERANGE and (isinf(value) or value == 0):
        return False
    value_out[0] = value
    return True


cdef bint _beyond(Slice text, double* value_out) noexcept nogil:
    """A decimal that parse_double refuses because it is too large, or too close to zero: infinity, or zero. Else False."""
    cdef const char* p = text.data
    cdef const char* end = p + text.length
    cdef bint negative = p[0] == c'-'
    cdef bint found = False
    cdef bint significant = False
    cdef bint sinking
    cdef int64_t power = 0           # ten to which power the first digit that is not 0 stands for, and one more
    cdef int64_t exponent = 0
    if p[0] == c'-' or p[0] == c'+':
        p += 1
    while p < end and c'0' <= p[0] <= c'9':
        significant = significant or p[0] != c'0'
        power += significant
        found = True
        p += 1
    if p < end and p[0] == c'.':
        p += 1
        while p < end and c'0' <= p[0] <= c'9':
            significant = significant or p[0] != c'0'
            power -= not significant
            found = True
            p += 1
    if not found:
        return False
    if p < end and (p[0] == c'e' or p[0] == c'E'):
        p += 1
        sinking = p < end and p[0] == c'-'
        if p < end and (p[0] == c'-' or p[0] == c'+'):
            p += 1
        if p == end:
            return False
        while p < end and c'0' <= p[0] <= c'9':
            if exponent < <int64_t>1 << 40:
                exponent = exponent * 10 + (p[0] - c'0')
            p += 1
        power += -exponent if sinking else exponent
    if p != end:
        return False
    value_out[0] = INFINITY if significant and power > 0 else 0
    if negative:
        value_out[0] = -value_out[0]
    return True


cdef bint parse_decimal(Slice text, double* value_out) noexcept nogil:
    cdef const void* zero = memchr(text.data, 0, text.length) if text.length else NULL
    if zero != NULL:
        text.length = <const char*>zero - text.data
    if text.length == 0:
        value_out[0] = 0
        return True
    if _parse_short(text, value_out):
        return True
    # No hexadecimal, which parse_double would take.
    if memchr(text.data, c'x', text.length) != NULL or memchr(text.data, c'X', text.length) != NULL:
        return False
    return parse_double(text, value_out) or _beyond(text, value_out)


cdef double read_double(const char* text) noexcept nogil:
    return strtod_l(text, NULL, c_locale)


# Long doubles -----------------------------------------------------------------------------------------

cdef bint parse_long_double(Slice text, long double* value_out) noexcept nogil:
    cdef char[LONG_DOUBLE_TEXT_MAX] copy
    cdef char* end
    cdef long double value
    if text.length == 0 or text.length >= LONG_DOUBLE_TEXT_MAX or _is_space(text.data[0]):
        return False
    memcpy(copy, text.data, text.length)
    copy[text.length] = 0
    libc.errno.errno = 0
    value = strtold_l(copy, &end, c_locale)
    if end != copy + text.length or isnanl(value):
        return False
    if libc.errno.errno == libc.errno.ERANGE and (isinfl(value) or value == 0):
        return False
    value_out[0] = value
    return True


cdef inline size_t _put_decimals(uint64_t whole, uint64_t decimals, bint negative, char* out) noexcept nogil:
    """whole + decimals / 10**17, without trailing zeros; zero has no sign."""
    cdef char* p = out
    cdef int digits
    if negative and (whole or decimals):
        p[0] = 45
        p += 1
    p += _put_unsigned(whole, p)
    if decimals:
        p[0] = 46
        p += 1
        digits = _digit_count(decimals)
        memset(p, 48, 17 - digits)
        p += 17 - digits
        p += _put_unsigned(decimals, p)
        while (p - 1)[0] == 48:
            p -= 1
    return p - out


cdef size_t _format_by_library(long double value, char* out) noexcept nogil:
    """Values from 2**64 on, and all where a long double is wider than a uint64_t."""
    cdef int length = snprintf(out, LONG_DOUBLE_TEXT_MAX, b"%.17Lf", value)
    cdef char* p = out
    cdef char* end
    if length <= 17 or length >= LONG_DOUBLE_TEXT_MAX:      # cannot be: 4933 digits are the most there are
        return 0
    # Between the digits and the last 17 stands the locale's separator, of one byte or more.
    if p[0] == 45:
        p += 1
    while _is_digit(p[0]):
        p += 1
    p[0] = 46
    memmove(p + 1, out + length - 17, 17)
    end = p + 18
    while (end - 1)[0] == 48:
        end -= 1
    if (end - 1)[0] == 46:
        end -= 1
    if end - out == 2 and out[0] == 45 and out[1] == 48:
        out[0] = 48
        return 1
    return end - out


cdef size_t format_long_double(long double value, char* out) noexcept nogil:
    cdef bint negative
    cdef int exponent, shift
    cdef uint64_t fraction, whole
    cdef uint128 product, rest, half
    cdef uint64_t decimals
    cdef uint64_t unit = integer_powers[17]
    if isnanl(value):
        memcpy(out, b"nan", 3)
        return 3
    negative = is_negative_l(value)
    if isinfl(value):
        if negative:
            memcpy(out, b"-inf", 4)
            return 4
        memcpy(out, b"inf", 3)
        return 3
    if value == 0:
        out[0] = 48
        return 1
    if not LONG_DOUBLE_FITS:
        return _format_by_library(value, out)
    # value = fraction / 2**shift, exactly.
    fraction = <uint64_t>ldexpl(frexpl(-value if negative else value, &exponent), 64)
    shift = 64 - exponent
    if shift < 0:
        return _format_by_library(value, out)
    if shift == 0:
        return _put_decimals(fraction, 0, negative, out)
    if shift >= 122:                 # fraction * 10**17 < 2**121, half of 2**shift at most: rounds to 0
        return _put_decimals(0, 0, negative, out)
    whole = 0
    if shift < 64:
        whole = fraction >> shift
        fraction &= (<uint64_t>1 << shift) - 1
    product = <uint128>fraction * unit
    decimals = <uint64_t>(product >> shift)
    rest = product & ((<uint128>1 << shift) - 1)
    half = <uint128>1 << (shift - 1)
    # To the nearest, a tie to the even digit, as the C library rounds.
    if rest > half or (rest == half and decimals & 1):
        decimals += 1
        if decimals == unit:
            decimals = 0
            whole += 1
    return _put_decimals(whole, decimals, negative, out)
