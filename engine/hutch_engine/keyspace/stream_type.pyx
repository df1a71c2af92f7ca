"""See stream_type.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from hutch_engine.base.digest cimport Digest, digest_mix
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.entry cimport Entry, entry_pointer
from hutch_engine.structures.id_map cimport ID_TEXT_MAX, id_of, id_text
from hutch_engine.structures.stream cimport Stream, stream_copy, stream_effort, stream_free, stream_free_some, stream_memory
from hutch_engine.structures.stream_log cimport (
    StreamCursor, StreamPairs, stream_log_first, stream_log_next, stream_pairs, stream_pairs_next)

cdef enum:
    DIGEST_NUMBER = 6            # Redis's number of the type: that of modules' types comes in between
    DASH = 45
    DOT = 46


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    stream_free(heap, <Stream*>pointer)


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    return stream_free_some(heap, <Stream*>pointer, steps)


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return stream_effort(<const Stream*>pointer)


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    return stream_copy(heap, <const Stream*>pointer)


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    return stream_memory(<const Stream*>pointer)


cdef uint64_t _length(const Entry* entry) noexcept nogil:
    return (<const Stream*>entry_pointer(entry)).log.length


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    """Groups are not looked at, as in Redis."""
    cdef Stream* stream = <Stream*>entry_pointer(entry)
    cdef char[ID_TEXT_MAX] text
    cdef StreamCursor cursor
    cdef StreamPairs pairs
    cdef Slice name, value
    cdef size_t length, i
    cdef bint more = stream_log_first(&stream.log, id_of(0, 0), &cursor)
    while more:
        length = id_text(cursor.id, text)
        for i in range(length):
            if text[i] == DASH:          # a dot stands in its place here
                text[i] = DOT
        digest_mix(digest, slice_of(text, length))
        stream_pairs(&cursor, &pairs)
        while pairs.count:
            stream_pairs_next(&pairs, &name, &value)
            digest_mix(digest, name)
            digest_mix(digest, value)
        more = stream_log_next(&cursor)


cdef void stream_type(ValueType* row) noexcept nogil:
    row.name = b"stream"
    row.encodings[STREAM_LOG].name = b"stream"
    row.digest_number = DIGEST_NUMBER
    row.told_when_gone = True            # a group that somebody reads from goes with it
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
