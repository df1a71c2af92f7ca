# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""See hot.pxd."""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.clock cimport clock_coarse_ms, monotonic_us
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.base.outcome cimport INVALID, NOT_FOUND, OK, Outcome
from hutch_engine.commands.call cimport HASHED_KEYS
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.expiry cimport expiry_left
from hutch_engine.commands.keys cimport keys_count, keys_remove
from hutch_engine.commands.string cimport STRING_ADDED, StringAdd, string_add, string_get_fast, string_set_fast
from hutch_engine.door.session cimport Session
from hutch_engine.door.codec cimport Codec
from hutch_engine.door.descriptors cimport descriptor_add, descriptors_for
from hutch_engine.keyspace.keyspace cimport FIND_NO_TOUCH, keyspace_hash
from hutch_engine.commands.command_table cimport command_table_find
from hutch_engine.state.engine cimport Session as SessionStruct

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef enum:
    VALUE_SMALL = 512                # bytes copied to the stack under the lock

# Entries of the constant command table.
cdef const Command* GET = command_table_find(slice_of_text(b"get"))
cdef const Command* SET = command_table_find(slice_of_text(b"set"))
cdef const Command* INCRBY = command_table_find(slice_of_text(b"incrby"))
cdef const Command* DECRBY = command_table_find(slice_of_text(b"decrby"))
cdef const Command* DEL = command_table_find(slice_of_text(b"del"))
cdef const Command* UNLINK = command_table_find(slice_of_text(b"unlink"))
cdef const Command* EXISTS = command_table_find(slice_of_text(b"exists"))
cdef const Command* TTL = command_table_find(slice_of_text(b"ttl"))
cdef const Command* PTTL = command_table_find(slice_of_text(b"pttl"))


cdef inline bint _value_word(object value, Codec codec, Slice* word, char* digits) except -1:
    cdef int overflow = 0
    cdef long long number
    if hot_word(value, codec, word):
        return True
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            word.data = digits
            word.length = format_integer(number, digits)
            return True
    return False


cdef object _decoded(Codec codec, Slice value, char* owned):
    """The value as the client wants it; `owned` is freed."""
    try:
        if codec.decode:
            return codec.text(value.data, value.length)
        return PyBytes_FromStringAndSize(value.data, <Py_ssize_t>value.length)
    finally:
        free(owned)


