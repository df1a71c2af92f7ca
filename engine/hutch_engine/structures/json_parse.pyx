"""See json_parse.pxd."""
from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from hutch_engine.base.compiler cimport ctz64, likely, load_u64, unlikely
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_alloc, heap_try_resize
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.json_number cimport json_read_double
from hutch_engine.structures.json_scan cimport json_is_ascii8, json_special_bytes
from hutch_engine.structures.json_value cimport (
    JSON_COUNT_MAX, JSON_DECIMAL, JSON_DEPTH_MAX, JSON_EMPTY_ARRAY, JSON_EMPTY_OBJECT, JSON_FALSE, JSON_NONE, JSON_NULL,
    JSON_TEXT, JSON_TEXT_MAX, JSON_TRUE, JsonMaker, JsonMember, JsonWord, json_array_of, json_free, json_key_of,
    json_key_release, json_key_share, json_key_text, json_object_of, json_of_double, json_of_integer, json_of_short,
    json_of_text, json_of_unsigned)

cdef enum:
    STACK_WORDS = 256            # what the C stack has room for
    KEYS_KEPT = 64               # recent long keys, to be shared: a power of two
    DECIMAL_PLACES_MAX = 19
    DECIMAL_POINT_MIN = -4       # of a plain spelling: 0.00001
    EXPONENT_MAX = 100000000     # larger ones are all the same
    DECIMAL_END = 1000000000000000               # 10**15

cdef uint64_t[20] _powers
cdef int _power
_powers[0] = 1
for _power in range(1, 20):
    _powers[_power] = _powers[_power - 1] * 10

cdef struct Parser:
    const JsonMaker* maker
    const char* at
    const char* end
    const char* begin
    JsonWord* stack              # elements, and in turn keys and values, of what is still open
    size_t count
    size_t capacity
    size_t owned_bytes           # of the stack, once it is in the heap
    const char* what             # the fault, when there is one
    const char* where            # behind the byte that it is told with
    bint refused
    uint32_t depth
    uint32_t deepest
    uint32_t depth_max
    uint32_t[JSON_DEPTH_MAX] begins      # where on the stack each level begins ...
    uint8_t[JSON_DEPTH_MAX] is_object    # ... and what it is
    bint keeps
    JsonWord[KEYS_KEPT] keys             # each held by one reference of ours
    JsonWord[STACK_WORDS] local


# ---- UTF-8

cdef bint json_is_utf8(Slice text) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>text.data
    cdef const uint8_t* end = at + text.length
    cdef uint8_t c, first, last
    cdef int more
    while at < end:
        if end - at >= 8 and json_is_ascii8(load_u64(at)):
            at += 8
            continue
        c = at[0]
        at += 1
        if c < 0x80:
            continue
        # The second byte's range keeps out what is too long, the surrogates, and what lies beyond U+10FFFF.
        first = 0x80
        last = 0xBF
        if 0xC2 <= c <= 0xDF:
            more = 1
        elif 0xE0 <= c <= 0xEF:
            more = 2
            if c == 0xE0:
                first = 0xA0
            elif c == 0xED:
                last = 0x9F
        elif 0xF0 <= c <= 0xF4:
            more = 3
            if c == 0xF0:
                first = 0x90
            elif c == 0xF4:
                last = 0x8F
        else:
            return False
        if end - at < more or not first <= at[0] <= last:
            return False
        at += 1
        more -= 1
        while more:
            if at[0] & 0xC0 != 0x80:
                return False
            at += 1
            more -= 1
    return True


# ---- faults

cdef inline JsonWord _fault(Parser* parser, const char* what, const char* where) noexcept nogil:
    parser.what = what
    parser.where = where
    return JSON_NONE


cdef inline JsonWord _fault_here(Parser* parser, const char* what) noexcept nogil:
    """About the next byte, which counts as read."""
    return _fault(parser, what, parser.at + 1 if parser.at < parser.end else parser.end)


cdef inline JsonWord _refused(Parser* parser) noexcept nogil:
    parser.refused = True
    return JSON_NONE


cdef void _place(const Parser* parser, JsonFault* fault_out) noexcept nogil:
    cdef const char* at = parser.begin
    cdef const char* line = at
    fault_out.what = parser.what
    fault_out.line = 1
    while at < parser.where:
        if at[0] == c'\n':
            fault_out.line += 1
            line = at + 1
        at += 1
    fault_out.column = parser.where - line


