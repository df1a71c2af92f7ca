"""See lcs.pxd.

The classic table: cell (i, j) is the length for the first i bytes of one string and the first j of the
other. O(n * m) time and memory, 4 bytes a cell. The memory is bounded by proto-max-bulk-len, as Redis's
is, and checked before anything is computed; for LEN alone two rows are enough, but the same bound holds,
so that a query does not pass or fail by its options.
"""
from libc.stdint cimport UINT32_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_alloc
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport Call, call_find_read, call_integer, error_syntax
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_bulk, reply_bulk_text, reply_error, reply_integer, reply_map, reply_mark)
from hutch_engine.keyspace.entry cimport TYPE_STRING, Entry, entry_bytes, entry_type

cdef enum:
    TABLE_BYTES_DEFAULT = 536870912       # proto-max-bulk-len

cdef struct Options:
    bint length_only             # LEN
    bint matches                 # IDX
    bint with_length             # WITHMATCHLEN
    int64_t shortest             # MINMATCHLEN, 0 = all

cdef struct Match:               # a run of bytes that both have, read from its end to its start
    bint open
    uint32_t first_a, last_a
    uint32_t first_b, last_b


cdef bint _options(Call* call, Options* options) noexcept nogil:
    cdef size_t i = 3
    memset(options, 0, sizeof(Options))
    while i < call.argc:
        if slice_is(call.argv[i], b"IDX"):
            options.matches = True
        elif slice_is(call.argv[i], b"LEN"):
            options.length_only = True
        elif slice_is(call.argv[i], b"WITHMATCHLEN"):
            options.with_length = True
        elif slice_is(call.argv[i], b"MINMATCHLEN") and i + 1 < call.argc:
            i += 1
            if not call_integer(call, i, &options.shortest):
                return False
            if options.shortest < 0:
                options.shortest = 0
        else:
            error_syntax(call)
            return False
        i += 1
    if options.length_only and options.matches:
        reply_error(call.reply, b"ERR If you want both the length and indexes, please just use IDX.")
        return False
    return True


cdef inline void _fill_row(Slice a, Slice b, size_t i, const uint32_t* above, uint32_t* row) noexcept nogil:
    """Row i >= 1 from the one above; both have b.length + 1 cells."""
    cdef char c = a.data[i - 1]
    cdef uint32_t left = 0
    cdef size_t j
    row[0] = 0
    for j in range(1, b.length + 1):
        if c == b.data[j - 1]:
            left = above[j - 1] + 1
        elif above[j] > left:
            left = above[j]
        row[j] = left


cdef void _reply_match(Reply* reply, const Match* match, const Options* options) noexcept nogil:
    reply_array(reply, 3 if options.with_length else 2)
    reply_array(reply, 2)
    reply_integer(reply, match.first_a)
    reply_integer(reply, match.last_a)
    reply_array(reply, 2)
    reply_integer(reply, match.first_b)
    reply_integer(reply, match.last_b)
    if options.with_length:
        reply_integer(reply, <int64_t>match.last_a - match.first_a + 1)


cdef inline uint32_t _close_match(Reply* reply, Match* match, const Options* options) noexcept nogil:
    """How many matches it was: none when it is shorter than asked for, or not there."""
    if not match.open:
        return 0
    match.open = False
    if <int64_t>match.last_a - match.first_a + 1 < options.shortest:
        return 0
    _reply_match(reply, match, options)
    return 1


