"""See bitmap.pxd. The order of the checks is Redis's."""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memchr
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.commands.call cimport (
    Call, call_changed, call_find_read, call_find_read_type, call_find_write, call_find_write_type, call_hash, call_integer,
    error_memory, error_syntax, error_wrong_type, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_array, reply_error, reply_error_parts, reply_integer, reply_null, reply_one, reply_zero)
from hutch_engine.commands.string cimport string_bytes_max, string_grow
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBED_MAX, ENTRY_EMBEDDED, ENTRY_INTEGER, STRING_RAW, TYPE_STRING, Entry, StringValue, entry_bytes, entry_pointer,
    entry_type, string_value_bytes, string_value_free, string_value_new, value_of_pointer, value_of_raw)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_STRING, Keyspace, keyspace_clear_deadline, keyspace_delete, keyspace_event, keyspace_overwritten,
    keyspace_resized, keyspace_set, keyspace_touched)
from hutch_engine.structures.bits cimport (
    BITS_AND, BITS_ANDOR, BITS_DIFF, BITS_DIFF1, BITS_FAIL, BITS_NOT, BITS_ONE, BITS_OR, BITS_SATURATE, BITS_WRAP, BITS_XOR,
    BitsOverflow, bits_combine, bits_count, bits_find, bits_fit_signed, bits_fit_unsigned, bits_get, bits_read, bits_set,
    bits_write)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    SOURCES_AT_HAND = 16         # sources of BITOP that need no block of their own
    WIDTH_UNSIGNED_MAX = 63      # replies are signed, so there is no u64
    WIDTH_SIGNED_MAX = 64


# ---- one bit

cdef bint _offset(Call* call, size_t index, int width, uint64_t* offset_out) noexcept nogil:
    """argv[index] as the number of a bit; else the error is written. With a width, "#3" is the place of the third integer of so
    many bits behind the first."""
    cdef Slice text = call.argv[index]
    cdef int64_t offset
    cdef bint counted = width and text.length and text.data[0] == b'#'
    if counted:
        text = slice_of(text.data + 1, text.length - 1)
    if parse_integer(text, &offset):
        if counted:
            offset *= width              # past 64 bits it begins anew, as in Redis
        if offset >= 0 and <uint64_t>offset >> 3 < string_bytes_max(call):
            offset_out[0] = <uint64_t>offset
            return True
    reply_error(call.reply, b"ERR bit offset is not an integer or out of range")
    return False


cdef void cmd_setbit(Call* call) noexcept nogil:
    cdef uint64_t offset
    cdef int64_t value
    cdef bint wrong_type, old
    cdef size_t old_length
    cdef Slice bytes
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef TableSlot slot
    if not _offset(call, 2, 0, &offset):
        return
    if not parse_integer(call.argv[3], &value) or <uint64_t>value > 1:
        reply_error(call.reply, b"ERR bit is not an integer or out of range")
        return
    slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    old_length = entry_bytes(slot_entry(slot), scratch).length if slot != NULL else 0
    if string_grow(call, slot, (offset >> 3) + 1, &bytes) == NULL:
        error_memory(call)
        return
    old = bits_get(<uint8_t*>bytes.data, offset)
    if bytes.length != old_length or old != value:
        bits_set(<uint8_t*>bytes.data, offset, value)
        call_changed(call, 1, EVENT_STRING, b"setbit")
    if old:
        reply_one(call.reply)
    else:
        reply_zero(call.reply)


cdef bint _read(Call* call, size_t index, Slice* bytes_out, char* scratch) noexcept nogil:
    """The string of key argv[index], empty where there is none; False when WRONGTYPE was written."""
    cdef bint wrong_type
    cdef Entry* entry = call_find_read_type(call, index, TYPE_STRING, &wrong_type)
    bytes_out[0] = entry_bytes(entry, scratch) if entry != NULL else slice_of(NULL, 0)
    return not wrong_type


cdef void cmd_getbit(Call* call) noexcept nogil:
    cdef uint64_t offset
    cdef Slice bytes
    cdef char[INTEGER_TEXT_MAX] scratch
    if not _offset(call, 2, 0, &offset) or not _read(call, 1, &bytes, scratch):
        return
    if offset >> 3 < bytes.length and bits_get(<uint8_t*>bytes.data, offset):
        reply_one(call.reply)
    else:
        reply_zero(call.reply)


