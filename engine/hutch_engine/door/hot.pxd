"""The commands that programs call most, without the reply in between: the same rules, less ceremony.

A hot method runs only when nothing is out of the ordinary: an open session outside MULTI, no memory limit, no
pause, an engine that nobody else is at for more than a microsecond, names and values that are words as they are. Everything
else takes the general way, the next class's method of the same name. What changes keys is the command's own inner function,
which records its effects; hot_end acts on them.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from hutch_engine.base.clock cimport clock_coarse_s
from hutch_engine.base.compiler cimport likely, ticks, unlikely
from hutch_engine.base.lock cimport lock_release, lock_try, lock_try_briefly
from hutch_engine.base.memory cimport heap_is_short
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport CMD_WRITE, Command
from hutch_engine.door.session cimport Session
from hutch_engine.door.classes cimport CompiledClient, looked_still_true
from hutch_engine.door.codec cimport Codec
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.state.engine cimport (BUSY_NOT, PAUSE_NONE, SESSION_AUTHENTICATED, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY,
                                         SESSION_CLOSE_NOW, SESSION_IN_SCRIPT, SESSION_MONITOR, SESSION_MULTI, SESSION_NO_TOUCH,
                                         SESSION_POSTPONED, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
                                         SESSION_REPLY_SKIP_NEXT, SESSION_SUBSCRIBED, SESSION_TRACKING,
                                         CommandStats, Engine as EngineStruct, Session as SessionStruct, engine_is_ours)
from hutch_engine.executor.executor cimport act_on_effects
from hutch_engine.executor.latency cimport latency_note

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

cdef enum:
    HOT_SAMPLE = 64

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
    """A word whose bytes lie ready in the object. The general way takes the others."""
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


cdef inline void hot_sample(EngineStruct* engine, const Command* command) noexcept nogil:
    """Before a command that hot_count counts. Two looks at the clock would be a fifth of a GET: the time is taken of the
    first call and then of one in HOT_SAMPLE."""
    engine.hot_ticks = 0 if likely(engine.stats[command.id].calls % HOT_SAMPLE) else ticks()


cdef inline SessionStruct* hot_begin(HotMethods self, Session session, const Command* command) noexcept:
    """The session, with the engine's lock held and everything as usual; or NULL, and nothing is held."""
    cdef EngineStruct* engine = self.hot_engine
    cdef SessionStruct* core
    cdef int64_t now_s
    if unlikely(not engine_is_ours(engine)):
        return NULL
    if unlikely(not lock_try(&engine.lock)) and not lock_try_briefly(&engine.lock):
        return NULL                      # the general way waits for it, without the GIL
    core = session.core
    if unlikely(engine.closed or core == NULL
                or core.database_index != self.hot_database or (core.flags & (UNUSUAL | SESSION_AUTHENTICATED)) != SESSION_AUTHENTICATED
                or engine.pause_kind != PAUSE_NONE or engine.monitor_count != 0 or engine.busy != BUSY_NOT
                or engine.config.maxmemory != 0
                or (command.flags & CMD_WRITE and heap_is_short(&engine.heap))):
        lock_release(&engine.lock)
        return NULL
    engine.keyspace.now_ms = 0
    now_s = clock_coarse_s(&engine.clock)
    engine.keyspace.access_clock = <uint32_t>now_s
    core.last_command = command
    hot_sample(engine, command)
    # CLIENT LIST shows it in seconds: not worth a second look at a clock.
    core.used_us = now_s * 1000000 + self.hot_monotonic_us
    return core


cdef inline void hot_count(SessionStruct* core, const Command* command) noexcept nogil:
    """A command ran that no run_command counts."""
    cdef EngineStruct* engine = core.engine
    cdef CommandStats* stats = &engine.stats[command.id]
    cdef uint64_t elapsed
    stats.calls += 1
    if unlikely(engine.hot_ticks != 0):
        elapsed = ticks() - engine.hot_ticks
        engine.hot_ticks = 0
        stats.ticks += elapsed
        latency_note(engine, stats, elapsed)
    else:
        stats.untimed += 1
    engine.commands_processed += 1
    core.commands += 1


cdef inline void hot_end(SessionStruct* core) noexcept nogil:
    cdef Keyspace* keyspace = &core.engine.keyspace
    if unlikely(keyspace.effect_count != 0 or keyspace.chores != 0 or keyspace.earliest_added_ms != INT64_MAX):
        act_on_effects(core.engine)
    lock_release(&core.engine.lock)
