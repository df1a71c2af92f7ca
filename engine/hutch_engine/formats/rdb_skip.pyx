"""See rdb_skip.pxd. Every step answers what to do about the value; the first that is not SKIPPED ends the walk."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.formats.rdb cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX, RDB_HASH_LISTPACK_EX_EARLY, RDB_HASH_METADATA, RDB_HASH_METADATA_EARLY,
    RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2, RDB_LIST_ZIPLIST, RDB_MODULE_2, RDB_NODE_PACKED,
    RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3, RDB_STREAM_4, RDB_STREAM_5, RDB_STRING,
    RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK, RDB_ZSET_ZIPLIST)
from hutch_engine.formats.rdb_module cimport (
    MODULE_DOUBLE, MODULE_END, MODULE_FLOAT, MODULE_SIGNED, MODULE_STRING, MODULE_UNSIGNED)

cdef enum:
    SPECIAL_LZF = 3
    ID_BYTES = 16
    TIME_BYTES = 8
    SCORE_WORDS = 253            # an old score's length from here on stands for no text
    ARRAY_TEXT = 0               # kinds of an array's elements
    ARRAY_INTEGER = 1
    ARRAY_FLOAT = 2
    ARRAY_SHORT_TEXT = 3


cdef Skip _head(RdbReader* reader, uint64_t* value_out, bint* special_out) noexcept nogil:
    """A length, or the number of a specially packed string."""
    cdef uint64_t left = <uint64_t>(reader.end - reader.at)
    cdef uint8_t first
    cdef uint64_t bytes, i
    if left == 0:
        return SKIP_WANTS_MORE
    first = reader.at[0]
    special_out[0] = first >= 0xC0
    value_out[0] = first & 63
    if first < 64 or special_out[0]:
        bytes = 0
    elif first < 128:
        bytes = 1
    elif first == 0x80 or first == 0x81:
        bytes = 4 if first == 0x80 else 8
        value_out[0] = 0
    else:
        return SKIP_BROKEN
    if left < 1 + bytes:
        return SKIP_WANTS_MORE
    for i in range(bytes):
        value_out[0] = value_out[0] << 8 | reader.at[1 + i]
    reader.at += 1 + bytes
    return SKIPPED


cdef Skip rdb_skip_length(RdbReader* reader, uint64_t* length_out) noexcept nogil:
    cdef bint special
    cdef Skip skip = _head(reader, length_out, &special)
    return SKIP_BROKEN if skip == SKIPPED and special else skip


cdef Skip rdb_skip_bytes(RdbReader* reader, uint64_t count, uint64_t beyond) noexcept nogil:
    cdef uint64_t left = <uint64_t>(reader.end - reader.at)
    if count <= left:
        reader.at += count
        return SKIPPED
    return SKIP_WANTS_MORE if count - left <= beyond else SKIP_BROKEN


cdef Skip rdb_skip_string(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t value, length
    cdef bint special
    cdef Skip skip = _head(reader, &value, &special)
    if skip != SKIPPED:
        return skip
    if not special:
        return rdb_skip_bytes(reader, value, beyond)
    if value < SPECIAL_LZF:
        return rdb_skip_bytes(reader, <uint64_t>1 << value, beyond)
    if value > SPECIAL_LZF:
        return SKIP_BROKEN
    skip = rdb_skip_length(reader, &value)
    if skip == SKIPPED:
        skip = rdb_skip_length(reader, &length)
    return rdb_skip_bytes(reader, value, beyond) if skip == SKIPPED else skip


cdef Skip rdb_skip_strings(RdbReader* reader, uint64_t count, uint64_t beyond) noexcept nogil:
    cdef Skip skip = SKIPPED
    while skip == SKIPPED and count:
        skip = rdb_skip_string(reader, beyond)
        count -= 1
    return skip


cdef Skip _count(RdbReader* reader, uint64_t each, uint64_t beyond, uint64_t* count_out) noexcept nogil:
    """Of things that take so many bytes each at least."""
    cdef Skip skip = rdb_skip_length(reader, count_out)
    if skip == SKIPPED and count_out[0] > (<uint64_t>(reader.end - reader.at) + beyond) // each:
        return SKIP_BROKEN
    return skip


cdef Skip _counted_strings(RdbReader* reader, uint64_t each, uint64_t beyond) noexcept nogil:
    """A count, and `each` strings for each."""
    cdef uint64_t count
    cdef Skip skip = _count(reader, each, beyond, &count)
    return rdb_skip_strings(reader, count * each, beyond) if skip == SKIPPED else skip


# ---- collections without elements

cdef bint _is_empty_pack(RdbReader* reader, uint64_t bytes, uint64_t count_at, bint measured) noexcept nogil:
    """Is the next string a packed form of so many bytes, which says that it has no elements? `measured`: its length stands in front, and its
    count has two bytes. The reader goes behind it."""
    cdef const uint8_t* head = reader.at
    if rdb_skip_string(reader, 0) != SKIPPED or head[0] != bytes or head[bytes] != 255 or head[1 + count_at] != 0:
        return False
    return not measured or (head[1] == bytes and head[2 + count_at] == 0)


cdef bint _is_empty_ziplist(RdbReader* reader) noexcept nogil:
    return _is_empty_pack(reader, 11, 8, True)


cdef bint _is_empty_listpack(RdbReader* reader) noexcept nogil:
    return _is_empty_pack(reader, 7, 4, True)


cdef bint rdb_form_is_empty(RdbReader reader, int form) noexcept nogil:
    cdef uint64_t count, packed
    if form == RDB_LIST_ZIPLIST or form == RDB_ZSET_ZIPLIST or form == RDB_HASH_ZIPLIST:
        return _is_empty_ziplist(&reader)
    if form == RDB_HASH_LISTPACK or form == RDB_ZSET_LISTPACK or form == RDB_SET_LISTPACK:
        return _is_empty_listpack(&reader)
    if form == RDB_HASH_ZIPMAP:
        return _is_empty_pack(&reader, 2, 0, False)
    if not (form == RDB_LIST or form == RDB_SET or form == RDB_ZSET or form == RDB_ZSET_2 or form == RDB_HASH
            or form == RDB_LIST_QUICKLIST or form == RDB_LIST_QUICKLIST_2) or rdb_skip_length(&reader, &count) != SKIPPED:
        return False
    if form != RDB_LIST_QUICKLIST and form != RDB_LIST_QUICKLIST_2:
        return count == 0
    while count:
        if form == RDB_LIST_QUICKLIST_2 and (rdb_skip_length(&reader, &packed) != SKIPPED or packed != RDB_NODE_PACKED):
            return False
        if not (_is_empty_ziplist(&reader) if form == RDB_LIST_QUICKLIST else _is_empty_listpack(&reader)):
            return False
        count -= 1
    return True


# ---- sorted sets, hashes, lists

cdef Skip _sorted_set(RdbReader* reader, bint old, uint64_t beyond) noexcept nogil:
    cdef uint64_t count
    cdef uint8_t length
    cdef Skip skip = _count(reader, 2, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_string(reader, beyond)
        if skip == SKIPPED and not old:
            skip = rdb_skip_bytes(reader, 8, beyond)
        elif skip == SKIPPED:
            if reader.at == reader.end:
                return SKIP_WANTS_MORE
            length = reader.at[0]
            skip = rdb_skip_bytes(reader, 1 + (length if length < SCORE_WORDS else 0), beyond)
        count -= 1
    return skip


cdef Skip _deadline_fields(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t count, deadline
    cdef Skip skip = _count(reader, 3, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_length(reader, &deadline)
        if skip == SKIPPED:
            skip = rdb_skip_strings(reader, 2, beyond)
        count -= 1
    return skip


cdef Skip _valkey_fields(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t count
    cdef Skip skip = _count(reader, 2 + TIME_BYTES, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_strings(reader, 2, beyond)
        if skip == SKIPPED:
            skip = rdb_skip_bytes(reader, TIME_BYTES, beyond)
        count -= 1
    return skip


cdef Skip _nodes(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t count, kind
    cdef Skip skip = _count(reader, 2, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_length(reader, &kind)
        if skip == SKIPPED:
            skip = rdb_skip_string(reader, beyond)
        count -= 1
    return skip


# ---- streams

cdef Skip _lengths(RdbReader* reader, int count) noexcept nogil:
    cdef uint64_t value
    cdef Skip skip = SKIPPED
    while skip == SKIPPED and count:
        skip = rdb_skip_length(reader, &value)
        count -= 1
    return skip


cdef Skip _ids(RdbReader* reader, uint64_t beyond) noexcept nogil:
    """A count, and so many IDs."""
    cdef uint64_t count
    cdef Skip skip = _count(reader, ID_BYTES, beyond, &count)
    return rdb_skip_bytes(reader, count * ID_BYTES, beyond) if skip == SKIPPED else skip


cdef Skip _pending(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t count
    cdef Skip skip = _count(reader, ID_BYTES + TIME_BYTES + 1, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_bytes(reader, ID_BYTES + TIME_BYTES, beyond)
        if skip == SKIPPED:
            skip = _lengths(reader, 1)
        count -= 1
    return skip


cdef Skip _consumers(RdbReader* reader, int form, uint64_t beyond) noexcept nogil:
    cdef uint64_t times = TIME_BYTES if form < RDB_STREAM_3 else 2 * TIME_BYTES
    cdef uint64_t count
    cdef Skip skip = _count(reader, 2 + times, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_string(reader, beyond)
        if skip == SKIPPED:
            skip = rdb_skip_bytes(reader, times, beyond)
        if skip == SKIPPED:
            skip = _ids(reader, beyond)
        count -= 1
    return skip


cdef Skip _groups(RdbReader* reader, int form, uint64_t beyond) noexcept nogil:
    cdef uint64_t count
    cdef Skip skip = _count(reader, 5, beyond, &count)
    while skip == SKIPPED and count:
        skip = rdb_skip_string(reader, beyond)
        if skip == SKIPPED:
            skip = _lengths(reader, 2 if form == RDB_STREAM else 3)
        if skip == SKIPPED:
            skip = _pending(reader, beyond)
        if skip == SKIPPED:
            skip = _consumers(reader, form, beyond)
        if skip == SKIPPED and form == RDB_STREAM_5:
            skip = _ids(reader, beyond)
        count -= 1
    return skip


cdef Skip _producers(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t producers, entries
    cdef Skip skip = _lengths(reader, 2)
    if skip == SKIPPED:
        skip = _count(reader, 2, beyond, &producers)
    while skip == SKIPPED and producers:
        skip = rdb_skip_string(reader, beyond)
        if skip == SKIPPED:
            skip = _count(reader, 3, beyond, &entries)
        while skip == SKIPPED and entries:
            skip = rdb_skip_string(reader, beyond)
            if skip == SKIPPED:
                skip = _lengths(reader, 2)
            entries -= 1
        producers -= 1
    return _lengths(reader, 2) if skip == SKIPPED else skip


cdef Skip _stream(RdbReader* reader, int form, uint64_t beyond) noexcept nogil:
    cdef Skip skip = _counted_strings(reader, 2, beyond)
    if skip == SKIPPED:
        skip = _lengths(reader, 3 if form == RDB_STREAM else 8)
    if skip == SKIPPED:
        skip = _groups(reader, form, beyond)
    if skip == SKIPPED and form >= RDB_STREAM_4:
        skip = _producers(reader, beyond)
    return skip


# ---- what others have

cdef Skip rdb_skip_module_items(RdbReader* reader, uint64_t beyond) noexcept nogil:
    cdef uint64_t kind, value
    cdef Skip skip
    while True:
        skip = rdb_skip_length(reader, &kind)
        if skip != SKIPPED or kind == MODULE_END:
            return skip
        if kind == MODULE_SIGNED or kind == MODULE_UNSIGNED:
            skip = rdb_skip_length(reader, &value)
        elif kind == MODULE_FLOAT:
            skip = rdb_skip_bytes(reader, 4, beyond)
        elif kind == MODULE_DOUBLE:
            skip = rdb_skip_bytes(reader, 8, beyond)
        elif kind == MODULE_STRING:
            skip = rdb_skip_string(reader, beyond)
        else:
            return SKIP_BROKEN
        if skip != SKIPPED:
            return skip


cdef Skip _array(RdbReader* reader, uint64_t beyond) noexcept nogil:
    """Redis 8.8: how many elements, whether there is a place where the next is inserted, that place, and of each element
    its place, its kind and itself."""
    cdef uint64_t count, flag, kind
    cdef Skip skip = _count(reader, 3, beyond, &count)
    if skip == SKIPPED:
        skip = rdb_skip_length(reader, &flag)
    if skip == SKIPPED and flag:
        skip = rdb_skip_length(reader, &kind) if flag == 1 else SKIP_BROKEN
    while skip == SKIPPED and count:
        skip = _lengths(reader, 1)
        if skip == SKIPPED:
            skip = rdb_skip_length(reader, &kind)
        if skip != SKIPPED:
            break
        if kind == ARRAY_TEXT or kind == ARRAY_SHORT_TEXT:
            skip = rdb_skip_string(reader, beyond)
        elif kind == ARRAY_INTEGER or kind == ARRAY_FLOAT:
            skip = rdb_skip_bytes(reader, 8, beyond)
        else:
            return SKIP_BROKEN
        count -= 1
    return skip


cdef Skip rdb_skip_form(RdbReader* reader, int form, uint64_t beyond) noexcept nogil:
    cdef uint64_t number
    cdef Skip skip = SKIPPED
    if form == RDB_STRING or form == RDB_SET_INTSET or form == RDB_HASH_LISTPACK or form == RDB_ZSET_LISTPACK \
            or form == RDB_SET_LISTPACK or form == RDB_HASH_ZIPMAP or form == RDB_LIST_ZIPLIST or form == RDB_ZSET_ZIPLIST \
            or form == RDB_HASH_ZIPLIST or form == RDB_HASH_LISTPACK_EX_EARLY or form == RDB_HASH_TEMPLATE_PACK_REF:
        return rdb_skip_string(reader, beyond)
    if form == RDB_LIST or form == RDB_SET or form == RDB_LIST_QUICKLIST:
        return _counted_strings(reader, 1, beyond)
    if form == RDB_HASH or form == RDB_HASH_TEMPLATE:
        return _counted_strings(reader, 2, beyond)
    if form == RDB_ZSET or form == RDB_ZSET_2:
        return _sorted_set(reader, form == RDB_ZSET, beyond)
    if form == RDB_LIST_QUICKLIST_2:
        return _nodes(reader, beyond)
    if form == RDB_HASH_METADATA or form == RDB_HASH_METADATA_EARLY:
        if form == RDB_HASH_METADATA:
            skip = rdb_skip_bytes(reader, TIME_BYTES, beyond)
        return _deadline_fields(reader, beyond) if skip == SKIPPED else skip
    if form == RDB_HASH_LISTPACK_EX:
        skip = rdb_skip_bytes(reader, TIME_BYTES, beyond)
        return rdb_skip_string(reader, beyond) if skip == SKIPPED else skip
    if form == RDB_HASH_VALKEY:
        return _valkey_fields(reader, beyond)
    if form == RDB_STREAM or form == RDB_STREAM_2 or form == RDB_STREAM_3 or form == RDB_STREAM_4 or form == RDB_STREAM_5:
        return _stream(reader, form, beyond)
    if form == RDB_MODULE_2:
        skip = rdb_skip_length(reader, &number)
        return rdb_skip_module_items(reader, beyond) if skip == SKIPPED else skip
    if form == RDB_ARRAY:
        return _array(reader, beyond)
    return SKIP_UNKNOWN
