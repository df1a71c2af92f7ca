"""See client_commands.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.clock cimport clock_now_us, monotonic_us
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is
from hutch_engine.commands.call cimport Call, call_help, call_integer, call_word, error_subcommand, error_syntax
from hutch_engine.commands.reply cimport (reply_bulk, reply_error, reply_error_parts, reply_integer, reply_null,
                                          reply_ok, reply_verbatim)
from hutch_engine.executor.serving cimport serve_unblock
from hutch_engine.control.connection_commands cimport session_name_is_valid
from hutch_engine.state.engine cimport (
    PAUSE_ALL, PAUSE_NONE, PAUSE_WRITE, SESSION_CLOSE_NOW, SESSION_MASTER, SESSION_MONITOR, SESSION_NO_EVICT,
    SESSION_NO_TOUCH, SESSION_REPLICA, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_REPLY_SKIP_NEXT, SESSION_SUBSCRIBED,
    Engine, Session, engine_end_pause, engine_of, engine_pause, session_of)
from hutch_engine.sessions.session cimport session_kill, session_user
from hutch_engine.sessions.session_text cimport session_describe
from hutch_engine.sessions.users cimport users_find
from hutch_engine.state.user cimport User

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
    User* user                   # NULL: any
    int type                     # CLIENT_
    bint skip_me

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
            filter.user = users_find(engine_of(call), value)
            if filter.user == NULL:
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
    filter.user = NULL
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
                (filter.user == NULL or session_user(session) == filter.user) and \
                (filter.max_age_s == 0 or (now - session.created_us) // 1000000 >= filter.max_age_s) and \
                not (session == me and filter.skip_me) and \
                not session.flags & SESSION_CLOSE_NOW:
            session_kill(session, me)
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
