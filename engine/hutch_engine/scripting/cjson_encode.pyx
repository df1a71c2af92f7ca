"""See cjson_encode.pxd.

Text is written straight into the buffer of the settings (see lua_scratch.pxd); recursion is bounded by
encode_max_depth and by Lua's stack: 8000 slots, of which a level of arrays takes one and a level of objects two.
"""
from libc.math cimport floor
from libc.stdint cimport uint8_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.scripting.cjson_number cimport CJSON_NUMBER_ROOM, cjson_spell_number
from hutch_engine.scripting.cjson_settings cimport CJSON_NUMBERS_NULL, CJSON_NUMBERS_REFUSED, CjsonSettings
from hutch_engine.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, luaL_argerror, luaL_error,
    lua_State, lua_checkstack, lua_gettop, lua_next, lua_pop, lua_pushlstring, lua_pushnil, lua_rawgeti, lua_toboolean,
    lua_tolstring, lua_tonumber, lua_touserdata, lua_type, lua_typename, lua_upvalueindex)
from hutch_engine.scripting.lua_numbers cimport lua_as_int32
from hutch_engine.scripting.lua_scratch cimport (
    LuaScratch, lua_scratch_drop, lua_scratch_put, lua_scratch_put_char, lua_scratch_room, lua_scratch_settle)

cdef enum:
    ESCAPE_LONGEST = 6          # \u001f
    PIECE = 1024                # bytes of a string for which room is asked at once
    NOT_AN_ARRAY = -1
    RATIO_USUAL = 16            # up to here no table makes encode_sparse_ratio * items overflow

cdef const char* HEX_DIGITS = b"0123456789abcdef"
cdef uint8_t[256] escapes       # 0: as it is; 'u': \u00xx; else the character after the backslash


cdef void _prepare_tables() noexcept nogil:
    cdef int i
    for i in range(256):
        escapes[i] = c'u' if i < 32 or i == 127 else 0
    escapes[8] = c'b'
    escapes[9] = c't'
    escapes[10] = c'n'
    escapes[12] = c'f'
    escapes[13] = c'r'
    escapes[c'"'] = c'"'
    escapes[c'\\'] = c'\\'
    escapes[c'/'] = c'/'


_prepare_tables()


cdef void _refuse(lua_State* L, CjsonSettings* settings, int index, const char* why) noexcept nogil:
    """Raises."""
    if not settings.encode_keep_buffer:
        lua_scratch_drop(L, &settings.encoded)
    luaL_error(L, b"Cannot serialise %s: %s", lua_typename(L, lua_type(L, index)), why)


cdef void _put_string(lua_State* L, LuaScratch* scratch, const uint8_t* text, size_t length) noexcept nogil:
    cdef size_t piece = length if length < PIECE else PIECE
    cdef char* out = lua_scratch_room(L, scratch, piece * ESCAPE_LONGEST + 2)
    cdef const uint8_t* end
    cdef uint8_t escape
    out[0] = c'"'
    out += 1
    while True:
        end = text + piece
        while text < end:
            escape = escapes[text[0]]
            if escape == 0:
                out[0] = <char>text[0]
                out += 1
            else:
                out[0] = c'\\'
                out[1] = <char>escape
                out += 2
                if escape == c'u':
                    out[0] = c'0'
                    out[1] = c'0'
                    out[2] = HEX_DIGITS[text[0] >> 4]
                    out[3] = HEX_DIGITS[text[0] & 15]
                    out += 4
            text += 1
        length -= piece
        if length == 0:
            out[0] = c'"'
            scratch.length = out + 1 - scratch.data
            return
        scratch.length = out - scratch.data
        piece = length if length < PIECE else PIECE
        out = lua_scratch_room(L, scratch, piece * ESCAPE_LONGEST + 1)


cdef void _put_number(lua_State* L, CjsonSettings* settings, int index) noexcept nogil:
    cdef LuaScratch* scratch = &settings.encoded
    cdef double number = lua_tonumber(L, index)
    if unlikely(number - number != 0):                  # NaN, infinity
        if settings.encode_invalid_numbers == CJSON_NUMBERS_REFUSED:
            _refuse(L, settings, index, b"must not be NaN or Inf")
        elif settings.encode_invalid_numbers == CJSON_NUMBERS_NULL:
            lua_scratch_put(L, scratch, b"null", 4)
            return
        elif number != number:                          # never "-nan"
            lua_scratch_put(L, scratch, b"nan", 3)
            return
    scratch.length += cjson_spell_number(number, settings.encode_number_precision,
                                         lua_scratch_room(L, scratch, CJSON_NUMBER_ROOM))


cdef int _array_length(lua_State* L, CjsonSettings* settings) noexcept nogil:
    """Slots of the array that the table on top is (holes count), 0 or NOT_AN_ARRAY if it is to be an object.
    Raises for sparse arrays. Indices that an int cannot hold count as INT32_MIN, as in Redis."""
    cdef int most = 0
    cdef int items = 0
    cdef double key
    lua_pushnil(L)
    while lua_next(L, -2):
        key = lua_tonumber(L, -2) if lua_type(L, -2) == LUA_TNUMBER else 0
        if not (key >= 1 and floor(key) == key):
            lua_pop(L, 2)
            return NOT_AN_ARRAY
        if key > most:
            most = lua_as_int32(key)
        items += 1
        lua_pop(L, 1)
    if (settings.encode_sparse_ratio > 0
            and most > <int>(<unsigned int>items * <unsigned int>settings.encode_sparse_ratio)
            and most > settings.encode_sparse_safe):
        if not settings.encode_sparse_convert:
            _refuse(L, settings, -1, b"excessively sparse array")
        return NOT_AN_ARRAY
    return most


