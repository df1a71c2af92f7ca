"""May a session's user run this command with these words? Judged by commands/*.toml's key specifications and channel flags.

Only sessions with SESSION_RESTRICTED are asked about: all others may do everything. Everything here requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Session
from hutch_engine.state.user cimport User

cdef uint8_t rights_judge(const User* user, const Command* command, const Slice* argv, size_t argc, size_t* at_out) noexcept nogil
"""DENIED_NOT, or why not (a DENIED_ value); then *at_out is the word that it is about. Its arity is right. O(words * patterns)"""
cdef bint rights_allow(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil
"""May the session's user run it? Also notes for the command whether what its words name by a pattern is limited
(Call.keys_limited). Writes nothing."""
cdef bint rights_plainly(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil
"""rights_allow where the answer is near: the user's root selector has the command, it names no channel that matters, and its one
key fits a pattern. `command` takes so many words. True: it is allowed, as rights_allow would have found; False: that is to be
asked. O(patterns * key)."""
cdef bint rights_whatever_words(Session* session, const Command* command) noexcept nogil
"""May the session's user run it with any words at all? False: the words are to be looked at. O(1)"""
cdef void rights_explain(const User* user, const Command* command, uint8_t denied, Slice word, bint in_full, Buffer* out) noexcept nogil
"""Append the sentence that says what was denied; `in_full`: with the key's or channel's name."""
cdef void rights_refused(Session* session, const Command* command, const Slice* argv, size_t argc, uint8_t context,
                         uint8_t* denied_out, Buffer* text_out) noexcept nogil
"""Note in ACL LOG and in the statistics that the session was refused this command (`context`: a DENIED_AT_ value), and append the
sentence that says so. *denied_out is the reason."""
