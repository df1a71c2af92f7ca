"""See codec.pxd."""
cimport cython
from cpython.buffer cimport PyBuffer_IsContiguous, Py_buffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcpy
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_FromStringAndSize(const char* data, Py_ssize_t length)
    object PyUnicode_Decode(const char* data, Py_ssize_t length, const char* encoding, const char* errors)
    bint PyBytes_Check(object value)
    bint PyUnicode_Check(object value)
    bint PyLong_CheckExact(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    Py_buffer* PyMemoryView_GET_BUFFER(object view)

cdef enum:
    UTF8_CACHE_MAX = 256             # longer text is encoded into a passing object: CPython keeps the
                                     # UTF-8 that PyUnicode_AsUTF8AndSize makes as long as the str lives


class ReplyError(Exception):
    """An error reply, for sessions that were given no error_factory."""


@cython.auto_pickle(False)
cdef class Codec:
    """How a session makes words of arguments, and Python objects of replies.

    `decode`: bulk strings become str, by `encoding` and `errors`. `error_factory(message)` makes the exceptions of error
    replies (ReplyError if None), `data_error` is raised for an argument that is no word, `silence_error` where no reply comes. `bytearrays`:
    is a bytearray a word?
    LookupError for an encoding that Python does not know.
    """
    def __init__(self, bint decode=False, str encoding="utf-8", str errors="strict", error_factory=None,
                 data_error=TypeError, silence_error=None, bint bytearrays=True):
        self.decode = decode
        self.bytearrays = bytearrays
        self.encoding = encoding
        self.errors = errors
        self.error_factory = ReplyError if error_factory is None else error_factory
        self.data_error = data_error
        self.silence_error = silence_error

    @property
    def encoding(self):
        """The name of the encoding. To set one that Python does not know is a LookupError."""
        return self._encoding

    @encoding.setter
    def encoding(self, str value):
        "".encode(value)             # an unknown codec is a LookupError here and not amid a reply
        self.utf8 = value.lower().replace("_", "-") in ("utf-8", "utf8")
        self._encoding = value

    @property
    def errors(self):
        """How bytes that cannot be decoded are handled, as in bytes.decode: "strict", "replace" and so on."""
        return self._errors

    @errors.setter
    def errors(self, str value):
        self.strict = value == "strict"
        self._errors = value

    cdef object text(self, const char* data, size_t length):
        if self.utf8:
            if self.strict:
                return PyUnicode_FromStringAndSize(data, <Py_ssize_t>length)
            return PyUnicode_DecodeUTF8(data, <Py_ssize_t>length, self._errors.encode())
        return PyUnicode_Decode(data, <Py_ssize_t>length, self._encoding.encode(), self._errors.encode())


# ---- words

cdef int _grow(Arguments* arguments) except -1:
    cdef size_t capacity = arguments.capacity * 2
    cdef Slice* argv
    if arguments.argv == arguments.small:
        argv = <Slice*>malloc(capacity * sizeof(Slice))
        if argv != NULL:
            memcpy(argv, arguments.small, arguments.count * sizeof(Slice))
    else:
        argv = <Slice*>realloc(arguments.argv, capacity * sizeof(Slice))
    if argv == NULL:
        raise MemoryError
    arguments.argv = argv
    arguments.capacity = capacity
    return 0


cdef char* _digits_room(Arguments* arguments) except NULL:
    cdef ScratchChunk* chunk
    cdef char* room
    if arguments.scratch_used + INTEGER_TEXT_MAX <= SCRATCH_SMALL:
        room = arguments.scratch + arguments.scratch_used
        arguments.scratch_used += INTEGER_TEXT_MAX
        return room
    chunk = arguments.chunks
    if chunk == NULL or chunk.used + INTEGER_TEXT_MAX > SCRATCH_CHUNK:
        chunk = <ScratchChunk*>malloc(sizeof(ScratchChunk))
        if chunk == NULL:
            raise MemoryError
        chunk.next = arguments.chunks
        chunk.used = 0
        arguments.chunks = chunk
    room = chunk.bytes + chunk.used
    chunk.used += INTEGER_TEXT_MAX
    return room


cdef int _keep(Arguments* arguments, object value) except -1:
    cdef list kept
    if arguments.keep == NULL:
        kept = []
        Py_INCREF(kept)
        arguments.keep = <PyObject*>kept
    (<list>arguments.keep).append(value)
    return 0


cdef Slice _kept_bytes(Arguments* arguments, bytes value) except *:
    _keep(arguments, value)
    return slice_of(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


cdef Slice _other_word(Arguments* arguments, Codec codec, object value) except *:
    """What is neither bytes nor plain ASCII: rarer, so kept out of the way."""
    cdef Py_ssize_t size = 0
    cdef const char* data
    cdef Py_buffer* buffer
    cdef char* room
    cdef int overflow = 0
    cdef long long number
    if isinstance(value, str):
        if codec.utf8 and codec.strict and PyUnicode_GET_LENGTH(value) <= UTF8_CACHE_MAX:
            data = PyUnicode_AsUTF8AndSize(value, &size)
            return slice_of(data, size)
        return _kept_bytes(arguments, value.encode(codec._encoding, codec._errors))
    if isinstance(value, memoryview) or (isinstance(value, bytearray) and codec.bytearrays):
        view = memoryview(value)         # pins a bytearray: it cannot be resized while we read it
        buffer = PyMemoryView_GET_BUFFER(view)
        if not PyBuffer_IsContiguous(buffer, b'C'):
            return _kept_bytes(arguments, view.tobytes())
        _keep(arguments, view)
        return slice_of(<const char*>buffer.buf, buffer.len)
    if isinstance(value, bool):
        raise codec.data_error("Invalid input of type: 'bool'. Convert to a bytes, string, int or float first.")
    if isinstance(value, (int, float)):
        if PyLong_CheckExact(value):
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if not overflow:
                room = _digits_room(arguments)
                return slice_of(room, format_integer(number, room))
        return _kept_bytes(arguments, repr(value).encode())      # UTF-8 whatever the encoding, as redis-py does it
    raise codec.data_error(f"Invalid input of type: '{type(value).__name__}'. "
                           f"Convert to a bytes, string, int or float first.")


cdef int arguments_add(Arguments* arguments, Codec codec, object value) except -1:
    cdef Slice word
    if PyBytes_Check(value):
        word = slice_of(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    elif PyUnicode_Check(value) and codec.utf8 and PyUnicode_IS_COMPACT_ASCII(value):
        word = slice_of(<const char*>PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
    else:
        word = _other_word(arguments, codec, value)
    if arguments.count == arguments.capacity:
        _grow(arguments)
    arguments.argv[arguments.count] = word
    arguments.count += 1
    return 0


cdef int arguments_add_command(Arguments* arguments, Codec codec, tuple words, bint split) except -1:
    cdef Py_ssize_t i, count = len(words)
    cdef Slice name
    if count == 0:
        raise codec.data_error("A command has at least one word.")
    word = words[0]
    if split and not codec.utf8 and PyUnicode_Check(word):
        word = word.encode()             # names of commands are ASCII, whatever the client's encoding
        _keep(arguments, word)
    arguments_add(arguments, codec, word)
    if split:
        name = arguments.argv[arguments.count - 1]
        if name.length and memchr(name.data, b' ', name.length) != NULL:
            arguments.count -= 1
            for part in name.data[:name.length].split():
                _keep(arguments, part)
                arguments_add(arguments, codec, part)
    for i in range(1, count):
        arguments_add(arguments, codec, words[i])
    return 0


cdef void arguments_clear(Arguments* arguments) noexcept:
    cdef ScratchChunk* chunk
    if arguments.argv != arguments.small:
        free(arguments.argv)
        arguments.argv = arguments.small
    while arguments.chunks != NULL:
        chunk = arguments.chunks
        arguments.chunks = chunk.next
        free(chunk)
    if arguments.keep != NULL:
        Py_DECREF(<object>arguments.keep)
        arguments.keep = NULL
