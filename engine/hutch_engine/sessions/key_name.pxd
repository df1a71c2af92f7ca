"""A key of one of the databases as one run of bytes, for the tables of watched keys and of keys that are waited for: four bytes
of database index, then the key."""
from libc.stdint cimport int32_t
from libc.string cimport memcpy
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    KEY_NAME_STACK_BYTES = 256           # names up to here are put together without an allocation

cdef inline Slice key_name_make(Heap* heap, int32_t database_index, Slice key, char* stack) noexcept nogil:
    """Put the name of a key together, a copy: on `stack` (KEY_NAME_STACK_BYTES of the caller's) when it is short, else on the
    heap. key_name_free must follow in any case. data is NULL when memory was refused. O(length)."""
    cdef char* name = stack
    if key.length + 4 > KEY_NAME_STACK_BYTES:
        name = <char*>heap_try_alloc(heap, key.length + 4)
        if name == NULL:
            return slice_of(NULL, 0)
    memcpy(name, &database_index, 4)
    if key.length:
        memcpy(name + 4, key.data, key.length)
    return slice_of(name, key.length + 4)

cdef inline void key_name_free(Heap* heap, Slice name, const char* stack) noexcept nogil:
    """Free a name that key_name_make put on the heap; one on `stack`, or one for which memory was refused, is left alone."""
    if name.data != NULL and name.data != stack:
        heap_free(heap, <void*>name.data, name.length)

cdef inline int32_t key_name_database(Slice name) noexcept nogil:
    """The index of the database in front of the key."""
    cdef int32_t index
    memcpy(&index, name.data, 4)
    return index

cdef inline Slice key_name_key(Slice name) noexcept nogil:
    """The key behind the database's index; borrowed from the name."""
    return slice_of(name.data + 4, name.length - 4)