# ---- pieces

cdef inline void _skip_spaces(Parser* parser) noexcept nogil:
    cdef const char* at = parser.at
    while at < parser.end and (at[0] == c' ' or at[0] == c'\n' or at[0] == c'\t' or at[0] == c'\r'):
        at += 1
    parser.at = at


cdef inline const char* _plain_end(const char* at, const char* end) noexcept nogil:
    """The first quote, backslash or control character from `at` on, or the end."""
    cdef uint64_t word, found
    while end - at >= 8:
        word = load_u64(at)
        found = json_special_bytes(word)
        if found:
            return at + (ctz64(found) >> 3)
        at += 8
    while at < end and at[0] != c'"' and at[0] != c'\\' and <uint8_t>at[0] >= 0x20:
        at += 1
    return at


cdef int _hex4(Parser* parser) noexcept nogil:
    """Four digits; -1: a fault."""
    cdef int value = 0
    cdef int i
    cdef char c
    cdef bint right = True
    if parser.end - parser.at < 4:
        parser.at = parser.end
        _fault(parser, b"EOF while parsing a string", parser.end)
        return -1
    for i in range(4):
        c = parser.at[i]
        value <<= 4
        if c'0' <= c <= c'9':
            value |= c - c'0'
        elif c'a' <= (c | 32) <= c'f':
            value |= (c | 32) - c'a' + 10
        else:
            right = False
    parser.at += 4
    if not right:
        _fault(parser, b"invalid escape", parser.at)
        return -1
    return value


cdef int _escaped_point(Parser* parser) noexcept nogil:
    """Behind a \\u: the code point; -1: a fault."""
    cdef int first = _hex4(parser)
    cdef int second, i
    if first < 0xD800 or first > 0xDFFF:
        return first
    if first >= 0xDC00:
        _fault(parser, b"lone leading surrogate in hex escape", parser.at)
        return -1
    for i in range(2):
        if parser.at == parser.end:
            _fault(parser, b"EOF while parsing a string", parser.end)
            return -1
        parser.at += 1
        if (parser.at - 1)[0] != (c'u' if i else c'\\'):
            _fault(parser, b"unexpected end of hex escape", parser.at)
            return -1
    second = _hex4(parser)
    if second < 0:
        return -1
    if second < 0xDC00 or second > 0xDFFF:
        _fault(parser, b"lone leading surrogate in hex escape", parser.at)
        return -1
    return ((first - 0xD800) << 10 | (second - 0xDC00)) + 0x10000


cdef inline char* _put_point(int point, char* out) noexcept nogil:
    if point < 0x80:
        out[0] = <char>point
        return out + 1
    if point < 0x800:
        out[0] = <char>(0xC0 | point >> 6)
        out[1] = <char>(0x80 | point & 63)
        return out + 2
    if point < 0x10000:
        out[0] = <char>(0xE0 | point >> 12)
        out[1] = <char>(0x80 | point >> 6 & 63)
        out[2] = <char>(0x80 | point & 63)
        return out + 3
    out[0] = <char>(0xF0 | point >> 18)
    out[1] = <char>(0x80 | point >> 12 & 63)
    out[2] = <char>(0x80 | point >> 6 & 63)
    out[3] = <char>(0x80 | point & 63)
    return out + 4


cdef char* _unescape(Parser* parser, char* out) noexcept nogil:
    """The rest of a string, from a backslash on, to `out`, where there is room for what stands up to the closing quote; the end of
    it, or NULL: a fault."""
    cdef const char* stop
    cdef char c
    cdef int point
    while True:
        stop = _plain_end(parser.at, parser.end)
        if out != parser.at:
            memcpy(out, parser.at, stop - parser.at)
        out += stop - parser.at
        parser.at = stop
        if stop == parser.end:
            _fault(parser, b"EOF while parsing a string", stop)
            return NULL
        c = stop[0]
        parser.at += 1
        if c == c'"':
            return out
        if c != c'\\':
            _fault(parser, b"control character (\\u0000-\\u001F) found while parsing a string", parser.at)
            return NULL
        if parser.at == parser.end:
            _fault(parser, b"EOF while parsing a string", parser.end)
            return NULL
        c = parser.at[0]
        parser.at += 1
        if c == c'u':
            point = _escaped_point(parser)
            if point < 0:
                return NULL
            out = _put_point(point, out)
            continue
        if c == c'n':
            c = c'\n'
        elif c == c't':
            c = c'\t'
        elif c == c'r':
            c = c'\r'
        elif c == c'b':
            c = 8
        elif c == c'f':
            c = 12
        elif c != c'"' and c != c'\\' and c != c'/':
            _fault(parser, b"invalid escape", parser.at)
            return NULL
        out[0] = c
        out += 1


