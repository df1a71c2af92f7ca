"""See client_commands.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_us, monotonic_us
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of_text
from hutch_engine.commands.call cimport Call, call_help, call_integer, call_word, error_subcommand, error_syntax
from hutch_engine.commands.reply cimport (reply_bulk, reply_error, reply_error_parts, reply_integer, reply_null,
                                          reply_ok, reply_verbatim)
from hutch_engine.executor.serving cimport serve_unblock
from hutch_engine.control.connection_commands cimport session_name_is_valid
from hutch_engine.state.engine cimport (
    PAUSE_ALL, PAUSE_NONE, PAUSE_WRITE, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_CLOSE_NOW,
    SESSION_DIRTY_CAS, SESSION_EMBEDDED, SESSION_IN_SCRIPT, SESSION_MASTER, SESSION_MONITOR, SESSION_MULTI,
    SESSION_NO_EVICT, SESSION_NO_TOUCH, SESSION_POSTPONED, SESSION_REPLICA, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
    SESSION_REPLY_SKIP_NEXT, SESSION_SUBSCRIBED, SESSION_TRACKING, SESSION_UNIX_SOCKET, TOPIC_CHANNEL, TOPIC_PATTERN,
    TRACKING_BCAST, TRACKING_BROKEN_REDIRECT, TOPIC_SHARD, Engine, Session, engine_end_pause, engine_of, engine_pause,
    session_of)
from hutch_engine.sessions.session cimport session_end, session_memory, session_unread
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.sessions.tracking cimport session_forget_messages

cdef enum:                       # client types, as TYPE filters name them
    CLIENT_NORMAL = 0
    CLIENT_MASTER = 1
    CLIENT_REPLICA = 2
    CLIENT_PUBSUB = 3
    CLIENT_ANY = 4

cdef struct Filter:              # CLIENT KILL
    uint64_t id                  # 0: any
    int64_t max_age_s            # 0: any
    Slice address                # NULL data: any
    Slice local_address
    int type                     # CLIENT_
    bint skip_me

cdef enum:
    FIXED_REPLY_BYTES = 16384    # of Redis's block for the first of its replies, and the least of its further ones

cdef int64_t LONGEST_MS = 9223372036854775807
cdef const char* NAME_ERROR = b"ERR Client names cannot contain spaces, newlines or special characters."


cdef int _type_of(const Session* session) noexcept nogil:
    if session.flags & SESSION_MASTER:
        return CLIENT_MASTER
    if session.flags & SESSION_REPLICA and not session.flags & SESSION_MONITOR:
        return CLIENT_REPLICA
    if session.flags & SESSION_SUBSCRIBED:
        return CLIENT_PUBSUB
    return CLIENT_NORMAL


cdef int _type_named(Slice name) noexcept nogil:
    """-1 when there is no such type."""
    if slice_is(name, b"normal"):
        return CLIENT_NORMAL
    if slice_is(name, b"master"):
        return CLIENT_MASTER
    if slice_is(name, b"slave") or slice_is(name, b"replica"):
        return CLIENT_REPLICA
    if slice_is(name, b"pubsub"):
        return CLIENT_PUBSUB
    return -1


# ---- describing

cdef void _field(Buffer* out, const char* name, int64_t value) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_integer(out, value)


cdef void _text_field(Buffer* out, const char* name, const Buffer* text) noexcept nogil:
    buffer_append_text(out, name)
    buffer_append_slice(out, buffer_slice(text))


cdef void _append_flags(uint32_t flags, uint32_t tracking, Buffer* out) noexcept nogil:
    """The letters of CLIENT LIST's flags field, in Redis's order."""
    cdef size_t before = out.length
    if flags & SESSION_REPLICA:
        buffer_append_text(out, b"O" if flags & SESSION_MONITOR else b"S")
    elif flags & SESSION_MONITOR:
        buffer_append_text(out, b"O")
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
    _field(out, b" user=default redir=", <int64_t>session.tracking_redirect if session.flags & SESSION_TRACKING else -1)
    _field(out, b" resp=", session.reply.resp)
    _text_field(out, b" lib-name=", &session.library_name)
    _text_field(out, b" lib-ver=", &session.library_version)
    _field(out, b" io-thread=0 tot-net-in=", <int64_t>session.bytes_in)
    _field(out, b" tot-net-out=", <int64_t>atomic_load64(&session.bytes_out))
    _field(out, b" tot-cmds=", <int64_t>session.commands)


cdef void cmd_client_info(Call* call) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    session_describe(session_of(call), &text)
    buffer_append(&text, b"\n", 1)
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


cdef Session* _find(Engine* engine, uint64_t id) noexcept nogil:
    cdef Session* session = engine.sessions.first
    while session != NULL and session.id != id:
        session = session.next
    return session


cdef void cmd_client_list(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Session* session
    cdef Buffer text
    cdef int type = CLIENT_ANY
    cdef int64_t id
    cdef size_t i
    if call.argc == 4 and call_word(call, 2, b"TYPE"):
        type = _type_named(call.argv[3])
        if type < 0:
            reply_error_parts(call.reply, b"ERR Unknown client type '", call.argv[3], b"'")
            return
    elif call.argc > 3 and call_word(call, 2, b"ID"):
        for i in range(3, call.argc):
            if not parse_integer(call.argv[i], &id):
                reply_error(call.reply, b"ERR Invalid client ID")
                return
    elif call.argc != 2:
        error_syntax(call)
        return
    buffer_init(&text, NULL)
    if call.argc > 3 and type == CLIENT_ANY:
        for i in range(3, call.argc):
            parse_integer(call.argv[i], &id)
            session = _find(engine, <uint64_t>id) if id > 0 else NULL
            if session != NULL:
                session_describe(session, &text)
                buffer_append(&text, b"\n", 1)
    else:
        session = engine.sessions.first
        while session != NULL:
            if type == CLIENT_ANY or _type_of(session) == type:
                session_describe(session, &text)
                buffer_append(&text, b"\n", 1)
            session = session.next
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- killing

cdef void _kill(Engine* engine, Session* session, Session* me) noexcept nogil:
    if session == me:
        session.flags |= SESSION_CLOSE_AFTER_REPLY
    else:
        session.flags |= SESSION_CLOSE_NOW
        # The listener closes sockets. An embedded session ends here, and its caller meets the flag with its next call, or
        # where it waits; unless it is in the middle of a script, whose thread ends it then.
        if session.flags & SESSION_EMBEDDED and not session.flags & SESSION_IN_SCRIPT:
            session_end(session)
            return
        if session.flags & SESSION_EMBEDDED:
            session_forget_messages(session)
        session_wake(session)


cdef bint _read_filter(Call* call, Filter* filter) noexcept nogil:
    cdef size_t i = 2
    cdef int64_t number
    cdef Slice value
    while i < call.argc:
        if i + 1 == call.argc:
            error_syntax(call)
            return False
        value = call.argv[i + 1]
        if call_word(call, i, b"ID"):
            if not parse_integer(value, &number) or number < 1:
                reply_error(call.reply, b"ERR client-id should be greater than 0")
                return False
            filter.id = <uint64_t>number
        elif call_word(call, i, b"MAXAGE"):
            if not parse_integer(value, &number):
                reply_error(call.reply, b"ERR maxage is not an integer or out of range")
                return False
            if number <= 0:
                reply_error(call.reply, b"ERR maxage should be greater than 0")
                return False
            filter.max_age_s = number
        elif call_word(call, i, b"TYPE"):
            filter.type = _type_named(value)
            if filter.type < 0:
                reply_error_parts(call.reply, b"ERR Unknown client type '", value, b"'")
                return False
        elif call_word(call, i, b"ADDR"):
            filter.address = value
        elif call_word(call, i, b"LADDR"):
            filter.local_address = value
        elif call_word(call, i, b"USER"):
            # The default user is the only one there is, and everybody is it.
            if not slice_equals(value, slice_of_text(b"default")):
                reply_error_parts(call.reply, b"ERR No such user '", value, b"'")
                return False
        elif call_word(call, i, b"SKIPME"):
            if slice_is(value, b"yes"):
                filter.skip_me = True
            elif slice_is(value, b"no"):
                filter.skip_me = False
            else:
                error_syntax(call)
                return False
        else:
            error_syntax(call)
            return False
        i += 2
    return True


cdef void cmd_client_kill(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Session* me = session_of(call)
    cdef Session* session = engine.sessions.first
    cdef Session* following
    cdef Filter filter
    cdef int64_t killed = 0
    cdef int64_t now = monotonic_us()
    filter.id = 0
    filter.max_age_s = 0
    filter.address.data = NULL
    filter.local_address.data = NULL
    filter.type = CLIENT_ANY
    filter.skip_me = True
    if call.argc == 3:
        filter.address = call.argv[2]
        filter.skip_me = False
    elif not _read_filter(call, &filter):
        return
    while session != NULL:
        following = session.next         # an embedded one leaves the list with its end
        if (filter.id == 0 or session.id == filter.id) and \
                (filter.address.data == NULL or slice_equals(filter.address, buffer_slice(&session.address))) and \
                (filter.local_address.data == NULL
                 or slice_equals(filter.local_address, buffer_slice(&session.local_address))) and \
                (filter.type == CLIENT_ANY or _type_of(session) == filter.type) and \
                (filter.max_age_s == 0 or (now - session.created_us) // 1000000 >= filter.max_age_s) and \
                not (session == me and filter.skip_me) and \
                not session.flags & SESSION_CLOSE_NOW:
            _kill(engine, session, me)
            killed += 1
            if call.argc == 3:
                break            # the old form kills one
        session = following
    if call.argc > 3:
        reply_integer(call.reply, killed)
    elif killed:
        reply_ok(call.reply)
    else:
        reply_error(call.reply, b"ERR No such client")


# ---- one's own connection

cdef void cmd_client_id(Call* call) noexcept nogil:
    reply_integer(call.reply, <int64_t>session_of(call).id)


cdef void cmd_client_getname(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if session.name.length:
        reply_bulk(call.reply, buffer_slice(&session.name))
    else:
        reply_null(call.reply)


cdef void cmd_client_setname(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if not session_name_is_valid(call.argv[2]):
        reply_error(call.reply, NAME_ERROR)
        return
    buffer_clear(&session.name)
    buffer_append_slice(&session.name, call.argv[2])
    reply_ok(call.reply)


cdef void cmd_client_setinfo(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef Buffer* text
    if call_word(call, 2, b"LIB-NAME"):
        text = &session.library_name
    elif call_word(call, 2, b"LIB-VER"):
        text = &session.library_version
    else:
        reply_error_parts(call.reply, b"ERR Unrecognized option '", call.argv[2], b"'")
        return
    if not session_name_is_valid(call.argv[3]):
        reply_error_parts(call.reply, b"ERR ", call.argv[2],
                          b" cannot contain spaces, newlines or special characters.")
        return
    buffer_clear(text)
    buffer_append_slice(text, call.argv[3])
    reply_ok(call.reply)


cdef void _switch(Call* call, uint32_t flag) noexcept nogil:
    cdef Session* session = session_of(call)
    if call_word(call, 2, b"ON"):
        session.flags |= flag
    elif call_word(call, 2, b"OFF"):
        session.flags &= ~flag
    else:
        error_syntax(call)
        return
    reply_ok(call.reply)


cdef void cmd_client_no_evict(Call* call) noexcept nogil:
    _switch(call, SESSION_NO_EVICT)


cdef void cmd_client_no_touch(Call* call) noexcept nogil:
    _switch(call, SESSION_NO_TOUCH)


cdef void cmd_client_reply(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if call_word(call, 2, b"ON"):
        session.flags &= ~<uint32_t>(SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)
        reply_ok(call.reply)
    elif call_word(call, 2, b"OFF"):
        session.flags |= SESSION_REPLY_OFF
    elif call_word(call, 2, b"SKIP"):
        if not session.flags & SESSION_REPLY_OFF:
            session.flags |= SESSION_REPLY_SKIP_NEXT
    else:
        error_syntax(call)


# ---- pausing

cdef void cmd_client_pause(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int64_t timeout_ms, end_ms
    cdef int64_t now_us = clock_now_us(&engine.clock)
    cdef int64_t now_ms = now_us // 1000
    cdef int64_t up_ms = (now_us + 999) // 1000      # not before its time is over
    cdef int kind = PAUSE_ALL
    if call.argc == 4:
        if call_word(call, 3, b"WRITE"):
            kind = PAUSE_WRITE
        elif not call_word(call, 3, b"ALL"):
            reply_error(call.reply, b"ERR CLIENT PAUSE mode must be WRITE or ALL")
            return
    elif call.argc > 4:
        error_syntax(call)
        return
    if not parse_integer(call.argv[2], &timeout_ms) or timeout_ms > LONGEST_MS - up_ms:
        reply_error(call.reply, b"ERR timeout is not an integer or out of range")
        return
    if timeout_ms < 0:
        reply_error(call.reply, b"ERR timeout is negative")
        return
    end_ms = up_ms + timeout_ms
    # A running pause is made longer or stricter by another, never shorter or milder.
    if engine.pause.kind != PAUSE_NONE and engine.pause.end_ms > now_ms:
        if engine.pause.end_ms > end_ms:
            end_ms = engine.pause.end_ms
        if engine.pause.kind == PAUSE_ALL:
            kind = PAUSE_ALL
    engine_pause(engine, <unsigned char>kind, end_ms)
    reply_ok(call.reply)


cdef void cmd_client_unblock(Call* call) noexcept nogil:
    cdef Session* session = engine_of(call).sessions.first
    cdef int64_t id
    cdef bint as_error = False
    if call.argc > 4:
        error_subcommand(call)
        return
    if call.argc == 4:
        as_error = call_word(call, 3, b"ERROR")
        if not as_error and not call_word(call, 3, b"TIMEOUT"):
            reply_error(call.reply, b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
            return
    if not call_integer(call, 2, &id):
        return
    while session != NULL and <int64_t>session.id != id:
        session = session.next
    reply_integer(call.reply, session != NULL and serve_unblock(session, as_error))


cdef void cmd_client_unpause(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    engine_end_pause(engine)
    reply_ok(call.reply)


cdef const char* _help_lines[55]
_help_lines[:] = [
    b"CACHING (YES|NO)", b"    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    b"GETREDIR", b"    Return the client ID we are redirecting to when tracking is enabled.",
    b"GETNAME", b"    Return the name of the current connection.",
    b"ID", b"    Return the ID of the current connection.",
    b"INFO", b"    Return information about the current client connection.",
    b"KILL <ip:port>", b"    Kill connection made from <ip:port>.",
    b"KILL <option> <value> [<option> <value> [...]]", b"    Kill connections. Options are:",
    b"    * ADDR (<ip:port>|<unixsocket>:0)", b"      Kill connections made from the specified address",
    b"    * LADDR (<ip:port>|<unixsocket>:0)", b"      Kill connections made to specified local address",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", b"      Kill connections by type.",
    b"    * USER <username>", b"      Kill connections authenticated by <username>.",
    b"    * SKIPME (YES|NO)", b"      Skip killing current connection (default: yes).",
    b"    * ID <client-id>", b"      Kill connections by client id.",
    b"    * MAXAGE <maxage>", b"      Kill connections older than the specified age.",
    b"LIST [options ...]", b"    Return information about client connections. Options:",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", b"      Return clients of specified type.",
    b"UNPAUSE", b"    Stop the current client pause, resuming traffic.",
    b"PAUSE <timeout> [WRITE|ALL]", b"    Suspend all, or just write, clients for <timeout> milliseconds.",
    b"REPLY (ON|OFF|SKIP)", b"    Control the replies sent to the current connection.",
    b"SETNAME <name>", b"    Assign the name <name> to the current connection.",
    b"SETINFO <option> <value>", b"    Set client meta attr. Options are:",
    b"    * LIB-NAME: the client lib name.", b"    * LIB-VER: the client lib version.",
    b"UNBLOCK <clientid> [TIMEOUT|ERROR]", b"    Unblock the specified blocked client.",
    b"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    b"         [OPTIN] [OPTOUT] [NOLOOP]",
    b"    Control server assisted client side caching.",
    b"TRACKINGINFO", b"    Report tracking status for the current connection.",
    b"NO-EVICT (ON|OFF)", b"    Protect current client connection from eviction.",
    b"NO-TOUCH (ON|OFF)", b"    Will not touch LRU/LFU stats when this mode is on.",
]


cdef void cmd_client_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 55)
