# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""See hot_pipeline.pxd."""
cimport cython
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memcmp
from hutch_engine.base.buffer cimport buffer_append, buffer_clear
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_release
from hutch_engine.base.slice cimport slice_of, slice_of_text
from hutch_engine.commands.call cimport CALL_IN_MULTI
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.string cimport string_set_fast
from hutch_engine.door.classes cimport number_of_class_of
from hutch_engine.door.codec cimport Arguments, Codec, Cursor, arguments_clear, arguments_init
from hutch_engine.door.hot cimport hot_begin, hot_count, hot_end, hot_is_on
from hutch_engine.door.hot_collections cimport HotCollections
from hutch_engine.door.hot_replies cimport (AS_IT_IS, DONE, NUMBER, PAIRS, TRUTH, UNIQUE, HotReply, Shape, hot_add, hot_shaped,
                                           hot_take)
from hutch_engine.keyspace.keyspace cimport Keyspace
from hutch_engine.commands.command_table cimport command_table_find
from hutch_engine.state.engine cimport SESSION_IN_EXEC, Session as SessionStruct
from hutch_engine.commands.call cimport error_memory
from hutch_engine.executor.admission cimport ADMITTED, WAY_CLIENT, WAY_QUEUE, Verdict, admission_is_plain, admission_judge, admission_refuse
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due
from hutch_engine.executor.effects cimport effects_announce_new
from hutch_engine.executor.run cimport run_begin, run_command
from hutch_engine.sessions.tracking cimport tracking_broadcast

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass
    ctypedef PyObject* (*PyCFunction)(PyObject*, PyObject*) except NULL
    ctypedef struct PyMethodDef:
        const char* ml_name
        PyCFunction ml_meth
        int ml_flags
        const char* ml_doc
    int METH_FASTCALL
    int METH_KEYWORDS
    object PyDescr_NewMethod(PyTypeObject* type, PyMethodDef* method)
    bint PyLong_CheckExact(object value)
    bint PyDict_CheckExact(object value)

cdef extern from *:
    """
    #define hutch_pipeline_definition(descriptor) (((PyMethodDescrObject *)(descriptor))->d_method)
    """
    PyMethodDef* method_definition "hutch_pipeline_definition"(object descriptor)

cdef struct Row:                         # of what can be gathered here
    PyObject* name                       # as redis-py spells it; the very object that stands in `staged`
    const Command* command
    Shape shape

cdef enum:
    ROWS = 20

cdef Row[ROWS] _rows
cdef size_t _row_count = 0
cdef list _names = []                    # keeps the names of _rows alive; constant once this module is imported


cdef object _row(str name, Shape shape):
    global _row_count
    cdef bytes spelled = name.lower().encode()
    _names.append(name)
    _rows[_row_count].name = <PyObject*>name
    _rows[_row_count].command = command_table_find(slice_of_text(spelled))
    _rows[_row_count].shape = shape
    _row_count += 1
    return name


cdef str SET = _row("SET", DONE)
cdef str GET = _row("GET", AS_IT_IS)
cdef str INCRBY = _row("INCRBY", AS_IT_IS)
cdef str DECRBY = _row("DECRBY", AS_IT_IS)
cdef str DEL = _row("DEL", AS_IT_IS)
cdef str EXPIRE = _row("EXPIRE", TRUTH)
cdef str HSET = _row("HSET", AS_IT_IS)
cdef str HGET = _row("HGET", AS_IT_IS)
cdef str HGETALL = _row("HGETALL", PAIRS)
cdef str LPUSH = _row("LPUSH", AS_IT_IS)
cdef str RPUSH = _row("RPUSH", AS_IT_IS)
cdef str LPOP = _row("LPOP", AS_IT_IS)
cdef str RPOP = _row("RPOP", AS_IT_IS)
cdef str LRANGE = _row("LRANGE", AS_IT_IS)
cdef str SADD = _row("SADD", AS_IT_IS)
cdef str SREM = _row("SREM", AS_IT_IS)
cdef str SMEMBERS = _row("SMEMBERS", UNIQUE)
cdef str ZADD = _row("ZADD", AS_IT_IS)
cdef str ZSCORE = _row("ZSCORE", NUMBER)
cdef str ZINCRBY = _row("ZINCRBY", NUMBER)
cdef const Command* SET_COMMAND = _rows[0].command
cdef const Command* MULTI = command_table_find(slice_of_text(b"multi"))
cdef const Command* EXEC = command_table_find(slice_of_text(b"exec"))


cdef inline const Row* _row_of(object name) noexcept:
    cdef size_t i
    for i in range(ROWS):
        if _rows[i].name == <PyObject*>name:
            return &_rows[i]
    return NULL


