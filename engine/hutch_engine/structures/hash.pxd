"""A hash: fields and their values, and for some fields a deadline.

    HASH_PACKED      pointer -> Listpack           field, value, field, value ...
    HASH_DEADLINES   pointer -> HashPack           a listpack of field, value, deadline (0 = none), the earliest
                                                   deadline first and the fields without one last (as RDB has it)
    HASH_TABLE       pointer -> HashTable          a table of field blocks, and a heap of the deadlines

Fields of the table are blocks of their own: hash_field.pxd. Both forms that may know deadlines begin with a HashAlarm,
by which the keyspace's wheel finds the hash
when its earliest deadline comes.

Callers work through a `Hash`, a handle on their stack: functions that change the hash may change its form and
pointer, and the caller puts both back where it has them from. A field whose deadline lies before `now_ms` is due:
it is not there any more for any of these functions (a hash that has due fields left counts them off).
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.random cimport Random
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.table cimport Table
from hutch_engine.structures.wheel cimport WheelNode

cdef enum:
    HASH_PACKED = 0
    HASH_DEADLINES = 1
    HASH_TABLE = 2

cdef enum:                       # what hash_set did
    HASH_REFUSED = 0             # no memory; nothing changed
    HASH_CHANGED = 1
    HASH_ADDED = 2

cdef struct HashAlarm:
    WheelNode node               # in the keyspace's wheel of field deadlines
    void* owner                  # borrowed: the keyspace's entry of this hash

cdef struct HashPack:
    HashAlarm alarm              # first
    Listpack* pack               # owned

cdef struct HashDeadline:
    int64_t deadline_ms
    char* field                  # borrowed from the table

cdef struct HashTable:
    HashAlarm alarm              # first
    Table table                  # owns the field blocks
    HashDeadline* deadlines      # owned: a heap of four children a node; NULL until the first
    uint32_t deadline_count
    uint32_t deadline_capacity
    uint64_t drained             # hash_free_some's position

cdef struct Hash:
    int form
    void* pointer
    Heap* heap                   # borrowed
    const HashKey* hash_key      # borrowed; must outlive the hash
    int64_t now_ms               # INT64_MIN when no field of the hash has a deadline
    uint64_t max_packed_entries
    uint64_t max_packed_bytes    # of one field or value

# Fields and values are borrowed for the time of the call. Return False to stop.
ctypedef bint (*HashVisitor)(void* context, Slice field, Slice value) noexcept nogil

cdef void* hash_new(Heap* heap) noexcept nogil
"""Make an empty HASH_PACKED hash, which the caller owns; never NULL."""
cdef void hash_free(Heap* heap, int form, void* pointer) noexcept nogil
"""Free a hash of this form whole, with its fields. O(fields)."""
cdef bint hash_free_some(Heap* heap, int form, void* pointer, uint64_t steps) noexcept nogil
"""Free about so many fields; True while more is left, after which only this function may be called."""
cdef uint64_t hash_effort(int form, const void* pointer) noexcept nogil
"""How many blocks freeing the hash touches. O(1)."""
cdef bint hash_copy(const Hash* source, Hash* copy_out) noexcept nogil
"""A deep copy with its deadlines, in no wheel; False when refused. O(n)."""
cdef uint64_t hash_memory(int form, const void* pointer, uint64_t samples) noexcept nogil
"""How many bytes the hash takes, estimated from so many fields (0 = all)."""

cdef uint64_t hash_length(const Hash* hash) noexcept nogil
"""O(1), and O(k) for k fields that are due and still to be removed."""
cdef uint64_t hash_stored(const Hash* hash) noexcept nogil
"""The same with what is due and not yet removed. O(1)."""
cdef bint hash_get(const Hash* hash, Slice field, char* scratch, Slice* value_out) noexcept nogil
"""The value is borrowed from the hash or from scratch (INTEGER_TEXT_MAX). O(1), packed O(n)."""
cdef void hash_prepare(Hash* hash, const Slice* words, size_t count) noexcept nogil
"""Fields and values in turn are about to be set: become a table first if the packed form will not do for them."""
cdef uint64_t hash_growth_bytes(const Hash* hash) noexcept nogil
"""At most what the hash itself needs, beside the blocks of fields and values that come, to take some more: another form,
longer arrays. O(1)."""
cdef int hash_set(Hash* hash, Slice field, Slice value, bint keep_deadline) noexcept nogil
"""HASH_ADDED, HASH_CHANGED or HASH_REFUSED. O(1), packed O(n). `field` and `value` must not lie in the hash."""
cdef bint hash_delete(Hash* hash, Slice field) noexcept nogil
"""Delete a field; was it there? The hash may be empty afterwards. O(1), packed O(n)."""

cdef bint hash_deadline(const Hash* hash, Slice field, int64_t* deadline_ms_out) noexcept nogil
"""Is the field there, and its deadline (-1: none)?"""
cdef void hash_expect_deadlines(Hash* hash) noexcept nogil
"""HASH_PACKED becomes HASH_DEADLINES (as Redis does for a deadline that in the end nobody gets)."""
cdef bint hash_set_deadline(Hash* hash, Slice field, int64_t deadline_ms) noexcept nogil
"""Requires: the field is there; deadline_ms > 0. False when refused. O(log n), packed O(n). `field` must not lie
in the hash."""
cdef bint hash_clear_deadline(Hash* hash, Slice field) noexcept nogil
"""Take a field's deadline away; did it have one? Refused memory leaves it and answers False."""
cdef int64_t hash_earliest_ms(int form, const void* pointer) noexcept nogil
"""The first deadline, INT64_MAX if there is none. O(1)."""
cdef uint64_t hash_take_due(Hash* hash, uint64_t budget, HashVisitor gone, void* context) noexcept nogil
"""Remove up to so many due fields; returns how many. The hash may be empty afterwards. `gone` sees each before it goes (what it
returns does not matter); NULL: nobody does."""

cdef bint hash_each(const Hash* hash, HashVisitor visit, void* context) noexcept nogil
"""Visit every field once; False if the visitor stopped it. O(n)."""
cdef uint64_t hash_scan(const Hash* hash, uint64_t cursor, HashVisitor visit, void* context) noexcept nogil
"""SCAN's next step and cursor; a packed hash comes whole. The visitor's answer is ignored."""
cdef bint hash_random(const Hash* hash, Random* random, char* field_scratch, char* value_scratch,
                      Slice* field_out, Slice* value_out) noexcept nogil
"""Find a uniformly random field; False when there is none. Field and value are borrowed from the hash or from the scratch."""
cdef void hash_sample(const Hash* hash, Random* random, uint64_t count, HashVisitor visit, void* context) noexcept nogil
"""Visit `count` different fields, every choice of them equally likely; all of them when there are no more."""
cdef void hash_check(const Hash* hash) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""

cdef inline HashAlarm* hash_alarm(int form, void* pointer) noexcept nogil:
    """NULL for the form that cannot have deadlines."""
    return <HashAlarm*>pointer if form != HASH_PACKED else NULL
