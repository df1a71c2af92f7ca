"""See hash_expire.pxd. The order of the checks is Redis's, which differs from command to command here."""
from libc.stdint cimport INT32_MAX, int64_t, uint64_t
from hutch_engine.base.buffer cimport buffer_reserve
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.memory cimport heap_promise_end
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    Call, call_changed, call_integer, call_log, call_log_deadline, call_log_fields, call_promise, call_word, error_arity,
    error_expire, error_memory)
from hutch_engine.commands.expiry cimport expiry_is_past
from hutch_engine.commands.hash cimport (
    Writing, hash_open_read, writing_begin, writing_begin_present, writing_finish, writing_promise, writing_delete_if_empty)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_error, reply_error_parts, reply_integer, reply_mark, reply_null, reply_one,
    reply_rewind, reply_zero)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_HASH, keyspace_event, keyspace_now, keyspace_touched)
from hutch_engine.structures.hash cimport (
    HASH_REFUSED, Hash, hash_clear_deadline, hash_deadline, hash_delete, hash_expect_deadlines, hash_free, hash_get,
    hash_growth_bytes, hash_prepare, hash_set, hash_set_deadline)
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word

cdef extern from "string.h" nogil:
    size_t strnlen(const char* text, size_t limit)

cdef enum:                       # conditions of the HEXPIRE family
    EXPIRE_ALWAYS = 0
    EXPIRE_NX = 1
    EXPIRE_XX = 2
    EXPIRE_GT = 3
    EXPIRE_LT = 4

cdef enum:                       # what it answers for a field
    FIELD_ABSENT = -2
    FIELD_WITHOUT = -1
    FIELD_UNCHANGED = 0
    FIELD_SET = 1
    FIELD_DELETED = 2

cdef enum:
    ANSWER_BYTES = 32            # of a bulk string, beside the string; the same of an array's header
    FIELD_DEADLINE_MAX_MS = 70368744177663        # 2 ** 46 - 1: what Redis's buckets of deadlines hold


# ---- words

cdef bint _fields_follow(Call* call, size_t at, const char* bad_number) noexcept nogil:
    """argv[at] is FIELDS, then their number, then just so many; else the error is written."""
    cdef int64_t count
    if not call_word(call, at, b"FIELDS"):
        reply_error(call.reply, b"ERR Mandatory argument FIELDS is missing or not at the right position")
        return False
    if at + 1 >= call.argc:
        error_arity(call)
        return False
    if not parse_integer(call.argv[at + 1], &count) or count < 1:
        reply_error(call.reply, bad_number)
        return False
    if <uint64_t>count != call.argc - at - 2:
        reply_error(call.reply, b"ERR The `numfields` parameter must match the number of arguments")
        return False
    return True


cdef inline const char* _positive() noexcept nogil:
    return b"ERR Number of fields must be a positive integer"


cdef bint _deadline(Call* call, size_t at, bint seconds, bint absolute, int64_t* deadline_ms_out) noexcept nogil:
    """argv[at] as Unix time in milliseconds; else the error is written."""
    cdef int64_t base_ms = 0 if absolute else keyspace_now(call.keyspace)
    cdef int64_t when
    if not call_integer(call, at, &when):
        return False
    if when < 0:
        reply_error(call.reply, b"ERR invalid expire time, must be >= 0")
        return False
    if seconds:
        if when > FIELD_DEADLINE_MAX_MS // 1000:
            error_expire(call)
            return False
        when *= 1000
    if when > FIELD_DEADLINE_MAX_MS - base_ms:
        error_expire(call)
        return False
    deadline_ms_out[0] = when + base_ms
    return True


cdef inline bint _deadline_word(Call* call, size_t at, bint* seconds_out, bint* absolute_out) noexcept nogil:
    """EX, PX, EXAT or PXAT?"""
    seconds_out[0] = call_word(call, at, b"EX") or call_word(call, at, b"EXAT")
    absolute_out[0] = call_word(call, at, b"EXAT") or call_word(call, at, b"PXAT")
    return seconds_out[0] or absolute_out[0] or call_word(call, at, b"PX")


cdef void _reply_absent(Call* call, size_t first) noexcept nogil:
    """Every field of a key that is not there."""
    cdef size_t i
    reply_array(call.reply, <int64_t>(call.argc - first))
    for i in range(first, call.argc):
        reply_integer(call.reply, FIELD_ABSENT)


