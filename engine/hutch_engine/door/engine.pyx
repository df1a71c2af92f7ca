"""See engine.pxd."""
import os

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init
from hutch_engine.base.clock cimport clock_now_us, monotonic_us
from hutch_engine.base.lock cimport lock_acquire, signal_prepare, signal_wait
from hutch_engine.base.outcome cimport NOT_FOUND, OK, Outcome
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.control.config_commands cimport config_apply, config_configure, config_read
from hutch_engine.control.crash_log cimport crash_log_begin
from hutch_engine.control.persistence_commands cimport persistence_save_at_end
from hutch_engine.door.codec cimport Codec
from hutch_engine.door.lifetimes cimport STARTED, START_CLOSED, START_RUNS, Started, life_start_listener, life_stop_listener
from hutch_engine.door.session cimport Session
from hutch_engine.door.handle import ClosedError, ForkedError
from hutch_engine.persistence.rdb_input cimport (
    RDB_PUT_NOTHING, RDB_PUT_REPLACE, RDB_READ_CHECKS, RDB_STEP_DONE, RDB_STEP_FAILED, RDB_STEP_MORE, RdbInput, RdbStep, RdbTally,
    rdb_input_place)
from hutch_engine.persistence.rdb_load cimport (
    RdbLoad, rdb_load_begin, rdb_load_end, rdb_load_flags, rdb_load_path, rdb_load_some)
from hutch_engine.persistence.background cimport persistence_begin
from hutch_engine.persistence.log_load cimport (
    LOG_LOAD_FAILED, LOG_LOAD_MORE, LogLoad, LogLoadStep, log_load_begin, log_load_end, log_load_some)
from hutch_engine.persistence.saving cimport saving_save
from hutch_engine.sessions.session cimport engine_leave
from hutch_engine.control.oom_score cimport oom_score_set
from hutch_engine.control.process_title cimport process_title_set
from hutch_engine.runtime.clock_moves cimport (
    CLOCK_ADVANCE, CLOCK_HOLD, CLOCK_HOLD_NOW, CLOCK_RELEASE, CLOCK_RUN_FROM, ClockMoveKind, clock_moves)
from hutch_engine.sessions.users cimport users_load
from hutch_engine.state.config cimport CHANGED_PASSWORD, CHANGED_USERS
from hutch_engine.state.config_lines cimport config_parse_line
from hutch_engine.state.config_table cimport Parameter, config_find, config_is_idle
from hutch_engine.state.engine cimport (Engine as EngineStruct, engine_is_ours, engine_set_loading,
    engine_wake_housekeeping, engine_used_memory)

cdef enum:
    SHUTDOWN_STEP_US = 50000         # between two looks at Python's signals
    LOAD_STEP_US = 50000             # the same, while a file is loaded


