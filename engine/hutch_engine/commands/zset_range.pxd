"""Sorted sets by rank, score and text: reading, storing, counting and removing ranges.

Every range is turned into a run of ranks first (O(log n)), whatever it was given as."""
from hutch_engine.commands.call cimport Call

cdef void cmd_zcount(Call* call) noexcept nogil
cdef void cmd_zlexcount(Call* call) noexcept nogil
cdef void cmd_zrange(Call* call) noexcept nogil
cdef void cmd_zrangebylex(Call* call) noexcept nogil
cdef void cmd_zrangebyscore(Call* call) noexcept nogil
cdef void cmd_zrangestore(Call* call) noexcept nogil
cdef void cmd_zremrangebylex(Call* call) noexcept nogil
cdef void cmd_zremrangebyrank(Call* call) noexcept nogil
cdef void cmd_zremrangebyscore(Call* call) noexcept nogil
cdef void cmd_zrevrange(Call* call) noexcept nogil
cdef void cmd_zrevrangebylex(Call* call) noexcept nogil
cdef void cmd_zrevrangebyscore(Call* call) noexcept nogil
