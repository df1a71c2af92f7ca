"""See json_number.pxd."""
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from hutch_engine.base.compiler cimport likely, load_u64, unlikely
from hutch_engine.base.numbers cimport parse_decimal
from hutch_engine.base.slice cimport Slice

cdef extern from *:
    """
    typedef unsigned __int128 hutch_json_u128;
    """
    ctypedef unsigned long long u128 "hutch_json_u128"           # really 128 bits

cdef enum:
    POWER_FIRST = -292           # powers of ten that scale a double, 10**-292 ... 10**324
    POWER_COUNT = 617
    FRACTION_BITS = 52
    EXPONENT_BIAS = 1075
    EXACT_POWERS = 23            # 10**0 ... 10**22 are exact doubles
    PLAIN_MIN = -5               # a decimal point behind more than -5 and at most 16 digits: no exponent is written
    PLAIN_MAX = 16

cdef extern from "number_tables.h":
    const uint64_t[POWER_COUNT] power_high "hutch_power_high"               # 128 bits, rounded up, the top one set
    const uint64_t[POWER_COUNT] power_low "hutch_power_low"
    const double[EXACT_POWERS] exact_powers "hutch_exact_powers"
    const uint64_t[20] whole_powers "hutch_integer_powers"                  # 10**0 ... 10**19
    const char[201] digit_pairs "hutch_digit_pairs"                         # "00" "01" ... "99"


# ---- writing

cdef inline uint64_t _round_to_odd(int power, uint64_t factor) noexcept nogil:
    """The upper part of power * factor, its last bit set when anything lies below."""
    cdef u128 low = <u128>power_low[power] * factor
    cdef u128 high = <u128>power_high[power] * factor + <uint64_t>(low >> 64)
    return <uint64_t>(high >> 64) | (<uint64_t>high > 1)


cdef int json_shortest(double value, uint64_t* digits_out) noexcept nogil:
    cdef uint64_t bits = load_u64(&value)
    cdef uint64_t fraction = bits & ((<uint64_t>1 << FRACTION_BITS) - 1)
    cdef int biased = <int>(bits >> FRACTION_BITS & 2047)
    cdef uint64_t c, lower, middle, upper, s, tens, odd
    cdef bint closer, below, above
    cdef int q, k, h, power
    if biased:
        c = fraction | <uint64_t>1 << FRACTION_BITS
        q = biased - EXPONENT_BIAS
    else:
        c = fraction
        q = 1 - EXPONENT_BIAS
    odd = c & 1
    closer = fraction == 0 and biased > 1
    k = (q * 1262611 - (524031 if closer else 0)) >> 22      # floor(log10(2**q)), of 3/4 of it where the lower border is closer
    h = q + ((-k * 1741647) >> 19) + 1
    power = -k - POWER_FIRST
    lower = _round_to_odd(power, (4 * c - 2 + closer) << h) + odd
    middle = _round_to_odd(power, (4 * c) << h)
    upper = _round_to_odd(power, (4 * c + 2) << h) - odd
    s = middle >> 2
    if s >= 10:
        tens = s // 10
        below = lower <= 40 * tens
        above = 40 * tens + 40 <= upper
        if below != above:
            digits_out[0] = tens + above
            return k + 1
    below = lower <= 4 * s
    above = 4 * s + 4 <= upper
    if below != above:
        digits_out[0] = s + above
        return k
    above = middle > 4 * s + 2
    if middle == 4 * s + 2:
        above = s & 1
    digits_out[0] = s + above
    return k


cdef inline int _digit_count(uint64_t value) noexcept nogil:
    cdef int count = 1
    while count < 20 and value >= whole_powers[count]:
        count += 1
    return count


cdef inline void _put_digits(uint64_t value, int count, char* out) noexcept nogil:
    """Exactly `count` digits, with zeros in front."""
    cdef uint64_t rest
    while count >= 2:
        rest = value % 100
        value //= 100
        count -= 2
        memcpy(out + count, &digit_pairs[2 * rest], 2)
    if count:
        out[0] = <char>(48 + value % 10)


cdef size_t json_format_unsigned(uint64_t value, char* out) noexcept nogil:
    cdef int count = _digit_count(value)
    _put_digits(value, count, out)
    return count


cdef size_t _put_plain(uint64_t digits, int count, int point, char* out) noexcept nogil:
    """`count` digits, the decimal point behind the first `point` of them (which may lie outside of them)."""
    if point <= 0:
        memcpy(out, b"0.", 2)
        memset(out + 2, 48, -point)
        _put_digits(digits, count, out + 2 - point)
        return 2 - point + count
    if point >= count:
        _put_digits(digits, count, out)
        memset(out + count, 48, point - count)
        memcpy(out + point, b".0", 2)
        return point + 2
    _put_digits(digits, count, out)
    memmove(out + point + 1, out + point, count - point)
    out[point] = 46
    return count + 1


cdef size_t json_format_decimal(int64_t digits, int places, char* out) noexcept nogil:
    cdef size_t sign = 0
    cdef int count
    if digits < 0:
        out[0] = 45
        sign = 1
        digits = -digits
    if digits == 0:
        memcpy(out + sign, b"0.0", 3)
        return sign + 3
    count = _digit_count(<uint64_t>digits)
    return sign + _put_plain(<uint64_t>digits, count, count - places, out + sign)


cdef size_t json_format_double(double value, char* out) noexcept nogil:
    cdef size_t length = 0
    cdef uint64_t digits
    cdef int exponent, count, point
    if load_u64(&value) >> 63:
        out[0] = 45
        length = 1
        value = -value
    if value == 0:
        memcpy(out + length, b"0.0", 3)
        return length + 3
    exponent = json_shortest(value, &digits)
    while digits % 10 == 0:
        digits //= 10
        exponent += 1
    count = _digit_count(digits)
    point = count + exponent
    if PLAIN_MIN < point <= PLAIN_MAX:
        return length + _put_plain(digits, count, point, out + length)
    _put_digits(digits, count, out + length)
    if count > 1:
        memmove(out + length + 2, out + length + 1, count - 1)
        out[length + 1] = 46
        length += 1
    length += count
    out[length] = 101
    length += 1
    point -= 1
    if point < 0:
        out[length] = 45
        length += 1
        point = -point
    return length + json_format_unsigned(point, out + length)


# ---- reading

cdef double json_read_double(uint64_t digits, int64_t exponent, Slice text) noexcept nogil:
    cdef double value
    if likely(digits <= <uint64_t>1 << 53):
        if 0 <= exponent < EXACT_POWERS:
            return <double>digits * exact_powers[exponent]
        if -EXACT_POWERS < exponent < 0:
            return <double>digits / exact_powers[-exponent]
    if unlikely(not parse_decimal(text, &value)):
        return INFINITY
    return value
