"""Sorted sets: members one by one, the ends (waiting for them, too), random ones, ZSCAN; and what the other two files of the
family share."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Database, Keyspace
from hutch_engine.structures.sorted_set cimport SortedCursor, SortedSet
from hutch_engine.structures.table cimport TableSlot

# ---- for the family and the compiled methods
cdef void zset_changed(Database* database, Entry* entry, const SortedSet* set) noexcept nogil
"""After a change: the entry takes over what the handle points at."""
cdef void zset_write_back(Call* call, size_t index, TableSlot slot, SortedSet* set, const char* event) noexcept nogil
"""The end of a removal from key argv[index]: touched, event; and an emptied set's key goes ("del")."""
cdef void zset_drop(Call* call, size_t index, TableSlot slot, const char* event) noexcept nogil
"""The same, where all members go at once and were left in the set."""
cdef bint zset_store(Call* call, size_t index, SortedSet* result, const char* event) noexcept nogil
"""The end of a *STORE: key argv[index] gets the result, whatever it was, or goes where that is empty. Owns
the result. Writes the reply. False (an error, nothing changed) when memory was refused."""
cdef Outcome zset_score_fast(Keyspace* keyspace, Database* database, Slice key, Slice member, double* score_out) noexcept nogil
"""ZSCORE: OK, NOT_FOUND, or INVALID for a key of another type."""

cdef enum:                       # options of ZADD
    ADD_NX = 1
    ADD_XX = 2
    ADD_GT = 4
    ADD_LT = 8
    ADD_CH = 16
    ADD_INCR = 32

cdef void zset_add(Call* call, uint32_t options, size_t first) noexcept nogil
"""ZADD once its options are read: adds the pairs of scores and members argv[first] ..., of which there is at least one, to key
argv[1], and writes the reply. O(pairs * log n)"""

# ---- popping, for ZPOPMIN, ZMPOP and their blocking forms
cdef enum:                       # the array that zset_pop writes
    POP_FLAT = 0                 # member, score, member, score ...
    POP_PAIRS = 1                # [member, score] ...
    POP_BEHIND_KEY = 2           # key, member, score ...

cdef int64_t zset_pop(Call* call, size_t index, TableSlot slot, bint highest, uint64_t count, int shape) noexcept nogil
"""Take up to `count` members off an end of key argv[index], a sorted set that is there, and write them as one of
the POP_... arrays. Effects are recorded."""

cdef void cmd_bzmpop(Call* call) noexcept nogil
cdef void cmd_bzpopmax(Call* call) noexcept nogil
cdef void cmd_bzpopmin(Call* call) noexcept nogil
cdef void cmd_zadd(Call* call) noexcept nogil
cdef void cmd_zcard(Call* call) noexcept nogil
cdef void cmd_zincrby(Call* call) noexcept nogil
cdef void cmd_zmpop(Call* call) noexcept nogil
cdef void cmd_zmscore(Call* call) noexcept nogil
cdef void cmd_zpopmax(Call* call) noexcept nogil
cdef void cmd_zpopmin(Call* call) noexcept nogil
cdef void cmd_zrandmember(Call* call) noexcept nogil
cdef void cmd_zrank(Call* call) noexcept nogil
cdef void cmd_zrem(Call* call) noexcept nogil
cdef void cmd_zrevrank(Call* call) noexcept nogil
cdef void cmd_zscan(Call* call) noexcept nogil
cdef void cmd_zscore(Call* call) noexcept nogil