cdef bint _put_plain_array(lua_State* L, CjsonSettings* settings) noexcept nogil:
    """Write the table on top in a single walk, if its keys come as 1, 2, 3 ... and its values need no look inside;
    otherwise leave buffer and stack as they were. Nothing raises here but the want of memory, so that the
    order in which mistakes are found stays that of the two walks."""
    cdef LuaScratch* scratch = &settings.encoded
    cdef size_t mark = scratch.length
    cdef double expected = 1
    cdef double number
    cdef size_t length
    cdef const char* text
    cdef int type
    lua_pushnil(L)
    while lua_next(L, -2):
        type = lua_type(L, -1)
        if lua_type(L, -2) != LUA_TNUMBER or lua_tonumber(L, -2) != expected:
            break
        lua_scratch_put_char(L, scratch, c'[' if expected == 1 else c',')
        if type == LUA_TSTRING:
            text = lua_tolstring(L, -1, &length)
            _put_string(L, scratch, <const uint8_t*>text, length)
        elif type == LUA_TNUMBER:
            number = lua_tonumber(L, -1)
            if number - number != 0:
                break
            scratch.length += cjson_spell_number(number, settings.encode_number_precision,
                                                 lua_scratch_room(L, scratch, CJSON_NUMBER_ROOM))
        else:
            break
        expected += 1
        lua_pop(L, 1)
    else:
        if expected == 1:           # an empty table is an object
            return False
        lua_scratch_put_char(L, scratch, c']')
        return True
    lua_pop(L, 2)
    scratch.length = mark
    return False


cdef void _put_table(lua_State* L, CjsonSettings* settings, int depth) noexcept nogil:
    cdef LuaScratch* scratch = &settings.encoded
    cdef bint first = True
    cdef const char* text
    cdef size_t text_length
    cdef int length, i, type
    # Room for a key, a value, and what is pushed beside them for a moment.
    if depth > settings.encode_max_depth or not lua_checkstack(L, 3):
        if not settings.encode_keep_buffer:
            lua_scratch_drop(L, scratch)
        luaL_error(L, b"Cannot serialise, excessive nesting (%d)", depth)
    if settings.encode_sparse_ratio <= RATIO_USUAL and _put_plain_array(L, settings):
        return
    length = _array_length(L, settings)
    if length > 0:
        for i in range(1, length + 1):
            lua_scratch_put_char(L, scratch, c'[' if i == 1 else c',')
            lua_rawgeti(L, -1, i)
            _put_value(L, settings, depth)
            lua_pop(L, 1)
        lua_scratch_put_char(L, scratch, c']')
        return
    lua_scratch_put_char(L, scratch, c'{')
    lua_pushnil(L)
    while lua_next(L, -2):
        if not first:
            lua_scratch_put_char(L, scratch, c',')
        first = False
        type = lua_type(L, -2)
        if type == LUA_TSTRING:
            text = lua_tolstring(L, -2, &text_length)
            _put_string(L, scratch, <const uint8_t*>text, text_length)
        elif type == LUA_TNUMBER:
            lua_scratch_put_char(L, scratch, c'"')
            _put_number(L, settings, -2)
            lua_scratch_put_char(L, scratch, c'"')
        else:
            _refuse(L, settings, -2, b"table key must be a number or string")
        lua_scratch_put_char(L, scratch, c':')
        _put_value(L, settings, depth)
        lua_pop(L, 1)
    lua_scratch_put_char(L, scratch, c'}')


cdef void _put_value(lua_State* L, CjsonSettings* settings, int depth) noexcept nogil:
    """The value on top of the stack, inside of `depth` tables."""
    cdef int type = lua_type(L, -1)
    cdef size_t length
    cdef const char* text
    if type == LUA_TSTRING:
        text = lua_tolstring(L, -1, &length)
        _put_string(L, &settings.encoded, <const uint8_t*>text, length)
    elif type == LUA_TNUMBER:
        _put_number(L, settings, -1)
    elif type == LUA_TTABLE:
        _put_table(L, settings, depth + 1)
    elif type == LUA_TBOOLEAN:
        if lua_toboolean(L, -1):
            lua_scratch_put(L, &settings.encoded, b"true", 4)
        else:
            lua_scratch_put(L, &settings.encoded, b"false", 5)
    elif type == LUA_TNIL or (type == LUA_TLIGHTUSERDATA and lua_touserdata(L, -1) == NULL):
        lua_scratch_put(L, &settings.encoded, b"null", 4)
    else:
        _refuse(L, settings, -1, b"type not supported")


cdef int cjson_encode(lua_State* L) noexcept nogil:
    cdef CjsonSettings* settings = <CjsonSettings*>lua_touserdata(L, lua_upvalueindex(1))
    if lua_gettop(L) != 1:
        return luaL_argerror(L, 1, b"expected 1 argument")
    settings.encoded.length = 0
    _put_value(L, settings, 0)
    lua_pushlstring(L, settings.encoded.data, settings.encoded.length)
    lua_scratch_settle(L, &settings.encoded, settings.encode_keep_buffer)
    return 1
