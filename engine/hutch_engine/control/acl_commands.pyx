"""See acl_commands.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.random cimport Random, random_init
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of, slice_of_text
from hutch_engine.commands.call cimport Call, call_help, call_integer, call_word, error_memory, error_subcommand
from hutch_engine.commands.command cimport Command, command_takes
from hutch_engine.commands.command_table cimport (
    command_acl_category, command_acl_category_name, command_resolve, command_table_at, command_table_count)
from hutch_engine.commands.reply cimport (
    reply_array, reply_array_at, reply_bulk, reply_bulk_text, reply_double, reply_error, reply_error_parts, reply_error_slice,
    reply_integer, reply_map, reply_mark, reply_null, reply_ok, reply_set)
from hutch_engine.executor.rights cimport rights_explain, rights_judge
from hutch_engine.sessions.session cimport session_user
from hutch_engine.sessions.users cimport (
    users_clear_log, users_find, users_load, users_make, users_put, users_remove, users_save)
from hutch_engine.state.config cimport LOG_WARNING
from hutch_engine.state.engine cimport (
    DENIED_AT_MULTI, DENIED_AT_TOPLEVEL, DENIED_AUTH, DENIED_COMMAND, DENIED_KEY, DENIED_NOT, Denial, Engine, engine_of, session_of)
from hutch_engine.state.log cimport log_write
from hutch_engine.state.user cimport (
    PASSWORD_DIGITS, USER_NO_PASSWORD, USER_ON, USER_SKIPS_SANITIZING, Selector, User, user_copy, user_free)
from hutch_engine.state.user_rules cimport (
    RULE_NO_MEMORY, RULE_TAKEN, RULE_UNCLOSED, RuleFault, rule_fault_text, selector_describe_channels, selector_describe_commands,
    selector_describe_keys, user_apply_all, user_describe, user_name_is_valid)

cdef enum:
    PASSWORD_BITS = 256
    PASSWORD_BITS_MAX = 4096
    GENERATED_DIGITS_MAX = 1024  # a fourth of that
    LOG_SHOWN = 10

cdef const char* NO_FILE = (
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then "
    b"issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.")


# ---- users

cdef void _refuse_rule(Call* call, RuleFault fault, Slice rule) noexcept nogil:
    cdef Buffer text
    if fault == RULE_NO_MEMORY:
        error_memory(call)
        return
    buffer_init(&text, NULL)
    if fault == RULE_UNCLOSED:
        buffer_append_text(&text, b"ERR Unmatched parenthesis in acl selector starting at '")
        buffer_append_slice(&text, rule)
        buffer_append_text(&text, b"'.")
    else:
        buffer_append_text(&text, b"ERR Error in ACL SETUSER modifier '")
        buffer_append_slice(&text, rule)
        buffer_append_text(&text, b"': ")
        buffer_append_text(&text, rule_fault_text(fault))
    if text.failed:
        error_memory(call)
    else:
        reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void cmd_acl_setuser(Call* call) noexcept nogil:
    """All rules are tried on a copy, and taken together or not at all."""
    cdef Engine* engine = engine_of(call)
    cdef Slice name = call.argv[2]
    cdef User* there
    cdef User* user
    cdef Buffer rule
    cdef RuleFault fault = RULE_NO_MEMORY
    if not user_name_is_valid(name):
        reply_error(call.reply, b"ERR Usernames can't contain spaces or null characters")
        return
    there = users_find(engine, name)
    user = users_make(engine, name)
    buffer_init(&rule, NULL)
    if user != NULL and (there == NULL or user_copy(user, there)):
        fault = user_apply_all(user, call.argv + 3, call.argc - 3, engine.config.acl_channels_denied != 0, &rule)
    if fault != RULE_TAKEN:
        user_free(user)
        _refuse_rule(call, fault, buffer_slice(&rule))
    elif users_put(engine, user, session_of(call)):
        reply_ok(call.reply)
    else:
        error_memory(call)
    buffer_clear(&rule)


cdef void cmd_acl_deluser(Call* call) noexcept nogil:
    cdef size_t i
    cdef int64_t gone = 0
    for i in range(2, call.argc):
        if slice_equals(call.argv[i], slice_of_text(b"default")):
            reply_error(call.reply, b"ERR The 'default' user cannot be removed")
            return
    for i in range(2, call.argc):
        gone += users_remove(engine_of(call), call.argv[i], session_of(call))
    reply_integer(call.reply, gone)


cdef void _reply_selector(Call* call, const Selector* selector) noexcept nogil:
    """Its three names and values, without a header."""
    cdef Buffer text
    cdef int i
    buffer_init(&text, NULL)
    for i in range(3):
        text.length = 0
        if i == 0:
            reply_bulk_text(call.reply, b"commands")
            selector_describe_commands(selector, &text)
        elif i == 1:
            reply_bulk_text(call.reply, b"keys")
            selector_describe_keys(selector, &text)
        else:
            reply_bulk_text(call.reply, b"channels")
            selector_describe_channels(selector, &text)
        call.reply.buffer.failed |= text.failed
        reply_bulk(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void cmd_acl_getuser(Call* call) noexcept nogil:
    cdef const User* user = users_find(engine_of(call), call.argv[2])
    cdef const Selector* selector
    cdef size_t at
    cdef int64_t count = 0
    if user == NULL:
        reply_null(call.reply)
        return
    reply_map(call.reply, 6)
    reply_bulk_text(call.reply, b"flags")
    reply_set(call.reply, 3 if user.flags & USER_NO_PASSWORD else 2)
    reply_bulk_text(call.reply, b"on" if user.flags & USER_ON else b"off")
    if user.flags & USER_NO_PASSWORD:
        reply_bulk_text(call.reply, b"nopass")
    reply_bulk_text(call.reply, b"skip-sanitize-payload" if user.flags & USER_SKIPS_SANITIZING else b"sanitize-payload")
    reply_bulk_text(call.reply, b"passwords")
    reply_array(call.reply, <int64_t>(user.passwords.length // PASSWORD_DIGITS))
    for at in range(user.passwords.length // PASSWORD_DIGITS):
        reply_bulk(call.reply, slice_of(user.passwords.data + at * PASSWORD_DIGITS, PASSWORD_DIGITS))
    _reply_selector(call, &user.root)
    reply_bulk_text(call.reply, b"selectors")
    selector = user.root.next
    while selector != NULL:
        count += 1
        selector = selector.next
    reply_array(call.reply, count)
    selector = user.root.next
    while selector != NULL:
        reply_map(call.reply, 3)
        _reply_selector(call, selector)
        selector = selector.next


cdef void cmd_acl_list(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer text
    cdef size_t i
    buffer_init(&text, NULL)
    reply_array(call.reply, <int64_t>engine.users.count)
    for i in range(engine.users.count):
        text.length = 0
        buffer_append_text(&text, b"user ")
        buffer_append_slice(&text, buffer_slice(&engine.users.list[i].name))
        buffer_append(&text, b" ", 1)
        user_describe(engine.users.list[i], &text)
        call.reply.buffer.failed |= text.failed
        reply_bulk(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef void cmd_acl_users(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef size_t i
    reply_array(call.reply, <int64_t>engine.users.count)
    for i in range(engine.users.count):
        reply_bulk(call.reply, buffer_slice(&engine.users.list[i].name))


cdef void cmd_acl_whoami(Call* call) noexcept nogil:
    reply_bulk(call.reply, buffer_slice(&session_user(session_of(call)).name))


# ---- what there is

cdef int64_t _reply_commands(Call* call, const Command* command, uint64_t category) noexcept nogil:
    """The command's name, and those of its subcommands, where they are of the category; returns how many."""
    cdef int64_t count = 0
    cdef uint32_t i
    if command.acl_categories & category:
        reply_bulk(call.reply, slice_of(command.name, command.name_length))
        count += 1
    for i in range(command.subcommand_count):
        count += _reply_commands(call, &command.subcommands[i], category)
    return count


