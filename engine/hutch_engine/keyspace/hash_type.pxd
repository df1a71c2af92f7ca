"""Hashes as values. The encodings are the forms of structures/hash: HASH_PACKED, HASH_DEADLINES, HASH_TABLE."""
from libc.stdint cimport INT64_MIN
from hutch_engine.keyspace.entry cimport Entry, entry_encoding, entry_pointer
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.hash cimport Hash

cdef inline Hash hash_for_reading(const Entry* entry) noexcept nogil:
    """The hash of an entry of TYPE_HASH as it lies there: with what is due and not yet removed. (keyspace_open_hash makes a
    handle that passes over that, and for changes, too.)"""
    cdef Hash hash
    hash.form = entry_encoding(entry)
    hash.pointer = entry_pointer(entry)
    hash.heap = NULL
    hash.hash_key = NULL
    hash.now_ms = INT64_MIN
    hash.max_packed_entries = 0
    hash.max_packed_bytes = 0
    return hash

cdef void hash_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_HASH."""
