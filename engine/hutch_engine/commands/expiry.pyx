"""See expiry.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    CALL_REPLAYED, Call, call_changed, call_find_write, call_hash, call_integer, call_log, call_log_deadline, call_log_key,
    error_expire, error_memory, slot_entry)
from hutch_engine.commands.reply cimport reply_error, reply_error_parts, reply_integer, reply_one, reply_zero
from hutch_engine.keyspace.entry cimport Entry, entry_deadline_ms, entry_has_deadline
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, FIND_NO_TOUCH, Database, Keyspace, keyspace_clear_deadline, keyspace_delete, keyspace_find,
    keyspace_now, keyspace_set_deadline)
from hutch_engine.structures.table cimport TableSlot
from hutch_engine.keyspace.journal cimport Journal, journal_integer, journal_text, journal_word

cdef extern from "string.h" nogil:
    size_t strnlen(const char* text, size_t limit)

cdef enum:                       # options of the EXPIRE family
    EXPIRE_NX = 1
    EXPIRE_XX = 2
    EXPIRE_GT = 4
    EXPIRE_LT = 8


cdef bint expiry_is_past(Call* call, int64_t deadline_ms) noexcept nogil:
    return deadline_ms <= keyspace_now(call.keyspace) and not call.flags & CALL_REPLAYED


cdef bint expiry_persist(Keyspace* keyspace, Database* database, TableSlot slot) noexcept nogil:
    cdef Entry* entry = slot_entry(slot)
    if not entry_has_deadline(entry):
        return False
    keyspace_clear_deadline(keyspace, database, slot)
    return True


cdef void expiry_log(Call* call, int64_t deadline_ms) noexcept nogil:
    cdef Journal* journal = call_log(call, 3)
    if unlikely(journal != NULL):
        journal_text(journal, b"PEXPIREAT")
        journal_word(journal, call.argv[1])
        journal_integer(journal, deadline_ms)


cdef bint _options(Call* call, uint32_t* options_out) noexcept nogil:
    cdef uint32_t options = 0
    cdef size_t i
    for i in range(3, call.argc):
        if slice_is(call.argv[i], b"NX"):
            options |= EXPIRE_NX
        elif slice_is(call.argv[i], b"XX"):
            options |= EXPIRE_XX
        elif slice_is(call.argv[i], b"GT"):
            options |= EXPIRE_GT
        elif slice_is(call.argv[i], b"LT"):
            options |= EXPIRE_LT
        else:
            # Redis prints the word as a C string: up to a NUL.
            reply_error_parts(call.reply, b"ERR Unsupported option ",
                              slice_of(call.argv[i].data, strnlen(call.argv[i].data, call.argv[i].length)), b"")
            return False
    if options & EXPIRE_NX and options & ~EXPIRE_NX:
        reply_error(call.reply, b"ERR NX and XX, GT or LT options at the same time are not compatible")
        return False
    if options & EXPIRE_GT and options & EXPIRE_LT:
        reply_error(call.reply, b"ERR GT and LT options at the same time are not compatible")
        return False
    options_out[0] = options
    return True


cdef inline bint _allowed(const Entry* entry, int64_t deadline_ms, uint32_t options) noexcept nogil:
    """No deadline counts as an infinite one: GT never beats it, LT always does."""
    cdef bint present = entry_has_deadline(entry)
    if options & EXPIRE_NX and present:
        return False
    if options & EXPIRE_XX and not present:
        return False
    if options & EXPIRE_GT and (not present or deadline_ms <= entry_deadline_ms(entry)):
        return False
    if options & EXPIRE_LT and present and deadline_ms >= entry_deadline_ms(entry):
        return False
    return True


cdef void _expire(Call* call, int64_t base_ms, bint seconds) noexcept nogil:
    """argv[2] is a number of seconds or milliseconds behind `base_ms`."""
    cdef int64_t deadline_ms
    cdef uint32_t options
    cdef TableSlot slot
    if not _options(call, &options) or not call_integer(call, 2, &deadline_ms):
        return
    if seconds:
        if deadline_ms > INT64_MAX // 1000 or deadline_ms < -(INT64_MAX // 1000):
            error_expire(call)
            return
        deadline_ms *= 1000
    if deadline_ms > INT64_MAX - base_ms:
        error_expire(call)
        return
    deadline_ms += base_ms
    slot = call_find_write(call, 1)
    if slot == NULL or (options and not _allowed(slot_entry(slot), deadline_ms, options)):
        reply_zero(call.reply)
        return
    if expiry_is_past(call, deadline_ms):
        keyspace_delete(call.keyspace, call.database, slot, call_hash(call, 1), call.keyspace.lazy_expire)
        call_changed(call, 1, EVENT_GENERIC, b"del")
        call_log_key(call, b"UNLINK" if call.keyspace.lazy_expire else b"DEL", 1)
    elif keyspace_set_deadline(call.keyspace, call.database, slot, deadline_ms) == NULL:
        error_memory(call)
        return
    else:
        call_changed(call, 1, EVENT_GENERIC, b"expire")
        expiry_log(call, deadline_ms)
    reply_one(call.reply)


cdef void cmd_expire(Call* call) noexcept nogil:
    _expire(call, keyspace_now(call.keyspace), True)


cdef void cmd_pexpire(Call* call) noexcept nogil:
    _expire(call, keyspace_now(call.keyspace), False)


cdef void cmd_expireat(Call* call) noexcept nogil:
    _expire(call, 0, True)


cdef void cmd_pexpireat(Call* call) noexcept nogil:
    _expire(call, 0, False)


cdef int64_t expiry_left(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, bint absolute,
                         bint seconds) noexcept nogil:
    cdef Entry* entry = keyspace_find(keyspace, database, key, hash, FIND_NO_TOUCH)
    cdef int64_t left
    if entry == NULL:
        return -2
    if not entry_has_deadline(entry):
        return -1
    left = entry_deadline_ms(entry)
    if not absolute:
        left -= keyspace_now(keyspace)
    if left < 0:
        left = 0
    # Unsigned: deadlines reach to the end of int64.
    return <int64_t>((<uint64_t>left + 500) // 1000) if seconds else left


cdef void _remaining(Call* call, bint absolute, bint seconds) noexcept nogil:
    reply_integer(call.reply, expiry_left(call.keyspace, call.database, call.argv[1], call_hash(call, 1), absolute, seconds))


cdef void cmd_ttl(Call* call) noexcept nogil:
    _remaining(call, False, True)


cdef void cmd_pttl(Call* call) noexcept nogil:
    _remaining(call, False, False)


cdef void cmd_expiretime(Call* call) noexcept nogil:
    _remaining(call, True, True)


cdef void cmd_pexpiretime(Call* call) noexcept nogil:
    _remaining(call, True, False)


cdef void cmd_persist(Call* call) noexcept nogil:
    cdef TableSlot slot = call_find_write(call, 1)
    if slot == NULL or not expiry_persist(call.keyspace, call.database, slot):
        reply_zero(call.reply)
        return
    call_changed(call, 1, EVENT_GENERIC, b"persist")
    reply_one(call.reply)
