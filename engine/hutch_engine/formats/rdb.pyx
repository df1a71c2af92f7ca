"""See rdb.pxd."""
from libc.stdint cimport (
    INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, INT8_MAX, INT8_MIN, UINT32_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t,
    uint16_t, uint32_t, uint64_t)
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_reserve, buffer_slice)
from hutch_engine.base.compiler cimport load_u64
from hutch_engine.formats.crc64 cimport crc64
from hutch_engine.formats.lzf cimport lzf_compress, lzf_expand
from hutch_engine.base.hash cimport hash_bytes
from hutch_engine.base.memory cimport Heap, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.structures.listpack cimport (
    LISTPACK_ELEMENT_EXTRA, LISTPACK_END, LISTPACK_HEADER_BYTES, LISTPACK_SAFE_BYTES, Listpack, listpack_first, listpack_is,
    listpack_is_valid, listpack_length, listpack_next, listpack_text, listpack_write, listpack_write_integer)

cdef enum:
    LENGTH_MAX = 9               # bytes
    LENGTH_32 = 0x80
    LENGTH_64 = 0x81
    FORM_SPECIAL = 3             # the two high bits: no length, but one of these
    SPECIAL_INT8 = 0
    SPECIAL_INT16 = 1
    SPECIAL_INT32 = 2
    SPECIAL_LZF = 3
    INTEGER_LENGTH_MAX = 11      # "-2147483648"
    COMPRESSED_FROM = 21         # bytes: shorter ones are not worth a try
    COMPRESSED_SAVES = 4         # bytes at least
    COUNT_UNKNOWN = 65535        # of a listpack's elements
    FEW_NAMES = 64               # are told apart on the stack, by a hash without a key


# ---- writing

cdef void rdb_write_byte(Buffer* out, uint8_t byte) noexcept nogil:
    buffer_append(out, <const char*>&byte, 1)


cdef size_t _length_to(char* at, uint64_t length) noexcept nogil:
    """How many bytes it takes, LENGTH_MAX at most."""
    cdef int bytes, i
    if length < 64:
        at[0] = <char>length
        return 1
    if length < 16384:
        at[0] = <char>(0x40 | length >> 8)
        at[1] = <char>(length & 255)
        return 2
    bytes = 4 if length <= UINT32_MAX else 8
    at[0] = <char>(LENGTH_32 if bytes == 4 else LENGTH_64)
    for i in range(bytes):
        at[1 + i] = <char>(length >> (8 * (bytes - 1 - i)) & 255)
    return 1 + bytes


cdef void rdb_write_length(Buffer* out, uint64_t length) noexcept nogil:
    cdef char[LENGTH_MAX] bytes
    buffer_append(out, bytes, _length_to(bytes, length))


cdef void rdb_write_u64(Buffer* out, uint64_t value) noexcept nogil:
    cdef char[8] bytes
    cdef int i
    for i in range(8):
        bytes[i] = <char>(value >> (8 * i) & 255)
    buffer_append(out, bytes, 8)


cdef bint _write_as_integer(Buffer* out, Slice text) noexcept nogil:
    cdef int64_t number
    cdef char[5] bytes
    cdef int width, i
    if text.length == 0 or text.length > INTEGER_LENGTH_MAX or not parse_integer(text, &number):
        return False
    if INT8_MIN <= number <= INT8_MAX:
        bytes[0] = <char>(0xC0 | SPECIAL_INT8)
        width = 1
    elif INT16_MIN <= number <= INT16_MAX:
        bytes[0] = <char>(0xC0 | SPECIAL_INT16)
        width = 2
    elif INT32_MIN <= number <= INT32_MAX:
        bytes[0] = <char>(0xC0 | SPECIAL_INT32)
        width = 4
    else:
        return False
    for i in range(width):
        bytes[1 + i] = <char>(<uint64_t>number >> (8 * i) & 255)
    buffer_append(out, bytes, 1 + width)
    return True


cdef bint _write_compressed(Buffer* out, Slice text) noexcept nogil:
    """False when that would save too little (or memory was refused)."""
    cdef size_t room = text.length - COMPRESSED_SAVES
    cdef size_t head_max = 1 + 2 * LENGTH_MAX
    cdef size_t packed, head
    cdef char* at
    if not buffer_reserve(out, head_max + room):
        return False
    at = out.data + out.length
    packed = lzf_compress(text, at + head_max, room)
    if packed == 0:
        return False
    at[0] = <char>(0xC0 | SPECIAL_LZF)
    head = 1 + _length_to(at + 1, packed)
    head += _length_to(at + head, text.length)
    memmove(at + head, at + head_max, packed)
    out.length += head + packed
    return True


cdef void rdb_write_string(Buffer* out, Slice text, bint compress) noexcept nogil:
    if _write_as_integer(out, text):
        return
    if compress and text.length >= COMPRESSED_FROM and _write_compressed(out, text):
        return
    rdb_write_length(out, text.length)
    buffer_append_slice(out, text)


