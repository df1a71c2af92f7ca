# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""See hot_collections.pxd."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport buffer_clear
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport lock_release
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double
from hutch_engine.base.slice cimport slice_of, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.door.codec cimport SCRATCH_SMALL, Arguments, Codec, arguments_clear, arguments_init
from hutch_engine.door.replies cimport SHAPE_DONE, Cursor, Shape, decode_reply, shape_reply
from hutch_engine.door.session cimport Session
from hutch_engine.door.waits cimport raise_interrupt
from hutch_engine.door.hot cimport HotMethods, PyUnicode_Check, PyBytes_Check, hot_begin, hot_end, hot_is_on
from hutch_engine.door.hot_replies cimport HotReply, hot_add, hot_is_refused, hot_take
from hutch_engine.door.method_table cimport (
    WORD_BIT, WORD_COUNT, WORD_FLAG, WORD_INTEGER, WORD_LIST, WORD_LIST_COUNT, WORD_LIST_OR_WORDS, WORD_LITERAL, WORD_ONE,
    WORD_OPTIONAL, WORD_PAIRS, WORD_REST,
    WORD_REST_COUNT, WORD_SCORE, Given, Method, MethodWay, MethodWord, Py_None, Py_True, method_bind, method_fits)
from hutch_engine.commands.command_table cimport command_table_find
from hutch_engine.executor.run cimport run_command
from hutch_engine.sessions.session cimport engine_free_deferred_if_unlocked
from hutch_engine.state.engine cimport Engine as EngineStruct, Session as SessionStruct

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value)
    bint PyFloat_CheckExact(object value)
    object PyObject_Vectorcall(object callable, PyObject* const* arguments, size_t count, PyObject* names)

# Entries of the constant command table.
cdef const Command* SET = command_table_find(slice_of_text(b"set"))
cdef const Command* EVAL = command_table_find(slice_of_text(b"eval"))
cdef const Command* EVALSHA = command_table_find(slice_of_text(b"evalsha"))

cdef frozenset _SET_OPTIONS = frozenset(("ex", "px", "nx", "xx", "keepttl", "get", "exat", "pxat"))

# Where a function here answers NotImplemented, nothing happened and the slow path may.


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
        raise shape_reply(&cursor, shape, codec)
    return shape_reply(&cursor, shape, codec)


@cython.auto_pickle(False)
cdef class HotCollections(HotMethods):
    """Base of hutch.Redis, before redis.Redis: compiled methods with redis-py's signatures, results and exceptions (see
    HotMethods)."""

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
        hot_end(core)
        refused = hot_is_refused(&reply)
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
                self.hot_scripts_run = False
                engine = core.engine
                hot_end(core)
                engine_free_deferred_if_unlocked(engine)     # sessions whose objects went while the script had the lock
            raise_interrupt()
            if hot_is_refused(&reply):
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
            return self._run(SET, SHAPE_DONE, &words)
        finally:
            arguments_clear(&words)

    def eval(self, script, numkeys, *keys_and_args):
        """
        Run the Lua ``script``; the first ``numkeys`` words behind it are its KEYS, the others its ARGV. Returns what the
        script returns. ResponseError for an error in the script. O(1), besides what the script does.
        """
        answer = self._run_script(EVAL, script, numkeys, keys_and_args)
        return super(HotCollections, self).eval(script, numkeys, *keys_and_args) if answer is NotImplemented else answer

    def evalsha(self, sha, numkeys, *keys_and_args):
        """
        Run a script that EVAL or SCRIPT LOAD brought, by the SHA-1 of its text. See eval. NoScriptError where there is no
        such script.
        """
        answer = self._run_script(EVALSHA, sha, numkeys, keys_and_args)
        return super(HotCollections, self).evalsha(sha, numkeys, *keys_and_args) if answer is NotImplemented else answer


# ---- the methods of the table

cdef int _say(const MethodWay* way, const Given* given, Arguments* words, Codec codec) except -1:
    """The words behind the command's name."""
    cdef uint32_t i
    cdef Py_ssize_t k
    cdef const MethodWord* word
    cdef PyObject* value
    for i in range(way.word_count):
        word = &way.words[i]
        value = given.values[word.parameter]
        if (word.kind == WORD_ONE or word.kind == WORD_INTEGER or word.kind == WORD_COUNT
                or word.kind == WORD_BIT):                   # a switch, see method_fits
            hot_add(words, codec, <object>value)
        elif word.kind == WORD_REST:
            for k in range(given.rest_count):
                hot_add(words, codec, <object>given.rest[k])
        elif word.kind == WORD_OPTIONAL:
            if value != Py_None:
                hot_add(words, codec, <object>value)
        elif word.kind == WORD_LITERAL:
            hot_add(words, codec, <object>word.text)
        elif word.kind == WORD_SCORE:
            _add_score(words, codec, <object>value)
        elif word.kind == WORD_FLAG:
            if value == Py_True:
                hot_add(words, codec, <object>word.text)
        elif word.kind == WORD_PAIRS:
            for name, item in (<dict><object>value).items():
                hot_add(words, codec, name)
                hot_add(words, codec, item)
        elif word.kind == WORD_LIST or word.kind == WORD_LIST_OR_WORDS:
            if PyUnicode_Check(<object>value) or PyBytes_Check(<object>value):
                hot_add(words, codec, <object>value)
            else:
                for item in <object>value:
                    hot_add(words, codec, item)
            if word.kind == WORD_LIST_OR_WORDS:
                for k in range(given.rest_count):
                    hot_add(words, codec, <object>given.rest[k])
        elif word.kind == WORD_REST_COUNT:
            hot_add(words, codec, given.rest_count)
        elif word.kind == WORD_LIST_COUNT:
            hot_add(words, codec, len(<list>value))
        else:                            # WORD_SCORES
            for name, item in (<dict><object>value).items():
                _add_score(words, codec, item)
                hot_add(words, codec, name)
    return 0


cdef object _call(HotCollections self, const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef Given given
    cdef Arguments words
    cdef Py_ssize_t total = 0
    cdef uint32_t i = 0
    cdef Codec codec
    if not hot_is_on(self) or not method_bind(method, args, count, names, &given):
        return NotImplemented
    while not method_fits(method, &method.ways[i], &given, &total):
        i += 1
        if i == method.way_count:
            return NotImplemented
    codec = self.hot_session.codec
    if unlikely(not codec.utf8 and method.ways[i].has_text):
        return NotImplemented            # redis-py encodes some of its own words, and others not
    arguments_init(&words)
    words.argv[0] = slice_of(method.command.name, method.command.name_length)
    words.count = 1
    try:
        _say(&method.ways[i], &given, &words, codec)
        return self._run(method.command, method.shape, &words)
    finally:
        arguments_clear(&words)


cdef object hot_call_method(HotCollections self, const Method* method, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef object answer = _call(self, method, args, count, names)
    if likely(answer is not NotImplemented):
        return answer
    return PyObject_Vectorcall(getattr(super(HotCollections, self), <object>method.name), args, <size_t>count, names)
