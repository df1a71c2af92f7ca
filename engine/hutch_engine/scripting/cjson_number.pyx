"""See cjson_number.pxd.

printf is right but slow (some 200 ns). Integers are written by format_integer. For other numbers of an ordinary size
format_double gives a decimal D of at most 17 digits that reads back as the number x, so D lies within half a
unit in the last place of x: less than 12 units of D's 17th digit.

* D has no more digits than asked for: then it is the text. (Decimals of 14 digits are further apart, so none is nearer.)
* D has more: it is rounded, unless what is cut off lies so near to one half that x itself might lie on the other side;
  then, and where the carry would lengthen the number, printf decides.
"""
from libc.math cimport signbit
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from hutch_engine.base.numbers cimport format_double, format_integer
from hutch_engine.base.compiler cimport unlikely

cdef enum:
    DIGITS_MAX = 17             # of what format_double gives
    TOO_NEAR = 20               # units of the 17th digit, where 12 would do

cdef double SMALLEST = 1e-4     # below, %g writes an exponent
cdef double[CJSON_PRECISION_MAX + 1] powers_of_ten
cdef int64_t[DIGITS_MAX + 1] integer_powers


cdef void _prepare_tables() noexcept nogil:
    cdef int i
    cdef int64_t power = 1
    for i in range(DIGITS_MAX + 1):
        integer_powers[i] = power
        if i <= CJSON_PRECISION_MAX:
            powers_of_ten[i] = <double>power
        power *= 10


_prepare_tables()


cdef inline bint _is_digit(char c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef int _rounded(char* text, int length, int precision) noexcept nogil:
    """A plain decimal ("-12.345", "0.00012") cut to `precision` digits: its length, or 0 where printf must be asked."""
    cdef int first = 0              # where the first digit that counts stands
    cdef int last = 0               # and the last one to be kept
    cdef int point = length
    cdef int count = 0
    cdef int64_t tail = 0
    cdef int64_t half
    cdef int i
    while first < length and not c'1' <= text[first] <= c'9':
        if text[first] == c'.':
            point = first
        first += 1
    for i in range(first, length):
        if text[i] == c'.':
            point = i
        elif not _is_digit(text[i]):
            return 0                # an exponent
        else:
            count += 1
            if count == precision:
                last = i
            elif count > precision:
                tail = tail * 10 + (text[i] - c'0')
    if count <= precision:
        return length
    if unlikely(count > DIGITS_MAX):
        return 0
    tail *= integer_powers[DIGITS_MAX - count]
    half = 5 * integer_powers[DIGITS_MAX - precision - 1]
    if half - TOO_NEAR <= tail <= half + TOO_NEAR:
        return 0
    if tail > half:
        i = last
        while text[i] == c'9' or text[i] == c'.':
            if text[i] == c'9':
                text[i] = c'0'
            if i == first:
                return 0            # 9.99 has become 10.0: a digit more before the point
            i -= 1
        text[i] += 1
    length = last + 1
    if length <= point:
        return point
    while text[length - 1] == c'0':
        length -= 1
    return length - 1 if text[length - 1] == c'.' else length


cdef int _printed(double number, int precision, char* out) noexcept nogil:
    cdef int length = snprintf(out, CJSON_NUMBER_ROOM, b"%.*g", precision, number)
    cdef int i, end
    # The host program may have set a locale: what stands behind the first digit, and is none, is its decimal point.
    for i in range(length):
        if unlikely(not (_is_digit(out[i]) or c'a' <= out[i] <= c'z' or out[i] == c'-' or out[i] == c'+')):
            end = i
            while end < length and not _is_digit(out[end]):
                end += 1
            out[i] = c'.'
            i += 1
            while end < length:
                out[i] = out[end]
                i += 1
                end += 1
            return i
    return length


cdef int cjson_spell_number(double number, int precision, char* out) noexcept nogil:
    cdef double size = -number if number < 0 else number
    cdef int length = 0
    if size < powers_of_ten[precision]:
        if number == <double><int64_t>number:
            if number == 0 and signbit(number):
                out[0] = c'-'
                out[1] = c'0'
                return 2
            return <int>format_integer(<int64_t>number, out)
        if size >= SMALLEST:
            length = _rounded(out, <int>format_double(number, out), precision)
    return length if length else _printed(number, precision, out)
