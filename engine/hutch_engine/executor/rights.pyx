"""See rights.pxd. The order of the questions, and which of several refusals is told, are Redis's."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text, buffer_slice
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_of
from hutch_engine.commands.command cimport (
    CMD_CHANNEL, CMD_CHANNELS, CMD_NO_AUTH, KEY_ACCESS, KEY_BEGIN_INDEX, KEY_BEGIN_UNKNOWN, KEY_DELETE, KEY_FIND_RANGE, KEY_INSERT,
    KEY_NOT_KEY, KEY_UPDATE, KEY_VARIABLE_FLAGS, Command, KeySpec)
from hutch_engine.commands.command_keys cimport KeyPosition, command_keys
from hutch_engine.sessions.users cimport users_note_denial
from hutch_engine.state.engine cimport (
    DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY, DENIED_NOT, Session, engine_guarded)
from hutch_engine.state.user cimport (
    MAY_READ, MAY_WRITE, PATTERN_ALL, PATTERN_PREFIX, SELECTS_ALL_CHANNELS, SELECTS_ALL_COMMANDS, SELECTS_ALL_KEYS, FirstWord, Selector, User,
    UserPattern, first_word_bytes, pattern_bytes, patterns_have, patterns_match, record_bytes, selector_has_command)

cdef enum:
    POSITIONS = 64

cdef struct Words:                   # of the command that is judged
    const Command* command
    const Slice* argv
    size_t argc
    KeyPosition[POSITIONS] few
    KeyPosition* keys                # `few`, or owned; NULL while nobody asked
    int64_t count
    bint refused                     # there was no memory to find the keys


# ---- which words are keys

cdef inline bint _find_single_key(Words* words) noexcept nogil:
    """The keys of most commands: one word."""
    cdef const KeySpec* spec = words.command.key_specs
    if words.command.key_spec_count != 1 or spec.begin_kind != KEY_BEGIN_INDEX or spec.find_kind != KEY_FIND_RANGE \
            or spec.last_key != 0 or spec.flags & (KEY_NOT_KEY | KEY_VARIABLE_FLAGS):
        return False
    words.few[0].index = <uint32_t>spec.begin_index
    words.few[0].flags = spec.flags
    words.count = 1 if <size_t>spec.begin_index < words.argc else 0
    return True


cdef void _find_keys(Words* words) noexcept nogil:
    words.keys = words.few
    words.refused = False
    if words.command.key_spec_count == 0:
        words.count = 0
        return
    if likely(_find_single_key(words)):
        return
    words.count = command_keys(words.command, words.argv, words.argc, words.few, POSITIONS)
    if words.count > POSITIONS:
        words.keys = <KeyPosition*>malloc(<size_t>words.count * sizeof(KeyPosition))
        if words.keys == NULL:
            words.keys = words.few
            words.refused = True
        else:
            command_keys(words.command, words.argv, words.argc, words.keys, <size_t>words.count)
    # Below 0: its words make no sense, and the command will say so without having looked at a key.


cdef inline void _forget_keys(Words* words) noexcept nogil:
    if unlikely(words.keys != NULL and words.keys != words.few):
        free(words.keys)


# ---- one selector

cdef bint _has_first_word(const Selector* selector, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef const FirstWord* word
    cdef Slice text, given
    cdef size_t at = 0, i
    cdef bint same
    cdef size_t index = 2 if command.parent != NULL else 1
    while at < selector.first_words.length:
        word = <const FirstWord*>(selector.first_words.data + at)
        at += record_bytes(word.length)
        if word.command != command.id or index >= argc or argv[index].length != word.length:
            continue
        text = first_word_bytes(word)
        given = argv[index]
        same = True
        for i in range(text.length):
            same = same and ascii_lower(text.data[i]) == ascii_lower(given.data[i])
        if same:
            return True
    return False


cdef inline uint16_t _needed(uint32_t flags) noexcept nogil:
    """Rights of a key that is used so. Who only asks whether it is there needs none but that a pattern names it."""
    return <uint16_t>((MAY_READ if flags & KEY_ACCESS else 0) | (MAY_WRITE if flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) else 0))


cdef uint8_t _judge_channels(const Selector* selector, Words* words, size_t* at_out) noexcept nogil:
    cdef uint64_t kind = words.command.flags & (CMD_CHANNEL | CMD_CHANNELS)
    cdef size_t end = 2 if kind == CMD_CHANNEL and words.argc > 2 else words.argc
    cdef size_t i
    for i in range(1, end):
        # A pattern that is asked for must be one of the user's, to the letter.
        if not (patterns_have(&selector.channels, words.argv[i], 0) if kind == (CMD_CHANNEL | CMD_CHANNELS)
                else patterns_match(&selector.channels, words.argv[i], 0)):
            at_out[0] = i
            return DENIED_CHANNEL
    return DENIED_NOT


cdef inline uint8_t _judge(const Selector* selector, Words* words, size_t* at_out) noexcept nogil:
    cdef const Command* command = words.command
    cdef int64_t i
    if not selector.flags & SELECTS_ALL_COMMANDS and not command.flags & CMD_NO_AUTH \
            and unlikely(not selector_has_command(selector, command.id)) \
            and not _has_first_word(selector, command, words.argv, words.argc):
        return DENIED_COMMAND
    if not selector.flags & SELECTS_ALL_KEYS and command.key_spec_count:
        if words.keys == NULL:
            _find_keys(words)
        if unlikely(words.refused):
            return DENIED_KEY
        for i in range(words.count):
            if unlikely(not patterns_match(&selector.patterns, words.argv[words.keys[i].index], _needed(words.keys[i].flags))):
                at_out[0] = words.keys[i].index
                return DENIED_KEY
    if unlikely(command.flags & (CMD_CHANNEL | CMD_CHANNELS)) and not selector.flags & SELECTS_ALL_CHANNELS:
        return _judge_channels(selector, words, at_out)
    return DENIED_NOT


# ---- the user

cdef inline uint8_t _judge_all(const User* user, Words* words, size_t* at_out) noexcept nogil:
    cdef const Selector* selector = &user.root
    cdef uint8_t found, worst = DENIED_COMMAND
    cdef size_t at, worst_at = 0
    while selector != NULL:
        at = 0
        found = _judge(selector, words, &at)
        if found == DENIED_NOT:
            return DENIED_NOT
        if found > worst or (found == worst and at > worst_at):
            worst = found
            worst_at = at
        selector = selector.next
    at_out[0] = worst_at
    return worst


cdef uint8_t rights_judge(const User* user, const Command* command, const Slice* argv, size_t argc, size_t* at_out) noexcept nogil:
    cdef Words words
    cdef uint8_t denied
    words.command = command
    words.argv = argv
    words.argc = argc
    words.keys = NULL
    denied = _judge_all(user, &words, at_out)
    _forget_keys(&words)
    return denied


cdef bint _names_by_pattern(const Command* command) noexcept nogil:
    """May its words name keys that no specification finds, SORT's BY and GET?"""
    cdef uint32_t i
    for i in range(command.key_spec_count):
        if command.key_specs[i].begin_kind == KEY_BEGIN_UNKNOWN and command.key_specs[i].flags & KEY_ACCESS:
            return True
    return False


