"""See handle.pxd."""
import importlib.machinery
import importlib.util
import os
import warnings

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport strdup
from hutch_engine.base.lock cimport lock_acquire, lock_try
from hutch_engine.door.lifetimes cimport life_abandon, life_end
from hutch_engine.door.spare_tls cimport spare_tls_offer
from hutch_engine.door.waits cimport follow_main_thread, look_at_signals
from hutch_engine.runtime.engine cimport engine_init
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.state.engine cimport Engine as EngineStruct, engine_is_ours
import hutch_engine.runtime.command_handlers   # fills the command table's handlers

cdef bytes _lua_path = None              # of the Lua that scripts run in; b"": there is none
cdef char* _lua_file = NULL              # the same, for good: native threads outlive this module's objects
cdef bytes _ssl_path = None              # the module that Python's ssl is made of; b"": it is part of Python itself
cdef char* _ssl_file = NULL


cdef bytes _find_ssl():
    """The file of Python's module _ssl, whose OpenSSL the listener uses. It is only looked for: nothing is imported."""
    try:
        found = importlib.util.find_spec("_ssl")
    except (ImportError, ValueError, AttributeError):
        return None
    if found is None:
        return None
    return os.fsencode(found.origin) if found.has_location and found.origin else b""


cdef bytes _find_lua():
    """The compiled module of the package lupa that has Lua 5.1 in it. It is only looked for: no module is imported."""
    try:
        package = importlib.util.find_spec("lupa")
        if package is None or not package.submodule_search_locations:
            return b""
        found = importlib.machinery.PathFinder.find_spec("lupa.lua51", package.submodule_search_locations)
    except (ImportError, ValueError, AttributeError):
        return b""
    return b"" if found is None or not found.origin else os.fsencode(found.origin)


class ClosedError(ConnectionError):
    """The engine or the session was closed."""


class ForkedError(ConnectionError):
    """The engine belongs to the process this one was forked from."""


@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class EngineHandle:
    """Owns an engine's struct: see Engine."""

    def __cinit__(self, int32_t databases=16, uint64_t seed=0, *, closed_error=ClosedError, forked_error=ForkedError):
        global _lua_path, _lua_file, _ssl_path, _ssl_file
        cdef EngineStruct* core
        if databases < 1:
            raise ValueError("databases must be positive")
        self.closed_error = closed_error
        self.forked_error = forked_error
        core = <EngineStruct*>calloc(1, sizeof(EngineStruct))
        if core == NULL:
            raise MemoryError
        if not engine_init(core, databases, seed):
            free(core)
            raise MemoryError
        if _lua_path is None:
            _lua_path = _find_lua()
            if _lua_path:
                _lua_file = strdup(PyBytes_AS_STRING(_lua_path))
            _ssl_path = _find_ssl()
            if _ssl_path is not None:
                _ssl_file = strdup(PyBytes_AS_STRING(_ssl_path))
            spare_tls_offer()
        follow_main_thread()
        core.scripts.lua_path = _lua_file
        core.net.ssl_path = _ssl_file
        core.scripts.look_at_signals = look_at_signals
        self.core = core

    def __dealloc__(self):
        # Waits for nothing: the collector may run this at any point of the program. In a forked child, the copy of
        # its parent's engine is never touched.
        if self.core != NULL and engine_is_ours(self.core):
            life_abandon(self.core)

    cdef int check_ours(self) except -1:
        if not engine_is_ours(self.core):
            raise self.forked_error("this store belongs to the process that made it; after a fork, a child needs "
                                    "a store of its own")
        return 0

    cdef int do(self, EngineAction action, void* context) except -1:
        """Do it under the lock, unless the engine is closed: that is raised."""
        cdef bint closed
        self.check_ours()
        if lock_try(&self.core.lock):
            closed = _do(self.core, action, context)
        else:
            with nogil:
                lock_acquire(&self.core.lock)
                closed = _do(self.core, action, context)
        if closed:
            raise self.closed_error("the store is closed")
        return 0

    def close(self):
        """Stop the listener, end all sessions, free everything. May be called again; nothing happens in a forked child. O(keys)

        RuntimeError when a script of this thread is still running in the engine. RuntimeWarning when the disk does not take the end of
        the append-only file: all is closed then, and that end is lost.
        """
        cdef bint done
        if not engine_is_ours(self.core):
            return
        with nogil:
            done = life_end(self.core)
        if not done:
            raise RuntimeError("a script of this thread is still running in this store")
        if self.core.journaling.log_failed:
            self.core.journaling.log_failed = False
            warnings.warn((<bytes>self.core.journaling.log_error).decode("utf-8", "replace"), RuntimeWarning, stacklevel=2)

    @property
    def is_closed(self):
        """Was the engine closed?"""
        return self.core.closed


cdef bint _do(EngineStruct* engine, EngineAction action, void* context) noexcept nogil:
    """Requires the lock, which is released. True: it is closed, and nothing was done."""
    cdef bint closed = engine.closed
    if not closed:
        action(engine, context)
    engine_leave(engine)
    return closed
