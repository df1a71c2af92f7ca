"""See json_regex.pxd."""
from libc.stdint cimport INT32_MAX, int32_t, uint8_t, uint32_t
from libc.string cimport memcpy, memmove, memset
from hutch_engine.base.slice cimport Slice

cdef enum:
    CODE_CHAR = 1
    CODE_ANY = 2                 # but a line feed
    CODE_ANY_AT_ALL = 3
    CODE_CLASS = 4
    CODE_CLASS_NOT = 5
    CODE_SPLIT = 6               # go on at both distances
    CODE_JUMP = 7
    CODE_BEGIN = 8               # of the text, or of a line ...
    CODE_BEGIN_LINE = 9
    CODE_END = 10
    CODE_END_LINE = 11
    CODE_WORD = 12               # a word begins or ends
    CODE_WORD_NOT = 13
    CODE_MATCH = 14

cdef enum:
    FLAG_IGNORE_CASE = 1
    FLAG_DOT_ALL = 2
    FLAG_LINES = 4
    REPEAT_MAX = 1000
    NO_POINT = 0x110000          # beyond all code points


cdef struct Compiler:
    JsonRegex* regex
    const char* at
    const char* end
    int flags
    int depth
    RegexCode[REGEX_CODE_MAX] piece      # what is repeated


# ---- code points

cdef inline uint32_t _point(const char** at, const char* end) noexcept nogil:
    """Take the next code point of UTF-8. Requires that there is one."""
    cdef const uint8_t* p = <const uint8_t*>at[0]
    cdef uint32_t c = p[0]
    if c < 0x80 or end - at[0] < 2:
        at[0] += 1
        return c
    if c < 0xE0:
        at[0] += 2
        return (c & 31) << 6 | (p[1] & 63)
    if c < 0xF0 and end - at[0] >= 3:
        at[0] += 3
        return (c & 15) << 12 | <uint32_t>(p[1] & 63) << 6 | (p[2] & 63)
    if end - at[0] >= 4:
        at[0] += 4
        return (c & 7) << 18 | <uint32_t>(p[1] & 63) << 12 | <uint32_t>(p[2] & 63) << 6 | (p[3] & 63)
    at[0] = end
    return c


