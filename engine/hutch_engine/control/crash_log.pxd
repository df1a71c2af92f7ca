"""A report in the log when the process dies of a fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT.

Signals belong to the program: a server of its own has the report unless crash-log-enabled says no, somebody else's program when
crash-log-enabled is set to yes. Whoever handled these signals before (faulthandler, say) is handed them afterwards, and when no engine wants a
report any more, everything is as it was.

The report has the signal, the thread, the stack, and the client and the command that ran, without secrets; with
hide-user-data-from-log without any data. It goes to the log file, without one to standard error. Not to syslog, which is not safe there.
"""
from hutch_engine.state.engine cimport Engine

cdef void crash_log_begin(Engine* engine) noexcept nogil
"""From now on until crash_log_end, which must come before the engine is freed. May be called again. Up to 32 engines have it; more are
left out."""
cdef void crash_log_end(Engine* engine) noexcept nogil
"""No more for this engine. Without crash_log_begin nothing happens."""
