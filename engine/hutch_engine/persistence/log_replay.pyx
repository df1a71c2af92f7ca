"""See log_replay.pxd."""
from libc.errno cimport EIO
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memchr, memcpy, memmove, strerror
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_reserve)
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_of, slice_of_text
from hutch_engine.commands.call cimport CALL_DENY_BLOCKING, CALL_REPLAYED
from hutch_engine.commands.command cimport CMD_MAY_REPLICATE, CMD_WRITE, Command, command_takes
from hutch_engine.commands.command_names cimport command_meant
from hutch_engine.commands.command_table cimport command_resolve, command_table_find
from hutch_engine.commands.reply cimport reply_rewind
from hutch_engine.executor.aftermath cimport aftermath, aftermath_is_due
from hutch_engine.executor.run cimport run_command
from hutch_engine.persistence.files cimport file_read
from hutch_engine.sessions.session cimport session_free, session_new
from hutch_engine.state.engine cimport SESSION_AUTHENTICATED, SESSION_EMBEDDED, Engine, Session

cdef enum:
    FILL_BYTES = 262144
    WORDS_MAX = 1048576          # of a command: what Redis's protocol allows
    HEAD_DIGITS_MAX = 20
    RESYNC_TRIES = 64            # places where a command may begin, behind a length that reaches past the end

cdef enum Parsed:
    PARSED_COMMAND
    PARSED_NOTE                  # a line with a time
    PARSED_MORE                  # the window ends in the middle of it
    PARSED_BAD

# Entries of the constant command table.
cdef const Command* MULTI = command_table_find(slice_of_text(b"multi"))
cdef const Command* EXEC = command_table_find(slice_of_text(b"exec"))
cdef const Command* SELECT = command_table_find(slice_of_text(b"select"))


cdef bint replay_begin(Replay* replay, Engine* engine, int fd, uint64_t position) noexcept nogil:
    replay.engine = engine
    replay.fd = fd
    buffer_init(&replay.window, NULL)
    buffer_init(&replay.words, NULL)
    buffer_init(&replay.error, NULL)
    replay.window_at = position
    replay.at = 0
    replay.seen = 0
    replay.whole = position
    replay.in_transaction = False
    replay.running_transaction = False
    replay.at_end = False
    replay.commands = 0
    replay.session = session_new(engine, SESSION_EMBEDDED | SESSION_AUTHENTICATED, -1)
    return replay.session != NULL


cdef void replay_end(Replay* replay) noexcept nogil:
    if replay.session != NULL:
        session_free(replay.session)
        replay.session = NULL
    buffer_clear(&replay.window)
    buffer_clear(&replay.words)
    buffer_clear(&replay.error)


cdef bint replay_fill(Replay* replay) noexcept nogil:
    cdef int64_t got
    cdef size_t wanted = FILL_BYTES
    if replay.at:
        memmove(replay.window.data, replay.window.data + replay.at, replay.window.length - replay.at)
        replay.window.length -= replay.at
        replay.window_at += replay.at
        replay.seen -= replay.at
        replay.at = 0
    if replay.window.length > wanted:        # a long word, or transaction: as much again
        wanted = replay.window.length
    if not buffer_reserve(&replay.window, wanted):
        buffer_append_text(&replay.error, b"there is no memory to read the append-only file")
        return False
    got = file_read(replay.fd, replay.window.data + replay.window.length, replay.window.capacity - replay.window.length)
    if got < 0:
        buffer_append_text(&replay.error, b"the append-only file cannot be read: ")
        buffer_append_text(&replay.error, strerror(<int>-got))
        return False
    replay.window.length += <size_t>got
    replay.at_end = got == 0
    return True


# ---- parsing

cdef Parsed _head(const char* data, size_t length, size_t* at, char kind, int64_t most, int64_t* value_out) noexcept nogil:
    """"*3\\r\\n" or "$3\\r\\n" at data[*at], which moves behind it."""
    cdef const char* end
    cdef size_t start = at[0] + 1
    cdef size_t left
    if at[0] >= length:
        return PARSED_MORE
    if data[at[0]] != kind:
        return PARSED_BAD
    left = length - start
    if left > HEAD_DIGITS_MAX + 2:
        left = HEAD_DIGITS_MAX + 2
    end = <const char*>memchr(data + start, 13, left) if left else NULL
    if end == NULL:
        return PARSED_BAD if left == HEAD_DIGITS_MAX + 2 or (left and not 48 <= data[start] <= 57) else PARSED_MORE
    if not parse_integer(slice_of(data + start, <size_t>(end - data) - start), value_out) \
            or value_out[0] < 0 or value_out[0] > most:
        return PARSED_BAD
    at[0] = <size_t>(end - data) + 2
    if at[0] > length:
        return PARSED_MORE
    return PARSED_COMMAND if end[1] == 10 else PARSED_BAD


