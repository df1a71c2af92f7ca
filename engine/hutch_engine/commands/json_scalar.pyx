"""See json_scalar.pxd."""
from libc.math cimport isinf, isnan, pow
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport heap_promise_end
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call, error_arity, error_memory
from hutch_engine.commands.json_words cimport (
    JsonPlace, JsonQuery, json_bulk_begin, json_bulk_end, json_changed, json_error_no_key, json_error_path, json_is_text, json_maker,
    json_open, json_path_word, json_place, json_places_need, json_place_put, json_promise, json_query, json_query_clear,
    json_reply_expanded, json_value_word)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk_text, reply_error, reply_error_slice, reply_integer, reply_mark, reply_null, reply_rewind)
from hutch_engine.keyspace.json_type cimport json_root
from hutch_engine.structures.json_find cimport json_match
from hutch_engine.structures.json_value cimport (
    JSON_EMPTY_ARRAY, JSON_EMPTY_OBJECT, JSON_FALSE, JSON_NONE, JSON_TRUE, JsonMaker, JsonWord, KIND_BOOLEAN, json_double, json_free,
    json_integer, json_is_container, json_is_object, json_is_string, json_kind, json_kind_is_number, json_of_double, json_of_integer,
    json_of_small, json_of_texts, json_text)
from hutch_engine.structures.json_write cimport json_write

cdef enum:
    ADDS = 0
    MULTIPLIES = 1
    RAISES = 2

cdef enum:
    PLACE_BYTES = 64             # what another scalar may take beside a string's bytes


cdef bint _open(Call* call, JsonQuery* query, Slice path) noexcept nogil:
    if not json_open(call, 1, True, query):
        return False
    if query.entry == NULL:
        json_error_no_key(call)
        return False
    return json_query(call, query, path, True)


# ---- numbers

cdef int64_t _power(int64_t base, uint32_t exponent) noexcept nogil:
    """With what overflows cut off, as the module has it."""
    cdef int64_t result = 1
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


cdef bint _compute(int operation, JsonWord a, JsonWord b, bint* is_integer_out, int64_t* integer_out, double* double_out) noexcept nogil:
    """False: the result is no number. Two integers have an integer for a result, which wraps around; others are doubles."""
    cdef int64_t x, y
    is_integer_out[0] = json_integer(a, &x) and json_integer(b, &y)
    if is_integer_out[0]:
        if operation == ADDS:
            integer_out[0] = x + y
        elif operation == MULTIPLIES:
            integer_out[0] = x * y
        else:
            integer_out[0] = _power(x, <uint32_t>y)
        return True
    if operation == ADDS:
        double_out[0] = json_double(a) + json_double(b)
    elif operation == MULTIPLIES:
        double_out[0] = json_double(a) * json_double(b)
    else:
        double_out[0] = pow(json_double(a), json_double(b))
    return not (isnan(double_out[0]) or isinf(double_out[0]))


cdef JsonWord _computed(const JsonMaker* maker, int operation, JsonWord a, JsonWord b, bint* is_number_out) noexcept nogil:
    cdef bint is_integer
    cdef int64_t integer = 0
    cdef double number = 0
    is_number_out[0] = _compute(operation, a, b, &is_integer, &integer, &number)
    if not is_number_out[0]:
        return JSON_NONE
    return json_of_integer(maker.heap, integer) if is_integer else json_of_double(maker.heap, number)


cdef bint _all_numbers(JsonQuery* query, int operation, JsonWord operand, size_t* count_out) noexcept nogil:
    """Are all results numbers? And how many numbers are there?"""
    cdef bint is_integer
    cdef int64_t integer
    cdef double number
    cdef JsonWord word
    cdef size_t i
    count_out[0] = 0
    for i in range(query.matches.count):
        word = json_match(&query.matches, i)
        if not json_kind_is_number(json_kind(word)):
            continue
        count_out[0] += 1
        if not _compute(operation, word, operand, &is_integer, &integer, &number):
            return False
    return True


cdef void _reply_nothing(Call* call, JsonQuery* query) noexcept nogil:
    """No number was found."""
    cdef size_t begin, i
    if call.reply.resp >= 3:
        reply_array(call.reply, <int64_t>query.matches.count)
        for i in range(query.matches.count):
            reply_null(call.reply)
    elif query.path.legacy:
        json_error_path(call, query.path.text, b" or does not contains a number")
    else:
        begin = json_bulk_begin(call)
        buffer_append(&call.reply.buffer, b"[", 1)
        for i in range(query.matches.count):
            buffer_append_text(&call.reply.buffer, b",null" if i else b"null")
        buffer_append(&call.reply.buffer, b"]", 1)
        json_bulk_end(call, begin)


