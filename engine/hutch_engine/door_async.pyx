"""See door_async.pxd."""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from posix.unistd cimport getpid
from hutch_engine.base.buffer cimport buffer_append, buffer_clear, buffer_init
from hutch_engine.base.lock cimport lock_acquire, lock_release, lock_try
from hutch_engine.door cimport Engine, Session, Taken, run_commands, take_reply, taken_init
from hutch_engine.door_codec cimport (Arguments, Codec, Cursor, arguments_add_command, arguments_clear, arguments_init,
                                      decode_reply, no_reply)
from hutch_engine.server.bell cimport bell_drop, bell_new, bell_ring, bell_take
from hutch_engine.server.blocking cimport blocking_forget
from hutch_engine.server.engine cimport (SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_IN_SCRIPT,
                                         Session as SessionStruct, engine_is_ours, session_free, session_resemble, session_use_bell)
from hutch_engine.server.executor cimport EXECUTED, EXECUTE_BLOCKED, EXECUTE_POSTPONED

# What run_now and Submission.step answer when there is more to do.
WAITING = type("WAITING", (), {"__slots__": (), "__doc__": "The command waits for a key."})()
LATER = type("LATER", (), {"__slots__": (), "__doc__": "Nothing happened: CLIENT PAUSE, or another thread's turn."})()
DONE = type("DONE", (), {"__slots__": (), "__doc__": "All commands were answered."})()


cdef inline void _lock(Engine engine) noexcept:
    if not lock_try(&engine.core.lock):
        with nogil:
            lock_acquire(&engine.core.lock)


@cython.auto_pickle(False)
@cython.final
cdef class Doorbell:
    """Completes the futures of sessions that have something to take.

    The loop is to call `answer` in its own thread whenever `fileno` is readable.
    """

    def __cinit__(self, *, bint portable=False):
        self.waiting = {}
        self.pid = getpid()
        self.core = bell_new(portable)
        if self.core == NULL:
            raise OSError("no descriptor is left to wake the event loop by")

    def __dealloc__(self):
        if self.core != NULL:
            bell_drop(self.core)

    def fileno(self):
        return self.core.read_fd

    @property
    def is_ours(self):
        """False in a child that was forked since."""
        return self.pid == <uint64_t>getpid()

    @property
    def waits(self):
        """How many futures are pending."""
        return sum([len(found) if type(found) is list else 1 for found in self.waiting.values()])

    def answer(self):
        """Complete the futures of those that rang. O(sessions that rang)"""
        cdef uint64_t* ringing
        cdef size_t count
        cdef size_t i
        cdef bint overheard
        cdef list futures
        if not self.is_ours:
            return                           # a forked child's copy: the ring was for the parent
        bell_take(self.core, &ringing, &count, &overheard)
        if overheard:
            futures = list(self.waiting.values())
            self.waiting.clear()
        else:
            futures = []
            for i in range(count):
                future = self.waiting.pop(ringing[i], None)
                if future is not None:
                    futures.append(future)
        free(ringing)
        for future in futures:
            for one in future if type(future) is list else (future,):
                if not one.done():
                    one.set_result(None)

    cdef int _expect(self, uint64_t number, object future) except -1:
        cdef object found = self.waiting.get(number)
        if found is None:
            self.waiting[number] = future
        elif type(found) is list:
            (<list>found).append(future)
        else:                                # several tasks wait for one session: each looks for itself
            self.waiting[number] = [found, future]
        return 0

    def ring(self):
        """Make `fileno` readable, as a session would. Any thread."""
        cdef uint64_t round_seen = 0
        with nogil:
            bell_ring(self.core, 0, &round_seen)

    def unpark(self, number, future):
        """The future is not to be completed any more."""
        cdef object found = self.waiting.get(number)
        if found is future:
            del self.waiting[number]
        elif type(found) is list and future in <list>found:
            (<list>found).remove(future)
            if not found:
                del self.waiting[number]


