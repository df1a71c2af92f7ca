"""Methods that run a command's own handler, without redis-py in between.

Which there are and what their words are is in door/method_table. They run the handler through `run_command`, and decode its
reply into what redis-py's response callback would have made of it, in one go. As in door/hot, everything out of the ordinary
(options that the table does not know, values that are no words, a session inside MULTI) takes the slow path.
"""
from cpython.object cimport PyObject
from hutch_engine.commands.command cimport Command
from hutch_engine.door.session cimport Session
from hutch_engine.door.codec cimport Arguments
from hutch_engine.door.hot cimport HotMethods
from hutch_engine.door.method_table cimport Method
from hutch_engine.door.replies cimport Shape

cdef class HotCollections(HotMethods):
    cdef Session hot_scripts         # runs scripts, and nothing else; None until the first of them
    cdef bint hot_scripts_run        # one is running; guarded by the engine's lock

    cdef object _run_script(self, const Command* command, object script, object key_count, tuple more)
    cdef object _run(self, const Command* command, Shape shape, Arguments* words)

cdef object hot_call_method(HotCollections self, const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names)
"""A call of this method of the table, with arguments as of a vectorcall. Where anything is out of the ordinary it is
redis-py's."""
