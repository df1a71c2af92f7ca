"""See debug_values.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_slice)
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport slice_of
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.reply cimport reply_error, reply_verbatim
from hutch_engine.keyspace.entry cimport TYPE_LIST, Entry, entry_encoding, entry_pointer, entry_type
from hutch_engine.keyspace.list_type cimport LIST_QUICKLIST, list_fill_shown, list_node_bytes
from hutch_engine.keyspace.value_types cimport entry_listpack
from hutch_engine.structures.listpack cimport (
    Listpack, ListpackValue, listpack_bytes, listpack_first, listpack_get, listpack_length, listpack_next)
from hutch_engine.structures.quicklist cimport (
    Quicklist, QuicklistItem, quicklist_is_plain, quicklist_length, quicklist_pack)

cdef enum:
    SHOWN_BYTES = 40             # of an element's text


cdef void _show_listpack(Buffer* out, const Listpack* pack) noexcept nogil:
    """A line for the whole, then one an element: its number, offset, and what it is."""
    cdef char[96] text
    cdef uint8_t* at = listpack_first(pack)
    cdef ListpackValue value
    cdef uint64_t index = 0
    snprintf(text, sizeof(text), b"{total bytes %zu} {num entries %llu}\n", listpack_bytes(pack),
             <unsigned long long>listpack_length(pack))
    buffer_append_text(out, text)
    while at != NULL:
        value = listpack_get(at)
        snprintf(text, sizeof(text), b"{index %llu, offset %zu} ", <unsigned long long>index, <size_t>(at - pack))
        buffer_append_text(out, text)
        if value.bytes.data == NULL:
            buffer_append_text(out, b"[int]")
            buffer_append_integer(out, value.integer)
        else:
            buffer_append_text(out, b"[str]")
            buffer_append_slice(out, slice_of(value.bytes.data, min(value.bytes.length, <size_t>SHOWN_BYTES)))
            if value.bytes.length > SHOWN_BYTES:
                buffer_append_text(out, b"...")
        buffer_append(out, b"\n", 1)
        index += 1
        at = listpack_next(pack, at)


cdef void _answer(Call* call, Buffer* text) noexcept nogil:
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(text), b"txt")
    buffer_clear(text)


cdef void debug_listpack(Call* call, const Entry* entry) noexcept nogil:
    cdef Buffer text
    cdef const Listpack* pack = entry_listpack(entry)
    if pack == NULL:
        reply_error(call.reply, b"ERR Not a listpack encoded object.")
        return
    buffer_init(&text, NULL)
    _show_listpack(&text, pack)
    _answer(call, &text)


cdef void debug_quicklist(Call* call, const Entry* entry) noexcept nogil:
    cdef int64_t full = 0
    cdef Quicklist* list
    cdef const QuicklistItem* item
    cdef Buffer text
    cdef char[96] line
    cdef size_t i
    if entry_type(entry) != TYPE_LIST or entry_encoding(entry) != LIST_QUICKLIST:
        reply_error(call.reply, b"ERR Not a quicklist encoded object.")
        return
    if call.argc == 4 and not parse_integer(call.argv[3], &full):
        full = 0
    list = <Quicklist*>entry_pointer(entry)
    buffer_init(&text, NULL)
    snprintf(line, sizeof(line), b"{count : %lld}\n{len : %zu}\n{fill : %lld}\n", <long long>quicklist_length(list),
             list.count, list_fill_shown(list))
    buffer_append_text(&text, line)
    for i in range(list.count):
        item = &list.items[(list.first + i) & (list.capacity - 1)]
        snprintf(line, sizeof(line), b"{quicklist node(%zu): container : %s, size : %zu}\n", i,
                 b"PLAIN" if quicklist_is_plain(item) else b"PACKED", list_node_bytes(item))
        buffer_append_text(&text, line)
        if full and not quicklist_is_plain(item):
            _show_listpack(&text, quicklist_pack(item))
    _answer(call, &text)
