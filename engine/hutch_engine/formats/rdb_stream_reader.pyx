"""See rdb_stream_reader.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_reserve
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.outcome cimport OK
from hutch_engine.base.slice cimport Slice, slice_compare, slice_of
from hutch_engine.keyspace.value_type cimport ValueMaker
from hutch_engine.formats.rdb cimport (
    RDB_STREAM, RDB_STREAM_3, RDB_STREAM_4, RDB_STREAM_5, RdbReader, rdb_read_bytes, rdb_read_length, rdb_read_string,
    rdb_read_u64)
from hutch_engine.structures.id_map cimport StreamId, id_compare, id_of
from hutch_engine.structures.listpack cimport (
    LISTPACK_SAFE_BYTES, Listpack, ListpackValue, listpack_first, listpack_get, listpack_is_valid, listpack_length,
    listpack_next, listpack_text)
from hutch_engine.structures.stream cimport Stream, stream_entries_up_to, stream_free, stream_new
from hutch_engine.structures.stream_group cimport (
    Pending, StreamConsumer, StreamGroup, stream_consumer_add, stream_consumer_name, stream_group_add, stream_group_name,
    stream_pending_find, stream_pending_load, stream_pending_own)
from hutch_engine.structures.stream_log cimport stream_log_begin, stream_log_find_first_id, stream_log_put

cdef enum:
    ID_BYTES = 16
    ENTRY_DELETED = 1
    ENTRY_SAME_FIELDS = 2


cdef struct Words:               # names and values in turn
    Buffer slices
    Buffer digits                # of those that are integers, INTEGER_TEXT_MAX bytes each


cdef struct BlockReader:
    RdbReader* reader
    const ValueMaker* maker
    Stream* stream
    const Listpack* pack
    uint64_t elements
    const uint8_t* at            # NULL: behind the last element
    StreamId first               # of the block
    StreamId last                # of all entries so far
    bint empty                   # there was none yet
    uint64_t names               # of the block
    Words block_words            # its names, and values of the entry that has the same
    Words entry_words            # of an entry that has others


cdef StreamId _id_of_bytes(Slice bytes) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>bytes.data
    cdef StreamId id = id_of(0, 0)
    cdef int i
    for i in range(8):
        id.ms = id.ms << 8 | at[i]
        id.seq = id.seq << 8 | at[8 + i]
    return id


cdef inline bint _read_id(RdbReader* reader, StreamId* id_out) noexcept nogil:
    return rdb_read_length(reader, &id_out.ms) and rdb_read_length(reader, &id_out.seq)


# ---- entries

cdef bint _reserve(BlockReader* block, Words* words, uint64_t count) noexcept nogil:
    """Room for so many names and values, which there may be."""
    if count > block.elements:
        return False
    words.slices.length = 0
    words.digits.length = 0
    if (buffer_reserve(&words.slices, 2 * count * sizeof(Slice) + 1)
            and buffer_reserve(&words.digits, 2 * count * INTEGER_TEXT_MAX + 1)):
        return True
    block.reader.refused = True
    return False


cdef bint _take_word(BlockReader* block, Words* words, uint64_t index) noexcept nogil:
    if block.at == NULL:
        return False
    (<Slice*>words.slices.data)[index] = listpack_text(block.at, words.digits.data + index * INTEGER_TEXT_MAX)
    block.at = listpack_next(block.pack, block.at)
    return True


cdef bint _take_integer(BlockReader* block, int64_t* value_out) noexcept nogil:
    cdef ListpackValue value
    if block.at == NULL:
        return False
    value = listpack_get(block.at)
    if value.bytes.data != NULL:
        return False
    value_out[0] = value.integer
    block.at = listpack_next(block.pack, block.at)
    return True


cdef bint _read_names(BlockReader* block, int64_t* entries_out, int64_t* deleted_out) noexcept nogil:
    cdef int64_t count, end
    cdef int64_t i
    if (not _take_integer(block, entries_out) or not _take_integer(block, deleted_out) or not _take_integer(block, &count)
            or entries_out[0] < 1 or deleted_out[0] < 0 or entries_out[0] > <int64_t>block.elements
            or deleted_out[0] > <int64_t>block.elements or count < 0
            or not _reserve(block, &block.block_words, <uint64_t>count)):
        return False
    block.names = <uint64_t>count
    for i in range(count):
        if not _take_word(block, &block.block_words, 2 * i):
            return False
        (<Slice*>block.block_words.slices.data)[2 * i + 1] = slice_of(NULL, 0)
    return _take_integer(block, &end) and end == 0


cdef bint _read_words(BlockReader* block, bint same, uint64_t* count_out) noexcept nogil:
    cdef int64_t count, i
    if same:
        for i in range(<int64_t>block.names):
            if not _take_word(block, &block.block_words, 2 * i + 1):
                return False
        count_out[0] = block.names
        return True
    if not _take_integer(block, &count) or count < 0 or not _reserve(block, &block.entry_words, <uint64_t>count):
        return False
    for i in range(2 * count):
        if not _take_word(block, &block.entry_words, i):
            return False
    count_out[0] = <uint64_t>count
    return True


cdef bint _read_entry(BlockReader* block, bint is_first, int64_t* flags_out) noexcept nogil:
    cdef int64_t flags, ms, seq, elements
    cdef uint64_t count
    cdef StreamId id
    cdef bint same
    if (not _take_integer(block, &flags) or not _take_integer(block, &ms) or not _take_integer(block, &seq)
            or flags < 0 or flags > (ENTRY_DELETED | ENTRY_SAME_FIELDS)):
        return False
    id = id_of(block.first.ms + <uint64_t>ms, block.first.seq + <uint64_t>seq)
    same = flags & ENTRY_SAME_FIELDS != 0
    # A block's first entry is the one its ID and its names come from.
    if is_first and (not same or ms or seq):
        return False
    if not block.empty and id_compare(id, block.last) <= 0:
        return False
    if not _read_words(block, same, &count) or not _take_integer(block, &elements):
        return False
    if elements != <int64_t>(3 + count if same else 4 + 2 * count):
        return False
    if stream_log_put(block.maker.heap, &block.stream.log, id,
                      <const Slice*>(block.block_words.slices.data if same else block.entry_words.slices.data),
                      count, same, flags & ENTRY_DELETED) != OK:
        block.reader.refused = True
        return False
    block.last = id
    block.empty = False
    flags_out[0] = flags
    return True


cdef bint _read_block(BlockReader* block, Slice bytes) noexcept nogil:
    cdef int64_t entries, deleted, flags
    cdef bint is_first = True
    if bytes.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(<const uint8_t*>bytes.data, bytes.length, True):
        return False
    if id_compare(block.first, block.last) <= 0:         # 0-0 is no ID
        return False
    block.pack = <const Listpack*>bytes.data
    block.elements = listpack_length(block.pack)
    block.at = listpack_first(block.pack)
    if not _read_names(block, &entries, &deleted):
        return False
    if stream_log_begin(block.maker.heap, &block.stream.log, block.first, <const Slice*>block.block_words.slices.data,
                        block.names) != OK:
        block.reader.refused = True
        return False
    while block.at != NULL:
        if not _read_entry(block, is_first, &flags):
            return False
        is_first = False
        if flags & ENTRY_DELETED:
            deleted -= 1
        else:
            entries -= 1
    return entries == 0 and deleted == 0


cdef void _words_init(Words* words) noexcept nogil:
    buffer_init(&words.slices, NULL)
    buffer_init(&words.digits, NULL)


cdef void _words_clear(Words* words) noexcept nogil:
    buffer_clear(&words.slices)
    buffer_clear(&words.digits)


cdef bint _read_blocks(RdbReader* reader, const ValueMaker* maker, Stream* stream, Buffer* storage,
                       StreamId* last_out) noexcept nogil:
    cdef BlockReader block
    cdef Slice bytes
    cdef uint64_t count
    cdef bint whole = True
    if not rdb_read_length(reader, &count):
        return False
    block.reader = reader
    block.maker = maker
    block.stream = stream
    block.last = id_of(0, 0)
    block.empty = True
    _words_init(&block.block_words)
    _words_init(&block.entry_words)
    while whole and count:
        whole = rdb_read_string(reader, storage, &bytes) and bytes.length == ID_BYTES
        if whole:
            block.first = _id_of_bytes(bytes)
            whole = rdb_read_string(reader, storage, &bytes) and _read_block(&block, bytes)
        count -= 1
    last_out[0] = block.last
    _words_clear(&block.block_words)
    _words_clear(&block.entry_words)
    return whole


# ---- figures

cdef bint _read_figures(RdbReader* reader, Stream* stream, int type, StreamId last) noexcept nogil:
    cdef StreamId first
    cdef uint64_t length
    if (not rdb_read_length(reader, &length) or length != stream.log.length or not _read_id(reader, &stream.log.last_id)
            or id_compare(stream.log.last_id, last) < 0):
        return False
    stream_log_find_first_id(&stream.log)
    stream.log.entries_added = length
    if type == RDB_STREAM:
        return True
    return (_read_id(reader, &first) and _read_id(reader, &stream.log.max_deleted_id)
            and rdb_read_length(reader, &stream.log.entries_added))


# ---- groups

cdef bint _read_next_id(RdbReader* reader, bint is_first, StreamId* id) noexcept nogil:
    """One of some in ascending order, of which *id is the last one and becomes the next."""
    cdef StreamId before = id[0]
    cdef Slice bytes
    if not rdb_read_bytes(reader, ID_BYTES, &bytes):
        return False
    id[0] = _id_of_bytes(bytes)
    return is_first or id_compare(before, id[0]) < 0


cdef bint _read_pending(RdbReader* reader, const ValueMaker* maker, StreamGroup* group) noexcept nogil:
    cdef uint64_t count, i, delivered_ms
    cdef StreamId id = id_of(0, 0)
    cdef Pending* pending
    if not rdb_read_length(reader, &count):
        return False
    i = 0
    while i < count:
        if not _read_next_id(reader, i == 0, &id):
            return False
        pending = stream_pending_load(maker.heap, group, id)
        if pending == NULL:
            reader.refused = True
            return False
        if not rdb_read_u64(reader, &delivered_ms) or not rdb_read_length(reader, &pending.deliveries):
            return False
        pending.delivered_ms = <int64_t>delivered_ms
        i += 1
    return True


cdef bint _read_owned(RdbReader* reader, const ValueMaker* maker, StreamGroup* group, StreamConsumer* consumer) noexcept nogil:
    cdef uint64_t count, i
    cdef StreamId id = id_of(0, 0)
    cdef Pending* pending
    if not rdb_read_length(reader, &count):
        return False
    i = 0
    while i < count:
        if not _read_next_id(reader, i == 0, &id):
            return False
        pending = stream_pending_find(group, id)
        if pending == NULL or pending.consumer != NULL:
            return False
        if not stream_pending_own(maker.heap, pending, id, consumer):
            reader.refused = True
            return False
        i += 1
    return True


cdef bint _read_consumer(RdbReader* reader, const ValueMaker* maker, StreamGroup* group, Buffer* storage,
                         int type) noexcept nogil:
    cdef StreamConsumer* consumer
    cdef uint64_t seen_ms, active_ms
    cdef Slice name
    if (not rdb_read_string(reader, storage, &name) or not rdb_read_u64(reader, &seen_ms)
            or (group.consumer_count and slice_compare(
                stream_consumer_name(group.consumers[group.consumer_count - 1]), name) >= 0)):
        return False
    active_ms = seen_ms
    if type >= RDB_STREAM_3 and not rdb_read_u64(reader, &active_ms):
        return False
    consumer = stream_consumer_add(maker.heap, group, name, <int64_t>seen_ms)
    if consumer == NULL:
        reader.refused = True
        return False
    consumer.active_ms = <int64_t>active_ms
    return _read_owned(reader, maker, group, consumer)


cdef bint _read_group(RdbReader* reader, const ValueMaker* maker, Stream* stream, Buffer* storage, int type) noexcept nogil:
    cdef StreamGroup* group
    cdef StreamId id
    cdef uint64_t entries_read, consumers
    cdef uint64_t owned = 0
    cdef uint64_t ownerless
    cdef Slice name
    if (not rdb_read_string(reader, storage, &name) or not _read_id(reader, &id)
            or (stream.groups.count and slice_compare(
                stream_group_name(stream.groups.items[stream.groups.count - 1]), name) >= 0)):
        return False
    if type == RDB_STREAM:
        entries_read = <uint64_t>stream_entries_up_to(stream, id)
    elif not rdb_read_length(reader, &entries_read):
        return False
    group = stream_group_add(maker.heap, &stream.groups, name, id, <int64_t>entries_read)
    if group == NULL:
        reader.refused = True
        return False
    if not _read_pending(reader, maker, group) or not rdb_read_length(reader, &consumers):
        return False
    while consumers:
        if not _read_consumer(reader, maker, group, storage, type):
            return False
        owned += group.consumers[group.consumer_count - 1].pending.count
        consumers -= 1
    if type == RDB_STREAM_5:
        if not rdb_read_length(reader, &ownerless):
            return False
        if ownerless:
            reader.lacking = b"entries that are pending for no consumer (XNACK)"
            return False
    return owned == group.pending.count          # nothing is pending for nobody


cdef bint _read_groups(RdbReader* reader, const ValueMaker* maker, Stream* stream, Buffer* storage, int type) noexcept nogil:
    cdef uint64_t count
    if not rdb_read_length(reader, &count):
        return False
    while count:
        if not _read_group(reader, maker, stream, storage, type):
            return False
        count -= 1
    return True


cdef bint _read_producers(RdbReader* reader) noexcept nogil:
    """How long XADD IDMP remembers, how much, what it does remember of each producer, and two counters."""
    cdef uint64_t seconds, most, producers, added, repeated
    if (not rdb_read_length(reader, &seconds) or not rdb_read_length(reader, &most)
            or not rdb_read_length(reader, &producers)):
        return False
    if producers:
        reader.lacking = b"what XADD IDMP remembers of producers"
        return False
    return rdb_read_length(reader, &added) and rdb_read_length(reader, &repeated)


cdef Stream* rdb_read_stream(RdbReader* reader, const ValueMaker* maker, Buffer* storage, int type) noexcept nogil:
    cdef Stream* stream = stream_new(maker.heap)
    cdef StreamId last
    if (_read_blocks(reader, maker, stream, storage, &last) and _read_figures(reader, stream, type, last)
            and _read_groups(reader, maker, stream, storage, type)
            and (type < RDB_STREAM_4 or _read_producers(reader))):
        return stream
    stream_free(maker.heap, stream)
    return NULL
