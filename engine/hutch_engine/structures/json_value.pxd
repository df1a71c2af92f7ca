"""JSON values: a word of 64 bits each, and a block of the heap where a word does not hold the value itself.

    bits 0-2     the rest of the word
    CONSTANT     null, false, true, [] or {}
    INTEGER      61 bits, signed
    TEXT         a string of up to 7 bytes: their number in bits 3-5, the bytes in bits 8-63
    DECIMAL      a double that up to 15 digits spell: places behind the point in bits 3-7, the digits, signed, in bits 8-63
    STRING       block: the bytes, behind their number (4 bytes) when that is 255 or more; else it stands in bits 56-63
    NUMBER       block of 8 bytes: a double, an int64 or a uint64, as bits 56-63 say
    ARRAY        block: count, capacity (4 bytes each), elements; bits 56-63 say what these are: words, or numbers packed in
                 1, 2, 4 or 8 bytes
    OBJECT       block: count, capacity, members (key and value, a word each), and from JSON_INDEXED members of capacity on an
                 index that is searched by the keys' hashes

A key is a TEXT, or a block that counts who refers to it (4 bytes) in front of what a STRING has: objects of a document share keys.
Arrays and objects in blocks have one element at least. Members keep their order; the last one takes the place of one that is removed.

A word is *owned* by the array, object or document in which it lies, with all below it. Words that reading returns are borrowed: of a
packed array, a NUMBER may point into the array's block.

Nothing here knows a limit of depth; whoever builds values keeps it below JSON_DEPTH_MAX, since copying, comparing, measuring and writing
call themselves for each level. Freeing does not.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport load_u32
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of

ctypedef uint64_t JsonWord

cdef enum:                       # bits 0-2
    JSON_CONSTANT = 0
    JSON_INTEGER = 1
    JSON_TEXT = 2
    JSON_DECIMAL = 3
    JSON_STRING = 4
    JSON_NUMBER = 5
    JSON_ARRAY = 6
    JSON_OBJECT = 7

cdef enum:                       # whole words
    JSON_NONE = 0                # no value at all
    JSON_NULL = 8
    JSON_FALSE = 16
    JSON_TRUE = 24
    JSON_EMPTY_ARRAY = 32
    JSON_EMPTY_OBJECT = 40

cdef enum:                       # bits 56-63 of a NUMBER
    NUMBER_DOUBLE = 0
    NUMBER_SIGNED = 1
    NUMBER_UNSIGNED = 2

cdef enum:                       # bits 56-63 of an ARRAY: its elements
    ARRAY_WORDS = 0
    ARRAY_INT8 = 1
    ARRAY_INT16 = 2
    ARRAY_INT32 = 3
    ARRAY_INT64 = 4
    ARRAY_DOUBLE = 5

cdef enum JsonKind:              # what a value is to its reader
    KIND_NULL
    KIND_BOOLEAN
    KIND_INTEGER
    KIND_DOUBLE
    KIND_STRING
    KIND_ARRAY
    KIND_OBJECT

cdef enum:
    JSON_TEXT_MAX = 7            # bytes of a TEXT
    JSON_LONG_TEXT = 255         # from here on a STRING's block has its length
    JSON_INDEXED = 24
    JSON_DEPTH_MAX = 512         # levels of a document, however it came to be
    JSON_COUNT_MAX = 0x7FFFFFFF  # elements of an array or object

cdef struct JsonBlock:           # how an array or object begins
    uint32_t count
    uint32_t capacity

cdef struct JsonMember:
    JsonWord key
    JsonWord value

cdef struct JsonMaker:           # what values are made with; borrowed
    Heap* heap
    const HashKey* hash_key

cdef struct JsonFreeing:         # a value that is freed in slices: both JSON_NONE when nothing is left
    JsonWord current
    JsonWord above               # what holds it; what holds that stands where `current` stood

# ---- reading

cdef inline int json_tag(JsonWord word) noexcept nogil:
    """Bits 0-2: in which way the word holds its value."""
    return <int>(word & 7)

cdef inline int json_top(JsonWord word) noexcept nogil:
    """Bits 56-63 of a word that points to a block."""
    return <int>(word >> 56)

cdef inline void* json_block(JsonWord word) noexcept nogil:
    """The block that a STRING, NUMBER, ARRAY or OBJECT points to."""
    return <void*>(word & <uint64_t>0x00FFFFFFFFFFFFF8)

cdef inline bint json_is_array(JsonWord word) noexcept nogil:
    """Is it an array, [] included?"""
    return word & 7 == JSON_ARRAY or word == JSON_EMPTY_ARRAY

cdef inline bint json_is_object(JsonWord word) noexcept nogil:
    """Is it an object, {} included?"""
    return word & 7 == JSON_OBJECT or word == JSON_EMPTY_OBJECT

cdef inline bint json_is_string(JsonWord word) noexcept nogil:
    """Is it a string of whatever length?"""
    return word & 7 == JSON_TEXT or word & 7 == JSON_STRING

cdef inline bint json_is_container(JsonWord word) noexcept nogil:
    """Is it an array or object with something in it, and so a block?"""
    return word & 7 >= JSON_ARRAY

cdef inline uint32_t json_count(JsonWord word) noexcept nogil:
    """How many elements or members: 0 for whatever has none."""
    return (<JsonBlock*>json_block(word)).count if word & 7 >= JSON_ARRAY else 0

cdef inline JsonMember* json_members(JsonWord word) noexcept nogil:
    """The members of an OBJECT, borrowed."""
    return <JsonMember*>(<char*>json_block(word) + sizeof(JsonBlock))

cdef inline JsonWord* json_words(JsonWord word) noexcept nogil:
    """The elements of an ARRAY of words, borrowed."""
    return <JsonWord*>(<char*>json_block(word) + sizeof(JsonBlock))

cdef inline Slice json_text(const JsonWord* word) noexcept nogil:
    """The bytes of a TEXT or STRING: borrowed from *word itself, or from its block."""
    cdef const char* block
    cdef int length
    if word[0] & 7 == JSON_TEXT:
        return slice_of(<const char*>word + 1, word[0] >> 3 & 7)
    block = <const char*>json_block(word[0])
    length = json_top(word[0])
    if length < JSON_LONG_TEXT:
        return slice_of(block, length)
    return slice_of(block + sizeof(uint32_t), (<const uint32_t*>block)[0])

cdef inline Slice json_key_text(const JsonWord* key) noexcept nogil:
    """The bytes of a key, borrowed as json_text's are."""
    cdef const char* block
    cdef int length
    if key[0] & 7 == JSON_TEXT:
        return slice_of(<const char*>key + 1, key[0] >> 3 & 7)
    block = <const char*>json_block(key[0]) + sizeof(uint32_t)
    length = json_top(key[0])
    if length < JSON_LONG_TEXT:
        return slice_of(block, length)
    return slice_of(block + sizeof(uint32_t), (<const uint32_t*>block)[0])

