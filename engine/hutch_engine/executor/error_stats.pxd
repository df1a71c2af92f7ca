"""INFO errorstats: how often each error was answered, by its first word.

A script can make up as many first words as it likes. Past ERROR_NAMES of them Redis forgets them all, says so in the log and
by the name ERRORSTATS_DISABLED, and counts no more until CONFIG RESETSTAT; so do we.
"""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine

cdef void error_stats_count(Engine* engine, Slice text) noexcept nogil
"""Count an error that was answered, by the first word of `text`; also in total_error_replies. O(ERROR_NAMES)."""
cdef void error_stats_clear(Engine* engine) noexcept nogil
"""Forget all counts (CONFIG RESETSTAT)."""
cdef void error_stats_append(const Engine* engine, Buffer* out) noexcept nogil
"""Append the lines of INFO errorstats, in the order of the names' bytes. Refused memory shows in out.failed."""
