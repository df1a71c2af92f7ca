"""See door.pxd."""
import importlib.machinery
import importlib.util
import os
import threading

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_shrink
from hutch_engine.base.clock cimport clock_now_us, monotonic_us
from hutch_engine.base.lock cimport (lock_acquire, lock_clear, lock_give_way, lock_is_wanted, lock_release, lock_try,
                                     signal_clear, signal_init, signal_prepare, signal_raise, signal_wait)
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.command cimport (ACL_BLOCKING, ACL_DANGEROUS, ACL_SCRIPTING, Command)
from hutch_engine.door_codec cimport (Arguments, Codec, Cursor, arguments_add_command, arguments_clear, arguments_init,
                                      decode_reply)
from hutch_engine.server.blocking cimport blocking_forget, blocking_install, blocking_time_out
from hutch_engine.scripting.function_commands cimport flags_of_script
from hutch_engine.scripting.script_run cimport script_is_of_this_thread
from hutch_engine.server.config_lines cimport config_parse_line
from hutch_engine.server.config_commands cimport config_apply, config_configure
from hutch_engine.server.command_table cimport (command_table_at, command_table_count, command_table_find,
                                                command_table_ids)
from hutch_engine.server.engine cimport (Engine as EngineStruct, Session as SessionStruct, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY,
                                         SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_IN_SCRIPT, SESSION_MONITOR,
                                         SESSION_POSTPONED, SESSION_SUBSCRIBED, SESSION_TRACKING, engine_clear,
                                         engine_init, engine_is_ours,
                                         engine_poke_housekeeping, engine_set_commands,
                                         engine_used_memory, session_free, session_new)
from hutch_engine.keyspace.keyspace cimport keyspace_expire_due
from hutch_engine.server.executor cimport (act_on_effects, EXECUTE_BLOCKED, EXECUTE_POSTPONED, EXECUTED, Executed, execute_known,
                                           resolve_command)
from hutch_engine.server.housekeeping cimport housekeeping_start, housekeeping_stop
from hutch_engine.server.tracking cimport messaging_install, tracking_broadcast
from hutch_engine.server.listener cimport Listener, listener_free, listener_new, listener_open, listener_start
import hutch_engine.server.command_handlers   # fills the command table's handlers

cdef extern from *:
    """
    /* A stack that any thread may push on and that is only ever taken as a whole: no ABA. */
    static inline void hutch_push(void **top, void **next_of_item, void *item) {
        void *seen = __atomic_load_n(top, __ATOMIC_RELAXED);
        do { *next_of_item = seen; }
        while (!__atomic_compare_exchange_n(top, &seen, item, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    }
    static inline void *hutch_take_all(void **top) { return __atomic_exchange_n(top, NULL, __ATOMIC_ACQUIRE); }
    static inline void *hutch_top(void **top) { return __atomic_load_n(top, __ATOMIC_RELAXED); }
    """
    void stack_push "hutch_push"(void** top, void** next_of_item, void* item) noexcept nogil
    void* stack_take_all "hutch_take_all"(void** top) noexcept nogil
    void* stack_top "hutch_top"(void** top) noexcept nogil

cdef enum:
    # Commands in one call from which on the GIL is given up while they run. Others get it meanwhile and
    # keep it for up to their switch interval (5 ms), so short runs are done before anybody would notice.
    GIL_KEPT_COMMANDS = 512
    TURN_COMMANDS = 64               # without the GIL: commands between two looks at who waits for the lock
    POSTPONED_STEP_US = 50000        # between two looks at Python's signals
    SHUTDOWN_STEP_US = 50000
    GREEN_STEP_US = 5000             # between two looks of a greenlet at what rings no bell: CLIENT PAUSE, another's turn
    KEPT_REPLY_BYTES = 4096          # of a session's reply buffer, between calls


cdef bytes _lua_path = None              # of the Lua that scripts run in; b"": there is none


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


# What a signal's handler raised while a script ran, by thread: raised again once the call is back.
cdef dict _interrupts = {}


cdef bint _look_at_signals() noexcept with gil:
    """Engine.look_at_signals. Called without the engine's lock, by a thread that let go of the GIL in its call."""
    try:
        PyErr_CheckSignals()
        return False
    except BaseException as error:
        _interrupts[threading.get_ident()] = error
        return True


cdef int raise_interrupt() except -1:
    if _interrupts:
        interrupt = _interrupts.pop(threading.get_ident(), None)
        if interrupt is not None:
            raise interrupt
    return 0


