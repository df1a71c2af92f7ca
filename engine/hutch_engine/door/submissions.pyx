"""See submissions.pxd."""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from posix.unistd cimport getpid
from hutch_engine.base.buffer cimport buffer_append, buffer_clear, buffer_init
from hutch_engine.base.growth cimport growth_outgrows_memory
from hutch_engine.door.session cimport ENTER_TURN, Session, Taken, Visit, interrupt_wait, take_served, taken_init, taken_is_refused
from hutch_engine.door.codec cimport Arguments, arguments_add_command, arguments_clear, arguments_init
from hutch_engine.door.replies cimport Cursor, decode_reply, no_reply
from hutch_engine.base.bell cimport bell_drop, bell_new, bell_ring, bell_take
from hutch_engine.state.engine cimport SESSION_BLOCKED, SESSION_CLOSE_NOW, engine_is_ours
from hutch_engine.sessions.session cimport session_resemble
from hutch_engine.sessions.wake_queue cimport session_use_bell
from hutch_engine.executor.executor cimport EXECUTE_BLOCKED, EXECUTE_POSTPONED, EXECUTE_WOULD_BLOCK

# What run_now and Submission.step answer when there is more to do.
WAITING = type("WAITING", (), {"__slots__": (), "__doc__": "The command waits for a key."})()
LATER = type("LATER", (), {"__slots__": (), "__doc__": "Nothing happened: CLIENT PAUSE, or another thread's turn."})()
DONE = type("DONE", (), {"__slots__": (), "__doc__": "All commands were answered."})()


cdef void _park(Session session, Visit* visit) noexcept nogil:
    """A SessionAction: the bell is to ring when the wait is over; visit.number is how it calls the session, 0: it is over."""
    visit.number = 0
    if session.core.flags & SESSION_BLOCKED:
        session_use_bell(session.core, visit.bell)
        visit.number = <int64_t>session.core.bell_number


cdef void _listen(Session session, Visit* visit) noexcept nogil:
    session_use_bell(session.core, visit.bell)
    visit.number = <int64_t>session.core.bell_number


cdef void _clone_settings(Session session, Visit* visit) noexcept nogil:
    if visit.other[0] != NULL and not visit.other[0].flags & SESSION_CLOSE_NOW:
        session_resemble(visit.other[0], session.core)


@cython.auto_pickle(False)
@cython.final
cdef class Doorbell:
    """Completes the futures of sessions that have something to take.

    The loop is to call `answer` in its own thread whenever `fileno` is readable. `portable` does without eventfd. OSError when
    no descriptor is left.
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
        """The descriptor to watch; it is the bell's own and ends with it."""
        return self.core.read_fd

    @property
    def is_ours(self):
        """False in a child that was forked since."""
        return self.pid == <uint64_t>getpid()

    @property
    def waits(self):
        """How many futures are pending. O(futures)"""
        return sum([len(found) if type(found) is list else 1 for found in self.waiting.values()])

    def answer(self):
        """Complete the futures of those that rang; nothing happens in a forked child. O(sessions that rang)"""
        cdef uint64_t* ringing
        cdef size_t count
        cdef size_t i
        cdef bint everybody
        cdef list futures
        if not self.is_ours:
            return                           # a forked child's copy: the ring was for the parent
        bell_take(self.core, &ringing, &count, &everybody)
        if everybody:
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
        """Forget a future that was given under this number: it is not to be completed any more. One that was completed is
        ignored."""
        cdef object found = self.waiting.get(number)
        if found is future:
            del self.waiting[number]
        elif type(found) is list and future in <list>found:
            (<list>found).remove(future)
            if not found:
                del self.waiting[number]


