"""MONITOR: sessions that see every command that is run."""
from libc.stddef cimport size_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Session

cdef void monitor_feed(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil
"""Tell all monitors of a command of this session's, unless it is an administrative one. Passwords are left out. The lines are
made by whoever takes them (sessions/monitor_records). Requires the lock. O(monitors * bytes)."""
cdef bint monitor_is_secret(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil
"""Is this word a user's name, a password, or another value that is shown to nobody? O(words); safe within a signal's handler."""
cdef void monitor_leave(Session* session) noexcept nogil
"""End the session's MONITOR; without it nothing happens. O(monitors)"""

cdef void cmd_monitor(Call* call) noexcept nogil