cdef inline uint32_t _lower(uint32_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint _is_word(uint32_t c) noexcept nogil:
    """Letters of all scripts, digits, an underscore; beyond ASCII, all but marks of punctuation and spaces."""
    if c < 0x80:
        return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95
    if c < 0x2000:
        return c >= 0xC0 and c != 0xD7 and c != 0xF7 or c == 0xAA or c == 0xB5 or c == 0xBA
    return not (0x2000 <= c <= 0x2BFF or 0x2E00 <= c <= 0x2E7F or 0x3000 <= c <= 0x3004 or 0x3008 <= c <= 0x3020
                or 0x1F000 <= c <= 0x1FAFF or c >= NO_POINT)


# ---- the program

cdef bint _emit(Compiler* c, int op, int32_t first, int32_t second) noexcept nogil:
    cdef RegexCode* code
    if c.regex.length == REGEX_CODE_MAX:
        return False
    code = &c.regex.code[c.regex.length]
    code.op = <uint8_t>op
    code.ignore_case = c.flags & FLAG_IGNORE_CASE
    code.first = first
    code.second = second
    c.regex.length += 1
    return True


cdef bint _insert_split(Compiler* c, int32_t begin, int32_t first, int32_t second) noexcept nogil:
    """In front of what begins there; its own distances stay right, since they do not lead out of it."""
    if not _emit(c, CODE_SPLIT, 0, 0):
        return False
    memmove(&c.regex.code[begin + 1], &c.regex.code[begin], (c.regex.length - 1 - begin) * sizeof(RegexCode))
    c.regex.code[begin].op = CODE_SPLIT
    c.regex.code[begin].first = first
    c.regex.code[begin].second = second
    return True


cdef bint _again(Compiler* c, const RegexCode* piece, int32_t length) noexcept nogil:
    if length > REGEX_CODE_MAX - c.regex.length:
        return False
    memcpy(&c.regex.code[c.regex.length], piece, length * sizeof(RegexCode))
    c.regex.length += length
    return True


cdef bint _range(Compiler* c, uint32_t low, uint32_t high) noexcept nogil:
    if c.regex.range_count == REGEX_RANGES_MAX or low > high:
        return False
    c.regex.ranges[c.regex.range_count].low = low
    c.regex.ranges[c.regex.range_count].high = high
    c.regex.range_count += 1
    return True


cdef bint _ranges(Compiler* c, const uint32_t* pairs, int count, bint others) noexcept nogil:
    """`others`: all that lies between them instead. They are in order."""
    cdef uint32_t next = 0
    cdef int i
    for i in range(count):
        if not others:
            if not _range(c, pairs[2 * i], pairs[2 * i + 1]):
                return False
            continue
        if pairs[2 * i] > next and not _range(c, next, pairs[2 * i] - 1):
            return False
        next = pairs[2 * i + 1] + 1
    return not others or next >= NO_POINT or _range(c, next, NO_POINT - 1)


cdef bint _named_class(Compiler* c, char letter) noexcept nogil:
    """\\d, \\s, \\w, and in capitals what is none of them."""
    cdef uint32_t[34] pairs
    cdef bint others = letter < 97
    if letter | 32 == 100:               # d
        pairs[0] = 48
        pairs[1] = 57
        return _ranges(c, pairs, 1, others)
    if letter | 32 == 115:               # s
        pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], pairs[6], pairs[7] = 9, 13, 32, 32, 0x85, 0x85, 0xA0, 0xA0
        pairs[8], pairs[9], pairs[10], pairs[11], pairs[12], pairs[13] = 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029
        pairs[14], pairs[15], pairs[16], pairs[17], pairs[18], pairs[19] = 0x202F, 0x202F, 0x205F, 0x205F, 0x3000, 0x3000
        return _ranges(c, pairs, 10, others)
    # w: as _is_word
    pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], pairs[6], pairs[7] = 48, 57, 65, 90, 95, 95, 97, 122
    pairs[8], pairs[9], pairs[10], pairs[11], pairs[12], pairs[13] = 0xAA, 0xAA, 0xB5, 0xB5, 0xBA, 0xBA
    pairs[14], pairs[15], pairs[16], pairs[17], pairs[18], pairs[19] = 0xC0, 0xD6, 0xD8, 0xF6, 0xF8, 0x1FFF
    pairs[20], pairs[21], pairs[22], pairs[23] = 0x2C00, 0x2DFF, 0x2E80, 0x2FFF
    pairs[24], pairs[25], pairs[26], pairs[27] = 0x3005, 0x3007, 0x3021, 0x1EFFF
    pairs[28], pairs[29] = 0x1FB00, NO_POINT - 1
    return _ranges(c, pairs, 15, others)


# ---- reading the pattern

cdef inline bint _looking_at(const Compiler* c, char wanted) noexcept nogil:
    return c.at < c.end and c.at[0] == wanted


