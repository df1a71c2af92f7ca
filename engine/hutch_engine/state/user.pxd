"""Users and what they may do: passwords, and selectors of commands, keys and channels.

A user has a root selector and any number of further ones; a command is allowed if one selector allows all of it. What a rule
says is kept twice: as bits and patterns, by which commands are judged (executor/rights), and as the words that describe it
(user_rules). Nothing here knows of sessions. Memory is malloc's, since users are read from files before there is an engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    USER_COMMANDS = 1024         # more than there are commands: Command.id is below
    PASSWORD_DIGITS = 64         # of a password's SHA-256

cdef enum:                       # User.flags
    USER_ON = 1 << 0
    USER_NO_PASSWORD = 1 << 1    # "nopass": any will do
    USER_SKIPS_SANITIZING = 1 << 2

cdef enum:                       # Selector.flags
    SELECTS_ALL_COMMANDS = 1 << 0    # also those that are still to come; no rule has taken one away
    SELECTS_ALL_KEYS = 1 << 1
    SELECTS_ALL_CHANNELS = 1 << 2
    SELECTS_FROM_ALL = 1 << 3        # its rules begin with +@all, not with -@all

cdef enum:                       # UserPattern.rights
    MAY_READ = 1
    MAY_WRITE = 2

cdef enum:                       # UserPattern.form
    PATTERN_GLOB = 0
    PATTERN_PREFIX = 1           # nothing special in it but the star at its end
    PATTERN_ALL = 2              # "*"

cdef struct UserPattern:         # in a Buffer, the bytes behind it, filled up to a multiple of 8
    uint32_t length
    uint16_t rights              # MAY_, of keys; else 0
    uint16_t form                # PATTERN_

cdef struct FirstWord:           # likewise: +command|word, where the command has no such subcommand
    uint32_t length
    uint32_t command             # Command.id

cdef struct Selector:
    Selector* next               # owned: the user's next one
    uint32_t flags               # SELECTS_
    uint64_t[16] commands        # USER_COMMANDS bits, by Command.id
    Buffer rules                 # "+get -set": what was said of commands since +@all or -@all, a space between
    Buffer patterns              # UserPatterns of keys
    Buffer channels              # UserPatterns of channels
    Buffer first_words           # FirstWords

cdef struct User:
    Buffer name
    uint32_t flags               # USER_
    bint may_all                 # any command with any words; kept by user_settle
    Buffer passwords             # PASSWORD_DIGITS bytes each
    Selector root

cdef inline Slice pattern_bytes(const UserPattern* pattern) noexcept nogil:
    """The pattern's text; borrowed."""
    return slice_of(<const char*>pattern + sizeof(UserPattern), pattern.length)

cdef inline Slice first_word_bytes(const FirstWord* word) noexcept nogil:
    """The word; borrowed."""
    return slice_of(<const char*>word + sizeof(FirstWord), word.length)

cdef inline size_t record_bytes(uint32_t length) noexcept nogil:
    """What a UserPattern or FirstWord with a text of this length takes."""
    return 8 + ((<size_t>length + 7) & ~<size_t>7)

cdef inline bint selector_has_command(const Selector* selector, uint32_t id) noexcept nogil:
    """Is the command of this id among the selector's?"""
    return (selector.commands[id >> 6] >> (id & 63)) & 1 != 0

cdef User* user_new(Slice name) noexcept nogil
"""A user that is off and may do nothing, no channels included. The name is copied. NULL when memory was refused; free it with
user_free."""
cdef void user_free(User* user) noexcept nogil
"""Free the user; NULL is allowed."""
cdef bint user_copy(User* user, const User* model) noexcept nogil
"""Make it like the model, but for its name. False: memory was refused, and nothing has changed. O(model)"""
cdef void user_take(User* user, User* model) noexcept nogil
"""Make it like the model, but for its name, by exchanging what both have. Cannot fail; O(1)."""
cdef void user_settle(User* user) noexcept nogil
"""Set may_all anew, after a change. O(1)"""
cdef bint user_is_whole(const User* user) noexcept nogil
"""Was memory given for all that it was told? O(selectors)"""
cdef Selector* user_add_selector(User* user) noexcept nogil
"""A further selector, at the end, that allows nothing; NULL when memory was refused. The user owns it."""
cdef void user_drop_selectors(User* user) noexcept nogil
"""Free all selectors but the root."""
cdef void user_clear_selector(Selector* selector) noexcept nogil
"""Free what a selector has; the selector itself stays, and is to be filled anew."""
cdef bint user_knows_password(const User* user, Slice password) noexcept nogil
"""Is it one of the user's, or is any one good? Takes as long for a wrong one as for a right one: all are looked at, whole.
O(passwords + length)"""
cdef void user_hash_password(Slice password, char* digits_out) noexcept nogil
"""Write its SHA-256 as PASSWORD_DIGITS hexadecimal digits, no terminator. O(length)"""
cdef void selector_add_pattern(Buffer* patterns, Slice text, uint16_t rights) noexcept nogil
"""Add a pattern; where it is there already, only its rights. When memory is refused the buffer's `failed` is set. O(patterns)"""
cdef bint patterns_match(const Buffer* patterns, Slice text, uint16_t rights) noexcept nogil
"""Does one of the patterns that has all of these rights fit the text? O(patterns * length)"""
cdef bint patterns_have(const Buffer* patterns, Slice text, uint16_t rights) noexcept nogil
"""Is this very pattern there, with all of these rights? O(patterns)"""
