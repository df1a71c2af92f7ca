"""How far buffers may grow: up to a limit that their owner sets for a while, and no further than the machine can bear."""
from libc.stdint cimport uint64_t

cdef enum:
    GROWTH_FREE_BYTES = 67108864    # up to here nobody asks what the machine has
    GROWTH_OVER_LIMIT = 2           # a verdict, and what Buffer.failed says then

cdef void growth_limit(const void* buffer, uint64_t bytes) noexcept nogil
"""From now on this buffer may hold so many bytes, for as long as nothing else is said in this thread: there is one limit a thread,
and it is told by the buffer's address alone. 0: no buffer has one."""
cdef int growth_judge(const void* buffer, uint64_t needed_bytes, uint64_t capacity, uint64_t wanted_capacity) noexcept nogil
"""May the buffer grow? 0: yes; 1: no, since a large one would take more than half of what the machine, or the process's control
group, has left (a system that promises more than it has refuses nothing, and ends the process); GROWTH_OVER_LIMIT."""
cdef bint growth_outgrows_memory(const char* data, uint64_t length) noexcept nogil
"""Would these bytes, a long RESP reply, need more as Python objects than the machine has left? An estimate from its lines; False
at once up to GROWTH_FREE_BYTES. O(length) beyond."""
cdef uint64_t growth_available_bytes() noexcept nogil
"""What the machine, and this process's control group, can still give; UINT64_MAX where the system does not say. It reads small
files of the system, in some 20 microseconds."""
