"""See resp_parser.pxd.

Limits and texts are those of Redis 8.2, found by asking it: a header line may be 64 KiB long, a count up
to INT_MAX, a bulk up to proto-max-bulk-len, and before authentication 10 words of 16 KiB.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memmove
from hutch_engine.base.atomics cimport atomic_add64
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_grow, buffer_init
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport slice_of

cdef enum:
    LINE_BYTES_MAX = 65536
    COUNT_MAX = 2147483647
    UNAUTHENTICATED_WORDS_MAX = 10
    UNAUTHENTICATED_BULK_MAX = 16384
    WORDS_KEPT = 4096               # of the slice array, after a batch (64 KiB)
    SCRATCH_KEPT_BYTES = 16384

cdef enum:
    CR = 13
    LF = 10
    STAR = 42
    DOLLAR = 36
    DIGIT_0 = 48
    DOUBLE_QUOTE = 34
    SINGLE_QUOTE = 39
    BACKSLASH = 92


# ---- words

cdef void words_init(Words* words, uint64_t* account) noexcept nogil:
    words.items = NULL
    words.count = 0
    words.capacity = 0
    buffer_init(&words.scratch, account)


cdef void words_clear(Words* words) noexcept nogil:
    free(words.items)
    words.items = NULL
    words.count = 0
    words.capacity = 0
    buffer_clear(&words.scratch)


cdef void words_reset(Words* words) noexcept nogil:
    words.count = 0
    words.scratch.length = 0
    if unlikely(words.capacity > WORDS_KEPT):
        free(words.items)
        words.items = NULL
        words.capacity = 0
    if unlikely(words.scratch.capacity > SCRATCH_KEPT_BYTES or words.scratch.failed):
        buffer_clear(&words.scratch)


cdef bint _words_grow(Words* words, size_t extra) noexcept nogil:
    cdef size_t capacity = words.capacity * 2 if words.capacity else 256
    cdef Slice* items
    while capacity < words.count + extra:
        capacity *= 2
    items = <Slice*>realloc(words.items, capacity * sizeof(Slice))
    if items == NULL:
        return False
    words.items = items
    words.capacity = capacity
    return True


cdef inline bint _words_add(Words* words, const char* data, size_t length) noexcept nogil:
    if unlikely(words.count == words.capacity) and not _words_grow(words, 1):
        return False
    words.items[words.count] = slice_of(data, length)
    words.count += 1
    return True


# ---- the parser's window

cdef void parser_init(RespParser* parser, uint64_t* account) noexcept nogil:
    parser.data = NULL
    parser.length = 0
    parser.start = 0
    parser.position = 0
    parser.words_left = 0
    parser.bulk_length = -1
    parser.places = NULL
    parser.place_count = 0
    parser.place_capacity = 0
    parser.account = account
    parser.error[0] = 0


cdef void parser_clear(RespParser* parser) noexcept nogil:
    _forget_places(parser)
    parser_init(parser, parser.account)


cdef void parser_moved(RespParser* parser, char* data, size_t length, size_t start) noexcept nogil:
    parser.position = parser.position - parser.start + start
    parser.start = start
    parser.data = data
    parser.length = length


cdef void parser_rewind(RespParser* parser, size_t start) noexcept nogil:
    _forget_places(parser)
    parser.words_left = 0
    parser.bulk_length = -1
    parser.start = start
    parser.position = start


cdef size_t parser_missing(const RespParser* parser) noexcept nogil:
    cdef size_t end
    if parser.words_left == 0 or parser.bulk_length < 0:
        return 0
    end = parser.position + <size_t>parser.bulk_length + 2
    return end - parser.length if end > parser.length else 0


cdef void _forget_places(RespParser* parser) noexcept nogil:
    if parser.places != NULL:
        free(parser.places)
        if parser.account != NULL:
            atomic_add64(parser.account, <uint64_t>0 - <uint64_t>(parser.place_capacity * sizeof(WordPlace)))
        parser.places = NULL
        parser.place_capacity = 0
    parser.place_count = 0


cdef bint _keep_places(RespParser* parser, Words* words, size_t first) noexcept nogil:
    """The request is unfinished: its new words, from words.items[first] on, become offsets."""
    cdef size_t count = words.count - first
    cdef size_t capacity, i
    cdef WordPlace* places
    cdef const char* base = parser.data + parser.start
    if count == 0:
        return True
    if parser.place_count + count > parser.place_capacity:
        capacity = parser.place_capacity * 2 if parser.place_capacity else 4
        while capacity < parser.place_count + count:
            capacity *= 2
        places = <WordPlace*>realloc(parser.places, capacity * sizeof(WordPlace))
        if places == NULL:
            return False
        if parser.account != NULL:
            atomic_add64(parser.account, (capacity - parser.place_capacity) * sizeof(WordPlace))
        parser.places = places
        parser.place_capacity = capacity
    for i in range(count):
        parser.places[parser.place_count + i].offset = <size_t>(words.items[first + i].data - base)
        parser.places[parser.place_count + i].length = words.items[first + i].length
    parser.place_count += count
    words.count = first
    return True


cdef bint _recall_places(RespParser* parser, Words* words, size_t first) noexcept nogil:
    """The request is complete: put the words of earlier calls in front of this call's."""
    cdef size_t count = parser.place_count
    cdef size_t i
    cdef const char* base = parser.data + parser.start
    if words.count + count > words.capacity and not _words_grow(words, count):
        return False
    memmove(words.items + first + count, words.items + first, (words.count - first) * sizeof(Slice))
    for i in range(count):
        words.items[first + i] = slice_of(base + parser.places[i].offset, parser.places[i].length)
    words.count += count
    _forget_places(parser)
    return True


