"""See rdb_input.pxd.

A record is read as if all of it were in the window. Where that fails, formats/rdb_skip walks it by its lengths: either it goes on
behind the window, which is then filled and the record begun again, or it is damaged. So nothing but the ends of windows
is looked at twice.
"""
from libc.errno cimport EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport INT32_MAX, UINT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memmove, memset, strcmp, strerror
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init,
    buffer_reserve, buffer_slice)
from hutch_engine.base.compiler cimport likely, load_u32, load_u64, unlikely
from hutch_engine.base.numbers cimport parse_unsigned
from hutch_engine.base.outcome cimport EXISTS, OK, Outcome
from hutch_engine.base.quote cimport quote_append
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.formats.crc64 cimport crc64
from hutch_engine.formats.rdb cimport (
    RDB_HASH, RDB_HASH_METADATA_EARLY, RDB_MODULE_2, rdb_read_byte, rdb_read_bytes, rdb_read_length, rdb_read_string,
    rdb_read_u64, rdb_reader_at)
from hutch_engine.formats.rdb_skip cimport (
    RDB_ARRAY, RDB_HASH_TEMPLATE, RDB_HASH_TEMPLATE_PACK, RDB_HASH_TEMPLATE_PACK_REF, RDB_HASH_TEMPLATE_REF,
    RDB_HASH_VALKEY, RDB_MODULE, SKIPPED, SKIP_UNKNOWN, SKIP_WANTS_MORE, Skip, rdb_form_is_empty, rdb_skip_bytes, rdb_skip_form,
    rdb_skip_length, rdb_skip_module_items, rdb_skip_string, rdb_skip_strings)
from hutch_engine.formats.rdb_values cimport rdb_form_type, rdb_module_is_known, rdb_read_form
from hutch_engine.keyspace.entry cimport TYPE_NONE, Value, value_of_integer
from hutch_engine.keyspace.keyspace cimport Database, Keyspace, keyspace_first_access, keyspace_hash, keyspace_now
from hutch_engine.keyspace.loading cimport (
    loading_abandon, loading_begin, loading_collides, loading_join, loading_put, loading_take_place)
from hutch_engine.keyspace.value_types cimport type_name, value_free
from hutch_engine.persistence.rdb_foreign cimport (
    FOREIGN_NO_TEMPLATE, FOREIGN_REFUSED, FOREIGN_SAID, Foreign, foreign_clear, foreign_init, foreign_read_template,
    foreign_template_fields, foreign_template_hash, foreign_valkey_hash)
from hutch_engine.persistence.rdb_writer cimport (
    RDB_OPCODE_AUX, RDB_OPCODE_DEADLINE_MS, RDB_OPCODE_DEADLINE_S, RDB_OPCODE_END, RDB_OPCODE_FREQUENCY, RDB_OPCODE_FUNCTION,
    RDB_OPCODE_FUNCTION_EARLY, RDB_OPCODE_HASH_TEMPLATE, RDB_OPCODE_IDLE, RDB_OPCODE_KEY_META, RDB_OPCODE_MODULE_AUX,
    RDB_OPCODE_RESIZE, RDB_OPCODE_SELECT, RDB_OPCODE_SLOT_INFO)
from hutch_engine.scripting.function_library cimport (
    RESTORE_APPEND, RESTORE_FLUSH, RESTORE_REPLACE, function_library_add, function_library_compile, function_library_flush,
    function_library_free)
from hutch_engine.scripting.interpreter cimport interpreter_ready
from hutch_engine.scripting.state cimport Interpreter, Library, Scripting, scripting_of
from hutch_engine.sessions.session cimport session_free, session_new
from hutch_engine.state.config cimport LOG_WARNING
from hutch_engine.state.engine cimport SESSION_AUTHENTICATED, SESSION_EMBEDDED, Engine, Session, engine_guarded
from hutch_engine.state.log cimport log_write
from hutch_engine.structures.table cimport table_reserve

cdef extern from * nogil:
    """
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <unistd.h>
    /* Of a file: how many bytes follow the descriptor's place; of anything else nobody knows, so: as many as there may be. */
    static uint64_t hutch_bytes_left(int fd) {
        struct stat about;
        off_t place;
        if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
            return UINT64_MAX / 2;
        place = lseek(fd, 0, SEEK_CUR);
        return place < 0 || place > about.st_size ? 0 : (uint64_t)(about.st_size - place);
    }
    """
    uint64_t hutch_bytes_left(int fd)
    ssize_t read(int fd, void* out, size_t count)

cdef enum:
    MAGIC_BYTES = 9
    SUM_BYTES = 8
    SUM_SINCE = 5                # the version that brought the checksum
    VERSION_MAX = 15             # of Redis's files
    VERSION_VALKEY = 80
    VALKEY_HASH = 22             # what Redis's candidates of 7.4 used it for is RDB_HASH_METADATA_EARLY
    RDB_GCRA = 33                # of Redis 8.10; where it ends nobody has said
    FOREIGN_FORMS = 64           # added to numbers that Valkey does not have: Redis's newer forms are none of its
    WINDOW_BYTES = 262144        # what one fill reads ...
    LOOK_AHEAD_BYTES = 32768     # ... as soon as less than this is left
    STEP_BYTES = 65536           # ends a step, too: large values take longer than many small ones
    HINT_BYTES = 8               # of the file's rest for every key that a hint may have room made for
    LINES_MAX = 1000             # of the log, about single keys that are left out: then only how many there are of each type
    KEY_SHOWN = 128              # bytes of a key that a message shows


