"""Requests out of bytes: RESP multibulk and inline commands, incrementally and without copying.

The parser looks at a window of bytes that somebody else keeps: a shared read buffer as long as whole
requests arrive, the connection's own buffer once one is unfinished. Words are slices into that window
(only quoted words of inline commands are copied, without their quotes, into Words.scratch).

        window:  | done ... | start            position          length
                 |          | *3..$3..SET..$9..|$100000..abcd... |
                              words known so far, kept as offsets from `start` while unfinished

Between two calls the window's bytes from `start` on may move: parser_moved tells where they are now.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum ParseOutcome:
    PARSE_REQUEST = 0               # its words were added to `words`
    PARSE_MORE = 1                  # all complete requests are taken
    PARSE_ERROR = 2                 # parser.error says what to answer; the same call answers the same
    PARSE_FULL = 3                  # run and reset what `words` has, then call again
    PARSE_NO_MEMORY = 4

cdef struct Words:                  # of many requests; a slice array that is reused
    Slice* items                    # owned
    size_t count
    size_t capacity
    Buffer scratch                  # owned: unquoted inline words; never moves while count > 0

cdef struct WordPlace:              # a word of an unfinished request
    size_t offset                   # from RespParser.start
    size_t length

cdef struct ParseLimits:
    int64_t bulk_bytes              # proto-max-bulk-len
    int64_t query_bytes             # client-query-buffer-limit; the listener's business

cdef struct RespParser:
    char* data                      # borrowed: the window
    size_t length
    size_t start                    # of the unfinished request
    size_t position                 # next byte to look at
    int64_t words_left              # words of the unfinished multibulk still to come; 0 = none under way
    int64_t bulk_length             # of the word under way; -1 before its header
    WordPlace* places               # owned; NULL most of the time
    size_t place_count
    size_t place_capacity
    uint64_t* account               # borrowed: counts the memory of `places`, or NULL
    char[64] error                  # "ERR Protocol error: ..."

cdef void words_init(Words* words, uint64_t* account) noexcept nogil
"""Make an empty list; nothing is allocated yet. `account` is borrowed and counts the memory of the scratch buffer, or it is
NULL."""
cdef void words_clear(Words* words) noexcept nogil
"""Free the list's memory; it is empty then, and usable."""
cdef void words_reset(Words* words) noexcept nogil
"""Forget the words, whose slices are void then. Memory beyond what most batches need is given back."""

cdef void parser_init(RespParser* parser, uint64_t* account) noexcept nogil
"""Make a parser without a window; nothing is allocated yet. `account` is borrowed and counts the memory of `places`, or it is
NULL."""
cdef void parser_clear(RespParser* parser) noexcept nogil
"""Free the parser's memory and forget the window, which is its owner's to free. The parser is as new then."""
cdef ParseOutcome parser_next(RespParser* parser, Words* words, const ParseLimits* limits, bint authenticated) noexcept nogil
"""The next request of the window. O(bytes looked at); each byte of a multibulk is looked at once,
however the bytes arrive. Empty requests ("*0", blank lines) are passed over.

Words claimed by a header cost nothing before their bytes are there."""
cdef void parser_moved(RespParser* parser, char* data, size_t length, size_t start) noexcept nogil
"""Tell the parser that the window is elsewhere: the unfinished request, or the first byte not yet taken, begins at
data[start], and `length` bytes are there. The bytes are borrowed. A finished request's slices are void."""
cdef void parser_rewind(RespParser* parser, size_t start) noexcept nogil
"""Let the parser begin again at window offset `start`, the beginning of a request."""
cdef size_t parser_missing(const RespParser* parser) noexcept nogil
"""How many bytes the word under way still lacks, its line end included; 0 when that is not known."""

cdef inline bint parser_is_between(const RespParser* parser) noexcept nogil:
    """Is no byte of an unfinished request in the window?"""
    return parser.start == parser.length
