"""The housekeeping thread: sleeps until the next deadline or chore, works in short slices under the lock.

It is started when something first needs it, and does what must happen though nobody calls: expired
keys go, big values are freed, tables finish resizing, CLIENT PAUSE ends.
"""
from hutch_engine.state.engine cimport Engine

cdef bint housekeeping_start(Engine* engine) noexcept nogil
"""Requires the lock. False when no thread could be had (then keys expire when they are looked at)."""
cdef void housekeeping_stop(Engine* engine) noexcept nogil
"""Ask the thread to end and wait for it. Must not hold the lock, nor the GIL."""