cdef void cmd_acl_cat(Call* call) noexcept nogil:
    cdef size_t mark
    cdef uint64_t category
    cdef int64_t count = 0
    cdef uint32_t i
    if call.argc > 3:
        error_subcommand(call)
        return
    if call.argc == 2:
        mark = reply_mark(call.reply)
        while command_acl_category_name(<uint32_t>count) != NULL:
            reply_bulk_text(call.reply, command_acl_category_name(<uint32_t>count))
            count += 1
        reply_array_at(call.reply, mark, count)
        return
    category = command_acl_category(call.argv[2])
    if category == 0:
        reply_error_parts(call.reply, b"ERR Unknown category '", call.argv[2], b"'")
        return
    mark = reply_mark(call.reply)
    for i in range(command_table_count()):
        count += _reply_commands(call, command_table_at(i), category)
    reply_array_at(call.reply, mark, count)


cdef void cmd_acl_genpass(Call* call) noexcept nogil:
    cdef char digits[GENERATED_DIGITS_MAX]
    cdef Random random
    cdef int64_t bits = PASSWORD_BITS
    cdef size_t length, at = 0, piece
    if call.argc > 3:
        error_subcommand(call)
        return
    if call.argc == 3:
        if not call_integer(call, 2, &bits):
            return
        if bits <= 0 or bits > PASSWORD_BITS_MAX:
            reply_error(call.reply, b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number "
                                    b"up to 4096")
            return
    length = <size_t>(bits + 3) // 4
    # Not the engine's generator, whose later numbers its earlier ones tell: each 256 bits are the system's own.
    while at < length:
        random_init(&random, 0)
        piece = length - at if length - at < 16 * 4 else 16 * 4
        _random_digits(&random, digits + at, piece)
        at += piece
    reply_bulk(call.reply, slice_of(digits, length))


