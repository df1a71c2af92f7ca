"""See introspection.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of
from hutch_engine.commands.call cimport Call, call_help, call_word, error_memory, error_syntax
from hutch_engine.commands.command cimport (
    CMD_MODULE, CMD_NO_MANDATORY_KEYS, KEY_ACCESS, KEY_DELETE, KEY_INCOMPLETE, KEY_INSERT, KEY_NOT_KEY, KEY_OW, KEY_RM, KEY_RO, KEY_RW,
    KEY_UPDATE, KEY_VARIABLE_FLAGS, Command)
from hutch_engine.commands.reply cimport (reply_array, reply_array_at, reply_bulk, reply_error, reply_integer,
                                          reply_map_at, reply_mark, reply_null, reply_raw, reply_set,
                                          reply_simple)
from hutch_engine.commands.command_keys cimport KeyPosition, command_keys
from hutch_engine.state.engine cimport Engine, engine_of
from hutch_engine.commands.command_names cimport command_meant, command_named, command_names_reach
from hutch_engine.commands.command_table cimport command_table_at, command_table_count


cdef void _reply_key_flags(Call* call, uint32_t flags) noexcept nogil:
    cdef int64_t count = 0
    cdef uint32_t bit
    for bit in range(32):
        if flags & (<uint32_t>1 << bit):
            count += 1
    reply_set(call.reply, count)
    if flags & KEY_RO:
        reply_simple(call.reply, b"RO")
    if flags & KEY_RW:
        reply_simple(call.reply, b"RW")
    if flags & KEY_OW:
        reply_simple(call.reply, b"OW")
    if flags & KEY_RM:
        reply_simple(call.reply, b"RM")
    if flags & KEY_ACCESS:
        reply_simple(call.reply, b"access")
    if flags & KEY_UPDATE:
        reply_simple(call.reply, b"update")
    if flags & KEY_INSERT:
        reply_simple(call.reply, b"insert")
    if flags & KEY_DELETE:
        reply_simple(call.reply, b"delete")
    if flags & KEY_NOT_KEY:
        reply_simple(call.reply, b"not_key")
    if flags & KEY_INCOMPLETE:
        reply_simple(call.reply, b"incomplete")
    if flags & KEY_VARIABLE_FLAGS:
        reply_simple(call.reply, b"variable_flags")


cdef bint _has_keys(const Command* command) noexcept nogil:
    """Channels are specified like keys, and are none."""
    cdef uint32_t i
    for i in range(command.key_spec_count):
        if not command.key_specs[i].flags & KEY_NOT_KEY:
            return True
    return False


cdef void _get_keys(Call* call, bint with_flags) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Slice* argv = call.argv + 2
    cdef size_t argc = call.argc - 2
    cdef const Command* command = command_meant(&engine.config.names, argv, argc)
    cdef KeyPosition* positions
    cdef int64_t count, i
    if command == NULL:
        reply_error(call.reply, b"ERR Invalid command specified")
        return
    if not _has_keys(command):
        reply_error(call.reply, b"ERR The command has no key arguments")
        return
    if (command.arity > 0 and <int64_t>argc != command.arity) or \
            (command.arity < 0 and <int64_t>argc < -<int64_t>command.arity):
        reply_error(call.reply, b"ERR Invalid number of arguments specified for command")
        return
    count = command_keys(command, argv, argc, NULL, 0)
    if count <= 0:
        # A command that may do without keys is thought to do without them when its words make no sense.
        if command.flags & CMD_NO_MANDATORY_KEYS:
            reply_array(call.reply, 0)
        else:
            reply_error(call.reply, b"ERR Invalid arguments specified for command")
        return
    positions = <KeyPosition*>heap_try_alloc(&engine.heap, <size_t>count * sizeof(KeyPosition))
    if positions == NULL:
        error_memory(call)
        return
    command_keys(command, argv, argc, positions, <size_t>count)
    reply_array(call.reply, count)
    for i in range(count):
        if with_flags:
            reply_array(call.reply, 2)
        reply_bulk(call.reply, argv[positions[i].index])
        if with_flags:
            _reply_key_flags(call, positions[i].flags)
    heap_free(&engine.heap, positions, <size_t>count * sizeof(KeyPosition))


cdef void cmd_command_getkeys(Call* call) noexcept nogil:
    _get_keys(call, False)


cdef void cmd_command_getkeysandflags(Call* call) noexcept nogil:
    _get_keys(call, True)


# ---- the table

cdef const Command* _named(Engine* engine, Slice name) noexcept nogil:
    """A command by its full name, "client|list" included, any case."""
    cdef size_t i
    cdef Slice[2] words
    cdef const Command* command
    for i in range(name.length):
        if name.data[i] == c'|':
            words[0] = slice_of(name.data, i)
            words[1] = slice_of(name.data + i + 1, name.length - i - 1)
            command = command_meant(&engine.config.names, words, 2)
            # An unknown second word resolves to nothing, or to a command that has no subcommands.
            return command if command != NULL and command.parent != NULL else NULL
    return command_named(&engine.config.names, name)


cdef int64_t _reachable(const Engine* engine) noexcept nogil:
    """How many commands there are, without those that rename-command has taken away."""
    cdef int64_t count = 0
    cdef uint32_t i
    for i in range(command_table_count()):
        count += command_names_reach(&engine.config.names, command_table_at(i))
    return count


cdef void cmd_command(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int which = 1 if call.reply.resp == 3 else 0
    cdef uint32_t i
    reply_array(call.reply, _reachable(engine))
    for i in range(command_table_count()):
        if command_names_reach(&engine.config.names, command_table_at(i)):
            reply_raw(call.reply, command_table_at(i).info_reply[which])


cdef void cmd_command_count(Call* call) noexcept nogil:
    reply_integer(call.reply, _reachable(engine_of(call)))


cdef void cmd_command_info(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int which = 1 if call.reply.resp == 3 else 0
    cdef const Command* command
    cdef size_t i
    if call.argc == 2:
        cmd_command(call)
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        command = _named(engine, call.argv[i])
        if command == NULL:
            reply_null(call.reply)
        else:
            reply_raw(call.reply, command.info_reply[which])


cdef void cmd_command_docs(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef int which = 1 if call.reply.resp == 3 else 0
    cdef const Command* command
    cdef int64_t pairs = 0
    cdef size_t i
    cdef size_t mark = reply_mark(call.reply)
    if call.argc == 2:
        for i in range(command_table_count()):
            if command_names_reach(&engine.config.names, command_table_at(<uint32_t>i)):
                reply_raw(call.reply, command_table_at(<uint32_t>i).docs_reply[which])
        pairs = _reachable(engine)
    for i in range(2, call.argc):
        command = _named(engine, call.argv[i])
        if command != NULL:
            reply_raw(call.reply, command.docs_reply[which])
            pairs += 1
    reply_map_at(call.reply, mark, pairs)


cdef const char* _categories[21]
_categories[:] = [
    b"keyspace", b"read", b"write", b"set", b"sortedset", b"list", b"hash", b"string", b"bitmap", b"hyperloglog",
    b"geo", b"stream", b"pubsub", b"admin", b"fast", b"slow", b"blocking", b"dangerous", b"connection",
    b"transaction", b"scripting",
]


cdef uint64_t _category_named(Slice name) noexcept nogil:
    cdef uint32_t i
    for i in range(21):
        if slice_is(name, _categories[i]):
            return <uint64_t>1 << i
    return 0


cdef int64_t _list(Call* call, const Command* command, Slice* pattern, uint64_t categories, uint64_t flags) noexcept nogil:
    """Reply the command's name and its subcommands' when they pass."""
    cdef Slice name = slice_of(command.name, command.name_length)
    cdef int64_t count = 0
    cdef uint32_t i
    if (pattern == NULL or glob_matches(pattern[0], name, True)) and \
            (categories == 0 or command.acl_categories & categories) and (flags == 0 or command.flags & flags):
        reply_bulk(call.reply, name)
        count = 1
    for i in range(command.subcommand_count):
        count += _list(call, &command.subcommands[i], pattern, categories, flags)
    return count


cdef void cmd_command_list(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef uint64_t categories = 0
    cdef uint64_t flags = 0
    cdef Slice* pattern = NULL
    cdef int64_t count = 0
    cdef uint32_t i
    cdef size_t mark
    if call.argc != 2 and (call.argc != 5 or not call_word(call, 2, b"FILTERBY")):
        error_syntax(call)
        return
    if call.argc == 5:
        if call_word(call, 3, b"PATTERN"):
            pattern = &call.argv[4]
        elif call_word(call, 3, b"ACLCAT"):
            categories = _category_named(call.argv[4])
            if categories == 0:
                reply_array(call.reply, 0)
                return
        elif call_word(call, 3, b"MODULE"):
            if not slice_equals(call.argv[4], slice_of(b"ReJSON", 6)):       # the only one that MODULE LIST tells of
                reply_array(call.reply, 0)
                return
            flags = CMD_MODULE
        else:
            error_syntax(call)
            return
    mark = reply_mark(call.reply)
    for i in range(command_table_count()):
        if command_names_reach(&engine.config.names, command_table_at(i)):
            count += _list(call, command_table_at(i), pattern, categories, flags)
    reply_array_at(call.reply, mark, count)


cdef const char* _help_lines[18]
_help_lines[:] = [
    b"(no subcommand)", b"    Return details about all Redis commands.",
    b"COUNT", b"    Return the total number of commands in this Redis server.",
    b"LIST", b"    Return a list of all commands in this Redis server.",
    b"INFO [<command-name> ...]", b"    Return details about multiple Redis commands.",
    b"    If no command names are given, documentation details for all", b"    commands are returned.",
    b"DOCS [<command-name> ...]", b"    Return documentation details about multiple Redis commands.",
    b"    If no command names are given, documentation details for all", b"    commands are returned.",
    b"GETKEYS <full-command>", b"    Return the keys from a full Redis command.",
    b"GETKEYSANDFLAGS <full-command>", b"    Return the keys and the access flags from a full Redis command.",
]


cdef void cmd_command_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 18)
