"""Sets: members in, out, asked for, moved, drawn and walked through. (Unions and the like: set_operations.pxd.)"""
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry, entry_encoding, entry_pointer
from hutch_engine.keyspace.keyspace cimport Database
from hutch_engine.structures.set cimport Set, SetLimits, set_of

cdef inline Set entry_set(const Entry* entry) noexcept nogil:
    """The value of an entry of TYPE_SET."""
    return set_of(entry_encoding(entry), entry_pointer(entry))

cdef SetLimits set_limits(Call* call) noexcept nogil
"""The thresholds of encodings as they are configured now."""
cdef void entry_store_set(Database* database, Entry* entry, Set set) noexcept nogil
"""Put a set's form and pointer, one of which may have changed, back into its entry, which owns it."""

cdef void cmd_sadd(Call* call) noexcept nogil
cdef void cmd_scard(Call* call) noexcept nogil
cdef void cmd_sismember(Call* call) noexcept nogil
cdef void cmd_smembers(Call* call) noexcept nogil
cdef void cmd_smismember(Call* call) noexcept nogil
cdef void cmd_smove(Call* call) noexcept nogil
cdef void cmd_spop(Call* call) noexcept nogil
cdef void cmd_srandmember(Call* call) noexcept nogil
cdef void cmd_srem(Call* call) noexcept nogil
cdef void cmd_sscan(Call* call) noexcept nogil
