"""See user_rules.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memmove, memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_reserve, buffer_slice)
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_equals, slice_is, slice_of
from hutch_engine.base.words cimport words_split
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.command_table cimport (
    command_acl_category, command_find_subcommand, command_table_by_id, command_table_find, command_table_ids)
from hutch_engine.state.user cimport (
    MAY_READ, MAY_WRITE, PASSWORD_DIGITS, SELECTS_ALL_CHANNELS, SELECTS_ALL_COMMANDS, SELECTS_ALL_KEYS, SELECTS_FROM_ALL,
    USER_NO_PASSWORD, USER_ON, USER_SKIPS_SANITIZING, FirstWord, UserPattern, first_word_bytes, pattern_bytes, record_bytes,
    selector_add_pattern, user_add_selector, user_clear_selector, user_drop_selectors, user_hash_password)


cdef inline bint _is_blank(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r' or c == 0


cdef bint user_name_is_valid(Slice name) noexcept nogil:
    cdef size_t i
    for i in range(name.length):
        if _is_blank(name.data[i]):
            return False
    return True


cdef inline Slice _behind(Slice text, size_t count) noexcept nogil:
    return slice_of(text.data + count, text.length - count)


cdef inline bint _is_same(Slice a, Slice b) noexcept nogil:
    """Equal but for ASCII case."""
    cdef size_t i
    if a.length != b.length:
        return False
    for i in range(a.length):
        if ascii_lower(a.data[i]) != ascii_lower(b.data[i]):
            return False
    return True


# ---- commands

cdef void _set_command(Selector* selector, const Command* command, bint allowed) noexcept nogil:
    cdef uint64_t bit = <uint64_t>1 << (command.id & 63)
    if allowed:
        selector.commands[command.id >> 6] |= bit
    else:
        selector.commands[command.id >> 6] &= ~bit
        selector.flags &= ~<uint32_t>SELECTS_ALL_COMMANDS


cdef void _forget_first_words(Selector* selector, uint32_t id) noexcept nogil:
    cdef Buffer* words = &selector.first_words
    cdef size_t at = 0, bytes
    cdef FirstWord* word
    while at < words.length:
        word = <FirstWord*>(words.data + at)
        bytes = record_bytes(word.length)
        if word.command == id:
            memmove(words.data + at, words.data + at + bytes, words.length - at - bytes)
            words.length -= bytes
        else:
            at += bytes


cdef void _change_command(Selector* selector, const Command* command, bint allowed) noexcept nogil:
    """The command, and all of a container."""
    cdef uint32_t i
    _set_command(selector, command, allowed)
    _forget_first_words(selector, command.id)
    for i in range(command.subcommand_count):
        _set_command(selector, &command.subcommands[i], allowed)


cdef void _add_first_word(Selector* selector, const Command* command, Slice text) noexcept nogil:
    cdef Buffer* words = &selector.first_words
    cdef FirstWord head
    cdef const FirstWord* there
    cdef size_t at = 0
    while at < words.length:
        there = <const FirstWord*>(words.data + at)
        if there.command == command.id and _is_same(first_word_bytes(there), text):
            return
        at += record_bytes(there.length)
    if text.length >> 32 or not buffer_reserve(words, record_bytes(<uint32_t>text.length)):
        words.failed = True
        return
    head.length = <uint32_t>text.length
    head.command = command.id
    buffer_append(words, <const char*>&head, sizeof(head))
    buffer_append_slice(words, text)
    buffer_append(words, b"\0\0\0\0\0\0\0", record_bytes(head.length) - sizeof(head) - text.length)


cdef const Command* _find_command(Slice name) noexcept nogil:
    """By "get" or "config|get"; NULL: there is no such command."""
    cdef size_t i = 0
    cdef const Command* command
    cdef Slice rest
    while i < name.length and name.data[i] != c'|':
        i += 1
    command = command_table_find(slice_of(name.data, i))
    if command == NULL or i == name.length:
        return command
    rest = _behind(name, i + 1)
    if command.subcommand_count == 0:
        return NULL
    return command_find_subcommand(command, rest)


cdef void _drop_rules(Buffer* rules, Slice name) noexcept nogil:
    """What was said of this command or category before, and of the command's subcommands, says nothing any more."""
    cdef size_t at = 0, end, next_at
    cdef Slice rule
    while at < rules.length:
        end = at
        while end < rules.length and rules.data[end] != c' ':
            end += 1
        next_at = end + 1 if end < rules.length else end
        rule = slice_of(rules.data + at + 1, end - at - 1)           # without + or -
        if rule.length >= name.length and memcmp(rule.data, name.data, name.length) == 0 \
                and (rule.length == name.length or rule.data[name.length] == c'|'):
            if end == rules.length and at > 0:
                at -= 1              # the space in front of the last one
            memmove(rules.data + at, rules.data + next_at, rules.length - next_at)
            rules.length -= next_at - at
        else:
            at = next_at