cdef inline size_t _string_room(Parser* parser, const char* begin) noexcept nogil:
    """How much of the text a string may take: up to its closing quote, if there is one."""
    cdef const char* at = parser.at
    while True:
        at = _plain_end(at, parser.end)
        if at == parser.end or at[0] == c'"':
            return at - begin
        at += 2 if at[0] == c'\\' and parser.end - at > 1 else 1


cdef JsonWord _shared_key(Parser* parser, Slice text) noexcept nogil:
    """A key of the text, which others of the same document may have."""
    cdef uint64_t mixed
    cdef JsonWord* kept
    cdef JsonWord key
    cdef Slice known
    cdef int way
    if text.length <= JSON_TEXT_MAX:
        return json_of_short(text.data, text.length)
    mixed = (load_u64(text.data) ^ load_u64(text.data + text.length - 8) * 3 ^ text.length) * <uint64_t>0x9E3779B97F4A7C15
    # Two places for each, so that two names of the same objects seldom take turns in one.
    for way in range(2):
        kept = &parser.keys[(mixed >> 58) ^ way]
        if kept[0] == JSON_NONE:
            break
        known = json_key_text(kept)
        if known.length == text.length and memcmp(known.data, text.data, text.length) == 0 and json_key_share(kept[0]):
            return kept[0]
    key = json_key_of(parser.maker.heap, text)
    if unlikely(key == JSON_NONE):
        return _refused(parser)
    if json_key_share(key):
        if kept[0] != JSON_NONE:
            json_key_release(parser.maker.heap, kept[0])
        kept[0] = key
        parser.keeps = True
    return key


cdef inline JsonWord _word_of(Parser* parser, Slice text, bint is_key) noexcept nogil:
    cdef JsonWord word
    if unlikely(text.length > <size_t>0xFFFFFFF0):
        return _refused(parser)
    if is_key:
        return _shared_key(parser, text)
    word = json_of_text(parser.maker.heap, text)
    return word if likely(word != JSON_NONE) else _refused(parser)


cdef JsonWord _escaped_word(Parser* parser, const char* begin, const char* stop, bint is_key) noexcept nogil:
    """Of a string that has a backslash, or a fault, at `stop`."""
    cdef Heap* heap = parser.maker.heap
    cdef JsonWord word = JSON_NONE
    cdef char* out
    cdef char* copy
    cdef size_t room
    parser.at = stop
    room = _string_room(parser, begin)
    copy = <char*>heap_try_alloc(heap, room + 1)
    if unlikely(copy == NULL):
        return _refused(parser)
    memcpy(copy, begin, stop - begin)
    out = _unescape(parser, copy + (stop - begin))
    if out != NULL:
        word = _word_of(parser, slice_of(copy, out - copy), is_key)
    heap_free(heap, copy, room + 1)
    return word


cdef JsonWord _long_word(Parser* parser, bint is_key) noexcept nogil:
    cdef const char* begin = parser.at
    cdef const char* stop = _plain_end(begin, parser.end)
    if unlikely(stop == parser.end or stop[0] != c'"'):
        return _escaped_word(parser, begin, stop, is_key)
    parser.at = stop + 1
    return _word_of(parser, slice_of(begin, stop - begin), is_key)


cdef inline JsonWord _text_word(Parser* parser, bint is_key) noexcept nogil:
    """Behind the opening quote. What is short is a word already: the eight bytes in which its end was found."""
    cdef uint64_t bytes, found
    cdef int length
    if likely(parser.end - parser.at >= 8):
        bytes = load_u64(parser.at)
        found = json_special_bytes(bytes)
        if found:
            length = ctz64(found) >> 3
            if likely(parser.at[length] == c'"'):
                parser.at += length + 1
                return (bytes & (<uint64_t>1 << (8 * length)) - 1) << 8 | <uint64_t>length << 3 | JSON_TEXT
    return _long_word(parser, is_key)


