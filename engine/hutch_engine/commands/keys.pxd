"""Keys, whatever their values: there, gone, renamed, copied, moved, listed."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Value
from hutch_engine.keyspace.keyspace cimport Database, Keyspace

cdef bint key_put(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, Value value,
                  int64_t deadline_ms) noexcept nogil
"""Write the value under the key, over what is there, with this deadline (-1: none): all of it, or
nothing (False, and an owned pointer stays the caller's). "new" is said even of a key that was there, and
who waits for it is woken: Redis deletes that first."""

# The whole of DEL, UNLINK, EXISTS and TOUCH but for the reply, for some keys and their hashes. The door's compiled methods
# call them, too.
cdef int64_t keys_remove(Keyspace* keyspace, Database* database, const Slice* keys, const uint64_t* hashes, size_t count,
                         bint lazy) noexcept nogil
"""Delete those that are there, with all that is to be recorded of it; returns how many were. `lazy`: big values are freed in
the background. O(count), and of values what is not freed later."""
cdef int64_t keys_count(Keyspace* keyspace, Database* database, const Slice* keys, const uint64_t* hashes, size_t count,
                        uint32_t flags) noexcept nogil
"""How many are there, one that is named twice twice. `flags`: of keyspace_find. O(count)"""

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
