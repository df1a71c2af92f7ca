"""See debug.pxd."""
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtol
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.compiler cimport popcount64
from hutch_engine.base.digest cimport Digest, digest_clear, digest_mix, digest_mix_number, digest_slice, digest_xor
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, parse_integer, read_double
from hutch_engine.base.random cimport random_hex
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_hex
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.commands.call cimport (
    Call, call_hash, call_help, call_integer, call_word, error_memory, error_no_key, error_subcommand)
from hutch_engine.commands.reply cimport (
    reply_array, reply_big_number, reply_bool, reply_bulk_text, reply_double, reply_error, reply_error_parts,
    reply_error_slice, reply_integer, reply_map, reply_null, reply_ok, reply_push, reply_raw, reply_set, reply_simple,
    reply_verbatim)
from hutch_engine.formats.rdb_values cimport rdb_measure_value
from hutch_engine.keyspace.entry cimport (
    ENTRY_DEADLINE_BYTES, ENTRY_EMBEDDED, STRING_INT, TYPE_SET, TYPE_STRING, Entry, StringValue, entry_bytes, entry_encoding,
    entry_key, entry_pointer, entry_type, value_of_bytes)
from hutch_engine.keyspace.keyspace cimport (
    CHORE_RESIZE, FIND_NO_TOUCH, FIND_WRITE, Database, entry_idle_seconds, keyspace_add, keyspace_deadlines,
    keyspace_find_slot, keyspace_hash, keyspace_touched)
from hutch_engine.keyspace.value_type cimport DEBUG_DETAILS_MAX
from hutch_engine.keyspace.value_types cimport encoding_name, entry_digest, entry_memory, entry_table, value_types
from hutch_engine.state.config cimport ENABLE_NO, LOG_WARNING, config_parse_memory
from hutch_engine.control.config_commands cimport rewrite_configuration
from hutch_engine.control.persistence_commands cimport debug_load_log, debug_reload
from hutch_engine.control.debug_values cimport debug_listpack, debug_quicklist
from hutch_engine.state.engine cimport Engine, Session, engine_of, engine_wake_housekeeping
from hutch_engine.state.log cimport log_write
from hutch_engine.structures.compact_set cimport CompactSet
from hutch_engine.structures.set cimport SET_COMPACT
from hutch_engine.structures.table cimport (
    BUCKET_CHAINED, BUCKET_ENTRIES, Bucket, Table, TableHalf, TableSlot, table_count, table_each, table_find,
    table_is_resizing, table_reserve)
from hutch_engine.structures.wheel cimport Wheel

cdef extern from * nogil:
    """
    #include <stdlib.h>
    #include <time.h>
    #include <unistd.h>
    /* One nap, not a loop: a signal that the host handles (Ctrl-C) ends it. */
    static void hutch_nap(double seconds) {
        struct timespec nap;
        nap.tv_sec = (time_t)seconds;
        nap.tv_nsec = (long)((seconds - (double)nap.tv_sec) * 1e9);
        nanosleep(&nap, NULL);
    }
    /* What DEBUG SEGFAULT is for: to see what is left of a process that dies. */
    static void hutch_fault(int segment) {
        static volatile int *volatile nowhere = NULL;
        if (segment)
            *nowhere = 1;
        abort();
    }
    """
    void hutch_nap(double seconds)
    void hutch_fault(bint segment)

cdef enum:
    WORD_MAX = 64                # of a number that C's own functions read
    CHAIN_MAX = 64               # lengths of chains that HTSTATS full tells apart
    LONGEST_NAP_S = 1000000000

# As Redis has it: 4 GiB less 1 MiB. Past what an enum's int holds.
cdef int64_t PACKED_THRESHOLD_MAX = (<int64_t>1 << 32) - (1 << 20)


# ---- small helpers

cdef inline bint _is(Call* call, const char* name, size_t fewest, size_t most) noexcept nogil:
    """This subcommand, with so many words in all?"""
    return fewest <= call.argc and call.argc <= most and call_word(call, 1, name)


cdef void _terminated(Slice word, char* out) noexcept nogil:
    """The word's first bytes as a C string; `out` has WORD_MAX bytes."""
    cdef size_t length = word.length if word.length < WORD_MAX else WORD_MAX - 1
    if length:
        memcpy(out, word.data, length)
    out[length] = 0


