"""OBJECT: what is known of a value's inside."""
from libc.stdint cimport uint8_t
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry

cdef uint8_t object_encoding(const Entry* entry) noexcept nogil
"""The encoding that OBJECT ENCODING names: the entry's own, but that Redis 8.2 calls a string "embstr" only
while key, value and deadline fit its smallest blocks."""

cdef void cmd_object_encoding(Call* call) noexcept nogil
cdef void cmd_object_freq(Call* call) noexcept nogil
cdef void cmd_object_help(Call* call) noexcept nogil
cdef void cmd_object_idletime(Call* call) noexcept nogil
cdef void cmd_object_refcount(Call* call) noexcept nogil
