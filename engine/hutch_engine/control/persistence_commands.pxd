"""Commands about what is kept on disk."""
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Engine

cdef void cmd_lastsave(Call* call) noexcept nogil
cdef void cmd_save(Call* call) noexcept nogil
cdef void cmd_bgsave(Call* call) noexcept nogil
cdef void cmd_bgrewriteaof(Call* call) noexcept nogil
cdef void debug_reload(Call* call) noexcept nogil
"""DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]: save, forget everything, load what was saved. O(bytes)."""
cdef bint persistence_save_at_end(Engine* engine, bint save, bint no_save) noexcept nogil
"""The server is about to end: save if that is asked for, or wished by the configuration (`save` points). False: it failed, or
an append-only file that was just switched on has not all data yet; the reason is in the log. Requires the lock."""
cdef void debug_load_log(Call* call) noexcept nogil
"""DEBUG LOADAOF: forget everything, and load the append-only file. O(its bytes), during which nobody is served."""
