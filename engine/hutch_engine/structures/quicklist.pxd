"""Quicklist: a long sequence of strings, packed into listpacks of bounded size, with a directory in front.

    Quicklist
      items ---> [ start | node ][ start | node ][ start | node ] ...      a ring, room for 2^n nodes
                            |               |
                         Listpack     PlainNode: one big element by itself

`start` is the position of a node's first element on an endless number line; a node ends where the next begins,
the last one at `end`. Pushing at the head only lowers the first node's start, so both ends cost O(1), and an index
is found by bisection in O(log nodes). A change in the middle moves the starts of the nodes on its shorter side.

Where nodes are split, merged and filled up follows the rules of Redis's list of the same name: whether a list that
shrank goes back to one listpack depends on them, and OBJECT ENCODING shows it.

Functions that answer bint say False when memory was refused, and then nothing changed. Text that is handed in must
not lie inside the list. Not thread-safe: the engine's lock guards it.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.listpack cimport Listpack

cdef enum:
    QUICKLIST_SAFE_BYTES = 8192      # of a node that list-max-listpack-size bounds by a number of elements

cdef struct PlainNode:
    size_t length
    # the bytes follow

cdef struct QuicklistItem:
    size_t tagged                    # owned: Listpack*, or PlainNode* with bit 0 set
    int64_t start                    # position of the first element

cdef inline bint quicklist_is_plain(const QuicklistItem* item) noexcept nogil:
    """Is the node one big element, and no listpack?"""
    return item.tagged & 1

cdef inline Listpack* quicklist_pack(const QuicklistItem* item) noexcept nogil:
    """The listpack of a node that is none of one big element; borrowed from it."""
    return <Listpack*>item.tagged

cdef inline PlainNode* quicklist_plain(const QuicklistItem* item) noexcept nogil:
    """The one big element of a node that is no listpack; borrowed from it."""
    return <PlainNode*>(item.tagged & ~<size_t>1)

cdef inline Slice quicklist_plain_text(const QuicklistItem* item) noexcept nogil:
    """The bytes of a node's one big element; borrowed from it."""
    cdef PlainNode* node = quicklist_plain(item)
    return slice_of(<char*>node + sizeof(PlainNode), node.length)

cdef struct Quicklist:
    QuicklistItem* items             # owned; node i is items[(first + i) & (capacity - 1)]
    size_t capacity                  # a power of two
    size_t first
    size_t count                     # nodes
    int64_t end                      # position behind the last element
    int64_t fill                     # list-max-listpack-size when the list was made
    QuicklistItem single             # what `items` points at in a view of one listpack

cdef struct QuicklistCursor:         # valid until the list changes
    Quicklist* list                  # borrowed
    size_t node
    int64_t index                    # of the element in the list
    uint8_t* at                      # the element in its listpack; NULL in a plain node

# ---- limits, as Redis reckons them
cdef bint quicklist_exceeds(int64_t fill, size_t bytes, uint64_t count) noexcept nogil
"""Is a node of so many bytes and elements too big?"""
cdef bint quicklist_is_plain_size(int64_t fill, size_t bytes) noexcept nogil
"""Does an element of so many bytes get a node by itself?"""

# ---- life
cdef Quicklist* quicklist_new(Heap* heap, int64_t fill) noexcept nogil
"""Make an empty list, which the caller owns; never NULL. `fill` is list-max-listpack-size."""
cdef void quicklist_free(Heap* heap, Quicklist* list) noexcept nogil
"""Free the list with its nodes. NULL is allowed. O(nodes)."""
cdef bint quicklist_free_some(Heap* heap, Quicklist* list, uint64_t steps) noexcept nogil
"""Free up to `steps` nodes; True when more are left, else the list is gone altogether."""
cdef Quicklist* quicklist_of_pack(Heap* heap, Listpack* pack, int64_t fill) noexcept nogil
"""A list of this one node, which it owns from now on. The pack may not be empty. Never NULL."""
cdef Listpack* quicklist_take_pack(Heap* heap, Quicklist* list) noexcept nogil
"""The only node of the list, the caller's from now on; the list is gone. Requires quicklist_fits_pack."""
cdef bint quicklist_is_short(const Quicklist* list, int64_t fill) noexcept nogil
"""Is it one listpack within the limit (as a list that was just read is looked at)?"""
cdef bint quicklist_fits_pack(const Quicklist* list, int64_t fill) noexcept nogil
"""Has a list that shrank become one listpack of at most half the limit?"""
cdef Quicklist* quicklist_copy(Heap* heap, const Quicklist* list) noexcept nogil
"""Make a deep copy, which the caller owns; NULL when refused. O(bytes)."""
cdef void quicklist_view(Quicklist* view, Listpack* pack) noexcept nogil
"""Make *view show a borrowed listpack, so that what reads lists reads both kinds. Nothing to give back; the pack
must not change meanwhile."""

