"""See stream_group.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_compare
from hutch_engine.structures.id_map cimport (
    IdItem, IdPlace, id_compare, id_map_at, id_map_check, id_map_clear, id_map_end, id_map_get, id_map_init, id_map_next,
    id_map_pop, id_map_put, id_map_remove)

cdef enum:
    FIRST_WORDS = 2


# ---- arrays of pointers in order of names

cdef bint _room(Heap* heap, void*** items, uint32_t count, uint32_t* capacity) noexcept nogil:
    """One more word behind the last."""
    cdef void** longer
    cdef uint32_t wanted = capacity[0] * 2 if capacity[0] else FIRST_WORDS
    if count < capacity[0]:
        return True
    longer = <void**>heap_try_alloc(heap, wanted * sizeof(void*))
    if longer == NULL:
        return False
    if count:
        memcpy(longer, items[0], count * sizeof(void*))
    heap_free(heap, items[0], capacity[0] * sizeof(void*))
    items[0] = longer
    capacity[0] = wanted
    return True


cdef inline void _insert(void** items, uint32_t* count, uint32_t index, void* item) noexcept nogil:
    if index < count[0]:
        memmove(items + index + 1, items + index, (count[0] - index) * sizeof(void*))
    items[index] = item
    count[0] += 1


cdef inline void _take_out(void** items, uint32_t* count, uint32_t index) noexcept nogil:
    count[0] -= 1
    if index < count[0]:
        memmove(items + index, items + index + 1, (count[0] - index) * sizeof(void*))


cdef bint _group_index(const StreamGroups* groups, Slice name, uint32_t* index_out) noexcept nogil:
    """Where the group is, or would be; False if absent."""
    cdef uint32_t low = 0
    cdef uint32_t high = groups.count
    cdef uint32_t middle
    cdef int order
    while low < high:
        middle = (low + high) // 2
        order = slice_compare(stream_group_name(groups.items[middle]), name)
        if order == 0:
            index_out[0] = middle
            return True
        if order < 0:
            low = middle + 1
        else:
            high = middle
    index_out[0] = low
    return False


cdef bint _consumer_index(const StreamGroup* group, Slice name, uint32_t* index_out) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = group.consumer_count
    cdef uint32_t middle
    cdef int order
    while low < high:
        middle = (low + high) // 2
        order = slice_compare(stream_consumer_name(group.consumers[middle]), name)
        if order == 0:
            index_out[0] = middle
            return True
        if order < 0:
            low = middle + 1
        else:
            high = middle
    index_out[0] = low
    return False


# ---- freeing

cdef void stream_groups_init(StreamGroups* groups) noexcept nogil:
    groups.items = NULL
    groups.count = 0
    groups.capacity = 0


cdef inline void _consumer_free(Heap* heap, StreamConsumer* consumer) noexcept nogil:
    id_map_clear(heap, &consumer.pending)
    heap_free(heap, consumer, sizeof(StreamConsumer) + consumer.name_length)


cdef bint _group_clear_some(Heap* heap, StreamGroup* group, uint64_t* steps) noexcept nogil:
    cdef Pending* pending
    while group.pending.count:
        if steps[0] == 0:
            return True
        steps[0] -= 1
        pending = <Pending*>id_map_pop(heap, &group.pending)
        heap_free(heap, pending, sizeof(Pending))
    while group.consumer_count:
        if steps[0] == 0:
            return True
        steps[0] -= 1
        group.consumer_count -= 1
        _consumer_free(heap, group.consumers[group.consumer_count])
    return False


cdef inline void _group_free(Heap* heap, StreamGroup* group) noexcept nogil:
    """An empty one."""
    heap_free(heap, group.consumers, group.consumer_capacity * sizeof(void*))
    heap_free(heap, group, sizeof(StreamGroup) + group.name_length)


cdef bint stream_groups_clear_some(Heap* heap, StreamGroups* groups, uint64_t* steps) noexcept nogil:
    while groups.count:
        if _group_clear_some(heap, groups.items[groups.count - 1], steps):
            return True
        groups.count -= 1
        _group_free(heap, groups.items[groups.count])
    heap_free(heap, groups.items, groups.capacity * sizeof(void*))
    stream_groups_init(groups)
    return False


cdef void stream_groups_clear(Heap* heap, StreamGroups* groups) noexcept nogil:
    cdef uint64_t steps = <uint64_t>-1
    stream_groups_clear_some(heap, groups, &steps)


# ---- groups and consumers

cdef StreamGroup* stream_group_find(const StreamGroups* groups, Slice name) noexcept nogil:
    cdef uint32_t index
    return groups.items[index] if _group_index(groups, name, &index) else NULL


cdef StreamGroup* stream_group_add(Heap* heap, StreamGroups* groups, Slice name, StreamId last_id, int64_t entries_read) noexcept nogil:
    cdef uint32_t index
    cdef StreamGroup* group
    _group_index(groups, name, &index)
    if not _room(heap, <void***>&groups.items, groups.count, &groups.capacity):
        return NULL
    group = <StreamGroup*>heap_try_alloc(heap, sizeof(StreamGroup) + name.length)
    if group == NULL:
        return NULL
    id_map_init(&group.pending)
    group.consumers = NULL
    group.consumer_count = 0
    group.consumer_capacity = 0
    group.last_id = last_id
    group.entries_read = entries_read
    group.name_length = name.length
    if name.length:
        memcpy(<char*>group + sizeof(StreamGroup), name.data, name.length)
    _insert(<void**>groups.items, &groups.count, index, group)
    return group


cdef void stream_group_remove(Heap* heap, StreamGroups* groups, StreamGroup* group) noexcept nogil:
    cdef uint64_t steps = <uint64_t>-1
    cdef uint32_t index
    _group_index(groups, stream_group_name(group), &index)
    _take_out(<void**>groups.items, &groups.count, index)
    _group_clear_some(heap, group, &steps)
    _group_free(heap, group)


cdef StreamConsumer* stream_consumer_find(const StreamGroup* group, Slice name) noexcept nogil:
    cdef uint32_t index
    return group.consumers[index] if _consumer_index(group, name, &index) else NULL


cdef StreamConsumer* stream_consumer_add(Heap* heap, StreamGroup* group, Slice name, int64_t now_ms) noexcept nogil:
    cdef uint32_t index
    cdef StreamConsumer* consumer
    _consumer_index(group, name, &index)
    if not _room(heap, <void***>&group.consumers, group.consumer_count, &group.consumer_capacity):
        return NULL
    consumer = <StreamConsumer*>heap_try_alloc(heap, sizeof(StreamConsumer) + name.length)
    if consumer == NULL:
        return NULL
    id_map_init(&consumer.pending)
    consumer.seen_ms = now_ms
    consumer.active_ms = -1
    consumer.name_length = name.length
    if name.length:
        memcpy(<char*>consumer + sizeof(StreamConsumer), name.data, name.length)
    _insert(<void**>group.consumers, &group.consumer_count, index, consumer)
    return consumer


cdef void stream_consumer_remove(Heap* heap, StreamGroup* group, StreamConsumer* consumer) noexcept nogil:
    cdef uint32_t index
    cdef IdPlace place
    cdef StreamId id
    while id_map_end(&consumer.pending, &place):
        id = id_map_at(&consumer.pending, place).id
        heap_free(heap, id_map_pop(heap, &consumer.pending), sizeof(Pending))
        id_map_remove(heap, &group.pending, id)
    _consumer_index(group, stream_consumer_name(consumer), &index)
    _take_out(<void**>group.consumers, &group.consumer_count, index)
    _consumer_free(heap, consumer)


# ---- pending entries

cdef Pending* stream_pending_find(const StreamGroup* group, StreamId id) noexcept nogil:
    return <Pending*>id_map_get(&group.pending, id)


cdef Pending* stream_pending_add(Heap* heap, StreamGroup* group, StreamConsumer* consumer, StreamId id, int64_t now_ms) noexcept nogil:
    cdef Pending* pending = <Pending*>heap_try_alloc(heap, sizeof(Pending))
    if pending == NULL:
        return NULL
    pending.delivered_ms = now_ms
    pending.deliveries = 1
    pending.consumer = consumer
    if id_map_put(heap, &group.pending, id, pending):
        if id_map_put(heap, &consumer.pending, id, pending):
            return pending
        id_map_remove(heap, &group.pending, id)
    heap_free(heap, pending, sizeof(Pending))
    return NULL


cdef Pending* stream_pending_load(Heap* heap, StreamGroup* group, StreamId id) noexcept nogil:
    cdef Pending* pending = <Pending*>heap_try_alloc(heap, sizeof(Pending))
    if pending == NULL:
        return NULL
    pending.consumer = NULL
    if id_map_put(heap, &group.pending, id, pending):
        return pending
    heap_free(heap, pending, sizeof(Pending))
    return NULL


cdef bint stream_pending_own(Heap* heap, Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil:
    if not id_map_put(heap, &consumer.pending, id, pending):
        return False
    pending.consumer = consumer
    return True


cdef bint stream_pending_give(Heap* heap, Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil:
    if pending.consumer != consumer:
        if not id_map_put(heap, &consumer.pending, id, pending):
            return False
        id_map_remove(heap, &pending.consumer.pending, id)
        pending.consumer = consumer
    return True


cdef bint stream_pending_remove(Heap* heap, StreamGroup* group, StreamId id) noexcept nogil:
    cdef Pending* pending = <Pending*>id_map_remove(heap, &group.pending, id)
    if pending == NULL:
        return False
    id_map_remove(heap, &pending.consumer.pending, id)
    heap_free(heap, pending, sizeof(Pending))
    return True


cdef bint stream_groups_want(const StreamGroups* groups, StreamId id) noexcept nogil:
    cdef uint32_t i
    for i in range(groups.count):
        if id_compare(id, groups.items[i].last_id) > 0 or stream_pending_find(groups.items[i], id) != NULL:
            return True
    return False


cdef void stream_groups_forget(Heap* heap, StreamGroups* groups, StreamId id) noexcept nogil:
    cdef uint32_t i
    for i in range(groups.count):
        stream_pending_remove(heap, groups.items[i], id)


# ---- the whole

cdef bint _copy_group(Heap* heap, const StreamGroup* group, StreamGroups* copy_out) noexcept nogil:
    cdef StreamGroup* copy = stream_group_add(heap, copy_out, stream_group_name(group), group.last_id, group.entries_read)
    cdef StreamConsumer* consumer
    cdef StreamConsumer* source
    cdef Pending* pending
    cdef Pending* copied
    cdef IdPlace place
    cdef IdItem* item
    cdef uint32_t i
    cdef bint more
    if copy == NULL:
        return False
    for i in range(group.consumer_count):
        source = group.consumers[i]
        consumer = stream_consumer_add(heap, copy, stream_consumer_name(source), source.seen_ms)
        if consumer == NULL:
            return False
        consumer.active_ms = source.active_ms
    place.chunk = 0
    place.index = 0
    more = group.pending.count != 0
    while more:
        item = id_map_at(&group.pending, place)
        pending = <Pending*>item.value
        consumer = stream_consumer_find(copy, stream_consumer_name(pending.consumer))
        copied = stream_pending_add(heap, copy, consumer, item.id, pending.delivered_ms)
        if copied == NULL:
            return False
        copied.deliveries = pending.deliveries
        more = id_map_next(&group.pending, &place)
    return True


cdef bint stream_groups_copy(Heap* heap, const StreamGroups* groups, StreamGroups* copy_out) noexcept nogil:
    cdef uint32_t i
    stream_groups_init(copy_out)
    for i in range(groups.count):
        if not _copy_group(heap, groups.items[i], copy_out):
            stream_groups_clear(heap, copy_out)
            return False
    return True


cdef uint64_t stream_groups_memory(const StreamGroups* groups) noexcept nogil:
    cdef uint64_t total = heap_block_bytes(groups.capacity * sizeof(void*)) if groups.capacity else 0
    cdef StreamGroup* group
    cdef uint32_t i, j
    for i in range(groups.count):
        group = groups.items[i]
        total += heap_block_bytes(sizeof(StreamGroup) + group.name_length) + group.pending.bytes
        total += group.pending.count * heap_block_bytes(sizeof(Pending))
        total += heap_block_bytes(group.consumer_capacity * sizeof(void*)) if group.consumer_capacity else 0
        for j in range(group.consumer_count):
            total += heap_block_bytes(sizeof(StreamConsumer) + group.consumers[j].name_length)
            total += group.consumers[j].pending.bytes
    return total


cdef uint64_t stream_groups_blocks(const StreamGroups* groups) noexcept nogil:
    cdef uint64_t total = groups.count
    cdef uint32_t i
    for i in range(groups.count):
        total += groups.items[i].pending.count + groups.items[i].consumer_count
    return total


cdef void _check_consumer(const StreamGroup* group, const StreamConsumer* consumer) noexcept nogil:
    cdef IdPlace place
    cdef bint more = consumer.pending.count != 0
    place.chunk = 0
    place.index = 0
    id_map_check(&consumer.pending)
    while more:
        invariant((<Pending*>id_map_at(&consumer.pending, place).value).consumer == consumer, b"group: whose it is")
        invariant(id_map_get(&group.pending, id_map_at(&consumer.pending, place).id)
                  == id_map_at(&consumer.pending, place).value, b"group: pending for a consumer only")
        more = id_map_next(&consumer.pending, &place)


cdef void stream_groups_check(const StreamGroups* groups) noexcept nogil:
    cdef uint32_t i, j
    cdef uint64_t total
    cdef StreamGroup* group
    if not HUTCH_CHECKS:
        return
    for i in range(groups.count):
        group = groups.items[i]
        invariant(i == 0 or slice_compare(stream_group_name(groups.items[i - 1]), stream_group_name(group)) < 0,
                  b"groups: the order")
        id_map_check(&group.pending)
        total = 0
        for j in range(group.consumer_count):
            invariant(j == 0 or slice_compare(stream_consumer_name(group.consumers[j - 1]),
                                              stream_consumer_name(group.consumers[j])) < 0, b"consumers: the order")
            _check_consumer(group, group.consumers[j])
            total += group.consumers[j].pending.count
        invariant(total == group.pending.count, b"group: pending for nobody")