cdef int _hex_value(char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    return (c | 32) - 87 if 97 <= (c | 32) <= 102 else -1


cdef uint32_t _hex_point(Compiler* c, int digits) noexcept nogil:
    """Behind \\x, \\u or \\U: so many digits, or any number of them in braces. NO_POINT: wrong."""
    cdef bint braces = _looking_at(c, 123)
    cdef uint32_t value = 0
    cdef int seen = 0
    cdef int digit
    if braces:
        c.at += 1
    while c.at < c.end and (braces or seen < digits):
        digit = _hex_value(c.at[0])
        if digit < 0:
            break
        value = value << 4 | <uint32_t>digit
        if value >= NO_POINT:
            return NO_POINT
        seen += 1
        c.at += 1
    if braces:
        if seen == 0 or not _looking_at(c, 125):
            return NO_POINT
        c.at += 1
    elif seen != digits:
        return NO_POINT
    return value


cdef uint32_t _escaped_point(Compiler* c, char letter) noexcept nogil:
    """Behind a backslash and this letter: the character that is meant. NO_POINT: none."""
    if letter == 110:
        return 10
    if letter == 116:
        return 9
    if letter == 114:
        return 13
    if letter == 102:
        return 12
    if letter == 118:
        return 11
    if letter == 97:
        return 7
    if letter == 120:
        return _hex_point(c, 2)
    if letter == 117:
        return _hex_point(c, 4)
    if letter == 85:
        return _hex_point(c, 8)
    if 33 <= letter <= 126 and not _is_word(<uint32_t>letter):
        return letter
    return NO_POINT


cdef bint _posix_class(Compiler* c) noexcept nogil:
    """At [:name:], inside brackets. False: it is none."""
    cdef const char* name = c.at + 2
    cdef size_t length = 0
    cdef bint others = c.at + 2 < c.end and name[0] == 94
    cdef uint32_t[8] pairs
    cdef int count = 1
    if others:
        name += 1
    while name + length + 1 < c.end and 97 <= name[length] <= 122:
        length += 1
    if name + length + 1 >= c.end or name[length] != 58 or name[length + 1] != 93:
        return False
    c.at = name + length + 2
    pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5] = 48, 57, 65, 90, 97, 122
    if _named(name, length, b"alnum"):
        return _ranges(c, pairs, 3, others)
    if _named(name, length, b"alpha"):
        return _ranges(c, &pairs[2], 2, others)
    if _named(name, length, b"upper"):
        return _ranges(c, &pairs[2], 1, others)
    if _named(name, length, b"lower"):
        return _ranges(c, &pairs[4], 1, others)
    if _named(name, length, b"digit"):
        return _ranges(c, pairs, 1, others)
    if _named(name, length, b"word"):
        pairs[4], pairs[5], pairs[6], pairs[7] = 95, 95, 97, 122
        count = 4
    elif _named(name, length, b"xdigit"):
        pairs[3], pairs[5] = 70, 102
        count = 3
    elif _named(name, length, b"space"):
        pairs[0], pairs[1], pairs[2], pairs[3] = 9, 13, 32, 32
        count = 2
    elif _named(name, length, b"blank"):
        pairs[0], pairs[1], pairs[2], pairs[3] = 9, 9, 32, 32
        count = 2
    elif _named(name, length, b"punct"):
        pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], pairs[6], pairs[7] = 33, 47, 58, 64, 91, 96, 123, 126
        count = 4
    elif _named(name, length, b"cntrl"):
        pairs[0], pairs[1], pairs[2], pairs[3] = 0, 31, 127, 127
        count = 2
    elif _named(name, length, b"graph"):
        pairs[0], pairs[1] = 33, 126
    elif _named(name, length, b"print"):
        pairs[0], pairs[1] = 32, 126
    elif _named(name, length, b"ascii"):
        pairs[0], pairs[1] = 0, 127
    else:
        return False
    return _ranges(c, pairs, count, others)


cdef bint _named(const char* name, size_t length, const char* wanted) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if name[i] != wanted[i]:
            return False
    return wanted[length] == 0


cdef bint _class_item(Compiler* c, uint32_t* point_out) noexcept nogil:
    """One character, or a class, which adds its ranges itself (then *point_out is NO_POINT)."""
    cdef char letter
    point_out[0] = NO_POINT
    if c.at == c.end:
        return False
    if c.at[0] == 91:                    # [ in brackets
        return c.at + 1 < c.end and c.at[1] == 58 and _posix_class(c)
    if c.at[0] != 92:
        point_out[0] = _point(&c.at, c.end)
        return True
    c.at += 1
    if c.at == c.end:
        return False
    letter = c.at[0]
    c.at += 1
    if letter | 32 == 100 or letter | 32 == 115 or letter | 32 == 119:
        return _named_class(c, letter)
    point_out[0] = _escaped_point(c, letter)
    return point_out[0] != NO_POINT


