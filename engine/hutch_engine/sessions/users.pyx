"""See users.pxd."""
from libc.errno cimport errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport FILE, fclose, ferror, fflush, fopen, fread, fwrite, remove, rename
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memmove, strerror
from posix.unistd cimport fsync
from hutch_engine.base.atomics cimport atomic_add64
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.checks cimport invariant
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.slice cimport Slice, slice_compare, slice_equals, slice_is, slice_of, slice_of_text
from hutch_engine.commands.command_table cimport command_table_ids
from hutch_engine.sessions.pubsub cimport Subscription, topic_name
from hutch_engine.sessions.session cimport session_become, session_kill
from hutch_engine.sessions.session_text cimport session_describe
from hutch_engine.state.engine cimport (
    DENIED_AUTH, DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY, SESSION_OF_SCRIPTS, SESSION_RESTRICTED, SESSION_SUBSCRIBED,
    TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD, Denial, Engine, Session, Users, engine_guarded)
from hutch_engine.state.user cimport (
    SELECTS_ALL_CHANNELS, USER_COMMANDS, USER_NO_PASSWORD, USER_ON, Selector, User, UserPattern, pattern_bytes, patterns_have, patterns_match,
    record_bytes, user_free, user_is_whole, user_new, user_settle, user_take)
from hutch_engine.state.user_rules cimport (
    RULE_NO_MEMORY, RULE_TAKEN, RULE_UNCLOSED, RULE_UNKNOWN, RuleFault, RuleWords, rule_fault_text, rule_words_begin, rule_words_end,
    rule_words_next, rule_words_unclosed, user_apply, user_apply_all, user_describe, user_name_is_valid)

cdef extern from "<stdio.h>" nogil:
    int fileno(FILE* file)

cdef extern from "<sys/stat.h>" nogil:
    int fchmod(int fd, unsigned int mode)

cdef enum:
    LOG_GROUPED_MS = 60000       # the same again within so long counts one more
    LOG_LOOKED_AT = 10           # ... if it is among so many newest entries
    FILE_MODE = 0o600            # digests of passwords are in it


# ---- their memory

cdef uint64_t _bytes_of(const User* user) noexcept nogil:
    """What it takes, selectors, patterns and passwords included."""
    cdef const Selector* selector = &user.root
    cdef uint64_t bytes = sizeof(User) + user.name.capacity + user.passwords.capacity
    while selector != NULL:
        bytes += selector.rules.capacity + selector.patterns.capacity + selector.channels.capacity + selector.first_words.capacity
        bytes += 0 if selector == &user.root else sizeof(Selector)
        selector = selector.next
    return bytes


cdef inline void _weigh(Engine* engine, uint64_t before, uint64_t after) noexcept nogil:
    """used_memory counts users as it counts clients: their memory is malloc's. Numbers below 0 wrap around, and back."""
    atomic_add64(&engine.client_bytes, after - before)


# ---- the list

cdef size_t _place_of(User** list, size_t count, Slice name) noexcept nogil:
    """Of the first that is not less."""
    cdef size_t low = 0
    cdef size_t high = count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if slice_compare(buffer_slice(&list[middle].name), name) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline bint _is_at(User** list, size_t count, size_t place, Slice name) noexcept nogil:
    return place < count and slice_equals(buffer_slice(&list[place].name), name)


cdef bint _reserve(User*** list, size_t* capacity, size_t count) noexcept nogil:
    cdef User** grown
    if count <= capacity[0]:
        return True
    grown = <User**>realloc(list[0], (2 * count + 8) * sizeof(User*))
    if grown == NULL:
        return False
    list[0] = grown
    capacity[0] = 2 * count + 8
    return True


