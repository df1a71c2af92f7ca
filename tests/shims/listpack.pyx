"""structures/listpack for tests. Elements are named by their index; texts lie in blocks of exactly their size,
so that the sanitizer sees every read past the end."""
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.listpack cimport (
    LISTPACK_AFTER, LISTPACK_BEFORE, Listpack, ListpackValue, listpack_append, listpack_append_pack,
    listpack_bytes, listpack_check, listpack_copy, listpack_delete, listpack_delete_range,
    listpack_delete_run, listpack_element_bytes, listpack_find, listpack_first, listpack_free, listpack_get,
    listpack_insert, listpack_is, listpack_is_valid, listpack_last, listpack_length, listpack_new,
    listpack_next, listpack_prepend, listpack_previous, listpack_replace, listpack_seek, listpack_text)


cdef class Exact:
    cdef char* data
    cdef size_t length

    def __cinit__(self, bytes text):
        self.length = len(text)
        self.data = <char*>malloc(self.length)
        memcpy(self.data, <const char*>text, self.length)

    def __dealloc__(self):
        free(self.data)

    cdef Slice slice(self):
        return slice_of(self.data, self.length)


def is_valid(bytes data, bint deep):
    cdef Exact exact = Exact(data)
    return listpack_is_valid(<const uint8_t*>exact.data, exact.length, deep)


def element_bytes(bytes text):
    cdef Exact exact = Exact(text)
    return listpack_element_bytes(exact.slice())


cdef class Pack:
    cdef Heap* heap
    cdef Listpack* pack

    def __cinit__(self, bytes data=None):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.pack = listpack_new(self.heap)      # the heap's first region is mapped: from here on it may refuse
        if data is not None:
            # What a file would give: valid, but not necessarily made by us.
            assert is_valid(data, True)
            listpack_free(self.heap, self.pack)
            self.pack = <Listpack*>heap_try_alloc(self.heap, len(data))
            memcpy(self.pack, <const char*>data, len(data))

    def __dealloc__(self):
        if self.heap != NULL:
            listpack_free(self.heap, self.pack)
            heap_clear(self.heap)
            free(self.heap)

    def free(self):
        """Free the pack; answers the bytes still alive."""
        listpack_free(self.heap, self.pack)
        self.pack = NULL
        return self.heap.used_bytes

    cdef bint _take(self, Listpack* changed):
        if changed == NULL:
            return False
        self.pack = changed
        return True

    cdef uint8_t* _at(self, int64_t index) except NULL:
        cdef uint8_t* at = listpack_seek(self.pack, index)
        if at == NULL:
            raise IndexError(index)
        return at

    cdef object _index(self, const uint8_t* at):
        """Counted from the front, by listpack_previous."""
        cdef int64_t index = 0
        if at == NULL:
            return None
        while True:
            at = listpack_previous(self.pack, at)
            if at == NULL:
                return index
            index += 1

    def refuse(self, bint refuse):
        self.heap.fail_after = 0 if refuse else UINT64_MAX

    @property
    def bytes(self):
        return (<const char*>self.pack)[:listpack_bytes(self.pack)]

    def __len__(self):
        return listpack_length(self.pack)

    def check(self):
        listpack_check(self.pack)

    def items(self):
        cdef char[INTEGER_TEXT_MAX] scratch
        cdef Slice text
        cdef uint8_t* at = listpack_first(self.pack)
        found = []
        while at != NULL:
            text = listpack_text(at, scratch)
            found.append(text.data[:text.length])
            at = listpack_next(self.pack, at)
        return found

    def items_backward(self):
        """As listpack_get gives them: bytes or int."""
        cdef ListpackValue value
        cdef uint8_t* at = listpack_last(self.pack)
        found = []
        while at != NULL:
            value = listpack_get(at)
            if value.bytes.data == NULL:
                found.append(value.integer)
            else:
                found.append(value.bytes.data[:value.bytes.length])
            at = listpack_previous(self.pack, at)
        return found

    def seek(self, int64_t index):
        return self._index(listpack_seek(self.pack, index))

    def is_at(self, int64_t index, bytes text):
        cdef Exact exact = Exact(text)
        return listpack_is(self._at(index), exact.slice())

    def find(self, bytes text, int64_t start=0, uint32_t skip=0):
        cdef Exact exact = Exact(text)
        return self._index(listpack_find(self.pack, listpack_seek(self.pack, start), exact.slice(), skip))

    def insert(self, int64_t index, bytes text, bint after):
        cdef Exact exact = Exact(text)
        cdef uint8_t* new_at = NULL
        cdef uint8_t* at = self._at(index)
        if not self._take(listpack_insert(self.heap, self.pack, exact.slice(), at,
                                          LISTPACK_AFTER if after else LISTPACK_BEFORE, &new_at)):
            return None
        return self._index(new_at)

    def append(self, bytes text):
        cdef Exact exact = Exact(text)
        return self._take(listpack_append(self.heap, self.pack, exact.slice()))

    def prepend(self, bytes text):
        cdef Exact exact = Exact(text)
        return self._take(listpack_prepend(self.heap, self.pack, exact.slice()))

    def replace(self, int64_t index, bytes text):
        """The element's index afterwards, None when refused."""
        cdef Exact exact = Exact(text)
        cdef uint8_t* at = self._at(index)
        if not self._take(listpack_replace(self.heap, self.pack, &at, exact.slice())):
            return None
        return self._index(at)

    def delete(self, int64_t index):
        """The index of the element that followed, None if there is none."""
        cdef uint8_t* following = NULL
        self.pack = listpack_delete(self.heap, self.pack, self._at(index), &following)
        return self._index(following)

    def delete_run(self, int64_t index, uint64_t count):
        cdef uint8_t* at = self._at(index)
        self.pack = listpack_delete_run(self.heap, self.pack, &at, count)
        return self._index(at)

    def delete_range(self, int64_t index, uint64_t count):
        self.pack = listpack_delete_range(self.heap, self.pack, index, count)

    def append_pack(self, Pack other):
        return self._take(listpack_append_pack(self.heap, self.pack, other.pack))

    def copy_bytes(self):
        """The bytes of a copy, None when refused."""
        cdef Listpack* copy = listpack_copy(self.heap, self.pack)
        if copy == NULL:
            return None
        data = (<const char*>copy)[:listpack_bytes(copy)]
        listpack_free(self.heap, copy)
        return data

    def bench_find(self, bytes text, uint32_t skip, uint64_t rounds):
        """(found?, nanoseconds a search)"""
        cdef Exact exact = Exact(text)
        cdef Slice needle = exact.slice()
        cdef uint8_t* at = NULL
        cdef uint64_t i
        cdef int64_t start = monotonic_us()
        with nogil:
            for i in range(rounds):
                at = listpack_find(self.pack, listpack_first(self.pack), needle, skip)
        return at != NULL, (monotonic_us() - start) * 1000 / rounds
