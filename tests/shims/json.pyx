"""structures/json_* for tests: one document with a heap of its own."""
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap, heap_clear, heap_fail_after, heap_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.json_find cimport (
    JsonMatches, JsonStep, json_find_all, json_find_plain, json_follow, json_match, json_match_way, json_matches_clear)
from hutch_engine.structures.json_number cimport JSON_NUMBER_MAX, json_format_double
from hutch_engine.structures.json_parse cimport JsonFault, json_is_utf8, json_parse
from hutch_engine.structures.json_path cimport JsonPath, json_path_clear, json_path_compile, json_path_fault
from hutch_engine.structures.json_regex cimport JsonRegex, json_regex_compile, json_regex_search
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
        assert json_depth(word_out[0]) <= deepest          # a value whose name came again is gone
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


# ---- paths

def find(Document document, bytes path):
    """(is it a legacy path, the text of each value found); ValueError: what is wrong with the path."""
    cdef JsonPath compiled
    cdef JsonMatches matches
    cdef Buffer out
    cdef JsonWord plain
    cdef size_t i
    cdef char* exact = <char*>malloc(len(path))
    cdef Slice slice = slice_of(exact, len(path))
    memcpy(exact, <const char*>path, len(path))
    try:
        if not json_is_utf8(slice):
            raise ValueError("utf-8")
        if not json_path_compile(&compiled, slice):
            buffer_init(&out, NULL)
            json_path_fault(&compiled, &out)
            fault = out.data[:out.length].decode(errors="replace")
            buffer_clear(&out)
            json_path_clear(&compiled)
            raise ValueError(fault)
        # With ways and without: the same values, and each way leads to its value.
        json_find_all(&compiled, document.root, &document.hash_key, &matches, True, document.heap)
        _follow_all(document, &matches)
        json_matches_clear(&matches)
        json_find_all(&compiled, document.root, &document.hash_key, &matches, False, document.heap)
        if json_find_plain(slice, document.root, &document.hash_key, &plain):
            assert matches.count == (plain != JSON_NONE) and (plain == JSON_NONE or json_match(&matches, 0) == plain)
        found = [_text_of(json_match(&matches, i)) for i in range(matches.count)]
        legacy = bool(compiled.legacy)
        json_matches_clear(&matches)
        json_path_clear(&compiled)
        return legacy, found
    finally:
        free(exact)


cdef bytes _text_of(JsonWord word):
    cdef Buffer out
    buffer_init(&out, NULL)
    json_write(&out, word)
    text = out.data[:out.length]
    buffer_clear(&out)
    return text


cdef _follow_all(Document document, JsonMatches* matches):
    cdef size_t count, i
    cdef JsonStep* steps
    cdef JsonWord* slot
    for i in range(matches.count):
        steps = json_match_way(matches, i, &count)
        slot = json_follow(&document.root, steps, count, &document.hash_key)
        assert slot == NULL or slot[0] == json_match(matches, i)


def search(bytes pattern, bytes text):
    """Does the regular expression match somewhere? None: it is wrong."""
    cdef JsonRegex* regex = <JsonRegex*>malloc(sizeof(JsonRegex))
    found = None
    if json_regex_compile(regex, slice_of(<const char*>pattern, len(pattern))):
        found = bool(json_regex_search(regex, slice_of(<const char*>text, len(text))))
    free(regex)
    return found
