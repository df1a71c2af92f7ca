"""See rdb_output.pxd."""
from libc.errno cimport EINTR, ENOMEM, errno
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset, strerror
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init)
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.formats.crc64 cimport crc64

cdef extern from * nogil:
    """
    #include <fcntl.h>
    #include <stdio.h>
    #include <sys/types.h>
    #include <unistd.h>
    /* Several engines of a process may save into one directory at the same time. */
    static unsigned hutch_temporary_files = 0;
    static unsigned hutch_next_temporary(void) { return __atomic_fetch_add(&hutch_temporary_files, 1, __ATOMIC_RELAXED); }
    static int hutch_create(const char *path) { return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644); }
    static int hutch_sync_data(int fd) {
    #if defined(__APPLE__)
        return fsync(fd);
    #else
        return fdatasync(fd);
    #endif
    }
    static int hutch_sync_directory(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC), failed;
        if (fd < 0)
            return -1;
        failed = fsync(fd);
        close(fd);
        return failed;
    }
    """
    unsigned hutch_next_temporary()
    int hutch_create(const char* path)
    int hutch_sync_data(int fd)
    int hutch_sync_directory(const char* path)
    ssize_t write(int fd, const void* bytes, size_t count)
    int close(int fd)
    int fsync(int fd)
    int rename(const char* old, const char* new)
    int unlink(const char* path)
    int getpid()

cdef enum:
    SYNC_EVERY_BYTES = 4194304   # as Redis does
    SUM_BYTES = 8


cdef bint _fail(RdbOutput* output, const char* at) noexcept nogil:
    """Always False."""
    if output.error == 0:
        output.error = errno if errno else ENOMEM
        output.failed = at
    return False


cdef void _path(Buffer* out, const Buffer* directory, Slice name) noexcept nogil:
    if directory.length > 1:             # with its NUL
        buffer_append(out, directory.data, directory.length - 1)
        buffer_append(out, b"/", 1)
    buffer_append_slice(out, name)
    buffer_append(out, b"\0", 1)


cdef bint rdb_output_open(RdbOutput* output, Slice directory, Slice name, bint summed, bint synced_often) noexcept nogil:
    cdef char[64] temporary
    cdef unsigned number = hutch_next_temporary()
    cdef int length
    memset(output, 0, sizeof(RdbOutput))
    output.fd = -1
    output.summed = summed
    output.synced_often = synced_often
    buffer_init(&output.directory, NULL)
    buffer_init(&output.temporary, NULL)
    buffer_init(&output.final, NULL)
    if number:
        length = snprintf(temporary, sizeof(temporary), b"temp-%d-%u.rdb", getpid(), number)
    else:
        length = snprintf(temporary, sizeof(temporary), b"temp-%d.rdb", getpid())
    buffer_append_slice(&output.directory, directory)
    buffer_append(&output.directory, b"\0", 1)
    _path(&output.temporary, &output.directory, slice_of(temporary, <size_t>length))
    _path(&output.final, &output.directory, name)
    if output.directory.failed or output.temporary.failed or output.final.failed:
        output.temporary.length = 0      # there is none
        output.error = ENOMEM
        output.failed = b"opening"
        return False
    output.fd = hutch_create(output.temporary.data)
    return output.fd >= 0 or _fail(output, b"opening")


cdef bint rdb_output_write(RdbOutput* output, Slice bytes) noexcept nogil:
    cdef size_t left = bytes.length
    cdef const char* at = bytes.data
    cdef ssize_t written
    if output.error or output.fd < 0:
        return False
    if output.summed:
        output.sum = crc64(output.sum, bytes)
    while left:
        written = write(output.fd, at, left)
        if written < 0:
            if errno == EINTR:
                continue
            return _fail(output, b"writing")
        at += written
        left -= <size_t>written
    output.bytes += bytes.length
    output.unsynced += bytes.length
    if output.synced_often and output.unsynced >= SYNC_EVERY_BYTES:
        output.unsynced = 0
        if hutch_sync_data(output.fd) != 0:
            return _fail(output, b"syncing")
    return True




cdef bint rdb_output_finish(RdbOutput* output) noexcept nogil:
    cdef char[SUM_BYTES] sum
    cdef uint64_t value = output.sum
    cdef int i
    for i in range(SUM_BYTES):
        sum[i] = <char>(value >> (8 * i) & 255)
    output.summed = False
    return rdb_output_write(output, slice_of(sum, SUM_BYTES)) and rdb_output_publish(output)


cdef bint rdb_output_publish(RdbOutput* output) noexcept nogil:
    cdef int fd = output.fd
    if output.error or fd < 0:
        return False
    if fsync(fd) != 0:
        return _fail(output, b"syncing")
    output.fd = -1
    if close(fd) != 0:
        return _fail(output, b"closing")
    if rename(output.temporary.data, output.final.data) != 0:
        return _fail(output, b"renaming")
    output.temporary.length = 0
    # Not every file system can do it; the file itself is safe.
    if output.directory.length > 1:
        hutch_sync_directory(output.directory.data)
    else:
        hutch_sync_directory(b".")
    return True


cdef void rdb_output_abandon(RdbOutput* output) noexcept nogil:
    if output.fd >= 0:
        close(output.fd)
        output.fd = -1
    if output.temporary.length:
        unlink(output.temporary.data)
    buffer_clear(&output.directory)
    buffer_clear(&output.temporary)
    buffer_clear(&output.final)


cdef void rdb_output_describe(const RdbOutput* output, Buffer* out) noexcept nogil:
    if output.failed != NULL:
        buffer_append_text(out, output.failed)
    if output.temporary.length:
        buffer_append_text(out, b" ")
        buffer_append(out, output.temporary.data, output.temporary.length - 1)
    buffer_append_text(out, b": ")
    buffer_append_text(out, strerror(output.error))
