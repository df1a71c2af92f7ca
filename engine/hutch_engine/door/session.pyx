"""See session.pxd."""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport SIZE_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.atomics cimport stack_top
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_shrink
from hutch_engine.base.clock cimport clock_now_us, monotonic_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport (lock_acquire, lock_give_way, lock_is_wanted, lock_release, lock_try, signal_init,
                                     signal_prepare, signal_raise)
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport ACL_BLOCKING, ACL_DANGEROUS, ACL_SCRIPTING, CMD_RUNS_QUEUE, Command
from hutch_engine.commands.command_names cimport command_meant
from hutch_engine.door.codec cimport Arguments, Codec, arguments_add_command, arguments_clear, arguments_init
from hutch_engine.door.replies cimport Cursor, decode_reply, no_reply
from hutch_engine.door.handle cimport EngineHandle
from hutch_engine.door.waits cimport raise_interrupt, wait_in_session, wait_on_signal
from hutch_engine.executor.executor cimport EXECUTE_BLOCKED, EXECUTE_POSTPONED, EXECUTED, Executed, execute_known
from hutch_engine.scripting.script_run cimport script_is_of_this_thread
from hutch_engine.sessions.monitor_records cimport RecordCursor, monitor_records_forget, monitor_records_taken, monitor_records_unpack
from hutch_engine.sessions.session cimport engine_defer_free, engine_free_deferred, engine_leave, session_free, session_new
from hutch_engine.sessions.tracking cimport tracking_broadcast
from hutch_engine.sessions.waiting cimport waiting_forget
from hutch_engine.state.engine cimport (DeferredFree, Engine as EngineStruct, Session as SessionStruct, SESSION_AT_ONCE, SESSION_BLOCKED,
                                         SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_IN_SCRIPT,
                                         SESSION_MONITOR, SESSION_POSTPONED, SESSION_SUBSCRIBED, SESSION_TRACKING,
                                         engine_is_ours)
from hutch_engine.persistence.append_log cimport append_log_commit, append_log_is_waited_for

cdef enum:
    # Commands in one call from which on the GIL is given up while they run. Others get it meanwhile and
    # keep it for up to their switch interval (5 ms), so short runs are done before anybody would notice.
    GIL_KEPT_COMMANDS = 512
    TURN_COMMANDS = 64               # without the GIL: commands between two looks at who waits for the lock
    KEPT_REPLY_BYTES = 4096          # of a session's reply buffer, between calls


# ---- one round under the lock

cdef void take_reply(SessionStruct* session, Taken* taken) noexcept nogil:
    cdef Buffer* reply = &session.reply.buffer
    cdef EngineStruct* engine = session.engine
    if reply.failed:
        taken.refused = True
        reply.failed = False
    if append_log_is_waited_for(engine) and reply.length and engine.journaling.journal.offset != 0:      # else nothing was logged yet
        if taken.sync_offset == 0:
            engine.amid += 1             # until Session.synced
        taken.sync_offset = engine.journaling.journal.offset
        engine.journaling.sync_wanted = False
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
    cdef uint64_t id = session.id
    cdef Executed outcome = EXECUTED
    cdef size_t done = 0
    cdef bint ours = True                # is what the session says about us?
    taken.ended = False
    session.flags &= ~<uint32_t>SESSION_POSTPONED        # from the last attempt
    engine.execution.gathering = total > 1
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
            # Meanwhile the store may have been closed, and the session, too; another one may lie where it was.
            if engine.closed or slot[0] == NULL or slot[0].id != id:
                ours = False
                taken.ended = True
                break
            if session.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or session.reply.buffer.length:
                ours = False             # another thread's turn, and what is answered there is not for us
                break
            if session.flags & SESSION_CLOSE_NOW:
                break
            engine.execution.gathering = True
        command = command_meant(&engine.config.names, argv, counts[done])
        if not patient and _may_take_long(command, counts[done]):
            break                        # the caller goes on without the GIL
    taken.outcome = outcome
    taken.done = done
    if ours:                             # else nothing was gathered, and an engine that is closed may be being cleared
        _end_gathering(engine)
        take_reply(session, taken)
        taken.ended = session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW) != 0
        if taken.ended and not session.flags & SESSION_IN_SCRIPT:
            slot[0] = NULL
            session_free(session)
    if patient:
        engine_leave(engine)
    else:
        lock_release(&engine.lock)


