"""See json_lengths.pxd."""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call, error_arity
from hutch_engine.commands.json_words cimport (
    JsonQuery, json_error_kind, json_error_path, json_finds_nothing, json_no_key, json_open, json_path_is_modern, json_path_word,
    json_query, json_query_clear)
from hutch_engine.commands.reply cimport reply_array, reply_bulk, reply_integer, reply_null
from hutch_engine.structures.json_find cimport json_match
from hutch_engine.structures.json_value cimport (
    JsonWord, json_count, json_is_array, json_is_object, json_is_string, json_key_text, json_members, json_text)

cdef enum Asked:
    STRING_LENGTH
    ARRAY_LENGTH
    OBJECT_LENGTH
    OBJECT_KEYS


cdef bint _answer(Call* call, Asked asked, JsonWord word) noexcept nogil:
    """False: the value is of another kind, nothing was written."""
    cdef uint32_t i
    if asked == STRING_LENGTH:
        if not json_is_string(word):
            return False
        reply_integer(call.reply, <int64_t>json_text(&word).length)
        return True
    if not (json_is_array(word) if asked == ARRAY_LENGTH else json_is_object(word)):
        return False
    if asked != OBJECT_KEYS:
        reply_integer(call.reply, json_count(word))
        return True
    reply_array(call.reply, json_count(word))
    for i in range(json_count(word)):
        reply_bulk(call.reply, json_key_text(&json_members(word)[i].key))
    return True


cdef void _complain(Call* call, Asked asked, Slice path, Slice shown, JsonWord found) noexcept nogil:
    """Of a legacy path: what its first value is instead. `shown` is the path with its dollar."""
    if asked == STRING_LENGTH:
        json_error_kind(call, b"string", found)
    elif asked == OBJECT_LENGTH:
        json_error_kind(call, b"object", found)
    elif asked == OBJECT_KEYS:
        json_error_path(call, shown, b" or not an object")
    else:
        json_error_path(call, path, b" or not an array")


cdef void _lengths(Call* call, Asked asked) noexcept nogil:
    cdef JsonQuery query
    cdef Slice path
    cdef size_t i
    cdef bint of_objects = asked == OBJECT_LENGTH or asked == OBJECT_KEYS
    if call.argc < 2:
        error_arity(call)
        return
    path = json_path_word(call, 2)
    if not json_open(call, 1, False, &query):
        return
    if query.entry == NULL:
        if asked == OBJECT_LENGTH and json_path_is_modern(path):
            json_error_path(call, path, b" or not an object")
        elif json_no_key(call, path):
            reply_null(call.reply)
        return
    if of_objects and json_finds_nothing(path):
        reply_null(call.reply)
        return
    if not json_query(call, &query, path, False):
        return
    if not query.path.legacy:
        reply_array(call.reply, <int64_t>query.matches.count)
        for i in range(query.matches.count):
            if not _answer(call, asked, json_match(&query.matches, i)):
                reply_null(call.reply)
    elif query.matches.count == 0:
        if of_objects:
            reply_null(call.reply)
        else:
            json_error_path(call, query.path.text if asked == STRING_LENGTH else path, b"")
    elif not _answer(call, asked, json_match(&query.matches, 0)):
        _complain(call, asked, path, query.path.text, json_match(&query.matches, 0))
    json_query_clear(&query)


cdef void cmd_json_strlen(Call* call) noexcept nogil:
    _lengths(call, STRING_LENGTH)


cdef void cmd_json_arrlen(Call* call) noexcept nogil:
    _lengths(call, ARRAY_LENGTH)


cdef void cmd_json_objlen(Call* call) noexcept nogil:
    _lengths(call, OBJECT_LENGTH)


cdef void cmd_json_objkeys(Call* call) noexcept nogil:
    _lengths(call, OBJECT_KEYS)
