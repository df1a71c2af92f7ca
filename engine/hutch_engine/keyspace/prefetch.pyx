"""See prefetch.pxd."""
from libc.stdint cimport uint64_t
from hutch_engine.base.compiler cimport prefetch
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.entry cimport (
    ENTRY_EMBEDDED, ENTRY_INTEGER, TYPE_STRING, Entry, entry_pointer, entry_type)
from hutch_engine.keyspace.keyspace cimport Database
from hutch_engine.keyspace.value_types cimport entry_table
from hutch_engine.structures.table cimport Table, TableSlot, table_find, table_hash, table_prefetch_bucket

cdef enum:
    LINE_BYTES = 64
    FETCHED_LINES = 3            # of a packed value: beyond them the processor sees where the walk goes


cdef Entry* prefetch_value(Database* database, Slice key, uint64_t key_hash) noexcept nogil:
    cdef TableSlot slot = table_find(&database.keys, key, key_hash)
    cdef Entry* entry
    cdef const char* block
    cdef int i
    if slot == NULL:
        return NULL
    entry = <Entry*>slot[0]
    if entry_type(entry) == TYPE_STRING or entry.flags & (ENTRY_EMBEDDED | ENTRY_INTEGER):
        return NULL
    block = <const char*>entry_pointer(entry)
    for i in range(FETCHED_LINES):
        prefetch(block + i * LINE_BYTES)
    return entry


cdef const Table* prefetch_member_bucket(const Entry* entry, Slice member, uint64_t* hash_out) noexcept nogil:
    cdef const Table* table = entry_table(entry)
    if table == NULL or table.halves[0].buckets == NULL:
        return NULL
    hash_out[0] = table_hash(table, member)
    table_prefetch_bucket(table, hash_out[0])
    return table