@cython.auto_pickle(False)
@cython.final
@cython.no_gc_clear
cdef class Submission:
    """Commands that run one after the other in a session, without ever waiting in this thread.

    Call `step` until it answers DONE. WAITING: the session waits in a blocking command; `park` a future. LATER: nothing can be
    done now; try again soon. Then `read` the replies. To make one raises the codec's data_error for an argument that is no
    word, and MemoryError. `split` is as in Session.execute_split. O(words)
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
        cdef Taken taken
        cdef Visit visit
        taken_init(&taken)
        visit.id = self.blocked
        visit.taken = &taken
        try:
            session.visit(take_served, &visit)
            session.synced(&taken)
        except BaseException:
            self.blocked = 0
            raise
        if not visit.flag:
            return False
        self.blocked = 0
        self.last = self.buffer.length
        self._collect(&taken)
        if taken.ended:
            self.ran = self.total
        return True

    def step(self):
        """Go on as far as it goes. Returns DONE when all have run, WAITING when a command waits (see park), LATER when the next
        one cannot run now and is to be tried again. Raises the engine's closed_error or forked_error. O(commands), besides what
        they cost."""
        cdef Session session = self.session
        cdef Taken taken
        cdef size_t i
        if self.blocked and not self._resume():
            return WAITING
        while self.ran < self.total:
            taken_init(&taken)
            try:
                session.attempt(self.arguments.argv + self.argv_used, self.counts + self.ran, self.total - self.ran, False, &taken)
            except BaseException:            # a signal's handler raised, amid a script
                if taken.big.data != NULL:
                    buffer_clear(&taken.big)
                raise
            if taken.entered == ENTER_TURN:
                return LATER
            session.refuse(taken.entered)
            self._collect(&taken)
            if taken.ended:
                self.ran = self.total
                break
            for i in range(taken.done):
                self.argv_used += self.counts[self.ran]
                self.ran += 1
            if taken.outcome == EXECUTE_BLOCKED:
                self.blocked = taken.session_id
                self.at = self.ran - 1
                if self.ran == self.total:
                    self._forget_words()     # the engine keeps a copy of those it waits with
                if not self._resume():           # or was it served since then?
                    return WAITING
            elif taken.outcome == EXECUTE_POSTPONED:
                return LATER
        self._forget_words()
        if growth_outgrows_memory(self.buffer.data, self.buffer.length):
            raise MemoryError("no memory for the replies")
        return DONE

    def park(self, Doorbell bell not None, future):
        """The bell is to complete this future when the wait is over. Returns a number for Doorbell.unpark; 0: it is over.
        Raises the engine's forked_error."""
        cdef Visit visit
        visit.id = self.blocked
        visit.bell = bell.core
        self.session.engine.check_ours()
        if self.blocked == 0 or self.session.try_visit(_park, &visit) or visit.number == 0:
            return 0
        bell._expect(visit.number, future)
        return visit.number

    def withdraw(self):
        """Wait no longer. False if the wait was over: its reply was there to be read (see `last_reply`)."""
        cdef Session session = self.session
        cdef Visit visit
        if self.blocked == 0:
            return True
        visit.id = self.blocked
        # A session that was ended has nothing to give either.
        if not engine_is_ours(session.engine.core) or session.try_visit(interrupt_wait, &visit) or not visit.flag:
            self.blocked = 0
            return True
        return not self._resume()

    @property
    def waited_for(self):
        """The words of the command that waits, or waited last."""
        return self.commands[self.at]

    def last_reply(self):
        """What the last wait was answered, its strings as bytes, left to be read; an error as an exception instance; None for
        nothing."""
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
        """Have all commands run? Replies may be left to be read."""
        return self.ran == self.total and self.blocked == 0

    def read(self, decode=None):
        """The next reply; error replies are returned as exception instances. EOFError past the last, UnicodeDecodeError for one
        that is no text. O(bytes)"""
        cdef Cursor cursor
        if self.offset >= self.buffer.length:
            raise EOFError("no reply is left")
        cursor.at = self.buffer.data + self.offset
        cursor.end = self.buffer.data + self.buffer.length
        found = decode_reply(&cursor, self.codec, self.codec.decode if decode is None else decode, 0)
        self.offset = cursor.at - self.buffer.data
        return found

    def read_all(self):
        """The replies that were not read yet, as a list; see read. O(bytes)"""
        cdef list found = []
        while self.offset < self.buffer.length:
            found.append(self.read())
        return found


def run_now(Session session not None, tuple words not None, decode=None):
    """Run one command, given as redis-py gives it, and return its reply; an error reply is raised. For sessions whose messages
    nobody receives: they are dropped.

    WAITING, and nothing happened: it is a blocking command that would wait. LATER, and nothing happened: it cannot run now.
    Raises what Session.execute does.
    """
    cdef Arguments arguments
    cdef Taken taken
    cdef Cursor cursor
    arguments_init(&arguments)
    taken_init(&taken)
    try:
        arguments_add_command(&arguments, session.codec, words, True)
        # Messages that nobody asks for here, of CLIENT TRACKING say, are dropped: over a socket, too, they would be read
        # before the reply.
        session.attempt(arguments.argv, &arguments.count, 1, True, &taken)
        if taken.entered == ENTER_TURN:
            return LATER
        session.refuse(taken.entered)
        if taken.outcome == EXECUTE_POSTPONED:
            return LATER
        if taken.outcome == EXECUTE_WOULD_BLOCK:
            return WAITING
        if taken_is_refused(&taken):
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
    Doorbell.unpark. What is there already does not ring: listen first, and look then. Raises the engine's closed_error or
    forked_error."""
    cdef Visit visit
    visit.id = 0
    visit.bell = bell.core
    session.visit(_listen, &visit)
    bell._expect(visit.number, future)
    return visit.number


def clone_session(Session session not None, Session found=None):
    """A session with the same database, protocol and names: a new one, or `found`, one made so before. Raises the engine's
    closed_error or forked_error."""
    cdef Session other = found if found is not None else Session(session.engine, session.codec)
    cdef Visit visit
    other.open()
    visit.id = 0
    visit.other = &other.core
    session.visit(_clone_settings, &visit)
    return other
