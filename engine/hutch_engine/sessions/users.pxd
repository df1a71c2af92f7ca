"""The users of an engine: finding, changing and ending them, the file that keeps them, and the log of what was denied.

Sessions borrow their user: whoever changes one says so here, and sessions that lose what they need are ended. Everything here
requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine, Session
from hutch_engine.state.user cimport User

cdef bint users_init(Engine* engine) noexcept nogil
"""Make the default user, who may do everything. False: memory was refused."""
cdef void users_clear(Engine* engine) noexcept nogil
"""Free all users and the log. No session uses them any more."""
cdef User* users_find(const Engine* engine, Slice name) noexcept nogil
"""The user of this name, borrowed, or NULL. O(log users)"""
cdef User* users_make(Engine* engine, Slice name) noexcept nogil
"""A user that is not in the list yet, off and without rights but for acl-pubsub-default's. NULL when memory was refused."""
cdef bint users_put(Engine* engine, User* user, Session* me) noexcept nogil
"""Put a user in, or in the place of the one of that name, whose sessions become this one's; those that subscribe to what they may not
are ended. `me`, or NULL, is the session that asks: it is answered first. The user is taken over. False: memory was refused, the
user is freed, and nothing has changed. O(users + sessions)"""
cdef bint users_remove(Engine* engine, Slice name, Session* me) noexcept nogil
"""Take the user out and end the user's sessions; False: there is none. Not for the default user. O(users + sessions)"""
cdef void users_password(Engine* engine, Slice password) noexcept nogil
"""requirepass was set: it is the default user's only password; empty: none is asked for. O(sessions)"""
cdef void users_configure(Engine* engine) noexcept nogil
"""Take the users of the configuration's lines, which are known to be right; those that are there by now keep their sessions. One for
whom memory is refused is not taken."""
cdef bint users_note_lines(Engine* engine) noexcept nogil
"""Make the configuration's lines describe the users as they are. False: memory was refused, and nothing has changed."""
cdef bint users_load(Engine* engine, Session* me, Buffer* error_out) noexcept nogil
"""Read the file that `aclfile` names: its users take the place of all others, and sessions of users that are gone are ended. False,
with all that is wrong in error_out, and nothing has changed."""
cdef bint users_save(Engine* engine, Buffer* error_out) noexcept nogil
"""Write all users to that file, which is replaced in one step. False, with the reason: the old one is as it was."""
cdef void users_note_denial(Session* session, uint8_t reason, uint8_t context, Slice object, Slice username) noexcept nogil
"""Add to ACL LOG, or to an entry of the last minute that says the same, and count it for INFO. Where memory is refused it is only
counted. O(log's length) at most"""
cdef void users_clear_log(Engine* engine) noexcept nogil
"""Forget all entries of ACL LOG."""
