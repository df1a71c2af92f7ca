"""Hashes in forms that neither Redis 8.2 nor Hutch writes, said in one that our own reader knows.

    Valkey 9     how many fields; field, value, deadline (8 bytes, -1: none) of each
    Redis 8.10   hashes of the same fields share a *template*, which stands at the beginning of a file: its number, how
                 many fields, their names. A hash is then its template's number and its values, or a listpack of these.

(Facts from Valkey's and Redis's files.) What comes out is the form of Redis 7.4's candidates, with absolute deadlines, or that of a
plain hash; the reader of hashes judges it as it judges all else.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.keyspace.value_type cimport RdbReader

cdef enum Foreign:
    FOREIGN_SAID = 0
    FOREIGN_BROKEN = 1           # or it goes on behind reader.end: formats/rdb_skip knows
    FOREIGN_NO_TEMPLATE = 2      # the file has none of this number
    FOREIGN_REFUSED = 3          # no memory

cdef struct Templates:           # of one file
    Buffer items                 # TemplateItems
    Buffer names                 # of all their fields, one after the other, as strings of the format
    Buffer storage               # what a packed string is unpacked into
    Buffer second

cdef void foreign_init(Templates* templates) noexcept nogil
"""No templates yet; nothing is allocated."""
cdef void foreign_clear(Templates* templates) noexcept nogil
"""Free what was remembered."""
cdef Foreign foreign_read_template(Templates* templates, RdbReader* reader) noexcept nogil
"""Remember a template. O(bytes)."""
cdef Foreign foreign_valkey_hash(Templates* templates, RdbReader* reader, Buffer* out) noexcept nogil
"""Say Valkey's hash again as RDB_HASH_METADATA_EARLY, without its byte; `out` holds nothing else then. O(bytes)."""
cdef Foreign foreign_template_hash(Templates* templates, RdbReader* reader, bint packed, Buffer* out) noexcept nogil
"""Say a hash with a template again as RDB_HASH, without its byte. O(bytes)."""
cdef uint64_t foreign_template_fields(const Templates* templates, uint64_t number) noexcept nogil
"""How many fields the template of this number has; 0: there is none. O(templates)."""
