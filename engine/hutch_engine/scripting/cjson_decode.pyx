"""See cjson_decode.pxd.

A recursive descent over tokens, laxer than JSON where lua-cjson is: a zero byte ends the text, numbers are what
strtod takes, and the bytes of a string are not looked at. Error texts name tokens and positions as lua-cjson does.
The text is a Lua string and so ends with a zero, at which every scan stops; recursion is bounded by
decode_max_depth and by Lua's stack (8000 slots, two or three a level).
"""
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, strncmp
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.scripting.cjson_settings cimport CjsonSettings
from hutch_engine.scripting.lua_api cimport (
    luaL_argerror, luaL_checklstring, luaL_error, lua_State, lua_checkstack, lua_gettop, lua_newtable,
    lua_pushboolean, lua_pushlightuserdata, lua_pushlstring, lua_pushnumber, lua_rawset, lua_rawseti, lua_touserdata,
    lua_upvalueindex)
from hutch_engine.scripting.lua_scratch cimport lua_scratch_room, lua_scratch_settle

cdef extern from *:
    """
    #include <locale.h>
    #include <stdlib.h>
    #include <strings.h>
    #if defined(__APPLE__)
    #include <xlocale.h>
    #endif
    """
    ctypedef void* locale_t
    locale_t newlocale(int mask, const char* name, locale_t base) nogil
    const int LC_ALL_MASK
    double strtod_l(const char* text, char** end, locale_t locale) nogil
    int strncasecmp(const char* a, const char* b, size_t length) nogil

cdef enum Token:
    OBJECT_BEGIN
    OBJECT_END
    ARRAY_BEGIN
    ARRAY_END
    STRING
    NUMBER
    BOOLEAN
    NULL_VALUE
    COLON
    COMMA
    END
    MISTAKE
    SPACE           # the last two are classes of characters only
    LONGER

cdef enum:
    UNESCAPED_SHORT = 512           # bytes of a string with escapes that need no buffer on the heap
    SIGNIFICAND_DIGITS = 19         # no more fit 64 bits
    EXACT_POWERS = 23               # powers of ten that are exact as doubles

cdef struct Reader:
    const char* data                # borrowed: argument 1
    const char* next                # where the next token is looked for
    CjsonSettings* settings
    int depth
    size_t index                    # of the token, or of the mistake; from 0
    const char* mistake             # what is wrong, of a MISTAKE
    const char* text                # of a STRING
    size_t text_length
    double number                   # of a NUMBER, and 0 or 1 of a BOOLEAN
    char[UNESCAPED_SHORT] short_text

cdef locale_t c_locale              # never freed: it lives as long as the module
cdef uint8_t[256] classes           # the Token a character is, or begins
cdef uint8_t[256] unescaped         # what stands behind a backslash, as what it means; 0: a mistake
cdef uint8_t[256] hex_values        # 255: no digit
cdef double[EXACT_POWERS] powers_of_ten
cdef const char* token_names[12]
token_names[:] = [b"T_OBJ_BEGIN", b"T_OBJ_END", b"T_ARR_BEGIN", b"T_ARR_END", b"T_STRING", b"T_NUMBER", b"T_BOOLEAN",
                  b"T_NULL", b"T_COLON", b"T_COMMA", b"T_END", b"T_ERROR"]


cdef void _class_of(const char* characters, Token token) noexcept nogil:
    while characters[0]:
        classes[<uint8_t>characters[0]] = token
        characters += 1


cdef void _prepare_tables() noexcept nogil:
    cdef int i
    cdef double power = 1
    for i in range(256):
        classes[i] = MISTAKE
        unescaped[i] = 0
        hex_values[i] = 255
    _class_of(b"\"+-0123456789fiIntN", LONGER)
    _class_of(b" \t\n\r", SPACE)
    _class_of(b"{", OBJECT_BEGIN)
    _class_of(b"}", OBJECT_END)
    _class_of(b"[", ARRAY_BEGIN)
    _class_of(b"]", ARRAY_END)
    _class_of(b":", COLON)
    _class_of(b",", COMMA)
    classes[0] = END
    unescaped[c'"'] = c'"'
    unescaped[c'\\'] = c'\\'
    unescaped[c'/'] = c'/'
    unescaped[c'b'] = 8
    unescaped[c't'] = 9
    unescaped[c'n'] = 10
    unescaped[c'f'] = 12
    unescaped[c'r'] = 13
    unescaped[c'u'] = c'u'
    for i in range(10):
        hex_values[c'0' + i] = <uint8_t>i
    for i in range(6):
        hex_values[c'a' + i] = hex_values[c'A' + i] = <uint8_t>(10 + i)
    for i in range(EXACT_POWERS):
        powers_of_ten[i] = power
        power *= 10


