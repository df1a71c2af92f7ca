"""Strings: SET and GET with their options, counters, ranges, and many keys at once.

string_get_fast, string_set_fast and string_add are the whole of a plain GET, SET and INCRBY but for the reply: the
handlers call them, and so do the door's compiled methods. They record what the command changes (dirty, touched, the
event), and the caller acts on it."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.keyspace cimport Database, Keyspace
from hutch_engine.structures.table cimport TableSlot

cdef Outcome string_get_fast(Keyspace* keyspace, Database* database, Slice key, Slice* value_out,
                             char* scratch) noexcept nogil
"""GET: OK with the bytes (borrowed from the entry, or from `scratch`, INTEGER_TEXT_MAX bytes, and good until
the engine's lock is given up), NOT_FOUND, or INVALID for a key of another type."""
cdef bint string_set_fast(Keyspace* keyspace, Database* database, Slice key, Slice value) noexcept nogil
"""SET without options: value, deadline dropped, dirty, touched, event. False when memory was refused
(nothing changed)."""

cdef enum StringAdd:                 # what string_add did
    STRING_ADDED
    STRING_ADD_WRONG_TYPE            # here and below nothing was changed
    STRING_ADD_NOT_INTEGER
    STRING_ADD_OVERFLOWS
    STRING_ADD_NO_MEMORY

cdef StringAdd string_add(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, uint32_t flags, int64_t amount,
                          int64_t* total_out) noexcept nogil
"""INCRBY and its relatives: add to the integer under the key, or make one that counts from 0. `flags`: 0 or FIND_NO_TOUCH.
O(1)"""

# ---- for all whose values are strings that change in place (bitmaps, HyperLogLogs)
cdef uint64_t string_bytes_max(const Call* call) noexcept nogil
"""How long the command may make a string: proto-max-bulk-len, and no limit for what a master sent, which was judged there."""
cdef char* string_grow(Call* call, TableSlot slot, size_t length, Slice* bytes_out) noexcept nogil
"""Make the string of key argv[1], in `slot` (NULL: there is no such key), a raw one of at least `length` > 0 bytes, new ones 0.
Answers where its bytes are, to be written to until the next change of a key, and *bytes_out has its length, too. NULL when
memory was refused (nothing was changed). Amortized O(1) a byte; zeros in great number cost nothing."""

cdef void cmd_append(Call* call) noexcept nogil
cdef void cmd_decr(Call* call) noexcept nogil
cdef void cmd_decrby(Call* call) noexcept nogil
cdef void cmd_get(Call* call) noexcept nogil
cdef void cmd_getdel(Call* call) noexcept nogil
cdef void cmd_getex(Call* call) noexcept nogil
cdef void cmd_getrange(Call* call) noexcept nogil
cdef void cmd_getset(Call* call) noexcept nogil
cdef void cmd_incr(Call* call) noexcept nogil
cdef void cmd_incrby(Call* call) noexcept nogil
cdef void cmd_incrbyfloat(Call* call) noexcept nogil
cdef void cmd_mget(Call* call) noexcept nogil
cdef void cmd_mset(Call* call) noexcept nogil
cdef void cmd_msetnx(Call* call) noexcept nogil
cdef void cmd_psetex(Call* call) noexcept nogil
cdef void cmd_set(Call* call) noexcept nogil
cdef void cmd_setex(Call* call) noexcept nogil
cdef void cmd_setnx(Call* call) noexcept nogil
cdef void cmd_setrange(Call* call) noexcept nogil
cdef void cmd_strlen(Call* call) noexcept nogil
cdef void cmd_substr(Call* call) noexcept nogil
