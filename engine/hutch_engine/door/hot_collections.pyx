# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""See hot_collections.pxd."""
cimport cython
from cpython.object cimport PyObject
from hutch_engine.base.buffer cimport buffer_clear
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_release
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.door.codec cimport SCRATCH_SMALL, Arguments, Codec, Cursor, arguments_clear, arguments_init, decode_reply
from hutch_engine.door.session cimport Session
from hutch_engine.door.waits cimport raise_interrupt
from hutch_engine.door.hot cimport HotMethods, PyUnicode_Check, PyBytes_Check, hot_begin, hot_end, hot_is_on
from hutch_engine.door.hot_replies cimport (AS_IT_IS, DONE, NUMBER, PAIRS, TRUTH, UNIQUE, HotReply, Shape, hot_add, hot_shaped,
                                           hot_take)
from hutch_engine.commands.command_table cimport command_table_find
from hutch_engine.state.engine cimport Engine as EngineStruct, Session as SessionStruct
from hutch_engine.sessions.session cimport engine_free_deferred_if_unlocked
from hutch_engine.executor.run cimport run_command

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value)
    bint PyFloat_CheckExact(object value)
    bint PyDict_CheckExact(object value)
    bint PyList_CheckExact(object value)
    bint PyTuple_CheckExact(object value)

# Entries of the constant command table.
cdef const Command* SET = command_table_find(slice_of_text(b"set"))
cdef const Command* HSET = command_table_find(slice_of_text(b"hset"))
cdef const Command* HGET = command_table_find(slice_of_text(b"hget"))
cdef const Command* HGETALL = command_table_find(slice_of_text(b"hgetall"))
cdef const Command* HMGET = command_table_find(slice_of_text(b"hmget"))
cdef const Command* LPUSH = command_table_find(slice_of_text(b"lpush"))
cdef const Command* RPUSH = command_table_find(slice_of_text(b"rpush"))
cdef const Command* LPOP = command_table_find(slice_of_text(b"lpop"))
cdef const Command* RPOP = command_table_find(slice_of_text(b"rpop"))
cdef const Command* LRANGE = command_table_find(slice_of_text(b"lrange"))
cdef const Command* SADD = command_table_find(slice_of_text(b"sadd"))
cdef const Command* SREM = command_table_find(slice_of_text(b"srem"))
cdef const Command* SISMEMBER = command_table_find(slice_of_text(b"sismember"))
cdef const Command* SMEMBERS = command_table_find(slice_of_text(b"smembers"))
cdef const Command* ZADD = command_table_find(slice_of_text(b"zadd"))
cdef const Command* ZSCORE = command_table_find(slice_of_text(b"zscore"))
cdef const Command* ZINCRBY = command_table_find(slice_of_text(b"zincrby"))
cdef const Command* ZRANGE = command_table_find(slice_of_text(b"zrange"))
cdef const Command* ZRANK = command_table_find(slice_of_text(b"zrank"))
cdef const Command* XADD = command_table_find(slice_of_text(b"xadd"))
cdef const Command* PUBLISH = command_table_find(slice_of_text(b"publish"))
cdef const Command* EVAL = command_table_find(slice_of_text(b"eval"))
cdef const Command* EVALSHA = command_table_find(slice_of_text(b"evalsha"))
cdef const Command* EXPIRE = command_table_find(slice_of_text(b"expire"))

cdef frozenset _SET_OPTIONS = frozenset(("ex", "px", "nx", "xx", "keepttl", "get", "exat", "pxat"))

# Where a method here answers NotImplemented, nothing happened and the general way may.


# ---- words

