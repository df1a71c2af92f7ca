"""LATENCY: what state/latency_events keeps, and the histograms of executor/latency."""
from hutch_engine.commands.call cimport Call

cdef void cmd_latency_doctor(Call* call) noexcept nogil
cdef void cmd_latency_graph(Call* call) noexcept nogil
cdef void cmd_latency_help(Call* call) noexcept nogil
cdef void cmd_latency_histogram(Call* call) noexcept nogil
cdef void cmd_latency_history(Call* call) noexcept nogil
cdef void cmd_latency_latest(Call* call) noexcept nogil
cdef void cmd_latency_reset(Call* call) noexcept nogil