cdef void _run_all(SessionStruct* core, const Row** rows, const size_t* counts, Py_ssize_t total, Arguments* words,
                   bint transaction) noexcept nogil:
    """All commands, their replies one behind the other in the session's buffer. Requires the lock."""
    cdef Keyspace* keyspace = &core.engine.keyspace
    cdef Py_ssize_t i
    cdef size_t first = 0
    cdef Verdict verdict
    core.engine.gathering = True
    core.engine.hot_ticks = 0
    if transaction:
        hot_count(core, MULTI)
        hot_count(core, EXEC)
        core.flags |= SESSION_IN_EXEC
    for i in range(total):
        if rows[i].command == SET_COMMAND:
            run_begin(core.engine, SET_COMMAND)
        verdict = ADMITTED if likely(admission_is_plain(core, rows[i].command)) else admission_judge(
            core, rows[i].command, words.argv + first, counts[i], WAY_QUEUE if transaction else WAY_CLIENT, 0)
        if unlikely(verdict != ADMITTED) and transaction:
            error_memory(&core.call)
        elif unlikely(verdict != ADMITTED):
            admission_refuse(core, rows[i].command, words.argv + first, counts[i], verdict)
        elif rows[i].command == SET_COMMAND and counts[i] == 3 and \
                string_set_fast(keyspace, core.call.database, words.argv[first + 1], words.argv[first + 2]):
            hot_count(core, SET_COMMAND)
            buffer_append(&core.reply.buffer, b"+OK\r\n", 5)
        else:
            core.call.flags = CALL_IN_MULTI if transaction else 0
            run_command(core, rows[i].command, words.argv + first, counts[i], False, 0)
        first += counts[i]
        if transaction:
            effects_announce_new(core.engine)
        elif unlikely(aftermath_is_due(core.engine)):
            aftermath(core.engine)
    core.call.flags = 0
    if transaction:
        core.flags &= ~<unsigned int>SESSION_IN_EXEC
    core.engine.gathering = False        # of a transaction, hot_end acts on what it did
    if unlikely(core.engine.changed.length != 0):
        tracking_broadcast(core.engine)


cdef uint64_t _pristine = 0              # the number, and one, of the class of pipelines when it was found in order: see door/classes


cdef inline bint _is_pristine(HotPipeline pipeline) noexcept:
    return _pristine == <uint64_t>number_of_class_of(pipeline) + 1


def pipelines_are_pristine(number):
    """The class of pipelines, looked at after door/classes.class_number gave this number, is redis-py's and our own."""
    global _pristine
    _pristine = <uint64_t>number + 1 if number else 0


