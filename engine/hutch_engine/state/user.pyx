"""See user.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_reserve, buffer_slice
from hutch_engine.base.glob cimport glob_is_literal, glob_matches
from hutch_engine.base.sha256 cimport SHA256_BYTES, sha256_bytes
from hutch_engine.base.slice cimport Slice, slice_equals, slice_of


# ---- making and copying

cdef void _clear_selector(Selector* selector) noexcept nogil:
    buffer_clear(&selector.rules)
    buffer_clear(&selector.patterns)
    buffer_clear(&selector.channels)
    buffer_clear(&selector.first_words)
    memset(selector.commands, 0, sizeof(selector.commands))
    selector.flags = 0


cdef void user_clear_selector(Selector* selector) noexcept nogil:
    _clear_selector(selector)


cdef User* user_new(Slice name) noexcept nogil:
    cdef User* user = <User*>calloc(1, sizeof(User))       # zeros are empty buffers
    if user == NULL:
        return NULL
    buffer_append_slice(&user.name, name)
    if user.name.failed:
        user_free(user)
        return NULL
    return user


cdef void user_free(User* user) noexcept nogil:
    if user == NULL:
        return
    user_drop_selectors(user)
    _clear_selector(&user.root)
    buffer_clear(&user.passwords)
    buffer_clear(&user.name)
    free(user)


cdef void user_drop_selectors(User* user) noexcept nogil:
    cdef Selector* selector = user.root.next
    cdef Selector* following
    user.root.next = NULL
    while selector != NULL:
        following = selector.next
        _clear_selector(selector)
        free(selector)
        selector = following


cdef Selector* user_add_selector(User* user) noexcept nogil:
    cdef Selector* last = &user.root
    while last.next != NULL:
        last = last.next
    last.next = <Selector*>calloc(1, sizeof(Selector))
    return last.next


cdef void _copy_selector(Selector* selector, const Selector* model) noexcept nogil:
    """Into an empty one."""
    selector.flags = model.flags
    memcpy(selector.commands, model.commands, sizeof(selector.commands))
    buffer_append_slice(&selector.rules, buffer_slice(&model.rules))
    buffer_append_slice(&selector.patterns, buffer_slice(&model.patterns))
    buffer_append_slice(&selector.channels, buffer_slice(&model.channels))
    buffer_append_slice(&selector.first_words, buffer_slice(&model.first_words))


cdef bint user_copy(User* user, const User* model) noexcept nogil:
    cdef User* copy = user_new(buffer_slice(&model.name))
    cdef const Selector* selector
    cdef Selector* added
    cdef bint good = copy != NULL
    if good:
        copy.flags = model.flags
        buffer_append_slice(&copy.passwords, buffer_slice(&model.passwords))
        _copy_selector(&copy.root, &model.root)
        selector = model.root.next
        while good and selector != NULL:
            added = user_add_selector(copy)
            good = added != NULL
            if good:
                _copy_selector(added, selector)
            selector = selector.next
        good = good and user_is_whole(copy)
    if good:
        user_take(user, copy)
    user_free(copy)
    return good


cdef void user_take(User* user, User* model) noexcept nogil:
    cdef User other = user[0]
    cdef Buffer name = user.name
    user[0] = model[0]
    user.name = name
    name = model.name
    model[0] = other
    model.name = name


cdef void user_settle(User* user) noexcept nogil:
    cdef uint32_t all = SELECTS_ALL_COMMANDS | SELECTS_ALL_KEYS | SELECTS_ALL_CHANNELS
    user.may_all = user.root.flags & all == all


cdef bint user_is_whole(const User* user) noexcept nogil:
    cdef const Selector* selector = &user.root
    if user.passwords.failed:
        return False
    while selector != NULL:
        if selector.rules.failed or selector.patterns.failed or selector.channels.failed or selector.first_words.failed:
            return False
        selector = selector.next
    return True


# ---- passwords

cdef void user_hash_password(Slice password, char* digits_out) noexcept nogil:
    cdef unsigned char digest[SHA256_BYTES]
    cdef const char* digits = b"0123456789abcdef"
    cdef size_t i
    sha256_bytes(password, digest)
    for i in range(SHA256_BYTES):
        digits_out[2 * i] = digits[digest[i] >> 4]
        digits_out[2 * i + 1] = digits[digest[i] & 15]


cdef bint user_knows_password(const User* user, Slice password) noexcept nogil:
    cdef char digits[PASSWORD_DIGITS]
    cdef size_t at = 0, i
    cdef unsigned char difference
    cdef bint found = (user.flags & USER_NO_PASSWORD) != 0
    user_hash_password(password, digits)
    while at + PASSWORD_DIGITS <= user.passwords.length:
        difference = 0
        for i in range(PASSWORD_DIGITS):
            difference |= <unsigned char>digits[i] ^ <unsigned char>user.passwords.data[at + i]
        found |= difference == 0
        at += PASSWORD_DIGITS
    return found


# ---- patterns

cdef uint16_t _form_of(Slice text) noexcept nogil:
    if text.length == 0 or text.data[text.length - 1] != c'*' or not glob_is_literal(slice_of(text.data, text.length - 1)):
        return PATTERN_GLOB
    return PATTERN_ALL if text.length == 1 else PATTERN_PREFIX


cdef void selector_add_pattern(Buffer* patterns, Slice text, uint16_t rights) noexcept nogil:
    cdef UserPattern head
    cdef UserPattern* there
    cdef size_t at = 0
    while at < patterns.length:
        there = <UserPattern*>(patterns.data + at)
        if slice_equals(pattern_bytes(there), text):
            there.rights |= rights
            return
        at += record_bytes(there.length)
    # Whole or not at all: half a record would be read as one.
    if text.length >> 32 or not buffer_reserve(patterns, record_bytes(<uint32_t>text.length)):
        patterns.failed = True
        return
    head.length = <uint32_t>text.length
    head.rights = rights
    head.form = _form_of(text)
    buffer_append(patterns, <const char*>&head, sizeof(head))
    buffer_append_slice(patterns, text)
    buffer_append(patterns, b"\0\0\0\0\0\0\0", record_bytes(head.length) - sizeof(head) - text.length)


cdef bint patterns_match(const Buffer* patterns, Slice text, uint16_t rights) noexcept nogil:
    cdef const UserPattern* pattern
    cdef size_t at = 0
    while at < patterns.length:
        pattern = <const UserPattern*>(patterns.data + at)
        at += record_bytes(pattern.length)
        if pattern.rights & rights != rights:
            continue
        if pattern.form == PATTERN_PREFIX:
            if text.length >= pattern.length - 1 and memcmp(text.data, pattern_bytes(pattern).data, pattern.length - 1) == 0:
                return True
        elif glob_matches(pattern_bytes(pattern), text, False):
            return True
    return False


cdef bint patterns_have(const Buffer* patterns, Slice text, uint16_t rights) noexcept nogil:
    cdef const UserPattern* pattern
    cdef size_t at = 0
    while at < patterns.length:
        pattern = <const UserPattern*>(patterns.data + at)
        if pattern.rights & rights == rights and slice_equals(pattern_bytes(pattern), text):
            return True
        at += record_bytes(pattern.length)
    return False
