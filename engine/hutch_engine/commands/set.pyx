"""See set.pxd. The order of the checks is Redis's: which of two errors wins is part of the protocol."""
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_zeroed
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer
from hutch_engine.base.outcome cimport NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport (
    Call, call_changed, call_find_read_type, call_find_write, call_find_write_type, call_hash, call_integer, call_log,
    call_log_key, error_memory, error_syntax, error_wrong_type, slot_entry)
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_bulk, reply_error, reply_integer, reply_mark, reply_null, reply_one,
    reply_rewind, reply_set, reply_zero)
from hutch_engine.commands.scan cimport (
    ScanOptions, scan_cursor, scan_insert_cursor, scan_options, scan_steps)
from hutch_engine.keyspace.entry cimport TYPE_SET, Entry, entry_set_form, entry_type, value_of_pointer
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_NEW, EVENT_SET, Database, Keyspace, keyspace_add, keyspace_delete, keyspace_dispose, keyspace_event,
    keyspace_ready, keyspace_resized, keyspace_touched)
from hutch_engine.structures.set cimport (
    SET_INTSET, SET_LISTPACK, Set, SetLimits, set_add, set_contains, set_draw, set_draw_again, set_each,
    set_each_sampled, set_expect, set_free, set_length, set_new, set_new_for, set_random, set_random_ahead, set_remove, set_scan)
from hutch_engine.structures.table cimport TableSlot, table_find
from hutch_engine.keyspace.journal cimport Journal, journal_begin, journal_text, journal_word

cdef enum:
    POPPED_A_COMMAND = 1024      # members in one SREM of the log
    POP_KEEP_FACTOR = 5          # SPOP: from five popped for each that stays on, the few that stay move out instead
    ADDED_WORDS = 16             # bits of what SADD has added so far, on the stack


cdef SetLimits set_limits(Call* call) noexcept nogil:
    cdef SetLimits limits
    limits.intset_entries = call.keyspace.limits.set_intset_entries
    limits.entries = call.keyspace.limits.set_entries
    limits.value_bytes = call.keyspace.limits.set_value_bytes
    return limits


cdef void entry_store_set(Database* database, Entry* entry, Set set) noexcept nogil:
    entry_set_form(entry, set.form, set.pointer)
    keyspace_resized(database, entry, set_length(set))


# ---- adding, removing

cdef bint _add_all(Call* call, Set* set, const SetLimits* limits, uint64_t* added_out) noexcept nogil:
    """All of argv[2] ..., or none of them (False: memory was refused)."""
    cdef uint64_t[ADDED_WORDS] few
    cdef uint64_t* bits = few
    cdef size_t words = (call.argc + 63) // 64
    cdef Heap* heap = call.keyspace.heap
    cdef Outcome outcome
    cdef size_t i
    cdef bint done = True
    added_out[0] = 0
    if words > ADDED_WORDS:
        bits = <uint64_t*>heap_try_zeroed(heap, words, sizeof(uint64_t))
        if bits == NULL:
            return False
    else:
        for i in range(words):
            few[i] = 0
    for i in range(2, call.argc):
        outcome = set_add(heap, &call.keyspace.hash_key, set, call.argv[i], limits)
        if likely(outcome == OK):
            bits[i >> 6] |= <uint64_t>1 << (i & 63)
            added_out[0] += 1
        elif unlikely(outcome == NO_MEMORY):
            done = False
            break
    if not done:
        while i > 2:
            i -= 1
            if bits[i >> 6] >> (i & 63) & 1:
                set_remove(heap, set, call.argv[i])
    if bits != few:
        heap_free(heap, bits, words * sizeof(uint64_t))
    return done


