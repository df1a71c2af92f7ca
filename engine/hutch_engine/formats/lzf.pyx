"""See lzf.pxd.

    000LLLLL                       L + 1 bytes follow as they are
    LLLooooo oooooooo              L + 2 bytes are repeated from o + 1 bytes before
    111ooooo LLLLLLLL oooooooo     L + 9 bytes are
"""
from libc.stdint cimport UINT16_MAX, UINT32_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.compiler cimport ctz64, likely, load_u64, store_u64, unlikely
from hutch_engine.base.slice cimport Slice

cdef extern from * nogil:
    """
    /* Where three bytes of a hash were last seen in what is being packed, counted from `before`: what earlier calls left there
       lies below it, so that hardly a call has to clear the table first. Short texts have a table of half the size, of which more
       stays in the caches. */
    typedef struct {
        uint16_t near[1 << 16];
        uint32_t far[1 << 16];
        uint32_t near_before;
        uint32_t far_before;
    } hutch_lzf_memory;
    static __thread hutch_lzf_memory hutch_lzf;
    static inline hutch_lzf_memory *hutch_lzf_here(void) { return &hutch_lzf; }
    """
    ctypedef struct Memory "hutch_lzf_memory":
        uint16_t[65536] near
        uint32_t[65536] far
        uint32_t near_before
        uint32_t far_before
    Memory* hutch_lzf_here() noexcept

cdef enum:
    LITERALS_MAX = 32            # of one run
    REPEATED_MAX = 264           # bytes
    DISTANCE_MAX = 8192
    WORD = 8
    SHORT_MAX = 4096             # bytes of a text that has the smaller table: sixteen of them before that has to be cleared

ctypedef fused Place:
    uint16_t
    uint32_t


cdef bint lzf_expand(Slice packed, char* out, size_t length) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*>packed.data
    cdef const uint8_t* end = at + packed.length
    cdef size_t written = 0
    cdef size_t run, back, at_word
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
        if back >= WORD and length - written >= run + WORD:
            at_word = written            # a few bytes too many are written over afterwards
            written += run
            while at_word < written:
                store_u64(out + at_word, load_u64(out + at_word - back))
                at_word += WORD
            continue
        while run:                       # byte by byte: the two may overlap
            out[written] = out[written - back]
            written += 1
            run -= 1
    return written == length


cdef inline uint32_t _three(const uint8_t* at) noexcept nogil:
    """The three bytes at `at`."""
    return <uint32_t>at[0] << 16 | <uint32_t>at[1] << 8 | at[2]


cdef inline uint32_t _slot(uint32_t three) noexcept nogil:
    return ((three >> 8) - three * 5) & 0xFFFF


cdef inline size_t _repeated(const uint8_t* start, size_t earlier, size_t at, size_t length) noexcept nogil:
    """How many bytes are the same, three being known to be. Redis leaves the last two bytes of the text alone, but for a
    repetition that reaches them within its first nineteen bytes, for which it does not look at the limit."""
    cdef size_t most = length - at - 2
    cdef size_t same = 3
    cdef uint64_t differ
    if most > REPEATED_MAX:
        most = REPEATED_MAX
    if most > 16 and most < 19:
        most = 19
    while same + 8 <= most:
        differ = load_u64(start + earlier + same) ^ load_u64(start + at + same)
        if differ:
            return same + <size_t>(ctz64(differ) >> 3)
        same += 8
    while same < most and start[earlier + same] == start[at + same]:
        same += 1
    return same


cdef inline size_t _literals(const uint8_t* from_, size_t count, char* out, size_t written) noexcept nogil:
    """These bytes as they are, in runs; returns how many have been written then."""
    cdef size_t run
    while count:
        run = count if count < LITERALS_MAX else LITERALS_MAX
        out[written] = <char>(run - 1)
        memcpy(out + written + 1, from_, run)
        written += 1 + run
        from_ += run
        count -= run
    return written


cdef inline size_t _after_literals(size_t count, size_t written) noexcept nogil:
    return written + count + (count + LITERALS_MAX - 1) // LITERALS_MAX


cdef inline size_t _repetition(size_t distance, size_t same, char* out, size_t written) noexcept nogil:
    if same - 2 < 7:
        out[written] = <char>(distance >> 8 | (same - 2) << 5)
    else:
        out[written] = <char>(distance >> 8 | 7 << 5)
        written += 1
        out[written] = <char>(same - 9)
    out[written + 1] = <char>distance
    return written + 2


cdef size_t _pack(Place* table, uint32_t before, const uint8_t* start, size_t length, char* out, size_t room) noexcept nogil:
    """`table` holds nothing above `before` yet. 0: it takes more than `room`."""
    cdef uint32_t three, slot, seen
    cdef size_t at = 0
    cdef size_t anchor = 0               # from here on nothing has been written yet
    cdef size_t written = 0
    cdef size_t earlier, same
    three = _three(start)
    while True:
        slot = _slot(three)
        seen = table[slot]
        table[slot] = <Place>(before + at)
        # The very first byte is never repeated from.
        if likely(seen <= before or at - (seen - before) - 1 >= DISTANCE_MAX or _three(start + (seen - before)) != three):
            at += 1
            if unlikely(at + 2 >= length):
                break
            three = (three << 8 | start[at + 2]) & 0xFFFFFF
            continue
        earlier = seen - before
        if unlikely(_after_literals(at - anchor, written) + 4 >= room):
            return 0
        written = _literals(start + anchor, at - anchor, out, written)
        same = _repeated(start, earlier, at, length)
        written = _repetition(at - earlier - 1, same, out, written)
        at += same
        anchor = at
        if unlikely(at + 2 >= length):
            break
        table[_slot(_three(start + at - 2))] = <Place>(before + at - 2)
        table[_slot(_three(start + at - 1))] = <Place>(before + at - 1)
        three = _three(start + at)
    # What is left, at most two bytes beyond `at`, as it is. Redis wants room for three bytes more, and the next run's head.
    if _after_literals(at - anchor, written) + ((at - anchor) % LITERALS_MAX == 0) + 3 > room:
        return 0
    return _literals(start + anchor, length - anchor, out, written)


cdef size_t lzf_compress(Slice bytes, char* out, size_t room) noexcept nogil:
    cdef Memory* memory
    cdef uint32_t before
    cdef uint32_t length = <uint32_t>bytes.length
    if bytes.length < 3 or room == 0 or bytes.length > UINT32_MAX // 2:
        return 0
    memory = hutch_lzf_here()
    if length <= SHORT_MAX:
        if unlikely(memory.near_before > UINT16_MAX - length):
            memset(memory.near, 0, sizeof(memory.near))
            memory.near_before = 0
        before = memory.near_before
        memory.near_before = before + length
        return _pack(<uint16_t*>memory.near, before, <const uint8_t*>bytes.data, length, out, room)
    if unlikely(memory.far_before > UINT32_MAX - length):
        memset(memory.far, 0, sizeof(memory.far))
        memory.far_before = 0
    before = memory.far_before
    memory.far_before = before + length
    return _pack(<uint32_t*>memory.far, before, <const uint8_t*>bytes.data, length, out, room)
