"""structures/json_* for tests: one document with a heap of its own."""
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_clear, heap_fail_after, heap_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.json_number cimport JSON_NUMBER_MAX, json_format_double
from hutch_engine.structures.json_parse cimport JsonFault, json_is_utf8, json_parse
from hutch_engine.structures.json_survey cimport json_check, json_depth, json_effort, json_equals
from hutch_engine.structures.json_value cimport (
    JSON_NONE, JsonFreeing, JsonMaker, JsonWord, json_array_insert, json_array_remove, json_array_replace, json_copy,
    json_count, json_find, json_free, json_free_some, json_is_array, json_is_object, json_memory, json_object_put,
    json_object_remove)
from hutch_engine.structures.json_write cimport JsonLayout, json_write, json_write_laid_out


def spell(double value):
    cdef char[JSON_NUMBER_MAX] text
    return text[:json_format_double(value, text)]


cdef class Document:
    cdef Heap* heap
    cdef HashKey hash_key
    cdef JsonMaker maker
    cdef JsonWord root

    def __cinit__(self):
        self.heap = <Heap*>malloc(sizeof(Heap))
        heap_init(self.heap)
        self.hash_key.k0 = 1
        self.hash_key.k1 = 2
        self.maker.heap = self.heap
        self.maker.hash_key = &self.hash_key
        self.root = JSON_NONE

    def __dealloc__(self):
        json_free(self.heap, self.root)
        heap_clear(self.heap)
        free(self.heap)

    cdef object _parse(self, bytes text, uint32_t depth, JsonWord* word_out):
        cdef JsonFault fault
        cdef uint32_t deepest
        # Copies without a byte behind them: the sanitizer sees every read past the end.
        cdef char* exact = <char*>malloc(len(text))
        memcpy(exact, <const char*>text, len(text))
        cdef Slice slice = slice_of(exact, len(text))
        if not json_is_utf8(slice):
            free(exact)
            raise ValueError("utf-8")
        word_out[0] = json_parse(&self.maker, slice, False, depth, &deepest, &fault)
        free(exact)
        if word_out[0] == JSON_NONE:
            if fault.what == NULL:
                raise MemoryError
            raise ValueError(f"{fault.what.decode()} at line {fault.line} column {fault.column}")
        assert json_depth(word_out[0]) == deepest
        return deepest

    def parse(self, bytes text, uint32_t depth=127):
        cdef JsonWord word
        self._parse(text, depth, &word)
        json_free(self.heap, self.root)
        self.root = word
        assert json_check(self.root, &self.hash_key)

    def text(self, bytes indent=None, bytes newline=b"", bytes space=b""):
        cdef Buffer out
        cdef JsonLayout layout
        buffer_init(&out, NULL)
        if indent is None:
            json_write(&out, self.root)
        else:
            layout.indent = slice_of(<const char*>indent, len(indent))
            layout.newline = slice_of(<const char*>newline, len(newline))
            layout.space = slice_of(<const char*>space, len(space))
            json_write_laid_out(&out, self.root, &layout, 0)
        text = out.data[:out.length]
        buffer_clear(&out)
        return text

    @property
    def memory(self):
        return json_memory(self.root)

    @property
    def used(self):
        return self.heap.used_bytes

    @property
    def effort(self):
        return json_effort(self.root, UINT64_MAX)

    def refuse_after(self, uint64_t allocations):
        heap_fail_after(self.heap, allocations, True)

    def refuse_nothing(self):
        heap_fail_after(self.heap, UINT64_MAX, True)

    def copy(self):
        """Make a copy, compare, and let it stand for the original."""
        cdef JsonWord copy = json_copy(self.heap, self.root)
        if copy == JSON_NONE:
            raise MemoryError
        assert json_check(copy, &self.hash_key) and json_equals(copy, self.root, True, &self.hash_key)
        json_free(self.heap, self.root)
        self.root = copy

    def free(self, uint64_t steps=UINT64_MAX):
        """Free it in slices of so many steps; answers how many there were."""
        cdef JsonFreeing freeing
        cdef int slices = 1
        freeing.current = self.root
        freeing.above = JSON_NONE
        while json_free_some(self.heap, &freeing, steps):
            slices += 1
        self.root = JSON_NONE
        return slices

    # Changes of the outermost array or object

    def insert(self, uint32_t index, bytes text):
        cdef JsonWord word
        self._parse(text, 127, &word)
        if not json_array_insert(self.heap, &self.root, index, &word, 1):
            json_free(self.heap, word)
            raise MemoryError
        assert json_check(self.root, &self.hash_key)

    def replace(self, uint32_t index, bytes text):
        cdef JsonWord word
        self._parse(text, 127, &word)
        if not json_array_replace(self.heap, &self.root, index, word):
            json_free(self.heap, word)
            raise MemoryError
        assert json_check(self.root, &self.hash_key)

    def remove(self, uint32_t index, uint32_t count=1):
        json_array_remove(self.heap, &self.root, index, count)
        assert json_check(self.root, &self.hash_key)

    def put(self, bytes key, bytes text):
        cdef JsonWord word
        self._parse(text, 127, &word)
        if not json_object_put(&self.maker, &self.root, slice_of(<const char*>key, len(key)), word):
            json_free(self.heap, word)
            raise MemoryError
        assert json_check(self.root, &self.hash_key)

    def take(self, bytes key):
        cdef long position = json_find(self.root, slice_of(<const char*>key, len(key)), &self.hash_key)
        if position < 0:
            return False
        json_object_remove(&self.maker, &self.root, position)
        assert json_check(self.root, &self.hash_key)
        return True
