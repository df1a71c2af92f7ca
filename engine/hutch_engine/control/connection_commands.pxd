"""The connection itself: HELLO AUTH SELECT QUIT RESET PING ECHO."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Session

cdef bint session_name_is_valid(Slice name) noexcept nogil
"""Printable ASCII without spaces, as CLIENT LIST needs it."""
cdef bint session_authenticate(Session* session, Slice name, Slice password, Slice command) noexcept nogil
"""Log in as the user of this name. False: there is none, the user is off, or the password is wrong; that is noted in ACL LOG, with the
word of the command that tried. Takes the same time for every wrong password of one length."""

cdef void cmd_auth(Call* call) noexcept nogil
cdef void cmd_echo(Call* call) noexcept nogil
cdef void cmd_hello(Call* call) noexcept nogil
cdef void cmd_ping(Call* call) noexcept nogil
cdef void cmd_quit(Call* call) noexcept nogil
cdef void cmd_reset(Call* call) noexcept nogil
cdef void cmd_select(Call* call) noexcept nogil