cdef bint _insert(User*** list, size_t* count, size_t* capacity, User* user) noexcept nogil:
    """At its place; no other is there that has its name."""
    cdef size_t place = _place_of(list[0], count[0], buffer_slice(&user.name))
    if not _reserve(list, capacity, count[0] + 1):
        return False
    memmove(list[0] + place + 1, list[0] + place, (count[0] - place) * sizeof(User*))
    list[0][place] = user
    count[0] += 1
    return True


cdef User* users_find(const Engine* engine, Slice name) noexcept nogil:
    cdef size_t place = _place_of(engine.users.list, engine.users.count, name)
    return engine.users.list[place] if _is_at(engine.users.list, engine.users.count, place, name) else NULL


cdef void _note_default(Engine* engine) noexcept nogil:
    engine.users.open = engine.users.standard.flags & (USER_ON | USER_NO_PASSWORD) == USER_ON | USER_NO_PASSWORD


cdef User* _new_default() noexcept nogil:
    cdef User* user = user_new(slice_of_text(b"default"))
    if user != NULL:
        user_apply(user, slice_of_text(b"+@all"), False)
        user_apply(user, slice_of_text(b"~*"), False)
        user_apply(user, slice_of_text(b"&*"), False)
        user_apply(user, slice_of_text(b"on"), False)
        user_apply(user, slice_of_text(b"nopass"), False)
        user_settle(user)
    return user


cdef bint users_init(Engine* engine) noexcept nogil:
    cdef Users* users = &engine.users
    invariant(command_table_ids() <= USER_COMMANDS, b"there are more commands than bits for them")
    users.standard = _new_default()
    users.nobody = user_new(slice_of_text(b"default"))
    if users.standard == NULL or users.nobody == NULL or not _insert(&users.list, &users.count, &users.capacity, users.standard):
        user_free(users.standard)
        user_free(users.nobody)
        users.standard = NULL
        users.nobody = NULL
        return False
    _note_default(engine)
    _weigh(engine, 0, _bytes_of(users.standard) + _bytes_of(users.nobody))
    return True


cdef void users_clear(Engine* engine) noexcept nogil:
    cdef size_t i
    if engine.users.nobody != NULL:
        _weigh(engine, _bytes_of(engine.users.nobody), 0)
    for i in range(engine.users.count):
        _weigh(engine, _bytes_of(engine.users.list[i]), 0)
        user_free(engine.users.list[i])
    free(engine.users.list)
    user_free(engine.users.nobody)
    engine.users.list = NULL
    engine.users.count = 0
    engine.users.capacity = 0
    engine.users.nobody = NULL
    engine.users.standard = NULL
    users_clear_log(engine)


# ---- sessions that go by a user

cdef void _settle(Engine* engine, User* user) noexcept nogil:
    """Its rules have changed: so have the rights of its sessions, from their next command on."""
    cdef Session* session = engine.sessions.first
    user_settle(user)
    _note_default(engine)
    while session != NULL:
        if session.user == user:
            session.flags = session.flags & ~<uint32_t>SESSION_RESTRICTED | (0 if user.may_all else SESSION_RESTRICTED)
            session.call.keys_limited = False
        session = session.next


cdef void _put_out(Session* session, Session* me) noexcept nogil:
    session_become(session, session.engine.users.nobody, False)
    session_kill(session, me)


cdef void _put_out_all(Engine* engine, User* user, Session* me) noexcept nogil:
    cdef Session* session = engine.sessions.first
    cdef Session* following
    while session != NULL:
        following = session.next
        if session.user == user:
            _put_out(session, me)
        session = following


cdef bint _has_all_channels(const User* user) noexcept nogil:
    cdef const Selector* selector = &user.root
    while selector != NULL:
        if selector.flags & SELECTS_ALL_CHANNELS:
            return True
        selector = selector.next
    return False


cdef bint _has_channel(const User* user, Slice name, bint as_pattern) noexcept nogil:
    """Does one of the selectors allow to listen to it?"""
    cdef const Selector* selector = &user.root
    while selector != NULL:
        if patterns_have(&selector.channels, name, 0) if as_pattern else patterns_match(&selector.channels, name, 0):
            return True
        selector = selector.next
    return False


