"""Shows tests/server/test_command_declarations.py the compiled command table."""
from libc.stdint cimport uint32_t
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.command cimport Command, KeySpec
from hutch_engine.commands.command_table cimport (
    command_acl_category, command_acl_category_name, command_find_subcommand, command_key_flag_name, command_table_at,
    command_table_by_id, command_table_count, command_table_find, command_table_ids,
)


cdef bytes text(Slice slice):
    return slice.data[:slice.length]


cdef dict spec_dict(const KeySpec* spec):
    return {
        "flags": spec.flags, "begin_kind": spec.begin_kind, "begin_index": spec.begin_index,
        "begin_keyword": spec.begin_keyword if spec.begin_keyword is not NULL else None,
        "begin_from": spec.begin_from, "find_kind": spec.find_kind, "last_key": spec.last_key, "limit": spec.limit,
        "keynum_index": spec.keynum_index, "first_key": spec.first_key, "key_step": spec.key_step,
    }


cdef dict command_dict(const Command* command):
    cdef uint32_t i
    return {
        "name": command.name, "short_name": command.short_name,
        "lengths": (command.name_length, command.short_name_length),
        "id": command.id, "arity": command.arity, "flags": command.flags, "acl": command.acl_categories,
        "legacy_keys": (command.first_key, command.last_key, command.key_step),
        "key_specs": [spec_dict(&command.key_specs[i]) for i in range(command.key_spec_count)],
        "subcommands": [command.subcommands[i].name for i in range(command.subcommand_count)],
        "parent": command.parent.name if command.parent is not NULL else None,
        "info": (text(command.info_reply[0]), text(command.info_reply[1])),
        "docs": (text(command.docs_reply[0]), text(command.docs_reply[1])),
    }


def top_level():
    cdef uint32_t i
    return [command_dict(command_table_at(i)) for i in range(command_table_count())]


def everything():
    cdef uint32_t i
    return [command_dict(command_table_by_id(i)) for i in range(command_table_ids())]


def find(bytes name):
    cdef const Command* command = command_table_find(slice_of(name, len(name)))
    return command.name if command is not NULL else None


def find_subcommand(bytes container, bytes name):
    cdef const Command* command = command_table_find(slice_of(container, len(container)))
    command = command_find_subcommand(command, slice_of(name, len(name)))
    return command.name if command is not NULL else None


def acl_category(bytes name):
    return command_acl_category(slice_of(name, len(name)))


def acl_category_name(uint32_t bit):
    cdef const char* name = command_acl_category_name(bit)
    return name if name is not NULL else None


def key_flag_name(uint32_t bit):
    cdef const char* name = command_key_flag_name(bit)
    return name if name is not NULL else None


def find_many(bytes name, int times):
    """For bench: so many look-ups; how many found something."""
    cdef Slice slice = slice_of(name, len(name))
    cdef int i, found = 0
    with nogil:
        for i in range(times):
            found += command_table_find(slice) is not NULL
    return found
