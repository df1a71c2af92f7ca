"""Databases of typed values with exact deadlines, and the effects that changing them has.

Everything here runs under the engine's lock. Lookups expire what is due, count hits and misses and
note the access; changes keep table, wheel and counters together and record effects, which the
executor acts on afterwards (lower floors never call up).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.clock cimport Clock
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport clz64, likely, load_u32, load_u64, unlikely
from hutch_engine.base.hash cimport HashKey, hash_bytes
from hutch_engine.base.lock cimport Lock, lock_is_mine
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry, Value, entry_type
from hutch_engine.keyspace.journal cimport Journal
from hutch_engine.keyspace.snapshot cimport Snapshot
from hutch_engine.keyspace.value_type cimport EncodingLimits, ValueMaker
from hutch_engine.keyspace.value_types cimport entry_size
from hutch_engine.structures.hash cimport Hash
from hutch_engine.structures.sorted_set cimport SortedSet
from hutch_engine.structures.table cimport Table, TableSlot
from hutch_engine.structures.wheel cimport Wheel

cdef enum:                       # classes of keyspace events, as notify-keyspace-events letters
    EVENT_KEYSPACE = 1 << 0      # K
    EVENT_KEYEVENT = 1 << 1      # E
    EVENT_GENERIC = 1 << 2       # g
    EVENT_STRING = 1 << 3        # $
    EVENT_LIST = 1 << 4          # l
    EVENT_SET = 1 << 5           # s
    EVENT_HASH = 1 << 6          # h
    EVENT_ZSET = 1 << 7          # z
    EVENT_EXPIRED = 1 << 8       # x
    EVENT_EVICTED = 1 << 9       # e
    EVENT_STREAM = 1 << 10       # t
    EVENT_KEY_MISS = 1 << 11     # m
    EVENT_MODULE = 1 << 12       # d
    EVENT_NEW = 1 << 13          # n
    EVENT_OVERWRITTEN = 1 << 14  # o
    EVENT_TYPE_CHANGED = 1 << 15 # c
    EVENT_FLUSHED = 1 << 16      # no letter: an EFFECT_TOUCHED_ALL that emptied the database

cdef enum:                       # what somebody wants to hear of; kept in Keyspace.wanted
    WANT_TOUCHED = 1             # WATCH or CLIENT TRACKING is in use
    WANT_READY = 2               # somebody blocks on keys
    WANT_EVENTS = 4              # notify-keyspace-events is not empty

cdef enum:                       # work that housekeeping should do; kept in Keyspace.chores
    CHORE_LAZY_FREE = 1
    CHORE_RESIZE = 2
    CHORE_EFFECTS_LOST = 4       # the executor's: memory was refused for an effect, so all are to be told of everything

cdef enum:                       # effect kinds
    EFFECT_TOUCHED = 1           # a key's value changed, appeared or went: WATCH, tracking
    EFFECT_READY = 2             # a key that blocked clients may wait for appeared
    EFFECT_EVENT = 3             # keyspace event
    EFFECT_TOUCHED_ALL = 4       # FLUSHDB, SWAPDB: every key of a database
    EFFECT_READY_ALL = 5         # SWAPDB: a database has become another one

cdef enum:                       # keyspace_find flags
    FIND_NO_STATS = 1            # neither hit nor miss is counted
    FIND_NO_TOUCH = 2            # the access time stays
    FIND_WRITE = 4               # for changing: no hit, miss or miss event

cdef enum:                       # Database.sizes, for INFO keysizes: type << 5 | how many bits the size takes
    SIZE_TYPES = 7               # types with numbers below may have a line there (ValueType.sizes_name)
    SIZE_BINS = 32               # of a type; the last has all that is larger, too
    SIZE_NOT_COUNTED = 224       # the class of all other types
    SIZE_CLASSES = 225

cdef enum:
    KEY_FILTER_WORDS = 64        # of a filter of keys: 4,096 bits

cdef struct Effect:
    uint8_t kind
    int32_t database
    uint32_t event_class
    const char* event            # static text
    size_t key_start             # the key's bytes in Keyspace.effect_keys
    size_t key_length

cdef struct Database:
    Table keys                   # Entry*
    Wheel* deadlines             # owned; NULL until the first deadline
    Wheel* field_deadlines       # owned; NULL until the first: one node a hash, for its earliest field deadline
    double deadline_sum_ms       # of all deadlines, for avg_ttl
    uint64_t* sizes              # owned: how many keys of each size class; NULL until the first key
    int32_t index
    int32_t snapshot_index       # what it was when the present snapshot began (SWAPDB)

cdef struct LazyTable:           # a table on its way out, freed in slices by housekeeping
    LazyTable* next
    Table table
    Wheel* deadlines             # owned; nobody waits on it any more
    uint64_t position
    int32_t snapshot_index       # as its database's

cdef struct LazyValue:
    LazyValue* next
    void* pointer
    uint8_t type
    uint8_t encoding

cdef struct Keyspace:
    EncodingLimits limits
    Heap* heap                   # borrowed, as are the next two
    Clock* clock
    Random* random
    HashKey hash_key             # constant once the keyspace is made: keyspace_hash needs no lock
    const Lock* guard            # borrowed: the lock under which all else stands; NULL: there are no other threads
    Database* databases          # owned
    int32_t database_count
    int64_t now_ms               # of the running command; 0 = not asked yet (keyspace_now)
    int64_t now_us               # the same moment, once now_ms is there
    uint32_t access_clock        # what a touched entry's `access` gets under LRU
    bint lfu                     # maxmemory-policy is an LFU one
    uint8_t lfu_log_factor
    uint8_t lfu_decay_minutes
    bint active_expire           # DEBUG SET-ACTIVE-EXPIRE
    bint lazy_expire             # lazyfree-lazy-expire and friends
    bint compress_values        # rdbcompression: of payloads and files
    bint checksums_ignored      # DEBUG SET-SKIP-CHECKSUM-VALIDATION: of payloads
    bint lazy_user_delete        # lazyfree-lazy-user-del: DEL frees as UNLINK does
    bint lazy_server_delete
    bint lazy_user_flush
    bint keep_expired            # CLIENT PAUSE, replicas: who reads finds no due key, but only who writes removes it
    bint loading                 # a log is read: nothing expires but by its commands
    uint8_t snapshot             # the number of the last snapshot
    uint32_t swaps               # SWAPDBs: who walks the databases begins again
    Snapshot* taken              # borrowed: the one that is being taken, or NULL
    uint8_t snapshots_given_up   # since all entries last had the same number
    int32_t drained              # the snapshot_index of the table that is being freed
    Journal* journal             # borrowed: told of what happens; NULL: nobody wants to know
    bint fields_unwatched        # memory for a wheel of field deadlines was refused: Database.field_deadlines lacks hashes
    uint64_t max_string_bytes    # proto-max-bulk-len: how long APPEND and SETRANGE make a string; 0 = 512 MiB
    uint64_t dirty               # changes since the last save
    bint emptied                 # by a FLUSHALL, since the last save
    uint64_t hits
    uint64_t misses
    uint64_t expired
    uint64_t expired_fields
    uint64_t evicted
    uint64_t lazy_freed
    uint64_t lazy_pending
    LazyTable* lazy_tables
    LazyValue* lazy_values
    uint32_t wanted              # WANT_ bits
    uint64_t[64] touched_filter  # KEY_FILTER_WORDS; WANT_TOUCHED: of which keys somebody may want to hear (keyspace_filter_has)
    uint32_t event_classes       # notify-keyspace-events
    Effect* effects              # owned
    size_t effect_count
    size_t effect_capacity
    Buffer effect_keys
    int64_t earliest_added_ms    # of the deadlines set since housekeeping looked; INT64_MAX = none
    uint32_t chores              # CHORE_ bits: new work for housekeeping

cdef inline void keyspace_guarded(const Keyspace* keyspace) noexcept nogil:
    """In builds with checks, verify that the caller holds the lock."""
    if HUTCH_CHECKS:
        invariant(keyspace.guard == NULL or lock_is_mine(keyspace.guard), b"the keyspace is used without its lock")
cdef bint keyspace_init(Keyspace* keyspace, Heap* heap, Clock* clock, Random* random, int32_t database_count) noexcept nogil
"""Make empty databases, with Redis's default limits and a random hash key. heap, clock and random are borrowed and must
outlive the keyspace. False when memory was refused."""
cdef void keyspace_clear(Keyspace* keyspace) noexcept nogil
"""Free all databases with their keys, and what waits to be freed lazily. O(keys and elements). The keyspace needs
keyspace_init before it is used again."""
cdef inline int64_t keyspace_now(Keyspace* keyspace) noexcept nogil:
    """Unix time in ms, the same throughout one command, script or EXEC (the executor sets now_ms to 0 before each)."""
    if keyspace.now_ms == 0:
        _keyspace_read_clock(keyspace)
    return keyspace.now_ms
cdef inline ValueMaker keyspace_maker(const Keyspace* keyspace) noexcept nogil:
    """What new values are made with; it lives as long as the keyspace, and knows of changed limits."""
    cdef ValueMaker maker
    maker.heap = keyspace.heap
    maker.hash_key = &keyspace.hash_key
    maker.limits = &keyspace.limits
    return maker
cdef inline int64_t keyspace_now_us(Keyspace* keyspace) noexcept nogil:
    """As keyspace_now, in microseconds."""
    keyspace_now(keyspace)
    return keyspace.now_us
cdef void _keyspace_read_clock(Keyspace* keyspace) noexcept nogil
"""The slow half of keyspace_now and keyspace_now_us: sets now_us and now_ms from the clock."""

# ---- snapshots
cdef void keyspace_keep_old(Keyspace* keyspace, int32_t database, Entry* entry) noexcept nogil
"""The rare half of keyspace_keep: save the entry, if a snapshot is being taken, and note that it is saved. O(its bytes)."""
cdef inline void keyspace_keep(Keyspace* keyspace, const Database* database, Entry* entry) noexcept nogil:
    """Before the entry's value or deadline changes, or it goes: the snapshot that is being taken has it. Everything here does so
    that finds (with FIND_WRITE), changes or removes an entry."""
    if unlikely(entry.snapshot != keyspace.snapshot):
        keyspace_keep_old(keyspace, database.snapshot_index, entry)
cdef void keyspace_snapshot_begin(Keyspace* keyspace, Snapshot* snapshot) noexcept nogil
"""From now on, the entries that are there belong to this snapshot, until keyspace_snapshot_end. It is borrowed. O(databases)."""
cdef bint keyspace_snapshot_waits(const Keyspace* keyspace) noexcept nogil
"""Has a database been emptied since it began whose entries are not all saved yet? They are, as they are freed."""
cdef void keyspace_snapshot_end(Keyspace* keyspace, bint whole) noexcept nogil
"""All entries have been saved, or it is given up. O(1), but for one in some hundred that are given up: O(keys)."""

# ---- finding
cdef Entry* keyspace_find(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags) noexcept nogil
"""The live entry of a key, or NULL. Expires it if it is due. O(1)."""
cdef TableSlot keyspace_find_slot(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags) noexcept nogil
"""The same, as the place in the table: needed by the functions that may move the entry."""
cdef inline uint64_t keyspace_hash(const Keyspace* keyspace, Slice key) noexcept nogil:
    """Any thread, without the lock: it hangs on the seed alone."""
    return hash_bytes(&keyspace.hash_key, key.data, key.length)
cdef void keyspace_touch_access(Keyspace* keyspace, Entry* entry) noexcept nogil
"""Note that the entry was used now: its LRU time, or under an LFU policy its counter."""
cdef uint32_t keyspace_first_access(Keyspace* keyspace) noexcept nogil
"""What the `access` field of an entry that is made now is to be."""
cdef uint32_t entry_idle_seconds(Keyspace* keyspace, const Entry* entry) noexcept nogil
"""For how many seconds nobody has used the entry. Requires that the policy is no LFU one."""
cdef uint32_t entry_frequency(Keyspace* keyspace, const Entry* entry) noexcept nogil
"""The entry's LFU counter, lowered for the time without access."""

