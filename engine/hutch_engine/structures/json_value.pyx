"""See json_value.pxd."""
from libc.math cimport trunc
from libc.stdint cimport (
    INT8_MAX, INT8_MIN, INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, INT64_MAX, UINT32_MAX, int8_t, int16_t, int32_t, int64_t,
    uint8_t, uint32_t, uint64_t)
from libc.string cimport memcmp, memcpy, memmove, memset
from hutch_engine.base.compiler cimport likely, load_u64, unlikely
from hutch_engine.base.hash cimport HashKey, hash_bytes
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_shrink, heap_try_alloc, heap_try_resize
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    KEY_HEADER_BYTES = 4         # who refers to it
    LENGTH_BYTES = 4             # of a long text
    DECIMAL_PLACES_MAX = 19
    DECIMAL_DIGITS_END = 1000000000000000        # 10**15: 15 digits are exact, and their own shortest spelling

cdef double[23] _powers
cdef int _power
_powers[0] = 1
for _power in range(1, 23):
    _powers[_power] = _powers[_power - 1] * 10       # exact up to 10**22


# ---- words

cdef inline JsonWord _pointing(void* block, int tag, int top) noexcept nogil:
    return <uint64_t>block | tag | <uint64_t>top << 56


cdef inline bint _is_small(int64_t value) noexcept nogil:
    return value << 3 >> 3 == value


cdef inline int64_t _small(JsonWord word) noexcept nogil:
    return <int64_t>word >> 3


cdef inline JsonBlock* _container(JsonWord word) noexcept nogil:
    return <JsonBlock*>json_block(word)


cdef JsonKind json_kind(JsonWord word) noexcept nogil:
    cdef int tag = json_tag(word)
    if tag == JSON_CONSTANT:
        if word == JSON_NULL:
            return KIND_NULL
        if word <= JSON_TRUE:
            return KIND_BOOLEAN
        return KIND_ARRAY if word == JSON_EMPTY_ARRAY else KIND_OBJECT
    if tag == JSON_INTEGER:
        return KIND_INTEGER
    if tag == JSON_TEXT or tag == JSON_STRING:
        return KIND_STRING
    if tag == JSON_DECIMAL:
        return KIND_DOUBLE
    if tag == JSON_NUMBER:
        return KIND_DOUBLE if json_top(word) == NUMBER_DOUBLE else KIND_INTEGER
    return KIND_ARRAY if tag == JSON_ARRAY else KIND_OBJECT


cdef const char* json_kind_name(JsonWord word) noexcept nogil:
    cdef JsonKind kind = json_kind(word)
    if kind == KIND_NULL:
        return b"null"
    if kind == KIND_BOOLEAN:
        return b"boolean"
    if kind == KIND_INTEGER:
        return b"integer"
    if kind == KIND_DOUBLE:
        return b"number"
    if kind == KIND_STRING:
        return b"string"
    return b"array" if kind == KIND_ARRAY else b"object"


cdef double json_double(JsonWord number) noexcept nogil:
    cdef void* block
    cdef int64_t digits
    if json_tag(number) == JSON_INTEGER:
        return <double>_small(number)
    if json_tag(number) == JSON_DECIMAL:
        digits = <int64_t>number >> 8
        return <double>digits / _powers[number >> 3 & 31]
    block = json_block(number)
    if json_top(number) == NUMBER_DOUBLE:
        return (<double*>block)[0]
    if json_top(number) == NUMBER_SIGNED:
        return <double>(<int64_t*>block)[0]
    return <double>(<uint64_t*>block)[0]


cdef bint json_integer(JsonWord number, int64_t* value_out) noexcept nogil:
    if json_tag(number) == JSON_INTEGER:
        value_out[0] = _small(number)
        return True
    if json_tag(number) == JSON_NUMBER and json_top(number) == NUMBER_SIGNED:
        value_out[0] = (<int64_t*>json_block(number))[0]
        return True
    return False


cdef bint json_unsigned(JsonWord number, uint64_t* value_out) noexcept nogil:
    if json_tag(number) != JSON_NUMBER or json_top(number) != NUMBER_UNSIGNED:
        return False
    value_out[0] = (<uint64_t*>json_block(number))[0]
    return True


cdef JsonWord _boxed(Heap* heap, uint64_t bits, int kind) noexcept nogil:
    cdef uint64_t* block = <uint64_t*>heap_try_alloc(heap, sizeof(uint64_t))
    if unlikely(block == NULL):
        return JSON_NONE
    block[0] = bits
    return _pointing(block, JSON_NUMBER, kind)


cdef JsonWord json_of_integer(Heap* heap, int64_t value) noexcept nogil:
    return json_of_small(value) if _is_small(value) else _boxed(heap, <uint64_t>value, NUMBER_SIGNED)


