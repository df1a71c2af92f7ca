"""Doubles of scripts as integers. C leaves the conversion of numbers out of range undefined; Redis's answers to them
are those of x86-64's instruction, and these functions give them everywhere."""
from libc.stdint cimport INT32_MIN, INT64_MIN, int32_t, int64_t, uint64_t


cdef inline int64_t lua_as_int64(double number) noexcept nogil:
    """A number of Lua's as a whole one, truncated; out of range and NaN: INT64_MIN."""
    if -9223372036854775808.0 <= number < 9223372036854775808.0:
        return <int64_t>number
    return INT64_MIN


cdef inline int32_t lua_as_int32(double number) noexcept nogil:
    """A number of Lua's as a whole one, truncated; out of range and NaN: INT32_MIN."""
    if -2147483649.0 < number < 2147483648.0:
        return <int32_t>number
    return INT32_MIN


cdef inline uint64_t lua_as_uint64(double number) noexcept nogil:
    """Truncated; negative numbers modulo 2**64 down to -2**63; 2**64 and above: 0."""
    if number >= 9223372036854775808.0:
        return <uint64_t>lua_as_int64(number - 9223372036854775808.0) ^ (<uint64_t>1 << 63)
    return <uint64_t>lua_as_int64(number)
