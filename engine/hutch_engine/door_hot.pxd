"""The commands that programs call most, without the reply in between: the same rules, less ceremony.

A hot method runs only when nothing is out of the ordinary: an open session outside MULTI, nobody
watching keys or hearing events, no memory limit, no pause, names and values that are words as they
are. Everything else takes the general way, the next class's method of the same name.
"""
from libc.stdint cimport int64_t
from hutch_engine.commands.command cimport Command
from hutch_engine.door cimport Session
from hutch_engine.server.engine cimport Engine as EngineStruct

cdef class HotMethods:
    cdef Session hot_session         # None until the first connection; then never another one
    cdef EngineStruct* hot_engine    # borrowed from hot_session
    cdef int64_t hot_monotonic_us    # the monotonic clock less the engine's, when it was attached
    cdef int hot_database            # the one the client was made for
    cdef bint hot_enabled            # nothing about the client is customised

    cdef object _get(self, object name)
    cdef bint _set_plainly(self, object name, object value) except -1
    cdef object _add(self, object name, int64_t amount, const Command* command)
    cdef object _amount(self, object amount)
    cdef object _remove(self, tuple names, const Command* command)
    cdef object _left(self, object name, const Command* command, int64_t* left_out)
