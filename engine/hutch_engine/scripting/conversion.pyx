"""See conversion.pxd."""
from libc.math cimport isnan
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memchr, strlen
from hutch_engine.base.buffer cimport Buffer, buffer_append
from hutch_engine.base.numbers cimport read_double
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.reply cimport (
    Reply, reply_array_at, reply_big_number, reply_bool, reply_bulk, reply_double, reply_error,
    reply_integer, reply_map_at, reply_mark, reply_null, reply_one, reply_set_at, reply_verbatim)
from hutch_engine.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_State, lua_checkstack, lua_concat, lua_createtable,
    lua_next, lua_pop, lua_pushboolean, lua_pushlstring, lua_pushnil, lua_pushnumber, lua_pushvalue, lua_rawget,
    lua_rawgeti, lua_rawset, lua_rawseti, lua_toboolean, lua_tolstring, lua_tonumber, lua_type, luaL_checkstack)

cdef enum:
    CR = 13
    LF = 10


# ---- RESP to Lua

cdef inline const char* _number(const char* at, int64_t* value_out) noexcept nogil:
    """Digits up to CR LF; returns what follows."""
    cdef bint negative = at[0] == c'-'
    cdef int64_t value = 0
    if negative:
        at += 1
    while at[0] != CR:
        value = value * 10 - (at[0] - 48)            # downwards: INT64_MIN has no positive
        at += 1
    value_out[0] = value if negative else -value
    return at + 2


cdef inline const char* _line(const char* at, const char* end, Slice* text_out) noexcept nogil:
    cdef const char* stop = <const char*>memchr(at, CR, <size_t>(end - at))
    if stop == NULL:
        stop = end - 2
    text_out[0] = slice_of(at, <size_t>(stop - at))
    return stop + 2


cdef inline void _set_field(lua_State* L, const char* name, Slice value) noexcept nogil:
    """t[name] = value for the table on the top."""
    lua_pushlstring(L, name, strlen(name))
    lua_pushlstring(L, value.data, value.length)
    lua_rawset(L, -3)


cdef const char* conversion_push_reply(lua_State* L, const char* at, const char* end) noexcept nogil:
    cdef char kind = at[0]
    cdef int64_t number, i
    cdef Slice text
    at += 1
    if kind == c'$':
        at = _number(at, &number)
        if number < 0:
            lua_pushboolean(L, 0)
            return at
        lua_pushlstring(L, at, <size_t>number)
        return at + number + 2
    if kind == c':':
        at = _number(at, &number)
        lua_pushnumber(L, <double>number)
        return at
    luaL_checkstack(L, 5, b"reply nested too deep")
    if kind == c'+':
        at = _line(at, end, &text)
        lua_createtable(L, 0, 1)
        _set_field(L, b"ok", text)
        return at
    if kind == c'-':
        at = _line(at, end, &text)
        # With its dash, so that a code is told from a text without one.
        conversion_push_error(L, slice_of(text.data - 1, text.length + 1), True)
        return at
    if kind == c'*' or kind == c'>':
        at = _number(at, &number)
        if number < 0:
            lua_pushboolean(L, 0)
            return at
        lua_createtable(L, <int>number, 0)
        for i in range(number):
            at = conversion_push_reply(L, at, end)
            lua_rawseti(L, -2, <int>(i + 1))
        return at
    if kind == c'_':
        lua_pushnil(L)
        return at + 2
    if kind == c'#':
        lua_pushboolean(L, at[0] == c't')
        return at + 3
    if kind == c',':
        at = _line(at, end, &text)
        lua_createtable(L, 0, 1)
        lua_pushlstring(L, b"double", 6)
        lua_pushnumber(L, read_double(text.data))
        lua_rawset(L, -3)
        return at
    if kind == c'(':
        at = _line(at, end, &text)
        lua_createtable(L, 0, 1)
        _set_field(L, b"big_number", text)
        return at
    if kind == c'=':
        at = _number(at, &number)
        lua_createtable(L, 0, 1)
        lua_pushlstring(L, b"verbatim_string", 15)
        lua_createtable(L, 0, 2)
        _set_field(L, b"format", slice_of(at, 3))
        _set_field(L, b"string", slice_of(at + 4, <size_t>number - 4))
        lua_rawset(L, -3)
        return at + number + 2
    # A map or a set: a table in a table.
    at = _number(at, &number)
    lua_createtable(L, 0, 1)
    if kind == c'%':
        lua_pushlstring(L, b"map", 3)
        lua_createtable(L, 0, <int>number)
        for i in range(number):
            at = conversion_push_reply(L, at, end)
            at = conversion_push_reply(L, at, end)
            lua_rawset(L, -3)
    else:
        lua_pushlstring(L, b"set", 3)
        lua_createtable(L, 0, <int>number)
        for i in range(number):
            at = conversion_push_reply(L, at, end)
            lua_pushboolean(L, 1)
            lua_rawset(L, -3)
    lua_rawset(L, -3)
    return at


