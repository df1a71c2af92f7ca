"""The command table: every command that commands/*.toml declares, as constant structs.

command_table.pyx is written by tools/command_table.py when the engine is built; never edit it. The
table is filled when the module is imported, the handlers are put in when command_handlers.pyx (written
too) is; it is constant from then on, and any thread may read it. The table imports no handler, so that
handlers and the executor may import the table.
"""
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command


cdef const Command* command_table_find(Slice name) noexcept nogil
"""The top-level command of that name in any case, borrowed from the table, or NULL. One hash, one probe, one comparison."""

cdef const Command* command_table_at(uint32_t i) noexcept nogil
"""The top-level command at this place in alphabetical order, 0 <= i < command_table_count(); borrowed from the table."""

cdef uint32_t command_table_count() noexcept nogil
"""How many top-level commands there are."""

cdef uint32_t command_table_ids() noexcept nogil
"""One more than the highest Command.id: the size of arrays indexed by it."""

cdef const Command* command_table_by_id(uint32_t id) noexcept nogil
"""The command or subcommand of that id, 0 <= id < command_table_ids(); borrowed from the table."""

cdef const Command* command_find_subcommand(const Command* container, Slice name) noexcept nogil
"""The subcommand of that (short) name in any case, borrowed from the table, or NULL. Linear: a container has at most some 25."""

cdef inline const Command* command_narrow(const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """What argv[0] named, or the subcommand that argv[1] names of a container; NULL: there is no such command."""
    if command != NULL and command.subcommand_count and argc > 1:
        return command_find_subcommand(command, argv[1])
    return command

cdef const Command* command_resolve(const Slice* argv, size_t argc) noexcept nogil
"""The command or subcommand that these words name, borrowed from the table, or NULL."""

cdef const char* command_acl_category_name(uint32_t bit) noexcept nogil
"""The name of the category of this bit, in the order of ACL CAT ("keyspace" for bit 0), as static text; NULL past the last."""

cdef uint64_t command_acl_category(Slice name) noexcept nogil
"""The ACL_* bit of a category named without @, in any case; 0 for none."""

cdef const char* command_key_flag_name(uint32_t bit) noexcept nogil
"""The name of this bit of KeySpec.flags as COMMAND GETKEYSANDFLAGS writes it ("RO" for bit 0), as static text; NULL past the
last."""

cdef void command_table_set_handler(uint32_t id, void* handler) noexcept nogil
"""Put a command's handler into the table. For command_handlers alone, while it is imported."""
