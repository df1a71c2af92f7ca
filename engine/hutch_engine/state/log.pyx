"""See log.pxd."""
from libc.stdint cimport int64_t
from libc.stddef cimport size_t
from libc.string cimport memchr
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_slice, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.config cimport LOG_NOTICE, LOG_VERBOSE, LOG_WARNING
from hutch_engine.state.engine cimport Engine

cdef extern from * nogil:
    """
    #include <fcntl.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/un.h>
    #include <time.h>
    #include <unistd.h>
    #ifdef __APPLE__
    #define HUTCH_SYSLOG_SOCKET "/var/run/syslog"
    #else
    #define HUTCH_SYSLOG_SOCKET "/dev/log"
    #endif
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
    /* One datagram, as syslog() sends it. openlog() would change what the host program logs under. */
    static void hutch_log_syslog(int priority, const char *ident, int ident_length, const char *text, int length) {
        char line[2048], day[32];
        time_t now = time(NULL);
        struct tm local;
        struct sockaddr_un to;
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0), total;
        if (fd < 0)
            return;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        memset(&to, 0, sizeof to);
        to.sun_family = AF_UNIX;
        strcpy(to.sun_path, HUTCH_SYSLOG_SOCKET);
        localtime_r(&now, &local);
        strftime(day, sizeof day, "%b %e %H:%M:%S", &local);
        total = snprintf(line, sizeof line, "<%d>%s %.*s[%d]: %.*s", priority, day, ident_length, ident, (int)getpid(), length, text);
        if (total >= (int)sizeof line)
            total = sizeof line - 1;
        if (sendto(fd, line, (size_t)total, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0) {
            /* Nobody listens, or is too slow. */
        }
        close(fd);
    }
    """
    void hutch_log_syslog(int priority, const char* ident, int ident_length, const char* text, int length)
    size_t hutch_log_head(int64_t now_ms, char level, char* out, size_t room)
    void hutch_log_line(const char* path, const char* line, size_t length)

cdef enum:
    TEXT_MAX = 1023


cdef void _to_syslog(const Engine* engine, int64_t level, Slice text) noexcept nogil:
    cdef int facility = 1                # user
    cdef int severity = 4                # warning
    if engine.config.syslog_facility:
        facility = <int>engine.config.syslog_facility + 15       # local0 is 16
    if level < LOG_WARNING:
        severity = 5 if level == LOG_NOTICE else (6 if level == LOG_VERBOSE else 7)
    hutch_log_syslog(facility * 8 + severity, engine.config.syslog_ident.data, <int>min(engine.config.syslog_ident.length, <size_t>64),
                     text.data, <int>text.length)


cdef void log_write(Engine* engine, int64_t level, Slice text) noexcept nogil:
    cdef const char* marks = b".-*#"
    cdef char[96] head
    cdef Buffer line, path
    cdef const void* end
    if level < engine.config.loglevel or not (engine.config.logfile.length or engine.logs_to_output or engine.config.syslog_enabled):
        return
    if text.length > TEXT_MAX:
        text.length = TEXT_MAX
    end = memchr(text.data, 0, text.length) if text.length else NULL
    if end != NULL:
        text.length = <size_t>(<const char*>end - text.data)
    if engine.config.syslog_enabled:
        _to_syslog(engine, level, text)
        if not (engine.config.logfile.length or engine.logs_to_output):
            return
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
