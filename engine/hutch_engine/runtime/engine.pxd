"""The beginning and end of an engine."""
from libc.stdint cimport int32_t, uint64_t
from hutch_engine.state.engine cimport Engine

cdef bint engine_init(Engine* engine, int32_t databases, uint64_t seed) noexcept nogil
"""False when memory was refused: nothing is left of it. The configuration holds its defaults."""
cdef void engine_clear(Engine* engine) noexcept nogil
"""Free everything, left-over sessions too. Housekeeping and listener have been stopped."""
