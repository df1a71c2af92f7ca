"""See json_find.pxd. A path is followed by functions that call themselves: once a level of the document, and once a step that goes no
level down (a filter of a scalar). Both are bounded (JSON_DEPTH_MAX, PATH_NODES_MAX)."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_compare, slice_of
from hutch_engine.structures.json_path cimport (
    FILTER_AND, FILTER_COMPARE, FILTER_OR, JsonPath, OP_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_LESS, OP_LESS_EQUAL,
    OP_SEARCH, OP_UNEQUAL, PATH_ALL, PATH_FILTER, PATH_INDEXES, PATH_KEY, PATH_KEYS, PATH_SLICE, PathNode, SLICE_END,
    SLICE_START, TERM_BOOLEAN, TERM_CURRENT, TERM_DOUBLE, TERM_INTEGER, TERM_NULL, TERM_ROOT, TERM_TEXT)
from hutch_engine.structures.json_regex cimport JsonRegex, json_regex_compile, json_regex_search
from hutch_engine.structures.json_survey cimport json_equals
from hutch_engine.structures.json_value cimport (
    ARRAY_WORDS, JSON_ARRAY, JSON_DEPTH_MAX, JSON_NONE, JSON_OBJECT, JSON_TRUE, JsonKind, JsonMember, JsonWord, KIND_ARRAY,
    KIND_BOOLEAN, KIND_DOUBLE, KIND_INTEGER, KIND_NULL, KIND_OBJECT, KIND_STRING, json_count, json_double, json_element,
    json_find, json_integer, json_is_container, json_key_release, json_key_share, json_key_text, json_kind, json_members,
    json_tag, json_text, json_top, json_words)

cdef enum:
    NOT_COMPARABLE = 2
    FOUND_ENOUGH = 2             # a term of a filter wants to know whether there is one value, and one only

cdef struct Walk:
    const JsonPath* path
    JsonWord root
    const HashKey* hash_key
    JsonMatches* matches         # NULL: only `found` and `first` count
    size_t found
    JsonWord first
    int32_t stop                 # the step that is left out; -1: none
    JsonStep* way                # the steps to where we are, when ways are wanted
    uint32_t depth

cdef struct Term:
    JsonKind kind
    bint there
    bint in_document             # it was found, not written in the path
    JsonWord word
    int64_t integer              # a number, or a truth value
    double number
    Slice text


# ---- what was found

cdef void _record(Walk* walk, JsonWord word) noexcept nogil:
    cdef JsonMatches* matches = walk.matches
    cdef JsonStep* step
    cdef size_t end
    cdef uint32_t i
    walk.found += 1
    walk.first = word
    if matches == NULL:
        return
    if matches.count < MATCHES_KEPT:
        matches.kept[matches.count] = word
    else:
        buffer_append(&matches.more, <const char*>&word, sizeof(word))
        if unlikely(matches.more.failed):
            matches.refused = True
            return
    if walk.way != NULL:
        for i in range(walk.depth):
            step = &walk.way[i]
            if step.key != JSON_NONE and not json_key_share(step.key):
                matches.refused = True
                return
            buffer_append(&matches.steps, <const char*>step, sizeof(JsonStep))
            if unlikely(matches.steps.failed):
                if step.key != JSON_NONE:
                    json_key_release(matches.heap, step.key)
                matches.refused = True
                return
        end = matches.steps.length // sizeof(JsonStep)
        buffer_append(&matches.ends, <const char*>&end, sizeof(end))
        if unlikely(matches.ends.failed):
            matches.refused = True
            return
    matches.count += 1


cdef void json_matches_clear(JsonMatches* matches) noexcept nogil:
    cdef JsonStep* steps = <JsonStep*>matches.steps.data
    cdef size_t i
    for i in range(matches.steps.length // sizeof(JsonStep)):
        if steps[i].key != JSON_NONE:
            json_key_release(matches.heap, steps[i].key)
    buffer_clear(&matches.more)
    buffer_clear(&matches.ends)
    buffer_clear(&matches.steps)


# ---- steps

cdef inline bint _enough(const Walk* walk) noexcept nogil:
    if walk.matches == NULL:
        return walk.found >= FOUND_ENOUGH
    return walk.matches.refused


cdef inline void _into_element(Walk* walk, int32_t next, JsonWord array, uint32_t index) noexcept nogil:
    if walk.way != NULL:
        walk.way[walk.depth].key = JSON_NONE
        walk.way[walk.depth].index = index
    walk.depth += 1
    _walk(walk, next, json_element(array, index))
    walk.depth -= 1


cdef inline void _into_member(Walk* walk, int32_t next, JsonWord object, uint32_t position) noexcept nogil:
    cdef JsonMember* member = json_members(object) + position
    if walk.way != NULL:
        walk.way[walk.depth].key = member.key
        walk.way[walk.depth].index = position
    walk.depth += 1
    _walk(walk, next, member.value)
    walk.depth -= 1


cdef inline int64_t _clamped(int64_t index, int64_t count) noexcept nogil:
    """From the end where it is negative, but not beyond the first."""
    if index >= 0:
        return index
    index += count
    return index if index > 0 else 0


cdef void _apply(Walk* walk, const PathNode* node, JsonWord word) noexcept nogil:
    """The step `node` from this value, and from what it leads to all that follow."""
    cdef int tag = json_tag(word)
    cdef uint32_t count, i
    cdef int64_t position, start, end
    cdef int32_t item
    if node.kind == PATH_KEY:
        position = json_find(word, node.text, walk.hash_key)
        if position >= 0:
            _into_member(walk, node.next, word, <uint32_t>position)
        return
    if node.kind == PATH_FILTER and tag < JSON_ARRAY:
        # A scalar is tried itself.
        if json_kind(word) < KIND_ARRAY and _holds(walk, node.left, word):
            _walk(walk, node.next, word)
        return
    if tag < JSON_ARRAY:
        return
    count = json_count(word)
    if node.kind == PATH_ALL or node.kind == PATH_FILTER:
        for i in range(count):
            if _enough(walk):
                return
            if node.kind == PATH_FILTER and not _holds(
                    walk, node.left, json_members(word)[i].value if tag == JSON_OBJECT else json_element(word, i)):
                continue
            if tag == JSON_OBJECT:
                _into_member(walk, node.next, word, i)
            else:
                _into_element(walk, node.next, word, i)
    elif node.kind == PATH_KEYS:
        item = node.left
        while item != -1 and not _enough(walk):
            position = json_find(word, walk.path.nodes[item].text, walk.hash_key)
            if position >= 0:
                _into_member(walk, node.next, word, <uint32_t>position)
            item = walk.path.nodes[item].next
    elif tag == JSON_ARRAY and node.kind == PATH_INDEXES:
        item = node.left
        while item != -1 and not _enough(walk):
            position = _clamped(walk.path.nodes[item].start, count)
            if position < count:
                _into_element(walk, node.next, word, <uint32_t>position)
            item = walk.path.nodes[item].next
    elif tag == JSON_ARRAY and node.kind == PATH_SLICE:
        start = _clamped(node.start, count) if node.op & SLICE_START else 0
        end = _clamped(node.end, count) if node.op & SLICE_END else count
        if end > count:
            end = count
        while start < end and not _enough(walk):
            _into_element(walk, node.next, word, <uint32_t>start)
            if node.step >= end:
                return
            start += node.step


cdef void _descend(Walk* walk, const PathNode* node, JsonWord word) noexcept nogil:
    """The step from this value, then from all below it."""
    cdef bint scalars = node.kind == PATH_FILTER         # which no other step finds anything in
    cdef uint32_t i
    cdef JsonWord below
    _apply(walk, node, word)
    if not json_is_container(word) or (json_tag(word) == JSON_ARRAY and json_top(word) != ARRAY_WORDS and not scalars):
        return
    for i in range(json_count(word)):
        if _enough(walk):
            return
        below = json_members(word)[i].value if json_tag(word) == JSON_OBJECT else json_element(word, i)
        if not scalars and not json_is_container(below):
            continue
        if walk.way != NULL:
            walk.way[walk.depth].key = json_members(word)[i].key if json_tag(word) == JSON_OBJECT else JSON_NONE
            walk.way[walk.depth].index = i
        walk.depth += 1
        _descend(walk, node, below)
        walk.depth -= 1


cdef void _walk(Walk* walk, int32_t step, JsonWord word) noexcept nogil:
    """From this value by this step and those behind it."""
    cdef const PathNode* node
    if step == walk.stop:
        _record(walk, word)
        return
    node = &walk.path.nodes[step]
    if node.descends:
        _descend(walk, node, word)
    else:
        _apply(walk, node, word)


# ---- filters

cdef void _read_value(Term* term, JsonWord word) noexcept nogil:
    term.word = word
    term.kind = json_kind(word)
    term.there = True
    term.in_document = True
    if term.kind == KIND_BOOLEAN:
        term.integer = word == JSON_TRUE
    elif term.kind == KIND_INTEGER:
        if not json_integer(word, &term.integer):
            term.kind = KIND_DOUBLE                      # beyond int64: compared as a double
            term.number = json_double(word)
    elif term.kind == KIND_DOUBLE:
        term.number = json_double(word)


cdef void _read_term(const Walk* walk, int32_t index, JsonWord current, Term* term) noexcept nogil:
    """term.text is to be taken from term.word where it was found: a short one lies in the word."""
    cdef const PathNode* node = &walk.path.nodes[index]
    cdef Walk inner
    cdef JsonWord begin
    term.there = True
    term.in_document = False
    term.word = JSON_NONE
    if node.kind == TERM_CURRENT or node.kind == TERM_ROOT:
        begin = current if node.kind == TERM_CURRENT else walk.root
        if node.left == -1:
            _read_value(term, begin)
            return
        inner.path = walk.path
        inner.root = walk.root
        inner.hash_key = walk.hash_key
        inner.matches = NULL
        inner.found = 0
        inner.stop = -1
        inner.way = NULL
        inner.depth = 0
        _walk(&inner, node.left, begin)
        if inner.found == 1:
            _read_value(term, inner.first)
        else:
            term.there = False
        return
    if node.kind == TERM_INTEGER:
        term.kind = KIND_INTEGER
        term.integer = node.start
    elif node.kind == TERM_DOUBLE:
        term.kind = KIND_DOUBLE
        term.number = node.number
    elif node.kind == TERM_TEXT:
        term.kind = KIND_STRING
        term.text = node.text
    elif node.kind == TERM_BOOLEAN:
        term.kind = KIND_BOOLEAN
        term.integer = node.start
    else:
        term.kind = KIND_NULL


cdef inline Slice _term_text(const Term* term) noexcept nogil:
    return json_text(&term.word) if term.in_document else term.text


cdef inline int _order_of(double a, double b) noexcept nogil:
    return (a > b) - (a < b)


cdef int _compare(const Term* a, const Term* b) noexcept nogil:
    """-1, 0, 1, or NOT_COMPARABLE."""
    cdef int order
    if not a.there or not b.there:
        return NOT_COMPARABLE
    if a.kind == KIND_INTEGER and b.kind == KIND_INTEGER:
        return (a.integer > b.integer) - (a.integer < b.integer)
    if (a.kind == KIND_INTEGER or a.kind == KIND_DOUBLE) and (b.kind == KIND_INTEGER or b.kind == KIND_DOUBLE):
        return _order_of(a.number if a.kind == KIND_DOUBLE else <double>a.integer,
                         b.number if b.kind == KIND_DOUBLE else <double>b.integer)
    if a.kind != b.kind:
        return NOT_COMPARABLE
    if a.kind == KIND_STRING:
        order = slice_compare(_term_text(a), _term_text(b))
        return (order > 0) - (order < 0)
    if a.kind == KIND_BOOLEAN:
        return <int>(a.integer - b.integer)
    return 0 if a.kind == KIND_NULL else NOT_COMPARABLE


cdef bint _searched(const Walk* walk, const PathNode* node, const Term* left, const Term* right) noexcept nogil:
    cdef const JsonRegex* regex = walk.path.nodes[node.right].regex
    cdef JsonRegex* own
    cdef bint found
    if not (left.there and right.there and left.in_document and left.kind == KIND_STRING and right.kind == KIND_STRING):
        return False
    if regex != NULL:
        return json_regex_search(regex, _term_text(left))
    own = <JsonRegex*>malloc(sizeof(JsonRegex))      # too large for a stack on which filters call themselves
    if own == NULL:
        return False
    found = json_regex_compile(own, _term_text(right)) and json_regex_search(own, _term_text(left))
    free(own)
    return found


cdef bint _compared(const Walk* walk, const PathNode* node, JsonWord current) noexcept nogil:
    cdef Term left, right
    cdef int order
    _read_term(walk, node.left, current, &left)
    _read_term(walk, node.right, current, &right)
    if node.op == OP_SEARCH:
        return _searched(walk, node, &left, &right)
    if (left.there and right.there and left.kind == right.kind and left.kind >= KIND_ARRAY
            and (node.op == OP_EQUAL or node.op == OP_UNEQUAL)):
        return json_equals(left.word, right.word, False, walk.hash_key) == (node.op == OP_EQUAL)
    order = _compare(&left, &right)
    if node.op == OP_UNEQUAL:
        return order != 0
    if order == NOT_COMPARABLE:
        return False
    if node.op == OP_EQUAL:
        return order == 0
    if node.op == OP_LESS:
        return order < 0
    if node.op == OP_LESS_EQUAL:
        return order <= 0
    return order > 0 if node.op == OP_GREATER else order >= 0


cdef bint _holds(const Walk* walk, int32_t filter, JsonWord current) noexcept nogil:
    cdef const PathNode* node = &walk.path.nodes[filter]
    cdef Term term
    if node.kind == FILTER_AND:
        return _holds(walk, node.left, current) and _holds(walk, node.right, current)
    if node.kind == FILTER_OR:
        return _holds(walk, node.left, current) or _holds(walk, node.right, current)
    if node.kind == FILTER_COMPARE:
        return _compared(walk, node, current)
    _read_term(walk, node.left, current, &term)
    return term.there


# ---- the whole

cdef void _find(const JsonPath* path, JsonWord root, const HashKey* hash_key, JsonMatches* matches, JsonStep* way, int32_t stop,
                Heap* heap) noexcept nogil:
    cdef Walk walk
    walk.path = path
    walk.root = root
    walk.hash_key = hash_key
    walk.matches = matches
    walk.found = 0
    walk.stop = stop
    walk.way = way
    walk.depth = 0
    matches.count = 0
    matches.with_ways = way != NULL
    matches.refused = False
    matches.heap = heap
    buffer_init(&matches.more, NULL)
    buffer_init(&matches.ends, NULL)
    buffer_init(&matches.steps, NULL)
    _walk(&walk, path.first, root)


cdef void json_find_all(const JsonPath* path, JsonWord root, const HashKey* hash_key, JsonMatches* matches, bint with_ways,
                        Heap* heap) noexcept nogil:
    cdef JsonStep[JSON_DEPTH_MAX + 1] way
    _find(path, root, hash_key, matches, way if with_ways else NULL, -1, heap)


cdef void json_find_owner(const JsonPath* path, JsonWord root, const HashKey* hash_key, JsonMatches* matches, Heap* heap) noexcept nogil:
    cdef JsonStep[JSON_DEPTH_MAX + 1] way
    cdef int32_t last = path.first
    while path.nodes[last].next != -1:
        last = path.nodes[last].next
    _find(path, root, hash_key, matches, way, last, heap)


cdef int64_t json_step_position(JsonWord owner, const JsonStep* step, const HashKey* hash_key) noexcept nogil:
    if step.key != JSON_NONE:
        return json_find(owner, json_key_text(&step.key), hash_key)
    if json_tag(owner) == JSON_ARRAY and step.index < json_count(owner):
        return step.index
    return -1


cdef inline bint _is_name(char c) noexcept nogil:
    """In any name without quotes; the few other letters that may stand there are left to the compiler of paths."""
    return c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'_' or c == c'-'


cdef bint json_find_plain(Slice path, JsonWord root, const HashKey* hash_key, JsonWord* word_out) noexcept nogil:
    cdef const char* at = path.data + 1
    cdef const char* end = path.data + path.length
    cdef const char* name
    cdef JsonWord word = root
    cdef int64_t position
    if path.length < 3 or path.data[0] != c'$':
        return False
    while at < end:
        if at[0] != c'.':
            return False
        at += 1
        name = at
        while at < end and _is_name(at[0]):
            at += 1
        if at == name:
            return False
        position = json_find(word, slice_of(name, at - name), hash_key)
        # What follows is read to its end, since it may be no path.
        word = json_members(word)[position].value if position >= 0 else <JsonWord>JSON_NONE
    word_out[0] = word
    return True


cdef JsonWord* json_follow(JsonWord* root, const JsonStep* steps, size_t count, const HashKey* hash_key) noexcept nogil:
    cdef int64_t position
    cdef size_t i
    for i in range(count):
        position = json_step_position(root[0], &steps[i], hash_key)
        if position < 0:
            return NULL
        if json_tag(root[0]) == JSON_OBJECT:
            root = &json_members(root[0])[position].value
        elif json_top(root[0]) == ARRAY_WORDS:
            root = json_words(root[0]) + position
        else:
            return NULL
    return root