@cython.auto_pickle(False)
@cython.final
cdef class Submission:
    """Commands that run one after the other in a session, without ever waiting in this thread.

    Call `step` until it answers DONE. WAITING: the session waits in a blocking command; `park` a future. LATER: nothing
    can be done now; try again soon. Then `read` the replies.
    """

    def __cinit__(self, Session session not None, commands, bint split=False):
        cdef size_t before
        self.session = session
        self.codec = session.codec
        self.commands = tuple([tuple(command) for command in commands])
        buffer_init(&self.buffer, &session.engine.core.client_bytes)
        self.total = len(self.commands)
        if self.total == 0:
            return
        self.arguments = <Arguments*>malloc(sizeof(Arguments))
        self.counts = <size_t*>malloc(self.total * sizeof(size_t))
        if self.arguments == NULL or self.counts == NULL:
            free(self.arguments)
            self.arguments = NULL
            raise MemoryError
        arguments_init(self.arguments)
        for i, command in enumerate(self.commands):
            before = self.arguments.count
            arguments_add_command(self.arguments, self.codec, <tuple>command, split)
            self.counts[<size_t>i] = self.arguments.count - before

    def __dealloc__(self):
        self._forget_words()
        buffer_clear(&self.buffer)

    cdef void _forget_words(self) noexcept:
        if self.arguments != NULL:
            arguments_clear(self.arguments)
            free(self.arguments)
            self.arguments = NULL
        free(self.counts)
        self.counts = NULL

    cdef int _collect(self, Taken* taken) except -1:
        if taken.big.data != NULL and self.buffer.length == 0:
            buffer_clear(&self.buffer)
            self.buffer = taken.big
            taken.big.data = NULL
        else:
            buffer_append(&self.buffer, taken.data, taken.length)
            if taken.big.data != NULL:
                buffer_clear(&taken.big)
        if taken.refused or self.buffer.failed:
            raise MemoryError("no memory for the reply")
        return 0

    cdef bint _resume(self) except -1:
        """Is the wait over? Then its reply was taken."""
        cdef Session session = self.session
        cdef SessionStruct* core = self.blocked
        cdef Taken taken
        session.engine.enter()
        if session.core != core or core.flags & SESSION_CLOSE_NOW:
            self.blocked = NULL
            if session.core == core:
                session.core = NULL
                session_free(core)
            session.engine.leave()
            raise session.engine.closed_error("Connection closed by server.")
        if core.flags & SESSION_BLOCKED:
            session.engine.leave()
            return False
        taken_init(&taken)
        take_reply(core, &taken)
        taken.ended = core.flags & SESSION_CLOSE_AFTER_REPLY != 0
        if taken.ended:
            session.core = NULL
            session_free(core)
        session.engine.leave()
        self.blocked = NULL
        self.last = self.buffer.length
        self._collect(&taken)
        if taken.ended:
            self.ran = self.total
        return True

    def step(self):
        """Go on as far as it goes: DONE, WAITING or LATER."""
        cdef Session session = self.session
        cdef SessionStruct* core
        cdef Taken taken
        cdef size_t i
        if self.blocked != NULL and not self._resume():
            return WAITING
        while self.ran < self.total:
            session.enter()
            core = session.core
            if core.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or core.reply.buffer.length:
                session.engine.leave()
                return LATER                 # another thread's turn
            taken_init(&taken)
            try:
                session.run_round(self.arguments.argv + self.argv_used, self.counts + self.ran, self.total - self.ran, &taken)
            except BaseException:            # a signal's handler raised, amid a script
                if taken.big.data != NULL:
                    buffer_clear(&taken.big)
                raise
            self._collect(&taken)
            if taken.ended:
                self.ran = self.total
                break
            for i in range(taken.done):
                self.argv_used += self.counts[self.ran]
                self.ran += 1
            if taken.outcome == EXECUTE_BLOCKED:
                self.blocked = core
                self.at = self.ran - 1
                if self.ran == self.total:
                    self._forget_words()     # the engine keeps a copy of those it waits with
                if not self._resume():           # or was it served since then?
                    return WAITING
            elif taken.outcome == EXECUTE_POSTPONED:
                return LATER
        self._forget_words()
        return DONE

    def park(self, Doorbell bell not None, future):
        """The bell is to complete this future when the wait is over. Returns a number for Doorbell.unpark; 0: it is over."""
        cdef Session session = self.session
        cdef uint64_t number = 0
        session.engine.enter()
        if session.core == self.blocked and session.core.flags & (SESSION_BLOCKED | SESSION_CLOSE_NOW) == SESSION_BLOCKED:
            session_use_bell(session.core, bell.core)
            number = session.core.bell_number
        session.engine.leave()
        if number:
            bell._expect(number, future)
        return number

    def withdraw(self):
        """Wait no longer. False if the wait was over: its reply is there to be read (see `last_reply`)."""
        cdef Session session = self.session
        cdef bint waited = True
        if self.blocked == NULL:
            return True
        if not engine_is_ours(session.engine.core):
            return True
        _lock(session.engine)
        if not session.engine.closed and session.core == self.blocked:
            if session.core.flags & SESSION_BLOCKED:
                blocking_forget(session.core)
                session.core.reply.buffer.length = 0
            else:
                waited = session.core.flags & SESSION_CLOSE_NOW != 0
        lock_release(&session.engine.core.lock)
        if waited:
            self.blocked = NULL
            return True
        return not self._resume()

    @property
    def waited_for(self):
        """The words of the command that waits, or waited last."""
        return self.commands[self.at]

    def last_reply(self):
        """What the last wait was answered, its strings as bytes, left to be read; an error as an exception instance."""
        cdef Cursor cursor
        cursor.at = self.buffer.data + self.last
        cursor.end = self.buffer.data + self.buffer.length
        if cursor.at >= cursor.end:
            return None
        return decode_reply(&cursor, self.codec, False, 0)

    def __bool__(self):
        """Is there a reply to read?"""
        return self.offset < self.buffer.length

    @property
    def is_done(self):
        return self.ran == self.total and self.blocked == NULL

    def read(self, decode=None):
        """The next reply; error replies are returned as exception instances. EOFError past the last."""
        cdef Cursor cursor
        if self.offset >= self.buffer.length:
            raise EOFError("no reply is left")
        cursor.at = self.buffer.data + self.offset
        cursor.end = self.buffer.data + self.buffer.length
        found = decode_reply(&cursor, self.codec, self.codec.decode if decode is None else decode, 0)
        self.offset = cursor.at - self.buffer.data
        return found

    def read_all(self):
        """The replies that were not read yet, as a list."""
        cdef list found = []
        while self.offset < self.buffer.length:
            found.append(self.read())
        return found


