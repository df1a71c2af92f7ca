"""See journal.pxd."""
from libc.stddef cimport size_t
from libc.string cimport memcpy, memmove, strlen
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init, buffer_insert, buffer_reserve)
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.lock cimport signal_raise
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer
from hutch_engine.base.slice cimport Slice, slice_of

cdef enum:
    HEAD_MAX = INTEGER_TEXT_MAX + 3      # "$", a length and a line's end
    WORD_ENDS = HEAD_MAX + 2             # and the end behind the word

cdef const char* MULTI = b"*1\r\n$5\r\nMULTI\r\n"
cdef const char* EXEC = b"*1\r\n$4\r\nEXEC\r\n"


cdef void journal_init(Journal* journal) noexcept nogil:
    buffer_init(&journal.bytes, NULL)
    journal.unit_start = 0
    journal.unit_commands = 0
    journal.database = -1
    journal.offset = 0
    journal.dirty_seen = 0
    journal.replaced = False
    journal.failed = False
    journal.writer = NULL
    journal.writer_waits = False
    journal.now_s = 0
    journal.noted_s = 0


cdef void journal_clear(Journal* journal) noexcept nogil:
    buffer_clear(&journal.bytes)
    journal_init(journal)


cdef inline size_t _head(char* at, char kind, uint64_t count) noexcept nogil:
    """"*3\\r\\n" or "$3\\r\\n"; returns its length."""
    cdef size_t length
    at[0] = kind
    if likely(count < 10):
        at[1] = <char>(48 + count)
        length = 2
    else:
        length = 1 + format_integer(<int64_t>count, at + 1)
    at[length] = 13
    at[length + 1] = 10
    return length + 2


cdef inline size_t _word(char* at, Slice word) noexcept nogil:
    cdef size_t length = _head(at, 36, word.length)
    if word.length:
        memcpy(at + length, word.data, word.length)
    length += word.length
    at[length] = 13
    at[length + 1] = 10
    return length + 2


cdef inline void _check(Journal* journal) noexcept nogil:
    if unlikely(journal.bytes.failed):
        journal.failed = True


cdef void _select(Journal* journal, int32_t database) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    journal.database = database
    buffer_append_text(&journal.bytes, b"*2\r\n$6\r\nSELECT\r\n")
    journal_word(journal, slice_of(digits, format_integer(database, digits)))


cdef void journal_begin(Journal* journal, int32_t database, size_t words) noexcept nogil:
    cdef char[HEAD_MAX] head
    if unlikely(journal.failed):
        return
    if unlikely(database != journal.database) and database >= 0:
        _select(journal, database)
    journal.unit_commands += 1
    buffer_append(&journal.bytes, head, _head(head, 42, words))
    _check(journal)


cdef void journal_word(Journal* journal, Slice word) noexcept nogil:
    if unlikely(journal.failed):
        return
    if likely(buffer_reserve(&journal.bytes, word.length + WORD_ENDS)):
        journal.bytes.length += _word(journal.bytes.data + journal.bytes.length, word)
    _check(journal)


cdef void journal_text(Journal* journal, const char* text) noexcept nogil:
    journal_word(journal, slice_of(text, strlen(text)))


cdef void journal_integer(Journal* journal, int64_t value) noexcept nogil:
    cdef char[INTEGER_TEXT_MAX] digits
    journal_word(journal, slice_of(digits, format_integer(value, digits)))


cdef void journal_command(Journal* journal, int32_t database, const Slice* words, size_t count) noexcept nogil:
    cdef size_t needed = HEAD_MAX
    cdef size_t i
    cdef char* at
    if unlikely(journal.failed):
        return
    if unlikely(database != journal.database):
        _select(journal, database)
    for i in range(count):
        needed += words[i].length + WORD_ENDS
    journal.unit_commands += 1
    if likely(buffer_reserve(&journal.bytes, needed)):
        at = journal.bytes.data + journal.bytes.length
        at += _head(at, 42, count)
        for i in range(count):
            at += _word(at, words[i])
        journal.bytes.length = <size_t>(at - journal.bytes.data)
    _check(journal)


cdef void journal_deletion(Journal* journal, int32_t database, Slice key, bint lazy) noexcept nogil:
    cdef Slice[2] words
    words[0] = slice_of(b"UNLINK", 6) if lazy else slice_of(b"DEL", 3)
    words[1] = key
    journal_command(journal, database, words, 2)


cdef void _note_time(Journal* journal) noexcept nogil:
    """In front of the unit, as Redis does: the log can be cut off at that second."""
    cdef char[INTEGER_TEXT_MAX + 6] note
    cdef size_t length
    journal.noted_s = journal.now_s
    memcpy(note, b"#TS:", 4)
    length = 4 + format_integer(journal.now_s, note + 4)
    note[length] = 13
    note[length + 1] = 10
    buffer_insert(&journal.bytes, journal.unit_start, note, length + 2)
    _check(journal)


cdef void journal_begin_anew(Journal* journal) noexcept nogil:
    journal.database = -1
    journal.failed = False
    journal.bytes.failed = False


cdef void journal_end_unit(Journal* journal, bint whole) noexcept nogil:
    if whole and unlikely(journal.unit_commands > 1):
        buffer_insert(&journal.bytes, journal.unit_start, MULTI, strlen(MULTI))
        buffer_append_text(&journal.bytes, EXEC)
        _check(journal)
    if unlikely(journal.now_s > journal.noted_s) and journal.unit_commands:
        _note_time(journal)
    if unlikely(journal.failed):         # half of it may stand there
        journal.bytes.length = journal.unit_start
    journal.offset += journal.bytes.length - journal.unit_start
    journal.unit_start = journal.bytes.length
    journal.unit_commands = 0
    if unlikely(journal.writer_waits):
        journal.writer_waits = False
        signal_raise(journal.writer)


cdef bint journal_take(Journal* journal, Buffer* out) noexcept nogil:
    cdef size_t rest = journal.bytes.length - journal.unit_start
    cdef Buffer taken
    if journal.unit_start == 0:
        return False
    if out.length:
        if not buffer_reserve(out, journal.unit_start):
            out.failed = False
            return False
        buffer_append(out, journal.bytes.data, journal.unit_start)
        if rest:
            memmove(journal.bytes.data, journal.bytes.data + journal.unit_start, rest)
    else:
        if not buffer_reserve(out, rest):
            out.failed = False
            return False
        if rest:
            memcpy(out.data, journal.bytes.data + journal.unit_start, rest)
        taken = journal.bytes
        journal.bytes = out[0]
        out[0] = taken
        out.length = journal.unit_start
    journal.bytes.length = rest
    journal.unit_start = 0
    return True