cdef bint _bracket(Compiler* c) noexcept nogil:
    """Behind [."""
    cdef int32_t begin = c.regex.range_count
    cdef bint others = _looking_at(c, 94)
    cdef bint first = True
    cdef uint32_t low, high
    if others:
        c.at += 1
    while first or not _looking_at(c, 93):
        if c.at + 1 < c.end and c.at[0] == c.at[1] and (c.at[0] == 38 or c.at[0] == 126):
            return False                 # && and ~~: operations on classes
        first = False
        if not _class_item(c, &low):
            return False
        if low == NO_POINT:
            continue
        high = low
        if c.at + 1 < c.end and c.at[0] == 45 and c.at[1] != 93:
            c.at += 1
            if c.at[0] == 45 or not _class_item(c, &high) or high == NO_POINT:
                return False
        if not _range(c, low, high):
            return False
    c.at += 1
    return _emit(c, CODE_CLASS_NOT if others else CODE_CLASS, begin, c.regex.range_count - begin)


cdef bint _set_flags(Compiler* c) noexcept nogil:
    """Behind (? where neither a name nor a colon follows: letters, up to a colon or a closing bracket, which stays."""
    cdef bint on = True
    cdef int flag
    while c.at < c.end and c.at[0] != 58 and c.at[0] != 41:
        flag = 0
        if c.at[0] == 45 and on:
            on = False
        elif c.at[0] == 105:
            flag = FLAG_IGNORE_CASE
        elif c.at[0] == 115:
            flag = FLAG_DOT_ALL
        elif c.at[0] == 109:
            flag = FLAG_LINES
        elif c.at[0] != 85 and c.at[0] != 117:           # greed does not matter here, and all is Unicode anyway
            return False
        c.flags = c.flags | flag if on else c.flags & ~flag
        c.at += 1
    return c.at < c.end


cdef bint _group(Compiler* c, bint* flags_only_out) noexcept nogil:
    """Behind (."""
    cdef int flags = c.flags
    cdef bint right
    flags_only_out[0] = False
    if _looking_at(c, 63):
        c.at += 1
        if _looking_at(c, 80):           # (?P<name>
            c.at += 1
            if not _looking_at(c, 60):
                return False
        if _looking_at(c, 60):
            c.at += 1
            if not (c.at < c.end and _is_word(<uint8_t>c.at[0]) and not 48 <= c.at[0] <= 57):
                return False
            while c.at < c.end and c.at[0] != 62:
                if not _is_word(<uint8_t>c.at[0]):
                    return False
                c.at += 1
            if c.at == c.end:
                return False
            c.at += 1
        else:
            if not _set_flags(c):
                return False
            c.at += 1
            if (c.at - 1)[0] == 41:      # for the rest of the group around it
                flags_only_out[0] = True
                return True
    c.depth += 1
    right = c.depth <= REGEX_DEPTH_MAX and _alternatives(c) and _looking_at(c, 41)
    c.depth -= 1
    c.at += 1
    c.flags = flags
    return right


cdef bint _escape(Compiler* c) noexcept nogil:
    """Behind a backslash, outside of brackets."""
    cdef int32_t begin = c.regex.range_count
    cdef char letter
    cdef uint32_t point
    if c.at == c.end:
        return False
    letter = c.at[0]
    c.at += 1
    if letter | 32 == 100 or letter | 32 == 115 or letter | 32 == 119:
        return _named_class(c, letter) and _emit(c, CODE_CLASS, begin, c.regex.range_count - begin)
    if letter == 98:
        return _emit(c, CODE_WORD, 0, 0)
    if letter == 66:
        return _emit(c, CODE_WORD_NOT, 0, 0)
    if letter == 65:
        return _emit(c, CODE_BEGIN, 0, 0)
    if letter == 122:
        return _emit(c, CODE_END, 0, 0)
    point = _escaped_point(c, letter)
    return point != NO_POINT and _emit(c, CODE_CHAR, <int32_t>point, 0)


cdef bint _number(Compiler* c, int* value_out) noexcept nogil:
    value_out[0] = -1
    while c.at < c.end and 48 <= c.at[0] <= 57:
        value_out[0] = (value_out[0] if value_out[0] > 0 else 0) * 10 + (c.at[0] - 48)
        if value_out[0] > REPEAT_MAX:
            return False
        c.at += 1
    return True