# How to wait in a thread whose greenlets take turns; see use_greenlets.
cdef object _green_rest = None
cdef object _green_sleep = None


def use_greenlets(rest, sleep):
    """Calls that wait ask these first. `rest(session, seconds, ticket)` waits until there is something for the session to
    see, unless the ticket is due; seconds None: without end. `sleep(seconds)` lets others go on for so long. Both answer
    False, and did nothing, where nobody else wants the thread."""
    global _green_rest, _green_sleep
    _green_rest = rest
    _green_sleep = sleep


@cython.auto_pickle(False)
@cython.final
cdef class Ticket:
    """Of a session's signal, taken before a look at what it is about."""
    cdef Session session                 # keeps the signal
    cdef uint32_t number

    @property
    def is_due(self):
        """Was the signal raised since?"""
        return signal_prepare(&self.session.grave.served) != self.number


cdef int _rest(Session session, uint32_t ticket, int64_t us) except -1:
    """Wait until the session's signal is raised, at most for `us` (-1: without end, or for a moment: look again). Without
    the GIL and the lock; a signal handler that raises (Ctrl-C) ends it, and so does what is raised in a greenlet."""
    cdef Ticket taken
    if _green_rest is not None:
        taken = Ticket()
        taken.session = session
        taken.number = ticket
        if _green_rest(session, None if us < 0 else us / 1e6, taken):
            return 0
    with nogil:
        signal_wait(&session.grave.served, ticket, POSTPONED_STEP_US if us < 0 else min(us, POSTPONED_STEP_US))
    PyErr_CheckSignals()
    return 0


cdef int _sleep(Signal* signal, uint32_t ticket, int64_t us) except -1:
    """The same for a signal that greenlets cannot hear: they look again and again."""
    if _green_sleep is not None and _green_sleep(min(us, GREEN_STEP_US) / 1e6):
        return 0
    with nogil:
        signal_wait(signal, ticket, min(us, POSTPONED_STEP_US))
    PyErr_CheckSignals()
    return 0


class ClosedError(ConnectionError):
    """The engine or the session was closed."""


class ForkedError(ConnectionError):
    """The engine belongs to the process this one was forked from."""