@cython.auto_pickle(False)
cdef class HotPipeline:
    """Base of hutch's Pipeline, before redis-py's: compiled methods with redis-py's signatures."""

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
        """What was gathered, in redis-py's form: pairs of words and options."""
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

    cdef object _staged(self, tuple words):
        """Gather the command, and return the pipeline; NotImplemented when it is to run at once, or another way."""
        if self.client is None or (self.watching and not self.explicit_transaction) or not _is_pristine(self):
            return NotImplemented
        self.staged.append(words)
        return self

    def execute(self, raise_on_error=True):
        """
        Run what was gathered; returns the list of replies. With ``raise_on_error`` the first error reply is raised, else
        each stands in the list. O(commands)
        """
        if (not self.staged or not _is_pristine(self) or self.stack or self.watching or self.client is None or self.scripts or self.connection is not None
                or len(self.staged) > PIPELINE_MAX):
            return super(HotPipeline, self).execute(raise_on_error)
        found = self._execute_now(self.transaction or self.explicit_transaction, raise_on_error)
        return super(HotPipeline, self).execute(raise_on_error) if found is NotImplemented else found

    cdef object _execute_now(self, bint transaction, bint raise_on_error):
        """NotImplemented: nothing happened."""
        cdef Arguments words
        cdef const Row* rows[PIPELINE_MAX]
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
        cdef bint refused, failed = False
        if not hot_is_on(client):
            return NotImplemented
        codec = client.hot_session.codec
        arguments_init(&words)
        reply.big.data = NULL
        try:
            for i in range(total):
                command = <tuple>commands[i]
                rows[i] = rows[i - 1] if i and <PyObject*>command[0] == rows[i - 1].name else _row_of(command[0])
                before = words.count
                hot_add(&words, codec, command[0])
                for j in range(1, len(command)):
                    hot_add(&words, codec, command[j])
                counts[i] = words.count - before
            core = hot_begin(client, client.hot_session, SET_COMMAND)
            if core == NULL:
                return NotImplemented
            if unlikely(core.reply.buffer.length != 0):      # what another thread waited for, and has not taken yet
                lock_release(&core.engine.lock)
                return NotImplemented
            _run_all(core, rows, counts, total, &words, transaction)
            hot_take(core, &reply)
            refused = core.reply.buffer.failed or (reply.big.data != NULL and reply.big.failed)
            core.reply.buffer.failed = False
            hot_end(core)
            # From here on the commands have run.
            self.staged = []
            self.explicit_transaction = False
            if unlikely(refused):
                raise MemoryError("no memory for the replies")
            replies = PyList_New(total)
            for i in range(total):
                Py_INCREF(None)
                PyList_SET_ITEM(replies, i, None)
            cursor.at = reply.data
            cursor.end = reply.data + reply.length
            for i in range(total):
                if likely(rows[i].shape == DONE and cursor.end - cursor.at >= 5 and memcmp(cursor.at, b"+OK\r\n", 5) == 0):
                    cursor.at += 5
                    replies[i] = True
                else:
                    failed = failed or (cursor.at < cursor.end and cursor.at[0] == b'-')
                    replies[i] = hot_shaped(&cursor, rows[i].shape, codec)
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

    def get(self, name):
        """
        Return the value at key ``name``, or None if the key doesn't exist. O(1)
        """
        staged = self._staged((GET, name))
        return super(HotPipeline, self).get(name) if staged is NotImplemented else staged

    def incrby(self, name, amount=1):
        """
        Increment the value of ``name`` by ``amount``; a key that does not exist counts as 0. O(1)
        """
        staged = self._staged((INCRBY, name, amount))
        return super(HotPipeline, self).incrby(name, amount) if staged is NotImplemented else staged

    incr = incrby

    def decrby(self, name, amount=1):
        """
        Decrement the value of ``name`` by ``amount``; a key that does not exist counts as 0. O(1)
        """
        staged = self._staged((DECRBY, name, amount))
        return super(HotPipeline, self).decrby(name, amount) if staged is NotImplemented else staged

    decr = decrby

    def delete(self, *names):
        """
        Delete one or more keys specified by ``names``; returns how many there were. O(names)
        """
        staged = self._staged((DEL,) + names) if names else NotImplemented
        return super(HotPipeline, self).delete(*names) if staged is NotImplemented else staged

    def expire(self, name, time, nx=False, xx=False, gt=False, lt=False):
        """
        Let key ``name`` expire in ``time`` seconds (int or timedelta); returns whether it will. O(1)

        ``nx``, ``xx``: only if the key has no, or has a, time to live. ``gt``, ``lt``: only to a later, or sooner, one.
        """
        staged = NotImplemented
        if PyLong_CheckExact(time) and not (nx or xx or gt or lt):
            staged = self._staged((EXPIRE, name, time))
        return super(HotPipeline, self).expire(name, time, nx, xx, gt, lt) if staged is NotImplemented else staged

    def hget(self, name, key):
        """
        Return the value of field ``key`` in hash ``name``, or None. O(1)
        """
        staged = self._staged((HGET, name, key))
        return super(HotPipeline, self).hget(name, key) if staged is NotImplemented else staged

    def hset(self, name, key=None, value=None, mapping=None, items=None):
        """
        Set field ``key`` of hash ``name`` to ``value``, the fields of ``mapping``, and those of ``items``, a
        flat list of fields and values; returns how many fields are new. O(fields)
        """
        staged = NotImplemented
        if key is not None and mapping is None and items is None:
            staged = self._staged((HSET, name, key, value))
        elif key is None and items is None and PyDict_CheckExact(mapping) and mapping:
            staged = self._staged((HSET, name) + tuple([word for pair in (<dict>mapping).items() for word in pair]))
        return super(HotPipeline, self).hset(name, key, value, mapping, items) if staged is NotImplemented else staged

    def hgetall(self, name):
        """
        Return all fields of hash ``name`` and their values, as a dict. O(fields)
        """
        staged = self._staged((HGETALL, name))
        return super(HotPipeline, self).hgetall(name) if staged is NotImplemented else staged

    def lpush(self, name, *values):
        """
        Insert ``values`` at the head of list ``name``, the last one foremost; returns its length. O(values)
        """
        staged = self._staged((LPUSH, name) + values) if values else NotImplemented
        return super(HotPipeline, self).lpush(name, *values) if staged is NotImplemented else staged

    def rpush(self, name, *values):
        """
        Append ``values`` to list ``name``; returns its length. O(values)
        """
        staged = self._staged((RPUSH, name) + values) if values else NotImplemented
        return super(HotPipeline, self).rpush(name, *values) if staged is NotImplemented else staged

    def lpop(self, name, count=None):
        """
        Remove and return the first element of list ``name``, or a list of the first ``count``. O(count)
        """
        staged = self._staged((LPOP, name) if count is None else (LPOP, name, count))
        return super(HotPipeline, self).lpop(name, count) if staged is NotImplemented else staged

    def rpop(self, name, count=None):
        """
        Remove and return the last element of list ``name``, or a list of the last ``count``. O(count)
        """
        staged = self._staged((RPOP, name) if count is None else (RPOP, name, count))
        return super(HotPipeline, self).rpop(name, count) if staged is NotImplemented else staged

    def lrange(self, name, start, end):
        """
        Return the elements of list ``name`` from index ``start`` to ``end``, both included. O(log n + elements)
        """
        staged = self._staged((LRANGE, name, start, end))
        return super(HotPipeline, self).lrange(name, start, end) if staged is NotImplemented else staged

    def sadd(self, name, *values):
        """
        Add ``values`` to set ``name``; returns how many are new. O(values)
        """
        staged = self._staged((SADD, name) + values) if values else NotImplemented
        return super(HotPipeline, self).sadd(name, *values) if staged is NotImplemented else staged

    def srem(self, name, *values):
        """
        Remove ``values`` from set ``name``; returns how many were there. O(values)
        """
        staged = self._staged((SREM, name) + values) if values else NotImplemented
        return super(HotPipeline, self).srem(name, *values) if staged is NotImplemented else staged

    def smembers(self, name):
        """
        Return the members of set ``name``, as a set. O(members)
        """
        staged = self._staged((SMEMBERS, name))
        return super(HotPipeline, self).smembers(name) if staged is NotImplemented else staged

    def zadd(self, name, mapping, nx=False, xx=False, ch=False, incr=False, gt=False, lt=False):
        """
        Set the scores of members of sorted set ``name``, ``mapping`` of member to score; returns how many are new.
        See the client's method. O(members * log n)
        """
        staged = NotImplemented
        if PyDict_CheckExact(mapping) and mapping and not (nx or xx or ch or incr or gt or lt):
            staged = self._staged((ZADD, name) + tuple([word for member, score in (<dict>mapping).items() for word in (score, member)]))
        return super(HotPipeline, self).zadd(name, mapping, nx, xx, ch, incr, gt, lt) if staged is NotImplemented else staged

    def zscore(self, name, value):
        """
        Return the score of member ``value`` of sorted set ``name``, or None. O(1)
        """
        staged = self._staged((ZSCORE, name, value))
        return super(HotPipeline, self).zscore(name, value) if staged is NotImplemented else staged

    def zincrby(self, name, amount, value):
        """
        Add ``amount`` to the score of member ``value`` of sorted set ``name``; returns the new score. O(log n)
        """
        staged = self._staged((ZINCRBY, name, amount, value))
        return super(HotPipeline, self).zincrby(name, amount, value) if staged is NotImplemented else staged


