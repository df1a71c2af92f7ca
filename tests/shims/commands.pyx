"""The handlers of strings, keys, expiry, OBJECT, databases and SORT, called without an executor around them, so
that a test sees exactly which effects each of them records."""
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from hutch_engine.base.buffer cimport buffer_clear, buffer_init
from hutch_engine.base.clock cimport Clock, clock_init
from hutch_engine.base.memory cimport Heap, heap_clear, heap_init
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport Call, CommandHandler
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.database cimport *
from hutch_engine.commands.expiry cimport *
from hutch_engine.commands.hash cimport *
from hutch_engine.commands.hash_expire cimport *
from hutch_engine.commands.keys cimport *
from hutch_engine.commands.lcs cimport *
from hutch_engine.commands.object cimport *
from hutch_engine.commands.list cimport cmd_lrange, cmd_rpush
from hutch_engine.commands.reply cimport Reply
from hutch_engine.commands.set cimport (
    cmd_sadd, cmd_scard, cmd_sismember, cmd_smembers, cmd_smismember, cmd_smove, cmd_spop, cmd_srandmember, cmd_srem, cmd_sscan)
from hutch_engine.commands.set_operations cimport *
from hutch_engine.commands.sort cimport cmd_sort, cmd_sort_ro
from hutch_engine.commands.string cimport *
from hutch_engine.commands.zset cimport *
from hutch_engine.commands.zset_operations cimport *
from hutch_engine.commands.zset_range cimport *
from hutch_engine.keyspace.keyspace cimport (
    Database, EFFECT_EVENT, EFFECT_READY, EFFECT_TOUCHED, EFFECT_TOUCHED_ALL, Keyspace, WANT_EVENTS, WANT_TOUCHED, keyspace_clear,
    keyspace_effects_clear, keyspace_expire_due, keyspace_free_some, keyspace_init, keyspace_next_deadline_ms)
from hutch_engine.structures.table cimport table_check
from hutch_engine.structures.wheel cimport wheel_check

cdef dict HANDLERS = {}


cdef void _know(str name, int arity, CommandHandler handler):
    HANDLERS[name] = (arity, <size_t><void*>handler, name.encode())

_know("append", 3, cmd_append); _know("decr", 2, cmd_decr); _know("decrby", 3, cmd_decrby); _know("get", 2, cmd_get)
_know("getdel", 2, cmd_getdel); _know("getex", -2, cmd_getex); _know("getrange", 4, cmd_getrange)
_know("getset", 3, cmd_getset); _know("incr", 2, cmd_incr); _know("incrby", 3, cmd_incrby)
_know("incrbyfloat", 3, cmd_incrbyfloat); _know("mget", -2, cmd_mget); _know("mset", -3, cmd_mset)
_know("msetnx", -3, cmd_msetnx); _know("psetex", 4, cmd_psetex); _know("set", -3, cmd_set)
_know("setex", 4, cmd_setex); _know("setnx", 3, cmd_setnx); _know("setrange", 4, cmd_setrange)
_know("strlen", 2, cmd_strlen); _know("substr", 4, cmd_substr); _know("lcs", -3, cmd_lcs)
_know("copy", -3, cmd_copy); _know("del", -2, cmd_del); _know("exists", -2, cmd_exists); _know("keys", 2, cmd_keys)
_know("move", 3, cmd_move); _know("randomkey", 1, cmd_randomkey); _know("rename", 3, cmd_rename)
_know("renamenx", 3, cmd_renamenx); _know("scan", -2, cmd_scan); _know("touch", -2, cmd_touch)
_know("type", 2, cmd_type); _know("unlink", -2, cmd_unlink); _know("expire", -3, cmd_expire)
_know("expireat", -3, cmd_expireat); _know("expiretime", 2, cmd_expiretime); _know("persist", 2, cmd_persist)
_know("pexpire", -3, cmd_pexpire); _know("pexpireat", -3, cmd_pexpireat)
_know("pexpiretime", 2, cmd_pexpiretime); _know("pttl", 2, cmd_pttl); _know("ttl", 2, cmd_ttl)
_know("object|encoding", 3, cmd_object_encoding); _know("object|freq", 3, cmd_object_freq)
_know("object|help", 2, cmd_object_help); _know("object|idletime", 3, cmd_object_idletime)
_know("object|refcount", 3, cmd_object_refcount); _know("dbsize", 1, cmd_dbsize)
_know("flushall", -1, cmd_flushall); _know("flushdb", -1, cmd_flushdb); _know("swapdb", 3, cmd_swapdb)
_know("sadd", -3, cmd_sadd); _know("scard", 2, cmd_scard); _know("sismember", 3, cmd_sismember); _know("smembers", 2, cmd_smembers)
_know("smismember", -3, cmd_smismember); _know("smove", 4, cmd_smove); _know("spop", -2, cmd_spop)
_know("srandmember", -2, cmd_srandmember); _know("srem", -3, cmd_srem); _know("sscan", -3, cmd_sscan)
_know("sdiff", -2, cmd_sdiff); _know("sdiffstore", -3, cmd_sdiffstore); _know("sinter", -2, cmd_sinter)
_know("sintercard", -3, cmd_sintercard); _know("sinterstore", -3, cmd_sinterstore); _know("sunion", -2, cmd_sunion)
_know("sunionstore", -3, cmd_sunionstore)
_know("lrange", 4, cmd_lrange); _know("rpush", -3, cmd_rpush)
_know("sort", -2, cmd_sort); _know("sort_ro", -2, cmd_sort_ro)

