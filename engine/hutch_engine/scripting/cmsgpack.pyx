"""See cmsgpack.pxd. The formats are those of lua-cmsgpack 0.4.0: raw strings (fix, 8, 16, 32), no extensions.

Packing: a number that is an int64 is an integer of the shortest form; another a float where that loses
nothing, else a double. A table whose keys are 1 to n is an array, any other a map in the order of next(). Tables
deeper than NESTING_MOST, functions and userdata become nil.

Unpacking is bounded by the input (every element takes a byte, whatever count its header claims) and, nested, by
Lua's stack: two slots a level, 8000 in all. The counts that luaL_checkstack is asked for are
Redis's, so that too much of anything is refused at the same place.
"""
from libc.limits cimport INT_MAX
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, luaL_argerror, luaL_checkinteger, luaL_checklstring,
    luaL_checkstack, luaL_error, luaL_optinteger, lua_CFunction, lua_State, lua_checkstack, lua_gettop, lua_insert,
    lua_newtable, lua_newuserdata, lua_next, lua_objlen, lua_pop, lua_pushboolean, lua_pushcclosure, lua_pushinteger,
    lua_pushlstring, lua_pushnil, lua_pushnumber, lua_pushstring, lua_pushvalue, lua_rawgeti, lua_rawset, lua_setfield,
    lua_setglobal, lua_settop, lua_toboolean, lua_tolstring, lua_tonumber, lua_touserdata, lua_type, lua_upvalueindex)
from hutch_engine.scripting.lua_numbers cimport lua_as_int32, lua_as_int64
from hutch_engine.scripting.lua_scratch cimport (
    LuaScratch, lua_scratch_put, lua_scratch_put_char, lua_scratch_room, lua_scratch_settle)

cdef enum:
    NESTING_MOST = 16

cdef enum:                          # first bytes
    FIX_MAP = 0x80
    FIX_ARRAY = 0x90
    FIX_RAW = 0xA0
    NIL = 0xC0
    FALSE = 0xC2
    TRUE = 0xC3
    FLOAT = 0xCA
    DOUBLE = 0xCB
    UINT8 = 0xCC
    UINT16 = 0xCD
    UINT32 = 0xCE
    UINT64 = 0xCF
    INT8 = 0xD0
    INT16 = 0xD1
    INT32 = 0xD2
    INT64 = 0xD3
    RAW8 = 0xD9
    RAW16 = 0xDA
    RAW32 = 0xDB
    ARRAY16 = 0xDC
    ARRAY32 = 0xDD
    MAP16 = 0xDE
    MAP32 = 0xDF

cdef enum Fault:
    FINE
    MISSING_BYTES
    BAD_FORMAT

cdef struct Packer:
    LuaScratch packed
    int earlier                     # arguments done: Redis has a string of each on the stack by now

cdef struct Cursor:
    const uint8_t* next             # borrowed: argument 1
    size_t left


# ---- Packing

cdef void _put_sized(lua_State* L, LuaScratch* scratch, int kind, uint64_t value, int size) noexcept nogil:
    """The byte `kind`, then `value` in `size` bytes, the highest first."""
    cdef uint8_t* out = <uint8_t*>lua_scratch_room(L, scratch, 9)
    cdef int i
    out[0] = <uint8_t>kind
    for i in range(size):
        out[size - i] = <uint8_t>value
        value >>= 8
    scratch.length += 1 + size


cdef void _put_integer(lua_State* L, LuaScratch* scratch, int64_t value) noexcept nogil:
    if -32 <= value <= 127:
        lua_scratch_put_char(L, scratch, <char>value)
    elif value >= 0:
        if value <= 0xFF:
            _put_sized(L, scratch, UINT8, <uint64_t>value, 1)
        elif value <= 0xFFFF:
            _put_sized(L, scratch, UINT16, <uint64_t>value, 2)
        elif value <= <int64_t>0xFFFFFFFF:
            _put_sized(L, scratch, UINT32, <uint64_t>value, 4)
        else:
            _put_sized(L, scratch, UINT64, <uint64_t>value, 8)
    elif value >= -0x80:
        _put_sized(L, scratch, INT8, <uint64_t>value, 1)
    elif value >= -0x8000:
        _put_sized(L, scratch, INT16, <uint64_t>value, 2)
    elif value >= -<int64_t>0x80000000:
        _put_sized(L, scratch, INT32, <uint64_t>value, 4)
    else:
        _put_sized(L, scratch, INT64, <uint64_t>value, 8)