def run_now(Session session not None, tuple words not None, decode=None):
    """Run one command, given as redis-py gives it, and return its reply; an error reply is raised. For sessions whose
    messages nobody receives: they are let go.

    WAITING, and nothing happened: it is a blocking command that would wait. LATER, and nothing happened: it cannot run
    now.
    """
    cdef Arguments arguments
    cdef Taken taken
    cdef Cursor cursor
    cdef SessionStruct* core
    arguments_init(&arguments)
    taken_init(&taken)
    try:
        arguments_add_command(&arguments, session.codec, words, True)
        session.enter()
        core = session.core
        if core.flags & (SESSION_BLOCKED | SESSION_IN_SCRIPT) or core.reply.buffer.length:
            session.engine.leave()
            return LATER
        if core.inbox.length:
            # Messages that nobody asks for here, of CLIENT TRACKING say: over a socket, too, they would be read and
            # let go before the reply.
            buffer_clear(&core.inbox)
            core.inbox_over_since_us = 0
        session.run_round(arguments.argv, &arguments.count, 1, &taken)
        if taken.outcome == EXECUTE_POSTPONED:
            return LATER
        if taken.outcome == EXECUTE_BLOCKED:
            _lock(session.engine)
            if not session.engine.closed and session.core == core:
                if core.flags & SESSION_BLOCKED:
                    blocking_forget(core)
                else:
                    take_reply(core, &taken)         # in between: somebody made the key
                    taken.outcome = EXECUTED
            lock_release(&session.engine.core.lock)
            if taken.outcome == EXECUTE_BLOCKED:
                return WAITING
        if taken.refused:
            raise MemoryError("no memory for the reply")
        if taken.length == 0:
            return no_reply(session.codec)
        cursor.at = taken.data
        cursor.end = taken.data + taken.length
        found = decode_reply(&cursor, session.codec, session.codec.decode if decode is None else decode, 0)
        if taken.data[0] == b'-':
            raise found
        return found
    finally:
        arguments_clear(&arguments)
        if taken.big.data != NULL:
            buffer_clear(&taken.big)


def listen(Session session not None, Doorbell bell not None, future):
    """The bell is to complete this future as soon as there is anything for the session to see. Returns a number for
    Doorbell.unpark. What is there already does not ring: listen first, and look then."""
    cdef uint64_t number
    session.enter()
    session_use_bell(session.core, bell.core)
    number = session.core.bell_number
    session.engine.leave()
    bell._expect(number, future)
    return number


def twin(Session session not None, Session found=None):
    """A session with the same database, protocol and names: a new one, or `found`, one made so before."""
    cdef Session other = found if found is not None else Session(session.engine, session.codec)
    other.open()
    session.enter()
    if other.core != NULL:
        session_resemble(other.core, session.core)
    session.engine.leave()
    return other