cdef JsonWord json_of_unsigned(Heap* heap, uint64_t value) noexcept nogil:
    if value <= <uint64_t>INT64_MAX:
        return json_of_integer(heap, <int64_t>value)
    return _boxed(heap, value, NUMBER_UNSIGNED)


cdef JsonWord json_of_double(Heap* heap, double value) noexcept nogil:
    # Whole ones are in place; for others the digits would have to be found first, which costs more than a block.
    if trunc(value) == value and -DECIMAL_DIGITS_END < value < DECIMAL_DIGITS_END and load_u64(&value) != <uint64_t>1 << 63:
        return <uint64_t>(<int64_t>value) << 8 | JSON_DECIMAL
    return _boxed(heap, load_u64(&value), NUMBER_DOUBLE)


cdef inline size_t _text_bytes(size_t length) noexcept nogil:
    return length if length < JSON_LONG_TEXT else length + LENGTH_BYTES


cdef inline void _put_text(char* block, Slice text) noexcept nogil:
    cdef uint32_t length = <uint32_t>text.length
    if text.length >= JSON_LONG_TEXT:
        memcpy(block, &length, LENGTH_BYTES)
        block += LENGTH_BYTES
    memcpy(block, text.data, text.length)


cdef JsonWord json_of_text(Heap* heap, Slice text) noexcept nogil:
    cdef char* block
    if text.length <= JSON_TEXT_MAX:
        return json_of_short(text.data, text.length)
    block = <char*>heap_try_alloc(heap, _text_bytes(text.length))
    if unlikely(block == NULL):
        return JSON_NONE
    _put_text(block, text)
    return _pointing(block, JSON_STRING, <int>text.length if text.length < JSON_LONG_TEXT else JSON_LONG_TEXT)


cdef JsonWord json_of_texts(Heap* heap, Slice first, Slice second) noexcept nogil:
    cdef size_t length = first.length + second.length
    cdef uint32_t written = <uint32_t>length
    cdef char[JSON_TEXT_MAX + 1] short_text
    cdef char* block
    cdef char* at = short_text
    if length > JSON_TEXT_MAX:
        block = <char*>heap_try_alloc(heap, _text_bytes(length))
        if unlikely(block == NULL):
            return JSON_NONE
        at = block
        if length >= JSON_LONG_TEXT:
            memcpy(block, &written, LENGTH_BYTES)
            at += LENGTH_BYTES
    memcpy(at, first.data, first.length)
    memcpy(at + first.length, second.data, second.length)
    if length <= JSON_TEXT_MAX:
        return json_of_short(short_text, length)
    return _pointing(block, JSON_STRING, <int>length if length < JSON_LONG_TEXT else JSON_LONG_TEXT)


cdef JsonWord json_key_of(Heap* heap, Slice text) noexcept nogil:
    cdef char* block
    if text.length <= JSON_TEXT_MAX:
        return json_of_short(text.data, text.length)
    block = <char*>heap_try_alloc(heap, KEY_HEADER_BYTES + _text_bytes(text.length))
    if unlikely(block == NULL):
        return JSON_NONE
    (<uint32_t*>block)[0] = 1
    _put_text(block + KEY_HEADER_BYTES, text)
    return _pointing(block, JSON_STRING, <int>text.length if text.length < JSON_LONG_TEXT else JSON_LONG_TEXT)


cdef bint json_key_share(JsonWord key) noexcept nogil:
    cdef uint32_t* references
    if json_tag(key) == JSON_TEXT:
        return True
    references = <uint32_t*>json_block(key)
    if unlikely(references[0] == UINT32_MAX):
        return False
    references[0] += 1
    return True


cdef void json_key_release(Heap* heap, JsonWord key) noexcept nogil:
    cdef uint32_t* references
    if json_tag(key) == JSON_TEXT:
        return
    references = <uint32_t*>json_block(key)
    references[0] -= 1
    if references[0] == 0:
        heap_free(heap, references, KEY_HEADER_BYTES + _text_bytes(json_key_text(&key).length))


cdef inline bint _same_key(JsonWord a, JsonWord b) noexcept nogil:
    cdef Slice x, y
    if a == b:
        return True
    if json_tag(a) == JSON_TEXT or json_tag(b) == JSON_TEXT or json_top(a) != json_top(b):
        return False
    x = json_key_text(&a)
    y = json_key_text(&b)
    return x.length == y.length and memcmp(x.data, y.data, x.length) == 0


# ---- arrays

cdef inline size_t _width(int kind) noexcept nogil:
    """Bytes of an element."""
    return 8 if kind == ARRAY_WORDS or kind >= ARRAY_INT64 else <size_t>1 << (kind - ARRAY_INT8)