cdef bint _loses_channels(const User* former, const User* user) noexcept nogil:
    """May `former` have listened to what `user` may not?"""
    cdef const Selector* selector = &former.root
    cdef const UserPattern* pattern
    cdef size_t at
    if _has_all_channels(user):
        return False
    if _has_all_channels(former):
        return True
    while selector != NULL:
        at = 0
        while at < selector.channels.length:
            pattern = <const UserPattern*>(selector.channels.data + at)
            if not _has_channel(user, pattern_bytes(pattern), True):
                return True
            at += record_bytes(pattern.length)
        selector = selector.next
    return False


cdef bint _listens_too_far(const Session* session, const User* user) noexcept nogil:
    """Is it subscribed to something that this user may not listen to?"""
    cdef const Subscription* subscription = <const Subscription*>session.subscriptions
    cdef uint32_t kind
    if not session.flags & SESSION_SUBSCRIBED:
        return False
    while subscription != NULL:
        kind = subscription.topic.kind
        if (kind == TOPIC_CHANNEL or kind == TOPIC_PATTERN or kind == TOPIC_SHARD) \
                and not _has_channel(user, topic_name(subscription.topic), kind == TOPIC_PATTERN):
            return True
        subscription = subscription.next_of_session
    return False


cdef void _replace(Engine* engine, User* there, User* user, Session* me) noexcept nogil:
    """What `user` has becomes that of the one that is there; sessions that listen to what it may not listen to any more are ended.
    `user` is freed."""
    cdef Session* session = engine.sessions.first
    cdef Session* following
    cdef bint lost = _loses_channels(there, user)
    cdef uint64_t before = _bytes_of(there)
    user_take(there, user)
    _weigh(engine, before, _bytes_of(there))
    while lost and session != NULL:
        following = session.next
        if session.user == there and _listens_too_far(session, there):
            _put_out(session, me)
        session = following
    user_free(user)
    _settle(engine, there)


# ---- changing

cdef User* users_make(Engine* engine, Slice name) noexcept nogil:
    cdef User* user = user_new(name)
    if user != NULL and not engine.config.acl_channels_denied:
        user.root.flags |= SELECTS_ALL_CHANNELS
    return user


cdef bint users_put(Engine* engine, User* user, Session* me) noexcept nogil:
    cdef User* there = users_find(engine, buffer_slice(&user.name))
    engine_guarded(engine)
    if not user_is_whole(user):
        user_free(user)
        return False
    if there != NULL:
        _replace(engine, there, user, me)
        return True
    user_settle(user)
    if not _insert(&engine.users.list, &engine.users.count, &engine.users.capacity, user):
        user_free(user)
        return False
    _weigh(engine, 0, _bytes_of(user))
    return True


cdef bint users_remove(Engine* engine, Slice name, Session* me) noexcept nogil:
    cdef Users* users = &engine.users
    cdef size_t place = _place_of(users.list, users.count, name)
    cdef User* user
    if not _is_at(users.list, users.count, place, name) or users.list[place] == users.standard:
        return False
    user = users.list[place]
    users.count -= 1
    memmove(users.list + place, users.list + place + 1, (users.count - place) * sizeof(User*))
    _put_out_all(engine, user, me)
    _weigh(engine, _bytes_of(user), 0)
    user_free(user)
    return True


cdef void users_password(Engine* engine, Slice password) noexcept nogil:
    cdef User* user = engine.users.standard
    cdef uint64_t before = _bytes_of(user)
    cdef Buffer rule
    user_apply(user, slice_of_text(b"resetpass"), True)
    user.passwords.failed = False        # what was refused then is taken back with the rest
    buffer_init(&rule, NULL)
    buffer_append_text(&rule, b">")
    buffer_append_slice(&rule, password)
    # Without memory for the rule nobody gets in, rather than everybody, or whoever knows the password "".
    if password.length == 0:
        user_apply(user, slice_of_text(b"nopass"), True)
    elif not rule.failed:
        user_apply(user, buffer_slice(&rule), True)
    buffer_clear(&rule)
    _weigh(engine, before, _bytes_of(user))
    _settle(engine, user)


