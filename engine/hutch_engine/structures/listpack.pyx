"""Listpack: one block of strings and integers. Format and contract: listpack.pxd.

How it works
- A change that grows the block resizes first and moves bytes then, so that a refusal leaves everything as it
  was; one that shrinks it moves first. Giving bytes back is no request and is never refused.
- The walk forward reads the length at an element's front, the walk backward the copy at its end.
- Searching compares the stored form: the needle is parsed once, and an element that is a string is never
  turned into a number, nor a number into text. A file may hold "12" as a string, or 5 in eight bytes, though
  nothing that writes listpacks makes such elements: they are found all the same.
- A text given to a function that changes the pack must not lie inside that pack: the block may move.

One thread at a time: the engine's lock guards it. Borrowed positions die with the next change.
"""
from libc.stdint cimport UINT32_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_free, heap_shrink, heap_try_alloc, heap_try_resize
from hutch_engine.base.numbers cimport format_integer, parse_integer
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    COUNT_UNKNOWN = 65535
    HEAD_MAX = 9                 # an encoding byte and eight of a number
    BACK_MAX = 5
    STRING_6_MAX = 63
    STRING_12_MAX = 4095
    INTEGER_DIGITS_MAX = 20      # "-9223372036854775808": longer texts are no integer


cdef struct Encoded:
    uint8_t[HEAD_MAX] head       # encoding bytes, and the number if it is one
    uint32_t head_bytes
    uint32_t back_bytes
    Slice body                   # borrowed: a string's bytes
    uint8_t[BACK_MAX] back       # the length again
    size_t total_bytes


# Header ---------------------------------------------------------------------------------------------------

cdef inline uint32_t _load_32(const uint8_t* p) noexcept nogil:
    return p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef inline void _store_32(uint8_t* p, uint32_t value) noexcept nogil:
    p[0] = <uint8_t>value
    p[1] = <uint8_t>(value >> 8)
    p[2] = <uint8_t>(value >> 16)
    p[3] = <uint8_t>(value >> 24)


cdef inline uint32_t _count(const Listpack* pack) noexcept nogil:
    """What the header says: COUNT_UNKNOWN stands for more than it can."""
    return pack[4] | <uint32_t>pack[5] << 8


cdef inline void _set_count(Listpack* pack, uint64_t count) noexcept nogil:
    if count > COUNT_UNKNOWN:
        count = COUNT_UNKNOWN
    pack[4] = <uint8_t>count
    pack[5] = <uint8_t>(count >> 8)


cdef inline uint8_t* _end(const Listpack* pack) noexcept nogil:
    """The end mark."""
    return <uint8_t*>pack + _load_32(pack) - 1


# Elements -------------------------------------------------------------------------------------------------

cdef inline uint32_t _back_bytes(size_t length) noexcept nogil:
    """How many bytes the length at the end takes. The borders are Redis's, which gives 16383 three bytes
    where two would do (and so on): files depend on it."""
    if likely(length <= 127):
        return 1
    if length < 16383:
        return 2
    if length < 2097151:
        return 3
    if length < 268435455:
        return 4
    return 5


cdef inline void _encode_back(size_t length, uint8_t* out, uint32_t count) noexcept nogil:
    """Seven bits a byte, the highest first; all but the first are marked, for the reader comes from behind."""
    cdef uint32_t i = count
    while i > 1:
        i -= 1
        out[i] = <uint8_t>(length & 127 | 128)
        length >>= 7
    out[0] = <uint8_t>length


cdef inline size_t _long_bytes(const uint8_t* at) noexcept nogil:
    cdef uint8_t first = at[0]
    if first < 0xE0:
        return 2
    if first < 0xF0:
        return 2 + (<size_t>(first & 15) << 8 | at[1])
    if first == 0xF0:
        return 5 + <size_t>_load_32(at + 1)
    if first == 0xF4:
        return 9
    return <size_t>(first - 0xF1) + 3          # F1, F2, F3


