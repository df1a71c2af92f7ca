"""Hashes: fields and values. Their deadlines are in hash_expire.pxd.

A command that writes opens the hash into a `Writing`, changes it through its handle, and finishes: only then does a
new hash enter the keyspace, and one that lost its last field leave it.
"""
from libc.stdint cimport uint64_t
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.structures.hash cimport Hash
from hutch_engine.structures.table cimport TableSlot

cdef struct Writing:
    Hash hash
    TableSlot slot               # NULL: there is no such key yet, `hash` is a new one

cdef bint hash_open_read(Call* call, size_t index, Hash* hash_out, bint* wrong_type_out) noexcept nogil
"""The hash of key argv[index]; False when there is none (or on the wrong type, whose error is then written)."""
cdef bint writing_begin(Call* call, size_t index, Writing* writing) noexcept nogil
"""For changing, an absent hash included; False on the wrong type (its error is written)."""
cdef bint writing_begin_present(Call* call, size_t index, Writing* writing, bint* wrong_type_out) noexcept nogil
"""The same for commands that do not make hashes: False also when there is none."""
cdef bint writing_promise(Call* call, Writing* writing, size_t first) noexcept nogil
"""call_promise for the fields and values argv[first] ...; False: the error is written, and a new hash is freed."""
cdef bint writing_finish(Call* call, Writing* writing) noexcept nogil
"""A new hash with fields becomes a key; False when memory for that was refused (the hash is freed)."""
cdef void writing_delete_if_empty(Call* call, Writing* writing) noexcept nogil
"""After writing_finish of a command that took fields away: an empty hash goes, with event "del"."""

cdef void cmd_hdel(Call* call) noexcept nogil
cdef void cmd_hexists(Call* call) noexcept nogil
cdef void cmd_hget(Call* call) noexcept nogil
cdef void cmd_hgetall(Call* call) noexcept nogil
cdef void cmd_hincrby(Call* call) noexcept nogil
cdef void cmd_hincrbyfloat(Call* call) noexcept nogil
cdef void cmd_hkeys(Call* call) noexcept nogil
cdef void cmd_hlen(Call* call) noexcept nogil
cdef void cmd_hmget(Call* call) noexcept nogil
cdef void cmd_hmset(Call* call) noexcept nogil
cdef void cmd_hrandfield(Call* call) noexcept nogil
cdef void cmd_hscan(Call* call) noexcept nogil
cdef void cmd_hset(Call* call) noexcept nogil
cdef void cmd_hsetnx(Call* call) noexcept nogil
cdef void cmd_hstrlen(Call* call) noexcept nogil
cdef void cmd_hvals(Call* call) noexcept nogil
