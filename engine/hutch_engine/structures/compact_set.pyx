"""See compact_set.pxd."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from hutch_engine.base.checks cimport HUTCH_CHECKS, invariant
from hutch_engine.base.compiler cimport ctz64, load_u32, load_u64
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_slice, leb128_write_slice
from hutch_engine.base.memory cimport HEAP_SMALL_MAX, Heap, heap_alloc, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Bit i of the answer: byte i of the 16 at `bytes` is `wanted`. */
    #if defined(__SSE2__)
    #include <emmintrin.h>
    static inline uint32_t compact_same_bytes(const uint8_t *bytes, uint8_t wanted) {
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)bytes), _mm_set1_epi8((char)wanted)));
    }
    #else
    static inline uint32_t compact_same_bytes(const uint8_t *bytes, uint8_t wanted) {
        uint32_t mask = 0;
        for (int i = 0; i < 16; i++) mask |= (uint32_t)(bytes[i] == wanted) << i;   /* compilers make vectors of it */
        return mask;
    }
    #endif
    """
    uint32_t same_bytes "compact_same_bytes"(const uint8_t* bytes, uint8_t wanted) noexcept nogil

cdef enum:
    LANES = 16
    LEAST_SPARE_BYTES = 32
    SPARE_FRACTION = 8           # a block that must grow gets room for an eighth more


cdef inline uint8_t* _fingerprints(const CompactSet* compact) noexcept nogil:
    return <uint8_t*>compact + sizeof(CompactSet)


cdef inline uint16_t* _offsets(const CompactSet* compact) noexcept nogil:
    return <uint16_t*>(<uint8_t*>compact + sizeof(CompactSet) + compact.capacity)      # capacity is even


cdef inline uint8_t* _members(const CompactSet* compact) noexcept nogil:
    return <uint8_t*>compact + sizeof(CompactSet) + 3 * <size_t>compact.capacity


cdef inline uint32_t _room(const CompactSet* compact) noexcept nogil:
    """Bytes for members, used or not."""
    return compact.bytes - <uint32_t>sizeof(CompactSet) - 3 * <uint32_t>compact.capacity


cdef inline uint8_t _fingerprint(Slice member) noexcept nogil:
    """One byte that depends on all others, cheaply."""
    cdef uint64_t sum = member.length
    cdef uint64_t word = 0
    cdef size_t i = 0
    while i + 8 <= member.length:
        sum = (sum ^ load_u64(member.data + i)) * <uint64_t>0x9E3779B97F4A7C15
        sum ^= sum >> 29
        i += 8
    if i < member.length:
        if member.length >= 8:
            word = load_u64(member.data + member.length - 8)
        elif member.length >= 4:
            word = <uint64_t>load_u32(member.data) << 32 | load_u32(member.data + member.length - 4)
        else:
            while i < member.length:
                word = word << 8 | <uint8_t>member.data[i]
                i += 1
        sum = (sum ^ word) * <uint64_t>0x9E3779B97F4A7C15
    sum ^= sum >> 32
    return <uint8_t>(sum * <uint64_t>0xC2B2AE3D27D4EB4F >> 56)


cdef CompactSet* compact_set_new(Heap* heap, uint32_t members, uint32_t member_bytes) noexcept nogil:
    cdef uint32_t capacity = (members + LANES - 1) & ~<uint32_t>(LANES - 1)
    cdef size_t bytes
    cdef CompactSet* compact
    if capacity == 0:
        capacity = LANES
    # What the heap would round up is room as well.
    bytes = heap_block_bytes(sizeof(CompactSet) + 3 * <size_t>capacity + member_bytes)
    # The smallest must be had, as any other empty set.
    compact = <CompactSet*>(heap_alloc(heap, bytes) if capacity == LANES and bytes <= HEAP_SMALL_MAX else heap_try_alloc(heap, bytes))
    if compact == NULL:
        return NULL
    compact.bytes = <uint32_t>bytes
    compact.count = 0
    compact.capacity = <uint16_t>capacity
    compact.used = 0
    compact.holes = 0
    return compact


cdef void compact_set_free(Heap* heap, CompactSet* compact) noexcept nogil:
    heap_free(heap, compact, compact.bytes)


cdef CompactSet* compact_set_copy(Heap* heap, const CompactSet* compact) noexcept nogil:
    cdef CompactSet* copied = <CompactSet*>heap_try_alloc(heap, compact.bytes)
    if copied != NULL:
        # What lies behind the members in use was never written.
        memcpy(copied, compact, _members(compact) + compact.used - <const uint8_t*>compact)
    return copied


cdef inline Slice _member_at(const CompactSet* compact, uint32_t offset) noexcept nogil:
    return leb128_slice(_members(compact) + offset)


cdef Slice compact_set_get(const CompactSet* compact, uint32_t index) noexcept nogil:
    return _member_at(compact, _offsets(compact)[index])


