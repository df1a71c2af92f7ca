"""Python objects to words, without the engine; the way back is door/replies.

Words point into the str and bytes objects they came from; what had to be made anew (numbers, encoded
text) lives in the Arguments until arguments_clear.
"""
from cpython.object cimport PyObject
from hutch_engine.base.slice cimport Slice

cdef enum:
    ARGUMENTS_SMALL = 16             # words without a block of their own
    SCRATCH_SMALL = 96               # bytes for digits without a block of their own
    SCRATCH_CHUNK = 4064

cdef struct ScratchChunk:
    ScratchChunk* next
    size_t used
    char[SCRATCH_CHUNK] bytes

cdef struct Arguments:
    Slice* argv                      # `small`, or owned
    size_t count
    size_t capacity
    Slice[ARGUMENTS_SMALL] small
    size_t scratch_used
    char[SCRATCH_SMALL] scratch      # digits of integers
    ScratchChunk* chunks             # owned: more of them
    PyObject* keep                   # owned: a list of the objects made on the way, or NULL

cdef class Codec:
    """How one session spells str, and what it gives back. Constant while a call runs."""
    cdef public bint decode          # bulk strings become str
    cdef bint utf8                   # `encoding` is UTF-8 ...
    cdef bint strict                 # ... and errors are errors
    cdef str _encoding
    cdef str _errors
    cdef public object error_factory # message -> exception, for error replies
    cdef public bint bytearrays      # a bytearray is a word
    cdef public object data_error    # exception class for what cannot be a word
    cdef public object silence_error # exception class for a command that is not answered; None: the answer is None

    cdef object text(self, const char* data, size_t length)

cdef inline void arguments_init(Arguments* arguments) noexcept:
    """Make an empty list of words; arguments_clear must follow, whatever comes of it."""
    arguments.argv = arguments.small
    arguments.count = 0
    arguments.capacity = ARGUMENTS_SMALL
    arguments.scratch_used = 0
    arguments.chunks = NULL
    arguments.keep = NULL

cdef int arguments_add(Arguments* arguments, Codec codec, object value) except -1
"""One word, from what redis-py's Encoder takes: bytes, str, int, float, bytearray, memoryview. `value`
must live as long as the words do."""
cdef int arguments_add_command(Arguments* arguments, Codec codec, tuple words, bint split) except -1
"""All words of a command; with `split`, a name such as "CONFIG GET" becomes two, as redis-py's packer
makes it. At least one word."""
cdef void arguments_clear(Arguments* arguments) noexcept
"""Free what the words needed and let go of the Python objects that were kept for them; the list is not usable afterwards
before arguments_init."""