cdef void _note_rule(Selector* selector, Slice name, bint allowed) noexcept nogil:
    cdef Buffer* rules = &selector.rules
    cdef size_t i, start
    cdef Buffer lower
    buffer_init(&lower, NULL)
    buffer_append_slice(&lower, name)
    if lower.failed or not buffer_reserve(rules, name.length + 2):
        rules.failed = True
        buffer_clear(&lower)
        return
    for i in range(lower.length):
        lower.data[i] = ascii_lower(lower.data[i])
    _drop_rules(rules, buffer_slice(&lower))
    if rules.length:
        buffer_append(rules, b" ", 1)
    buffer_append(rules, b"+" if allowed else b"-", 1)
    buffer_append_slice(rules, buffer_slice(&lower))
    buffer_clear(&lower)


cdef void _all_commands(Selector* selector, bint allowed) noexcept nogil:
    memset(selector.commands, 255 if allowed else 0, sizeof(selector.commands))
    if allowed:
        selector.flags |= SELECTS_ALL_COMMANDS | SELECTS_FROM_ALL
    else:
        selector.flags &= ~<uint32_t>(SELECTS_ALL_COMMANDS | SELECTS_FROM_ALL)
    selector.rules.length = 0
    selector.first_words.length = 0


cdef RuleFault _apply_category(Selector* selector, Slice rule, bint allowed) noexcept nogil:
    """`rule` begins with the @."""
    cdef uint64_t category = command_acl_category(_behind(rule, 1))
    cdef const Command* command
    cdef uint32_t id
    if category == 0:
        return RULE_UNKNOWN
    _note_rule(selector, rule, allowed)
    for id in range(command_table_ids()):
        command = command_table_by_id(id)
        if command.acl_categories & category:
            _change_command(selector, command, allowed)
    return RULE_TAKEN


cdef RuleFault _allow_word(Selector* selector, Slice name) noexcept nogil:
    """"config|get", and "select|0": a first word of a command that has no subcommands."""
    cdef size_t bar = name.length - 1
    cdef const Command* command
    while name.data[bar] != c'|':
        bar -= 1
    command = _find_command(slice_of(name.data, bar))
    if command == NULL:
        return RULE_UNKNOWN
    if command.parent != NULL:
        return RULE_OF_SUBCOMMAND
    # (Redis takes blanks and line ends here, and breaks the file of users with them.)
    if bar + 1 == name.length or not user_name_is_valid(name):
        return RULE_SYNTAX
    if command.subcommand_count:
        command = _find_command(name)
        if command == NULL:
            return RULE_UNKNOWN
        _change_command(selector, command, True)
    else:
        _add_first_word(selector, command, _behind(name, bar + 1))
    _note_rule(selector, name, True)
    return RULE_TAKEN


cdef RuleFault _apply_command(Selector* selector, Slice name, bint allowed) noexcept nogil:
    cdef const Command* command
    cdef size_t i
    if allowed:
        for i in range(name.length):
            if name.data[i] == c'|':
                return _allow_word(selector, name)
    command = _find_command(name)
    if command == NULL:
        return RULE_UNKNOWN
    _change_command(selector, command, allowed)
    _note_rule(selector, slice_of(command.name, command.name_length), allowed)
    return RULE_TAKEN


# ---- keys and channels

cdef RuleFault _apply_keys(Selector* selector, Slice rule) noexcept nogil:
    cdef uint16_t rights = 0
    cdef size_t at = 1
    cdef char c
    if selector.flags & SELECTS_ALL_KEYS:
        return RULE_AFTER_ALL_KEYS
    if rule.data[0] == c'~':
        rights = MAY_READ | MAY_WRITE
    else:
        while at < rule.length:
            c = ascii_lower(rule.data[at])
            at += 1
            if c == c'r' and not rights & MAY_READ:
                rights |= MAY_READ
            elif c == c'w' and not rights & MAY_WRITE:
                rights |= MAY_WRITE
            elif c == c'~':
                break
            else:
                return RULE_SYNTAX
        if rights == 0:
            return RULE_SYNTAX
    if not user_name_is_valid(_behind(rule, at)):
        return RULE_SYNTAX
    selector_add_pattern(&selector.patterns, _behind(rule, at), rights)
    return RULE_TAKEN


