"""structures/stream and what it is made of, for tests."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.outcome cimport OK
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.id_map cimport (
    IdMap, IdPlace, StreamId, id_compare, id_map_at, id_map_check, id_map_clear, id_map_get, id_map_init, id_map_next,
    id_map_pop, id_map_previous, id_map_put, id_map_remove, id_map_seek, id_map_seek_last, id_of)
from hutch_engine.structures.stream cimport (
    Stream, StreamTrim, stream_check, stream_copy, stream_delete, stream_effort, stream_entries_up_to, stream_free,
    stream_free_some, stream_group_read, stream_lag, stream_memory, stream_new, stream_trim)
from hutch_engine.structures.stream_group cimport (
    Pending, StreamConsumer, StreamGroup, stream_consumer_add, stream_consumer_find, stream_consumer_name,
    stream_consumer_remove, stream_group_add, stream_group_find, stream_group_name, stream_group_remove,
    stream_groups_forget, stream_groups_want, stream_pending_add, stream_pending_find, stream_pending_give,
    stream_pending_remove)
from hutch_engine.structures.stream_log cimport (
    StreamCursor, StreamPairs, stream_log_append, stream_log_find, stream_log_first, stream_log_last, stream_log_next,
    stream_log_previous, stream_log_tree_nodes, stream_pairs, stream_pairs_next)


cdef inline Slice _slice(bytes text):
    return slice_of(<const char*>text, len(text))


cdef inline StreamId _id(tuple id):
    return id_of(id[0], id[1])


cdef inline tuple _tuple(StreamId id):
    return id.ms, id.seq


cdef class IdMapShim:
    cdef Heap* heap
    cdef IdMap map

    def __cinit__(self):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        id_map_init(&self.map)

    def __dealloc__(self):
        if self.heap != NULL:
            id_map_clear(self.heap, &self.map)
            heap_clear(self.heap)
            free(self.heap)

    @property
    def live_blocks(self):
        return self.heap.live_blocks

    def __len__(self):
        return self.map.count

    def put(self, tuple id, uint64_t value):
        return id_map_put(self.heap, &self.map, _id(id), <void*>value)

    def get(self, tuple id):
        return <uint64_t>id_map_get(&self.map, _id(id))

    def remove(self, tuple id):
        return <uint64_t>id_map_remove(self.heap, &self.map, _id(id))

    def pop(self):
        return <uint64_t>id_map_pop(self.heap, &self.map)

    def seek(self, tuple id, bint last=False):
        """The ID found, or None."""
        cdef IdPlace place
        cdef bint found
        if last:
            found = id_map_seek_last(&self.map, _id(id), &place)
        else:
            found = id_map_seek(&self.map, _id(id), &place)
        return _tuple(id_map_at(&self.map, place).id) if found else None

    def items(self, bint backwards=False):
        cdef IdPlace place
        cdef bint more
        found = []
        if backwards:
            more = id_map_seek_last(&self.map, id_of(<uint64_t>-1, <uint64_t>-1), &place)
        else:
            more = id_map_seek(&self.map, id_of(0, 0), &place)
        while more:
            found.append((_tuple(id_map_at(&self.map, place).id), <uint64_t>id_map_at(&self.map, place).value))
            more = id_map_previous(&self.map, &place) if backwards else id_map_next(&self.map, &place)
        return found

    def check(self):
        id_map_check(&self.map)

    def clear(self):
        id_map_clear(self.heap, &self.map)


cdef class StreamShim:
    cdef Heap* heap
    cdef Stream* stream

    def __cinit__(self):
        self.heap = <Heap*>malloc(sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError
        heap_init(self.heap)
        self.stream = stream_new(self.heap)

    def __dealloc__(self):
        if self.heap != NULL:
            if self.stream != NULL:
                stream_free(self.heap, self.stream)
            heap_clear(self.heap)
            free(self.heap)

    def __len__(self):
        return self.stream.log.length

    @property
    def live_blocks(self):
        return self.heap.live_blocks

    @property
    def used_bytes(self):
        return self.heap.used_bytes

    @property
    def memory(self):
        return stream_memory(self.stream)

    @property
    def blocks(self):
        return self.stream.log.blocks.count

    @property
    def tree_nodes(self):
        return stream_log_tree_nodes(&self.stream.log)

    @property
    def ids(self):
        """first, last, highest deleted."""
        return _tuple(self.stream.log.first_id), _tuple(self.stream.log.last_id), _tuple(self.stream.log.max_deleted_id)

    @property
    def effort(self):
        return stream_effort(self.stream)

    def refuse_memory_after(self, int64_t allocations):
        self.heap.fail_after = <uint64_t>allocations

    def append(self, tuple id, list pairs, uint64_t max_bytes=4096, uint64_t max_entries=100):
        """The outcome."""
        cdef Slice* words = <Slice*>malloc(2 * len(pairs) * sizeof(Slice) + 1)
        cdef int outcome
        flat = [word for pair in pairs for word in pair]
        for i, word in enumerate(flat):
            words[i] = _slice(word)
        outcome = stream_log_append(self.heap, &self.stream.log, _id(id), words, len(pairs), max_bytes, max_entries)
        free(words)
        return outcome

    cdef tuple _entry(self, StreamCursor* cursor):
        cdef StreamPairs pairs
        cdef Slice name, value
        found = []
        stream_pairs(cursor, &pairs)
        while pairs.count:
            stream_pairs_next(&pairs, &name, &value)
            found.append((name.data[:name.length], value.data[:value.length]))
        return _tuple(cursor.id), found

    def range(self, tuple start=(0, 0), tuple end=(2**64 - 1, 2**64 - 1), bint backwards=False):
        cdef StreamCursor cursor
        cdef bint more
        found = []
        if backwards:
            more = stream_log_last(&self.stream.log, _id(end), &cursor)
        else:
            more = stream_log_first(&self.stream.log, _id(start), &cursor)
        while more and (id_compare(cursor.id, _id(start)) >= 0 if backwards else id_compare(cursor.id, _id(end)) <= 0):
            found.append(self._entry(&cursor))
            more = stream_log_previous(&cursor) if backwards else stream_log_next(&cursor)
        return found

    def find(self, tuple id):
        cdef StreamCursor cursor
        return self._entry(&cursor)[1] if stream_log_find(&self.stream.log, _id(id), &cursor) else None

    def delete(self, tuple id):
        return stream_delete(self.heap, self.stream, _id(id))

    def trim(self, int strategy, uint64_t max_length=0, tuple min_id=(0, 0), bint approximate=False, uint64_t limit=0, int refs=0):
        cdef StreamTrim trim
        trim.strategy = strategy
        trim.refs = refs
        trim.approximate = approximate
        trim.limit = limit
        trim.max_length = max_length
        trim.min_id = _id(min_id)
        return stream_trim(self.heap, self.stream, &trim)

    def check(self):
        stream_check(self.stream)

    def copy_matches(self):
        """A copy shows the same, and goes again."""
        cdef Stream* copy = stream_copy(self.heap, self.stream)
        cdef Stream* own = self.stream
        if copy == NULL:
            return None
        stream_check(copy)
        shown = self.range(), self.ids, self.groups()
        self.stream = copy
        same = shown == (self.range(), self.ids, self.groups())
        self.stream = own
        stream_free(self.heap, copy)
        return same

    def free_in_slices(self, uint64_t steps):
        """How many slices it took. The stream is gone then."""
        cdef int slices = 1
        while stream_free_some(self.heap, self.stream, steps):
            slices += 1
        self.stream = NULL
        return slices

    # ---- groups

    cdef StreamGroup* _group(self, bytes name) except NULL:
        cdef StreamGroup* group = stream_group_find(&self.stream.groups, _slice(name))
        if group == NULL:
            raise KeyError(name)
        return group

    def group_add(self, bytes name, tuple last_id=(0, 0)):
        return stream_group_add(self.heap, &self.stream.groups, _slice(name), _id(last_id), 0) != NULL

    def group_remove(self, bytes name):
        stream_group_remove(self.heap, &self.stream.groups, self._group(name))

    def consumer_add(self, bytes group, bytes name):
        return stream_consumer_add(self.heap, self._group(group), _slice(name), 1) != NULL

    def consumer_remove(self, bytes group, bytes name):
        cdef StreamGroup* found = self._group(group)
        stream_consumer_remove(self.heap, found, stream_consumer_find(found, _slice(name)))

    def pending_add(self, bytes group, bytes consumer, tuple id):
        cdef StreamGroup* found = self._group(group)
        return stream_pending_add(self.heap, found, stream_consumer_find(found, _slice(consumer)), _id(id), 7) != NULL

    def pending_give(self, bytes group, bytes consumer, tuple id):
        cdef StreamGroup* found = self._group(group)
        return stream_pending_give(self.heap, stream_pending_find(found, _id(id)), _id(id), stream_consumer_find(found, _slice(consumer)))

    def pending_remove(self, bytes group, tuple id):
        return stream_pending_remove(self.heap, self._group(group), _id(id))

    def wanted(self, tuple id):
        return stream_groups_want(&self.stream.groups, _id(id))

    def forget(self, tuple id):
        stream_groups_forget(self.heap, &self.stream.groups, _id(id))

    def read(self, bytes group, tuple id):
        stream_group_read(self.stream, self._group(group), _id(id))

    def lag(self, bytes group):
        cdef int64_t lag
        return lag if stream_lag(self.stream, self._group(group), &lag) else None

    def entries_up_to(self, tuple id):
        return stream_entries_up_to(self.stream, _id(id))

    cdef dict _pending(self, const IdMap* map):
        cdef IdPlace place
        cdef bint more = id_map_seek(map, id_of(0, 0), &place)
        cdef Slice name
        found = {}
        while more:
            name = stream_consumer_name((<Pending*>id_map_at(map, place).value).consumer)
            found[_tuple(id_map_at(map, place).id)] = name.data[:name.length]
            more = id_map_next(map, &place)
        return found

    def groups(self):
        """name -> (last ID, {pending ID: consumer}, [consumers with the IDs pending for them])."""
        cdef StreamGroup* group
        cdef Slice name
        found = {}
        for i in range(self.stream.groups.count):
            group = self.stream.groups.items[i]
            consumers = []
            for j in range(group.consumer_count):
                name = stream_consumer_name(group.consumers[j])
                consumers.append((name.data[:name.length], list(self._pending(&group.consumers[j].pending))))
            name = stream_group_name(group)
            found[name.data[:name.length]] = _tuple(group.last_id), self._pending(&group.pending), consumers
        return found
