"""See stream_log.pxd."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport clz64, likely, load_i64, load_u16, load_u32, store_i64, unlikely
from hutch_engine.base.leb128 cimport leb128_read_u64, leb128_write
from hutch_engine.base.memory cimport HEAP_SMALL_MAX, Heap, heap_block_bytes, heap_free, heap_try_alloc, heap_try_resize
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer, parse_integer
from hutch_engine.base.outcome cimport NO_MEMORY, OK, OVERFLOW
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.id_map cimport (
    IdItem, id_compare, id_map_at, id_map_check, id_map_clear, id_map_end, id_map_init, id_map_next, id_map_pop,
    id_map_previous, id_map_put, id_map_remove_at, id_map_seek, id_map_seek_last, id_of)

cdef enum:
    RECORD_OVERHEAD_BYTES = 48   # at most: size, flags, ms, seq, count, back (5 + 1 + 10 + 10 + 10 + 5)
    VALUE_OVERHEAD_BYTES = 5     # at most, beside the bytes themselves
    LISTPACK_EMPTY_BYTES = 7
    FIRST_CAPACITY = 192
    GROWTH_BYTES = 512           # beyond the small blocks of the heap
    SPARE_BYTES = 128            # a new block gets so many more than the one before took: what the last record may take at most
    SEAL_BYTES = 31              # a full block with no more than this to spare stays as it is
    VALUE_INT16 = 0xF1           # first bytes of values, as in a listpack
    VALUE_INT24 = 0xF2
    VALUE_INT32 = 0xF3
    VALUE_INT64 = 0xF4
    VALUE_STRING32 = 0xF0
    VALUE_STRING12 = 0xE0
    VALUE_INT13 = 0xC0
    VALUE_STRING6 = 0x80


# ---- LEB128, and what listpacks would take

cdef inline const uint8_t* _read(const uint8_t* at, uint64_t* value_out) noexcept nogil:
    return <const uint8_t*>leb128_read_u64(<const char*>at, value_out)


cdef inline uint8_t* _write(uint8_t* at, uint64_t value) noexcept nogil:
    return <uint8_t*>leb128_write(<char*>at, value)


cdef inline uint64_t _back_bytes(uint64_t size) noexcept nogil:
    if likely(size < 128):
        return 1
    if size < 16384:
        return 2
    if size < 2097152:
        return 3
    return 4 if size < 268435456 else 5


cdef inline uint8_t* _write_back(uint8_t* at, uint64_t size) noexcept nogil:
    """Highest bits first; all bytes but the first carry the mark that another one stands before them."""
    cdef uint64_t bytes = _back_bytes(size)
    cdef uint64_t i
    for i in range(bytes):
        at[i] = <uint8_t>((size >> (7 * (bytes - 1 - i))) & 0x7F) | (0x80 if i else 0)
    return at + bytes


cdef inline uint64_t _read_back(const uint8_t* end) noexcept nogil:
    """The size of the record whose `back` ends before `end`."""
    cdef uint64_t size = 0
    cdef int shift = 0
    while True:
        end -= 1
        size |= <uint64_t>(end[0] & 0x7F) << shift
        if end[0] < 0x80:
            return size
        shift += 7


cdef inline uint64_t _listpack_of_bytes(uint64_t bytes) noexcept nogil:
    """A listpack's element with its length behind it. (Listpacks go up to 127, 16383 ... themselves.)"""
    if likely(bytes <= 127):
        return bytes + 1
    if bytes < 16383:
        return bytes + 2
    if bytes < 2097151:
        return bytes + 3
    return bytes + 4 if bytes < 268435455 else bytes + 5


cdef inline uint64_t _listpack_of_integer(int64_t value) noexcept nogil:
    if 0 <= value <= 127:
        return 2
    if -4096 <= value <= 4095:
        return 3
    if -32768 <= value <= 32767:
        return 4
    if -8388608 <= value <= 8388607:
        return 5
    return 6 if -2147483648 <= value <= 2147483647 else 10


# ---- values

