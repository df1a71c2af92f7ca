"""See sort.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol.

A request goes through four steps, each a function: read the options; load the elements (copied, as lookups that follow
may let a hash drop fields that are due, and STORE may overwrite the very key that is sorted); give each its weight
and sort; answer or store. The sort is a stable merge, so that elements of equal weight keep their order.

What BY and GET name is looked up like any key that is read: hits, misses, access times and miss events count.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_decimal, parse_integer
from hutch_engine.base.slice cimport Slice, slice_compare, slice_of
from hutch_engine.commands.call cimport (
    CALL_IN_SCRIPT, CALL_NO_TOUCH, Call, call_find_read, call_hash, call_integer, call_word, error_memory,
    error_syntax, error_wrong_type, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_error, reply_integer, reply_mark, reply_null, reply_rewind, reply_zero)
from hutch_engine.commands.set cimport entry_set
from hutch_engine.commands.zset cimport zset_changed
from hutch_engine.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, Value, entry_bytes, entry_type, value_of_pointer)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_LIST, FIND_NO_TOUCH, FIND_WRITE, Keyspace, keyspace_delete, keyspace_event, keyspace_find,
    keyspace_find_slot, keyspace_hash, keyspace_open_hash, keyspace_overwritten, keyspace_set, keyspace_touched, zset_of)
from hutch_engine.keyspace.list_type cimport LIST_LISTPACK, LIST_QUICKLIST, list_for_reading
from hutch_engine.keyspace.value_types cimport value_free
from hutch_engine.structures.hash cimport Hash, hash_get
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistCursor, quicklist_exceeds, quicklist_free, quicklist_is_plain, quicklist_length, quicklist_new, quicklist_next, quicklist_pack,
    quicklist_previous, quicklist_push, quicklist_seek, quicklist_take_pack, quicklist_text)
from hutch_engine.structures.set cimport set_each, set_length
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_next, sorted_set_previous,
    sorted_set_to_tree)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    RUN = 8                      # elements that insertion sorts before merging begins
    PAGE_BYTES = 65536           # of the arena; the first page is smaller, for most requests are
    FIRST_PAGE_BYTES = 2000      # a small block

cdef enum:                       # a request's outcome
    SORTED = 0
    REFUSED = 1                  # memory
    NOT_NUMBERS = 2


cdef struct Page:
    Page* next                   # owned
    size_t bytes                 # room behind this header
    size_t used


cdef struct Item:
    Slice text                   # the element; in the arena, as is the next
    Slice weight                 # ALPHA: what is compared; data NULL for a BY key that is not there
    double score                 # without ALPHA


cdef struct Pattern:             # of BY or GET; all borrowed from the request
    bint itself                  # "#": the element
    bint star                    # without one, nothing is ever found
    bint field_given
    Slice before
    Slice behind
    Slice field


cdef struct Sorting:
    Call* call
    Heap* heap
    Page* pages                  # owned: the newest first
    Item* items                  # owned
    Item* other_half             # owned: where a merge puts its items
    uint64_t capacity            # of each
    uint64_t count
    int64_t start                # of what is answered, in `items` ...
    int64_t end                  # ... up to this one
    Buffer name                  # the key that a pattern makes
    char[INTEGER_TEXT_MAX] digits
    size_t by                    # the argument of the last BY, 0 without
    size_t store                 # the argument of the last STORE's key, 0 without
    int64_t offset               # LIMIT
    int64_t limit
    uint64_t gets                # how many GET there are
    bint descending
    bint alpha
    bint unsorted                # a BY without "*"


# ---- memory

cdef bint _copy(Sorting* sorting, Slice text, Slice* copy_out) noexcept nogil:
    """Into the arena; False when refused."""
    cdef Page* page = sorting.pages
    cdef size_t bytes
    if page == NULL or page.bytes - page.used < text.length:
        bytes = FIRST_PAGE_BYTES if page == NULL else PAGE_BYTES
        if text.length > bytes:
            bytes = text.length
        page = <Page*>heap_try_alloc(sorting.heap, sizeof(Page) + bytes)
        if unlikely(page == NULL):
            return False
        page.bytes = bytes
        page.used = 0
        page.next = sorting.pages
        sorting.pages = page
    copy_out[0] = slice_of(<char*>page + sizeof(Page) + page.used, text.length)
    if text.length:
        memcpy(<char*>copy_out.data, text.data, text.length)
        page.used += text.length
    return True


cdef bint _reserve(Sorting* sorting, uint64_t count) noexcept nogil:
    if count == 0:
        return True
    sorting.items = <Item*>heap_try_alloc(sorting.heap, count * sizeof(Item))
    if sorting.items == NULL:
        return False
    sorting.capacity = count
    return True


cdef void _clear(Sorting* sorting) noexcept nogil:
    cdef Page* page = sorting.pages
    cdef Page* following
    while page != NULL:
        following = page.next
        heap_free(sorting.heap, page, sizeof(Page) + page.bytes)
        page = following
    heap_free(sorting.heap, sorting.items, sorting.capacity * sizeof(Item))
    if sorting.other_half != NULL:
        heap_free(sorting.heap, sorting.other_half, sorting.capacity * sizeof(Item))
    buffer_clear(&sorting.name)


# ---- options and patterns

cdef inline size_t _c_length(Slice text) noexcept nogil:
    """Up to the first zero byte: Redis takes patterns, numbers and collated texts for C strings."""
    cdef const char* zero = <const char*>memchr(text.data, 0, text.length) if text.length else NULL
    return text.length if zero == NULL else <size_t>(zero - text.data)


cdef inline const char* _star(Slice pattern) noexcept nogil:
    cdef size_t length = _c_length(pattern)
    return <const char*>memchr(pattern.data, c'*', length) if length else NULL


cdef Pattern _pattern(Slice text) noexcept nogil:
    """before*behind, or before*behind->field (the first "->" behind the star that has something behind it)."""
    cdef Pattern pattern
    cdef size_t length = _c_length(text)
    cdef const char* star = _star(text)
    cdef size_t at, i
    pattern.itself = length == 1 and text.data[0] == c'#'
    pattern.star = star != NULL
    pattern.field_given = False
    if star == NULL:
        return pattern
    at = <size_t>(star - text.data)
    pattern.before = slice_of(text.data, at)
    pattern.behind = slice_of(star + 1, text.length - at - 1)
    i = at + 1
    while i + 1 < length:
        if text.data[i] == c'-' and text.data[i + 1] == c'>':
            if i + 2 < length:
                pattern.field_given = True
                pattern.behind.length = i - at - 1
                pattern.field = slice_of(text.data + i + 2, text.length - i - 2)
            break
        i += 1
    return pattern


cdef bint _read_options(Sorting* sorting, bint may_store) noexcept nogil:
    """False when an error was written."""
    cdef Call* call = sorting.call
    cdef size_t at = 2
    cdef size_t left
    while at < call.argc:
        left = call.argc - at - 1
        if call_word(call, at, b"asc"):
            sorting.descending = False
        elif call_word(call, at, b"desc"):
            sorting.descending = True
        elif call_word(call, at, b"alpha"):
            sorting.alpha = True
        elif left >= 2 and call_word(call, at, b"limit"):
            if not call_integer(call, at + 1, &sorting.offset) or not call_integer(call, at + 2, &sorting.limit):
                return False
            at += 2
        elif may_store and left >= 1 and call_word(call, at, b"store"):
            sorting.store = at + 1
            at += 1
        elif left >= 1 and call_word(call, at, b"by"):
            sorting.by = at + 1
            # Once without a star, no later BY brings the order back.
            if _star(call.argv[at + 1]) == NULL:
                sorting.unsorted = True
            elif unlikely(call.keys_limited):
                reply_error(call.reply, b"ERR BY option of SORT denied due to insufficient ACL permissions.")
                return False
            at += 1
        elif left >= 1 and call_word(call, at, b"get"):
            if unlikely(call.keys_limited):
                reply_error(call.reply, b"ERR GET option of SORT denied due to insufficient ACL permissions.")
                return False
            sorting.gets += 1
            at += 1
        else:
            error_syntax(call)
            return False
        at += 1
    return True


# ---- loading

cdef bint _add(Sorting* sorting, Slice text) noexcept nogil:
    cdef Item* item = &sorting.items[sorting.count]
    if unlikely(not _copy(sorting, text, &item.text)):
        return False
    item.weight = slice_of(NULL, 0)
    item.score = 0
    sorting.count += 1
    return True


cdef bint _visit_member(void* context, Slice member) noexcept nogil:
    return _add(<Sorting*>context, member)


cdef void _cut(Sorting* sorting, int64_t length) noexcept nogil:
    """LIMIT, cut down to what there is. An empty range ends one before it starts."""
    cdef int64_t start = sorting.offset
    cdef int64_t limit = sorting.limit
    start = 0 if start < 0 else length if start > length else start
    limit = -1 if limit < -1 else length if limit > length else limit
    sorting.start = start
    sorting.end = length - 1 if limit < 0 else start + limit - 1
    if sorting.end >= length:
        sorting.end = length - 1
    if start >= length or sorting.end < start:
        sorting.start = 0
        sorting.end = -1


cdef void _only_range(Sorting* sorting, int64_t* first_out, uint64_t* wanted_out) noexcept nogil:
    """Lists and sorted sets that stay in their order: only what is answered need be loaded."""
    first_out[0] = sorting.start
    wanted_out[0] = <uint64_t>(sorting.end - sorting.start + 1)
    sorting.end -= sorting.start
    sorting.start = 0


cdef bint _load_list(Sorting* sorting, Entry* entry) noexcept nogil:
    cdef Quicklist view
    cdef Quicklist* list = list_for_reading(entry, &view)
    cdef QuicklistCursor cursor
    cdef int64_t length = quicklist_length(list)
    cdef int64_t first = 0
    cdef uint64_t wanted
    cdef bint backwards = sorting.unsorted and sorting.descending
    wanted = <uint64_t>length
    _cut(sorting, length)
    if sorting.unsorted:
        _only_range(sorting, &first, &wanted)
    if wanted == 0:
        return True
    if not _reserve(sorting, wanted) or not quicklist_seek(list, length - 1 - first if backwards else first, &cursor):
        return False
    while True:
        if not _add(sorting, quicklist_text(&cursor, sorting.digits)):
            return False
        if sorting.count == wanted:
            return True
        if backwards:
            quicklist_previous(&cursor)
        else:
            quicklist_next(&cursor)


cdef bint _load_sorted_set(Sorting* sorting, Entry* entry) noexcept nogil:
    cdef SortedSet set = zset_of(sorting.call.keyspace, entry)
    cdef SortedCursor cursor
    cdef int64_t length
    cdef int64_t first = 0
    cdef uint64_t wanted
    cdef bint backwards = sorting.unsorted and sorting.descending
    if set.pack != NULL:
        # Redis sorts the big form only, and the set stays in it: OBJECT ENCODING tells.
        if not sorted_set_to_tree(&set):
            return False
        zset_changed(sorting.call.database, entry, &set)
    length = <int64_t>sorted_set_count(&set)
    wanted = <uint64_t>length
    _cut(sorting, length)
    if sorting.unsorted:
        _only_range(sorting, &first, &wanted)
    if wanted == 0:
        return True
    if not _reserve(sorting, wanted) or \
            not sorted_set_at(&set, <uint64_t>(length - 1 - first if backwards else first), &cursor):
        return False
    while True:
        if not _add(sorting, cursor.member):
            return False
        if sorting.count == wanted:
            return True
        if backwards:
            sorted_set_previous(&cursor)
        else:
            sorted_set_next(&cursor)


cdef bint _load_set(Sorting* sorting, Entry* entry) noexcept nogil:
    cdef uint64_t length = set_length(entry_set(entry))
    _cut(sorting, <int64_t>length)
    return _reserve(sorting, length) and set_each(entry_set(entry), _visit_member, sorting)


cdef bint _load(Sorting* sorting, Entry* entry) noexcept nogil:
    """False when memory was refused."""
    if entry == NULL:
        _cut(sorting, 0)
        return True
    if entry_type(entry) == TYPE_LIST:
        return _load_list(sorting, entry)
    if entry_type(entry) == TYPE_SET:
        return _load_set(sorting, entry)
    return _load_sorted_set(sorting, entry)


# ---- weights

cdef bint _look_up(Sorting* sorting, const Pattern* pattern, Slice text, Slice* value_out, bint* refused_out) noexcept nogil:
    """What the pattern names for this element, until the next lookup; False if there is nothing."""
    cdef Call* call = sorting.call
    cdef Keyspace* keyspace = call.keyspace
    cdef Entry* entry
    cdef Hash hash
    if pattern.itself:
        value_out[0] = text
        return True
    if not pattern.star:
        return False
    sorting.name.length = 0
    buffer_append_slice(&sorting.name, pattern.before)
    buffer_append_slice(&sorting.name, text)
    buffer_append_slice(&sorting.name, pattern.behind)
    if unlikely(sorting.name.failed):
        refused_out[0] = True
        return False
    entry = keyspace_find(keyspace, call.database, buffer_slice(&sorting.name),
                          keyspace_hash(keyspace, buffer_slice(&sorting.name)),
                          FIND_NO_TOUCH if call.flags & CALL_NO_TOUCH else 0)
    if entry == NULL:
        return False
    if not pattern.field_given:
        if entry_type(entry) != TYPE_STRING:
            return False
        value_out[0] = entry_bytes(entry, sorting.digits)
        return True
    if entry_type(entry) != TYPE_HASH:
        return False
    keyspace_open_hash(keyspace, entry, &hash)
    return hash_get(&hash, pattern.field, sorting.digits, value_out)


cdef bint _score(Slice text, double* score_out) noexcept nogil:
    """A number as SORT reads it: a decimal or an infinity, of any size; nothing at all is 0."""
    cdef int64_t integer
    text.length = _c_length(text)
    if text.length == 0:
        score_out[0] = 0
        return True
    if parse_integer(text, &integer):
        score_out[0] = <double>integer
        return True
    return parse_decimal(text, score_out)


cdef int _weigh(Sorting* sorting) noexcept nogil:
    cdef Pattern by
    cdef Item* item
    cdef Slice value
    cdef bint refused = False
    cdef bint wrong = False
    cdef uint64_t i
    if sorting.by:
        by = _pattern(sorting.call.argv[sorting.by])
    for i in range(sorting.count):
        item = &sorting.items[i]
        value = item.text
        if sorting.by and not _look_up(sorting, &by, item.text, &value, &refused):
            if unlikely(refused):
                return REFUSED
            continue
        if not sorting.alpha:
            if not _score(value, &item.score):
                wrong = True         # the others are looked up all the same
            continue
        # What is stored is compared byte by byte, what is answered as C strings (Redis collates it).
        if not sorting.store:
            value.length = _c_length(value)
        if not sorting.by:
            item.weight = value
        elif unlikely(not _copy(sorting, value, &item.weight)):
            return REFUSED
    return NOT_NUMBERS if wrong else SORTED


# ---- sorting

cdef inline int _order(const Sorting* sorting, const Item* a, const Item* b) noexcept nogil:
    cdef int order
    if not sorting.alpha:
        if a.score != b.score:
            order = 1 if a.score > b.score else -1
        else:
            order = slice_compare(a.text, b.text)
    elif a.weight.data == NULL or b.weight.data == NULL:
        order = (a.weight.data != NULL) - (b.weight.data != NULL)
    else:
        order = slice_compare(a.weight, b.weight)
    return -order if sorting.descending else order


cdef void _insertion_sort(const Sorting* sorting, Item* items, uint64_t count) noexcept nogil:
    cdef Item moved
    cdef uint64_t i, place
    for i in range(1, count):
        if _order(sorting, &items[i - 1], &items[i]) <= 0:
            continue
        moved = items[i]
        place = i
        while place and _order(sorting, &items[place - 1], &moved) > 0:
            items[place] = items[place - 1]
            place -= 1
        items[place] = moved


cdef void _merge(const Sorting* sorting, const Item* items, uint64_t middle, uint64_t count, Item* out) noexcept nogil:
    """items[:middle] and items[middle:count], both sorted, into out."""
    cdef uint64_t a = 0
    cdef uint64_t b = middle
    cdef uint64_t i = 0
    if middle < count and _order(sorting, &items[middle - 1], &items[middle]) <= 0:
        b = count                    # in order already
        memcpy(out, items, count * sizeof(Item))
        return
    while a < middle and b < count:
        if _order(sorting, &items[a], &items[b]) <= 0:
            out[i] = items[a]
            a += 1
        else:
            out[i] = items[b]
            b += 1
        i += 1
    memcpy(out + i, items + a, (middle - a) * sizeof(Item))
    memcpy(out + i + (middle - a), items + b, (count - b) * sizeof(Item))


cdef bint _sort(Sorting* sorting) noexcept nogil:
    """Stable; O(n log n). False when memory was refused."""
    cdef uint64_t count = sorting.count
    cdef uint64_t width = RUN
    cdef uint64_t at = 0
    cdef uint64_t left
    cdef Item* swapped
    while at < count:
        _insertion_sort(sorting, sorting.items + at, count - at if count - at < RUN else RUN)
        at += RUN
    if count <= RUN:
        return True
    sorting.other_half = <Item*>heap_try_alloc(sorting.heap, sorting.capacity * sizeof(Item))
    if sorting.other_half == NULL:
        return False
    while width < count:
        at = 0
        while at < count:
            left = count - at
            _merge(sorting, sorting.items + at, width if width < left else left,
                   2 * width if 2 * width < left else left, sorting.other_half + at)
            at += 2 * width
        swapped = sorting.items
        sorting.items = sorting.other_half
        sorting.other_half = swapped
        width *= 2
    return True


# ---- answering

cdef size_t _next_get(const Sorting* sorting, size_t at) noexcept nogil:
    """The argument of the GET that follows; the options are known to be right."""
    cdef Call* call = sorting.call
    while at < call.argc:
        if call_word(call, at, b"get"):
            return at + 1
        if call_word(call, at, b"limit"):
            at += 2
        elif call_word(call, at, b"by") or call_word(call, at, b"store"):
            at += 1
        at += 1
    return 0


cdef bint _answer(Sorting* sorting, Pattern* gets) noexcept nogil:
    cdef Call* call = sorting.call
    cdef int64_t i
    cdef uint64_t g
    cdef Slice value
    cdef bint refused = False
    cdef size_t mark = reply_mark(call.reply)
    reply_array(call.reply, (sorting.end - sorting.start + 1) * <int64_t>(sorting.gets if sorting.gets else 1))
    for i in range(sorting.start, sorting.end + 1):
        if sorting.gets == 0:
            reply_bulk(call.reply, sorting.items[i].text)
        for g in range(sorting.gets):
            if _look_up(sorting, &gets[g], sorting.items[i].text, &value, &refused):
                reply_bulk(call.reply, value)
            elif unlikely(refused):
                reply_rewind(call.reply, mark)
                return False
            else:
                reply_null(call.reply)
    return True


cdef bint _list_of(Sorting* sorting, Pattern* gets, Value* value_out) noexcept nogil:
    """The result as a list; False when refused."""
    cdef int64_t fill = sorting.call.keyspace.limits.list_size
    cdef Quicklist* list = quicklist_new(sorting.heap, fill)
    cdef Listpack* pack
    cdef Slice value
    cdef bint refused = False
    cdef int64_t i
    cdef uint64_t g
    for i in range(sorting.start, sorting.end + 1):
        if sorting.gets == 0 and not quicklist_push(sorting.heap, list, sorting.items[i].text, False):
            refused = True
        for g in range(sorting.gets):
            if not _look_up(sorting, &gets[g], sorting.items[i].text, &value, &refused):
                value = slice_of(NULL, 0)
            if refused or not quicklist_push(sorting.heap, list, value, False):
                refused = True
                break
        if refused:
            quicklist_free(sorting.heap, list)
            return False
    # One node that no push found too big is a listpack's size.
    if list.count == 1 and not quicklist_is_plain(&list.items[list.first]):
        pack = quicklist_pack(&list.items[list.first])
        if not quicklist_exceeds(fill, listpack_bytes(pack), <uint64_t>quicklist_length(list)):
            value_out[0] = value_of_pointer(TYPE_LIST, LIST_LISTPACK, quicklist_take_pack(sorting.heap, list))
            return True
    value_out[0] = value_of_pointer(TYPE_LIST, LIST_QUICKLIST, list)
    return True


cdef bint _store(Sorting* sorting, Pattern* gets) noexcept nogil:
    """Put the result into the STORE key, whatever that was. False when memory was refused: nothing changed."""
    cdef Call* call = sorting.call
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice key = call.argv[sorting.store]
    cdef uint64_t hash = call_hash(call, sorting.store)
    cdef int64_t length = (sorting.end - sorting.start + 1) * <int64_t>(sorting.gets if sorting.gets else 1)
    cdef uint32_t flags = FIND_WRITE | (FIND_NO_TOUCH if call.flags & CALL_NO_TOUCH else 0)
    cdef TableSlot slot
    cdef Value value
    cdef int old_type
    if length and not _list_of(sorting, gets, &value):
        return False
    # Only now: the lookups of GET may have moved the place, or let the key expire.
    slot = keyspace_find_slot(keyspace, call.database, key, hash, flags)
    if length == 0:
        if slot != NULL:
            keyspace_delete(keyspace, call.database, slot, hash, keyspace.lazy_server_delete)
            keyspace_touched(keyspace, call.database, key)
            keyspace_event(keyspace, call.database, EVENT_GENERIC, b"del", key)
            keyspace.dirty += 1
        reply_zero(call.reply)
        return True
    old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    if unlikely(keyspace_set(keyspace, call.database, key, hash, slot, value, False) == NULL):
        value_free(sorting.heap, TYPE_LIST, value.encoding, value.pointer)
        return False
    keyspace_touched(keyspace, call.database, key)
    if old_type >= 0:
        keyspace_overwritten(keyspace, call.database, key, <uint8_t>old_type, TYPE_LIST)
    keyspace_event(keyspace, call.database, EVENT_LIST, b"sortstore", key)
    keyspace.dirty += <uint64_t>length
    reply_integer(call.reply, length)
    return True


cdef bint _finish(Sorting* sorting) noexcept nogil:
    cdef Pattern* gets = NULL
    cdef uint64_t i
    cdef size_t at = 2
    cdef bint done
    if sorting.gets:
        gets = <Pattern*>heap_try_alloc(sorting.heap, sorting.gets * sizeof(Pattern))
        if gets == NULL:
            return False
        for i in range(sorting.gets):
            at = _next_get(sorting, at)
            gets[i] = _pattern(sorting.call.argv[at])
            at += 1
    done = _store(sorting, gets) if sorting.store else _answer(sorting, gets)
    if gets != NULL:
        heap_free(sorting.heap, gets, sorting.gets * sizeof(Pattern))
    return done


cdef void _run(Sorting* sorting, bint may_store) noexcept nogil:
    cdef Call* call = sorting.call
    cdef Entry* entry
    cdef int outcome = SORTED
    if not _read_options(sorting, may_store):
        return
    entry = call_find_read(call, 1)
    if entry != NULL and entry_type(entry) != TYPE_LIST and entry_type(entry) != TYPE_SET and \
            entry_type(entry) != TYPE_ZSET:
        error_wrong_type(call)
        return
    if sorting.unsorted and entry != NULL and entry_type(entry) == TYPE_SET and \
            (sorting.store or call.flags & CALL_IN_SCRIPT):
        # A set has no order of its own, and what is replicated must be the same everywhere.
        sorting.unsorted = False
        sorting.alpha = True
        sorting.by = 0
    if not _load(sorting, entry):
        error_memory(call)
        return
    if not sorting.unsorted:
        outcome = _weigh(sorting)
        if outcome == SORTED and not _sort(sorting):
            outcome = REFUSED
    if outcome == NOT_NUMBERS:
        reply_error(call.reply, b"ERR One or more scores can't be converted into double")
    elif outcome == REFUSED or not _finish(sorting):
        error_memory(call)


cdef void _command(Call* call, bint may_store) noexcept nogil:
    cdef Sorting sorting
    sorting.call = call
    sorting.heap = call.keyspace.heap
    sorting.pages = NULL
    sorting.items = NULL
    sorting.other_half = NULL
    sorting.capacity = 0
    sorting.count = 0
    sorting.by = 0
    sorting.store = 0
    sorting.offset = 0
    sorting.limit = -1
    sorting.gets = 0
    sorting.descending = False
    sorting.alpha = False
    sorting.unsorted = False
    buffer_init(&sorting.name, NULL)
    _run(&sorting, may_store)
    _clear(&sorting)


cdef void cmd_sort(Call* call) noexcept nogil:
    _command(call, True)


cdef void cmd_sort_ro(Call* call) noexcept nogil:
    _command(call, False)
