"""See lzf.pxd.

    000LLLLL                       L + 1 bytes follow as they are
    LLLooooo oooooooo              L + 2 bytes are repeated from o + 1 bytes before
    111ooooo LLLLLLLL oooooooo     L + 9 bytes are
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy
from hutch_engine.base.slice cimport Slice


cdef bint lzf_expand(Slice packed, char* out, size_t length) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>packed.data
    cdef const uint8_t* end = at + packed.length
    cdef size_t written = 0
    cdef size_t run, back
    while at < end:
        run = at[0]
        at += 1
        if run < 32:
            run += 1
            if run > <size_t>(end - at) or run > length - written:
                return False
            memcpy(out + written, at, run)
            at += run
            written += run
            continue
        back = (run & 31) << 8
        run >>= 5
        if run == 7:
            if at == end:
                return False
            run += at[0]
            at += 1
        if at == end:
            return False
        back += at[0] + 1
        at += 1
        run += 2
        if back > written or run > length - written:
            return False
        while run:                       # byte by byte: the two may overlap
            out[written] = out[written - back]
            written += 1
            run -= 1
    return written == length