cdef inline Slice _without_line_end(Slice text) noexcept nogil:
    while text.length and (text.data[text.length - 1] == CR or text.data[text.length - 1] == LF):
        text.length -= 1
    return text


cdef void conversion_push_error(lua_State* L, Slice text, bint counted) noexcept nogil:
    cdef bint has_code = False
    lua_createtable(L, 0, 4 if counted else 3)       # room for source and line too
    text = _without_line_end(text)
    if text.length and text.data[0] == c'-':
        has_code = memchr(text.data, c' ', text.length) != NULL
        text = slice_of(text.data + 1, text.length - 1)
    lua_pushlstring(L, b"err", 3)
    if has_code:
        lua_pushlstring(L, text.data, text.length)
    else:
        _push_with_code(L, text)
    lua_rawset(L, -3)
    if counted:
        lua_pushlstring(L, b"ignore_error_stats_update", 25)
        lua_pushboolean(L, 1)
        lua_rawset(L, -3)


cdef void _push_with_code(lua_State* L, Slice text) noexcept nogil:
    lua_pushlstring(L, b"ERR ", 4)
    lua_pushlstring(L, text.data, text.length)
    lua_concat(L, 2)


cdef void conversion_push_error_text(lua_State* L, const char* text, bint counted) noexcept nogil:
    conversion_push_error(L, slice_of_text(text), counted)


# ---- Lua to RESP

cdef inline bint _field(lua_State* L, const char* name, size_t length, int type) noexcept nogil:
    """Push the raw field of the table on the top when it has this type (a number passes for a string)."""
    cdef int found
    lua_pushlstring(L, name, length)
    lua_rawget(L, -2)
    found = lua_type(L, -1)
    if found == type:
        return True
    lua_pop(L, 1)
    return False


cdef inline Slice _text(lua_State* L, int index) noexcept nogil:
    cdef size_t length = 0
    cdef const char* data = lua_tolstring(L, index, &length)
    return slice_of(data, length)


cdef inline Slice _line_text(lua_State* L, int index) noexcept nogil:
    """As Redis takes the text of an error or a status: a zero byte ends it."""
    return slice_of_text(lua_tolstring(L, index, NULL))


cdef void _append_line(Reply* reply, char kind, Slice text) noexcept nogil:
    """A one-line reply; CR and LF inside become spaces."""
    cdef Buffer* buffer = &reply.buffer
    cdef size_t at
    buffer_append(buffer, &kind, 1)
    at = buffer.length
    buffer_append(buffer, text.data, text.length)
    while at < buffer.length:
        if buffer.data[at] == CR or buffer.data[at] == LF:
            buffer.data[at] = c' '
        at += 1
    buffer_append(buffer, b"\r\n", 2)


cdef void conversion_write_error(Reply* reply, Slice text) noexcept nogil:
    _append_line(reply, c'-', _without_line_end(text))


cdef inline int64_t _truncated(double number) noexcept nogil:
    """(long long)number as the processor of most of Redis's servers does it."""
    if isnan(number) or number >= 9223372036854775808.0 or number < -9223372036854775808.0:
        return INT64_MIN
    return <int64_t>number


cdef void conversion_write_reply(lua_State* L, Reply* reply, int script_resp, bint* counted_out) noexcept nogil:
    cdef int type = lua_type(L, -1)
    if not lua_checkstack(L, 4):
        # Redis's words. The stack is full of tables inside tables.
        reply_error(reply, b"ERR reached lua stack limit")
        lua_pop(L, 1)
        return
    if type == LUA_TSTRING:
        reply_bulk(reply, _text(L, -1))
    elif type == LUA_TNUMBER:
        reply_integer(reply, _truncated(lua_tonumber(L, -1)))
    elif type == LUA_TBOOLEAN:
        if script_resp >= 3:
            reply_bool(reply, lua_toboolean(L, -1))
        elif lua_toboolean(L, -1):
            reply_one(reply)
        else:
            reply_null(reply)
    elif type == LUA_TTABLE:
        _write_table(L, reply, script_resp, counted_out)
    else:
        reply_null(reply)
    lua_pop(L, 1)


