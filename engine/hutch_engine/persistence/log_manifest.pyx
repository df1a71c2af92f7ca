"""See log_manifest.pxd."""
from libc.errno cimport ENOMEM
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy, strerror
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_reserve,
    buffer_slice)
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.quote cimport quote_append
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.persistence.files cimport (
    FILE_FRESH, FILE_READ, directory_sync, file_close, file_open, file_read, file_sync, file_write, name_is_there, name_remove,
    name_replace, path_join)
from hutch_engine.state.config_lines cimport config_split_words

cdef enum:
    MANIFEST_BYTES_MAX = 16777216
    LINE_WORDS = 16


cdef void manifest_init(LogManifest* manifest) noexcept nogil:
    manifest.files = NULL
    manifest.count = 0
    manifest.capacity = 0
    manifest.base_number = 0
    manifest.increment_number = 0


cdef void manifest_clear(LogManifest* manifest) noexcept nogil:
    free(manifest.files)
    manifest_init(manifest)


cdef LogFile* manifest_add(LogManifest* manifest, Slice name, int64_t number, char kind) noexcept nogil:
    cdef size_t capacity
    cdef void* grown
    cdef LogFile* file
    if name.length == 0 or name.length >= LOG_NAME_MAX or memchr(name.data, b'/', name.length) != NULL or memchr(name.data, 0, name.length) != NULL:
        return NULL
    if manifest.count == manifest.capacity:
        capacity = manifest.capacity * 2 if manifest.capacity else 8
        grown = realloc(manifest.files, capacity * sizeof(LogFile))
        if grown == NULL:
            return NULL
        manifest.files = <LogFile*>grown
        manifest.capacity = capacity
    file = &manifest.files[manifest.count]
    memcpy(file.name, name.data, name.length)
    file.name[name.length] = 0
    file.number = number
    file.kind = kind
    manifest.count += 1
    return file


cdef LogFile* manifest_base(const LogManifest* manifest) noexcept nogil:
    cdef size_t i
    for i in range(manifest.count):
        if manifest.files[i].kind == LOG_BASE:
            return &manifest.files[i]
    return NULL


cdef bint manifest_copy(LogManifest* to, const LogManifest* manifest) noexcept nogil:
    to.files = NULL
    to.count = 0
    to.capacity = 0
    to.base_number = manifest.base_number
    to.increment_number = manifest.increment_number
    if manifest.count:
        to.files = <LogFile*>realloc(NULL, manifest.count * sizeof(LogFile))
        if to.files == NULL:
            return False
        memcpy(to.files, manifest.files, manifest.count * sizeof(LogFile))
        to.count = to.capacity = manifest.count
    return True


# ---- reading

cdef bint _bad(Buffer* error, const char* what, int64_t line) noexcept nogil:
    """Always False."""
    buffer_append_text(error, b"the manifest of the append-only file ")
    buffer_append_text(error, what)
    if line:
        buffer_append_text(error, b", at line ")
        buffer_append_integer(error, line)
    return False


cdef bint _read_line(LogManifest* manifest, Slice line, int64_t number, Buffer* storage, Buffer* error) noexcept nogil:
    cdef Slice[16] words                 # LINE_WORDS
    cdef size_t count, i
    cdef Slice name = slice_of(NULL, 0)
    cdef int64_t sequence = -1
    cdef char kind = 0
    if line.length and line.data[0] == b'#':
        return True
    if not config_split_words(line, storage, words, LINE_WORDS, &count) or count < 6 or count % 2:
        return _bad(error, b"has a line that is not made of pairs of words", number)
    for i in range(0, count, 2):
        if slice_is(words[i], b"file"):
            name = words[i + 1]
        elif slice_is(words[i], b"seq"):
            if not parse_integer(words[i + 1], &sequence) or sequence < 0:
                return _bad(error, b"has a number that is none", number)
        elif slice_is(words[i], b"type") and words[i + 1].length == 1:
            kind = words[i + 1].data[0]
    if name.length == 0 or sequence < 0 or not (kind == LOG_BASE or kind == LOG_INCREMENT or kind == LOG_HISTORY):
        return _bad(error, b"has a line without file, seq or type", number)
    if kind == LOG_BASE:
        if manifest_base(manifest) != NULL:
            return _bad(error, b"has two bases", number)
        manifest.base_number = sequence
    elif kind == LOG_INCREMENT:
        if sequence <= manifest.increment_number:
            return _bad(error, b"has increments that are not in order", number)
        manifest.increment_number = sequence
    if manifest_add(manifest, name, sequence, kind) == NULL:
        return _bad(error, b"has a name that cannot be a file's", number)
    return True


