"""See debug.pxd. What would end or harm the host's process is refused: Hutch is a guest in it."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport fflush, fprintf, snprintf, stderr
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer, parse_double, parse_integer
from hutch_engine.base.random cimport random_hex
from hutch_engine.base.sha1 cimport SHA1_BYTES, sha1_bytes, sha1_hex
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call, call_hash, call_help, call_integer_or, call_word, error_no_key
from hutch_engine.commands.reply cimport (
    reply_array, reply_big_number, reply_bool, reply_bulk, reply_bulk_text, reply_double, reply_error, reply_error_parts,
    reply_error_slice, reply_integer, reply_map, reply_null, reply_ok, reply_push, reply_raw, reply_set, reply_simple,
    reply_verbatim)
from hutch_engine.keyspace.entry cimport (
    ENTRY_INTEGER, TYPE_STRING, Entry, encoding_name, entry_bytes, entry_deadline_ms, entry_encoding, entry_integer,
    entry_key, entry_type, value_of_bytes)
from hutch_engine.keyspace.keyspace cimport (
    FIND_NO_STATS, FIND_NO_TOUCH, Database, entry_idle_seconds, keyspace_add, keyspace_find, keyspace_hash,
    keyspace_touched)
from hutch_engine.server.engine cimport CommandStats, Engine, Session, engine_of, engine_poke_housekeeping
from hutch_engine.structures.table cimport table_buckets, table_count, table_each, table_reserve

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int nanosleep(const timespec* wanted, timespec* left)

cdef enum:
    POPULATE_STACK_BYTES = 256


cdef bint _one_of(Call* call, const char* names) noexcept nogil:
    """Is argv[1] among these names (upper case, a space between)?"""
    cdef size_t start = 0, end, i
    cdef Slice word = call.argv[1]
    cdef bint same
    cdef char c
    while names[start]:
        end = start
        while names[end] and names[end] != c' ':
            end += 1
        if end - start == word.length:
            same = True
            for i in range(word.length):
                c = word.data[i]
                if c'a' <= c <= c'z':
                    c -= 32
                if c != names[start + i]:
                    same = False
                    break
            if same:
                return True
        start = end + 1 if names[end] else end
    return False


# ---- digests: Redis's algorithm, so that two servers' data can be compared

cdef struct DigestWalk:
    unsigned char[SHA1_BYTES] sum
    bint unknown                 # a type was met that has no digest


cdef void _digest_xor(unsigned char* digest, Slice bytes) noexcept nogil:
    """Order does not matter."""
    cdef unsigned char hashed[SHA1_BYTES]
    cdef int i
    sha1_bytes(bytes, hashed)
    for i in range(SHA1_BYTES):
        digest[i] ^= hashed[i]


cdef void _digest_mix(unsigned char* digest, Slice bytes) noexcept nogil:
    """Order matters."""
    cdef unsigned char copy[SHA1_BYTES]
    _digest_xor(digest, bytes)
    memcpy(copy, digest, SHA1_BYTES)
    sha1_bytes(slice_of(<const char*>copy, SHA1_BYTES), digest)


cdef void _digest_mix_number(unsigned char* digest, uint32_t number) noexcept nogil:
    cdef unsigned char bytes[4]          # big endian
    cdef int i
    for i in range(4):
        bytes[i] = <unsigned char>(number >> (24 - 8 * i))
    _digest_mix(digest, slice_of(<const char*>bytes, 4))


cdef bint _digest_value(const Entry* entry, unsigned char* digest) noexcept nogil:
    """False for a type that has no digest."""
    cdef char scratch[INTEGER_TEXT_MAX]
    _digest_mix_number(digest, entry_type(entry))
    if entry_type(entry) != TYPE_STRING:
        return False
    _digest_mix(digest, entry_bytes(entry, scratch))
    if entry_deadline_ms(entry) >= 0:
        _digest_xor(digest, slice_of(b"!!expire!!", 10))
    return True


cdef bint _digest_visit(void* context, void* entry) noexcept nogil:
    cdef DigestWalk* walk = <DigestWalk*>context
    cdef unsigned char digest[SHA1_BYTES]
    memset(digest, 0, SHA1_BYTES)
    _digest_mix(digest, entry_key(<Entry*>entry))
    if not _digest_value(<Entry*>entry, digest):
        walk.unknown = True
        return False
    _digest_xor(walk.sum, slice_of(<const char*>digest, SHA1_BYTES))
    return True


cdef void _reply_digest(Call* call, const unsigned char* digest, bint bulk) noexcept nogil:
    cdef char text[41]
    sha1_hex(digest, text)
    text[40] = 0
    if bulk:
        reply_bulk_text(call.reply, text)
    else:
        reply_simple(call.reply, text)


cdef void _digest(Call* call) noexcept nogil:
    cdef DigestWalk walk
    cdef Database* database
    cdef int32_t i
    memset(&walk, 0, sizeof(walk))
    for i in range(call.keyspace.database_count):
        database = &call.keyspace.databases[i]
        if table_count(&database.keys) == 0:
            continue
        _digest_mix_number(walk.sum, <uint32_t>i)
        table_each(&database.keys, _digest_visit, &walk)
    if walk.unknown:
        reply_error(call.reply, b"ERR a key has a type without a digest")
    else:
        _reply_digest(call, walk.sum, False)


cdef void _digest_values(Call* call) noexcept nogil:
    cdef unsigned char digest[SHA1_BYTES]
    cdef Entry* entry
    cdef size_t i
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        memset(digest, 0, SHA1_BYTES)
        entry = keyspace_find(call.keyspace, call.database, call.argv[i], call_hash(call, i), FIND_NO_STATS | FIND_NO_TOUCH)
        if entry != NULL and not _digest_value(entry, digest):
            reply_error(call.reply, b"ERR this type has no digest")
        else:
            _reply_digest(call, digest, True)


# ---- looking at things

cdef uint64_t _serialized_bytes(const Entry* entry) noexcept nogil:
    """What an RDB file holds for it, uncompressed."""
    cdef char scratch[INTEGER_TEXT_MAX]
    cdef Slice bytes
    cdef int64_t number
    if entry_type(entry) != TYPE_STRING:
        return 0
    bytes = entry_bytes(entry, scratch)
    if bytes.length <= 11 and parse_integer(bytes, &number):
        if -128 <= number <= 127:
            return 2
        if -32768 <= number <= 32767:
            return 3
        if -2147483648 <= number <= 2147483647:
            return 5
    return bytes.length + (1 if bytes.length < 64 else (2 if bytes.length < 16384 else 5))


cdef void _object(Call* call) noexcept nogil:
    cdef char text[200]
    cdef Entry* entry = keyspace_find(call.keyspace, call.database, call.argv[2], call_hash(call, 2),
                                      FIND_NO_STATS | FIND_NO_TOUCH)
    if entry == NULL:
        error_no_key(call)
        return
    snprintf(text, 200, b"Value at:%p refcount:1 encoding:%s serializedlength:%llu lru:%u lru_seconds_idle:%u", <void*>entry,
             encoding_name(entry_encoding(entry)), <unsigned long long>_serialized_bytes(entry), entry.access & 0xffffff,
             entry_idle_seconds(call.keyspace, entry))
    reply_simple(call.reply, text)


cdef void _table_stats(Call* call) noexcept nogil:
    cdef int64_t index
    cdef Database* database
    cdef Buffer text
    if not parse_integer(call.argv[2], &index) or index < 0 or index >= call.keyspace.database_count:
        reply_error(call.reply, b"ERR Out of range database")
        return
    database = &call.keyspace.databases[index]
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"[Dictionary HT]\n")
    if table_count(&database.keys) == 0:
        buffer_append_text(&text, b"No stats available for empty dictionaries\n")
    else:
        buffer_append_text(&text, b"Hash table 0 stats (main hash table):\n table size: ")
        buffer_append_integer(&text, <int64_t>table_buckets(&database.keys))
        buffer_append_text(&text, b"\n number of elements: ")
        buffer_append_integer(&text, <int64_t>table_count(&database.keys))
        buffer_append_text(&text, b"\n")
    # Deadlines live inside the entries: there is no second table to describe.
    buffer_append_text(&text, b"[Expires HT]\n")
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef void _table_stats_of_key(Call* call) noexcept nogil:
    cdef Entry* entry = keyspace_find(call.keyspace, call.database, call.argv[2], call_hash(call, 2),
                                      FIND_NO_STATS | FIND_NO_TOUCH)
    if entry == NULL:
        error_no_key(call)
    else:
        reply_error(call.reply, b"ERR The value stored at the specified key is not represented using an hash table")


# ---- making things

cdef bint _populate_one(Call* call, Slice prefix, int64_t index, int64_t size, char* room, size_t room_bytes,
                        char* value, size_t value_bytes) noexcept nogil:
    """`room` takes the key, `value` the value; both are big enough."""
    cdef size_t key_length = prefix.length
    cdef size_t length
    cdef Slice key
    cdef uint64_t hash
    if prefix.length:
        memcpy(room, prefix.data, prefix.length)
    room[key_length] = c':'
    key_length += 1
    key_length += format_integer(index, room + key_length)
    key = slice_of(room, key_length)
    hash = keyspace_hash(call.keyspace, key)
    if keyspace_find(call.keyspace, call.database, key, hash, FIND_NO_STATS | FIND_NO_TOUCH) != NULL:
        return True
    memset(value, 0, value_bytes)
    memcpy(value, b"value:", 6)
    length = 6 + format_integer(index, value + 6)
    if size:
        memset(value + length, 0, value_bytes - length)
        length = <size_t>size
    if keyspace_add(call.keyspace, call.database, key, hash, value_of_bytes(slice_of(value, length))) == NULL:
        return False
    keyspace_touched(call.keyspace, call.database, key)
    return True


cdef void _populate(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef const char* range_error = b"ERR value is out of range, must be positive"
    cdef int64_t count, i
    cdef int64_t size = 0
    cdef Slice prefix = slice_of_text(b"key")
    cdef size_t room_bytes, value_bytes
    cdef char* room
    cdef char* value
    if not call_integer_or(call, 2, &count, range_error):
        return
    if count < 0 or (call.argc > 4 and (not parse_integer(call.argv[4], &size) or size < 0)):
        reply_error(call.reply, range_error)
        return
    if call.argc > 3:
        prefix = call.argv[3]
    room_bytes = prefix.length + 1 + INTEGER_TEXT_MAX
    value_bytes = 6 + INTEGER_TEXT_MAX + <size_t>size
    room = <char*>heap_try_alloc(&engine.heap, room_bytes)
    value = <char*>heap_try_alloc(&engine.heap, value_bytes)
    if room != NULL and value != NULL:
        table_reserve(&call.database.keys, table_count(&call.database.keys) + <uint64_t>count)
        i = 0
        while i < count and _populate_one(call, prefix, i, size, room, room_bytes, value, value_bytes):
            i += 1
    else:
        i = -1
    if i == count:
        reply_ok(call.reply)
    else:
        reply_error(call.reply, b"OOM no memory for so many keys")
    if room != NULL:
        heap_free(&engine.heap, room, room_bytes)
    if value != NULL:
        heap_free(&engine.heap, value, value_bytes)


cdef void _protocol(Call* call) noexcept nogil:
    cdef int64_t i
    if call_word(call, 2, b"string"):
        reply_bulk_text(call.reply, b"Hello World")
    elif call_word(call, 2, b"integer"):
        reply_integer(call.reply, 12345)
    elif call_word(call, 2, b"double"):
        reply_double(call.reply, 3.141)
    elif call_word(call, 2, b"null"):
        reply_null(call.reply)
    elif call_word(call, 2, b"array") or call_word(call, 2, b"set"):
        if call_word(call, 2, b"set"):
            reply_set(call.reply, 3)
        else:
            reply_array(call.reply, 3)
        for i in range(3):
            reply_integer(call.reply, i)
    elif call_word(call, 2, b"map"):
        reply_map(call.reply, 3)
        for i in range(3):
            reply_integer(call.reply, i)
            reply_bool(call.reply, i == 1)
    elif call_word(call, 2, b"attrib"):
        if call.reply.resp == 3:
            reply_raw(call.reply, slice_of_text(b"|1\r\n"))
            reply_bulk_text(call.reply, b"key-popularity")
            reply_array(call.reply, 2)
            reply_bulk_text(call.reply, b"key:123")
            reply_integer(call.reply, 90)
        reply_bulk_text(call.reply, b"Some real reply following the attribute")
    elif call_word(call, 2, b"push"):
        if call.reply.resp == 2:
            reply_error(call.reply, b"ERR RESP2 is not supported by this command")
            return
        reply_push(call.reply, 2)
        reply_bulk_text(call.reply, b"server-cpu-usage")
        reply_integer(call.reply, 42)
        reply_bulk_text(call.reply, b"Some real reply following the push reply")
    elif call_word(call, 2, b"true"):
        reply_bool(call.reply, True)
    elif call_word(call, 2, b"false"):
        reply_bool(call.reply, False)
    elif call_word(call, 2, b"verbatim"):
        reply_verbatim(call.reply, slice_of_text(b"This is a verbatim\nstring"), b"txt")
    elif call_word(call, 2, b"bignum"):
        reply_big_number(call.reply, slice_of_text(b"1234567999999999999999999999999999999"))
    else:
        reply_error(call.reply, b"ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
                                b"bignum|null|array|set|map|attrib|push|verbatim|true|false")


cdef void _sleep(Call* call) noexcept nogil:
    """Everybody waits, as with Redis: the engine's lock is kept. The GIL is not held here."""
    cdef double seconds = 0
    cdef timespec wanted
    if not parse_double(call.argv[2], &seconds) or not seconds > 0:
        seconds = 0              # what atof makes of it
    if seconds > 1e9:
        seconds = 1e9
    wanted.tv_sec = <long>seconds
    wanted.tv_nsec = <long>((seconds - <double><long>seconds) * 1e9)
    while nanosleep(&wanted, &wanted) != 0:
        pass
    reply_ok(call.reply)