@cython.auto_pickle(False)
cdef class Engine:
    """One store: databases, configuration, sessions, and a listener when asked for.

    `seed` other than 0 makes random choices and hashing repeatable. The exception classes are raised by
    sessions of a closed engine and of an engine that a fork left in the parent process.
    """

    def __cinit__(self, int32_t databases=16, uint64_t seed=0, *, closed_error=ClosedError, forked_error=ForkedError):
        global _lua_path
        if databases < 1:
            raise ValueError("databases must be positive")
        self.closed_error = closed_error
        self.forked_error = forked_error
        self.closed = True
        self.core = <EngineStruct*>calloc(1, sizeof(EngineStruct))
        if self.core == NULL:
            raise MemoryError
        if not engine_init(self.core, databases, seed):
            raise MemoryError
        engine_set_commands(self.core, command_table_find, command_table_at, command_table_count(), command_table_ids())
        if self.core.stats == NULL:
            engine_clear(self.core)
            raise MemoryError
        if _lua_path is None:
            _lua_path = _find_lua()
        if _lua_path:
            self.core.lua_path = PyBytes_AS_STRING(_lua_path)     # kept for as long as this module
        self.core.start_housekeeping = housekeeping_start
        self.core.look_at_signals = _look_at_signals
        self.core.flags_of_script = flags_of_script
        blocking_install(self.core)
        messaging_install(self.core)
        self.closed = False

    def __dealloc__(self):
        cdef Grave* grave
        if self.core == NULL or not engine_is_ours(self.core) and not self.closed:
            return                       # a child's copy of its parent's engine: never touched
        with nogil:
            self._close()
        while self.graves != NULL:
            grave = self.graves
            self.graves = grave.next
            free(grave)
        signal_clear(&self.core.housekeeping)      # now nobody can wait for them any more
        signal_clear(&self.core.pause_over)
        lock_clear(&self.core.lock)
        free(self.core)

    cdef int enter(self) except -1:
        """Take the engine's lock; on an exception it is not held."""
        if not engine_is_ours(self.core):
            raise self.forked_error("this store belongs to the process that made it; after a fork, a child needs "
                                    "a store of its own")
        if not lock_try(&self.core.lock):
            with nogil:
                lock_acquire(&self.core.lock)
        if self.closed:
            lock_release(&self.core.lock)
            raise self.closed_error("the store is closed")
        if stack_top(<void**>&self.graves) != NULL:
            self._bury()
        return 0

    cdef void leave(self) noexcept nogil:
        lock_release(&self.core.lock)

    cdef void _bury(self) noexcept nogil:
        """Free the sessions whose objects went while the lock was taken. Requires the lock."""
        cdef Grave* grave = <Grave*>stack_take_all(<void**>&self.graves)
        cdef Grave* following
        while grave != NULL:
            following = grave.next
            session_free(grave.session)
            free(grave)
            grave = following

    cdef void _close(self) noexcept nogil:
        cdef Listener* listener
        cdef SessionStruct* session
        self.core.stop_scripts = True    # an endless one would never give the lock away, if busy-reply-threshold is 0
        lock_acquire(&self.core.lock)
        if self.closed:
            lock_release(&self.core.lock)
            return
        self.closed = True
        # Whoever waits in a session goes with an exception, and the session's object with the signal may go, too.
        session = self.core.sessions
        while session != NULL:
            if session.served != NULL:
                if session.flags & SESSION_BLOCKED:
                    signal_raise(session.served)
                session.served = NULL
            session = session.next
        listener = self.listener
        self.listener = NULL
        lock_release(&self.core.lock)
        if listener != NULL:
            listener_free(listener)
        housekeeping_stop(self.core)
        lock_acquire(&self.core.lock)
        while self.core.busy:            # a script of another thread, on its way out
            lock_give_way(&self.core.lock)
        while self.core.sessions != NULL:
            session_free(self.core.sessions)   # their objects see `closed` before they look at them
        lock_release(&self.core.lock)
        engine_clear(self.core)

    def close(self):
        """Stop the listener, end all sessions, free everything. May be called again. O(keys)."""
        if not engine_is_ours(self.core):
            return
        if not self.closed and script_is_of_this_thread(self.core):
            raise RuntimeError("a script of this thread is still running in this store")
        with nogil:
            self._close()

    @property
    def is_closed(self):
        return self.closed

    def session(self, error_factory=None, *, bint decode=False, str encoding="utf-8", str errors="strict",
                data_error=TypeError):
        """A new client of this engine. `error_factory(message)` makes the exceptions of error replies."""
        return Session(self, Codec(decode, encoding, errors, error_factory, data_error))

    def configure(self, str name, value):
        """Set a parameter as a line of a redis.conf does, also those that CONFIG SET may not change.
        ValueError with Redis's message when that cannot be."""
        cdef bytes spelled = name.encode()
        cdef bytes text = value.encode() if isinstance(value, str) else bytes(value)
        cdef Slice name_word = slice_of(PyBytes_AS_STRING(spelled), PyBytes_GET_SIZE(spelled))
        cdef Slice value_word = slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        self._configured(name_word, value_word, False)

    def configure_line(self, str line):
        """A whole line of a redis.conf, quotes and all; a blank one or a comment does nothing."""
        cdef bytes text = line.encode()
        self._configured(slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)), slice_of(NULL, 0), True)

    cdef int _configured(self, Slice name, Slice value, bint whole_line) except -1:
        cdef Buffer error
        cdef uint64_t changed = 0
        cdef bint done
        buffer_init(&error, NULL)
        self.enter()
        if whole_line:
            done = config_parse_line(&self.core.config, name, &changed, &error)
            config_apply(self.core, changed)
        else:
            done = config_configure(self.core, name, value, &error)
        self.leave()
        try:
            if not done:
                raise ValueError(error.data[:error.length].decode("utf-8", "replace"))
        finally:
            buffer_clear(&error)
        return 0

    # ---- the clock, for tests

    def set_clock_ms(self, int64_t ms):
        """Hold the engine's clock at this Unix time."""
        self.enter()
        self.core.clock.held = True
        self.core.clock.held_us = ms * 1000
        self._clock_moved()

    def advance_clock_ms(self, int64_t ms):
        """Move the clock, held or running."""
        self.enter()
        if self.core.clock.held:
            self.core.clock.held_us += ms * 1000
        else:
            self.core.clock.offset_us += ms * 1000
        self._clock_moved()

    def release_clock(self):
        """Let the clock run again, from the system's time."""
        self.enter()
        self.core.clock.held = False
        self.core.clock.offset_us = 0
        self._clock_moved()

    cdef void _clock_moved(self) noexcept:
        # At once, not when housekeeping comes to it: tests look right after they moved the clock.
        self.core.keyspace.now_ms = 0
        while not self.core.cron_paused and not self.core.busy and keyspace_expire_due(&self.core.keyspace, 1000):
            pass
        while blocking_time_out(self.core, 1000):
            pass
        act_on_effects(self.core)
        engine_poke_housekeeping(self.core)
        lock_release(&self.core.lock)

    @property
    def clock_ms(self):
        """The engine's Unix time in milliseconds."""
        cdef int64_t now_us
        self.enter()
        now_us = clock_now_us(&self.core.clock)
        self.leave()
        return now_us // 1000

    # ---- the listener

    def start_listener(self, *, bint any_port=False, bint portable_poller=False):
        """Serve on the addresses of the configuration (port, bind, unixsocket), in a native thread.
        `any_port` takes a free TCP port, to be read from `port`. OSError when that cannot be."""
        cdef Listener* listener
        cdef char[256] error
        cdef bint opened = False
        cdef bint started = False
        cdef bint running
        self.enter()
        running = self.listener != NULL
        self.leave()
        if running:
            raise OSError("the listener runs already")
        error[0] = 0
        with nogil:
            listener = listener_new(self.core, portable_poller)
            if listener != NULL:
                listener.any_port = any_port
                opened = listener_open(listener, error, sizeof(error))
                if opened:
                    started = listener_start(listener)
                if not started:
                    listener_free(listener)
                    listener = NULL
        if listener == NULL:
            raise OSError((<bytes>error).decode("utf-8", "replace") if error[0] else
                          "no memory, descriptor or thread for the listener")
        try:
            self.enter()
        except BaseException:
            with nogil:
                listener_free(listener)
            raise
        running = self.listener != NULL
        if not running:
            self.listener = listener
        self.leave()
        if running:
            with nogil:
                listener_free(listener)
            raise OSError("the listener runs already")

    def stop_listener(self):
        """Close its sockets and connections. The engine goes on. Nothing happens without one, nor in a
        child of the process that started it."""
        cdef Listener* listener
        if self.closed or not engine_is_ours(self.core):
            return
        self.enter()
        listener = self.listener
        self.listener = NULL
        self.leave()
        if listener != NULL:
            with nogil:
                listener_free(listener)

    @property
    def port(self):
        """The TCP port that is bound; 0 without one."""
        cdef int32_t port
        self.enter()
        port = self.core.tcp_port if self.listener != NULL else 0
        self.leave()
        return port

    def wait_shutdown(self, timeout=None):
        """Wait until a client says SHUTDOWN, at most `timeout` seconds. Returns whether one did."""
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef bint asked
        cdef uint32_t ticket
        while True:
            self.enter()
            ticket = signal_prepare(&self.core.pause_over)
            asked = self.core.shutdown_asked
            self.leave()
            if asked:
                return True
            left_us = SHUTDOWN_STEP_US
            if end_us >= 0:
                left_us = min(left_us, end_us - monotonic_us())
                if left_us <= 0:
                    return False
            with nogil:
                # SHUTDOWN raises this signal too; the step is for Python's own signals.
                signal_wait(&self.core.pause_over, ticket, left_us)
            PyErr_CheckSignals()

    def log_to_output(self):
        """Lines for the log go to standard output where `logfile` is empty: for processes that are servers."""
        self.enter()
        self.core.logs_to_output = True
        self.leave()

    @property
    def used_memory(self):
        """Bytes: the keyspace and the clients' buffers, as INFO's used_memory."""
        cdef uint64_t used
        self.enter()
        used = engine_used_memory(self.core)
        self.leave()
        return used


