"""How cjson writes a number: as printf's %.14g does in the C locale."""

cdef enum:
    CJSON_NUMBER_ROOM = 48          # bytes of a number's text, and of its making
    CJSON_PRECISION_MAX = 14

cdef int cjson_spell_number(double number, int precision, char* out) noexcept nogil
"""Text of `number` with at most `precision` significant digits to `out` (CJSON_NUMBER_ROOM bytes, no
terminator); returns its length. Infinities and NaN as the C library has them."""
