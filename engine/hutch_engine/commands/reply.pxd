"""Writing RESP2 and RESP3 into a buffer. The one language in which commands answer, whoever asks."""
from libc.stdint cimport int64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append
from hutch_engine.base.slice cimport Slice

cdef struct Reply:
    Buffer buffer                # owned
    int resp                     # 2 or 3

cdef void reply_integer(Reply* reply, int64_t value) noexcept nogil
"""Write an integer, ":1". As with all that write here, refused memory shows in reply.buffer.failed."""
cdef void reply_bulk(Reply* reply, Slice bytes) noexcept nogil
"""Write a bulk string, a copy of the bytes. O(length)."""
cdef void reply_bulk_text(Reply* reply, const char* text) noexcept nogil
"""Write a text that ends with NUL as a bulk string, without the NUL."""
cdef void reply_bulk_integer(Reply* reply, int64_t value) noexcept nogil
"""Write an integer as a bulk string."""
cdef void reply_simple(Reply* reply, const char* text) noexcept nogil
"""Write a simple string, "+text"."""
cdef void reply_error(Reply* reply, const char* text) noexcept nogil
"""Write an error, "-text": the text begins with its code ("ERR syntax error"), line breaks become spaces."""
cdef void reply_error_slice(Reply* reply, Slice text) noexcept nogil
"""Write an error, "-text": the text begins with its code; line breaks at its end are dropped, others become spaces."""
cdef void reply_error_parts(Reply* reply, const char* before, Slice middle, const char* after) noexcept nogil
"""Write an error of three parts, "-before middle after". The middle ends at a NUL; its CR and LF become spaces, or go where
nothing follows them."""
cdef void reply_null(Reply* reply) noexcept nogil
"""Write a null: "$-1" in RESP2, "_" in RESP3."""
cdef void reply_null_array(Reply* reply) noexcept nogil
"""Write a null array: "*-1" in RESP2, "_" in RESP3."""
cdef void reply_double(Reply* reply, double value) noexcept nogil
"""Write a floating-point number: a bulk string in RESP2, a double in RESP3."""
cdef void reply_bool(Reply* reply, bint value) noexcept nogil
"""Write a truth value: 1 or 0 in RESP2, #t or #f in RESP3."""
cdef void reply_array(Reply* reply, int64_t count) noexcept nogil
"""Write the header of an array; its `count` elements are to be written next."""
cdef void reply_map(Reply* reply, int64_t pairs) noexcept nogil
"""Write the header of a map, whose `pairs` keys and values are to be written next, in turn; a flat array in RESP2."""
cdef void reply_set(Reply* reply, int64_t count) noexcept nogil
"""Write the header of a set, whose `count` members are to be written next; an array in RESP2."""
cdef void reply_push(Reply* reply, int64_t count) noexcept nogil
"""Write the header of a push message, whose `count` elements are to be written next; an array in RESP2."""
cdef void reply_verbatim(Reply* reply, Slice text, const char* format) noexcept nogil
"""Write a text with its format, three letters, "txt" or "mkd"; a plain bulk string in RESP2."""
cdef void reply_big_number(Reply* reply, Slice digits) noexcept nogil
"""Write decimal digits as a big number; a bulk string in RESP2."""
cdef void reply_raw(Reply* reply, Slice resp) noexcept nogil
"""Append bytes that are RESP already, a copy."""
cdef size_t reply_mark(Reply* reply) noexcept nogil
"""Where the reply ends now: a place for reply_array_at and its likes, or for reply_rewind."""
cdef void reply_array_at(Reply* reply, size_t mark, int64_t count) noexcept nogil
"""Put the header of an array of `count` elements in at `mark`, where the count was not known yet; moves what follows."""
cdef void reply_map_at(Reply* reply, size_t mark, int64_t pairs) noexcept nogil
"""Put the header of a map of `pairs` pairs in at `mark`, a flat array in RESP2; moves what follows."""
cdef void reply_set_at(Reply* reply, size_t mark, int64_t count) noexcept nogil
"""Put the header of a set of `count` members in at `mark`, an array in RESP2; moves what follows."""
cdef void reply_rewind(Reply* reply, size_t mark) noexcept nogil
"""Forget what was written since `mark`."""

cdef inline void reply_ok(Reply* reply) noexcept nogil:
    """Write the simple string "+OK"."""
    buffer_append(&reply.buffer, b"+OK\r\n", 5)

cdef inline void reply_zero(Reply* reply) noexcept nogil:
    """Write the integer 0."""
    buffer_append(&reply.buffer, b":0\r\n", 4)

cdef inline void reply_one(Reply* reply) noexcept nogil:
    """Write the integer 1."""
    buffer_append(&reply.buffer, b":1\r\n", 4)