cdef JsonWord _double(Parser* parser, uint64_t digits, int64_t exponent, bint whole, bint negative, Slice text) noexcept nogil:
    """digits * 10**exponent; not `whole`: there were more digits."""
    cdef JsonWord word
    cdef double value
    cdef uint64_t plain = digits
    cdef int64_t places = -exponent
    cdef int count
    if whole and digits < <uint64_t>DECIMAL_END * 1000:
        while plain % 10 == 0 and places > 0 and plain:
            plain //= 10
            places -= 1
        if plain == 0:
            places = 0
        if -15 <= places < 0 and plain < DECIMAL_END // _powers[-places]:
            plain *= _powers[-places]
            places = 0
        if plain < DECIMAL_END and 0 <= places <= DECIMAL_PLACES_MAX and not (plain == 0 and negative):
            count = 1
            while count < 15 and plain >= _powers[count]:
                count += 1
            if plain == 0 or count - places >= DECIMAL_POINT_MIN:
                return <uint64_t>(-<int64_t>plain if negative else <int64_t>plain) << 8 | <uint64_t>places << 3 | JSON_DECIMAL
    value = json_read_double(digits, exponent, text) if whole else json_read_double(UINT64_MAX, exponent, text)
    if unlikely(value == INFINITY):
        return _fault(parser, b"number out of range", parser.at)
    word = json_of_double(parser.maker.heap, -value if negative else value)
    if unlikely(word == JSON_NONE):
        return _refused(parser)
    return word