# ---- how large values are
cdef inline uint8_t size_class(uint8_t type, uint64_t size) noexcept nogil:
    """Where INFO keysizes counts a value of this type and size (Database.sizes); SIZE_NOT_COUNTED for types without a line
    there."""
    cdef int bits = 64 - clz64(size) if size else 0
    if unlikely(type >= SIZE_TYPES):
        return SIZE_NOT_COUNTED
    return <uint8_t>(type << 5 | (bits if likely(bits < SIZE_BINS) else SIZE_BINS - 1))

cdef inline void keyspace_resized(Database* database, Entry* entry, uint64_t size) noexcept nogil:
    """After the value of an entry in the table has changed in place, by whomever: it has `size` (entry_size) now."""
    cdef uint8_t now = size_class(entry_type(entry), size)
    if unlikely(now != entry.size_class):
        database.sizes[entry.size_class] -= 1
        database.sizes[now] += 1
        entry.size_class = now

cdef inline void keyspace_resized_integer(Database* database, Entry* entry, int64_t value) noexcept nogil:
    """The same for a string that is an integer: its digits count, and the sign."""
    cdef int64_t digits = 1
    if unlikely(not -9 <= value <= 9999999):
        keyspace_resized(database, entry, entry_size(entry))
        return
    # Only the powers of two matter among the lengths: up to 1, 3 and 7 digits.
    if value < 0:
        digits = 2
    elif value > 9:
        digits = 2 if value <= 999 else 4
    keyspace_resized(database, entry, <uint64_t>digits)