cdef inline uint8_t* _write_integer(uint8_t* at, int64_t value) noexcept nogil:
    cdef uint64_t bits = <uint64_t>value
    if 0 <= value <= 127:
        at[0] = <uint8_t>value
        return at + 1
    if -4096 <= value <= 4095:
        at[0] = <uint8_t>(VALUE_INT13 | ((bits >> 8) & 0x1F))
        at[1] = <uint8_t>bits
        return at + 2
    if -32768 <= value <= 32767:
        at[0] = VALUE_INT16
        at[1] = <uint8_t>bits
        at[2] = <uint8_t>(bits >> 8)
        return at + 3
    if -8388608 <= value <= 8388607:
        at[0] = VALUE_INT24
        at[1] = <uint8_t>bits
        at[2] = <uint8_t>(bits >> 8)
        at[3] = <uint8_t>(bits >> 16)
        return at + 4
    if -2147483648 <= value <= 2147483647:
        at[0] = VALUE_INT32
        at[1] = <uint8_t>bits
        at[2] = <uint8_t>(bits >> 8)
        at[3] = <uint8_t>(bits >> 16)
        at[4] = <uint8_t>(bits >> 24)
        return at + 5
    at[0] = VALUE_INT64
    store_i64(at + 1, value)
    return at + 9


cdef inline uint8_t* _write_value(uint8_t* at, Slice text) noexcept nogil:
    cdef int64_t integer
    if (text.length and text.length < INTEGER_TEXT_MAX and (48 <= text.data[0] <= 57 or text.data[0] == 45)
            and parse_integer(text, &integer)):
        return _write_integer(at, integer)
    if likely(text.length < 64):
        at[0] = <uint8_t>(VALUE_STRING6 | text.length)
        at += 1
    elif text.length < 4096:
        at[0] = <uint8_t>(VALUE_STRING12 | text.length >> 8)
        at[1] = <uint8_t>text.length
        at += 2
    else:
        at[0] = VALUE_STRING32
        at[1] = <uint8_t>text.length
        at[2] = <uint8_t>(text.length >> 8)
        at[3] = <uint8_t>(text.length >> 16)
        at[4] = <uint8_t>(text.length >> 24)
        at += 5
    if text.length:
        memcpy(at, text.data, text.length)
    return at + text.length


cdef inline const uint8_t* _read_value(const uint8_t* at, Slice* text_out, char* digits) noexcept nogil:
    cdef uint8_t kind = at[0]
    cdef int64_t integer
    cdef size_t length
    if kind >= VALUE_STRING6 and kind < VALUE_INT13:
        length = kind & 0x3F
        text_out[0] = slice_of(<const char*>at + 1, length)
        return at + 1 + length
    if kind < VALUE_STRING6:
        integer = kind
        at += 1
    elif kind < VALUE_STRING12:
        # 13 bits with a sign
        integer = (<int64_t>(kind & 0x1F) << 8) | at[1]
        if integer >= 4096:
            integer -= 8192
        at += 2
    elif kind < VALUE_STRING32:
        length = (<size_t>(kind & 0x0F) << 8) | at[1]
        text_out[0] = slice_of(<const char*>at + 2, length)
        return at + 2 + length
    elif kind == VALUE_STRING32:
        length = load_u32(at + 1)
        text_out[0] = slice_of(<const char*>at + 5, length)
        return at + 5 + length
    elif kind == VALUE_INT16:
        integer = <int16_t>load_u16(at + 1)
        at += 3
    elif kind == VALUE_INT24:
        integer = (<int64_t>at[1]) | (<int64_t>at[2] << 8) | (<int64_t>at[3] << 16)
        if integer >= 8388608:
            integer -= 16777216
        at += 4
    elif kind == VALUE_INT32:
        integer = <int32_t>load_u32(at + 1)
        at += 5
    else:
        integer = load_i64(at + 1)
        at += 9
    text_out[0] = slice_of(digits, format_integer(integer, digits))
    return at


cdef inline uint64_t _listpack_of_name(Slice text) noexcept nogil:
    cdef uint8_t[9] scratch
    cdef int64_t integer
    if (text.length and text.length < INTEGER_TEXT_MAX and (48 <= text.data[0] <= 57 or text.data[0] == 45)
            and parse_integer(text, &integer)):
        return _listpack_of_bytes(<uint64_t>(_write_integer(scratch, integer) - scratch))
    return _listpack_of_bytes(text.length + (1 if text.length < 64 else (2 if text.length < 4096 else 5)))


# ---- blocks

