"""The thread that writes the append-only file and asks the disk to keep it: gathered for some milliseconds, synced every second. It is
started with the first log, and sleeps while nothing happens.

A disk may take its time. As long as the log is not more than two seconds behind, nobody waits for it; then the thread in the background
(persistence/background), which looks on, says so: whoever writes waits for the disk (GATE_SYNC), until it has caught up. So `everysec`
loses two seconds at most, and the journal does not grow without end.
"""
from libc.stdint cimport int64_t
from hutch_engine.state.engine cimport Engine

cdef bint log_writer_start(Engine* engine) noexcept nogil
"""Make sure that it runs; False when no thread could be had. Requires the lock."""
cdef void log_writer_stop(Engine* engine) noexcept nogil
"""End it. Requires Journaling.stopping, and that the lock is not held."""
cdef int64_t log_writer_watch(Engine* engine) noexcept nogil
"""Has it been at one write or sync for too long? Returns after how many microseconds to look again; -1: when Journaling.wake is
raised. Requires the lock."""