# ---- one round under the lock

cdef void take_reply(SessionStruct* session, Taken* taken) noexcept nogil:
    cdef Buffer* reply = &session.reply.buffer
    if reply.failed:
        taken.refused = True
        reply.failed = False
    if taken.length == 0 and taken.big.data == NULL:
        taken.length = reply.length
        if reply.length <= REPLY_SMALL:
            if reply.length:                 # none yet of a command that waits
                memcpy(taken.small, reply.data, reply.length)
            reply.length = 0
            return
        taken.big = reply[0]
        buffer_init(reply, taken.big.account)
    else:
        if taken.big.data == NULL:
            buffer_init(&taken.big, reply.account)
            buffer_append(&taken.big, taken.small, taken.length)
        buffer_append(&taken.big, reply.data, reply.length)
        if taken.big.failed:
            taken.refused = True
        reply.length = 0
        buffer_shrink(reply, KEPT_REPLY_BYTES)
        taken.length = taken.big.length
    taken.data = taken.big.data


cdef void run_commands(SessionStruct** slot, const Command* command, Slice* argv, const size_t* counts, size_t total,
                       bint patient, Taken* taken) noexcept nogil:
    cdef SessionStruct* session = slot[0]
    cdef EngineStruct* engine = session.engine
    cdef Executed outcome = EXECUTED
    cdef size_t done = 0
    cdef bint theirs = False
    taken.ended = False
    session.flags &= ~<uint32_t>SESSION_POSTPONED        # from the last attempt
    engine.gathering = total > 1
    while True:
        outcome = execute_known(session, command, argv, counts[done], False, 0)
        if outcome == EXECUTE_POSTPONED:
            break
        argv += counts[done]
        done += 1
        if outcome != EXECUTED or session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW) or done == total:
            break
        if patient and done % TURN_COMMANDS == 0 and lock_is_wanted(&engine.lock):
            take_reply(session, taken)  # another thread may use this session meanwhile
            _end_gathering(engine)
            lock_give_way(&engine.lock)
            engine.gathering = True
            if slot[0] != session:       # and close it
                taken.ended = True
                break
            if session.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or session.reply.buffer.length:
                theirs = True            # or wait in it, and what is answered there is not ours
                break
        command = resolve_command(engine, argv, counts[done])
        if not patient and _may_take_long(command, counts[done]):
            break                        # the caller goes on without the GIL
    taken.outcome = outcome
    taken.done = done
    _end_gathering(engine)
    if slot[0] == session and not theirs:
        take_reply(session, taken)
        taken.ended = session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW) != 0
        if taken.ended:
            slot[0] = NULL
            session_free(session)
    lock_release(&engine.lock)