_know("zadd", -4, cmd_zadd); _know("zincrby", 4, cmd_zincrby); _know("zrange", -4, cmd_zrange)
_know("zrangestore", -5, cmd_zrangestore); _know("zunion", -3, cmd_zunion); _know("zunionstore", -4, cmd_zunionstore)
_know("zinterstore", -4, cmd_zinterstore); _know("zdiffstore", -4, cmd_zdiffstore)

_know("hset", -4, cmd_hset); _know("hmset", -4, cmd_hmset); _know("hsetnx", 4, cmd_hsetnx); _know("hget", 3, cmd_hget)
_know("hmget", -3, cmd_hmget); _know("hgetall", 2, cmd_hgetall); _know("hkeys", 2, cmd_hkeys); _know("hvals", 2, cmd_hvals)
_know("hlen", 2, cmd_hlen); _know("hexists", 3, cmd_hexists); _know("hstrlen", 3, cmd_hstrlen); _know("hdel", -3, cmd_hdel)
_know("hincrby", 4, cmd_hincrby); _know("hincrbyfloat", 4, cmd_hincrbyfloat); _know("hrandfield", -2, cmd_hrandfield)
_know("hscan", -3, cmd_hscan); _know("hexpire", -6, cmd_hexpire); _know("hpexpire", -6, cmd_hpexpire)
_know("hexpireat", -6, cmd_hexpireat); _know("hpexpireat", -6, cmd_hpexpireat); _know("httl", -5, cmd_httl)
_know("hpttl", -5, cmd_hpttl); _know("hexpiretime", -5, cmd_hexpiretime); _know("hpexpiretime", -5, cmd_hpexpiretime)
_know("hpersist", -5, cmd_hpersist); _know("hgetex", -5, cmd_hgetex); _know("hsetex", -6, cmd_hsetex)
_know("hgetdel", -5, cmd_hgetdel)

cdef struct Room:                # what must not move
    Heap heap
    Clock clock
    Random random
    Keyspace keyspace
    Reply reply


