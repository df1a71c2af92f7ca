"""See json_array.pxd."""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport Heap, heap_promise_end
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call, call_word, error_arity, error_memory
from hutch_engine.commands.json_words cimport (
    JsonPlace, JsonQuery, json_changed, json_error_kind, json_error_no_key, json_error_path, json_fits, json_maker, json_open,
    json_path_word, json_place, json_position_word, json_promise, json_query, json_query_clear, json_reply_expanded,
    json_reply_value, json_value_word)
from hutch_engine.commands.reply cimport (
    reply_array, reply_error, reply_integer, reply_mark, reply_null, reply_rewind)
from hutch_engine.structures.json_find cimport json_match, json_match_way
from hutch_engine.structures.json_survey cimport json_equals
from hutch_engine.structures.json_value cimport (
    JSON_NONE, JsonMaker, JsonWord, json_array_insert, json_array_remove, json_copy, json_count, json_element,
    json_free, json_growth, json_is_array, json_memory)

cdef enum:
    VALUE_BYTES = 16             # what an element may take beside its block


# ---- values to be put in

cdef struct Values:
    Buffer words                 # JsonWord each, owned
    size_t count
    uint32_t depth               # of the deepest
    size_t bytes                 # of all together


cdef void _free_values(Call* call, Values* values) noexcept nogil:
    cdef size_t i
    for i in range(values.words.length // sizeof(JsonWord)):
        json_free(call.keyspace.heap, (<JsonWord*>values.words.data)[i])
    buffer_clear(&values.words)


cdef bint _read_values(Call* call, size_t first, Values* values) noexcept nogil:
    """argv[first] ... as values; False: the error was written, and there is nothing to free."""
    cdef JsonWord word
    cdef uint32_t depth
    cdef size_t i
    buffer_init(&values.words, NULL)
    values.count = call.argc - first
    values.depth = 0
    values.bytes = 0
    for i in range(first, call.argc):
        word = json_value_word(call, i, False, b"", &depth)
        if word == JSON_NONE:
            _free_values(call, values)
            return False
        buffer_append(&values.words, <const char*>&word, sizeof(word))
        if values.words.failed:
            json_free(call.keyspace.heap, word)
            _free_values(call, values)
            error_memory(call)
            return False
        if depth > values.depth:
            values.depth = depth
        values.bytes += json_memory(word) + VALUE_BYTES
    return True


cdef bint _insert_copies(Heap* heap, JsonWord* slot, uint32_t index, const Values* values) noexcept nogil:
    cdef Buffer copies
    cdef JsonWord copy
    cdef size_t i
    cdef bint put
    buffer_init(&copies, NULL)
    for i in range(values.count):
        copy = json_copy(heap, (<JsonWord*>values.words.data)[i])
        if copy != JSON_NONE:
            buffer_append(&copies, <const char*>&copy, sizeof(copy))
            if not copies.failed:
                continue
            json_free(heap, copy)
        break
    put = copies.length == values.count * sizeof(JsonWord) and json_array_insert(
        heap, slot, index, <const JsonWord*>copies.data, values.count)
    if not put:
        for i in range(copies.length // sizeof(JsonWord)):
            json_free(heap, (<JsonWord*>copies.data)[i])
    buffer_clear(&copies)
    return put


cdef int64_t _clamped(int64_t index, int64_t count) noexcept nogil:
    """From the end where it is negative, but not beyond the first."""
    if index >= 0:
        return index
    index += count
    return index if index > 0 else 0


# ---- what commands that change arrays have in common

cdef bint _open(Call* call, JsonQuery* query, Slice path) noexcept nogil:
    if not json_open(call, 1, True, query):
        return False
    if query.entry == NULL:
        json_error_no_key(call)
        return False
    return json_query(call, query, path, True)


cdef size_t _arrays(const JsonQuery* query) noexcept nogil:
    """How many of the values found are arrays."""
    cdef size_t count = 0
    cdef size_t i
    for i in range(query.matches.count):
        count += json_is_array(json_match(&query.matches, i))
    return count


cdef bint _begin(Call* call, JsonQuery* query, Slice shown) noexcept nogil:
    """The header of the reply; False: of a legacy path that finds no array, the error was written, and all is cleared."""
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
        return True
    if _arrays(query):
        return True
    json_error_path(call, shown, b" or not an array")
    json_query_clear(query)
    return False


cdef bint _place_array(JsonQuery* query, size_t index, const JsonMaker* maker, JsonPlace* place) noexcept nogil:
    """Was an array found, and is there still one?"""
    return json_is_array(json_match(&query.matches, index)) and json_place(query, index, maker, place) and json_is_array(place.word)


cdef inline void _begin_next(Call* call, const JsonQuery* query, size_t mark) noexcept nogil:
    """Of a legacy path only the last array's answer stays."""
    if query.path.legacy:
        reply_rewind(call.reply, mark)


cdef void _insert(Call* call, Slice shown, Values* values, JsonQuery* query, bint at_end, int64_t index,
                  const char* event) noexcept nogil:
    """Put the values into all arrays, and reply; the values are taken or freed."""
    cdef JsonMaker maker = json_maker(call)
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t bytes = 0
    cdef size_t arrays = _arrays(query)
    cdef size_t steps, i
    cdef JsonWord word
    cdef JsonPlace place
    cdef int64_t at, count
    cdef bint put = True
    for i in range(query.matches.count):
        word = json_match(&query.matches, i)
        if not json_is_array(word):
            continue
        count = json_count(word)
        if not at_end and not -count <= index <= count:
            reply_error(call.reply, b"ERR index out of bounds")
            put = False
            break
        json_match_way(&query.matches, i, &steps)
        if not json_fits(call, steps + 1, values.depth):
            put = False
            break
        bytes += values.bytes + json_growth(word, values.count)
    if not put or not json_promise(call, arrays, bytes):
        _free_values(call, values)
        json_query_clear(query)
        return
    if not _begin(call, query, shown):
        heap_promise_end(maker.heap)
        _free_values(call, values)
        return
    for i in range(query.matches.count):
        if not _place_array(query, i, &maker, &place):
            if not query.path.legacy:
                reply_null(call.reply)
            continue
        count = json_count(place.word)
        at = count if at_end else (index if index >= 0 else index + count)
        if at < 0 or at > count:
            at = count
        if arrays == 1:
            put = json_array_insert(maker.heap, place.slot, <uint32_t>at, <const JsonWord*>values.words.data, values.count)
            if put:
                values.words.length = 0
        else:
            put = _insert_copies(maker.heap, place.slot, <uint32_t>at, values)
        if unlikely(not put):
            break
        _begin_next(call, query, mark)
        reply_integer(call.reply, json_count(place.slot[0]))
    heap_promise_end(maker.heap)
    if unlikely(not put):
        reply_rewind(call.reply, mark)
        error_memory(call)
    elif arrays:
        json_changed(call, 1, event)
    _free_values(call, values)
    json_query_clear(query)


cdef void cmd_json_arrappend(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef Values values
    if call.argc < 4:
        error_arity(call)
        return
    if not _read_values(call, 3, &values):
        return
    if not _open(call, &query, call.argv[2]):
        _free_values(call, &values)
        return
    _insert(call, call.argv[2], &values, &query, True, 0, b"json.arrappend")


cdef void cmd_json_arrinsert(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef Values values
    cdef int64_t index
    if call.argc < 5:
        error_arity(call)
        return
    if not json_position_word(call, 3, &index) or not _read_values(call, 4, &values):
        return
    if not _open(call, &query, call.argv[2]):
        _free_values(call, &values)
        return
    _insert(call, query.path.text, &values, &query, False, index, b"json.arrinsert")


# ---- JSON.ARRPOP

cdef void _pop(Call* call, JsonQuery* query, int64_t index, bint expand) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t i
    cdef JsonPlace place
    cdef JsonWord word
    cdef int64_t at, count
    cdef bint changed = False
    if not _begin(call, query, query.path.text):
        return
    for i in range(query.matches.count):
        if not json_is_array(json_match(&query.matches, i)):
            if not query.path.legacy:
                reply_null(call.reply)
            continue
        _begin_next(call, query, mark)
        if not json_place(query, i, &maker, &place) or not json_is_array(place.word) or json_count(place.word) == 0:
            reply_null(call.reply)
            continue
        count = json_count(place.word)
        at = _clamped(index, count)
        if at >= count:
            at = count - 1
        word = json_element(place.word, <uint32_t>at)
        if expand:
            json_reply_expanded(call, word)
        else:
            json_reply_value(call, word)
        if unlikely(call.reply.buffer.failed):
            break                        # it is not taken out when it cannot be handed over
        json_array_remove(maker.heap, place.slot, <uint32_t>at, 1)
        changed = True
    if changed:
        json_changed(call, 1, b"json.arrpop")
    json_query_clear(query)


cdef void cmd_json_arrpop(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef int64_t index = -1
    cdef size_t at = 2
    cdef bint expand = False
    if call.argc < 2:
        error_arity(call)
        return
    if call.argc > 2 and call_word(call, 2, b"FORMAT"):
        if call.argc < 4:
            error_arity(call)
            return
        expand = call_word(call, 3, b"EXPAND")
        if not expand and not call_word(call, 3, b"STRINGS"):
            reply_error(call.reply, b"ERR wrong reply format")
            return
        if call.reply.resp < 3:
            reply_error(call.reply, b"ERR FORMAT argument is not supported on RESP2")
            return
        at = 4
    # What is no number stands for the last element.
    if at + 1 < call.argc and not parse_integer(call.argv[at + 1], &index):
        index = -1
    if _open(call, &query, json_path_word(call, at)):
        _pop(call, &query, index, expand)


# ---- JSON.ARRTRIM

cdef void cmd_json_arrtrim(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef JsonMaker maker = json_maker(call)
    cdef JsonPlace place
    cdef int64_t start, stop, from_index, to_index, count
    cdef size_t mark, i
    cdef bint changed = False
    if call.argc < 5:
        error_arity(call)
        return
    if not json_position_word(call, 3, &start) or not json_position_word(call, 4, &stop):
        return
    if not _open(call, &query, call.argv[2]):
        return
    mark = reply_mark(call.reply)
    if not _begin(call, &query, query.path.text):
        return
    for i in range(query.matches.count):
        if not _place_array(&query, i, &maker, &place):
            if not query.path.legacy:
                reply_null(call.reply)
            continue
        count = json_count(place.word)
        from_index = _clamped(start, count)
        to_index = _clamped(stop, count)
        if to_index >= count:
            to_index = count - 1
        if count and (from_index >= count or from_index > to_index):
            json_array_remove(maker.heap, place.slot, 0, <uint32_t>count)
        elif count:
            json_array_remove(maker.heap, place.slot, <uint32_t>to_index + 1, <uint32_t>(count - to_index - 1))
            json_array_remove(maker.heap, place.slot, 0, <uint32_t>from_index)
        changed = True
        _begin_next(call, &query, mark)
        reply_integer(call.reply, json_count(place.slot[0]))
    if changed:
        json_changed(call, 1, b"json.arrtrim")
    json_query_clear(&query)


# ---- JSON.ARRINDEX

cdef int64_t _index_of(JsonWord array, JsonWord value, int64_t start, int64_t stop, const JsonMaker* maker) noexcept nogil:
    cdef int64_t count = json_count(array)
    if count == 0:
        return -1
    start = _clamped(start, count)
    if start >= count:
        start = count - 1
    stop = count if stop == 0 else _clamped(stop, count)
    if stop > count:
        stop = count
    while start < stop:
        if json_equals(json_element(array, <uint32_t>start), value, True, maker.hash_key):
            return start
        start += 1
    return -1


cdef void cmd_json_arrindex(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef JsonMaker maker = json_maker(call)
    cdef JsonWord value, word
    cdef uint32_t depth
    cdef int64_t start = 0
    cdef int64_t stop = 0
    cdef size_t i
    if call.argc < 4 or call.argc > 6:
        error_arity(call)
        return
    if (call.argc > 4 and not json_position_word(call, 4, &start)) or (call.argc > 5 and not json_position_word(call, 5, &stop)):
        return
    value = json_value_word(call, 3, True, b"ERR ", &depth)
    if value == JSON_NONE:
        return
    if not json_open(call, 1, False, &query):
        json_free(maker.heap, value)
        return
    if query.entry == NULL:
        json_error_path(call, call.argv[2], b"")
    elif json_query(call, &query, call.argv[2], False):
        if not query.path.legacy:
            reply_array(call.reply, <int64_t>query.matches.count)
            for i in range(query.matches.count):
                word = json_match(&query.matches, i)
                if json_is_array(word):
                    reply_integer(call.reply, _index_of(word, value, start, stop, &maker))
                else:
                    reply_null(call.reply)
        elif query.matches.count == 0:
            json_error_path(call, query.path.text, b"")
        elif json_is_array(json_match(&query.matches, 0)):
            reply_integer(call.reply, _index_of(json_match(&query.matches, 0), value, start, stop, &maker))
        else:
            json_error_kind(call, b"array", json_match(&query.matches, 0))
        json_query_clear(&query)
    json_free(maker.heap, value)
