"""The entries of a stream: an append-only log of delta-encoded blocks.

    StreamLog
      blocks (IdMap) ---> [ first id | block ][ first id | block ] ...
                                        |
      header | field names of its first entry | record | record | ...

    record   size     all of it but `back`: LEB128, in 1, 2 or 5 bytes, not always the fewest
             flags    1 byte, RECORD_ bits
             ms       LEB128, distance from the block's first ID; absent with RECORD_SAME_MS
             seq      LEB128: distance from the first ID's with RECORD_SAME_MS, else itself; absent when 0
             count    LEB128, and name and value in turn, unless the fields are those of the block
             values   otherwise
             back     `size` once more, 7 bits a byte, to be read backwards

Names are a LEB128 length and bytes. A value is stored as in a listpack, without its length behind it: integers take
what they need. Deleting sets a flag; a block is freed with its last entry. A block ends where Redis would end its
own (stream-node-max-bytes and -entries): approximate trimming drops whole blocks, and thereby shows where they end.

Appending, and trimming at the front, cost O(1) an entry; finding an ID costs O(log blocks) and a walk in one block.
Not thread-safe: the engine's lock guards it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.id_map cimport IdMap, IdPlace, StreamId

cdef enum:
    RECORD_DELETED = 1
    RECORD_SAME_FIELDS = 2       # as the block's
    RECORD_SAME_MS = 4           # the block's first ID has the same milliseconds
    RECORD_NO_SEQ = 8            # it is 0
    STREAM_ENTRY_MAX_BYTES = 1 << 30     # names and values of one entry; a block ends there at the latest

cdef struct StreamBlock:
    StreamId first               # ID of the first entry it ever had
    uint64_t bytes               # used, with this header
    uint64_t capacity
    uint64_t listpack_bytes      # what the listpack of the same entries would take in Redis
    uint64_t fields              # names behind the header
    uint64_t records             # where the first record is
    uint64_t last                # where the last one is
    uint32_t count               # entries
    uint32_t deleted             # records of deleted ones

cdef struct StreamLog:
    IdMap blocks                 # StreamBlock*, owned
    uint64_t length              # entries
    StreamId first_id            # of the first entry, 0-0 when empty
    StreamId last_id             # the highest there ever was
    StreamId max_deleted_id      # the highest that was deleted one by one (by command, not by trimming)
    uint64_t entries_added       # ever
    uint64_t block_bytes         # that the blocks take

cdef struct StreamCursor:        # stands on an entry; valid until the log changes
    const StreamLog* log
    IdPlace place
    StreamBlock* block
    uint8_t* at                  # the record
    uint64_t size                # of it, without `back`
    StreamId id
    const uint8_t* body          # what follows the ID
    uint8_t flags

cdef struct StreamPairs:         # walks the fields of one entry; must not be copied
    uint64_t count               # that are still to come
    const uint8_t* name
    const uint8_t* value         # NULL: behind each name
    char[INTEGER_TEXT_MAX] digits

cdef void stream_log_init(StreamLog* log) noexcept nogil
"""Make an empty log; nothing is allocated yet."""
cdef void stream_log_clear(Heap* heap, StreamLog* log) noexcept nogil
"""Free all blocks. O(blocks)."""
cdef bint stream_log_clear_some(Heap* heap, StreamLog* log, uint64_t* steps) noexcept nogil
"""Free blocks from the end, at most *steps, from which they are taken; False when none is left."""
cdef bint stream_log_copy(Heap* heap, const StreamLog* log, StreamLog* copy_out) noexcept nogil
"""Make a deep copy, which the caller owns; False when refused. O(bytes)."""

cdef Outcome stream_log_append(Heap* heap, StreamLog* log, StreamId id, const Slice* pairs, uint64_t count,
                               uint64_t max_bytes, uint64_t max_entries) noexcept nogil
"""`count` names and values, in turn, under an ID behind last_id; a block takes so many bytes and entries at most (0:
no limit). OVERFLOW: too large an entry; NO_MEMORY: refused. Nothing is changed then."""

cdef Outcome stream_log_begin(Heap* heap, StreamLog* log, StreamId first, const Slice* pairs, uint64_t count) noexcept nogil
"""A new last block, without a record yet, whose first entry has this ID and these names (every other slice; the
values do not matter). `first` is behind all there is. What is read from a file is put in by this and the next function:
blocks end where they ended there, and deleted entries keep their places."""
cdef Outcome stream_log_put(Heap* heap, StreamLog* log, StreamId id, const Slice* pairs, uint64_t count, bint same, bint deleted) noexcept nogil
"""One more record of the last block; `same`: its names are those of the block. Of the log's figures only `length` is kept: the
others are the caller's, and a block all of whose entries are deleted, too."""
cdef void stream_block_first(const StreamLog* log, StreamBlock* block, StreamCursor* cursor) noexcept nogil
"""Stand on the first record, which may be a deleted one (cursor.flags)."""
cdef bint stream_block_next(StreamCursor* cursor) noexcept nogil
"""On to the next record of the block, deleted or not; False at its end."""