@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class Engine(EngineHandle):
    """One store: databases, configuration, sessions, and a listener when asked for.

    `seed` other than 0 makes random choices and hashing repeatable. The exception classes are raised by methods of a closed
    engine and of its sessions (`closed_error`), and in a process that was forked from the one that made it (`forked_error`).
    ValueError for fewer databases than one, MemoryError when there is no memory.
    """

    def session(self, error_factory=None, *, bint decode=False, str encoding="utf-8", str errors="strict",
                data_error=TypeError, silence_error=None, bint bytearrays=True):
        """A new Session, a client of this engine.

        `error_factory(message)` makes the exceptions of error replies; `data_error` is raised for an argument that is no word;
        `silence_error` where CLIENT REPLY lets no reply come. `bytearrays`: a bytearray is a word. `decode`, `encoding` and `errors` are redis-py's. Raises the
        engine's closed_error or forked_error, and LookupError for an encoding that Python does not know.
        """
        return Session(self, Codec(decode, encoding, errors, error_factory, data_error, silence_error, bytearrays))

    def configure(self, str name, value):
        """Set a parameter as a line of a redis.conf does, also those that CONFIG SET may not change. `value` is str or bytes.

        ValueError with Redis's message when that cannot be; the engine's closed_error or forked_error.
        """
        cdef bytes spelled = name.encode()
        # A path may have bytes that are no text (os.fsdecode).
        cdef bytes text = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
        cdef Slice name_word = slice_of(PyBytes_AS_STRING(spelled), PyBytes_GET_SIZE(spelled))
        cdef Slice value_word = slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        self._configured(name_word, value_word, False)

    def configure_line(self, str line):
        """Apply a whole line of a redis.conf, quotes and all; a blank one or a comment does nothing. Raises what configure
        does."""
        cdef bytes text = line.encode("utf-8", "surrogateescape")      # a file's bytes, whatever they are
        self._configured(slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)), slice_of(NULL, 0), True)

    def use_config_file(self, path):
        """Set the absolute path of the redis.conf that the configuration came from, for INFO and CONFIG REWRITE. Raises the
        engine's closed_error or forked_error."""
        cdef bytes name = os.fsencode(path)
        cdef Slice word = slice_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        self.do(_name_config_file, &word)

    def parameter(self, str name):
        """The value of a parameter as CONFIG GET shows it, whatever clients call that command. KeyError for one that is not there; the
        engine's closed_error or forked_error."""
        cdef Setting asked
        cdef bytes spelled = name.encode()
        asked.name = slice_of(PyBytes_AS_STRING(spelled), PyBytes_GET_SIZE(spelled))
        buffer_init(&asked.error, NULL)
        self.do(_read_parameter, &asked)
        try:
            if not asked.done:
                raise KeyError(name)
            return _text_of(&asked.error)
        finally:
            buffer_clear(&asked.error)

    def no_effect(self, str name):
        """Why a parameter may be set and does nothing here; "" for one that does something, and for one that is not there."""
        cdef bytes spelled = name.encode()
        cdef const Parameter* parameter = config_find(slice_of(PyBytes_AS_STRING(spelled), PyBytes_GET_SIZE(spelled)))
        return parameter.why.decode() if parameter != NULL and config_is_idle(parameter) else ""

    cdef int _configured(self, Slice name, Slice value, bint whole_line) except -1:
        cdef Setting setting
        setting.name = name
        setting.value = value
        setting.whole_line = whole_line
        buffer_init(&setting.error, NULL)
        self.do(_set_parameter, &setting)
        try:
            if not setting.done:
                raise ValueError(setting.error.data[:setting.error.length].decode("utf-8", "replace"))
        finally:
            buffer_clear(&setting.error)
        return 0

    def load_users(self):
        """Read the file of users that `aclfile` names, if it does and has not been read. To be called when the configuration is whole;
        what begins to serve does so, too.

        ValueError with all that is wrong with the file, or when there are users in the configuration as well. Raises the engine's
        closed_error or forked_error. O(bytes)
        """
        cdef Setting setting
        buffer_init(&setting.error, NULL)
        self.do(_load_users, &setting)
        try:
            if not setting.done:
                raise ValueError(_text_of(&setting.error))
        finally:
            buffer_clear(&setting.error)

    # ---- the clock, for tests

    def set_clock_ms(self, ms, *, bint through=False):
        """Hold the engine's clock at this Unix time in milliseconds; fractions are microseconds. What is due by then expires at
        once. A key lives through the millisecond of its deadline: with `through`, a move forward takes with it what this one
        ends. Raises the engine's closed_error or forked_error. O(keys that expire)"""
        self._move_clock(CLOCK_HOLD, round(ms * 1000), through)

    def advance_clock_ms(self, ms, *, bint through=False):
        """Move the clock, held or running, by so many milliseconds; see set_clock_ms."""
        self._move_clock(CLOCK_ADVANCE, round(ms * 1000), through)

    def hold_clock(self):
        """Hold the engine's clock where it is. Raises the engine's closed_error or forked_error."""
        self._move_clock(CLOCK_HOLD_NOW, 0)

    def run_clock_from_ms(self, ms):
        """Let the clock run on from this Unix time in milliseconds; see set_clock_ms."""
        self._move_clock(CLOCK_RUN_FROM, round(ms * 1000))

    def release_clock(self):
        """Let the clock run again, from the system's time. Raises the engine's closed_error or forked_error."""
        self._move_clock(CLOCK_RELEASE, 0)

    def keep_due(self, bint keep=True):
        """From now on nothing expires but by commands, as while a log is read: what is past its deadline is there, keys and fields. For
        tools that look at files. Raises the engine's closed_error or forked_error."""
        self.do(_keep_due, &keep)

    cdef int _move_clock(self, ClockMoveKind kind, int64_t us, bint through=False) except -1:
        cdef ClockMove move
        move.kind = kind
        move.through = through
        move.us = us
        return self.do(_clock_moved, &move)

    @property
    def clock_ms(self):
        """The engine's Unix time in milliseconds. Raises the engine's closed_error or forked_error."""
        cdef int64_t now_us = 0
        self.do(_read_clock, &now_us)
        return now_us // 1000

    @property
    def clock_us(self):
        """The engine's Unix time in microseconds. Raises the engine's closed_error or forked_error."""
        cdef int64_t now_us = 0
        self.do(_read_clock, &now_us)
        return now_us

    @property
    def clock_is_held(self):
        """Does the clock stand still? Raises the engine's closed_error or forked_error."""
        cdef bint held = False
        self.do(_read_whether_held, &held)
        return held

    # ---- the listener

    def start_listener(self, *, bint any_port=False, bint any_tls_port=False, bint portable_poller=False):
        """Serve on the addresses of the configuration (port, tls-port, bind, unixsocket), in a native thread. `any_port` takes a free
        TCP port, to be read from `port`, `any_tls_port` one for TLS; `portable_poller` does without epoll.

        OSError when an address cannot be had or a listener runs already; ValueError for a file of users that cannot be read
        (load_users); the engine's closed_error or forked_error.
        """
        cdef char[256] error
        cdef Started outcome
        self.check_ours()
        self.load_users()
        with nogil:
            outcome = life_start_listener(self.core, any_port, any_tls_port, portable_poller, error, sizeof(error))
        if outcome == START_CLOSED:
            raise self.closed_error("the store is closed")
        if outcome == START_RUNS:
            raise OSError("the listener runs already")
        if outcome != STARTED:
            raise OSError((<bytes>error).decode("utf-8", "replace") if error[0] else
                          "no memory, descriptor or thread for the listener")

    def stop_listener(self):
        """Close the listener's sockets and connections. The engine goes on. Nothing happens without a listener, nor in a child
        of the process that started it. O(connections)"""
        if not engine_is_ours(self.core):
            return
        with nogil:
            life_stop_listener(self.core)

    @property
    def tls_port(self):
        """The TLS port that is bound; 0 without one. Raises the engine's closed_error or forked_error."""
        cdef int32_t port = 0
        self.do(_read_tls_port, &port)
        return port

    @property
    def port(self):
        """The TCP port that is bound; 0 without one. Raises the engine's closed_error or forked_error."""
        cdef int32_t port = 0
        self.do(_read_port, &port)
        return port

    def wait_shutdown(self, timeout=None):
        """Wait until a client says SHUTDOWN, at most `timeout` seconds (None: without end). Returns whether one did. Waits
        without the GIL; what a signal handler raises ends the wait. Raises the engine's closed_error or forked_error."""
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef Asked asked
        while True:
            self.do(_look_for_shutdown, &asked)
            if asked.shutdown:
                return True
            left_us = SHUTDOWN_STEP_US
            if end_us >= 0:
                left_us = min(left_us, end_us - monotonic_us())
                if left_us <= 0:
                    return False
            with nogil:
                # SHUTDOWN raises this signal too; the step is for Python's own signals.
                signal_wait(&self.core.pause.over, asked.ticket, left_us)
            PyErr_CheckSignals()

    def log_to_output(self):
        """Write lines for the log to standard output where `logfile` is empty: for processes that are servers. Raises the
        engine's closed_error or forked_error."""
        self.do(_log_to_output, NULL)

    def log_crashes(self):
        """Write a report to the log when the process dies of a fault, until the engine ends (control/crash_log): for processes that
        are servers. Raises the engine's closed_error or forked_error."""
        self.do(_log_crashes, NULL)

    # ---- files

    def save(self):
        """Write all databases into `dbfilename` in `dir`, as SAVE does. OSError with the reason when that fails: the old file is
        whole then. Others wait meanwhile. Raises the engine's closed_error or forked_error. O(bytes)"""
        cdef Buffer error
        cdef int outcome
        self.check_ours()
        buffer_init(&error, NULL)
        with nogil:
            outcome = _save_now(self.core, &error)
        try:
            if outcome == SAVE_CLOSED:
                raise self.closed_error("the store is closed")
            if outcome == SAVE_FAILED:
                raise OSError("saving failed at " + _text_of(&error))
        finally:
            buffer_clear(&error)

    def save_before_end(self, bint save=False, bint no_save=False):
        """Save if that is asked for, or wished by `save` points in the configuration. Returns False when it failed, and then the
        reason is in the log. Raises the engine's closed_error or forked_error. O(bytes)"""
        cdef int outcome
        self.check_ours()
        with nogil:
            outcome = _save_at_end(self.core, save, no_save)
        if outcome == SAVE_CLOSED:
            raise self.closed_error("the store is closed")
        return outcome == SAVED

    def announce_loading(self):
        """From now on, until `load` is over, clients hear LOADING: for servers that listen before they load. Raises the engine's
        closed_error or forked_error."""
        self.do(_announce_loading, NULL)

    def load(self, path=None, *, progress=None):
        """Load the file that SAVE writes, or the one at `path`, in place of what is in the store. Clients hear LOADING meanwhile.

        `progress(loaded, total)` is called now and then with bytes; what it raises, or a signal's handler, ends the loading. Returns
        a dict of figures (keys, expired, skipped, bytes), or None when there is no such file. ValueError when the file cannot
        be loaded, and says why: nothing has changed then. Raises the engine's closed_error or forked_error. O(bytes)
        """
        return self._read_file(path, RDB_PUT_REPLACE, 0, progress)

    def restore(self, *, progress=None):
        """What a server does when it starts: load its append-only file where `appendonly` says that it keeps one, and keep it from
        then on (it is begun where there is none); else load the file that SAVE writes. Clients hear LOADING meanwhile.

        `progress(loaded, total)` is called now and then with bytes; what it raises, or a signal's handler, ends the loading.
        ValueError when the files cannot be loaded, or written, and says why. Raises the engine's closed_error or
        forked_error. O(bytes)
        """
        cdef Restoring restoring
        self.check_ours()
        self.load_users()
        self.do(_ask_for_log, &restoring)
        if restoring.from_log:
            self._open_log(progress)
        else:
            self.load(progress=progress)
        self.do(_begin_service, NULL)

    cdef int _open_log(self, progress) except -1:
        cdef LogLoad load
        cdef LogLoadStep step = LOG_LOAD_FAILED
        cdef bint done = False
        with nogil:
            if log_load_begin(&load, self.core):
                step = LOG_LOAD_MORE
        try:
            while step == LOG_LOAD_MORE:
                with nogil:
                    step = log_load_some(&load, LOAD_STEP_US)
                PyErr_CheckSignals()
                if progress is not None:
                    progress(self.core.persistence.loading_loaded_bytes, self.core.persistence.loading_total_bytes)
        finally:
            with nogil:
                done = log_load_end(&load)
            text = _text_of(&load.error)
            buffer_clear(&load.error)
        if not done:
            self.check_open()
            raise ValueError(text)
        return 0

    def settle(self):
        """Without anything to load: from now on, changes of `appendonly` and `save` take effect at once. ValueError for a file of users
        that cannot be read (load_users). Raises the engine's closed_error or forked_error."""
        self.load_users()
        self.do(_begin_service, NULL)

    def check_file(self, path, *, progress=None):
        """Read an RDB file without keeping anything of it. Returns a dict: version (int), valkey (bool), bytes, keys and expired;
        `kept` and `lost`, lists of (database, type, keys, byte at which the first begins); `notes`, quoted lines (AUX fields,
        libraries, whether more follows the end); `error`, the text of what the file is refused for, or "".

        FileNotFoundError when there is no such file. Raises the engine's closed_error or forked_error. O(bytes)
        """
        found = self._read_file(path, RDB_PUT_NOTHING, RDB_READ_CHECKS, progress)
        if found is None:
            raise FileNotFoundError(f"there is no file {os.fsdecode(path)}")
        return found

    cdef object _read_file(self, path, int how, uint32_t flags, progress):
        cdef RdbLoad load
        cdef Outcome opened
        cdef RdbStep step = RDB_STEP_FAILED
        cdef bytes name
        cdef const char* at
        cdef Reading reading
        self.check_ours()
        buffer_init(&reading.path, NULL)
        reading.flags = flags
        self.do(_read_settings, &reading)
        name = os.fsencode(path) if path is not None else reading.path.data[:max(reading.path.length, 1) - 1]
        buffer_clear(&reading.path)
        at = PyBytes_AS_STRING(name)
        with nogil:
            opened = rdb_load_begin(&load, self.core, at, reading.flags, how)
        try:
            if opened == NOT_FOUND:
                return None
            step = RDB_STEP_MORE if opened == OK else RDB_STEP_FAILED
            while step == RDB_STEP_MORE:
                with nogil:
                    step = rdb_load_some(&load, LOAD_STEP_US)
                PyErr_CheckSignals()
                if progress is not None:
                    progress(rdb_input_place(&load.input), load.input.file_bytes)
            if how == RDB_PUT_NOTHING:
                return _report(&load.input, step)
            if step != RDB_STEP_DONE:
                self.check_open()
                raise ValueError(_text_of(&load.input.error))
            return {"keys": load.input.keys, "expired": load.input.expired, "skipped": load.input.skipped,
                    "bytes": load.input.end_position}
        finally:
            with nogil:
                rdb_load_end(&load)

    cdef int check_open(self) except -1:
        if self.core.closed:
            raise self.closed_error("the store is closed")
        return 0

    @property
    def used_memory(self):
        """Bytes that the keyspace and the clients' buffers take, as INFO's used_memory. Raises the engine's closed_error or
        forked_error."""
        cdef uint64_t used = 0
        self.do(_read_used_memory, &used)
        return used


