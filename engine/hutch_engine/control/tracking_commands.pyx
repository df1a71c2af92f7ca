"""See tracking_commands.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memchr, memcmp
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.call cimport CALL_IN_SCRIPT, Call, call_integer, call_word, error_memory, error_syntax
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_bulk_text, reply_error, reply_error_slice, reply_integer, reply_map, reply_ok,
    reply_set)
from hutch_engine.state.engine cimport (
    SESSION_TRACKING, TOPIC_PREFIX, TRACKING_BCAST, TRACKING_BROKEN_REDIRECT, TRACKING_CACHING, TRACKING_NOLOOP,
    TRACKING_OPTIN, TRACKING_OPTOUT, Session, engine_of, session_of)
from hutch_engine.sessions.pubsub cimport SUBSCRIBED_NOT, Subscription, topic_name, topic_subscribe, topic_unsubscribe
from hutch_engine.sessions.tracking cimport tracking_disable, tracking_enable


cdef bint _overlap(Slice one, Slice two) noexcept nogil:
    """Does one begin with the other?"""
    cdef size_t shorter = one.length if one.length < two.length else two.length
    return shorter == 0 or memcmp(one.data, two.data, shorter) == 0


cdef inline Slice _until_nul(Slice prefix) noexcept nogil:
    """As an error quotes it."""
    cdef const void* end = memchr(prefix.data, 0, prefix.length) if prefix.length else NULL
    return prefix if end == NULL else slice_of(prefix.data, <size_t>(<const char*>end - prefix.data))


cdef void _error_overlap(Call* call, Slice one, Slice two, const char* which) noexcept nogil:
    cdef Buffer text
    buffer_init(&text, NULL)
    buffer_append_text(&text, b"ERR Prefix '")
    buffer_append_slice(&text, _until_nul(one))
    buffer_append_text(&text, b"' overlaps with ")
    buffer_append_text(&text, which)
    buffer_append_text(&text, b" prefix '")
    buffer_append_slice(&text, _until_nul(two))
    buffer_append_text(&text, b"'. Prefixes for a single client must not overlap.")
    reply_error_slice(call.reply, buffer_slice(&text))
    buffer_clear(&text)


cdef size_t _next_prefix(Call* call, size_t index) noexcept nogil:
    """The word behind the next PREFIX from argv[index] on; argc without one. The options have been read once."""
    while index < call.argc:
        if call_word(call, index, b"PREFIX"):
            return index + 1
        index += 2 if call_word(call, index, b"REDIRECT") else 1
    return call.argc


cdef bint _prefixes_are_apart(Call* call) noexcept nogil:
    """O(prefixes squared), as in Redis; else the error is written."""
    cdef Subscription* subscription
    cdef size_t one = _next_prefix(call, 3)
    cdef size_t two
    while one < call.argc:
        subscription = <Subscription*>session_of(call).subscriptions
        while subscription != NULL:
            if subscription.topic.kind == TOPIC_PREFIX and _overlap(call.argv[one], topic_name(subscription.topic)):
                _error_overlap(call, call.argv[one], topic_name(subscription.topic), b"an existing")
                return False
            subscription = subscription.next_of_session
        two = _next_prefix(call, one + 1)
        while two < call.argc:
            if _overlap(call.argv[one], call.argv[two]):
                _error_overlap(call, call.argv[one], call.argv[two], b"another provided")
                return False
            two = _next_prefix(call, two + 1)
        one = _next_prefix(call, one + 1)
    return True


cdef bint _read_options(Call* call, uint32_t* options, Session** target) noexcept nogil:
    cdef int64_t id = 0
    cdef size_t i = 3
    options[0] = 0
    target[0] = NULL
    while i < call.argc:
        if call_word(call, i, b"REDIRECT") and i + 1 < call.argc:
            i += 1
            if id != 0:
                reply_error(call.reply, b"ERR A client can only redirect to a single other client")
                return False
            if not call_integer(call, i, &id):
                return False
            target[0] = engine_of(call).sessions.first
            while target[0] != NULL and <int64_t>target[0].id != id:
                target[0] = target[0].next
            if target[0] == NULL:
                reply_error(call.reply, b"ERR The client ID you want redirect to does not exist")
                return False
        elif call_word(call, i, b"BCAST"):
            options[0] |= TRACKING_BCAST
        elif call_word(call, i, b"OPTIN"):
            options[0] |= TRACKING_OPTIN
        elif call_word(call, i, b"OPTOUT"):
            options[0] |= TRACKING_OPTOUT
        elif call_word(call, i, b"NOLOOP"):
            options[0] |= TRACKING_NOLOOP
        elif call_word(call, i, b"PREFIX") and i + 1 < call.argc:
            i += 1
        else:
            error_syntax(call)
            return False
        i += 1
    return True


cdef bint _fits(Call* call, uint32_t options) noexcept nogil:
    """Do the options go together, and with those that are in force? Else the error is written."""
    cdef Session* session = session_of(call)
    cdef const char* error = NULL
    if not options & TRACKING_BCAST and _next_prefix(call, 3) < call.argc:
        error = b"ERR PREFIX option requires BCAST mode to be enabled"
    elif session.flags & SESSION_TRACKING and (session.tracking ^ options) & TRACKING_BCAST:
        error = (b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
                 b"re-enabling it with a different mode.")
    elif options & TRACKING_BCAST and options & (TRACKING_OPTIN | TRACKING_OPTOUT):
        error = b"ERR OPTIN and OPTOUT are not compatible with BCAST"
    elif options & TRACKING_OPTIN and options & TRACKING_OPTOUT:
        error = b"ERR You can't specify both OPTIN mode and OPTOUT mode"
    elif (options & TRACKING_OPTIN and session.tracking & TRACKING_OPTOUT) or \
            (options & TRACKING_OPTOUT and session.tracking & TRACKING_OPTIN):
        error = (b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
                 b"re-enabling it with a different mode.")
    if error != NULL:
        reply_error(call.reply, error)
        return False
    return not options & TRACKING_BCAST or _prefixes_are_apart(call)


cdef bint _take_prefixes(Call* call) noexcept nogil:
    """All of them, which are known to be new and apart; or none, and False, when memory was refused."""
    cdef Session* session = session_of(call)
    cdef size_t at = _next_prefix(call, 3)
    cdef size_t refused
    if at == call.argc:
        return topic_subscribe(session, TOPIC_PREFIX, slice_of(b"", 0)) != SUBSCRIBED_NOT
    while at < call.argc:
        if topic_subscribe(session, TOPIC_PREFIX, call.argv[at]) == SUBSCRIBED_NOT:
            refused = at
            at = _next_prefix(call, 3)
            while at < refused:
                topic_unsubscribe(session, TOPIC_PREFIX, call.argv[at])
                at = _next_prefix(call, at + 1)
            return False
        at = _next_prefix(call, at + 1)
    return True


cdef void cmd_client_tracking(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef Session* target
    cdef uint32_t options
    cdef size_t at
    if call.flags & CALL_IN_SCRIPT:
        reply_error(call.reply, b"ERR CLIENT TRACKING isn't allowed for a DENY BLOCKING client")
        return
    if not _read_options(call, &options, &target):
        return
    if call_word(call, 2, b"OFF"):
        tracking_disable(session)
        reply_ok(call.reply)
        return
    if not call_word(call, 2, b"ON"):
        error_syntax(call)
        return
    if not _fits(call, options):
        return
    if options & TRACKING_BCAST and not _take_prefixes(call):
        error_memory(call)
        return
    tracking_enable(session, options, target)
    reply_ok(call.reply)


cdef void cmd_client_caching(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    if not session.flags & SESSION_TRACKING:
        reply_error(call.reply, b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
                                b"or OPTOUT mode enabled")
        return
    if call_word(call, 2, b"YES"):
        if not session.tracking & TRACKING_OPTIN:
            reply_error(call.reply, b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
            return
    elif call_word(call, 2, b"NO"):
        if not session.tracking & TRACKING_OPTOUT:
            reply_error(call.reply, b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
            return
    else:
        error_syntax(call)
        return
    session.tracking |= TRACKING_CACHING
    reply_ok(call.reply)


cdef void cmd_client_getredir(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    reply_integer(call.reply, <int64_t>session.tracking_redirect if session.flags & SESSION_TRACKING else -1)


cdef bint _is_less(Slice one, Slice two) noexcept nogil:
    """In the order of their bytes."""
    cdef size_t shorter = one.length if one.length < two.length else two.length
    cdef int order = memcmp(one.data, two.data, shorter) if shorter else 0
    return order < 0 or (order == 0 and one.length < two.length)


cdef Subscription* _prefix_behind(Session* session, Subscription* last) noexcept nogil:
    """The session's prefixes in order: the first behind `last` (NULL: of all). O(subscriptions), as often as there are
    prefixes, which were compared with each other when they were given, too."""
    cdef Subscription* subscription = <Subscription*>session.subscriptions
    cdef Subscription* found = NULL
    while subscription != NULL:
        if subscription.topic.kind == TOPIC_PREFIX \
                and (last == NULL or _is_less(topic_name(last.topic), topic_name(subscription.topic))) \
                and (found == NULL or _is_less(topic_name(subscription.topic), topic_name(found.topic))):
            found = subscription
        subscription = subscription.next_of_session
    return found


cdef void cmd_client_trackinginfo(Call* call) noexcept nogil:
    cdef Session* session = session_of(call)
    cdef Subscription* subscription = NULL
    cdef const char* flags[6]
    cdef int count = 0
    cdef int i
    if not session.flags & SESSION_TRACKING:
        flags[0] = b"off"
        count = 1
    else:
        flags[0] = b"on"
        count = 1
        if session.tracking & TRACKING_BCAST:
            flags[count] = b"bcast"
            count += 1
        if session.tracking & TRACKING_OPTIN:
            flags[count] = b"optin"
            count += 1
            if session.tracking & TRACKING_CACHING:
                flags[count] = b"caching-yes"
                count += 1
        if session.tracking & TRACKING_OPTOUT:
            flags[count] = b"optout"
            count += 1
            if session.tracking & TRACKING_CACHING:
                flags[count] = b"caching-no"
                count += 1
        if session.tracking & TRACKING_NOLOOP:
            flags[count] = b"noloop"
            count += 1
        if session.tracking & TRACKING_BROKEN_REDIRECT:
            flags[count] = b"broken_redirect"
            count += 1
    reply_map(call.reply, 3)
    reply_bulk_text(call.reply, b"flags")
    reply_set(call.reply, count)
    for i in range(count):
        reply_bulk_text(call.reply, flags[i])
    reply_bulk_text(call.reply, b"redirect")
    cmd_client_getredir(call)
    reply_bulk_text(call.reply, b"prefixes")
    reply_array(call.reply, session.topic_counts[TOPIC_PREFIX])
    subscription = _prefix_behind(session, NULL)
    while subscription != NULL:
        reply_bulk(call.reply, topic_name(subscription.topic))
        subscription = _prefix_behind(session, subscription)