cdef inline size_t _encoded_bytes(const uint8_t* at) noexcept nogil:
    """The element without the length at its end."""
    if at[0] < 0x80:
        return 1
    if at[0] < 0xC0:
        return 1 + (at[0] & 63)
    return _long_bytes(at)


cdef inline size_t _element_bytes(const uint8_t* at) noexcept nogil:
    cdef size_t encoded = _encoded_bytes(at)
    return encoded + _back_bytes(encoded)


cdef inline uint8_t* _before(const uint8_t* at) noexcept nogil:
    """The element that ends where `at` begins."""
    cdef const uint8_t* p = at - 1
    cdef size_t length = p[0] & 127
    cdef uint32_t shift = 7
    while p[0] & 128:
        p -= 1
        length |= <size_t>(p[0] & 127) << shift
        shift += 7
    return <uint8_t*>(at - length - _back_bytes(length))


cdef inline bint _is_string(const uint8_t* at) noexcept nogil:
    return at[0] >= 0x80 and (at[0] < 0xC0 or 0xE0 <= at[0] <= 0xF0)


cdef inline Slice _string(const uint8_t* at) noexcept nogil:
    """Requires: the element is a string."""
    if at[0] < 0xC0:
        return slice_of(<const char*>at + 1, at[0] & 63)
    if at[0] < 0xF0:
        return slice_of(<const char*>at + 2, <size_t>(at[0] & 15) << 8 | at[1])
    return slice_of(<const char*>at + 5, _load_32(at + 1))


cdef inline int64_t _integer(const uint8_t* at) noexcept nogil:
    """Requires: the element is an integer."""
    cdef uint8_t first = at[0]
    if first < 0x80:
        return first
    if first < 0xE0:
        # 13 bits, the sign moved up to where a 16-bit number has it.
        return <int16_t>(<uint32_t>(first & 31) << 11 | <uint32_t>at[1] << 3) >> 3
    if first == 0xF1:
        return <int16_t>(at[1] | <uint32_t>at[2] << 8)
    if first == 0xF2:
        return <int32_t>(<uint32_t>at[1] << 8 | <uint32_t>at[2] << 16 | <uint32_t>at[3] << 24) >> 8
    if first == 0xF3:
        return <int32_t>_load_32(at + 1)
    return <int64_t>(<uint64_t>_load_32(at + 1) | <uint64_t>_load_32(at + 5) << 32)


cdef inline uint32_t _encode_integer(int64_t value, uint8_t* head) noexcept nogil:
    cdef uint32_t bytes, i
    if 0 <= value <= 127:
        head[0] = <uint8_t>value
        return 1
    if -4096 <= value <= 4095:
        head[0] = <uint8_t>(0xC0 | (value >> 8 & 31))
        head[1] = <uint8_t>value
        return 2
    if -32768 <= value <= 32767:
        head[0] = 0xF1
        bytes = 2
    elif -8388608 <= value <= 8388607:
        head[0] = 0xF2
        bytes = 3
    elif <int32_t>value == value:
        head[0] = 0xF3
        bytes = 4
    else:
        head[0] = 0xF4
        bytes = 8
    for i in range(bytes):
        head[1 + i] = <uint8_t>(value >> (8 * i))
    return 1 + bytes


cdef inline bint _spells_integer(Slice text, int64_t* value_out) noexcept nogil:
    cdef uint8_t first
    if text.length == 0 or text.length > INTEGER_DIGITS_MAX:
        return False
    first = <uint8_t>text.data[0]
    if (first < 48 or first > 57) and first != 45:
        return False
    return parse_integer(text, value_out)


cdef inline uint32_t _encode_head(Slice text, uint8_t* head, Slice* body_out) noexcept nogil:
    """The front of the stored form; *body_out is what follows it. Answers the front's length."""
    cdef int64_t value
    cdef size_t length = text.length
    if _spells_integer(text, &value):
        body_out[0] = slice_of(NULL, 0)
        return _encode_integer(value, head)
    body_out[0] = text
    if length <= STRING_6_MAX:
        head[0] = <uint8_t>(0x80 | length)
        return 1
    if length <= STRING_12_MAX:
        head[0] = <uint8_t>(0xE0 | length >> 8)
        head[1] = <uint8_t>length
        return 2
    head[0] = 0xF0
    _store_32(head + 1, <uint32_t>length)
    return 5


