"""See connection_commands.pxd."""
from libc.stdint cimport int32_t, int64_t
from hutch_engine.base.buffer cimport buffer_append_slice, buffer_clear
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call, call_word, error_arity, error_not_integer, error_syntax
from hutch_engine.commands.json cimport json_reply_modules
from hutch_engine.commands.reply cimport (reply_array, reply_bulk, reply_bulk_text, reply_error, reply_error_parts,
                                          reply_integer, reply_map, reply_ok, reply_simple)
from hutch_engine.state.engine cimport (
    DENIED_AT_MULTI, DENIED_AT_TOPLEVEL, DENIED_AUTH, SESSION_CLOSE_AFTER_REPLY, SESSION_MULTI, SESSION_PROTOCOL_SET, SESSION_SUBSCRIBED,
    Engine, Session, session_is_authenticated, session_of)
from hutch_engine.state.user cimport USER_NO_PASSWORD, USER_ON, User, user_knows_password
from hutch_engine.sessions.session cimport session_become, session_reset, session_select
from hutch_engine.sessions.users cimport users_find, users_note_denial

cdef const char* WRONG_PASSWORD = b"WRONGPASS invalid username-password pair or user is disabled."


cdef bint session_name_is_valid(Slice name) noexcept nogil:
    cdef size_t i
    for i in range(name.length):
        if name.data[i] == 0:
            break                # Redis looks no further, and keeps the whole
        if name.data[i] < 33 or name.data[i] > 126:
            return False
    return True


cdef bint session_authenticate(Session* session, Slice name, Slice password, Slice command) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef User* user = users_find(engine, name)
    # A user who is not there takes as long as one whose password is wrong.
    cdef bint good = user_knows_password(user if user != NULL else engine.users.nobody, password)
    if user != NULL and user.flags & USER_ON and good:
        session_become(session, user, True)
        return True
    users_note_denial(session, DENIED_AUTH, DENIED_AT_MULTI if session.flags & SESSION_MULTI else DENIED_AT_TOPLEVEL, command, name)
    return False


cdef void cmd_auth(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef Slice user = slice_of_text(b"default")
    if call.argc > 3:
        error_syntax(call)
        return
    if call.argc == 2 and session.engine.users.standard.flags & USER_NO_PASSWORD:
        reply_error(call.reply, b"ERR AUTH <password> called without any password configured for the default user. "
                                b"Are you sure your configuration is correct?")
        return
    if call.argc == 3:
        user = call.argv[1]
    if session_authenticate(session, user, call.argv[call.argc - 1], call.argv[0]):
        reply_ok(call.reply)
    else:
        reply_error(call.reply, WRONG_PASSWORD)


cdef void cmd_hello(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef int64_t version = 0
    cdef size_t i = 2
    cdef size_t user_at = 0, name_at = 0
    if call.argc >= 2:
        if not parse_integer(call.argv[1], &version):
            reply_error(call.reply, b"ERR Protocol version is not an integer or out of range")
            return
        if version < 2 or version > 3:
            reply_error(call.reply, b"NOPROTO unsupported protocol version")
            return
    while i < call.argc:
        if call_word(call, i, b"AUTH") and call.argc - i > 2:
            user_at = i + 1
            i += 3
        elif call_word(call, i, b"SETNAME") and call.argc - i > 1:
            name_at = i + 1
            if not session_name_is_valid(call.argv[name_at]):
                reply_error(call.reply, b"ERR Client names cannot contain spaces, newlines or special characters.")
                return
            i += 2
        else:
            reply_error_parts(call.reply, b"ERR Syntax error in HELLO option '", call.argv[i], b"'")
            return
    if user_at and not session_authenticate(session, call.argv[user_at], call.argv[user_at + 1], call.argv[0]):
        reply_error(call.reply, WRONG_PASSWORD)
        return
    if not session_is_authenticated(session):
        reply_error(call.reply, b"NOAUTH HELLO must be called with the client already authenticated, otherwise the "
                                b"HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
                                b"select the RESP protocol version at the same time")
        return
    if name_at:
        buffer_clear(&session.name)
        buffer_append_slice(&session.name, call.argv[name_at])
    if version:
        session.reply.resp = <int>version
        session.flags |= SESSION_PROTOCOL_SET
    reply_map(call.reply, 7)
    reply_bulk_text(call.reply, b"server")
    reply_bulk_text(call.reply, b"redis")
    reply_bulk_text(call.reply, b"version")
    reply_bulk_text(call.reply, b"8.2.3")
    reply_bulk_text(call.reply, b"proto")
    reply_integer(call.reply, session.reply.resp)
    reply_bulk_text(call.reply, b"id")
    reply_integer(call.reply, <int64_t>session.id)
    reply_bulk_text(call.reply, b"mode")
    reply_bulk_text(call.reply, b"standalone")
    reply_bulk_text(call.reply, b"role")
    reply_bulk_text(call.reply, b"master")
    reply_bulk_text(call.reply, b"modules")
    json_reply_modules(call)


cdef void cmd_select(Call* call) noexcept nogil:
    cdef int64_t index
    if not parse_integer(call.argv[1], &index):
        error_not_integer(call)
        return
    if index < -2147483648 or index > 2147483647:
        reply_error(call.reply, b"ERR value is out of range, value must between -2147483648 and 2147483647")
        return
    if index < 0 or index >= call.keyspace.database_count:
        reply_error(call.reply, b"ERR DB index is out of range")
        return
    session_select(session_of(call), <int32_t>index)
    reply_ok(call.reply)


cdef void cmd_ping(Call* call) noexcept nogil:
    if call.argc > 2:
        error_arity(call)
        return
    if session_of(call).flags & SESSION_SUBSCRIBED and call.reply.resp == 2:
        # A subscriber's stream has only pushes, even here.
        reply_array(call.reply, 2)
        reply_bulk_text(call.reply, b"pong")
        reply_bulk(call.reply, call.argv[1] if call.argc == 2 else slice_of(NULL, 0))
    elif call.argc == 2:
        reply_bulk(call.reply, call.argv[1])
    else:
        reply_simple(call.reply, b"PONG")


cdef void cmd_echo(Call* call) noexcept nogil:
    reply_bulk(call.reply, call.argv[1])


cdef void cmd_quit(Call* call) noexcept nogil:
    reply_ok(call.reply)
    session_of(call).flags |= SESSION_CLOSE_AFTER_REPLY


cdef void cmd_reset(Call* call) noexcept nogil:
    session_reset(session_of(call))
    reply_simple(call.reply, b"RESET")