# ---- changing. None of these records effects or dirty: commands do (keyspace_touched, keyspace_event).
cdef Entry* keyspace_add(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value) noexcept nogil
"""Put in a key known to be absent. NULL when memory was refused (an owned pointer stays the caller's).
Blocked clients hear of it (EFFECT_READY). O(1)."""
cdef Entry* keyspace_set(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, TableSlot slot,
                         Value value, bint keep_deadline) noexcept nogil
"""Put or overwrite: slot as found by keyspace_find_slot (NULL = absent). NULL when refused, unchanged."""
cdef Entry* keyspace_change_value(Keyspace* keyspace, Database* database, TableSlot slot, Value value) noexcept nogil
"""Another value of the same key, deadline and access kept. NULL when refused, unchanged."""
cdef Entry* keyspace_set_deadline(Keyspace* keyspace, Database* database, TableSlot slot, int64_t deadline_ms) noexcept nogil
"""Give the entry this deadline (any int64 >= 0 in the future or past), replacing an earlier one."""
cdef Entry* keyspace_clear_deadline(Keyspace* keyspace, Database* database, TableSlot slot) noexcept nogil
"""Take the key's deadline away, if it has one. Returns the entry, whose address may be new; its slot has it already. When
memory for that is refused, which can happen to keys of more than 2 KiB, the deadline becomes the latest there is instead."""
cdef void keyspace_open_hash(Keyspace* keyspace, const Entry* entry, Hash* hash_out) noexcept nogil
"""A handle on the entry's hash. Requires TYPE_HASH."""
cdef void keyspace_close_hash(Keyspace* keyspace, Database* database, Entry* entry, const Hash* hash) noexcept nogil
"""After changes through the handle: the entry learns of another form, and the wheel of another first deadline."""
cdef void keyspace_fields_changed(Keyspace* keyspace, Database* database, Entry* entry) noexcept nogil
"""Put the hash's earliest field deadline into the database's wheel, or take it out. O(1). Requires TYPE_HASH."""
cdef void keyspace_fields_detach(Database* database, Entry* entry) noexcept nogil
"""The value is about to leave this entry: its field deadlines leave the wheel. For any entry."""
cdef void keyspace_delete(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash, bint lazy) noexcept nogil
"""Remove key and value. Values that take more than 64 steps to free go to housekeeping, whatever `lazy` says:
the answer is the same, and nobody waits."""
cdef bint keyspace_delete_key(Keyspace* keyspace, Database* database, Slice key, bint lazy) noexcept nogil
"""Find and delete, a due key counting as absent (it expires). Records nothing else."""
cdef void keyspace_dispose(Keyspace* keyspace, uint8_t type, uint8_t encoding, void* pointer, bint lazy) noexcept nogil
"""Free a value that belongs to no entry any more. What takes many steps is left to housekeeping."""
cdef uint64_t keyspace_flush(Keyspace* keyspace, Database* database, bint lazy) noexcept nogil
"""Empty a database; returns how many keys went. Watchers hear of it by keyspace_touch_all before."""
cdef void keyspace_swap(Keyspace* keyspace, int32_t first, int32_t second) noexcept nogil
"""Swap the contents of two databases. O(1). Watchers and waiting clients are told by keyspace_touch_all and
keyspace_ready_all."""