cdef void _write_table(lua_State* L, Reply* reply, int script_resp, bint* counted_out) noexcept nogil:
    """The table on the top, which stays there."""
    cdef size_t mark
    cdef int64_t count = 0
    cdef Slice format
    cdef Slice text
    if _field(L, b"err", 3, LUA_TSTRING):
        conversion_write_error(reply, _line_text(L, -1))
        lua_pop(L, 1)
        if _field(L, b"ignore_error_stats_update", 25, LUA_TBOOLEAN):
            if lua_toboolean(L, -1):
                counted_out[0] = True
            lua_pop(L, 1)
        return
    if _field(L, b"ok", 2, LUA_TSTRING):
        _append_line(reply, c'+', _line_text(L, -1))
        lua_pop(L, 1)
        return
    if _field(L, b"double", 6, LUA_TNUMBER):
        reply_double(reply, lua_tonumber(L, -1))
        lua_pop(L, 1)
        return
    if _field(L, b"big_number", 10, LUA_TSTRING):
        _write_big_number(reply, _text(L, -1))
        lua_pop(L, 1)
        return
    if _field(L, b"verbatim_string", 15, LUA_TTABLE):
        if _field(L, b"string", 6, LUA_TSTRING):
            text = _text(L, -1)
            lua_pushvalue(L, -2)
            if _field(L, b"format", 6, LUA_TSTRING):
                format = _text(L, -1)
                _write_verbatim(reply, text, format)
                lua_pop(L, 4)
                return
            lua_pop(L, 2)
        lua_pop(L, 1)
    if _field(L, b"map", 3, LUA_TTABLE):
        mark = reply_mark(reply)
        lua_pushnil(L)
        while lua_next(L, -2):
            lua_pushvalue(L, -2)
            conversion_write_reply(L, reply, script_resp, counted_out)
            conversion_write_reply(L, reply, script_resp, counted_out)
            count += 1
        reply_map_at(reply, mark, count)
        lua_pop(L, 1)
        return
    if _field(L, b"set", 3, LUA_TTABLE):
        mark = reply_mark(reply)
        lua_pushnil(L)
        while lua_next(L, -2):
            lua_pop(L, 1)
            lua_pushvalue(L, -1)
            conversion_write_reply(L, reply, script_resp, counted_out)
            count += 1
        reply_set_at(reply, mark, count)
        lua_pop(L, 1)
        return
    _write_array(L, reply, script_resp, counted_out)


cdef void _write_array(lua_State* L, Reply* reply, int script_resp, bint* counted_out) noexcept nogil:
    """Up to the first nil. The count is known only then: most often it needs no more room than was kept for it."""
    cdef size_t mark = reply_mark(reply)
    cdef int64_t count = 0
    while True:
        lua_rawgeti(L, -1, <int>(count + 1))
        if lua_type(L, -1) == LUA_TNIL:
            lua_pop(L, 1)
            break
        conversion_write_reply(L, reply, script_resp, counted_out)
        count += 1
    reply_array_at(reply, mark, count)


cdef void _write_big_number(Reply* reply, Slice digits) noexcept nogil:
    cdef size_t at = reply_mark(reply)
    reply_big_number(reply, digits)
    _blank(reply, at, digits.length)


cdef void _blank(Reply* reply, size_t mark, size_t length) noexcept nogil:
    """Line breaks among the last `length` bytes before the final CR LF become spaces."""
    cdef Buffer* buffer = &reply.buffer
    cdef size_t i
    if buffer.length < mark + length + 2:
        return
    for i in range(buffer.length - 2 - length, buffer.length - 2):
        if buffer.data[i] == CR or buffer.data[i] == LF:
            buffer.data[i] = c' '


cdef void _write_verbatim(Reply* reply, Slice text, Slice format) noexcept nogil:
    """The format has three letters: longer ones are cut, shorter ones filled with spaces."""
    cdef char[4] letters
    cdef size_t i
    for i in range(3):
        letters[i] = format.data[i] if i < format.length else c' '
    letters[3] = 0
    reply_verbatim(reply, text, letters)
