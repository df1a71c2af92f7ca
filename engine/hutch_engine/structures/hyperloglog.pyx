"""See hyperloglog.pxd."""
from libc.math cimport INFINITY, llround, sqrt
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset
from hutch_engine.base.compiler cimport ctz64, load_u64, store_u64, unlikely
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.bits cimport bits_level

cdef extern from "hutch_registers.h" nogil:
    void registers_raise "hutch_registers_raise"(int level, uint8_t* bytes, const uint8_t* packed, size_t count) noexcept
    void registers_write "hutch_registers_write"(int level, uint8_t* packed, const uint8_t* bytes, size_t count) noexcept
    uint32_t runs_of_16 "hutch_runs_of_16"(const uint8_t* at) noexcept

cdef enum:
    DENSE = 0
    SPARSE = 1
    HASH_SEED = 0xadc83b19
    INDEX_BITS = 14
    VALUE_BITS = 50              # of the hash are looked at for zeros
    ZEROS_MOST = 64              # registers of a run that one byte says, ...
    MANY_ZEROS_MOST = 16384      # ... that two say, ...
    VALUES_MOST = 4              # ... and of one that has a value
    RUNS_MERGED = 5              # so many runs, from the one before the change on, are looked at for neighbours that are alike
    VALUES = 64                  # that a register can have
    RUNS_SKIPPED = 16            # so many are looked at together

cdef double HALF_LN_2_RECIPROCAL = 0.721347520444481703680       # 1 / (2 ln 2)


# ---- header

cdef bint hll_is_valid(Slice bytes) noexcept nogil:
    if bytes.length < HLL_HEADER_BYTES or memcmp(bytes.data, b"HYLL", 4) != 0:
        return False
    return bytes.data[4] == SPARSE or (bytes.data[4] == DENSE and bytes.length == HLL_DENSE_BYTES)


cdef bint hll_cached(const char* bytes, uint64_t* count_out) noexcept nogil:
    count_out[0] = load_u64(bytes + 8)
    return not bytes[15] & 0x80


cdef void hll_cache(char* bytes, uint64_t count) noexcept nogil:
    store_u64(bytes + 8, count)


cdef void hll_changed(char* bytes) noexcept nogil:
    bytes[15] |= <char>0x80


# ---- elements

cdef uint64_t _murmur(Slice text) noexcept nogil:
    """MurmurHash64A with Redis's seed."""
    cdef uint64_t mix = 0xc6a4a7935bd1e995ULL
    cdef uint64_t hash = <uint64_t>HASH_SEED ^ (<uint64_t>text.length * mix)
    cdef const char* at = text.data
    cdef size_t left = text.length
    cdef uint64_t word
    while left >= 8:
        word = load_u64(at) * mix
        hash = (hash ^ (word ^ (word >> 47)) * mix) * mix
        at += 8
        left -= 8
    if left:
        word = 0
        memcpy(&word, at, left)
        hash = (hash ^ word) * mix
    hash = (hash ^ (hash >> 47)) * mix
    return hash ^ (hash >> 47)


cdef uint8_t hll_place(Slice element, uint32_t* register_out) noexcept nogil:
    cdef uint64_t hash = _murmur(element)
    register_out[0] = <uint32_t>(hash & (HLL_REGISTERS - 1))
    # A one behind the bits that count ends the zeros.
    return <uint8_t>(ctz64((hash >> INDEX_BITS) | (<uint64_t>1 << VALUE_BITS)) + 1)


# ---- the dense form

cdef inline uint8_t _register(const uint8_t* registers, uint32_t index) noexcept nogil:
    cdef uint32_t bit = index * 6
    cdef const uint8_t* at = registers + (bit >> 3)
    cdef uint32_t low = bit & 7
    # The last register ends with its byte, so nothing behind it is read.
    return <uint8_t>((at[0] >> low | (at[1] << (8 - low) if low > 2 else 0)) & 63)


cdef inline void _set_register(uint8_t* registers, uint32_t index, uint8_t value) noexcept nogil:
    cdef uint32_t bit = index * 6
    cdef uint8_t* at = registers + (bit >> 3)
    cdef uint32_t low = bit & 7
    at[0] = <uint8_t>((at[0] & ~(63 << low)) | (value << low))
    if low > 2:
        at[1] = <uint8_t>((at[1] & ~(63 >> (8 - low))) | (value >> (8 - low)))


cdef uint8_t hll_register(const char* bytes, uint32_t register) noexcept nogil:
    return _register(<const uint8_t*>bytes + HLL_HEADER_BYTES, register)


cdef void hll_write_dense(uint8_t* bytes, const uint8_t* registers) noexcept nogil:
    bytes[4] = DENSE
    registers_write(bits_level(), bytes + HLL_HEADER_BYTES, registers, HLL_REGISTERS)


# ---- runs