cdef bint _switch(Call* call) noexcept nogil:
    """argv[2] as C's atoi sees it: whatever is no number is 0."""
    cdef char text[WORD_MAX]
    _terminated(call.argv[2], text)
    return strtol(text, NULL, 10) != 0


cdef bint _positive(Call* call, size_t index, int64_t* value_out) noexcept nogil:
    if parse_integer(call.argv[index], value_out) and value_out[0] >= 0:
        return True
    reply_error(call.reply, b"ERR value is out of range, must be positive")
    return False


cdef Entry* _look(Call* call) noexcept nogil:
    """Key argv[2] as it lies there: seen though it may be due, and not touched. Answers when it is missing."""
    cdef TableSlot slot = table_find(&call.database.keys, call.argv[2], call_hash(call, 2))
    if slot == NULL:
        error_no_key(call)
        return NULL
    return <Entry*>slot[0]


# ---- digests: Redis's, so that two servers' contents can be compared

cdef const char* _no_digest = b"ERR DEBUG knows no digest of this type of value"


cdef bint _digest_entry(void* context, void* visited) noexcept nogil:
    cdef const Entry* entry = <const Entry*>visited
    cdef Digest digest
    digest_clear(&digest)
    digest_mix(&digest, entry_key(entry))
    if not entry_digest(&digest, entry):
        return False
    digest_xor(<Digest*>context, digest_slice(&digest))
    return True


cdef void _reply_digest(Call* call, const Digest* digest) noexcept nogil:
    cdef char[2 * SHA1_BYTES + 1] text
    sha1_hex(digest.bytes, text)
    text[2 * SHA1_BYTES] = 0
    reply_simple(call.reply, text)


cdef void _digest(Call* call) noexcept nogil:
    """O(bytes stored)."""
    cdef Digest all
    cdef int32_t i
    digest_clear(&all)
    for i in range(call.keyspace.database_count):
        if table_count(&call.keyspace.databases[i].keys):
            digest_mix_number(&all, <uint32_t>i)
            if not table_each(&call.keyspace.databases[i].keys, _digest_entry, &all):
                reply_error(call.reply, _no_digest)
                return
    _reply_digest(call, &all)


cdef void _digest_values(Call* call) noexcept nogil:
    cdef Digest digest
    cdef TableSlot slot
    cdef size_t i
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        digest_clear(&digest)
        slot = table_find(&call.database.keys, call.argv[i], call_hash(call, i))
        if slot != NULL and not entry_digest(&digest, <const Entry*>slot[0]):
            reply_error(call.reply, _no_digest)
        else:
            _reply_digest(call, &digest)


# ---- one key

cdef void _object(Call* call) noexcept nogil:
    cdef Entry* entry = _look(call)
    cdef char[128 + DEBUG_DETAILS_MAX] text
    cdef char[DEBUG_DETAILS_MAX] details
    cdef unsigned int idle
    cdef uint64_t bytes
    if entry == NULL:
        return
    if not rdb_measure_value(entry, &bytes):
        error_memory(call)
        return
    details[0] = 0
    if value_types[entry_type(entry)].details != NULL:
        value_types[entry_type(entry)].details(entry, details)
    # Under an LFU policy nobody notes when a key was used last.
    idle = 0 if call.keyspace.lfu else entry_idle_seconds(call.keyspace, entry)
    snprintf(text, sizeof(text), b"Value at:%p refcount:1 encoding:%s serializedlength:%llu lru:%u lru_seconds_idle:%u%s",
             <void*>entry, encoding_name(entry), <unsigned long long>bytes,
             <unsigned int>(entry.access & 0xFFFFFF), idle, details)
    reply_simple(call.reply, text)


