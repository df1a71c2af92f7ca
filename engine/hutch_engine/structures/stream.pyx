"""See stream.pxd."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.memory cimport Heap, heap_alloc, heap_block_bytes, heap_free
from hutch_engine.structures.id_map cimport id_compare, id_is_zero, id_of
from hutch_engine.structures.stream_group cimport (
    ENTRIES_READ_UNKNOWN, stream_groups_blocks, stream_groups_check, stream_groups_clear, stream_groups_clear_some,
    stream_groups_copy, stream_groups_forget, stream_groups_init, stream_groups_memory, stream_groups_want)
from hutch_engine.structures.stream_log cimport (
    StreamBlock, stream_block_last_id, stream_log_check, stream_log_clear, stream_log_clear_some, stream_log_copy,
    stream_log_delete_at, stream_log_drop_first, stream_log_find, stream_log_find_first_id, stream_log_first,
    stream_log_first_block, stream_log_init, stream_log_memory, stream_log_next, stream_log_take_out)


cdef Stream* stream_new(Heap* heap) noexcept nogil:
    cdef Stream* stream = <Stream*>heap_alloc(heap, sizeof(Stream))
    stream_log_init(&stream.log)
    stream_groups_init(&stream.groups)
    return stream


cdef void stream_free(Heap* heap, Stream* stream) noexcept nogil:
    stream_log_clear(heap, &stream.log)
    stream_groups_clear(heap, &stream.groups)
    heap_free(heap, stream, sizeof(Stream))


cdef bint stream_free_some(Heap* heap, Stream* stream, uint64_t steps) noexcept nogil:
    if (stream_log_clear_some(heap, &stream.log, &steps)
            or stream_groups_clear_some(heap, &stream.groups, &steps)):
        return True
    stream_free(heap, stream)
    return False


cdef uint64_t stream_effort(const Stream* stream) noexcept nogil:
    return stream.log.blocks.count + stream_groups_blocks(&stream.groups) + 1


cdef Stream* stream_copy(Heap* heap, const Stream* stream) noexcept nogil:
    cdef Stream* copy = <Stream*>heap_alloc(heap, sizeof(Stream))
    if stream_log_copy(heap, &stream.log, &copy.log):
        if stream_groups_copy(heap, &stream.groups, &copy.groups):
            return copy
        stream_log_clear(heap, &copy.log)
    heap_free(heap, copy, sizeof(Stream))
    return NULL


cdef uint64_t stream_memory(const Stream* stream) noexcept nogil:
    return (heap_block_bytes(sizeof(Stream)) + stream_log_memory(&stream.log)
            + stream_groups_memory(&stream.groups))


cdef void stream_check(const Stream* stream) noexcept nogil:
    stream_log_check(&stream.log)
    stream_groups_check(&stream.groups)


# ---- trimming

cdef inline bint _may_drop_block(const Stream* stream, const StreamTrim* trim, const StreamBlock* block) noexcept nogil:
    """Does the whole block lie before what stays?"""
    if trim.strategy == TRIM_MAXLEN:
        return stream.log.length - block.count >= trim.max_length
    return id_compare(stream_block_last_id(block), trim.min_id) < 0


cdef uint64_t _drop_blocks(Heap* heap, Stream* stream, const StreamTrim* trim) noexcept nogil:
    cdef StreamBlock* block
    cdef uint64_t dropped = 0
    while True:
        block = stream_log_first_block(&stream.log)
        if (block == NULL or (trim.strategy == TRIM_MAXLEN and stream.log.length <= trim.max_length)
                or (trim.limit and dropped + block.count > trim.limit) or not _may_drop_block(stream, trim, block)):
            break
        dropped += stream_log_drop_first(heap, &stream.log)
    if dropped:
        stream_log_find_first_id(&stream.log)
    return dropped


cdef uint64_t stream_trim(Heap* heap, Stream* stream, const StreamTrim* trim) noexcept nogil:
    cdef StreamCursor cursor
    cdef StreamId gone
    cdef uint64_t deleted = 0
    cdef bint more
    if trim.strategy == TRIM_NONE:
        return 0
    if trim.refs != REFS_DELETE and trim.refs != REFS_ACKED:
        deleted = _drop_blocks(heap, stream, trim)
    if trim.approximate:         # a block whose entries must be looked at one by one is not dropped, as in Redis
        return deleted
    more = stream_log_first(&stream.log, id_of(0, 0), &cursor)
    while more:
        if (stream.log.length <= trim.max_length if trim.strategy == TRIM_MAXLEN
                else id_compare(cursor.id, trim.min_id) >= 0):
            break
        if trim.refs == REFS_ACKED and stream_groups_want(&stream.groups, cursor.id):
            more = stream_log_next(&cursor)
            continue
        if trim.refs == REFS_DELETE:
            stream_groups_forget(heap, &stream.groups, cursor.id)
        gone = cursor.id
        deleted += 1
        if stream_log_take_out(heap, &stream.log, &cursor):
            more = stream_log_next(&cursor)
        else:
            more = stream_log_first(&stream.log, gone, &cursor)
    stream_log_find_first_id(&stream.log)
    return deleted


cdef bint stream_delete(Heap* heap, Stream* stream, StreamId id) noexcept nogil:
    cdef StreamCursor cursor
    if not stream_log_find(&stream.log, id, &cursor):
        return False
    stream_log_delete_at(heap, &stream.log, &cursor)
    if id_compare(id, stream.log.max_deleted_id) > 0:
        stream.log.max_deleted_id = id
    return True


# ---- how far a group has read

cdef bint stream_has_tombstones_after(const Stream* stream, StreamId id) noexcept nogil:
    return (stream.log.length != 0 and not id_is_zero(stream.log.max_deleted_id)
            and id_compare(id, stream.log.max_deleted_id) <= 0)


cdef int64_t stream_entries_up_to(const Stream* stream, StreamId id) noexcept nogil:
    cdef int order
    if stream.log.entries_added == 0:
        return 0
    if stream.log.length == 0 and id_compare(id, stream.log.last_id) < 1:
        return <int64_t>stream.log.entries_added
    if not id_is_zero(id) and id_compare(id, stream.log.max_deleted_id) < 0:
        return ENTRIES_READ_UNKNOWN
    order = id_compare(id, stream.log.last_id)
    if order == 0:
        return <int64_t>stream.log.entries_added
    if order > 0:
        return ENTRIES_READ_UNKNOWN
    if (id_is_zero(stream.log.max_deleted_id)
            or id_compare(stream.log.max_deleted_id, stream.log.first_id) < 0):
        order = id_compare(id, stream.log.first_id)
        if order < 0:
            return <int64_t>(stream.log.entries_added - stream.log.length)
        if order == 0:
            return <int64_t>(stream.log.entries_added - stream.log.length + 1)
    return ENTRIES_READ_UNKNOWN


cdef bint stream_lag(const Stream* stream, const StreamGroup* group, int64_t* lag_out) noexcept nogil:
    cdef int64_t read
    lag_out[0] = 0
    if stream.log.entries_added == 0 or stream.log.length == 0:
        return True
    if (id_compare(group.last_id, stream.log.first_id) < 0
            and id_compare(stream.log.max_deleted_id, stream.log.first_id) < 0):
        lag_out[0] = <int64_t>stream.log.length      # all there is, without a gap
        return True
    read = group.entries_read
    if read == ENTRIES_READ_UNKNOWN or stream_has_tombstones_after(stream, group.last_id):
        read = stream_entries_up_to(stream, group.last_id)
        if read == ENTRIES_READ_UNKNOWN:
            return False
    lag_out[0] = <int64_t>stream.log.entries_added - read
    return True


cdef void stream_group_read(const Stream* stream, StreamGroup* group, StreamId id) noexcept nogil:
    if (group.entries_read != ENTRIES_READ_UNKNOWN and id_compare(stream.log.first_id, group.last_id) <= 0
            and not stream_has_tombstones_after(stream, group.last_id)):
        group.entries_read += 1
    elif stream.log.entries_added:
        group.entries_read = stream_entries_up_to(stream, id)
    group.last_id = id
