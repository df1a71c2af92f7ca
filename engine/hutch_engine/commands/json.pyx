"""See json.pxd."""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc, qsort
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_reserve
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.slice cimport Slice, slice_compare, slice_equals, slice_is, slice_of
from hutch_engine.commands.call cimport Call, call_find_read, call_hash, call_word, error_arity, error_memory
from hutch_engine.commands.json_words cimport (
    JsonPlace, JsonQuery, json_bulk_begin, json_bulk_end, json_changed, json_error_path, json_finds_nothing, json_is_text,
    json_maker, json_open, json_path_is_modern, json_path_word, json_place, json_query, json_query_clear, json_reply_expanded, json_reply_value)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_bulk_text, reply_double, reply_error, reply_integer, reply_map, reply_mark, reply_null,
    reply_rewind, reply_simple)
from hutch_engine.keyspace.entry cimport TYPE_JSON, Entry, entry_type
from hutch_engine.keyspace.json_type cimport json_root, json_text_bytes
from hutch_engine.keyspace.keyspace cimport keyspace_delete
from hutch_engine.structures.json_find cimport (
    JsonMatches, JsonStep, json_find_all, json_match, json_match_way, json_matches_clear)
from hutch_engine.structures.json_parse cimport json_is_utf8
from hutch_engine.structures.json_path cimport JsonPath, json_path_clear, json_path_compile, json_path_is_root
from hutch_engine.structures.json_value cimport (
    JSON_NONE, JSON_OBJECT, JSON_TRUE, JsonKind, JsonMaker, JsonWord, KIND_ARRAY, KIND_BOOLEAN, KIND_DOUBLE, KIND_INTEGER,
    KIND_NULL, KIND_OBJECT, KIND_STRING, json_array_remove, json_count, json_double, json_element, json_integer,
    json_key_text, json_kind, json_kind_name, json_members, json_memory, json_object_remove, json_tag, json_text)
from hutch_engine.structures.json_write cimport (
    JsonLayout, json_write, json_write_break, json_write_laid_out, json_write_string)

cdef enum:                       # JSON.GET's FORMAT
    FORMAT_TEXT = 0
    FORMAT_EXPAND = 1
    FORMAT_EXPAND_SCALARS = 2    # strings, arrays and objects stay text

cdef enum:
    HEADER_ROOM = 64             # a bulk string's header, and what eight bytes at once are written beyond its end

cdef struct Asking:              # JSON.GET's words
    JsonLayout layout
    bint laid_out
    int format
    size_t paths                 # how many ...
    size_t first                 # ... and the first of them
    bint legacy                  # they all are


cdef void json_reply_modules(Call* call) noexcept nogil:
    reply_array(call.reply, 1)
    reply_map(call.reply, 4)
    reply_bulk_text(call.reply, b"name")
    reply_bulk_text(call.reply, b"ReJSON")
    reply_bulk_text(call.reply, b"ver")
    reply_integer(call.reply, JSON_MODULE_VERSION)
    reply_bulk_text(call.reply, b"path")
    reply_bulk_text(call.reply, b"")
    reply_bulk_text(call.reply, b"args")
    reply_array(call.reply, 0)


# ---- JSON.GET

cdef bint _format(Call* call, size_t index, Asking* asking) noexcept nogil:
    if call.reply.resp < 3:
        reply_error(call.reply, b"ERR FORMAT argument is not supported on RESP2")
        return False
    if index >= call.argc:
        error_arity(call)
        return False
    if call_word(call, index, b"STRING"):
        asking.format = FORMAT_TEXT
    elif call_word(call, index, b"EXPAND"):
        asking.format = FORMAT_EXPAND
    elif call_word(call, index, b"EXPAND1"):
        asking.format = FORMAT_EXPAND_SCALARS
    else:
        reply_error(call.reply, b"ERR wrong reply format")
        return False
    return True