cdef class Store:
    """16 databases with a clock that stands at `now_ms` until it is moved."""
    cdef Room* room

    def __cinit__(self, uint64_t seed=1, now_ms=1_700_000_000_000):
        self.room = <Room*>malloc(sizeof(Room))
        if self.room == NULL:
            raise MemoryError
        memset(self.room, 0, sizeof(Room))
        heap_init(&self.room.heap)
        clock_init(&self.room.clock)
        self.room.clock.held = True
        self.room.clock.held_us = now_ms * 1000
        random_init(&self.room.random, seed)
        assert keyspace_init(&self.room.keyspace, &self.room.heap, &self.room.clock, &self.room.random, 16)
        buffer_init(&self.room.reply.buffer, NULL)

    def __dealloc__(self):
        if self.room != NULL:
            keyspace_clear(&self.room.keyspace)
            buffer_clear(&self.room.reply.buffer)
            heap_clear(&self.room.heap)
            free(self.room)

    def run(self, list argv, int database=0, int resp=2, uint32_t flags=0):
        """(reply, what was recorded): ("touched", database, key), ("ready", ...) or (event, database, key)."""
        cdef Slice[64] few
        cdef Slice* words = few
        cdef Call call
        cdef Command command
        cdef Keyspace* keyspace = &self.room.keyspace
        cdef size_t i
        cdef bytes name = argv[0].lower()
        if name == b"object" and len(argv) > 1:
            name += b"|" + argv[1].lower()
        arity, handler, full_name = HANDLERS[name.decode('latin-1')]
        if (len(argv) != arity) if arity > 0 else (len(argv) < -arity):
            return b"-ERR wrong number of arguments for '" + full_name + b"' command\r\n", []
        if len(argv) > 64:
            words = <Slice*>malloc(len(argv) * sizeof(Slice))
        for i in range(len(argv)):
            words[i] = slice_of(argv[i], len(argv[i]))
        memset(&call, 0, sizeof(call))
        memset(&command, 0, sizeof(command))
        command.name = full_name
        command.name_length = len(full_name)
        call.argv = words
        call.argc = len(argv)
        call.keyspace = keyspace
        call.database = &keyspace.databases[database]
        call.reply = &self.room.reply
        call.command = &command
        call.flags = flags
        call.reply.resp = resp
        call.reply.buffer.length = 0
        keyspace.now_ms = 0
        keyspace_effects_clear(keyspace)
        (<CommandHandler><void*><size_t>handler)(&call)
        if words != few:
            free(words)
        table_check(&call.database.keys)
        return call.reply.buffer.data[:call.reply.buffer.length], self.effects()

    cdef effects(self):
        cdef Keyspace* keyspace = &self.room.keyspace
        cdef size_t i
        found = []
        for i in range(keyspace.effect_count):
            effect = keyspace.effects[i]
            key = (keyspace.effect_keys.data + effect.key_start)[:effect.key_length]
            if effect.kind == EFFECT_EVENT:
                found.append(((<bytes>effect.event).decode(), effect.database, key, effect.event_class))
            else:
                kind = {EFFECT_READY: "ready", EFFECT_TOUCHED: "touched", EFFECT_TOUCHED_ALL: "touched all"}[effect.kind]
                found.append((kind, effect.database, key))
        return found

    def want(self, bint touched, uint32_t event_classes):
        self.room.keyspace.wanted = (WANT_TOUCHED if touched else 0) | (WANT_EVENTS if event_classes else 0)
        memset(self.room.keyspace.touched_filter, 255, sizeof(self.room.keyspace.touched_filter))
        self.room.keyspace.event_classes = event_classes

    def advance(self, int64_t ms):
        self.room.clock.held_us += ms * 1000

    @property
    def now_ms(self):
        return self.room.clock.held_us // 1000

    def set_now(self, int64_t ms):
        self.room.clock.held_us = ms * 1000

    def expire_due(self):
        self.room.keyspace.now_ms = 0
        while keyspace_expire_due(&self.room.keyspace, 1000):
            pass

    def free_lazily(self, uint64_t steps=1000):
        """How many slices it took."""
        slices = 1
        while keyspace_free_some(&self.room.keyspace, steps):
            slices += 1
        return slices

    def counters(self):
        cdef Keyspace* keyspace = &self.room.keyspace
        return {"dirty": keyspace.dirty, "hits": keyspace.hits, "misses": keyspace.misses, "expired": keyspace.expired,
                "expired_fields": keyspace.expired_fields}

    def expire_slice(self, int64_t budget):
        """One slice of housekeeping; True while more is due."""
        self.room.keyspace.now_ms = 0
        return keyspace_expire_due(&self.room.keyspace, budget)

    def next_deadline_ms(self):
        return keyspace_next_deadline_ms(&self.room.keyspace)

    def check_field_deadlines(self, int database=0):
        """How many hashes wait in the database's wheel of field deadlines, after it was verified."""
        cdef Database* at = &self.room.keyspace.databases[database]
        if at.field_deadlines == NULL:
            return 0
        wheel_check(at.field_deadlines)
        return at.field_deadlines.count

    def keep_expired(self, bint on):
        self.room.keyspace.keep_expired = on

    def fail_after(self, uint64_t allocations=UINT64_MAX):
        self.room.heap.fail_after = allocations

    def limit_strings(self, uint64_t length):
        self.room.keyspace.max_string_bytes = length

    def lfu(self, bint on):
        self.room.keyspace.lfu = on

    @property
    def used_bytes(self):
        return self.room.heap.used_bytes

    def limit_sorted_sets(self, uint64_t entries, uint64_t value_bytes):
        self.room.keyspace.limits.zset_entries = entries
        self.room.keyspace.limits.zset_value_bytes = value_bytes

    def time_handler(self, list argv, int rounds):
        """Nanoseconds a call of the handler, reply included."""
        import time
        cdef Slice[64] words
        cdef Call call
        cdef int n
        cdef size_t i
        cdef CommandHandler handler = <CommandHandler><void*><size_t>HANDLERS[argv[0].decode()][1]
        for i in range(len(argv)):
            words[i] = slice_of(argv[i], len(argv[i]))
        memset(&call, 0, sizeof(call))
        call.argv = words
        call.argc = len(argv)
        call.keyspace = &self.room.keyspace
        call.database = call.keyspace.databases
        call.reply = &self.room.reply
        call.reply.resp = 2
        start = time.perf_counter_ns()
        with nogil:
            for n in range(rounds):
                call.reply.buffer.length = 0
                handler(&call)
        return (time.perf_counter_ns() - start) / rounds