cdef inline size_t _array_bytes(int kind, size_t capacity) noexcept nogil:
    return sizeof(JsonBlock) + _width(kind) * capacity


cdef inline char* _elements(JsonWord array) noexcept nogil:
    return <char*>json_block(array) + sizeof(JsonBlock)


cdef JsonWord json_element(JsonWord array, uint32_t index) noexcept nogil:
    cdef char* elements = _elements(array)
    cdef int kind = json_top(array)
    cdef int64_t value
    if kind == ARRAY_WORDS:
        return (<JsonWord*>elements)[index]
    if kind == ARRAY_INT8:
        return json_of_small((<int8_t*>elements)[index])
    if kind == ARRAY_INT16:
        return json_of_small((<int16_t*>elements)[index])
    if kind == ARRAY_INT32:
        return json_of_small((<int32_t*>elements)[index])
    if kind == ARRAY_DOUBLE:
        return _pointing(elements + 8 * index, JSON_NUMBER, NUMBER_DOUBLE)
    value = (<int64_t*>elements)[index]
    return json_of_small(value) if _is_small(value) else _pointing(elements + 8 * index, JSON_NUMBER, NUMBER_SIGNED)


cdef int _kind_for(JsonWord word) noexcept nogil:
    """Which packed array would have room for the word; ARRAY_WORDS if none."""
    cdef int64_t value
    if json_integer(word, &value):
        if INT8_MIN <= value <= INT8_MAX:
            return ARRAY_INT8
        if INT16_MIN <= value <= INT16_MAX:
            return ARRAY_INT16
        return ARRAY_INT32 if INT32_MIN <= value <= INT32_MAX else ARRAY_INT64
    if json_tag(word) == JSON_NUMBER and json_top(word) == NUMBER_DOUBLE:
        return ARRAY_DOUBLE
    return ARRAY_WORDS


cdef int _common_kind(int kind, const JsonWord* words, size_t count) noexcept nogil:
    """What an array is to be that has elements of this kind, and then these (-1: it has none). Doubles are packed as soon as one of
    them would need a block; those that are in place need none, and are spelled faster."""
    cdef bint decimals = False
    cdef int next
    cdef size_t i
    for i in range(count):
        if json_tag(words[i]) == JSON_DECIMAL:
            if kind != -1 and kind != ARRAY_DOUBLE and not decimals:
                return ARRAY_WORDS
            decimals = True
            continue
        next = _kind_for(words[i])
        if next == ARRAY_WORDS or kind == ARRAY_WORDS:
            return ARRAY_WORDS
        if next == ARRAY_DOUBLE:
            if kind != -1 and kind != ARRAY_DOUBLE:
                return ARRAY_WORDS
            kind = ARRAY_DOUBLE
        elif decimals or kind == ARRAY_DOUBLE:
            return ARRAY_WORDS
        elif next > kind:
            kind = next
    return ARRAY_WORDS if kind == -1 else kind


cdef inline void _pack(int kind, char* elements, size_t index, JsonWord word) noexcept nogil:
    """Put a number into a packed array that has room for such."""
    cdef int64_t value = 0
    cdef double number
    if kind == ARRAY_DOUBLE:
        number = json_double(word)
        (<double*>elements)[index] = number
        return
    json_integer(word, &value)
    if kind == ARRAY_INT8:
        (<int8_t*>elements)[index] = <int8_t>value
    elif kind == ARRAY_INT16:
        (<int16_t*>elements)[index] = <int16_t>value
    elif kind == ARRAY_INT32:
        (<int32_t*>elements)[index] = <int32_t>value
    else:
        (<int64_t*>elements)[index] = value


cdef inline void _free_boxed(Heap* heap, JsonWord word) noexcept nogil:
    """Of a number."""
    if json_tag(word) == JSON_NUMBER:
        heap_free(heap, json_block(word), sizeof(uint64_t))


