"""See session_text.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_slice)
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.sessions.session cimport session_memory, session_unread, session_user
from hutch_engine.state.engine cimport (
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_DIRTY_CAS, SESSION_MASTER, SESSION_MONITOR, SESSION_MULTI,
    SESSION_NO_EVICT, SESSION_NO_TOUCH, SESSION_POSTPONED, SESSION_REPLICA, SESSION_SUBSCRIBED, SESSION_TRACKING, SESSION_UNIX_SOCKET,
    TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD, TRACKING_BCAST, TRACKING_BROKEN_REDIRECT, Session)

cdef enum:
    FIXED_REPLY_BYTES = 16384    # of Redis's block for the first of its replies, and the least of its further ones


cdef void _field(Buffer* out, const char* name, int64_t value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_integer(out, value)


cdef void _text_field(Buffer* out, const char* name, const Buffer* text) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_slice(out, buffer_slice(text))


cdef void _append_flags(uint32_t flags, uint32_t tracking, Buffer* out) noexcept nogil:
    """The letters of CLIENT LIST's flags field, in Redis's order."""
    cdef size_t before = out.length
    if flags & SESSION_MONITOR:
        buffer_append_text(out, b"O")
    elif flags & SESSION_REPLICA:
        buffer_append_text(out, b"S")
    if flags & SESSION_MASTER:
        buffer_append_text(out, b"M")
    if flags & SESSION_SUBSCRIBED:
        buffer_append_text(out, b"P")
    if flags & SESSION_MULTI:
        buffer_append_text(out, b"x")
    if flags & (SESSION_BLOCKED | SESSION_POSTPONED):
        buffer_append_text(out, b"b")
    if flags & SESSION_TRACKING:
        buffer_append_text(out, b"t")
        if tracking & TRACKING_BROKEN_REDIRECT:
            buffer_append_text(out, b"R")
        if tracking & TRACKING_BCAST:
            buffer_append_text(out, b"B")
    if flags & SESSION_DIRTY_CAS:
        buffer_append_text(out, b"d")
    if flags & SESSION_CLOSE_AFTER_REPLY:
        buffer_append_text(out, b"c")
    if flags & SESSION_CLOSE_NOW:
        buffer_append_text(out, b"A")
    if flags & SESSION_UNIX_SOCKET:
        buffer_append_text(out, b"U")
    if flags & SESSION_NO_EVICT:
        buffer_append_text(out, b"e")
    if flags & SESSION_NO_TOUCH:
        buffer_append_text(out, b"T")
    if out.length == before:
        buffer_append_text(out, b"N")


cdef uint64_t _argument_bytes(const Session* session) noexcept nogil:
    """Of the words of the command that runs, without what RESP puts around them; of others what their request takes."""
    cdef uint64_t bytes = 0
    cdef size_t i
    if session.engine.execution.current != session:
        return session.argument_bytes
    for i in range(session.call.argc):
        bytes += session.call.argv[i].length
    return bytes


cdef void session_describe(const Session* session, Buffer* out) noexcept nogil:
    cdef int64_t now = monotonic_us()
    cdef uint64_t unread = session_unread(session)
    _field(out, b"id=", <int64_t>session.id)
    _text_field(out, b" addr=", &session.address)
    _text_field(out, b" laddr=", &session.local_address)
    _field(out, b" fd=", session.fd)
    _text_field(out, b" name=", &session.name)
    _field(out, b" age=", (now - session.created_us) // 1000000)
    _field(out, b" idle=", (now - session.used_us) // 1000000)
    buffer_append_text(out, b" flags=")
    _append_flags(session.flags, session.tracking, out)
    _field(out, b" db=", session.database_index)
    _field(out, b" sub=", session.topic_counts[TOPIC_CHANNEL])
    _field(out, b" psub=", session.topic_counts[TOPIC_PATTERN])
    _field(out, b" ssub=", session.topic_counts[TOPIC_SHARD])
    _field(out, b" multi=", <int64_t>session.queue_length if session.flags & SESSION_MULTI else -1)
    _field(out, b" watch=", session.watch_count)
    _field(out, b" qbuf=", <int64_t>session.query_bytes)
    _field(out, b" qbuf-free=", <int64_t>session.query_free)
    _field(out, b" argv-mem=", <int64_t>_argument_bytes(session))
    _field(out, b" multi-mem=", <int64_t>session.queue_bytes)
    # One buffer takes all replies and messages here; they stand where Redis would have them: little in its fixed block,
    # more in its list.
    _field(out, b" rbs=", <int64_t>session.reply.buffer.capacity)
    _field(out, b" rbp=", <int64_t>session.reply.buffer.length)
    _field(out, b" obl=", <int64_t>(unread if unread <= FIXED_REPLY_BYTES else 0))
    _field(out, b" oll=", <int64_t>(unread + FIXED_REPLY_BYTES - 1) // FIXED_REPLY_BYTES if unread > FIXED_REPLY_BYTES else 0)
    _field(out, b" omem=", <int64_t>(unread if unread > FIXED_REPLY_BYTES else 0))
    _field(out, b" tot-mem=", <int64_t>session_memory(session))
    buffer_append_text(out, b" events=")
    if session.fd >= 0:
        buffer_append_text(out, b"rw" if atomic_load64(&session.output_bytes) else b"r")
    buffer_append_text(out, b" cmd=")
    if session.last_command == NULL:
        buffer_append_text(out, b"NULL")
    else:
        buffer_append(out, session.last_command.name, session.last_command.name_length)
    _text_field(out, b" user=", &session_user(session).name)
    _field(out, b" redir=", <int64_t>session.tracking_redirect if session.flags & SESSION_TRACKING else -1)
    _field(out, b" resp=", session.reply.resp)
    _text_field(out, b" lib-name=", &session.library_name)
    _text_field(out, b" lib-ver=", &session.library_version)
    _field(out, b" io-thread=0 tot-net-in=", <int64_t>session.bytes_in)
    _field(out, b" tot-net-out=", <int64_t>atomic_load64(&session.bytes_out))
    _field(out, b" tot-cmds=", <int64_t>session.commands)
