"""Lines for the log: what scripts and DEBUG LOG write, in Redis's form.

With `syslog-enabled` they go to the system's log. In any case they go to `logfile`, opened anew for every line so that it can be rotated by renaming; without one to standard
output, but only where the process is a server and says so (Engine.logs_to_output): a library keeps off its host's.
"""
from libc.stdint cimport int64_t
from libc.stddef cimport size_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine

cdef void log_write(Engine* engine, int64_t level, Slice text) noexcept nogil
"""Write one line. `level` is LOG_DEBUG to LOG_WARNING; below `loglevel` nothing happens. Text past 1,023 bytes is cut off, as
in Redis. When memory or the file is refused, the line is lost."""
