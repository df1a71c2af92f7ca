"""See debug_values.pxd."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_slice)
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.reply cimport reply_error, reply_verbatim
from hutch_engine.keyspace.entry cimport (
    ENCODING_HASHTABLE, ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_LISTPACKEX, ENCODING_QUICKLIST, ENCODING_SKIPLIST,
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, entry_bytes, entry_encoding, entry_memory,
    entry_pointer, entry_type)
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_open_hash, zset_of
from hutch_engine.structures.hash cimport (
    HASH_TABLE, Hash, HashPack, HashTable, hash_deadline, hash_each, hash_earliest_ms, hash_stored)
from hutch_engine.structures.intset cimport Intset, intset_bytes
from hutch_engine.structures.listpack cimport (
    Listpack, ListpackValue, listpack_bytes, listpack_first, listpack_get, listpack_length, listpack_next)
from hutch_engine.structures.quicklist cimport PlainNode, Quicklist, QuicklistItem, quicklist_length
from hutch_engine.structures.set cimport SetTable, set_each, set_length, set_of
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_at, sorted_set_count, sorted_set_next)
from hutch_engine.structures.sorted_tree cimport SortedTree
from hutch_engine.structures.table cimport Table

cdef enum:
    SHOWN_BYTES = 40             # of an element's text
    SCORE_BYTES = 8
    RDB_PLAIN = 1                # kinds of a quicklist's nodes; both are one byte long


# ---- lengths in an RDB file

cdef uint64_t _length_bytes(uint64_t length) noexcept nogil:
    """Of a length or count: 6, 14, 32 or 64 bits."""
    if length < 64:
        return 1
    if length < 16384:
        return 2
    return 5 if length >> 32 == 0 else 9


cdef uint64_t _string_bytes(Slice text) noexcept nogil:
    """Integers of up to 32 bits are packed."""
    cdef int64_t number
    if text.length <= 11 and parse_integer(text, &number):
        if -128 <= number <= 127:
            return 2
        if -32768 <= number <= 32767:
            return 3
        if -2147483648 <= number <= 2147483647:
            return 5
    return _length_bytes(text.length) + text.length


cdef uint64_t _block_bytes(size_t size) noexcept nogil:
    return _length_bytes(size) + size


cdef inline const QuicklistItem* _node(const Quicklist* list, size_t node) noexcept nogil:
    return &list.items[(list.first + node) & (list.capacity - 1)]


cdef inline long long _fill(const Quicklist* list) noexcept nogil:
    """As Redis shows it: what lies beyond the smallest and the largest counts for these."""
    return max(-5, min(list.fill, 32767))


cdef inline size_t _node_size(const QuicklistItem* item) noexcept nogil:
    """As Redis counts it: a listpack with its header, a big element alone."""
    if item.tagged & 1:
        return (<PlainNode*>(item.tagged & ~<size_t>1)).length
    return listpack_bytes(<Listpack*>item.tagged)


cdef uint64_t _list_bytes(const Entry* entry) noexcept nogil:
    cdef Quicklist* list
    cdef uint64_t sum
    cdef size_t i
    if entry_encoding(entry) == ENCODING_LISTPACK:      # one node, in a file
        return 1 + RDB_PLAIN + _block_bytes(listpack_bytes(<Listpack*>entry_pointer(entry)))
    list = <Quicklist*>entry_pointer(entry)
    sum = _length_bytes(list.count)
    for i in range(list.count):
        sum += RDB_PLAIN + _block_bytes(_node_size(_node(list, i)))
    return sum


cdef bint _add_member(void* context, Slice member) noexcept nogil:
    (<uint64_t*>context)[0] += _string_bytes(member)
    return True


cdef uint64_t _set_bytes(const Entry* entry) noexcept nogil:
    cdef uint64_t sum
    if entry_encoding(entry) == ENCODING_INTSET:
        return _block_bytes(intset_bytes(<Intset*>entry_pointer(entry)))
    if entry_encoding(entry) == ENCODING_LISTPACK:
        return _block_bytes(listpack_bytes(<Listpack*>entry_pointer(entry)))
    sum = _length_bytes(set_length(set_of(entry_encoding(entry), entry_pointer(entry))))
    set_each(set_of(entry_encoding(entry), entry_pointer(entry)), _add_member, &sum)
    return sum


cdef uint64_t _sorted_set_bytes(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef SortedSet set = zset_of(keyspace, entry)
    cdef SortedCursor cursor
    cdef uint64_t sum
    cdef bint more
    if set.pack != NULL:
        return _block_bytes(listpack_bytes(set.pack))
    sum = _length_bytes(sorted_set_count(&set))
    more = sorted_set_at(&set, 0, &cursor)
    while more:
        sum += _string_bytes(cursor.member) + SCORE_BYTES
        more = sorted_set_next(&cursor)
    return sum


cdef struct Fields:
    uint64_t sum
    const Hash* hash
    int64_t earliest_ms          # INT64_MAX: no field has a deadline


cdef bint _add_field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Fields* fields = <Fields*>context
    cdef int64_t deadline_ms
    fields.sum += _string_bytes(field) + _string_bytes(value)
    if fields.earliest_ms != INT64_MAX:
        # Deadlines are told from the earliest on, which is 1; 0 is none.
        hash_deadline(fields.hash, field, &deadline_ms)
        fields.sum += _length_bytes(<uint64_t>(deadline_ms - fields.earliest_ms + 1) if deadline_ms > 0 else 0)
    return True


cdef uint64_t _hash_bytes(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef Fields fields
    cdef Hash hash
    # Redis does not count the eight bytes of the earliest deadline that stand in front.
    if entry_encoding(entry) == ENCODING_LISTPACK:
        return _block_bytes(listpack_bytes(<Listpack*>entry_pointer(entry)))
    if entry_encoding(entry) == ENCODING_LISTPACKEX:
        return _block_bytes(listpack_bytes((<HashPack*>entry_pointer(entry)).pack))
    keyspace_open_hash(keyspace, entry, &hash)
    hash.now_ms = INT64_MIN          # as it lies there
    fields.hash = &hash
    fields.earliest_ms = hash_earliest_ms(hash.form, hash.pointer)
    fields.sum = _length_bytes(hash_stored(&hash))
    hash_each(&hash, _add_field, &fields)
    return fields.sum


cdef uint64_t debug_serialized_bytes(Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef uint8_t type = entry_type(entry)
    if type == TYPE_STRING:
        return _string_bytes(entry_bytes(entry, scratch))
    if type == TYPE_LIST:
        return _list_bytes(entry)
    if type == TYPE_SET:
        return _set_bytes(entry)
    if type == TYPE_ZSET:
        return _sorted_set_bytes(keyspace, entry)
    if type == TYPE_HASH:
        return _hash_bytes(keyspace, entry)
    return entry_memory(entry, 0)        # a measure, not a promise


# ---- inner forms

cdef const Table* debug_table_of(const Entry* entry) noexcept nogil:
    cdef uint8_t encoding = entry_encoding(entry)
    if entry_type(entry) == TYPE_ZSET and encoding == ENCODING_SKIPLIST:
        return &(<SortedTree*>entry_pointer(entry)).members
    if entry_type(entry) == TYPE_HASH and encoding == ENCODING_HASHTABLE:
        return &(<HashTable*>entry_pointer(entry)).table
    if entry_type(entry) == TYPE_SET and encoding == ENCODING_HASHTABLE:
        return &(<SetTable*>entry_pointer(entry)).table
    return NULL


cdef void debug_list_details(const Entry* entry, char* out) noexcept nogil:
    cdef Quicklist* list
    cdef uint64_t bytes = 0
    cdef size_t i
    out[0] = 0
    if entry_type(entry) != TYPE_LIST or entry_encoding(entry) != ENCODING_QUICKLIST:
        return
    list = <Quicklist*>entry_pointer(entry)
    for i in range(list.count):
        bytes += _node_size(_node(list, i))
    # Nodes are never compressed here, whatever list-compress-depth says.
    snprintf(out, DEBUG_DETAILS_MAX, b" ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:0 "
             b"ql_uncompressed_size:%llu", list.count, <double>quicklist_length(list) / <double>list.count,
             _fill(list), <unsigned long long>bytes)


cdef void _show_listpack(Buffer* out, const Listpack* pack) noexcept nogil:
    """A line for the whole, then one an element: its number, offset, and what it is."""
    cdef char[96] text
    cdef uint8_t* at = listpack_first(pack)
    cdef ListpackValue value
    cdef uint64_t index = 0
    snprintf(text, sizeof(text), b"{total bytes %zu} {num entries %llu}\n", listpack_bytes(pack),
             <unsigned long long>listpack_length(pack))
    buffer_append_text(out, text)
    while at != NULL:
        value = listpack_get(at)
        snprintf(text, sizeof(text), b"{index %llu, offset %zu} ", <unsigned long long>index, <size_t>(at - pack))
        buffer_append_text(out, text)
        if value.bytes.data == NULL:
            buffer_append_text(out, b"[int]")
            buffer_append_integer(out, value.integer)
        else:
            buffer_append_text(out, b"[str]")
            buffer_append_slice(out, slice_of(value.bytes.data, min(value.bytes.length, <size_t>SHOWN_BYTES)))
            if value.bytes.length > SHOWN_BYTES:
                buffer_append_text(out, b"...")
        buffer_append(out, b"\n", 1)
        index += 1
        at = listpack_next(pack, at)


cdef void _answer(Call* call, Buffer* text) noexcept nogil:
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(text), b"txt")
    buffer_clear(text)


cdef void debug_listpack(Call* call, const Entry* entry) noexcept nogil:
    cdef Buffer text
    cdef Listpack* pack
    if entry_type(entry) != TYPE_STRING and entry_encoding(entry) == ENCODING_LISTPACK:
        pack = <Listpack*>entry_pointer(entry)
    elif entry_type(entry) == TYPE_HASH and entry_encoding(entry) == ENCODING_LISTPACKEX:
        pack = (<HashPack*>entry_pointer(entry)).pack
    else:
        reply_error(call.reply, b"ERR Not a listpack encoded object.")
        return
    buffer_init(&text, NULL)
    _show_listpack(&text, pack)
    _answer(call, &text)


cdef void debug_quicklist(Call* call, const Entry* entry) noexcept nogil:
    cdef int64_t full = 0
    cdef Quicklist* list
    cdef const QuicklistItem* item
    cdef Buffer text
    cdef char[96] line
    cdef size_t i
    if entry_type(entry) != TYPE_LIST or entry_encoding(entry) != ENCODING_QUICKLIST:
        reply_error(call.reply, b"ERR Not a quicklist encoded object.")
        return
    if call.argc == 4 and not parse_integer(call.argv[3], &full):
        full = 0
    list = <Quicklist*>entry_pointer(entry)
    buffer_init(&text, NULL)
    snprintf(line, sizeof(line), b"{count : %lld}\n{len : %zu}\n{fill : %lld}\n", <long long>quicklist_length(list),
             list.count, _fill(list))
    buffer_append_text(&text, line)
    for i in range(list.count):
        item = _node(list, i)
        snprintf(line, sizeof(line), b"{quicklist node(%zu): container : %s, size : %zu}\n", i,
                 b"PLAIN" if item.tagged & 1 else b"PACKED", _node_size(item))
        buffer_append_text(&text, line)
        if full and not item.tagged & 1:
            _show_listpack(&text, <Listpack*>item.tagged)
    _answer(call, &text)