cdef inline bint _option(Call* call, size_t index, size_t* words_out, Asking* asking) noexcept nogil:
    """Is argv[index] an option, and how many words has it? False: an error was written."""
    cdef Slice* text = NULL
    words_out[0] = 0
    # A path begins with a dollar or a point most of the time.
    if likely(call.argv[index].length == 0 or call.argv[index].data[0] == c'$' or call.argv[index].data[0] == c'.'):
        return True
    if call_word(call, index, b"NOESCAPE"):
        words_out[0] = 1
        return True
    words_out[0] = 2
    if call_word(call, index, b"FORMAT"):
        return _format(call, index + 1, asking)
    if call_word(call, index, b"INDENT"):
        text = &asking.layout.indent
    elif call_word(call, index, b"NEWLINE"):
        text = &asking.layout.newline
    elif call_word(call, index, b"SPACE"):
        text = &asking.layout.space
    else:
        words_out[0] = 0
        return True
    if index + 1 >= call.argc:
        error_arity(call)
        return False
    text[0] = call.argv[index + 1]
    asking.laid_out = True
    return True


cdef bint _read_options(Call* call, Asking* asking) noexcept nogil:
    cdef size_t i = 2
    cdef size_t words
    asking.layout.indent = slice_of(NULL, 0)
    asking.layout.newline = slice_of(NULL, 0)
    asking.layout.space = slice_of(NULL, 0)
    asking.laid_out = False
    asking.format = FORMAT_TEXT
    asking.paths = 0
    asking.first = 0
    asking.legacy = True
    while i < call.argc:
        if not _option(call, i, &words, asking):
            return False
        if words == 0:
            if not json_is_text(call, i):
                return False
            if asking.paths == 0:
                asking.first = i
            asking.paths += 1
            asking.legacy = asking.legacy and not json_path_is_modern(call.argv[i])
            words = 1
        i += words
    return True


cdef inline void _write(Buffer* out, JsonWord word, const Asking* asking, uint32_t level) noexcept nogil:
    if asking.laid_out:
        json_write_laid_out(out, word, &asking.layout, level)
    else:
        json_write(out, word)


cdef void _write_all(Buffer* out, const JsonMatches* matches, const Asking* asking, uint32_t level) noexcept nogil:
    """The array of all values found."""
    cdef size_t i
    buffer_append(out, b"[", 1)
    for i in range(matches.count):
        if i:
            buffer_append(out, b",", 1)
        if asking.laid_out:
            json_write_break(out, &asking.layout, level + 1)
        _write(out, json_match(matches, i), asking, level + 1)
    if asking.laid_out and matches.count:
        json_write_break(out, &asking.layout, level)
    buffer_append(out, b"]", 1)


cdef void _get_one(Call* call, JsonQuery* query, Slice path, const Asking* asking) noexcept nogil:
    cdef size_t begin
    if not json_query(call, query, path, False):
        return
    if asking.legacy and query.matches.count == 0:
        json_error_path(call, query.path.text, b"")
    else:
        begin = json_bulk_begin(call)
        if asking.legacy:
            _write(&call.reply.buffer, json_match(&query.matches, 0), asking, 0)
        else:
            _write_all(&call.reply.buffer, &query.matches, asking, 0)
        json_bulk_end(call, begin)
    json_query_clear(query)


cdef bint _seen_before(Call* call, const Asking* asking, size_t index) noexcept nogil:
    cdef Asking scratch
    cdef size_t i = asking.first
    cdef size_t words
    while i < index:
        _option(call, i, &words, &scratch)
        if words == 0 and slice_equals(call.argv[i], call.argv[index]):
            return True
        i += words if words else 1
    return False


cdef void _get_several(Call* call, JsonQuery* query, Asking* asking) noexcept nogil:
    """An object from paths to what they find."""
    cdef Buffer* out = &call.reply.buffer
    cdef size_t begin = json_bulk_begin(call)
    cdef size_t i = asking.first
    cdef size_t words
    cdef bint first = True
    cdef Asking scratch
    buffer_append(out, b"{", 1)
    while i < call.argc:
        _option(call, i, &words, &scratch)
        if words or _seen_before(call, asking, i):
            i += words if words else 1
            continue
        words = out.length
        if not json_query(call, query, call.argv[i], False):
            # A path that is none is passed over, where there are others.
            if query.refused or out.failed:
                _keep_error(out, begin, words)
                return
            out.length = words
            i += 1
            continue
        if not first:
            buffer_append(out, b",", 1)
        first = False
        if asking.laid_out:
            json_write_break(out, &asking.layout, 1)
        json_write_string(out, call.argv[i])
        buffer_append(out, b":", 1)
        buffer_append_slice(out, asking.layout.space)
        # An error is written behind what there is of the reply, which then goes.
        words = out.length
        if asking.legacy and query.matches.count == 0:
            json_error_path(call, call.argv[i], b"")
            json_query_clear(query)
            _keep_error(out, begin, words)
            return
        if asking.legacy:
            _write(out, json_match(&query.matches, 0), asking, 1)
        else:
            _write_all(out, &query.matches, asking, 1)
        json_query_clear(query)
        i += 1
    if asking.laid_out:
        json_write_break(out, &asking.layout, 0)
    buffer_append(out, b"}", 1)
    json_bulk_end(call, begin)