cdef RuleFault _apply_channel(Selector* selector, Slice rule) noexcept nogil:
    if selector.flags & SELECTS_ALL_CHANNELS:
        return RULE_AFTER_ALL_CHANNELS
    if not user_name_is_valid(_behind(rule, 1)):
        return RULE_SYNTAX
    selector_add_pattern(&selector.channels, _behind(rule, 1), 0)
    return RULE_TAKEN


cdef RuleFault _apply_to_selector(Selector* selector, Slice rule) noexcept nogil:
    cdef bint allowed
    if slice_is(rule, b"allkeys") or slice_is(rule, b"~*"):
        selector.flags |= SELECTS_ALL_KEYS
        selector.patterns.length = 0
    elif slice_is(rule, b"resetkeys"):
        selector.flags &= ~<uint32_t>SELECTS_ALL_KEYS
        selector.patterns.length = 0
    elif slice_is(rule, b"allchannels") or slice_is(rule, b"&*"):
        selector.flags |= SELECTS_ALL_CHANNELS
        selector.channels.length = 0
    elif slice_is(rule, b"resetchannels"):
        selector.flags &= ~<uint32_t>SELECTS_ALL_CHANNELS
        selector.channels.length = 0
    elif slice_is(rule, b"allcommands") or slice_is(rule, b"+@all"):
        _all_commands(selector, True)
    elif slice_is(rule, b"nocommands") or slice_is(rule, b"-@all"):
        _all_commands(selector, False)
    elif rule.length == 0:
        return RULE_SYNTAX
    elif rule.data[0] == c'~' or rule.data[0] == c'%':
        return _apply_keys(selector, rule)
    elif rule.data[0] == c'&':
        return _apply_channel(selector, rule)
    elif rule.data[0] == c'+' or rule.data[0] == c'-':
        allowed = rule.data[0] == c'+'
        if rule.length > 1 and rule.data[1] == c'@':
            return _apply_category(selector, _behind(rule, 1), allowed)
        return _apply_command(selector, _behind(rule, 1), allowed)
    else:
        return RULE_SYNTAX
    return RULE_TAKEN


# ---- passwords and the rest of a user

cdef bint _is_hash(Slice text) noexcept nogil:
    cdef size_t i
    if text.length != PASSWORD_DIGITS:
        return False
    for i in range(text.length):
        if not (c'0' <= text.data[i] <= c'9' or c'a' <= text.data[i] <= c'f'):
            return False
    return True


cdef size_t _find_hash(const User* user, const char* digits) noexcept nogil:
    """Where it stands; the end: nowhere."""
    cdef size_t at = 0
    while at < user.passwords.length and memcmp(user.passwords.data + at, digits, PASSWORD_DIGITS) != 0:
        at += PASSWORD_DIGITS
    return at


cdef RuleFault _apply_password(User* user, Slice rule) noexcept nogil:
    cdef char digits[PASSWORD_DIGITS]
    cdef const char* hash = digits
    cdef size_t at
    cdef Buffer* passwords = &user.passwords
    if rule.data[0] == c'#' or rule.data[0] == c'!':
        if not _is_hash(_behind(rule, 1)):
            return RULE_BAD_HASH
        hash = rule.data + 1
    else:
        user_hash_password(_behind(rule, 1), digits)
    at = _find_hash(user, hash)
    if rule.data[0] == c'>' or rule.data[0] == c'#':
        if at == passwords.length:
            buffer_append(passwords, hash, PASSWORD_DIGITS)
        user.flags &= ~<uint32_t>USER_NO_PASSWORD
    elif at == passwords.length:
        return RULE_NO_SUCH_PASSWORD
    else:
        memmove(passwords.data + at, passwords.data + at + PASSWORD_DIGITS, passwords.length - at - PASSWORD_DIGITS)
        passwords.length -= PASSWORD_DIGITS
    return RULE_TAKEN


