"""See lzf.pxd.

    000LLLLL                       L + 1 bytes follow as they are
    LLLooooo oooooooo              L + 2 bytes are repeated from o + 1 bytes before
    111ooooo LLLLLLLL oooooooo     L + 9 bytes are
"""
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t
from libc.string cimport memcpy, memset
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice

cdef extern from *:
    """
    /* Where three bytes of this hash were last seen, counted from lzf_before: what earlier calls left there
       lies below it, so that no call has to clear the table first. */
    static __thread uint32_t lzf_seen[1 << 16];
    static __thread uint32_t lzf_before;
    """
    uint32_t[65536] lzf_seen
    uint32_t lzf_before

cdef enum:
    LITERALS_MAX = 32            # of one run
    REPEATED_MAX = 264           # bytes
    DISTANCE_MAX = 8192


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


cdef inline uint32_t _slot(const uint8_t* at) noexcept nogil:
    """Of the three bytes at `at`."""
    cdef uint32_t three = <uint32_t>at[0] << 16 | <uint32_t>at[1] << 8 | at[2]
    return ((three >> 8) - three * 5) & 0xFFFF


cdef inline size_t _repeated(const uint8_t* start, size_t earlier, size_t at, size_t length) noexcept nogil:
    """How many bytes are the same, three being known to be. Redis leaves the last two bytes of the text alone, but for a
    repetition that reaches them within its first nineteen bytes, for which it does not look at the limit."""
    cdef size_t most = length - at - 2
    cdef size_t same = 3
    if most > REPEATED_MAX:
        most = REPEATED_MAX
    if most > 16:
        while same < 19:
            if start[earlier + same] != start[at + same]:
                return same
            same += 1
    while same < most and start[earlier + same] == start[at + same]:
        same += 1
    return same


cdef size_t lzf_compress(Slice bytes, char* out, size_t room) noexcept nogil:
    global lzf_before
    cdef const uint8_t* start = <const uint8_t*>bytes.data
    cdef size_t length = bytes.length
    cdef uint32_t before
    cdef size_t at = 0
    cdef size_t literals = 0
    cdef size_t written = 1              # the head of a run of literals is kept free for it
    cdef size_t distance, same, earlier
    cdef uint32_t slot, seen
    if length == 0 or room == 0 or length > UINT32_MAX // 2:
        return 0
    if unlikely(lzf_before > UINT32_MAX - <uint32_t>length):
        memset(lzf_seen, 0, sizeof(lzf_seen))
        lzf_before = 0
    before = lzf_before
    lzf_before = before + <uint32_t>length
    while at + 2 < length:
        slot = _slot(start + at)
        seen = lzf_seen[slot]
        lzf_seen[slot] = before + <uint32_t>at
        if seen > before:                # the very first byte is never repeated from
            earlier = seen - before
            distance = at - earlier - 1
            if (distance < DISTANCE_MAX and start[earlier] == start[at] and start[earlier + 1] == start[at + 1]
                    and start[earlier + 2] == start[at + 2]):
                if unlikely(written - (literals == 0) + 4 >= room):
                    return 0
                if literals:
                    out[written - literals - 1] = <char>(literals - 1)
                else:
                    written -= 1
                same = _repeated(start, earlier, at, length)
                if same - 2 < 7:
                    out[written] = <char>(distance >> 8 | (same - 2) << 5)
                else:
                    out[written] = <char>(distance >> 8 | 7 << 5)
                    written += 1
                    out[written] = <char>(same - 9)
                out[written + 1] = <char>distance
                written += 3             # and the head of the next run
                literals = 0
                at += same
                if unlikely(at + 2 >= length):
                    break
                lzf_seen[_slot(start + at - 2)] = before + <uint32_t>(at - 2)
                lzf_seen[_slot(start + at - 1)] = before + <uint32_t>(at - 1)
                continue
        if unlikely(written >= room):
            return 0
        out[written] = <char>start[at]
        written += 1
        literals += 1
        at += 1
        if unlikely(literals == LITERALS_MAX):
            out[written - literals - 1] = <char>(literals - 1)
            literals = 0
            written += 1
    if written + 3 > room:               # as many bytes are left at most
        return 0
    while at < length:
        out[written] = <char>start[at]
        written += 1
        literals += 1
        at += 1
        if unlikely(literals == LITERALS_MAX):
            out[written - literals - 1] = <char>(literals - 1)
            literals = 0
            written += 1
    if literals:
        out[written - literals - 1] = <char>(literals - 1)
        return written
    return written - 1