# ---- saying what is wrong

cdef uint64_t rdb_input_place(const RdbInput* input) noexcept nogil:
    return input.position + <uint64_t>(<const char*>input.reader.at - input.window.data) if input.window.data != NULL else 0


cdef inline uint64_t _beyond(const RdbInput* input) noexcept nogil:
    """What of the file follows the window."""
    cdef uint64_t end = input.position + input.window.length
    return input.file_bytes - end if not input.at_end and input.file_bytes > end else 0


cdef RdbStep _fail(RdbInput* input, const char* text) noexcept nogil:
    buffer_append_text(&input.error, text)
    return RDB_STEP_FAILED


cdef void _add_place(Buffer* out, int32_t database, uint64_t position) noexcept nogil:
    buffer_append_text(out, b" (database ")
    buffer_append_integer(out, database)
    buffer_append_text(out, b", at byte ")
    buffer_append_integer(out, <int64_t>position)
    buffer_append_text(out, b")")


cdef void _add_key(Buffer* out, Slice key) noexcept nogil:
    cdef bint cut = key.length > KEY_SHOWN
    if cut:
        key.length = KEY_SHOWN
    quote_append(out, key)
    if cut:
        buffer_append_text(out, b"...")


cdef RdbStep _fail_at(RdbInput* input, const char* text, uint64_t position) noexcept nogil:
    """What is wrong with a record that is no key's."""
    buffer_append_text(&input.error, text)
    _add_place(&input.error, input.database, position)
    return RDB_STEP_FAILED


cdef RdbStep _fail_key(RdbInput* input, const char* type, Slice key, const char* text, uint64_t position) noexcept nogil:
    buffer_append_text(&input.error, type)
    buffer_append_text(&input.error, b" ")
    _add_key(&input.error, key)
    _add_place(&input.error, input.database, position)
    buffer_append_text(&input.error, text)
    return RDB_STEP_FAILED


# ---- the window

cdef bint _read_on(RdbInput* input, size_t most) noexcept nogil:
    """Into the window's room. A short count from a file is its end, or a signal's."""
    cdef ssize_t count
    while most:
        count = read(input.fd, input.window.data + input.window.length, most)
        if count == 0:
            input.at_end = True
            return True
        if count < 0:
            if errno == EINTR:
                continue
            _fail(input, b"reading failed: ")
            _fail(input, strerror(errno))
            return False
        input.window.length += <size_t>count
        most -= <size_t>count
    return True


cdef void _sum_up_to(RdbInput* input, size_t end) noexcept nogil:
    if input.version >= SUM_SINCE and not input.flags & RDB_READ_UNSUMMED and end > input.summed:
        input.sum = crc64(input.sum, slice_of(input.window.data + input.summed, end - input.summed))
    input.summed = end


cdef bint rdb_input_fill(RdbInput* input) noexcept nogil:
    cdef size_t used = <size_t>(<const char*>input.reader.at - input.window.data) if input.window.data != NULL else 0
    cdef size_t left = input.window.length - used
    cdef size_t wanted = input.wanted if input.wanted > WINDOW_BYTES else WINDOW_BYTES
    cdef uint64_t beyond = _beyond(input)
    cdef bint done = False
    _sum_up_to(input, used)
    if left and used:
        memmove(input.window.data, input.window.data + used, left)
    input.position += used
    input.summed -= used
    input.window.length = left
    input.wanted = 0
    # A byte more than there should be tells whether the file has grown, or ends.
    if wanted > left + beyond + 1:
        wanted = <size_t>(left + beyond + 1)
    if not buffer_reserve(&input.window, wanted - left):
        input.window.failed = 0
        _fail(input, b"no memory for a value of this size")
    else:
        done = _read_on(input, wanted - left)
    if input.at_end:
        input.file_bytes = input.position + input.window.length
    elif input.position + input.window.length > input.file_bytes:
        input.file_bytes = input.position + input.window.length
    input.reader = rdb_reader_at(input.window.data, input.window.data + input.window.length)
    return done


cdef inline RdbStep _hungry(RdbInput* input, const uint8_t* start) noexcept nogil:
    """The record that begins at `start` goes on behind the window."""
    input.reader.at = start
    input.wanted = 2 * <size_t>(input.reader.end - start)
    return RDB_STEP_HUNGRY


# ---- the beginning