cdef void _free_all(Heap* heap, const JsonWord* words, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        json_free(heap, words[i])


cdef JsonWord json_array_of(Heap* heap, const JsonWord* words, size_t count) noexcept nogil:
    cdef JsonBlock* block
    cdef char* elements
    cdef int kind
    cdef size_t i
    if count == 0:
        return JSON_EMPTY_ARRAY
    kind = _common_kind(-1, words, count)
    block = <JsonBlock*>heap_try_alloc(heap, _array_bytes(kind, count))
    if unlikely(block == NULL):
        _free_all(heap, words, count)
        return JSON_NONE
    block.count = <uint32_t>count
    block.capacity = <uint32_t>count
    elements = <char*>block + sizeof(JsonBlock)
    if kind == ARRAY_WORDS:
        memcpy(elements, words, count * sizeof(JsonWord))
    else:
        for i in range(count):
            _pack(kind, elements, i, words[i])
            _free_boxed(heap, words[i])
    return _pointing(block, JSON_ARRAY, kind)


cdef bint _array_as(Heap* heap, JsonWord* slot, int kind, size_t capacity) noexcept nogil:
    """The array gets another kind of elements, which has room for those it has, and a larger block."""
    cdef JsonWord array = slot[0]
    cdef int old_kind = json_top(array)
    cdef JsonBlock* old = _container(array)
    cdef JsonBlock* block
    cdef char* elements
    cdef uint32_t i
    cdef JsonWord word
    if kind == old_kind:
        block = <JsonBlock*>heap_try_resize(heap, old, _array_bytes(kind, old.capacity), _array_bytes(kind, capacity))
        if unlikely(block == NULL):
            return False
        block.capacity = <uint32_t>capacity
        slot[0] = _pointing(block, JSON_ARRAY, kind)
        return True
    block = <JsonBlock*>heap_try_alloc(heap, _array_bytes(kind, capacity))
    if unlikely(block == NULL):
        return False
    block.count = old.count
    block.capacity = <uint32_t>capacity
    elements = <char*>block + sizeof(JsonBlock)
    for i in range(old.count):
        word = json_element(array, i)
        if kind != ARRAY_WORDS:
            _pack(kind, elements, i, word)
            continue
        if json_tag(word) == JSON_NUMBER:
            # Out of a packed array it is only borrowed.
            word = json_of_double(heap, json_double(word)) if old_kind == ARRAY_DOUBLE else _boxed(
                heap, (<uint64_t*>json_block(word))[0], NUMBER_SIGNED)
            if unlikely(word == JSON_NONE):
                _free_all(heap, <JsonWord*>elements, i)
                heap_free(heap, block, _array_bytes(kind, capacity))
                return False
        (<JsonWord*>elements)[i] = word
    heap_free(heap, old, _array_bytes(old_kind, old.capacity))
    slot[0] = _pointing(block, JSON_ARRAY, kind)
    return True


cdef inline size_t _grown(size_t capacity, size_t wanted) noexcept nogil:
    cdef size_t grown = capacity + capacity // 2
    return grown if grown > wanted else wanted


cdef bint json_array_insert(Heap* heap, JsonWord* slot, uint32_t index, const JsonWord* words, size_t count) noexcept nogil:
    cdef JsonBlock* block
    cdef char* elements
    cdef size_t width, i
    cdef int kind, old_kind
    if count == 0:
        return True
    if slot[0] == JSON_EMPTY_ARRAY:
        kind = _common_kind(-1, words, count)
        block = <JsonBlock*>heap_try_alloc(heap, _array_bytes(kind, count))
        if unlikely(block == NULL):
            return False
        block.count = 0
        block.capacity = <uint32_t>count
        slot[0] = _pointing(block, JSON_ARRAY, kind)
    else:
        block = _container(slot[0])
        if unlikely(count > JSON_COUNT_MAX - block.count):
            return False
        old_kind = json_top(slot[0])
        kind = _common_kind(old_kind, words, count) if old_kind != ARRAY_WORDS else ARRAY_WORDS
        if kind != old_kind or block.count + count > block.capacity:
            if not _array_as(heap, slot, kind, _grown(block.capacity, block.count + count)):
                return False
            block = _container(slot[0])
    width = _width(kind)
    elements = <char*>block + sizeof(JsonBlock)
    memmove(elements + (index + count) * width, elements + index * width, (block.count - index) * width)
    block.count += <uint32_t>count
    for i in range(count):
        if kind == ARRAY_WORDS:
            (<JsonWord*>elements)[index + i] = words[i]
        else:
            _pack(kind, elements, index + i, words[i])
            _free_boxed(heap, words[i])
    return True


cdef bint json_array_replace(Heap* heap, JsonWord* slot, uint32_t index, JsonWord word) noexcept nogil:
    cdef int old_kind = json_top(slot[0])
    cdef int kind = ARRAY_WORDS
    cdef char* elements
    if old_kind != ARRAY_WORDS:
        kind = _common_kind(old_kind, &word, 1)
        if kind != old_kind and not _array_as(heap, slot, kind, _container(slot[0]).capacity):
            return False
    elements = _elements(slot[0])
    if kind == ARRAY_WORDS:
        json_free(heap, (<JsonWord*>elements)[index])
        (<JsonWord*>elements)[index] = word
    else:
        _pack(kind, elements, index, word)
        _free_boxed(heap, word)
    return True


cdef void json_array_remove(Heap* heap, JsonWord* slot, uint32_t index, uint32_t count) noexcept nogil:
    cdef JsonBlock* block
    cdef char* elements
    cdef int kind
    cdef size_t width, capacity
    if count == 0:
        return
    block = _container(slot[0])
    kind = json_top(slot[0])
    width = _width(kind)
    elements = _elements(slot[0])
    if kind == ARRAY_WORDS:
        _free_all(heap, <JsonWord*>elements + index, count)
    if count == block.count:
        heap_free(heap, block, _array_bytes(kind, block.capacity))
        slot[0] = JSON_EMPTY_ARRAY
        return
    memmove(elements + index * width, elements + (<size_t>index + count) * width, (block.count - index - count) * width)
    block.count -= count
    if block.count < block.capacity // 4:
        capacity = block.count * 2
        block = <JsonBlock*>heap_shrink(heap, block, _array_bytes(kind, block.capacity), _array_bytes(kind, capacity))
        block.capacity = <uint32_t>capacity
        slot[0] = _pointing(block, JSON_ARRAY, kind)


# ---- objects

cdef inline size_t _slots(size_t capacity) noexcept nogil:
    """Of the index, which is never fuller than four fifths."""
    return capacity + capacity // 4 + 1 if capacity >= JSON_INDEXED else 0


cdef inline size_t _object_bytes(size_t capacity) noexcept nogil:
    return sizeof(JsonBlock) + capacity * sizeof(JsonMember) + _slots(capacity) * sizeof(uint32_t)


cdef inline uint32_t* _index(JsonBlock* block) noexcept nogil:
    """A slot holds a position and one more, or 0."""
    return <uint32_t*>(<char*>block + sizeof(JsonBlock) + block.capacity * sizeof(JsonMember))


cdef inline size_t _home(const HashKey* hash_key, Slice key, size_t slots) noexcept nogil:
    return (hash_bytes(hash_key, key.data, key.length) >> 32) * slots >> 32


cdef inline size_t _home_of(const HashKey* hash_key, JsonWord key, size_t slots) noexcept nogil:
    return _home(hash_key, json_key_text(&key), slots)


cdef int64_t _find_indexed(JsonBlock* block, JsonWord word, Slice key, const HashKey* hash_key) noexcept nogil:
    """`word` is the key where it is a TEXT, else JSON_NONE."""
    cdef JsonMember* members = <JsonMember*>(<char*>block + sizeof(JsonBlock))
    cdef uint32_t* index = _index(block)
    cdef size_t slots = _slots(block.capacity)
    cdef size_t slot = _home(hash_key, key, slots)
    cdef uint32_t position
    cdef Slice text
    while index[slot] != 0:
        position = index[slot] - 1
        if members[position].key == word:
            return position
        if word == JSON_NONE and json_tag(members[position].key) == JSON_STRING:
            text = json_key_text(&members[position].key)
            if text.length == key.length and memcmp(text.data, key.data, key.length) == 0:
                return position
        slot = slot + 1 if slot + 1 < slots else 0
    return -1


cdef int64_t json_find(JsonWord object, Slice key, const HashKey* hash_key) noexcept nogil:
    cdef JsonBlock* block
    cdef JsonMember* members
    cdef JsonWord word
    cdef uint32_t i
    cdef int top
    cdef Slice text
    if json_tag(object) != JSON_OBJECT:
        return -1
    block = _container(object)
    word = json_of_short(key.data, key.length) if key.length <= JSON_TEXT_MAX else JSON_NONE
    if block.capacity >= JSON_INDEXED:
        return _find_indexed(block, word, key, hash_key)
    members = json_members(object)
    if word != JSON_NONE:
        for i in range(block.count):
            if members[i].key == word:
                return i
        return -1
    top = <int>key.length if key.length < JSON_LONG_TEXT else JSON_LONG_TEXT
    for i in range(block.count):
        if json_tag(members[i].key) == JSON_STRING and json_top(members[i].key) == top:
            text = json_key_text(&members[i].key)
            if text.length == key.length and memcmp(text.data, key.data, key.length) == 0:
                return i
    return -1


cdef inline void _index_put(JsonBlock* block, size_t home, uint32_t position) noexcept nogil:
    cdef uint32_t* index = _index(block)
    cdef size_t slots = _slots(block.capacity)
    while index[home] != 0:
        home = home + 1 if home + 1 < slots else 0
    index[home] = position + 1


cdef size_t _index_slot(JsonBlock* block, size_t home, uint32_t position) noexcept nogil:
    """Where the index has this position."""
    cdef uint32_t* index = _index(block)
    cdef size_t slots = _slots(block.capacity)
    while index[home] != position + 1:
        home = home + 1 if home + 1 < slots else 0
    return home


cdef void _index_remove(const HashKey* hash_key, JsonBlock* block, size_t hole) noexcept nogil:
    """Empty a slot, and move what was put behind it only because it was taken."""
    cdef JsonMember* members = <JsonMember*>(<char*>block + sizeof(JsonBlock))
    cdef uint32_t* index = _index(block)
    cdef size_t slots = _slots(block.capacity)
    cdef size_t at = hole
    cdef size_t home
    while True:
        at = at + 1 if at + 1 < slots else 0
        if index[at] == 0:
            break
        home = _home_of(hash_key, members[index[at] - 1].key, slots)
        # It stays if its home lies behind the hole, cyclically.
        if (at - home + slots) % slots < (at - hole + slots) % slots:
            continue
        index[hole] = index[at]
        hole = at
    index[hole] = 0


cdef void _index_build(const HashKey* hash_key, JsonBlock* block) noexcept nogil:
    cdef JsonMember* members = <JsonMember*>(<char*>block + sizeof(JsonBlock))
    cdef size_t slots = _slots(block.capacity)
    cdef uint32_t i
    if slots == 0:
        return
    memset(_index(block), 0, slots * sizeof(uint32_t))
    for i in range(block.count):
        _index_put(block, _home_of(hash_key, members[i].key, slots), i)


cdef void _free_members(Heap* heap, JsonMember* members, size_t count) noexcept nogil:
    cdef size_t i
    for i in range(count):
        json_key_release(heap, members[i].key)
        json_free(heap, members[i].value)


cdef inline uint64_t _key_sign(JsonWord key) noexcept nogil:
    """A bit that tells most keys from each other."""
    cdef Slice text
    cdef uint64_t mixed = key
    if json_tag(key) != JSON_TEXT:
        text = json_key_text(&key)
        mixed = load_u64(text.data) ^ load_u64(text.data + text.length - 8) * 3 ^ text.length
    return <uint64_t>1 << (mixed * <uint64_t>0x9E3779B97F4A7C15 >> 58)


cdef size_t _drop_doubles(Heap* heap, JsonMember* members, size_t count) noexcept nogil:
    """Of a few members: of several with one key the first one's place and the last one's value remain. How many do."""
    cdef uint64_t seen = 0
    cdef uint64_t sign
    cdef size_t kept = 0
    cdef size_t i, j
    for i in range(count):
        sign = _key_sign(members[i].key)
        j = kept
        if seen & sign:
            j = 0
            while j < kept and not _same_key(members[j].key, members[i].key):
                j += 1
        seen |= sign
        if likely(j == kept):
            members[kept] = members[i]
            kept += 1
        else:
            json_free(heap, members[j].value)
            members[j].value = members[i].value
            json_key_release(heap, members[i].key)
    return kept


cdef JsonWord _large_object_of(const JsonMaker* maker, JsonMember* members, size_t count) noexcept nogil:
    """The same, with an index, which finds keys that come twice."""
    cdef JsonBlock* block = <JsonBlock*>heap_try_alloc(maker.heap, _object_bytes(count))
    cdef JsonMember* own
    cdef size_t slots = _slots(count)
    cdef JsonWord key
    cdef int64_t found
    cdef size_t i
    if unlikely(block == NULL):
        _free_members(maker.heap, members, count)
        return JSON_NONE
    block.count = 0
    block.capacity = <uint32_t>count
    own = <JsonMember*>(<char*>block + sizeof(JsonBlock))
    memset(_index(block), 0, slots * sizeof(uint32_t))
    for i in range(count):
        key = members[i].key
        found = _find_indexed(block, key if json_tag(key) == JSON_TEXT else JSON_NONE, json_key_text(&key), maker.hash_key)
        if unlikely(found >= 0):
            json_free(maker.heap, own[found].value)
            own[found].value = members[i].value
            json_key_release(maker.heap, key)
            continue
        own[block.count] = members[i]
        _index_put(block, _home_of(maker.hash_key, key, slots), block.count)
        block.count += 1
    return _pointing(block, JSON_OBJECT, 0)


cdef JsonWord json_object_of(const JsonMaker* maker, JsonMember* members, size_t count) noexcept nogil:
    cdef JsonBlock* block
    if count == 0:
        return JSON_EMPTY_OBJECT
    if count >= JSON_INDEXED:
        return _large_object_of(maker, members, count)
    count = _drop_doubles(maker.heap, members, count)
    block = <JsonBlock*>heap_try_alloc(maker.heap, _object_bytes(count))
    if unlikely(block == NULL):
        _free_members(maker.heap, members, count)
        return JSON_NONE
    block.count = <uint32_t>count
    block.capacity = <uint32_t>count
    memcpy(<char*>block + sizeof(JsonBlock), members, count * sizeof(JsonMember))
    return _pointing(block, JSON_OBJECT, 0)


cdef bint _object_sized(const JsonMaker* maker, JsonWord* slot, size_t capacity) noexcept nogil:
    cdef JsonBlock* block = _container(slot[0])
    block = <JsonBlock*>heap_try_resize(maker.heap, block, _object_bytes(block.capacity), _object_bytes(capacity))
    if unlikely(block == NULL):
        return False
    block.capacity = <uint32_t>capacity
    _index_build(maker.hash_key, block)
    slot[0] = _pointing(block, JSON_OBJECT, 0)
    return True


cdef bint json_object_put(const JsonMaker* maker, JsonWord* slot, Slice key, JsonWord word) noexcept nogil:
    cdef int64_t found = json_find(slot[0], key, maker.hash_key)
    cdef JsonBlock* block
    cdef JsonMember* members
    cdef JsonWord own_key
    if found >= 0:
        json_object_replace(maker.heap, slot[0], <uint32_t>found, word)
        return True
    own_key = json_key_of(maker.heap, key)
    if unlikely(own_key == JSON_NONE):
        return False
    if slot[0] == JSON_EMPTY_OBJECT:
        block = <JsonBlock*>heap_try_alloc(maker.heap, _object_bytes(1))
        if block != NULL:
            block.count = 0
            block.capacity = 1
            slot[0] = _pointing(block, JSON_OBJECT, 0)
    else:
        block = _container(slot[0])
        if block.count == block.capacity:
            if block.count == JSON_COUNT_MAX or not _object_sized(maker, slot, _grown(block.capacity, block.count + 1)):
                block = NULL
            else:
                block = _container(slot[0])
    if unlikely(block == NULL):
        json_key_release(maker.heap, own_key)
        return False
    members = json_members(slot[0])
    members[block.count].key = own_key
    members[block.count].value = word
    if block.capacity >= JSON_INDEXED:
        _index_put(block, _home(maker.hash_key, key, _slots(block.capacity)), block.count)
    block.count += 1
    return True


cdef void json_object_replace(Heap* heap, JsonWord slot, uint32_t position, JsonWord word) noexcept nogil:
    cdef JsonMember* member = json_members(slot) + position
    json_free(heap, member.value)
    member.value = word


cdef void json_object_remove(const JsonMaker* maker, JsonWord* slot, uint32_t position) noexcept nogil:
    cdef JsonBlock* block = _container(slot[0])
    cdef JsonMember* members = json_members(slot[0])
    cdef uint32_t last = block.count - 1
    cdef size_t slots = _slots(block.capacity)
    cdef size_t capacity
    if last == 0:
        _free_members(maker.heap, members, 1)
        heap_free(maker.heap, block, _object_bytes(block.capacity))
        slot[0] = JSON_EMPTY_OBJECT
        return
    if slots:
        _index_remove(maker.hash_key, block, _index_slot(block, _home_of(maker.hash_key, members[position].key, slots), position))
        if position != last:
            _index(block)[_index_slot(block, _home_of(maker.hash_key, members[last].key, slots), last)] = position + 1
    _free_members(maker.heap, members + position, 1)
    members[position] = members[last]
    block.count = last
    if block.count < block.capacity // 4:
        capacity = block.count * 2
        # The index lies behind the members, and is made anew there.
        block = <JsonBlock*>heap_shrink(maker.heap, block, _object_bytes(block.capacity), _object_bytes(capacity))
        block.capacity = <uint32_t>capacity
        _index_build(maker.hash_key, block)
        slot[0] = _pointing(block, JSON_OBJECT, 0)


cdef size_t json_growth(JsonWord word, size_t more) noexcept nogil:
    cdef size_t capacity
    if not json_is_container(word):
        return 64 + more * (sizeof(JsonMember) + sizeof(uint32_t) * 2)
    capacity = _grown(_container(word).capacity, _container(word).count + more)
    if json_tag(word) == JSON_OBJECT:
        return _object_bytes(capacity)
    # Packed numbers may be unpacked, each with a block of its own.
    return _array_bytes(ARRAY_WORDS, capacity) * (2 if json_top(word) >= ARRAY_INT64 else 1)


# ---- whole values

cdef uint64_t json_memory(JsonWord word) noexcept nogil:
    cdef JsonBlock* block
    cdef uint64_t bytes
    cdef uint32_t i
    cdef JsonMember* members
    cdef int tag = json_tag(word)
    if tag == JSON_STRING:
        return heap_block_bytes(_text_bytes(json_text(&word).length))
    if tag == JSON_NUMBER:
        return heap_block_bytes(sizeof(uint64_t))
    if tag < JSON_ARRAY:
        return 0
    block = _container(word)
    if tag == JSON_ARRAY:
        bytes = heap_block_bytes(_array_bytes(json_top(word), block.capacity))
        if json_top(word) == ARRAY_WORDS:
            for i in range(block.count):
                bytes += json_memory(json_words(word)[i])
        return bytes
    bytes = heap_block_bytes(_object_bytes(block.capacity))
    members = json_members(word)
    for i in range(block.count):
        if json_tag(members[i].key) == JSON_STRING and (<uint32_t*>json_block(members[i].key))[0] == 1:
            bytes += heap_block_bytes(KEY_HEADER_BYTES + _text_bytes(json_key_text(&members[i].key).length))
        bytes += json_memory(members[i].value)
    return bytes


cdef JsonWord json_copy(Heap* heap, JsonWord word) noexcept nogil:
    cdef JsonBlock* block
    cdef JsonBlock* copy
    cdef JsonMember* members
    cdef JsonWord* words
    cdef JsonWord key
    cdef size_t bytes
    cdef uint32_t i
    cdef bint refused = False
    cdef int tag = json_tag(word)
    if tag == JSON_STRING:
        return json_of_text(heap, json_text(&word))
    if tag == JSON_NUMBER:
        return _boxed(heap, (<uint64_t*>json_block(word))[0], json_top(word))
    if tag < JSON_ARRAY:
        return word
    block = _container(word)
    bytes = _array_bytes(json_top(word), block.capacity) if tag == JSON_ARRAY else _object_bytes(block.capacity)
    copy = <JsonBlock*>heap_try_alloc(heap, bytes)
    if unlikely(copy == NULL):
        return JSON_NONE
    memcpy(copy, block, bytes)               # positions in an index hold for the copy, too
    word = _pointing(copy, tag, json_top(word))
    if tag == JSON_ARRAY and json_top(word) != ARRAY_WORDS:
        return word
    words = json_words(word)
    members = json_members(word)
    for i in range(block.count):
        if tag == JSON_ARRAY:
            words[i] = json_copy(heap, words[i])
            refused = words[i] == JSON_NONE
        else:
            key = members[i].key
            if unlikely(not json_key_share(key)):
                key = json_key_of(heap, json_key_text(&key))
            members[i].key = key
            members[i].value = json_copy(heap, members[i].value) if key != JSON_NONE else JSON_NONE
            refused = members[i].value == JSON_NONE
            if refused and key != JSON_NONE:
                json_key_release(heap, key)
        if unlikely(refused):
            if tag == JSON_ARRAY:
                _free_all(heap, words, i)
            else:
                _free_members(heap, members, i)
            heap_free(heap, copy, bytes)
            return JSON_NONE
    return word


cdef inline void _free_leaf(Heap* heap, JsonWord word) noexcept nogil:
    """Of what holds nothing else; NONE is allowed."""
    cdef int tag = json_tag(word)
    if tag == JSON_STRING:
        heap_free(heap, json_block(word), _text_bytes(json_text(&word).length))
    elif tag == JSON_NUMBER:
        heap_free(heap, json_block(word), sizeof(uint64_t))


cdef bint json_free_some(Heap* heap, JsonFreeing* freeing, uint64_t steps) noexcept nogil:
    # On the way down, the slot in which a value stood holds what is above its owner: no stack is needed, whatever the depth.
    cdef JsonBlock* block
    cdef JsonWord* slot
    cdef JsonWord value
    cdef bint object
    if not json_is_container(freeing.current):
        _free_leaf(heap, freeing.current)
        freeing.current = JSON_NONE
        return False
    while True:
        block = _container(freeing.current)
        object = json_tag(freeing.current) == JSON_OBJECT
        if block.count == 0 or (not object and json_top(freeing.current) != ARRAY_WORDS):
            heap_free(heap, block, _object_bytes(block.capacity) if object else _array_bytes(
                json_top(freeing.current), block.capacity))
            freeing.current = freeing.above
            if freeing.current == JSON_NONE:
                return False
            block = _container(freeing.current)
            object = json_tag(freeing.current) == JSON_OBJECT
            slot = (&json_members(freeing.current)[block.count - 1].value if object
                    else &json_words(freeing.current)[block.count - 1])
            freeing.above = slot[0]
        else:
            if steps == 0:
                return True
            steps -= 1
            slot = (&json_members(freeing.current)[block.count - 1].value if object
                    else &json_words(freeing.current)[block.count - 1])
            value = slot[0]
            if json_is_container(value):
                slot[0] = freeing.above
                freeing.above = freeing.current
                freeing.current = value
                continue
            _free_leaf(heap, value)
        if object:
            json_key_release(heap, json_members(freeing.current)[block.count - 1].key)
        block.count -= 1


cdef void json_free(Heap* heap, JsonWord word) noexcept nogil:
    cdef JsonFreeing freeing
    if json_is_container(word):
        freeing.current = word
        freeing.above = JSON_NONE
        json_free_some(heap, &freeing, <uint64_t>-1)
    else:
        _free_leaf(heap, word)