# ---- counting and searching

cdef bint _unit(Call* call, size_t index, bint* bits_out) noexcept nogil:
    """argv[index], BIT or BYTE; else the error is written."""
    bits_out[0] = slice_is(call.argv[index], b"BIT")
    if bits_out[0] or slice_is(call.argv[index], b"BYTE"):
        return True
    error_syntax(call)
    return False


cdef bint _clip(int64_t start, int64_t end, bint in_bits, size_t length, uint64_t* first_out, uint64_t* last_out) noexcept nogil:
    """The bits that a range of bytes or bits takes, negative ends counted from the string's; False where there are none."""
    cdef int64_t total = <int64_t>length * 8 if in_bits else <int64_t>length
    if start < 0:
        start = start + total if start + total > 0 else 0
    if end < 0:
        end = end + total if end + total > 0 else 0
    if end >= total:
        end = total - 1
    if start > end:
        return False
    first_out[0] = <uint64_t>(start if in_bits else start * 8)
    last_out[0] = <uint64_t>(end if in_bits else end * 8 + 7)
    return True


cdef void cmd_bitcount(Call* call) noexcept nogil:
    cdef int64_t start = 0
    cdef int64_t end = -1
    cdef bint in_bits = False
    cdef uint64_t first, last
    cdef Slice bytes
    cdef char[INTEGER_TEXT_MAX] scratch
    if call.argc == 4 or call.argc == 5:
        if not call_integer(call, 2, &start) or not call_integer(call, 3, &end):
            return
        if call.argc == 5 and not _unit(call, 4, &in_bits):
            return
    elif call.argc != 2:
        error_syntax(call)
        return
    if not _read(call, 1, &bytes, scratch):
        return
    # Two ends before the string's beginning would both be clipped to its first byte.
    if (start < 0 and end < 0 and start > end) or not _clip(start, end, in_bits, bytes.length, &first, &last):
        reply_zero(call.reply)
    else:
        reply_integer(call.reply, <int64_t>bits_count(bytes, first, last))


cdef void cmd_bitpos(Call* call) noexcept nogil:
    cdef int64_t value
    cdef int64_t start = 0
    cdef int64_t end = INT64_MAX
    cdef bint in_bits = False
    cdef bint wrong_type
    cdef uint64_t first, last, found
    cdef Slice bytes
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Entry* entry
    if not call_integer(call, 2, &value):
        return
    if <uint64_t>value > 1:
        reply_error(call.reply, b"ERR The bit argument must be 1 or 0.")
        return
    if call.argc > 6:
        error_syntax(call)
        return
    if call.argc > 3 and not call_integer(call, 3, &start):
        return
    if call.argc == 6 and not _unit(call, 5, &in_bits):
        return
    if call.argc > 4 and not call_integer(call, 4, &end):
        return
    entry = call_find_read_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    if entry == NULL:            # zeros without end
        reply_integer(call.reply, -1 if value else 0)
        return
    bytes = entry_bytes(entry, scratch)
    if not _clip(start, end, in_bits, bytes.length, &first, &last):
        reply_integer(call.reply, -1)
    elif bits_find(bytes, value, first, last, &found):
        reply_integer(call.reply, <int64_t>found)
    else:
        # Behind a string of ones there are zeros, unless an end was given.
        reply_integer(call.reply, -1 if value or call.argc > 4 else <int64_t>last + 1)


# ---- BITOP

cdef struct Sources:
    const uint8_t** data         # all rows have `count` elements; `data` is the beginning of their block
    const uint8_t** scratch
    size_t* lengths
    char* digits                 # INTEGER_TEXT_MAX of each
    size_t count
    size_t longest


cdef size_t _sources_bytes(size_t count) noexcept nogil:
    return count * (2 * sizeof(void*) + sizeof(size_t) + INTEGER_TEXT_MAX)


