"""What the compiled methods share: words into arguments, and a reply out of the session."""
from libc.stddef cimport size_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_init
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.growth cimport growth_outgrows_memory
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.door.codec cimport SCRATCH_SMALL, Arguments, Codec, arguments_add
from hutch_engine.door.hot cimport hot_word
from hutch_engine.state.engine cimport Session as SessionStruct

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef enum:
    HOT_REPLY_SMALL = 8192           # bytes copied to the stack under the lock: a range of some hundred elements

cdef struct HotReply:
    size_t length
    const char* data                 # `small`, or big.data
    Buffer big                       # owned; empty unless the reply was long
    bint refused                     # no memory for it
    char[HOT_REPLY_SMALL] small

cdef inline int hot_add(Arguments* arguments, Codec codec, object value) except -1:
    """Add a word as arguments_add does, faster for the commonest types."""
    cdef Slice word
    cdef int overflow = 0
    cdef long long number
    cdef char* room
    if unlikely(arguments.count == arguments.capacity):
        return arguments_add(arguments, codec, value)
    if not hot_word(value, codec, &word):
        if not PyLong_CheckExact(value) or arguments.scratch_used + INTEGER_TEXT_MAX > SCRATCH_SMALL:
            return arguments_add(arguments, codec, value)
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if unlikely(overflow):
            return arguments_add(arguments, codec, value)
        room = arguments.scratch + arguments.scratch_used
        word = slice_of(room, format_integer(number, room))
        arguments.scratch_used += word.length
    arguments.argv[arguments.count] = word
    arguments.count += 1
    return 0


cdef inline void hot_take(SessionStruct* core, HotReply* reply) noexcept nogil:
    """The reply, out of the session, so that another thread may use it. Requires the lock."""
    cdef Buffer* buffer = &core.reply.buffer
    reply.refused = buffer.failed
    buffer.failed = 0
    reply.big.data = NULL
    reply.length = buffer.length
    if likely(buffer.length <= HOT_REPLY_SMALL):
        memcpy(reply.small, buffer.data, buffer.length)
        reply.data = reply.small
        buffer.length = 0
    else:
        reply.big = buffer[0]
        reply.data = reply.big.data
        buffer_init(buffer, reply.big.account)

cdef inline bint hot_is_refused(const HotReply* reply) noexcept nogil:
    """Is there no memory for the reply, or for the objects that it would become? Without the lock: long replies are read through."""
    return reply.refused or (unlikely(reply.big.data != NULL) and growth_outgrows_memory(reply.big.data, reply.big.length))
