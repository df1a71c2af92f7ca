"""See shebang.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp, strlen
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of, slice_of_text
from hutch_engine.scripting.state cimport (
    SCRIPT_ALLOW_CROSS_SLOT, SCRIPT_ALLOW_OOM, SCRIPT_ALLOW_STALE, SCRIPT_COMPATIBLE, SCRIPT_NO_CLUSTER,
    SCRIPT_NO_WRITES)
from hutch_engine.state.config_lines cimport config_split_words

cdef const char* NAME_RULE = (b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at "
                              b"least one character long")
cdef const char* flag_names[FLAG_COUNT]
cdef uint32_t flag_bits[FLAG_COUNT]
flag_names[:] = [b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"]
flag_bits[:] = [SCRIPT_NO_WRITES, SCRIPT_ALLOW_OOM, SCRIPT_ALLOW_STALE, SCRIPT_NO_CLUSTER, SCRIPT_ALLOW_CROSS_SLOT]


cdef int shebang_flag_names(uint32_t flags, const char** names_out) noexcept nogil:
    cdef int i
    cdef int count = 0
    for i in range(FLAG_COUNT):
        if flags & flag_bits[i]:
            names_out[count] = flag_names[i]
            count += 1
    return count


cdef bint shebang_flag(Slice word, uint32_t* flags) noexcept nogil:
    cdef int i
    for i in range(FLAG_COUNT):
        if slice_equals(word, slice_of_text(flag_names[i])):
            flags[0] |= flag_bits[i]
            return True
    return False


cdef inline bint _begins(Slice text, const char* prefix) noexcept nogil:
    cdef size_t length = strlen(prefix)
    return text.length >= length and memcmp(text.data, prefix, length) == 0


cdef bint _fail(Buffer* error, const char* text, Slice word) noexcept nogil:
    buffer_append_text(error, text)
    buffer_append_slice(error, word)
    return False


cdef bint _flags(Slice list, uint32_t* flags, Buffer* error) noexcept nogil:
    """Names with commas between; an empty list has none of them."""
    cdef size_t start = 0, end
    cdef Slice word
    if list.length == 0:
        return True
    while True:
        end = start
        while end < list.length and list.data[end] != c',':
            end += 1
        word = slice_of(list.data + start, end - start)
        if not shebang_flag(word, flags):
            return _fail(error, b"ERR Unexpected flag in script shebang: ", word)
        if end == list.length:
            return True
        start = end + 1


cdef const void* _line_end(Slice text) noexcept nogil:
    """Where the first line ends; NULL without an end, or with a NUL before it: Redis looks no further than that."""
    cdef const void* end = memchr(text.data, c'\n', text.length)
    if end != NULL and memchr(text.data, 0, <size_t>(<const char*>end - text.data)) != NULL:
        return NULL
    return end


cdef bint shebang_read(Slice text, Shebang* shebang, Buffer* storage, Buffer* error) noexcept nogil:
    cdef Slice[SHEBANG_WORDS] words
    cdef const void* end
    cdef size_t count, i
    shebang.present = False
    shebang.length = 0
    shebang.flags = SCRIPT_COMPATIBLE
    shebang.name = slice_of(NULL, 0)
    if not _begins(text, b"#!"):
        return True
    end = _line_end(text)
    if end == NULL:
        return _fail(error, b"ERR Invalid script shebang", slice_of(NULL, 0))
    shebang.present = True
    shebang.length = <size_t>(<const char*>end - text.data)
    shebang.flags = 0
    if not config_split_words(slice_of(text.data, shebang.length), storage, words, SHEBANG_WORDS, &count) or count == 0:
        return _fail(error, b"ERR Invalid engine in script shebang", slice_of(NULL, 0))
    if not slice_equals(words[0], slice_of_text(b"#!lua")):
        return _fail(error, b"ERR Unexpected engine in script shebang: ", words[0])
    for i in range(1, count):
        if not _begins(words[i], b"flags="):
            return _fail(error, b"ERR Unknown lua shebang option: ", words[i])
        if not _flags(slice_of(words[i].data + 6, words[i].length - 6), &shebang.flags, error):
            return False
    return True


cdef bint shebang_is_name(Slice name) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(name.length):
        c = name.data[i]
        if not (c == c'_' or c'0' <= c <= c'9' or c'A' <= c <= c'Z' or c'a' <= c <= c'z'):
            return False
    return name.length > 0


cdef bint shebang_read_library(Slice text, Shebang* shebang, Buffer* storage, Buffer* error) noexcept nogil:
    cdef Slice[SHEBANG_WORDS] words
    cdef const void* end
    cdef size_t count, i
    cdef Slice engine
    shebang.present = True
    shebang.flags = 0
    shebang.name = slice_of(NULL, 0)
    if not _begins(text, b"#!"):
        return _fail(error, b"ERR Missing library metadata", slice_of(NULL, 0))
    end = _line_end(text)
    if end == NULL:
        return _fail(error, b"ERR Invalid library metadata", slice_of(NULL, 0))
    shebang.length = <size_t>(<const char*>end - text.data)
    if not config_split_words(slice_of(text.data, shebang.length), storage, words, SHEBANG_WORDS, &count) or count == 0:
        return _fail(error, b"ERR Invalid library metadata", slice_of(NULL, 0))
    engine = slice_of(words[0].data + 2, words[0].length - 2)
    for i in range(1, count):
        if words[i].length < 5 or not slice_is(slice_of(words[i].data, 5), b"name="):
            return _fail(error, b"ERR Invalid metadata value given: ", words[i])
        if shebang.name.data != NULL:
            return _fail(error, b"ERR Invalid metadata value, name argument was given multiple times", slice_of(NULL, 0))
        shebang.name = slice_of(words[i].data + 5, words[i].length - 5)
    if shebang.name.data == NULL:
        return _fail(error, b"ERR Library name was not given", slice_of(NULL, 0))
    if not shebang_is_name(shebang.name):
        return _fail(error, NAME_RULE, slice_of(NULL, 0))
    if not slice_is(engine, b"lua"):
        buffer_append_text(error, b"ERR Engine '")
        buffer_append_slice(error, engine)
        return _fail(error, b"' not found", slice_of(NULL, 0))
    return True
