"""See crash_log.pxd. What is here runs within a signal's handler, of a process that is broken: it reads, and writes to a descriptor."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.command cimport Command
from hutch_engine.sessions.secrets cimport secrets_include
from hutch_engine.state.engine cimport Engine, Session

cdef extern from "hutch_crash.h" nogil:
    ctypedef int (*Opener "hutch_crash_opener")(void* engine) noexcept nogil
    ctypedef void (*Describer "hutch_crash_describer")(void* engine, int fd) noexcept nogil
    void hutch_crash_begin(void* engine, Opener opener, Describer describer)
    void hutch_crash_end(void* engine)
    void hutch_crash_text(int fd, const char* text)
    void hutch_crash_bytes(int fd, const char* bytes, size_t length)
    void hutch_crash_number(int fd, uint64_t number, unsigned base)
    void hutch_crash_line(int fd, const char* text)

cdef extern from "<fcntl.h>" nogil:
    int open(const char* path, int flags, int mode)
    int O_WRONLY, O_CREAT, O_APPEND, O_CLOEXEC

cdef enum:
    PATH_BYTES = 4096
    WORDS_SHOWN = 32
    WORD_BYTES = 128


cdef int _open(void* context) noexcept nogil:
    """The log file's descriptor, or -1."""
    cdef const Buffer* name = &(<Engine*>context).config.logfile
    cdef char[4096] path                 # PATH_BYTES
    if name.length == 0 or name.length >= PATH_BYTES:
        return -1
    memcpy(path, name.data, name.length)
    path[name.length] = 0
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)


cdef void _write_quoted(int fd, Slice text) noexcept nogil:
    """Its first bytes; what is no visible ASCII becomes a dot."""
    cdef char[128] shown                 # WORD_BYTES
    cdef size_t length = text.length if text.length < WORD_BYTES else WORD_BYTES
    cdef size_t i
    for i in range(length):
        shown[i] = text.data[i] if 32 <= text.data[i] < 127 else c'.'
    hutch_crash_text(fd, b"'")
    hutch_crash_bytes(fd, shown, length)
    hutch_crash_text(fd, b"'")
    if text.length > length:
        hutch_crash_text(fd, b"... (")
        hutch_crash_number(fd, text.length - length, 10)
        hutch_crash_text(fd, b" more bytes)")


cdef void _describe(void* context, int fd) noexcept nogil:
    cdef Engine* engine = <Engine*>context
    cdef Session* session = engine.execution.current
    cdef const Command* command
    cdef const Slice* argv
    cdef size_t argc, i
    hutch_crash_text(fd, b"\n--- COMMAND ---\n")
    if session == NULL:
        hutch_crash_line(fd, b"No client's command ran in the engine (or one of a compiled method).\n")
        return
    hutch_crash_line(fd, b"Client: id=")
    hutch_crash_number(fd, session.id, 10)
    if not engine.config.hide_user_data:
        hutch_crash_text(fd, b" addr=")
        _write_quoted(fd, slice_of(session.address.data, session.address.length))
        hutch_crash_text(fd, b" name=")
        _write_quoted(fd, slice_of(session.name.data, session.name.length))
    hutch_crash_text(fd, b" db=")
    hutch_crash_number(fd, <uint64_t>session.database_index, 10)
    hutch_crash_text(fd, b"\n")
    command = session.call.command
    argv = session.call.argv
    argc = session.call.argc
    if command == NULL or argv == NULL:
        return
    hutch_crash_line(fd, b"Command: ")
    hutch_crash_bytes(fd, command.name, command.name_length)
    hutch_crash_text(fd, b", words: ")
    hutch_crash_number(fd, argc, 10)
    hutch_crash_text(fd, b"\n")
    for i in range(argc if argc < WORDS_SHOWN else WORDS_SHOWN):
        hutch_crash_text(fd, b"argv[")
        hutch_crash_number(fd, i, 10)
        hutch_crash_text(fd, b"]: ")
        if engine.config.hide_user_data and i > 0:
            hutch_crash_text(fd, b"*redacted* (")
            hutch_crash_number(fd, argv[i].length, 10)
            hutch_crash_text(fd, b" bytes)")
        elif secrets_include(command, argv, argc, i):
            hutch_crash_text(fd, b"(redacted)")
        else:
            _write_quoted(fd, argv[i])
        hutch_crash_text(fd, b"\n")


cdef void crash_log_begin(Engine* engine) noexcept nogil:
    hutch_crash_begin(engine, _open, _describe)


cdef void crash_log_end(Engine* engine) noexcept nogil:
    hutch_crash_end(engine)