cdef void _string_lengths(Call* call) noexcept nogil:
    """SDSLEN: what key and value take, and what is left of their blocks."""
    cdef Entry* entry = _look(call)
    cdef char[INTEGER_TEXT_MAX] scratch
    cdef char[256] text
    cdef Slice key, value
    cdef size_t spare = 0
    cdef size_t block = 0                # of the value; an embedded one has none of its own
    cdef StringValue* own
    if entry == NULL:
        return
    if entry_type(entry) != TYPE_STRING or entry_encoding(entry) == STRING_INT:
        reply_error(call.reply, b"ERR Not an sds encoded string.")
        return
    key = entry_key(entry)
    value = entry_bytes(entry, scratch)
    if not entry.flags & ENTRY_EMBEDDED:
        own = <StringValue*>entry_pointer(entry)
        spare = own.capacity - own.length
        block = heap_block_bytes(sizeof(StringValue) + own.capacity)
    snprintf(text, sizeof(text), b"key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
             b"val_sds_avail:%zu, val_zmalloc: %zu", key.length, <size_t>entry_memory(entry, 0) - block, value.length,
             spare, block)
    reply_simple(call.reply, text)


# ---- hash tables

cdef uint64_t _chain_entries(const Bucket* bucket) noexcept nogil:
    cdef uint64_t entries = 0
    while bucket.presence & BUCKET_CHAINED:
        entries += popcount64(bucket.presence & 0x3F)
        bucket = <const Bucket*>bucket.entries[BUCKET_ENTRIES - 1]
    return entries + popcount64(bucket.presence & 0x7F)


cdef void _percent(Buffer* out, uint64_t part, uint64_t whole) noexcept nogil:
    cdef char[32] text
    snprintf(text, sizeof(text), b" (%.2f%%)\n", 100.0 * part / whole)
    buffer_append_text(out, text)


cdef void _half_stats(Buffer* out, const TableHalf* half, const char* title, bint full) noexcept nogil:
    cdef uint64_t[CHAIN_MAX] lengths
    cdef uint64_t buckets = <uint64_t>1 << half.exponent
    cdef uint64_t i, entries, longest = 0, used = 0
    cdef char[96] text
    buffer_append_text(out, title)
    buffer_append_text(out, b" table size: ")
    buffer_append_integer(out, <int64_t>(buckets * BUCKET_ENTRIES))
    buffer_append_text(out, b"\n number of elements: ")
    buffer_append_integer(out, <int64_t>half.count)
    buffer_append_text(out, b"\n")
    if not full or half.count == 0:
        return
    memset(lengths, 0, sizeof(lengths))
    for i in range(buckets):
        entries = _chain_entries(&half.buckets[i])
        lengths[entries if entries < CHAIN_MAX else CHAIN_MAX - 1] += 1
        used += entries != 0
        if entries > longest:
            longest = entries
    buffer_append_text(out, b" different slots: ")
    buffer_append_integer(out, <int64_t>used)
    buffer_append_text(out, b"\n max chain length: ")
    buffer_append_integer(out, <int64_t>longest)
    snprintf(text, sizeof(text), b"\n avg chain length (counted): %.2f\n avg chain length (computed): %.2f\n",
             <double>half.count / used, <double>half.count / used)
    buffer_append_text(out, text)
    buffer_append_text(out, b" Chain length distribution:\n")
    for i in range(CHAIN_MAX):
        if lengths[i]:
            buffer_append_text(out, b"   >= " if i == CHAIN_MAX - 1 else b"   ")
            buffer_append_integer(out, <int64_t>i)
            buffer_append_text(out, b": ")
            buffer_append_integer(out, <int64_t>lengths[i])
            _percent(out, lengths[i], buckets)


cdef void _table_stats(Buffer* out, const Table* table, bint full) noexcept nogil:
    """A chain is a bucket of seven places and those that hang on it; the size counts places of first buckets."""
    if table_count(table) == 0:
        return
    _half_stats(out, &table.halves[0], b"Hash table 0 stats (main hash table):\n", full)
    if table_is_resizing(table):
        _half_stats(out, &table.halves[1], b"Hash table 1 stats (rehashing target):\n", full)