cdef void rdb_write_footer(Buffer* out) noexcept nogil:
    cdef char[2] version
    version[0] = RDB_VERSION
    version[1] = 0
    buffer_append(out, version, 2)
    rdb_write_u64(out, crc64(0, buffer_slice(out)))


# ---- reading

cdef bint rdb_verify_footer(Slice payload, bint sum_counts) noexcept nogil:
    cdef const uint8_t* footer
    cdef uint64_t sum = 0
    cdef int i
    if payload.length < RDB_FOOTER_BYTES:
        return False
    footer = <const uint8_t*>payload.data + payload.length - RDB_FOOTER_BYTES
    if (footer[1] << 8 | footer[0]) > RDB_VERSION:
        return False
    if not sum_counts:
        return True
    for i in range(8):
        sum |= <uint64_t>footer[2 + i] << (8 * i)
    return crc64(0, slice_of(payload.data, payload.length - 8)) == sum


cdef RdbReader rdb_reader_of(Slice payload) noexcept nogil:
    return rdb_reader_at(payload.data, payload.data + payload.length - RDB_FOOTER_BYTES)


cdef RdbReader rdb_reader_at(const void* start, const void* end) noexcept nogil:
    cdef RdbReader reader
    reader.at = <const uint8_t*>start
    reader.end = <const uint8_t*>end
    reader.refused = False
    reader.lacking = NULL
    return reader


cdef bint rdb_read_byte(RdbReader* reader, uint8_t* byte_out) noexcept nogil:
    if reader.at == reader.end:
        return False
    byte_out[0] = reader.at[0]
    reader.at += 1
    return True


cdef bint rdb_read_bytes(RdbReader* reader, size_t length, Slice* bytes_out) noexcept nogil:
    if length > <size_t>(reader.end - reader.at):
        return False
    bytes_out[0] = slice_of(<const char*>reader.at, length)
    reader.at += length
    return True


cdef bint rdb_read_u64(RdbReader* reader, uint64_t* value_out) noexcept nogil:
    cdef int i
    if reader.end - reader.at < 8:
        return False
    value_out[0] = 0
    for i in range(8):
        value_out[0] |= <uint64_t>reader.at[i] << (8 * i)
    reader.at += 8
    return True


cdef int _read_head(RdbReader* reader, uint64_t* value_out) noexcept nogil:
    """1: a length; 0: *value_out is the number of a special form; -1: broken."""
    cdef uint8_t first
    cdef int bytes, i
    if not rdb_read_byte(reader, &first):
        return -1
    value_out[0] = first & 63
    if first >> 6 == FORM_SPECIAL:
        return 0
    if first < 64:
        return 1
    if first < 128:
        bytes = 1
    elif first == LENGTH_32 or first == LENGTH_64:
        bytes = 4 if first == LENGTH_32 else 8
        value_out[0] = 0
    else:
        return -1
    if reader.end - reader.at < bytes:
        return -1
    for i in range(bytes):
        value_out[0] = value_out[0] << 8 | reader.at[i]
    reader.at += bytes
    return 1


cdef bint rdb_read_length(RdbReader* reader, uint64_t* length_out) noexcept nogil:
    return _read_head(reader, length_out) == 1


cdef bint rdb_read_count(RdbReader* reader, uint64_t* count_out) noexcept nogil:
    return (rdb_read_length(reader, count_out) and count_out[0] > 0
            and count_out[0] <= <uint64_t>(reader.end - reader.at))


cdef bint _read_integer(RdbReader* reader, int kind, Buffer* storage, Slice* text_out) noexcept nogil:
    cdef int width = 1 << kind
    cdef uint32_t bits = 0
    cdef int64_t value
    cdef int i
    if reader.end - reader.at < width:
        return False
    for i in range(width):
        bits |= <uint32_t>reader.at[i] << (8 * i)
    reader.at += width
    if kind == SPECIAL_INT8:
        value = <int8_t><uint8_t>bits
    elif kind == SPECIAL_INT16:
        value = <int16_t><uint16_t>bits
    else:
        value = <int32_t>bits
    buffer_append_integer(storage, value)
    if storage.failed:
        reader.refused = True
        return False
    text_out[0] = buffer_slice(storage)
    return True


cdef bint _read_compressed(RdbReader* reader, Buffer* storage, Slice* text_out) noexcept nogil:
    cdef uint64_t packed, length
    cdef Slice bytes
    if (not rdb_read_length(reader, &packed) or not rdb_read_length(reader, &length)
            or not rdb_read_bytes(reader, packed, &bytes)):
        return False
    if length == 0 or length // LZF_GROWTH > packed:
        return False
    if not buffer_reserve(storage, length):
        reader.refused = True
        return False
    if not lzf_expand(bytes, storage.data, length):
        return False
    storage.length = length
    text_out[0] = buffer_slice(storage)
    return True


