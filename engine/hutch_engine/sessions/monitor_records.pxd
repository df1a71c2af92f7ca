"""What monitors are to see of commands, as it lies in the replies or the inbox of a monitor until somebody takes it.

Whoever runs a command under the lock only notes (sessions/monitor) what is needed for its line: time, database, who sent it, the
words as they are. The text is made of it by whoever takes it, outside the lock. Records lie where the text would: among the RESP that
the session is sent otherwise, so that the order stays; and they are counted as unsent bytes as they lie.

    run       next: 8 bytes, where the following run's header begins, plus one; 0: there is none
              bytes: 8, of the records that follow at once
    record    MonitorRecord, the name of who sent it, then the words: 8 bytes of length and the bytes, each
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Session

cdef enum:                               # MonitorRecord.flags
    RECORD_IN_CAPITALS = 1               # the first word is the table's name of a command: redis-py would have sent capitals
    RECORD_IN_TICKS = 2                  # the time is base/compiler's ticks: they cost half of what the clock does
    RECORD_BYTES_MIN = 32                # sizeof(MonitorRecord)
    RUN_BYTES = 16                       # of a run's header

cdef struct MonitorRecord:
    int64_t time                         # Unix time in microseconds, or ticks
    uint64_t bytes                       # of all of the record
    int32_t database
    uint32_t words
    uint16_t who                         # bytes of the name
    uint16_t flags
    uint32_t unused

cdef struct RecordCursor:                # how far the records of a buffer have become text
    size_t at                            # all before it has
    uint64_t run                         # behind where the next run begins; 0: none follows
    size_t left                          # bytes of records from `at` on: those of the present run
    int64_t taken_us                     # when it was taken, by the clock ...
    uint64_t taken_ticks                 # ... and by ticks

cdef void monitor_records_text(Buffer* out, const MonitorRecord* head, Slice who, const Slice* words) noexcept nogil
"""Append the line of a command, whose time is no ticks: +1700000000.123456 [0 127.0.0.1:1234] "get" "key". O(bytes)"""
cdef inline void monitor_records_forget(Session* session) noexcept nogil:
    """Note that the session's inbox has been emptied. O(1)"""
    session.records_first = 0
    session.records_last = 0
cdef RecordCursor monitor_records_taken(Session* session) noexcept nogil
"""The beginning of the buffer that is just being taken from the session, with its records; the session has none any more. O(1)"""
cdef bint monitor_records_unpack(const Buffer* taken, RecordCursor* cursor, Buffer* out, size_t most) noexcept nogil
"""Append what was taken to `out`, records as text, and move the cursor; it may end when `out` has `most` bytes or more. True when
all of it is there. When memory is refused `out.failed` is set. Without the lock. O(bytes)"""
