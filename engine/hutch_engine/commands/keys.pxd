"""Keys, whatever their values: there, gone, renamed, copied, moved, listed."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Value
from hutch_engine.keyspace.keyspace cimport Database, Keyspace

cdef bint key_put(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value,
                  int64_t deadline_ms) noexcept nogil
"""Write the value under the key, over what is there, with this deadline (-1: none): all of it, or
nothing (False, and an owned pointer stays the caller's). "new" is said even of a key that was there, and
who waits for it is woken: Redis deletes that first."""

cdef void cmd_copy(Call* call) noexcept nogil
cdef void cmd_del(Call* call) noexcept nogil
cdef void cmd_exists(Call* call) noexcept nogil
cdef void cmd_keys(Call* call) noexcept nogil
cdef void cmd_move(Call* call) noexcept nogil
cdef void cmd_randomkey(Call* call) noexcept nogil
cdef void cmd_rename(Call* call) noexcept nogil
cdef void cmd_renamenx(Call* call) noexcept nogil
cdef void cmd_scan(Call* call) noexcept nogil
cdef void cmd_touch(Call* call) noexcept nogil
cdef void cmd_type(Call* call) noexcept nogil
cdef void cmd_unlink(Call* call) noexcept nogil