# ---- what an engine is asked to do, under its lock

cdef struct Setting:
    Slice name                       # or a whole line
    Slice value
    bint whole_line
    bint done
    Buffer error                     # owned by who asks; or the value that was asked for

cdef void _name_config_file(EngineStruct* engine, void* context) noexcept nogil:
    cdef Slice* name = <Slice*>context
    engine.config.config_file.length = 0
    buffer_append(&engine.config.config_file, name.data, name.length)


cdef struct ClockMove:
    ClockMoveKind kind
    bint through                     # the millisecond in which the clock arrives
    int64_t us

cdef struct Asked:
    bint shutdown
    uint32_t ticket                  # of Engine.pause.over


cdef void _set_parameter(EngineStruct* engine, void* context) noexcept nogil:
    cdef Setting* setting = <Setting*>context
    cdef uint64_t changed = 0
    if setting.whole_line:
        setting.done = config_parse_line(&engine.config, setting.name, &changed, &setting.error)
        if changed & CHANGED_PASSWORD and engine.config.users.length:
            changed |= CHANGED_USERS         # what a line says of the default user goes before requirepass, wherever it stands
        config_apply(engine, changed)
    else:
        setting.done = config_configure(engine, setting.name, setting.value, &setting.error)


cdef void _read_parameter(EngineStruct* engine, void* context) noexcept nogil:
    cdef Setting* asked = <Setting*>context
    asked.done = config_read(engine, asked.name, &asked.error)


