"""The rules of ACL SETUSER: what they make of a user, and the rules that describe one.

Texts are Redis's to the byte, so that files of users go from one server to the other.
"""
from libc.stddef cimport size_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.user cimport Selector, User

cdef enum RuleFault:
    RULE_TAKEN = 0
    RULE_UNKNOWN                     # command or category
    RULE_SYNTAX
    RULE_AFTER_ALL_KEYS
    RULE_AFTER_ALL_CHANNELS
    RULE_NO_SUCH_PASSWORD
    RULE_BAD_HASH
    RULE_OF_SUBCOMMAND               # a first word of a subcommand
    RULE_UNCLOSED                    # a selector's parenthesis
    RULE_NO_MEMORY

cdef struct RuleWords:               # the rules that stand in some words: a selector may take several
    const Slice* words               # borrowed
    size_t count
    size_t at
    Buffer selector                  # owned; of a selector that takes several

cdef RuleFault user_apply(User* user, Slice rule, bint channels_denied) noexcept nogil
"""Change the user by one rule; RULE_TAKEN, or what is wrong with it, and nothing has changed. `channels_denied` is
acl-pubsub-default. O(commands) at most. Requires user_settle afterwards."""
cdef RuleFault user_apply_all(User* user, const Slice* words, size_t count, bint channels_denied, Buffer* fault_out) noexcept nogil
"""Change the user by all rules in these words. At the first fault the rule that has it is put into fault_out; those before it have
been taken, and the user is to be thrown away."""
cdef const char* rule_fault_text(RuleFault fault) noexcept nogil
"""What Redis says of it; static."""
cdef void rule_words_begin(RuleWords* rules, const Slice* words, size_t count) noexcept nogil
"""Begin to go through the rules in these words. rule_words_end must follow."""
cdef bint rule_words_next(RuleWords* rules, Slice* rule_out) noexcept nogil
"""The next rule, borrowed until the call after this one; False: there is none. A selector that is not closed is left out."""
cdef void rule_words_end(RuleWords* rules) noexcept nogil
"""Free what it took."""
cdef size_t rule_words_unclosed(const Slice* words, size_t count) noexcept nogil
"""The index of the word with the parenthesis that is not closed; `count`: there is none."""
cdef bint user_name_is_valid(Slice name) noexcept nogil
"""Has it neither blanks nor NULs?"""
cdef void user_describe(const User* user, Buffer* out) noexcept nogil
"""Append the rules that make a new user like this one, as ACL LIST shows them."""
cdef void selector_describe_commands(const Selector* selector, Buffer* out) noexcept nogil
"""Append what it says of commands: "-@all +get"."""
cdef void selector_describe_keys(const Selector* selector, Buffer* out) noexcept nogil
"""Append what it says of keys: "~a* %R~b", or nothing."""
cdef void selector_describe_channels(const Selector* selector, Buffer* out) noexcept nogil
"""Append what it says of channels: "&a* &b", or nothing."""