cdef int32_t compact_set_find(const CompactSet* compact, Slice member) noexcept nogil:
    cdef const uint8_t* fingerprints = _fingerprints(compact)
    cdef uint8_t wanted = _fingerprint(member)
    cdef uint32_t base = 0
    cdef uint32_t mask, index
    while base < compact.count:
        # Places behind the last member may hold anything.
        mask = same_bytes(fingerprints + base, wanted)
        if compact.count - base < LANES:
            mask &= (<uint32_t>1 << (compact.count - base)) - 1
        while mask:
            index = base + <uint32_t>ctz64(mask)
            if slice_equals(compact_set_get(compact, index), member):
                return <int32_t>index
            mask &= mask - 1
        base += LANES
    return -1


cdef bint compact_set_has_room(const CompactSet* compact, size_t length) noexcept nogil:
    return compact.count < COMPACT_MEMBERS_MAX and compact.used - compact.holes + length < COMPACT_BYTES_MAX


cdef CompactSet* _made_anew(Heap* heap, CompactSet* compact, uint32_t members, uint32_t member_bytes) noexcept nogil:
    """In a block of another size, without holes. NULL when refused."""
    cdef CompactSet* made = compact_set_new(heap, members, member_bytes)
    cdef const uint8_t* source
    cdef uint8_t* target
    cdef Slice member
    cdef uint32_t bytes, i
    if made == NULL:
        return NULL
    made.count = compact.count
    memcpy(_fingerprints(made), _fingerprints(compact), compact.count)
    if compact.holes == 0:
        memcpy(_offsets(made), _offsets(compact), 2 * <size_t>compact.count)
        memcpy(_members(made), _members(compact), compact.used)
        made.used = compact.used
    else:
        target = _members(made)
        for i in range(compact.count):
            source = _members(compact) + _offsets(compact)[i]
            member = compact_set_get(compact, i)
            bytes = <uint32_t>(<const uint8_t*>member.data + member.length - source)
            memcpy(target + made.used, source, bytes)
            _offsets(made)[i] = <uint16_t>made.used
            made.used += bytes
    compact_set_free(heap, compact)
    return made


cdef CompactSet* compact_set_add(Heap* heap, CompactSet* compact, Slice member) noexcept nogil:
    cdef uint32_t bytes = <uint32_t>leb128_bytes(member.length) + <uint32_t>member.length
    cdef uint32_t live, members
    if compact.count == compact.capacity or compact.used + bytes > _room(compact):
        live = compact.used - compact.holes + bytes
        members = compact.count + 1
        if compact.count == compact.capacity:
            members += compact.count // SPARE_FRACTION
        compact = _made_anew(heap, compact, members, live + live // SPARE_FRACTION + LEAST_SPARE_BYTES)
        if compact == NULL:
            return NULL
    leb128_write_slice(<char*>_members(compact) + compact.used, member)
    _fingerprints(compact)[compact.count] = _fingerprint(member)
    _offsets(compact)[compact.count] = <uint16_t>compact.used
    compact.used += bytes
    compact.count += 1
    return compact


cdef CompactSet* compact_set_remove(Heap* heap, CompactSet* compact, uint32_t index) noexcept nogil:
    cdef Slice member = compact_set_get(compact, index)
    cdef CompactSet* made
    compact.holes += <uint32_t>leb128_bytes(member.length) + <uint32_t>member.length
    compact.count -= 1
    _fingerprints(compact)[index] = _fingerprints(compact)[compact.count]
    _offsets(compact)[index] = _offsets(compact)[compact.count]
    if compact.count == 0:
        compact.used = 0
        compact.holes = 0
    # Half empty: give memory back. Where none can be had for a smaller block the larger one will do.
    if compact.holes * 2 > compact.bytes and compact.bytes > 256:
        made = _made_anew(heap, compact, compact.count, compact.used - compact.holes)
        if made != NULL:
            return made
    return compact


cdef void compact_set_check(const CompactSet* compact) noexcept nogil:
    cdef uint64_t live = 0
    cdef uint32_t i
    cdef Slice member
    if not HUTCH_CHECKS:
        return
    invariant(compact.capacity % LANES == 0 and compact.count <= compact.capacity, b"a compact set's capacity")
    invariant(compact.used <= _room(compact) and compact.holes <= compact.used, b"a compact set's bytes")
    for i in range(compact.count):
        invariant(_offsets(compact)[i] < compact.used, b"a compact set's member lies outside")
        member = compact_set_get(compact, i)
        live += <uint32_t>leb128_bytes(member.length) + member.length
        invariant(<const uint8_t*>member.data + member.length <= _members(compact) + compact.used, b"a compact set's member ends outside")
        invariant(_fingerprints(compact)[i] == _fingerprint(member), b"a compact set's fingerprint")
        invariant(compact_set_find(compact, member) == <int32_t>i, b"a compact set has a member twice")
    invariant(live == compact.used - compact.holes, b"a compact set's holes are counted wrong")