cdef Parsed _parse(Replay* replay, const char* data, size_t length, size_t* at, size_t* count_out) noexcept nogil:
    """The command at data[*at]; its words as Slices in replay.words."""
    cdef int64_t count, word_length
    cdef int64_t i
    cdef const char* end
    cdef Slice word
    cdef Parsed parsed
    cdef int64_t longest = replay.engine.config.proto_max_bulk_len
    if longest < 512 * 1024 * 1024:
        longest = 512 * 1024 * 1024
    replay.words.length = 0
    if at[0] < length and data[at[0]] == 35:             # "#TS:...", an annotation
        end = <const char*>memchr(data + at[0], 10, length - at[0])
        if end == NULL:
            return PARSED_MORE
        at[0] = <size_t>(end - data) + 1
        return PARSED_NOTE
    parsed = _head(data, length, at, 42, WORDS_MAX, &count)
    if parsed != PARSED_COMMAND:
        return parsed
    if count == 0:
        return PARSED_BAD
    for i in range(count):
        parsed = _head(data, length, at, 36, longest, &word_length)
        if parsed != PARSED_COMMAND:
            return parsed
        if length - at[0] < <size_t>word_length + 2:
            # The end may be wrong already.
            if length - at[0] == <size_t>word_length + 1 and data[at[0] + <size_t>word_length] != 13:
                return PARSED_BAD
            return PARSED_MORE
        word = slice_of(data + at[0], <size_t>word_length)
        at[0] += <size_t>word_length
        if data[at[0]] != 13 or data[at[0] + 1] != 10:
            return PARSED_BAD
        at[0] += 2
        buffer_append(&replay.words, <const char*>&word, sizeof(Slice))
    if replay.words.failed:
        replay.words.failed = False
        return PARSED_BAD
    count_out[0] = <size_t>count
    return PARSED_COMMAND


cdef bint _commands_follow(Replay* replay, size_t start) noexcept nogil:
    """Are there whole commands behind a place where one seems to go on past the end of the file? Then its length is wrong."""
    cdef const char* data = replay.window.data
    cdef size_t length = replay.window.length
    cdef size_t at = start
    cdef size_t end, count
    cdef const char* found
    cdef int tries = 0
    cdef Parsed parsed
    while tries < RESYNC_TRIES and at + 3 < length:
        found = <const char*>memchr(data + at, 42, length - at)
        if found == NULL:
            return False
        at = <size_t>(found - data)
        if at >= start + 2 and data[at - 1] == 10 and data[at - 2] == 13:
            tries += 1
            end = at
            parsed = _parse(replay, data, length, &end, &count)
            if parsed == PARSED_COMMAND and (
                    command_resolve(<Slice*>replay.words.data, count) != NULL or
                    command_meant(&replay.engine.config.names, <Slice*>replay.words.data, count) != NULL):
                return True
        at += 1
    return False


# ---- running

cdef ReplayStep _bad(Replay* replay, const char* what) noexcept nogil:
    buffer_append_text(&replay.error, b"the append-only file is damaged at byte ")
    buffer_append_integer(&replay.error, <int64_t>(replay.window_at + replay.seen))
    buffer_append_text(&replay.error, b": ")
    buffer_append_text(&replay.error, what)
    return REPLAY_FAILED


cdef void _run(Replay* replay, const Command* command, size_t count) noexcept nogil:
    cdef Engine* engine = replay.engine
    cdef Session* session = replay.session
    engine.keyspace.now_ms = 0
    session.call.flags = CALL_REPLAYED | CALL_DENY_BLOCKING
    engine.execution.current = session
    run_command(session, command, <Slice*>replay.words.data, count, False, 0)
    session.call.block_keys = 0
    engine.execution.current = NULL
    if aftermath_is_due(engine):
        aftermath(engine)
    reply_rewind(&session.reply, 0)
    replay.commands += 1


cdef ReplayStep _at_the_end(Replay* replay, bint inside) noexcept nogil:
    """Nothing more comes. `inside`: in the middle of a command."""
    if not inside and not replay.in_transaction:
        replay.whole = replay.window_at + replay.at
        return REPLAY_DONE
    if inside and _commands_follow(replay, replay.seen):
        return _bad(replay, b"a length reaches past the end of the file, but commands follow it")
    return REPLAY_TORN


cdef ReplayStep replay_step(Replay* replay, uint64_t commands) noexcept nogil:
    cdef const Command* command
    cdef Parsed parsed
    cdef size_t end, count
    while commands:
        end = replay.seen
        if end == replay.window.length:
            return _at_the_end(replay, False) if replay.at_end else REPLAY_HUNGRY
        count = 0
        parsed = _parse(replay, replay.window.data, replay.window.length, &end, &count)
        if parsed == PARSED_MORE:
            return _at_the_end(replay, True) if replay.at_end else REPLAY_HUNGRY
        if parsed == PARSED_BAD:
            return _bad(replay, b"this is no command in Redis's protocol")
        if parsed == PARSED_COMMAND:
            command = command_resolve(<Slice*>replay.words.data, count)
            if unlikely(command == NULL):      # Redis logs what its clients said
                command = command_meant(&replay.engine.config.names, <Slice*>replay.words.data, count)
            if unlikely(command == NULL):
                return _bad(replay, b"there is no such command")
            if unlikely(not command_takes(command, count)):
                return _bad(replay, b"the command has a wrong number of words")
            if command == MULTI or command == EXEC:
                if (command == MULTI) == replay.in_transaction and not replay.running_transaction:
                    return _bad(replay, b"MULTI and EXEC do not match")
                if command == EXEC and not replay.running_transaction:
                    # Now that it is known to be whole, from its beginning.
                    replay.running_transaction = True
                    replay.seen = replay.at
                    continue
                if command == EXEC:
                    replay.in_transaction = False
                    replay.running_transaction = False
                else:
                    replay.in_transaction = True
            elif not command.flags & (CMD_WRITE | CMD_MAY_REPLICATE) and command != SELECT:
                return _bad(replay, b"the command changes nothing")
            elif not replay.in_transaction or replay.running_transaction:
                _run(replay, command, count)
                commands -= 1
        replay.seen = end
        if not replay.in_transaction:
            replay.at = end
            replay.whole = replay.window_at + end
    return REPLAY_MORE