cdef JsonWord _number(Parser* parser) noexcept nogil:
    cdef const char* at = parser.at
    cdef const char* end = parser.end
    cdef const char* begin
    cdef bint negative = at[0] == c'-'
    cdef uint64_t digits = 0
    cdef uint64_t digit
    cdef int64_t exponent = 0
    cdef int64_t written = 0
    cdef bint whole = True
    cdef bint is_integer = True
    cdef bint sinking = False
    cdef JsonWord word
    at += negative
    begin = at
    if at == end:
        return _fault(parser, b"EOF while parsing a value", end)
    if at[0] == c'0':
        at += 1
        if at < end and c'0' <= at[0] <= c'9':
            parser.at = at
            return _fault_here(parser, b"invalid number")
    elif c'1' <= at[0] <= c'9':
        while at < end and c'0' <= at[0] <= c'9':
            digit = at[0] - c'0'
            if unlikely(not whole or digits > (UINT64_MAX - digit) // 10):
                whole = False
                exponent += 1
            else:
                digits = digits * 10 + digit
            at += 1
    else:
        return _fault(parser, b"invalid number", at + 1)
    if at < end and at[0] == c'.':
        is_integer = False
        at += 1
        if at == end or not c'0' <= at[0] <= c'9':
            parser.at = at
            return _fault_here(parser, b"invalid number" if at < end else b"EOF while parsing a value")
        while at < end and c'0' <= at[0] <= c'9':
            digit = at[0] - c'0'
            if unlikely(not whole or digits > (UINT64_MAX - digit) // 10):
                whole = False
            else:
                digits = digits * 10 + digit
                exponent -= 1
            at += 1
    if at < end and (at[0] == c'e' or at[0] == c'E'):
        is_integer = False
        at += 1
        if at < end and (at[0] == c'+' or at[0] == c'-'):
            sinking = at[0] == c'-'
            at += 1
        if at == end:
            return _fault(parser, b"EOF while parsing a value", end)
        if not c'0' <= at[0] <= c'9':
            return _fault(parser, b"invalid number", at + 1)
        while at < end and c'0' <= at[0] <= c'9':
            if written < EXPONENT_MAX:
                written = written * 10 + (at[0] - c'0')
            at += 1
        exponent += -written if sinking else written
    parser.at = at
    if is_integer and whole and (digits or not negative):
        if not negative:
            word = json_of_unsigned(parser.maker.heap, digits)
        elif digits <= <uint64_t>1 << 63:
            word = json_of_integer(parser.maker.heap, <int64_t>(0 - digits))
        else:
            return _double(parser, digits, 0, True, True, slice_of(begin, at - begin))
        return word if likely(word != JSON_NONE) else _refused(parser)
    return _double(parser, digits, exponent, whole, negative, slice_of(begin, at - begin))


cdef JsonWord _name(Parser* parser, const char* rest, JsonWord word) noexcept nogil:
    """null, true or false, whose first letter was seen."""
    parser.at += 1
    while rest[0] != 0:
        if parser.at == parser.end:
            return _fault(parser, b"EOF while parsing a value", parser.end)
        parser.at += 1
        if (parser.at - 1)[0] != rest[0]:
            return _fault(parser, b"expected ident", parser.at)
        rest += 1
    return word


cdef inline JsonWord _scalar(Parser* parser) noexcept nogil:
    cdef char c = parser.at[0]
    if c == c'"':
        parser.at += 1
        return _text_word(parser, False)
    if c'0' <= c <= c'9' or c == c'-':
        return _number(parser)
    if c == c'n':
        return _name(parser, b"ull", JSON_NULL)
    if c == c't':
        return _name(parser, b"rue", JSON_TRUE)
    if c == c'f':
        return _name(parser, b"alse", JSON_FALSE)
    return _fault_here(parser, b"expected value")


# ---- the stack

cdef bint _stack_grow(Parser* parser) noexcept nogil:
    cdef size_t bytes = parser.capacity * sizeof(JsonWord)
    cdef JsonWord* stack
    if parser.owned_bytes:
        stack = <JsonWord*>heap_try_resize(parser.maker.heap, parser.stack, bytes, bytes * 2)
    else:
        stack = <JsonWord*>heap_try_alloc(parser.maker.heap, bytes * 2)
        if stack != NULL:
            memcpy(stack, parser.stack, bytes)
    if stack == NULL or parser.capacity > JSON_COUNT_MAX:
        if stack != NULL:
            parser.stack = stack
            parser.owned_bytes = bytes * 2
        parser.refused = True
        return False
    parser.stack = stack
    parser.capacity *= 2
    parser.owned_bytes = bytes * 2
    return True


cdef inline bint _push(Parser* parser, JsonWord word) noexcept nogil:
    """The stack owns the word from now on, or the caller still does: False."""
    if unlikely(parser.count == parser.capacity) and not _stack_grow(parser):
        return False
    parser.stack[parser.count] = word
    parser.count += 1
    return True


cdef void _drop(Parser* parser) noexcept nogil:
    """Free what lies on the stack: in an object every other word is a key."""
    cdef size_t i, end
    cdef uint32_t level = parser.depth
    while level:
        level -= 1
        end = parser.begins[level + 1] if level + 1 < parser.depth else parser.count
        for i in range(parser.begins[level], end):
            if parser.is_object[level] and (i - parser.begins[level]) & 1 == 0:
                json_key_release(parser.maker.heap, parser.stack[i])
            else:
                json_free(parser.maker.heap, parser.stack[i])


# ---- the whole

cdef bint _key(Parser* parser) noexcept nogil:
    """A key, the colon and the spaces behind it; the key lies on the stack."""
    cdef JsonWord key
    parser.at += 1
    key = _text_word(parser, True)
    if key == JSON_NONE:
        return False
    if unlikely(not _push(parser, key)):
        json_key_release(parser.maker.heap, key)
        return False
    _skip_spaces(parser)
    if unlikely(parser.at == parser.end or parser.at[0] != c':'):
        _fault_here(parser, b"expected `:`" if parser.at < parser.end else b"EOF while parsing an object")
        return False
    parser.at += 1
    _skip_spaces(parser)
    return True


cdef JsonWord _open(Parser* parser, bint is_object) noexcept nogil:
    """At a bracket: [] or {}, or JSON_NONE: a new level has begun (or there is a fault)."""
    if unlikely(parser.depth == parser.depth_max):
        return _fault_here(parser, b"recursion limit exceeded")
    parser.at += 1
    _skip_spaces(parser)
    if parser.depth == parser.deepest:
        parser.deepest += 1
    if parser.at == parser.end:
        return _fault(parser, b"EOF while parsing an object" if is_object else b"EOF while parsing a list", parser.end)
    if parser.at[0] == (c'}' if is_object else c']'):
        parser.at += 1
        return JSON_EMPTY_OBJECT if is_object else JSON_EMPTY_ARRAY
    if is_object and parser.at[0] != c'"':
        return _fault_here(parser, b"key must be a string")
    parser.begins[parser.depth] = <uint32_t>parser.count
    parser.is_object[parser.depth] = is_object
    parser.depth += 1
    if is_object:
        _key(parser)
    return JSON_NONE


cdef inline bint _failed(const Parser* parser) noexcept nogil:
    return parser.what != NULL or parser.refused


cdef JsonWord _close(Parser* parser, bint is_object) noexcept nogil:
    """The elements of the innermost level become a value, and leave the stack."""
    cdef size_t begin = parser.begins[parser.depth - 1]
    cdef size_t count = parser.count - begin
    cdef JsonWord word
    if is_object:
        word = json_object_of(parser.maker, <JsonMember*>(parser.stack + begin), count // 2)
    else:
        word = json_array_of(parser.maker.heap, parser.stack + begin, count)
    parser.count = begin
    parser.depth -= 1
    return word if likely(word != JSON_NONE) else _refused(parser)


cdef bint _next(Parser* parser, bint is_object) noexcept nogil:
    """Behind a comma: at the next element, or the value of the next member."""
    parser.at += 1
    _skip_spaces(parser)
    if not is_object:
        if unlikely(parser.at < parser.end and parser.at[0] == c']'):
            _fault_here(parser, b"trailing comma")
            return False
        return True
    if likely(parser.at < parser.end and parser.at[0] == c'"'):
        return _key(parser)
    if parser.at == parser.end:
        _fault_here(parser, b"EOF while parsing a value")
    else:
        _fault_here(parser, b"trailing comma" if parser.at[0] == c'}' else b"key must be a string")
    return False


cdef JsonWord _parse(Parser* parser) noexcept nogil:
    cdef JsonWord word
    cdef bint is_object
    cdef char c
    _skip_spaces(parser)
    while True:
        if unlikely(parser.at == parser.end):
            return _fault(parser, b"EOF while parsing a value", parser.end)
        c = parser.at[0]
        if c == c'{' or c == c'[':
            word = _open(parser, c == c'{')
            if word == JSON_NONE:
                if unlikely(_failed(parser)):
                    return JSON_NONE
                continue
        else:
            word = _scalar(parser)
            if unlikely(word == JSON_NONE):
                return JSON_NONE
        # A value is complete, and perhaps what it stands in.
        while True:
            if parser.depth == 0:
                return word
            if unlikely(not _push(parser, word)):
                json_free(parser.maker.heap, word)
                return JSON_NONE
            is_object = parser.is_object[parser.depth - 1]
            _skip_spaces(parser)
            if unlikely(parser.at == parser.end):
                return _fault(parser, b"EOF while parsing an object" if is_object else b"EOF while parsing a list", parser.end)
            c = parser.at[0]
            if c == c',':
                if unlikely(not _next(parser, is_object)):
                    return JSON_NONE
                break
            if unlikely(c != (c'}' if is_object else c']')):
                return _fault_here(parser, b"expected `,` or `}`" if is_object else b"expected `,` or `]`")
            parser.at += 1
            word = _close(parser, is_object)
            if unlikely(word == JSON_NONE):
                return JSON_NONE


cdef JsonWord json_parse(const JsonMaker* maker, Slice text, bint whole, uint32_t depth_max, uint32_t* depth_out,
                         JsonFault* fault_out) noexcept nogil:
    cdef Parser parser
    cdef JsonWord word
    cdef int i
    parser.maker = maker
    parser.begin = text.data
    parser.at = text.data
    parser.end = text.data + text.length
    parser.stack = parser.local
    parser.count = 0
    parser.capacity = STACK_WORDS
    parser.owned_bytes = 0
    parser.what = NULL
    parser.where = NULL
    parser.refused = False
    parser.depth = 0
    parser.deepest = 0
    parser.depth_max = depth_max
    parser.keeps = False
    memset(parser.keys, 0, sizeof(parser.keys))
    word = _parse(&parser)
    if whole and word != JSON_NONE:
        _skip_spaces(&parser)
        if parser.at < parser.end:
            json_free(maker.heap, word)
            word = _fault_here(&parser, b"trailing characters")
    if unlikely(word == JSON_NONE):
        _drop(&parser)
        fault_out.what = NULL
        if parser.what != NULL:
            _place(&parser, fault_out)
    depth_out[0] = parser.deepest
    for i in range(KEYS_KEPT if parser.keeps else 0):
        if parser.keys[i] != JSON_NONE:
            json_key_release(maker.heap, parser.keys[i])
    if parser.owned_bytes:
        heap_free(maker.heap, parser.stack, parser.owned_bytes)
    return word
