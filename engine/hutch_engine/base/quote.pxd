"""Words as people type them into redis-cli and redis.conf: in double quotes, with escapes for what cannot be seen."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef void quote_append(Buffer* out, Slice word) noexcept nogil
"""As Redis writes it in MONITOR's lines and in a rewritten redis.conf: \\n, \\r, \\t, \\a, \\b, \\", \\\\ and \\xHH. O(bytes)"""
