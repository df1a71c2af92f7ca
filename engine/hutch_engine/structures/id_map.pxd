"""Ordered map from stream IDs to pointers: a stream's blocks, a group's and a consumer's pending entries.

    IdMap
      chunks ---> [ chunk ][ chunk ][ chunk ] ...        a directory with room at both ends
                      |
                  [ id | value ][ id | value ] ...        up to ID_CHUNK_ITEMS, in order

IDs mostly arrive in rising order and leave in the same: putting behind the last and removing the first cost O(1),
everything else O(log n), and beside it the move of a chunk's items and, once a chunk, of the directory's shorter
side. Chunks are small blocks of the heap; only the directory of a very long map can be refused.

The values are the caller's. Not thread-safe: the engine's lock guards it.
"""
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from hutch_engine.base.memory cimport Heap

cdef enum:
    ID_CHUNK_ITEMS = 82              # 1,976 bytes: the largest chunk that is still a small block
    ID_TEXT_MAX = 42                 # two numbers of 20 digits, a dash; rounded up

cdef struct StreamId:
    uint64_t ms
    uint64_t seq

cdef struct IdItem:
    StreamId id
    void* value

cdef struct IdChunk:
    uint32_t count
    uint32_t capacity
    # the items follow

cdef struct IdMap:
    IdChunk** chunks                 # owned, with the chunks; chunk i is chunks[first + i]
    size_t first
    size_t chunk_count
    size_t capacity                  # words of the directory
    uint64_t count                   # items
    uint64_t bytes                   # that chunks and directory really take

cdef struct IdPlace:                 # valid until the map changes
    size_t chunk
    uint32_t index

cdef size_t id_text(StreamId id, char* out) noexcept nogil
"""Write an ID as "ms-seq" to `out`, which has room for ID_TEXT_MAX bytes, no terminator. Returns how many bytes."""

cdef inline int id_compare(StreamId a, StreamId b) noexcept nogil:
    """Negative, 0 or positive, as `a` is lower than `b`, the same, or higher."""
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    return 0 if a.seq == b.seq else (-1 if a.seq < b.seq else 1)

cdef inline StreamId id_of(uint64_t ms, uint64_t seq) noexcept nogil:
    """The ID ms-seq."""
    cdef StreamId id
    id.ms = ms
    id.seq = seq
    return id

cdef inline bint id_is_zero(StreamId id) noexcept nogil:
    """Is it 0-0?"""
    return id.ms == 0 and id.seq == 0

cdef inline bint id_increment(StreamId* id) noexcept nogil:
    """Go on to the next higher ID; False, and 0-0, behind the last ID there is."""
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
        return id.ms != 0
    return True

cdef inline bint id_decrement(StreamId* id) noexcept nogil:
    """Go back to the next lower ID; False, and the last ID there is, before 0-0."""
    if id.seq == 0:
        id.ms -= 1
        id.seq = UINT64_MAX
        return id.ms != UINT64_MAX
    id.seq -= 1
    return True

cdef inline IdItem* id_chunk_items(const IdChunk* chunk) noexcept nogil:
    """The chunk's items, behind its header; borrowed from it."""
    return <IdItem*>(<char*>chunk + sizeof(IdChunk))

cdef inline IdItem* id_map_at(const IdMap* map, IdPlace place) noexcept nogil:
    """The item of a place, which exists."""
    return id_chunk_items(map.chunks[map.first + place.chunk]) + place.index

cdef inline bint id_map_next(const IdMap* map, IdPlace* place) noexcept nogil:
    """On to the following item; False (and no place any more) at the end."""
    place.index += 1
    if place.index < map.chunks[map.first + place.chunk].count:
        return True
    place.index = 0
    place.chunk += 1
    return place.chunk < map.chunk_count

cdef inline bint id_map_previous(const IdMap* map, IdPlace* place) noexcept nogil:
    """On to the preceding item; False, with the place unchanged, at the first one. O(1)."""
    if place.index == 0:
        if place.chunk == 0:
            return False
        place.chunk -= 1
        place.index = map.chunks[map.first + place.chunk].count
    place.index -= 1
    return True

cdef void id_map_init(IdMap* map) noexcept nogil
"""Make an empty map; nothing is allocated yet."""
cdef void id_map_clear(Heap* heap, IdMap* map) noexcept nogil
"""Free chunks and directory; the map is empty then."""
cdef bint id_map_seek(const IdMap* map, StreamId id, IdPlace* place_out) noexcept nogil
"""Stand on the first item with this ID or a later one; False when there is none. O(log n), O(1) behind the last."""
cdef bint id_map_seek_last(const IdMap* map, StreamId id, IdPlace* place_out) noexcept nogil
"""Stand on the last item with this ID or an earlier one; False when there is none. O(log n)."""
cdef bint id_map_end(const IdMap* map, IdPlace* place_out) noexcept nogil
"""Stand on the last item; False when the map is empty. O(1)."""
cdef void* id_map_get(const IdMap* map, StreamId id) noexcept nogil
"""The value of this ID, or NULL if absent. O(log n)."""
cdef bint id_map_put(Heap* heap, IdMap* map, StreamId id, void* value) noexcept nogil
"""Add a value under an ID known to be absent. False when memory was refused (nothing changed). O(log n), O(1) behind the last."""
cdef void* id_map_remove_at(Heap* heap, IdMap* map, IdPlace place) noexcept nogil
"""Take an item out; its value. The place then is that of the following item, or of none if it was the last
of its chunk: seek again."""
cdef void* id_map_remove(Heap* heap, IdMap* map, StreamId id) noexcept nogil
"""The value that was taken out, or NULL if absent."""
cdef void* id_map_pop(Heap* heap, IdMap* map) noexcept nogil
"""Take the last item out; its value, or NULL when empty."""
cdef void id_map_check(const IdMap* map) noexcept nogil
"""Walk it all and verify the invariants; panics in checks builds."""