cdef void _walk_back(Slice a, Slice b, const uint32_t* table, Reply* reply, const Options* options,
                     char* found_out) noexcept nogil:
    """From the table's last corner to its first: write the matches if they are wanted, and the bytes to
    `found_out` if it is not NULL. The ways that tie go up in b first, as Redis's do."""
    cdef size_t width = b.length + 1
    cdef size_t i = a.length
    cdef size_t j = b.length
    cdef uint32_t total = table[i * width + j]
    cdef uint32_t at = total
    cdef uint32_t count = 0
    cdef Match match
    cdef size_t mark
    match.open = False
    if options.matches:
        reply_map(reply, 2)
        reply_bulk_text(reply, b"matches")
    mark = reply_mark(reply)
    while i and j:
        if a.data[i - 1] == b.data[j - 1]:
            at -= 1
            i -= 1
            j -= 1
            if found_out != NULL:
                found_out[at] = a.data[i]
            if options.matches:
                if not match.open:
                    match.open = True
                    match.last_a = <uint32_t>i
                    match.last_b = <uint32_t>j
                match.first_a = <uint32_t>i
                match.first_b = <uint32_t>j
        else:
            if table[(i - 1) * width + j] > table[i * width + j - 1]:
                i -= 1
            else:
                j -= 1
            count += _close_match(reply, &match, options)
    count += _close_match(reply, &match, options)
    if options.matches:
        reply_array_at(reply, mark, count)
        reply_bulk_text(reply, b"len")
        reply_integer(reply, total)


cdef void _answer(Call* call, Slice a, Slice b, const Options* options, uint32_t* table) noexcept nogil:
    cdef Heap* heap = call.keyspace.heap
    cdef size_t width = b.length + 1
    cdef size_t i
    cdef uint32_t total
    cdef char* found
    memset(table, 0, width * sizeof(uint32_t))
    if options.length_only:
        for i in range(1, a.length + 1):
            _fill_row(a, b, i, table + (i - 1 & 1) * width, table + (i & 1) * width)
        reply_integer(call.reply, table[(a.length & 1) * width + b.length])
        return
    for i in range(1, a.length + 1):
        _fill_row(a, b, i, table + (i - 1) * width, table + i * width)
    if options.matches:
        _walk_back(a, b, table, call.reply, options, NULL)
        return
    total = table[a.length * width + b.length]
    found = <char*>heap_try_alloc(heap, total + 1)
    if found == NULL:
        reply_error(call.reply, b"ERR Insufficient memory, failed allocating transient memory for LCS")
        return
    _walk_back(a, b, table, call.reply, options, found)
    reply_bulk(call.reply, slice_of(found, total))
    heap_free(heap, found, total + 1)


cdef void cmd_lcs(Call* call) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] scratch_a
    cdef char[INTEGER_TEXT_MAX] scratch_b
    cdef Entry* first = call_find_read(call, 1)
    cdef Entry* second = call_find_read(call, 2)
    cdef Slice a = slice_of(NULL, 0)
    cdef Slice b = slice_of(NULL, 0)
    cdef Options options
    cdef uint64_t rows, bytes, limit
    cdef uint32_t* table
    if ((first != NULL and entry_type(first) != TYPE_STRING)
            or (second != NULL and entry_type(second) != TYPE_STRING)):
        reply_error(call.reply, b"ERR The specified keys must contain string values")
        return
    if not _options(call, &options):
        return
    if first != NULL:
        a = entry_bytes(first, scratch_a)
    if second != NULL:
        b = entry_bytes(second, scratch_b)
    if a.length >= UINT32_MAX - 1 or b.length >= UINT32_MAX - 1:
        reply_error(call.reply, b"ERR String too long for LCS")
        return
    limit = call.keyspace.max_string_bytes
    if limit == 0:
        limit = TABLE_BYTES_DEFAULT
    # Both factors are below 2**32: the product fits, and so does the comparison by cells.
    if <uint64_t>(a.length + 1) * <uint64_t>(b.length + 1) > limit // sizeof(uint32_t):
        reply_error(call.reply, b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
        return
    rows = 2 if options.length_only else a.length + 1
    bytes = rows * <uint64_t>(b.length + 1) * sizeof(uint32_t)
    table = <uint32_t*>heap_try_alloc(call.keyspace.heap, bytes)
    if table == NULL:
        reply_error(call.reply, b"ERR Insufficient memory, failed allocating transient memory for LCS")
        return
    _answer(call, a, b, &options, table)
    heap_free(call.keyspace.heap, table, bytes)