@cython.auto_pickle(False)
cdef class HotMethods:
    """Base of hutch.Redis, before redis.Redis: compiled methods with redis-py's signatures, results and exceptions.

    They run where the store can answer at once, and leave all else to the slow path. An error reply is raised as a
    ResponseError, a closed store as a StoreClosedError, a word that cannot be sent as a DataError; MemoryError when there is no
    memory for the reply.
    """

    def _hot_attach(self, Session session not None, int database):
        """From now on the hot methods run in this session, while that database is selected. Only the
        first call counts: a session object is never taken away while another thread may be using it."""
        with cython.critical_section(self):
            if self.hot_session is None:
                self.hot_database = database
                self.hot_engine = session.engine.core
                self.hot_monotonic_us = monotonic_us() - clock_coarse_ms(&session.engine.core.clock) * 1000
                self.hot_session = session
                self._hot_decide()

    def _hot_owns(self, session):
        """Do the hot methods run in this session?"""
        return self.hot_session is session

    cdef bint _hot_has_session(self):
        return self.hot_session is not None

    def get(self, name):
        """
        Return the value at key ``name``, or None if the key doesn't exist. ResponseError where it is no string. O(1)
        """
        cdef Session session
        cdef SessionStruct* core
        cdef Outcome outcome
        cdef Slice key
        cdef Slice value
        cdef char[VALUE_SMALL] small
        cdef char* large = NULL
        cdef char[INTEGER_TEXT_MAX] digits
        if hot_is_on(self) and hot_word(name, self.hot_session.codec, &key):
            session = self.hot_session
            core = hot_begin(self, self.hot_session, GET)
            if core != NULL:
                outcome = string_get_fast(&core.engine.keyspace, core.call.database, key, &value, digits)
                if likely(outcome == OK):
                    if likely(value.length <= VALUE_SMALL):
                        memcpy(small, value.data, value.length)
                        value.data = small
                    else:
                        large = <char*>malloc(value.length)
                        if large != NULL:
                            memcpy(large, value.data, value.length)
                        value.data = large
                if likely(outcome != INVALID):
                    hot_count(core, GET, &key, 1)
                hot_end(core)                       # the key may have expired just now
                if likely(outcome == OK):
                    if unlikely(value.data == NULL):
                        raise MemoryError
                    if likely(large == NULL and not session.codec.decode):
                        return PyBytes_FromStringAndSize(small, <Py_ssize_t>value.length)
                    return _decoded(session.codec, value, large)
                if outcome == NOT_FOUND:
                    return None
        return super(HotMethods, self).get(name)

    cdef bint _set_plainly(self, object name, object value) except -1:
        """SET without options; False: nothing happened, the slow path may."""
        cdef SessionStruct* core
        cdef Slice[2] words              # key and value
        cdef char[INTEGER_TEXT_MAX] digits
        cdef bint done
        if (not hot_is_on(self) or not hot_word(name, self.hot_session.codec, &words[0])
                or not _value_word(value, self.hot_session.codec, &words[1], digits)):
            return False
        core = hot_begin(self, self.hot_session, SET)
        if core == NULL:
            return False
        done = string_set_fast(&core.engine.keyspace, core.call.database, words[0], words[1])
        if likely(done):
            hot_count(core, SET, words, 2)
        hot_end(core)
        return done

    cdef object _set_with(self, PyObject* const* args, tuple options):
        """SET of args[0] to args[1] with these options, whose values follow; NotImplemented: the slow path may."""
        return NotImplemented

    cdef object _add(self, object name, int64_t amount, const Command* command):
        """The new number, or None: then nothing happened."""
        cdef SessionStruct* core
        cdef StringAdd outcome
        cdef Slice[2] words              # key and, for those who observe, what is added
        cdef char[INTEGER_TEXT_MAX] digits
        cdef int64_t total = 0
        if not hot_word(name, self.hot_session.codec, &words[0]):
            return None
        core = hot_begin(self, self.hot_session, command)
        if core == NULL:
            return None
        outcome = string_add(&core.engine.keyspace, core.call.database, words[0],
                             keyspace_hash(&core.engine.keyspace, words[0]), 0, amount, &total)
        if likely(outcome == STRING_ADDED):
            if unlikely(core.engine.execution.observers != 0 or core.engine.execution.hot_ticks != 0):     # or it may prove slow
                words[1] = slice_of(digits, format_integer(-amount if command == DECRBY else amount, digits))
            hot_count(core, command, words, 2)
        hot_end(core)
        return total if outcome == STRING_ADDED else None

    cdef object _amount(self, object amount):
        """What the fast path can add, or None."""
        if PyLong_CheckExact(amount) and -(1 << 62) < amount < 1 << 62:
            return amount
        return None

    def incrby(self, name, amount=1):
        """
        Increment the value of ``name`` by ``amount`` and return the sum; a key that does not exist counts as 0.
        ResponseError where the value is no integer, or the sum is past 64 bits. O(1)
        """
        if hot_is_on(self) and self._amount(amount) is not None:
            total = self._add(name, amount, INCRBY)
            if total is not None:
                return total
        return super(HotMethods, self).incrby(name, amount)

    incr = incrby

    def decrby(self, name, amount=1):
        """
        Decrement the value of ``name`` by ``amount`` and return the result; a key that does not exist counts as 0.
        ResponseError where the value is no integer, or the result is past 64 bits. O(1)
        """
        if hot_is_on(self) and self._amount(amount) is not None:
            total = self._add(name, -<int64_t>amount, DECRBY)
            if total is not None:
                return total
        return super(HotMethods, self).decrby(name, amount)

    decr = decrby

    cdef bint _name_keys(self, tuple names, Slice* keys, uint64_t* hashes) except -1:
        """Up to HASHED_KEYS words and their hashes; False where there are more, or none, or the slow path is to look at them."""
        cdef Py_ssize_t i
        if not hot_is_on(self) or not 0 < len(names) <= HASHED_KEYS:
            return False
        for i in range(len(names)):
            if not hot_word(names[i], self.hot_session.codec, &keys[i]):
                return False
            hashes[i] = keyspace_hash(&self.hot_engine.keyspace, keys[i])
        return True

    cdef object _remove(self, tuple names, const Command* command):
        """How many there were, or None: then nothing happened."""
        cdef SessionStruct* core
        cdef Slice[HASHED_KEYS] keys
        cdef uint64_t[HASHED_KEYS] hashes
        cdef int64_t removed
        if not self._name_keys(names, keys, hashes):
            return None
        core = hot_begin(self, self.hot_session, command)
        if core == NULL:
            return None
        removed = keys_remove(&core.engine.keyspace, core.call.database, keys, hashes, <size_t>len(names),
                              command == UNLINK or core.engine.keyspace.lazy_user_delete)
        hot_count(core, command, keys, <size_t>len(names))
        hot_end(core)
        return removed

    def delete(self, *names):
        """
        Delete one or more keys specified by ``names``; returns how many there were. O(names)
        """
        removed = self._remove(names, DEL)
        if removed is not None:
            return removed
        return super(HotMethods, self).delete(*names)

    def unlink(self, *names):
        """
        Unlink one or more keys specified by ``names``; returns how many there were. Big values are freed in the background.
        O(names)
        """
        removed = self._remove(names, UNLINK)
        if removed is not None:
            return removed
        return super(HotMethods, self).unlink(*names)

    def exists(self, *names):
        """
        Return how many of ``names`` exist; one that is given twice counts twice. O(names)
        """
        cdef SessionStruct* core
        cdef Slice[HASHED_KEYS] keys
        cdef uint64_t[HASHED_KEYS] hashes
        cdef int64_t found
        if self._name_keys(names, keys, hashes):
            core = hot_begin(self, self.hot_session, EXISTS)
            if core != NULL:
                found = keys_count(&core.engine.keyspace, core.call.database, keys, hashes, <size_t>len(names), FIND_NO_TOUCH)
                hot_count(core, EXISTS, keys, <size_t>len(names))
                hot_end(core)
                return found
        return super(HotMethods, self).exists(*names)

    cdef object _left(self, object name, const Command* command, bint seconds):
        """What TTL or PTTL answers, or None: it was not asked."""
        cdef SessionStruct* core
        cdef Slice key
        cdef int64_t left
        if not hot_is_on(self) or not hot_word(name, self.hot_session.codec, &key):
            return None
        core = hot_begin(self, self.hot_session, command)
        if core == NULL:
            return None
        left = expiry_left(&core.engine.keyspace, core.call.database, key, keyspace_hash(&core.engine.keyspace, key), False, seconds)
        hot_count(core, command, &key, 1)
        hot_end(core)
        return left

    def ttl(self, name):
        """
        Return the seconds until key ``name`` expires; -1 if it does not, -2 if there is no such key. O(1)
        """
        left = self._left(name, TTL, True)
        return super(HotMethods, self).ttl(name) if left is None else left

    def pttl(self, name):
        """
        Return the milliseconds until key ``name`` expires; -1 if it does not, -2 if there is no such key. O(1)
        """
        left = self._left(name, PTTL, False)
        return super(HotMethods, self).pttl(name) if left is None else left


