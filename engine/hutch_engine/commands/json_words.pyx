"""See json_words.pxd."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_insert, buffer_slice)
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport heap_promise
from hutch_engine.base.numbers cimport format_integer, parse_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call, call_changed, call_find_read, call_find_write, error_memory, slot_entry
from hutch_engine.commands.reply cimport (
    reply_array, reply_bool, reply_bulk, reply_double, reply_error, reply_error_parts, reply_error_slice, reply_integer,
    reply_map, reply_mark, reply_null)
from hutch_engine.keyspace.entry cimport TYPE_JSON, entry_type
from hutch_engine.keyspace.json_type cimport json_root
from hutch_engine.keyspace.keyspace cimport EVENT_MODULE
from hutch_engine.structures.json_find cimport (
    JsonStep, json_find_all, json_find_plain, json_follow, json_match_way, json_matches_clear, json_step_position)
from hutch_engine.structures.json_parse cimport JSON_PARSE_DEPTH, JsonFault, json_is_utf8, json_parse
from hutch_engine.structures.json_path cimport json_path_clear, json_path_compile, json_path_fault
from hutch_engine.structures.json_value cimport (
    ARRAY_WORDS, JSON_ARRAY, JSON_DEPTH_MAX, JSON_NONE, JSON_OBJECT, JSON_TRUE, JsonKind, KIND_ARRAY, KIND_BOOLEAN,
    KIND_DOUBLE, KIND_INTEGER, KIND_NULL, KIND_STRING, json_array_replace, json_count, json_double, json_element, json_free,
    json_growth, json_integer, json_key_text, json_kind, json_kind_name, json_members, json_object_replace, json_tag,
    json_text, json_top, json_words)
from hutch_engine.structures.json_write cimport json_write


cdef Slice json_path_word(const Call* call, size_t index) noexcept nogil:
    return call.argv[index] if index < call.argc else slice_of(b".", 1)


cdef bint json_open(Call* call, size_t index, bint for_change, JsonQuery* query) noexcept nogil:
    query.open = False
    query.slot = NULL
    if for_change:
        query.slot = call_find_write(call, index)
        query.entry = slot_entry(query.slot) if query.slot != NULL else NULL
    else:
        query.entry = call_find_read(call, index)
    if unlikely(query.entry != NULL and entry_type(query.entry) != TYPE_JSON):
        reply_error(call.reply, b"Existing key has wrong Redis type")
        return False
    return True


cdef void _fault(Call* call, const JsonPath* path) noexcept nogil:
    cdef Buffer text
    if path.refused:
        error_memory(call)
        return
    buffer_init(&text, NULL)
    json_path_fault(path, &text)
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef bint json_query(Call* call, JsonQuery* query, Slice path, bint with_ways) noexcept nogil:
    if not with_ways and json_find_plain(path, json_root(query.entry)[0], &call.keyspace.hash_key, &query.matches.kept[0]):
        query.matches.count = query.matches.kept[0] != JSON_NONE
        query.path.legacy = False
        return True                      # with nothing to clear
    query.refused = False
    if unlikely(not json_is_utf8(path)):
        reply_error(call.reply, b"Couldn't parse as UTF-8 string")
        return False
    if unlikely(not json_path_compile(&query.path, path)):
        _fault(call, &query.path)
        query.refused = query.path.refused
        json_path_clear(&query.path)
        return False
    json_find_all(&query.path, json_root(query.entry)[0], &call.keyspace.hash_key, &query.matches, with_ways, call.keyspace.heap)
    query.open = True
    if unlikely(query.matches.refused):
        json_query_clear(query)
        query.refused = True
        error_memory(call)
        return False
    return True


cdef bint json_finds_nothing(Slice path) noexcept nogil:
    cdef JsonPath compiled
    cdef bint nothing
    if path.length == 1 and path.data[0] == c'.':
        return False
    nothing = json_is_utf8(path) and not json_path_compile(&compiled, path) and compiled.legacy and not compiled.refused
    if json_is_utf8(path):
        json_path_clear(&compiled)
    return nothing


cdef void json_query_clear(JsonQuery* query) noexcept nogil:
    if query.open:
        json_path_clear(&query.path)
        json_matches_clear(&query.matches)
        query.open = False


cdef bint json_is_text(Call* call, size_t index) noexcept nogil:
    if likely(json_is_utf8(call.argv[index])):
        return True
    reply_error(call.reply, b"Couldn't parse as UTF-8 string")
    return False


cdef JsonWord json_value_word(Call* call, size_t index, bint whole, const char* code, uint32_t* depth_out) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef JsonFault fault
    cdef JsonWord word
    cdef Buffer text
    if not json_is_text(call, index):
        return JSON_NONE
    word = json_parse(&maker, call.argv[index], whole, JSON_PARSE_DEPTH, depth_out, &fault)
    if likely(word != JSON_NONE):
        return word
    if fault.what == NULL:
        error_memory(call)
        return JSON_NONE
    buffer_init(&text, NULL)
    buffer_append_text(&text, code)
    buffer_append_text(&text, fault.what)
    buffer_append_text(&text, b" at line ")
    buffer_append_integer(&text, <int64_t>fault.line)
    buffer_append_text(&text, b" column ")
    buffer_append_integer(&text, <int64_t>fault.column)
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)
    return JSON_NONE


cdef bint json_position_word(Call* call, size_t index, int64_t* value_out) noexcept nogil:
    if parse_integer(call.argv[index], value_out):
        return True
    reply_error(call.reply, b"Couldn't parse as integer")
    return False


# ---- places

cdef bint json_place(JsonQuery* query, size_t index, const JsonMaker* maker, JsonPlace* place_out) noexcept nogil:
    cdef JsonWord* root = json_root(query.entry)
    cdef size_t count
    cdef JsonStep* steps = json_match_way(&query.matches, index, &count)
    cdef int64_t position
    place_out.owner = NULL
    place_out.slot = root
    place_out.position = 0
    if count:
        place_out.owner = json_follow(root, steps, count - 1, maker.hash_key)
        if place_out.owner == NULL:
            return False
        position = json_step_position(place_out.owner[0], &steps[count - 1], maker.hash_key)
        if position < 0:
            return False
        place_out.position = <uint32_t>position
        if json_tag(place_out.owner[0]) == JSON_OBJECT:
            place_out.slot = &json_members(place_out.owner[0])[position].value
        elif json_top(place_out.owner[0]) == ARRAY_WORDS:
            place_out.slot = json_words(place_out.owner[0]) + position
        else:
            place_out.slot = NULL
            place_out.word = json_element(place_out.owner[0], <uint32_t>position)
            return True
    place_out.word = place_out.slot[0]
    return True


cdef bint json_place_put(const JsonMaker* maker, JsonWord* root, JsonPlace* place, JsonWord word) noexcept nogil:
    if place.owner == NULL:
        json_free(maker.heap, root[0])
        root[0] = word
        return True
    if json_tag(place.owner[0]) == JSON_OBJECT:
        json_object_replace(maker.heap, place.owner[0], place.position, word)
        return True
    return json_array_replace(maker.heap, place.owner, place.position, word)


cdef size_t json_places_need(JsonQuery* query, const JsonMaker* maker, size_t each) noexcept nogil:
    cdef JsonPlace place
    cdef JsonWord* last = NULL
    cdef size_t bytes = 0
    cdef size_t i
    for i in range(query.matches.count):
        bytes += each
        # Packed numbers are unpacked once an array; its elements are found one behind the other.
        if json_place(query, i, maker, &place) and place.slot == NULL and place.owner != last:
            bytes += json_growth(place.owner[0], 0)
            last = place.owner
    return bytes


cdef bint json_promise(Call* call, size_t count, size_t bytes) noexcept nogil:
    if count <= 1 or heap_promise(call.keyspace.heap, bytes):
        return True
    error_memory(call)
    return False


cdef bint json_fits(Call* call, size_t steps, uint32_t depth) noexcept nogil:
    if likely(steps + depth <= JSON_DEPTH_MAX):
        return True
    reply_error(call.reply, b"ERR recursion limit exceeded: a document may be 512 levels deep")
    return False


# ---- replies

cdef void json_changed(Call* call, size_t index, const char* event) noexcept nogil:
    call_changed(call, index, EVENT_MODULE, event)


cdef size_t json_bulk_begin(Call* call) noexcept nogil:
    return reply_mark(call.reply)


cdef void json_bulk_end(Call* call, size_t begin) noexcept nogil:
    cdef Buffer* out = &call.reply.buffer
    cdef char[32] header
    cdef size_t length
    if unlikely(out.failed):
        return
    header[0] = c'$'
    length = 1 + format_integer(<int64_t>(out.length - begin), header + 1)
    memcpy(header + length, b"\r\n", 2)
    buffer_insert(out, begin, header, length + 2)
    buffer_append(out, b"\r\n", 2)


cdef void json_reply_value(Call* call, JsonWord word) noexcept nogil:
    cdef size_t begin = json_bulk_begin(call)
    json_write(&call.reply.buffer, word)
    json_bulk_end(call, begin)


cdef void json_reply_expanded(Call* call, JsonWord word) noexcept nogil:
    cdef JsonKind kind = json_kind(word)
    cdef int64_t integer
    cdef uint32_t i
    if kind == KIND_NULL:
        reply_null(call.reply)
    elif kind == KIND_BOOLEAN:
        reply_bool(call.reply, word == JSON_TRUE)
    elif kind == KIND_STRING:
        reply_bulk(call.reply, json_text(&word))
    elif kind == KIND_INTEGER and json_integer(word, &integer):
        reply_integer(call.reply, integer)
    elif kind == KIND_INTEGER or kind == KIND_DOUBLE:
        reply_double(call.reply, json_double(word))
    elif kind == KIND_ARRAY:
        reply_array(call.reply, json_count(word))
        for i in range(json_count(word)):
            json_reply_expanded(call, json_element(word, i))
    else:
        reply_map(call.reply, json_count(word))
        for i in range(json_count(word)):
            reply_bulk(call.reply, json_key_text(&json_members(word)[i].key))
            json_reply_expanded(call, json_members(word)[i].value)


# ---- errors

cdef void json_error_path(Call* call, Slice path, const char* what) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR Path '")
    buffer_append_slice(&text, path)
    buffer_append_text(&text, b"' does not exist")
    buffer_append_text(&text, what)
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void json_error_kind(Call* call, const char* wanted, JsonWord found) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"WRONGTYPE wrong type of path value - expected ")
    buffer_append_text(&text, wanted)
    buffer_append_text(&text, b" but found ")
    buffer_append_text(&text, json_kind_name(found))
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void json_error_no_key(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR could not perform this operation on a key that doesn't exist")


cdef bint json_no_key(Call* call, Slice path) noexcept nogil:
    if json_path_is_modern(path):
        json_error_no_key(call)
        return False
    return True
