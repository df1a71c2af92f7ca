"""Fetching what a command will look at, before it runs: for batches, whose cache misses then overlap.

Four steps, each for all commands of a batch before the next: the key's bucket (table_prefetch_bucket), its entry
(table_prefetch_entries), then these two for collections: the value's block and, if it has a table, the bucket of
the member or field; what lies there. Nothing is counted, touched or expired by them.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Database
from hutch_engine.structures.table cimport Table

cdef Entry* prefetch_value(Database* database, Slice key, uint64_t key_hash) noexcept nogil
"""The key's entry if it is a collection, whose block is on its way then; else NULL."""
cdef const Table* prefetch_member_bucket(const Entry* entry, Slice member, uint64_t* hash_out) noexcept nogil
"""The table of members, fields or scores if the collection has one, and the member's hash (for
table_prefetch_entries when the bucket is there); else NULL."""