cdef inline void _end_gathering(EngineStruct* engine) noexcept nogil:
    engine.execution.gathering = False
    if unlikely(engine.tracking.changed.length != 0):
        tracking_broadcast(engine)


cdef inline bint _may_take_long(const Command* command, size_t argc) noexcept nogil:
    """Worth giving up the GIL for, though it may be long until we get it back? A script must: it gives the engine's lock
    away now and then, and nobody may wait for that with the GIL in hand. EXEC may have one in its queue."""
    return argc > 1024 or (command != NULL and
                           (command.acl_categories & (ACL_DANGEROUS | ACL_SCRIPTING | ACL_BLOCKING) != 0
                            or command.flags & CMD_RUNS_QUEUE))


@cython.auto_pickle(False)
@cython.final
@cython.no_gc_clear
cdef class Replies:
    """Replies of one submission, decoded one by one as they are read."""
    cdef EngineHandle engine             # keeps the account of `buffer` alive, to the very end
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
        """The next reply; error replies are returned as exception instances. `decode`: do strings become str; None: as the
        session has it.

        EOFError past the last; UnicodeDecodeError for a reply that is no text, and then the next one may be read. O(bytes)
        """
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
    """One client of an engine. Any thread may use it; commands of several threads take turns.

    Where nothing else is said, methods raise the engine's closed_error when the engine or the session has ended, its
    forked_error in a child of the process that made the engine, and RuntimeError while a script of the session still runs in
    the calling thread.
    """

    def __cinit__(self, EngineHandle engine not None, Codec codec not None):
        self.engine = engine
        self.codec = codec
        self.deferred_free = <DeferredFree*>malloc(sizeof(DeferredFree))
        if self.deferred_free == NULL:
            raise MemoryError
        signal_init(&self.deferred_free.served)
        self.open()

    def __dealloc__(self):
        # Waits for nothing: the collector may run this at any point of the program.
        cdef EngineHandle engine = self.engine
        if self.core == NULL or engine is None or not engine_is_ours(engine.core):
            free(self.deferred_free)
            return
        self.deferred_free.session = self.core
        engine_defer_free(engine.core, self.deferred_free)

    # ---- under the engine's lock

    cdef Entered look(self, uint64_t id) noexcept nogil:
        """May it do something? `id`: only if it is still this session; 0: whichever it is. Requires the lock."""
        cdef EngineStruct* engine = self.engine.core
        cdef SessionStruct* core = self.core
        if engine.closed:
            return ENTER_STORE_CLOSED
        if stack_top(<void**>&engine.sessions.deferred_frees) != NULL:
            engine_free_deferred(engine)
        if core == NULL or (id and core.id != id):
            return ENTER_KILLED if id else ENTER_SESSION_CLOSED
        if core.flags & SESSION_CLOSE_NOW:
            if not core.flags & SESSION_IN_SCRIPT:       # then the script's thread is still in it
                session_free(core)
                self.core = NULL
            return ENTER_KILLED
        return ENTERED

    cdef int refuse(self, Entered entered) except -1:
        """Raise what stands against it, if anything does."""
        if entered == ENTERED:
            return 0
        if entered == ENTER_STORE_CLOSED:
            raise self.engine.closed_error("the store is closed")
        if entered == ENTER_OWN_SCRIPT:
            raise RuntimeError("this session's script is still running")
        raise self.engine.closed_error("the session is closed" if entered == ENTER_SESSION_CLOSED
                                       else "Connection closed by server.")

    cdef Entered try_visit(self, SessionAction action, Visit* visit) noexcept:
        """Do it under the lock, if the session is there; without the GIL, if the lock has to be waited for."""
        cdef Entered entered
        if lock_try(&self.engine.core.lock):
            entered = self.look(visit.id)
            if entered == ENTERED:
                action(self, visit)
            lock_release(&self.engine.core.lock)
        else:
            with nogil:
                lock_acquire(&self.engine.core.lock)
                entered = self.look(visit.id)
                if entered == ENTERED:
                    action(self, visit)
                engine_leave(self.engine.core)
        return entered

    cdef int visit(self, SessionAction action, Visit* visit) except -1:
        """The same; what stands against it is raised."""
        self.engine.check_ours()
        return self.refuse(self.try_visit(action, visit))

    cdef int visit_always(self, SessionAction action, Visit* visit) noexcept:
        """Do it under the lock, whatever became of the session and the engine: the action looks for itself."""
        if lock_try(&self.engine.core.lock):
            action(self, visit)
            lock_release(&self.engine.core.lock)
        else:
            with nogil:
                lock_acquire(&self.engine.core.lock)
                action(self, visit)
                engine_leave(self.engine.core)
        return 0

    def open(self):
        """Begin anew after close, as a fresh connection; nothing happens while open. MemoryError when there is no memory."""
        cdef Visit visit
        self.engine.check_ours()
        visit.flag = False
        self.visit_always(_open_session, &visit)
        if self.core == NULL:
            if visit.flag:
                raise MemoryError
            raise self.engine.closed_error("the store is closed")

    def close(self):
        """End this client: watches, a transaction and its name are gone. May be called again; nothing happens in a forked
        child."""
        cdef Visit visit
        if engine_is_ours(self.engine.core):
            self.visit_always(_close_session, &visit)

    @property
    def is_open(self):
        """Is there a client? False after close, after the engine's end, when the session was killed, and in a forked child."""
        cdef Visit visit
        if not engine_is_ours(self.engine.core):
            return False
        self.visit_always(_look_whether_open, &visit)
        return visit.flag

    # ---- running commands

    cdef void run_round(self, const Command* command, Slice* argv, const size_t* counts, size_t total, bint patient,
                        bint at_once, Taken* taken) noexcept nogil:
        """run_commands, if it is this call's turn (taken.entered). Requires the lock, which is released. `at_once`: a command that
        would have to wait is asked for elsewhere then, and nobody takes messages here."""
        cdef EngineStruct* engine = self.engine.core
        cdef SessionStruct* core
        taken.entered = self.look(0)
        if taken.entered == ENTERED:
            core = self.core
            taken.session_id = core.id
            if core.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or core.reply.buffer.length:
                taken.entered = ENTER_TURN
                taken.turn_ticket = signal_prepare(&self.deferred_free.served)
                if core.flags & SESSION_IN_SCRIPT and script_is_of_this_thread(engine):
                    taken.entered = ENTER_OWN_SCRIPT
        if taken.entered != ENTERED:
            lock_release(&engine.lock)
            return
        core.flags = core.flags & ~<uint32_t>SESSION_AT_ONCE | (SESSION_AT_ONCE if at_once else 0)
        if at_once and core.inbox.length:
            buffer_clear(&core.inbox)
            monitor_records_forget(core)
            core.inbox_over_since_us = 0
        taken.pause_ticket = signal_prepare(&engine.pause.over)
        taken.pause_left_us = 0
        if engine.pause.kind:
            taken.pause_left_us = engine.pause.end_ms * 1000 - clock_now_us(&engine.clock)
        run_commands(&self.core, command, argv, counts, total, patient, taken)

    cdef int attempt(self, Slice* argv, const size_t* counts, size_t total, bint at_once, Taken* taken) except -1:
        """One round, with or without the GIL, as it fits. What stood against it is in taken.entered."""
        cdef EngineStruct* engine = self.engine.core
        cdef const Command* command
        self.engine.check_ours()
        command = command_meant(&engine.config.names, argv, counts[0])
        if total > GIL_KEPT_COMMANDS or _may_take_long(command, counts[0]) or not lock_try(&engine.lock):
            with nogil:
                lock_acquire(&engine.lock)
                self.run_round(command, argv, counts, total, True, at_once, taken)
            self.synced(taken)
            raise_interrupt()
        else:
            self.run_round(command, argv, counts, total, False, at_once, taken)
            self.synced(taken)
        return 0

    cdef int synced(self, Taken* taken) except -1:
        """Wait until the disk has what the reply tells of (appendfsync always); when it cannot have it, that is raised."""
        cdef EngineStruct* engine = self.engine.core
        cdef bint done
        if likely(taken.sync_offset == 0):
            return 0
        with nogil:
            done = append_log_commit(engine, taken.sync_offset)
            lock_acquire(&engine.lock)
            engine.amid -= 1
            engine_leave(engine)
        taken.sync_offset = 0
        if not done:
            raise self.codec.error_factory("MISCONF the append-only file could not be written: what this command did may be lost")
        return 0

    cdef int _wait_a_turn(self, uint32_t ticket) except -1:
        return wait_on_signal(&self.deferred_free.served, ticket, -1)

    cdef int _await_reply(self, Taken* taken) except -1:
        """Wait, without the GIL and the lock, until the blocking command is answered, and take its reply. A signal
        handler that raises (Ctrl-C) ends the wait, unless the reply was there already."""
        cdef Visit visit
        visit.id = taken.session_id
        visit.taken = taken
        while True:
            self.visit(take_served, &visit)
            self.synced(taken)
            if visit.flag:
                signal_raise(&self.deferred_free.served)       # other threads may be waiting for their turn
                if taken_is_refused(taken):
                    raise MemoryError("no memory for the reply")
                return 0
            try:
                wait_in_session(self, &self.deferred_free.served, visit.ticket, -1)
            except BaseException:
                # What was answered meanwhile goes with the exception that ends the call.
                if engine_is_ours(self.engine.core):
                    self.try_visit(_drop_wait, &visit)
                raise

    cdef int _execute(self, Arguments* arguments, const size_t* counts, size_t total, Taken* taken) except -1:
        """Run the commands; waits out CLIENT PAUSE. Their replies are in `taken`, its buffer the caller's
        even when this raises."""
        cdef Slice* argv = arguments.argv
        cdef size_t i
        cdef size_t ran = 0
        while True:
            self.attempt(argv, counts + ran, total - ran, False, taken)
            if taken.entered == ENTER_TURN:
                self._wait_a_turn(taken.turn_ticket)
                continue
            self.refuse(taken.entered)
            if taken.refused:
                raise MemoryError("no memory for the reply")
            if taken.ended or (taken.outcome == EXECUTED and taken.done == total - ran):
                if taken_is_refused(taken):
                    raise MemoryError("no memory for the reply")
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
            wait_on_signal(&self.engine.core.pause.over, taken.pause_ticket, max(taken.pause_left_us, 1000))

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
                return no_reply(self.codec)
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

        `args` is a sequence of bytes, str, int, float, bytearray or memoryview. `decode`: do strings become str; None: as the
        session has it. Raises the codec's data_error for an argument that is no word and its silence_error where no reply
        comes; MemoryError.
        """
        return self.call(tuple(args), False, -1 if decode is None else decode is not False)

    def execute_split(self, args, decode=None):
        """The same as execute, for words as redis-py gives them: "CONFIG GET" in front becomes two words."""
        return self.call(tuple(args), True, -1 if decode is None else decode is not False)

    def execute_raw(self, args):
        """Run one command and return the RESP bytes of its reply, none where no reply comes. O(bytes)"""
        cdef Replies replies = self.submit((args,), False)
        return PyBytes_FromStringAndSize(replies.buffer.data, <Py_ssize_t>replies.buffer.length)

    def execute_many(self, commands, decode=None, bint split=False):
        """Run commands one after the other, most often in one round under the lock; returns the list of their replies, error
        replies as exception instances. Other clients' commands may come in between, unless MULTI and EXEC are among them.

        `split` as execute_split does. Raises the codec's data_error for an argument that is no word, and then nothing ran;
        MemoryError. O(commands), besides what they cost.
        """
        cdef Replies replies = self.submit(commands, split)
        cdef list found = []
        while replies.offset < replies.buffer.length:
            found.append(replies.read(decode))
        return found

    def submit(self, commands, bint split=False):
        """Run commands, as execute_many does, and return their replies undecoded, as a Replies."""
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
        """A number that changes whenever there may be something new for this session; see `await_messages`. Raises nothing."""
        return signal_prepare(&self.deferred_free.served)

    @property
    def has_messages(self):
        """Have messages come that nobody has received? None when the session is not open; raises nothing."""
        cdef Visit visit
        visit.id = 0
        if not engine_is_ours(self.engine.core) or self.try_visit(_look_for_messages, &visit) != ENTERED:
            return None
        return visit.flag

    def receive(self, timeout=None):
        """Messages to this session (pub/sub, invalidation messages, MONITOR) as a Replies: those that have come, or
        the first to come within `timeout` seconds (None: without end). None when there are none. Waits without the
        GIL and the lock; a signal handler that raises (Ctrl-C) ends the wait, and no message is lost."""
        cdef Replies messages = Replies(self)
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef Visit visit
        visit.id = 0
        while True:
            self.visit(_take_messages, &visit)
            if visit.flag:
                messages.buffer = visit.buffer
                if visit.records.run:
                    _unpack_records(messages, &visit.records)
                return messages
            left_us = -1
            if end_us >= 0:
                left_us = end_us - monotonic_us()
                if left_us <= 0:
                    return None
            wait_in_session(self, &self.deferred_free.served, visit.ticket, left_us)

    def await_messages(self, timeout, since):
        """Wait as `receive` does and take nothing: several readers may wait, and all are to look for themselves. `since`: the
        ticket taken before the last look. Returns False when `timeout` seconds have passed (None: without end)."""
        cdef int64_t end_us = -1 if timeout is None else monotonic_us() + <int64_t>(<double>timeout * 1e6)
        cdef int64_t left_us
        cdef Visit visit
        visit.id = 0
        while True:
            self.visit(_look_for_messages, &visit)
            if visit.flag or visit.ticket != <uint32_t>since:
                return True
            left_us = -1
            if end_us >= 0:
                left_us = end_us - monotonic_us()
                if left_us <= 0:
                    return False
            wait_in_session(self, &self.deferred_free.served, visit.ticket, left_us)

    # ---- what the session is

    @property
    def is_listening(self):
        """Does it expect messages: by a subscription, CLIENT TRACKING or MONITOR?"""
        cdef Visit visit
        visit.id = 0
        self.visit(_look_whether_listening, &visit)
        return visit.flag

    @property
    def id(self):
        """CLIENT ID's number."""
        cdef Visit visit
        visit.id = 0
        self.visit(_read_id, &visit)
        return visit.number

    @property
    def protocol(self):
        """2 or 3; setting it does what HELLO does to it, and is a ValueError for other numbers."""
        cdef Visit visit
        visit.id = 0
        self.visit(_read_protocol, &visit)
        return visit.number

    @protocol.setter
    def protocol(self, int number):
        cdef Visit visit
        if number != 2 and number != 3:
            raise ValueError("protocol must be 2 or 3")
        visit.id = 0
        visit.number = number
        self.visit(_set_protocol, &visit)

    @property
    def decode(self):
        """Do bulk strings become str?"""
        return self.codec.decode

    @decode.setter
    def decode(self, bint value):
        self.codec.decode = value

    @property
    def encoding(self):
        """The name of the encoding of text. To set one that Python does not know is a LookupError."""
        return self.codec.encoding

    @encoding.setter
    def encoding(self, str value):
        self.codec.encoding = value

    @property
    def errors(self):
        """How bytes that cannot be decoded are handled, as in bytes.decode: "strict", "replace" and so on."""
        return self.codec.errors

    @errors.setter
    def errors(self, str value):
        self.codec.errors = value


