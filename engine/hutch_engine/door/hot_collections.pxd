"""The commands on collections that programs call most, without redis-py in between.

They run the command's own handler, through `run_command`, and decode its reply into what redis-py's response
callback would have made of it, in one go. As in door/hot, everything out of the ordinary (options, values that
are no words, a session inside MULTI) takes the general way.
"""
from cpython.object cimport PyObject
from hutch_engine.commands.command cimport Command
from hutch_engine.door.session cimport Session
from hutch_engine.door.codec cimport Arguments
from hutch_engine.door.hot cimport HotMethods
from hutch_engine.door.hot_replies cimport Shape

cdef class HotCollections(HotMethods):
    cdef Session hot_scripts         # runs scripts, and nothing else; None until the first of them
    cdef bint hot_scripts_run        # one is running; guarded by the engine's lock

    cdef object _run_script(self, const Command* command, object script, object key_count, tuple more)
    cdef object _add_entry(self, object name, dict fields, object id, object maxlen, bint approximate, bint only_present)
    cdef object _run(self, const Command* command, Shape shape, Arguments* words)
    cdef object _answer(self, const Command* command, Shape shape, PyObject* first, PyObject* second,
                        PyObject* third, tuple more)
