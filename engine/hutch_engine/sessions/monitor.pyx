"""See monitor.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_slice)
from hutch_engine.base.clock cimport clock_now_us
from hutch_engine.base.slice cimport Slice, slice_is
from hutch_engine.commands.call cimport CALL_IN_SCRIPT, Call
from hutch_engine.commands.command cimport CMD_ADMIN, CMD_SECRET, CMD_SECRET_AUTH, Command
from hutch_engine.commands.reply cimport reply_error, reply_ok
from hutch_engine.state.engine cimport (
    SESSION_MONITOR, SESSION_UNIX_SOCKET, Engine, Session, engine_observe, session_of)
from hutch_engine.sessions.pubsub cimport pubsub_deliver


cdef void _append_quoted(Buffer* out, Slice word) noexcept nogil:
    cdef const char* escapes = b"n\nr\rt\ta\ab\b"
    cdef char[8] text
    cdef size_t i
    cdef uint8_t byte
    cdef int j
    buffer_append(out, b"\"", 1)
    for i in range(word.length):
        byte = <uint8_t>word.data[i]
        if byte == 34 or byte == 92:
            text[0] = 92
            text[1] = <char>byte
            buffer_append(out, text, 2)
        elif 32 <= byte < 127:
            buffer_append(out, word.data + i, 1)
        else:
            j = 0
            while j < 10 and escapes[j + 1] != <char>byte:
                j += 2
            text[0] = 92
            if j < 10:
                text[1] = escapes[j]
                buffer_append(out, text, 2)
            else:
                snprintf(text, sizeof(text), b"\\x%02x", <int>byte)
                buffer_append(out, text, 4)
    buffer_append(out, b"\"", 1)


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


cdef void monitor_feed(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Session* monitor = engine.sessions
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
        else:
            _append_quoted(&line, argv[i])
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
    session.engine.monitor_count += 1
    engine_observe(session.engine)
    reply_ok(call.reply)