# ---- setting and asking

cdef bint _allowed(int condition, int64_t old_ms, int64_t new_ms) noexcept nogil:
    """No deadline (-1) counts as an infinite one: GT never beats it, LT always does."""
    if condition == EXPIRE_NX:
        return old_ms == -1
    if condition == EXPIRE_XX:
        return old_ms != -1
    if condition == EXPIRE_GT:
        return old_ms != -1 and new_ms > old_ms
    if condition == EXPIRE_LT:
        return old_ms == -1 or new_ms < old_ms
    return True


cdef void _end(Call* call, Writing* writing, size_t mark, int64_t changed, int64_t deleted, const char* event,
               bint refused) noexcept nogil:
    """Effects of what was done, also when memory was refused in the middle of it."""
    heap_promise_end(call.keyspace.heap)
    writing_finish(call, writing)
    if changed or deleted:
        keyspace_touched(call.keyspace, call.database, call.argv[1])
        call.keyspace.dirty += <uint64_t>(changed + deleted)
        if deleted:
            keyspace_event(call.keyspace, call.database, EVENT_HASH, b"hdel", call.argv[1])
        if changed:
            keyspace_event(call.keyspace, call.database, EVENT_HASH, event, call.argv[1])
        if deleted:
            writing_delete_if_empty(call, writing)
    if unlikely(refused):
        reply_rewind(call.reply, mark)
        error_memory(call)


cdef void _log_deletion(Call* call, size_t first, size_t end) noexcept nogil:
    """Their deadline had passed: HDEL of the fields argv[first] ... argv[end - 1]."""
    cdef Journal* journal = call_log(call, 2 + end - first)
    cdef size_t i
    if likely(journal == NULL):
        return
    journal_text(journal, b"HDEL")
    journal_word(journal, call.argv[1])
    for i in range(first, end):
        journal_word(journal, call.argv[i])


cdef bint _may_rewrite(Call* call, Writing* writing, size_t first) noexcept nogil:
    """Memory for new blocks of the fields argv[first] ... is promised till _end; False after the OOM error. One alone is
    changed or is not."""
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef uint64_t bytes = hash_growth_bytes(&writing.hash)
    cdef size_t i
    if call.argc - first < 2:
        return True
    for i in range(first, call.argc):
        if hash_get(&writing.hash, call.argv[i], scratch, &value):
            bytes += value.length
    return call_promise(call, first, bytes)


cdef bint _may_answer(Call* call, Writing* writing, size_t first) noexcept nogil:
    """Room in the reply for the values of all fields argv[first] ...: they are about to go."""
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef size_t bytes = ANSWER_BYTES
    cdef size_t i
    for i in range(first, call.argc):
        bytes += ANSWER_BYTES
        if hash_get(&writing.hash, call.argv[i], scratch, &value):
            bytes += value.length
    return buffer_reserve(&call.reply.buffer, bytes)


cdef void _expire(Call* call, bint seconds, bint absolute) noexcept nogil:
    cdef Writing writing
    cdef bint wrong_type
    cdef bint present = writing_begin_present(call, 1, &writing, &wrong_type)
    cdef int condition = EXPIRE_ALWAYS
    cdef bint past
    cdef bint refused = False
    cdef int64_t deadline_ms, old_ms
    cdef int64_t changed = 0
    cdef int64_t deleted = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t at = 4
    cdef size_t i
    if wrong_type or not _deadline(call, 2, seconds, absolute, &deadline_ms):
        return
    if call_word(call, 3, b"NX"):
        condition = EXPIRE_NX
    elif call_word(call, 3, b"XX"):
        condition = EXPIRE_XX
    elif call_word(call, 3, b"GT"):
        condition = EXPIRE_GT
    elif call_word(call, 3, b"LT"):
        condition = EXPIRE_LT
    else:
        at = 3
    if not _fields_follow(call, at, b"ERR Parameter `numFields` should be greater than 0"):
        return
    if not present:
        _reply_absent(call, at + 2)
        return
    past = expiry_is_past(call, deadline_ms)
    if not _may_rewrite(call, &writing, at + 2):
        return
    hash_expect_deadlines(&writing.hash)
    reply_array(call.reply, <int64_t>(call.argc - at) - 2)
    for i in range(at + 2, call.argc):
        if not hash_deadline(&writing.hash, call.argv[i], &old_ms):
            reply_integer(call.reply, FIELD_ABSENT)
        elif not _allowed(condition, old_ms, deadline_ms):
            reply_integer(call.reply, FIELD_UNCHANGED)
        elif past:
            hash_delete(&writing.hash, call.argv[i])
            deleted += 1
            _log_deletion(call, i, i + 1)
            reply_integer(call.reply, FIELD_DELETED)
        elif hash_set_deadline(&writing.hash, call.argv[i], deadline_ms):
            changed += 1
            reply_integer(call.reply, FIELD_SET)
        else:
            refused = True
            break
    _end(call, &writing, mark, changed, deleted, b"hexpire", refused)
    if changed:
        call_log_deadline(call, b"HPEXPIREAT", 2, NULL, deadline_ms)