cdef void _apply(Call* call, JsonQuery* query, int operation, JsonWord operand, const char* event) noexcept nogil:
    """Compute and reply. The reply is text, a row or of a legacy path the last number; in RESP3 it is an array."""
    cdef JsonMaker maker = json_maker(call)
    cdef Buffer* out = &call.reply.buffer
    cdef bint as_text = call.reply.resp < 3
    cdef bint as_row = as_text and not query.path.legacy
    cdef bint is_number = True
    cdef bint done = True
    cdef JsonPlace place
    cdef JsonWord word
    cdef size_t begin = reply_mark(call.reply)
    cdef size_t i
    if not as_text:
        reply_array(call.reply, <int64_t>query.matches.count)
    elif as_row:
        buffer_append(out, b"[", 1)
    for i in range(query.matches.count):
        if as_row and i:
            buffer_append(out, b",", 1)
        if not json_kind_is_number(json_kind(json_match(&query.matches, i))) or not json_place(query, i, &maker, &place):
            if as_row:
                buffer_append(out, b"null", 4)
            elif not as_text:
                reply_null(call.reply)
            continue
        word = _computed(&maker, operation, place.word, operand, &is_number)
        done = word != JSON_NONE
        if done:
            if not as_row and as_text:
                reply_rewind(call.reply, begin)
            if as_text:
                json_write(out, word)
            else:
                json_reply_expanded(call, word)
            done = json_place_put(&maker, json_root(query.entry), &place, word)
            if not done:
                json_free(maker.heap, word)
        if unlikely(not done):
            break
    if unlikely(not done):
        reply_rewind(call.reply, begin)
        if is_number:
            error_memory(call)
        else:
            reply_error(call.reply, b"ERR result is not a number")
        return
    if as_row:
        buffer_append(out, b"]", 1)
    if as_text:
        json_bulk_end(call, begin)
    json_changed(call, 1, event)


cdef void _number_command(Call* call, int operation, const char* event) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery query
    cdef JsonWord operand
    cdef uint32_t depth
    cdef size_t numbers = 0
    cdef size_t i
    if call.argc < 4:
        error_arity(call)
        return
    if not json_is_text(call, 3) or not _open(call, &query, call.argv[2]):
        return
    for i in range(query.matches.count):
        numbers += json_kind_is_number(json_kind(json_match(&query.matches, i)))
    if numbers == 0:
        _reply_nothing(call, &query)             # and the operand is not looked at
        json_query_clear(&query)
        return
    operand = json_value_word(call, 3, True, b"ERR ", &depth)
    if operand != JSON_NONE:
        if not json_kind_is_number(json_kind(operand)):
            reply_error(call.reply, b"bad input number")
        elif not _all_numbers(&query, operation, operand, &numbers):
            reply_error(call.reply, b"ERR result is not a number")
        elif json_promise(call, numbers, json_places_need(&query, &maker, PLACE_BYTES)):
            _apply(call, &query, operation, operand, event)
            heap_promise_end(maker.heap)
        json_free(maker.heap, operand)
    json_query_clear(&query)


cdef void cmd_json_numincrby(Call* call) noexcept nogil:
    _number_command(call, ADDS, b"json.numincrby")


cdef void cmd_json_nummultby(Call* call) noexcept nogil:
    _number_command(call, MULTIPLIES, b"json.nummultby")


cdef void cmd_json_numpowby(Call* call) noexcept nogil:
    _number_command(call, RAISES, b"json.numpowby")


# ---- strings