# ---- parsing

cdef inline const char* _plain_length(const char* text, const char* end, int64_t* value_out) noexcept nogil:
    """Up to 9 digits and their line end: what nearly every header is. NULL: look closer (_header)."""
    cdef int64_t value
    cdef const char* p = text
    cdef unsigned int digit
    if unlikely(end - text < 3):
        return NULL
    digit = <unsigned char>p[0] - <unsigned int>DIGIT_0
    if unlikely(digit > 9):
        return NULL
    value = digit
    p += 1
    if p[0] != CR:
        if unlikely(digit == 0):
            return NULL
        while True:
            digit = <unsigned char>p[0] - <unsigned int>DIGIT_0
            if digit > 9:
                break
            value = value * 10 + digit
            p += 1
            if unlikely(p == end or p - text > 9):
                return NULL
        if unlikely(p[0] != CR):
            return NULL
    if unlikely(end - p < 2):
        return NULL
    value_out[0] = value
    return p + 2


cdef ParseOutcome _fail(RespParser* parser, const char* problem) noexcept nogil:
    snprintf(parser.error, sizeof(parser.error), b"ERR Protocol error: %s", problem)
    return PARSE_ERROR


cdef ParseOutcome _unexpected_type(RespParser* parser, char got) noexcept nogil:
    cdef char[24] problem
    if got == CR or got == LF:
        got = 32
    snprintf(problem, sizeof(problem), b"expected '$', got '%c'", <int>got)
    return _fail(parser, problem)


cdef inline const char* _carriage_return(const RespParser* parser) noexcept nogil:
    """Redis looks with strchr: a NUL hides the CR behind it, and the line goes on until it is too long."""
    cdef const char* from_here = parser.data + parser.position
    cdef const char* cr = <const char*>memchr(from_here, CR, parser.length - parser.position)
    if cr == NULL or memchr(from_here, 0, <size_t>(cr - from_here)) != NULL:
        return NULL
    return cr


cdef inline const char* _line_end(RespParser* parser) noexcept nogil:
    """The CR of the header at `position`, with a byte behind it; NULL: more bytes are needed."""
    cdef const char* cr = _carriage_return(parser)
    if cr == NULL or cr + 1 == parser.data + parser.length:
        return NULL
    return cr


cdef bint _line_is_long(RespParser* parser) noexcept nogil:
    """No end of line within what Redis allows for one."""
    return parser.length - parser.position > LINE_BYTES_MAX and _carriage_return(parser) == NULL


