"""The thread that keeps the promises of persistence: begins rewrites and saves when they are due, closes a log that is
switched off, and looks on whether the disk keeps up with the one that is written (persistence/log_writer). It is started when something needs it, and sleeps while nothing happens."""
from hutch_engine.state.engine cimport Engine

cdef bint background_start(Engine* engine) noexcept nogil
"""Make sure that it runs; False when no thread could be had. Requires the lock."""
cdef void background_stop(Engine* engine) noexcept nogil
"""End it, and a snapshot that is being written; what the journal has is written and synced. Requires that the lock is not held."""
cdef void persistence_begin(Engine* engine) noexcept nogil
"""The engine is in service: `save` points are looked at, and a change of appendonly takes effect (persistence_switch_log). Requires
the lock."""
cdef bint persistence_switch_log(Engine* engine) noexcept nogil
"""appendonly has become another one. Switched on, a rewrite begins the log in the background; switched off, it is closed there.
False when it cannot be switched. Requires the lock."""
cdef bint persistence_can_rewrite(Engine* engine) noexcept nogil
"""Make ready what a rewrite needs, also without appendonly: then a base is written, and nothing follows it. Requires the lock."""
cdef void background_wake(Engine* engine) noexcept nogil
"""Something that it goes by has changed (appendonly, save). Requires the lock."""