cdef inline void _encode(Slice text, Encoded* form) noexcept nogil:
    cdef size_t length
    form.head_bytes = _encode_head(text, form.head, &form.body)
    length = form.head_bytes + form.body.length
    form.back_bytes = _back_bytes(length)
    _encode_back(length, form.back, form.back_bytes)
    form.total_bytes = length + form.back_bytes


cdef inline void _write(const Encoded* form, uint8_t* at) noexcept nogil:
    memcpy(at, form.head, form.head_bytes)
    at += form.head_bytes
    if form.body.length:
        memcpy(at, form.body.data, form.body.length)
        at += form.body.length
    memcpy(at, form.back, form.back_bytes)


# Blocks ---------------------------------------------------------------------------------------------------

cdef inline Listpack* _grown(Heap* heap, Listpack* pack, size_t old_bytes, size_t extra) noexcept nogil:
    """NULL when refused, or when the header could not tell the size."""
    cdef size_t new_bytes = old_bytes + extra
    cdef Listpack* grown
    if unlikely(extra > UINT32_MAX or new_bytes > UINT32_MAX):
        return NULL
    if new_bytes == old_bytes:
        return pack
    grown = <Listpack*>heap_try_resize(heap, pack, old_bytes, new_bytes)
    if likely(grown != NULL):
        _store_32(grown, <uint32_t>new_bytes)
    return grown


cdef inline Listpack* _shrunk(Heap* heap, Listpack* pack, size_t old_bytes, size_t new_bytes) noexcept nogil:
    """Give back the end of the block; never NULL, because the bytes before it are given up already."""
    _store_32(pack, <uint32_t>new_bytes)
    return pack if new_bytes == old_bytes else <Listpack*>heap_shrink(heap, pack, old_bytes, new_bytes)


cdef Listpack* listpack_new(Heap* heap) noexcept nogil:
    cdef Listpack* pack = <Listpack*>heap_alloc(heap, LISTPACK_HEADER_BYTES + 1)
    _store_32(pack, LISTPACK_HEADER_BYTES + 1)
    _set_count(pack, 0)
    pack[LISTPACK_HEADER_BYTES] = LISTPACK_END
    return pack


cdef void listpack_free(Heap* heap, Listpack* pack) noexcept nogil:
    if pack != NULL:
        heap_free(heap, pack, _load_32(pack))


cdef Listpack* listpack_copy(Heap* heap, const Listpack* pack) noexcept nogil:
    cdef size_t size = _load_32(pack)
    cdef Listpack* copy = <Listpack*>heap_try_alloc(heap, size)
    if copy != NULL:
        memcpy(copy, pack, size)
    return copy


# Reading --------------------------------------------------------------------------------------------------

cdef size_t listpack_bytes(const Listpack* pack) noexcept nogil:
    return _load_32(pack)


cdef uint64_t listpack_length(const Listpack* pack) noexcept nogil:
    cdef uint64_t count = _count(pack)
    cdef const uint8_t* at
    if likely(count != COUNT_UNKNOWN):
        return count
    count = 0
    at = pack + LISTPACK_HEADER_BYTES
    while at[0] != LISTPACK_END:
        at += _element_bytes(at)
        count += 1
    # Deletions do not count anew; this does, and spares the next call the walk.
    _set_count(<Listpack*>pack, count)
    return count


cdef uint8_t* listpack_first(const Listpack* pack) noexcept nogil:
    cdef uint8_t* at = <uint8_t*>pack + LISTPACK_HEADER_BYTES
    return NULL if at[0] == LISTPACK_END else at


