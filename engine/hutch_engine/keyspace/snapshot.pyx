"""See snapshot.pxd."""
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init, buffer_reserve
from hutch_engine.base.compiler cimport store_i64
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline, entry_key
from hutch_engine.keyspace.value_types cimport entry_saver

cdef enum:                       # the opcodes of RDB that stand before a key
    OPCODE_IDLE = 248
    OPCODE_FREQUENCY = 249
    OPCODE_DEADLINE_MS = 252
    OPCODE_SELECT = 254


cdef void snapshot_begin(Snapshot* snapshot, bint compress, bint idle, bint frequency) noexcept nogil:
    buffer_init(&snapshot.records, NULL)
    snapshot.database = -1
    snapshot.compress = compress
    snapshot.idle = idle
    snapshot.frequency = frequency
    snapshot.keys = 0
    snapshot.early = 0
    snapshot.early_bytes = 0


cdef void snapshot_clear(Snapshot* snapshot) noexcept nogil:
    buffer_clear(&snapshot.records)


cdef size_t _length(uint8_t* at, uint64_t length) noexcept nogil:
    """RDB's lengths of 6, 14, 32 and 64 bits (formats/rdb, which lies above)."""
    cdef int bytes, i
    if length < 64:
        at[0] = <uint8_t>length
        return 1
    if length < 16384:
        at[0] = <uint8_t>(0x40 | length >> 8)
        at[1] = <uint8_t>(length & 255)
        return 2
    bytes = 4 if length <= UINT32_MAX else 8
    at[0] = 0x80 if bytes == 4 else 0x81
    for i in range(bytes):
        at[1 + i] = <uint8_t>(length >> (8 * (bytes - 1 - i)) & 255)
    return 1 + bytes


cdef void snapshot_save(Snapshot* snapshot, int32_t database, const Entry* entry, int64_t idle_s, int64_t frequency) noexcept nogil:
    cdef Buffer* out = &snapshot.records
    cdef Slice key = entry_key(entry)
    cdef uint8_t[40] head
    cdef size_t used = 0
    cdef size_t form_at
    cdef char last
    if database != snapshot.database:
        snapshot.database = database
        head[0] = OPCODE_SELECT
        used = 1 + _length(head + 1, <uint64_t>database)
    if entry_has_deadline(entry):
        head[used] = OPCODE_DEADLINE_MS
        store_i64(head + used + 1, entry_deadline_ms(entry))
        used += 9
    if snapshot.idle:
        head[used] = OPCODE_IDLE
        used += 1
        used += _length(head + used, <uint64_t>idle_s)
    elif snapshot.frequency:
        head[used] = OPCODE_FREQUENCY
        head[used + 1] = <uint8_t>frequency
        used += 2
    buffer_append(out, <const char*>head, used)
    # The form stands before the key, the value behind it; the saver appends both together. So it overwrites the key's last
    # byte, or its length, with the form, and the two are changed about afterwards.
    form_at = out.length
    used = 1 + _length(head + 1, key.length)
    if not buffer_reserve(out, used + key.length):
        return
    buffer_append(out, <const char*>head, used)
    buffer_append_slice(out, key)
    out.length -= 1
    last = out.data[out.length]
    used = out.length
    entry_saver[0](out, entry, snapshot.compress)
    if out.failed:
        return
    out.data[form_at] = out.data[used]
    out.data[used] = last
    snapshot.keys += 1
