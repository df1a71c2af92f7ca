"""Eight bytes of a JSON text at once: where a string ends or needs an escape."""
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define HUTCH_JSON_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
    #define HUTCH_JSON_TOPS UINT64_C(0x8080808080808080)
    """
    const uint64_t QUOTES "HUTCH_JSON_EACH(0x22)"
    const uint64_t BACKSLASHES "HUTCH_JSON_EACH(0x5C)"
    const uint64_t SPACES "HUTCH_JSON_EACH(0x20)"
    const uint64_t ONES "HUTCH_JSON_EACH(1)"
    const uint64_t TOPS "HUTCH_JSON_TOPS"

cdef inline uint64_t json_special_bytes(uint64_t word) noexcept nogil:
    """The top bit of each byte that is a quote, a backslash or a control character, and of some behind the first such one. The word
    was loaded in the order of the bytes (little-endian)."""
    cdef uint64_t found = ((word ^ QUOTES) - ONES) & ~(word ^ QUOTES)
    found |= ((word ^ BACKSLASHES) - ONES) & ~(word ^ BACKSLASHES)
    found |= (word - SPACES) & ~word
    return found & TOPS

cdef inline bint json_is_ascii8(uint64_t word) noexcept nogil:
    """Are all eight bytes ASCII?"""
    return word & TOPS == 0