cdef uint8_t* listpack_last(const Listpack* pack) noexcept nogil:
    cdef uint8_t* end = _end(pack)
    return NULL if end == pack + LISTPACK_HEADER_BYTES else _before(end)


cdef uint8_t* listpack_next(const Listpack* pack, const uint8_t* at) noexcept nogil:
    at += _element_bytes(at)
    return NULL if at[0] == LISTPACK_END else <uint8_t*>at


cdef uint8_t* listpack_previous(const Listpack* pack, const uint8_t* at) noexcept nogil:
    return NULL if at == pack + LISTPACK_HEADER_BYTES else _before(at)


cdef uint8_t* listpack_seek(const Listpack* pack, int64_t index) noexcept nogil:
    cdef int64_t count = _count(pack)
    cdef const uint8_t* at
    cdef const uint8_t* first = pack + LISTPACK_HEADER_BYTES
    if likely(count != COUNT_UNKNOWN):
        if index < 0:
            index += count
        if index < 0 or index >= count:
            return NULL
        if index > count // 2:
            index -= count
    if index >= 0:
        at = first
        while at[0] != LISTPACK_END:
            if index == 0:
                return <uint8_t*>at
            at += _element_bytes(at)
            index -= 1
    else:
        at = _end(pack)
        while at != first:
            at = _before(at)
            index += 1
            if index == 0:
                return <uint8_t*>at
    return NULL


cdef ListpackValue listpack_get(const uint8_t* at) noexcept nogil:
    cdef ListpackValue value
    if _is_string(at):
        value.bytes = _string(at)
        value.integer = 0
    else:
        value.bytes = slice_of(NULL, 0)
        value.integer = _integer(at)
    return value


cdef Slice listpack_text(const uint8_t* at, char* scratch) noexcept nogil:
    if _is_string(at):
        return _string(at)
    return slice_of(scratch, format_integer(_integer(at), scratch))


cdef inline bint _same(Slice a, Slice b) noexcept nogil:
    """Names in one place often share their beginning: the last byte tells most of them apart."""
    if a.length != b.length:
        return False
    if a.length == 0:
        return True
    return a.data[a.length - 1] == b.data[a.length - 1] and memcmp(a.data, b.data, a.length - 1) == 0


cdef bint listpack_is(const uint8_t* at, Slice text) noexcept nogil:
    cdef int64_t value
    if _is_string(at):
        return _same(_string(at), text)
    return _spells_integer(text, &value) and value == _integer(at)


cdef uint8_t* listpack_find(const Listpack* pack, uint8_t* start, Slice text, uint32_t skip) noexcept nogil:
    cdef const uint8_t* at = start
    cdef size_t length = text.length
    cdef size_t encoded
    cdef uint32_t left
    cdef int64_t value = 0
    cdef bint numeric
    cdef uint8_t first
    cdef uint8_t last
    if at == NULL:
        return NULL
    numeric = _spells_integer(text, &value)
    last = <uint8_t>text.data[length - 1] if length else 0
    while True:
        first = at[0]
        if 0x80 <= first < 0xC0:               # a short string: what names mostly are
            encoded = 1 + (first & 63)
            if encoded == length + 1 and (length == 0 or (at[length] == last and
                                                          memcmp(at + 1, text.data, length - 1) == 0)):
                return <uint8_t*>at
            at += encoded + 1
        elif first == LISTPACK_END:
            return NULL
        elif _is_string(at):
            if _same(_string(at), text):
                return <uint8_t*>at
            at += _element_bytes(at)
        else:
            if numeric and _integer(at) == value:
                return <uint8_t*>at
            at += _element_bytes(at)
        left = skip
        while left:
            if at[0] == LISTPACK_END:
                return NULL
            at += _element_bytes(at)
            left -= 1


cdef size_t listpack_write(uint8_t* out, Slice text) noexcept nogil:
    cdef Encoded form
    _encode(text, &form)
    _write(&form, out)
    return form.total_bytes