cdef void _keep_error(Buffer* out, size_t begin, size_t error) noexcept nogil:
    """Of the bytes from `begin` on only those from `error` on."""
    cdef size_t i
    if out.failed:
        return
    for i in range(out.length - error):
        out.data[begin + i] = out.data[error + i]
    out.length -= error - begin


cdef void _get_expanded(Call* call, JsonQuery* query, Asking* asking) noexcept nogil:
    """For each path an array of what it finds."""
    cdef size_t i = asking.first if asking.paths else call.argc
    cdef size_t begin = reply_mark(call.reply)
    cdef size_t error, words, j
    cdef Asking scratch
    cdef JsonWord word
    cdef Slice path = slice_of(b"$", 1)
    reply_array(call.reply, asking.paths if asking.paths else 1)
    while i < call.argc or asking.paths == 0:
        if asking.paths:
            _option(call, i, &words, &scratch)
            if words:
                i += words
                continue
            path = call.argv[i]
        error = call.reply.buffer.length
        if not json_query(call, query, path, False):
            if query.refused or call.reply.buffer.failed:
                _keep_error(&call.reply.buffer, begin, error)
                return
            reply_rewind(call.reply, error)      # a path that is none finds nothing
            reply_array(call.reply, 0)
            if asking.paths == 0:
                return
            i += 1
            continue
        reply_array(call.reply, <int64_t>query.matches.count)
        for j in range(query.matches.count):
            word = json_match(&query.matches, j)
            if asking.format == FORMAT_EXPAND_SCALARS and json_kind(word) >= KIND_STRING:
                json_reply_value(call, word)
            else:
                json_reply_expanded(call, word)
        json_query_clear(query)
        if asking.paths == 0:
            break
        i += 1


