"""See door_hot.pxd."""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.clock cimport clock_coarse_ms
from hutch_engine.base.compiler cimport add_overflows, likely, unlikely
from hutch_engine.base.lock cimport lock_acquire, lock_release, lock_try
from hutch_engine.base.memory cimport heap_is_short
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.command cimport Command
from hutch_engine.door cimport Session
from hutch_engine.door_codec cimport Codec
from hutch_engine.keyspace.entry cimport (ENTRY_INTEGER, TYPE_STRING, Entry, entry_bytes, entry_deadline_ms,
                                          entry_integer, entry_type, value_of_bytes, value_of_integer)
from hutch_engine.keyspace.keyspace cimport (FIND_NO_TOUCH, FIND_WRITE, Database, Keyspace, keyspace_add,
                                             keyspace_change_value, keyspace_delete, keyspace_find, keyspace_find_slot,
                                             keyspace_hash, keyspace_now, keyspace_set, keyspace_set_deadline)
from hutch_engine.server.command_table cimport command_table_find
from hutch_engine.server.engine cimport (PAUSE_NONE, SESSION_AUTHENTICATED, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY,
                                         SESSION_CLOSE_NOW, SESSION_MONITOR, SESSION_MULTI, SESSION_NO_TOUCH,
                                         SESSION_POSTPONED, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
                                         SESSION_REPLY_SKIP_NEXT, SESSION_SUBSCRIBED, SESSION_TRACKING,
                                         Engine as EngineStruct, Session as SessionStruct, engine_is_ours)
