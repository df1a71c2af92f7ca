"""See monitor.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_reserve, buffer_slice)
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_now_us
from hutch_engine.base.compiler cimport likely, load_u64, store_u64, ticks, unlikely
from hutch_engine.base.slice cimport Slice, slice_of_text
from hutch_engine.commands.call cimport CALL_IN_MULTI, CALL_IN_SCRIPT, Call
from hutch_engine.commands.command cimport CMD_ADMIN, Command
from hutch_engine.commands.reply cimport reply_error, reply_ok
from hutch_engine.state.engine cimport (
    SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW, SESSION_EMBEDDED, SESSION_MONITOR, SESSION_UNIX_SOCKET, Engine, Session,
    engine_observe, session_of)
from hutch_engine.sessions.monitor_records cimport (
    RECORD_BYTES_MIN, RECORD_IN_CAPITALS, RECORD_IN_TICKS, RUN_BYTES, MonitorRecord, monitor_records_text)
from hutch_engine.sessions.output_limit cimport OUTPUT_NOT_COUNTED_BYTES
from hutch_engine.sessions.pubsub cimport pubsub_cut_off, pubsub_deliver, pubsub_is_over_limit
from hutch_engine.sessions.secrets cimport secrets_may_be_in, secrets_shown
from hutch_engine.sessions.wake_queue cimport session_wake

cdef enum:
    WORDS = 32                           # of a command that are gathered without an allocation, where one of them is a secret


cdef Slice _who(Session* session) noexcept nogil:
    """As the line has it; for a Unix socket, without what precedes the path."""
    cdef Slice who = buffer_slice(&session.address)
    if session.call.flags & CALL_IN_SCRIPT:
        return slice_of_text(b"lua")
    if session.flags & SESSION_UNIX_SOCKET:
        who = buffer_slice(&session.local_address)
        if who.length > 2 and memcmp(who.data + who.length - 2, b":0", 2) == 0:
            who.length -= 2
    return who


cdef inline void _copy(char* out, const char* data, size_t length) noexcept nogil:
    """Words of commands are short: a call of memcpy would cost more than the copy."""
    if length >= 8:
        if length > 32:
            memcpy(out, data, length)
        elif length > 16:
            memcpy(out, data, 16)
            memcpy(out + length - 16, data + length - 16, 16)
        else:
            memcpy(out, data, 8)
            memcpy(out + length - 8, data + length - 8, 8)
    elif length >= 4:
        memcpy(out, data, 4)
        memcpy(out + length - 4, data + length - 4, 4)
    elif length:
        out[0] = data[0]
        out[length >> 1] = data[length >> 1]
        out[length - 1] = data[length - 1]


cdef void _begin_run(Session* session, Buffer* inbox) noexcept nogil:
    """A header behind what lies there; there is room for it."""
    cdef char* header = inbox.data + inbox.length
    if session.records_first == 0:
        session.records_first = inbox.length + 1
    else:
        store_u64(inbox.data + session.records_last, inbox.length + 1)
    session.records_last = inbox.length
    store_u64(header, 0)
    store_u64(header + 8, 0)
    inbox.length += RUN_BYTES


cdef bint _add_record(Session* session, Buffer* inbox, const MonitorRecord* head, Slice who, const Slice* words) noexcept nogil:
    """Append a record to what the monitor is sent. True: it is the first since somebody took what was there. Nothing is appended when
    memory is refused, and the buffer's `failed` is set."""
    cdef char* out
    cdef char* run
    cdef bint begun = False
    cdef uint32_t i
    cdef size_t length
    if unlikely(not buffer_reserve(inbox, RUN_BYTES + head.bytes)):
        return False
    run = inbox.data + session.records_last
    if unlikely(session.records_first == 0) or session.records_last + RUN_BYTES + load_u64(run + 8) != inbox.length:
        _begin_run(session, inbox)
        begun = True
        run = inbox.data + session.records_last
    out = inbox.data + inbox.length
    memcpy(out, head, sizeof(MonitorRecord))
    out += sizeof(MonitorRecord)
    _copy(out, who.data, who.length)
    out += who.length
    for i in range(head.words):
        length = words[i].length
        store_u64(out, length)
        out += 8
        _copy(out, words[i].data, length)
        out += length
    inbox.length += head.bytes
    store_u64(run + 8, load_u64(run + 8) + head.bytes)
    invariant(out == inbox.data + inbox.length, b"the size of a monitor's record")
    return begun


