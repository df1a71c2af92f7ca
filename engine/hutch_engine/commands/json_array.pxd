"""Commands about arrays in JSON documents. All that may be wrong is found out before anything is changed."""
from hutch_engine.commands.call cimport Call

cdef void cmd_json_arrappend(Call* call) noexcept nogil
"""JSON.ARRAPPEND key path value [value ...]: how long the arrays are now."""
cdef void cmd_json_arrinsert(Call* call) noexcept nogil
"""JSON.ARRINSERT key path index value [value ...]: in front of that element; how long the arrays are now."""
cdef void cmd_json_arrindex(Call* call) noexcept nogil
"""JSON.ARRINDEX key path value [start [stop]]: where the value stands first, from start on and in front of stop; -1: nowhere."""
cdef void cmd_json_arrpop(Call* call) noexcept nogil
"""JSON.ARRPOP key [FORMAT STRINGS | EXPAND] [path [index]]: take an element out, the last one unless another is named."""
cdef void cmd_json_arrtrim(Call* call) noexcept nogil
"""JSON.ARRTRIM key path start stop: only these elements stay; how many they are."""
