"""See call.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport heap_promise, heap_try_alloc
from hutch_engine.base.numbers cimport parse_double, parse_integer, parse_long_double
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.reply cimport reply_array, reply_error, reply_error_parts, reply_simple
from hutch_engine.keyspace.entry cimport Entry, entry_type
from hutch_engine.keyspace.keyspace cimport (
    FIND_NO_TOUCH, FIND_WRITE, keyspace_event, keyspace_find, keyspace_find_slot, keyspace_hash, keyspace_keep,
    keyspace_now_us, keyspace_touched)
from hutch_engine.structures.table cimport TableSlot, table_find, table_prefetch_bucket, table_prefetch_entries
from hutch_engine.keyspace.journal cimport Journal, journal_begin, journal_integer, journal_text, journal_word

cdef extern from "<math.h>" nogil:
    long double ceill(long double value) noexcept

cdef enum:
    NAME_MAX = 128               # an error text quotes no more of what a client called a command


cdef uint64_t _call_hash(Call* call, size_t index) noexcept nogil:
    return keyspace_hash(call.keyspace, call.argv[index])


cdef size_t call_hash_keys(Call* call, size_t first, size_t step, uint64_t* hashes_out) noexcept nogil:
    cdef size_t count = 0
    cdef size_t i
    if first + step >= call.argc:            # a single key: nothing to overlap
        if first >= call.argc:
            return 0
        hashes_out[0] = call_hash(call, first)
        return 1
    while first < call.argc and count < HASHED_KEYS:
        hashes_out[count] = call_hash(call, first)
        table_prefetch_bucket(&call.database.keys, hashes_out[count])
        count += 1
        first += step
    for i in range(count):
        table_prefetch_entries(&call.database.keys, hashes_out[i])
    return count


cdef inline uint32_t _touch_flag(const Call* call) noexcept nogil:
    return FIND_NO_TOUCH if call.flags & CALL_NO_TOUCH else 0


cdef Entry* call_find_read(Call* call, size_t index) noexcept nogil:
    return keyspace_find(call.keyspace, call.database, call.argv[index], call_hash(call, index), _touch_flag(call))


cdef Entry* call_find_read_type(Call* call, size_t index, int type, bint* wrong_type_out) noexcept nogil:
    cdef Entry* entry = call_find_read(call, index)
    wrong_type_out[0] = entry != NULL and entry_type(entry) != type
    if wrong_type_out[0]:
        error_wrong_type(call)
        return NULL
    return entry


cdef TableSlot call_find_write(Call* call, size_t index) noexcept nogil:
    return keyspace_find_slot(call.keyspace, call.database, call.argv[index], call_hash(call, index),
                              FIND_WRITE | _touch_flag(call))


cdef TableSlot call_find_write_type(Call* call, size_t index, int type, bint* wrong_type_out) noexcept nogil:
    cdef TableSlot slot = call_find_write(call, index)
    wrong_type_out[0] = slot != NULL and entry_type(slot_entry(slot)) != type
    if wrong_type_out[0]:
        error_wrong_type(call)
        return NULL
    return slot


cdef void _call_keep(Call* call, size_t index) noexcept nogil:
    cdef TableSlot slot = table_find(&call.database.keys, call.argv[index], call_hash(call, index))
    if slot != NULL:
        keyspace_keep(call.keyspace, call.database, slot_entry(slot))


cdef bint call_integer_or(Call* call, size_t index, int64_t* value_out, const char* error) noexcept nogil:
    if parse_integer(call.argv[index], value_out):
        return True
    reply_error(call.reply, error)
    return False


cdef bint call_integer(Call* call, size_t index, int64_t* value_out) noexcept nogil:
    if parse_integer(call.argv[index], value_out):
        return True
    error_not_integer(call)
    return False


cdef bint call_double(Call* call, size_t index, double* value_out) noexcept nogil:
    if parse_double(call.argv[index], value_out):
        return True
    error_not_float(call)
    return False


cdef bint call_timeout(Call* call, size_t index, int64_t* deadline_ms_out) noexcept nogil:
    cdef long double timeout_ms
    if not parse_long_double(call.argv[index], &timeout_ms):
        reply_error(call.reply, b"ERR timeout is not a float or out of range")
        return False
    timeout_ms = ceill(timeout_ms * 1000)
    if timeout_ms > <long double>INT64_MAX:
        reply_error(call.reply, b"ERR timeout is out of range")
        return False
    if timeout_ms < 0:
        reply_error(call.reply, b"ERR timeout is negative")
        return False
    return call_deadline(call, <int64_t>timeout_ms, deadline_ms_out)


cdef bint call_deadline(Call* call, int64_t wait_ms, int64_t* deadline_ms_out) noexcept nogil:
    cdef int64_t now_ms = (keyspace_now_us(call.keyspace) + 999) // 1000
    if wait_ms > INT64_MAX - now_ms:
        reply_error(call.reply, b"ERR timeout is out of range")
        return False
    deadline_ms_out[0] = wait_ms + now_ms if wait_ms else 0
    return True


cdef Slice* call_block_words(Call* call, size_t extra_bytes) noexcept nogil:
    cdef size_t bytes = call.argc * sizeof(Slice) + extra_bytes
    cdef Slice* words = <Slice*>heap_try_alloc(call.keyspace.heap, bytes)
    if words == NULL:
        call.block_keys = 0
        error_memory(call)
        return NULL
    memcpy(words, call.argv, call.argc * sizeof(Slice))
    call.block_words = words
    call.block_words_bytes = bytes
    return words


cdef bint call_promise(Call* call, size_t first, size_t more_bytes) noexcept nogil:
    cdef size_t bytes = more_bytes + (call.argc - first) * WORD_BYTES
    cdef size_t i
    for i in range(first, call.argc):
        bytes += call.argv[i].length
    if likely(heap_promise(call.keyspace.heap, bytes)):
        return True
    error_memory(call)
    return False


cdef void call_changed(Call* call, size_t index, uint32_t event_class, const char* event) noexcept nogil:
    keyspace_touched(call.keyspace, call.database, call.argv[index])
    keyspace_event(call.keyspace, call.database, event_class, event, call.argv[index])
    call.keyspace.dirty += 1


cdef Journal* call_log(Call* call, size_t words) noexcept nogil:
    cdef Journal* journal = call.keyspace.journal
    if unlikely(journal != NULL):
        journal.replaced = True
        journal_begin(journal, call.database.index, words)
    return journal


cdef void call_log_nothing(Call* call) noexcept nogil:
    if unlikely(call.keyspace.journal != NULL):
        call.keyspace.journal.replaced = True


cdef void call_log_deadline(Call* call, const char* name, size_t at, const char* unit, int64_t deadline_ms) noexcept nogil:
    cdef Journal* journal = call_log(call, call.argc)
    cdef size_t i
    if likely(journal == NULL):
        return
    for i in range(call.argc):
        if i == at:
            journal_integer(journal, deadline_ms)
        elif i == 0 and name != NULL:
            journal_text(journal, name)
        elif i + 1 == at and unit != NULL:
            journal_text(journal, unit)
        else:
            journal_word(journal, call.argv[i])


cdef void call_log_key(Call* call, const char* name, size_t index) noexcept nogil:
    cdef Journal* journal = call_log(call, 2)
    if unlikely(journal != NULL):
        journal_text(journal, name)
        journal_word(journal, call.argv[index])


cdef void call_log_fields(Call* call, const char* name, int64_t deadline_ms, size_t first) noexcept nogil:
    cdef bint timed = deadline_ms != -1
    cdef Journal* journal = call_log(call, 4 + timed + call.argc - first)
    cdef size_t i
    if likely(journal == NULL):
        return
    journal_text(journal, name)
    journal_word(journal, call.argv[1])
    if timed:
        journal_integer(journal, deadline_ms)
    journal_text(journal, b"FIELDS")
    journal_integer(journal, <int64_t>(call.argc - first))
    for i in range(first, call.argc):
        journal_word(journal, call.argv[i])


cdef bint slice_is_word(Slice word, const char* text) noexcept nogil:
    # Redis reads option words as C strings: a NUL ends them.
    cdef const void* end = memchr(word.data, 0, word.length) if word.length else NULL
    if unlikely(end != NULL):
        word.length = <size_t>(<const char*>end - word.data)
    return slice_is(word, text)


cdef void error_syntax(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR syntax error")


cdef void error_wrong_type(Call* call) noexcept nogil:
    reply_error(call.reply, b"WRONGTYPE Operation against a key holding the wrong kind of value")


cdef void error_not_integer(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR value is not an integer or out of range")


cdef void error_not_float(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR value is not a valid float")


cdef void error_no_key(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR no such key")


cdef void error_memory(Call* call) noexcept nogil:
    reply_error(call.reply, b"OOM command not allowed when used memory > 'maxmemory'.")


cdef void error_arity(Call* call) noexcept nogil:
    reply_error_parts(call.reply, b"ERR wrong number of arguments for '",
                      slice_of(call.command.name, call.command.name_length), b"' command")


cdef void error_expire(Call* call) noexcept nogil:
    reply_error_parts(call.reply, b"ERR invalid expire time in '",
                      slice_of(call.command.name, call.command.name_length), b"' command")


cdef inline size_t _upper_name(Call* call, char* out) noexcept nogil:
    """The command's name as sent, in capitals, at most NAME_MAX bytes of it."""
    cdef Slice name = call.argv[0]
    cdef size_t i = 0
    while i < name.length and i < NAME_MAX:
        out[i] = name.data[i] - 32 if name.data[i] >= 97 and name.data[i] <= 122 else name.data[i]
        i += 1
    return i