cdef void cmd_json_get(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef Asking asking
    cdef size_t begin
    cdef size_t* seen
    if unlikely(call.argc < 2):
        error_arity(call)
        return
    if not _read_options(call, &asking) or not json_open(call, 1, False, &query):
        return
    if query.entry == NULL:
        reply_null(call.reply)
    elif unlikely(asking.format != FORMAT_TEXT):
        _get_expanded(call, &query, &asking)
    elif asking.paths > 1:
        _get_several(call, &query, &asking)
    elif asking.paths == 1 and not slice_is(call.argv[asking.first], b"."):
        _get_one(call, &query, call.argv[asking.first], &asking)
    else:
        begin = json_bulk_begin(call)
        seen = json_text_bytes(query.entry)
        if seen[0]:
            buffer_reserve(&call.reply.buffer, seen[0] + HEADER_ROOM)
        _write(&call.reply.buffer, json_root(query.entry)[0], &asking, 0)
        seen[0] = call.reply.buffer.length - begin
        json_bulk_end(call, begin)


cdef void cmd_json_mget(Call* call) noexcept nogil:
    cdef Slice path
    cdef JsonPath compiled
    cdef JsonMatches matches
    cdef Asking asking
    cdef Entry* entry
    cdef size_t i, begin
    cdef bint right
    if call.argc < 3:
        error_arity(call)
        return
    path = call.argv[call.argc - 1]
    if not json_is_text(call, call.argc - 1):
        return
    asking.laid_out = False
    right = json_path_compile(&compiled, path)
    if compiled.refused:
        json_path_clear(&compiled)
        error_memory(call)
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(1, call.argc - 1):
        entry = call_find_read(call, i)
        if entry == NULL or entry_type(entry) != TYPE_JSON or not right:
            reply_null(call.reply)
            continue
        json_find_all(&compiled, json_root(entry)[0], &call.keyspace.hash_key, &matches, False, call.keyspace.heap)
        if matches.refused:
            call.reply.buffer.failed = True
        elif compiled.legacy and matches.count == 0:
            reply_null(call.reply)
        elif compiled.legacy:
            json_reply_value(call, json_match(&matches, 0))
        else:
            begin = json_bulk_begin(call)
            _write_all(&call.reply.buffer, &matches, &asking, 0)
            json_bulk_end(call, begin)
        json_matches_clear(&matches)
    json_path_clear(&compiled)


# ---- JSON.TYPE

cdef void cmd_json_type(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef size_t i
    if call.argc < 2:
        error_arity(call)
        return
    if not json_open(call, 1, False, &query):
        return
    if query.entry == NULL or json_finds_nothing(json_path_word(call, 2)):
        if call.reply.resp >= 3:
            reply_array(call.reply, 1)
        reply_null(call.reply)
        return
    if not json_query(call, &query, json_path_word(call, 2), False):
        return
    if call.reply.resp >= 3:
        reply_array(call.reply, 1)
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
        for i in range(query.matches.count):
            reply_bulk_text(call.reply, json_kind_name(json_match(&query.matches, i)))
    elif query.matches.count:
        reply_bulk_text(call.reply, json_kind_name(json_match(&query.matches, 0)))
    else:
        reply_null(call.reply)
    json_query_clear(&query)


# ---- JSON.RESP

cdef void _reply_resp(Call* call, JsonWord word) noexcept nogil:
    cdef JsonKind kind = json_kind(word)
    cdef int64_t integer
    cdef uint32_t count, i
    if kind == KIND_NULL:
        reply_null(call.reply)
    elif kind == KIND_BOOLEAN:
        reply_simple(call.reply, b"true" if word == JSON_TRUE else b"false")
    elif kind == KIND_STRING:
        reply_bulk(call.reply, json_text(&word))
    elif kind == KIND_INTEGER and json_integer(word, &integer):
        reply_integer(call.reply, integer)
    elif kind == KIND_INTEGER or kind == KIND_DOUBLE:
        reply_double(call.reply, json_double(word))
    else:
        count = json_count(word)
        reply_array(call.reply, 1 + <int64_t>count * (2 if kind == KIND_OBJECT else 1))
        reply_simple(call.reply, b"{" if kind == KIND_OBJECT else b"[")
        for i in range(count):
            if kind == KIND_OBJECT:
                reply_bulk(call.reply, json_key_text(&json_members(word)[i].key))
                _reply_resp(call, json_members(word)[i].value)
            else:
                _reply_resp(call, json_element(word, i))


cdef void cmd_json_resp(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef size_t i
    if call.argc < 2:
        error_arity(call)
        return
    if not json_open(call, 1, False, &query):
        return
    if query.entry == NULL:
        reply_null(call.reply)
        return
    if not json_query(call, &query, json_path_word(call, 2), False):
        return
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
        for i in range(query.matches.count):
            _reply_resp(call, json_match(&query.matches, i))
    elif query.matches.count:
        _reply_resp(call, json_match(&query.matches, 0))
    else:
        json_error_path(call, query.path.text, b"")
    json_query_clear(&query)


# ---- JSON.DEBUG

cdef void _debug_memory(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef Slice path
    cdef size_t i
    if call.argc < 3:
        error_arity(call)
        return
    if not json_open(call, 2, False, &query):
        return
    path = json_path_word(call, 3)
    if query.entry == NULL:
        if json_path_is_modern(path):
            reply_array(call.reply, 0)
        else:
            reply_integer(call.reply, 0)
        return
    if not json_query(call, &query, path, False):
        return
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
        for i in range(query.matches.count):
            reply_integer(call.reply, <int64_t>(sizeof(JsonWord) + json_memory(json_match(&query.matches, i))))
    elif query.matches.count:
        reply_integer(call.reply, <int64_t>(sizeof(JsonWord) + json_memory(json_match(&query.matches, 0))))
    else:
        json_error_path(call, query.path.text, b"")
    json_query_clear(&query)


cdef void cmd_json_debug(Call* call) noexcept nogil:
    if call.argc < 2:
        error_arity(call)
    elif not json_is_text(call, 1):
        return
    elif call_word(call, 1, b"MEMORY"):
        _debug_memory(call)
    elif call_word(call, 1, b"HELP"):
        reply_array(call.reply, 2)
        reply_bulk_text(call.reply, b"MEMORY <key> [path] - reports memory usage")
        reply_bulk_text(call.reply, b"HELP                - this message")
    else:
        reply_error(call.reply, b"ERR unknown subcommand - try `JSON.DEBUG HELP`")


# ---- JSON.DEL

cdef struct Way:
    JsonStep* steps
    size_t count
    size_t index                 # of the match


cdef int _order_of(const Way* a, const Way* b) noexcept nogil:
    """Members by name, elements from the last one on, so that none of them moves before its turn; in front of them what holds them."""
    cdef size_t count = a.count if a.count < b.count else b.count
    cdef size_t i
    cdef int order
    for i in range(count):
        if a.steps[i].key == JSON_NONE or b.steps[i].key == JSON_NONE:
            if a.steps[i].index != b.steps[i].index:
                return 1 if a.steps[i].index < b.steps[i].index else -1
            continue
        order = slice_compare(json_key_text(&a.steps[i].key), json_key_text(&b.steps[i].key))
        if order:
            return order
    return (a.count > b.count) - (a.count < b.count)


cdef int _compare(const void* a, const void* b) noexcept nogil:
    return _order_of(<const Way*>a, <const Way*>b)


cdef bint _lies_in(const Way* inner, const Way* outer) noexcept nogil:
    """Is it the same place, or one below it?"""
    cdef Way cut
    if inner.count < outer.count:
        return False
    cut = inner[0]
    cut.count = outer.count
    return _order_of(&cut, outer) == 0


cdef int64_t _delete_all(Call* call, JsonQuery* query) noexcept nogil:
    """How many were deleted; -1: memory was refused, and nothing has changed."""
    cdef JsonMaker maker = json_maker(call)
    cdef size_t count = query.matches.count
    cdef Way only
    cdef Way* ways = &only
    cdef JsonPlace place
    cdef int64_t deleted = 0
    cdef size_t i
    cdef size_t last = 0
    if count > 1:
        ways = <Way*>malloc(count * sizeof(Way))
        if ways == NULL:
            return -1
    for i in range(count):
        ways[i].steps = json_match_way(&query.matches, i, &ways[i].count)
        ways[i].index = i
    if count > 1:
        qsort(ways, count, sizeof(Way), _compare)
    for i in range(count):
        if i and _lies_in(&ways[i], &ways[last]):
            continue
        last = i
        if not json_place(query, ways[i].index, &maker, &place) or place.owner == NULL:
            continue
        if json_tag(place.owner[0]) == JSON_OBJECT:
            json_object_remove(&maker, place.owner, place.position)
        else:
            json_array_remove(maker.heap, place.owner, place.position, 1)
        deleted += 1
    if ways != &only:
        free(ways)
    return deleted


cdef void cmd_json_del(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef int64_t deleted
    cdef bint whole
    cdef size_t i, steps
    if call.argc < 2:
        error_arity(call)
        return
    if not json_open(call, 1, True, &query):
        return
    if query.entry == NULL:
        reply_integer(call.reply, 0)
        return
    if not json_query(call, &query, json_path_word(call, 2), True):
        return
    whole = json_path_is_root(&query.path)
    if query.matches.count and not whole:
        # A filter may have found the root itself.
        json_match_way(&query.matches, 0, &steps)
        whole = steps == 0
    if whole:
        json_query_clear(&query)
        keyspace_delete(call.keyspace, call.database, query.slot, call_hash(call, 1), call.keyspace.lazy_user_delete)
        deleted = 1
    else:
        deleted = _delete_all(call, &query)
        json_query_clear(&query)
    if unlikely(deleted < 0):
        error_memory(call)
        return
    if deleted:
        json_changed(call, 1, b"json.del")
    reply_integer(call.reply, deleted)


cdef void cmd_json_forget(Call* call) noexcept nogil:
    cmd_json_del(call)
