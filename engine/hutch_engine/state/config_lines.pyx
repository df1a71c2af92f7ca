"""See config_lines.pxd."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of
from hutch_engine.base.words cimport words_split
from hutch_engine.commands.command_names cimport command_names_change
from hutch_engine.state.config cimport (CHANGED_NAMES, CHANGED_USERS, CONFIG_AT_START, CONFIG_FROM_FILE, PARAMETER_MULTI, Config, Parameter,
                                         config_refuse, config_set_words)
from hutch_engine.state.config_table cimport config_find
from hutch_engine.state.user cimport User, user_free, user_is_whole, user_new
from hutch_engine.state.user_rules cimport (
    RULE_NO_MEMORY, RULE_TAKEN, RuleFault, rule_fault_text, user_apply, user_apply_all, user_describe,
    user_name_is_valid)

cdef enum:
    WORDS_MAX = 64


cdef bint _is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


cdef bint config_split_words(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil:
    return words_split(line, storage, words, limit, count_out)


cdef const char* _refusal(Slice directive) noexcept nogil:
    """Directives of a redis.conf that are no parameters, and why they cannot be followed."""
    if slice_is(directive, b"include"):
        return b"include is for files: this line is none of one"
    if slice_is(directive, b"loadmodule"):
        return b"Hutch loads no modules"
    return NULL


cdef bint _rename(Config* config, Slice old, Slice new, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef const char* problem = command_names_change(&config.names, old, new)
    if problem != NULL:
        return config_refuse(error_out, problem)
    changed_out[0] |= CHANGED_NAMES
    return True


cdef bint _is_obsolete(Slice directive) noexcept nogil:
    """Redis 8 still reads these names, and ignores them."""
    return slice_is(directive, b"list-max-ziplist-entries") or slice_is(directive, b"list-max-ziplist-value") or \
        slice_is(directive, b"lua-replicate-commands") or slice_is(directive, b"io-threads-do-reads")


cdef bint _parse_words(Config* config, Slice* words, size_t count, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef const Parameter* parameter
    cdef Buffer storage
    cdef Slice[WORDS_MAX] inner
    cdef size_t inner_count
    cdef const char* refusal = _refusal(words[0])
    cdef bint good
    if refusal != NULL:
        return config_refuse(error_out, refusal)
    if _is_obsolete(words[0]) and count == 2:
        return True
    if slice_is(words[0], b"rename-command") and count == 3:
        return _rename(config, words[1], words[2], changed_out, error_out)
    parameter = config_find(words[0])
    if parameter == NULL:
        return config_refuse(error_out, b"Bad directive or wrong number of arguments")
    if not parameter.flags & PARAMETER_MULTI and count != 2:
        return config_refuse(error_out, b"wrong number of arguments")
    if not parameter.flags & PARAMETER_MULTI or count != 2 or words[1].length == 0:
        return config_set_words(config, parameter, words + 1, count - 1, CONFIG_AT_START | CONFIG_FROM_FILE, changed_out,
                                error_out)
    # All words of the value in one, quoted: `--bind "127.0.0.1 -::1"` of a command line.
    buffer_init(&storage, NULL)
    if not config_split_words(words[1], &storage, inner, WORDS_MAX, &inner_count):
        inner_count = 0
    good = config_set_words(config, parameter, inner, inner_count, CONFIG_AT_START | CONFIG_FROM_FILE, changed_out,
                            error_out)
    buffer_clear(&storage)
    return good


cdef bint _is_of_user(Slice line) noexcept nogil:
    return line.length > 4 and slice_is(slice_of(line.data, 4), b"user") and _is_space(line.data[4])


cdef bint _user_is_known(const Config* config, Slice name) noexcept nogil:
    """Is there a line for this user already? Names have no blanks, so the line's second word is up to the next one."""
    cdef size_t at = 0, end
    cdef const char* lines = config.users.data
    while at < config.users.length:
        end = at
        while lines[end] != c'\n' and lines[end] != c' ':
            end += 1
        if slice_equals(slice_of(lines + at, end - at), name):
            return True
        while lines[end] != c'\n':
            end += 1
        at = end + 1
    return False


cdef bint _take_user(Config* config, const Slice* words, size_t count, Buffer* error_out) noexcept nogil:
    """The rules of a user are tried out, and kept as the words that describe the user."""
    cdef User* user = NULL
    cdef Buffer rule
    cdef RuleFault fault = RULE_NO_MEMORY
    cdef size_t before = config.users.length
    if not user_name_is_valid(words[0]):
        return config_refuse(error_out, b"Spaces not allowed in ACL usernames")
    if _user_is_known(config, words[0]):
        buffer_append_text(error_out, b"Error in user declaration '")
        buffer_append_slice(error_out, words[0])
        return config_refuse(error_out, b"': Duplicate user found. A user can only be defined once in config files")
    buffer_init(&rule, NULL)
    user = user_new(words[0])
    if user != NULL:
        if not config.acl_channels_denied:
            user_apply(user, slice_of(b"allchannels", 11), False)
        fault = user_apply_all(user, words + 1, count - 1, config.acl_channels_denied != 0, &rule)
    if fault == RULE_TAKEN:
        buffer_append_slice(&config.users, words[0])
        buffer_append(&config.users, b" ", 1)
        user_describe(user, &config.users)
        buffer_append(&config.users, b"\n", 1)
        if config.users.failed or not user_is_whole(user):
            config.users.length = before
            fault = RULE_NO_MEMORY
    if fault != RULE_TAKEN:
        buffer_append_text(error_out, b"Error in user declaration '")
        buffer_append_slice(error_out, buffer_slice(&rule))
        buffer_append_text(error_out, b"': ")
        buffer_append_text(error_out, rule_fault_text(fault))
    buffer_clear(&rule)
    user_free(user)
    return fault == RULE_TAKEN


cdef bint _parse_user(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef Slice* words = <Slice*>malloc((line.length // 2 + 2) * sizeof(Slice))     # users have many
    cdef Buffer storage
    cdef size_t count = 0
    cdef bint good = False
    buffer_init(&storage, NULL)
    if words == NULL:
        config_refuse(error_out, b"out of memory")
    elif not words_split(line, &storage, words, line.length // 2 + 2, &count):
        config_refuse(error_out, b"Unbalanced quotes in configuration line")
    elif count < 2:
        config_refuse(error_out, b"Bad directive or wrong number of arguments")
    else:
        good = _take_user(config, words + 1, count - 1, error_out)
        if good:
            changed_out[0] |= CHANGED_USERS
    buffer_clear(&storage)
    free(words)
    return good


cdef bint config_parse_line(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef Buffer storage
    cdef Slice[WORDS_MAX] words
    cdef size_t count, start = 0
    cdef bint good = True
    while start < line.length and _is_space(line.data[start]):
        start += 1
    if start == line.length or line.data[start] == c'#':
        return True
    if _is_of_user(slice_of(line.data + start, line.length - start)):
        return _parse_user(config, slice_of(line.data + start, line.length - start), changed_out, error_out)
    buffer_init(&storage, NULL)
    if not config_split_words(line, &storage, words, WORDS_MAX, &count):
        good = config_refuse(error_out, b"Unbalanced quotes in configuration line")
    elif count:
        good = _parse_words(config, words, count, changed_out, error_out)
    buffer_clear(&storage)
    return good
