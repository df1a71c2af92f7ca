"""How values are kept, in the words of DEBUG: sizes in a file, tables, listpacks and quicklists."""
from libc.stdint cimport uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.structures.table cimport Table

cdef enum:
    DEBUG_DETAILS_MAX = 192

cdef uint64_t debug_serialized_bytes(Keyspace* keyspace, const Entry* entry) noexcept nogil
"""The value's length in an RDB file that does not compress (rdbcompression no). O(elements)."""
cdef const Table* debug_table_of(const Entry* entry) noexcept nogil
"""The table of the value's members or fields; NULL where there is none."""
cdef void debug_list_details(const Entry* entry, char* out) noexcept nogil
"""What DEBUG OBJECT says of a quicklist besides, "" of other values. `out` has DEBUG_DETAILS_MAX bytes."""
cdef void debug_listpack(Call* call, const Entry* entry) noexcept nogil
"""DEBUG LISTPACK's answer. Redis prints to its standard output; that is the host's here, so the text is the reply."""
cdef void debug_quicklist(Call* call, const Entry* entry) noexcept nogil
"""The same for DEBUG QUICKLIST; with argv[3], other than 0, the elements too."""
