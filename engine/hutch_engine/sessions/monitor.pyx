"""See monitor.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_us
from hutch_engine.base.quote cimport quote_append
from hutch_engine.base.slice cimport Slice, slice_is
from hutch_engine.commands.call cimport CALL_IN_SCRIPT, Call
from hutch_engine.commands.command cimport CMD_ADMIN, CMD_SECRET, CMD_SECRET_AUTH, Command
from hutch_engine.commands.reply cimport reply_error, reply_ok
from hutch_engine.state.engine cimport (
    SESSION_MONITOR, SESSION_UNIX_SOCKET, Engine, Session, engine_observe, session_of)
from hutch_engine.sessions.pubsub cimport pubsub_deliver


cdef bint _is_secret(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil:
    """A user's name or password?"""
    cdef size_t i
    if command.flags & CMD_SECRET:
        return index > 0
    if command.flags & CMD_SECRET_AUTH:
        for i in range(2, argc):
            if slice_is(argv[i], b"auth"):
                return index == i + 1 or index == i + 2
    return False


cdef void _append_who(Buffer* out, Session* session) noexcept nogil:
    cdef Slice path
    if session.call.flags & CALL_IN_SCRIPT:
        buffer_append_text(out, b"lua")
    elif session.flags & SESSION_UNIX_SOCKET:
        path = buffer_slice(&session.local_address)
        if path.length > 2 and memcmp(path.data + path.length - 2, b":0", 2) == 0:
            path.length -= 2
        buffer_append_text(out, b"unix:")
        buffer_append_slice(out, path)
    else:
        buffer_append_slice(out, buffer_slice(&session.address))


cdef void _append_capitals(Buffer* out, const Command* command) noexcept nogil:
    """A compiled method has no word of its caller's for the name, and takes the table's. redis-py sends capitals."""
    cdef size_t i
    cdef char c
    buffer_append(out, b"\"", 1)
    for i in range(command.name_length):
        c = command.name[i] - 32 if 97 <= command.name[i] <= 122 else command.name[i]
        buffer_append(out, &c, 1)
    buffer_append(out, b"\"", 1)


cdef void monitor_feed(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Session* monitor = engine.sessions.first
    cdef int64_t now_us
    cdef Buffer line
    cdef char[40] text
    cdef size_t i
    if command.flags & CMD_ADMIN:
        return
    now_us = clock_now_us(&engine.clock)
    buffer_init(&line, &engine.client_bytes)
    buffer_append(&line, text, snprintf(text, sizeof(text), b"+%lld.%06lld [%d ", <long long>(now_us // 1000000),
                                        <long long>(now_us % 1000000), session.database_index))
    _append_who(&line, session)
    buffer_append(&line, b"]", 1)
    for i in range(argc):
        buffer_append(&line, b" ", 1)
        if _is_secret(command, argv, argc, i):
            buffer_append_text(&line, b"\"(redacted)\"")
        elif argv[i].data == command.name:
            _append_capitals(&line, command)
        else:
            quote_append(&line, argv[i])
    buffer_append(&line, b"\r\n", 2)
    while monitor != NULL and not line.failed:
        if monitor.flags & SESSION_MONITOR:
            pubsub_deliver(monitor, buffer_slice(&line), True)
        monitor = monitor.next
    buffer_clear(&line)


cdef void cmd_monitor(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if call.flags & CALL_IN_SCRIPT:
        reply_error(call.reply, b"ERR MONITOR isn't allowed for DENY BLOCKING client")
        return
    if session.flags & SESSION_MONITOR:
        return                           # Redis, too, does not answer the second time
    session.flags |= SESSION_MONITOR
    session.engine.sessions.monitors += 1
    engine_observe(session.engine)
    reply_ok(call.reply)
