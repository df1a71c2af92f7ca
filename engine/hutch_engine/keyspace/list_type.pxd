"""Lists as values: a listpack, or a quicklist."""
from hutch_engine.keyspace.entry cimport Entry, entry_encoding, entry_pointer
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.listpack cimport Listpack
from hutch_engine.structures.quicklist cimport Quicklist, QuicklistItem, quicklist_view

cdef enum:                       # encodings
    LIST_LISTPACK = 0
    LIST_QUICKLIST = 1

cdef inline Quicklist* list_for_reading(const Entry* entry, Quicklist* view) noexcept nogil:
    """The list of an entry of TYPE_LIST: its quicklist, or `view`, made of its listpack."""
    if entry_encoding(entry) == LIST_QUICKLIST:
        return <Quicklist*>entry_pointer(entry)
    quicklist_view(view, <Listpack*>entry_pointer(entry))
    return view

cdef size_t list_node_bytes(const QuicklistItem* item) noexcept nogil
"""A node's size as Redis counts it: a listpack with its header, a big element alone."""
cdef long long list_fill_shown(const Quicklist* list) noexcept nogil
"""list-max-listpack-size as DEBUG shows it: what lies beyond the smallest and the largest counts for these."""

cdef void list_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_LIST."""