cdef bint stream_log_first(const StreamLog* log, StreamId start, StreamCursor* cursor) noexcept nogil
"""Stand on the first entry with this ID or a later one; False when there is none."""
cdef bint stream_log_last(const StreamLog* log, StreamId end, StreamCursor* cursor) noexcept nogil
"""Stand on the last entry with this ID or an earlier one; False when there is none."""
cdef bint stream_log_next(StreamCursor* cursor) noexcept nogil
"""On to the following entry; False at the end."""
cdef bint stream_log_previous(StreamCursor* cursor) noexcept nogil
"""On to the preceding entry; False at the beginning."""
cdef bint stream_log_find(const StreamLog* log, StreamId id, StreamCursor* cursor) noexcept nogil
"""Stand on the entry of this ID; False when there is none."""
cdef void stream_log_delete_at(Heap* heap, StreamLog* log, StreamCursor* cursor) noexcept nogil
"""Delete the entry the cursor stands on. max_deleted_id is the caller's to set. The cursor is spent."""
cdef bint stream_log_take_out(Heap* heap, StreamLog* log, StreamCursor* cursor) noexcept nogil
"""The same, and first_id is the caller's too (stream_log_find_first_id). The cursor may go on from where it stands; False
when its block went with the entry, and it is spent."""
cdef uint64_t stream_log_drop_first(Heap* heap, StreamLog* log) noexcept nogil
"""Free the first block whole (there is one); how many entries went."""
cdef StreamBlock* stream_log_first_block(const StreamLog* log) noexcept nogil
"""The first block, borrowed from the log; NULL when there is none."""
cdef StreamId stream_block_last_id(const StreamBlock* block) noexcept nogil
"""The ID of the block's last record, deleted or not."""
cdef void stream_log_find_first_id(StreamLog* log) noexcept nogil
"""Set first_id anew, after entries were trimmed at the front."""

cdef void stream_pairs(const StreamCursor* cursor, StreamPairs* pairs_out) noexcept nogil
"""Begin to walk the fields of the entry that the cursor stands on. The log is borrowed: it must not change meanwhile."""
cdef void stream_pairs_next(StreamPairs* pairs, Slice* name_out, Slice* value_out) noexcept nogil
"""Read the next name and value. Requires pairs.count. The bytes are borrowed from the log; a value's from `pairs` where it is
a number."""
cdef uint64_t stream_log_memory(const StreamLog* log) noexcept nogil
"""How many bytes blocks and directory take. O(1)."""
cdef uint64_t stream_log_tree_nodes(const StreamLog* log) noexcept nogil
"""How many nodes Redis's radix tree of the same blocks would have (XINFO tells it). O(blocks)."""
cdef void stream_log_check(const StreamLog* log) noexcept nogil
"""Walk it all and verify the invariants; panics in checks builds."""