# ---- expiry and lazy freeing, called by housekeeping in slices
cdef void keyspace_expire_entry(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash) noexcept nogil
"""It is due: delete, count, touch, event "expired"."""
cdef bint keyspace_expire_fields(Keyspace* keyspace, Database* database, TableSlot slot, uint64_t hash,
                                 int64_t* budget) noexcept nogil
"""Remove due fields of the hash at `slot`, at most *budget (from which they are taken), with their events; True
when the hash lost its last field and the key went with it."""
cdef bint keyspace_expire_due(Keyspace* keyspace, int64_t budget) noexcept nogil
"""Up to `budget` steps of due deadlines over all databases; True when more is due right now."""
cdef int64_t keyspace_next_deadline_ms(Keyspace* keyspace) noexcept nogil
"""The earliest deadline of any key or field, as a Unix time; INT64_MAX when there is none or nothing may be expired now.
O(databases)."""
cdef Entry* keyspace_nearest_deadline(Keyspace* keyspace, Database* database) noexcept nogil
"""The entry that is due first, for eviction by deadlines; NULL when no key has one. Exact while no slot of the wheel that comes
first has more than some thousand keys that were not looked at before (wheel_nearest). Amortized O(1)."""
cdef bint keyspace_free_some(Keyspace* keyspace, uint64_t steps) noexcept nogil
"""Free up to some `steps` entries of what waits in the lazy lists; True when more waits."""
cdef bint keyspace_resize_some(Keyspace* keyspace, uint64_t buckets) noexcept nogil
"""Move buckets of tables that are resizing; True when one still is."""
cdef uint64_t keyspace_deadlines(const Database* database) noexcept nogil
"""How many keys have a deadline."""
cdef uint64_t keyspace_field_deadlines(const Database* database) noexcept nogil
"""How many hashes have a field with a deadline."""

