"""See list.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of
from hutch_engine.commands.call cimport (
    CALL_NO_TOUCH, Call, call_block, call_changed, call_find_read_type, call_find_write_type, call_hash,
    call_integer, call_integer_or, call_may_block, call_timeout, call_word, error_arity, error_memory, error_no_key,
    error_syntax, error_wrong_type, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_error, reply_integer, reply_mark, reply_null, reply_null_array,
    reply_ok, reply_rewind, reply_zero)
from hutch_engine.keyspace.entry cimport (
    TYPE_LIST, Entry, Value, entry_encoding, entry_pointer, entry_set_form, entry_set_pointer, entry_type, value_of_pointer)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_LIST, FIND_NO_TOUCH, FIND_WRITE, Database, Keyspace, keyspace_add, keyspace_delete,
    keyspace_event, keyspace_find_slot, keyspace_hash, keyspace_resized, keyspace_touched)
from hutch_engine.keyspace.list_type cimport LIST_LISTPACK, LIST_QUICKLIST
from hutch_engine.keyspace.value_types cimport value_free
from hutch_engine.structures.listpack cimport (
    Listpack, listpack_append, listpack_bytes, listpack_delete, listpack_delete_range, listpack_first, listpack_free,
    listpack_insert, listpack_last, listpack_length, listpack_new, listpack_prepend, listpack_replace,
    LISTPACK_AFTER, LISTPACK_BEFORE)
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistCursor, listpack_remove, quicklist_delete, quicklist_exceeds, quicklist_find,
    quicklist_fits_pack, quicklist_free, quicklist_insert, quicklist_is_integer, quicklist_length, quicklist_new,
    quicklist_next, quicklist_of_pack, quicklist_previous, quicklist_push, quicklist_remove, quicklist_replace,
    quicklist_seek, quicklist_take_pack, quicklist_text, quicklist_view)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    AT_TAIL = 0
    AT_HEAD = 1
    EMPTY_PACK_BYTES = 7


# ---- one list, in either form

cdef struct List:
    Entry* entry                 # borrowed; NULL while the value is being made
    Listpack* pack               # one of these two is set
    Quicklist* long_form
    Quicklist* seen              # for reading: long_form, or view
    Quicklist view


cdef inline void _see_pack(List* list, Listpack* pack) noexcept nogil:
    """The pack changed, perhaps its place too."""
    list.pack = pack
    list.long_form = NULL
    quicklist_view(&list.view, pack)
    list.seen = &list.view
    if list.entry != NULL:
        entry_set_pointer(list.entry, pack)


cdef inline void _see_long(List* list, Quicklist* long_form) noexcept nogil:
    list.pack = NULL
    list.long_form = long_form
    list.seen = long_form


cdef inline void _open(List* list, Entry* entry) noexcept nogil:
    cdef void* pointer = entry_pointer(entry)
    list.entry = entry
    if entry_encoding(entry) == LIST_LISTPACK:
        list.pack = <Listpack*>pointer
        list.long_form = NULL
        quicklist_view(&list.view, list.pack)
        list.seen = &list.view
    else:
        _see_long(list, <Quicklist*>pointer)


cdef inline int64_t _length(List* list) noexcept nogil:
    return quicklist_length(list.seen)


cdef inline void _sized(Call* call, List* list) noexcept nogil:
    """Elements came or went."""
    keyspace_resized(call.database, list.entry, <uint64_t>_length(list))


cdef void _grow(Keyspace* keyspace, List* list, size_t bytes, uint64_t count) noexcept nogil:
    """Before elements are added: a pack that would pass the limit becomes a quicklist. (Redis looks at all
    arguments together and overestimates a little; OBJECT ENCODING shows it, so we do the same.)"""
    cdef Quicklist* long_form
    cdef int64_t limit = keyspace.limits.list_size
    if list.pack == NULL or likely(not quicklist_exceeds(limit, listpack_bytes(list.pack) + bytes,
                                                         <uint64_t>_length(list) + count)):
        return
    if _length(list) == 0:
        long_form = quicklist_new(keyspace.heap, limit)
        listpack_free(keyspace.heap, list.pack)
    else:
        long_form = quicklist_of_pack(keyspace.heap, list.pack, limit)
    _see_long(list, long_form)
    if list.entry != NULL:
        entry_set_form(list.entry, LIST_QUICKLIST, long_form)


cdef void _shrink(Keyspace* keyspace, List* list) noexcept nogil:
    """After elements were removed: may the quicklist be a pack again?"""
    cdef Listpack* pack
    if list.long_form != NULL and unlikely(quicklist_fits_pack(list.long_form, keyspace.limits.list_size)):
        pack = quicklist_take_pack(keyspace.heap, list.long_form)
        entry_set_form(list.entry, LIST_LISTPACK, pack)
        _see_pack(list, pack)


cdef inline bint _push(Heap* heap, List* list, Slice text, bint at_head) noexcept nogil:
    cdef Listpack* pack
    if list.pack == NULL:
        return quicklist_push(heap, list.long_form, text, at_head)
    pack = listpack_prepend(heap, list.pack, text) if at_head else listpack_append(heap, list.pack, text)
    if unlikely(pack == NULL):
        return False
    _see_pack(list, pack)
    return True


cdef void _delete(Heap* heap, List* list, int64_t index, uint64_t count) noexcept nogil:
    """`index` counts from the head."""
    if list.pack == NULL:
        quicklist_delete(heap, list.long_form, index, count)
    elif count == 1 and index == 0:
        _see_pack(list, listpack_delete(heap, list.pack, listpack_first(list.pack), NULL))
    elif count == 1 and index == _length(list) - 1:
        _see_pack(list, listpack_delete(heap, list.pack, listpack_last(list.pack), NULL))
    elif count:
        _see_pack(list, listpack_delete_range(heap, list.pack, index, count))


cdef void _take_back(Heap* heap, List* list, uint64_t count, bint at_head) noexcept nogil:
    """Undo what was pushed: memory was refused half-way."""
    if count:
        _delete(heap, list, 0 if at_head else _length(list) - <int64_t>count, count)


# ---- finding, and what follows a removal

cdef inline bint _find_read(Call* call, size_t index, List* list, bint* wrong_type_out) noexcept nogil:
    cdef Entry* entry = call_find_read_type(call, index, TYPE_LIST, wrong_type_out)
    if entry == NULL:
        return False
    _open(list, entry)
    return True


cdef inline bint _find_write(Call* call, size_t index, List* list, bint* wrong_type_out) noexcept nogil:
    cdef TableSlot slot = call_find_write_type(call, index, TYPE_LIST, wrong_type_out)
    if slot == NULL:
        return False
    _open(list, slot_entry(slot))
    return True


cdef void _after_removal(Call* call, size_t index, List* list, const char* event) noexcept nogil:
    """Touched, event, and an empty list vanishes."""
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice key = call.argv[index]
    cdef uint64_t hash
    cdef TableSlot slot
    keyspace_touched(keyspace, call.database, key)
    keyspace_event(keyspace, call.database, EVENT_LIST, event, key)
    if _length(list):
        _shrink(keyspace, list)
        _sized(call, list)
        return
    hash = call_hash(call, index)
    slot = keyspace_find_slot(keyspace, call.database, key, hash, FIND_WRITE | FIND_NO_TOUCH)
    if slot != NULL and slot_entry(slot) == list.entry:
        keyspace_delete(keyspace, call.database, slot, hash, False)
        keyspace_event(keyspace, call.database, EVENT_GENERIC, b"del", key)


# ---- pushing

cdef bint _push_new(Call* call, size_t key, Slice* words, size_t count, bint at_head, size_t counted_bytes) noexcept nogil:
    """A key that does not exist yet. False when memory was refused. (counted_bytes: what _grow is to reckon with.)"""
    cdef Keyspace* keyspace = call.keyspace
    cdef Heap* heap = keyspace.heap
    cdef List list
    cdef Value value
    cdef size_t i
    list.entry = NULL
    _see_pack(&list, listpack_new(heap))
    _grow(keyspace, &list, counted_bytes, count)
    for i in range(count):
        if unlikely(not _push(heap, &list, words[i], at_head)):
            if list.pack != NULL:
                listpack_free(heap, list.pack)
            else:
                quicklist_free(heap, list.long_form)
            return False
    if list.pack != NULL:
        value = value_of_pointer(TYPE_LIST, LIST_LISTPACK, list.pack)
    else:
        value = value_of_pointer(TYPE_LIST, LIST_QUICKLIST, list.long_form)
    if unlikely(keyspace_add(keyspace, call.database, call.argv[key], call_hash(call, key), value) == NULL):
        value_free(heap, TYPE_LIST, value.encoding, value.pointer)
        return False
    return True


cdef inline size_t _bytes_of(Slice* words, size_t count) noexcept nogil:
    cdef size_t bytes = 0
    cdef size_t i
    for i in range(count):
        bytes += words[i].length
    return bytes


cdef void _push_words(Call* call, bint at_head, bint only_if_there) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice* words = call.argv + 2
    cdef size_t count = call.argc - 2
    cdef List list
    cdef bint wrong_type
    cdef size_t i
    cdef int64_t length
    if not _find_write(call, 1, &list, &wrong_type):
        if wrong_type:
            return
        if only_if_there:
            reply_zero(call.reply)
            return
        if not _push_new(call, 1, words, count, at_head, _bytes_of(words, count)):
            error_memory(call)
            return
        length = <int64_t>count
    else:
        _grow(keyspace, &list, _bytes_of(words, count), count)
        for i in range(count):
            if unlikely(not _push(keyspace.heap, &list, words[i], at_head)):
                _take_back(keyspace.heap, &list, i, at_head)
                error_memory(call)
                return
        length = _length(&list)
        _sized(call, &list)
    keyspace.dirty += count
    if unlikely(keyspace.wanted):
        keyspace_touched(keyspace, call.database, call.argv[1])
        keyspace_event(keyspace, call.database, EVENT_LIST, b"lpush" if at_head else b"rpush", call.argv[1])
    reply_integer(call.reply, length)


cdef void cmd_lpush(Call* call) noexcept nogil:
    _push_words(call, AT_HEAD, False)


cdef void cmd_rpush(Call* call) noexcept nogil:
    _push_words(call, AT_TAIL, False)


cdef void cmd_lpushx(Call* call) noexcept nogil:
    _push_words(call, AT_HEAD, True)


cdef void cmd_rpushx(Call* call) noexcept nogil:
    _push_words(call, AT_TAIL, True)


# ---- popping

cdef void _reply_elements(Call* call, List* list, int64_t index, int64_t count, bint backwards) noexcept nogil:
    """An array of `count` elements (all in range) from index on, or from index down."""
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef QuicklistCursor cursor
    cdef bint more
    reply_array(call.reply, count)
    more = count > 0 and quicklist_seek(list.seen, index, &cursor)
    while more:
        reply_bulk(call.reply, quicklist_text(&cursor, scratch))
        count -= 1
        more = count > 0 and (quicklist_previous(&cursor) if backwards else quicklist_next(&cursor))


cdef inline void _reply_element(Call* call, const QuicklistCursor* cursor) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    reply_bulk(call.reply, quicklist_text(cursor, scratch))


cdef void _pop_one(Call* call, size_t key, List* list, bint at_head) noexcept nogil:
    """Answer and remove the element at one end."""
    cdef QuicklistCursor cursor
    quicklist_seek(list.seen, 0 if at_head else -1, &cursor)
    _reply_element(call, &cursor)
    if unlikely(call.reply.buffer.failed):
        return                               # what cannot be told of stays
    _delete(call.keyspace.heap, list, cursor.index, 1)
    call.keyspace.dirty += 1
    _after_removal(call, key, list, b"lpop" if at_head else b"rpop")


cdef void _pop_some(Call* call, size_t key, List* list, bint at_head, int64_t count) noexcept nogil:
    """Answer an array of up to `count` > 0 elements and remove them."""
    cdef int64_t length = _length(list)
    if count > length:
        count = length
    _reply_elements(call, list, 0 if at_head else length - 1, count, not at_head)
    if unlikely(call.reply.buffer.failed):
        return
    _delete(call.keyspace.heap, list, 0 if at_head else length - count, <uint64_t>count)
    call.keyspace.dirty += <uint64_t>count
    _after_removal(call, key, list, b"lpop" if at_head else b"rpop")


cdef void _pop(Call* call, bint at_head) noexcept nogil:
    cdef List list
    cdef bint wrong_type
    cdef int64_t count = 0
    if call.argc > 3:
        error_arity(call)
        return
    if call.argc == 3 and (not parse_integer(call.argv[2], &count) or count < 0):
        reply_error(call.reply, b"ERR value is out of range, must be positive")
        return
    if not _find_write(call, 1, &list, &wrong_type):
        if wrong_type:
            return
        if call.argc == 3:
            reply_null_array(call.reply)
        else:
            reply_null(call.reply)
    elif call.argc == 2:
        _pop_one(call, 1, &list, at_head)
    elif count == 0:
        reply_array(call.reply, 0)
    else:
        _pop_some(call, 1, &list, at_head, count)


cdef void cmd_lpop(Call* call) noexcept nogil:
    _pop(call, AT_HEAD)


cdef void cmd_rpop(Call* call) noexcept nogil:
    _pop(call, AT_TAIL)


cdef bint _end_word(Call* call, size_t index, bint* at_head_out) noexcept nogil:
    """LEFT or RIGHT; else a syntax error is written, and False."""
    at_head_out[0] = call_word(call, index, b"LEFT")
    if at_head_out[0] or call_word(call, index, b"RIGHT"):
        return True
    error_syntax(call)
    return False


cdef bint _mpop_options(Call* call, size_t numkeys_at, int64_t* numkeys_out, bint* at_head_out, int64_t* count_out) noexcept nogil:
    """numkeys key [key ...] LEFT|RIGHT [COUNT count]; False after an error."""
    cdef size_t where, i
    cdef int64_t count = -1
    if not parse_integer(call.argv[numkeys_at], numkeys_out) or numkeys_out[0] < 1:
        reply_error(call.reply, b"ERR numkeys should be greater than 0")
        return False
    if <uint64_t>numkeys_out[0] >= call.argc - numkeys_at - 1:
        error_syntax(call)
        return False
    where = numkeys_at + <size_t>numkeys_out[0] + 1
    if not _end_word(call, where, at_head_out):
        return False
    i = where + 1
    while i < call.argc:
        if count != -1 or i + 1 == call.argc or not call_word(call, i, b"COUNT"):
            error_syntax(call)
            return False
        if not parse_integer(call.argv[i + 1], &count) or count < 1:
            reply_error(call.reply, b"ERR count should be greater than 0")
            return False
        i += 2
    count_out[0] = 1 if count == -1 else count
    return True


cdef bint _pop_first(Call* call, size_t first, size_t keys, bint at_head, int64_t count) noexcept nogil:
    """Pop from the first of the keys that exists: `count` elements (an array of key and array), or with count 0
    one element (an array of key and element). True when a reply was written, WRONGTYPE included."""
    cdef List list
    cdef bint wrong_type
    cdef size_t i
    for i in range(first, first + keys):
        if _find_write(call, i, &list, &wrong_type):
            reply_array(call.reply, 2)
            reply_bulk(call.reply, call.argv[i])
            if count:
                _pop_some(call, i, &list, at_head, count)
            else:
                _pop_one(call, i, &list, at_head)
            return True
        if wrong_type:
            return True
    return False


cdef void cmd_lmpop(Call* call) noexcept nogil:
    cdef int64_t numkeys, count
    cdef bint at_head
    if _mpop_options(call, 1, &numkeys, &at_head, &count) and not _pop_first(call, 2, <size_t>numkeys, at_head, count):
        reply_null_array(call.reply)


# ---- moving

cdef void _rotate(Call* call, List* list, bint from_head, bint to_head, Slice text, size_t counted_bytes) noexcept nogil:
    """The source is the target. `text` is a copy."""
    cdef Heap* heap = call.keyspace.heap
    _delete(heap, list, 0 if from_head else _length(list) - 1, 1)
    _grow(call.keyspace, list, counted_bytes, 1)
    # Refused: the room that it has just left takes it back.
    if not _push(heap, list, text, to_head):
        _push(heap, list, text, from_head)


cdef void _move(Call* call, bint from_head, bint to_head) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef List source, target
    cdef QuicklistCursor cursor
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef bint wrong_type
    cdef bint pushed = True
    cdef size_t mark, counted_bytes
    cdef Slice text
    if not _find_write(call, 1, &source, &wrong_type):
        if not wrong_type:
            reply_null(call.reply)
        return
    if not _find_write(call, 2, &target, &wrong_type):
        if wrong_type:
            return
        target.entry = NULL
    quicklist_seek(source.seen, 0 if from_head else -1, &cursor)
    # A number counts as nothing when Redis judges whether the target's listpack still has room.
    counted_bytes = 0 if quicklist_is_integer(&cursor) else quicklist_text(&cursor, scratch).length
    mark = reply_mark(call.reply)
    text = quicklist_text(&cursor, scratch)
    reply_bulk(call.reply, text)
    if unlikely(call.reply.buffer.failed):
        return
    # From here on the reply's copy: the list may move in memory.
    text = slice_of(call.reply.buffer.data + call.reply.buffer.length - 2 - text.length, text.length)
    if target.entry == source.entry:
        _rotate(call, &source, from_head, to_head, text, counted_bytes)
    else:
        if target.entry == NULL:
            pushed = _push_new(call, 2, &text, 1, to_head, counted_bytes)
        else:
            _grow(keyspace, &target, counted_bytes, 1)
            pushed = _push(keyspace.heap, &target, text, to_head)
            _sized(call, &target)
        if not pushed:
            reply_rewind(call.reply, mark)
            error_memory(call)
            return
        _delete(keyspace.heap, &source, 0 if from_head else _length(&source) - 1, 1)
    keyspace_touched(keyspace, call.database, call.argv[2])
    keyspace_event(keyspace, call.database, EVENT_LIST, b"lpush" if to_head else b"rpush", call.argv[2])
    keyspace.dirty += 1
    _after_removal(call, 1, &source, b"lpop" if from_head else b"rpop")


cdef void cmd_lmove(Call* call) noexcept nogil:
    cdef bint from_head, to_head
    if _end_word(call, 3, &from_head) and _end_word(call, 4, &to_head):
        _move(call, from_head, to_head)


cdef void cmd_rpoplpush(Call* call) noexcept nogil:
    _move(call, AT_TAIL, AT_HEAD)


# ---- the forms that wait

cdef void _blocking_pop(Call* call, bint at_head) noexcept nogil:
    cdef int64_t deadline_ms
    cdef size_t keys = call.argc - 2
    if not call_timeout(call, call.argc - 1, &deadline_ms) or _pop_first(call, 1, keys, at_head, 0):
        return
    if call_may_block(call):
        call_block(call, TYPE_LIST, 1, keys, deadline_ms)
    else:
        reply_null_array(call.reply)


cdef void cmd_blpop(Call* call) noexcept nogil:
    _blocking_pop(call, AT_HEAD)


cdef void cmd_brpop(Call* call) noexcept nogil:
    _blocking_pop(call, AT_TAIL)


cdef void cmd_blmpop(Call* call) noexcept nogil:
    cdef int64_t numkeys, count, deadline_ms
    cdef bint at_head
    if not _mpop_options(call, 2, &numkeys, &at_head, &count) or not call_timeout(call, 1, &deadline_ms):
        return
    if _pop_first(call, 3, <size_t>numkeys, at_head, count):
        return
    if call_may_block(call):
        call_block(call, TYPE_LIST, 3, <size_t>numkeys, deadline_ms)
    else:
        reply_null_array(call.reply)


cdef void _blocking_move(Call* call, bint from_head, bint to_head, size_t timeout_at) noexcept nogil:
    cdef int64_t deadline_ms
    cdef bint wrong_type
    cdef TableSlot slot
    if not call_timeout(call, timeout_at, &deadline_ms):
        return
    slot = call_find_write_type(call, 1, TYPE_LIST, &wrong_type)
    if wrong_type:
        return
    if slot != NULL or not call_may_block(call):
        _move(call, from_head, to_head)      # of a missing source it answers null
    else:
        call_block(call, TYPE_LIST, 1, 1, deadline_ms)


cdef void cmd_blmove(Call* call) noexcept nogil:
    cdef bint from_head, to_head
    if _end_word(call, 3, &from_head) and _end_word(call, 4, &to_head):
        _blocking_move(call, from_head, to_head, 5)


cdef void cmd_brpoplpush(Call* call) noexcept nogil:
    _blocking_move(call, AT_TAIL, AT_HEAD, 3)


# ---- reading

cdef void cmd_llen(Call* call) noexcept nogil:
    cdef List list
    cdef bint wrong_type
    if _find_read(call, 1, &list, &wrong_type):
        reply_integer(call.reply, _length(&list))
    elif not wrong_type:
        reply_zero(call.reply)


cdef void cmd_lindex(Call* call) noexcept nogil:
    cdef List list
    cdef bint wrong_type
    cdef int64_t index
    cdef QuicklistCursor cursor
    if not _find_read(call, 1, &list, &wrong_type):
        if not wrong_type:
            reply_null(call.reply)
        return
    if not call_integer(call, 2, &index):
        return
    if quicklist_seek(list.seen, index, &cursor):
        _reply_element(call, &cursor)
    else:
        reply_null(call.reply)


cdef inline void _clip(int64_t length, int64_t* start, int64_t* end) noexcept nogil:
    """Negative indexes count from the tail; afterwards [start, end] lies inside, or is empty (start > end)."""
    if start[0] < 0:
        start[0] += length
        if start[0] < 0:
            start[0] = 0
    if end[0] < 0:
        end[0] += length
    if end[0] >= length:
        end[0] = length - 1


cdef void cmd_lrange(Call* call) noexcept nogil:
    cdef List list
    cdef bint wrong_type
    cdef int64_t start, end
    if not call_integer(call, 2, &start) or not call_integer(call, 3, &end):
        return
    if not _find_read(call, 1, &list, &wrong_type):
        if not wrong_type:
            reply_array(call.reply, 0)
        return
    _clip(_length(&list), &start, &end)
    _reply_elements(call, &list, start, end - start + 1 if start <= end else 0, False)


cdef bint _symmetric_integer(Call* call, size_t index, int64_t* value_out) noexcept nogil:
    """An integer whose negative is one too; False after an error."""
    if not call_integer(call, index, value_out):
        return False
    if value_out[0] == INT64_MIN:
        reply_error(call.reply, b"ERR value is out of range, value must between -9223372036854775807 and "
                                b"9223372036854775807")
        return False
    return True


cdef bint _not_negative(Call* call, size_t index, int64_t* value_out, const char* error) noexcept nogil:
    if parse_integer(call.argv[index], value_out) and value_out[0] >= 0:
        return True
    reply_error(call.reply, error)
    return False


cdef bint _position_options(Call* call, int64_t* rank, int64_t* count, int64_t* most) noexcept nogil:
    cdef size_t i = 3
    while i < call.argc:
        if i + 1 == call.argc:
            error_syntax(call)
            return False
        if call_word(call, i, b"RANK"):
            if not _symmetric_integer(call, i + 1, rank):
                return False
            if rank[0] == 0:
                reply_error(call.reply, b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second "
                                        b"... or use negative to start from the end of the list")
                return False
        elif call_word(call, i, b"COUNT"):
            if not _not_negative(call, i + 1, count, b"ERR COUNT can't be negative"):
                return False
        elif call_word(call, i, b"MAXLEN"):
            if not _not_negative(call, i + 1, most, b"ERR MAXLEN can't be negative"):
                return False
        else:
            error_syntax(call)
            return False
        i += 2
    return True


cdef void cmd_lpos(Call* call) noexcept nogil:
    cdef List list
    cdef bint wrong_type, backwards, more
    cdef int64_t rank = 1
    cdef int64_t count = -1                  # not given: one position, by itself
    cdef int64_t most = 0
    cdef int64_t found = 0
    cdef size_t mark
    cdef QuicklistCursor cursor
    if not _position_options(call, &rank, &count, &most):
        return
    if not _find_read(call, 1, &list, &wrong_type):
        if wrong_type:
            return
        if count == -1:
            reply_null(call.reply)
        else:
            reply_array(call.reply, 0)
        return
    backwards = rank < 0
    if backwards:
        rank = -rank
    if most == 0:
        most = INT64_MAX
    mark = reply_mark(call.reply)
    more = quicklist_seek(list.seen, -1 if backwards else 0, &cursor)
    while more and quicklist_find(&cursor, call.argv[2], backwards, &most):
        rank -= 1
        if rank <= 0:
            reply_integer(call.reply, cursor.index)
            found += 1
            if count == -1 or found == count:
                break
        more = quicklist_previous(&cursor) if backwards else quicklist_next(&cursor)
    if count != -1:
        reply_array_at(call.reply, mark, found)
    elif found == 0:
        reply_null(call.reply)


# ---- changing in place

cdef void cmd_lset(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef List list
    cdef bint wrong_type, done
    cdef int64_t index
    cdef QuicklistCursor cursor
    cdef Listpack* pack
    if not _find_write(call, 1, &list, &wrong_type):
        if not wrong_type:
            error_no_key(call)
        return
    if not call_integer(call, 2, &index):
        return
    _grow(keyspace, &list, call.argv[3].length, 1)
    if not quicklist_seek(list.seen, index, &cursor):
        reply_error(call.reply, b"ERR index out of range")
        return
    if list.pack != NULL:
        pack = listpack_replace(keyspace.heap, list.pack, &cursor.at, call.argv[3])
        done = pack != NULL
        if done:
            _see_pack(&list, pack)
    else:
        done = quicklist_replace(keyspace.heap, list.long_form, &cursor, call.argv[3])
    if not done:
        error_memory(call)
        return
    _shrink(keyspace, &list)
    call_changed(call, 1, EVENT_LIST, b"lset")
    reply_ok(call.reply)


cdef void cmd_linsert(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef List list
    cdef bint wrong_type, done
    cdef bint after = call_word(call, 2, b"AFTER")
    cdef QuicklistCursor cursor
    cdef Listpack* pack
    cdef int64_t most = INT64_MAX
    if not after and not call_word(call, 2, b"BEFORE"):
        error_syntax(call)
        return
    if not _find_write(call, 1, &list, &wrong_type):
        if not wrong_type:
            reply_zero(call.reply)
        return
    # Also where the pivot turns out to be missing, as in Redis.
    _grow(keyspace, &list, call.argv[4].length, 1)
    if not quicklist_seek(list.seen, 0, &cursor) or not quicklist_find(&cursor, call.argv[3], False, &most):
        reply_integer(call.reply, -1)
        return
    if list.pack != NULL:
        pack = listpack_insert(keyspace.heap, list.pack, call.argv[4], cursor.at,
                               LISTPACK_AFTER if after else LISTPACK_BEFORE, NULL)
        done = pack != NULL
        if done:
            _see_pack(&list, pack)
    else:
        done = quicklist_insert(keyspace.heap, list.long_form, &cursor, call.argv[4], after)
    if not done:
        error_memory(call)
        return
    _sized(call, &list)
    call_changed(call, 1, EVENT_LIST, b"linsert")
    reply_integer(call.reply, _length(&list))


cdef void cmd_lrem(Call* call) noexcept nogil:
    cdef Heap* heap = call.keyspace.heap
    cdef List list
    cdef bint wrong_type, backwards
    cdef int64_t count
    cdef uint64_t most, removed
    cdef Listpack* pack
    if not _symmetric_integer(call, 2, &count):
        return
    if not _find_write(call, 1, &list, &wrong_type):
        if not wrong_type:
            reply_zero(call.reply)
        return
    backwards = count < 0
    most = <uint64_t>(-count if backwards else count)
    if most == 0:
        most = <uint64_t>INT64_MAX
    if list.pack != NULL:
        pack = list.pack
        removed = listpack_remove(heap, &pack, call.argv[3], most, backwards)
        _see_pack(&list, pack)
    else:
        removed = quicklist_remove(heap, list.long_form, call.argv[3], most, backwards)
    if removed:
        call.keyspace.dirty += removed
        _after_removal(call, 1, &list, b"lrem")
    reply_integer(call.reply, <int64_t>removed)


cdef void cmd_ltrim(Call* call) noexcept nogil:
    cdef Heap* heap = call.keyspace.heap
    cdef List list
    cdef bint wrong_type
    cdef int64_t start, end, length
    if not call_integer(call, 2, &start) or not call_integer(call, 3, &end):
        return
    if not _find_write(call, 1, &list, &wrong_type):
        if not wrong_type:
            reply_ok(call.reply)
        return
    length = _length(&list)
    _clip(length, &start, &end)
    if start > end:                          # nothing stays
        start = length
        end = length - 1
    _delete(heap, &list, end + 1, <uint64_t>(length - 1 - end))
    _delete(heap, &list, 0, <uint64_t>start)
    call.keyspace.dirty += <uint64_t>(start + length - 1 - end)
    _after_removal(call, 1, &list, b"ltrim")
    reply_ok(call.reply)
