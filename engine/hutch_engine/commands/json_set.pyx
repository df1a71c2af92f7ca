"""See json_set.pxd."""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport heap_promise, heap_promise_end
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of
from hutch_engine.commands.call cimport (
    Call, call_hash, call_word, error_arity, error_memory, error_syntax, slot_entry)
from hutch_engine.commands.json_words cimport (
    JsonPlace, JsonQuery, json_changed, json_fits, json_is_text, json_maker, json_open, json_place, json_places_need,
    json_place_put, json_promise, json_query, json_query_clear, json_value_word)
from hutch_engine.commands.reply cimport reply_error, reply_null, reply_ok
from hutch_engine.keyspace.entry cimport Entry, Value
from hutch_engine.keyspace.json_type cimport JSON_TREE, json_root, json_value_of
from hutch_engine.keyspace.keyspace cimport EVENT_MODULE, keyspace_add, keyspace_dispose, keyspace_event, keyspace_touched
from hutch_engine.structures.json_find cimport JsonStep, json_find_owner, json_match_way, json_matches_clear
from hutch_engine.structures.json_path cimport PATH_INDEXES, json_path_adds, json_path_is_root, json_path_is_static
from hutch_engine.structures.json_survey cimport json_depth
from hutch_engine.structures.json_value cimport (
    JSON_EMPTY_OBJECT, JSON_NONE, JSON_NULL, JsonMaker, JsonMember, JsonWord, json_copy, json_count, json_find, json_free,
    json_growth, json_is_container, json_is_object, json_key_text, json_memory, json_members, json_object_put,
    json_object_remove)

cdef enum:
    ALWAYS = 0
    IF_ABSENT = 1
    IF_PRESENT = 2

cdef enum:                       # what is done with a value at a place
    SETS = 0
    MERGES = 1

cdef enum:                       # how it went
    FAILED = 0                   # the error was written
    DONE = 1
    NOTHING = 2                  # null is the answer

cdef enum:
    PLACE_BYTES = 128            # what changing a place may take beside its value and its owner's growth


# ---- one document

cdef inline bint _is_root(Slice path) noexcept nogil:
    """Spelled so; a new document can be made there only."""
    return path.length == 1 and (path.data[0] == c'$' or path.data[0] == c'.')


cdef bint _create(Call* call, size_t key, JsonWord word) noexcept nogil:
    """A new document, which owns the word from now on; else it is freed, and the error written."""
    cdef Value value
    if unlikely(not json_value_of(call.keyspace.heap, word, &value)):
        json_free(call.keyspace.heap, word)
        error_memory(call)
        return False
    if unlikely(keyspace_add(call.keyspace, call.database, call.argv[key], call_hash(call, key), value) == NULL):
        keyspace_dispose(call.keyspace, value.type, value.encoding, value.pointer, False)
        error_memory(call)
        return False
    return True


cdef void _replace_root(Call* call, Entry* entry, JsonWord word) noexcept nogil:
    """Another value for the whole document; what was there is freed as other big values are."""
    cdef JsonWord* root = json_root(entry)
    cdef Value old
    if json_is_container(root[0]) and json_value_of(call.keyspace.heap, root[0], &old):
        keyspace_dispose(call.keyspace, old.type, old.encoding, old.pointer, False)
    else:
        json_free(call.keyspace.heap, root[0])
    root[0] = word


cdef int _add(Call* call, JsonQuery* query, JsonWord word, uint32_t depth) noexcept nogil:
    """No value was found: the last step may be a member that is missing. The word stays the caller's unless DONE."""
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery owner
    cdef JsonPlace place
    cdef Slice key
    cdef size_t steps
    cdef int outcome = NOTHING
    if not json_path_is_static(&query.path):
        reply_error(call.reply, b"Err wrong static path")
        return FAILED
    if not json_path_adds(&query.path, &key):
        reply_error(call.reply, b"ERR array index out of range")
        return FAILED
    owner.entry = query.entry
    json_find_owner(&query.path, json_root(query.entry)[0], maker.hash_key, &owner.matches, maker.heap)
    if unlikely(owner.matches.refused):
        error_memory(call)
        outcome = FAILED
    elif owner.matches.count and json_place(&owner, 0, &maker, &place) and json_is_object(place.word):
        json_match_way(&owner.matches, 0, &steps)
        if not json_fits(call, steps + 1, depth):
            outcome = FAILED
        elif json_object_put(&maker, place.slot, key, word):
            outcome = DONE
        else:
            error_memory(call)
            outcome = FAILED
    json_matches_clear(&owner.matches)
    return outcome


