"""How far a value in Redis's RDB format goes: found by its lengths, without making anything of what they measure.

Whoever reads a file in pieces learns by it whether a value that could not be read is damaged or goes on behind what he has. It
also leads past values of types that Hutch does not have.
"""
from libc.stdint cimport uint64_t
from hutch_engine.keyspace.value_type cimport RdbReader

cdef enum Skip:
    SKIPPED = 0
    SKIP_WANTS_MORE = 1          # the value goes on behind reader.end
    SKIP_BROKEN = 2              # a length, or a number that stands for something, cannot be right
    SKIP_UNKNOWN = 3             # nobody knows how long this form is

cdef enum:                       # forms that are only passed over
    RDB_MODULE = 6               # of the time before modules said how long their values are
    RDB_ARRAY = 28
    RDB_HASH_TEMPLATE_PACK = 29          # of payloads: the fields' names, and a listpack of values ...
    RDB_HASH_TEMPLATE_PACK_REF = 30      # ... of files: a listpack of a template's number and values
    RDB_HASH_TEMPLATE = 31               # of payloads: names and values ...
    RDB_HASH_TEMPLATE_REF = 32           # ... of files: a template's number and values; how many, only the template tells
    RDB_HASH_VALKEY = 63                 # what Valkey calls 22: fields, values and deadlines

cdef Skip rdb_skip_form(RdbReader* reader, int form, uint64_t beyond) noexcept nogil
"""Pass over what stands behind a form's byte. `beyond`: so many bytes follow reader.end; what claims to be longer is broken.
When it is not SKIPPED, reader.at has no meaning. O(elements)."""
cdef bint rdb_form_is_empty(RdbReader reader, int form) noexcept nogil
"""Does a collection without a single element stand behind a form's byte? Redis has long made keys of such, has none any more, and leaves
them out when it loads a file. Of a value that rdb_skip_form has passed over. O(nodes of a list)."""
cdef Skip rdb_skip_string(RdbReader* reader, uint64_t beyond) noexcept nogil
"""Pass over a string, as it is or packed. O(1)."""
cdef Skip rdb_skip_strings(RdbReader* reader, uint64_t count, uint64_t beyond) noexcept nogil
"""Pass over so many strings. O(count)."""
cdef Skip rdb_skip_length(RdbReader* reader, uint64_t* length_out) noexcept nogil
"""Take a length, and tell whether it is broken or cut off."""
cdef Skip rdb_skip_module_items(RdbReader* reader, uint64_t beyond) noexcept nogil
"""Pass over the items of a module's value, and its end. O(items)."""
cdef Skip rdb_skip_bytes(RdbReader* reader, uint64_t count, uint64_t beyond) noexcept nogil
"""Pass over so many bytes. O(1)."""
