"""See scan.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport buffer_insert
from hutch_engine.base.numbers cimport parse_unsigned
from hutch_engine.base.slice cimport Slice, slice_is, slice_of_text
from hutch_engine.commands.call cimport Call, call_integer, error_syntax
from hutch_engine.commands.reply cimport Reply, reply_error


cdef bint scan_cursor(Slice text, uint64_t* cursor_out) noexcept nogil:
    return parse_unsigned(text, cursor_out)


cdef void scan_insert_cursor(Reply* reply, size_t mark, uint64_t cursor) noexcept nogil:
    """The beginning of SCAN's reply, which is known last: an array of two, and the cursor as a bulk string.
    (format_integer will not do: cursors use all 64 bits.)"""
    cdef char[32] text                       # "*2\r\n$nn\r\n", 20 digits, "\r\n": built from its end
    cdef char* at = text + 32
    cdef size_t length = 0
    at -= 2
    memcpy(at, b"\r\n", 2)
    while True:
        at -= 1
        at[0] = <char>(48 + cursor % 10)
        length += 1
        cursor //= 10
        if cursor == 0:
            break
    at -= 2
    memcpy(at, b"\r\n", 2)
    while length:
        at -= 1
        at[0] = <char>(48 + length % 10)
        length //= 10
    at -= 5
    memcpy(at, b"*2\r\n$", 5)
    buffer_insert(&reply.buffer, mark, at, text + 32 - at)


cdef bint scan_options(Call* call, bint of_hash, ScanOptions* options_out) noexcept nogil:
    cdef size_t i = 3
    options_out.pattern = slice_of_text(b"*")
    options_out.no_values = False
    options_out.count = SCAN_COUNT
    while i < call.argc:
        if slice_is(call.argv[i], b"COUNT") and i + 1 < call.argc:
            if not call_integer(call, i + 1, &options_out.count):
                return False
            if options_out.count < 1:
                error_syntax(call)
                return False
            i += 2
        elif slice_is(call.argv[i], b"MATCH") and i + 1 < call.argc:
            options_out.pattern = call.argv[i + 1]
            i += 2
        elif slice_is(call.argv[i], b"NOVALUES"):
            if not of_hash:
                reply_error(call.reply, b"ERR NOVALUES option can only be used in HSCAN")
                return False
            options_out.no_values = True
            i += 1
        else:
            error_syntax(call)
            return False
    options_out.all = options_out.pattern.length == 1 and options_out.pattern.data[0] == b'*'
    return True


cdef int64_t scan_steps(int64_t count) noexcept nogil:
    return count * SCAN_STEPS_FACTOR if count < INT64_MAX // SCAN_STEPS_FACTOR else INT64_MAX
