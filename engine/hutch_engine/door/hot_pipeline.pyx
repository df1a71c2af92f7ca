# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""See hot_pipeline.pxd."""
cimport cython
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
from hutch_engine.base.buffer cimport buffer_append, buffer_clear
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_release
from hutch_engine.base.slice cimport Slice, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.string cimport string_set_fast
from hutch_engine.door.classes cimport number_of_class_of
from hutch_engine.door.codec cimport Arguments, Codec, arguments_clear, arguments_init
from hutch_engine.door.replies cimport SHAPE_DONE, Cursor, shape_reply
from hutch_engine.door.hot cimport hot_begin, hot_count, hot_end, hot_is_on
from hutch_engine.door.hot_collections cimport HotCollections
from hutch_engine.door.hot_replies cimport HotReply, hot_add, hot_is_refused, hot_take
from hutch_engine.door.method_table cimport (
    WORD_BIT, WORD_COUNT, WORD_FLAG, WORD_INTEGER, WORD_LIST, WORD_LIST_COUNT, WORD_LIST_OR_WORDS, WORD_LITERAL, WORD_ONE,
    WORD_OPTIONAL, WORD_PAIRS, WORD_REST,
    WORD_REST_COUNT, WORD_SCORE, Given, Method, MethodWay, MethodWord, Py_None, Py_True, method_bind, method_fits, method_of_command)
from hutch_engine.door.descriptors cimport descriptor_add, descriptors_for
from hutch_engine.commands.command_table cimport command_table_find
from hutch_engine.state.engine cimport GATE_RENAMED, SESSION_RESTRICTED, Session as SessionStruct
from hutch_engine.executor.admission cimport (
    ADMITTED, WAY_CLIENT, Verdict, admission_is_plain_with, admission_judge, admission_refuse)
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due
from hutch_engine.executor.run cimport run_begin, run_command
from hutch_engine.executor.transactions cimport (
    transaction_admits, transaction_begin, transaction_end, transaction_run, transaction_tell)
from hutch_engine.sessions.tracking cimport tracking_broadcast

cdef extern from "Python.h":
    object PyObject_Vectorcall(object callable, PyObject* const* arguments, size_t count, PyObject* names)
    tuple PyTuple_New(Py_ssize_t size)
    Py_ssize_t PyTuple_GET_SIZE(tuple words)
    void PyTuple_SET_ITEM(tuple words, Py_ssize_t index, object value)

cdef str SET = "SET"
cdef const Command* SET_COMMAND = command_table_find(slice_of_text(b"set"))
cdef const Command* MULTI = command_table_find(slice_of_text(b"multi"))
cdef const Command* EXEC = command_table_find(slice_of_text(b"exec"))


