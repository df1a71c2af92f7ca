"""Streams: adding, counting, reading ranges, deleting, trimming. Reading on and groups are in stream_read.pxd, stream_group.pxd,
stream_claim.pxd and stream_info.pxd; what they share is in stream_words.pxd.

An emptied stream stays a key: its last ID and its groups live on.
"""
from libc.stdint cimport int64_t
from hutch_engine.commands.call cimport Call

cdef bint stream_delete_options(Call* call, size_t first, int* refs_out, size_t* ids_out, int64_t* count_out) noexcept nogil
"""[KEEPREF|DELREF|ACKED] IDS numids id ...: where the IDs are, and how many. False after an error."""

cdef void cmd_xadd(Call* call) noexcept nogil
cdef void cmd_xdel(Call* call) noexcept nogil
cdef void cmd_xdelex(Call* call) noexcept nogil
cdef void cmd_xlen(Call* call) noexcept nogil
cdef void cmd_xrange(Call* call) noexcept nogil
cdef void cmd_xrevrange(Call* call) noexcept nogil
cdef void cmd_xsetid(Call* call) noexcept nogil
cdef void cmd_xtrim(Call* call) noexcept nogil