cdef void _load_users(EngineStruct* engine, void* context) noexcept nogil:
    cdef Setting* setting = <Setting*>context
    setting.done = True
    if engine.config.aclfile.length == 0 or engine.users.from_file:
        return
    if engine.config.users.length:
        setting.done = False
        buffer_append_text(&setting.error, b"Configuring Redis with users defined in redis.conf and at the same setting an ACL file path "
                                           b"is invalid. This setup is very likely to lead to configuration errors and security holes, "
                                           b"please define either an ACL file or declare users directly in your redis.conf, but not "
                                           b"both.")
        return
    setting.done = users_load(engine, NULL, &setting.error)


cdef void _clock_moved(EngineStruct* engine, void* context) noexcept nogil:
    cdef ClockMove* move = <ClockMove*>context
    clock_moves(engine, move.kind, move.us, move.through)


cdef void _keep_due(EngineStruct* engine, void* context) noexcept nogil:
    engine.keyspace.loading = (<bint*>context)[0]
    engine_wake_housekeeping(engine)


cdef void _read_clock(EngineStruct* engine, void* context) noexcept nogil:
    (<int64_t*>context)[0] = clock_now_us(&engine.clock)


cdef void _read_tls_port(EngineStruct* engine, void* context) noexcept nogil:
    (<int32_t*>context)[0] = engine.net.tls_port if engine.net.listener != NULL else 0