cdef void _random_digits(const Random* random, char* out, size_t length) noexcept nogil:
    """The system's 256 bits themselves, as digits."""
    cdef const char* digits = b"0123456789abcdef"
    cdef size_t i
    for i in range(length):
        out[i] = digits[(random.state[i // 16] >> (4 * (i % 16))) & 15]


cdef void cmd_acl_dryrun(Call* call) noexcept nogil:
    cdef const User* user = users_find(engine_of(call), call.argv[2])
    cdef const Command* command
    cdef size_t at = 0
    cdef uint8_t denied
    cdef Buffer text
    if user == NULL:
        reply_error_parts(call.reply, b"ERR User '", call.argv[2], b"' not found")
        return
    command = command_resolve(call.argv + 3, call.argc - 3)
    if command == NULL:
        reply_error_parts(call.reply, b"ERR Command '", call.argv[3], b"' not found")
        return
    if not command_takes(command, call.argc - 3):
        reply_error_parts(call.reply, b"ERR wrong number of arguments for '", slice_of(command.name, command.name_length), b"' command")
        return
    denied = rights_judge(user, command, call.argv + 3, call.argc - 3, &at)
    if denied == DENIED_NOT:
        reply_ok(call.reply)
        return
    buffer_init(&text, NULL)
    rights_explain(user, command, denied, call.argv[3 + at], True, &text)
    call.reply.buffer.failed |= text.failed
    reply_bulk(call.reply, buffer_slice(&text))
    buffer_clear(&text)


# ---- the log

cdef const char* _reason(uint8_t reason) noexcept nogil:
    if reason == DENIED_COMMAND:
        return b"command"
    if reason == DENIED_KEY:
        return b"key"
    return b"auth" if reason == DENIED_AUTH else b"channel"


cdef const char* _context(uint8_t context) noexcept nogil:
    if context == DENIED_AT_TOPLEVEL:
        return b"toplevel"
    return b"multi" if context == DENIED_AT_MULTI else b"lua"


cdef void _reply_denial(Call* call, const Denial* denial, int64_t now_ms) noexcept nogil:
    reply_map(call.reply, 10)
    reply_bulk_text(call.reply, b"count")
    reply_integer(call.reply, <int64_t>denial.count)
    reply_bulk_text(call.reply, b"reason")
    reply_bulk_text(call.reply, _reason(denial.reason))
    reply_bulk_text(call.reply, b"context")
    reply_bulk_text(call.reply, _context(denial.context))
    reply_bulk_text(call.reply, b"object")
    reply_bulk(call.reply, buffer_slice(&denial.object))
    reply_bulk_text(call.reply, b"username")
    reply_bulk(call.reply, buffer_slice(&denial.username))
    reply_bulk_text(call.reply, b"age-seconds")
    reply_double(call.reply, <double>(now_ms - denial.updated_ms) / 1000)
    reply_bulk_text(call.reply, b"client-info")
    reply_bulk(call.reply, buffer_slice(&denial.client))
    reply_bulk_text(call.reply, b"entry-id")
    reply_integer(call.reply, <int64_t>denial.id)
    reply_bulk_text(call.reply, b"timestamp-created")
    reply_integer(call.reply, denial.created_ms)
    reply_bulk_text(call.reply, b"timestamp-last-updated")
    reply_integer(call.reply, denial.updated_ms)


cdef void cmd_acl_log(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef const Denial* denial = engine.users.log
    cdef int64_t now_ms = clock_now_ms(&engine.clock)
    cdef int64_t most = LOG_SHOWN
    if call.argc > 3:
        error_subcommand(call)
        return
    if call.argc == 3:
        if call_word(call, 2, b"RESET"):
            users_clear_log(engine)
            reply_ok(call.reply)
            return
        if not call_integer(call, 2, &most):
            return
    if most < 0:
        most = 0
    if most > <int64_t>engine.users.log_count:
        most = <int64_t>engine.users.log_count
    reply_array(call.reply, most)
    while most > 0:
        _reply_denial(call, denial, now_ms)
        denial = denial.next
        most -= 1


# ---- the file

cdef void cmd_acl_load(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer error, text
    if engine.config.aclfile.length == 0:
        reply_error(call.reply, NO_FILE)
        return
    buffer_init(&error, NULL)
    if users_load(engine, session_of(call), &error):
        reply_ok(call.reply)
    else:
        buffer_init(&text, NULL)
        buffer_append_text(&text, b"ERR ")
        buffer_append_slice(&text, buffer_slice(&error))
        if error.failed or text.failed:
            error_memory(call)
        else:
            reply_error_slice(call.reply, buffer_slice(&text))
        buffer_clear(&text)
    buffer_clear(&error)


cdef void cmd_acl_save(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer error, line
    if engine.config.aclfile.length == 0:
        reply_error(call.reply, NO_FILE)
        return
    buffer_init(&error, NULL)
    if users_save(engine, &error):
        reply_ok(call.reply)
    else:
        buffer_init(&line, NULL)
        buffer_append_text(&line, b"Saving the file of users: ")
        buffer_append_slice(&line, buffer_slice(&error))
        log_write(engine, LOG_WARNING, buffer_slice(&line))
        buffer_clear(&line)
        reply_error(call.reply, b"ERR There was an error trying to save the ACLs. Please check the server logs for more information")
    buffer_clear(&error)


cdef const char* _help_lines[26]
_help_lines[:] = [
    b"CAT [<category>]", b"    List all commands that belong to <category>, or all command categories",
    b"    when no category is specified.",
    b"DELUSER <username> [<username> ...]", b"    Delete a list of users.",
    b"DRYRUN <username> <command> [<arg> ...]",
    b"    Returns whether the user can execute the given command without executing the command.",
    b"GETUSER <username>", b"    Get the user's details.",
    b"GENPASS [<bits>]", b"    Generate a secure 256-bit user password. The optional `bits` argument can",
    b"    be used to specify a different size.",
    b"LIST", b"    Show users details in config file format.",
    b"LOAD", b"    Reload users from the ACL file.",
    b"LOG [<count> | RESET]", b"    Show the ACL log entries.",
    b"SAVE", b"    Save the current config to the ACL file.",
    b"SETUSER <username> <attribute> [<attribute> ...]", b"    Create or modify a user with the specified attributes.",
    b"USERS", b"    List all the registered usernames.",
    b"WHOAMI", b"    Return the current connection username.",
]


cdef void cmd_acl_help(Call* call) noexcept nogil:
    call_help(call, _help_lines, 26)
