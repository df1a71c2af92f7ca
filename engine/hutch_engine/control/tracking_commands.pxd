"""CLIENT TRACKING, CLIENT CACHING, CLIENT TRACKINGINFO, CLIENT GETREDIR."""
from hutch_engine.commands.call cimport Call

cdef void cmd_client_caching(Call* call) noexcept nogil
cdef void cmd_client_getredir(Call* call) noexcept nogil
cdef void cmd_client_tracking(Call* call) noexcept nogil
cdef void cmd_client_trackinginfo(Call* call) noexcept nogil
