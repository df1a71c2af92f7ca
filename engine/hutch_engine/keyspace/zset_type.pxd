"""Sorted sets as values: a listpack of members and scores, or a sorted tree with a table of its members."""
from hutch_engine.keyspace.entry cimport Entry, Value, entry_encoding, entry_pointer, value_of_pointer, TYPE_ZSET
from hutch_engine.keyspace.value_type cimport ValueType
from hutch_engine.structures.sorted_set cimport SortedSet, sorted_set_of

cdef enum:                       # encodings
    ZSET_LISTPACK = 0
    ZSET_SKIPLIST = 1

cdef inline SortedSet zset_for_reading(const Entry* entry) noexcept nogil:
    """The sorted set of an entry of TYPE_ZSET. (keyspace's zset_of makes a handle for changes, too.)"""
    return sorted_set_of(NULL, NULL, entry_pointer(entry), entry_encoding(entry) == ZSET_LISTPACK)

cdef inline int zset_encoding(const SortedSet* set) noexcept nogil:
    """The encoding that the set's present form has in an entry."""
    return ZSET_LISTPACK if set.pack != NULL else ZSET_SKIPLIST

cdef inline Value zset_value(const SortedSet* set) noexcept nogil:
    """The value that the handle stands for; ownership goes along."""
    if set.pack != NULL:
        return value_of_pointer(TYPE_ZSET, ZSET_LISTPACK, set.pack)
    return value_of_pointer(TYPE_ZSET, ZSET_SKIPLIST, set.tree)

cdef void zset_type(ValueType* row) noexcept nogil
"""Fill the row of TYPE_ZSET."""