cdef void cmd_hexpire(Call* call) noexcept nogil:
    _expire(call, True, False)


cdef void cmd_hpexpire(Call* call) noexcept nogil:
    _expire(call, False, False)


cdef void cmd_hexpireat(Call* call) noexcept nogil:
    _expire(call, True, True)


cdef void cmd_hpexpireat(Call* call) noexcept nogil:
    _expire(call, False, True)


cdef void _remaining(Call* call, bint seconds, bint absolute) noexcept nogil:
    cdef Hash hash
    cdef bint wrong_type
    cdef bint present = hash_open_read(call, 1, &hash, &wrong_type)
    cdef int64_t left
    cdef size_t i
    if wrong_type or not _fields_follow(call, 2, _positive()):
        return
    if not present:
        _reply_absent(call, 4)
        return
    reply_array(call.reply, <int64_t>call.argc - 4)
    for i in range(4, call.argc):
        if not hash_deadline(&hash, call.argv[i], &left):
            left = FIELD_ABSENT
        elif left == -1:
            left = FIELD_WITHOUT
        else:
            if not absolute:
                left -= keyspace_now(call.keyspace)
            if left < 0:
                left = 0
            if seconds:
                left = (left + 999) // 1000
        reply_integer(call.reply, left)


cdef void cmd_httl(Call* call) noexcept nogil:
    _remaining(call, True, False)


cdef void cmd_hpttl(Call* call) noexcept nogil:
    _remaining(call, False, False)


cdef void cmd_hexpiretime(Call* call) noexcept nogil:
    _remaining(call, True, True)


cdef void cmd_hpexpiretime(Call* call) noexcept nogil:
    _remaining(call, False, True)


cdef void cmd_hpersist(Call* call) noexcept nogil:
    cdef Writing writing
    cdef bint wrong_type
    cdef bint present = writing_begin_present(call, 1, &writing, &wrong_type)
    cdef bint refused = False
    cdef int64_t old_ms
    cdef int64_t changed = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t i
    if wrong_type or not _fields_follow(call, 2, _positive()):
        return
    if not present:
        _reply_absent(call, 4)
        return
    if not _may_rewrite(call, &writing, 4):
        return
    reply_array(call.reply, <int64_t>call.argc - 4)
    for i in range(4, call.argc):
        if not hash_deadline(&writing.hash, call.argv[i], &old_ms):
            reply_integer(call.reply, FIELD_ABSENT)
        elif old_ms == -1:
            reply_integer(call.reply, FIELD_WITHOUT)
        elif hash_clear_deadline(&writing.hash, call.argv[i]):
            changed = 1                  # one change to save, however many fields
            reply_integer(call.reply, FIELD_SET)
        else:
            refused = True
            break
    _end(call, &writing, mark, changed, 0, b"hpersist", refused)


# ---- with the values

cdef void cmd_hgetdel(Call* call) noexcept nogil:
    cdef Writing writing
    cdef bint wrong_type
    cdef bint present = writing_begin_present(call, 1, &writing, &wrong_type)
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef int64_t deleted = 0
    cdef size_t i
    if wrong_type or not _fields_follow(call, 2, _positive()):
        return
    if present and not _may_answer(call, &writing, 4):
        return
    reply_array(call.reply, <int64_t>call.argc - 4)
    for i in range(4, call.argc):
        if not present or not hash_get(&writing.hash, call.argv[i], scratch, &value):
            reply_null(call.reply)
            continue
        reply_bulk(call.reply, value)
        hash_delete(&writing.hash, call.argv[i])
        deleted += 1
    if present:
        _end(call, &writing, 0, 0, deleted, NULL, False)


