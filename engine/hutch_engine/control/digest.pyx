"""See digest.pxd."""
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t
from libc.string cimport memset
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, INTEGER_TEXT_MAX, format_double_short
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_bytes
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.stream_words cimport ID_TEXT_MAX, id_text
from hutch_engine.keyspace.entry cimport (
    ENCODING_LISTPACK, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, entry_bytes,
    entry_encoding, entry_has_deadline, entry_pointer, entry_type)
from hutch_engine.keyspace.keyspace cimport Keyspace, keyspace_open_hash, zset_of
from hutch_engine.structures.hash cimport Hash, hash_deadline, hash_each
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistCursor, quicklist_next, quicklist_seek, quicklist_text, quicklist_view)
from hutch_engine.structures.set cimport set_each, set_of
from hutch_engine.structures.sorted_set cimport SortedCursor, SortedSet, sorted_set_at, sorted_set_next
from hutch_engine.structures.id_map cimport id_of
from hutch_engine.structures.stream cimport Stream
from hutch_engine.structures.stream_log cimport (
    StreamCursor, StreamPairs, stream_log_first, stream_log_next, stream_pairs, stream_pairs_next)

cdef enum:
    REDIS_STREAM = 6             # its number of the type: modules' values come in between


cdef void digest_clear(Digest* digest) noexcept nogil:
    memset(digest.bytes, 0, SHA1_BYTES)


cdef Slice digest_slice(const Digest* digest) noexcept nogil:
    return slice_of(<const char*>digest.bytes, SHA1_BYTES)


cdef void digest_xor(Digest* digest, Slice bytes) noexcept nogil:
    cdef unsigned char[SHA1_BYTES] hash
    cdef int i
    sha1_bytes(bytes, hash)
    for i in range(SHA1_BYTES):
        digest.bytes[i] ^= hash[i]


cdef void digest_mix(Digest* digest, Slice bytes) noexcept nogil:
    digest_xor(digest, bytes)
    sha1_bytes(digest_slice(digest), digest.bytes)


cdef void digest_mix_number(Digest* digest, uint32_t number) noexcept nogil:
    """In network order."""
    cdef char[4] bytes
    bytes[0] = <char>(number >> 24)
    bytes[1] = <char>(number >> 16)
    bytes[2] = <char>(number >> 8)
    bytes[3] = <char>number
    digest_mix(digest, slice_of(bytes, 4))


# ---- the types

cdef void _list(Digest* digest, const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Quicklist view
    cdef Quicklist* list = <Quicklist*>entry_pointer(entry)
    cdef QuicklistCursor cursor
    if entry_encoding(entry) == ENCODING_LISTPACK:
        quicklist_view(&view, <Listpack*>entry_pointer(entry))
        list = &view
    if quicklist_seek(list, 0, &cursor):
        while True:
            digest_mix(digest, quicklist_text(&cursor, scratch))
            if not quicklist_next(&cursor):
                break


cdef bint _member(void* context, Slice member) noexcept nogil:
    digest_xor(<Digest*>context, member)
    return True


cdef void _sorted_set(Digest* digest, Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef SortedSet set = zset_of(keyspace, entry)
    cdef SortedCursor cursor
    cdef Digest pair
    cdef char[DOUBLE_TEXT_MAX] text
    cdef bint more = sorted_set_at(&set, 0, &cursor)
    while more:
        digest_clear(&pair)
        digest_mix(&pair, cursor.member)
        digest_mix(&pair, slice_of(text, format_double_short(cursor.score, text)))
        digest_xor(digest, digest_slice(&pair))
        more = sorted_set_next(&cursor)


cdef struct Fields:
    Digest* digest
    const Hash* hash


cdef bint _field(void* context, Slice field, Slice value) noexcept nogil:
    cdef Fields* fields = <Fields*>context
    cdef int64_t deadline_ms
    cdef Digest pair
    digest_clear(&pair)
    digest_mix(&pair, field)
    digest_mix(&pair, value)
    if hash_deadline(fields.hash, field, &deadline_ms) and deadline_ms > 0:
        digest_xor(&pair, slice_of(b"!!hexpire!!", 11))
    digest_xor(fields.digest, digest_slice(&pair))
    return True


cdef void _hash(Digest* digest, Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef Hash hash
    cdef Fields fields
    keyspace_open_hash(keyspace, entry, &hash)
    hash.now_ms = INT64_MIN          # as it lies there: with what is due and not yet removed
    fields.digest = digest
    fields.hash = &hash
    hash_each(&hash, _field, &fields)


cdef void _stream(Digest* digest, const Entry* entry) noexcept nogil:
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
            if text[i] == 45:            # a point stands for the dash here
                text[i] = 46
        digest_mix(digest, slice_of(text, length))
        stream_pairs(&cursor, &pairs)
        while pairs.count:
            stream_pairs_next(&pairs, &name, &value)
            digest_mix(digest, name)
            digest_mix(digest, value)
        more = stream_log_next(&cursor)


cdef bint digest_mix_value(Digest* digest, Keyspace* keyspace, const Entry* entry) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef uint8_t type = entry_type(entry)
    if type > TYPE_STREAM:
        return False
    digest_mix_number(digest, type if type != TYPE_STREAM else REDIS_STREAM)
    if type == TYPE_STRING:
        digest_mix(digest, entry_bytes(entry, scratch))
    elif type == TYPE_LIST:
        _list(digest, entry)
    elif type == TYPE_SET:
        set_each(set_of(entry_encoding(entry), entry_pointer(entry)), _member, digest)
    elif type == TYPE_ZSET:
        _sorted_set(digest, keyspace, entry)
    elif type == TYPE_STREAM:
        _stream(digest, entry)
    else:
        _hash(digest, keyspace, entry)
    if entry_has_deadline(entry):
        digest_xor(digest, slice_of(b"!!expire!!", 10))
    return True
