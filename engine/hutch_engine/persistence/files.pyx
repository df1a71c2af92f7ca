"""See files.pxd."""
from libc.errno cimport EEXIST, EINTR, EINVAL, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_slice, buffer_append_text
from hutch_engine.base.slice cimport Slice

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>
    #ifdef __linux__
    #define hutch_sync_data fdatasync
    #else
    #define hutch_sync_data fsync
    #endif
    static int hutch_open(const char *path, int mode) {
        int flags = mode == 0 ? O_RDONLY : mode == 1 ? O_WRONLY | O_CREAT | O_APPEND : O_WRONLY | O_CREAT | O_APPEND | O_TRUNC;
        return open(path, flags | O_CLOEXEC, 0644);
    }
    static int hutch_open_directory(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }
    static long long hutch_file_length(int fd) { struct stat s; return fstat(fd, &s) ? -1 : (long long)s.st_size; }
    static int hutch_is_removed(int fd) {
        struct stat s;
        if (fstat(fd, &s) || s.st_nlink) return 0;
    #ifdef __linux__
        /* Some file systems count no links at all: the system knows, too, whether the name is gone. */
        static const char mark[] = " (deleted)";
        const size_t length = sizeof mark - 1;
        char name[40], path[8192];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(name, path, sizeof path);
        if (got >= 0) return (size_t)got >= length && memcmp(path + got - length, mark, length) == 0;
    #endif
        return 1;
    }
    """
    bint hutch_is_removed(int fd)
    int hutch_open(const char* path, int mode)
    int hutch_open_directory(const char* path)
    long long hutch_file_length(int fd)
    int hutch_sync_data(int fd)
    int fsync(int fd)
    int close(int fd)
    ssize_t write(int fd, const void* data, size_t length)
    ssize_t read(int fd, void* data, size_t length)
    int ftruncate(int fd, long length)
    int mkdir(const char* path, unsigned int mode)
    int rename(const char* old_path, const char* new_path)
    int unlink(const char* path)
    int access(const char* path, int mode)


cdef bint path_join(Buffer* out, Slice directory, Slice name) noexcept nogil:
    out.length = 0
    if directory.length:
        buffer_append_slice(out, directory)
        if directory.data[directory.length - 1] != b'/':
            buffer_append_text(out, b"/")
    buffer_append_slice(out, name)
    buffer_append(out, b"\0", 1)
    if out.failed:
        out.failed = False
        return False
    out.length -= 1
    return True


cdef int file_open(const char* path, FileMode mode) noexcept nogil:
    cdef int fd = hutch_open(path, mode)
    while fd < 0 and errno == EINTR:
        fd = hutch_open(path, mode)
    return fd if fd >= 0 else -errno


cdef void file_close(int fd) noexcept nogil:
    if fd >= 0:
        close(fd)


cdef int file_write(int fd, const char* data, size_t length, size_t* written_out) noexcept nogil:
    cdef ssize_t put
    written_out[0] = 0
    while length:
        put = write(fd, data, length)
        if put < 0 and errno == EINTR:
            continue
        if put < 0:
            return errno
        data += put
        length -= <size_t>put
        written_out[0] += <size_t>put
    return 0


cdef int64_t file_read(int fd, char* data, size_t length) noexcept nogil:
    cdef ssize_t got = read(fd, data, length)
    while got < 0 and errno == EINTR:
        got = read(fd, data, length)
    return got if got >= 0 else -errno


cdef int file_sync(int fd) noexcept nogil:
    while hutch_sync_data(fd):
        if errno != EINTR:
            return errno
    return 0


cdef bint file_is_removed(int fd) noexcept nogil:
    return hutch_is_removed(fd)


cdef int file_truncate(int fd, int64_t length) noexcept nogil:
    while ftruncate(fd, <long>length):
        if errno != EINTR:
            return errno
    return 0


cdef int64_t file_length(int fd) noexcept nogil:
    cdef long long length = hutch_file_length(fd)
    return length if length >= 0 else -errno


cdef int directory_make(const char* path) noexcept nogil:
    cdef int fd
    if mkdir(path, 0o755) == 0:
        return 0
    if errno != EEXIST:
        return errno
    fd = hutch_open_directory(path)      # it may be a file
    if fd < 0:
        return errno
    close(fd)
    return 0


cdef int directory_sync(const char* path) noexcept nogil:
    cdef int fd = hutch_open_directory(path)
    cdef int failure = 0
    if fd < 0:
        return errno
    # Some file systems know no such thing, and say so with EINVAL.
    if fsync(fd) and errno != EINVAL:
        failure = errno
    close(fd)
    return failure


cdef int name_replace(const char* old_path, const char* new_path) noexcept nogil:
    return errno if rename(old_path, new_path) else 0


cdef int name_remove(const char* path) noexcept nogil:
    return errno if unlink(path) else 0


cdef bint name_is_there(const char* path) noexcept nogil:
    return access(path, 0) == 0