cdef void _tell(Session* monitor, const MonitorRecord* head, Slice who, const Slice* words) noexcept nogil:
    """A record for whoever takes what this monitor is sent. What its own command sends to a socket is text at once: it will stand
    behind the reply."""
    cdef bint own = monitor.engine.execution.current == monitor and not monitor.flags & SESSION_EMBEDDED
    cdef Buffer* inbox = &monitor.inbox if monitor.flags & SESSION_EMBEDDED else &monitor.reply.buffer        # as session_inbox
    cdef Buffer line
    cdef MonitorRecord now
    cdef bint begun
    if unlikely(monitor.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)):
        return
    if unlikely(own):
        now = head[0]
        now.time = clock_now_us(&monitor.engine.clock)
        buffer_init(&line, &monitor.engine.client_bytes)
        monitor_records_text(&line, &now, who, words)
        if line.failed:
            pubsub_cut_off(monitor)
        else:
            pubsub_deliver(monitor, buffer_slice(&line), True)
        buffer_clear(&line)
        return
    begun = _add_record(monitor, inbox, head, who, words)
    if unlikely(inbox.failed or inbox.length > OUTPUT_NOT_COUNTED_BYTES) and (inbox.failed or pubsub_is_over_limit(monitor, inbox)):
        pubsub_cut_off(monitor)
    elif begun:
        session_wake(monitor)            # once: whoever takes it takes all that has come by then


cdef void _tell_all(Session* session, const Command* command, const Slice* words, size_t count) noexcept nogil:
    cdef Session* monitor = session.engine.sessions.first_monitor
    cdef MonitorRecord head
    cdef Slice who = _who(session)
    cdef Buffer unix                     # its name
    cdef size_t i
    cdef bint named = unlikely(session.flags & SESSION_UNIX_SOCKET != 0) and not session.call.flags & CALL_IN_SCRIPT
    if named:
        buffer_init(&unix, NULL)
        buffer_append_text(&unix, b"unix:")
        buffer_append_slice(&unix, who)
        who = buffer_slice(&unix)
    head.database = session.database_index
    head.words = <uint32_t>count
    head.who = <uint16_t>who.length
    head.flags = RECORD_IN_CAPITALS if words[0].data == command.name else 0
    if unlikely(session.engine.clock.held):
        head.time = clock_now_us(&session.engine.clock)
    else:
        head.time = <int64_t>ticks()
        head.flags |= RECORD_IN_TICKS
    head.unused = 0
    head.bytes = RECORD_BYTES_MIN + who.length + 8 * count
    for i in range(count):
        head.bytes += words[i].length
    while monitor != NULL:
        _tell(monitor, &head, who, words)
        monitor = monitor.next_monitor
    if unlikely(named):
        buffer_clear(&unix)


cdef void monitor_feed(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef Slice[WORDS] few
    cdef Slice* words = few
    cdef size_t i
    if command.flags & CMD_ADMIN:
        return
    if likely(not secrets_may_be_in(command)):
        _tell_all(session, command, argv, argc)
        return
    if argc > WORDS:
        words = <Slice*>malloc(argc * sizeof(Slice))
        if words == NULL:
            return
    for i in range(argc):
        words[i] = secrets_shown(command, argv, argc, i)
    _tell_all(session, command, words, argc)
    if words != few:
        free(words)


cdef void cmd_monitor(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    # A second MONITOR is not answered: among EXEC's elements one would be missing.
    if call.flags & (CALL_IN_MULTI | CALL_IN_SCRIPT):
        reply_error(call.reply, b"ERR MONITOR isn't allowed for DENY BLOCKING client")
        return
    if session.flags & SESSION_MONITOR:
        return                           # Redis, too, does not answer the second time
    session.flags |= SESSION_MONITOR
    session.next_monitor = session.engine.sessions.first_monitor
    session.engine.sessions.first_monitor = session
    engine_observe(session.engine)
    reply_ok(call.reply)


cdef void monitor_leave(Session* session) noexcept nogil:
    cdef Session** link = &session.engine.sessions.first_monitor
    if not session.flags & SESSION_MONITOR:
        return
    while link[0] != session:
        link = &link[0].next_monitor
    link[0] = session.next_monitor
    session.next_monitor = NULL
    session.flags &= ~<uint32_t>SESSION_MONITOR
    engine_observe(session.engine)