cdef void _database_stats(Call* call) noexcept nogil:
    cdef int64_t index
    cdef bint full = call.argc == 4 and call_word(call, 3, b"full")
    cdef Database* database
    cdef Buffer text
    if not call_integer(call, 2, &index):
        return
    if index < 0 or index >= call.keyspace.database_count:
        reply_error(call.reply, b"ERR Out of range database")
        return
    database = &call.keyspace.databases[index]
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"[Dictionary HT]\n")
    _table_stats(&text, &database.keys, full)
    buffer_append_text(&text, b"[Expires HT]\n")
    if keyspace_deadlines(database):
        # No table: deadlines lie inside their entries, linked into a timing wheel.
        buffer_append_text(&text, b" number of elements: ")
        buffer_append_integer(&text, <int64_t>keyspace_deadlines(database))
        buffer_append_text(&text, b"\n")
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef void _key_stats(Call* call) noexcept nogil:
    cdef Entry* entry = _look(call)
    cdef bint full = call.argc == 4 and call_word(call, 3, b"full")
    cdef const CompactSet* compact
    cdef const Table* table
    cdef Buffer text
    if entry == NULL:
        return
    table = entry_table(entry)
    if table == NULL and not (entry_type(entry) == TYPE_SET and entry_encoding(entry) == SET_COMPACT):
        reply_error(call.reply, b"ERR The value stored at the specified key is not represented using an hash table")
        return
    buffer_init(&text, NULL)
    if table != NULL:
        _table_stats(&text, table, full)
    else:
        # One block, whose places are searched by fingerprint: it has a size, and no chains.
        compact = <const CompactSet*>entry_pointer(entry)
        buffer_append_text(&text, b"Hash table 0 stats (main hash table):\n table size: ")
        buffer_append_integer(&text, compact.capacity)
        buffer_append_text(&text, b"\n number of elements: ")
        buffer_append_integer(&text, compact.count)
        buffer_append_text(&text, b"\n")
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef void _inner_form(Call* call, bint as_quicklist) noexcept nogil:
    cdef Entry* entry = _look(call)
    if entry == NULL:
        return
    if as_quicklist:
        debug_quicklist(call, entry)
    else:
        debug_listpack(call, entry)


cdef void _packed_threshold(Call* call) noexcept nogil:
    """When an element gets a node by itself. Test suites set it to small sizes; which nodes there are shows nowhere
    but in DEBUG, so here it stays as it is."""
    cdef int64_t bytes
    if not config_parse_memory(call.argv[2], &bytes) or bytes < 0 or bytes > PACKED_THRESHOLD_MAX:
        reply_error(call.reply, b"ERR argument must be a memory value bigger than 1 and smaller than 4gb")
        return
    reply_ok(call.reply)


# ---- filling

cdef void _populate(Call* call) noexcept nogil:
    """key:0, key:1 ... with value:0, value:1 ..., zero bytes behind up to `size`; keys that are there stay."""
    cdef Slice prefix = call.argv[3] if call.argc > 3 else slice_of_text(b"key")
    cdef int64_t count, i
    cdef int64_t size = 0
    cdef size_t room, length
    cdef char* key
    cdef char* value
    cdef uint64_t hash
    cdef Slice name
    cdef bint refused = False
    if not _positive(call, 2, &count) or (call.argc == 5 and not _positive(call, 4, &size)):
        return
    room = (<size_t>size if size > 32 else 32)
    key = <char*>heap_try_alloc(call.keyspace.heap, prefix.length + 32)
    value = <char*>heap_try_alloc(call.keyspace.heap, room)
    if key != NULL and value != NULL:
        table_reserve(&call.database.keys, <uint64_t>count + table_count(&call.database.keys))
        if prefix.length:
            memcpy(key, prefix.data, prefix.length)
        for i in range(count):
            name = slice_of(key, prefix.length + snprintf(key + prefix.length, 32, b":%lld", <long long>i))
            hash = keyspace_hash(call.keyspace, name)
            if keyspace_find_slot(call.keyspace, call.database, name, hash, FIND_WRITE | FIND_NO_TOUCH) != NULL:
                continue
            length = snprintf(value, 32, b"value:%lld", <long long>i)
            if size:
                if <size_t>size > length:
                    memset(value + length, 0, <size_t>size - length)
                length = <size_t>size
            if keyspace_add(call.keyspace, call.database, name, hash, value_of_bytes(slice_of(value, length))) == NULL:
                refused = True
                break
            keyspace_touched(call.keyspace, call.database, name)
    refused = refused or key == NULL or value == NULL
    heap_free(call.keyspace.heap, key, prefix.length + 32)
    heap_free(call.keyspace.heap, value, room)
    if refused:
        error_memory(call)
    else:
        reply_ok(call.reply)


# ---- switches