cdef bint _sources(Call* call, void* block, size_t count, Sources* sources) noexcept nogil:
    """The strings of argv[3] ...; False when WRONGTYPE was written."""
    cdef Entry* entry
    cdef Slice bytes
    cdef size_t i
    sources.data = <const uint8_t**>block
    sources.scratch = sources.data + count
    sources.lengths = <size_t*>(sources.scratch + count)
    sources.digits = <char*>(sources.lengths + count)
    sources.count = count
    sources.longest = 0
    for i in range(count):
        entry = call_find_read(call, 3 + i)
        if entry == NULL:
            bytes = slice_of(NULL, 0)
        elif entry_type(entry) != TYPE_STRING:
            error_wrong_type(call)
            return False
        else:
            bytes = entry_bytes(entry, sources.digits + i * INTEGER_TEXT_MAX)
        sources.data[i] = <const uint8_t*>bytes.data
        sources.lengths[i] = bytes.length
        if bytes.length > sources.longest:
            sources.longest = bytes.length
    return True


cdef inline void _combine(int operation, char* out, const Sources* sources) noexcept nogil:
    bits_combine(operation, <uint8_t*>out, sources.data, sources.lengths, sources.count, sources.longest, sources.scratch)


cdef StringValue* _room_of(TableSlot slot, size_t length) noexcept nogil:
    """The destination's own block, where the result may be written right over its old bytes, sources or not: neither too short
    nor far too long. Else NULL."""
    cdef Entry* entry
    cdef StringValue* value
    if slot == NULL or length <= ENTRY_EMBED_MAX:
        return NULL
    entry = slot_entry(slot)
    if entry_type(entry) != TYPE_STRING or entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        return NULL
    value = <StringValue*>entry_pointer(entry)
    return value if value.capacity >= length and value.capacity // 2 <= length else NULL


cdef bint _store(Call* call, int operation, const Sources* sources) noexcept nogil:
    """The result as the string of argv[2]; False when memory was refused (nothing changed)."""
    cdef Keyspace* keyspace = call.keyspace
    cdef size_t length = sources.longest
    cdef uint64_t hash = call_hash(call, 2)
    cdef TableSlot slot = call_find_write(call, 2)
    cdef int old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    cdef StringValue* value = _room_of(slot, length)
    cdef char[ENTRY_EMBED_MAX] small
    if value != NULL:
        _combine(operation, string_value_bytes(value), sources)
        value.length = length
        keyspace_resized(call.database, slot_entry(slot), length)
        keyspace_clear_deadline(keyspace, call.database, slot)
    elif length <= ENTRY_EMBED_MAX:
        _combine(operation, small, sources)
        if keyspace_set(keyspace, call.database, call.argv[2], hash, slot, value_of_raw(slice_of(small, length)), False) == NULL:
            return False
    else:
        value = string_value_new(keyspace.heap, slice_of(NULL, 0), length)
        if value == NULL:
            return False
        _combine(operation, string_value_bytes(value), sources)
        value.length = length
        if keyspace_set(keyspace, call.database, call.argv[2], hash, slot,
                        value_of_pointer(TYPE_STRING, STRING_RAW, value), False) == NULL:
            string_value_free(keyspace.heap, value)
            return False
    keyspace_touched(keyspace, call.database, call.argv[2])
    if old_type >= 0:
        keyspace_overwritten(keyspace, call.database, call.argv[2], <uint8_t>old_type, TYPE_STRING)
    keyspace_event(keyspace, call.database, EVENT_STRING, b"set", call.argv[2])
    keyspace.dirty += 1
    return True


cdef void _clear(Call* call) noexcept nogil:
    """Nothing but empty strings: the destination goes."""
    cdef Keyspace* keyspace = call.keyspace
    cdef TableSlot slot = call_find_write(call, 2)
    if slot != NULL:
        keyspace_delete(keyspace, call.database, slot, call_hash(call, 2), keyspace.lazy_server_delete)
        keyspace_touched(keyspace, call.database, call.argv[2])
        keyspace_event(keyspace, call.database, EVENT_GENERIC, b"del", call.argv[2])
        keyspace.dirty += 1