cdef void hll_write_empty(uint8_t* out) noexcept nogil:
    memset(out, 0, HLL_HEADER_BYTES)
    memcpy(out, b"HYLL", 4)
    out[4] = SPARSE
    _write_zeros(out + HLL_HEADER_BYTES, HLL_REGISTERS)


cdef inline HllRun _read_run(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The run at `at`, which is before `end`. One whose second byte is missing has none of its registers: it is corrupt wherever
    it is met."""
    cdef HllRun run
    cdef uint8_t byte = at[0]
    run.value = 0
    if byte & 0x80:
        run.kind = HLL_VALUES
        run.value = (byte >> 2 & 31) + 1
        run.length = (byte & 3) + 1
    elif not byte & 0x40:
        run.kind = HLL_ZEROS
        run.length = byte + 1
    else:
        run.kind = HLL_MANY_ZEROS
        run.length = ((<uint32_t>(byte & 63) << 8) | at[1]) + 1 if at + 1 < end else 0
    return run


cdef inline size_t _run_bytes(const HllRun* run) noexcept nogil:
    return 2 if run.kind == HLL_MANY_ZEROS else 1


cdef inline uint8_t* _write_zeros(uint8_t* at, uint32_t length) noexcept nogil:
    """A run of zeros in its shorter spelling, if there is any; returns the byte behind it."""
    if length == 0:
        return at
    if length > ZEROS_MOST:
        at[0] = <uint8_t>(0x40 | (length - 1) >> 8)
        at[1] = <uint8_t>(length - 1)
        return at + 2
    at[0] = <uint8_t>(length - 1)
    return at + 1


cdef inline uint8_t* _write_values(uint8_t* at, uint8_t value, uint32_t length) noexcept nogil:
    """A run of up to VALUES_MOST registers of a value, if there is any; returns the byte behind it."""
    if length == 0:
        return at
    at[0] = <uint8_t>(0x80 | (value - 1) << 2 | (length - 1))
    return at + 1


cdef bint hll_run(Slice bytes, size_t* at, HllRun* run_out) noexcept nogil:
    if at[0] >= bytes.length:
        return False
    run_out[0] = _read_run(<const uint8_t*>bytes.data + at[0], <const uint8_t*>bytes.data + bytes.length)
    at[0] += _run_bytes(run_out)
    return True


cdef bint hll_sparse_is_whole(Slice bytes) noexcept nogil:
    cdef size_t at = HLL_HEADER_BYTES
    cdef uint64_t registers = 0
    cdef HllRun run
    while hll_run(bytes, &at, &run):
        registers += run.length
        if run.length == 0:
            return False
    return registers == HLL_REGISTERS


cdef size_t _merge_alike(uint8_t* at, uint8_t* end) noexcept nogil:
    """Put runs of the same value together that are neighbours and fit one run; how many bytes that saved. Redis looks at so
    many runs from here and no more."""
    cdef int left = RUNS_MERGED
    cdef size_t saved = 0
    cdef uint32_t length
    while at < end and left:
        left -= 1
        if at[0] & 0xc0 == 0x40:
            at += 2
            continue
        # Both are values, and the same: all but the lengths is equal.
        if at[0] & 0x80 and at + 1 < end and (at[0] ^ at[1]) & 0xfc == 0:
            length = (at[0] & 3) + (at[1] & 3) + 2
            if length <= VALUES_MOST:
                at[1] = <uint8_t>((at[0] & 0xfc) | (length - 1))
                memmove(at, at + 1, <size_t>(end - at - 1))
                end -= 1
                saved += 1
                continue
        at += 1
    return saved


cdef HllPut _put_sparse(uint8_t* bytes, size_t* length, uint64_t sparse_max, uint32_t register, uint8_t value) noexcept nogil:
    cdef uint8_t* end = bytes + length[0]
    cdef uint8_t* at = bytes + HLL_HEADER_BYTES
    cdef uint8_t* previous = NULL
    cdef uint8_t* next
    cdef uint8_t[8] made
    cdef uint8_t* to = made
    cdef uint32_t first = 0              # the run's first register
    cdef uint32_t before, behind, skipped
    cdef size_t old, new
    cdef HllRun run
    cdef bint close = False              # the register's run is among the next few
    while True:
        if not close and end - at >= RUNS_SKIPPED:
            skipped = runs_of_16(at)
            close = skipped != 0 and register - first < skipped
            if skipped and not close:
                first += skipped
                at += RUNS_SKIPPED
                previous = at - 1
                continue
        if at >= end:
            return HLL_CORRUPT
        run = _read_run(at, end)
        if unlikely(run.length == 0):
            return HLL_CORRUPT
        if register - first < run.length:
            break
        previous = at
        first += run.length
        at += _run_bytes(&run)
    if run.kind == HLL_VALUES and run.value >= value:
        return HLL_SAME
    old = _run_bytes(&run)
    before = register - first
    behind = run.length - before - 1
    if run.kind == HLL_VALUES:
        to = _write_values(to, run.value, before)
        to = _write_values(to, value, 1)
        to = _write_values(to, run.value, behind)
    else:
        to = _write_zeros(to, before)
        to = _write_values(to, value, 1)
        to = _write_zeros(to, behind)
    new = <size_t>(to - made)
    if new > old and length[0] + new - old > sparse_max:
        return HLL_TOO_SPARSE
    next = at + old
    if new != old and next < end:
        memmove(at + new, next, <size_t>(end - next))
    memcpy(at, made, new)
    length[0] += new - old
    end = bytes + length[0]
    length[0] -= _merge_alike(previous if previous != NULL else bytes + HLL_HEADER_BYTES, end)
    return HLL_RAISED


cdef HllPut hll_put(uint8_t* bytes, size_t* length, uint64_t sparse_max, uint32_t register, uint8_t value) noexcept nogil:
    cdef HllPut put
    if bytes[4] == SPARSE:
        if value > HLL_SPARSE_MOST:
            return HLL_TOO_SPARSE
        put = _put_sparse(bytes, length, sparse_max, register, value)
        if put == HLL_RAISED:
            hll_changed(<char*>bytes)
        return put
    if _register(bytes + HLL_HEADER_BYTES, register) >= value:
        return HLL_SAME
    _set_register(bytes + HLL_HEADER_BYTES, register, value)
    hll_changed(<char*>bytes)
    return HLL_RAISED


# ---- all registers

cdef bint hll_merge(uint8_t* registers, Slice bytes) noexcept nogil:
    cdef size_t at = HLL_HEADER_BYTES
    cdef uint32_t index = 0
    cdef HllRun run
    cdef uint32_t i
    if hll_is_dense(bytes.data):
        registers_raise(bits_level(), registers, <const uint8_t*>bytes.data + HLL_HEADER_BYTES, HLL_REGISTERS)
        return True
    while hll_run(bytes, &at, &run):
        if run.length == 0 or run.length > HLL_REGISTERS - index:
            return False
        if run.value:
            for i in range(index, index + run.length):
                if run.value > registers[i]:
                    registers[i] = run.value
        index += run.length
    return index == HLL_REGISTERS


# ---- reckoning

cdef double _sigma(double x) noexcept nogil:
    """For the registers that are 0."""
    cdef double last
    cdef double y = 1
    cdef double z = x
    if x == 1:
        return INFINITY
    while True:
        x *= x
        last = z
        z += x * y
        y += y
        if z == last:
            return z


cdef double _tau(double x) noexcept nogil:
    """For those that are full."""
    cdef double last
    cdef double y = 1
    cdef double z = 1 - x
    if x == 0 or x == 1:
        return 0
    while True:
        x = sqrt(x)
        last = z
        y *= 0.5
        z -= (1 - x) * (1 - x) * y
        if z == last:
            return z / 3


cdef uint64_t _estimate(const uint32_t* histogram) noexcept nogil:
    """From how many registers have each value."""
    cdef double m = HLL_REGISTERS
    cdef double z = m * _tau((m - histogram[VALUE_BITS + 1]) / m)
    cdef int value
    for value in range(VALUE_BITS, 0, -1):
        z = (z + histogram[value]) * 0.5
    z += m * _sigma(histogram[0] / m)
    return <uint64_t>llround(HALF_LN_2_RECIPROCAL * m * m / z)


cdef uint64_t hll_count_registers(const uint8_t* registers) noexcept nogil:
    # Four counters of each value: neighbours are often alike, and would wait for each other's sum.
    cdef uint32_t[4][VALUES] counts
    cdef size_t i
    memset(counts, 0, sizeof(counts))
    i = 0
    while i < HLL_REGISTERS:
        counts[0][registers[i] & 63] += 1
        counts[1][registers[i + 1] & 63] += 1
        counts[2][registers[i + 2] & 63] += 1
        counts[3][registers[i + 3] & 63] += 1
        i += 4
    for i in range(VALUES):
        counts[0][i] += counts[1][i] + counts[2][i] + counts[3][i]
    return _estimate(counts[0])


cdef bint hll_count(Slice bytes, uint64_t* count_out) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] registers
    cdef uint32_t[VALUES] histogram
    cdef size_t at = HLL_HEADER_BYTES
    cdef uint32_t index = 0
    cdef HllRun run
    if hll_is_dense(bytes.data):
        memset(registers, 0, HLL_REGISTERS)
        hll_merge(registers, bytes)
        count_out[0] = hll_count_registers(registers)
        return True
    memset(histogram, 0, sizeof(histogram))
    while hll_run(bytes, &at, &run):
        if run.length == 0 or run.length > HLL_REGISTERS - index:
            return False
        histogram[run.value] += run.length
        index += run.length
    if index != HLL_REGISTERS:
        return False
    count_out[0] = _estimate(histogram)
    return True