cdef inline void _end_gathering(EngineStruct* engine) noexcept nogil:
    engine.gathering = False
    if unlikely(engine.changed.length != 0):
        tracking_broadcast(engine)


cdef inline bint _may_take_long(const Command* command, size_t argc) noexcept nogil:
    """Worth giving up the GIL for, though it may be long until we get it back? A script must: it gives the engine's lock
    away now and then, and nobody may wait for that with the GIL in hand. EXEC may have one in its queue."""
    return argc > 1024 or (command != NULL and
                           (command.acl_categories & (ACL_DANGEROUS | ACL_SCRIPTING | ACL_BLOCKING) != 0
                            or (command.name_length == 4 and memcmp(command.name, b"exec", 4) == 0)))


@cython.auto_pickle(False)
@cython.final
cdef class Replies:
    """Replies of one submission, decoded one by one as they are read."""
    cdef Engine engine                   # keeps the account of `buffer` alive
    cdef Codec codec
    cdef Buffer buffer                   # owned
    cdef size_t offset

    def __cinit__(self, Session session not None):
        self.engine = session.engine
        self.codec = session.codec
        buffer_init(&self.buffer, &self.engine.core.client_bytes)

    def __dealloc__(self):
        buffer_clear(&self.buffer)

    def __bool__(self):
        return self.offset < self.buffer.length

    def read(self, decode=None):
        """The next reply; error replies are returned as exception instances. EOFError past the last."""
        cdef Cursor cursor
        cdef bint text = self.codec.decode if decode is None else decode
        with cython.critical_section(self):
            if self.offset >= self.buffer.length:
                raise EOFError("no reply is left")
            cursor.at = self.buffer.data + self.offset
            cursor.end = self.buffer.data + self.buffer.length
            try:
                found = decode_reply(&cursor, self.codec, text, 0)
            except UnicodeDecodeError:
                # The next one may be read all the same.
                cursor.at = self.buffer.data + self.offset
                decode_reply(&cursor, self.codec, False, 0)
                self.offset = cursor.at - self.buffer.data
                raise
            self.offset = cursor.at - self.buffer.data
        return found