# ---- merging

cdef size_t _merge_needs(JsonWord target, JsonWord patch, const JsonMaker* maker) noexcept nogil:
    """How much memory merging may take."""
    cdef JsonMember* members
    cdef int64_t position
    cdef size_t bytes
    cdef uint32_t i
    if not json_is_object(patch):
        return json_memory(patch) + PLACE_BYTES
    bytes = json_growth(target if json_is_object(target) else <JsonWord>JSON_EMPTY_OBJECT, json_count(patch)) + PLACE_BYTES
    members = json_members(patch)
    for i in range(json_count(patch)):
        position = json_find(target, json_key_text(&members[i].key), maker.hash_key)
        bytes += 64 + json_key_text(&members[i].key).length + _merge_needs(
            json_members(target)[position].value if position >= 0 else <JsonWord>JSON_NULL, members[i].value, maker)
    return bytes


cdef bint _merge(const JsonMaker* maker, JsonWord* slot, JsonWord patch) noexcept nogil:
    """False: memory was refused, in the middle of it; the promise of what it needs is there to keep that from happening."""
    cdef JsonMember* members
    cdef int64_t position
    cdef JsonWord word
    cdef Slice key
    cdef uint32_t i
    if not json_is_object(patch):
        word = json_copy(maker.heap, patch)
        if unlikely(word == JSON_NONE):
            return False
        json_free(maker.heap, slot[0])
        slot[0] = word
        return True
    if not json_is_object(slot[0]):
        json_free(maker.heap, slot[0])
        slot[0] = JSON_EMPTY_OBJECT
    members = json_members(patch)
    for i in range(json_count(patch)):
        key = json_key_text(&members[i].key)
        position = json_find(slot[0], key, maker.hash_key)
        if members[i].value == JSON_NULL:
            if position >= 0:
                json_object_remove(maker, slot, <uint32_t>position)
            continue
        if position < 0:
            if unlikely(not json_object_put(maker, slot, key, JSON_NULL)):
                return False
            position = json_count(slot[0]) - 1
        if unlikely(not _merge(maker, &json_members(slot[0])[position].value, members[i].value)):
            return False
    return True


cdef bint _merge_at(const JsonMaker* maker, JsonWord* root, JsonPlace* place, JsonWord patch) noexcept nogil:
    cdef JsonWord word = JSON_NULL
    if place.slot != NULL:
        return _merge(maker, place.slot, patch)
    # A packed number: what becomes of it is made first.
    if not _merge(maker, &word, patch) or not json_place_put(maker, root, place, word):
        json_free(maker.heap, word)
        return False
    return True


# ---- all places of a path

cdef bint _all_fit(Call* call, JsonQuery* query, uint32_t depth) noexcept nogil:
    cdef size_t steps, i
    for i in range(query.matches.count):
        json_match_way(&query.matches, i, &steps)
        if not json_fits(call, steps, depth):
            return False
    return True


cdef size_t _needs(JsonQuery* query, JsonWord word, int how, const JsonMaker* maker) noexcept nogil:
    cdef size_t bytes = json_places_need(query, maker, json_memory(word) + PLACE_BYTES)
    cdef JsonPlace place
    cdef size_t i
    if how == MERGES:
        for i in range(query.matches.count):
            if json_place(query, i, maker, &place):
                bytes += _merge_needs(place.word, word, maker)
    return bytes


cdef bint _put_all(Call* call, JsonQuery* query, JsonWord word, int how) noexcept nogil:
    """Copies of the word to all places; those that went with another one that was changed before are skipped. False: memory was
    refused."""
    cdef JsonMaker maker = json_maker(call)
    cdef JsonWord* root = json_root(query.entry)
    cdef JsonPlace place
    cdef JsonWord copy
    cdef size_t i
    for i in range(query.matches.count):
        if not json_place(query, i, &maker, &place):
            continue
        if how == MERGES:
            if unlikely(not _merge_at(&maker, root, &place, word)):
                return False
            continue
        copy = json_copy(maker.heap, word)
        if unlikely(copy == JSON_NONE):
            return False
        if unlikely(not json_place_put(&maker, root, &place, copy)):
            json_free(maker.heap, copy)
            return False
    return True