cdef inline uint8_t* _record(const StreamBlock* block, uint64_t offset) noexcept nogil:
    return <uint8_t*>block + offset


cdef void _block_free(Heap* heap, StreamLog* log, StreamBlock* block) noexcept nogil:
    log.block_bytes -= heap_block_bytes(block.capacity)
    heap_free(heap, block, block.capacity)


cdef StreamBlock* _last_block(const StreamLog* log) noexcept nogil:
    cdef IdPlace place
    return <StreamBlock*>id_map_at(&log.blocks, place).value if id_map_end(&log.blocks, &place) else NULL


cdef StreamBlock* stream_log_first_block(const StreamLog* log) noexcept nogil:
    cdef IdPlace place
    place.chunk = 0
    place.index = 0
    return <StreamBlock*>id_map_at(&log.blocks, place).value if log.blocks.count else NULL


cdef void stream_log_init(StreamLog* log) noexcept nogil:
    id_map_init(&log.blocks)
    log.length = 0
    log.first_id = id_of(0, 0)
    log.last_id = id_of(0, 0)
    log.max_deleted_id = id_of(0, 0)
    log.entries_added = 0
    log.block_bytes = 0


cdef bint stream_log_clear_some(Heap* heap, StreamLog* log, uint64_t* steps) noexcept nogil:
    cdef StreamBlock* block
    while log.blocks.count:
        if steps[0] == 0:
            return True
        steps[0] -= 1
        block = <StreamBlock*>id_map_pop(heap, &log.blocks)
        _block_free(heap, log, block)
    return False


cdef void stream_log_clear(Heap* heap, StreamLog* log) noexcept nogil:
    cdef uint64_t steps = <uint64_t>-1
    stream_log_clear_some(heap, log, &steps)
    id_map_clear(heap, &log.blocks)


cdef bint stream_log_copy(Heap* heap, const StreamLog* log, StreamLog* copy_out) noexcept nogil:
    cdef IdPlace place
    cdef StreamBlock* block
    cdef StreamBlock* copy
    cdef bint more
    copy_out[0] = log[0]
    copy_out.block_bytes = 0
    id_map_init(&copy_out.blocks)
    place.chunk = 0
    place.index = 0
    more = log.blocks.count != 0
    while more:
        block = <StreamBlock*>id_map_at(&log.blocks, place).value
        copy = <StreamBlock*>heap_try_alloc(heap, block.bytes)
        if copy != NULL:
            memcpy(copy, block, block.bytes)
            copy.capacity = block.bytes
            copy_out.block_bytes += heap_block_bytes(copy.capacity)
        if copy == NULL or not id_map_put(heap, &copy_out.blocks, block.first, copy):
            if copy != NULL:
                _block_free(heap, copy_out, copy)
            stream_log_clear(heap, copy_out)
            return False
        more = id_map_next(&log.blocks, &place)
    return True


cdef inline void _count_deleted(StreamBlock* block) noexcept nogil:
    block.listpack_bytes += _listpack_of_integer(block.count - 1) - _listpack_of_integer(block.count)
    block.listpack_bytes += _listpack_of_integer(block.deleted + 1) - _listpack_of_integer(block.deleted)
    block.count -= 1
    block.deleted += 1


# ---- appending

cdef StreamBlock* _resized(Heap* heap, StreamLog* log, StreamBlock* block, uint64_t capacity) noexcept nogil:
    """The last block with another capacity; NULL, and nothing changed, when refused."""
    cdef uint64_t old = block.capacity
    cdef IdPlace place
    cdef StreamBlock* moved = <StreamBlock*>heap_try_resize(heap, block, old, capacity)
    if moved == NULL:
        return NULL
    log.block_bytes += heap_block_bytes(capacity)
    log.block_bytes -= heap_block_bytes(old)
    moved.capacity = capacity
    if moved != block:
        id_map_end(&log.blocks, &place)
        id_map_at(&log.blocks, place).value = moved
    return moved


cdef void _seal(Heap* heap, StreamLog* log, StreamBlock* block) noexcept nogil:
    """Nothing more will be added to it."""
    if block.capacity - block.bytes > SEAL_BYTES:
        _resized(heap, log, block, block.bytes)          # refused: it stays as long as it is


