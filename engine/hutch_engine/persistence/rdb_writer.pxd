"""What a file in Redis's RDB format consists of, written to the end of a buffer: under the engine's lock, in pieces of any size.

    magic       REDIS, and four digits of the version
    AUX         names and values: the server's version, its bits, the time, its memory, whether a log goes on behind the file
    libraries   of functions, their texts
    hints       of each database: how many keys there are, and how many with deadlines
    keys        [database] [deadline] [how long it was not used, or how often it is] form, key, value
    end

(Facts from Redis's files.) Keys of several databases may come in any order: the database is said again when it is another
one. The bytes go to a file elsewhere, without the lock (rdb_output): the checksum behind the end is made there.

The version is the lowest that can hold the data: 11, which Redis 7.2 and Valkey 8 read, or 12 where a field has a deadline. It
stands in the beginning, so whoever writes keys later must write them as they were then.
"""
from libc.stdint cimport int32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.formats.rdb cimport RdbParts
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.state.engine cimport Engine

cdef enum:                       # what stands where a form could
    RDB_OPCODE_HASH_TEMPLATE = 242
    RDB_OPCODE_KEY_META = 243            # Valkey: a slot that is being moved here
    RDB_OPCODE_SLOT_INFO = 244
    RDB_OPCODE_FUNCTION = 245
    RDB_OPCODE_FUNCTION_EARLY = 246      # of 7.0's candidates
    RDB_OPCODE_MODULE_AUX = 247
    RDB_OPCODE_IDLE = 248
    RDB_OPCODE_FREQUENCY = 249
    RDB_OPCODE_AUX = 250
    RDB_OPCODE_RESIZE = 251
    RDB_OPCODE_DEADLINE_MS = 252
    RDB_OPCODE_DEADLINE_S = 253
    RDB_OPCODE_SELECT = 254
    RDB_OPCODE_END = 255

cdef enum:                       # RdbWriter.access
    RDB_ACCESS_NONE = 0
    RDB_ACCESS_IDLE = 1          # maxmemory-policy is an LRU one
    RDB_ACCESS_FREQUENCY = 2     # ... or an LFU one

cdef struct RdbWriter:
    Buffer* out                  # borrowed: its owner takes from its beginning what is to go to the file
    bint as_commands             # persistence/command_writer's
    int version
    int access                   # RDB_ACCESS_, as it was in the beginning
    bint compress                # rdbcompression
    int32_t database             # that the next key is taken to be of; -1: none was said yet
    uint64_t keys                # written
    bint failed                  # a key could not be written: memory was refused, or the version cannot hold it
    # A long value is written in parts, between which others have the lock. What they save meanwhile comes behind it.
    const Entry* unfinished      # borrowed: whose value is in the middle of its parts; NULL: none is
    RdbParts parts
    Buffer behind                # owned: records that are to follow what `out` has

cdef void rdb_writer_init(RdbWriter* writer, Buffer* out) noexcept nogil
"""Nothing is written yet, and nothing unfinished. `out` is borrowed."""
cdef void rdb_writer_begin(RdbWriter* writer, Engine* engine, Buffer* out, bint for_log) noexcept nogil
"""Write all that stands before the keys, libraries of functions included. `for_log`: the file is the base of an append-only
file. O(databases, bytes of libraries). Requires the lock."""
cdef void rdb_writer_key(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil
"""Write one key, its value, deadline and access. Refused memory shows in writer.failed, and the file is then of no use. O(bytes
of the value). Requires the lock."""
cdef void rdb_writer_begin_long(RdbWriter* writer, Keyspace* keyspace, int32_t database, const Entry* entry) noexcept nogil
"""Begin with a key whose value is long: rdb_writer_go_on is to follow until it answers that nothing is left, or rdb_writer_finish_long
once the entry is about to change or to go. Until then keys go to `behind`. Requires the lock, and that no other one is unfinished and
`behind` is empty."""
cdef bint rdb_writer_go_on(RdbWriter* writer) noexcept nogil
"""Write the next part, about 32 KiB; True while some is left. Requires the lock, and an unfinished one."""
cdef void rdb_writer_finish_long(RdbWriter* writer) noexcept nogil
"""Write all that is left of the unfinished one. O(its bytes). Requires the lock."""
cdef void rdb_writer_clear(RdbWriter* writer) noexcept nogil
"""Free what it owns."""
cdef void rdb_writer_end(RdbWriter* writer) noexcept nogil
"""Write the end; rdb_output_finish adds the checksum."""