cdef bint rdb_input_begin(RdbInput* input, Engine* engine, int fd, uint32_t flags) noexcept nogil:
    cdef const char* magic
    cdef uint64_t version
    memset(input, 0, sizeof(RdbInput))
    input.engine = engine
    input.fd = fd
    input.flags = flags
    input.deadline_ms = -1
    input.idle_s = -1
    input.frequency = -1
    input.tally = UINT64_MAX
    foreign_init(&input.templates)
    input.file_bytes = hutch_bytes_left(fd)
    if not rdb_input_fill(input):
        return False
    magic = input.window.data
    if input.window.length < MAGIC_BYTES:
        _fail(input, b"the file is shorter than its first line would be: it is no RDB file, or was cut off")
        return False
    input.of_valkey = memcmp(magic, b"VALKEY", 6) == 0
    if not input.of_valkey and memcmp(magic, b"REDIS", 5) != 0:
        _fail(input, b"the file does not begin with REDIS or VALKEY: it is no RDB file")
        return False
    if not parse_unsigned(_without_zeros(slice_of(magic + (6 if input.of_valkey else 5), 3 if input.of_valkey else 4)),
                          &version):
        _fail(input, b"the file's version is no number: it is no RDB file, or damaged")
        return False
    if version < 1 or (version != VERSION_VALKEY if input.of_valkey else version > VERSION_MAX):
        _fail(input, b"the file is of ")
        _fail(input, b"Valkey's version " if input.of_valkey else b"version ")
        buffer_append_integer(&input.error, <int64_t>version)
        _fail(input, b" of the format: versions 1 to 15, and 80 of Valkey's, can be read")
        return False
    input.version = <int>version
    input.reader.at += MAGIC_BYTES
    return True


cdef Slice _without_zeros(Slice digits) noexcept nogil:
    while digits.length > 1 and digits.data[0] == c'0':
        digits = slice_of(digits.data + 1, digits.length - 1)
    return digits


# ---- counting

cdef void _tally(RdbInput* input, const char* type, bint kept, uint64_t position) noexcept nogil:
    cdef RdbTally* tallies = <RdbTally*>input.tallies.data
    cdef RdbTally* tally
    cdef size_t count = input.tallies.length // sizeof(RdbTally)
    cdef RdbTally fresh
    cdef size_t i = input.tally
    if likely(i < count and type == input.tally_type):       # the very text: most are of one of our types
        tally = &tallies[i]
        if likely(tally.database == input.database and tally.kept == kept):
            tally.keys += 1
            return
    input.tally_type = type
    for i in range(count):
        tally = &tallies[i]
        if tally.database == input.database and tally.kept == kept and strcmp(tally.type, type) == 0:
            tally.keys += 1
            input.tally = i
            return
    memset(&fresh, 0, sizeof(fresh))
    fresh.database = input.database
    snprintf(fresh.type, sizeof(fresh.type), b"%s", type)
    fresh.kept = kept
    fresh.keys = 1
    fresh.position = position
    buffer_append(&input.tallies, <const char*>&fresh, sizeof(fresh))
    input.tally = count


cdef void _note(RdbInput* input, const char* kind, Slice name, Slice value) noexcept nogil:
    """A line for whoever asked what is in the file: kind, name and value, quoted."""
    if input.flags & RDB_READ_CHECKS:
        buffer_append_text(&input.notes, kind)
        buffer_append_text(&input.notes, b" ")
        quote_append(&input.notes, name)
        buffer_append_text(&input.notes, b" ")
        quote_append(&input.notes, value)
        buffer_append_text(&input.notes, b"\n")


# ---- records that are no keys. Each reads from input.reader, which stands behind the record's byte.

cdef RdbStep _short_or_broken(RdbInput* input, const uint8_t* start, Skip skip, const char* what) noexcept nogil:
    """The record could not be read, and was walked by its lengths."""
    if skip == SKIP_WANTS_MORE and not input.at_end:
        return _hungry(input, start)
    if skip == SKIP_WANTS_MORE:
        _fail(input, b"the file ends in the middle: ")
    return _fail_at(input, what, input.position + <uint64_t>(<const char*>start - input.window.data))


cdef RdbReader _behind(const RdbInput* input, const uint8_t* start) noexcept nogil:
    """A reader of its own, behind the byte of the record at `start`."""
    return rdb_reader_at(start + 1, input.reader.end)


cdef Skip _walk_lengths(const RdbInput* input, const uint8_t* start, int lengths, int strings, uint64_t bytes) noexcept nogil:
    """The extent of a record that has so many lengths, then strings, then bytes."""
    cdef RdbReader reader = _behind(input, start)
    cdef uint64_t value
    cdef Skip skip = SKIPPED
    while skip == SKIPPED and lengths:
        skip = rdb_skip_length(&reader, &value)
        lengths -= 1
    if skip == SKIPPED and strings:
        skip = rdb_skip_strings(&reader, <uint64_t>strings, _beyond(input))
    return rdb_skip_bytes(&reader, bytes, _beyond(input)) if skip == SKIPPED else skip


