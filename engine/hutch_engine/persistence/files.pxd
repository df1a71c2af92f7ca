"""Files as persistence needs them: whole writes, what the disk has, names that change in one step. POSIX; errors are errno's numbers.

Nothing here knows of the engine; no lock is required, and none should be held: all of it may wait for a disk.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum FileMode:
    FILE_READ = 0
    FILE_APPEND = 1              # made if need be; writes go to the end
    FILE_FRESH = 2               # made, or emptied

cdef bint path_join(Buffer* out, Slice directory, Slice name) noexcept nogil
"""Make `out` the path of the name in the directory, with a NUL behind it that its length does not count; an empty directory is the
working one. False when memory was refused."""
cdef int file_open(const char* path, FileMode mode) noexcept nogil
"""A descriptor (close-on-exec), or the negative error."""
cdef void file_close(int fd) noexcept nogil
"""Close it; -1 is allowed."""
cdef int file_write(int fd, const char* data, size_t length, size_t* written_out) noexcept nogil
"""Write all of it, in several goes if need be. 0, or the error; *written_out says how much of it stands in the file."""
cdef int64_t file_read(int fd, char* data, size_t length) noexcept nogil
"""Read up to so many bytes: how many there were, 0 at the end, or the negative error."""
cdef int file_sync(int fd) noexcept nogil
"""Wait until the disk has what was written. 0, or the error."""
cdef bint file_is_removed(int fd) noexcept nogil
"""Has the open file no name any more, so that nobody finds what is written to it? False where that cannot be told."""
cdef int file_truncate(int fd, int64_t length) noexcept nogil
"""Cut the file off. 0, or the error."""
cdef int64_t file_length(int fd) noexcept nogil
"""Bytes of the file, or the negative error."""
cdef int directory_make(const char* path) noexcept nogil
"""Make a directory; one that is there is fine. 0, or the error."""
cdef int directory_sync(const char* path) noexcept nogil
"""Wait until the disk has the names in the directory. 0, or the error."""
cdef int name_replace(const char* old_path, const char* new_path) noexcept nogil
"""Give a file another name, in place of what has that name. 0, or the error."""
cdef int name_remove(const char* path) noexcept nogil
"""Remove a file. 0, or the error."""
cdef bint name_is_there(const char* path) noexcept nogil
"""Is there such a file or directory?"""