# ---- lines of users

cdef size_t _split(Slice line, Slice* words) noexcept nogil:
    """At each single space, as lines of users are written."""
    cdef size_t count = 0, start = 0, i
    for i in range(line.length + 1):
        if i == line.length or line.data[i] == c' ':
            words[count] = slice_of(line.data + start, i - start)
            count += 1
            start = i + 1
    return count


cdef void _describe_all(const Engine* engine, const char* before, Buffer* out) noexcept nogil:
    """A line for each."""
    cdef size_t i
    for i in range(engine.users.count):
        buffer_append_text(out, before)
        buffer_append_slice(out, buffer_slice(&engine.users.list[i].name))
        buffer_append(out, b" ", 1)
        user_describe(engine.users.list[i], out)
        buffer_append(out, b"\n", 1)


cdef bint users_note_lines(Engine* engine) noexcept nogil:
    cdef Buffer lines
    buffer_init(&lines, NULL)
    _describe_all(engine, b"", &lines)
    if lines.failed:
        buffer_clear(&lines)
        return False
    buffer_clear(&engine.config.users)
    engine.config.users = lines
    return True


cdef void users_configure(Engine* engine) noexcept nogil:
    cdef Buffer* lines = &engine.config.users
    cdef size_t at = 0, end
    cdef Slice* words = <Slice*>malloc((lines.length + 2) * sizeof(Slice))
    cdef size_t count
    cdef User* user
    cdef Buffer fault
    buffer_init(&fault, NULL)
    while words != NULL and at < lines.length:
        end = at
        while lines.data[end] != c'\n':
            end += 1
        count = _split(slice_of(lines.data + at, end - at), words)
        # These lines describe users: what they do not name has been taken away before.
        user = user_new(words[0])
        if user != NULL and user_apply_all(user, words + 1, count - 1, True, &fault) == RULE_TAKEN:
            users_put(engine, user, NULL)
        else:
            user_free(user)
        at = end + 1
    buffer_clear(&fault)
    free(words)


# ---- the file

cdef struct Reading:
    Engine* engine
    Slice path                       # as it was configured: so errors name it
    User** list                      # owned
    size_t count
    size_t capacity
    size_t line
    Buffer* errors


cdef void _path_of(const Engine* engine, Buffer* path) noexcept nogil:
    """With a NUL behind it."""
    cdef const Buffer* file = &engine.config.aclfile
    if file.length and file.data[0] != c'/' and engine.config.dir.length:
        buffer_append_slice(path, buffer_slice(&engine.config.dir))
        buffer_append(path, b"/", 1)
    buffer_append_slice(path, buffer_slice(file))
    buffer_append(path, b"\0", 1)


cdef Slice _trimmed(Slice text) noexcept nogil:
    while text.length and (text.data[0] == c' ' or text.data[0] == c'\t' or text.data[0] == c'\r'):
        text = slice_of(text.data + 1, text.length - 1)
    while text.length and (text.data[text.length - 1] == c' ' or text.data[text.length - 1] == c'\t'
                           or text.data[text.length - 1] == c'\r'):
        text.length -= 1
    return text


cdef void _fault(Reading* reading, const char* before, Slice middle, const char* after) noexcept nogil:
    buffer_append_slice(reading.errors, reading.path)
    buffer_append_text(reading.errors, b":")
    buffer_append_integer(reading.errors, <int64_t>reading.line)
    buffer_append_text(reading.errors, before)
    buffer_append_slice(reading.errors, middle)
    buffer_append_text(reading.errors, after)