cdef bint _read_lines(LogManifest* manifest, Slice text, Buffer* storage, Buffer* error) noexcept nogil:
    cdef const char* end
    cdef int64_t number = 0
    cdef Slice line
    while text.length:
        number += 1
        end = <const char*>memchr(text.data, 10, text.length)
        if end == NULL:
            return _bad(error, b"ends in the middle of a line", number)
        line = slice_of(text.data, <size_t>(end - text.data))
        if line.length and line.data[line.length - 1] == 13:
            line.length -= 1
        if not _read_line(manifest, line, number, storage, error):
            return False
        text = slice_of(end + 1, text.length - <size_t>(end + 1 - text.data))
    return manifest.count != 0 or _bad(error, b"is empty", 0)


cdef bint _path(Buffer* path, Slice directory, const char* before, Slice log_name, const char* behind) noexcept nogil:
    cdef Buffer name
    cdef bint done
    buffer_init(&name, NULL)
    buffer_append_text(&name, before)
    buffer_append_slice(&name, log_name)
    buffer_append_text(&name, behind)
    done = not name.failed and path_join(path, directory, buffer_slice(&name))
    buffer_clear(&name)
    return done


cdef ManifestOutcome manifest_read(LogManifest* manifest, Slice directory, Slice log_name, Buffer* error) noexcept nogil:
    cdef Buffer path, text, storage
    cdef ManifestOutcome outcome = MANIFEST_BAD
    cdef int64_t got = 1
    cdef int fd
    buffer_init(&path, NULL)
    buffer_init(&text, NULL)
    buffer_init(&storage, NULL)
    if not _path(&path, directory, b"", log_name, b".manifest"):
        _bad(error, b"cannot be read for want of memory", 0)
    elif not name_is_there(path.data):
        outcome = MANIFEST_ABSENT
    else:
        fd = file_open(path.data, FILE_READ)
        while fd >= 0 and got > 0 and text.length < MANIFEST_BYTES_MAX and buffer_reserve(&text, 65536):
            got = file_read(fd, text.data + text.length, text.capacity - text.length)
            text.length += <size_t>got if got > 0 else 0
        if fd < 0 or got != 0:
            _bad(error, b"cannot be read", 0)
            if fd < 0 or got < 0:
                buffer_append_text(error, b" (")
                buffer_append_slice(error, buffer_slice(&path))
                buffer_append_text(error, b"): ")
                buffer_append_text(error, strerror(-fd if fd < 0 else <int>-got))
        elif _read_lines(manifest, buffer_slice(&text), &storage, error):
            outcome = MANIFEST_READ
        if fd >= 0:
            file_close(fd)
    buffer_clear(&path)
    buffer_clear(&text)
    buffer_clear(&storage)
    return outcome


# ---- writing

cdef void _append_lines(const LogManifest* manifest, Buffer* text, char kind) noexcept nogil:
    cdef size_t i
    cdef const LogFile* file
    cdef Slice name
    for i in range(manifest.count):
        file = &manifest.files[i]
        if file.kind != kind:
            continue
        name = slice_of(file.name, <size_t>(<const char*>memchr(file.name, 0, LOG_NAME_MAX) - file.name))
        buffer_append_text(text, b"file ")
        if memchr(name.data, b' ', name.length) != NULL or memchr(name.data, b'"', name.length) != NULL:
            quote_append(text, name)
        else:
            buffer_append_slice(text, name)
        buffer_append_text(text, b" seq ")
        buffer_append_integer(text, file.number)
        buffer_append_text(text, b" type ")
        buffer_append(text, &kind, 1)
        buffer_append_text(text, b"\n")


cdef int manifest_write(const LogManifest* manifest, Slice directory, Slice log_name) noexcept nogil:
    cdef Buffer text, path, temporary, directory_path
    cdef size_t written
    cdef int failure = ENOMEM
    cdef int fd
    buffer_init(&text, NULL)
    buffer_init(&path, NULL)
    buffer_init(&temporary, NULL)
    buffer_init(&directory_path, NULL)
    _append_lines(manifest, &text, LOG_BASE)
    _append_lines(manifest, &text, LOG_HISTORY)
    _append_lines(manifest, &text, LOG_INCREMENT)
    if not text.failed and _path(&path, directory, b"", log_name, b".manifest") \
            and _path(&temporary, directory, b"temp-", log_name, b".manifest") \
            and path_join(&directory_path, directory, slice_of(b".", 1)):
        fd = file_open(temporary.data, FILE_FRESH)
        failure = -fd if fd < 0 else file_write(fd, text.data, text.length, &written)
        if failure == 0:
            failure = file_sync(fd)
        file_close(fd)
        if failure == 0:
            failure = name_replace(temporary.data, path.data)
        if failure == 0:
            failure = directory_sync(directory_path.data)
        elif fd >= 0:
            name_remove(temporary.data)
    buffer_clear(&text)
    buffer_clear(&path)
    buffer_clear(&temporary)
    buffer_clear(&directory_path)
    return failure
