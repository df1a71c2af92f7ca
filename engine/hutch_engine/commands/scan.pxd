"""What SCAN, HSCAN, SSCAN and ZSCAN have in common: the cursor, and the options of the last three."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.reply cimport Reply

cdef enum:
    SCAN_COUNT = 10
    SCAN_STEPS_FACTOR = 10       # a sparse table ends a SCAN after so many times COUNT steps

cdef struct ScanOptions:
    Slice pattern                # borrowed from the call
    bint all                     # the pattern is * or absent
    bint no_values               # NOVALUES
    int64_t count                # COUNT

cdef bint scan_cursor(Slice text, uint64_t* cursor_out) noexcept nogil
"""Read a cursor that a client sent, an unsigned number of 64 bits. False when it is none; the error is the caller's to write."""
cdef void scan_insert_cursor(Reply* reply, size_t mark, uint64_t cursor) noexcept nogil
"""Put the beginning of SCAN's reply in at `mark`, in front of the elements: the header of an array of two, and the cursor.
Moves what follows; refused memory shows in reply.buffer.failed."""
cdef bint scan_options(Call* call, bint of_hash, ScanOptions* options_out) noexcept nogil
"""The words from argv[3] on; NOVALUES is for hashes only. Else the error is written, and False."""
cdef int64_t scan_steps(int64_t count) noexcept nogil
"""How many steps through a table may look for `count` members."""