_prepare_tables()
c_locale = newlocale(LC_ALL_MASK, b"C", <locale_t>NULL)
if c_locale == NULL:
    raise MemoryError("no memory for the C locale")


cdef Token _mistake(Reader* reader, const char* where, const char* what) noexcept nogil:
    reader.index = where - reader.data
    reader.mistake = what
    return MISTAKE


cdef void _raise_unexpected(lua_State* L, Reader* reader, Token found, const char* expected) noexcept nogil:
    luaL_error(L, b"Expected %s but found %s at character %d", expected,
               reader.mistake if found == MISTAKE else token_names[<int>found], <int>(reader.index + 1))


# ---- Numbers

cdef inline bint _is_digit(char c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef bint _is_invalid_json(const char* p) noexcept nogil:
    """Does a number begin here that strtod takes and JSON does not have? (What neither takes may pass.)"""
    if p[0] == c'+':
        return True
    if p[0] == c'-':
        p += 1
    if p[0] == c'0':
        return p[1] == c'x' or p[1] == c'X' or _is_digit(p[1])
    return strncasecmp(p, b"inf", 3) == 0 or strncasecmp(p, b"nan", 3) == 0


cdef Token _number(Reader* reader, const char* start) noexcept nogil:
    """What strtod takes at `start`. Numbers of few digits and a small exponent are put together here: an exact
    integer times or over an exact power of ten, rounded once, is the nearest double."""
    cdef const char* p = start
    cdef const char* q
    cdef const char* digits
    cdef char* end
    cdef uint64_t significand = 0
    cdef ptrdiff_t count
    cdef int exponent = 0
    cdef int written = 0
    cdef bint negative = p[0] == c'-'
    cdef bint negative_exponent
    if negative:
        p += 1
    digits = p
    while _is_digit(p[0]):
        significand = significand * 10 + <uint64_t>(p[0] - c'0')
        p += 1
    count = p - digits
    if likely(count != 0 and (p[0] | 0x20) != c'x'):
        if p[0] == c'.':
            p += 1
            q = p
            while _is_digit(p[0]):
                significand = significand * 10 + <uint64_t>(p[0] - c'0')
                p += 1
            count += p - q
            exponent = -<int>(p - q if p - q < 1000 else 1000)
        if (p[0] | 0x20) == c'e':
            q = p + 1
            negative_exponent = q[0] == c'-'
            if q[0] == c'-' or q[0] == c'+':
                q += 1
            if _is_digit(q[0]):
                while _is_digit(q[0]):
                    if written < 1000:
                        written = written * 10 + (q[0] - c'0')
                    q += 1
                exponent += -written if negative_exponent else written
                p = q
        if likely(count <= SIGNIFICAND_DIGITS and significand <= <uint64_t>1 << 53
                  and -EXACT_POWERS < exponent < EXACT_POWERS):
            reader.number = <double>significand
            if exponent < 0:
                reader.number /= powers_of_ten[-exponent]
            elif exponent > 0:
                reader.number *= powers_of_ten[exponent]
            if negative:
                reader.number = -reader.number
            reader.next = p
            return NUMBER
    reader.number = strtod_l(start, &end, c_locale)
    if end == start:
        return _mistake(reader, start, b"invalid number")
    reader.next = end
    return NUMBER


# ---- Strings

cdef int _hex4(const char* p) noexcept nogil:
    """Four hexadecimal digits, or -1. Reads no further than the first that is none, the final zero included."""
    cdef int value = 0
    cdef int i
    for i in range(4):
        if hex_values[<uint8_t>p[i]] == 255:
            return -1
        value = value << 4 | hex_values[<uint8_t>p[i]]
    return value


cdef int _unicode_escape(const char** p, char* out) noexcept nogil:
    """The escape or the pair of surrogates at p as UTF-8: how many bytes; 0 for a mistake. Moves p behind it."""
    cdef int code = _hex4(p[0] + 2)
    cdef int low
    if code < 0:
        return 0
    if code & 0xF800 == 0xD800:
        if code & 0x400 or p[0][6] != c'\\' or p[0][7] != c'u':
            return 0
        low = _hex4(p[0] + 8)
        if low < 0 or low & 0xFC00 != 0xDC00:
            return 0
        code = ((code & 0x3FF) << 10 | (low & 0x3FF)) + 0x10000
        p[0] += 12
        out[0] = <char>(0xF0 | code >> 18)
        out[1] = <char>(0x80 | (code >> 12 & 0x3F))
        out[2] = <char>(0x80 | (code >> 6 & 0x3F))
        out[3] = <char>(0x80 | (code & 0x3F))
        return 4
    p[0] += 6
    if code < 0x80:
        out[0] = <char>code
        return 1
    if code < 0x800:
        out[0] = <char>(0xC0 | code >> 6)
        out[1] = <char>(0x80 | (code & 0x3F))
        return 2
    out[0] = <char>(0xE0 | code >> 12)
    out[1] = <char>(0x80 | (code >> 6 & 0x3F))
    out[2] = <char>(0x80 | (code & 0x3F))
    return 3


cdef Token _escaped_string(lua_State* L, Reader* reader, const char* start, const char* p) noexcept nogil:
    """The string from `start` on, whose first backslash is at p. It goes to a buffer, since it is shorter
    than its source, to one of the size of the source."""
    cdef const char* end = p
    cdef char* out
    cdef char* text
    cdef int length
    cdef uint8_t meaning
    while end[0] and end[0] != c'"':
        end += 2 if end[0] == c'\\' and end[1] else 1
    if end - start <= UNESCAPED_SHORT:
        text = reader.short_text
    else:
        reader.settings.unescaped.length = 0
        text = lua_scratch_room(L, &reader.settings.unescaped, end - start)
    memcpy(text, start, p - start)
    out = text + (p - start)
    while p[0] != c'"':
        if p[0] == 0:
            return _mistake(reader, p, b"unexpected end of string")
        if p[0] != c'\\':
            out[0] = p[0]
            out += 1
            p += 1
            continue
        meaning = unescaped[<uint8_t>p[1]]
        if meaning == c'u':
            length = _unicode_escape(&p, out)
            if length == 0:
                return _mistake(reader, p, b"invalid unicode escape code")
            out += length
        elif meaning == 0:
            return _mistake(reader, p, b"invalid escape code")
        else:
            out[0] = <char>meaning
            out += 1
            p += 2
    reader.text = text
    reader.text_length = out - text
    reader.next = p + 1
    return STRING


cdef inline Token _string(lua_State* L, Reader* reader, const char* start) noexcept nogil:
    """The string whose first character is at `start`: without escapes it stays where it is."""
    cdef const char* p = start
    while p[0] != c'"':
        if unlikely(p[0] == c'\\'):
            return _escaped_string(L, reader, start, p)
        if unlikely(p[0] == 0):
            return _mistake(reader, p, b"unexpected end of string")
        p += 1
    reader.text = start
    reader.text_length = p - start
    reader.next = p + 1
    return STRING


# ---- Tokens

cdef Token _longer_token(lua_State* L, Reader* reader, const char* p) noexcept nogil:
    """A token of more than one character, strings excepted, or a mistake."""
    cdef bint lax = reader.settings.decode_invalid_numbers != 0
    if p[0] == c'-' or _is_digit(p[0]):
        if not lax and _is_invalid_json(p):
            return _mistake(reader, p, b"invalid number")
        return _number(reader, p)
    if strncmp(p, b"true", 4) == 0:
        reader.number = 1
        reader.next = p + 4
        return BOOLEAN
    if strncmp(p, b"false", 5) == 0:
        reader.number = 0
        reader.next = p + 5
        return BOOLEAN
    if strncmp(p, b"null", 4) == 0:
        reader.next = p + 4
        return NULL_VALUE
    if lax and _is_invalid_json(p):
        return _number(reader, p)
    return _mistake(reader, p, b"invalid token")


cdef inline Token _next_token(lua_State* L, Reader* reader) noexcept nogil:
    cdef const char* p = reader.next
    cdef Token token
    while True:
        token = <Token>classes[<uint8_t>p[0]]
        if token != SPACE:
            break
        p += 1
    reader.index = p - reader.data
    reader.next = p
    if token == LONGER:
        if p[0] == c'"':
            return _string(L, reader, p + 1)
        return _longer_token(L, reader, p)
    if unlikely(token == MISTAKE):
        return _mistake(reader, p, b"invalid token")
    if token != END:
        reader.next = p + 1
    return token


# ---- Values

cdef void _descend(lua_State* L, Reader* reader, int slots) noexcept nogil:
    reader.depth += 1
    if reader.depth > reader.settings.decode_max_depth or not lua_checkstack(L, slots):
        luaL_error(L, b"Found too many nested data structures (%d) at character %d", reader.depth,
                   <int>(reader.next - reader.data))


cdef void _read_object(lua_State* L, Reader* reader) noexcept nogil:
    """Behind the brace: the table is pushed. Tables grow as their fields come, as in Redis: what pairs() shows
    first depends on it."""
    cdef Token token
    _descend(L, reader, 3)
    lua_newtable(L)
    token = _next_token(L, reader)
    if token == OBJECT_END:
        reader.depth -= 1
        return
    while True:
        if unlikely(token != STRING):
            _raise_unexpected(L, reader, token, b"object key string")
        lua_pushlstring(L, reader.text, reader.text_length)
        token = _next_token(L, reader)
        if unlikely(token != COLON):
            _raise_unexpected(L, reader, token, b"colon")
        _read_value(L, reader, _next_token(L, reader))
        lua_rawset(L, -3)
        token = _next_token(L, reader)
        if token == OBJECT_END:
            reader.depth -= 1
            return
        if unlikely(token != COMMA):
            _raise_unexpected(L, reader, token, b"comma or object end")
        token = _next_token(L, reader)


cdef void _read_array(lua_State* L, Reader* reader) noexcept nogil:
    cdef Token token
    cdef int position = 0
    _descend(L, reader, 2)
    lua_newtable(L)
    token = _next_token(L, reader)
    if token == ARRAY_END:
        reader.depth -= 1
        return
    while True:
        _read_value(L, reader, token)
        position += 1
        lua_rawseti(L, -2, position)
        token = _next_token(L, reader)
        if token == ARRAY_END:
            reader.depth -= 1
            return
        if unlikely(token != COMMA):
            _raise_unexpected(L, reader, token, b"comma or array end")
        token = _next_token(L, reader)


cdef void _read_value(lua_State* L, Reader* reader, Token token) noexcept nogil:
    """Push the value that begins with `token`. A null is cjson.null: a nil would delete its key."""
    if token == STRING:
        lua_pushlstring(L, reader.text, reader.text_length)
    elif token == NUMBER:
        lua_pushnumber(L, reader.number)
    elif token == OBJECT_BEGIN:
        _read_object(L, reader)
    elif token == ARRAY_BEGIN:
        _read_array(L, reader)
    elif token == BOOLEAN:
        lua_pushboolean(L, reader.number != 0)
    elif token == NULL_VALUE:
        lua_pushlightuserdata(L, NULL)
    else:
        _raise_unexpected(L, reader, token, b"value")


cdef int cjson_decode(lua_State* L) noexcept nogil:
    cdef Reader reader
    cdef size_t length
    cdef Token token
    if lua_gettop(L) != 1:
        return luaL_argerror(L, 1, b"expected 1 argument")
    reader.settings = <CjsonSettings*>lua_touserdata(L, lua_upvalueindex(1))
    reader.data = luaL_checklstring(L, 1, &length)
    reader.next = reader.data
    reader.depth = 0
    # The first character of JSON is ASCII: a zero beside it betrays wider code units.
    if length >= 2 and (reader.data[0] == 0 or reader.data[1] == 0):
        luaL_error(L, b"JSON parser does not support UTF-16 or UTF-32")
    _read_value(L, &reader, _next_token(L, &reader))
    token = _next_token(L, &reader)
    if token != END:
        _raise_unexpected(L, &reader, token, b"the end")
    lua_scratch_settle(L, &reader.settings.unescaped, True)
    return 1