# ---- what a session is asked to do, under its engine's lock

cdef void _open_session(Session session, Visit* visit) noexcept nogil:
    cdef EngineStruct* engine = session.engine.core
    if engine.closed:
        session.core = NULL
        return
    if session.core != NULL and session.core.ended:
        session_free(session.core)
        session.core = NULL
    if session.core == NULL:
        session.core = session_new(engine, SESSION_EMBEDDED, -1)
        if session.core == NULL:
            visit.flag = True
        else:
            session.core.served = &session.deferred_free.served


cdef void _close_session(Session session, Visit* visit) noexcept nogil:
    if session.engine.core.closed:
        session.core = NULL              # it went with the engine
    elif session.core != NULL and session.core.flags & SESSION_IN_SCRIPT:
        # A thread is inside it, in a script that lets others in: that thread ends the session.
        session.core.flags |= SESSION_CLOSE_NOW
    elif session.core != NULL:
        session_free(session.core)
        session.core = NULL


cdef void _look_whether_open(Session session, Visit* visit) noexcept nogil:
    visit.flag = not session.engine.core.closed and session.core != NULL and not session.core.flags & SESSION_CLOSE_NOW


cdef void take_served(Session session, Visit* visit) noexcept nogil:
    cdef SessionStruct* core = session.core
    visit.ticket = signal_prepare(&session.deferred_free.served)
    visit.flag = not core.flags & SESSION_BLOCKED
    if visit.flag:
        take_reply(core, visit.taken)
        visit.taken.ended = core.flags & SESSION_CLOSE_AFTER_REPLY != 0
        if visit.taken.ended:
            session.core = NULL
            session_free(core)