cdef bint _reads_all_keys(const User* user, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """Is there a selector that allows the command, and to read each key?"""
    cdef Words words
    cdef const Selector* selector = &user.root
    cdef size_t at
    cdef bint found = False
    words.command = command
    words.argv = argv
    words.argc = argc
    words.keys = NULL
    while selector != NULL and not found:
        found = (selector.flags & SELECTS_ALL_KEYS or patterns_have(&selector.patterns, slice_of(b"*", 1), MAY_READ)) \
            and _judge(selector, &words, &at) == DENIED_NOT
        selector = selector.next
    _forget_keys(&words)
    return found


cdef bint rights_allow(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef size_t at
    engine_guarded(session.engine)
    if likely(rights_plainly(session, command, argv, argc)):
        return True
    if rights_judge(session.user, command, argv, argc, &at) != DENIED_NOT:
        return False
    session.call.keys_limited = unlikely(_names_by_pattern(command)) and not _reads_all_keys(session.user, command, argv, argc)
    return True


cdef inline bint _begins_so(const UserPattern* pattern, Slice text) noexcept nogil:
    """Does the text begin with what a PATTERN_PREFIX has before its star? Eight bytes at once: a call of memcmp costs more than most
    prefixes are long."""
    cdef Slice prefix = slice_of(pattern_bytes(pattern).data, pattern.length - 1)
    cdef size_t at = 0
    cdef uint64_t wanted, given
    if text.length < prefix.length:
        return False
    while at + 8 <= prefix.length:
        memcpy(&wanted, prefix.data + at, 8)
        memcpy(&given, text.data + at, 8)
        if wanted != given:
            return False
        at += 8
    while at < prefix.length:
        if prefix.data[at] != text.data[at]:
            return False
        at += 1
    return True


cdef bint rights_plainly(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    cdef const Selector* root = &session.user.root
    cdef const KeySpec* spec
    cdef const UserPattern* pattern
    cdef Slice key
    cdef uint16_t needed
    cdef size_t at = 0
    engine_guarded(session.engine)
    if unlikely(not selector_has_command(root, command.id)
                or (command.flags & (CMD_CHANNEL | CMD_CHANNELS) and not root.flags & SELECTS_ALL_CHANNELS)):
        return False
    session.call.keys_limited = False            # who names keys by patterns is not answered here, but for one who may read all
    if root.flags & SELECTS_ALL_KEYS or command.key_spec_count == 0:
        return True
    spec = command.key_specs
    if command.key_spec_count != 1 or spec.begin_kind != KEY_BEGIN_INDEX or spec.find_kind != KEY_FIND_RANGE or spec.last_key != 0 \
            or spec.flags & (KEY_NOT_KEY | KEY_VARIABLE_FLAGS) or unlikely(<size_t>spec.begin_index >= argc):
        return False
    key = argv[spec.begin_index]
    needed = _needed(spec.flags)
    while at < root.patterns.length:
        pattern = <const UserPattern*>(root.patterns.data + at)
        if pattern.rights & needed == needed:
            if pattern.form != PATTERN_PREFIX:
                if (pattern.form == PATTERN_ALL and key.length) or glob_matches(pattern_bytes(pattern), key, False):
                    return True                  # to Redis no star fits an empty name
            elif _begins_so(pattern, key):
                return True
        at += record_bytes(pattern.length)
    return False


cdef bint rights_whatever_words(Session* session, const Command* command) noexcept nogil:
    cdef const Selector* root = &session.user.root
    session.call.keys_limited = False            # as it is where the answer is yes
    return (root.flags & SELECTS_ALL_KEYS != 0 and selector_has_command(root, command.id)
            and (not command.flags & (CMD_CHANNEL | CMD_CHANNELS) or root.flags & SELECTS_ALL_CHANNELS != 0))


# ---- saying so

cdef void rights_explain(const User* user, const Command* command, uint8_t denied, Slice word, bint in_full, Buffer* out) noexcept nogil:
    if denied == DENIED_COMMAND:
        buffer_append_text(out, b"User ")
        buffer_append_slice(out, buffer_slice(&user.name))
        buffer_append_text(out, b" has no permissions to run the '")
        buffer_append_slice(out, slice_of(command.name, command.name_length))
        buffer_append_text(out, b"' command")
    elif in_full:
        buffer_append_text(out, b"User ")
        buffer_append_slice(out, buffer_slice(&user.name))
        buffer_append_text(out, b" has no permissions to access the '")
        buffer_append_slice(out, word)
        buffer_append_text(out, b"' key" if denied == DENIED_KEY else b"' channel")
    else:
        buffer_append_text(out, b"No permissions to access a key" if denied == DENIED_KEY else b"No permissions to access a channel")


cdef void rights_refused(Session* session, const Command* command, const Slice* argv, size_t argc, uint8_t context,
                         uint8_t* denied_out, Buffer* text_out) noexcept nogil:
    cdef size_t at = 0
    cdef uint8_t denied = rights_judge(session.user, command, argv, argc, &at)
    denied_out[0] = denied
    users_note_denial(session, denied, context,
                      slice_of(command.name, command.name_length) if denied == DENIED_COMMAND else argv[at],
                      buffer_slice(&session.user.name))
    rights_explain(session.user, command, denied, argv[at], False, text_out)
