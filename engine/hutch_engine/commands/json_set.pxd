"""JSON.SET, JSON.MSET and JSON.MERGE: whole values are written. Each command finds out all that may be wrong before it changes
anything, and has memory promised where several places are to be changed."""
from hutch_engine.commands.call cimport Call

cdef void cmd_json_set(Call* call) noexcept nogil
"""JSON.SET key path value [NX | XX] [FORMAT JSON]: put a value in all places that the path finds, or into the object in which its last
step is missing."""
cdef void cmd_json_mset(Call* call) noexcept nogil
"""JSON.MSET key path value [key path value ...]: all of them, or none."""
cdef void cmd_json_merge(Call* call) noexcept nogil
"""JSON.MERGE key path value: merge by RFC 7396."""