cdef bint _counted(Compiler* c, int32_t begin, int least, int most) noexcept nogil:
    """What stands from `begin` on, so many times; most -1: without end."""
    cdef int32_t length = c.regex.length - begin
    cdef int32_t start, i
    memcpy(c.piece, &c.regex.code[begin], length * sizeof(RegexCode))
    c.regex.length = begin
    for i in range(least):
        if not _again(c, c.piece, length):
            return False
    if most == -1:
        return (_emit(c, CODE_SPLIT, 1, length + 2) and _again(c, c.piece, length) and _emit(c, CODE_JUMP, -(length + 1), 0))
    start = c.regex.length
    for i in range(most - least):
        # Each of them leads to behind the last one.
        if not (_emit(c, CODE_SPLIT, 1, (most - least - i) * (length + 1)) and _again(c, c.piece, length)):
            return False
    return True


cdef bint _repeated(Compiler* c, int32_t begin) noexcept nogil:
    """All of * + ? {} behind what stands from `begin` on."""
    cdef int least, most
    cdef char sign
    while c.at < c.end and (c.at[0] == 42 or c.at[0] == 43 or c.at[0] == 63 or c.at[0] == 123):
        sign = c.at[0]
        c.at += 1
        least = 0
        most = -1
        if sign == 43:
            least = 1
        elif sign == 63:
            most = 1
        elif sign == 123:
            if not _number(c, &least) or least == -1:
                return False
            most = least
            if _looking_at(c, 44):
                c.at += 1
                if not _number(c, &most):
                    return False
            if not _looking_at(c, 125) or (most != -1 and most < least):
                return False
            c.at += 1
        if _looking_at(c, 63):           # as little as possible: the same, where only a match counts
            c.at += 1
        if not _counted(c, begin, least, most):
            return False
    return True


cdef bint _sequence(Compiler* c) noexcept nogil:
    """Up to | or ) or the end."""
    cdef int32_t begin
    cdef bint flags_only
    cdef char letter
    while c.at < c.end and c.at[0] != 124 and c.at[0] != 41:
        begin = c.regex.length
        letter = c.at[0]
        if letter == 42 or letter == 43 or letter == 63 or letter == 123:
            return False                 # nothing to repeat
        if letter == 40:
            c.at += 1
            if not _group(c, &flags_only):
                return False
            if flags_only:
                continue
        elif letter == 91:
            c.at += 1
            if not _bracket(c):
                return False
        elif letter == 92:
            c.at += 1
            if not _escape(c):
                return False
        elif letter == 46:
            c.at += 1
            if not _emit(c, CODE_ANY_AT_ALL if c.flags & FLAG_DOT_ALL else CODE_ANY, 0, 0):
                return False
        elif letter == 94:
            c.at += 1
            if not _emit(c, CODE_BEGIN_LINE if c.flags & FLAG_LINES else CODE_BEGIN, 0, 0):
                return False
        elif letter == 36:
            c.at += 1
            if not _emit(c, CODE_END_LINE if c.flags & FLAG_LINES else CODE_END, 0, 0):
                return False
        elif not _emit(c, CODE_CHAR, <int32_t>_point(&c.at, c.end), 0):
            return False
        if not _repeated(c, begin):
            return False
    return True


cdef bint _alternatives(Compiler* c) noexcept nogil:
    cdef int32_t begin = c.regex.length
    cdef int32_t first = begin
    cdef int32_t length, behind, at
    while True:
        if not _sequence(c):
            return False
        if not _looking_at(c, 124):
            break
        c.at += 1
        length = c.regex.length - begin
        if not _insert_split(c, begin, 1, length + 2) or not _emit(c, CODE_JUMP, 0, 0):
            return False
        begin = c.regex.length
    # The jumps out of the alternatives, which lead nowhere yet; those of groups inside have been settled.
    behind = c.regex.length
    for at in range(first, behind):
        if c.regex.code[at].op == CODE_JUMP and c.regex.code[at].first == 0:
            c.regex.code[at].first = behind - at
    return True


cdef bint json_regex_compile(JsonRegex* regex, Slice pattern) noexcept nogil:
    cdef Compiler c
    c.regex = regex
    c.at = pattern.data
    c.end = pattern.data + pattern.length
    c.flags = 0
    c.depth = 0
    regex.length = 0
    regex.range_count = 0
    if _alternatives(&c) and c.at == c.end and _emit(&c, CODE_MATCH, 0, 0):
        return True
    regex.length = 0
    return False