cdef RdbStep _read_aux(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef Slice name, value
    cdef uint64_t number
    if (not rdb_read_string(&input.reader, &input.key, &name)
            or not rdb_read_string(&input.reader, &input.storage, &value)):
        return _short_or_broken(input, start, _walk_lengths(input, start, 0, 2, 0), b"damaged AUX field")
    _note(input, b"aux", name, value)
    if slice_is(name, b"used-mem") and parse_unsigned(value, &number):
        input.used_memory = number
    return RDB_STEP_MORE


cdef RdbStep _read_select(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef uint64_t index
    if not rdb_read_length(&input.reader, &index):
        return _short_or_broken(input, start, _walk_lengths(input, start, 1, 0, 0), b"damaged number of a database")
    if index >= <uint64_t>input.engine.keyspace.database_count:
        _fail(input, b"the file has keys in database ")
        buffer_append_integer(&input.error, <int64_t>(index if index <= INT32_MAX else INT32_MAX))
        _fail(input, b", and this store has only ")
        buffer_append_integer(&input.error, input.engine.keyspace.database_count)
        return _fail(input, b" databases")
    input.database = <int32_t>index
    return RDB_STEP_MORE


cdef RdbStep _read_hint(RdbInput* input, const uint8_t* start) noexcept nogil:
    """Room is made for as many keys as the file's rest could hold."""
    cdef uint64_t keys, deadlines, most
    if not rdb_read_length(&input.reader, &keys) or not rdb_read_length(&input.reader, &deadlines):
        return _short_or_broken(input, start, _walk_lengths(input, start, 2, 0, 0), b"damaged hint of a database's size")
    most = (_beyond(input) + <uint64_t>(input.reader.end - input.reader.at)) // HINT_BYTES
    table_reserve(&input.databases[input.database].keys, keys if keys < most else most)
    return RDB_STEP_MORE


cdef Interpreter* _interpreter(RdbInput* input) noexcept nogil:
    """For functions; NULL with the error's text: no Lua, or no memory."""
    cdef Session* session = session_new(input.engine, SESSION_EMBEDDED | SESSION_AUTHENTICATED, -1)
    cdef Interpreter* interpreter
    cdef Buffer* reply
    if session == NULL:
        _fail(input, b"no memory for functions")
        return NULL
    interpreter = interpreter_ready(session, True)
    reply = &session.reply.buffer
    if interpreter == NULL and reply.length > 7:         # -ERR, a blank, the text and the line's end
        buffer_append(&input.error, reply.data + 5, reply.length - 7)
    session_free(session)
    return interpreter


cdef RdbStep _read_function(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef uint64_t position = input.position + <uint64_t>(<const char*>start - input.window.data)
    cdef Interpreter* interpreter
    cdef Library* library
    cdef Slice code
    if not rdb_read_string(&input.reader, &input.storage, &code):
        return _short_or_broken(input, start, _walk_lengths(input, start, 0, 1, 0), b"damaged library of functions")
    interpreter = _interpreter(input)
    if interpreter == NULL:
        _fail(input, b": needed for a library of functions")
        return _fail_at(input, b"", position)
    library = function_library_compile(interpreter, code, True, &input.error)
    if library == NULL:
        return _fail_at(input, b", in a library of functions", position)
    library.next = input.libraries
    input.libraries = library
    _note(input, b"library", buffer_slice(&library.name), slice_of(NULL, 0))
    return RDB_STEP_MORE


cdef RdbStep _read_time(RdbInput* input, const uint8_t* start, bint seconds) noexcept nogil:
    cdef Slice bytes
    if not rdb_read_bytes(&input.reader, 4 if seconds else 8, &bytes):
        return _short_or_broken(input, start, SKIP_WANTS_MORE, b"a deadline")
    if seconds:
        input.deadline_ms = <int64_t><int32_t>load_u32(bytes.data) * 1000
    else:
        input.deadline_ms = <int64_t>load_u64(bytes.data)
    return RDB_STEP_MORE


cdef RdbStep _read_access(RdbInput* input, const uint8_t* start, bint idle) noexcept nogil:
    cdef uint64_t value
    cdef uint8_t byte
    if idle:
        if not rdb_read_length(&input.reader, &value):
            return _short_or_broken(input, start, _walk_lengths(input, start, 1, 0, 0), b"damaged time of a key's last use")
        input.idle_s = <int64_t>(value if value < INT32_MAX else INT32_MAX)
    else:
        if not rdb_read_byte(&input.reader, &byte):
            return _short_or_broken(input, start, SKIP_WANTS_MORE, b"how often a key is used")
        input.frequency = byte
    return RDB_STEP_MORE


cdef RdbStep _read_slot(RdbInput* input, const uint8_t* start) noexcept nogil:
    """How many keys a cluster's slot has: a hint."""
    cdef uint64_t slot, keys, deadlines
    if (not rdb_read_length(&input.reader, &slot) or not rdb_read_length(&input.reader, &keys)
            or not rdb_read_length(&input.reader, &deadlines)):
        return _short_or_broken(input, start, _walk_lengths(input, start, 3, 0, 0), b"damaged hint of a slot's size")
    return RDB_STEP_MORE


cdef RdbStep _read_template(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef RdbReader walk
    cdef uint64_t count
    cdef Skip skip
    cdef Foreign said = foreign_read_template(&input.templates, &input.reader)
    if said == FOREIGN_SAID:
        return RDB_STEP_MORE
    if said == FOREIGN_REFUSED:
        return _fail(input, b"no memory for a template of hashes")
    walk = _behind(input, start)
    skip = rdb_skip_length(&walk, &count)
    if skip == SKIPPED:
        skip = rdb_skip_length(&walk, &count)
    if skip == SKIPPED:
        skip = rdb_skip_strings(&walk, count, _beyond(input))
    return _short_or_broken(input, start, skip, b"damaged template of hashes")


# ---- what Hutch has no place for

cdef void _module_name(uint64_t number, char* out) noexcept nogil:
    """The nine letters of a module's type."""
    cdef const char* letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cdef int i
    for i in range(9):
        out[i] = letters[number >> (10 + 6 * (8 - i)) & 63]
    out[9] = 0


cdef RdbStep _leave_out(RdbInput* input, const char* type, const char* what, Slice name, uint64_t position) noexcept nogil:
    """Something was passed over, and everybody is told."""
    cdef Buffer line
    input.skipped += 1
    buffer_init(&line, NULL)
    if not input.flags & RDB_READ_CHECKS and input.skipped <= LINES_MAX:
        buffer_append_text(&line, b"Left out since Hutch does not have it (rdb-skip-unknown-types): ")
        buffer_append_text(&line, type)
        buffer_append_text(&line, b" ")
        _add_key(&line, name)
        _add_place(&line, input.database, position)
        if what != NULL:
            buffer_append_text(&line, b", for ")
            buffer_append_text(&line, what)
        log_write(input.engine, LOG_WARNING, buffer_slice(&line))
    buffer_clear(&line)
    _tally(input, type, False, position)
    input.deadline_ms = -1
    input.idle_s = -1
    input.frequency = -1
    return RDB_STEP_MORE


cdef RdbStep _pass_over_module_aux(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef uint64_t position = input.position + <uint64_t>(<const char*>start - input.window.data)
    cdef RdbReader walk = _behind(input, start)
    cdef char[12] name
    cdef uint64_t number, when
    cdef Skip skip = rdb_skip_length(&walk, &number)
    if skip == SKIPPED:
        skip = rdb_skip_length(&walk, &when)
    if skip == SKIPPED:
        skip = rdb_skip_length(&walk, &when)
    if skip == SKIPPED:
        skip = rdb_skip_module_items(&walk, _beyond(input))
    if skip != SKIPPED:
        return _short_or_broken(input, start, skip, b"damaged data of a module")
    _module_name(number, name)
    if not input.flags & (RDB_READ_SKIPS | RDB_READ_CHECKS):
        return _fail_key(input, b"data of the module type", slice_of(name, 9), b": Hutch does not have it", position)
    input.reader.at = walk.at
    return _leave_out(input, name, b"data that belong to no key", slice_of(name, 9), position)


cdef RdbStep _pass_over_meta(RdbInput* input, const uint8_t* start) noexcept nogil:
    """Redis: what modules have noted about the key that follows. Valkey: a slot that was being moved here."""
    cdef uint64_t position = input.position + <uint64_t>(<const char*>start - input.window.data)
    cdef RdbReader walk = _behind(input, start)
    cdef uint64_t count
    cdef Skip skip
    if input.of_valkey:
        skip = rdb_skip_string(&walk, _beyond(input))
        if skip == SKIPPED:
            skip = rdb_skip_length(&walk, &count)
        while skip == SKIPPED and count:
            skip = _two_lengths(&walk)
            count -= 1
    else:
        skip = rdb_skip_length(&walk, &count)
        while skip == SKIPPED and count:
            skip = rdb_skip_bytes(&walk, 4, _beyond(input))
            if skip == SKIPPED:
                skip = rdb_skip_module_items(&walk, _beyond(input))
            count -= 1
    if skip != SKIPPED:
        return _short_or_broken(input, start, skip, b"damaged data of a module or a cluster")
    if not input.flags & (RDB_READ_SKIPS | RDB_READ_CHECKS):
        return _fail_at(input, b"a slot of a cluster that was being moved: Hutch is no cluster" if input.of_valkey else
                        b"data of a module about the next key: Hutch has no modules", position)
    input.reader.at = walk.at
    return _leave_out(input, b"slotimport" if input.of_valkey else b"keymeta", NULL, slice_of(NULL, 0), position)


cdef inline Skip _two_lengths(RdbReader* reader) noexcept nogil:
    cdef uint64_t value
    cdef Skip skip = rdb_skip_length(reader, &value)
    return rdb_skip_length(reader, &value) if skip == SKIPPED else skip


# ---- keys

cdef Skip _skip_value(const RdbInput* input, RdbReader* reader, int form) noexcept nogil:
    """Pass over a value by its lengths."""
    cdef uint64_t number
    cdef Skip skip
    if form != RDB_HASH_TEMPLATE_REF:
        return rdb_skip_form(reader, form, _beyond(input))
    skip = rdb_skip_length(reader, &number)
    if skip != SKIPPED:
        return skip
    return rdb_skip_strings(reader, foreign_template_fields(&input.templates, number), _beyond(input))


cdef Skip _walk_key(const RdbInput* input, const uint8_t* start, int form, RdbReader* behind_out) noexcept nogil:
    """The extent of a key and its value."""
    cdef Skip skip
    behind_out[0] = _behind(input, start)
    skip = rdb_skip_string(behind_out, _beyond(input))
    return _skip_value(input, behind_out, form) if skip == SKIPPED else skip


cdef const char* _type_of(int form, uint64_t module, char* module_name) noexcept nogil:
    """What a message calls the type; `module_name` has 12 bytes."""
    if form == RDB_MODULE_2:
        _module_name(module, module_name)
        return module_name
    if form == RDB_MODULE:
        return b"module"
    if form == RDB_ARRAY:
        return b"array"
    if RDB_HASH_TEMPLATE_PACK <= form <= RDB_HASH_TEMPLATE_REF or form == RDB_HASH_VALKEY:
        return b"hash"
    if form == RDB_GCRA:
        return b"gcra"
    snprintf(module_name, 12, b"form %d", (form if form < FOREIGN_FORMS else form - FOREIGN_FORMS) & 255)
    return module_name


cdef RdbStep _read_unknown(RdbInput* input, const uint8_t* start, int form, const char* lacking) noexcept nogil:
    """A key whose value there is no place for; `lacking`: the type is ours, but this value has something that is not."""
    cdef uint64_t position = input.position + <uint64_t>(<const char*>start - input.window.data)
    cdef RdbReader reader = _behind(input, start)
    cdef RdbReader behind
    cdef char[12] module_name
    cdef const char* type
    cdef uint64_t module = 0
    cdef Slice key
    cdef Skip skip
    if not rdb_read_string(&reader, &input.key, &key):
        return _short_or_broken(input, start, _walk_lengths(input, start, 0, 1, 0), b"damaged name of a key")
    if form == RDB_MODULE_2:
        skip = rdb_skip_length(&reader, &module)
        if skip != SKIPPED:
            return _short_or_broken(input, start, skip, b"damaged value of a module")
    type = _type_of(form, module, module_name)
    if lacking != NULL:
        type = b"stream"
    if not input.flags & (RDB_READ_SKIPS | RDB_READ_CHECKS):
        if lacking == NULL:
            return _fail_key(input, type, key, b": Hutch does not have this type; what a file has of such keys is listed by "
                             b"`hutch check`, and rdb-skip-unknown-types leaves them out", position)
        _fail_key(input, type, key, b": it has ", position)
        buffer_append_text(&input.error, lacking)
        return _fail(input, b", which Hutch does not have; rdb-skip-unknown-types leaves such keys out")
    skip = _walk_key(input, start, form, &behind)
    if skip == SKIP_UNKNOWN:
        return _fail_key(input, type, key, b": Hutch does not have this type and cannot tell where its value ends", position)
    if skip != SKIPPED:
        return _short_or_broken(input, start, skip, b"damaged value of a type that Hutch does not have")
    input.reader.at = behind.at
    return _leave_out(input, type, lacking, key, position)


cdef bint _read_value(RdbInput* input, int form, Value* value_out, Foreign* said_out) noexcept nogil:
    """A value whose form is ours, or can be said in one that is."""
    cdef RdbReader reader
    cdef bint done
    said_out[0] = FOREIGN_SAID
    if likely(form != RDB_HASH_VALKEY and form != RDB_HASH_TEMPLATE_PACK_REF and form != RDB_HASH_TEMPLATE_REF):
        return rdb_read_form(&input.reader, &input.engine.keyspace, form, &input.storage, value_out)
    if form == RDB_HASH_VALKEY:
        said_out[0] = foreign_valkey_hash(&input.templates, &input.reader, &input.said)
    else:
        said_out[0] = foreign_template_hash(&input.templates, &input.reader, form == RDB_HASH_TEMPLATE_PACK_REF, &input.said)
    if said_out[0] != FOREIGN_SAID:
        input.reader.refused = said_out[0] == FOREIGN_REFUSED
        input.said.failed = 0
        return False
    reader = rdb_reader_at(input.said.data, input.said.data + input.said.length)
    done = rdb_read_form(&reader, &input.engine.keyspace, RDB_HASH_METADATA_EARLY if form == RDB_HASH_VALKEY else RDB_HASH,
                         &input.storage, value_out)
    input.reader.refused = reader.refused
    return done


cdef uint32_t _access(const RdbInput* input, Keyspace* keyspace) noexcept nogil:
    cdef int64_t access
    if keyspace.lfu and input.frequency >= 0:
        return (keyspace_first_access(keyspace) & ~<uint32_t>0xFF) | <uint32_t>input.frequency
    if not keyspace.lfu and input.idle_s >= 0:
        access = <int64_t>keyspace.access_clock - input.idle_s
        return <uint32_t>access if access > 0 else 0
    return keyspace_first_access(keyspace)


cdef RdbStep _put(RdbInput* input, const uint8_t* start, Slice key, Value value) noexcept nogil:
    cdef uint64_t position = input.position + <uint64_t>(<const char*>start - input.window.data)
    cdef Keyspace* keyspace = &input.engine.keyspace
    cdef const char* type = type_name(value.type)
    cdef int64_t deadline_ms = input.deadline_ms
    cdef bint is_due = deadline_ms != -1 and deadline_ms < keyspace_now(keyspace)
    cdef uint32_t access = _access(input, keyspace)
    cdef Value kept = value
    cdef Outcome outcome = OK
    input.deadline_ms = -1
    input.idle_s = -1
    input.frequency = -1
    if input.flags & RDB_READ_CHECKS:
        kept = value_of_integer(0)       # so that a key that stands twice is found
    if deadline_ms < -1:
        deadline_ms = 0
    if not is_due or input.flags & (RDB_READ_KEEPS_DUE | RDB_READ_CHECKS):
        outcome = loading_put(keyspace, &input.databases[input.database], key, keyspace_hash(keyspace, key), kept,
                              deadline_ms, access)
    if value.owned and (outcome != OK or kept.pointer != value.pointer
                        or (is_due and not input.flags & (RDB_READ_KEEPS_DUE | RDB_READ_CHECKS))):
        value_free(keyspace.heap, value.type, value.encoding, value.pointer)
    if unlikely(outcome == EXISTS):
        return _fail_key(input, type, key, b" stands in the file twice", position)
    if unlikely(outcome != OK):
        return _fail_key(input, type, key, b": no memory", position)
    input.expired += is_due
    input.keys += not is_due or input.flags & (RDB_READ_KEEPS_DUE | RDB_READ_CHECKS) != 0
    _tally(input, type, True, position)
    return RDB_STEP_MORE


cdef RdbStep _read_key(RdbInput* input, const uint8_t* start, int form) noexcept nogil:
    cdef uint64_t position
    cdef RdbReader behind, begins
    cdef char[12] name
    cdef Value value
    cdef Slice key
    cdef const char* type
    cdef Foreign said
    cdef uint64_t module = 0
    cdef Skip skip
    if input.of_valkey and form >= VALKEY_HASH:
        form = RDB_HASH_VALKEY if form == VALKEY_HASH else form + FOREIGN_FORMS
    if unlikely(not (rdb_form_type(form) != TYPE_NONE or form == RDB_HASH_VALKEY or form == RDB_HASH_TEMPLATE_PACK_REF
                     or form == RDB_HASH_TEMPLATE_REF or form == RDB_MODULE_2)):
        return _read_unknown(input, start, form, NULL)
    if unlikely(not rdb_read_string(&input.reader, &input.key, &key)):
        return _short_or_broken(input, start, _walk_lengths(input, start, 0, 1, 0), b"damaged name of a key")
    if unlikely(form == RDB_MODULE_2):
        behind = input.reader
        if rdb_skip_length(&behind, &module) == SKIPPED and not rdb_module_is_known(module):
            return _read_unknown(input, start, form, NULL)
    begins = input.reader
    if likely(_read_value(input, form, &value, &said)):
        return _put(input, start, key, value)
    position = input.position + <uint64_t>(<const char*>start - input.window.data)
    if input.reader.refused:
        return _fail_key(input, b"value of", key, b": no memory", position)
    if input.reader.lacking != NULL:
        return _read_unknown(input, start, form, input.reader.lacking)
    skip = _walk_key(input, start, form, &behind)
    if skip == SKIP_WANTS_MORE and not input.at_end:
        return _hungry(input, start)
    if said == FOREIGN_NO_TEMPLATE:
        return _fail_key(input, b"hash", key, b": its template is not in the file", position)
    type = type_name(rdb_form_type(form)) if rdb_form_type(form) != TYPE_NONE else _type_of(form, module, name)
    if skip == SKIPPED and rdb_form_is_empty(begins, form):
        input.reader.at = behind.at
        return _pass_over_empty(input, type, key, position)
    return _fail_key(input, type, key, b": the file ends in the middle of its value" if skip == SKIP_WANTS_MORE else
                     b": its value is damaged", position)


cdef RdbStep _pass_over_empty(RdbInput* input, const char* type, Slice key, uint64_t position) noexcept nogil:
    """A collection without elements, as old versions of Redis have left behind: no key, and nothing is lost with it."""
    cdef Buffer line
    input.empty += 1
    buffer_init(&line, NULL)
    if input.flags & RDB_READ_CHECKS:
        _note(input, b"empty", slice_of_text(type), key)
    elif input.empty <= LINES_MAX:
        buffer_append_text(&line, b"Loading, skipping empty key: ")
        buffer_append_text(&line, type)
        buffer_append_text(&line, b" ")
        _add_key(&line, key)
        _add_place(&line, input.database, position)
        log_write(input.engine, LOG_WARNING, buffer_slice(&line))
    buffer_clear(&line)
    input.deadline_ms = -1
    input.idle_s = -1
    input.frequency = -1
    return RDB_STEP_MORE


# ---- the end

cdef RdbStep _read_end(RdbInput* input, const uint8_t* start) noexcept nogil:
    cdef size_t at = <size_t>(<const char*>input.reader.at - input.window.data)
    cdef uint64_t said, found
    if input.version >= SUM_SINCE:
        if not rdb_read_u64(&input.reader, &said):
            return _short_or_broken(input, start, SKIP_WANTS_MORE, b"the checksum")
        _sum_up_to(input, at)
        found = input.sum
        if said and said != found and not input.flags & RDB_READ_UNSUMMED:
            return _fail(input, b"RDB CRC error: the checksum is wrong, the file is damaged")
    input.end_position = rdb_input_place(input)
    if not input.flags & RDB_READ_TAIL:
        if input.reader.at == input.reader.end and not input.at_end:
            input.summed = input.window.length
            if not rdb_input_fill(input):
                return RDB_STEP_FAILED
        if input.reader.at != input.reader.end:
            # Redis does not look; but a file that goes on is not what somebody has saved.
            if input.flags & RDB_READ_CHECKS:
                _note(input, b"trailing", slice_of(NULL, 0), slice_of(NULL, 0))
            else:
                log_write(input.engine, LOG_WARNING, slice_of(b"Warning: more bytes follow the end of the RDB file", 50))
    return RDB_STEP_DONE


# ---- steps

cdef RdbStep _read_record(RdbInput* input) noexcept nogil:
    cdef const uint8_t* start = input.reader.at
    cdef int form
    if unlikely(start == input.reader.end):
        if not input.at_end:
            return RDB_STEP_HUNGRY
        return _fail(input, b"the file ends without an end: it was cut off")
    form = start[0]
    input.reader.at = start + 1
    if likely(form < RDB_OPCODE_HASH_TEMPLATE):
        return _read_key(input, start, form)
    if form == RDB_OPCODE_DEADLINE_MS or form == RDB_OPCODE_DEADLINE_S:
        return _read_time(input, start, form == RDB_OPCODE_DEADLINE_S)
    if form == RDB_OPCODE_IDLE or form == RDB_OPCODE_FREQUENCY:
        return _read_access(input, start, form == RDB_OPCODE_IDLE)
    if form == RDB_OPCODE_SELECT:
        return _read_select(input, start)
    if form == RDB_OPCODE_RESIZE:
        return _read_hint(input, start)
    if form == RDB_OPCODE_AUX:
        return _read_aux(input, start)
    if form == RDB_OPCODE_FUNCTION:
        return _read_function(input, start)
    if form == RDB_OPCODE_END:
        return _read_end(input, start)
    if form == RDB_OPCODE_SLOT_INFO:
        return _read_slot(input, start)
    if form == RDB_OPCODE_MODULE_AUX:
        return _pass_over_module_aux(input, start)
    if form == RDB_OPCODE_KEY_META:
        return _pass_over_meta(input, start)
    if form == RDB_OPCODE_FUNCTION_EARLY:
        return _fail_at(input, b"a function of Redis 7.0's release candidates, which no release reads",
                        input.position + <uint64_t>(<const char*>start - input.window.data))
    return _read_template(input, start)


cdef RdbStep rdb_input_step(RdbInput* input, uint64_t records) noexcept nogil:
    cdef RdbStep step
    engine_guarded(input.engine)
    if unlikely(input.databases == NULL):
        input.databases = loading_begin(&input.engine.keyspace)
        if input.databases == NULL:
            return _fail(input, b"no memory")
    cdef uint64_t until = rdb_input_place(input) + STEP_BYTES
    while records and rdb_input_place(input) < until:
        if unlikely(<size_t>(input.reader.end - input.reader.at) < LOOK_AHEAD_BYTES) and not input.at_end:
            return RDB_STEP_HUNGRY
        step = _read_record(input)
        if unlikely(step != RDB_STEP_MORE):
            return step
        records -= 1
    return RDB_STEP_MORE


# ---- in place

cdef void _free_libraries(RdbInput* input) noexcept nogil:
    cdef Scripting* scripting = scripting_of(input.engine)
    cdef Library* following
    while input.libraries != NULL:
        following = input.libraries.next
        function_library_free(&scripting.functions, input.libraries)
        input.libraries = following


cdef bint _put_libraries(RdbInput* input, int how) noexcept nogil:
    cdef Scripting* scripting = scripting_of(input.engine)
    cdef Library* libraries = input.libraries
    cdef int policy = RESTORE_FLUSH if how == RDB_PUT_REPLACE else RESTORE_REPLACE if how == RDB_PUT_MERGE else RESTORE_APPEND
    if libraries == NULL:
        if how == RDB_PUT_REPLACE and scripting != NULL:
            function_library_flush(scripting)
        return True
    input.libraries = NULL               # they are freed when they are not taken in
    return function_library_add(&scripting.functions, libraries, policy, &input.error)


cdef bint rdb_input_commit(RdbInput* input, int how) noexcept nogil:
    cdef Keyspace* keyspace = &input.engine.keyspace
    cdef int32_t database
    cdef Slice key
    engine_guarded(input.engine)
    if how == RDB_PUT_ADD and loading_collides(keyspace, input.databases, &database, &key):
        _fail(input, b"key ")
        _add_key(&input.error, key)
        _fail(input, b" of database ")
        buffer_append_integer(&input.error, database)
        _fail(input, b" is there already")
        return False
    if not _put_libraries(input, how):
        return False
    if how == RDB_PUT_REPLACE:
        loading_take_place(keyspace, input.databases)
    elif not loading_join(keyspace, input.databases):
        _fail(input, b"no memory")
        return False
    input.databases = NULL
    return True


cdef void rdb_input_end(RdbInput* input) noexcept nogil:
    engine_guarded(input.engine)
    _free_libraries(input)
    loading_abandon(&input.engine.keyspace, input.databases)
    input.databases = NULL
    foreign_clear(&input.templates)
    buffer_clear(&input.window)
    buffer_clear(&input.tallies)
    buffer_clear(&input.notes)
    buffer_clear(&input.key)
    buffer_clear(&input.storage)
    buffer_clear(&input.said)
    buffer_clear(&input.error)