cdef void _put_number(lua_State* L, LuaScratch* scratch, double number) noexcept nogil:
    cdef int64_t integer = lua_as_int64(number)
    cdef float short_number
    cdef uint32_t short_image
    cdef uint64_t image
    if <double>integer == number:
        _put_integer(L, scratch, integer)
        return
    short_number = <float>number
    if <double>short_number == number:
        memcpy(&short_image, &short_number, 4)
        _put_sized(L, scratch, FLOAT, short_image, 4)
    else:
        memcpy(&image, &number, 8)
        _put_sized(L, scratch, DOUBLE, image, 8)


cdef void _put_string(lua_State* L, LuaScratch* scratch, const char* text, size_t length) noexcept nogil:
    if length < 32:
        lua_scratch_put_char(L, scratch, <char>(FIX_RAW | length))
    elif length <= 0xFF:
        _put_sized(L, scratch, RAW8, length, 1)
    elif length <= 0xFFFF:
        _put_sized(L, scratch, RAW16, length, 2)
    else:
        _put_sized(L, scratch, RAW32, length, 4)
    lua_scratch_put(L, scratch, text, length)


cdef void _put_count(lua_State* L, LuaScratch* scratch, size_t count, int fix, int kind16, int kind32) noexcept nogil:
    if count <= 15:
        lua_scratch_put_char(L, scratch, <char>(fix | <int>count))
    elif count <= 0xFFFF:
        _put_sized(L, scratch, kind16, count, 2)
    else:
        _put_sized(L, scratch, kind32, count, 4)


cdef bint _is_array(lua_State* L) noexcept nogil:
    """Are the keys of the table on top 1 to n? (An empty table is one.)"""
    cdef int count = 0
    cdef int most = 0
    cdef int index
    cdef double key
    lua_pushnil(L)
    while lua_next(L, -2):
        lua_pop(L, 1)
        key = lua_tonumber(L, -1) if lua_type(L, -1) == LUA_TNUMBER else 0
        index = lua_as_int32(key)
        if index <= 0 or <double>index != key:
            lua_pop(L, 1)
            return False
        if index > most:
            most = index
        count += 1
    return most == count


cdef void _put_table(lua_State* L, Packer* packer, int level) noexcept nogil:
    cdef LuaScratch* scratch = &packer.packed
    cdef size_t count = 0
    cdef size_t i
    luaL_checkstack(L, 2 + packer.earlier, b"in function table_is_an_array")
    if _is_array(L):
        count = lua_objlen(L, -1)
        _put_count(L, scratch, count, FIX_ARRAY, ARRAY16, ARRAY32)
        luaL_checkstack(L, 1 + packer.earlier, b"in function mp_encode_lua_table_as_array")
        for i in range(1, count + 1):
            lua_rawgeti(L, -1, <int>i)
            _put_value(L, packer, level + 1)
        return
    luaL_checkstack(L, 3 + packer.earlier, b"in function mp_encode_lua_table_as_map")
    lua_pushnil(L)
    while lua_next(L, -2):
        lua_pop(L, 1)
        count += 1
    _put_count(L, scratch, count, FIX_MAP, MAP16, MAP32)
    lua_pushnil(L)
    while lua_next(L, -2):
        lua_pushvalue(L, -2)
        _put_value(L, packer, level + 1)
        _put_value(L, packer, level + 1)


cdef void _put_value(lua_State* L, Packer* packer, int level) noexcept nogil:
    """Take the value on top of the stack, inside of `level` tables."""
    cdef LuaScratch* scratch = &packer.packed
    cdef const char* text
    cdef size_t length
    cdef int type = lua_type(L, -1)
    if type == LUA_TSTRING:
        text = lua_tolstring(L, -1, &length)
        _put_string(L, scratch, text, length)
    elif type == LUA_TNUMBER:
        _put_number(L, scratch, lua_tonumber(L, -1))
    elif type == LUA_TBOOLEAN:
        lua_scratch_put_char(L, scratch, <char>(TRUE if lua_toboolean(L, -1) else FALSE))
    elif type == LUA_TTABLE and level < NESTING_MOST:
        _put_table(L, packer, level)
    else:
        lua_scratch_put_char(L, scratch, <char>NIL)
    lua_pop(L, 1)