cdef int _write(Call* call, JsonQuery* query, JsonWord word, uint32_t depth, int how, int condition, bint promised) noexcept nogil:
    """Put or merge the word, which is taken or freed, into a document that is there; `promised`: memory for it is."""
    cdef JsonMaker maker = json_maker(call)
    cdef JsonPlace place
    cdef int outcome
    cdef bint own_promise
    if condition == IF_ABSENT and query.matches.count:
        # That nothing is there is asked of static paths only.
        json_free(maker.heap, word)
        if json_path_is_static(&query.path):
            return NOTHING
        reply_error(call.reply, b"Err wrong static path")
        return FAILED
    if query.matches.count == 0:
        outcome = _add(call, query, word, depth) if condition != IF_PRESENT else NOTHING
        if outcome != DONE:
            json_free(maker.heap, word)
        return outcome
    if not _all_fit(call, query, depth):
        json_free(maker.heap, word)
        return FAILED
    if how == SETS and query.matches.count == 1:
        if json_path_is_root(&query.path):
            _replace_root(call, query.entry, word)
            return DONE
        if json_place(query, 0, &maker, &place) and json_place_put(&maker, json_root(query.entry), &place, word):
            return DONE
        json_free(maker.heap, word)
        error_memory(call)
        return FAILED
    own_promise = not promised
    outcome = DONE
    if own_promise and not heap_promise(maker.heap, _needs(query, word, how, &maker)):
        outcome = FAILED
    elif not _put_all(call, query, word, how):
        outcome = FAILED
    if own_promise:
        heap_promise_end(maker.heap)
    json_free(maker.heap, word)
    if outcome == FAILED:
        error_memory(call)
    return outcome


cdef int _write_key(Call* call, size_t key, JsonWord word, uint32_t depth, int how, int condition) noexcept nogil:
    """The same for argv[key] and the path behind it; the word is taken or freed."""
    cdef JsonQuery query
    cdef int outcome
    if not json_open(call, key, True, &query):
        json_free(call.keyspace.heap, word)
        return FAILED
    if query.entry == NULL:
        if condition != IF_PRESENT and _is_root(call.argv[key + 1]):
            return DONE if _create(call, key, word) else FAILED
        json_free(call.keyspace.heap, word)
        if condition == IF_PRESENT:
            return NOTHING
        reply_error(call.reply, b"ERR new objects must be created at the root")
        return FAILED
    if likely(how == SETS and condition == ALWAYS and _is_root(call.argv[key + 1])):
        _replace_root(call, query.entry, word)
        return DONE
    if not json_query(call, &query, call.argv[key + 1], True):
        json_free(call.keyspace.heap, word)
        return FAILED
    outcome = _write(call, &query, word, depth, how, condition, False)
    json_query_clear(&query)
    return outcome


cdef inline void _reply(Call* call, int outcome, const char* event) noexcept nogil:
    if outcome == DONE:
        json_changed(call, 1, event)
        reply_ok(call.reply)
    elif outcome == NOTHING:
        reply_null(call.reply)


# ---- JSON.SET

cdef bint _options(Call* call, int* condition_out) noexcept nogil:
    """Behind the value. FPHA says in which precision a module may keep arrays of doubles: here they are kept exactly."""
    cdef size_t i = 4
    condition_out[0] = ALWAYS
    while i < call.argc:
        if not json_is_text(call, i):
            return False
        if (call_word(call, i, b"NX") or call_word(call, i, b"XX")) and condition_out[0] == ALWAYS:
            condition_out[0] = IF_ABSENT if call_word(call, i, b"NX") else IF_PRESENT
        elif call_word(call, i, b"FORMAT"):
            i += 1
            if i == call.argc:
                error_arity(call)
                return False
            if not (call_word(call, i, b"JSON") or call_word(call, i, b"STRING")):
                reply_error(call.reply, b"ERR wrong format")
                return False
        elif call_word(call, i, b"FPHA") and i + 1 < call.argc and (
                call_word(call, i + 1, b"FP16") or call_word(call, i + 1, b"BF16") or call_word(call, i + 1, b"FP32")
                or call_word(call, i + 1, b"FP64")):
            i += 1
        else:
            error_syntax(call)
            return False
        i += 1
    return True


