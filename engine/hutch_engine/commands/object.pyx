"""See object.pxd."""
from libc.stdint cimport int64_t
from hutch_engine.commands.call cimport Call, call_hash, call_help
from hutch_engine.commands.reply cimport (
    reply_bulk_text, reply_error, reply_integer, reply_null, reply_one)
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport (
    FIND_NO_STATS, FIND_NO_TOUCH, entry_frequency, entry_idle_seconds, keyspace_find)
from hutch_engine.keyspace.value_types cimport encoding_name


cdef Entry* _look(Call* call) noexcept nogil:
    """The entry, access time untouched; counted as a hit or miss, but a miss is no event here. Answers null."""
    cdef Entry* entry = keyspace_find(call.keyspace, call.database, call.argv[2], call_hash(call, 2),
                                      FIND_NO_TOUCH | FIND_NO_STATS)
    if entry != NULL:
        call.keyspace.hits += 1
    else:
        call.keyspace.misses += 1
        reply_null(call.reply)
    return entry


cdef void cmd_object_encoding(Call* call) noexcept nogil:
    cdef Entry* entry = _look(call)
    if entry != NULL:
        reply_bulk_text(call.reply, encoding_name(entry))


cdef void cmd_object_refcount(Call* call) noexcept nogil:
    # Values are never shared between keys.
    if _look(call) != NULL:
        reply_one(call.reply)


cdef void cmd_object_idletime(Call* call) noexcept nogil:
    cdef Entry* entry = _look(call)
    if entry == NULL:
        return
    if call.keyspace.lfu:
        reply_error(call.reply, b"ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that "
                    b"when switching between policies at runtime LRU and LFU data will take some time to adjust.")
        return
    reply_integer(call.reply, <int64_t>entry_idle_seconds(call.keyspace, entry))


cdef void cmd_object_freq(Call* call) noexcept nogil:
    cdef Entry* entry = _look(call)
    if entry == NULL:
        return
    if not call.keyspace.lfu:
        reply_error(call.reply, b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
                    b"note that when switching between policies at runtime LRU and LFU data will take some time to "
                    b"adjust.")
        return
    reply_integer(call.reply, <int64_t>entry_frequency(call.keyspace, entry))


cdef void cmd_object_help(Call* call) noexcept nogil:
    cdef const char* lines[12]
    lines[:] = [
        b"ENCODING <key>",
        b"    Return the kind of internal representation used in order to store the value",
        b"    associated with a <key>.",
        b"FREQ <key>",
        b"    Return the access frequency index of the <key>. The returned integer is",
        b"    proportional to the logarithm of the recent access frequency of the key.",
        b"IDLETIME <key>",
        b"    Return the idle time of the <key>, that is the approximated number of",
        b"    seconds elapsed since the last access to the key.",
        b"REFCOUNT <key>",
        b"    Return the number of references of the value associated with the specified",
        b"    <key>.",
    ]
    call_help(call, lines, 12)
