"""See id_map.pxd."""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc

cdef enum:
    FIRST_ITEMS = 4              # a group of one consumer with little pending stays small ...
    SECOND_ITEMS = 16
    FIRST_WORDS = 4


# ---- IDs as text

cdef inline size_t _digits(uint64_t value, char* out) noexcept nogil:
    cdef char[20] backwards
    cdef size_t count = 0
    cdef size_t i
    while True:
        backwards[count] = <char>(48 + value % 10)
        count += 1
        value //= 10
        if value == 0:
            break
    for i in range(count):
        out[i] = backwards[count - 1 - i]
    return count


cdef size_t id_text(StreamId id, char* out) noexcept nogil:
    cdef size_t length = _digits(id.ms, out)
    out[length] = 45               # -
    return length + 1 + _digits(id.seq, out + length + 1)


# ---- chunks

cdef inline size_t _chunk_bytes(uint32_t capacity) noexcept nogil:
    return sizeof(IdChunk) + capacity * sizeof(IdItem)


cdef inline size_t _directory_bytes(size_t capacity) noexcept nogil:
    return heap_block_bytes(capacity * sizeof(void*)) if capacity else 0


cdef inline IdChunk* _chunk(const IdMap* map, size_t index) noexcept nogil:
    return map.chunks[map.first + index]


cdef void id_map_init(IdMap* map) noexcept nogil:
    map.chunks = NULL
    map.first = 0
    map.chunk_count = 0
    map.capacity = 0
    map.count = 0
    map.bytes = 0


cdef IdChunk* _chunk_new(Heap* heap, IdMap* map, uint32_t capacity) noexcept nogil:
    """NULL when refused."""
    cdef IdChunk* chunk = <IdChunk*>heap_try_alloc(heap, _chunk_bytes(capacity))
    if chunk == NULL:
        return NULL
    chunk.count = 0
    chunk.capacity = capacity
    map.bytes += heap_block_bytes(_chunk_bytes(capacity))
    return chunk


cdef void _chunk_free(Heap* heap, IdMap* map, IdChunk* chunk) noexcept nogil:
    map.bytes -= heap_block_bytes(_chunk_bytes(chunk.capacity))
    heap_free(heap, chunk, _chunk_bytes(chunk.capacity))


cdef void id_map_clear(Heap* heap, IdMap* map) noexcept nogil:
    cdef size_t i
    for i in range(map.chunk_count):
        _chunk_free(heap, map, _chunk(map, i))
    heap_free(heap, map.chunks, map.capacity * sizeof(void*))
    id_map_init(map)


# ---- the directory

cdef bint _room_for_chunk(Heap* heap, IdMap* map) noexcept nogil:
    """One more word in the directory, behind its last."""
    cdef IdChunk** longer
    cdef size_t capacity
    if likely(map.first + map.chunk_count < map.capacity):
        return True
    if map.first > map.capacity // 2:            # it wandered: back to the front. Paid for by what left there.
        memmove(map.chunks, map.chunks + map.first, map.chunk_count * sizeof(void*))
        map.first = 0
        return True
    capacity = map.capacity * 2 if map.capacity else FIRST_WORDS
    longer = <IdChunk**>heap_try_alloc(heap, capacity * sizeof(void*))
    if longer == NULL:
        return False
    if map.chunk_count:
        memcpy(longer, map.chunks + map.first, map.chunk_count * sizeof(void*))
    heap_free(heap, map.chunks, map.capacity * sizeof(void*))
    map.bytes += _directory_bytes(capacity) - _directory_bytes(map.capacity)
    map.chunks = longer
    map.capacity = capacity
    map.first = 0
    return True


cdef void _directory_insert(IdMap* map, size_t index, IdChunk* chunk) noexcept nogil:
    """Requires the room."""
    cdef IdChunk** at = map.chunks + map.first
    if index < map.chunk_count // 2 and map.first:
        memmove(at - 1, at, index * sizeof(void*))
        map.first -= 1
    elif index < map.chunk_count:
        memmove(at + index + 1, at + index, (map.chunk_count - index) * sizeof(void*))
    map.chunk_count += 1
    map.chunks[map.first + index] = chunk