cdef void cmd_json_set(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef JsonWord word
    cdef uint32_t depth
    cdef int condition = ALWAYS
    if call.argc < 4:
        error_arity(call)
        return
    if (call.argc > 4 and not _options(call, &condition)) or not json_open(call, 1, True, &query):
        return
    word = json_value_word(call, 3, False, b"", &depth)
    if word != JSON_NONE:
        _reply(call, _write_key(call, 1, word, depth, SETS, condition), b"json.set")


# ---- JSON.MERGE

cdef void cmd_json_merge(Call* call) noexcept nogil:
    cdef JsonQuery query
    cdef JsonWord word
    cdef uint32_t depth
    if call.argc < 4:
        error_arity(call)
        return
    if call.argc > 4:
        error_syntax(call)
        return
    if not json_open(call, 1, True, &query):
        return
    word = json_value_word(call, 3, False, b"", &depth)
    if word != JSON_NONE:
        _reply(call, _write_key(call, 1, word, depth, MERGES, ALWAYS), b"json.merge")


# ---- JSON.MSET

cdef bint _check_path(Call* call, size_t key, JsonQuery* query) noexcept nogil:
    """Does the path lead to where a value can be put? Its query is open when it does, and there is a document."""
    cdef Slice name
    if query.entry == NULL:
        if _is_root(call.argv[key + 1]) or _made_before(call, key):
            return True
        reply_error(call.reply, b"ERR new objects must be created at the root")
        return False
    if not json_query(call, query, call.argv[key + 1], True):
        return False
    if query.matches.count or json_path_adds(&query.path, &name):
        return True
    if json_path_is_static(&query.path):
        reply_error(call.reply, b"ERR array index out of range")
    else:
        reply_error(call.reply, b"Err wrong static path")
    json_query_clear(query)
    return False


cdef bint _check(Call* call, size_t key, uint32_t* depth_out, Buffer* words, size_t* needs) noexcept nogil:
    """One triple: all that may be wrong with it. Its value is put to `words`."""
    cdef JsonMaker maker = json_maker(call)
    cdef JsonQuery query
    cdef JsonWord word
    cdef bint right = False
    if not json_open(call, key, True, &query) or not _check_path(call, key, &query):
        return False
    word = json_value_word(call, key + 2, False, b"", depth_out)
    if word != JSON_NONE:
        buffer_append(words, <const char*>&word, sizeof(word))
        right = not words.failed
        if not right:
            json_free(maker.heap, word)
            error_memory(call)
    if right:
        needs[0] += json_memory(word) + call.argv[key].length + PLACE_BYTES * 2
        if query.open and query.matches.count:
            right = _all_fit(call, &query, depth_out[0])
            needs[0] += _needs(&query, word, SETS, &maker)
        elif query.open:
            needs[0] += json_growth(json_root(query.entry)[0], 1)
    json_query_clear(&query)
    return right


cdef bint _made_before(Call* call, size_t key) noexcept nogil:
    """Is the key's document made by an earlier triple of the same command?"""
    cdef size_t i = 1
    while i < key:
        if slice_equals(call.argv[i], call.argv[key]) and _is_root(call.argv[i + 1]):
            return True
        i += 3
    return False


cdef void cmd_json_mset(Call* call) noexcept nogil:
    cdef Buffer words
    cdef JsonQuery query
    cdef JsonWord word
    cdef size_t count, i, key
    cdef size_t needs = 0
    cdef uint32_t depth
    cdef bint right = True
    cdef bint changed = False
    cdef int outcome
    if call.argc < 4 or call.argc % 3 != 1:
        error_arity(call)
        return
    buffer_init(&words, NULL)
    count = call.argc // 3
    for i in range(count):
        if not _check(call, 1 + 3 * i, &depth, &words, &needs):
            right = False
            break
    if right and not heap_promise(call.keyspace.heap, needs):
        error_memory(call)
        right = False
    for i in range(words.length // sizeof(JsonWord)):
        word = (<JsonWord*>words.data)[i]
        key = 1 + 3 * i
        if not right:
            json_free(call.keyspace.heap, word)
            continue
        if not json_open(call, key, True, &query):
            json_free(call.keyspace.heap, word)
            right = False
            continue
        if query.entry == NULL:
            if not _create(call, key, word):
                right = False
                continue
            outcome = DONE
        elif not json_query(call, &query, call.argv[key + 1], True):
            json_free(call.keyspace.heap, word)
            right = False
            continue
        else:
            outcome = _write(call, &query, word, json_depth(word), SETS, ALWAYS, True)
            json_query_clear(&query)
        if outcome == FAILED:
            right = False
        elif outcome == DONE:
            changed = True
            keyspace_touched(call.keyspace, call.database, call.argv[key])
            keyspace_event(call.keyspace, call.database, EVENT_MODULE, b"json.mset", call.argv[key])
    heap_promise_end(call.keyspace.heap)
    buffer_clear(&words)
    if changed:
        call.keyspace.dirty += 1
    if right:
        reply_ok(call.reply)