@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class Session:
    """One client of an engine. Any thread may use it; commands of several threads take turns."""

    def __cinit__(self, Engine engine not None, Codec codec not None):
        self.engine = engine
        self.codec = codec
        self.grave = <Grave*>malloc(sizeof(Grave))
        if self.grave == NULL:
            raise MemoryError
        signal_init(&self.grave.served)
        self.open()

    def __dealloc__(self):
        # Waits for nothing: the collector may run this at any point of the program.
        cdef Engine engine = self.engine
        if self.core == NULL or engine is None or not engine_is_ours(engine.core):
            free(self.grave)
            return
        if lock_try(&engine.core.lock):
            if not engine.closed:
                session_free(self.core)
            lock_release(&engine.core.lock)
            free(self.grave)
        else:
            self.grave.session = self.core
            stack_push(<void**>&engine.graves, <void**>&self.grave.next, self.grave)

    def open(self):
        """Begin anew after close, as a fresh connection; nothing happens while open."""
        cdef bint refused = False
        self.engine.enter()
        if self.core == NULL:
            self.core = session_new(self.engine.core, SESSION_EMBEDDED, -1)
            refused = self.core == NULL
            if not refused:
                self.core.served = &self.grave.served
        self.engine.leave()
        if refused:
            raise MemoryError

    def close(self):
        """End this client: watches, a transaction and its name are gone. May be called again."""
        if self.core == NULL or not engine_is_ours(self.engine.core):
            return
        if not lock_try(&self.engine.core.lock):
            with nogil:
                lock_acquire(&self.engine.core.lock)
        # After the engine's end the session is gone, too, and must not be looked at.
        if self.core != NULL and not self.engine.closed and self.core.flags & SESSION_IN_SCRIPT:
            # A thread is inside it, in a script that lets others in: that thread ends the session.
            self.core.flags |= SESSION_CLOSE_NOW
        elif self.core != NULL:
            if not self.engine.closed:
                session_free(self.core)
            self.core = NULL
        lock_release(&self.engine.core.lock)

    cdef int enter(self) except -1:
        """Take the engine's lock for a call of this session; on an exception it is not held."""
        cdef bint killed
        self.engine.enter()
        if self.core == NULL or self.core.flags & SESSION_CLOSE_NOW:
            killed = self.core != NULL
            if killed and not self.core.flags & SESSION_IN_SCRIPT:
                session_free(self.core)
                self.core = NULL
            self.engine.leave()
            raise self.engine.closed_error("Connection closed by server." if killed else "the session is closed")
        return 0

    @property
    def is_open(self):
        """False after close, after the engine's end, and when the session was killed."""
        cdef bint found
        if not engine_is_ours(self.engine.core):
            return False
        if not lock_try(&self.engine.core.lock):
            with nogil:
                lock_acquire(&self.engine.core.lock)
        found = not self.engine.closed and self.core != NULL and not self.core.flags & SESSION_CLOSE_NOW
        lock_release(&self.engine.core.lock)
        return found

    cdef int _wait_a_turn(self) except -1:
        """Another thread waits inside a blocking command of this session, or has not yet taken what it was answered:
        its turn is not over. Releases the lock."""
        cdef uint32_t ticket = signal_prepare(&self.grave.served)
        self.engine.leave()
        return _sleep(&self.grave.served, ticket, POSTPONED_STEP_US)

    cdef int _await_reply(self, Taken* taken) except -1:
        """Wait, without the GIL and the lock, until the blocking command is answered, and take its reply. A signal
        handler that raises (Ctrl-C) ends the wait, unless the reply was there already."""
        cdef SessionStruct* session = self.core
        cdef uint32_t ticket
        while True:
            self.engine.enter()
            if self.core != session or session.flags & SESSION_CLOSE_NOW:
                if self.core == session:
                    session_free(session)
                    self.core = NULL
                self.engine.leave()
                raise self.engine.closed_error("Connection closed by server.")
            ticket = signal_prepare(&self.grave.served)
            if not session.flags & SESSION_BLOCKED:
                take_reply(session, taken)
                taken.ended = session.flags & SESSION_CLOSE_AFTER_REPLY != 0
                if taken.ended:
                    self.core = NULL
                    session_free(session)
                self.engine.leave()
                signal_raise(&self.grave.served)       # other threads may be waiting for their turn
                if taken.refused:
                    raise MemoryError("no memory for the reply")
                return 0
            self.engine.leave()
            try:
                _rest(self, ticket, -1)
            except BaseException:
                self._interrupt(session)
                raise

    cdef int _interrupt(self, SessionStruct* session) except -1:
        """Wait no longer; what was answered meanwhile goes with the exception that ends the call."""
        self.engine.enter()
        if self.core == session:
            blocking_forget(session)
            session.reply.buffer.length = 0
        self.engine.leave()
        return 0

    cdef int run_round(self, Slice* argv, const size_t* counts, size_t total, Taken* taken) except -1:
        """run_commands, with or without the GIL, as it fits. Requires the lock, which is released."""
        cdef const Command* command = resolve_command(self.engine.core, argv, counts[0])
        if total > GIL_KEPT_COMMANDS or _may_take_long(command, counts[0]):
            with nogil:
                run_commands(&self.core, command, argv, counts, total, True, taken)
            raise_interrupt()
        else:
            run_commands(&self.core, command, argv, counts, total, False, taken)
        return 0

    cdef int _execute(self, Arguments* arguments, const size_t* counts, size_t total, Taken* taken) except -1:
        """Run the commands; waits out CLIENT PAUSE. Their replies are in `taken`, its buffer the caller's
        even when this raises."""
        cdef Slice* argv = arguments.argv
        cdef uint32_t ticket
        cdef int64_t left_us
        cdef size_t i
        cdef size_t ran = 0
        while True:
            self.enter()
            if self.core.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or self.core.reply.buffer.length:
                if self.core.flags & SESSION_IN_SCRIPT and script_is_of_this_thread(self.engine.core):
                    self.engine.leave()
                    raise RuntimeError("this session's script is still running")
                self._wait_a_turn()
                continue
            ticket = signal_prepare(&self.engine.core.pause_over)
            left_us = 0
            if self.engine.core.pause_kind:
                left_us = self.engine.core.pause_end_ms * 1000 - clock_now_us(&self.engine.core.clock)
            self.run_round(argv, counts + ran, total - ran, taken)
            if taken.refused:
                raise MemoryError("no memory for the reply")
            if taken.ended or (taken.outcome == EXECUTED and taken.done == total - ran):
                return 0
            for i in range(taken.done):
                argv += counts[ran]
                ran += 1
            if taken.outcome == EXECUTE_BLOCKED:
                self._await_reply(taken)
                if ran == total or taken.ended:
                    return 0
                continue
            if taken.outcome == EXECUTED:
                continue
            _sleep(&self.engine.core.pause_over, ticket, max(left_us, 1000))

    cdef object call(self, tuple words, bint split, int decode):
        """One command; decode: 0 bytes, 1 str, -1 as the codec says. An error reply is raised."""
        cdef Arguments arguments
        cdef Taken taken
        cdef Cursor cursor
        cdef object found = None
        arguments_init(&arguments)
        taken_init(&taken)
        try:
            arguments_add_command(&arguments, self.codec, words, split)
            self._execute(&arguments, &arguments.count, 1, &taken)
            if taken.length == 0:
                return None              # CLIENT REPLY OFF or SKIP
            cursor.at = taken.data
            cursor.end = taken.data + taken.length
            found = decode_reply(&cursor, self.codec, self.codec.decode if decode < 0 else decode, 0)
            if taken.data[0] == b'-':
                raise found
            return found
        finally:
            arguments_clear(&arguments)
            if taken.big.data != NULL:
                buffer_clear(&taken.big)

    def execute(self, args, decode=None):
        """Run one command and return its reply; an error reply is raised, as error_factory made it.

        `args` is a sequence of bytes, str, int, float, bytearray or memoryview."""
        return self.call(tuple(args), False, -1 if decode is None else decode is not False)

    def execute_split(self, args, decode=None):
        """The same for words as redis-py gives them: "CONFIG GET" in front becomes two words."""
        return self.call(tuple(args), True, -1 if decode is None else decode is not False)

    def execute_raw(self, args):
        """Run one command and return the RESP bytes of its reply."""
        cdef Replies replies = self.submit((args,), False)
        return PyBytes_FromStringAndSize(replies.buffer.data, <Py_ssize_t>replies.buffer.length)

    def execute_many(self, commands, decode=None, bint split=False):
        """Run commands one after the other, most often in one round under the lock; returns the list of
        their replies, error replies as exception instances. Other clients' commands may come in between,
        unless MULTI and EXEC are among them."""
        cdef Replies replies = self.submit(commands, split)
        cdef list found = []
        while replies.offset < replies.buffer.length:
            found.append(replies.read(decode))
        return found

    def submit(self, commands, bint split=False):
        """Run commands and return their replies undecoded, as a Replies."""
        cdef Arguments arguments
        cdef Taken taken
        cdef size_t* counts = NULL
        cdef size_t total = 0
        cdef size_t before
        cdef Replies replies = Replies(self)
        cdef list listed = [tuple(command) for command in commands]
        if not listed:
            return replies
        arguments_init(&arguments)
        taken_init(&taken)
        try:
            counts = <size_t*>malloc(len(listed) * sizeof(size_t))
            if counts == NULL:
                raise MemoryError
            for command in listed:
                before = arguments.count
                arguments_add_command(&arguments, self.codec, <tuple>command, split)
                counts[total] = arguments.count - before
                total += 1
            self._execute(&arguments, counts, total, &taken)
            if taken.big.data != NULL:
                replies.buffer = taken.big
                taken.big.data = NULL
            else:
                buffer_append(&replies.buffer, taken.data, taken.length)
                if replies.buffer.failed:
                    raise MemoryError("no memory for the reply")
        finally:
            free(counts)
            arguments_clear(&arguments)
            if taken.big.data != NULL:
                buffer_clear(&taken.big)
        return replies

    @property
    def ticket(self):
        """Moves on whenever there may be something new for this session; see `await_messages`."""
        return signal_prepare(&self.grave.served)

    @property
    def has_messages(self):
        """Have messages come that nobody has received? None when the session is not open."""
        cdef bint found
        try:
            self.enter()
        except (self.engine.closed_error, self.engine.forked_error):
            return None
        found = self.core.inbox.length != 0
        self.engine.leave()
        return found

    def receive(self, timeout=None):
        """Messages to this session (pub/sub, invalidation messages, MONITOR) as a Replies: those that have come, or
        the first to come within `timeout` seconds (None: without end). None when there are none. Waits without the
        GIL and the lock; a signal handler that raises (Ctrl-C) ends the wait, and no message is lost."""
        cdef Replies messages = Replies(self)
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef uint32_t ticket
        cdef bint found
        while True:
            self.enter()
            ticket = signal_prepare(&self.grave.served)
            found = self.core.inbox.length != 0
            if found:
                messages.buffer = self.core.inbox
                buffer_init(&self.core.inbox, messages.buffer.account)
                self.core.inbox_over_since_us = 0
            self.engine.leave()
            if found:
                return messages
            left_us = -1
            if end_us >= 0:
                left_us = end_us - monotonic_us()
                if left_us <= 0:
                    return None
            _rest(self, ticket, left_us)

    def await_messages(self, timeout, since):
        """Wait as `receive` does and take nothing: several readers may wait, and all are to look for themselves. `since`: the
        ticket taken before the last look. False when the time is over."""
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef uint32_t ticket
        cdef bint found
        while True:
            self.enter()
            ticket = signal_prepare(&self.grave.served)
            found = self.core.inbox.length != 0
            self.engine.leave()
            if found or ticket != <uint32_t>since:
                return True
            left_us = -1
            if end_us >= 0:
                left_us = end_us - monotonic_us()
                if left_us <= 0:
                    return False
            _rest(self, ticket, left_us)

    # ---- what the session is

    @property
    def is_listening(self):
        """Does it expect messages: by a subscription, CLIENT TRACKING or MONITOR?"""
        cdef bint found
        self.enter()
        found = self.core.flags & (SESSION_SUBSCRIBED | SESSION_MONITOR | SESSION_TRACKING) != 0
        self.engine.leave()
        return found

    @property
    def id(self):
        """CLIENT ID's number."""
        cdef uint64_t number
        self.enter()
        number = self.core.id
        self.engine.leave()
        return number

    @property
    def protocol(self):
        """2 or 3; setting it does what HELLO does to it."""
        cdef int number
        self.enter()
        number = self.core.reply.resp
        self.engine.leave()
        return number

    @protocol.setter
    def protocol(self, int number):
        if number != 2 and number != 3:
            raise ValueError("protocol must be 2 or 3")
        self.enter()
        self.core.reply.resp = number
        self.engine.leave()

    @property
    def decode(self):
        """Do bulk strings become str?"""
        return self.codec.decode

    @decode.setter
    def decode(self, bint value):
        self.codec.decode = value

    @property
    def encoding(self):
        return self.codec.encoding

    @encoding.setter
    def encoding(self, str value):
        self.codec.encoding = value

    @property
    def errors(self):
        return self.codec.errors

    @errors.setter
    def errors(self, str value):
        self.codec.errors = value