cdef uint64_t _next_capacity(uint64_t capacity, uint64_t needed) noexcept nogil:
    cdef uint64_t next = capacity * 2
    if next > HEAP_SMALL_MAX:
        # Longer steps would leave holes between the blocks of the system's allocator when they are sealed.
        next = capacity + (GROWTH_BYTES if capacity < 16384 else capacity // 4)
    if next < HEAP_SMALL_MAX and needed > HEAP_SMALL_MAX // 2:
        next = HEAP_SMALL_MAX
    return next if next > needed else needed


cdef StreamBlock* _block_new(Heap* heap, StreamLog* log, StreamBlock* before, StreamId id, const Slice* pairs,
                             uint64_t count, uint64_t record_bytes) noexcept nogil:
    """A block for this first entry, in the log; NULL when refused."""
    cdef uint64_t bytes = sizeof(StreamBlock)
    cdef uint64_t listpack_bytes = LISTPACK_EMPTY_BYTES + 2 + 2 + 2 + _listpack_of_integer(<int64_t>count)
    cdef uint64_t capacity, i
    cdef uint8_t* at
    cdef StreamBlock* block
    for i in range(count):
        bytes += 10 + pairs[2 * i].length
    capacity = bytes + record_bytes
    # The one before tells how long it will get: no growth step by step, and little to trim at its end.
    if before != NULL and before.bytes > HEAP_SMALL_MAX // 2 and before.bytes + SPARE_BYTES > capacity:
        capacity = before.bytes + SPARE_BYTES
    elif capacity < FIRST_CAPACITY:
        capacity = FIRST_CAPACITY
    block = <StreamBlock*>heap_try_alloc(heap, capacity)
    if block == NULL:
        return NULL
    at = <uint8_t*>block + sizeof(StreamBlock)
    for i in range(count):
        at = _write(at, pairs[2 * i].length)
        if pairs[2 * i].length:
            memcpy(at, pairs[2 * i].data, pairs[2 * i].length)
        at += pairs[2 * i].length
        listpack_bytes += _listpack_of_name(pairs[2 * i])
    block.first = id
    block.capacity = capacity
    block.listpack_bytes = listpack_bytes
    block.fields = count
    block.bytes = <uint64_t>(at - <uint8_t*>block)
    block.records = block.bytes
    block.last = block.bytes
    block.count = 0
    block.deleted = 0
    if not id_map_put(heap, &log.blocks, id, block):
        heap_free(heap, block, capacity)
        return NULL
    log.block_bytes += heap_block_bytes(capacity)
    return block


cdef inline bint _same_fields(const StreamBlock* block, const Slice* pairs, uint64_t count) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>block + sizeof(StreamBlock)
    cdef uint64_t length, i
    if block.fields != count:
        return False
    for i in range(count):
        at = _read(at, &length)
        if length != pairs[2 * i].length or memcmp(at, pairs[2 * i].data, length) != 0:
            return False
        at += length
    return True


cdef void _write_record(StreamBlock* block, StreamId id, const Slice* pairs, uint64_t count, bint same,
                        uint64_t record_bytes) noexcept nogil:
    """Behind the last one. Requires record_bytes of room, which is more than it takes."""
    cdef uint8_t* start = _record(block, block.bytes)
    cdef uint64_t width = 1 if record_bytes < 128 else (2 if record_bytes < 16384 else 5)
    cdef uint8_t* at = start + width + 1
    cdef uint8_t* value
    cdef uint8_t flags = RECORD_SAME_FIELDS if same else 0
    cdef uint64_t ms = id.ms - block.first.ms
    cdef uint64_t seq = id.seq if ms else id.seq - block.first.seq
    cdef uint64_t listpack_bytes = 2 + _listpack_of_integer(<int64_t>ms) + _listpack_of_integer(<int64_t>(id.seq - block.first.seq))
    cdef uint64_t size, i
    if ms == 0:
        flags |= RECORD_SAME_MS
    else:
        at = _write(at, ms)
    if seq == 0:
        flags |= RECORD_NO_SEQ
    else:
        at = _write(at, seq)
    start[width] = flags
    if same:
        for i in range(count):
            value = at
            at = _write_value(at, pairs[2 * i + 1])
            listpack_bytes += _listpack_of_bytes(<uint64_t>(at - value))
        listpack_bytes += _listpack_of_integer(<int64_t>count + 3)
    else:
        at = _write(at, count)
        for i in range(count):
            at = _write(at, pairs[2 * i].length)
            if pairs[2 * i].length:
                memcpy(at, pairs[2 * i].data, pairs[2 * i].length)
            at += pairs[2 * i].length
            listpack_bytes += _listpack_of_name(pairs[2 * i])
            value = at
            at = _write_value(at, pairs[2 * i + 1])
            listpack_bytes += _listpack_of_bytes(<uint64_t>(at - value))
        listpack_bytes += _listpack_of_integer(<int64_t>count) + _listpack_of_integer(<int64_t>(2 * count + 4))
    size = <uint64_t>(at - start)
    at = _write_back(at, size)
    if width == 1:
        start[0] = <uint8_t>size
    else:
        for i in range(width - 1):
            start[i] = <uint8_t>(size | 0x80)
            size >>= 7
        start[width - 1] = <uint8_t>size
    block.last = block.bytes
    block.bytes = <uint64_t>(at - <uint8_t*>block)
    block.listpack_bytes += listpack_bytes + _listpack_of_integer(block.count + 1) - _listpack_of_integer(block.count)
    block.count += 1


cdef Outcome stream_log_append(Heap* heap, StreamLog* log, StreamId id, const Slice* pairs, uint64_t count,
                               uint64_t max_bytes, uint64_t max_entries) noexcept nogil:
    cdef StreamBlock* block = _last_block(log)
    cdef StreamBlock* before = block
    cdef uint64_t raw_bytes = 0
    cdef uint64_t record_bytes, i
    cdef bint same = True
    for i in range(2 * count):
        raw_bytes += pairs[i].length
    if unlikely(raw_bytes > STREAM_ENTRY_MAX_BYTES):
        return OVERFLOW
    if max_bytes == 0 or max_bytes > STREAM_ENTRY_MAX_BYTES:
        max_bytes = STREAM_ENTRY_MAX_BYTES
    if block != NULL and (block.listpack_bytes + raw_bytes >= max_bytes
                          or (max_entries and <uint64_t>block.count + block.deleted >= max_entries)):
        block = NULL
    if block != NULL:
        same = _same_fields(block, pairs, count)
    record_bytes = raw_bytes + RECORD_OVERHEAD_BYTES + VALUE_OVERHEAD_BYTES * count
    if same:
        for i in range(count):
            record_bytes -= pairs[2 * i].length
    else:
        record_bytes += 10 * count
    if block == NULL:
        if before != NULL:
            _seal(heap, log, before)
            before = _last_block(log)
        block = _block_new(heap, log, before, id, pairs, count, record_bytes)
    elif block.capacity - block.bytes < record_bytes:
        block = _resized(heap, log, block, _next_capacity(block.capacity, block.bytes + record_bytes))
    if unlikely(block == NULL):
        return NO_MEMORY
    _write_record(block, id, pairs, count, same, record_bytes)
    log.entries_added += 1
    log.last_id = id
    if log.length == 0:
        log.first_id = id
    log.length += 1
    return OK


cdef Outcome stream_log_begin(Heap* heap, StreamLog* log, StreamId first, const Slice* pairs, uint64_t count) noexcept nogil:
    cdef StreamBlock* before = _last_block(log)
    if before != NULL:
        _seal(heap, log, before)
    return OK if _block_new(heap, log, NULL, first, pairs, count, 0) != NULL else NO_MEMORY


cdef inline uint64_t _record_room(const Slice* pairs, uint64_t count, bint same) noexcept nogil:
    """What the record takes at most."""
    cdef uint64_t bytes = RECORD_OVERHEAD_BYTES + (VALUE_OVERHEAD_BYTES if same else VALUE_OVERHEAD_BYTES + 10) * count
    cdef uint64_t i
    for i in range(count):
        bytes += pairs[2 * i + 1].length + (0 if same else pairs[2 * i].length)
    return bytes


cdef Outcome stream_log_put(Heap* heap, StreamLog* log, StreamId id, const Slice* pairs, uint64_t count, bint same, bint deleted) noexcept nogil:
    cdef StreamBlock* block = _last_block(log)
    cdef uint64_t room = _record_room(pairs, count, same)
    cdef uint8_t* at
    if block.capacity - block.bytes < room:
        block = _resized(heap, log, block, _next_capacity(block.capacity, block.bytes + room))
        if block == NULL:
            return NO_MEMORY
    _write_record(block, id, pairs, count, same, room)
    if not deleted:
        log.length += 1
        return OK
    at = _record(block, block.last)
    while at[0] >= 0x80:                 # the flags stand behind the size
        at += 1
    at[1] |= RECORD_DELETED
    _count_deleted(block)
    return OK


# ---- walking

cdef inline void _open(StreamCursor* cursor, uint8_t* at) noexcept nogil:
    """Read the head of the record at `at`."""
    cdef const uint8_t* here
    cdef uint64_t value
    cursor.at = at
    here = _read(at, &cursor.size)
    cursor.flags = here[0]
    here += 1
    if cursor.flags & RECORD_SAME_MS:
        cursor.id = cursor.block.first
    else:
        here = _read(here, &value)
        cursor.id.ms = cursor.block.first.ms + value
        cursor.id.seq = 0
    if not cursor.flags & RECORD_NO_SEQ:
        here = _read(here, &value)
        cursor.id.seq += value
    cursor.body = here


cdef inline bint _ahead(StreamCursor* cursor, uint8_t* at) noexcept nogil:
    """Stand on the first entry from the record at `at` on, to the block's end."""
    cdef uint8_t* end = _record(cursor.block, cursor.block.bytes)
    while at != end:
        _open(cursor, at)
        if likely(not cursor.flags & RECORD_DELETED):
            return True
        at += cursor.size + _back_bytes(cursor.size)
    return False


cdef inline bint _back(StreamCursor* cursor, uint8_t* end) noexcept nogil:
    """Stand on the last entry whose record lies before `end`."""
    cdef uint8_t* start = _record(cursor.block, cursor.block.records)
    cdef uint64_t size
    while end != start:
        size = _read_back(end)
        end -= size + _back_bytes(size)
        _open(cursor, end)
        if likely(not cursor.flags & RECORD_DELETED):
            return True
    return False


cdef bint _next_block(StreamCursor* cursor) noexcept nogil:
    while id_map_next(&cursor.log.blocks, &cursor.place):
        cursor.block = <StreamBlock*>id_map_at(&cursor.log.blocks, cursor.place).value
        if _ahead(cursor, _record(cursor.block, cursor.block.records)):
            return True
    return False


cdef bint _previous_block(StreamCursor* cursor) noexcept nogil:
    while id_map_previous(&cursor.log.blocks, &cursor.place):
        cursor.block = <StreamBlock*>id_map_at(&cursor.log.blocks, cursor.place).value
        if _back(cursor, _record(cursor.block, cursor.block.bytes)):
            return True
    return False


cdef void stream_block_first(const StreamLog* log, StreamBlock* block, StreamCursor* cursor) noexcept nogil:
    cursor.log = log
    cursor.block = block
    _open(cursor, _record(block, block.records))


cdef bint stream_block_next(StreamCursor* cursor) noexcept nogil:
    cdef uint8_t* at = cursor.at + cursor.size + _back_bytes(cursor.size)
    if at == _record(cursor.block, cursor.block.bytes):
        return False
    _open(cursor, at)
    return True


cdef bint stream_log_next(StreamCursor* cursor) noexcept nogil:
    return _ahead(cursor, cursor.at + cursor.size + _back_bytes(cursor.size)) or _next_block(cursor)


cdef bint stream_log_previous(StreamCursor* cursor) noexcept nogil:
    return _back(cursor, cursor.at) or _previous_block(cursor)


cdef bint stream_log_first(const StreamLog* log, StreamId start, StreamCursor* cursor) noexcept nogil:
    cdef uint8_t* at
    cursor.log = log
    if log.length == 0 or id_compare(start, log.last_id) > 0:
        return False
    if not id_map_seek_last(&log.blocks, start, &cursor.place):
        cursor.place.chunk = 0
        cursor.place.index = 0
    cursor.block = <StreamBlock*>id_map_at(&log.blocks, cursor.place).value
    at = _record(cursor.block, cursor.block.records)
    while _ahead(cursor, at):
        if id_compare(cursor.id, start) >= 0:
            return True
        at = cursor.at + cursor.size + _back_bytes(cursor.size)
    return _next_block(cursor)


cdef bint stream_log_last(const StreamLog* log, StreamId end, StreamCursor* cursor) noexcept nogil:
    cdef uint8_t* at
    cursor.log = log
    if not id_map_seek_last(&log.blocks, end, &cursor.place):
        return False
    cursor.block = <StreamBlock*>id_map_at(&log.blocks, cursor.place).value
    at = _record(cursor.block, cursor.block.bytes)
    while _back(cursor, at):
        if id_compare(cursor.id, end) <= 0:
            return True
        at = cursor.at
    return _previous_block(cursor)


cdef bint stream_log_find(const StreamLog* log, StreamId id, StreamCursor* cursor) noexcept nogil:
    return stream_log_first(log, id, cursor) and id_compare(cursor.id, id) == 0


cdef StreamId stream_block_last_id(const StreamBlock* block) noexcept nogil:
    cdef StreamCursor cursor
    cursor.block = <StreamBlock*>block
    _open(&cursor, _record(block, block.last))
    return cursor.id


cdef void stream_pairs(const StreamCursor* cursor, StreamPairs* pairs_out) noexcept nogil:
    if cursor.flags & RECORD_SAME_FIELDS:
        pairs_out.count = cursor.block.fields
        pairs_out.name = <const uint8_t*>cursor.block + sizeof(StreamBlock)
        pairs_out.value = cursor.body
    else:
        pairs_out.name = _read(cursor.body, &pairs_out.count)
        pairs_out.value = NULL


cdef void stream_pairs_next(StreamPairs* pairs, Slice* name_out, Slice* value_out) noexcept nogil:
    cdef uint64_t length
    cdef const uint8_t* at = _read(pairs.name, &length)
    name_out[0] = slice_of(<const char*>at, length)
    pairs.name = at + length
    pairs.count -= 1
    if pairs.value != NULL:
        pairs.value = _read_value(pairs.value, value_out, pairs.digits)
    else:
        pairs.name = _read_value(pairs.name, value_out, pairs.digits)


# ---- deleting

cdef void stream_log_find_first_id(StreamLog* log) noexcept nogil:
    cdef StreamCursor cursor
    log.first_id = id_of(0, 0)
    if stream_log_first(log, log.first_id, &cursor):
        log.first_id = cursor.id


cdef void stream_log_delete_at(Heap* heap, StreamLog* log, StreamCursor* cursor) noexcept nogil:
    cdef bint was_first = id_compare(cursor.id, log.first_id) == 0
    stream_log_take_out(heap, log, cursor)
    if was_first or log.length == 0:
        stream_log_find_first_id(log)


cdef bint stream_log_take_out(Heap* heap, StreamLog* log, StreamCursor* cursor) noexcept nogil:
    cdef StreamBlock* block = cursor.block
    cdef uint8_t* at = cursor.at
    while at[0] >= 0x80:                 # the flags stand behind the size
        at += 1
    log.length -= 1
    if block.count == 1:
        id_map_remove_at(heap, &log.blocks, cursor.place)
        _block_free(heap, log, block)
        return False
    at[1] |= RECORD_DELETED
    _count_deleted(block)
    return True


cdef uint64_t stream_log_drop_first(Heap* heap, StreamLog* log) noexcept nogil:
    cdef IdPlace place
    cdef StreamBlock* block
    cdef uint64_t count
    place.chunk = 0
    place.index = 0
    block = <StreamBlock*>id_map_remove_at(heap, &log.blocks, place)
    count = block.count
    log.length -= count
    _block_free(heap, log, block)
    return count


# ---- figures

cdef uint64_t stream_log_memory(const StreamLog* log) noexcept nogil:
    return log.block_bytes + log.blocks.bytes


cdef inline int _common_bytes(StreamId a, StreamId b) noexcept nogil:
    """How many bytes two different IDs have in common at their beginning, highest first."""
    if a.ms != b.ms:
        return clz64(a.ms ^ b.ms) // 8
    return 8 + clz64(a.seq ^ b.seq) // 8


cdef uint64_t stream_log_tree_nodes(const StreamLog* log) noexcept nogil:
    # Keys of 16 bytes in order: a tree node where two neighbours part, one for each key's end, and one for each run of
    # bytes without a fork between two of these. `forks` are the depths of the forks above the last key.
    cdef int[17] forks
    cdef int height = 0
    cdef int common, previous
    cdef uint64_t nodes = 0
    cdef IdPlace place
    cdef StreamId last, id
    cdef int last_depth                  # of the fork above the last key's end
    if log.blocks.count == 0:
        return 1
    place.chunk = 0
    place.index = 0
    last = id_map_at(&log.blocks, place).id
    last_depth = -1
    while id_map_next(&log.blocks, &place):
        id = id_map_at(&log.blocks, place).id
        common = _common_bytes(last, id)
        previous = forks[height - 1] if height else -1
        # The end of the last key, below the deeper of its two forks.
        nodes += _leaf_nodes(common if common > previous else previous)
        while height and forks[height - 1] > common:
            height -= 1
            previous = forks[height - 1] if height else -1
            if previous < common:
                previous = common
            nodes += _fork_nodes(forks[height], previous)
        if height == 0 or forks[height - 1] < common:
            forks[height] = common
            height += 1
        last = id
    previous = forks[height - 1] if height else -1
    nodes += _leaf_nodes(previous)
    while height:
        height -= 1
        nodes += _fork_nodes(forks[height], forks[height - 1] if height else -1)
    return nodes


cdef inline uint64_t _leaf_nodes(int fork) noexcept nogil:
    """A key's end below a fork at this depth (-1: none): itself, and the run of bytes before it if there is one."""
    return 1 if fork == 15 else 2


cdef inline uint64_t _fork_nodes(int depth, int above) noexcept nogil:
    """A fork below another one."""
    return 1 if depth == above + 1 else 2


cdef void _check_block(const StreamLog* log, const IdItem* item, StreamId* before, uint64_t* length) noexcept nogil:
    cdef StreamCursor cursor
    cdef StreamBlock* block = <StreamBlock*>item.value
    cdef uint8_t* at = _record(block, block.records)
    cdef uint8_t* end = _record(block, block.bytes)
    cdef uint64_t live = 0
    cdef uint64_t all = 0
    invariant(id_compare(block.first, item.id) == 0, b"stream: a block's key")
    invariant(block.bytes <= block.capacity, b"stream: a block's size")
    invariant(block.count > 0, b"stream: an empty block")
    cursor.block = block
    while at < end:
        _open(&cursor, at)
        invariant(all == 0 or id_compare(before[0], cursor.id) < 0, b"stream: the order of records")
        invariant(all or id_compare(cursor.id, block.first) == 0, b"stream: a block's first record")
        before[0] = cursor.id
        all += 1
        live += not cursor.flags & RECORD_DELETED
        if at == _record(block, block.last):
            invariant(at + cursor.size + _back_bytes(cursor.size) == end, b"stream: a block's last record")
        at += cursor.size + _back_bytes(cursor.size)
        invariant(_read_back(at) == cursor.size, b"stream: a record's size")
    invariant(at == end and live == block.count and all == live + block.deleted, b"stream: a block's counts")
    length[0] += live


cdef void stream_log_check(const StreamLog* log) noexcept nogil:
    cdef IdPlace place
    cdef StreamId before
    cdef uint64_t length = 0
    cdef uint64_t bytes = 0
    cdef bint more = log.blocks.count != 0
    cdef StreamCursor cursor
    if not HUTCH_CHECKS:
        return
    id_map_check(&log.blocks)
    before = id_of(0, 0)
    place.chunk = 0
    place.index = 0
    while more:
        invariant(length == 0 or id_compare(before, id_map_at(&log.blocks, place).id) < 0, b"stream: the order of blocks")
        _check_block(log, id_map_at(&log.blocks, place), &before, &length)
        bytes += heap_block_bytes((<StreamBlock*>id_map_at(&log.blocks, place).value).capacity)
        more = id_map_next(&log.blocks, &place)
    invariant(length == log.length, b"stream: the length")
    invariant(bytes == log.block_bytes, b"stream: the bytes")
    invariant(id_compare(before, log.last_id) <= 0, b"stream: the last ID")
    if stream_log_first(log, id_of(0, 0), &cursor):
        invariant(id_compare(cursor.id, log.first_id) == 0, b"stream: the first ID")
    else:
        invariant(id_compare(log.first_id, id_of(0, 0)) == 0, b"stream: the first ID when empty")
