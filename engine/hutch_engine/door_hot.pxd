"""The commands that programs call most, without the reply in between: the same rules, less ceremony.

A hot method runs only when nothing is out of the ordinary: an open session outside MULTI, nobody
watching keys or hearing events, no memory limit, no pause, names and values that are words as they
are. Everything else takes the general way, the next class's method of the same name.
"""
from libc.stdint cimport int64_t
from hutch_engine.commands.command cimport Command
from hutch_engine.door cimport Session

cdef class HotMethods:
    cdef Session hot_session         # None until the first connection; then never another one
    cdef bint hot_enabled            # nothing about the client is customised

    cdef object _add(self, Session session, object name, int64_t amount, const Command* command)
    cdef object _amount(self, object amount)
    cdef object _remove(self, Session session, tuple names, const Command* command)
    cdef object _left(self, Session session, object name, const Command* command, int64_t* left_out)