cdef JsonKind json_kind(JsonWord word) noexcept nogil
"""What the value is. Requires that it is one."""
cdef const char* json_kind_name(JsonWord word) noexcept nogil
"""What JSON.TYPE calls it; static text."""
cdef JsonWord json_element(JsonWord array, uint32_t index) noexcept nogil
"""The element of an ARRAY at an index below its count, borrowed. O(1)."""
cdef double json_double(JsonWord number) noexcept nogil
"""A number of any kind as a double: integers beyond 2**53 are rounded."""
cdef bint json_integer(JsonWord number, int64_t* value_out) noexcept nogil
"""Is it an integer that an int64 holds?"""
cdef bint json_unsigned(JsonWord number, uint64_t* value_out) noexcept nogil
"""Is it an integer beyond int64? Then its value."""
cdef int64_t json_find(JsonWord object, Slice key, const HashKey* hash_key) noexcept nogil
"""The position of the member with this key in an object; -1: there is none, or it is no object. O(1) in large objects, else
O(members)."""
cdef inline bint json_kind_is_number(JsonKind kind) noexcept nogil:
    """An integer or a double?"""
    return kind == KIND_INTEGER or kind == KIND_DOUBLE

cdef uint64_t json_memory(JsonWord word) noexcept nogil
"""Bytes of the heap that the word owns; a key counts where it is met, shared or not. O(values)."""

# ---- making. JSON_NONE: memory was refused, and whatever words were handed over are freed.

cdef inline JsonWord json_of_small(int64_t value) noexcept nogil:
    """An INTEGER. Requires that 61 bits hold it."""
    return <uint64_t>value << 3 | JSON_INTEGER