cdef size_t listpack_write_integer(uint8_t* out, int64_t value) noexcept nogil:
    cdef uint32_t head = _encode_integer(value, out)
    _encode_back(head, out + head, 1)
    return head + 1


cdef size_t listpack_element_bytes(Slice text) noexcept nogil:
    cdef uint8_t[HEAD_MAX] head
    cdef Slice body
    cdef size_t length = _encode_head(text, head, &body) + body.length
    return length + _back_bytes(length)


# Changing -------------------------------------------------------------------------------------------------

cdef inline void _counted(Listpack* pack, int64_t change) noexcept nogil:
    """An unknown count stays unknown: whoever asks for it counts."""
    cdef int64_t count = _count(pack)
    if count != COUNT_UNKNOWN:
        _set_count(pack, <uint64_t>(count + change))


cdef Listpack* _insert(Heap* heap, Listpack* pack, Slice text, size_t offset, uint8_t** new_at_out) noexcept nogil:
    cdef Encoded form
    cdef size_t old_bytes = _load_32(pack)
    cdef uint8_t* at
    _encode(text, &form)
    pack = _grown(heap, pack, old_bytes, form.total_bytes)
    if unlikely(pack == NULL):
        return NULL
    at = pack + offset
    memmove(at + form.total_bytes, at, old_bytes - offset)
    _write(&form, at)
    _counted(pack, 1)
    if new_at_out != NULL:
        new_at_out[0] = at
    return pack


cdef Listpack* listpack_insert(Heap* heap, Listpack* pack, Slice text, uint8_t* at, int where,
                               uint8_t** new_at_out) noexcept nogil:
    cdef size_t offset = <size_t>(at - pack)
    if where == LISTPACK_AFTER:
        offset += _element_bytes(at)
    return _insert(heap, pack, text, offset, new_at_out)


cdef Listpack* listpack_append(Heap* heap, Listpack* pack, Slice text) noexcept nogil:
    return _insert(heap, pack, text, _load_32(pack) - 1, NULL)


cdef Listpack* listpack_prepend(Heap* heap, Listpack* pack, Slice text) noexcept nogil:
    return _insert(heap, pack, text, LISTPACK_HEADER_BYTES, NULL)


cdef Listpack* listpack_replace(Heap* heap, Listpack* pack, uint8_t** at, Slice text) noexcept nogil:
    cdef Encoded form
    cdef size_t old_bytes = _load_32(pack)
    cdef size_t offset = <size_t>(at[0] - pack)
    cdef size_t replaced = _element_bytes(at[0])
    cdef size_t behind = old_bytes - offset - replaced
    _encode(text, &form)
    if form.total_bytes > replaced:
        pack = _grown(heap, pack, old_bytes, form.total_bytes - replaced)
        if unlikely(pack == NULL):
            return NULL
    if form.total_bytes != replaced:
        memmove(pack + offset + form.total_bytes, pack + offset + replaced, behind)
    _write(&form, pack + offset)
    if form.total_bytes < replaced:
        pack = _shrunk(heap, pack, old_bytes, old_bytes - replaced + form.total_bytes)
    at[0] = pack + offset
    return pack


cdef Listpack* _delete(Heap* heap, Listpack* pack, size_t offset, size_t end, uint64_t count) noexcept nogil:
    """`count` elements in the bytes [offset, end)."""
    cdef size_t old_bytes = _load_32(pack)
    if count == 0:
        return pack
    memmove(pack + offset, pack + end, old_bytes - end)
    _counted(pack, -<int64_t>count)
    return _shrunk(heap, pack, old_bytes, old_bytes - (end - offset))


cdef Listpack* listpack_delete(Heap* heap, Listpack* pack, uint8_t* at, uint8_t** next_out) noexcept nogil:
    cdef size_t offset = <size_t>(at - pack)
    pack = _delete(heap, pack, offset, offset + _element_bytes(at), 1)
    if next_out != NULL:
        next_out[0] = NULL if pack[offset] == LISTPACK_END else pack + offset
    return pack