cdef void cmd_hgetex(Call* call) noexcept nogil:
    cdef Writing writing
    cdef bint wrong_type
    cdef bint present = writing_begin_present(call, 1, &writing, &wrong_type)
    cdef bint seconds, absolute
    cdef bint with_deadline = False
    cdef bint persist = False
    cdef bint past = False
    cdef bint refused = False
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice value
    cdef int64_t deadline_ms = 0
    cdef int64_t old_ms = -1
    cdef int64_t changed = 0
    cdef int64_t deleted = 0
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t at = 2
    cdef size_t i
    if wrong_type:
        return
    if _deadline_word(call, 2, &seconds, &absolute):
        if not _deadline(call, 3, seconds, absolute, &deadline_ms):
            return
        with_deadline = True
        past = expiry_is_past(call, deadline_ms)
        at = 4
        if call.argc == 5:               # before the word at 4 is looked at
            error_arity(call)
            return
    elif call_word(call, 2, b"PERSIST"):
        persist = True
        at = 3
    if not _fields_follow(call, at, _positive()):
        return
    if present and past and not _may_answer(call, &writing, at + 2):
        return
    if present and (with_deadline or persist):
        if not _may_rewrite(call, &writing, at + 2):
            return
        hash_expect_deadlines(&writing.hash)
    reply_array(call.reply, <int64_t>(call.argc - at) - 2)
    for i in range(at + 2, call.argc):
        if not present or not hash_get(&writing.hash, call.argv[i], scratch, &value):
            reply_null(call.reply)
            continue
        reply_bulk(call.reply, value)
        if past:
            hash_delete(&writing.hash, call.argv[i])
            deleted += 1
        elif with_deadline:
            refused = not hash_set_deadline(&writing.hash, call.argv[i], deadline_ms)
            changed += not refused
        elif persist and hash_deadline(&writing.hash, call.argv[i], &old_ms) and old_ms != -1:
            refused = not hash_clear_deadline(&writing.hash, call.argv[i])
            changed += not refused
        if refused:
            break
    if present:
        _end(call, &writing, mark, changed, deleted, b"hpersist" if persist else b"hexpire", refused)
        if deleted:
            _log_deletion(call, at + 2, call.argc)
        elif changed and persist:
            call_log_fields(call, b"HPERSIST", -1, at + 2)
        elif changed:
            call_log_fields(call, b"HPEXPIREAT", deadline_ms, at + 2)


cdef struct SetOptions:          # of HSETEX
    bint if_absent               # FNX
    bint if_present              # FXX
    bint keep_deadline           # KEEPTTL
    bint with_deadline
    int64_t deadline_ms
    size_t first                 # where fields and values begin


