"""See quicklist.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_equals
from hutch_engine.structures.listpack cimport (
    LISTPACK_AFTER, LISTPACK_BEFORE, Listpack, listpack_append, listpack_append_pack, listpack_bytes, listpack_check,
    listpack_copy, listpack_delete, listpack_delete_range, listpack_find, listpack_first, listpack_free, listpack_get,
    listpack_insert, listpack_is, listpack_last, listpack_length, listpack_new, listpack_next, listpack_prepend,
    listpack_previous, listpack_replace, listpack_seek, listpack_text)

cdef enum:
    FIRST_CAPACITY = 2               # nodes; doubled when full, and halved when a quarter is in use
    ENTRY_ESTIMATE_BYTES = 8         # what Redis adds for the header of an element yet to come
    CHECKED_NODES = 32               # checks builds verify lists of up to so many after each change
    PACK_FRAME_BYTES = 7             # a listpack's header and end mark, which merging saves


# ---- limits

cdef inline size_t _size_limit(int64_t fill) noexcept nogil:
    """-1 .. -5: 4 to 64 KiB."""
    return <size_t>4096 << (-1 - fill if fill >= -5 else 4)


cdef bint quicklist_exceeds(int64_t fill, size_t bytes, uint64_t count) noexcept nogil:
    if fill < 0:
        return bytes > _size_limit(fill)
    return bytes > QUICKLIST_SAFE_BYTES or count > (<uint64_t>fill if fill else 1)


cdef bint quicklist_is_plain_size(int64_t fill, size_t bytes) noexcept nogil:
    return bytes > (_size_limit(fill) if fill < 0 else QUICKLIST_SAFE_BYTES)


cdef inline bint _is_pack_within(const Quicklist* list, int64_t fill, int part) noexcept nogil:
    # Redis bounds by size or by number here, never by both.
    cdef const QuicklistItem* item = &list.items[list.first]
    if list.count != 1 or item.tagged & 1:
        return False
    if fill < 0:
        return listpack_bytes(<Listpack*>item.tagged) <= _size_limit(fill) // part
    return list.end - item.start <= (fill if fill else 1) // part


cdef bint quicklist_is_short(const Quicklist* list, int64_t fill) noexcept nogil:
    return _is_pack_within(list, fill, 1)


cdef bint quicklist_fits_pack(const Quicklist* list, int64_t fill) noexcept nogil:
    # Half the limit, so that a list at the border does not change to and fro.
    return _is_pack_within(list, fill, 2)


# ---- nodes and their directory

cdef inline QuicklistItem* _item(const Quicklist* list, size_t node) noexcept nogil:
    return &list.items[(list.first + node) & (list.capacity - 1)]


cdef inline int64_t _node_end(const Quicklist* list, size_t node) noexcept nogil:
    return _item(list, node + 1).start if node + 1 < list.count else list.end


cdef inline int64_t _node_length(const Quicklist* list, size_t node) noexcept nogil:
    return _node_end(list, node) - _item(list, node).start


cdef size_t _plain_new(Heap* heap, Slice text) noexcept nogil:
    """The tagged pointer of a new plain node; 0 when refused."""
    cdef PlainNode* node = <PlainNode*>heap_try_alloc(heap, sizeof(PlainNode) + text.length)
    if node == NULL:
        return 0
    node.length = text.length
    if text.length:
        memcpy(<char*>node + sizeof(PlainNode), text.data, text.length)
    return <size_t>node | 1


cdef size_t _pack_of(Heap* heap, Slice text) noexcept nogil:
    """A new listpack of one element; 0 when refused."""
    cdef Listpack* empty = listpack_new(heap)
    cdef Listpack* pack = listpack_append(heap, empty, text)
    if pack == NULL:
        listpack_free(heap, empty)
    return <size_t>pack


cdef void _node_free(Heap* heap, size_t tagged) noexcept nogil:
    cdef PlainNode* node
    if tagged & 1:
        node = <PlainNode*>(tagged & ~<size_t>1)
        heap_free(heap, node, sizeof(PlainNode) + node.length)
    elif tagged:
        listpack_free(heap, <Listpack*>tagged)


cdef bint _resize(Heap* heap, Quicklist* list, size_t capacity) noexcept nogil:
    cdef QuicklistItem* items = <QuicklistItem*>heap_try_alloc(heap, capacity * sizeof(QuicklistItem))
    cdef size_t before_wrap
    if items == NULL:
        return False
    before_wrap = list.capacity - list.first
    if before_wrap > list.count:
        before_wrap = list.count
    memcpy(items, list.items + list.first, before_wrap * sizeof(QuicklistItem))
    memcpy(items + before_wrap, list.items, (list.count - before_wrap) * sizeof(QuicklistItem))
    heap_free(heap, list.items, list.capacity * sizeof(QuicklistItem))
    list.items = items
    list.capacity = capacity
    list.first = 0
    return True


cdef inline bint _reserve(Heap* heap, Quicklist* list, size_t extra) noexcept nogil:
    cdef size_t capacity = list.capacity
    while list.count + extra > capacity:
        capacity *= 2
    return capacity == list.capacity or _resize(heap, list, capacity)


cdef inline void _give_back_room(Heap* heap, Quicklist* list) noexcept nogil:
    if unlikely(list.capacity > FIRST_CAPACITY and list.count * 4 <= list.capacity):
        _resize(heap, list, list.capacity // 2)       # refused: then it stays as it is


cdef inline void _shift(Quicklist* list, size_t node, int64_t by) noexcept nogil:
    """Node `node` has `by` elements more: the starts on the shorter side move. (Callers keep `start` of the node
    itself, or its end, as the anchor.)"""
    cdef size_t i
    if node * 2 < list.count:
        for i in range(node + 1):
            _item(list, i).start -= by
    else:
        for i in range(node + 1, list.count):
            _item(list, i).start += by
        list.end += by


cdef void _put_node(Quicklist* list, size_t node, size_t tagged, int64_t length) noexcept nogil:
    """A new node in front of node number `node` (list.count: at the end). Room was reserved."""
    cdef size_t i
    cdef int64_t start
    if node * 2 < list.count:
        # The nodes in front move one place and `length` positions to the left.
        start = _item(list, node).start - length
        list.first = (list.first - 1) & (list.capacity - 1)
        list.count += 1
        for i in range(node):
            _item(list, i)[0] = _item(list, i + 1)[0]
            _item(list, i).start -= length
    else:
        start = list.end if node == list.count else _item(list, node).start
        list.count += 1
        i = list.count - 1
        while i > node:
            _item(list, i)[0] = _item(list, i - 1)[0]
            _item(list, i).start += length
            i -= 1
        list.end += length
    _item(list, node).tagged = tagged
    _item(list, node).start = start


cdef void _drop_node(Heap* heap, Quicklist* list, size_t node) noexcept nogil:
    """Free a node with all its elements."""
    cdef int64_t length = _node_length(list, node)
    cdef size_t i
    _node_free(heap, _item(list, node).tagged)
    if node * 2 < list.count:
        i = node
        while i > 0:
            _item(list, i)[0] = _item(list, i - 1)[0]
            _item(list, i).start += length
            i -= 1
        list.first = (list.first + 1) & (list.capacity - 1)
    else:
        for i in range(node, list.count - 1):
            _item(list, i)[0] = _item(list, i + 1)[0]
            _item(list, i).start -= length
        list.end -= length
    list.count -= 1
    _give_back_room(heap, list)


cdef inline void _checked(const Quicklist* list) noexcept nogil:
    # Only short ones, or a long list's every push would walk all of it.
    if HUTCH_CHECKS and list.count <= CHECKED_NODES:
        quicklist_check(list)


# ---- life

cdef Quicklist* quicklist_new(Heap* heap, int64_t fill) noexcept nogil:
    cdef Quicklist* list = <Quicklist*>heap_alloc(heap, sizeof(Quicklist))
    list.items = <QuicklistItem*>heap_alloc(heap, FIRST_CAPACITY * sizeof(QuicklistItem))
    list.capacity = FIRST_CAPACITY
    list.first = 0
    list.count = 0
    list.end = 0
    list.fill = fill
    return list


cdef void _free_shell(Heap* heap, Quicklist* list) noexcept nogil:
    heap_free(heap, list.items, list.capacity * sizeof(QuicklistItem))
    heap_free(heap, list, sizeof(Quicklist))


cdef void quicklist_free(Heap* heap, Quicklist* list) noexcept nogil:
    cdef size_t i
    if list == NULL:
        return
    for i in range(list.count):
        _node_free(heap, _item(list, i).tagged)
    _free_shell(heap, list)


cdef bint quicklist_free_some(Heap* heap, Quicklist* list, uint64_t steps) noexcept nogil:
    while list.count and steps:
        list.count -= 1
        _node_free(heap, _item(list, list.count).tagged)
        steps -= 1
    if list.count:
        return True
    _free_shell(heap, list)
    return False


cdef Quicklist* quicklist_of_pack(Heap* heap, Listpack* pack, int64_t fill) noexcept nogil:
    cdef Quicklist* list = quicklist_new(heap, fill)
    _put_node(list, 0, <size_t>pack, <int64_t>listpack_length(pack))
    return list


cdef Listpack* quicklist_take_pack(Heap* heap, Quicklist* list) noexcept nogil:
    cdef Listpack* pack = quicklist_pack(_item(list, 0))
    invariant(list.count == 1 and not quicklist_is_plain(_item(list, 0)), b"a list of several nodes becomes a listpack")
    _free_shell(heap, list)
    return pack


cdef Quicklist* quicklist_copy(Heap* heap, const Quicklist* list) noexcept nogil:
    cdef Quicklist* copy = quicklist_new(heap, list.fill)
    cdef size_t i, tagged
    if not _reserve(heap, copy, list.count):
        quicklist_free(heap, copy)
        return NULL
    for i in range(list.count):
        if quicklist_is_plain(_item(list, i)):
            tagged = _plain_new(heap, quicklist_plain_text(_item(list, i)))
        else:
            tagged = <size_t>listpack_copy(heap, quicklist_pack(_item(list, i)))
        if tagged == 0:
            quicklist_free(heap, copy)
            return NULL
        _put_node(copy, i, tagged, _node_length(list, i))
    return copy


cdef void quicklist_view(Quicklist* view, Listpack* pack) noexcept nogil:
    view.items = &view.single
    view.single.tagged = <size_t>pack
    view.single.start = 0
    view.capacity = 1
    view.first = 0
    view.end = <int64_t>listpack_length(pack)
    view.count = 1 if view.end else 0
    view.fill = 0


# ---- reading

cdef bint quicklist_seek(Quicklist* list, int64_t index, QuicklistCursor* cursor_out) noexcept nogil:
    cdef int64_t length = quicklist_length(list)
    cdef int64_t position
    cdef size_t low = 0
    cdef size_t high, middle
    cdef QuicklistItem* item
    if index < 0:
        index += length
    if index < 0 or index >= length:
        return False
    position = index + list.items[list.first].start
    high = list.count - 1
    if likely(position >= _item(list, high).start):
        low = high                            # at the tail, and in views
    elif position >= _node_end(list, 0):
        while low < high:                     # the last node that starts at or before it
            middle = (low + high + 1) // 2
            if _item(list, middle).start <= position:
                low = middle
            else:
                high = middle - 1
    item = _item(list, low)
    cursor_out.list = list
    cursor_out.node = low
    cursor_out.index = index
    cursor_out.at = NULL
    if not quicklist_is_plain(item):
        position -= item.start
        length = _node_end(list, low) - item.start
        # From the nearer end; the listpack itself may not know how many elements it has.
        cursor_out.at = listpack_seek(quicklist_pack(item), position if position < length - position else position - length)
    return True


cdef inline void _enter(QuicklistCursor* cursor, size_t node, bint at_end) noexcept nogil:
    cdef QuicklistItem* item = _item(cursor.list, node)
    cursor.node = node
    if quicklist_is_plain(item):
        cursor.at = NULL
    else:
        cursor.at = listpack_last(quicklist_pack(item)) if at_end else listpack_first(quicklist_pack(item))


cdef bint quicklist_next(QuicklistCursor* cursor) noexcept nogil:
    cdef uint8_t* at
    if cursor.at != NULL:
        at = listpack_next(quicklist_pack(_item(cursor.list, cursor.node)), cursor.at)
        if likely(at != NULL):
            cursor.at = at
            cursor.index += 1
            return True
    if cursor.node + 1 == cursor.list.count:
        return False
    _enter(cursor, cursor.node + 1, False)
    cursor.index += 1
    return True


cdef bint quicklist_previous(QuicklistCursor* cursor) noexcept nogil:
    cdef uint8_t* at
    if cursor.at != NULL:
        at = listpack_previous(quicklist_pack(_item(cursor.list, cursor.node)), cursor.at)
        if likely(at != NULL):
            cursor.at = at
            cursor.index -= 1
            return True
    if cursor.node == 0:
        return False
    _enter(cursor, cursor.node - 1, True)
    cursor.index -= 1
    return True


cdef Slice quicklist_text(const QuicklistCursor* cursor, char* scratch) noexcept nogil:
    if cursor.at == NULL:
        return quicklist_plain_text(_item(cursor.list, cursor.node))
    return listpack_text(cursor.at, scratch)


cdef bint quicklist_is_integer(const QuicklistCursor* cursor) noexcept nogil:
    return cursor.at != NULL and listpack_get(cursor.at).bytes.data == NULL


cdef bint quicklist_is(const QuicklistCursor* cursor, Slice text) noexcept nogil:
    if cursor.at == NULL:
        return slice_equals(quicklist_plain_text(_item(cursor.list, cursor.node)), text)
    return listpack_is(cursor.at, text)


cdef bint quicklist_find(QuicklistCursor* cursor, Slice text, bint backwards, int64_t* limit) noexcept nogil:
    while limit[0] > 0:
        limit[0] -= 1
        if quicklist_is(cursor, text):
            return True
        if not (quicklist_previous(cursor) if backwards else quicklist_next(cursor)):
            return False
    return False


cdef uint64_t quicklist_memory(const Quicklist* list) noexcept nogil:
    cdef uint64_t total = heap_block_bytes(sizeof(Quicklist)) + heap_block_bytes(list.capacity * sizeof(QuicklistItem))
    cdef size_t i
    for i in range(list.count):
        if quicklist_is_plain(_item(list, i)):
            total += heap_block_bytes(sizeof(PlainNode) + quicklist_plain(_item(list, i)).length)
        else:
            total += heap_block_bytes(listpack_bytes(quicklist_pack(_item(list, i))))
    return total


# ---- adding

cdef inline bint _has_room(const Quicklist* list, size_t node, size_t bytes) noexcept nogil:
    """May an element of so many bytes go into this node? (Numbers past either end: there is no such node.)"""
    cdef QuicklistItem* item
    if node >= list.count or quicklist_is_plain_size(list.fill, bytes):
        return False
    item = _item(list, node)
    if quicklist_is_plain(item):
        return False
    return not quicklist_exceeds(list.fill, listpack_bytes(quicklist_pack(item)) + bytes + ENTRY_ESTIMATE_BYTES,
                                 <uint64_t>_node_length(list, node) + 1)


cdef inline size_t _node_of(Heap* heap, const Quicklist* list, Slice text) noexcept nogil:
    """A node for one element, of the kind that its size asks for; 0 when refused."""
    return _plain_new(heap, text) if quicklist_is_plain_size(list.fill, text.length) else _pack_of(heap, text)


cdef bint _insert_node(Heap* heap, Quicklist* list, size_t node, Slice text) noexcept nogil:
    """A node with just this element, in front of node number `node`."""
    cdef size_t tagged
    if not _reserve(heap, list, 1):
        return False
    tagged = _node_of(heap, list, text)
    if tagged == 0:
        return False
    _put_node(list, node, tagged, 1)
    return True


cdef bint _extend(Heap* heap, Quicklist* list, size_t node, Slice text, bint at_head) noexcept nogil:
    """Put the element at an end of a node that has room."""
    cdef QuicklistItem* item = _item(list, node)
    cdef Listpack* pack
    if at_head:
        pack = listpack_prepend(heap, quicklist_pack(item), text)
    else:
        pack = listpack_append(heap, quicklist_pack(item), text)
    if pack == NULL:
        return False
    item.tagged = <size_t>pack
    _shift(list, node, 1)
    return True


cdef bint quicklist_push(Heap* heap, Quicklist* list, Slice text, bint at_head) noexcept nogil:
    cdef size_t node = 0 if at_head else list.count - 1
    cdef bint done
    # Without nodes the number of the last one wraps around, and has no room.
    if likely(_has_room(list, node, text.length)):
        done = _extend(heap, list, node, text, at_head)
    else:
        done = _insert_node(heap, list, 0 if at_head else list.count, text)
    _checked(list)
    return done


cdef bint _can_merge(const Quicklist* list, size_t first) noexcept nogil:
    """May node `first` and the one behind it become one?"""
    cdef QuicklistItem* a
    cdef QuicklistItem* b
    if first >= list.count or first + 1 >= list.count:
        return False
    a = _item(list, first)
    b = _item(list, first + 1)
    if quicklist_is_plain(a) or quicklist_is_plain(b):
        return False
    return not quicklist_exceeds(list.fill, listpack_bytes(quicklist_pack(a)) + listpack_bytes(quicklist_pack(b)) - PACK_FRAME_BYTES,
                                 <uint64_t>(_node_end(list, first + 1) - a.start))


cdef bint _merge(Heap* heap, Quicklist* list, size_t first) noexcept nogil:
    """Merge node `first` with the next, if they may be and memory allows."""
    cdef Listpack* pack
    cdef int64_t length
    cdef size_t i
    if not _can_merge(list, first):
        return False
    pack = listpack_append_pack(heap, quicklist_pack(_item(list, first)), quicklist_pack(_item(list, first + 1)))
    if pack == NULL:
        return False
    _item(list, first).tagged = <size_t>pack
    # The elements of the second are its predecessor's from now on: its place goes, no position changes.
    listpack_free(heap, quicklist_pack(_item(list, first + 1)))
    for i in range(first + 1, list.count - 1):
        _item(list, i)[0] = _item(list, i + 1)[0]
    list.count -= 1
    _give_back_room(heap, list)
    return True


cdef void _merge_around(Heap* heap, Quicklist* list, size_t centre) noexcept nogil:
    """After a split small nodes may be left: try the two on either side, then the centre with its neighbours."""
    if centre >= 2 and _merge(heap, list, centre - 2):
        centre -= 1
    _merge(heap, list, centre + 1)
    if centre >= 1 and _merge(heap, list, centre - 1):
        centre -= 1
    _merge(heap, list, centre)


cdef Listpack* _copy_of_part(Heap* heap, Listpack* pack, int64_t length, int64_t start, int64_t end) noexcept nogil:
    """Elements [start, end) of a pack of `length`; NULL when refused."""
    cdef Listpack* part = listpack_copy(heap, pack)
    if part == NULL:
        return NULL
    if end < length:
        part = listpack_delete_range(heap, part, end, <uint64_t>(length - end))
    if start:
        part = listpack_delete_range(heap, part, 0, <uint64_t>start)
    return part


cdef bint _split_around(Heap* heap, Quicklist* list, size_t node, int64_t offset, size_t tagged) noexcept nogil:
    """Cut a node in front of element `offset` (1 .. its length - 1) and put the node `tagged`, of one element,
    between the halves. Room was reserved."""
    cdef Listpack* pack = quicklist_pack(_item(list, node))
    cdef int64_t length = _node_length(list, node)
    cdef Listpack* tail = _copy_of_part(heap, pack, length, offset, length)
    if tail == NULL:
        return False
    _item(list, node).tagged = <size_t>listpack_delete_range(heap, pack, offset, <uint64_t>(length - offset))
    _shift(list, node, offset - length)
    _put_node(list, node + 1, <size_t>tail, length - offset)
    if tagged:
        _put_node(list, node + 1, tagged, 1)
    return True


cdef bint _split_and_add(Heap* heap, Quicklist* list, size_t node, int64_t offset, Slice text, bint after) noexcept nogil:
    """A full node is cut behind (after) or before element `offset`, and the new half takes the element at the cut."""
    cdef Listpack* pack = quicklist_pack(_item(list, node))
    cdef int64_t length = _node_length(list, node)
    cdef int64_t cut = offset + 1 if after else offset
    cdef Listpack* half
    cdef Listpack* grown
    if not _reserve(heap, list, 1):
        return False
    half = _copy_of_part(heap, pack, length, cut if after else 0, length if after else cut)
    if half == NULL:
        return False
    grown = listpack_prepend(heap, half, text) if after else listpack_append(heap, half, text)
    if grown == NULL:
        listpack_free(heap, half)
        return False
    if after:
        _item(list, node).tagged = <size_t>listpack_delete_range(heap, pack, cut, <uint64_t>(length - cut))
        _shift(list, node, cut - length)
        _put_node(list, node + 1, <size_t>grown, length - cut + 1)
        _merge_around(heap, list, node)
    else:
        _item(list, node).tagged = <size_t>listpack_delete_range(heap, pack, 0, <uint64_t>cut)
        _shift(list, node, -cut)
        _put_node(list, node, <size_t>grown, cut + 1)
        _merge_around(heap, list, node + 1)
    return True


cdef bint _insert(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text, bint after) noexcept nogil:
    cdef size_t node = cursor.node
    cdef QuicklistItem* item = _item(list, node)
    cdef int64_t length = _node_length(list, node)
    cdef int64_t offset = cursor.index + list.items[list.first].start - item.start
    cdef bint at_border = offset == (length - 1 if after else 0)
    cdef size_t neighbour = node + 1 if after else node - 1      # wraps around in front of the first: no such node
    cdef size_t tagged
    cdef Listpack* pack
    if unlikely(quicklist_is_plain_size(list.fill, text.length)):
        if quicklist_is_plain(item) or at_border:
            return _insert_node(heap, list, node + 1 if after else node, text)
        if not _reserve(heap, list, 2):
            return False
        tagged = _plain_new(heap, text)
        if tagged == 0:
            return False
        if not _split_around(heap, list, node, offset + 1 if after else offset, tagged):
            _node_free(heap, tagged)
            return False
        return True
    if _has_room(list, node, text.length):
        pack = listpack_insert(heap, quicklist_pack(item), text, cursor.at, LISTPACK_AFTER if after else LISTPACK_BEFORE, NULL)
        if pack == NULL:
            return False
        item.tagged = <size_t>pack
        _shift(list, node, 1)
        return True
    if at_border:
        if _has_room(list, neighbour, text.length):
            return _extend(heap, list, neighbour, text, after)
        return _insert_node(heap, list, node + 1 if after else node, text)
    return _split_and_add(heap, list, node, offset, text, after)


cdef bint quicklist_insert(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text, bint after) noexcept nogil:
    cdef bint done = _insert(heap, list, cursor, text, after)
    _checked(list)
    return done


cdef bint _replace_plain(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text) noexcept nogil:
    cdef QuicklistItem* item = _item(list, cursor.node)
    cdef size_t tagged
    cdef size_t nodes
    if quicklist_is_plain_size(list.fill, text.length):
        tagged = _plain_new(heap, text)
        if tagged == 0:
            return False
        _node_free(heap, item.tagged)
        item.tagged = tagged
        return True
    # A small one goes behind it, perhaps into the next node; then the big one's node goes.
    if not _insert(heap, list, cursor, text, True):
        return False
    _drop_node(heap, list, cursor.node)
    return True


cdef bint _replace_in_full(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text) noexcept nogil:
    """A big element takes the place of one in a listpack: the listpack is cut behind it."""
    cdef size_t node = cursor.node
    cdef QuicklistItem* item = _item(list, node)
    cdef int64_t length = _node_length(list, node)
    cdef int64_t offset = cursor.index + list.items[list.first].start - item.start
    cdef size_t tagged
    if not _reserve(heap, list, 2):
        return False
    tagged = _node_of(heap, list, text)
    if tagged == 0:
        return False
    if offset == length - 1:
        _put_node(list, node + 1, tagged, 1)
    elif not _split_around(heap, list, node, offset + 1, tagged):
        _node_free(heap, tagged)
        return False
    if offset == 0:
        _drop_node(heap, list, node)
        return True
    item = _item(list, node)
    item.tagged = <size_t>listpack_delete_range(heap, quicklist_pack(item), offset, 1)
    _shift(list, node, -1)
    _merge_around(heap, list, node + 1)
    return True


cdef bint quicklist_replace(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text) noexcept nogil:
    cdef QuicklistItem* item = _item(list, cursor.node)
    cdef uint8_t* at = cursor.at
    cdef Listpack* pack
    cdef bint done
    if quicklist_is_plain(item):
        done = _replace_plain(heap, list, cursor, text)
    elif quicklist_is_plain_size(list.fill, text.length):
        done = _replace_in_full(heap, list, cursor, text)
    else:
        pack = listpack_replace(heap, quicklist_pack(item), &at, text)
        done = pack != NULL
        if done:
            item.tagged = <size_t>pack
    _checked(list)
    return done


# ---- removing

cdef bint quicklist_append_pack(Heap* heap, Quicklist* list, Listpack* pack) noexcept nogil:
    if not _reserve(heap, list, 1):
        return False
    _put_node(list, list.count, <size_t>pack, <int64_t>listpack_length(pack))
    return True


cdef bint quicklist_append_plain(Heap* heap, Quicklist* list, Slice text) noexcept nogil:
    cdef size_t tagged
    if not _reserve(heap, list, 1):
        return False
    tagged = _plain_new(heap, text)
    if tagged == 0:
        return False
    _put_node(list, list.count, tagged, 1)
    return True


cdef void quicklist_delete(Heap* heap, Quicklist* list, int64_t index, uint64_t count) noexcept nogil:
    cdef int64_t position = index + list.items[list.first].start if list.count else 0
    cdef int64_t offset, here
    cdef size_t node = 0
    cdef QuicklistCursor cursor
    cdef QuicklistItem* item
    if count == 0:
        return
    if index == 0:
        pass
    elif position >= _item(list, list.count - 1).start:
        node = list.count - 1
    else:
        quicklist_seek(list, index, &cursor)
        node = cursor.node
    offset = position - _item(list, node).start
    while count:
        item = _item(list, node)
        here = _node_length(list, node) - offset
        if <uint64_t>here > count:
            here = <int64_t>count
        count -= <uint64_t>here
        if here == _node_length(list, node):
            _drop_node(heap, list, node)
        else:
            # A range at the node's end is named from there: the nearer end is where listpack_seek begins.
            if here == 1 and offset == 0:
                item.tagged = <size_t>listpack_delete(heap, quicklist_pack(item), listpack_first(quicklist_pack(item)), NULL)
            elif here == 1 and offset == _node_length(list, node) - 1:
                item.tagged = <size_t>listpack_delete(heap, quicklist_pack(item), listpack_last(quicklist_pack(item)), NULL)
            else:
                item.tagged = <size_t>listpack_delete_range(heap, quicklist_pack(item), offset, <uint64_t>here)
            _shift(list, node, -here)
            node += 1
        offset = 0
    _checked(list)


cdef uint64_t listpack_remove(Heap* heap, Listpack** pack, Slice text, uint64_t most, bint backwards) noexcept nogil:
    cdef uint8_t* at
    cdef uint8_t* following
    cdef uint64_t removed = 0
    if not backwards:
        at = listpack_first(pack[0])
        while removed < most and at != NULL:
            at = listpack_find(pack[0], at, text, 0)
            if at == NULL:
                break
            pack[0] = listpack_delete(heap, pack[0], at, &at)
            removed += 1
        return removed
    at = listpack_last(pack[0])
    while removed < most and at != NULL:
        if listpack_is(at, text):
            pack[0] = listpack_delete(heap, pack[0], at, &following)
            removed += 1
            at = listpack_previous(pack[0], following) if following != NULL else listpack_last(pack[0])
        else:
            at = listpack_previous(pack[0], at)
    return removed


cdef uint64_t _remove_in_node(Heap* heap, QuicklistItem* item, Slice text, uint64_t most, bint backwards) noexcept nogil:
    """A plain node that goes leaves 0 behind."""
    cdef Listpack* pack
    cdef uint64_t removed
    if quicklist_is_plain(item):
        if not slice_equals(quicklist_plain_text(item), text):
            return 0
        _node_free(heap, item.tagged)
        item.tagged = 0
        return 1
    pack = quicklist_pack(item)
    removed = listpack_remove(heap, &pack, text, most, backwards)
    item.tagged = <size_t>pack
    return removed


cdef uint64_t quicklist_remove(Heap* heap, Quicklist* list, Slice text, uint64_t most, bint backwards) noexcept nogil:
    """Node by node; the directory is put right once, at the end: its positions may be wrong meanwhile."""
    cdef uint64_t removed = 0
    cdef uint64_t here
    cdef int64_t length, position
    cdef size_t i, node, kept
    cdef QuicklistItem* item
    for i in range(list.count):
        node = list.count - 1 - i if backwards else i
        if removed == most:
            break
        item = _item(list, node)
        length = _node_length(list, node)
        here = _remove_in_node(heap, item, text, most - removed, backwards)
        if here == <uint64_t>length and item.tagged:
            _node_free(heap, item.tagged)
            item.tagged = 0
        removed += here
    if removed:
        # Recounted: the nodes that lost some are not remembered, and counting costs less than comparing did.
        kept = 0
        position = 0
        for i in range(list.count):
            item = _item(list, i)
            if item.tagged == 0:
                continue
            length = 1 if quicklist_is_plain(item) else <int64_t>listpack_length(quicklist_pack(item))
            _item(list, kept).tagged = item.tagged
            _item(list, kept).start = position
            position += length
            kept += 1
        list.count = kept
        list.end = position
        while list.capacity > FIRST_CAPACITY and list.count * 4 <= list.capacity and \
                _resize(heap, list, list.capacity // 2):
            pass
    _checked(list)
    return removed


cdef void quicklist_check(const Quicklist* list) noexcept nogil:
    cdef size_t i
    cdef QuicklistItem* item
    cdef int64_t length
    invariant(list.capacity & (list.capacity - 1) == 0 and list.count <= list.capacity, b"quicklist capacity")
    invariant(list.first < list.capacity, b"quicklist ring")
    for i in range(list.count):
        item = _item(list, i)
        length = _node_length(list, i)
        invariant(item.tagged != 0 and length > 0, b"quicklist node without elements")
        if quicklist_is_plain(item):
            invariant(length == 1, b"quicklist plain node of several elements")
        else:
            listpack_check(quicklist_pack(item))
            invariant(<int64_t>listpack_length(quicklist_pack(item)) == length, b"quicklist start of a node")
