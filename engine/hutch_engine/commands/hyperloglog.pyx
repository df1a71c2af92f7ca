"""See hyperloglog.pxd. The order of the checks is Redis's.

What is to change is worked upon outside its key, on the stack, and put there when it is whole: so refused memory and corrupt
runs change nothing. Only what needs no other room is changed in place: registers of the dense form, and a sparse one whose
block has room to spare."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    Call, call_changed, call_find_read, call_find_write, call_find_write_type, call_hash, call_keep, error_memory,
    error_wrong_type, slot_entry)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_error, reply_error_parts, reply_integer, reply_ok, reply_one, reply_simple, reply_zero)
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBED_MAX, ENTRY_EMBEDDED, ENTRY_INTEGER, STRING_RAW, TYPE_STRING, Entry, StringValue, entry_bytes, entry_pointer,
    entry_type, string_value_bytes, string_value_free, string_value_new, value_of_pointer, value_of_raw)
from hutch_engine.keyspace.keyspace cimport (
    EVENT_STRING, keyspace_add, keyspace_change_value, keyspace_resized, keyspace_touched)
from hutch_engine.structures.bits cimport BITS_PLAIN, bits_best_level, bits_set_level
from hutch_engine.structures.hyperloglog cimport (
    HLL_CORRUPT, HLL_DENSE_BYTES, HLL_EMPTY_BYTES, HLL_GROWTH, HLL_HEADER_BYTES, HLL_MANY_ZEROS, HLL_RAISED, HLL_REGISTERS,
    HLL_TOO_SPARSE, HLL_VALUES, HllPut, HllRun, hll_cache, hll_cached, hll_changed, hll_count, hll_count_registers, hll_is_dense,
    hll_is_valid, hll_merge, hll_place, hll_put, hll_register, hll_run, hll_write_dense, hll_write_empty)
from hutch_engine.structures.table cimport TableSlot

cdef enum:
    SPARE_BYTES = 300            # room of a sparse one to grow without moving
    SELFTEST_ELEMENTS = 100000

cdef struct Work:                # a HyperLogLog in the making
    uint8_t* bytes
    size_t length
    size_t block_bytes           # owned by the heap, if not 0: `bytes` are no others'
    uint8_t[HLL_DENSE_BYTES] small


cdef void _error_corrupt(Call* call) noexcept nogil:
    reply_error(call.reply, b"INVALIDOBJ Corrupted HLL object detected")


cdef bint _is_hll(Call* call, const Entry* entry, Slice* bytes_out) noexcept nogil:
    """The bytes of an entry, borrowed; False where they are none of a HyperLogLog, and the error is written."""
    if entry_type(entry) != TYPE_STRING:
        error_wrong_type(call)
        return False
    if not entry.flags & ENTRY_INTEGER:
        bytes_out[0] = entry_bytes(entry, NULL)
        if hll_is_valid(bytes_out[0]):
            return True
    reply_error(call.reply, b"WRONGTYPE Key is not a valid HyperLogLog string value.")
    return False


cdef inline void _call_it_raw(Entry* entry) noexcept nogil:
    """What may be written to is no embstr any more, as OBJECT ENCODING tells."""
    if entry.flags & ENTRY_EMBEDDED:
        entry.kind = <uint8_t>(TYPE_STRING | STRING_RAW << 4)


# ---- working upon one

cdef bint _work_begin(Call* call, Work* work, Slice bytes, uint64_t elements) noexcept nogil:
    """A copy of the bytes, or for none an empty HyperLogLog, with room for whatever comes of so many elements. False: the OOM
    error is written."""
    cdef uint64_t limit = call.keyspace.limits.hll_sparse_bytes
    cdef uint64_t most = bytes.length + HLL_EMPTY_BYTES + elements * HLL_GROWTH
    # The sparse form does not grow beyond its limit, but may have been there.
    if most > limit:
        most = limit
    if most < bytes.length:
        most = bytes.length
    work.block_bytes = 0
    work.bytes = work.small
    if most > HLL_DENSE_BYTES:
        work.block_bytes = most + HLL_GROWTH
        work.bytes = <uint8_t*>heap_try_alloc(call.keyspace.heap, work.block_bytes)
        if work.bytes == NULL:
            error_memory(call)
            return False
    work.length = bytes.length
    if bytes.length:
        memcpy(work.bytes, bytes.data, bytes.length)
    else:
        hll_write_empty(work.bytes)
        work.length = HLL_EMPTY_BYTES
    return True


cdef void _work_end(Call* call, Work* work) noexcept nogil:
    if work.block_bytes:
        heap_free(call.keyspace.heap, work.bytes, work.block_bytes)


cdef bint _densify(Work* work) noexcept nogil:
    """From the sparse form to the dense; False when the runs are corrupt (unchanged)."""
    cdef uint8_t[HLL_REGISTERS] registers
    memset(registers, 0, HLL_REGISTERS)
    if not hll_merge(registers, slice_of(<char*>work.bytes, work.length)):
        return False
    hll_write_dense(work.bytes, registers)
    work.length = HLL_DENSE_BYTES
    return True


cdef HllPut _work_put(Work* work, uint64_t sparse_max, uint32_t register, uint8_t value) noexcept nogil:
    cdef HllPut put = hll_put(work.bytes, &work.length, sparse_max, register, value)
    if put == HLL_TOO_SPARSE:
        if not _densify(work):
            return HLL_CORRUPT
        put = hll_put(work.bytes, &work.length, sparse_max, register, value)
    return put


cdef bint _store(Call* call, TableSlot slot, const Work* work) noexcept nogil:
    """The work becomes the value of argv[1], or of the key in `slot` where there is one; False when memory was refused, and the OOM
    error is written."""
    cdef Slice bytes = slice_of(<char*>work.bytes, work.length)
    cdef Entry* entry
    cdef StringValue* value
    if slot != NULL:
        entry = slot_entry(slot)
        if not entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
            value = <StringValue*>entry_pointer(entry)
            if value.capacity >= bytes.length:
                memcpy(string_value_bytes(value), bytes.data, bytes.length)
                value.length = bytes.length
                keyspace_resized(call.database, entry, bytes.length)
                return True
    if bytes.length <= ENTRY_EMBED_MAX:
        if slot == NULL:
            entry = keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1), value_of_raw(bytes))
        else:
            entry = keyspace_change_value(call.keyspace, call.database, slot, value_of_raw(bytes))
    else:
        value = string_value_new(call.keyspace.heap, bytes, bytes.length if hll_is_dense(bytes.data) else bytes.length + SPARE_BYTES)
        if value == NULL:
            entry = NULL
        else:
            if slot == NULL:
                entry = keyspace_add(call.keyspace, call.database, call.argv[1], call_hash(call, 1),
                                     value_of_pointer(TYPE_STRING, STRING_RAW, value))
            else:
                entry = keyspace_change_value(call.keyspace, call.database, slot, value_of_pointer(TYPE_STRING, STRING_RAW, value))
            if entry == NULL:
                string_value_free(call.keyspace.heap, value)
    if entry == NULL:
        error_memory(call)
        return False
    return True


# ---- PFADD

cdef void _added(Call* call, uint64_t updated) noexcept nogil:
    """The end of PFADD: so many of its elements changed something."""
    if updated == 0:
        reply_zero(call.reply)
        return
    call_changed(call, 1, EVENT_STRING, b"pfadd")
    call.keyspace.dirty += updated - 1
    reply_one(call.reply)


cdef bint _add_in_place(Call* call, Entry* entry, Slice bytes) noexcept nogil:
    """PFADD where all fits where it is; False where it does not, and nothing was changed or written."""
    cdef uint64_t updated = 0
    cdef size_t length = bytes.length
    cdef size_t i
    cdef uint32_t register = 0
    cdef uint8_t value
    cdef HllPut put
    cdef StringValue* string
    if hll_is_dense(bytes.data):
        for i in range(2, call.argc):
            value = hll_place(call.argv[i], &register)
            updated += hll_put(<uint8_t*>bytes.data, &length, 0, register, value) == HLL_RAISED
        _added(call, updated)
        return True
    if call.argc != 3 or entry.flags & ENTRY_EMBEDDED:
        return False
    string = <StringValue*>entry_pointer(entry)
    if string.capacity < length + HLL_GROWTH:
        return False
    value = hll_place(call.argv[2], &register)
    put = hll_put(<uint8_t*>bytes.data, &length, call.keyspace.limits.hll_sparse_bytes, register, value)
    if put == HLL_TOO_SPARSE:
        return False
    if put == HLL_CORRUPT:
        _error_corrupt(call)
        return True
    string.length = length
    keyspace_resized(call.database, entry, length)
    _added(call, put == HLL_RAISED)
    return True


cdef void cmd_pfadd(Call* call) noexcept nogil:
    cdef bint wrong_type
    cdef Slice bytes = slice_of(NULL, 0)
    cdef Work work
    cdef uint64_t updated = 0
    cdef uint32_t register = 0
    cdef uint8_t value
    cdef size_t i
    cdef HllPut put
    cdef bint stored = True
    cdef TableSlot slot = call_find_write_type(call, 1, TYPE_STRING, &wrong_type)
    if wrong_type:
        return
    if slot != NULL:
        if not _is_hll(call, slot_entry(slot), &bytes):
            return
        _call_it_raw(slot_entry(slot))
        if _add_in_place(call, slot_entry(slot), bytes):
            return
    if not _work_begin(call, &work, bytes, call.argc - 2):
        return
    updated = slot == NULL
    for i in range(2, call.argc):
        value = hll_place(call.argv[i], &register)
        put = _work_put(&work, call.keyspace.limits.hll_sparse_bytes, register, value)
        if put == HLL_CORRUPT:
            _error_corrupt(call)
            _work_end(call, &work)
            return
        updated += put == HLL_RAISED
    if updated:
        hll_changed(<char*>work.bytes)
        stored = _store(call, slot, &work)
    if stored:
        _added(call, updated)
    _work_end(call, &work)


# ---- PFCOUNT and PFMERGE

cdef bint _gather(Call* call, size_t first, uint8_t* registers, bint* dense_out) noexcept nogil:
    """The highest registers of all HyperLogLogs argv[first] ..., and whether any is dense; False after an error."""
    cdef size_t i
    cdef Slice bytes
    cdef Entry* entry
    memset(registers, 0, HLL_REGISTERS)
    dense_out[0] = False
    for i in range(first, call.argc):
        entry = call_find_read(call, i)
        if entry == NULL:
            continue
        if not _is_hll(call, entry, &bytes):
            return False
        dense_out[0] = dense_out[0] or hll_is_dense(bytes.data)
        if not hll_merge(registers, bytes):
            _error_corrupt(call)
            return False
    return True


cdef void cmd_pfcount(Call* call) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] registers
    cdef uint64_t count
    cdef Slice bytes
    cdef Entry* entry
    cdef bint dense
    if call.argc > 2:
        if _gather(call, 1, registers, &dense):
            reply_integer(call.reply, <int64_t>hll_count_registers(registers))
        return
    entry = call_find_read(call, 1)
    if entry == NULL:
        reply_zero(call.reply)
        return
    if not _is_hll(call, entry, &bytes):
        return
    call_keep(call, 1)
    _call_it_raw(entry)
    if not hll_cached(bytes.data, &count):
        if not hll_count(bytes, &count):
            _error_corrupt(call)
            return
        # The string has changed, though nothing that anybody reckons from it.
        hll_cache(<char*>bytes.data, count)
        keyspace_touched(call.keyspace, call.database, call.argv[1])
        call.keyspace.dirty += 1
    reply_integer(call.reply, <int64_t>count)


cdef void cmd_pfmerge(Call* call) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] registers
    cdef bint dense
    cdef bint done = True
    cdef Slice bytes = slice_of(NULL, 0)
    cdef Work work
    cdef uint32_t i
    cdef TableSlot slot
    if not _gather(call, 1, registers, &dense):
        return
    slot = call_find_write(call, 1)
    if slot != NULL:
        bytes = entry_bytes(slot_entry(slot), NULL)
        _call_it_raw(slot_entry(slot))
    if slot != NULL and hll_is_dense(bytes.data):
        hll_write_dense(<uint8_t*>bytes.data, registers)
        hll_changed(<char*>bytes.data)
    else:
        if not _work_begin(call, &work, bytes, HLL_REGISTERS):
            return
        if dense:
            hll_write_dense(work.bytes, registers)
            work.length = HLL_DENSE_BYTES
        else:
            for i in range(HLL_REGISTERS):
                if registers[i]:
                    _work_put(&work, call.keyspace.limits.hll_sparse_bytes, i, registers[i])
        hll_changed(<char*>work.bytes)
        done = _store(call, slot, &work)
        _work_end(call, &work)
    if done:
        # It is as if many elements had been added.
        call_changed(call, 1, EVENT_STRING, b"pfadd")
        reply_ok(call.reply)


# ---- PFDEBUG and PFSELFTEST

cdef bint _make_dense(Call* call, TableSlot slot, Slice* bytes) noexcept nogil:
    """The value of the key in `slot` becomes a dense one; False after an error."""
    cdef Work work
    if not _work_begin(call, &work, bytes[0], 0):
        return False
    if not _densify(&work):
        _error_corrupt(call)
        _work_end(call, &work)
        return False
    if not _store(call, slot, &work):
        _work_end(call, &work)
        return False
    _work_end(call, &work)
    bytes[0] = entry_bytes(slot_entry(slot), NULL)
    call.keyspace.dirty += 1
    return True


cdef void _append_run(Buffer* text, const HllRun* run) noexcept nogil:
    """As DECODE spells it: "z:3", "Z:400", "v:5,2"."""
    cdef char[INTEGER_TEXT_MAX] digits
    if text.length:
        buffer_append(text, b" ", 1)
    if run.kind == HLL_VALUES:
        buffer_append(text, b"v:", 2)
        buffer_append(text, digits, format_integer(run.value, digits))
        buffer_append(text, b",", 1)
    else:
        buffer_append(text, b"Z:" if run.kind == HLL_MANY_ZEROS else b"z:", 2)
    buffer_append(text, digits, format_integer(run.length, digits))


cdef void _decode(Call* call, Slice bytes) noexcept nogil:
    cdef Buffer text
    cdef HllRun run
    cdef size_t at = HLL_HEADER_BYTES
    if hll_is_dense(bytes.data):
        reply_error(call.reply, b"ERR HLL encoding is not sparse")
        return
    buffer_init(&text, NULL)
    while hll_run(bytes, &at, &run):
        _append_run(&text, &run)
    if text.failed:
        error_memory(call)
    else:
        reply_bulk(call.reply, slice_of(text.data, text.length))
    buffer_clear(&text)


cdef void _simd(Call* call) noexcept nogil:
    if slice_is(call.argv[2], b"ON"):
        bits_set_level(bits_best_level())
        reply_simple(call.reply, b"enabled")
    elif slice_is(call.argv[2], b"OFF"):
        bits_set_level(BITS_PLAIN)
        reply_simple(call.reply, b"disabled")
    else:
        reply_error(call.reply, b"ERR Argument must be ON or OFF")


cdef void cmd_pfdebug(Call* call) noexcept nogil:
    cdef Slice what = call.argv[1]
    cdef Slice bytes
    cdef uint32_t i
    cdef TableSlot slot
    if slice_is(what, b"SIMD"):
        _simd(call)
        return
    slot = call_find_write(call, 2)
    if slot == NULL:
        reply_error(call.reply, b"ERR The specified key does not exist")
        return
    if not _is_hll(call, slot_entry(slot), &bytes):
        return
    _call_it_raw(slot_entry(slot))
    if slice_is(what, b"GETREG"):
        if not hll_is_dense(bytes.data) and not _make_dense(call, slot, &bytes):
            return
        reply_array(call.reply, HLL_REGISTERS)
        for i in range(HLL_REGISTERS):
            reply_integer(call.reply, hll_register(bytes.data, i))
    elif slice_is(what, b"DECODE"):
        _decode(call, bytes)
    elif slice_is(what, b"ENCODING"):
        reply_simple(call.reply, b"dense" if hll_is_dense(bytes.data) else b"sparse")
    elif slice_is(what, b"TODENSE"):
        if hll_is_dense(bytes.data):
            reply_zero(call.reply)
        elif _make_dense(call, slot, &bytes):
            reply_one(call.reply)
    else:
        reply_error_parts(call.reply, b"ERR Unknown PFDEBUG subcommand '", what, b"'")


cdef bint _near(uint64_t counted, uint64_t added) noexcept nogil:
    """Is the error below four times what is usual (1.04 / sqrt(registers)), and one?"""
    cdef double error = <double>counted - <double>added
    cdef double bound = 4 * 1.04 / 128 * <double>added + 1
    return -bound <= error <= bound


cdef const char* _self_test() noexcept nogil:
    """Adds the same elements to a dense one and to one that begins sparse. What is wrong, or NULL."""
    cdef Work sparse
    cdef Work dense
    cdef size_t length = HLL_DENSE_BYTES
    cdef uint64_t element, one, other
    cdef uint64_t next_look = 1
    cdef uint32_t register = 0
    cdef uint8_t value
    sparse.bytes = sparse.small
    sparse.length = HLL_EMPTY_BYTES
    hll_write_empty(sparse.bytes)
    dense.bytes = dense.small
    dense.length = HLL_EMPTY_BYTES
    hll_write_empty(dense.bytes)
    if not _densify(&dense):
        return b"ERR TESTFAILED an empty HyperLogLog is corrupt"
    for element in range(SELFTEST_ELEMENTS):
        value = hll_place(slice_of(<char*>&element, sizeof(element)), &register)
        hll_put(dense.bytes, &length, 0, register, value)
        if _work_put(&sparse, HLL_DENSE_BYTES - HLL_GROWTH, register, value) == HLL_CORRUPT:
            return b"ERR TESTFAILED the sparse form is corrupt"
        if hll_register(<char*>dense.bytes, register) < value:
            return b"ERR TESTFAILED a register does not hold what was put into it"
        if element + 1 != next_look:
            continue
        next_look += next_look // 4 + 1
        if (not hll_count(slice_of(<char*>sparse.bytes, sparse.length), &one)
                or not hll_count(slice_of(<char*>dense.bytes, HLL_DENSE_BYTES), &other) or one != other):
            return b"ERR TESTFAILED dense and sparse form do not agree"
        if not _near(one, element + 1):
            return b"ERR TESTFAILED the count is too far off"
    return NULL


cdef void cmd_pfselftest(Call* call) noexcept nogil:
    cdef const char* wrong = _self_test()
    if wrong != NULL:
        reply_error(call.reply, wrong)
    else:
        reply_ok(call.reply)
