"""See struct.pxd. A format is read from left to right:

    < > !n      byte order; alignment (a power of two, 8 by default; none until asked for)
    b B h H     a signed or unsigned byte, short
    l L T       a long, an unsigned long, a size_t: eight bytes
    i I in In   an int, or an integer of n bytes, n <= 32
    f d         float, double
    x           a byte of padding
    c cn        n characters; c0: the whole string, or, when unpacking, as many as the number before it says
    s           a string that ends with a zero
    space       nothing

Sizes in the format come from the script: each is kept below 2**31 while it is read, and compared with what the
data has left before anything is added to a position (CVE-2018-11219, CVE-2020-14147).
"""
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr
from hutch_engine.scripting.lua_api cimport (
    luaL_Buffer, luaL_Reg, luaL_addchar, luaL_addlstring, luaL_argcheck, luaL_argerror, luaL_buffinit,
    luaL_checklstring, luaL_checknumber, luaL_checkstack, luaL_checkstring, luaL_error, luaL_optinteger,
    luaL_pushresult, luaL_register, lua_State, lua_isnumber, lua_pop, lua_pushfstring, lua_pushinteger,
    lua_pushlstring, lua_pushnil, lua_pushnumber, lua_settop, lua_tonumber)
from hutch_engine.scripting.lua_numbers cimport lua_as_int64, lua_as_uint64

cdef enum:
    INTEGER_SIZE_MAX = 32       # bytes of an integer in a format
    ALIGNMENT_DEFAULT = 8       # of '!' without a number
    SIZE_MAX_READ = 2147483647

cdef struct Layout:
    const char* format          # what is still to be read
    bint big_endian
    int alignment