cdef inline JsonWord json_of_short(const char* data, size_t length) noexcept nogil:
    """A TEXT, of at most JSON_TEXT_MAX bytes; a value, or a key."""
    cdef uint64_t word = length << 3 | JSON_TEXT
    cdef size_t i
    if length >= 4:
        # Two loads that may overlap: what both have is the same.
        return word | <uint64_t>load_u32(data) << 8 | <uint64_t>load_u32(data + length - 4) << (8 * (length - 3))
    for i in range(length):
        word |= <uint64_t>(<uint8_t>data[i]) << (8 * (i + 1))
    return word

cdef JsonWord json_of_integer(Heap* heap, int64_t value) noexcept nogil
"""A number that is an integer."""
cdef JsonWord json_of_unsigned(Heap* heap, uint64_t value) noexcept nogil
"""The same for one that may be beyond int64."""
cdef JsonWord json_of_double(Heap* heap, double value) noexcept nogil
"""A finite double."""
cdef JsonWord json_of_text(Heap* heap, Slice text) noexcept nogil
"""A string, a copy of the bytes, which are UTF-8. Requires fewer than 2**32."""
cdef JsonWord json_of_texts(Heap* heap, Slice first, Slice second) noexcept nogil
"""A string of both, one behind the other. Requires fewer than 2**32 bytes in all."""
cdef JsonWord json_key_of(Heap* heap, Slice text) noexcept nogil
"""A key that nobody shares yet."""
cdef bint json_key_share(JsonWord key) noexcept nogil
"""One more refers to the key. False when too many do: make another one."""
cdef void json_key_release(Heap* heap, JsonWord key) noexcept nogil
"""One less refers to the key; the last one frees it."""
cdef JsonWord json_array_of(Heap* heap, const JsonWord* words, size_t count) noexcept nogil
"""An array of these words, which it owns from now on; numbers are packed where that saves memory. Requires at most
JSON_COUNT_MAX. O(count)."""
cdef JsonWord json_object_of(const JsonMaker* maker, JsonMember* members, size_t count) noexcept nogil
"""An object of these members, whose words it owns from now on. Of several with one key the last value counts, in the first one's
place. `members` is scratch for it. Requires at most JSON_COUNT_MAX. O(count)."""
cdef JsonWord json_copy(Heap* heap, JsonWord word) noexcept nogil
"""A deep copy, which shares keys. O(values)."""
cdef void json_free(Heap* heap, JsonWord word) noexcept nogil
"""Free a value with all it owns. JSON_NONE is allowed. O(values)."""
cdef bint json_free_some(Heap* heap, JsonFreeing* freeing, uint64_t steps) noexcept nogil
"""Free about so many values more of one that nobody uses; False when nothing is left. Begin with `above` JSON_NONE."""

# ---- changing. `slot` is where the array or object lies in what owns it: its word may become another one. False: memory was
# refused, nothing has changed, and words handed over are still the caller's.

cdef bint json_array_insert(Heap* heap, JsonWord* slot, uint32_t index, const JsonWord* words, size_t count) noexcept nogil
"""Put words in front of the element at `index`, or at the end, which own them from now on. O(elements)."""
cdef bint json_array_replace(Heap* heap, JsonWord* slot, uint32_t index, JsonWord word) noexcept nogil
"""Another element in the place of one, which is freed. O(1), or O(elements) where packed numbers are unpacked."""
cdef void json_array_remove(Heap* heap, JsonWord* slot, uint32_t index, uint32_t count) noexcept nogil
"""Free elements that are there, and close the gap. Never refused. O(elements)."""
cdef bint json_object_put(const JsonMaker* maker, JsonWord* slot, Slice key, JsonWord word) noexcept nogil
"""Give a member another value, and free the old one, or add the member at the end. O(1), amortized."""
cdef void json_object_replace(Heap* heap, JsonWord slot, uint32_t position, JsonWord word) noexcept nogil
"""Another value for the member at this position; the old one is freed. O(1)."""
cdef void json_object_remove(const JsonMaker* maker, JsonWord* slot, uint32_t position) noexcept nogil
"""Free a member; the last one takes its place. Never refused. O(1)."""
cdef size_t json_growth(JsonWord word, size_t more) noexcept nogil
"""How much memory adding `more` elements or members to an array or object may take, apart from their own. O(1)."""