# ---- effects
cdef void _record_effect(Keyspace* keyspace, uint8_t kind, int32_t database, Slice key, uint32_t event_class,
                         const char* event) noexcept nogil
"""When memory is refused for it, it becomes CHORE_EFFECTS_LOST; a keyspace event is dropped."""
cdef void keyspace_effects_clear(Keyspace* keyspace) noexcept nogil
"""Forget all effects, once they have been acted on. Their memory is kept for the next ones. O(1)."""

cdef inline uint64_t keyspace_filter_place(Slice key) noexcept nogil:
    """Where a filter of keys has this one: the upper six bits choose the word, the next six its bit. By length and the last
    eight bytes alone, for a nanosecond or so: it only has to tell the most keys apart. O(1)"""
    cdef uint64_t mixed = key.length
    if likely(key.length >= 8):
        mixed ^= load_u64(key.data + key.length - 8)
    elif key.length >= 4:
        mixed ^= (<uint64_t>load_u32(key.data) << 32) + load_u32(key.data + key.length - 4)
    elif key.length:
        mixed ^= <uint64_t><uint8_t>key.data[0] << 24 | <uint64_t><uint8_t>key.data[key.length >> 1] << 16 | <uint64_t><uint8_t>key.data[key.length - 1] << 8
    mixed ^= mixed >> 32
    return mixed * <uint64_t>0x9E3779B97F4A7C15

cdef inline bint keyspace_filter_has(const uint64_t* filter, Slice key) noexcept nogil:
    """May the key be among those that were added? False: it is not. O(1)"""
    cdef uint64_t place = keyspace_filter_place(key)
    return filter[place >> 58] >> (place >> 52 & 63) & 1

cdef inline void keyspace_filter_add(uint64_t* filter, Slice key) noexcept nogil:
    """Add a key, of whatever database. None can be taken out again. O(1)"""
    cdef uint64_t place = keyspace_filter_place(key)
    filter[place >> 58] |= <uint64_t>1 << (place >> 52 & 63)

cdef inline void keyspace_touched(Keyspace* keyspace, Database* database, Slice key) noexcept nogil:
    """A key's value changed (Redis: signalModifiedKey). It is not recorded where nobody can want to hear of this key."""
    if unlikely(keyspace.wanted & WANT_TOUCHED != 0) and keyspace_filter_has(keyspace.touched_filter, key):
        _record_effect(keyspace, EFFECT_TOUCHED, database.index, key, 0, NULL)

cdef inline void keyspace_event(Keyspace* keyspace, Database* database, uint32_t event_class, const char* event,
                                Slice key) noexcept nogil:
    """A keyspace notification (Redis: notifyKeyspaceEvent); `event` is static text."""
    if keyspace.wanted & WANT_EVENTS and keyspace.event_classes & event_class:
        _record_effect(keyspace, EFFECT_EVENT, database.index, key, event_class, event)

cdef inline void keyspace_overwritten(Keyspace* keyspace, Database* database, Slice key, uint8_t old_type,
                                      uint8_t new_type) noexcept nogil:
    """A write put another value over the whole of the old one (events since Redis 8.2)."""
    keyspace_event(keyspace, database, EVENT_OVERWRITTEN, b"overwritten", key)
    if old_type != new_type:
        keyspace_event(keyspace, database, EVENT_TYPE_CHANGED, b"type_changed", key)

cdef inline void keyspace_ready(Keyspace* keyspace, Database* database, Slice key) noexcept nogil:
    """A key of a type that clients block on has something to give."""
    if keyspace.wanted & WANT_READY:
        _record_effect(keyspace, EFFECT_READY, database.index, key, 0, NULL)

cdef void keyspace_ready_all(Keyspace* keyspace, Database* database) noexcept nogil
"""SWAPDB: whoever waits for a key of this database should look again (one EFFECT_READY_ALL)."""
cdef void keyspace_touch_all(Keyspace* keyspace, Database* database, bint flushed) noexcept nogil
"""FLUSHDB, SWAPDB: every key of the database is touched (one EFFECT_TOUCHED_ALL)."""

cdef SortedSet zset_of(Keyspace* keyspace, const Entry* entry) noexcept nogil
"""The handle of an entry of TYPE_ZSET, limits included."""
