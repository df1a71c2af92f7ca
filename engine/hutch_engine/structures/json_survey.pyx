"""See json_survey.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_value cimport (
    ARRAY_WORDS, JSON_ARRAY, JSON_CONSTANT, JSON_EMPTY_OBJECT, JSON_NONE, JSON_NUMBER, JSON_OBJECT, JSON_STRING, JsonBlock,
    JsonKind, JsonMember, JsonWord, KIND_ARRAY, KIND_DOUBLE, KIND_INTEGER, KIND_STRING, json_block, json_count, json_double,
    json_element, json_find, json_integer, json_is_array, json_is_container, json_is_object, json_key_text, json_kind,
    json_kind_is_number, json_members, json_tag, json_text, json_top, json_unsigned, json_words)

cdef enum:
    WORDS_A_BLOCK = 16           # what is in place takes as long as a block to pass over, so many together


cdef bint json_equals(JsonWord a, JsonWord b, bint exact, const HashKey* hash_key) noexcept nogil:
    cdef JsonKind kind
    cdef Slice x, y
    cdef uint32_t i, count
    cdef int64_t position, signed_a, signed_b
    cdef uint64_t unsigned_a, unsigned_b
    cdef JsonMember* members
    if a == b:
        return True
    kind = json_kind(a)
    if kind != json_kind(b):
        return not exact and json_kind_is_number(kind) and json_kind_is_number(json_kind(b)) and json_double(a) == json_double(b)
    if kind == KIND_STRING:
        x = json_text(&a)
        y = json_text(&b)
        return x.length == y.length and memcmp(x.data, y.data, x.length) == 0
    if kind == KIND_INTEGER:
        if json_integer(a, &signed_a):
            return json_integer(b, &signed_b) and signed_a == signed_b
        return json_unsigned(a, &unsigned_a) and json_unsigned(b, &unsigned_b) and unsigned_a == unsigned_b
    if kind == KIND_DOUBLE:
        return json_double(a) == json_double(b)
    if kind < KIND_ARRAY:
        return False
    count = json_count(a)
    if count != json_count(b):
        return False
    if kind == KIND_ARRAY:
        for i in range(count):
            if not json_equals(json_element(a, i), json_element(b, i), exact, hash_key):
                return False
        return True
    members = json_members(a)
    for i in range(count):
        position = json_find(b, json_key_text(&members[i].key), hash_key)
        if position < 0 or not json_equals(members[i].value, json_members(b)[position].value, exact, hash_key):
            return False
    return True


cdef uint32_t json_depth(JsonWord word) noexcept nogil:
    cdef uint32_t deepest = 0
    cdef uint32_t depth, i
    if not json_is_container(word):
        return 1 if json_is_array(word) or json_is_object(word) else 0
    if json_tag(word) == JSON_OBJECT or json_top(word) == ARRAY_WORDS:
        for i in range(json_count(word)):
            depth = json_depth(json_members(word)[i].value if json_tag(word) == JSON_OBJECT else json_words(word)[i])
            if depth > deepest:
                deepest = depth
    return deepest + 1


cdef uint64_t json_effort(JsonWord word, uint64_t enough) noexcept nogil:
    cdef uint64_t effort
    cdef uint32_t count, i
    cdef JsonWord below
    if not json_is_container(word):
        return json_tag(word) == JSON_STRING or json_tag(word) == JSON_NUMBER
    if json_tag(word) == JSON_ARRAY and json_top(word) != ARRAY_WORDS:
        return 1
    count = json_count(word)
    effort = 1 + count // WORDS_A_BLOCK
    for i in range(count):
        if effort >= enough:
            break
        below = json_members(word)[i].value if json_tag(word) == JSON_OBJECT else json_words(word)[i]
        if json_tag(below) >= JSON_STRING:
            effort += json_effort(below, enough - effort)
    return effort


cdef bint json_check(JsonWord word, const HashKey* hash_key) noexcept nogil:
    cdef JsonBlock* block
    cdef JsonMember* members
    cdef uint32_t i
    if word == JSON_NONE:
        return False
    if not json_is_container(word):
        return json_tag(word) != JSON_CONSTANT or word <= JSON_EMPTY_OBJECT
    block = <JsonBlock*>json_block(word)
    if block.count == 0 or block.count > block.capacity:
        return False
    for i in range(block.count):
        if json_tag(word) == JSON_ARRAY:
            if json_top(word) == ARRAY_WORDS and not json_check(json_words(word)[i], hash_key):
                return False
            continue
        members = json_members(word)
        if not json_check(members[i].value, hash_key) or json_find(word, json_key_text(&members[i].key), hash_key) != i:
            return False
        if json_tag(members[i].key) == JSON_STRING and (<uint32_t*>json_block(members[i].key))[0] == 0:
            return False
    return True