cdef bint _set_options(Call* call, SetOptions* options) noexcept nogil:
    cdef bint seconds, absolute
    cdef int64_t count
    cdef size_t i = 2
    options.if_absent = False
    options.if_present = False
    options.keep_deadline = False
    options.with_deadline = False
    options.deadline_ms = 0
    options.first = 0
    while i < call.argc:
        if call_word(call, i, b"FIELDS"):
            if i + 3 >= call.argc:
                error_arity(call)
                return False
            if not parse_integer(call.argv[i + 1], &count) or count < 1 or count > INT32_MAX:
                reply_error(call.reply, b"ERR invalid number of fields")
                return False
            if <uint64_t>count * 2 != call.argc - i - 2:
                error_arity(call)
                return False
            options.first = i + 2
            return True
        if call_word(call, i, b"FNX") or call_word(call, i, b"FXX"):
            if options.if_absent or options.if_present:
                reply_error(call.reply, b"ERR Only one of FXX or FNX arguments can be specified")
                return False
            options.if_absent = call_word(call, i, b"FNX")
            options.if_present = not options.if_absent
        elif call_word(call, i, b"KEEPTTL") or _deadline_word(call, i, &seconds, &absolute):
            if options.keep_deadline or options.with_deadline:
                reply_error(call.reply, b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
                return False
            if call_word(call, i, b"KEEPTTL"):
                options.keep_deadline = True
            else:
                i += 1
                if i == call.argc:
                    error_arity(call)
                    return False
                if not _deadline(call, i, seconds, absolute, &options.deadline_ms):
                    return False
                options.with_deadline = True
        else:
            # Redis prints the word as a C string: up to a NUL.
            reply_error_parts(call.reply, b"ERR unknown argument: ",
                              slice_of(call.argv[i].data, strnlen(call.argv[i].data, call.argv[i].length)), b"")
            return False
        i += 1
    error_arity(call)
    return False


cdef bint _forbidden(Call* call, const Writing* writing, const SetOptions* options) noexcept nogil:
    """FNX: one of the fields is there; FXX: one is not."""
    cdef int64_t deadline_ms
    cdef size_t i
    if writing.slot == NULL:
        return options.if_present
    if options.if_absent or options.if_present:
        for i in range(options.first, call.argc, 2):
            if hash_deadline(&writing.hash, call.argv[i], &deadline_ms) != options.if_present:
                return True
    return False


cdef void _log_set(Call* call, const SetOptions* options, uint64_t done, bint past) noexcept nogil:
    """Its fields and values, and their deadline as it is on the clock; or their end, where that has passed."""
    cdef Journal* journal = call_log(call, <size_t>(2 + done if past else 6 + 2 * done))
    cdef size_t i
    if likely(journal == NULL):
        return
    journal_text(journal, b"HDEL" if past else b"HSETEX")
    journal_word(journal, call.argv[1])
    if not past:
        journal_text(journal, b"PXAT")
        journal_integer(journal, options.deadline_ms)
        journal_text(journal, b"FIELDS")
        journal_integer(journal, <int64_t>done)
    for i in range(options.first, options.first + 2 * <size_t>done):
        if not past or (i - options.first) % 2 == 0:
            journal_word(journal, call.argv[i])


cdef void cmd_hsetex(Call* call) noexcept nogil:
    cdef Writing writing
    cdef SetOptions options
    cdef bint past
    cdef bint refused = False
    cdef bint written = False
    cdef uint64_t done = 0
    cdef size_t i
    if not _set_options(call, &options) or not writing_begin(call, 1, &writing):
        return
    if _forbidden(call, &writing, &options):
        if writing.slot == NULL:
            hash_free(writing.hash.heap, writing.hash.form, writing.hash.pointer)
        reply_zero(call.reply)
        return
    past = options.with_deadline and expiry_is_past(call, options.deadline_ms)
    # Also for a single field: value and deadline are two steps.
    if not writing_promise(call, &writing, options.first):
        return
    hash_prepare(&writing.hash, call.argv + options.first, call.argc - options.first)
    if options.with_deadline:
        hash_expect_deadlines(&writing.hash)
    for i in range(options.first, call.argc, 2):
        if hash_set(&writing.hash, call.argv[i], call.argv[i + 1], options.keep_deadline) == HASH_REFUSED:
            refused = True
        elif options.with_deadline and not past:
            refused = not hash_set_deadline(&writing.hash, call.argv[i], options.deadline_ms)
        if refused:
            break
        done += 1
    if refused and writing.slot == NULL:
        hash_free(writing.hash.heap, writing.hash.form, writing.hash.pointer)
    else:
        written = writing_finish(call, &writing)
    heap_promise_end(call.keyspace.heap)
    if not written:
        error_memory(call)
        return
    if done:
        call_changed(call, 1, EVENT_HASH, b"hset")
        call.keyspace.dirty += done - 1
    if done and options.with_deadline:
        _log_set(call, &options, done, past)
    if past and done:
        _delete_past(call, &options)
    elif options.with_deadline and done:
        keyspace_event(call.keyspace, call.database, EVENT_HASH, b"hexpire", call.argv[1])
    if refused:
        error_memory(call)
    else:
        reply_one(call.reply)


cdef void _delete_past(Call* call, const SetOptions* options) noexcept nogil:
    """They were set, and their deadline had passed."""
    cdef Writing writing
    cdef bint wrong_type
    cdef size_t i
    if not writing_begin_present(call, 1, &writing, &wrong_type):
        return
    for i in range(options.first, call.argc, 2):
        hash_delete(&writing.hash, call.argv[i])
    writing_finish(call, &writing)
    keyspace_event(call.keyspace, call.database, EVENT_HASH, b"hdel", call.argv[1])
    writing_delete_if_empty(call, &writing)
