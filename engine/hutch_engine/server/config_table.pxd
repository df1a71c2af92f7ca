"""The rows of the table of parameters: names, kinds, ranges, presets, and where in a Config each value lies.

Filled when this module is imported; constant from then on.
"""
from libc.stdint cimport uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.server.config cimport Parameter

cdef enum:                       # Parameter.kind
    KIND_YES_NO = 0
    KIND_INTEGER = 1
    KIND_MEMORY = 2
    KIND_MEMORY_OR_PERCENT = 3
    KIND_OCTAL = 4
    KIND_CHOICE = 5
    KIND_CHOICES = 6             # several at once: bit i - 1 for choice i, 0 for the first
    KIND_TEXT = 7                # from here on the value is a Buffer ...
    KIND_ADDRESSES = 8
    KIND_DIRECTORY = 9
    KIND_FILE_NAME = 10
    KIND_PERCENTILES = 11
    KIND_HOST_NAME = 12
    KIND_TITLE = 13
    KIND_SAVE = 14
    KIND_LOCALE = 15
    KIND_OUTPUT_LIMITS = 16      # ... and these have structures of their own
    KIND_EVENTS = 17
    KIND_OOM_VALUES = 18

cdef uint32_t config_count() noexcept nogil
cdef const Parameter* config_parameter(uint32_t index) noexcept nogil
cdef const Parameter* config_find(Slice name) noexcept nogil
"""By name or alias, any case; NULL when there is none. O(parameters)."""