cdef void _apply_rules(Reading* reading, User* user, const Slice* words, size_t count) noexcept nogil:
    """All faults of names that are unknown, and the first one of another kind, which may be the cause of what follows."""
    cdef RuleWords rules
    cdef Slice rule
    cdef RuleFault fault
    cdef bint told = False
    if rule_words_unclosed(words, count) != count:
        _fault(reading, b": Unmatched parenthesis in selector definition.", slice_of(NULL, 0), b"")
        return
    rule_words_begin(&rules, words, count)
    while rule_words_next(&rules, &rule):
        fault = user_apply(user, _trimmed(rule), reading.engine.config.acl_channels_denied != 0)
        if fault == RULE_UNKNOWN:
            _fault(reading, b": Error in applying operation '", rule, b"': ")
            buffer_append_text(reading.errors, rule_fault_text(fault))
            buffer_append_text(reading.errors, b". ")
        elif fault != RULE_TAKEN and not told:
            told = True
            _fault(reading, b": ", slice_of_text(rule_fault_text(fault)), b". ")
    if rules.selector.failed:
        _fault(reading, b": ", slice_of_text(rule_fault_text(RULE_NO_MEMORY)), b". ")
    rule_words_end(&rules)


cdef void _read_line(Reading* reading, Slice line, Slice* words) noexcept nogil:
    cdef size_t count = _split(line, words)
    cdef User* user
    if count < 2 or not slice_equals(words[0], slice_of_text(b"user")):
        _fault(reading, b" should start with user keyword followed by the username. ", slice_of(NULL, 0), b"")
        return
    if not user_name_is_valid(words[1]):
        _fault(reading, b": username '", words[1], b"' contains invalid characters. ")
        return
    if _is_at(reading.list, reading.count, _place_of(reading.list, reading.count, words[1]), words[1]):
        buffer_append_text(reading.errors, b"WARNING: Duplicate user '")
        buffer_append_slice(reading.errors, words[1])
        buffer_append_text(reading.errors, b"' found on line ")
        buffer_append_integer(reading.errors, <int64_t>reading.line)
        buffer_append_text(reading.errors, b". ")
        return
    user = users_make(reading.engine, words[1])
    if user != NULL:
        _apply_rules(reading, user, words + 2, count - 2)
    if user == NULL or not user_is_whole(user) or not _insert(&reading.list, &reading.count, &reading.capacity, user):
        user_free(user)
        _fault(reading, b": ", slice_of_text(rule_fault_text(RULE_NO_MEMORY)), b". ")


cdef void _read_text(Reading* reading, Slice text) noexcept nogil:
    cdef Slice* words = <Slice*>malloc((text.length + 2) * sizeof(Slice))
    cdef size_t at = 0, end
    cdef Slice line
    if words == NULL:
        buffer_append_text(reading.errors, b"out of memory. ")
        return
    while at < text.length:
        end = at
        while end < text.length and text.data[end] != c'\n':
            end += 1
        reading.line += 1
        line = _trimmed(slice_of(text.data + at, end - at))
        if line.length:
            _read_line(reading, line, words)
        at = end + 1
    free(words)


cdef bint _read_file(const char* path, Buffer* text_out) noexcept nogil:
    """False: errno says why."""
    cdef char[4096] piece
    cdef size_t got
    cdef bint good
    cdef FILE* file = fopen(path, b"r")
    if file == NULL:
        return False
    while True:
        got = fread(piece, 1, sizeof(piece), file)
        if got == 0:
            break
        buffer_append(text_out, piece, got)
    good = not ferror(file)
    fclose(file)
    return good