cdef RuleFault _apply_selector(User* user, Slice rule, bint channels_denied) noexcept nogil:
    """"(...)": all of its rules are taken, or none is."""
    cdef Slice inside = slice_of(rule.data + 1, rule.length - 2)
    cdef Slice* words = <Slice*>malloc((inside.length // 2 + 2) * sizeof(Slice))
    cdef Selector* selector
    cdef Selector* last
    cdef Buffer storage
    cdef size_t count = 0, i
    cdef RuleFault fault = RULE_TAKEN
    if words == NULL:
        return RULE_NO_MEMORY
    selector = user_add_selector(user)
    if selector == NULL:
        free(words)
        return RULE_NO_MEMORY
    if not channels_denied:
        selector.flags |= SELECTS_ALL_CHANNELS
    buffer_init(&storage, NULL)
    # As in Redis: quotes that are not closed make an empty one.
    if not words_split(inside, &storage, words, inside.length // 2 + 2, &count):
        count = 0
        if storage.failed:
            fault = RULE_NO_MEMORY
    for i in range(count):
        if fault == RULE_TAKEN:
            fault = _apply_to_selector(selector, words[i])
    buffer_clear(&storage)
    free(words)
    if fault != RULE_TAKEN:
        last = &user.root
        while last.next != selector:
            last = last.next
        last.next = NULL
        user_clear_selector(selector)
        free(selector)
    return fault


cdef void _reset(User* user, bint channels_denied) noexcept nogil:
    user_drop_selectors(user)
    user_clear_selector(&user.root)
    user.passwords.length = 0
    user.flags = 0
    if not channels_denied:
        user.root.flags |= SELECTS_ALL_CHANNELS


cdef RuleFault user_apply(User* user, Slice rule, bint channels_denied) noexcept nogil:
    if rule.length == 0:
        return RULE_TAKEN
    if slice_is(rule, b"on"):
        user.flags |= USER_ON
    elif slice_is(rule, b"off"):
        user.flags &= ~<uint32_t>USER_ON
    elif slice_is(rule, b"nopass"):
        user.flags |= USER_NO_PASSWORD
        user.passwords.length = 0
    elif slice_is(rule, b"resetpass"):
        user.flags &= ~<uint32_t>USER_NO_PASSWORD
        user.passwords.length = 0
    elif slice_is(rule, b"skip-sanitize-payload"):
        user.flags |= USER_SKIPS_SANITIZING
    elif slice_is(rule, b"sanitize-payload"):
        user.flags &= ~<uint32_t>USER_SKIPS_SANITIZING
    elif rule.data[0] == c'>' or rule.data[0] == c'#' or rule.data[0] == c'<' or rule.data[0] == c'!':
        return _apply_password(user, rule)
    elif rule.length > 1 and rule.data[0] == c'(' and rule.data[rule.length - 1] == c')':
        return _apply_selector(user, rule, channels_denied)
    elif slice_is(rule, b"clearselectors"):
        user_drop_selectors(user)
    elif slice_is(rule, b"reset"):
        _reset(user, channels_denied)
    else:
        return _apply_to_selector(&user.root, rule)
    return RULE_TAKEN


# ---- rules in words

cdef inline bint _opens(Slice word) noexcept nogil:
    return word.length > 0 and word.data[0] == c'(' and word.data[word.length - 1] != c')'


cdef size_t rule_words_unclosed(const Slice* words, size_t count) noexcept nogil:
    cdef size_t i
    cdef size_t opened = count
    for i in range(count):
        if opened == count:
            if _opens(words[i]):
                opened = i
        elif words[i].length and words[i].data[words[i].length - 1] == c')':
            opened = count
    return opened


cdef void rule_words_begin(RuleWords* rules, const Slice* words, size_t count) noexcept nogil:
    rules.words = words
    rules.count = count
    rules.at = 0
    buffer_init(&rules.selector, NULL)


cdef bint rule_words_next(RuleWords* rules, Slice* rule_out) noexcept nogil:
    cdef Slice word
    if rules.at == rules.count:
        return False
    word = rules.words[rules.at]
    rules.at += 1
    if not _opens(word):
        rule_out[0] = word
        return True
    rules.selector.length = 0
    buffer_append_slice(&rules.selector, word)
    while rules.at < rules.count:
        word = rules.words[rules.at]
        rules.at += 1
        buffer_append(&rules.selector, b" ", 1)
        buffer_append_slice(&rules.selector, word)
        if word.length and word.data[word.length - 1] == c')':
            rule_out[0] = buffer_slice(&rules.selector)
            return True
    return False


cdef void rule_words_end(RuleWords* rules) noexcept nogil:
    buffer_clear(&rules.selector)


cdef RuleFault user_apply_all(User* user, const Slice* words, size_t count, bint channels_denied, Buffer* fault_out) noexcept nogil:
    cdef RuleWords rules
    cdef Slice rule
    cdef RuleFault fault = RULE_TAKEN
    cdef size_t unclosed = rule_words_unclosed(words, count)
    if unclosed != count:
        buffer_append_slice(fault_out, words[unclosed])
        return RULE_UNCLOSED
    rule_words_begin(&rules, words, count)
    while fault == RULE_TAKEN and rule_words_next(&rules, &rule):
        fault = RULE_NO_MEMORY if rules.selector.failed else user_apply(user, rule, channels_denied)
        if fault != RULE_TAKEN:
            buffer_append_slice(fault_out, rule)
    rule_words_end(&rules)
    return fault


cdef const char* rule_fault_text(RuleFault fault) noexcept nogil:
    if fault == RULE_UNKNOWN:
        return b"Unknown command or category name in ACL"
    if fault == RULE_AFTER_ALL_KEYS:
        return (b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
                b"Try 'resetkeys' to start with an empty list of patterns")
    if fault == RULE_AFTER_ALL_CHANNELS:
        return (b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. "
                b"Try 'resetchannels' to start with an empty list of channels")
    if fault == RULE_NO_SUCH_PASSWORD:
        return b"The password you are trying to remove from the user does not exist"
    if fault == RULE_BAD_HASH:
        return b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    if fault == RULE_OF_SUBCOMMAND:
        return b"Allowing first-arg of a subcommand is not supported"
    if fault == RULE_UNCLOSED:
        return b"Unmatched parenthesis in acl selector"
    if fault == RULE_NO_MEMORY:
        return b"out of memory"
    return b"Syntax error"


# ---- describing

cdef void selector_describe_commands(const Selector* selector, Buffer* out) noexcept nogil:
    buffer_append_text(out, b"+@all" if selector.flags & SELECTS_FROM_ALL else b"-@all")
    if selector.rules.length:
        buffer_append(out, b" ", 1)
        buffer_append_slice(out, buffer_slice(&selector.rules))


cdef void selector_describe_keys(const Selector* selector, Buffer* out) noexcept nogil:
    cdef const UserPattern* pattern
    cdef size_t at = 0
    if selector.flags & SELECTS_ALL_KEYS:
        buffer_append_text(out, b"~*")
    while at < selector.patterns.length:
        pattern = <const UserPattern*>(selector.patterns.data + at)
        if at:
            buffer_append(out, b" ", 1)
        if pattern.rights == MAY_READ:
            buffer_append_text(out, b"%R")
        elif pattern.rights == MAY_WRITE:
            buffer_append_text(out, b"%W")
        buffer_append(out, b"~", 1)
        buffer_append_slice(out, pattern_bytes(pattern))
        at += record_bytes(pattern.length)


cdef void selector_describe_channels(const Selector* selector, Buffer* out) noexcept nogil:
    cdef const UserPattern* pattern
    cdef size_t at = 0
    if selector.flags & SELECTS_ALL_CHANNELS:
        buffer_append_text(out, b"&*")
    while at < selector.channels.length:
        pattern = <const UserPattern*>(selector.channels.data + at)
        if at:
            buffer_append(out, b" ", 1)
        buffer_append(out, b"&", 1)
        buffer_append_slice(out, pattern_bytes(pattern))
        at += record_bytes(pattern.length)


cdef void _describe_selector(const Selector* selector, Buffer* out) noexcept nogil:
    cdef size_t before = out.length
    selector_describe_keys(selector, out)
    if out.length != before:
        buffer_append(out, b" ", 1)
    if not selector.flags & SELECTS_ALL_CHANNELS:
        buffer_append_text(out, b"resetchannels ")
    before = out.length
    selector_describe_channels(selector, out)
    if out.length != before:
        buffer_append(out, b" ", 1)
    selector_describe_commands(selector, out)


cdef void user_describe(const User* user, Buffer* out) noexcept nogil:
    cdef const Selector* selector = user.root.next
    cdef size_t at = 0
    buffer_append_text(out, b"on " if user.flags & USER_ON else b"off ")
    if user.flags & USER_NO_PASSWORD:
        buffer_append_text(out, b"nopass ")
    buffer_append_text(out, b"skip-sanitize-payload " if user.flags & USER_SKIPS_SANITIZING else b"sanitize-payload ")
    while at + PASSWORD_DIGITS <= user.passwords.length:
        buffer_append(out, b"#", 1)
        buffer_append(out, user.passwords.data + at, PASSWORD_DIGITS)
        buffer_append(out, b" ", 1)
        at += PASSWORD_DIGITS
    _describe_selector(&user.root, out)
    while selector != NULL:
        buffer_append_text(out, b" (")
        _describe_selector(selector, out)
        buffer_append(out, b")", 1)
        selector = selector.next
