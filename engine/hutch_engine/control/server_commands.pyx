"""See server_commands.pxd."""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.random cimport Random, random_below
from hutch_engine.commands.call cimport Call, call_integer, call_word, error_not_integer, error_syntax
from hutch_engine.commands.reply cimport reply_array, reply_bulk_integer, reply_error, reply_verbatim
from hutch_engine.keyspace.keyspace cimport keyspace_now_us
from hutch_engine.state.engine cimport LISTENER_SHUTS, SESSION_CLOSE_NOW, SESSION_EMBEDDED, Engine, Session, engine_of, session_of
from hutch_engine.control.persistence_commands cimport persistence_save_at_end
from hutch_engine.sessions.wake_queue cimport session_wake


cdef void cmd_time(Call* call) noexcept nogil:
    cdef int64_t now_us = keyspace_now_us(call.keyspace)      # stands still in scripts and EXEC
    reply_array(call.reply, 2)
    reply_bulk_integer(call.reply, now_us // 1000000)
    reply_bulk_integer(call.reply, now_us % 1000000)


# ---- LOLWUT

cdef enum:
    MEADOW_WIDTH = 66            # unless the caller wants another one
    MEADOW_WIDTH_MAX = 160
    MEADOW_HEIGHT = 12
    MEADOW_HEIGHT_MAX = 60
    RABBIT_ROOM = 13             # columns for each of the rabbits

cdef struct Meadow:
    char[MEADOW_WIDTH_MAX * MEADOW_HEIGHT_MAX] cells
    int width
    int height


cdef void _plant(Meadow* meadow, int row, int column, const char* text) noexcept nogil:
    cdef int i = 0
    while text[i]:
        if 0 <= row < meadow.height and 0 <= column + i < meadow.width:
            meadow.cells[row * meadow.width + column + i] = text[i]
        i += 1


cdef inline int _drawn(Random* random, int limit) noexcept nogil:
    return <int>random_below(random, <uint64_t>limit)


cdef void _draw(Meadow* meadow, Random* random) noexcept nogil:
    """Rabbits around their hutch, never twice the same."""
    cdef int i, row, column, draw
    for i in range(meadow.width * meadow.height):
        draw = _drawn(random, 40)
        meadow.cells[i] = c' '
        if i >= 4 * meadow.width and draw < 2:
            meadow.cells[i] = c',' if draw else c'"'
        elif i < 3 * meadow.width and draw < 2:
            meadow.cells[i] = c'.' if draw else c'*'
    column = 2 + _drawn(random, meadow.width - 18)
    _plant(meadow, 1, column, b"  _____________ ")
    _plant(meadow, 2, column, b" /____________/|")
    _plant(meadow, 3, column, b" |  ___  | # ||")
    _plant(meadow, 4, column, b" | |   | | # ||")
    _plant(meadow, 5, column, b" |_|___|_|___|/")
    for i in range(meadow.width // RABBIT_ROOM):
        row = 6 + _drawn(random, meadow.height - 8)
        column = RABBIT_ROOM * i + _drawn(random, RABBIT_ROOM - 7)
        draw = _drawn(random, 3)
        _plant(meadow, row, column, b"(\\_/)" if draw else b"(\\(\\ ")
        _plant(meadow, row + 1, column, b"(o.o)" if draw == 1 else (b"(-.-)" if draw else b"( -.-)"))
        _plant(meadow, row + 2, column, b"(> <)" if draw else b"o_(\")(\")")


cdef bint _wish(Call* call, size_t index, int fewest, int most, bint strict, int* wish_out) noexcept nogil:
    """argv[index], when it is there, kept within the limits. False after an error."""
    cdef int64_t number
    if index < call.argc:
        if parse_integer(call.argv[index], &number):
            wish_out[0] = fewest if number < fewest else (most if number > most else <int>number)
        elif strict:
            error_not_integer(call)
            return False
    return True


cdef void cmd_lolwut(Call* call) noexcept nogil:
    """LOLWUT [VERSION version] [columns] [rows]. Redis's older versions want numbers, its newest takes anything."""
    cdef Buffer text
    cdef Meadow meadow
    cdef int64_t version = 8
    cdef size_t first = 1
    cdef bint strict
    cdef int row
    if call.argc > 2 and call_word(call, 1, b"VERSION"):
        if not call_integer(call, 2, &version):
            return
        first = 3
    strict = version == 5 or version == 6
    meadow.width = MEADOW_WIDTH
    meadow.height = MEADOW_HEIGHT
    if not _wish(call, first, 2 * RABBIT_ROOM, MEADOW_WIDTH_MAX, strict, &meadow.width) or \
            not _wish(call, first + 1, 9, MEADOW_HEIGHT_MAX, strict, &meadow.height):
        return
    buffer_init(&text, NULL)
    if strict or version == 8:           # the others have no picture in Redis either
        _draw(&meadow, &engine_of(call).random)
        for row in range(meadow.height):
            buffer_append(&text, meadow.cells + row * meadow.width, meadow.width)
            buffer_append(&text, b"\n", 1)
        buffer_append(&text, b"\n", 1)
    buffer_append_text(&text, b"Redis ver. 8.2.3\n")
    call.reply.buffer.failed |= text.failed
    reply_verbatim(call.reply, buffer_slice(&text), b"txt")
    buffer_clear(&text)


# ---- SHUTDOWN

cdef void cmd_shutdown(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Session* session = session_of(call)
    cdef bint save = False, no_save = False, abort = False, force = False, now = False
    cdef size_t i
    for i in range(1, call.argc):
        if call_word(call, i, b"SAVE"):
            save = True
        elif call_word(call, i, b"NOSAVE"):
            no_save = True
        elif call_word(call, i, b"ABORT"):
            abort = True
        elif call_word(call, i, b"FORCE"):
            force = True
        elif call_word(call, i, b"NOW"):
            now = True
        else:
            error_syntax(call)
            return
    if (abort and (save or no_save or force or now)) or (save and no_save):
        error_syntax(call)
        return
    if abort:
        reply_error(call.reply, b"ERR No shutdown in progress.")
        return
    if session.flags & SESSION_EMBEDDED:
        reply_error(call.reply, b"ERR SHUTDOWN would end the program this engine lives in: close the client instead")
        return
    # In the middle of a script's writes nothing is saved.
    if not persistence_save_at_end(engine, save, no_save or engine.scripts.busy != 0) and not force:
        reply_error(call.reply, b"ERR Errors trying to SHUTDOWN. Check logs.")
        return
    # Whoever runs the server program sees the request and ends it. As with Redis no reply is given: the connections
    # just close, and until the program is over nobody is served.
    engine.shutdown_asked = True
    engine.net.chores |= LISTENER_SHUTS     # nobody new is let in
    signal_raise(&engine.pause.over)     # what waits for a shutdown waits here
    session = engine.sessions.first
    while session != NULL:
        if session.connection != NULL:
            session.flags |= SESSION_CLOSE_NOW
            session_wake(session)
        session = session.next
