"""JSONPath, as RedisJSON understands it: a text becomes nodes, and these find values in a document.

    path       $ steps                       beginning with $. or $[, or just $; any other text is a legacy path, to which $ or $. is added
    step       .name  .*  [list]  .[list]  ..name  ..*  ..[list]         with .. at every level below, too
    list       'name', "name" ...            members, in this order
               1, -1 ...                     elements; from the end, but not beyond the first
               start:end:step                a slice, each part optional
               *                             all members or elements
               ?filter                       those for which it holds; a scalar itself
    filter     term, term op term, (filter), filter && filter, filter || filter
    op         == != < <= > >= =~            =~ is a search for a regular expression
    term       @ steps, $ steps              the one value found there; a term alone holds when there is one
               number, 'text', "text", true, false, null

Spaces may stand between these. What a node costs, and how filters nest, is bounded: paths are compiled and walked by functions that call
themselves.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_regex cimport JsonRegex

cdef enum:
    PATH_NODES_KEPT = 8          # without memory of their own
    PATH_NODES_MAX = 2048
    PATH_FILTERS_MAX = 8         # filters in paths of filters
    PATH_BRACKETS_MAX = 32       # in filters
    PATH_TEXT_KEPT = 96

cdef enum:                       # PathNode.kind
    PATH_KEY = 1                 # a member: text
    PATH_ALL = 2
    PATH_KEYS = 3                # left: the first of a list of names
    PATH_INDEXES = 4             # left: the first of a list of numbers
    PATH_SLICE = 5               # start, end, step; op: which of them were given
    PATH_FILTER = 6              # left: the filter
    PATH_ITEM = 7                # of such a list: text or start, next
    FILTER_AND = 8               # left, right
    FILTER_OR = 9
    FILTER_COMPARE = 10          # op, left and right: terms
    FILTER_EXISTS = 11           # left: a term
    TERM_CURRENT = 12            # left: the first step
    TERM_ROOT = 13
    TERM_INTEGER = 14            # start
    TERM_DOUBLE = 15             # number
    TERM_TEXT = 16               # text; regex where =~ stands in front of it
    TERM_BOOLEAN = 17            # start
    TERM_NULL = 18

cdef enum:                       # PathNode.op: comparisons ...
    OP_EQUAL = 1
    OP_UNEQUAL = 2
    OP_LESS = 3
    OP_LESS_EQUAL = 4
    OP_GREATER = 5
    OP_GREATER_EQUAL = 6
    OP_SEARCH = 7

cdef enum:                       # ... and parts of a slice
    SLICE_START = 1
    SLICE_END = 2

cdef struct PathNode:
    uint8_t kind
    uint8_t descends             # it is looked for at every level below, too
    uint8_t op
    int32_t next                 # the next step, or item of a list; -1: none
    int32_t left
    int32_t right
    Slice text                   # borrowed from the path's text, or its scratch
    int64_t start
    int64_t end
    int64_t step
    double number
    JsonRegex* regex             # owned by the path

cdef struct JsonPath:
    PathNode* nodes              # owned, unless they lie in `kept`
    int32_t count
    int32_t capacity
    int32_t first                # the first step; -1: the root
    bint legacy                  # replies are those of old: the first value, not an array of all
    bint refused                 # memory
    Slice given                  # as it came; borrowed
    Slice text                   # beginning with $
    const char* fault_at         # in `text`: how far it made sense
    const char* expected         # what could have stood there; static
    Buffer copy                  # owns `text`, if it is longer than text_kept
    Buffer scratch               # owns names that had escapes
    char[PATH_TEXT_KEPT] text_kept
    PathNode[PATH_NODES_KEPT] kept

cdef bint json_path_compile(JsonPath* path, Slice text) noexcept nogil
"""Make a path of a text that is UTF-8, which stays the caller's and must live as long as the path. False: it is none
(json_path_fault says why), or memory was refused (path.refused). To be cleared in either case. O(length)."""
cdef void json_path_clear(JsonPath* path) noexcept nogil
"""Free what the path owns."""
cdef void json_path_fault(const JsonPath* path, Buffer* out) noexcept nogil
"""Append what is wrong with a path that did not compile, in RedisJSON's words."""
cdef inline bint json_path_is_root(const JsonPath* path) noexcept nogil:
    """Does it stand for the whole document?"""
    return path.first == -1

cdef bint json_path_adds(const JsonPath* path, Slice* key_out) noexcept nogil
"""Is it a static path whose last step is a member's name? Then that name; json_find_owner finds where to put it. O(steps)."""
cdef bint json_path_is_static(const JsonPath* path) noexcept nogil
"""Does it name one place, step by step? O(steps)."""