cdef inline int _add_score(Arguments* arguments, Codec codec, object value) except -1:
    """A number whose text nobody will see: it only has to read back as the same."""
    cdef char* room
    if not PyFloat_CheckExact(value) or arguments.scratch_used + DOUBLE_TEXT_MAX > SCRATCH_SMALL \
            or arguments.count == arguments.capacity:
        return hot_add(arguments, codec, value)
    room = arguments.scratch + arguments.scratch_used
    arguments.argv[arguments.count] = slice_of(room, format_double(<double>value, room))
    arguments.scratch_used += arguments.argv[arguments.count].length
    arguments.count += 1
    return 0


cdef inline object _shaped(const HotReply* reply, Shape shape, Codec codec):
    """The reply as redis-py's callback would shape it; an error reply is raised."""
    cdef Cursor cursor
    if unlikely(reply.length == 0):
        return None
    cursor.at = reply.data
    cursor.end = reply.data + reply.length
    if unlikely(reply.data[0] == b'-'):
        raise hot_shaped(&cursor, shape, codec)
    return hot_shaped(&cursor, shape, codec)


cdef dict _given(ref_policy, idmpauto, idmp):
    """The options that older versions of redis-py do not know, as far as somebody gave them."""
    return {name: value for name, value in (("ref_policy", ref_policy), ("idmpauto", idmpauto), ("idmp", idmp)) if value is not None}