cdef void cmd_sadd(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef SetLimits limits
    cdef TableSlot slot
    cdef uint64_t added = 0
    cdef Set set
    cdef bint wrong
    slot = call_find_write_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    limits = set_limits(call)
    if slot == NULL:
        set = set_new_for(keyspace.heap, &keyspace.hash_key, call.argv[2], call.argc - 2, &limits)
        if (not _add_all(call, &set, &limits, &added)
                or keyspace_add(keyspace, call.database, call.argv[1], call_hash(call, 1),
                                value_of_pointer(TYPE_SET, set.form, set.pointer)) == NULL):
            set_free(keyspace.heap, set)
            error_memory(call)
            return
    else:
        set = entry_set(slot_entry(slot))
        if (not set_expect(keyspace.heap, &keyspace.hash_key, &set, call.argc - 2, &limits)
                or not _add_all(call, &set, &limits, &added)):
            entry_store_set(call.database, slot_entry(slot), set)
            error_memory(call)
            return
        entry_store_set(call.database, slot_entry(slot), set)
    if added:
        keyspace_touched(keyspace, call.database, call.argv[1])
        keyspace_event(keyspace, call.database, EVENT_SET, b"sadd", call.argv[1])
        keyspace.dirty += added
    reply_integer(call.reply, <int64_t>added)


cdef void _remove_emptied(Call* call, size_t index, TableSlot slot) noexcept nogil:
    """The last member went, and the key goes with it."""
    keyspace_delete(call.keyspace, call.database, slot, call_hash(call, index), False)
    keyspace_event(call.keyspace, call.database, EVENT_GENERIC, b"del", call.argv[index])


cdef void cmd_srem(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef bint wrong
    cdef TableSlot slot = call_find_write_type(call, 1, TYPE_SET, &wrong)
    cdef Set set
    cdef int64_t removed = 0
    cdef bint empty = False
    cdef size_t i = 2
    if wrong:
        return
    if slot == NULL:
        reply_zero(call.reply)
        return
    set = entry_set(slot_entry(slot))
    while i < call.argc and not empty:
        if set_remove(keyspace.heap, &set, call.argv[i]):
            removed += 1
            empty = set_length(set) == 0
        i += 1
    entry_store_set(call.database, slot_entry(slot), set)
    if removed:
        keyspace_touched(keyspace, call.database, call.argv[1])
        keyspace_event(keyspace, call.database, EVENT_SET, b"srem", call.argv[1])
        if empty:
            _remove_emptied(call, 1, slot)
        keyspace.dirty += removed
    reply_integer(call.reply, removed)


cdef void cmd_smove(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Slice member = call.argv[3]
    cdef SetLimits limits = set_limits(call)
    # The entries, not their slots: looking up the second key may expire it and move the first one's slot.
    cdef TableSlot slot = call_find_write(call, 1)
    cdef Entry* source = slot_entry(slot) if slot != NULL else NULL
    cdef Entry* target
    cdef Set from_set, to_set
    cdef Outcome outcome
    cdef uint32_t wanted
    slot = call_find_write(call, 2)
    target = slot_entry(slot) if slot != NULL else NULL
    if source == NULL:
        reply_zero(call.reply)
        return
    if entry_type(source) != TYPE_SET or (target != NULL and entry_type(target) != TYPE_SET):
        error_wrong_type(call)
        return
    from_set = entry_set(source)
    if not set_contains(from_set, member):
        reply_zero(call.reply)
        return
    if source == target:
        reply_one(call.reply)
        return
    # First into the one, since that may be refused; the events say it in the other order.
    if target == NULL:
        to_set = set_new_for(keyspace.heap, &keyspace.hash_key, member, 1, &limits)
        outcome = set_add(keyspace.heap, &keyspace.hash_key, &to_set, member, &limits)
    else:
        to_set = entry_set(target)
        outcome = set_add(keyspace.heap, &keyspace.hash_key, &to_set, member, &limits)
        entry_store_set(call.database, target, to_set)
    if outcome != NO_MEMORY and target == NULL:
        wanted = keyspace.wanted
        keyspace.wanted = 0                  # "new" is said below, where its turn is
        if keyspace_add(keyspace, call.database, call.argv[2], call_hash(call, 2),
                        value_of_pointer(TYPE_SET, to_set.form, to_set.pointer)) == NULL:
            outcome = NO_MEMORY
        keyspace.wanted = wanted
    if outcome == NO_MEMORY:
        if target == NULL:
            set_free(keyspace.heap, to_set)
        error_memory(call)
        return
    set_remove(keyspace.heap, &from_set, member)
    entry_store_set(call.database, source, from_set)
    keyspace_event(keyspace, call.database, EVENT_SET, b"srem", call.argv[1])
    if set_length(from_set) == 0:
        _remove_emptied(call, 1, table_find(&call.database.keys, call.argv[1], call_hash(call, 1)))
    if target == NULL:
        keyspace_ready(keyspace, call.database, call.argv[2])
        keyspace_event(keyspace, call.database, EVENT_NEW, b"new", call.argv[2])
    keyspace_touched(keyspace, call.database, call.argv[1])
    keyspace.dirty += 1
    if outcome == OK:
        keyspace_touched(keyspace, call.database, call.argv[2])
        keyspace_event(keyspace, call.database, EVENT_SET, b"sadd", call.argv[2])
        keyspace.dirty += 1
    reply_one(call.reply)


# ---- asking

cdef void cmd_scard(Call* call) noexcept nogil:
    cdef bint wrong
    cdef Entry* entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    if not wrong:
        reply_integer(call.reply, <int64_t>set_length(entry_set(entry)) if entry != NULL else 0)


cdef void cmd_sismember(Call* call) noexcept nogil:
    cdef bint wrong
    cdef Entry* entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    if entry != NULL and set_contains(entry_set(entry), call.argv[2]):
        reply_one(call.reply)
    else:
        reply_zero(call.reply)


cdef void cmd_smismember(Call* call) noexcept nogil:
    cdef bint wrong
    cdef Entry* entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    cdef size_t i
    if wrong:
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        if entry != NULL and set_contains(entry_set(entry), call.argv[i]):
            reply_one(call.reply)
        else:
            reply_zero(call.reply)


cdef bint _reply_member(void* context, Slice member) noexcept nogil:
    cdef Reply* reply = <Reply*>context
    reply_bulk(reply, member)
    return not reply.buffer.failed


cdef void cmd_smembers(Call* call) noexcept nogil:
    cdef bint wrong
    cdef Entry* entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    if entry == NULL:
        reply_set(call.reply, 0)
        return
    reply_set(call.reply, <int64_t>set_length(entry_set(entry)))
    set_each(entry_set(entry), _reply_member, call.reply)


# ---- drawing

cdef struct Parting:             # SPOP of nearly all: who goes is answered, who stays moves to another set
    Call* call
    SetLimits limits
    Set kept
    bint refused


cdef bint _keep_member(void* context, Slice member) noexcept nogil:
    cdef Parting* parting = <Parting*>context
    cdef Keyspace* keyspace = parting.call.keyspace
    if set_add(keyspace.heap, &keyspace.hash_key, &parting.kept, member, &parting.limits) == NO_MEMORY:
        parting.refused = True
        return False
    return True


cdef bint _let_go_member(void* context, Slice member) noexcept nogil:
    reply_bulk((<Parting*>context).call.reply, member)
    return True


cdef bint _pop_most(Call* call, Entry* entry, uint64_t remaining) noexcept nogil:
    """Keep `remaining` of the members; False, with nothing changed or answered, when memory was refused."""
    cdef Keyspace* keyspace = call.keyspace
    cdef Set set = entry_set(entry)
    cdef size_t mark = reply_mark(call.reply)
    cdef Parting parting
    parting.call = call
    parting.limits = set_limits(call)
    parting.refused = False
    # As in Redis, what was a table begins anew as a listpack.
    parting.kept = set_new(keyspace.heap, &keyspace.hash_key, SET_INTSET if set.form == SET_INTSET else SET_LISTPACK)
    reply_set(call.reply, <int64_t>(set_length(set) - remaining))
    set_each_sampled(set, remaining, keyspace.random, _keep_member, _let_go_member, &parting)
    if parting.refused or call.reply.buffer.failed:
        reply_rewind(call.reply, mark)
        set_free(keyspace.heap, parting.kept)
        return False
    entry_store_set(call.database, entry, parting.kept)
    keyspace_dispose(keyspace, TYPE_SET, set.form, set.pointer, True)
    return True


cdef inline bint _pop_one(Call* call, Set* set) noexcept nogil:
    """False when there was no memory to tell of it: it stays."""
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Slice member = set_random(set[0], call.keyspace.random, scratch)
    reply_bulk(call.reply, member)
    if unlikely(call.reply.buffer.failed):
        return False
    set_remove(call.keyspace.heap, set, member)
    # SPOP seldom comes alone, and each waits twice for memory: for a bucket and for a member.
    set_random_ahead(set[0], call.keyspace.random)
    return True


cdef void _put_back(Call* call, Set* set, size_t first, uint64_t count) noexcept nogil:
    """The members of which bulk strings lie in the reply from `first` on: of the others that went with them there was no
    memory to tell. What they need they have just left."""
    cdef SetLimits limits = set_limits(call)
    cdef const char* at = call.reply.buffer.data + first
    cdef size_t length
    while count:
        count -= 1
        length = 0
        at += 1                              # $
        while at[0] != 13:
            length = length * 10 + <size_t>(at[0] - 48)
            at += 1
        set_add(call.keyspace.heap, &call.keyspace.hash_key, set, slice_of(at + 2, length), &limits)
        at += length + 4


cdef void _log_popped(Call* call, size_t first, uint64_t count, bint emptied) noexcept nogil:
    """SREM of those that chance has chosen: their bulk strings lie in the reply from `first` on. Of all, DEL."""
    cdef Journal* journal = call.keyspace.journal
    cdef const char* at
    cdef size_t length, batch
    if likely(journal == NULL):
        return
    if emptied:
        call_log_key(call, b"DEL", 1)
        return
    at = call.reply.buffer.data + first
    if at[0] != 36:                              # an array's header
        while at[0] != 10:
            at += 1
        at += 1
    while count:
        batch = <size_t>count if count < POPPED_A_COMMAND else POPPED_A_COMMAND
        count -= batch
        call_log(call, 2 + batch)
        journal_text(journal, b"SREM")
        journal_word(journal, call.argv[1])
        while batch:
            batch -= 1
            length = 0
            at += 1                              # $
            while at[0] != 13:
                length = length * 10 + <size_t>(at[0] - 48)
                at += 1
            journal_word(journal, slice_of(at + 2, length))
            at += length + 4


cdef void _pop_count(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef int64_t wanted
    cdef uint64_t count, length, i
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t first
    cdef TableSlot slot
    cdef Set set
    cdef bint wrong
    if not parse_integer(call.argv[2], &wanted) or wanted < 0:
        reply_error(call.reply, b"ERR value is out of range, must be positive")
        return
    slot = call_find_write_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    if slot == NULL or wanted == 0:
        reply_set(call.reply, 0)
        return
    count = <uint64_t>wanted
    set = entry_set(slot_entry(slot))
    length = set_length(set)
    if count >= length:
        count = length
        reply_set(call.reply, <int64_t>length)
        set_each(set, _reply_member, call.reply)
        if unlikely(call.reply.buffer.failed):
            return
    elif (length - count) * POP_KEEP_FACTOR > count:
        reply_set(call.reply, wanted)
        first = reply_mark(call.reply)
        for i in range(count):
            if unlikely(not _pop_one(call, &set)):
                _put_back(call, &set, first, i)
                entry_store_set(call.database, slot_entry(slot), set)
                return
        entry_store_set(call.database, slot_entry(slot), set)
    elif not _pop_most(call, slot_entry(slot), length - count):
        error_memory(call)
        return
    keyspace_touched(keyspace, call.database, call.argv[1])
    keyspace_event(keyspace, call.database, EVENT_SET, b"spop", call.argv[1])
    keyspace.dirty += count
    if call.keyspace.journal != NULL:
        _log_popped(call, mark, count, count == length)
    if count == length:
        _remove_emptied(call, 1, slot)


cdef void cmd_spop(Call* call) noexcept nogil:
    cdef TableSlot slot
    cdef Set set
    cdef size_t mark
    cdef bint wrong
    if call.argc == 3:
        _pop_count(call)
        return
    if call.argc > 3:
        error_syntax(call)
        return
    slot = call_find_write_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    if slot == NULL:
        reply_null(call.reply)
        return
    set = entry_set(slot_entry(slot))
    mark = reply_mark(call.reply)
    if unlikely(not _pop_one(call, &set)):
        return
    entry_store_set(call.database, slot_entry(slot), set)
    call_changed(call, 1, EVENT_SET, b"spop")
    _log_popped(call, mark, 1, set_length(set) == 0)
    if set_length(set) == 0:
        _remove_emptied(call, 1, slot)


cdef void cmd_srandmember(Call* call) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef Keyspace* keyspace = call.keyspace
    cdef int64_t count = 0
    cdef Entry* entry
    cdef Set set
    cdef bint wrong
    if call.argc > 3:
        error_syntax(call)
        return
    if call.argc == 3:
        if not call_integer(call, 2, &count):
            return
        if count == INT64_MIN:
            reply_error(call.reply, b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
            return
    entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    if entry == NULL:
        if call.argc == 3:
            reply_array(call.reply, 0)
        else:
            reply_null(call.reply)
        return
    set = entry_set(entry)
    if call.argc == 2:
        reply_bulk(call.reply, set_random(set, keyspace.random, scratch))
    elif count < 0:
        reply_array(call.reply, -count)
        set_draw_again(keyspace.heap, set, <uint64_t>-count, keyspace.random, _reply_member, call.reply)
    elif <uint64_t>count >= set_length(set):
        reply_array(call.reply, <int64_t>set_length(set))
        set_each(set, _reply_member, call.reply)
    else:
        reply_array(call.reply, count)
        set_draw(keyspace.heap, set, <uint64_t>count, keyspace.random, _reply_member, call.reply)


# ---- walking through

cdef struct Walk:
    Reply* reply
    const ScanOptions* options
    int64_t seen
    int64_t listed


cdef bint _list_member(void* context, Slice member) noexcept nogil:
    cdef Walk* walk = <Walk*>context
    walk.seen += 1
    if walk.options.all or glob_matches(walk.options.pattern, member, False):
        reply_bulk(walk.reply, member)
        walk.listed += 1
    return True


cdef void cmd_sscan(Call* call) noexcept nogil:
    cdef uint64_t cursor
    cdef ScanOptions options
    cdef Entry* entry
    cdef Walk walk
    cdef size_t mark
    cdef int64_t steps
    cdef bint wrong
    if not scan_cursor(call.argv[2], &cursor):
        reply_error(call.reply, b"ERR invalid cursor")
        return
    entry = call_find_read_type(call, 1, TYPE_SET, &wrong)
    if wrong:
        return
    mark = reply_mark(call.reply)
    if entry == NULL:                        # whatever the options say
        reply_array(call.reply, 0)
        scan_insert_cursor(call.reply, mark, 0)
        return
    if not scan_options(call, False, &options):
        return
    walk.reply = call.reply
    walk.options = &options
    walk.seen = 0
    walk.listed = 0
    steps = scan_steps(options.count)
    while True:
        cursor = set_scan(entry_set(entry), cursor, _list_member, &walk)
        steps -= 1
        if cursor == 0 or steps <= 0 or walk.seen >= options.count:
            break
    reply_array_at(call.reply, mark, walk.listed)
    scan_insert_cursor(call.reply, mark, cursor)
