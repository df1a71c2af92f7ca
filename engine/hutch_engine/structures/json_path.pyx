"""See json_path.pxd. A path is read by functions that call each other as its grammar does."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_reserve)
from hutch_engine.base.numbers cimport parse_decimal
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.json_regex cimport JsonRegex, json_regex_compile

cdef struct Reader:
    JsonPath* path
    const char* at
    const char* end
    int filters                  # how many we are in
    int brackets

cdef const char* NAMES = b"<string>, '*'"
cdef const char* LISTS = b"'<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'"
cdef const char* TERMS = b"decimal, from_current, from_root, boolean_true, boolean_false, null"


# ---- pieces

cdef inline bint _wrong(Reader* reader, const char* at, const char* expected) noexcept nogil:
    """Always False. The fault that lies furthest in the text is told."""
    if reader.path.expected == NULL or at > reader.path.fault_at:
        reader.path.fault_at = at
        reader.path.expected = expected
    return False


cdef int32_t _node(Reader* reader, int kind) noexcept nogil:
    """Another node; -1: too many, or memory was refused."""
    cdef JsonPath* path = reader.path
    cdef PathNode* nodes
    cdef PathNode* node
    if path.count == path.capacity:
        if path.capacity >= PATH_NODES_MAX:
            path.fault_at = reader.at
            path.expected = b"the end of a shorter path"
            return -1
        nodes = <PathNode*>malloc(path.capacity * 4 * sizeof(PathNode))
        if nodes == NULL:
            path.refused = True
            return -1
        memcpy(nodes, path.nodes, path.count * sizeof(PathNode))
        if path.nodes != path.kept:
            free(path.nodes)
        path.nodes = nodes
        path.capacity *= 4
    node = &path.nodes[path.count]
    node.kind = <uint8_t>kind
    node.descends = False
    node.op = 0
    node.next = -1
    node.left = -1
    node.right = -1
    node.regex = NULL
    path.count += 1
    return path.count - 1


cdef inline void _skip(Reader* reader) noexcept nogil:
    while reader.at < reader.end and reader.at[0] == c' ':
        reader.at += 1


cdef inline bint _takes(Reader* reader, char wanted) noexcept nogil:
    if reader.at < reader.end and reader.at[0] == wanted:
        reader.at += 1
        return True
    return False


cdef inline bint _is_name(char c) noexcept nogil:
    if c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'_' or c == c'-':
        return True
    return c == c'`' or c == c'~' or c == c'+' or c == c'#' or c == c'%' or c == c'$' or c == c'^' or c == c'/' or c == c':'


cdef inline bint _name(Reader* reader, Slice* name_out) noexcept nogil:
    cdef const char* begin = reader.at
    while reader.at < reader.end and _is_name(reader.at[0]):
        reader.at += 1
    name_out[0] = slice_of(begin, reader.at - begin)
    return reader.at > begin


cdef bint _number(Reader* reader, int64_t* value_out) noexcept nogil:
    """A sign, and digits of which only a lone one may be 0. What is beyond int64 becomes the largest there is."""
    cdef const char* at = reader.at
    cdef bint negative = at < reader.end and at[0] == c'-'
    cdef int64_t value = 0
    at += negative
    if at == reader.end or not c'0' <= at[0] <= c'9':
        return False
    if at[0] == c'0':
        at += 1
    else:
        while at < reader.end and c'0' <= at[0] <= c'9':
            value = value * 10 + (at[0] - c'0') if value < INT64_MAX // 10 - 1 else INT64_MAX - 9
            at += 1
    reader.at = at
    value_out[0] = -value if negative else value
    return True


cdef bint _quoted(Reader* reader, Slice* text_out) noexcept nogil:
    """A string in either kind of quotes; a backslash stands in front of a backslash or of the quote only. False: it is none, and
    nothing was taken."""
    cdef const char* at = reader.at + 1
    cdef char quote = reader.at[0] if reader.at < reader.end else 0
    cdef Buffer* scratch = &reader.path.scratch
    cdef size_t begin
    if quote != c'"' and quote != c"'":
        return False
    while at < reader.end and at[0] != quote and at[0] != c'\\':
        at += 1
    if at < reader.end and at[0] == quote:
        text_out[0] = slice_of(reader.at + 1, at - reader.at - 1)
        reader.at = at + 1
        return True
    # Its text without escapes; there is room for all of them at once, so that none moves.
    if scratch.data == NULL and not buffer_reserve(scratch, reader.path.text.length):
        reader.path.refused = True
        return False
    begin = scratch.length
    at = reader.at + 1
    while at < reader.end and at[0] != quote:
        if at[0] == c'\\':
            at += 1
            if at == reader.end or (at[0] != c'\\' and at[0] != quote):
                scratch.length = begin
                return False
        buffer_append(scratch, at, 1)
        at += 1
    if at == reader.end:
        scratch.length = begin
        return False
    text_out[0] = slice_of(scratch.data + begin, scratch.length - begin)
    reader.at = at + 1
    return True


# ---- lists in brackets

cdef bint _slice_rest(Reader* reader, int32_t node) noexcept nogil:
    """Behind the first colon."""
    cdef int64_t value
    _skip(reader)
    if _number(reader, &value):
        reader.path.nodes[node].end = value
        reader.path.nodes[node].op |= SLICE_END
        _skip(reader)
    elif reader.at == reader.end:
        return _wrong(reader, reader.at, b"'<number>'")
    if _takes(reader, c':'):
        _skip(reader)
        if reader.at < reader.end and reader.at[0] != c']':
            if not c'1' <= reader.at[0] <= c'9' or not _number(reader, &value):
                return _wrong(reader, reader.at, b"pos_number")
            reader.path.nodes[node].step = value
            _skip(reader)
    return True


cdef bint _numbers(Reader* reader, int32_t* node_out) noexcept nogil:
    """A slice, or a list of numbers. Nothing is taken when it does not begin so."""
    cdef int32_t node = -1
    cdef int32_t item, last = -1
    cdef int64_t value = 0
    cdef bint numbered = _number(reader, &value)
    _skip(reader)
    if _takes(reader, c':'):
        node = _node(reader, PATH_SLICE)
        if node == -1:
            return False
        reader.path.nodes[node].start = value
        reader.path.nodes[node].op = SLICE_START if numbered else 0
        reader.path.nodes[node].step = 1
        node_out[0] = node
        return _slice_rest(reader, node)
    if not numbered:
        return False
    node = _node(reader, PATH_INDEXES)
    while node != -1:
        item = _node(reader, PATH_ITEM)
        if item == -1:
            return False
        reader.path.nodes[item].start = value
        if last == -1:
            reader.path.nodes[node].left = item
        else:
            reader.path.nodes[last].next = item
        last = item
        _skip(reader)
        if not _takes(reader, c','):
            node_out[0] = node
            return True
        _skip(reader)
        if not _number(reader, &value):
            return _wrong(reader, reader.at, b"'<number>'")
    return False


cdef bint _names(Reader* reader, int32_t* node_out) noexcept nogil:
    """A list of strings; one alone is a PATH_KEY."""
    cdef int32_t node = -1
    cdef int32_t item
    cdef int32_t last = -1
    cdef Slice text
    while True:
        if not _quoted(reader, &text):
            return _wrong(reader, reader.at, b"'<string>'") if last != -1 else False
        item = _node(reader, PATH_ITEM)
        if item == -1:
            return False
        reader.path.nodes[item].text = text
        if last != -1:
            reader.path.nodes[last].next = item
        else:
            node = item
        last = item
        _skip(reader)
        if not _takes(reader, c','):
            break
        _skip(reader)
    if node == last:
        reader.path.nodes[node].kind = PATH_KEY
        node_out[0] = node
        return True
    item = _node(reader, PATH_KEYS)
    if item == -1:
        return False
    reader.path.nodes[item].left = node
    node_out[0] = item
    return True


cdef bint _list(Reader* reader, const char* element, int32_t* node_out) noexcept nogil:
    """Behind [, and the closing bracket; `element`: where the step began."""
    cdef const char* begin
    cdef const char* tried = LISTS
    cdef bint found = True
    _skip(reader)
    begin = reader.at
    if reader.at < reader.end and reader.at[0] == c'?':
        reader.at += 1
        node_out[0] = _node(reader, PATH_FILTER)
        if node_out[0] == -1 or not _filter(reader, node_out[0]):
            return False
    elif _takes(reader, c'*'):
        node_out[0] = _node(reader, PATH_ALL)
        tried = b"'<string>[,<string>,...]', '<number>', ['start:end:steps']"
    elif reader.at < reader.end and (reader.at[0] == c'"' or reader.at[0] == c"'"):
        found = _names(reader, node_out)
        if reader.at > begin:
            tried = b"'<number>', ['start:end:steps']"
    else:
        found = _numbers(reader, node_out)
        if reader.at > begin:
            tried = b"['start:end:steps']"
    if not found:
        return _wrong(reader, begin, tried)
    if node_out[0] == -1:
        return False
    _skip(reader)
    if _takes(reader, c']'):
        return True
    if reader.path.nodes[node_out[0]].kind == PATH_FILTER:
        return _wrong(reader, reader.at, b"and, or")
    if reader.path.nodes[node_out[0]].kind == PATH_SLICE:
        return _wrong(reader, element, b"EOI, '..'")
    return _wrong(reader, begin, tried)


# ---- steps

cdef bint _step(Reader* reader, bint bare, int32_t* node_out, bint* taken_out) noexcept nogil:
    """One step, if there is one (*taken_out); `bare`: a name may stand without a point."""
    cdef const char* begin = reader.at
    cdef bint descends = False
    cdef bint pointed
    cdef Slice name
    taken_out[0] = False
    node_out[0] = -1
    if begin == reader.end:
        return True
    pointed = begin[0] == c'.'
    if pointed:
        reader.at += 1
        if _takes(reader, c'.'):
            descends = True
    elif begin[0] != c'[' and not (bare and (_is_name(begin[0]) or begin[0] == c'*')):
        return True
    taken_out[0] = True
    _skip(reader)
    if _takes(reader, c'['):
        if not _list(reader, begin, node_out):
            return False
    elif _takes(reader, c'*'):
        node_out[0] = _node(reader, PATH_ALL)
    elif _name(reader, &name):
        node_out[0] = _node(reader, PATH_KEY)
        if node_out[0] != -1:
            reader.path.nodes[node_out[0]].text = name
    else:
        return _wrong(reader, reader.at, NAMES)
    if node_out[0] == -1:
        return False
    reader.path.nodes[node_out[0]].descends = descends
    return True


cdef bint _steps(Reader* reader, bint bare, int32_t* first_out) noexcept nogil:
    """All steps that there are; the first one, or -1."""
    cdef int32_t last = -1
    cdef int32_t node
    cdef bint taken
    first_out[0] = -1
    while True:
        _skip(reader)
        if not _step(reader, bare and last == -1, &node, &taken):
            return False
        if not taken:
            return True
        if last == -1:
            first_out[0] = node
        else:
            reader.path.nodes[last].next = node
        last = node


# ---- filters

cdef inline bint _word(Reader* reader, const char* word) noexcept nogil:
    cdef size_t length = strlen(word)
    cdef size_t i
    if <size_t>(reader.end - reader.at) < length:
        return False
    for i in range(length):
        if reader.at[i] != word[i]:
            return False
    reader.at += length
    return True


cdef bint _decimal(Reader* reader, int32_t node) noexcept nogil:
    cdef const char* begin = reader.at
    cdef int64_t value
    cdef PathNode* into = &reader.path.nodes[node]
    if not _number(reader, &value):
        return False
    into.kind = TERM_INTEGER
    into.start = value
    if reader.at + 1 < reader.end and reader.at[0] == c'.' and c'0' <= reader.at[1] <= c'9':
        reader.at += 1
        while reader.at < reader.end and c'0' <= reader.at[0] <= c'9':
            reader.at += 1
        into.kind = TERM_DOUBLE
        if not parse_decimal(slice_of(begin, reader.at - begin), &into.number):
            into.number = 0
    return True


cdef bint _term(Reader* reader, int32_t* node_out, const char* expected) noexcept nogil:
    cdef int32_t node = _node(reader, TERM_NULL)
    cdef int32_t first
    cdef bint is_root
    cdef Slice text
    node_out[0] = node
    if node == -1:
        return False
    _skip(reader)
    if reader.at < reader.end and (reader.at[0] == c'@' or reader.at[0] == c'$'):
        is_root = reader.at[0] == c'$'
        reader.at += 1
        if not _steps(reader, True, &first):
            return False
        reader.path.nodes[node].kind = TERM_ROOT if is_root else TERM_CURRENT
        reader.path.nodes[node].left = first
        return True
    if _decimal(reader, node):
        return True
    if _quoted(reader, &text):
        reader.path.nodes[node].kind = TERM_TEXT
        reader.path.nodes[node].text = text
        return True
    if _word(reader, b"true") or _word(reader, b"false"):
        reader.path.nodes[node].kind = TERM_BOOLEAN
        reader.path.nodes[node].start = (reader.at - 2)[0] == c'u'
        return True
    if _word(reader, b"null"):
        return True
    return _wrong(reader, reader.at, expected)


cdef int _operator(Reader* reader) noexcept nogil:
    if _word(reader, b">="):
        return OP_GREATER_EQUAL
    if _word(reader, b">"):
        return OP_GREATER
    if _word(reader, b"<="):
        return OP_LESS_EQUAL
    if _word(reader, b"<"):
        return OP_LESS
    if _word(reader, b"=="):
        return OP_EQUAL
    if _word(reader, b"!="):
        return OP_UNEQUAL
    return OP_SEARCH if _word(reader, b"=~") else 0


cdef bint _compile_search(Reader* reader, int32_t term) noexcept nogil:
    """The pattern behind =~, where it is known by now."""
    cdef PathNode* node = &reader.path.nodes[term]
    if node.kind != TERM_TEXT:
        return True
    node.regex = <JsonRegex*>malloc(sizeof(JsonRegex))
    if node.regex == NULL:
        reader.path.refused = True
        return False
    json_regex_compile(node.regex, node.text)        # a wrong one matches nothing
    return True


cdef bint _condition(Reader* reader, int32_t* node_out) noexcept nogil:
    """A comparison, a term, or a filter in brackets."""
    cdef int32_t node, left, right
    cdef int op
    cdef bint right_filter
    _skip(reader)
    if _takes(reader, c'('):
        reader.brackets += 1
        if reader.brackets > PATH_BRACKETS_MAX:
            return _wrong(reader, reader.end, b"fewer brackets")
        right_filter = _alternatives(reader, node_out)
        reader.brackets -= 1
        if not right_filter:
            return False
        _skip(reader)
        return True if _takes(reader, c')') else _wrong(reader, reader.at, b"and, or")
    if not _term(reader, &left, b"single_filter"):
        return False
    _skip(reader)
    op = _operator(reader)
    node = _node(reader, FILTER_COMPARE if op else FILTER_EXISTS)
    if node == -1:
        return False
    if not op and reader.path.nodes[left].kind <= TERM_ROOT:
        # Remembered only: more may follow, which is no mistake.
        _wrong(reader, reader.at, b"ge, gt, le, lt, eq, ne, re, and, or, '..'" if reader.path.nodes[left].left != -1
               else b"ge, gt, le, lt, eq, ne, re, and, or, root")
    if op:
        if not _term(reader, &right, TERMS):
            return False
        if op == OP_SEARCH and not _compile_search(reader, right):
            return False
        reader.path.nodes[node].right = right
    reader.path.nodes[node].left = left
    reader.path.nodes[node].op = <uint8_t>op
    node_out[0] = node
    return True


cdef bint _joined(Reader* reader, int kind, int32_t* left, int32_t right) noexcept nogil:
    cdef int32_t node = _node(reader, kind)
    if node == -1:
        return False
    reader.path.nodes[node].left = left[0]
    reader.path.nodes[node].right = right
    left[0] = node
    return True


cdef bint _all_of(Reader* reader, int32_t* node_out) noexcept nogil:
    """Conditions with && between them."""
    cdef int32_t right
    if not _condition(reader, node_out):
        return False
    while True:
        _skip(reader)
        if not _word(reader, b"&&"):
            return True
        if not _condition(reader, &right) or not _joined(reader, FILTER_AND, node_out, right):
            return False


cdef bint _alternatives(Reader* reader, int32_t* node_out) noexcept nogil:
    """The same with || between them."""
    cdef int32_t right
    if not _all_of(reader, node_out):
        return False
    while True:
        _skip(reader)
        if not _word(reader, b"||"):
            return True
        if not _all_of(reader, &right) or not _joined(reader, FILTER_OR, node_out, right):
            return False


cdef bint _filter(Reader* reader, int32_t into) noexcept nogil:
    cdef int32_t node
    cdef bint right
    reader.filters += 1
    if reader.filters > PATH_FILTERS_MAX:
        return _wrong(reader, reader.end, b"fewer filters in filters")
    right = _alternatives(reader, &node)
    reader.filters -= 1
    if right:
        reader.path.nodes[into].left = node
    return right


# ---- the whole

cdef bint _take_text(JsonPath* path, Slice text) noexcept nogil:
    """What is compiled: a legacy path gets its $."""
    cdef char* at = path.text_kept
    cdef size_t more = 0
    path.given = text
    path.text = text
    path.legacy = not (text.length and text.data[0] == c'$' and (
        text.length == 1 or text.data[1] == c'.' or text.data[1] == c'['))
    if not path.legacy:
        return True
    if text.length == 1 and text.data[0] == c'.':
        text.length = 0
        more = 1
    else:
        more = 1 if text.length and text.data[0] == c'.' else 2
    if text.length + more > PATH_TEXT_KEPT:
        if not buffer_reserve(&path.copy, text.length + more):
            return False
        at = path.copy.data
    memcpy(at, b"$.", more)
    memcpy(at + more, text.data, text.length)
    path.text = slice_of(at, text.length + more)
    return True


cdef bint json_path_compile(JsonPath* path, Slice text) noexcept nogil:
    cdef Reader reader
    path.nodes = path.kept
    path.count = 0
    path.capacity = PATH_NODES_KEPT
    path.first = -1
    path.refused = False
    path.expected = NULL
    path.fault_at = NULL
    buffer_init(&path.copy, NULL)
    buffer_init(&path.scratch, NULL)
    if not _take_text(path, text):
        path.refused = True
        return False
    reader.path = path
    reader.at = path.text.data + 1
    reader.end = path.text.data + path.text.length
    reader.filters = 0
    reader.brackets = 0
    if not _steps(&reader, False, &path.first) or path.refused:
        return False
    if reader.at == reader.end:
        return True
    return _wrong(&reader, reader.at, b"EOI, '..'")


cdef void json_path_clear(JsonPath* path) noexcept nogil:
    cdef int32_t i
    for i in range(path.count):
        if path.nodes[i].regex != NULL:
            free(path.nodes[i].regex)
    if path.nodes != path.kept:
        free(path.nodes)
    buffer_clear(&path.copy)
    buffer_clear(&path.scratch)


cdef void json_path_fault(const JsonPath* path, Buffer* out) noexcept nogil:
    cdef size_t before
    if path.expected == NULL:
        return
    before = path.fault_at - path.text.data
    buffer_append_text(out, b"Error occurred on position ")
    buffer_append_integer(out, <int64_t>before)
    buffer_append_text(out, b', "')
    buffer_append(out, path.text.data, before)
    if before == path.text.length:
        buffer_append_text(out, b" <<<<----")
    else:
        buffer_append_text(out, b" ---->>>> ")
        buffer_append(out, path.fault_at, path.text.length - before)
    buffer_append_text(out, b'", expected one of the following: ')
    buffer_append_text(out, path.expected)
    buffer_append_text(out, b".")


cdef bint json_path_is_static(const JsonPath* path) noexcept nogil:
    cdef int32_t at = path.first
    cdef const PathNode* node
    while at != -1:
        node = &path.nodes[at]
        if node.descends or not (node.kind == PATH_KEY or (
                node.kind == PATH_INDEXES and path.nodes[node.left].next == -1)):
            return False
        at = node.next
    return True


cdef bint json_path_adds(const JsonPath* path, Slice* key_out) noexcept nogil:
    cdef int32_t at = path.first
    if at == -1 or not json_path_is_static(path):
        return False
    while path.nodes[at].next != -1:
        at = path.nodes[at].next
    key_out[0] = path.nodes[at].text
    return path.nodes[at].kind == PATH_KEY
