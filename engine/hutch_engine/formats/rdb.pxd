"""Redis's RDB format: what values are made of in files and in the payloads of DUMP, FUNCTION DUMP and their likes.

    length    00LLLLLL                          6 bits
              01LLLLLL LLLLLLLL                 14
              10000000 and 4 bytes              32, big-endian
              10000001 and 8 bytes              64, big-endian
    string    a length, and the bytes
              11000000, -01, -10 and 1, 2 or 4 bytes: a little-endian integer, spelled out
              11000011, the packed length, the true length, bytes packed by LZF
    footer    of a payload: the format's version (2 bytes), CRC-64 of all before it (8 bytes), both little-endian

(Facts from Redis's files.) Reading never goes beyond what is there, and never reserves memory for what bytes only claim:
a string that is unpacked is at most LZF_GROWTH times as long as what stands there.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.value_type cimport RdbReader, ValueMaker
from hutch_engine.structures.listpack cimport Listpack, listpack_bytes

cdef enum:
    RDB_VERSION = 12
    RDB_FOOTER_BYTES = 10
    LZF_GROWTH = 88              # three bytes may stand for 264

cdef enum:                       # types of values; those marked are only read
    RDB_STRING = 0
    RDB_LIST = 1                         # read: elements
    RDB_SET = 2
    RDB_ZSET = 3                         # read: scores as text
    RDB_HASH = 4
    RDB_ZSET_2 = 5
    RDB_MODULE_2 = 7                     # of a type that a module brings: formats/rdb_module
    RDB_HASH_ZIPMAP = 9                  # read
    RDB_LIST_ZIPLIST = 10                # read
    RDB_SET_INTSET = 11
    RDB_ZSET_ZIPLIST = 12                # read
    RDB_HASH_ZIPLIST = 13                # read
    RDB_LIST_QUICKLIST = 14              # read: ziplists
    RDB_STREAM = 15                      # read
    RDB_HASH_LISTPACK = 16
    RDB_ZSET_LISTPACK = 17
    RDB_LIST_QUICKLIST_2 = 18
    RDB_STREAM_2 = 19                    # read
    RDB_SET_LISTPACK = 20
    RDB_STREAM_3 = 21
    RDB_HASH_METADATA_EARLY = 22         # read: of 7.4's candidates
    RDB_HASH_LISTPACK_EX_EARLY = 23      # read
    RDB_HASH_METADATA = 24
    RDB_HASH_LISTPACK_EX = 25            # up to here: of payloads, too
    RDB_STREAM_4 = 26                    # read: with what XADD IDMP remembers
    RDB_STREAM_5 = 27                    # read: and with entries that are pending for nobody (XNACK)

cdef enum:                       # of a quicklist's node
    RDB_NODE_PLAIN = 1
    RDB_NODE_PACKED = 2

cdef enum:
    RDB_LONG_ENTRIES = 1024      # values of that many elements or more ...
    RDB_LONG_NODES = 16          # ... or listpacks go out in parts where others wait (rdb_write_value_part)

cdef struct RdbParts:            # how far a value is written that goes out in parts; all zero: it has not begun
    bint begun
    bint over
    uint64_t place               # where the next part begins, as the type counts ...
    uint64_t within              # ... inside of it
    uint64_t left                # elements

# ---- writing, to the buffer's end; a refused allocation shows in buffer.failed
cdef void rdb_write_byte(Buffer* out, uint8_t byte) noexcept nogil
"""Append one byte."""
cdef void rdb_write_length(Buffer* out, uint64_t length) noexcept nogil
"""Append a length, in as few bytes as the format allows: 1, 2, 5 or 9."""
cdef void rdb_write_u64(Buffer* out, uint64_t value) noexcept nogil
"""Append eight bytes, little-endian: times and scores."""
cdef void rdb_write_string(Buffer* out, Slice text, bint compress) noexcept nogil
"""Append a string: numbers of up to 32 bits as such; longer ones than 20 bytes packed, if asked for and if that saves
something. O(length)."""
cdef void rdb_write_footer(Buffer* out) noexcept nogil
"""End a payload: append the version, and the checksum of all that the buffer holds. O(bytes)."""

# ---- reading. False: the bytes break the format, or memory was refused.
cdef bint rdb_verify_footer(Slice payload, bint sum_counts) noexcept nogil
"""A version we know, and the right sum (if that counts)?"""
cdef RdbReader rdb_reader_of(Slice payload) noexcept nogil
"""At the beginning of a verified payload, whose footer is not read."""
cdef RdbReader rdb_reader_at(const void* start, const void* end) noexcept nogil
"""At the beginning of these bytes, which are borrowed, and reading up to their end."""
cdef bint rdb_read_byte(RdbReader* reader, uint8_t* byte_out) noexcept nogil
"""Take the next byte; False at the end of the payload."""
cdef bint rdb_read_length(RdbReader* reader, uint64_t* length_out) noexcept nogil
"""Take a length, up to 64 bits; False also where a specially packed string begins."""
cdef bint rdb_read_count(RdbReader* reader, uint64_t* count_out) noexcept nogil
"""Of things that take a byte each at least: a length, and so much is left. 0 is refused, too."""
cdef bint rdb_read_u64(RdbReader* reader, uint64_t* value_out) noexcept nogil
"""Take eight bytes as a little-endian number; False when fewer are left."""
cdef bint rdb_read_bytes(RdbReader* reader, size_t length, Slice* bytes_out) noexcept nogil
"""Take the next `length` bytes, borrowed from the payload; False, and nothing is taken, when fewer are left."""
cdef bint rdb_read_string(RdbReader* reader, Buffer* storage, Slice* text_out) noexcept nogil
"""Take a string, borrowed from the payload, or from `storage`, whose contents it may replace. O(length) when it was packed."""

# ---- listpacks outside the heap
cdef void pack_begin(Buffer* pack) noexcept nogil
"""Make the buffer hold the beginning of a listpack; what was in it is forgotten. Refused memory shows in pack.failed, as
below."""
cdef void pack_add(Buffer* pack, Slice text) noexcept nogil
"""Append a text as an element, as a number where it spells one. O(its length)."""
cdef void pack_add_integer(Buffer* pack, int64_t value) noexcept nogil
"""Append a number as an element."""
cdef void pack_end(Buffer* pack, uint64_t count) noexcept nogil
"""The buffer holds a listpack now, of so many elements."""
cdef inline Slice pack_slice(const void* pack) noexcept nogil:
    """All bytes of a listpack, borrowed from it."""
    return slice_of(<const char*>pack, listpack_bytes(<const Listpack*>pack))
cdef Listpack* pack_take(RdbReader* reader, Heap* heap, Slice bytes) noexcept nogil
"""A copy in the heap; NULL, with reader.refused, when refused."""
cdef bint pack_open(RdbReader* reader, const ValueMaker* maker, Slice bytes, int stride, uint64_t* count_out) noexcept nogil
"""Are these bytes a listpack of tuples of `stride` elements, at least one, none of whose first elements is there twice?
O(bytes)."""