cdef bint rdb_read_string(RdbReader* reader, Buffer* storage, Slice* text_out) noexcept nogil:
    cdef uint64_t value
    cdef int form = _read_head(reader, &value)
    if form == 1:
        return rdb_read_bytes(reader, value, text_out)
    if form < 0 or value > SPECIAL_LZF:
        return False
    storage.length = 0
    if value == SPECIAL_LZF:
        return _read_compressed(reader, storage, text_out)
    return _read_integer(reader, <int>value, storage, text_out)


# ---- listpacks outside the heap

cdef void pack_begin(Buffer* pack) noexcept nogil:
    cdef char[LISTPACK_HEADER_BYTES] header
    header[:] = [0, 0, 0, 0, 0, 0]
    pack.length = 0
    buffer_append(pack, header, LISTPACK_HEADER_BYTES)


cdef void pack_add(Buffer* pack, Slice text) noexcept nogil:
    if buffer_reserve(pack, text.length + LISTPACK_ELEMENT_EXTRA):
        pack.length += listpack_write(<uint8_t*>pack.data + pack.length, text)


cdef void pack_add_integer(Buffer* pack, int64_t value) noexcept nogil:
    if buffer_reserve(pack, LISTPACK_ELEMENT_EXTRA):
        pack.length += listpack_write_integer(<uint8_t*>pack.data + pack.length, value)


cdef void pack_end(Buffer* pack, uint64_t count) noexcept nogil:
    cdef int i
    rdb_write_byte(pack, LISTPACK_END)
    if pack.failed:
        return
    if count > COUNT_UNKNOWN:
        count = COUNT_UNKNOWN
    for i in range(4):
        pack.data[i] = <char>(pack.length >> (8 * i) & 255)
    pack.data[4] = <char>(count & 255)
    pack.data[5] = <char>(count >> 8)


cdef Listpack* pack_take(RdbReader* reader, Heap* heap, Slice bytes) noexcept nogil:
    cdef void* block = heap_try_alloc(heap, bytes.length)
    if block == NULL:
        reader.refused = True
        return NULL
    memcpy(block, bytes.data, bytes.length)
    return <Listpack*>block


cdef inline uint64_t _quick_hash(Slice text) noexcept nogil:
    """Of a text among few: whoever makes them collide wins nothing. Its two ends count."""
    cdef uint64_t value = text.length
    cdef size_t i
    if text.length >= 8:
        value ^= load_u64(text.data) + 31 * load_u64(text.data + text.length - 8)
    else:
        for i in range(text.length):
            value = value << 8 | <uint8_t>text.data[i]
    return value * 0x9E3779B97F4A7C15ULL >> 32


cdef bint _is_unique(RdbReader* reader, const ValueMaker* maker, const Listpack* pack, uint64_t count, int stride) noexcept nogil:
    """Is each of the `count` names, of which every one is followed by stride - 1 other elements, there once?"""
    cdef uint64_t slots = 8
    cdef uint64_t slot
    cdef uint32_t[2 * FEW_NAMES] few
    cdef uint32_t* seen = few            # where a name begins, 0: free
    cdef bint are_few
    cdef char[INTEGER_TEXT_MAX] digits
    cdef uint8_t* at = listpack_first(pack)
    cdef Slice text
    cdef bint unique = True
    cdef int i
    while slots < 2 * count:
        slots *= 2
    are_few = slots <= 2 * FEW_NAMES
    if are_few:
        memset(few, 0, slots * sizeof(uint32_t))
    else:
        seen = <uint32_t*>calloc(slots, sizeof(uint32_t))
    if seen == NULL:
        reader.refused = True
        return False
    while at != NULL and unique:
        text = listpack_text(at, digits)
        slot = (_quick_hash(text) if are_few else hash_bytes(maker.hash_key, text.data, text.length)) & (slots - 1)
        while seen[slot]:
            if listpack_is(pack + seen[slot], text):
                unique = False
                break
            slot = (slot + 1) & (slots - 1)
        seen[slot] = <uint32_t>(at - pack)
        for i in range(stride):
            at = listpack_next(pack, at)
    if not are_few:
        free(seen)
    return unique


cdef bint pack_open(RdbReader* reader, const ValueMaker* maker, Slice bytes, int stride, uint64_t* count_out) noexcept nogil:
    """Are these bytes a listpack of tuples, at least one, none of them twice?"""
    cdef const Listpack* pack = <const Listpack*>bytes.data
    cdef uint64_t length
    if bytes.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(pack, bytes.length, True):
        return False
    length = listpack_length(pack)
    count_out[0] = length // stride
    return length > 0 and length % stride == 0 and _is_unique(reader, maker, pack, count_out[0], stride)
