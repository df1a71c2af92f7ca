"""Pipelines whose commands are gathered and run without redis-py in between.

The compiled methods keep a command as the tuple of its words, nothing more. As long as nothing but such commands
was gathered, `execute` runs them in one round under the engine's lock, in the client's own session, and shapes their
replies on the spot; a transaction differs by what EXEC would do besides, which is done here (it is counted, blocking
is not asked for, events come command by command) without queue and QUEUED. Everything else makes of them what redis-py
gathers, `command_stack`, and goes redis-py's way.
"""
from cpython.object cimport PyObject
from hutch_engine.door.hot_collections cimport HotCollections
from hutch_engine.door.method_table cimport Method

cdef enum:
    PIPELINE_MAX = 512               # commands in one go; more would keep the GIL and the lock for too long

cdef class HotPipeline:
    cdef HotCollections client       # whose session runs the commands; None: never this way
    cdef list stack                  # redis-py's form, of what was gathered before `staged`
    cdef list staged                 # tuples of words
    cdef public bint watching
    cdef public bint explicit_transaction

    cdef object _execute_now(self, bint transaction, bint raise_on_error)

cdef object hot_stage_method(HotPipeline self, const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names)
"""A call of this method of the table, with arguments as of a vectorcall: the command is gathered, or goes redis-py's way. Returns
the pipeline, unless redis-py runs the command at once."""
