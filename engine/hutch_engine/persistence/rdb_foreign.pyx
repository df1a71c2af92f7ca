"""See rdb_foreign.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.formats.rdb cimport (
    rdb_read_count, rdb_read_length, rdb_read_string, rdb_read_u64, rdb_write_length)
from hutch_engine.structures.listpack cimport (
    LISTPACK_SAFE_BYTES, Listpack, ListpackValue, listpack_first, listpack_get, listpack_is_valid, listpack_length,
    listpack_next, listpack_text)


cdef struct TemplateItem:
    uint64_t number
    uint64_t fields
    size_t start                 # of its names
    size_t length


cdef void foreign_init(Templates* templates) noexcept nogil:
    buffer_init(&templates.items, NULL)
    buffer_init(&templates.names, NULL)
    buffer_init(&templates.storage, NULL)
    buffer_init(&templates.second, NULL)


cdef void foreign_clear(Templates* templates) noexcept nogil:
    buffer_clear(&templates.items)
    buffer_clear(&templates.names)
    buffer_clear(&templates.storage)
    buffer_clear(&templates.second)


cdef inline void _say(Buffer* out, Slice text) noexcept nogil:
    """As it is, whatever it spells: it is read only once more."""
    rdb_write_length(out, text.length)
    buffer_append_slice(out, text)


cdef const TemplateItem* _find(const Templates* templates, uint64_t number) noexcept nogil:
    cdef const TemplateItem* items = <const TemplateItem*>templates.items.data
    cdef size_t i
    for i in range(templates.items.length // sizeof(TemplateItem)):
        if items[i].number == number:
            return &items[i]
    return NULL


cdef uint64_t foreign_template_fields(const Templates* templates, uint64_t number) noexcept nogil:
    cdef const TemplateItem* item = _find(templates, number)
    return item.fields if item != NULL else 0


cdef Foreign foreign_read_template(Templates* templates, RdbReader* reader) noexcept nogil:
    cdef TemplateItem item
    cdef Slice name
    cdef uint64_t i
    if not rdb_read_length(reader, &item.number) or not rdb_read_count(reader, &item.fields):
        return FOREIGN_BROKEN
    if _find(templates, item.number) != NULL:
        return FOREIGN_NO_TEMPLATE       # which of the two?
    item.start = templates.names.length
    for i in range(item.fields):
        if not rdb_read_string(reader, &templates.storage, &name):
            templates.names.length = item.start
            return FOREIGN_REFUSED if reader.refused else FOREIGN_BROKEN
        _say(&templates.names, name)
    item.length = templates.names.length - item.start
    buffer_append(&templates.items, <const char*>&item, sizeof(item))
    return FOREIGN_REFUSED if templates.names.failed or templates.items.failed else FOREIGN_SAID


cdef Foreign foreign_valkey_hash(Templates* templates, RdbReader* reader, Buffer* out) noexcept nogil:
    cdef uint64_t count, bits
    cdef int64_t deadline_ms
    cdef Slice field, value
    out.length = 0
    if not rdb_read_count(reader, &count):
        return FOREIGN_BROKEN
    rdb_write_length(out, count)
    while count:
        if (not rdb_read_string(reader, &templates.storage, &field) or not rdb_read_string(reader, &templates.second, &value)
                or not rdb_read_u64(reader, &bits)):
            return FOREIGN_REFUSED if reader.refused else FOREIGN_BROKEN
        deadline_ms = <int64_t>bits
        if deadline_ms == -1:
            deadline_ms = 0
        elif deadline_ms < 1:
            deadline_ms = 1              # long past
        rdb_write_length(out, <uint64_t>deadline_ms)
        _say(out, field)
        _say(out, value)
        count -= 1
    return FOREIGN_REFUSED if out.failed else FOREIGN_SAID


cdef const TemplateItem* _begin(const Templates* templates, uint64_t number, RdbReader* names_out, Buffer* out) noexcept nogil:
    cdef const TemplateItem* item = _find(templates, number)
    if item != NULL:
        names_out.at = <const uint8_t*>templates.names.data + item.start
        names_out.end = names_out.at + item.length
        names_out.refused = False
        names_out.lacking = NULL
        rdb_write_length(out, item.fields)
    return item


cdef Foreign foreign_template_hash(Templates* templates, RdbReader* reader, bint packed, Buffer* out) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    cdef const TemplateItem* item
    cdef const Listpack* pack = NULL
    cdef uint8_t* at = NULL
    cdef ListpackValue first
    cdef RdbReader names
    cdef uint64_t number, i
    cdef Slice value, name
    out.length = 0
    if packed:
        if not rdb_read_string(reader, &templates.second, &value):
            return FOREIGN_REFUSED if reader.refused else FOREIGN_BROKEN
        if value.length > LISTPACK_SAFE_BYTES or not listpack_is_valid(<const uint8_t*>value.data, value.length, True):
            return FOREIGN_BROKEN
        pack = <const Listpack*>value.data
        at = listpack_first(pack)
        if at == NULL:
            return FOREIGN_BROKEN
        first = listpack_get(at)
        if first.bytes.data != NULL or first.integer < 0:
            return FOREIGN_BROKEN
        number = <uint64_t>first.integer
        at = listpack_next(pack, at)
    elif not rdb_read_length(reader, &number):
        return FOREIGN_BROKEN
    item = _begin(templates, number, &names, out)
    if item == NULL:
        return FOREIGN_NO_TEMPLATE
    if packed and listpack_length(pack) != item.fields + 1:
        return FOREIGN_BROKEN
    for i in range(item.fields):
        if packed:
            value = listpack_text(at, digits)
            at = listpack_next(pack, at)
        elif not rdb_read_string(reader, &templates.second, &value):
            return FOREIGN_REFUSED if reader.refused else FOREIGN_BROKEN
        if not rdb_read_string(&names, &templates.storage, &name):
            return FOREIGN_BROKEN
        _say(out, name)
        _say(out, value)
    return FOREIGN_REFUSED if out.failed else FOREIGN_SAID
