"""See monitor_records.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_now_us, ticks_per_microsecond
from hutch_engine.base.compiler cimport likely, load_u64, ticks
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.quote cimport quote_append
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.state.engine cimport Session


cdef void _begin_line(Buffer* out, const MonitorRecord* head, Slice who) noexcept nogil:
    cdef char[3 * INTEGER_TEXT_MAX] text
    cdef int64_t rest = head.time % 1000000
    cdef size_t length = 1
    cdef int i
    text[0] = c'+'
    length += format_integer(head.time // 1000000, text + length)
    text[length] = c'.'
    for i in range(6):
        text[length + 6 - i] = c'0' + <char>(rest % 10)
        rest //= 10
    length += 7
    text[length] = c' '
    text[length + 1] = c'['
    length += 2
    length += format_integer(head.database, text + length)
    text[length] = c' '
    buffer_append(out, text, length + 1)
    buffer_append_slice(out, who)
    buffer_append(out, b"]", 1)


cdef void _word(Buffer* out, Slice word, bint in_capitals) noexcept nogil:
    cdef size_t i, start
    buffer_append(out, b" ", 1)
    start = out.length
    quote_append(out, word)
    if in_capitals and not out.failed:
        for i in range(start, out.length):
            if 97 <= out.data[i] <= 122:
                out.data[i] -= 32


cdef void monitor_records_text(Buffer* out, const MonitorRecord* head, Slice who, const Slice* words) noexcept nogil:
    cdef uint32_t i
    _begin_line(out, head, who)
    for i in range(head.words):
        _word(out, words[i], i == 0 and head.flags & RECORD_IN_CAPITALS)
    buffer_append(out, b"\r\n", 2)


cdef size_t _unpack_record(const RecordCursor* cursor, double ticks_us, const char* record, Buffer* out) noexcept nogil:
    """One record's line; returns the record's bytes."""
    cdef MonitorRecord head
    cdef const char* at = record + sizeof(MonitorRecord)
    cdef size_t length
    cdef uint32_t i
    memcpy(&head, record, sizeof(MonitorRecord))
    if head.flags & RECORD_IN_TICKS:
        head.time = cursor.taken_us - <int64_t>(<double>(<int64_t>(cursor.taken_ticks - <uint64_t>head.time)) / ticks_us)
    _begin_line(out, &head, slice_of(at, head.who))
    at += head.who
    for i in range(head.words):
        length = load_u64(at)
        _word(out, slice_of(at + 8, length), i == 0 and head.flags & RECORD_IN_CAPITALS)
        at += 8 + length
    buffer_append(out, b"\r\n", 2)
    invariant(at == record + head.bytes, b"a monitor's record")
    return head.bytes


cdef RecordCursor monitor_records_taken(Session* session) noexcept nogil:
    cdef RecordCursor cursor
    cursor.at = 0
    cursor.run = session.records_first
    cursor.left = 0
    cursor.taken_us = 0
    cursor.taken_ticks = 0
    if cursor.run:
        cursor.taken_us = clock_now_us(&session.engine.clock)
        cursor.taken_ticks = ticks()
    monitor_records_forget(session)
    return cursor


cdef bint monitor_records_unpack(const Buffer* taken, RecordCursor* cursor, Buffer* out, size_t most) noexcept nogil:
    cdef size_t end, bytes
    cdef double ticks_us = ticks_per_microsecond()
    while cursor.at < taken.length and out.length < most and likely(not out.failed):
        if cursor.left:
            bytes = _unpack_record(cursor, ticks_us, taken.data + cursor.at, out)
            cursor.at += bytes
            cursor.left -= bytes
            continue
        end = cursor.run - 1 if cursor.run else taken.length
        if cursor.at < end:
            buffer_append(out, taken.data + cursor.at, end - cursor.at)          # replies and messages, as they are
            cursor.at = end
            continue
        cursor.run = load_u64(taken.data + end)
        cursor.left = load_u64(taken.data + end + 8)
        cursor.at = end + RUN_BYTES
        invariant(cursor.at + cursor.left <= taken.length, b"a run of monitor's records")
    return cursor.at == taken.length or out.failed != 0
