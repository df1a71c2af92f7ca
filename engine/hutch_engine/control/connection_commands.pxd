"""The connection itself: HELLO AUTH SELECT QUIT RESET PING ECHO."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Session

cdef bint session_name_is_valid(Slice name) noexcept nogil
"""Printable ASCII without spaces, as CLIENT LIST needs it."""
cdef bint session_authenticate(Session* session, Slice user, Slice password) noexcept nogil
"""Log in as the default user, the only one; counts failures. Takes the same time for every wrong password
of one length."""

cdef void cmd_auth(Call* call) noexcept nogil
cdef void cmd_echo(Call* call) noexcept nogil
cdef void cmd_hello(Call* call) noexcept nogil
cdef void cmd_ping(Call* call) noexcept nogil
cdef void cmd_quit(Call* call) noexcept nogil
cdef void cmd_reset(Call* call) noexcept nogil
cdef void cmd_select(Call* call) noexcept nogil
