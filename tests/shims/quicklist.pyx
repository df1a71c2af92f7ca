"""structures/quicklist for tests."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.listpack cimport (
    Listpack, listpack_append, listpack_free, listpack_new)
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistCursor, listpack_remove, quicklist_check, quicklist_copy, quicklist_delete, quicklist_find,
    quicklist_fits_pack, quicklist_free, quicklist_free_some, quicklist_insert, quicklist_is, quicklist_length,
    quicklist_memory, quicklist_new, quicklist_next, quicklist_of_pack, quicklist_previous, quicklist_push,
    quicklist_remove, quicklist_replace, quicklist_seek, quicklist_take_pack, quicklist_text, quicklist_view)


cdef inline Slice text_of(bytes text):
    return slice_of(<const char*>text, len(text))


cdef class PackedList:
    cdef Heap* heap
    cdef Quicklist* list

    def __cinit__(self, int64_t fill=-2):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.list = quicklist_new(self.heap, fill)

    def __dealloc__(self):
        quicklist_free(self.heap, self.list)
        heap_clear(self.heap)
        free(self.heap)

    def __len__(self):
        return quicklist_length(self.list)

    @property
    def nodes(self):
        return self.list.count

    @property
    def used_bytes(self):
        return self.heap.used_bytes

    @property
    def memory(self):
        return quicklist_memory(self.list)

    def fail_after(self, uint64_t allocations):
        self.heap.fail_after = allocations

    def check(self):
        quicklist_check(self.list)

    def push(self, bytes text not None, bint at_head):
        return quicklist_push(self.heap, self.list, text_of(text), at_head)

    def delete(self, int64_t index, uint64_t count):
        quicklist_delete(self.heap, self.list, index, count)

    def get(self, int64_t index):
        cdef QuicklistCursor cursor
        cdef char[INTEGER_TEXT_MAX] scratch
        cdef Slice text
        if not quicklist_seek(self.list, index, &cursor):
            return None
        text = quicklist_text(&cursor, scratch)
        return text.data[:text.length], cursor.index

    def insert(self, int64_t index, bytes text not None, bint after):
        cdef QuicklistCursor cursor
        if not quicklist_seek(self.list, index, &cursor):
            raise IndexError(index)
        return quicklist_insert(self.heap, self.list, &cursor, text_of(text), after)

    def replace(self, int64_t index, bytes text not None):
        cdef QuicklistCursor cursor
        if not quicklist_seek(self.list, index, &cursor):
            raise IndexError(index)
        return quicklist_replace(self.heap, self.list, &cursor, text_of(text))

    def remove(self, bytes text not None, uint64_t most, bint backwards):
        return quicklist_remove(self.heap, self.list, text_of(text), most, backwards)

    def find(self, int64_t start, bytes text not None, bint backwards, int64_t limit=INT64_MAX):
        """The index of the first that spells text, and what is left of the limit."""
        cdef QuicklistCursor cursor
        if not quicklist_seek(self.list, start, &cursor):
            raise IndexError(start)
        found = quicklist_find(&cursor, text_of(text), backwards, &limit)
        return cursor.index if found else None, limit

    def items(self, bint backwards=False):
        return items_of(self.list, backwards)

    def copy_items(self):
        """The elements of a copy, or None when it was refused."""
        cdef Quicklist* copy = quicklist_copy(self.heap, self.list)
        if copy == NULL:
            return None
        try:
            quicklist_check(copy)
            return items_of(copy, False)
        finally:
            while quicklist_free_some(self.heap, copy, 3):
                pass

    def through_pack(self, int64_t limit, int64_t fill):
        """If it fits one listpack: turn into that and back. Says whether it did."""
        cdef Listpack* pack
        cdef Quicklist view
        if not quicklist_fits_pack(self.list, limit):
            return False
        pack = quicklist_take_pack(self.heap, self.list)
        quicklist_view(&view, pack)
        seen = items_of(&view, False)
        self.list = quicklist_of_pack(self.heap, pack, fill)
        assert seen == items_of(self.list, False)
        return True


cdef list items_of(Quicklist* source, bint backwards):
    cdef QuicklistCursor cursor
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice text
    cdef list found = []
    cdef bint more = quicklist_seek(source, -1 if backwards else 0, &cursor)
    cdef int64_t index = quicklist_length(source) - 1 if backwards else 0
    while more:
        text = quicklist_text(&cursor, scratch)
        assert cursor.index == index and quicklist_is(&cursor, text)
        found.append(text.data[:text.length])
        more = quicklist_previous(&cursor) if backwards else quicklist_next(&cursor)
        index += -1 if backwards else 1
    return found


def removed_from_pack(items, bytes text not None, uint64_t most, bint backwards):
    """listpack_remove on a listpack of these items: what is left, and how many went."""
    cdef Heap* heap = <Heap*>malloc(sizeof(Heap))
    cdef Listpack* pack
    cdef Quicklist view
    heap_init(heap)
    pack = listpack_new(heap)
    for item in items:
        pack = listpack_append(heap, pack, text_of(item))
    removed = listpack_remove(heap, &pack, text_of(text), most, backwards)
    quicklist_view(&view, pack)
    left = items_of(&view, False)
    listpack_free(heap, pack)
    assert heap.used_bytes == 0
    heap_clear(heap)
    free(heap)
    return left, removed