cdef void error_subcommand(Call* call) noexcept nogil:
    cdef char[NAME_MAX + 16] tail        # "'. Try " NAME " HELP." and its end
    cdef char[NAME_MAX] name
    cdef Slice subcommand
    cdef size_t i
    subcommand = call.argv[1] if call.argc > 1 else slice_of(NULL, 0)
    if subcommand.length > NAME_MAX:
        subcommand.length = NAME_MAX
    cdef size_t length = _upper_name(call, name)
    for i in range(7):
        tail[i] = b"'. Try "[i]
    for i in range(length):
        tail[7 + i] = name[i]
    for i in range(7):                   # with the zero at its end
        tail[7 + length + i] = b" HELP."[i]
    reply_error_parts(call.reply, b"ERR unknown subcommand or wrong number of arguments for '", subcommand, tail)


cdef void call_help(Call* call, const char** lines, size_t count) noexcept nogil:
    cdef char[NAME_MAX] name
    cdef size_t length = _upper_name(call, name)
    cdef Buffer* buffer = &call.reply.buffer
    cdef size_t i
    reply_array(call.reply, <int64_t>count + 3)
    buffer_append(buffer, b"+", 1)
    buffer_append(buffer, name, length)
    buffer_append_text(buffer, b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n")
    for i in range(count):
        reply_simple(call.reply, lines[i])
    reply_simple(call.reply, b"HELP")
    reply_simple(call.reply, b"    Print this help.")
