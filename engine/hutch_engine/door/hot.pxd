"""The commands that programs call most, without the reply in between: the same rules, less ceremony.

A hot method runs only when nothing is out of the ordinary: an open session outside MULTI, memory to be had, no
pause, an engine that nobody else is at for more than a microsecond, names and values that are words as they are. Everything
else takes the slow path, the next class's method of the same name. What changes keys is the command's own inner function,
which records its effects; hot_end acts on them.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.clock cimport clock_coarse_s
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_release, lock_try, lock_try_briefly
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command_names cimport command_keeps_name
from hutch_engine.commands.command cimport CMD_MAY_REPLICATE, CMD_WRITE, Command
from hutch_engine.door.session cimport Session
from hutch_engine.door.classes cimport CompiledClient, looked_still_true
from hutch_engine.door.codec cimport Codec
from hutch_engine.executor.admission cimport WAY_CLIENT, admission_finds_memory, admission_is_plain
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due
from hutch_engine.executor.rights cimport rights_whatever_words
from hutch_engine.executor.run cimport run_begin, run_end, run_observed_words
from hutch_engine.state.engine cimport (
    GATE_RENAMED, GATE_SYNC, SESSION_AUTHENTICATED, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_IN_SCRIPT,
    SESSION_MONITOR, SESSION_MULTI, SESSION_NO_TOUCH, SESSION_POSTPONED, SESSION_REPLY_OFF, SESSION_RESTRICTED, SESSION_REPLY_SKIP,
    SESSION_REPLY_SKIP_NEXT,
    SESSION_SUBSCRIBED, SESSION_TRACKING, Engine as EngineStruct, Session as SessionStruct, engine_is_ours)

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyBytes_Check(object value)
    bint PyUnicode_Check(object value)

cdef enum:
    # What makes a session's commands something else than themselves.
    UNUSUAL = (SESSION_MULTI | SESSION_NO_TOUCH | SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT
               | SESSION_BLOCKED | SESSION_POSTPONED | SESSION_SUBSCRIBED | SESSION_MONITOR | SESSION_TRACKING
               | SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY | SESSION_IN_SCRIPT)

cdef class HotMethods(CompiledClient):
    cdef Session hot_session         # None until the first connection; then never another one
    cdef EngineStruct* hot_engine    # borrowed from hot_session
    cdef int64_t hot_monotonic_us    # the monotonic clock less the engine's, when it was attached
    cdef int hot_database            # the one the client was made for

    cdef bint _set_plainly(self, object name, object value) except -1
    cdef object _set_with(self, PyObject* const* args, tuple options)
    cdef object _add(self, object name, int64_t amount, const Command* command)
    cdef object _amount(self, object amount)
    cdef bint _name_keys(self, tuple names, Slice* keys, uint64_t* hashes) except -1
    cdef object _remove(self, tuple names, const Command* command)
    cdef object _left(self, object name, const Command* command, bint seconds)


cdef inline bint hot_is_on(HotMethods self) noexcept:
    """May the compiled methods answer? Then there is a session."""
    return looked_still_true(&self.hot_looked, self)


cdef inline bint hot_word(object value, Codec codec, Slice* word) noexcept:
    """A word whose bytes lie ready in the object. The slow path takes the others."""
    if PyUnicode_Check(value):
        if likely(codec.utf8) and likely(PyUnicode_IS_COMPACT_ASCII(value)):
            word.data = <const char*>PyUnicode_DATA(value)
            word.length = PyUnicode_GET_LENGTH(value)
            return True
        return False
    if PyBytes_Check(value):
        word.data = PyBytes_AS_STRING(value)
        word.length = PyBytes_GET_SIZE(value)
        return True
    return False


cdef inline SessionStruct* hot_begin(HotMethods self, Session session, const Command* command) noexcept:
    """The session, with the engine's lock held and everything as usual; or NULL, and nothing is held."""
    cdef EngineStruct* engine = self.hot_engine
    cdef SessionStruct* core
    cdef int64_t now_s
    if unlikely(not engine_is_ours(engine)):
        return NULL
    if unlikely(not lock_try(&engine.lock)) and not lock_try_briefly(&engine.lock):
        return NULL                      # the slow path waits for it, without the GIL
    core = session.core
    engine.keyspace.now_ms = 0
    if unlikely(engine.closed or core == NULL
                or core.database_index != self.hot_database or (core.flags & (UNUSUAL | SESSION_AUTHENTICATED)) != SESSION_AUTHENTICATED
                or (unlikely(not admission_is_plain(core, command))
                    and (engine.execution.gate & ~<uint32_t>(GATE_SYNC | GATE_RENAMED) != 0
                         or (engine.execution.gate != 0 and command.flags & (CMD_WRITE | CMD_MAY_REPLICATE))
                         or (core.flags & SESSION_RESTRICTED and not rights_whatever_words(core, command))
                         or not admission_finds_memory(core, command, NULL, 0, WAY_CLIENT)))
                or (unlikely(engine.execution.gate & GATE_RENAMED != 0) and not command_keeps_name(&engine.config.names, command))):
        lock_release(&engine.lock)
        return NULL
    now_s = clock_coarse_s(&engine.clock)
    engine.keyspace.access_clock = <uint32_t>now_s
    core.last_command = command
    run_begin(engine, command)
    # CLIENT LIST shows it in seconds: not worth a second look at a clock.
    core.used_us = now_s * 1000000 + self.hot_monotonic_us
    return core


cdef inline void hot_count(SessionStruct* core, const Command* command, Slice* words, size_t count) noexcept nogil:
    """A command ran that no run_command counts. Its words without its name are for those who observe."""
    if unlikely(core.engine.execution.observers != 0):
        run_observed_words(core, command, words, count)
    run_end(core, command, words, count)


cdef inline void hot_end(SessionStruct* core) noexcept nogil:
    """The end of a compiled method: what its command caused is acted on, and the engine's lock is released. Requires the lock."""
    if unlikely(aftermath_is_due(core.engine)):
        aftermath(core.engine)
    lock_release(&core.engine.lock)
