"""See log.pxd."""
from libc.stdint cimport int64_t
from libc.stddef cimport size_t
from libc.string cimport memchr
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.engine cimport Engine

cdef extern from * nogil:
    """
    #include <fcntl.h>
    #include <stdio.h>
    #include <time.h>
    #include <unistd.h>
    static size_t hutch_log_head(int64_t now_ms, char level, char *out, size_t room) {
        time_t seconds = (time_t)(now_ms / 1000);
        struct tm local;
        char day[40];
        localtime_r(&seconds, &local);
        strftime(day, sizeof day, "%d %b %Y %H:%M:%S", &local);
        return (size_t)snprintf(out, room, "%d:M %s.%03d %c ", (int)getpid(), day, (int)(now_ms % 1000), level);
    }
    /* path NULL: standard output. One write, so that lines of several writers do not mix. */
    static void hutch_log_line(const char *path, const char *line, size_t length) {
        int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : STDOUT_FILENO;
        if (fd < 0)
            return;
        if (write(fd, line, length) < 0) {
            /* A log that cannot be written is nobody's error. */
        }
        if (path)
            close(fd);
    }
    """
    size_t hutch_log_head(int64_t now_ms, char level, char* out, size_t room)
    void hutch_log_line(const char* path, const char* line, size_t length)

cdef enum:
    TEXT_MAX = 1023


cdef void log_write(Engine* engine, int64_t level, Slice text) noexcept nogil:
    cdef const char* marks = b".-*#"
    cdef char[96] head
    cdef Buffer line, path
    cdef const void* end
    if level < engine.config.loglevel or not (engine.config.logfile.length or engine.logs_to_output):
        return
    if text.length > TEXT_MAX:
        text.length = TEXT_MAX
    end = memchr(text.data, 0, text.length) if text.length else NULL
    if end != NULL:
        text.length = <size_t>(<const char*>end - text.data)
    buffer_init(&line, NULL)
    buffer_init(&path, NULL)
    buffer_append(&line, head, hutch_log_head(clock_now_ms(&engine.clock), marks[level], head, sizeof(head)))
    buffer_append_slice(&line, text)
    buffer_append(&line, b"\n", 1)
    if engine.config.logfile.length:
        buffer_append_slice(&path, buffer_slice(&engine.config.logfile))
        buffer_append(&path, b"\0", 1)
    if not line.failed and not path.failed:
        hutch_log_line(path.data if path.length else NULL, line.data, line.length)
    buffer_clear(&line)
    buffer_clear(&path)