cdef void _take_over(Reading* reading, Session* me) noexcept nogil:
    """The users that were read are the users. There is room for all of them."""
    cdef Engine* engine = reading.engine
    cdef Users* users = &engine.users
    cdef User* user
    cdef size_t i = 0, place
    while i < users.count:
        user = users.list[i]
        place = _place_of(reading.list, reading.count, buffer_slice(&user.name))
        if _is_at(reading.list, reading.count, place, buffer_slice(&user.name)):
            i += 1
        else:
            users_remove(engine, buffer_slice(&user.name), me)
    for i in range(reading.count):
        user = reading.list[i]
        place = _place_of(users.list, users.count, buffer_slice(&user.name))
        if _is_at(users.list, users.count, place, buffer_slice(&user.name)):
            _replace(engine, users.list[place], user, me)
        else:
            user_settle(user)
            _insert(&users.list, &users.count, &users.capacity, user)
            _weigh(engine, 0, _bytes_of(user))
    reading.count = 0


cdef bint users_load(Engine* engine, Session* me, Buffer* error_out) noexcept nogil:
    cdef Reading reading
    cdef Buffer path, text
    cdef User* user
    cdef size_t i
    cdef size_t before = error_out.length
    cdef bint good
    cdef int why
    engine_guarded(engine)
    reading.engine = engine
    reading.path = buffer_slice(&engine.config.aclfile)
    reading.list = NULL
    reading.count = 0
    reading.capacity = 0
    reading.line = 0
    reading.errors = error_out
    buffer_init(&path, NULL)
    buffer_init(&text, NULL)
    _path_of(engine, &path)
    if path.failed or not _read_file(path.data, &text):
        why = errno                  # before anything else is asked of the system
        buffer_append_text(error_out, b"Error loading ACLs, opening file '")
        buffer_append_slice(error_out, reading.path)
        buffer_append_text(error_out, b"': ")
        if path.failed:
            buffer_append_text(error_out, b"out of memory")
        else:
            buffer_append_text(error_out, strerror(why))
        buffer_clear(&path)
        buffer_clear(&text)
        return False
    if text.failed:
        buffer_append_text(error_out, b"out of memory. ")
    else:
        _read_text(&reading, buffer_slice(&text))
        if not _is_at(reading.list, reading.count, _place_of(reading.list, reading.count, slice_of_text(b"default")),
                      slice_of_text(b"default")):
            user = _new_default()
            if user == NULL or not _insert(&reading.list, &reading.count, &reading.capacity, user):
                user_free(user)
                buffer_append_text(error_out, b"out of memory. ")
    # A fault that there was no memory to tell of is one, too.
    good = error_out.length == before and not error_out.failed
    if good and not _reserve(&engine.users.list, &engine.users.capacity, reading.count + engine.users.count):
        good = False
        buffer_append_text(error_out, b"out of memory. ")
    if good:
        _take_over(&reading, me)
        engine.users.from_file = True
    else:
        buffer_append_text(error_out, b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
    for i in range(reading.count):
        user_free(reading.list[i])
    free(reading.list)
    buffer_clear(&path)
    buffer_clear(&text)
    return good


cdef int _write_file(const char* path, const char* aside, Slice text) noexcept nogil:
    """0, or the errno that says why not; then nothing is left of it."""
    cdef FILE* file = fopen(aside, b"w")
    cdef bint good
    cdef int reason
    if file == NULL:
        return errno
    good = fchmod(fileno(file), FILE_MODE) == 0 and fwrite(text.data, 1, text.length, file) == text.length \
        and fflush(file) == 0 and fsync(fileno(file)) == 0
    reason = errno
    if fclose(file) != 0 and good:
        good = False
        reason = errno
    if good and rename(aside, path) != 0:
        good = False
        reason = errno
    if good:
        return 0
    remove(aside)
    return reason


cdef bint users_save(Engine* engine, Buffer* error_out) noexcept nogil:
    cdef Buffer path, aside, text
    cdef int reason
    cdef bint good = False
    engine_guarded(engine)
    buffer_init(&path, NULL)
    buffer_init(&aside, NULL)
    buffer_init(&text, NULL)
    _path_of(engine, &path)
    buffer_append_slice(&aside, buffer_slice(&path))
    if aside.length:
        aside.length -= 1
    buffer_append(&aside, b".tmp-hutch\0", 11)
    _describe_all(engine, b"user ", &text)
    if path.failed or aside.failed or text.failed:
        buffer_append_text(error_out, b"out of memory")
    else:
        reason = _write_file(path.data, aside.data, buffer_slice(&text))
        good = reason == 0
        if not good:
            buffer_append_text(error_out, strerror(reason))
    buffer_clear(&path)
    buffer_clear(&aside)
    buffer_clear(&text)
    return good


# ---- the log

cdef void _free_denial(Denial* denial) noexcept nogil:
    buffer_clear(&denial.object)
    buffer_clear(&denial.username)
    buffer_clear(&denial.client)
    free(denial)


cdef void users_clear_log(Engine* engine) noexcept nogil:
    cdef Denial* denial = engine.users.log
    cdef Denial* following
    engine.users.log = NULL
    engine.users.log_count = 0
    while denial != NULL:
        following = denial.next
        _free_denial(denial)
        denial = following


cdef void _shorten_log(Engine* engine) noexcept nogil:
    cdef Denial** link = &engine.users.log
    cdef Denial* denial
    cdef int64_t kept = 0
    if <int64_t>engine.users.log_count <= engine.config.acllog_max_len:
        return
    while link[0] != NULL and kept < engine.config.acllog_max_len:
        link = &link[0].next
        kept += 1
    while link[0] != NULL:
        denial = link[0]
        link[0] = denial.next
        engine.users.log_count -= 1
        _free_denial(denial)


cdef void _count_denial(Engine* engine, uint8_t reason) noexcept nogil:
    if reason == DENIED_COMMAND:
        engine.statistics.denied_commands += 1
    elif reason == DENIED_KEY:
        engine.statistics.denied_keys += 1
    elif reason == DENIED_AUTH:
        engine.statistics.auth_failures += 1
    elif reason == DENIED_CHANNEL:
        engine.statistics.denied_channels += 1


cdef void users_note_denial(Session* session, uint8_t reason, uint8_t context, Slice object, Slice username) noexcept nogil:
    cdef Engine* engine = session.engine
    cdef Denial** link = &engine.users.log
    cdef Denial* denial
    cdef int64_t now_ms = clock_now_ms(&engine.clock)
    cdef int looked = 0
    _count_denial(engine, reason)
    if engine.config.acllog_max_len == 0:
        _shorten_log(engine)
        return
    if session.flags & SESSION_OF_SCRIPTS and engine.execution.current != NULL:
        session = engine.execution.current           # who called the script
    while link[0] != NULL and looked < LOG_LOOKED_AT:
        denial = link[0]
        if denial.reason == reason and denial.context == context and now_ms - denial.updated_ms <= LOG_GROUPED_MS \
                and slice_equals(buffer_slice(&denial.object), object) and slice_equals(buffer_slice(&denial.username), username):
            link[0] = denial.next                    # it is the newest again
            denial.next = engine.users.log
            engine.users.log = denial
            denial.count += 1
            denial.updated_ms = now_ms
            denial.client.length = 0
            session_describe(session, &denial.client)
            return
        link = &denial.next
        looked += 1
    denial = <Denial*>calloc(1, sizeof(Denial))
    if denial == NULL:
        return
    denial.count = 1
    denial.id = engine.users.log_next_id
    denial.reason = reason
    denial.context = context
    denial.created_ms = now_ms
    denial.updated_ms = now_ms
    buffer_append_slice(&denial.object, object)
    buffer_append_slice(&denial.username, username)
    session_describe(session, &denial.client)
    if denial.object.failed or denial.username.failed or denial.client.failed:
        _free_denial(denial)
        return
    engine.users.log_next_id += 1
    denial.next = engine.users.log
    engine.users.log = denial
    engine.users.log_count += 1
    _shorten_log(engine)