# ---- set's fifteen parameters would cost more to sort out than the rest takes

cdef object _set(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names):
    cdef HotMethods client = <HotMethods>self
    cdef Py_ssize_t i
    cdef tuple positional
    cdef dict options
    if count == 2 and names == NULL and client._set_plainly(<object>args[0], <object>args[1]):
        return True
    if count == 2 and names != NULL:
        done = client._set_with(args, <tuple>names)
        if done is not NotImplemented:
            return done
    positional = tuple([<object>args[i] for i in range(count)])
    options = {}
    if names != NULL:
        for i in range(len(<tuple>names)):
            options[(<tuple>names)[i]] = <object>args[count + i]
    return super(HotMethods, client).set(*positional, **options)


descriptor_add(HotMethods, b"set", _set, (
    b"set($self, name, value, ex=None, px=None, nx=False, xx=False, keepttl=False, get=False, exat=None, pxat=None, "
    b"ifeq=None, ifne=None, ifdeq=None, ifdne=None)\n--\n\n"
    b"Set the value at key ``name`` to ``value``. O(1)\n\n"
    b"``ex``, ``px``: expire in so many seconds, milliseconds (int or timedelta); ``exat``, ``pxat``: at this Unix\n"
    b"time (int or datetime). ``nx``, ``xx``: only if the key does not, or does, exist. ``keepttl``: retain the time\n"
    b"to live. ``get``: return the old value. ``ifeq``, ``ifne``, ``ifdeq``, ``ifdne``: only if the old value, or its\n"
    b"digest, is or is not this one."))


def quick_methods(cls):
    """The compiled methods for `cls`, by name, to be put among its own: see door/descriptors. TypeError unless `cls` is a
    subclass of HotMethods. O(methods)"""
    return descriptors_for(cls, HotMethods)
