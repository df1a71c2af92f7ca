"""The way of a hit in hutch.cache: the key of the arguments, the entry, its value.

A hit takes a few hundred nanoseconds, of which repr() of the arguments alone would be three hundred. Keys are what hutch.cache.keys says, entries what
hutch.cache.entries says; what is not plain (keywords, lists, long texts; entries with times or compressed ones) is left to these, which make the
same bytes of the same arguments.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr, memcpy
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.door.msgpack cimport msgpack_read

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef enum:
    KEY_MAX = 240                    # bytes; the arguments of longer keys are hashed, by hutch.cache.keys
    TIMED = 1                        # of an entry's flags, and where the payload of one with times begins
    TIMED_BEGIN = 14


cdef object _plain_key(bytes prefix, tuple words):
    """See plain_key."""
    cdef char[KEY_MAX + 1] text
    cdef size_t length = PyBytes_GET_SIZE(prefix)
    cdef Py_ssize_t count = PyTuple_GET_SIZE(words)
    cdef Py_ssize_t i, size
    cdef const char* data
    cdef long long number
    cdef int overflow
    if length + 2 > KEY_MAX:
        return None
    memcpy(text, PyBytes_AS_STRING(prefix), length)
    text[length] = c"("
    length += 1
    for i in range(count):
        word = <object><PyObject*>PyTuple_GET_ITEM(words, i)
        if length + INTEGER_TEXT_MAX + 2 > KEY_MAX:
            return None
        if i:
            text[length] = c","
            length += 1
        kind = type(word)
        if kind is str:
            if not PyUnicode_IS_COMPACT_ASCII(word):
                return None
            size = PyUnicode_GET_LENGTH(word)
            data = <const char*>PyUnicode_DATA(word)
            if (length + size + 3 > KEY_MAX or memchr(data, c"'", size) != NULL or memchr(data, c"\\", size) != NULL):
                return None
            text[length] = c"'"
            memcpy(text + length + 1, data, size)
            text[length + 1 + size] = c"'"
            length += size + 2
        elif kind is int:
            overflow = 0
            number = PyLong_AsLongLongAndOverflow(word, &overflow)
            if overflow:
                return None
            length += format_integer(number, text + length)
        elif word is True:
            memcpy(text + length, b"True", 4)
            length += 4
        elif word is False:
            memcpy(text + length, b"False", 5)
            length += 5
        elif word is None:
            memcpy(text + length, b"None", 4)
            length += 4
        else:
            return None
    if length + 1 > KEY_MAX:
        return None
    text[length] = c")"
    return PyBytes_FromStringAndSize(text, length + 1)


def plain_key(bytes prefix not None, tuple words not None):
    """`prefix(word,word)` as bytes for words of exactly the types str (ASCII, without quotes and backslashes), int (64 bits), bool and None, as
    long as it has at most 240 bytes; otherwise None. O(bytes)"""
    return _plain_key(prefix, words)


@cython.auto_pickle(False)
cdef class Missed:
    """What a look-up found that is no plain hit: the key, the entry's bytes or None, and the error of the store or None."""
    cdef readonly bytes name
    cdef readonly object data
    cdef readonly object error


cdef Missed _missed(bytes name, object data, object error):
    """A Missed of these."""
    cdef Missed missed = Missed.__new__(Missed)
    missed.name, missed.data, missed.error = name, data, error
    return missed


@cython.auto_pickle(False)
cdef class Lookup:
    """Looks up the calls of one function.

    Their keys are `prefix` and the arguments, where there are `count` of them, all positional and plain; otherwise `make_key(args, kwargs)`. `fetch(key)` has the
    entry's bytes or None. Entries that begin with `head` are plain; the rest of one is the value itself where `loads` is None, MessagePack where
    it is the function that restores extensions and `packed` is true, and otherwise what `loads` is given. An entry with times is plain, too, where `clock` is a
    function that tells the seconds, and it is still fresh. `hit()` counts hits; while `hooks.hears_hits` is true, all are left to who tells of them.
    """
    cdef bytes prefix
    cdef Py_ssize_t count
    cdef object make_key
    cdef object fetch
    cdef char[2] head
    cdef bint packed
    cdef object loads
    cdef object hit
    cdef object hooks
    cdef object clock

    def __init__(self, bytes prefix not None, Py_ssize_t count, make_key, fetch, bytes head not None, bint packed, loads, hit, hooks, clock):
        if len(head) != 2:
            raise ValueError("the head of an entry has two bytes")
        self.prefix, self.count, self.make_key, self.fetch = prefix, count, make_key, fetch
        self.head[0], self.head[1] = head[0], head[1]
        self.packed, self.loads, self.hit, self.hooks, self.clock = packed, loads, hit, hooks, clock

    def key(self, tuple args not None, dict kwargs not None):
        """The key of a call. Raises what `make_key` raises."""
        return self._key(args, kwargs)

    cdef bytes _key(self, tuple args, dict kwargs):
        cdef object name = None
        if PyTuple_GET_SIZE(args) == self.count and not kwargs:
            name = _plain_key(self.prefix, args)
        return self.make_key(args, kwargs) if name is None else name

    def open(self, bytes name not None, data):
        """The value of a plain entry's bytes, counted as a hit; otherwise a Missed. Raises what `loads` raises, ValueError excepted."""
        return self._open(name, data)

    cdef object _open(self, bytes name, object data):
        cdef const char* text
        cdef Py_ssize_t begin = 2
        if type(data) is not bytes or PyBytes_GET_SIZE(data) < 2:
            return _missed(name, data, None)
        text = PyBytes_AS_STRING(data)
        if text[0] != self.head[0] or self.hooks.hears_hits:
            return _missed(name, data, None)
        if text[1] != self.head[1]:
            if text[1] != TIMED or self.clock is None or PyBytes_GET_SIZE(data) < TIMED_BEGIN or not self._fresh(<const uint8_t*>text + 2):
                return _missed(name, data, None)
            begin = TIMED_BEGIN
        if self.loads is None:
            value = PyBytes_FromStringAndSize(text + begin, PyBytes_GET_SIZE(data) - begin)
        else:
            try:
                value = msgpack_read(<bytes>data, self.loads, begin, 0) if self.packed else self.loads(data[begin:])
            except ValueError:           # damaged: who computes it anew will put a whole one in its place
                return _missed(name, data, None)
        self.hit()
        return value

    cdef bint _fresh(self, const uint8_t* text) except -1:
        """Is the time that stands there (ms, big-endian) still to come?"""
        cdef uint64_t until_ms = 0
        cdef int i
        for i in range(8):
            until_ms = until_ms << 8 | text[i]
        return <double>self.clock() * 1000 < <double><int64_t>until_ms

    def __call__(self, tuple args not None, dict kwargs not None):
        """The value of a call, where there is a plain entry; otherwise a Missed, with the error that `fetch` raised, if any."""
        cdef bytes name = self._key(args, kwargs)
        try:
            data = self.fetch(name)
        except Exception as error:
            return _missed(name, None, error)
        return self._open(name, data)