cdef void _read_whether_held(EngineStruct* engine, void* context) noexcept nogil:
    (<bint*>context)[0] = engine.clock.held


cdef void _read_port(EngineStruct* engine, void* context) noexcept nogil:
    (<int32_t*>context)[0] = engine.net.tcp_port if engine.net.listener != NULL else 0


cdef void _look_for_shutdown(EngineStruct* engine, void* context) noexcept nogil:
    cdef Asked* asked = <Asked*>context
    asked.ticket = signal_prepare(&engine.pause.over)
    asked.shutdown = engine.shutdown_asked


cdef void _log_crashes(EngineStruct* engine, void* context) noexcept nogil:
    crash_log_begin(engine)


cdef void _log_to_output(EngineStruct* engine, void* context) noexcept nogil:
    cdef Buffer ignored                  # the log has it: a server that may not be spared starts all the same, as Redis does
    engine.logs_to_output = True
    process_title_set(engine)
    buffer_init(&ignored, NULL)
    oom_score_set(engine, &ignored)
    buffer_clear(&ignored)


# ---- files

cdef enum:
    SAVED
    SAVE_FAILED
    SAVE_CLOSED

cdef struct Reading:
    Buffer path                      # of the file that SAVE writes
    uint32_t flags


cdef str _text_of(const Buffer* text):
    return text.data[:text.length].decode("utf-8", "replace") if text.length else ""