cdef int _pack(lua_State* L) noexcept nogil:
    cdef Packer* packer = <Packer*>lua_touserdata(L, lua_upvalueindex(1))
    cdef int arguments = lua_gettop(L)
    cdef int i
    if arguments == 0:
        return luaL_argerror(L, 0, b"MessagePack pack needs input.")
    if not lua_checkstack(L, arguments):
        return luaL_argerror(L, 0, b"Too many arguments for MessagePack pack.")
    packer.packed.length = 0
    for i in range(arguments):
        packer.earlier = i
        luaL_checkstack(L, 1 + i, b"in function mp_check")
        lua_pushvalue(L, i + 1)
        _put_value(L, packer, 0)
    lua_pushlstring(L, packer.packed.data, packer.packed.length)
    lua_scratch_settle(L, &packer.packed, True)
    return 1


# ---- Unpacking

cdef inline uint64_t _big_endian(const uint8_t* data, int size) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value = value << 8 | data[i]
    return value


cdef inline int _operand_size(uint8_t kind) noexcept nogil:
    """Bytes that follow the first one, before those that they count; -1: no such format."""
    if kind < NIL or kind >= 0xE0:
        return 0
    if kind == UINT8 or kind == INT8 or kind == RAW8:
        return 1
    if kind == UINT16 or kind == INT16 or kind == RAW16 or kind == ARRAY16 or kind == MAP16:
        return 2
    if (kind == UINT32 or kind == INT32 or kind == RAW32 or kind == ARRAY32 or kind == MAP32 or kind == FLOAT):
        return 4
    if kind == UINT64 or kind == INT64 or kind == DOUBLE:
        return 8
    return 0 if kind == NIL or kind == FALSE or kind == TRUE else -1


cdef Fault _take_array(lua_State* L, Cursor* cursor, size_t count) noexcept nogil:
    cdef Fault fault
    cdef size_t i
    lua_newtable(L)
    luaL_checkstack(L, 1, b"in function mp_decode_to_lua_array")
    for i in range(count):
        lua_pushnumber(L, <double><int32_t>(i + 1))
        fault = _take_value(L, cursor)
        if fault:
            return fault
        lua_rawset(L, -3)
    return FINE


cdef Fault _take_map(lua_State* L, Cursor* cursor, size_t count) noexcept nogil:
    cdef Fault fault
    cdef size_t i
    lua_newtable(L)
    for i in range(count):
        fault = _take_value(L, cursor)
        if fault:
            return fault
        fault = _take_value(L, cursor)
        if fault:
            return fault
        lua_rawset(L, -3)               # raises for a key that is nil or NaN
    return FINE


cdef Fault _take_string(lua_State* L, Cursor* cursor, size_t length) noexcept nogil:
    if cursor.left < length:
        return MISSING_BYTES
    lua_pushlstring(L, <const char*>cursor.next, length)
    cursor.next += length
    cursor.left -= length
    return FINE


cdef Fault _take_value(lua_State* L, Cursor* cursor) noexcept nogil:
    """Push the value at the cursor, or part of it and say what is wrong."""
    cdef uint8_t kind
    cdef int size
    cdef uint64_t operand
    cdef uint32_t short_image
    cdef float short_number
    cdef double number
    if cursor.left < 1:
        return MISSING_BYTES
    luaL_checkstack(L, 1, b"too many return values at once; use unpack_one or unpack_limit instead.")
    kind = cursor.next[0]
    size = _operand_size(kind)
    if size < 0:
        return BAD_FORMAT
    if cursor.left < <size_t>(1 + size):
        return MISSING_BYTES
    operand = _big_endian(cursor.next + 1, size)
    cursor.next += 1 + size
    cursor.left -= 1 + size
    if kind < FIX_MAP:
        lua_pushinteger(L, kind)
    elif kind < FIX_ARRAY:
        return _take_map(L, cursor, kind & 15)
    elif kind < FIX_RAW:
        return _take_array(L, cursor, kind & 15)
    elif kind < NIL:
        return _take_string(L, cursor, kind & 31)
    elif kind >= 0xE0:
        lua_pushinteger(L, <int8_t>kind)
    elif kind == RAW8 or kind == RAW16 or kind == RAW32:
        return _take_string(L, cursor, operand)
    elif kind == ARRAY16 or kind == ARRAY32:
        return _take_array(L, cursor, operand)
    elif kind == MAP16 or kind == MAP32:
        return _take_map(L, cursor, operand)
    elif kind == NIL:
        lua_pushnil(L)
    elif kind == TRUE or kind == FALSE:
        lua_pushboolean(L, kind == TRUE)
    elif kind == DOUBLE:
        memcpy(&number, &operand, 8)
        lua_pushnumber(L, number)
    elif kind == FLOAT:
        short_image = <uint32_t>operand
        memcpy(&short_number, &short_image, 4)
        lua_pushnumber(L, <double>short_number)
    elif kind == INT8:
        lua_pushinteger(L, <int8_t>operand)
    elif kind == INT16:
        lua_pushinteger(L, <int16_t>operand)
    elif kind == INT32:
        lua_pushinteger(L, <int32_t>operand)
    else:
        # Unsigned ones too: from 2**63 on they come out negative, as in Redis.
        lua_pushinteger(L, <ptrdiff_t>operand)
    return FINE


