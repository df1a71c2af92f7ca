"""Deadlines of keys: the EXPIRE family, the TTL family and PERSIST."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.keyspace cimport Database, Keyspace
from hutch_engine.structures.table cimport TableSlot

cdef bint expiry_is_past(Call* call, int64_t deadline_ms) noexcept nogil
"""Is a key with this deadline to be deleted right away? Never while a log or a master is followed: the
deletion comes as a command of its own."""
cdef bint expiry_persist(Keyspace* keyspace, Database* database, TableSlot slot) noexcept nogil
"""Take the deadline away; False when there was none. Records nothing."""
cdef int64_t expiry_left(Keyspace* keyspace, Database* database, Slice key, uint64_t hash, bint absolute,
                         bint seconds) noexcept nogil
"""The whole of TTL and its relatives but for the reply: -2 without such a key, -1 without a deadline, else the milliseconds
that are left (`absolute`: the Unix time of the deadline), as `seconds` rounded to the nearest. The door's compiled methods call
it, too. O(1)"""

cdef void cmd_expire(Call* call) noexcept nogil
cdef void cmd_expireat(Call* call) noexcept nogil
cdef void cmd_expiretime(Call* call) noexcept nogil
cdef void cmd_persist(Call* call) noexcept nogil
cdef void cmd_pexpire(Call* call) noexcept nogil
cdef void cmd_pexpireat(Call* call) noexcept nogil
cdef void cmd_pexpiretime(Call* call) noexcept nogil
cdef void cmd_pttl(Call* call) noexcept nogil
cdef void cmd_ttl(Call* call) noexcept nogil
cdef void expiry_log(Call* call, int64_t deadline_ms) noexcept nogil
"""In the log, the command is that key argv[1] has this deadline from now on (PEXPIREAT)."""