cdef inline bint _is_admitted(SessionStruct* core, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    """May a command run that is in no transaction? False: the refusal is answered."""
    cdef Verdict verdict
    if likely(admission_is_plain_with(core, command, argv, argc)):
        return True
    verdict = admission_judge(core, command, argv, argc, WAY_CLIENT, 0)
    if verdict != ADMITTED:
        admission_refuse(core, command, argv, argc, verdict)
    return verdict == ADMITTED


cdef inline bint _set_plainly(SessionStruct* core, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    """SET without options, by its inner function; False: nothing happened."""
    if command != SET_COMMAND or argc != 3:
        return False
    run_begin(core.engine, command)
    if unlikely(not string_set_fast(&core.engine.keyspace, core.call.database, argv[1], argv[2])):
        return False
    hot_count(core, command, argv + 1, 2)
    buffer_append(&core.reply.buffer, b"+OK\r\n", 5)
    return True


cdef void _run_all(SessionStruct* core, const Method** rows, const size_t* counts, Py_ssize_t total, Arguments* words,
                   bint transaction) noexcept nogil:
    """All commands, their replies one behind the other in the session's buffer. Requires the lock."""
    cdef Py_ssize_t i
    cdef size_t first = 0
    cdef uint64_t exec_ticks = 0
    core.engine.execution.gathering = True
    core.engine.execution.hot_ticks = 0
    if transaction:
        run_begin(core.engine, MULTI)
        hot_count(core, MULTI, NULL, 0)
        run_begin(core.engine, EXEC)
        exec_ticks = core.engine.execution.hot_ticks
        core.engine.execution.hot_ticks = 0
        transaction_begin(core)
    for i in range(total):
        if transaction:
            if transaction_admits(core, rows[i].command, words.argv + first, counts[i]) \
                    and not _set_plainly(core, rows[i].command, words.argv + first, counts[i]):
                transaction_run(core, rows[i].command, words.argv + first, counts[i], 0)
            transaction_tell(core)
        else:
            core.engine.keyspace.now_ms = 0          # each command has its own moment
            if _is_admitted(core, rows[i].command, words.argv + first, counts[i]) \
                    and not _set_plainly(core, rows[i].command, words.argv + first, counts[i]):
                core.call.flags = 0
                run_command(core, rows[i].command, words.argv + first, counts[i], False, 0)
            if unlikely(aftermath_is_due(core.engine)):
                aftermath(core.engine)
        first += counts[i]
    core.call.flags = 0
    if transaction:
        transaction_end(core, 0)
        core.engine.execution.hot_ticks = exec_ticks
        hot_count(core, EXEC, NULL, 0)
    core.engine.execution.gathering = False
    # Of a transaction, hot_end acts on what it did: who waits is served first, and then all of it is told of.
    if unlikely(core.engine.tracking.changed.length != 0) and not aftermath_is_due(core.engine):
        tracking_broadcast(core.engine)


# The number, and one, of the class of pipelines when it was found in order: see door/classes.
cdef uint64_t _pristine = 0


cdef inline bint _is_pristine(HotPipeline pipeline) noexcept:
    return _pristine == <uint64_t>number_of_class_of(pipeline) + 1


def pipelines_are_pristine(number):
    """Note that the class of pipelines is redis-py's and our own, as it was when door/classes.class_number gave this number; 0:
    it is not."""
    global _pristine
    _pristine = <uint64_t>number + 1 if number else 0


@cython.auto_pickle(False)
cdef class HotPipeline:
    """Base of hutch's Pipeline, before redis-py's: compiled methods with redis-py's signatures, results and exceptions."""

    def __cinit__(self):
        self.stack = []
        self.staged = []

    def _hot_prepare(self, HotCollections client):
        """The commands may run in that client's session; None: they may not. False: nor may they if the class has to be
        looked at, since it was changed."""
        cdef bint known = _is_pristine(self)
        self.client = client if known else None
        return known

    @property
    def command_stack(self):
        """What was gathered, in redis-py's form: a list of pairs of words and options. May be replaced by another such list.
        O(commands)"""
        if self.staged:
            self.stack.extend([(words, {}) for words in self.staged])
            self.staged = []
        return self.stack

    @command_stack.setter
    def command_stack(self, list commands):
        self.stack = commands
        self.staged = []

    def __len__(self):
        return len(self.stack) + len(self.staged)

    def execute(self, raise_on_error=True):
        """
        Run what was gathered; returns the list of replies. With ``raise_on_error`` the first error reply is raised as a
        ResponseError, else each stands in the list. WatchError where a watched key was changed, StoreClosedError when the store
        is closed. O(commands)
        """
        if (not self.staged or not _is_pristine(self) or self.stack or self.watching or self.client is None or self.scripts
                or self.connection is not None or len(self.staged) > PIPELINE_MAX):
            return super(HotPipeline, self).execute(raise_on_error)
        found = self._execute_now(self.transaction or self.explicit_transaction, raise_on_error)
        return super(HotPipeline, self).execute(raise_on_error) if found is NotImplemented else found

    cdef object _execute_now(self, bint transaction, bint raise_on_error):
        """NotImplemented: nothing happened."""
        cdef Arguments words
        cdef const Method* rows[PIPELINE_MAX]
        cdef size_t[PIPELINE_MAX] counts
        cdef HotReply reply
        cdef HotCollections client = self.client
        cdef SessionStruct* core
        cdef Codec codec
        cdef Cursor cursor
        cdef list commands = self.staged
        cdef list replies
        cdef tuple command
        cdef Py_ssize_t total = len(commands)
        cdef Py_ssize_t i, j
        cdef size_t before
        cdef bint failed = False
        if not hot_is_on(client):
            return NotImplemented
        codec = client.hot_session.codec
        arguments_init(&words)
        reply.big.data = NULL
        try:
            for i in range(total):
                command = <tuple>commands[i]
                if i and <PyObject*>command[0] == rows[i - 1].spelled:
                    rows[i] = rows[i - 1]
                else:
                    rows[i] = method_of_command(command[0])
                before = words.count
                hot_add(&words, codec, command[0])
                for j in range(1, len(command)):
                    hot_add(&words, codec, command[j])
                counts[i] = words.count - before
            core = hot_begin(client, client.hot_session, SET_COMMAND)
            if core == NULL:
                return NotImplemented
            # What another thread waited for, and has not taken yet; where commands have other names, these are looked up; and of a user
            # to whom one of the commands may be denied the whole of a transaction is.
            if unlikely(core.reply.buffer.length != 0 or core.engine.execution.gate & GATE_RENAMED
                        or (transaction and core.flags & SESSION_RESTRICTED)):
                lock_release(&core.engine.lock)
                return NotImplemented
            _run_all(core, rows, counts, total, &words, transaction)
            hot_take(core, &reply)
            hot_end(core)
            # From here on the commands have run.
            self.staged = []
            self.explicit_transaction = False
            if unlikely(hot_is_refused(&reply)):
                raise MemoryError("no memory for the replies")
            replies = PyList_New(total)
            for i in range(total):
                Py_INCREF(None)
                PyList_SET_ITEM(replies, i, None)
            cursor.at = reply.data
            cursor.end = reply.data + reply.length
            for i in range(total):
                if likely(rows[i].shape == SHAPE_DONE and cursor.end - cursor.at >= 5 and memcmp(cursor.at, b"+OK\r\n", 5) == 0):
                    cursor.at += 5
                    replies[i] = True
                else:
                    failed = failed or (cursor.at < cursor.end and cursor.at[0] == b'-')
                    replies[i] = shape_reply(&cursor, rows[i].shape, codec)
            if unlikely(failed) and raise_on_error:
                self.raise_first_error([(command, {}) for command in commands], replies)
            return replies
        except BaseException:
            self.staged = []             # as redis-py's reset, which follows every execute
            self.explicit_transaction = False
            raise
        finally:
            arguments_clear(&words)
            if reply.big.data != NULL:
                buffer_clear(&reply.big)


# ---- the methods of the table

cdef inline int _put(tuple words, Py_ssize_t* at, object value) except -1:
    if unlikely(at[0] == PyTuple_GET_SIZE(words)):
        raise RuntimeError("the arguments changed while they were gathered")
    Py_INCREF(value)
    PyTuple_SET_ITEM(words, at[0], value)
    at[0] += 1
    return 0


cdef tuple _words_of(const Method* method, const MethodWay* way, const Given* given, Py_ssize_t total):
    """The command as redis-py gathers it."""
    cdef tuple words = PyTuple_New(total)
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t k
    cdef uint32_t i
    cdef const MethodWord* word
    cdef PyObject* value
    _put(words, &at, <object>method.spelled)
    for i in range(way.word_count):
        word = &way.words[i]
        value = given.values[word.parameter]
        if (word.kind == WORD_ONE or word.kind == WORD_INTEGER or word.kind == WORD_COUNT or word.kind == WORD_SCORE
                or word.kind == WORD_BIT):
            _put(words, &at, <object>value)
        elif word.kind == WORD_REST:
            for k in range(given.rest_count):
                _put(words, &at, <object>given.rest[k])
        elif word.kind == WORD_OPTIONAL:
            if value != Py_None:
                _put(words, &at, <object>value)
        elif word.kind == WORD_LITERAL:
            _put(words, &at, <object>word.text)
        elif word.kind == WORD_FLAG:
            if value == Py_True:
                _put(words, &at, <object>word.text)
        elif word.kind == WORD_PAIRS:
            for name, item in (<dict><object>value).items():
                _put(words, &at, name)
                _put(words, &at, item)
        elif word.kind == WORD_LIST or word.kind == WORD_LIST_OR_WORDS:
            if isinstance(<object>value, (str, bytes)):
                _put(words, &at, <object>value)
            else:
                for item in <object>value:
                    _put(words, &at, item)
            if word.kind == WORD_LIST_OR_WORDS:
                for k in range(given.rest_count):
                    _put(words, &at, <object>given.rest[k])
        elif word.kind == WORD_REST_COUNT:
            _put(words, &at, given.rest_count)
        elif word.kind == WORD_LIST_COUNT:
            _put(words, &at, len(<list>value))
        else:                            # WORD_SCORES
            for name, item in (<dict><object>value).items():
                _put(words, &at, item)
                _put(words, &at, name)
    if unlikely(at != total):
        raise RuntimeError("the arguments changed while they were gathered")
    return words


cdef inline bint _gathers(HotPipeline self) noexcept:
    """May a command be gathered here? Else it is to run at once, or another way."""
    return self.client is not None and (not self.watching or self.explicit_transaction) and _is_pristine(self)


cdef object hot_stage_method(HotPipeline self, const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef Given given
    cdef Py_ssize_t total = 0
    cdef uint32_t i
    if likely(_gathers(self) and method_bind(method, args, count, names, &given)):
        for i in range(method.way_count):
            if method_fits(method, &method.ways[i], &given, &total):
                # redis-py encodes some of its own words, and others not: those of other encodings are its own affair.
                if method.ways[i].has_text and (self.client.hot_session is None or not self.client.hot_session.codec.utf8):
                    break
                self.staged.append(_words_of(method, &method.ways[i], &given, total))
                return self
    return PyObject_Vectorcall(getattr(super(HotPipeline, self), <object>method.name), args, <size_t>count, names)


cdef object _set(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef HotPipeline pipeline = <HotPipeline>self
    cdef Py_ssize_t i
    cdef dict options
    if count == 2 and names == NULL and _gathers(pipeline):
        pipeline.staged.append((SET, <object>args[0], <object>args[1]))
        return pipeline
    options = {}
    if names != NULL:
        for i in range(len(<tuple>names)):
            options[(<tuple>names)[i]] = <object>args[count + i]
    return super(HotPipeline, pipeline).set(*[<object>args[i] for i in range(count)], **options)


descriptor_add(HotPipeline, b"set", _set, (
    b"set($self, name, value, ex=None, px=None, nx=False, xx=False, keepttl=False, get=False, exat=None, pxat=None, "
    b"ifeq=None, ifne=None, ifdeq=None, ifdne=None)\n--\n\n"
    b"Set the value at key ``name`` to ``value``; see the client's method. O(1)"))


def quick_pipeline_methods(cls):
    """The compiled methods for `cls`, by name, to be put among its own: see door/descriptors. TypeError unless `cls` is a
    subclass of HotPipeline. O(methods)"""
    return descriptors_for(cls, HotPipeline)
