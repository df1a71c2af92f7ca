"""See bit.pxd.

Numbers are normalised as LuaBitOp documents: rounded to the nearest integer (ties to even), then taken modulo
2**32; results are signed. Adding 2**52 + 2**51 does both for |x| < 2**51, and what it makes of larger
numbers and of NaN is what scripts have always seen, so the same trick is used here.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.scripting.lua_api cimport (
    LUA_TNONE, luaL_Reg, luaL_register, luaL_typerror, lua_State, lua_gettop, lua_isnumber, lua_pop,
    lua_pushlstring, lua_pushnumber, lua_tonumber, lua_type)

cdef double ROUNDING = 6755399441055744.0               # 2**52 + 2**51
cdef const char* LOWER_DIGITS = b"0123456789abcdef"
cdef const char* UPPER_DIGITS = b"0123456789ABCDEF"


cdef uint32_t _argument(lua_State* L, int index) noexcept nogil:
    cdef double number = lua_tonumber(L, index) + ROUNDING
    cdef uint64_t image
    memcpy(&image, &number, sizeof(image))
    # Only a zero can be an argument that is no number: the usual case asks for its type but once.
    if <uint32_t>image == 0 and not lua_isnumber(L, index):
        luaL_typerror(L, index, b"number")
    return <uint32_t>image


cdef int _answer(lua_State* L, uint32_t bits) noexcept nogil:
    lua_pushnumber(L, <double><int32_t>bits)
    return 1


cdef int _tobit(lua_State* L) noexcept nogil:
    return _answer(L, _argument(L, 1))


cdef int _bnot(lua_State* L) noexcept nogil:
    return _answer(L, ~_argument(L, 1))


cdef int _band(lua_State* L) noexcept nogil:
    # After the first argument from the last one down: the error names the one that Redis names.
    cdef uint32_t bits = _argument(L, 1)
    cdef int i = lua_gettop(L)
    while i > 1:
        bits &= _argument(L, i)
        i -= 1
    return _answer(L, bits)


cdef int _bor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int i = lua_gettop(L)
    while i > 1:
        bits |= _argument(L, i)
        i -= 1
    return _answer(L, bits)


cdef int _bxor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int i = lua_gettop(L)
    while i > 1:
        bits ^= _argument(L, i)
        i -= 1
    return _answer(L, bits)


cdef int _lshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, bits << (_argument(L, 2) & 31))


cdef int _rshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, bits >> (_argument(L, 2) & 31))


cdef int _arshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, <uint32_t>(<int32_t>bits >> (_argument(L, 2) & 31)))


cdef inline uint32_t _rotated(uint32_t bits, uint32_t left) noexcept nogil:
    left &= 31
    return bits << left | bits >> ((32 - left) & 31)


cdef int _rol(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, _rotated(bits, _argument(L, 2)))


cdef int _ror(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, _rotated(bits, 32 - (_argument(L, 2) & 31)))


cdef int _bswap(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _answer(L, bits >> 24 | (bits >> 8 & 0xFF00) | (bits & 0xFF00) << 8 | bits << 24)


cdef int _tohex(lua_State* L) noexcept nogil:
    """tohex(bits [, digits]): a negative count asks for capitals; more than eight are eight."""
    cdef uint32_t bits = _argument(L, 1)
    cdef int32_t count = 8
    cdef const char* digits = LOWER_DIGITS
    cdef char[8] text
    cdef int i
    if lua_type(L, 2) != LUA_TNONE:
        count = <int32_t>_argument(L, 2)
    if count < 0:
        digits = UPPER_DIGITS
        # -2**31 has no positive: bounded before the sign is turned (CVE-2024-31449).
        count = 8 if count < -8 else -count
    if count > 8:
        count = 8
    i = count
    while i > 0:
        i -= 1
        text[i] = digits[bits & 15]
        bits >>= 4
    lua_pushlstring(L, text, count)
    return 1


cdef luaL_Reg[13] FUNCTIONS
FUNCTIONS[0] = luaL_Reg(b"tobit", _tobit)
FUNCTIONS[1] = luaL_Reg(b"bnot", _bnot)
FUNCTIONS[2] = luaL_Reg(b"band", _band)
FUNCTIONS[3] = luaL_Reg(b"bor", _bor)
FUNCTIONS[4] = luaL_Reg(b"bxor", _bxor)
FUNCTIONS[5] = luaL_Reg(b"lshift", _lshift)
FUNCTIONS[6] = luaL_Reg(b"rshift", _rshift)
FUNCTIONS[7] = luaL_Reg(b"arshift", _arshift)
FUNCTIONS[8] = luaL_Reg(b"rol", _rol)
FUNCTIONS[9] = luaL_Reg(b"ror", _ror)
FUNCTIONS[10] = luaL_Reg(b"bswap", _bswap)
FUNCTIONS[11] = luaL_Reg(b"tohex", _tohex)
FUNCTIONS[12] = luaL_Reg(NULL, NULL)


cdef void lua_open_bit(lua_State* L) noexcept nogil:
    luaL_register(L, b"bit", FUNCTIONS)
    lua_pop(L, 1)