cdef void _error_no_string(Call* call, JsonWord value) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"WRONGTYPE wrong type of path value - expected string but found ")
    json_write(&text, value)
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void _append(Call* call, JsonQuery* query, Slice more) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef size_t begin = reply_mark(call.reply)
    cdef size_t bytes = 0
    cdef size_t strings = 0
    cdef size_t i
    cdef JsonPlace place
    cdef JsonWord word
    cdef Slice text
    for i in range(query.matches.count):
        word = json_match(&query.matches, i)
        if json_is_string(word):
            strings += 1
            text = json_text(&word)
            bytes += text.length + more.length + PLACE_BYTES
            if text.length + more.length > <size_t>0xFFFFFFF0:
                error_memory(call)
                return
    if not json_promise(call, strings, bytes):
        return
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
    for i in range(query.matches.count):
        if not json_is_string(json_match(&query.matches, i)) or not json_place(query, i, &maker, &place):
            if not query.path.legacy:
                reply_null(call.reply)
            continue
        word = json_of_texts(maker.heap, json_text(place.slot), more)
        if unlikely(word == JSON_NONE):
            heap_promise_end(maker.heap)
            reply_rewind(call.reply, begin)
            error_memory(call)
            return
        json_place_put(&maker, json_root(query.entry), &place, word)
        if query.path.legacy:
            reply_rewind(call.reply, begin)
        reply_integer(call.reply, <int64_t>json_text(&word).length)
    heap_promise_end(maker.heap)
    if strings:
        json_changed(call, 1, b"json.strappend")


cdef void cmd_json_strappend(Call* call) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery query
    cdef JsonWord more
    cdef uint32_t depth
    cdef size_t at = 3 if call.argc > 3 else 2
    cdef size_t strings = 0
    cdef size_t i
    if call.argc < 3:
        error_arity(call)
        return
    if not json_is_text(call, at) or not _open(call, &query, call.argv[2] if at == 3 else slice_of(b".", 1)):
        return
    for i in range(query.matches.count):
        strings += json_is_string(json_match(&query.matches, i))
    if strings == 0:
        if query.path.legacy:
            json_error_path(call, query.path.text, b" or not a string")
        else:
            reply_array(call.reply, <int64_t>query.matches.count)
            for i in range(query.matches.count):
                reply_null(call.reply)
        json_query_clear(&query)
        return
    more = json_value_word(call, at, True, b"ERR ", &depth)
    if more != JSON_NONE:
        if json_is_string(more):
            _append(call, &query, json_text(&more))
        else:
            _error_no_string(call, more)
        json_free(maker.heap, more)
    json_query_clear(&query)


# ---- JSON.TOGGLE and JSON.CLEAR

cdef void cmd_json_toggle(Call* call) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery query
    cdef JsonPlace place
    cdef size_t begin, i
    cdef size_t toggled = 0
    if call.argc < 3:
        error_arity(call)
        return
    if not _open(call, &query, call.argv[2]):
        return
    begin = reply_mark(call.reply)
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
    for i in range(query.matches.count):
        if json_kind(json_match(&query.matches, i)) != KIND_BOOLEAN or not json_place(&query, i, &maker, &place):
            if not query.path.legacy:
                reply_null(call.reply)
            continue
        place.slot[0] = JSON_FALSE if place.word == JSON_TRUE else JSON_TRUE
        toggled += 1
        if query.path.legacy:
            reply_rewind(call.reply, begin)
            reply_bulk_text(call.reply, b"true" if place.slot[0] == JSON_TRUE else b"false")
        else:
            reply_integer(call.reply, place.slot[0] == JSON_TRUE)
    if toggled:
        json_changed(call, 1, b"json.toggle")
    elif query.path.legacy:
        json_error_path(call, query.path.text, b" or not a bool")
    json_query_clear(&query)


cdef bint _is_to_clear(JsonWord word) noexcept nogil:
    """An array or object with something in it, or a number that is not 0."""
    if json_is_container(word):
        return True
    return json_kind_is_number(json_kind(word)) and json_double(word) != 0


cdef void cmd_json_clear(Call* call) noexcept nogil:
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery query
    cdef JsonPlace place
    cdef JsonWord word
    cdef int64_t cleared = 0
    cdef size_t i
    if call.argc < 2:
        error_arity(call)
        return
    if not _open(call, &query, json_path_word(call, 2)):
        return
    # Nothing of this needs memory but a 0 among packed doubles.
    if not json_promise(call, query.matches.count, json_places_need(&query, &maker, 0)):
        json_query_clear(&query)
        return
    for i in range(query.matches.count):
        if not json_place(&query, i, &maker, &place) or not _is_to_clear(place.word):
            continue
        word = json_of_small(0)
        if json_is_container(place.word):
            word = JSON_EMPTY_OBJECT if json_is_object(place.word) else JSON_EMPTY_ARRAY
        if unlikely(not json_place_put(&maker, json_root(query.entry), &place, word)):
            error_memory(call)
            cleared = -1
            break
        cleared += 1
    heap_promise_end(maker.heap)
    if cleared > 0:
        json_changed(call, 1, b"json.clear")
    if cleared >= 0:
        reply_integer(call.reply, cleared)
    json_query_clear(&query)