cdef inline bint _is_digit(int c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint _is_letter_or_digit(int c) noexcept nogil:
    return _is_digit(c) or c'a' <= (c | 0x20) <= c'z'


cdef inline void _start(Layout* layout, const char* format) noexcept nogil:
    layout.format = format
    layout.big_endian = False
    layout.alignment = 1


cdef int _number(lua_State* L, Layout* layout, int otherwise) noexcept nogil:
    """The decimal number that stands next in the format, or `otherwise`."""
    cdef int64_t number = 0
    if not _is_digit(layout.format[0]):
        return otherwise
    while _is_digit(layout.format[0]):
        number = number * 10 + (layout.format[0] - c'0')
        if number > SIZE_MAX_READ:
            luaL_error(L, b"integral size overflow")
        layout.format += 1
    return <int>number


cdef size_t _option_size(lua_State* L, Layout* layout, int option) noexcept nogil:
    """Bytes that the option takes in the data, 0 where the option or the data decides."""
    cdef int size
    if option == c'b' or option == c'B' or option == c'x':
        return 1
    if option == c'h' or option == c'H':
        return 2
    if option == c'l' or option == c'L' or option == c'T' or option == c'd':
        return 8
    if option == c'f':
        return 4
    if option == c'c':
        return <size_t>_number(L, layout, 1)
    if option == c'i' or option == c'I':
        size = _number(L, layout, 4)
        if size > INTEGER_SIZE_MAX:
            luaL_error(L, b"integral size %d is larger than limit of %d", size, <int>INTEGER_SIZE_MAX)
        return <size_t>size
    return 0


cdef inline size_t _padding(const Layout* layout, size_t position, int option, size_t size) noexcept nogil:
    """Bytes before an option at `position`. For sizes that are no power of two the formula has no meaning, but
    a result: Redis's, so ours."""
    if size == 0 or option == c'c':
        return 0
    if size > <size_t>layout.alignment:
        size = <size_t>layout.alignment
    return (size - (position & (size - 1))) & (size - 1)


cdef void _control(lua_State* L, Layout* layout, int option) noexcept nogil:
    """An option that stands for no data."""
    cdef int alignment
    if option == c'<':
        layout.big_endian = False
    elif option == c'>':
        layout.big_endian = True
    elif option == c'!':
        alignment = _number(L, layout, ALIGNMENT_DEFAULT)
        if alignment <= 0 or alignment & (alignment - 1):
            luaL_error(L, b"alignment %d is not a power of 2", alignment)
        layout.alignment = alignment
    elif option != c' ':
        luaL_argerror(L, 1, lua_pushfstring(L, b"invalid format option '%c'", option))


cdef inline bint _is_integer(int option) noexcept nogil:
    return (option == c'b' or option == c'B' or option == c'h' or option == c'H' or option == c'i'
            or option == c'I' or option == c'l' or option == c'L' or option == c'T')


cdef void _put_integer(luaL_Buffer* buffer, uint64_t value, int size, bint big_endian) noexcept nogil:
    cdef char[INTEGER_SIZE_MAX] image
    cdef int i
    for i in range(size):
        image[size - 1 - i if big_endian else i] = <char>(value & 0xFF)
        value >>= 8
    luaL_addlstring(buffer, image, size)


cdef uint64_t _take_integer(const uint8_t* data, int size, bint big_endian) noexcept nogil:
    """The eight lowest bytes, where there are more."""
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value = value << 8 | data[i if big_endian else size - 1 - i]
    return value


cdef inline void _copy_reversed(char* target, const char* source, size_t size, bint reversed_) noexcept nogil:
    cdef size_t i
    for i in range(size):
        target[i] = source[size - 1 - i if reversed_ else i]


cdef int _pack(lua_State* L) noexcept nogil:
    cdef luaL_Buffer buffer
    cdef Layout layout
    cdef int argument = 2
    cdef int option
    cdef size_t total = 0
    cdef size_t size, padding, length
    cdef double number
    cdef float short_number
    cdef char[8] image
    cdef const char* text
    _start(&layout, luaL_checkstring(L, 1))
    lua_pushnil(L)              # so that a missing argument is not taken from the buffer's strings above it
    luaL_buffinit(L, &buffer)
    while layout.format[0]:
        option = layout.format[0]
        layout.format += 1
        size = _option_size(L, &layout, option)
        padding = _padding(&layout, total, option, size)
        total += padding + size
        while padding:
            luaL_addchar(&buffer, 0)
            padding -= 1
        if _is_integer(option):
            number = luaL_checknumber(L, argument)
            argument += 1
            _put_integer(&buffer, <uint64_t>lua_as_int64(number) if number < 0 else lua_as_uint64(number),
                         <int>size, layout.big_endian)
        elif option == c'x':
            luaL_addchar(&buffer, 0)
        elif option == c'f':
            short_number = <float>luaL_checknumber(L, argument)
            argument += 1
            _copy_reversed(image, <const char*>&short_number, 4, layout.big_endian)
            luaL_addlstring(&buffer, image, 4)
        elif option == c'd':
            number = luaL_checknumber(L, argument)
            argument += 1
            _copy_reversed(image, <const char*>&number, 8, layout.big_endian)
            luaL_addlstring(&buffer, image, 8)
        elif option == c'c' or option == c's':
            text = luaL_checklstring(L, argument, &length)
            argument += 1
            if size == 0:
                size = length
                total += length
            luaL_argcheck(L, length >= size, argument, b"string too short")
            luaL_addlstring(&buffer, text, size)
            if option == c's':
                luaL_addchar(&buffer, 0)
                total += 1
        else:
            _control(L, &layout, option)
    luaL_pushresult(&buffer)
    return 1


cdef int _unpack(lua_State* L) noexcept nogil:
    cdef Layout layout
    cdef size_t length, size, position
    cdef const char* data
    cdef const char* end
    cdef uint64_t value, sign
    cdef double number
    cdef float short_number
    cdef int option
    cdef int results = 0
    _start(&layout, luaL_checkstring(L, 1))
    data = luaL_checklstring(L, 2, &length)
    position = <size_t>luaL_optinteger(L, 3, 1)
    luaL_argcheck(L, position > 0, 3, b"offset must be 1 or greater")
    position -= 1
    lua_settop(L, 2)
    while layout.format[0]:
        option = layout.format[0]
        layout.format += 1
        size = _option_size(L, &layout, option)
        position += _padding(&layout, position, option, size)
        luaL_argcheck(L, size <= length and position <= length - size, 2, b"data string too short")
        luaL_checkstack(L, 2, b"too many results")
        if _is_integer(option):
            value = _take_integer(<const uint8_t*>data + position, <int>size, layout.big_endian)
            if option == c'b' or option == c'h' or option == c'i' or option == c'l':
                # Above eight bytes the sign is looked for where Redis's shift, modulo 64, happens to look.
                sign = ~<uint64_t>0 << ((size * 8 - 1) & 63)
                if value & sign:
                    value |= sign
                lua_pushnumber(L, <double><int64_t>value)
            else:
                lua_pushnumber(L, <double>value)
            results += 1
        elif option == c'x':
            pass
        elif option == c'f':
            _copy_reversed(<char*>&short_number, data + position, 4, layout.big_endian)
            lua_pushnumber(L, <double>short_number)
            results += 1
        elif option == c'd':
            _copy_reversed(<char*>&number, data + position, 8, layout.big_endian)
            lua_pushnumber(L, number)
            results += 1
        elif option == c'c':
            if size == 0:
                if results == 0 or not lua_isnumber(L, -1):
                    luaL_error(L, b"format 'c0' needs a previous size")
                size = <size_t>lua_as_uint64(lua_tonumber(L, -1))
                lua_pop(L, 1)
                results -= 1
                luaL_argcheck(L, size <= length and position <= length - size, 2, b"data string too short")
            lua_pushlstring(L, data + position, size)
            results += 1
        elif option == c's':
            end = <const char*>memchr(data + position, 0, length - position)
            if end == NULL:
                luaL_error(L, b"unfinished string in data")
            size = <size_t>(end - (data + position)) + 1
            lua_pushlstring(L, data + position, size - 1)
            results += 1
        else:
            _control(L, &layout, option)
        position += size
    lua_pushinteger(L, <ptrdiff_t>(position + 1))
    return results + 1


cdef int _size(lua_State* L) noexcept nogil:
    cdef Layout layout
    cdef size_t position = 0
    cdef size_t size
    cdef int option
    _start(&layout, luaL_checkstring(L, 1))
    while layout.format[0]:
        option = layout.format[0]
        layout.format += 1
        size = _option_size(L, &layout, option)
        position += _padding(&layout, position, option, size)
        if option == c's':
            luaL_argerror(L, 1, b"option 's' has no fixed size")
        elif option == c'c' and size == 0:
            luaL_argerror(L, 1, b"option 'c0' has no fixed size")
        # Letters that mean nothing pass here, and only here.
        if not _is_letter_or_digit(option):
            _control(L, &layout, option)
        position += size
    lua_pushinteger(L, <ptrdiff_t>position)
    return 1


cdef luaL_Reg[4] FUNCTIONS
FUNCTIONS[0] = luaL_Reg(b"pack", _pack)
FUNCTIONS[1] = luaL_Reg(b"unpack", _unpack)
FUNCTIONS[2] = luaL_Reg(b"size", _size)
FUNCTIONS[3] = luaL_Reg(NULL, NULL)


cdef void lua_open_struct(lua_State* L) noexcept nogil:
    luaL_register(L, b"struct", FUNCTIONS)
    lua_pop(L, 1)