cdef void _directory_remove(Heap* heap, IdMap* map, size_t index) noexcept nogil:
    cdef IdChunk** at = map.chunks + map.first
    _chunk_free(heap, map, at[index])
    map.chunk_count -= 1
    if index < map.chunk_count // 2 or index == 0:
        if index:
            memmove(at + 1, at, index * sizeof(void*))
        map.first += 1
    else:
        memmove(at + index, at + index + 1, (map.chunk_count - index) * sizeof(void*))
    if map.chunk_count == 0:
        heap_free(heap, map.chunks, map.capacity * sizeof(void*))
        map.bytes -= _directory_bytes(map.capacity)
        map.chunks = NULL
        map.capacity = 0
        map.first = 0


# ---- finding

cdef uint32_t _lower_bound(const IdChunk* chunk, StreamId id) noexcept nogil:
    cdef IdItem* items = id_chunk_items(chunk)
    cdef uint32_t low = 0
    cdef uint32_t high = chunk.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if id_compare(items[middle].id, id) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline StreamId _last_of(const IdChunk* chunk) noexcept nogil:
    return id_chunk_items(chunk)[chunk.count - 1].id


cdef bint id_map_seek(const IdMap* map, StreamId id, IdPlace* place_out) noexcept nogil:
    cdef size_t low = 0
    cdef size_t high = map.chunk_count
    cdef size_t middle
    place_out.chunk = high
    place_out.index = 0
    if high == 0 or id_compare(_last_of(_chunk(map, high - 1)), id) < 0:
        return False
    # The first chunk is where acknowledged entries come from.
    if id_compare(_last_of(_chunk(map, 0)), id) >= 0:
        high = 0
    else:
        low = 1
        high -= 1
    while low < high:
        middle = (low + high) // 2
        if id_compare(_last_of(_chunk(map, middle)), id) < 0:
            low = middle + 1
        else:
            high = middle
    place_out.chunk = low
    place_out.index = _lower_bound(_chunk(map, low), id)
    return True


cdef bint id_map_seek_last(const IdMap* map, StreamId id, IdPlace* place_out) noexcept nogil:
    if not id_map_seek(map, id, place_out):
        return id_map_end(map, place_out)
    if id_compare(id_map_at(map, place_out[0]).id, id) == 0:
        return True
    return id_map_previous(map, place_out)


cdef bint id_map_end(const IdMap* map, IdPlace* place_out) noexcept nogil:
    if map.chunk_count == 0:
        return False
    place_out.chunk = map.chunk_count - 1
    place_out.index = _chunk(map, place_out.chunk).count - 1
    return True


cdef void* id_map_get(const IdMap* map, StreamId id) noexcept nogil:
    cdef IdPlace place
    cdef IdItem* item
    if not id_map_seek(map, id, &place):
        return NULL
    item = id_map_at(map, place)
    return item.value if id_compare(item.id, id) == 0 else NULL


# ---- changing

cdef IdChunk* _grown(Heap* heap, IdMap* map, size_t index) noexcept nogil:
    """The same chunk with more room; NULL when refused."""
    cdef IdChunk* old = _chunk(map, index)
    cdef IdChunk* chunk = _chunk_new(heap, map, SECOND_ITEMS if old.capacity < SECOND_ITEMS else ID_CHUNK_ITEMS)
    if chunk == NULL:
        return NULL
    memcpy(id_chunk_items(chunk), id_chunk_items(old), old.count * sizeof(IdItem))
    chunk.count = old.count
    _chunk_free(heap, map, old)
    map.chunks[map.first + index] = chunk
    return chunk


cdef bint _split(Heap* heap, IdMap* map, size_t index) noexcept nogil:
    """Half of the items of a full chunk go to a new one behind it; False when refused. Requires room in the directory."""
    cdef IdChunk* chunk = _chunk(map, index)
    cdef IdChunk* upper = _chunk_new(heap, map, ID_CHUNK_ITEMS)
    cdef uint32_t half = chunk.count // 2
    if upper == NULL:
        return False
    upper.count = chunk.count - half
    memcpy(id_chunk_items(upper), id_chunk_items(chunk) + half, upper.count * sizeof(IdItem))
    chunk.count = half
    _directory_insert(map, index + 1, upper)
    return True


cdef inline void _set(IdChunk* chunk, uint32_t index, StreamId id, void* value) noexcept nogil:
    cdef IdItem* item = id_chunk_items(chunk) + index
    if index < chunk.count:
        memmove(item + 1, item, (chunk.count - index) * sizeof(IdItem))
    item.id = id
    item.value = value
    chunk.count += 1


