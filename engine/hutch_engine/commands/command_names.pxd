"""The names by which clients reach commands: the table's, but for what `rename-command` said.

A command may have got another name, or none. Everything else about it stays: what COMMAND INFO, statistics and errors call it,
its rights, and what stands in the append-only file. Names change before the first session begins and never afterwards, so any
thread may look them up without a lock.
"""
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.command_table cimport command_narrow, command_table_find

cdef enum:
    COMMAND_NAMES_WORDS = 16         # of 64 commands each

cdef struct CommandNames:
    Buffer given                     # names that are not the table's: id and length, four bytes each, then the name
    uint64_t[16] gone                # by Command.id: the table's name of this command does not lead to it any more
    uint32_t changes                 # renamings so far; 0: all is as in the table
    bint fixed                       # there are, or were, sessions: nothing changes any more

cdef void command_names_init(CommandNames* names) noexcept nogil
"""All commands have their own names."""
cdef void command_names_clear(CommandNames* names) noexcept nogil
"""Free the memory. command_names_init makes the names usable again."""
cdef const char* command_names_change(CommandNames* names, Slice old, Slice new) noexcept nogil
"""The command that `old` leads to is reached by `new` from now on; by an empty `new`: by nothing. NULL, or why that cannot be, as
static text; then nothing has changed. O(renamed commands)"""
cdef const Command* command_names_find(const CommandNames* names, Slice name) noexcept nogil
"""The top-level command that clients reach by this name in any case, borrowed from the table, or NULL. O(renamed commands)"""
cdef bint command_names_reach(const CommandNames* names, const Command* command) noexcept nogil
"""Does any name lead to this top-level command? COMMAND tells of no others. O(renamed commands)"""

cdef inline const Command* command_named(const CommandNames* names, Slice name) noexcept nogil:
    """The same as command_names_find; without renamed commands at no further cost than the table's."""
    if likely(names.changes == 0):
        return command_table_find(name)
    return command_names_find(names, name)

cdef inline const Command* command_meant(const CommandNames* names, const Slice* argv, size_t argc) noexcept nogil:
    """The command or subcommand that a client's words name, borrowed from the table, or NULL."""
    return command_narrow(command_named(names, argv[0]), argv, argc)

cdef inline bint command_keeps_name(const CommandNames* names, const Command* command) noexcept nogil:
    """Does the table's name of this top-level command lead to it? (Not so if it was renamed.)"""
    return not names.gone[command.id >> 6] >> (command.id & 63) & 1