cdef int _operation(Slice word, const char** name_out) noexcept nogil:
    """The operation of this name, and its name in capitals; -1 if there is none."""
    cdef const char** names = [b"AND", b"OR", b"XOR", b"NOT", b"DIFF", b"DIFF1", b"ANDOR", b"ONE"]
    cdef int* operations = [BITS_AND, BITS_OR, BITS_XOR, BITS_NOT, BITS_DIFF, BITS_DIFF1, BITS_ANDOR, BITS_ONE]
    cdef size_t i
    for i in range(8):
        if slice_is(word, names[i]):
            name_out[0] = names[i]
            return operations[i]
    return -1


cdef void cmd_bitop(Call* call) noexcept nogil:
    cdef char[SOURCES_AT_HAND * (3 * 8 + INTEGER_TEXT_MAX)] few
    cdef size_t count = call.argc - 3
    cdef void* block = few
    cdef Sources sources
    cdef const char* name
    cdef int operation = _operation(call.argv[1], &name)
    if operation < 0:
        error_syntax(call)
        return
    if operation == BITS_NOT and count != 1:
        reply_error(call.reply, b"ERR BITOP NOT must be called with a single source key.")
        return
    if count < 2 and (operation == BITS_DIFF or operation == BITS_DIFF1 or operation == BITS_ANDOR):
        reply_error_parts(call.reply, b"ERR BITOP ", slice_of_text(name), b" must be called with at least two source keys.")
        return
    if count > SOURCES_AT_HAND:
        block = heap_try_alloc(call.keyspace.heap, _sources_bytes(count))
        if block == NULL:
            error_memory(call)
            return
    if _sources(call, block, count, &sources):
        if sources.longest == 0:
            _clear(call)
            reply_zero(call.reply)
        elif _store(call, operation, &sources):
            reply_integer(call.reply, <int64_t>sources.longest)
        else:
            error_memory(call)
    if block != <void*>few:
        heap_free(call.keyspace.heap, block, _sources_bytes(count))


# ---- BITFIELD

cdef enum FieldAction:
    FIELD_GET
    FIELD_SET
    FIELD_ADD

cdef struct Field:               # one of BITFIELD's subcommands
    FieldAction action
    bint signed
    int width
    BitsOverflow overflow
    uint64_t offset
    int64_t amount


cdef bint _field_type(Slice text, Field* field) noexcept nogil:
    """"i16", "u8": read as Redis does, up to a zero byte."""
    cdef const void* end = memchr(text.data, 0, text.length) if text.length else NULL
    cdef int64_t width
    if text.length == 0 or (text.data[0] != b'i' and text.data[0] != b'u'):
        return False
    field.signed = text.data[0] == b'i'
    text = slice_of(text.data + 1, <size_t>(<const char*>end - text.data - 1) if end != NULL else text.length - 1)
    if not parse_integer(text, &width) or width < 1 or width > (WIDTH_SIGNED_MAX if field.signed else WIDTH_UNSIGNED_MAX):
        return False
    field.width = <int>width
    return True


cdef bint _overflow(Slice text, BitsOverflow* overflow) noexcept nogil:
    if slice_is(text, b"WRAP"):
        overflow[0] = BITS_WRAP
    elif slice_is(text, b"SAT"):
        overflow[0] = BITS_SATURATE
    elif slice_is(text, b"FAIL"):
        overflow[0] = BITS_FAIL
    else:
        return False
    return True


cdef bint _next_field(Call* call, size_t* at, Field* field, bint* found_out) noexcept nogil:
    """The subcommand at argv[*at] ..., which moves behind it. `field` keeps the overflow mode from one to the next. False: the
    error is written."""
    cdef size_t i = at[0]
    cdef size_t left
    found_out[0] = False
    while i < call.argc:
        left = call.argc - i - 1
        if slice_is(call.argv[i], b"GET") and left >= 2:
            field.action = FIELD_GET
        elif slice_is(call.argv[i], b"SET") and left >= 3:
            field.action = FIELD_SET
        elif slice_is(call.argv[i], b"INCRBY") and left >= 3:
            field.action = FIELD_ADD
        elif slice_is(call.argv[i], b"OVERFLOW") and left >= 1:
            if not _overflow(call.argv[i + 1], &field.overflow):
                reply_error(call.reply, b"ERR Invalid OVERFLOW type specified")
                return False
            i += 2
            continue
        else:
            error_syntax(call)
            return False
        if not _field_type(call.argv[i + 1], field):
            reply_error(call.reply, b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
                                    b"i64 is.")
            return False
        if not _offset(call, i + 2, field.width, &field.offset):
            return False
        if field.action != FIELD_GET:
            if not call_integer(call, i + 3, &field.amount):
                return False
            i += 1
        i += 3
        found_out[0] = True
        break
    at[0] = i
    return True