cdef ParseOutcome _multibulk_header(RespParser* parser, bint authenticated) noexcept nogil:
    """Take "*count": PARSE_REQUEST with words_left set (0 = an empty request)."""
    cdef int64_t count = 0
    cdef const char* line = parser.data + parser.position
    cdef const char* rest = _plain_length(line + 1, parser.data + parser.length, &count)
    cdef const char* cr
    if unlikely(rest == NULL):
        cr = _line_end(parser)
        if cr == NULL:
            return _fail(parser, b"too big mbulk count string") if _line_is_long(parser) else PARSE_MORE
        if not parse_integer(slice_of(line + 1, <size_t>(cr - line - 1)), &count) or count > COUNT_MAX:
            return _fail(parser, b"invalid multibulk length")
        rest = cr + 2
    if unlikely(count > UNAUTHENTICATED_WORDS_MAX and not authenticated):
        return _fail(parser, b"unauthenticated multibulk length")
    parser.position = <size_t>(rest - parser.data)
    parser.words_left = count if count > 0 else 0
    parser.bulk_length = -1
    return PARSE_REQUEST


cdef ParseOutcome _bulk_header(RespParser* parser, const ParseLimits* limits, bint authenticated) noexcept nogil:
    """Take "$length": PARSE_REQUEST with bulk_length set."""
    cdef int64_t length = 0
    cdef const char* line = parser.data + parser.position
    cdef const char* end = parser.data + parser.length
    cdef const char* rest = NULL
    cdef const char* cr
    if likely(line < end and line[0] == DOLLAR):
        rest = _plain_length(line + 1, end, &length)
    if unlikely(rest == NULL):
        cr = _line_end(parser)
        if cr == NULL:
            return _fail(parser, b"too big bulk count string") if _line_is_long(parser) else PARSE_MORE
        if line[0] != DOLLAR:
            return _unexpected_type(parser, line[0])
        if not parse_integer(slice_of(line + 1, <size_t>(cr - line - 1)), &length) or length < 0:
            return _fail(parser, b"invalid bulk length")
        rest = cr + 2
    if unlikely(length > limits.bulk_bytes):
        return _fail(parser, b"invalid bulk length")
    if unlikely(length > UNAUTHENTICATED_BULK_MAX and not authenticated):
        return _fail(parser, b"unauthenticated bulk length")
    parser.position = <size_t>(rest - parser.data)
    parser.bulk_length = length
    return PARSE_REQUEST


cdef ParseOutcome _words_of_multibulk(RespParser* parser, Words* words, const ParseLimits* limits,
                                      bint authenticated) noexcept nogil:
    cdef size_t first = words.count
    cdef ParseOutcome outcome
    cdef size_t length
    while parser.words_left:
        if parser.bulk_length < 0:
            outcome = _bulk_header(parser, limits, authenticated)
            if unlikely(outcome != PARSE_REQUEST):
                break
        length = <size_t>parser.bulk_length
        if unlikely(parser.length - parser.position < length + 2):
            outcome = PARSE_MORE
            break
        # What the two bytes behind a bulk are is not looked at; nor does Redis.
        if unlikely(not _words_add(words, parser.data + parser.position, length)):
            outcome = PARSE_NO_MEMORY
            break
        parser.position += length + 2
        parser.bulk_length = -1
        parser.words_left -= 1
    else:
        if unlikely(parser.place_count) and not _recall_places(parser, words, first):
            return PARSE_NO_MEMORY
        parser.start = parser.position
        return PARSE_REQUEST
    if not _keep_places(parser, words, first):
        return PARSE_NO_MEMORY
    return outcome


cdef inline bint _is_space(char c) noexcept nogil:
    return c == 32 or (c >= 9 and c <= 13)


