"""The RESP parser for Python tests: feed bytes in any pieces, get requests back."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.net.resp_parser cimport (
    PARSE_ERROR, PARSE_FULL, PARSE_MORE, PARSE_NO_MEMORY, PARSE_REQUEST, ParseLimits, ParseOutcome, RespParser, Words,
    parser_clear, parser_init, parser_missing, parser_moved, parser_next, parser_rewind, words_clear, words_init,
    words_reset)


cdef class Parser:
    """Keeps the window as a block of exactly the needed size, moved at every feed, so that a sanitizer
    sees each byte read beyond it and each slice that outlived a move."""
    cdef RespParser parser
    cdef Words words
    cdef ParseLimits limits
    cdef uint64_t account
    cdef char* window
    cdef public bint authenticated
    cdef public bint batches             # leave words of earlier requests in `words`, as the listener does

    def __cinit__(self, long long bulk_bytes=512 << 20, bint authenticated=True, bint batches=False):
        self.account = 0
        parser_init(&self.parser, &self.account)
        words_init(&self.words, &self.account)
        self.limits.bulk_bytes = bulk_bytes
        self.limits.query_bytes = 1 << 30
        self.authenticated = authenticated
        self.batches = batches
        self.window = NULL

    def __dealloc__(self):
        parser_clear(&self.parser)
        words_clear(&self.words)
        free(self.window)

    def feed(self, bytes more):
        """The requests that are complete now, as lists of bytes; an error's text ends the list."""
        cdef size_t kept = self.parser.length - self.parser.start
        cdef size_t length = kept + len(more)
        cdef char* window = <char*>malloc(length if length else 1)
        cdef ParseOutcome outcome
        cdef size_t first, i
        if kept:
            memcpy(window, self.window + self.parser.start, kept)
        memcpy(window + kept, <char*>more, len(more))
        free(self.window)
        self.window = window
        parser_moved(&self.parser, window, length, 0)
        requests = []
        places = []
        words_reset(&self.words)
        while True:
            if not self.batches:
                requests += self._collect(places)
            first = self.words.count
            with nogil:
                outcome = parser_next(&self.parser, &self.words, &self.limits, self.authenticated)
            if outcome == PARSE_REQUEST:
                places.append((first, self.words.count))
            elif outcome == PARSE_FULL:
                assert self.batches
                requests += self._collect(places)
            elif outcome == PARSE_MORE:
                return requests + self._collect(places)
            elif outcome == PARSE_ERROR:
                return requests + self._collect(places) + [self.parser.error.decode("latin-1")]
            else:
                raise MemoryError

    cdef _collect(self, places):
        found = [[self.words.items[i].data[:self.words.items[i].length] for i in range(first, end)]
                 for first, end in places]
        places.clear()
        words_reset(&self.words)
        return found

    def rewind(self):
        """Parse all of the window again at the next feed."""
        parser_rewind(&self.parser, 0)

    @property
    def missing(self):
        return parser_missing(&self.parser)

    @property
    def pending(self):
        return self.parser.length - self.parser.start

    @property
    def account_bytes(self):
        return self.account
