"""Words of commands that are nobody else's: users and passwords. Whoever shows a command (MONITOR, a log) asks here."""
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport CMD_SECRET, CMD_SECRET_AUTH, CMD_SECRET_PARAMETERS, Command

cdef inline bint secrets_may_be_in(const Command* command) noexcept nogil:
    """Does it ever have words that are not shown?"""
    return command.flags & (CMD_SECRET | CMD_SECRET_AUTH | CMD_SECRET_PARAMETERS) != 0

cdef bint secrets_include(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil
"""Is argv[index] a word that is not shown? O(words)"""
cdef Slice secrets_shown(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil
"""argv[index] as it may be shown: itself, borrowed, or "(redacted)" as static text. O(words)"""