cdef Listpack* listpack_delete_run(Heap* heap, Listpack* pack, uint8_t** at, uint64_t count) noexcept nogil:
    cdef uint8_t* p = at[0]
    cdef size_t offset
    cdef uint64_t deleted = 0
    if p == NULL:
        return pack
    offset = <size_t>(p - pack)
    while deleted < count and p[0] != LISTPACK_END:
        p += _element_bytes(p)
        deleted += 1
    pack = _delete(heap, pack, offset, <size_t>(p - pack), deleted)
    at[0] = NULL if pack[offset] == LISTPACK_END else pack + offset
    return pack


cdef Listpack* listpack_delete_range(Heap* heap, Listpack* pack, int64_t index, uint64_t count) noexcept nogil:
    cdef uint8_t* at
    cdef uint64_t known = _count(pack)
    cdef uint64_t from_end
    if count == 0:
        return pack
    at = listpack_seek(pack, index)
    if at == NULL:
        return pack
    if known != COUNT_UNKNOWN:
        from_end = <uint64_t>-index if index < 0 else known - <uint64_t>index
        if count >= from_end:                  # all that is left: nothing to walk
            return _delete(heap, pack, <size_t>(at - pack), _load_32(pack) - 1, from_end)
    return listpack_delete_run(heap, pack, &at, count)


cdef Listpack* listpack_append_pack(Heap* heap, Listpack* pack, const Listpack* other) noexcept nogil:
    cdef size_t old_bytes = _load_32(pack)
    cdef size_t extra = _load_32(other) - LISTPACK_HEADER_BYTES - 1
    cdef uint64_t count = listpack_length(pack) + listpack_length(other)
    if extra == 0:
        return pack
    pack = _grown(heap, pack, old_bytes, extra)
    if unlikely(pack == NULL):
        return NULL
    memcpy(pack + old_bytes - 1, other + LISTPACK_HEADER_BYTES, extra + 1)
    _set_count(pack, count)
    return pack


# Checking -------------------------------------------------------------------------------------------------

cdef size_t _checked_bytes(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The element's size if all of it lies before `end`, the end mark's place; else 0."""
    cdef size_t room = <size_t>(end - at)
    cdef size_t encoded
    cdef uint32_t back
    cdef uint8_t[BACK_MAX] expected
    if at[0] > 0xF4 or (0xE0 <= at[0] < 0xF0 and room < 2) or (at[0] == 0xF0 and room < 5):
        return 0
    encoded = _encoded_bytes(at)
    back = _back_bytes(encoded)
    if encoded > room or back > room - encoded:
        return 0
    # Byte for byte, so that a walk from behind arrives at the same places.
    _encode_back(encoded, expected, back)
    if memcmp(at + encoded, expected, back) != 0:
        return 0
    return encoded + back


cdef bint listpack_is_valid(const uint8_t* bytes, size_t size, bint deep) noexcept nogil:
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef uint64_t count = 0
    cdef size_t step
    if size < LISTPACK_HEADER_BYTES + 1 or _load_32(bytes) != size or bytes[size - 1] != LISTPACK_END:
        return False
    if not deep:
        return True
    at = bytes + LISTPACK_HEADER_BYTES
    end = bytes + size - 1
    while at != end:
        step = _checked_bytes(at, end)
        if step == 0:
            return False
        at += step
        count += 1
    return _count(bytes) == COUNT_UNKNOWN or _count(bytes) == count


cdef void listpack_check(const Listpack* pack) noexcept nogil:
    cdef const uint8_t* at
    cdef const uint8_t* before = NULL
    if not HUTCH_CHECKS:
        return
    invariant(listpack_is_valid(pack, _load_32(pack), True), b"listpack: broken format")
    at = pack + LISTPACK_HEADER_BYTES
    while at[0] != LISTPACK_END:
        invariant(listpack_previous(pack, at) == before, b"listpack: the way back leads elsewhere")
        before = at
        at += _element_bytes(at)