cdef void interrupt_wait(Session session, Visit* visit) noexcept nogil:
    cdef SessionStruct* core = session.core
    visit.flag = not core.flags & SESSION_BLOCKED
    if not visit.flag:
        waiting_forget(core)
        core.reply.buffer.length = 0


cdef void _drop_wait(Session session, Visit* visit) noexcept nogil:
    waiting_forget(session.core)
    session.core.reply.buffer.length = 0


cdef void _take_messages(Session session, Visit* visit) noexcept nogil:
    cdef Buffer* inbox = &session.core.inbox
    visit.ticket = signal_prepare(&session.deferred_free.served)
    visit.flag = inbox.length != 0
    if visit.flag:
        visit.buffer = inbox[0]
        visit.records = monitor_records_taken(session.core)
        buffer_init(inbox, visit.buffer.account)
        session.core.inbox_over_since_us = 0


cdef int _unpack_records(Replies messages, RecordCursor* records) except -1:
    """What a monitor was sent becomes text, without the lock."""
    cdef Buffer text
    buffer_init(&text, messages.buffer.account)
    with nogil:
        monitor_records_unpack(&messages.buffer, records, &text, SIZE_MAX)
        buffer_clear(&messages.buffer)
    messages.buffer = text
    if text.failed:
        raise MemoryError("no memory for the messages")
    return 0


cdef void _look_for_messages(Session session, Visit* visit) noexcept nogil:
    visit.ticket = signal_prepare(&session.deferred_free.served)
    visit.flag = session.core.inbox.length != 0


cdef void _look_whether_listening(Session session, Visit* visit) noexcept nogil:
    visit.flag = session.core.flags & (SESSION_SUBSCRIBED | SESSION_MONITOR | SESSION_TRACKING) != 0


cdef void _read_id(Session session, Visit* visit) noexcept nogil:
    visit.number = <int64_t>session.core.id


cdef void _read_protocol(Session session, Visit* visit) noexcept nogil:
    visit.number = session.core.reply.resp


cdef void _set_protocol(Session session, Visit* visit) noexcept nogil:
    session.core.reply.resp = <int>visit.number