@cython.auto_pickle(False)
cdef class HotCollections(HotMethods):
    """Base of hutch.Redis, before redis.Redis: compiled methods with redis-py's signatures."""

    cdef object _run(self, const Command* command, Shape shape, Arguments* words):
        """Run the command on these words, its name not yet among them; or NotImplemented."""
        cdef HotReply reply
        cdef bint refused
        cdef SessionStruct* core = hot_begin(self, self.hot_session, command)
        if core == NULL:
            return NotImplemented
        if unlikely(core.reply.buffer.length != 0):      # what another thread waited for, and has not taken yet
            lock_release(&core.engine.lock)
            return NotImplemented
        core.call.flags = 0
        run_command(core, command, words.argv, words.count, False, 0)
        hot_take(core, &reply)
        refused = core.reply.buffer.failed or (reply.big.data != NULL and reply.big.failed)
        core.reply.buffer.failed = False
        hot_end(core)
        if likely(reply.big.data == NULL and not refused):
            return _shaped(&reply, shape, self.hot_session.codec)
        try:
            if refused:
                raise MemoryError("no memory for the reply")
            return _shaped(&reply, shape, self.hot_session.codec)
        finally:
            if reply.big.data != NULL:
                buffer_clear(&reply.big)

    def _hot_attach_scripts(self, Session session not None):
        """From now on compiled eval and evalsha run in this session, which nobody else uses."""
        with cython.critical_section(self):
            if self.hot_scripts is None:
                self.hot_scripts = session

    cdef object _run_script(self, const Command* command, object script, object key_count, tuple more):
        """EVAL or EVALSHA, without the GIL: a script may take its time, and let others in meanwhile."""
        cdef Arguments words
        cdef HotReply reply
        cdef SessionStruct* core
        cdef Codec codec
        cdef Cursor cursor
        cdef bint refused
        cdef EngineStruct* engine
        if not hot_is_on(self) or self.hot_scripts is None:
            return NotImplemented
        codec = self.hot_scripts.codec
        arguments_init(&words)
        words.argv[0] = slice_of(command.name, command.name_length)
        words.count = 1
        reply.big.data = NULL
        try:
            hot_add(&words, codec, script)
            hot_add(&words, codec, key_count)
            for word in more:
                hot_add(&words, codec, word)
            core = hot_begin(self, self.hot_scripts, command)
            if core == NULL:
                return NotImplemented
            if self.hot_scripts_run or core.reply.buffer.length != 0:
                lock_release(&core.engine.lock)
                return NotImplemented
            self.hot_scripts_run = True
            with nogil:
                core.call.flags = 0
                run_command(core, command, words.argv, words.count, False, 0)
                hot_take(core, &reply)
                refused = core.reply.buffer.failed or (reply.big.data != NULL and reply.big.failed)
                core.reply.buffer.failed = False
                self.hot_scripts_run = False
                engine = core.engine
                hot_end(core)
                engine_free_deferred_if_unlocked(engine)     # sessions whose objects went while the script had the lock
            raise_interrupt()
            if refused:
                raise MemoryError("no memory for the reply")
            cursor.at = reply.data
            cursor.end = reply.data + reply.length
            if cursor.at == cursor.end:
                return None
            if cursor.at[0] == b'-':
                raise decode_reply(&cursor, codec, codec.decode, 0)
            return decode_reply(&cursor, codec, codec.decode, 0)
        finally:
            arguments_clear(&words)
            if reply.big.data != NULL:
                buffer_clear(&reply.big)

    cdef object _answer(self, const Command* command, Shape shape, PyObject* first, PyObject* second,
                        PyObject* third, tuple more):
        """The command on up to three words, and then those of `more`."""
        cdef Arguments words
        cdef Codec codec
        if not hot_is_on(self):
            return NotImplemented
        codec = self.hot_session.codec
        arguments_init(&words)
        words.argv[0] = slice_of(command.name, command.name_length)
        words.count = 1
        try:
            hot_add(&words, codec, <object>first)
            if second != NULL:
                _add_score(&words, codec, <object>second) if command == ZINCRBY else hot_add(&words, codec, <object>second)
            if third != NULL:
                hot_add(&words, codec, <object>third)
            if more is not None:
                for word in more:
                    hot_add(&words, codec, word)
            return self._run(command, shape, &words)
        finally:
            arguments_clear(&words)

    cdef object _set_with(self, PyObject* const* args, tuple options):
        """SET with ex, px, nx, xx, keepttl, where redis-py would find nothing wrong with them."""
        cdef Arguments words
        cdef Codec codec
        cdef Py_ssize_t i
        cdef bint condition = False, deadline = False
        if not hot_is_on(self):
            return NotImplemented
        for i in range(len(options)):
            option, value = options[i], <object>args[2 + i]
            if option not in _SET_OPTIONS:
                return NotImplemented
            if value is None or value is False:
                continue
            if option == "ex" or option == "px" or option == "keepttl":
                if deadline or (value is not True if option == "keepttl" else not PyLong_CheckExact(value)):
                    return NotImplemented
                deadline = True
            else:
                if condition or value is not True or (option != "nx" and option != "xx"):
                    return NotImplemented
                condition = True
        codec = self.hot_session.codec
        arguments_init(&words)
        words.argv[0] = slice_of(SET.name, SET.name_length)
        words.count = 1
        try:
            hot_add(&words, codec, <object>args[0])
            hot_add(&words, codec, <object>args[1])
            for i in range(len(options)):
                value = <object>args[2 + i]
                if value is not None and value is not False:
                    hot_add(&words, codec, options[i])
                    if value is not True:
                        hot_add(&words, codec, value)
            return self._run(SET, DONE, &words)
        finally:
            arguments_clear(&words)

    cdef object _add_entry(self, object name, dict fields, object id, object maxlen, bint approximate, bint only_present):
        """XADD with the options that programs give."""
        cdef Arguments words
        cdef Codec codec
        if not hot_is_on(self):
            return NotImplemented
        codec = self.hot_session.codec
        arguments_init(&words)
        words.argv[0] = slice_of(XADD.name, XADD.name_length)
        words.count = 1
        try:
            hot_add(&words, codec, name)
            if only_present:
                hot_add(&words, codec, "NOMKSTREAM")
            if maxlen is not None:
                hot_add(&words, codec, "MAXLEN")
                if approximate:
                    hot_add(&words, codec, "~")
                hot_add(&words, codec, maxlen)
            hot_add(&words, codec, id)
            for field, value in fields.items():
                hot_add(&words, codec, field)
                hot_add(&words, codec, value)
            return self._run(XADD, AS_IT_IS, &words)
        finally:
            arguments_clear(&words)

    def xadd(self, name, fields, id="*", maxlen=None, approximate=True, nomkstream=False, minid=None, limit=None,
             ref_policy=None, idmpauto=None, idmp=None):
        """
        Append an entry of these ``fields``, a dict, to stream ``name``; returns its ID. ``maxlen``, ``minid``,
        ``limit`` and ``ref_policy`` say what to trim from its front, ``nomkstream`` to make no stream. O(1)
        """
        answer = NotImplemented
        if (PyDict_CheckExact(fields) and fields and minid is None and limit is None and ref_policy is None
                and idmpauto is None and idmp is None
                and (maxlen is None or (PyLong_CheckExact(maxlen) and maxlen >= 0))):
            answer = self._add_entry(name, fields, id, maxlen, approximate, nomkstream)
        if answer is NotImplemented:
            return super(HotCollections, self).xadd(name, fields, id, maxlen, approximate, nomkstream, minid, limit, **_given(
                ref_policy, idmpauto, idmp))
        return answer

    def hget(self, name, key):
        """
        Return the value of field ``key`` in hash ``name``, or None. O(1)
        """
        answer = self._answer(HGET, AS_IT_IS, <PyObject*>name, <PyObject*>key, NULL, None)
        return super(HotCollections, self).hget(name, key) if answer is NotImplemented else answer

    def hset(self, name, key=None, value=None, mapping=None, items=None):
        """
        Set field ``key`` of hash ``name`` to ``value``, the fields of ``mapping``, and those of ``items``, a
        flat list of fields and values; returns how many fields are new. O(fields)
        """
        cdef tuple pairs
        answer = NotImplemented
        if key is not None and mapping is None and items is None:
            answer = self._answer(HSET, AS_IT_IS, <PyObject*>name, <PyObject*>key, <PyObject*>value, None)
        elif key is None and items is None and PyDict_CheckExact(mapping) and mapping:
            pairs = tuple([word for pair in (<dict>mapping).items() for word in pair])
            answer = self._answer(HSET, AS_IT_IS, <PyObject*>name, NULL, NULL, pairs)
        return super(HotCollections, self).hset(name, key, value, mapping, items) if answer is NotImplemented else answer

    def hgetall(self, name):
        """
        Return all fields of hash ``name`` and their values, as a dict. O(fields)
        """
        answer = self._answer(HGETALL, PAIRS, <PyObject*>name, NULL, NULL, None)
        return super(HotCollections, self).hgetall(name) if answer is NotImplemented else answer

    def hmget(self, name, keys, *args):
        """
        Return the values of these fields of hash ``name``, None where there is none. O(fields)
        """
        cdef tuple fields
        if PyUnicode_Check(keys) or PyBytes_Check(keys):
            answer = self._answer(HMGET, AS_IT_IS, <PyObject*>name, <PyObject*>keys, NULL, args)
        elif PyList_CheckExact(keys) or PyTuple_CheckExact(keys):
            fields = tuple(keys) + args if args else tuple(keys)
            answer = self._answer(HMGET, AS_IT_IS, <PyObject*>name, NULL, NULL, fields) if fields else NotImplemented
        else:
            answer = NotImplemented
        return super(HotCollections, self).hmget(name, keys, *args) if answer is NotImplemented else answer

    def lpush(self, name, *values):
        """
        Insert ``values`` at the head of list ``name``, the last one foremost; returns its length. O(values)
        """
        answer = self._answer(LPUSH, AS_IT_IS, <PyObject*>name, NULL, NULL, values) if values else NotImplemented
        return super(HotCollections, self).lpush(name, *values) if answer is NotImplemented else answer

    def rpush(self, name, *values):
        """
        Append ``values`` to list ``name``; returns its length. O(values)
        """
        answer = self._answer(RPUSH, AS_IT_IS, <PyObject*>name, NULL, NULL, values) if values else NotImplemented
        return super(HotCollections, self).rpush(name, *values) if answer is NotImplemented else answer

    def lpop(self, name, count=None):
        """
        Remove and return the first element of list ``name``, or a list of the first ``count``. O(count)
        """
        answer = self._answer(LPOP, AS_IT_IS, <PyObject*>name, NULL if count is None else <PyObject*>count, NULL, None)
        return super(HotCollections, self).lpop(name, count) if answer is NotImplemented else answer

    def rpop(self, name, count=None):
        """
        Remove and return the last element of list ``name``, or a list of the last ``count``. O(count)
        """
        answer = self._answer(RPOP, AS_IT_IS, <PyObject*>name, NULL if count is None else <PyObject*>count, NULL, None)
        return super(HotCollections, self).rpop(name, count) if answer is NotImplemented else answer

    def lrange(self, name, start, end):
        """
        Return the elements of list ``name`` from index ``start`` to ``end``, both included. O(log n + elements)
        """
        answer = self._answer(LRANGE, AS_IT_IS, <PyObject*>name, <PyObject*>start, <PyObject*>end, None)
        return super(HotCollections, self).lrange(name, start, end) if answer is NotImplemented else answer

    def sadd(self, name, *values):
        """
        Add ``values`` to set ``name``; returns how many are new. O(values)
        """
        answer = self._answer(SADD, AS_IT_IS, <PyObject*>name, NULL, NULL, values) if values else NotImplemented
        return super(HotCollections, self).sadd(name, *values) if answer is NotImplemented else answer

    def srem(self, name, *values):
        """
        Remove ``values`` from set ``name``; returns how many were there. O(values)
        """
        answer = self._answer(SREM, AS_IT_IS, <PyObject*>name, NULL, NULL, values) if values else NotImplemented
        return super(HotCollections, self).srem(name, *values) if answer is NotImplemented else answer

    def publish(self, channel, message, **kwargs):
        """
        Send ``message`` to all who listen to ``channel``; returns to how many. O(listeners + patterns)
        """
        if not kwargs:
            answer = self._answer(PUBLISH, AS_IT_IS, <PyObject*>channel, <PyObject*>message, NULL, None)
            if answer is not NotImplemented:
                return answer
        return super(HotCollections, self).publish(channel, message, **kwargs)

    def sismember(self, name, value):
        """
        Is ``value`` a member of set ``name``? 1 or 0. O(1)
        """
        answer = self._answer(SISMEMBER, AS_IT_IS, <PyObject*>name, <PyObject*>value, NULL, None)
        return super(HotCollections, self).sismember(name, value) if answer is NotImplemented else answer

    def smembers(self, name):
        """
        Return the members of set ``name``, as a set. O(members)
        """
        answer = self._answer(SMEMBERS, UNIQUE, <PyObject*>name, NULL, NULL, None)
        return super(HotCollections, self).smembers(name) if answer is NotImplemented else answer

    def zadd(self, name, mapping, nx=False, xx=False, ch=False, incr=False, gt=False, lt=False):
        """
        Set the scores of members of sorted set ``name``, ``mapping`` of member to score; returns how many are new.
        O(members * log n)

        ``nx``, ``xx``: only members that are not, or are, there. ``gt``, ``lt``: only to greater, or lesser, scores. ``ch``:
        count those that changed, too. ``incr``: add to the score instead and return the new one.
        """
        cdef Arguments words
        cdef Codec codec
        answer = NotImplemented
        if (hot_is_on(self) and PyDict_CheckExact(mapping) and mapping
                and not (nx or xx or ch or incr or gt or lt)):
            codec = self.hot_session.codec
            arguments_init(&words)
            words.argv[0] = slice_of(ZADD.name, ZADD.name_length)
            words.count = 1
            try:
                hot_add(&words, codec, name)
                for member, score in (<dict>mapping).items():
                    _add_score(&words, codec, score)
                    hot_add(&words, codec, member)
                answer = self._run(ZADD, AS_IT_IS, &words)
            finally:
                arguments_clear(&words)
        return super(HotCollections, self).zadd(name, mapping, nx, xx, ch, incr, gt, lt) if answer is NotImplemented else answer

    def zscore(self, name, value):
        """
        Return the score of member ``value`` of sorted set ``name``, or None. O(1)
        """
        answer = self._answer(ZSCORE, NUMBER, <PyObject*>name, <PyObject*>value, NULL, None)
        return super(HotCollections, self).zscore(name, value) if answer is NotImplemented else answer

    def zincrby(self, name, amount, value):
        """
        Add ``amount`` to the score of member ``value`` of sorted set ``name``; returns the new score. O(log n)
        """
        answer = self._answer(ZINCRBY, NUMBER, <PyObject*>name, <PyObject*>amount, <PyObject*>value, None)
        return super(HotCollections, self).zincrby(name, amount, value) if answer is NotImplemented else answer

    @cython.binding(True)                # text cannot say a signature whose default is a class
    def zrange(self, name, start, end, desc=False, withscores=False, score_cast_func=float, byscore=False, bylex=False,
               offset=None, num=None):
        """
        Return the members of sorted set ``name`` from ``start`` to ``end``, both included: indexes, or scores with
        ``byscore``, or members with ``bylex``. O(log n + members)

        ``desc``: from the highest down. ``withscores``: pairs of member and score, each score through
        ``score_cast_func``. ``offset`` and ``num``: that slice of what was found.
        """
        answer = NotImplemented
        if not (desc or withscores or byscore or bylex) and offset is None and num is None:
            answer = self._answer(ZRANGE, AS_IT_IS, <PyObject*>name, <PyObject*>start, <PyObject*>end, None)
        if answer is NotImplemented:
            return super(HotCollections, self).zrange(name, start, end, desc, withscores, score_cast_func, byscore,
                                                      bylex, offset, num)
        return answer

    @cython.binding(True)
    def zrank(self, name, value, withscore=False, score_cast_func=float):
        """
        Return the index of member ``value`` in sorted set ``name``, by ascending score, or None; with ``withscore``
        a list of it and the score. O(log n)
        """
        answer = self._answer(ZRANK, AS_IT_IS, <PyObject*>name, <PyObject*>value, NULL, None) if not withscore else NotImplemented
        return super(HotCollections, self).zrank(name, value, withscore, score_cast_func) if answer is NotImplemented else answer

    def expire(self, name, time, nx=False, xx=False, gt=False, lt=False):
        """
        Let key ``name`` expire in ``time`` seconds (int or timedelta); returns whether it will. O(1)

        ``nx``, ``xx``: only if the key has no, or has a, time to live. ``gt``, ``lt``: only to a later, or sooner, one.
        """
        answer = NotImplemented
        if PyLong_CheckExact(time) and not (nx or xx or gt or lt):
            answer = self._answer(EXPIRE, TRUTH, <PyObject*>name, <PyObject*>time, NULL, None)
        return super(HotCollections, self).expire(name, time, nx, xx, gt, lt) if answer is NotImplemented else answer

    def eval(self, script, numkeys, *keys_and_args):
        """
        Run the Lua ``script``; the first ``numkeys`` words behind it are its KEYS, the others its ARGV. Returns what the
        script returns.
        """
        answer = self._run_script(EVAL, script, numkeys, keys_and_args)
        return super(HotCollections, self).eval(script, numkeys, *keys_and_args) if answer is NotImplemented else answer

    def evalsha(self, sha, numkeys, *keys_and_args):
        """
        Run a script that EVAL or SCRIPT LOAD brought, by the SHA-1 of its text. See eval.
        """
        answer = self._run_script(EVALSHA, sha, numkeys, keys_and_args)
        return super(HotCollections, self).evalsha(sha, numkeys, *keys_and_args) if answer is NotImplemented else answer