cdef inline int64_t _signed(uint64_t value, int width) noexcept nogil:
    """The value of so many bits, the highest of which is its sign."""
    return <int64_t>(value << (64 - width)) >> (64 - width)


cdef bint _change(const Field* field, Slice bytes, int64_t* told_out) noexcept nogil:
    """SET or INCRBY one integer and say what the reply tells. False: the overflow mode forbade it, and nothing was written. What
    is written is what *told_out says, or for SET what `amount` became."""
    cdef uint64_t old = bits_read(bytes, field.offset, field.width)
    cdef uint64_t new
    cdef int64_t new_signed
    cdef bint fits
    if field.signed:
        if field.action == FIELD_ADD:
            fits = bits_fit_signed(_signed(old, field.width), field.amount, field.width, field.overflow, &new_signed)
        else:
            fits = bits_fit_signed(field.amount, 0, field.width, field.overflow, &new_signed)
        told_out[0] = new_signed if field.action == FIELD_ADD else _signed(old, field.width)
        new = <uint64_t>new_signed
    else:
        if field.action == FIELD_ADD:
            fits = bits_fit_unsigned(old, field.amount, field.width, field.overflow, &new)
        else:
            fits = bits_fit_unsigned(<uint64_t>field.amount, 0, field.width, field.overflow, &new)
        told_out[0] = <int64_t>(new if field.action == FIELD_ADD else old)
    if not fits and field.overflow == BITS_FAIL:
        return False
    bits_write(<uint8_t*>bytes.data, field.offset, field.width, new)
    return True


cdef void _bitfield(Call* call, bint may_write) noexcept nogil:
    """The subcommands are read twice: first to see that all are right and how long the string must be."""
    cdef Field field
    cdef size_t at = 2
    cdef size_t old_length = 0
    cdef uint64_t count = 0
    cdef uint64_t end = 0                # behind the last bit that may be written
    cdef uint64_t changes = 0
    cdef uint64_t old
    cdef int64_t told = 0
    cdef bint found, wrong_type
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice bytes
    cdef TableSlot slot
    field.overflow = BITS_WRAP
    while True:
        if not _next_field(call, &at, &field, &found):
            return
        if not found:
            break
        count += 1
        if field.action != FIELD_GET and field.offset + <uint64_t>field.width > end:
            end = field.offset + <uint64_t>field.width
    if end == 0:
        if not _read(call, 1, &bytes, scratch):
            return
    elif not may_write:
        reply_error(call.reply, b"ERR BITFIELD_RO only supports the GET subcommand")
        return
    else:
        slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
        if wrong_type:
            return
        old_length = entry_bytes(slot_entry(slot), scratch).length if slot != NULL else 0
        if string_grow(call, slot, ((end - 1) >> 3) + 1, &bytes) == NULL:
            error_memory(call)
            return
    reply_array(call.reply, <int64_t>count)
    at = 2
    field.overflow = BITS_WRAP
    while count:
        _next_field(call, &at, &field, &found)
        old = bits_read(bytes, field.offset, field.width)
        if field.action == FIELD_GET:
            reply_integer(call.reply, _signed(old, field.width) if field.signed else <int64_t>old)
        elif _change(&field, bytes, &told):
            reply_integer(call.reply, told)
            changes += bytes.length != old_length or bits_read(bytes, field.offset, field.width) != old
        else:
            reply_null(call.reply)
        count -= 1
    if changes:
        call_changed(call, 1, EVENT_STRING, b"setbit")
        call.keyspace.dirty += changes - 1


cdef void cmd_bitfield(Call* call) noexcept nogil:
    _bitfield(call, True)


cdef void cmd_bitfield_ro(Call* call) noexcept nogil:
    _bitfield(call, False)