cdef object _set(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef HotPipeline pipeline = <HotPipeline>self
    cdef Py_ssize_t i
    cdef dict options
    if (count == 2 and names == NULL and pipeline.client is not None and (not pipeline.watching or pipeline.explicit_transaction)
            and _is_pristine(pipeline)):
        pipeline.staged.append((SET, <object>args[0], <object>args[1]))
        return pipeline
    options = {}
    if names != NULL:
        for i in range(len(<tuple>names)):
            options[(<tuple>names)[i]] = <object>args[count + i]
    return super(HotPipeline, pipeline).set(*[<object>args[i] for i in range(count)], **options)


cdef PyMethodDef _set_definition
_set_definition.ml_name = b"set"
_set_definition.ml_meth = <PyCFunction><void*>_set
_set_definition.ml_flags = METH_FASTCALL | METH_KEYWORDS
_set_definition.ml_doc = (
    b"set($self, name, value, ex=None, px=None, nx=False, xx=False, keepttl=False, get=False, exat=None, pxat=None, "
    b"ifeq=None, ifne=None, ifdeq=None, ifdne=None)\n--\n\n"
    b"Set the value at key ``name`` to ``value``; see the client's method. O(1)")


def quick_pipeline_methods(cls):
    """Compiled methods for `cls`, a subclass of HotPipeline, to put among its own: see door/hot.quick_methods."""
    if not issubclass(cls, HotPipeline):
        raise TypeError("quick methods are for subclasses of HotPipeline")
    cdef dict methods = {}
    for name, method in vars(HotPipeline).items():
        if type(method) is type(HotPipeline.get) and not name.startswith("_"):
            methods[name] = PyDescr_NewMethod(<PyTypeObject*>cls, method_definition(method))
    methods["set"] = PyDescr_NewMethod(<PyTypeObject*>cls, &_set_definition)
    return methods