cdef void _sleep(Call* call) noexcept nogil:
    """Everybody waits, as with Redis: the engine's lock is held. (The door gave up the GIL before.)"""
    cdef char text[WORD_MAX]
    cdef double seconds
    _terminated(call.argv[2], text)
    seconds = read_double(text)
    if isfinite(seconds) and 0 < seconds < LONGEST_NAP_S:
        hutch_nap(seconds)
    reply_ok(call.reply)


cdef void _set_active_expire(Call* call) noexcept nogil:
    call.keyspace.active_expire = _switch(call)
    if call.keyspace.active_expire:
        engine_wake_housekeeping(engine_of(call))    # what came due meanwhile
    reply_ok(call.reply)


cdef void _set_disable_deny_scripts(Call* call) noexcept nogil:
    engine_of(call).scripts.may_all = _switch(call)
    reply_ok(call.reply)


cdef void _set_skip_checksum_validation(Call* call) noexcept nogil:
    call.keyspace.checksums_ignored = _switch(call)
    reply_ok(call.reply)


cdef void _pause_cron(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    engine.housekeeping.cron_paused = _switch(call)
    engine_wake_housekeeping(engine)
    reply_ok(call.reply)


cdef void _allow_resizing(Call* call) noexcept nogil:
    cdef bint allowed = _switch(call)
    cdef int32_t i
    for i in range(call.keyspace.database_count):
        call.keyspace.databases[i].keys.resize_forbidden = not allowed
    if allowed:
        call.keyspace.chores |= CHORE_RESIZE
    reply_ok(call.reply)


cdef void _change_replication_id(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    random_hex(&engine.random, engine.replication.id, 40)
    memset(engine.replication.id2, c'0', 40)
    reply_ok(call.reply)


cdef void _log(Call* call) noexcept nogil:
    cdef Buffer line
    buffer_init(&line, NULL)
    buffer_append_text(&line, b"DEBUG LOG: ")
    buffer_append_slice(&line, call.argv[2])
    log_write(engine_of(call), LOG_WARNING, buffer_slice(&line))
    buffer_clear(&line)
    reply_ok(call.reply)


# ---- replies of every kind

cdef void _protocol(Call* call) noexcept nogil:
    cdef int i
    if call_word(call, 2, b"string"):
        reply_bulk_text(call.reply, b"Hello World")
    elif call_word(call, 2, b"integer"):
        reply_integer(call.reply, 12345)
    elif call_word(call, 2, b"double"):
        reply_double(call.reply, 3.141)
    elif call_word(call, 2, b"bignum"):
        reply_big_number(call.reply, slice_of_text(b"1234567999999999999999999999999999999"))
    elif call_word(call, 2, b"null"):
        reply_null(call.reply)
    elif call_word(call, 2, b"array"):
        reply_array(call.reply, 3)
        for i in range(3):
            reply_integer(call.reply, i)
    elif call_word(call, 2, b"set"):
        reply_set(call.reply, 3)
        for i in range(3):
            reply_integer(call.reply, i)
    elif call_word(call, 2, b"map"):
        reply_map(call.reply, 3)
        for i in range(3):
            reply_integer(call.reply, i)
            reply_bool(call.reply, i == 1)
    elif call_word(call, 2, b"attrib"):
        if call.reply.resp > 2:
            reply_raw(call.reply, slice_of_text(b"|1\r\n"))
            reply_bulk_text(call.reply, b"key-popularity")
            reply_array(call.reply, 2)
            reply_bulk_text(call.reply, b"key:123")
            reply_integer(call.reply, 90)
        reply_bulk_text(call.reply, b"Some real reply following the attribute")
    elif call_word(call, 2, b"push"):
        if call.reply.resp < 3:
            reply_error(call.reply, b"ERR RESP2 is not supported by this command")
            return
        # Redis sends pushes of a command's own client behind its reply.
        reply_bulk_text(call.reply, b"Some real reply following the push reply")
        reply_push(call.reply, 2)
        reply_bulk_text(call.reply, b"server-cpu-usage")
        reply_integer(call.reply, 42)
    elif call_word(call, 2, b"true"):
        reply_bool(call.reply, True)
    elif call_word(call, 2, b"false"):
        reply_bool(call.reply, False)
    elif call_word(call, 2, b"verbatim"):
        reply_verbatim(call.reply, slice_of_text(b"This is a verbatim\nstring"), b"txt")
    else:
        reply_error(call.reply, b"ERR Wrong protocol type name. Please use one of the following: "
                    b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")


cdef void _struct_sizes(Call* call) noexcept nogil:
    cdef char[256] text
    snprintf(text, sizeof(text), b"bits:%d entry:%d deadline:%d stringvalue:%d bucket:%d table:%d wheel:%d session:%d",
             <int>(8 * sizeof(void*)), <int>sizeof(Entry), <int>ENTRY_DEADLINE_BYTES, <int>sizeof(StringValue),
             <int>sizeof(Bucket), <int>sizeof(Table), <int>sizeof(Wheel), <int>sizeof(Session))
    reply_simple(call.reply, text)


# ---- what Redis has and Hutch has not

cdef bint _named_in(Call* call, const char* names) noexcept nogil:
    """Is argv[1] one of the names, which spaces divide?"""
    cdef const char* at = names
    cdef size_t length = 0
    cdef char[WORD_MAX] name
    while True:
        if at[0] == c' ' or at[0] == 0:
            name[length] = 0
            if length and slice_is(call.argv[1], name):
                return True
            if at[0] == 0:
                return False
            length = 0
        else:
            name[length] = at[0]
            length += 1
        at += 1


cdef void _decline(Call* call) noexcept nogil:
    cdef const char* reason
    if _named_in(call, b"SEGFAULT PANIC ASSERT") and engine_of(call).config.enable_debug_command != ENABLE_NO:
        hutch_fault(_named_in(call, b"SEGFAULT"))
        return
    if _named_in(call, b"SEGFAULT PANIC RESTART CRASH-AND-RECOVER OOM ASSERT LEAK"):
        reason = b" is refused: the engine lives inside a program that it must not harm"
    elif call.argc > 2 and _named_in(call, b"AOF-FLUSH-SLEEP KEYSIZES-HIST-ASSERT REPLYBUFFER"):
        # They tune parts of Redis that are built differently here. Test suites set them and go on.
        reply_ok(call.reply)
        return
    elif _named_in(call, b"LOADAOF"):
        reason = b" is not possible: this version of Hutch keeps its data in memory only"
    elif _named_in(call, b"REPLICATE REPL-PAUSE DROP-CLUSTER-PACKET-FILTER CLUSTERLINK INTERNAL_SECRET "
                   b"MARK-INTERNAL-CLIENT"):
        reason = b" is not possible: this version of Hutch has neither replicas nor a cluster"
    elif _named_in(call, b"MALLCTL MALLCTL-STR CLIENT-EVICTION SCRIPT STRINGMATCH-TEST"):
        reason = b" is not possible: it is about an inner part of Redis that Hutch does not have"
    else:
        error_subcommand(call)
        return
    reply_error_parts(call.reply, b"ERR DEBUG ", call.argv[1], reason)


cdef void _help(Call* call) noexcept nogil:
    cdef const char* lines[54]
    lines[:] = [
        b"CHANGE-REPL-ID", b"    Take a new replication ID.",
        b"DICT-RESIZING <0|1>", b"    Forbid or allow the tables of keys to grow and shrink.",
        b"DIGEST", b"    Give a hash of all databases' contents, the same as Redis's.",
        b"DIGEST-VALUE <key> [<key> ...]", b"    Give a hash of each key's value.",
        b"ERROR <string>", b"    Answer with this error.",
        b"HTSTATS <dbid> [full]", b"    Give figures of a database's tables.",
        b"HTSTATS-KEY <key> [full]", b"    Give figures of the table of a key's value.",
        b"LISTPACK <key>", b"    Show what is in a value that is one listpack.",
        b"LOADAOF", b"    Write what is to come to the append-only file, forget everything, and load it.",
        b"LOG <message>", b"    Write a line to the log file, when there is one.",
        b"PANIC", b"    End the process by SIGABRT (with enable-debug-command).",
        b"OBJECT <key>", b"    Tell how a key's value is kept.",
        b"PAUSE-CRON <0|1>", b"    Stop background work: expiry, lazy freeing, resizing.",
        b"POPULATE <count> [<prefix>] [<size>]", b"    Add <count> string keys named key:<num>, or <prefix>:<num>.",
        b"PROTOCOL <type>", b"    Answer with a value of the type: string, integer, double, bignum, null, array,",
        b"    set, map, attrib, push, verbatim, true, false.",
        b"QUICKLIST <key> [<0|1>]", b"    Show the nodes of a long list, and with 1 what is in them.",
        b"QUICKLIST-PACKED-THRESHOLD <size>", b"    Accepted and without effect: elements larger than a node stand alone.",
        b"RELOAD [NOSAVE] [NOFLUSH] [MERGE]", b"    Save, forget everything and load what was saved. NOSAVE: load what is on disk,",
        b"    NOFLUSH: beside what is in memory, MERGE: over keys of the same name.",
        b"SDSLEN <key>", b"    Tell the lengths of a key and its string, and what their blocks take.",
        b"SEGFAULT", b"    End the process by SIGSEGV (with enable-debug-command).",
        b"SET-ACTIVE-EXPIRE <0|1>", b"    Leave expired keys until they are looked at, or delete them in time.",
        b"SET-DISABLE-DENY-SCRIPTS <0|1>", b"    Let scripts call what is not for scripts (but not run others).",
        b"SET-SKIP-CHECKSUM-VALIDATION <0|1>", b"    Take payloads of DUMP whatever their checksum.",
        b"SLEEP <seconds>", b"    Stop the engine for a while. Decimals allowed.",
        b"STRINGMATCH-LEN <pattern> <string>", b"    Answer 1 when the pattern matches.",
        b"STRUCTSIZE", b"    Give the sizes of some structs.",
    ]
    call_help(call, lines, 54)


cdef void cmd_debug(Call* call) noexcept nogil:
    if _is(call, b"HELP", 2, 2):
        _help(call)
    elif _is(call, b"RELOAD", 2, call.argc):
        debug_reload(call)
    elif _is(call, b"LOADAOF", 2, 2):
        debug_load_log(call)
    elif _is(call, b"SLEEP", 3, 3):
        _sleep(call)
    elif _is(call, b"CONFIG-REWRITE-FORCE-ALL", 2, 2):
        rewrite_configuration(call, True)
    elif _is(call, b"OBJECT", 3, 3):
        _object(call)
    elif _is(call, b"SET-ACTIVE-EXPIRE", 3, 3):
        _set_active_expire(call)
    elif _is(call, b"SET-DISABLE-DENY-SCRIPTS", 3, 3):
        _set_disable_deny_scripts(call)
    elif _is(call, b"SET-SKIP-CHECKSUM-VALIDATION", 3, 3):
        _set_skip_checksum_validation(call)
    elif _is(call, b"DIGEST", 2, 2):
        _digest(call)
    elif _is(call, b"DIGEST-VALUE", 2, call.argc):
        _digest_values(call)
    elif _is(call, b"POPULATE", 3, 5):
        _populate(call)
    elif _is(call, b"PROTOCOL", 3, 3):
        _protocol(call)
    elif _is(call, b"ERROR", 3, 3):
        reply_error_slice(call.reply, call.argv[2])
    elif _is(call, b"LOG", 3, 3):
        _log(call)
    elif _is(call, b"HTSTATS", 3, call.argc):
        _database_stats(call)
    elif _is(call, b"HTSTATS-KEY", 3, call.argc):
        _key_stats(call)
    elif _is(call, b"LISTPACK", 3, 3):
        _inner_form(call, False)
    elif _is(call, b"QUICKLIST", 3, 4):
        _inner_form(call, True)
    elif _is(call, b"QUICKLIST-PACKED-THRESHOLD", 3, 3):
        _packed_threshold(call)
    elif _is(call, b"SDSLEN", 3, 3):
        _string_lengths(call)
    elif _is(call, b"STRINGMATCH-LEN", 4, 4):
        reply_integer(call.reply, glob_matches(call.argv[2], call.argv[3], False))
    elif _is(call, b"CHANGE-REPL-ID", 2, 2):
        _change_replication_id(call)
    elif _is(call, b"DICT-RESIZING", 3, 3):
        _allow_resizing(call)
    elif _is(call, b"PAUSE-CRON", 3, 3):
        _pause_cron(call)
    elif _is(call, b"STRUCTSIZE", 2, 2):
        _struct_sizes(call)
    else:
        _decline(call)