cdef bint _is_zero(Slice word) noexcept nogil:
    """As atoi sees it: what is no number is 0."""
    cdef int64_t number
    return not parse_integer(word, &number) or number == 0


cdef void cmd_debug(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int32_t i
    if call_word(call, 1, b"HELP") and call.argc == 2:
        call_help(call, _help_lines, 37)
    elif call_word(call, 1, b"SLEEP") and call.argc == 3:
        _sleep(call)
    elif call_word(call, 1, b"OBJECT") and call.argc == 3:
        _object(call)
    elif call_word(call, 1, b"SET-ACTIVE-EXPIRE") and call.argc == 3:
        call.keyspace.active_expire = not _is_zero(call.argv[2])
        if call.keyspace.active_expire:
            engine_poke_housekeeping(engine)
        reply_ok(call.reply)
    elif call_word(call, 1, b"CHANGE-REPL-ID") and call.argc == 2:
        random_hex(&engine.random, engine.replication_id, 40)
        reply_ok(call.reply)
    elif call_word(call, 1, b"ERROR") and call.argc == 3:
        reply_error_slice(call.reply, call.argv[2])
    elif call_word(call, 1, b"LOG") and call.argc == 3:
        fprintf(stderr, b"hutch: DEBUG LOG: %.*s\n", <int>call.argv[2].length, call.argv[2].data)
        fflush(stderr)
        reply_ok(call.reply)
    elif call_word(call, 1, b"HTSTATS") and 3 <= call.argc <= 4:
        _table_stats(call)
    elif call_word(call, 1, b"HTSTATS-KEY") and 3 <= call.argc <= 4:
        _table_stats_of_key(call)
    elif call_word(call, 1, b"POPULATE") and 3 <= call.argc <= 5:
        _populate(call)
    elif call_word(call, 1, b"DIGEST") and call.argc == 2:
        _digest(call)
    elif call_word(call, 1, b"DIGEST-VALUE") and call.argc >= 2:
        _digest_values(call)
    elif call_word(call, 1, b"PROTOCOL") and call.argc == 3:
        _protocol(call)
    elif call_word(call, 1, b"DICT-RESIZING") and call.argc == 3:
        for i in range(call.keyspace.database_count):
            call.keyspace.databases[i].keys.resize_forbidden = _is_zero(call.argv[2])
        reply_ok(call.reply)
    elif call_word(call, 1, b"PAUSE-CRON") and call.argc == 3:
        # Housekeeping's one task that a client could notice is active expiry.
        call.keyspace.active_expire = _is_zero(call.argv[2])
        if call.keyspace.active_expire:
            engine_poke_housekeeping(engine)
        reply_ok(call.reply)
    elif call_word(call, 1, b"STRUCTSIZE") and call.argc == 2:
        _struct_sizes(call)
    elif _one_of(call, b"QUICKLIST-PACKED-THRESHOLD SET-DISABLE-DENY-SCRIPTS SET-SKIP-CHECKSUM-VALIDATION "
                       b"REPLYBUFFER AOF-FLUSH-SLEEP KEYSIZES-HIST-ASSERT") and call.argc >= 3:
        # They tune parts of Redis that are built differently here: nothing to do, and suites go on.
        reply_ok(call.reply)
    elif _one_of(call, b"SEGFAULT PANIC ASSERT OOM RESTART CRASH-AND-RECOVER LEAK"):
        reply_error_parts(call.reply, b"ERR DEBUG ", call.argv[1], b" is refused: Hutch is a guest in this process")
    elif _one_of(call, b"RELOAD LOADAOF"):
        reply_error_parts(call.reply, b"ERR DEBUG ", call.argv[1], b" is refused: Hutch keeps its data in memory only for now")
    else:
        reply_error_parts(call.reply, b"ERR unknown subcommand or wrong number of arguments for '", call.argv[1],
                          b"'. Try DEBUG HELP.")


cdef void _struct_sizes(Call* call) noexcept nogil:
    cdef char text[160]
    snprintf(text, 160, b"bits:%d entry:%d session:%d command:%d ", <int>sizeof(void*) * 8, <int>sizeof(Entry),
             <int>sizeof(Session), <int>sizeof(CommandStats))
    reply_simple(call.reply, text)


cdef const char* _help_lines[37]
_help_lines[:] = [
    b"CHANGE-REPL-ID", b"    Change the replication IDs of the instance.",
    b"    Dangerous: should be used only for testing the replication subsystem.",
    b"DIGEST", b"    Output a hex signature representing the current DB content.",
    b"DIGEST-VALUE <key> [<key> ...]", b"    Output a hex signature of the values of all the specified keys.",
    b"ERROR <string>", b"    Return a Redis protocol error with <string> as message. Useful for clients",
    b"    unit tests to simulate Redis errors.",
    b"LOG <message>", b"    Write <message> to the server log.",
    b"HTSTATS <dbid> [full]", b"    Return hash table statistics of the specified Redis database.",
    b"HTSTATS-KEY <key> [full]", b"    Like HTSTATS but for the hash table stored at <key>'s value.",
    b"OBJECT <key>", b"    Show low level info about `key` and associated value.",
    b"POPULATE <count> [<prefix>] [<size>]", b"    Create <count> string keys named key:<num>. If <prefix> is specified then",
    b"    it is used instead of the 'key' prefix.",
    b"PROTOCOL <type>", b"    Reply with a test value of the specified type. <type> can be: string,",
    b"    integer, double, bignum, null, array, set, map, attrib, push, verbatim,", b"    true, false.",
    b"SET-ACTIVE-EXPIRE <0|1>", b"    Setting it to 0 disables expiring keys (and hash-fields) in background ",
    b"    when they are not accessed (otherwise the Redis behavior). Setting it", b"    to 1 reenables back the default.",
    b"SLEEP <seconds>", b"    Stop the server for <seconds>. Decimals allowed.",
    b"STRUCTSIZE", b"    Return the size of different core C structures.",
    b"PAUSE-CRON <0|1>", b"    Stop periodic cron job processing.",
    b"DICT-RESIZING <0|1>", b"    Enable or disable the main dict and expire dict resizing.",
]
