"""See rdb_stream_writer.pxd.

    blocks     a count, and for each: its first ID (16 bytes, big-endian), a listpack of
                 entries, deleted ones, number of names, the names, 0
                 then for each entry: flags (1 deleted, 2 the block's names), distances of milliseconds and sequence from the
                 first ID, [number of names, name and value in turn | values], how many elements that were
    figures    length, last, first and highest deleted ID, entries ever added
    groups     a count, and for each: name, last ID, entries read, what is pending (IDs with time and number of deliveries),
               consumers (name, two times, and the IDs of what is pending for them)
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport Slice
from hutch_engine.formats.rdb cimport (
    RdbParts, pack_add, pack_add_integer, pack_begin, pack_end, rdb_write_length, rdb_write_string, rdb_write_u64)
from hutch_engine.structures.id_map cimport IdItem, IdMap, IdPlace, StreamId, id_map_at, id_map_next
from hutch_engine.structures.stream cimport Stream
from hutch_engine.structures.stream_group cimport (
    Pending, StreamConsumer, StreamGroup, stream_consumer_name, stream_group_name)
from hutch_engine.structures.stream_log cimport (
    RECORD_DELETED, RECORD_SAME_FIELDS, StreamBlock, StreamCursor, StreamLog, StreamPairs, stream_block_first,
    stream_block_next, stream_pairs, stream_pairs_next)


cdef void _write_id_bytes(Buffer* out, StreamId id, bint as_string) noexcept nogil:
    """Sixteen bytes that sort as the ID does."""
    cdef char[16] bytes
    cdef int i
    for i in range(8):
        bytes[i] = <char>(id.ms >> (8 * (7 - i)) & 255)
        bytes[8 + i] = <char>(id.seq >> (8 * (7 - i)) & 255)
    if as_string:
        rdb_write_length(out, 16)
    buffer_append(out, bytes, 16)


cdef void _write_id(Buffer* out, StreamId id) noexcept nogil:
    rdb_write_length(out, id.ms)
    rdb_write_length(out, id.seq)


cdef uint64_t _pack_names(Buffer* pack, const StreamLog* log, StreamBlock* block) noexcept nogil:
    """What stands before the entries; how many elements."""
    cdef StreamCursor cursor
    cdef StreamPairs pairs
    cdef Slice name, value
    cdef uint64_t count
    # The first record always has the names of its block.
    stream_block_first(log, block, &cursor)
    stream_pairs(&cursor, &pairs)
    pack_add_integer(pack, block.count)
    pack_add_integer(pack, block.deleted)
    pack_add_integer(pack, <int64_t>pairs.count)
    count = pairs.count
    while pairs.count:
        stream_pairs_next(&pairs, &name, &value)
        pack_add(pack, name)
    pack_add_integer(pack, 0)
    return 4 + count


cdef uint64_t _pack_record(Buffer* pack, const StreamCursor* cursor) noexcept nogil:
    cdef bint same = cursor.flags & RECORD_SAME_FIELDS != 0
    cdef StreamPairs pairs
    cdef Slice name, value
    cdef uint64_t elements = 4 if same else 5
    stream_pairs(cursor, &pairs)
    pack_add_integer(pack, (1 if cursor.flags & RECORD_DELETED else 0) | (2 if same else 0))
    pack_add_integer(pack, <int64_t>(cursor.id.ms - cursor.block.first.ms))
    pack_add_integer(pack, <int64_t>(cursor.id.seq - cursor.block.first.seq))
    if not same:
        pack_add_integer(pack, <int64_t>pairs.count)
    elements += pairs.count if same else 2 * pairs.count
    while pairs.count:
        stream_pairs_next(&pairs, &name, &value)
        if not same:
            pack_add(pack, name)
        pack_add(pack, value)
    pack_add_integer(pack, <int64_t>elements - 1)
    return elements


cdef void _write_blocks(Buffer* out, const StreamLog* log, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef Buffer pack
    cdef StreamBlock* block
    cdef StreamCursor cursor
    cdef uint64_t elements
    cdef IdPlace place
    if not parts.begun:
        parts.begun = True
        parts.left = log.blocks.count
        rdb_write_length(out, log.blocks.count)
    buffer_init(&pack, NULL)
    place.chunk = <size_t>parts.place
    place.index = <uint32_t>parts.within
    while parts.left and out.length < up_to:
        block = <StreamBlock*>id_map_at(&log.blocks, place).value
        pack_begin(&pack)
        elements = _pack_names(&pack, log, block)
        stream_block_first(log, block, &cursor)
        elements += _pack_record(&pack, &cursor)
        while stream_block_next(&cursor):
            elements += _pack_record(&pack, &cursor)
        pack_end(&pack, elements)
        if pack.failed:
            out.failed = 1
            break
        _write_id_bytes(out, block.first, True)
        rdb_write_string(out, buffer_slice(&pack), compress)
        parts.left -= 1
        id_map_next(&log.blocks, &place)
    parts.place = place.chunk
    parts.within = place.index
    buffer_clear(&pack)


cdef void _write_pending(Buffer* out, const IdMap* pending, bint with_figures) noexcept nogil:
    cdef IdItem* item
    cdef IdPlace place
    cdef bint more = pending.count != 0
    rdb_write_length(out, pending.count)
    place.chunk = 0
    place.index = 0
    while more:
        item = id_map_at(pending, place)
        _write_id_bytes(out, item.id, False)
        if with_figures:
            rdb_write_u64(out, <uint64_t>(<Pending*>item.value).delivered_ms)
            rdb_write_length(out, (<Pending*>item.value).deliveries)
        more = id_map_next(pending, &place)


cdef void _write_group(Buffer* out, const StreamGroup* group, bint compress) noexcept nogil:
    cdef StreamConsumer* consumer
    cdef uint32_t i
    rdb_write_string(out, stream_group_name(group), compress)
    _write_id(out, group.last_id)
    rdb_write_length(out, <uint64_t>group.entries_read)
    _write_pending(out, &group.pending, True)
    rdb_write_length(out, group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        rdb_write_string(out, stream_consumer_name(consumer), compress)
        rdb_write_u64(out, <uint64_t>consumer.seen_ms)
        rdb_write_u64(out, <uint64_t>consumer.active_ms)
        _write_pending(out, &consumer.pending, False)


cdef void rdb_write_stream(Buffer* out, const Stream* stream, bint compress, RdbParts* parts, size_t up_to) noexcept nogil:
    cdef uint32_t i
    _write_blocks(out, &stream.log, compress, parts, up_to)
    if out.failed or parts.left:
        return
    parts.over = True
    rdb_write_length(out, stream.log.length)
    _write_id(out, stream.log.last_id)
    _write_id(out, stream.log.first_id)
    _write_id(out, stream.log.max_deleted_id)
    rdb_write_length(out, stream.log.entries_added)
    rdb_write_length(out, stream.groups.count)
    for i in range(stream.groups.count):
        _write_group(out, stream.groups.items[i], compress)