# ---- reading
cdef inline int64_t quicklist_length(const Quicklist* list) noexcept nogil:
    """How many elements it has. O(1)."""
    return list.end - list.items[list.first].start if list.count else 0

cdef bint quicklist_seek(Quicklist* list, int64_t index, QuicklistCursor* cursor_out) noexcept nogil
"""Go to an element, negative from the end; False out of range. O(log nodes + elements of one node)."""
cdef bint quicklist_next(QuicklistCursor* cursor) noexcept nogil
"""On to the following element; False, with the cursor unchanged, at the last one. O(1)."""
cdef bint quicklist_previous(QuicklistCursor* cursor) noexcept nogil
"""On to the preceding element; False, with the cursor unchanged, at the first one. O(1)."""
cdef Slice quicklist_text(const QuicklistCursor* cursor, char* scratch) noexcept nogil
"""The element's bytes; the digits of one that is stored as a number go to scratch (INTEGER_TEXT_MAX)."""
cdef bint quicklist_is_integer(const QuicklistCursor* cursor) noexcept nogil
"""Is the cursor's element stored as a number?"""
cdef bint quicklist_is(const QuicklistCursor* cursor, Slice text) noexcept nogil
"""Does the cursor's element spell `text`? O(its length)."""
cdef bint quicklist_find(QuicklistCursor* cursor, Slice text, bint backwards, int64_t* limit) noexcept nogil
"""From the cursor's element on, itself included, go to the first that spells text. Each element looked at costs
one of *limit; False when none is left of either. O(elements)."""
cdef uint64_t quicklist_memory(const Quicklist* list) noexcept nogil
"""How many bytes of the heap the list takes. O(nodes)."""

# ---- changing
cdef bint quicklist_push(Heap* heap, Quicklist* list, Slice text, bint at_head) noexcept nogil
"""Put text before the first element or behind the last. O(1), and the bytes of one node at most."""
cdef bint quicklist_append_pack(Heap* heap, Quicklist* list, Listpack* pack) noexcept nogil
"""A node behind the last one, whatever the limits say; the list owns the pack, which is not empty. For readers of files."""
cdef bint quicklist_append_plain(Heap* heap, Quicklist* list, Slice text) noexcept nogil
"""Put a node of this one element behind the last one, whatever the limits say; the bytes are copied. For readers of files."""
cdef void quicklist_delete(Heap* heap, Quicklist* list, int64_t index, uint64_t count) noexcept nogil
"""Delete the elements [index, index + count), which are all there. O(nodes touched)."""
cdef bint quicklist_insert(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text, bint after) noexcept nogil
"""Put text before or after the cursor's element; the cursor is not valid afterwards. O(bytes of one node, and nodes when it is
split)."""
cdef bint quicklist_replace(Heap* heap, Quicklist* list, const QuicklistCursor* cursor, Slice text) noexcept nogil
"""Put another text in the place of the cursor's element; the cursor is not valid afterwards. O(bytes of one node, and nodes
when it is split)."""
cdef uint64_t quicklist_remove(Heap* heap, Quicklist* list, Slice text, uint64_t most, bint backwards) noexcept nogil
"""Remove up to `most` elements that spell text, from one end on; returns how many. O(elements)."""
cdef uint64_t listpack_remove(Heap* heap, Listpack** pack, Slice text, uint64_t most, bint backwards) noexcept nogil
"""The same for one listpack; *pack is its new address."""
cdef void quicklist_check(const Quicklist* list) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""
