"""See bits.pxd."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from hutch_engine.base.compiler cimport clz64
from hutch_engine.base.slice cimport Slice

cdef extern from "hutch_bits.h" nogil:
    int hutch_bits_best() noexcept
    uint64_t hutch_bits_count(int level, const uint8_t* at, size_t length) noexcept
    size_t hutch_bits_unlike(int level, const uint8_t* at, size_t length, uint8_t skip) noexcept
    void hutch_bits_combine(int level, int operation, uint8_t* out, const uint8_t** sources, size_t count, size_t start,
                            size_t end) noexcept
    uint64_t hutch_swapped "__builtin_bswap64"(uint64_t word) noexcept

cdef int _best = hutch_bits_best()
cdef int _level = _best              # written by tests and PFDEBUG alone; whoever reads it may have either


# ---- levels

cdef int bits_level() noexcept nogil:
    return _level


cdef int bits_best_level() noexcept nogil:
    return _best


cdef void bits_set_level(int level) noexcept nogil:
    global _level
    _level = level if 0 <= level <= _best else _best


# ---- counting and searching

cdef uint64_t bits_count(Slice bytes, uint64_t first, uint64_t last) noexcept nogil:
    cdef const uint8_t* data = <const uint8_t*>bytes.data
    cdef uint64_t start = first >> 3
    cdef uint64_t end = last >> 3
    cdef uint64_t total = hutch_bits_count(_level, data + start, end - start + 1)
    cdef uint8_t edge
    # What was counted too much: the bits before the first in its byte, and those behind the last.
    edge = data[start] & <uint8_t>~(0xff >> (first & 7))
    total -= hutch_bits_count(BITS_PLAIN, &edge, 1)
    edge = data[end] & <uint8_t>(0x7f >> (last & 7))
    return total - hutch_bits_count(BITS_PLAIN, &edge, 1)


cdef inline bint _find_in_byte(uint8_t byte, uint64_t start, uint64_t* found_out) noexcept nogil:
    """The first bit that is set in a byte whose own first bit has the number `start`."""
    if byte == 0:
        return False
    found_out[0] = start + <uint64_t>clz64(<uint64_t>byte << 56)
    return True


cdef bint bits_find(Slice bytes, bint value, uint64_t first, uint64_t last, uint64_t* found_out) noexcept nogil:
    cdef const uint8_t* data = <const uint8_t*>bytes.data
    cdef uint8_t skip = 0 if value else 0xff         # XORed with it, a byte has those bits set that are looked for
    cdef uint64_t at = first >> 3
    cdef uint64_t end = last >> 3
    cdef uint8_t edge = <uint8_t>(0xff >> (first & 7))
    if first & 7 or at == end:
        if at == end:
            edge &= <uint8_t>~(0x7f >> (last & 7))
        if _find_in_byte((data[at] ^ skip) & edge, at << 3, found_out):
            return True
        at += 1
        if at > end:
            return False
    at += hutch_bits_unlike(_level, data + at, end + 1 - at, skip)
    if at > end:
        return False
    edge = data[at] ^ skip
    if at == end:
        edge &= <uint8_t>~(0x7f >> (last & 7))
    return _find_in_byte(edge, at << 3, found_out)


# ---- combining

cdef void bits_combine(int operation, uint8_t* out, const uint8_t** sources, const size_t* lengths, size_t count, size_t length,
                       const uint8_t** scratch) noexcept nogil:
    """Stretch by stretch: at the end of each a source ends, and the others go on without it."""
    cdef size_t start = 0
    cdef size_t end, i, live
    cdef int doing
    cdef bint first, nothing
    while start < length:
        end = length
        live = 0
        first = lengths[0] > start
        for i in range(count):
            if lengths[i] > start:
                scratch[live] = sources[i]
                live += 1
                if lengths[i] < end:
                    end = lengths[i]
        doing = operation
        if operation == BITS_AND:
            nothing = live < count
        elif operation == BITS_DIFF or operation == BITS_ANDOR:
            nothing = not first or (operation == BITS_ANDOR and live == 1)
        else:
            nothing = False
            if operation == BITS_DIFF1 and not first:
                doing = BITS_OR
        if nothing:
            memset(out + start, 0, end - start)
        else:
            hutch_bits_combine(_level, doing, out, scratch, live, start, end)
        start = end


# ---- integers

cdef uint64_t bits_read(Slice bytes, uint64_t offset, int width) noexcept nogil:
    cdef uint8_t[16] window
    cdef uint64_t start = offset >> 3
    cdef uint64_t have
    cdef uint64_t high, low
    cdef int skip = <int>(offset & 7)
    memset(window, 0, sizeof(window))
    if start < bytes.length:
        have = bytes.length - start
        memcpy(window, bytes.data + start, 9 if have > 9 else have)
    memcpy(&high, window, 8)
    memcpy(&low, window + 8, 8)
    high = hutch_swapped(high) << skip
    if skip:
        high |= hutch_swapped(low) >> (64 - skip)
    return high >> (64 - width)


cdef void bits_write(uint8_t* bytes, uint64_t offset, int width, uint64_t value) noexcept nogil:
    cdef uint8_t* at = bytes + (offset >> 3)
    cdef int free = 8 - <int>(offset & 7)            # bits of the present byte from here on
    cdef int taken
    cdef uint8_t mask
    while width > 0:
        taken = free if free < width else width
        mask = <uint8_t>(((1 << taken) - 1) << (free - taken))
        at[0] = <uint8_t>((at[0] & ~mask) | ((<uint8_t>(value >> (width - taken)) << (free - taken)) & mask))
        width -= taken
        at += 1
        free = 8


cdef bint bits_fit_unsigned(uint64_t value, int64_t more, int width, BitsOverflow overflow, uint64_t* result_out) noexcept nogil:
    cdef uint64_t most = (<uint64_t>1 << width) - 1
    cdef bint above = value > most or (more > 0 and <uint64_t>more > most - value)
    cdef bint below = not above and more < 0 and 0 - <uint64_t>more > value
    result_out[0] = value + <uint64_t>more
    if not above and not below:
        return True
    if overflow == BITS_SATURATE:
        result_out[0] = most if above else 0
    else:
        result_out[0] &= most
    return False


cdef bint bits_fit_signed(int64_t value, int64_t more, int width, BitsOverflow overflow, int64_t* result_out) noexcept nogil:
    cdef int64_t most = INT64_MAX >> (64 - width)
    cdef int64_t least = -most - 1
    # A value beyond its bits is so in the direction of its own sign, whatever is added; but one so far below that the way up to
    # `most` is no int64 counts as above, as in Redis, whose difference wraps.
    cdef bint above = (value > most or (value >= least and more > 0 and value > most - more)
                       or (width < 64 and value < most - INT64_MAX))
    cdef bint below = not above and (value < least or (more < 0 and value < least - more))
    result_out[0] = <int64_t>(<uint64_t>value + <uint64_t>more)
    if not above and not below:
        return True
    if overflow == BITS_SATURATE:
        result_out[0] = most if above else least
    else:
        # The sign is the highest bit that is kept.
        result_out[0] = <int64_t>(<uint64_t>result_out[0] << (64 - width)) >> (64 - width)
    return False