from hutch_engine.server.executor cimport act_on_effects
from hutch_engine.structures.table cimport TableSlot

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyBytes_Check(object value)
    bint PyUnicode_Check(object value)
    bint PyLong_CheckExact(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    /* For `used_us`, which CLIENT LIST shows in seconds: a few ns where the exact clock takes twenty. */
    static inline int64_t hutch_monotonic_coarse_us(void) {
        struct timespec t;
    #ifdef CLOCK_MONOTONIC_COARSE
        clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    #else
        clock_gettime(CLOCK_MONOTONIC, &t);
    #endif
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    }
    """
    int64_t monotonic_coarse_us "hutch_monotonic_coarse_us"() noexcept nogil

cdef enum:
    VALUE_SMALL = 512                # bytes copied to the stack under the lock
    KEYS_SMALL = 16
    # What makes a session's commands something else than themselves.
    UNUSUAL = (SESSION_MULTI | SESSION_NO_TOUCH | SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT
               | SESSION_BLOCKED | SESSION_POSTPONED | SESSION_SUBSCRIBED | SESSION_MONITOR | SESSION_TRACKING
               | SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)

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


cdef inline bint _word(object value, Codec codec, Slice* word) noexcept:
    """A word whose bytes lie ready in the object. The general way takes the others."""
    if PyUnicode_Check(value):
        if likely(codec.utf8) and likely(PyUnicode_IS_COMPACT_ASCII(value)):
            word.data = <const char*>PyUnicode_DATA(value)
            word.length = PyUnicode_GET_LENGTH(value)
            return True
        return False
    if PyBytes_Check(value):
        word.data = PyBytes_AS_STRING(value)
        word.length = PyBytes_GET_SIZE(value)
        return True
    return False


cdef inline bint _value_word(object value, Codec codec, Slice* word, char* digits) except -1:
    cdef int overflow = 0
    cdef long long number
    if _word(value, codec, word):
        return True
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            word.data = digits
            word.length = format_integer(number, digits)
            return True
    return False


cdef inline SessionStruct* _begin(Session session, bint writes, const Command* command) noexcept:
    """The session, with the engine's lock held and everything as usual; or NULL, and nothing is held."""
    cdef EngineStruct* engine = session.engine.core
    cdef SessionStruct* core
    if unlikely(not engine_is_ours(engine)):
        return NULL
    if unlikely(not lock_try(&engine.lock)):
        with nogil:
            lock_acquire(&engine.lock)
    core = session.core
    if unlikely(session.engine.closed or core == NULL
                or (core.flags & (UNUSUAL | SESSION_AUTHENTICATED)) != SESSION_AUTHENTICATED
                or engine.pause_kind != PAUSE_NONE or engine.keyspace.wanted != 0 or engine.config.maxmemory != 0
                or (writes and heap_is_short(&engine.heap))):
        lock_release(&engine.lock)
        return NULL
    engine.keyspace.now_ms = 0
    engine.keyspace.access_clock = <uint32_t>(clock_coarse_ms(&engine.clock) // 1000)
    core.last_command = command
    core.used_us = monotonic_coarse_us()
    return core


cdef inline void _count(SessionStruct* core, const Command* command) noexcept nogil:
    # Time is not taken: two looks at the clock would be a fifth of a GET.
    core.engine.stats[command.id].calls += 1
    core.engine.commands_processed += 1
    core.commands += 1


cdef inline void _end_write(SessionStruct* core) noexcept nogil:
    cdef Keyspace* keyspace = &core.engine.keyspace
    if unlikely(keyspace.effect_count != 0 or keyspace.chores != 0 or keyspace.earliest_added_ms != INT64_MAX):
        act_on_effects(core.engine)
    lock_release(&core.engine.lock)


@cython.auto_pickle(False)
cdef class HotMethods:
    """Base of hutch.Redis, before redis.Redis: compiled methods with redis-py's signatures."""

    def _hot_attach(self, Session session not None):
        """From now on the hot methods run in this session. Only the first call counts: a session object
        is never taken away while another thread may be using it."""
        with cython.critical_section(self):
            if self.hot_session is None:
                self.hot_session = session

    def _hot_enable(self, bint enabled):
        """Off: every call takes the general way."""
        self.hot_enabled = enabled

    @property
    def _hot(self):
        """Would a plain call take the short way?"""
        return self.hot_enabled and self.hot_session is not None

    def get(self, name):
        """
        Return the value at key ``name``, or None if the key doesn't exist. O(1)
        """
        cdef Session session
        cdef SessionStruct* core
        cdef Entry* entry
        cdef Slice key
        cdef Slice value
        cdef char[VALUE_SMALL] small
        cdef char* large = NULL
        cdef char[INTEGER_TEXT_MAX] digits
        cdef bint wrong
        if self.hot_enabled and self.hot_session is not None and _word(name, self.hot_session.codec, &key):
            session = self.hot_session
            core = _begin(session, False, GET)
            if core != NULL:
                entry = keyspace_find(&core.engine.keyspace, core.call.database, key,
                                      keyspace_hash(&core.engine.keyspace, key), 0)
                if entry == NULL:
                    _count(core, GET)
                    _end_write(core)         # it may have expired just now
                    return None
                wrong = entry_type(entry) != TYPE_STRING
                if likely(not wrong):
                    value = entry_bytes(entry, digits)
                    if likely(value.length <= VALUE_SMALL):
                        memcpy(small, value.data, value.length)
                        value.data = small
                    else:
                        large = <char*>malloc(value.length)
                        if large != NULL:
                            memcpy(large, value.data, value.length)
                        value.data = large
                    _count(core, GET)
                    lock_release(&core.engine.lock)
                    if unlikely(value.data == NULL):
                        raise MemoryError
                    try:
                        if session.codec.decode:
                            return session.codec.text(value.data, value.length)
                        return PyBytes_FromStringAndSize(value.data, <Py_ssize_t>value.length)
                    finally:
                        free(large)
                core.engine.keyspace.hits -= 1       # the general way counts it
                lock_release(&core.engine.lock)
        return super(HotMethods, self).get(name)

    def set(self, name, value, ex=None, px=None, bint nx=False, bint xx=False, bint keepttl=False, bint get=False,
            exat=None, pxat=None, ifeq=None, ifne=None, ifdeq=None, ifdne=None):
        """
        Set the value at key ``name`` to ``value``. O(1)

        ``ex``, ``px``: expire in so many seconds, milliseconds (int or timedelta); ``exat``, ``pxat``: at this
        Unix time (int or datetime). ``nx``, ``xx``: only if the key does not, or does, exist. ``keepttl``: retain
        the time to live. ``get``: return the old value. ``ifeq``, ``ifne``, ``ifdeq``, ``ifdne``: only if the old
        value, or its digest, is or is not this one.
        """
        cdef Session session
        cdef SessionStruct* core
        cdef Keyspace* keyspace
        cdef Database* database
        cdef TableSlot slot
        cdef uint64_t hash
        cdef Slice key
        cdef Slice word
        cdef char[INTEGER_TEXT_MAX] digits
        cdef bint done
        if (self.hot_enabled and self.hot_session is not None and ex is None and px is None and not nx and not xx
                and not keepttl and not get and exat is None and pxat is None and ifeq is None and ifne is None
                and ifdeq is None and ifdne is None and _word(name, self.hot_session.codec, &key)
                and _value_word(value, self.hot_session.codec, &word, digits)):
            session = self.hot_session
            core = _begin(session, True, SET)
            if core != NULL:
                keyspace = &core.engine.keyspace
                database = core.call.database
                hash = keyspace_hash(keyspace, key)
                slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE)
                done = keyspace_set(keyspace, database, key, hash, slot, value_of_bytes(word), False) != NULL
                if likely(done):
                    keyspace.dirty += 1
                    _count(core, SET)
                _end_write(core)
                if likely(done):
                    return True
        return super(HotMethods, self).set(name, value, **_given(ex, px, nx, xx, keepttl, get, exat, pxat, ifeq, ifne,
                                                                 ifdeq, ifdne))

    cdef object _add(self, Session session, object name, int64_t amount, const Command* command):
        """The new number, or None: then nothing happened."""
        cdef SessionStruct* core
        cdef Keyspace* keyspace
        cdef Database* database
        cdef TableSlot slot
        cdef Entry* entry
        cdef uint64_t hash
        cdef Slice key
        cdef int64_t total = 0
        cdef bint done = False
        if not _word(name, session.codec, &key):
            return None
        core = _begin(session, True, command)
        if core == NULL:
            return None
        keyspace = &core.engine.keyspace
        database = core.call.database
        hash = keyspace_hash(keyspace, key)
        slot = keyspace_find_slot(keyspace, database, key, hash, FIND_WRITE)
        if slot == NULL:
            total = amount
            done = keyspace_add(keyspace, database, key, hash, value_of_integer(total)) != NULL
        else:
            entry = <Entry*>slot[0]
            if (entry_type(entry) == TYPE_STRING and entry.flags & ENTRY_INTEGER
                    and not add_overflows(entry_integer(entry), amount, &total)):
                done = keyspace_change_value(keyspace, database, slot, value_of_integer(total)) != NULL
        if likely(done):
            keyspace.dirty += 1
            _count(core, command)
        _end_write(core)
        return total if done else None

    cdef object _amount(self, object amount):
        """What the short way can add, or None."""
        if PyLong_CheckExact(amount) and -(1 << 62) < amount < 1 << 62:
            return amount
        return None

    def incrby(self, name, amount=1):
        """
        Increment the value of ``name`` by ``amount``; a key that does not exist counts as 0. O(1)
        """
        if self.hot_enabled and self.hot_session is not None and self._amount(amount) is not None:
            total = self._add(self.hot_session, name, amount, INCRBY)
            if total is not None:
                return total
        return super(HotMethods, self).incrby(name, amount)

    incr = incrby

    def decrby(self, name, amount=1):
        """
        Decrement the value of ``name`` by ``amount``; a key that does not exist counts as 0. O(1)
        """
        if self.hot_enabled and self.hot_session is not None and self._amount(amount) is not None:
            total = self._add(self.hot_session, name, -<int64_t>amount, DECRBY)
            if total is not None:
                return total
        return super(HotMethods, self).decrby(name, amount)

    decr = decrby

    cdef object _remove(self, Session session, tuple names, const Command* command):
        cdef SessionStruct* core
        cdef Keyspace* keyspace
        cdef TableSlot slot
        cdef uint64_t hash
        cdef Slice[KEYS_SMALL] keys
        cdef Py_ssize_t i
        cdef Py_ssize_t count = len(names)
        cdef int64_t removed = 0
        if count == 0 or count > KEYS_SMALL:
            return None
        for i in range(count):
            if not _word(names[i], session.codec, &keys[i]):
                return None
        core = _begin(session, False, command)
        if core == NULL:
            return None
        keyspace = &core.engine.keyspace
        for i in range(count):
            hash = keyspace_hash(keyspace, keys[i])
            slot = keyspace_find_slot(keyspace, core.call.database, keys[i], hash, FIND_WRITE | FIND_NO_TOUCH)
            if slot != NULL:
                keyspace_delete(keyspace, core.call.database, slot, hash, command == UNLINK or keyspace.lazy_user_delete)
                keyspace.dirty += 1
                removed += 1
        _count(core, command)
        _end_write(core)
        return removed

    def delete(self, *names):
        """
        Delete one or more keys specified by ``names``; returns how many there were. O(names)
        """
        if self.hot_enabled and self.hot_session is not None:
            removed = self._remove(self.hot_session, names, DEL)
            if removed is not None:
                return removed
        return super(HotMethods, self).delete(*names)

    def unlink(self, *names):
        """
        Unlink one or more keys specified by ``names``; big values are freed in the background. O(names)
        """
        if self.hot_enabled and self.hot_session is not None:
            removed = self._remove(self.hot_session, names, UNLINK)
            if removed is not None:
                return removed
        return super(HotMethods, self).unlink(*names)

    def exists(self, *names):
        """
        Return the number of ``names`` that exist. O(names)
        """
        cdef SessionStruct* core
        cdef Slice[KEYS_SMALL] keys
        cdef Py_ssize_t i
        cdef Py_ssize_t count = len(names)
        cdef int64_t found = 0
        cdef bint plain = self.hot_enabled and self.hot_session is not None and 0 < count <= KEYS_SMALL
        if plain:
            for i in range(count):
                if not _word(names[i], self.hot_session.codec, &keys[i]):
                    plain = False
                    break
        if plain:
            core = _begin(self.hot_session, False, EXISTS)
            if core != NULL:
                for i in range(count):
                    if keyspace_find(&core.engine.keyspace, core.call.database, keys[i],
                                     keyspace_hash(&core.engine.keyspace, keys[i]), FIND_NO_TOUCH) != NULL:
                        found += 1
                _count(core, EXISTS)
                _end_write(core)
                return found
        return super(HotMethods, self).exists(*names)

    cdef object _left(self, Session session, object name, const Command* command, int64_t* left_out):
        """Milliseconds to live, -1 without a deadline, -2 without a key. None: it was not asked."""
        cdef SessionStruct* core
        cdef Entry* entry
        cdef Slice key
        if not _word(name, session.codec, &key):
            return None
        core = _begin(session, False, command)
        if core == NULL:
            return None
        entry = keyspace_find(&core.engine.keyspace, core.call.database, key,
                              keyspace_hash(&core.engine.keyspace, key), FIND_NO_TOUCH)
        left_out[0] = -2
        if entry != NULL:
            left_out[0] = entry_deadline_ms(entry)
            if left_out[0] >= 0:
                left_out[0] = max(left_out[0] - keyspace_now(&core.engine.keyspace), 0)
        _count(core, command)
        _end_write(core)
        return True

    def ttl(self, name):
        """
        Return the seconds until key ``name`` expires; -1 if it does not, -2 if there is no such key. O(1)
        """
        cdef int64_t left = 0
        if (self.hot_enabled and self.hot_session is not None
                and self._left(self.hot_session, name, TTL, &left) is not None):
            return (left + 500) // 1000 if left >= 0 else left
        return super(HotMethods, self).ttl(name)

    def pttl(self, name):
        """
        Return the milliseconds until key ``name`` expires; -1 if it does not, -2 if there is no such key. O(1)
        """
        cdef int64_t left = 0
        if (self.hot_enabled and self.hot_session is not None
                and self._left(self.hot_session, name, PTTL, &left) is not None):
            return left
        return super(HotMethods, self).pttl(name)


cdef dict _given(ex, px, bint nx, bint xx, bint keepttl, bint get, exat, pxat, ifeq, ifne, ifdeq, ifdne):
    """Only the options that were given: older releases of redis-py do not know all of them."""
    cdef dict options = {}
    if ex is not None:
        options["ex"] = ex
    if px is not None:
        options["px"] = px
    if nx:
        options["nx"] = True
    if xx:
        options["xx"] = True
    if keepttl:
        options["keepttl"] = True
    if get:
        options["get"] = True
    if exat is not None:
        options["exat"] = exat
    if pxat is not None:
        options["pxat"] = pxat
    if ifeq is not None:
        options["ifeq"] = ifeq
    if ifne is not None:
        options["ifne"] = ifne
    if ifdeq is not None:
        options["ifdeq"] = ifdeq
    if ifdne is not None:
        options["ifdne"] = ifdne
    return options