cdef int _unpack_some(lua_State* L, ptrdiff_t limit, ptrdiff_t offset) noexcept nogil:
    """At most `limit` values from `offset` on, behind the offset of the rest (-1: none left); with two zeros all
    values, and no offset."""
    cdef bint everything = limit == 0 and offset == 0
    cdef Cursor cursor
    cdef Fault fault
    cdef size_t length
    cdef int count = 0
    cdef const char* data = luaL_checklstring(L, 1, &length)
    if offset < 0 or limit < 0:
        # It is the length that is printed as the limit, there as here.
        luaL_error(L, b"Invalid request to unpack with offset of %d and limit of %d.", <int>offset, <int>length)
    elif <size_t>offset > length:
        luaL_error(L, b"Start offset %d greater than input length %d.", <int>offset, <int>length)
    if everything:
        limit = INT_MAX
    cursor.next = <const uint8_t*>data + offset
    cursor.left = length - <size_t>offset
    while cursor.left and count < limit:
        fault = _take_value(L, &cursor)
        if fault == MISSING_BYTES:
            luaL_error(L, b"Missing bytes in input.")
        elif fault == BAD_FORMAT:
            luaL_error(L, b"Bad data format in input.")
        count += 1
    if not everything:
        luaL_checkstack(L, 1, b"in function mp_unpack_full")
        lua_pushinteger(L, <ptrdiff_t>(length - cursor.left) if cursor.left else -1)
        lua_insert(L, 2)
        count += 1
    return count


cdef int _unpack(lua_State* L) noexcept nogil:
    return _unpack_some(L, 0, 0)


cdef int _unpack_one(lua_State* L) noexcept nogil:
    cdef ptrdiff_t offset = luaL_optinteger(L, 2, 0)
    if lua_gettop(L) > 1:
        lua_settop(L, 1)
    return _unpack_some(L, 1, offset)


cdef int _unpack_limit(lua_State* L) noexcept nogil:
    cdef ptrdiff_t limit = luaL_checkinteger(L, 2)
    cdef ptrdiff_t offset = luaL_optinteger(L, 3, 0)
    lua_settop(L, 1)
    return _unpack_some(L, limit, offset)


# ---- Opening

cdef void _put_text(lua_State* L, const char* name, const char* text) noexcept nogil:
    lua_pushstring(L, text)
    lua_setfield(L, -2, name)


cdef void _put_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    lua_pushcclosure(L, function, 0)
    lua_setfield(L, -2, name)


cdef void lua_open_cmsgpack(lua_State* L) noexcept nogil:
    lua_newtable(L)
    memset(lua_newuserdata(L, sizeof(Packer)), 0, sizeof(Packer))
    lua_pushnil(L)                      # the buffer, see lua_scratch.pxd
    lua_pushcclosure(L, _pack, 2)
    lua_setfield(L, -2, b"pack")
    _put_function(L, b"unpack", _unpack)
    _put_function(L, b"unpack_one", _unpack_one)
    _put_function(L, b"unpack_limit", _unpack_limit)
    _put_text(L, b"_NAME", b"cmsgpack")
    _put_text(L, b"_VERSION", b"lua-cmsgpack 0.4.0")
    _put_text(L, b"_COPYRIGHT", b"Copyright (C) 2012, Salvatore Sanfilippo")
    _put_text(L, b"_DESCRIPTION", b"MessagePack C implementation for Lua")
    lua_setglobal(L, b"cmsgpack")