cdef inline int _hex_digit(char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    if c >= 97 and c <= 102:
        return c - 87
    if c >= 65 and c <= 70:
        return c - 55
    return -1


cdef inline char _escaped(char c) noexcept nogil:
    if c == 110:        # n
        return 10
    if c == 114:        # r
        return 13
    if c == 116:        # t
        return 9
    if c == 98:         # b
        return 8
    if c == 97:         # a
        return 7
    return c


cdef const char* _quoted_word(const char* p, const char* end, Buffer* out) noexcept nogil:
    """Append the word at p, taking quotes off, to `out`, which has room. Returns its end; NULL: unbalanced."""
    cdef char* to = out.data + out.length
    cdef char quote = 0
    while p < end:
        if quote == DOUBLE_QUOTE and p[0] == BACKSLASH:
            if end - p >= 4 and p[1] == 120 and _hex_digit(p[2]) >= 0 and _hex_digit(p[3]) >= 0:
                to[0] = <char>(_hex_digit(p[2]) * 16 + _hex_digit(p[3]))
                to += 1
                p += 4
                continue
            if end - p >= 2:
                to[0] = _escaped(p[1])
                to += 1
                p += 2
                continue
        elif quote == SINGLE_QUOTE and p[0] == BACKSLASH and end - p >= 2 and p[1] == SINGLE_QUOTE:
            to[0] = SINGLE_QUOTE
            to += 1
            p += 2
            continue
        if quote:
            if p[0] == quote:
                # A closing quote ends the word, so a blank or nothing must follow.
                if p + 1 < end and not _is_space(p[1]):
                    return NULL
                out.length = <size_t>(to - out.data)
                return p + 1
        elif p[0] == 32 or p[0] == 9 or p[0] == CR or p[0] == LF:
            break
        elif p[0] == DOUBLE_QUOTE or p[0] == SINGLE_QUOTE:
            quote = p[0]
            p += 1
            continue
        to[0] = p[0]
        to += 1
        p += 1
    if quote:
        return NULL
    out.length = <size_t>(to - out.data)
    return p


cdef ParseOutcome _inline_request(RespParser* parser, Words* words) noexcept nogil:
    """A line of words, quoted as in a shell. PARSE_REQUEST with no word added: a blank line."""
    cdef const char* p = parser.data + parser.position
    cdef size_t available = parser.length - parser.position
    cdef const char* newline = <const char*>memchr(p, LF, available)
    cdef const char* end
    cdef const char* word
    cdef size_t first = words.count
    cdef size_t quoted_at = words.scratch.length
    cdef size_t length
    cdef bint quotes
    if newline == NULL:
        return _fail(parser, b"too big inline request") if available > LINE_BYTES_MAX else PARSE_MORE
    end = newline - 1 if newline > p and (newline - 1)[0] == CR else newline
    length = <size_t>(end - p)
    # Redis reads the line as a C string.
    word = <const char*>memchr(p, 0, length)
    if word != NULL:
        end = word
    quotes = memchr(p, DOUBLE_QUOTE, length) != NULL or memchr(p, SINGLE_QUOTE, length) != NULL
    if quotes and words.scratch.capacity - words.scratch.length < length:
        # Growing would move the words of this batch that lie there already.
        if words.count:
            return PARSE_FULL
        if not buffer_grow(&words.scratch, length):
            return PARSE_NO_MEMORY
    while True:
        while p < end and _is_space(p[0]):
            p += 1
        if p == end:
            break
        if quotes:
            length = words.scratch.length
            p = _quoted_word(p, end, &words.scratch)
            if p == NULL:
                words.count = first
                words.scratch.length = quoted_at
                return _fail(parser, b"unbalanced quotes in request")
            word = words.scratch.data + length
            length = words.scratch.length - length
        else:
            word = p
            while p < end and p[0] != 32 and p[0] != 9 and p[0] != CR:
                p += 1
            length = <size_t>(p - word)
        if not _words_add(words, word, length):
            words.count = first
            return PARSE_NO_MEMORY
    parser.position = <size_t>(newline + 1 - parser.data)
    return PARSE_REQUEST


cdef ParseOutcome parser_next(RespParser* parser, Words* words, const ParseLimits* limits,
                              bint authenticated) noexcept nogil:
    cdef ParseOutcome outcome
    cdef size_t first
    while parser.words_left == 0:
        if parser.position == parser.length:
            return PARSE_MORE
        if likely(parser.data[parser.position] == STAR):
            outcome = _multibulk_header(parser, authenticated)
            if unlikely(outcome != PARSE_REQUEST):
                return outcome
            if unlikely(parser.words_left == 0):
                parser.start = parser.position
        else:
            first = words.count
            outcome = _inline_request(parser, words)
            if outcome != PARSE_REQUEST:
                return outcome
            parser.start = parser.position
            if words.count > first:
                return PARSE_REQUEST
    return _words_of_multibulk(parser, words, limits, authenticated)