# ---- searching

cdef struct Threads:
    int32_t count
    int32_t[REGEX_CODE_MAX] at


cdef struct Search:
    const JsonRegex* regex
    uint32_t before              # the code points on both sides of where we are, NO_POINT beyond the text
    uint32_t behind
    uint32_t round               # of `seen`
    uint32_t[REGEX_CODE_MAX] seen
    int32_t[2 * REGEX_CODE_MAX] open


cdef inline bint _stands(const Search* search, int op) noexcept nogil:
    """Does a condition hold between the two code points?"""
    if op == CODE_BEGIN:
        return search.before == NO_POINT
    if op == CODE_END:
        return search.behind == NO_POINT
    if op == CODE_BEGIN_LINE:
        return search.before == NO_POINT or search.before == 10
    if op == CODE_END_LINE:
        return search.behind == NO_POINT or search.behind == 10
    return (_is_word(search.before) != _is_word(search.behind)) == (op == CODE_WORD)


cdef bint _add(Search* search, Threads* threads, int32_t first) noexcept nogil:
    """A thread at this instruction, and at all that it leads to without a character. True: at the end of the program."""
    cdef const RegexCode* code
    cdef int32_t count = 1
    cdef int32_t at
    search.open[0] = first
    while count:
        count -= 1
        at = search.open[count]
        if search.seen[at] == search.round:
            continue
        search.seen[at] = search.round
        code = &search.regex.code[at]
        if code.op == CODE_MATCH:
            return True
        if code.op == CODE_SPLIT:
            search.open[count] = at + code.second
            search.open[count + 1] = at + code.first
            count += 2
        elif code.op == CODE_JUMP:
            search.open[count] = at + code.first
            count += 1
        elif code.op >= CODE_BEGIN:
            if _stands(search, code.op):
                search.open[count] = at + 1
                count += 1
        else:
            threads.at[threads.count] = at
            threads.count += 1
    return False


cdef bint _in_class(const JsonRegex* regex, const RegexCode* code, uint32_t point) noexcept nogil:
    cdef int32_t i
    for i in range(code.first, code.first + code.second):
        if regex.ranges[i].low <= point <= regex.ranges[i].high:
            return True
    return False


cdef inline bint _takes(const JsonRegex* regex, const RegexCode* code, uint32_t point) noexcept nogil:
    cdef uint32_t lower
    cdef bint inside
    if code.op == CODE_CHAR:
        if code.ignore_case:
            return _lower(point) == _lower(<uint32_t>code.first)
        return point == <uint32_t>code.first
    if code.op == CODE_ANY:
        return point != 10
    if code.op == CODE_ANY_AT_ALL:
        return True
    inside = _in_class(regex, code, point)
    if code.ignore_case and not inside:
        lower = _lower(point)
        inside = _in_class(regex, code, lower) or (97 <= lower <= 122 and _in_class(regex, code, lower - 32))
    return inside == (code.op == CODE_CLASS)


cdef bint json_regex_search(const JsonRegex* regex, Slice text) noexcept nogil:
    cdef Search search
    cdef Threads[2] threads
    cdef const char* at = text.data
    cdef const char* end = text.data + text.length
    cdef int now = 0
    cdef int32_t i
    if regex.length == 0:
        return False
    search.regex = regex
    search.before = NO_POINT
    search.behind = _point(&at, end) if text.length else NO_POINT
    search.round = 1
    memset(search.seen, 0, regex.length * sizeof(uint32_t))
    threads[0].count = 0
    while True:
        if _add(&search, &threads[now], 0):          # the match may begin anywhere
            return True
        if search.behind == NO_POINT:
            return False
        threads[1 - now].count = 0
        search.before = search.behind
        search.behind = _point(&at, end) if at < end else NO_POINT
        search.round += 1
        for i in range(threads[now].count):
            if _takes(regex, &regex.code[threads[now].at[i]], search.before) and _add(
                    &search, &threads[1 - now], threads[now].at[i] + 1):
                return True
        now = 1 - now
