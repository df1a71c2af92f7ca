"""See set_operations.pxd.

What is stored has the form (OBJECT ENCODING) that Redis gives it, which depends on the order in which members come:
hence the same choices of algorithm here. What is only answered takes the shortest way.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.outcome cimport NO_MEMORY, OK, Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport (
    Call, call_find_read_type, call_find_write, call_hash, call_word, error_memory, error_syntax, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_bulk, reply_bulk_integer, reply_error, reply_integer, reply_mark, reply_rewind, reply_set, reply_set_at, reply_zero)
from hutch_engine.commands.set cimport entry_set, set_limits
from hutch_engine.keyspace.entry cimport TYPE_SET, Entry, entry_type, value_of_pointer
from hutch_engine.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_SET, FIND_NO_TOUCH, FIND_WRITE, Keyspace, keyspace_delete, keyspace_event, keyspace_find_slot,
    keyspace_overwritten, keyspace_set, keyspace_touched)
from hutch_engine.structures.bag cimport Bag, bag_add, bag_clear, bag_each, bag_init, bag_length, bag_remove
from hutch_engine.structures.intset cimport Intset, intset_get
from hutch_engine.structures.set cimport (
    SET_INTSET, SET_LISTPACK, Set, SetLimits, set_add, set_contains, set_each, set_free, set_has_blocks, set_length,
    set_new, set_pack_integers, set_remove)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    FEW_SETS = 16                # operands that fit the stack

cdef struct Operand:
    Set set                      # pointer NULL: no such key
    uint64_t length

# The state of one command, and the context of its visitors.
cdef struct Operation:
    Call* call
    SetLimits limits
    Operand* operands            # `few`, or a block of its own
    size_t count
    size_t present               # operands that exist
    bint same                    # is one of them the first one once more?
    Operand[FEW_SETS] few
    size_t current               # the operand whose members are visited
    Set result                   # of the STORE forms; pointer NULL otherwise
    Bag bag
    bint only_integers
    bint refused                 # memory was: answer so
    int64_t found
    int64_t limit                # of SINTERCARD; 0: none


# ---- operands

cdef bint _begin(Operation* operation, Call* call, size_t first, size_t count) noexcept nogil:
    """Look up argv[first] ...; False after an error reply (a wrong type wins over missing keys)."""
    cdef size_t i
    cdef Entry* entry
    cdef bint wrong
    operation.call = call
    operation.limits = set_limits(call)
    operation.operands = operation.few
    operation.count = count
    operation.present = 0
    operation.same = False
    operation.result.pointer = NULL
    operation.only_integers = True
    operation.refused = False
    operation.found = 0
    operation.limit = 0
    if count > FEW_SETS:
        operation.operands = <Operand*>heap_try_alloc(call.keyspace.heap, count * sizeof(Operand))
        if operation.operands == NULL:
            error_memory(call)
            return False
    for i in range(count):
        entry = call_find_read_type(call, first + i, TYPE_SET, &wrong)
        if wrong:
            _end(operation)
            return False
        operation.operands[i].set.pointer = NULL
        operation.operands[i].length = 0
        if entry != NULL:
            operation.operands[i].set = entry_set(entry)
            operation.operands[i].length = set_length(entry_set(entry))
            operation.present += 1
            if i > 0 and operation.operands[i].set.pointer == operation.operands[0].set.pointer:
                operation.same = True
    return True


cdef void _end(Operation* operation) noexcept nogil:
    if operation.operands != operation.few:
        heap_free(operation.call.keyspace.heap, operation.operands, operation.count * sizeof(Operand))


cdef int _by_length(const void* a, const void* b) noexcept nogil:
    cdef uint64_t first = (<const Operand*>a).length
    cdef uint64_t second = (<const Operand*>b).length
    return (first > second) - (first < second)


cdef int _by_length_down(const void* a, const void* b) noexcept nogil:
    return _by_length(b, a)


# ---- the end of the STORE forms

cdef void _delete_target(Call* call) noexcept nogil:
    cdef TableSlot slot = keyspace_find_slot(call.keyspace, call.database, call.argv[1], call_hash(call, 1),
                                             FIND_WRITE | FIND_NO_TOUCH)
    if slot != NULL:
        keyspace_delete(call.keyspace, call.database, slot, call_hash(call, 1), False)
        keyspace_touched(call.keyspace, call.database, call.argv[1])
        keyspace_event(call.keyspace, call.database, EVENT_GENERIC, b"del", call.argv[1])
        call.keyspace.dirty += 1
    reply_zero(call.reply)


cdef void _store(Operation* operation, const char* event) noexcept nogil:
    """Put the result under argv[1], over whatever is there; the operands may be gone afterwards."""
    cdef Call* call = operation.call
    cdef Keyspace* keyspace = call.keyspace
    cdef Set result = operation.result
    cdef TableSlot slot
    cdef int old_type
    if operation.refused:
        set_free(keyspace.heap, result)
        error_memory(call)
        return
    if set_length(result) == 0:
        set_free(keyspace.heap, result)
        _delete_target(call)
        return
    slot = call_find_write(call, 1)
    old_type = entry_type(slot_entry(slot)) if slot != NULL else -1
    if keyspace_set(keyspace, call.database, call.argv[1], call_hash(call, 1), slot,
                    value_of_pointer(TYPE_SET, result.form, result.pointer), False) == NULL:
        set_free(keyspace.heap, result)
        error_memory(call)
        return
    keyspace_touched(keyspace, call.database, call.argv[1])
    if old_type >= 0:
        keyspace_overwritten(keyspace, call.database, call.argv[1], <uint8_t>old_type, TYPE_SET)
    keyspace_event(keyspace, call.database, EVENT_SET, event, call.argv[1])
    keyspace.dirty += 1
    reply_integer(call.reply, <int64_t>set_length(result))


cdef inline bint _add_result(Operation* operation, Slice member) noexcept nogil:
    if set_add(operation.call.keyspace.heap, &operation.call.keyspace.hash_key, &operation.result, member,
               &operation.limits) == NO_MEMORY:
        operation.refused = True
        return False
    return True


# ---- intersections

cdef inline bint _in_all(Operation* operation, Slice member) noexcept nogil:
    """Is a member of the first (smallest) operand in all others?"""
    cdef size_t i = 1
    while i < operation.count:
        if (operation.operands[i].set.pointer != operation.operands[0].set.pointer
                and not set_contains(operation.operands[i].set, member)):
            return False
        i += 1
    return True


cdef bint _count_common(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    if _in_all(operation, member):
        operation.found += 1
        return operation.found != operation.limit
    return True


cdef bint _reply_common(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    if _in_all(operation, member):
        operation.found += 1
        reply_bulk(operation.call.reply, member)
    return True


cdef bint _store_common(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    cdef int64_t number
    if not _in_all(operation, member):
        return True
    if operation.only_integers and not parse_integer(member, &number):
        operation.only_integers = False
    return _add_result(operation, member)


cdef inline void _sort_for_intersection(Operation* operation) noexcept nogil:
    qsort(operation.operands, operation.count, sizeof(Operand), _by_length)


cdef void cmd_sinter(Call* call) noexcept nogil:
    cdef Operation operation
    cdef size_t mark = reply_mark(call.reply)
    if not _begin(&operation, call, 1, call.argc - 1):
        return
    if operation.present < operation.count:
        reply_set(call.reply, 0)
    else:
        _sort_for_intersection(&operation)
        set_each(operation.operands[0].set, _reply_common, &operation)
        reply_set_at(call.reply, mark, operation.found)
    _end(&operation)


cdef void cmd_sintercard(Call* call) noexcept nogil:
    cdef Operation operation
    cdef int64_t count
    cdef int64_t limit = 0
    cdef size_t i
    if not parse_integer(call.argv[1], &count) or count < 1:
        reply_error(call.reply, b"ERR numkeys should be greater than 0")
        return
    if <uint64_t>count > call.argc - 2:
        reply_error(call.reply, b"ERR Number of keys can't be greater than number of args")
        return
    i = 2 + <size_t>count
    while i < call.argc:
        if not call_word(call, i, b"LIMIT") or i + 1 == call.argc:
            error_syntax(call)
            return
        if not parse_integer(call.argv[i + 1], &limit) or limit < 0:
            reply_error(call.reply, b"ERR LIMIT can't be negative")
            return
        i += 2
    if not _begin(&operation, call, 2, <size_t>count):
        return
    operation.limit = limit
    if operation.present == operation.count:
        _sort_for_intersection(&operation)
        set_each(operation.operands[0].set, _count_common, &operation)
    reply_integer(call.reply, operation.found)
    _end(&operation)


cdef void cmd_sinterstore(Call* call) noexcept nogil:
    cdef Keyspace* keyspace = call.keyspace
    cdef Operation operation
    if not _begin(&operation, call, 2, call.argc - 2):
        return
    if operation.present < operation.count:
        _delete_target(call)
    else:
        _sort_for_intersection(&operation)
        operation.result = set_new(keyspace.heap, &keyspace.hash_key, SET_INTSET if
                                   operation.operands[0].set.form == SET_INTSET else SET_LISTPACK)
        set_each(operation.operands[0].set, _store_common, &operation)
        if operation.only_integers and not operation.refused and set_length(operation.result):
            set_pack_integers(keyspace.heap, &operation.result, &operation.limits)
        _store(&operation, b"sinterstore")
    _end(&operation)


# ---- unions

cdef bint _reply_new(void* context, Slice member) noexcept nogil:
    """Answer a member that has not been seen before."""
    cdef Operation* operation = <Operation*>context
    cdef Outcome outcome = bag_add(&operation.bag, member, set_has_blocks(operation.operands[operation.current].set))
    if outcome == OK:
        reply_bulk(operation.call.reply, member)
    operation.refused = outcome == NO_MEMORY
    return not operation.refused


cdef bint _reply_any(void* context, Slice member) noexcept nogil:
    reply_bulk((<Operation*>context).call.reply, member)
    return True


cdef bint _store_any(void* context, Slice member) noexcept nogil:
    return _add_result(<Operation*>context, member)


cdef bint _all_are_intsets(const Operation* operation) noexcept nogil:
    cdef size_t i
    for i in range(operation.count):
        if operation.operands[i].length and operation.operands[i].set.form != SET_INTSET:
            return False
    return True


cdef int _by_value(const void* a, const void* b) noexcept nogil:
    cdef int64_t first = (<const int64_t*>a)[0]
    cdef int64_t second = (<const int64_t*>b)[0]
    return (first > second) - (first < second)


cdef void _reply_intsets(Operation* operation, uint64_t total) noexcept nogil:
    """In ascending order, since Redis makes an intset of them. O(total log total)."""
    cdef Call* call = operation.call
    cdef size_t mark = reply_mark(call.reply)
    cdef int64_t* numbers = <int64_t*>heap_try_alloc(call.keyspace.heap, total * sizeof(int64_t))
    cdef const Intset* intset
    cdef uint64_t count = 0
    cdef uint64_t i
    cdef uint32_t k
    cdef int64_t found = 0
    if numbers == NULL:
        error_memory(call)
        return
    for i in range(operation.count):
        if operation.operands[i].length:
            intset = <const Intset*>operation.operands[i].set.pointer
            for k in range(<uint32_t>operation.operands[i].length):
                numbers[count] = intset_get(intset, k)
                count += 1
    qsort(numbers, count, sizeof(int64_t), _by_value)
    for i in range(count):
        if i == 0 or numbers[i] != numbers[i - 1]:
            reply_bulk_integer(call.reply, numbers[i])
            found += 1
    reply_set_at(call.reply, mark, found)
    heap_free(call.keyspace.heap, numbers, total * sizeof(int64_t))


cdef void cmd_sunion(Call* call) noexcept nogil:
    cdef Operation operation
    cdef size_t mark = reply_mark(call.reply)
    cdef uint64_t total = 0
    cdef size_t i
    if not _begin(&operation, call, 1, call.argc - 1):
        return
    for i in range(operation.count):
        total += operation.operands[i].length
    if operation.present <= 1:
        reply_set(call.reply, <int64_t>total)
        for i in range(operation.count):
            if operation.operands[i].length:
                set_each(operation.operands[i].set, _reply_any, &operation)
        _end(&operation)
        return
    if _all_are_intsets(&operation):
        _reply_intsets(&operation, total)
        _end(&operation)
        return
    bag_init(&operation.bag, call.keyspace.heap, &call.keyspace.hash_key, total)
    for i in range(operation.count):
        operation.current = i
        if operation.operands[i].length and not set_each(operation.operands[i].set, _reply_new, &operation):
            break
    if operation.refused:
        reply_rewind(call.reply, mark)
        error_memory(call)
    else:
        reply_set_at(call.reply, mark, <int64_t>bag_length(&operation.bag))
    bag_clear(&operation.bag)
    _end(&operation)


cdef void cmd_sunionstore(Call* call) noexcept nogil:
    cdef Operation operation
    cdef size_t i
    if not _begin(&operation, call, 2, call.argc - 2):
        return
    operation.result = set_new(call.keyspace.heap, &call.keyspace.hash_key, SET_INTSET)
    for i in range(operation.count):
        if operation.operands[i].length and not set_each(operation.operands[i].set, _store_any, &operation):
            break
    _store(&operation, b"sunionstore")
    _end(&operation)


# ---- differences

cdef inline bint _in_none(Operation* operation, Slice member) noexcept nogil:
    """Is a member of the first operand in none of the others?"""
    cdef size_t i = 1
    while i < operation.count:
        if operation.operands[i].length and set_contains(operation.operands[i].set, member):
            return False
        i += 1
    return True


cdef bint _reply_different(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    if _in_none(operation, member):
        operation.found += 1
        reply_bulk(operation.call.reply, member)
    return True


cdef bint _store_different(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    return not _in_none(operation, member) or _add_result(operation, member)


cdef bint _subtract_from_bag(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    bag_remove(&operation.bag, member)
    return bag_length(&operation.bag) != 0


cdef bint _fill_bag(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    operation.refused = bag_add(&operation.bag, member, set_has_blocks(operation.operands[0].set)) == NO_MEMORY
    return not operation.refused


cdef bint _subtract_from_result(void* context, Slice member) noexcept nogil:
    cdef Operation* operation = <Operation*>context
    set_remove(operation.call.keyspace.heap, &operation.result, member)
    return set_length(operation.result) != 0


cdef bint _ask_each(Operation* operation) noexcept nogil:
    """Which way is shorter: to ask for each member of the first set in all the others (True), or to take the
    members of all the others out of a copy of it? Asking can stop at the first hit, so its work counts half.
    When asking, the large ones come first: they are the likeliest to have a member."""
    cdef double asking = 0
    cdef double taking = 0
    cdef size_t i
    for i in range(operation.count):
        if operation.operands[i].set.pointer != NULL:
            asking += <double>operation.operands[0].length
            taking += <double>operation.operands[i].length
    if <uint64_t>asking // 2 > <uint64_t>taking:
        return False
    if operation.count > 1:
        qsort(operation.operands + 1, operation.count - 1, sizeof(Operand), _by_length_down)
    return True


cdef void cmd_sdiff(Call* call) noexcept nogil:
    cdef Operation operation
    cdef size_t mark = reply_mark(call.reply)
    cdef size_t i
    if not _begin(&operation, call, 1, call.argc - 1):
        return
    if operation.operands[0].length == 0 or operation.same:
        reply_set(call.reply, 0)
    elif _ask_each(&operation):
        set_each(operation.operands[0].set, _reply_different, &operation)
        reply_set_at(call.reply, mark, operation.found)
    else:
        bag_init(&operation.bag, call.keyspace.heap, &call.keyspace.hash_key, operation.operands[0].length)
        if set_each(operation.operands[0].set, _fill_bag, &operation):
            for i in range(1, operation.count):
                if operation.operands[i].length and not set_each(operation.operands[i].set, _subtract_from_bag, &operation):
                    break
        if operation.refused:
            error_memory(call)
        else:
            reply_set(call.reply, <int64_t>bag_length(&operation.bag))
            bag_each(&operation.bag, _reply_any, &operation)
        bag_clear(&operation.bag)
    _end(&operation)


cdef void cmd_sdiffstore(Call* call) noexcept nogil:
    cdef Operation operation
    cdef size_t i
    if not _begin(&operation, call, 2, call.argc - 2):
        return
    operation.result = set_new(call.keyspace.heap, &call.keyspace.hash_key, SET_INTSET)
    if operation.operands[0].length and not operation.same:
        if _ask_each(&operation):
            set_each(operation.operands[0].set, _store_different, &operation)
        elif set_each(operation.operands[0].set, _store_any, &operation):
            for i in range(1, operation.count):
                if operation.operands[i].length and not set_each(operation.operands[i].set, _subtract_from_result, &operation):
                    break
    _store(&operation, b"sdiffstore")
    _end(&operation)