cdef void _read_settings(EngineStruct* engine, void* context) noexcept nogil:
    cdef Reading* reading = <Reading*>context
    rdb_load_path(engine, &reading.path)
    reading.flags |= rdb_load_flags(engine)


cdef struct Restoring:
    bint from_log


cdef void _ask_for_log(EngineStruct* engine, void* context) noexcept nogil:
    (<Restoring*>context).from_log = engine.config.appendonly != 0


cdef void _begin_service(EngineStruct* engine, void* context) noexcept nogil:
    persistence_begin(engine)


cdef void _announce_loading(EngineStruct* engine, void* context) noexcept nogil:
    engine_set_loading(engine, True)


cdef int _save_now(EngineStruct* engine, Buffer* error) noexcept nogil:
    cdef int outcome = SAVE_CLOSED
    lock_acquire(&engine.lock)
    if not engine.closed:
        outcome = SAVED if saving_save(engine, error) else SAVE_FAILED
    engine_leave(engine)
    return outcome


cdef int _save_at_end(EngineStruct* engine, bint save, bint no_save) noexcept nogil:
    cdef int outcome = SAVE_CLOSED
    lock_acquire(&engine.lock)
    if not engine.closed:
        outcome = SAVED if persistence_save_at_end(engine, save, no_save) else SAVE_FAILED
    engine_leave(engine)
    return outcome


cdef dict _report(const RdbInput* input, RdbStep step):
    cdef const RdbTally* tallies = <const RdbTally*>input.tallies.data
    cdef size_t i
    kept = []
    lost = []
    for i in range(input.tallies.length // sizeof(RdbTally)):
        (kept if tallies[i].kept else lost).append(
            (tallies[i].database, (<bytes>tallies[i].type).decode("latin-1"), tallies[i].keys, tallies[i].position))
    return {
        "version": input.version, "valkey": bool(input.of_valkey),
        "bytes": input.end_position if step == RDB_STEP_DONE else rdb_input_place(input),
        "keys": input.keys, "expired": input.expired, "kept": kept, "lost": lost,
        "notes": _text_of(&input.notes).splitlines(), "error": "" if step == RDB_STEP_DONE else _text_of(&input.error),
    }


cdef void _read_used_memory(EngineStruct* engine, void* context) noexcept nogil:
    (<uint64_t*>context)[0] = engine_used_memory(engine)