cdef bint id_map_put(Heap* heap, IdMap* map, StreamId id, void* value) noexcept nogil:
    cdef IdPlace place
    cdef IdChunk* chunk
    if not id_map_seek(map, id, &place):
        # Behind the last, where nearly all go.
        chunk = _chunk(map, map.chunk_count - 1) if map.chunk_count else NULL
        if chunk != NULL and chunk.count == chunk.capacity and chunk.capacity < ID_CHUNK_ITEMS:
            chunk = _grown(heap, map, map.chunk_count - 1)
            if chunk == NULL:
                return False
        if chunk == NULL or chunk.count == chunk.capacity:
            if not _room_for_chunk(heap, map):
                return False
            chunk = _chunk_new(heap, map, ID_CHUNK_ITEMS if map.chunk_count else FIRST_ITEMS)
            if chunk == NULL:
                return False
            _directory_insert(map, map.chunk_count, chunk)
        _set(chunk, chunk.count, id, value)
        map.count += 1
        return True
    chunk = _chunk(map, place.chunk)
    if chunk.count == chunk.capacity:
        if chunk.capacity < ID_CHUNK_ITEMS:
            chunk = _grown(heap, map, place.chunk)
            if chunk == NULL:
                return False
        else:
            if not _room_for_chunk(heap, map) or not _split(heap, map, place.chunk):
                return False
            id_map_seek(map, id, &place)
            chunk = _chunk(map, place.chunk)
    _set(chunk, place.index, id, value)
    map.count += 1
    return True


cdef void _merge(Heap* heap, IdMap* map, size_t index) noexcept nogil:
    """The items of chunk index + 1 move to the end of chunk index, which has the room."""
    cdef IdChunk* chunk = _chunk(map, index)
    cdef IdChunk* other = _chunk(map, index + 1)
    memcpy(id_chunk_items(chunk) + chunk.count, id_chunk_items(other), other.count * sizeof(IdItem))
    chunk.count += other.count
    _directory_remove(heap, map, index + 1)


cdef void* id_map_remove_at(Heap* heap, IdMap* map, IdPlace place) noexcept nogil:
    cdef IdChunk* chunk = _chunk(map, place.chunk)
    cdef IdItem* item = id_chunk_items(chunk) + place.index
    cdef void* value = item.value
    cdef size_t left = place.chunk
    chunk.count -= 1
    map.count -= 1
    if place.index < chunk.count:
        memmove(item, item + 1, (chunk.count - place.index) * sizeof(IdItem))
    if chunk.count == 0:
        _directory_remove(heap, map, place.chunk)
    elif chunk.count < ID_CHUNK_ITEMS // 4 and map.chunk_count > 1 and place.chunk:
        # Sparse chunks in the middle would keep their memory; the first one is just being emptied.
        left = place.chunk - 1
        if _chunk(map, left).count + chunk.count <= _chunk(map, left).capacity * 3 // 4:
            _merge(heap, map, left)
    return value


cdef void* id_map_remove(Heap* heap, IdMap* map, StreamId id) noexcept nogil:
    cdef IdPlace place
    if not id_map_seek(map, id, &place) or id_compare(id_map_at(map, place).id, id) != 0:
        return NULL
    return id_map_remove_at(heap, map, place)


cdef void* id_map_pop(Heap* heap, IdMap* map) noexcept nogil:
    cdef IdPlace place
    if not id_map_end(map, &place):
        return NULL
    return id_map_remove_at(heap, map, place)


cdef void id_map_check(const IdMap* map) noexcept nogil:
    cdef size_t i
    cdef uint32_t j
    cdef uint64_t count = 0
    cdef uint64_t bytes = _directory_bytes(map.capacity)
    cdef IdItem* item
    cdef IdItem* before = NULL
    if not HUTCH_CHECKS:
        return
    invariant(map.first + map.chunk_count <= map.capacity, b"id map: the directory's size")
    for i in range(map.chunk_count):
        invariant(0 < _chunk(map, i).count <= _chunk(map, i).capacity, b"id map: a chunk's count")
        bytes += heap_block_bytes(_chunk_bytes(_chunk(map, i).capacity))
        for j in range(_chunk(map, i).count):
            item = id_chunk_items(_chunk(map, i)) + j
            invariant(before == NULL or id_compare(before.id, item.id) < 0, b"id map: the order")
            before = item
            count += 1
    invariant(count == map.count, b"id map: the count")
    invariant(bytes == map.bytes, b"id map: the bytes")
