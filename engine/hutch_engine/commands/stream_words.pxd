"""What the stream commands share: IDs in and out, finding a stream and a group, writing an entry."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.reply cimport Reply
from hutch_engine.structures.id_map cimport ID_TEXT_MAX, StreamId, id_text
from hutch_engine.structures.stream cimport Stream
from hutch_engine.structures.stream_group cimport Pending, StreamConsumer, StreamGroup
from hutch_engine.structures.stream_log cimport StreamCursor

# ---- IDs
cdef Slice c_string(Slice text) noexcept nogil
"""The text up to its first NUL, borrowed: so Redis reads IDs, and prints names."""
cdef void reply_id(Reply* reply, StreamId id) noexcept nogil
"""Write an ID as a bulk string, "ms-seq"."""
cdef bint id_parse(Slice text, uint64_t missing_seq, StreamId* id_out) noexcept nogil
"""Read an ID, "ms" (then `missing_seq` is its second part) or "ms-seq"; False when it is none."""
cdef bint id_parse_new(Slice text, StreamId* id_out, bint* seq_given_out) noexcept nogil
"""Read an ID for a new entry, "ms", "ms-seq" or "ms-*"; *seq_given_out tells whether the second part was given. False when it
is none."""
cdef void error_id(Call* call) noexcept nogil
"""Write the reply "ERR Invalid stream ID specified as stream command argument"."""
cdef bint call_id(Call* call, size_t index, uint64_t missing_seq, StreamId* id_out) noexcept nogil
"""Read argv[index] as an ID; False after the error was written."""
cdef bint call_id_or_end(Call* call, size_t index, StreamId* id_out) noexcept nogil
"""Read argv[index] as an ID, or as "-" or "+", the lowest and the highest; False after the error was written."""
cdef bint call_range_start(Call* call, size_t index, StreamId* id_out) noexcept nogil
"""Read argv[index] as the ID a range begins with: an ID, "-", "+" or "(id", which stands for the ID behind it. False after an
error was written."""
cdef bint call_range_end(Call* call, size_t index, StreamId* id_out) noexcept nogil
"""Read argv[index] as the ID a range ends with: an ID, "-", "+" or "(id", which stands for the ID before it. False after an
error was written."""

# ---- streams and groups
cdef Stream* stream_find_read(Call* call, size_t index, bint* wrong_type_out) noexcept nogil
"""The stream of key argv[index], or NULL; on the wrong type the error is written."""
cdef Stream* stream_find_write(Call* call, size_t index, bint* wrong_type_out) noexcept nogil
"""As stream_find_read, for changing the stream: neither hit nor miss is counted."""
cdef StreamGroup* stream_find_group(Call* call, size_t index, bint for_writing, Stream** stream_out) noexcept nogil
"""Key argv[index] and group argv[index + 1]; NULL after an error: wrong type, or NOGROUP."""
cdef void error_no_group(Call* call, Slice key, Slice group, const char* after) noexcept nogil
"""Write a NOGROUP error that names key and group, both cut at a NUL; `after` ends the text."""
cdef void error_no_such_group(Call* call) noexcept nogil
"""Of XGROUP and XINFO, whose key is argv[2] and group argv[3]."""
cdef StreamConsumer* stream_open_consumer(Call* call, size_t key, StreamGroup* group, Slice name) noexcept nogil
"""The consumer, made if need be, seen now; NULL when memory was refused (the error is written)."""
cdef void stream_log_pending(Call* call, size_t key, const StreamGroup* group, Slice consumer, StreamId id,
                             const Pending* pending) noexcept nogil
"""In the log, the command (whose key is argv[key]) gave the entry to the consumer, as it is pending now: XCLAIM."""
cdef void stream_log_group(Call* call, size_t key, const StreamGroup* group) noexcept nogil
"""In the log, the command brought the group to where it is now: XGROUP SETID."""
cdef void stream_wait_over(Call* call, size_t key) noexcept nogil
"""Whoever waits for the stream at argv[key] should look again."""

# ---- entries
cdef void reply_entry(Reply* reply, const StreamCursor* cursor) noexcept nogil
"""An array of the ID and an array of names and values."""
cdef int64_t reply_range(Reply* reply, const Stream* stream, StreamId start, StreamId end, int64_t count, bint reverse) noexcept nogil
"""An array of the entries from start to end, at most `count` (0: all); how many they were."""
